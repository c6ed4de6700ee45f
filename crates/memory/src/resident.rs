//! What is resident, of one dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::Array;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tallymark_event::{Day, PropertyCatalog};
use tallymark_storage::Snapshot;
use tallymark_users::Profiles;

use crate::build::{self, Purpose};
use crate::column::Column;
use crate::columns::{Loaded, Resident, Slot};
use crate::memtable::Memtable;
use crate::pool::Pool;
use crate::profiles::ProfileSlot;
use crate::segment::Core;
use crate::usage;
use crate::{
    ColumnId, Estimate, Layout, LayoutNeeds, MemoryConfig, MemoryUsage, Result, Segment, UserDirectory,
};

/// The resident columns of one dataset. Cloning copies a pointer.
#[derive(Debug, Clone)]
pub struct ResidentEvents {
    inner: Arc<Inner>,
}

/// What all clones share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: MemoryConfig,
    pub(crate) pool: Pool,
    pub(crate) memtable: Memtable,
    /// Held by the one who makes segments: what one makes, the next finds.
    pub(crate) building: tokio::sync::Mutex<()>,
    pub(crate) counters: Counters,
    state: Mutex<State>,
    /// Counts layouts, and the uses of columns, so that the least recent is known.
    layouts: AtomicU64,
    uses: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) loads: AtomicU64,
    pub(crate) loaded_bytes: AtomicU64,
    pub(crate) evictions: AtomicU64,
}

/// What is kept.
#[derive(Debug)]
pub(crate) struct State {
    /// At most so many bytes are kept: what is added is counted at once, what goes when it matters.
    bytes_max: usize,
    /// The users of all entries.
    pub(crate) users: Arc<UserDirectory>,
    /// The segments of each day: one, or several where queries use several snapshots.
    pub(crate) entries: BTreeMap<Day, Vec<Entry>>,
    pub(crate) profile_columns: Vec<Arc<ProfileSlot>>,
    /// The lanes of the profiles last asked for.
    pub(crate) profile_catalog: Option<(Arc<Profiles>, Arc<PropertyCatalog>)>,
}

/// A segment that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) segment: Arc<Segment>,
    /// The versions of identity, from and to, at which its rows are these users'.
    pub(crate) identity: (u64, u64),
    /// The latest view it was made for.
    pub(crate) view: View,
}

/// How far a snapshot reaches: a later one of the same dataset is greater.
pub(crate) type View = (u64, Option<u64>);

/// Which view a snapshot is.
pub(crate) fn view(snapshot: &Snapshot) -> View {
    (snapshot.manifest.version, snapshot.last_wal)
}

impl ResidentEvents {
    /// Nothing is resident yet.
    pub fn new(config: MemoryConfig) -> Self {
        let state = State {
            bytes_max: 0,
            users: Arc::new(UserDirectory::empty()),
            entries: BTreeMap::new(),
            profile_columns: Vec::new(),
            profile_catalog: None,
        };
        let inner = Inner {
            config,
            pool: Pool::new(config.threads),
            memtable: Memtable::default(),
            building: tokio::sync::Mutex::default(),
            counters: Counters::default(),
            state: Mutex::new(state),
            layouts: AtomicU64::new(0),
            uses: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What it would take to have these columns of these days (`None`: of all) in memory; no I/O.
    ///
    /// # Panics
    /// If a column is not of the snapshot's catalog.
    pub fn estimate(
        &self,
        snapshot: &Snapshot,
        days: Option<&BTreeSet<Day>>,
        columns: &[ColumnId],
    ) -> Estimate {
        usage::estimate(&self.inner, snapshot, days, columns)
    }

    /// The segments of a snapshot with users and times; `None` means all its days. Days without
    /// rows have no segment.
    ///
    /// # Errors
    /// [`crate::Error::Load`] where a data file cannot be read: its snapshot is no longer kept.
    pub async fn layout(
        &self,
        snapshot: &Arc<Snapshot>,
        days: Option<&BTreeSet<Day>>,
    ) -> Result<Arc<Layout>> {
        self.layout_with(snapshot, days, LayoutNeeds::ALL).await
    }

    /// The same with no more than is needed. Rows are in the same order whatever is.
    ///
    /// # Errors
    /// As [`ResidentEvents::layout`].
    pub async fn layout_with(
        &self,
        snapshot: &Arc<Snapshot>,
        days: Option<&BTreeSet<Day>>,
        needs: LayoutNeeds,
    ) -> Result<Arc<Layout>> {
        let purpose = if needs.users { Purpose::Users } else { Purpose::Rows };
        let layout = build::layout(&self.inner, snapshot, days, purpose).await?;
        if needs.times {
            let loads: Vec<_> = (0..layout.segments.len()).map(|at| layout.load_times(at).boxed()).collect();
            stream::iter(loads)
                .buffer_unordered(self.inner.pool.read_ahead())
                .try_collect::<Vec<_>>()
                .await?;
        }
        Ok(layout)
    }

    /// Loads columns, and times if they are among them, of the days that need no users for that: to
    /// be done while [`ResidentEvents::layout_with`] numbers users. Says how many bytes were read.
    ///
    /// # Errors
    /// As [`ResidentEvents::layout`].
    ///
    /// # Panics
    /// If a column is not of the snapshot's catalog.
    pub async fn load_ahead(
        &self,
        snapshot: &Arc<Snapshot>,
        days: Option<&BTreeSet<Day>>,
        columns: &[ColumnId],
    ) -> Result<u64> {
        let layout = build::layout(&self.inner, snapshot, days, Purpose::RowsAhead).await?;
        let times = columns.contains(&ColumnId::TIME);
        let columns: Vec<ColumnId> = columns
            .iter()
            .copied()
            .filter(|column| !matches!(*column, ColumnId::TIME | ColumnId::USER_ID))
            .collect();
        let loads: Vec<_> = (0..layout.segments.len())
            .map(|at| {
                let (layout, columns) = (&layout, &columns);
                async move {
                    let time_bytes = if times { layout.load_times(at).await? } else { 0 };
                    Ok(layout.load(at, columns).await?.loaded_bytes + time_bytes)
                }
                .boxed()
            })
            .collect();
        stream::iter(loads)
            .buffered(self.inner.pool.read_ahead())
            .try_fold(0, |all, bytes| async move { Ok(all + bytes) })
            .await
    }

    /// What is resident now, and what it costs.
    pub fn usage(&self) -> MemoryUsage {
        usage::usage(&self.inner)
    }
}

impl Inner {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that another layout is asked for.
    pub(crate) fn begin(&self) {
        self.layouts.fetch_add(1, Ordering::Relaxed);
    }

    /// When a column is used now: grows with every layout, and with every use in between.
    pub(crate) fn now(&self) -> u64 {
        let uses = self.uses.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX);
        (self.layouts.load(Ordering::Relaxed) << 32) | uses
    }

    /// Notes that a column was asked for, and keeps it if it was made now and there is room.
    pub(crate) fn loaded(&self, core: &Arc<Core>, column: &Column, slot: &Arc<Slot>, loaded: &Loaded) {
        if !loaded.is_new {
            self.counters.hits.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let bytes = loaded.array.get_array_memory_size();
        let fits = bytes <= self.config.budget_bytes;
        if !fits {
            core.columns.forget(column, slot);
        }
        if !self.made(core, if fits { bytes } else { 0 }, loaded.read_bytes) {
            core.columns.forget(column, slot);
        }
    }

    /// Counts what was made of a segment just now, and makes room for it. Says whether the segment is
    /// kept.
    pub(crate) fn made(&self, core: &Arc<Core>, bytes: usize, read_bytes: u64) -> bool {
        self.counters.loads.fetch_add(1, Ordering::Relaxed);
        self.counters.loaded_bytes.fetch_add(read_bytes, Ordering::Relaxed);
        let mut state = self.state();
        let is_kept = state.has(core);
        if is_kept {
            // The footers may be new as well.
            state.bytes_max += bytes + core.kept_bytes();
            if state.bytes_max > self.config.budget_bytes {
                self.shrink(&mut state);
            }
        }
        is_kept
    }

    /// Evicts what was not used for longest until the rest is within the budget.
    pub(crate) fn shrink(&self, state: &mut State) {
        let evictions = state.shrink(self.config.budget_bytes);
        self.counters.evictions.fetch_add(evictions, Ordering::Relaxed);
    }
}

/// What may be evicted.
enum Victim {
    Column(Arc<Core>, Resident),
    ProfileColumn(Arc<ProfileSlot>),
    Segment(Arc<Core>),
}

impl State {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().flatten()
    }

    fn has(&self, core: &Arc<Core>) -> bool {
        let of_day = self.entries.get(&core.day);
        let is_of = |entry: &Entry| Arc::ptr_eq(&entry.segment.core.columns, &core.columns);
        of_day.is_some_and(|entries| entries.iter().any(is_of))
    }

    /// Bytes of everything that is kept.
    pub(crate) fn bytes(&self) -> usize {
        let segments: usize = self.all().map(|entry| segment_bytes(&entry.segment)).sum();
        let profiles: usize = self.profile_columns.iter().map(|slot| slot.bytes()).sum();
        segments + profiles + self.users.bytes()
    }

    fn shrink(&mut self, budget_bytes: usize) -> u64 {
        let mut bytes = self.bytes();
        self.bytes_max = bytes;
        if bytes <= budget_bytes {
            return 0;
        }
        // Columns of former segments that nobody asked for since are the first to go.
        for entry in self.all() {
            bytes -= entry.segment.core.columns.inherited_bytes();
            entry.segment.core.columns.disinherit();
        }
        let mut evictions = 0;
        for victim in self.victims() {
            if bytes <= budget_bytes {
                break;
            }
            evictions += 1;
            match victim {
                Victim::Column(core, column) => {
                    core.columns.evict(&column);
                    bytes -= column.array.get_array_memory_size();
                }
                Victim::ProfileColumn(slot) => {
                    self.profile_columns.retain(|known| !Arc::ptr_eq(known, &slot));
                    bytes -= slot.bytes();
                }
                Victim::Segment(core) => {
                    self.remove(&core);
                    bytes = self.bytes();
                }
            }
        }
        self.bytes_max = bytes;
        evictions
    }

    /// What may be evicted, the least recently used first; a segment comes after its columns.
    fn victims(&self) -> Vec<Victim> {
        let mut victims = Vec::new();
        for entry in self.all() {
            let core = &entry.segment.core;
            let mut used_at = core.used_at.load(Ordering::Relaxed);
            for column in core.columns.resident() {
                used_at = used_at.max(column.used_at);
                victims.push((column.used_at, Victim::Column(Arc::clone(core), column)));
            }
            // Whoever wants a column wants its segment: of one layout, columns go first.
            victims.push((used_at | u64::from(u32::MAX), Victim::Segment(Arc::clone(core))));
        }
        for slot in self.profile_columns.iter().filter(|slot| slot.bytes() > 0) {
            victims.push((slot.used_at.load(Ordering::Relaxed), Victim::ProfileColumn(Arc::clone(slot))));
        }
        victims.sort_by_key(|(used_at, _)| *used_at);
        victims.into_iter().map(|(_, victim)| victim).collect()
    }

    fn remove(&mut self, core: &Arc<Core>) {
        if let Some(entries) = self.entries.get_mut(&core.day) {
            entries.retain(|entry| !Arc::ptr_eq(&entry.segment.core, core));
            if entries.is_empty() {
                self.entries.remove(&core.day);
            }
        }
        if self.entries.is_empty() {
            // A directory of nobody: the next segments begin a new one.
            self.users = Arc::new(UserDirectory::empty());
            self.profile_columns.clear();
        }
    }
}

/// Bytes of a segment with its columns.
pub(crate) fn segment_bytes(segment: &Segment) -> usize {
    let columns = &segment.core.columns;
    let resident: usize = columns.resident().iter().map(|column| column.array.get_array_memory_size()).sum();
    segment.bytes() + resident + columns.inherited_bytes()
}
