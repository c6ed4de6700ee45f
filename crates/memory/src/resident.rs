//! What is resident, of one dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::DataType;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tallymark_event::{Day, PropertyCatalog};
use tallymark_storage::Snapshot;
use tallymark_users::Profiles;

use crate::attached::AttachedFiles;
use crate::budget::Budget;
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

/// The resident columns of one dataset, or of one that is attached to it. Cloning copies pointers.
#[derive(Debug, Clone)]
pub struct ResidentEvents {
    inner: Arc<Inner>,
    /// What a snapshot's files are, where they are attached.
    files: Option<Arc<AttachedFiles>>,
}

/// What all clones share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) budget: Arc<Budget>,
    pub(crate) pool: Arc<Pool>,
    /// What is held of each lane, where they are those of an attached dataset: its column's name
    /// and type.
    lanes: Option<Arc<[(String, DataType)]>>,
    pub(crate) memtable: Memtable,
    /// Held by the one who makes segments: what one makes, the next finds.
    pub(crate) building: tokio::sync::Mutex<()>,
    pub(crate) counters: Counters,
    state: Mutex<State>,
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
    pub(crate) bytes_max: usize,
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
        let (budget, pool) =
            (Arc::new(Budget::new(config.budget_bytes)), Arc::new(Pool::new(config.threads)));
        Self::of(budget, pool, None)
    }

    /// The same for a dataset that is attached to this one, within the same budget. `lanes` are the
    /// names of its columns and the types they are held as.
    ///
    /// A snapshot of it has as its files the days of [`AttachedFiles`]
    /// ([`ResidentEvents::with_files`]), and no identities.
    #[must_use]
    pub fn attached(&self, lanes: Arc<[(String, DataType)]>) -> Self {
        Self::of(Arc::clone(&self.inner.budget), Arc::clone(&self.inner.pool), Some(lanes))
    }

    /// The same over these files: those of the snapshots that it will be asked about.
    #[must_use]
    pub fn with_files(&self, files: Arc<AttachedFiles>) -> Self {
        Self { inner: Arc::clone(&self.inner), files: Some(files) }
    }

    fn of(budget: Arc<Budget>, pool: Arc<Pool>, lanes: Option<Arc<[(String, DataType)]>>) -> Self {
        let state = State {
            bytes_max: 0,
            users: Arc::new(UserDirectory::empty()),
            entries: BTreeMap::new(),
            profile_columns: Vec::new(),
            profile_catalog: None,
        };
        let inner = Arc::new(Inner {
            budget,
            pool,
            lanes,
            memtable: Memtable::default(),
            building: tokio::sync::Mutex::default(),
            counters: Counters::default(),
            state: Mutex::new(state),
        });
        inner.budget.join(&inner);
        Self { inner, files: None }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Forgets the segments of files that are not among these.
    pub fn retain(&self, files: &AttachedFiles) {
        self.inner.state().retain(files);
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
        usage::estimate(&self.inner, self.files.as_deref(), snapshot, days, columns)
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
        let layout = build::layout(&self.inner, self.files.as_ref(), snapshot, days, purpose).await?;
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
        let layout =
            build::layout(&self.inner, self.files.as_ref(), snapshot, days, Purpose::RowsAhead).await?;
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

    /// A column as the catalog, or the schema of an attached dataset, has it.
    ///
    /// # Panics
    /// If there is no such column.
    pub(crate) fn column(&self, id: ColumnId, catalog: &PropertyCatalog) -> Column {
        match (&self.lanes, id) {
            (Some(lanes), ColumnId::Lane(lane)) => {
                let (name, data_type) = lanes[lane.0 as usize].clone();
                Column { id, name, data_type, kind: None }
            }
            _ => Column::of(id, catalog),
        }
    }

    /// Notes that a column was asked for, and keeps it if it was made now and there is room.
    pub(crate) fn loaded(&self, core: &Arc<Core>, column: &Column, slot: &Arc<Slot>, loaded: &Loaded) {
        if !loaded.is_new {
            self.counters.hits.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let bytes = loaded.values.bytes();
        let fits = bytes <= self.budget.bytes;
        if !fits {
            core.columns.forget(column, slot);
        }
        if !self.made(core, if fits { bytes } else { 0 }, loaded.read_bytes) {
            core.columns.forget(column, slot);
        }
    }

    /// Counts what was read of a segment just now, and makes room for it. Says whether the segment is
    /// kept.
    pub(crate) fn made(&self, core: &Arc<Core>, bytes: usize, read_bytes: u64) -> bool {
        self.counters.loads.fetch_add(1, Ordering::Relaxed);
        self.counters.loaded_bytes.fetch_add(read_bytes, Ordering::Relaxed);
        self.added(core, bytes)
    }

    /// Makes room for what is kept of a segment from now on. Says whether the segment is kept.
    pub(crate) fn added(&self, core: &Arc<Core>, bytes: usize) -> bool {
        let mut state = self.state();
        let is_kept = state.has(core);
        if is_kept {
            // The footers may be new as well.
            state.bytes_max += bytes + core.kept_bytes();
        }
        drop(state);
        if is_kept {
            self.budget.enforce();
        } else {
            // Nobody counts what these hold for others.
            core.forget_decoded();
        }
        is_kept
    }
}

/// What may be evicted.
pub(crate) enum Victim {
    Column(Arc<Core>, Resident),
    ProfileColumn(Arc<ProfileSlot>),
    Segment(Arc<Core>),
}

impl Victim {
    /// How many bytes go with it; `None` where others may go as well.
    pub(crate) fn bytes(&self) -> Option<usize> {
        match self {
            Self::Column(_, column) => Some(column.values.bytes()),
            Self::ProfileColumn(slot) => Some(slot.bytes()),
            Self::Segment(_) => None,
        }
    }
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

    /// Forgets what nobody asked for yet, and what is soon made of what is there: the first to go.
    pub(crate) fn drop_unused(&self) {
        for entry in self.all() {
            entry.segment.core.columns.disinherit();
            entry.segment.core.columns.forget_rows_by_event();
            entry.segment.core.forget_decoded();
        }
    }

    pub(crate) fn evict(&mut self, victim: Victim) {
        match victim {
            Victim::Column(core, column) => core.columns.evict(&column),
            Victim::ProfileColumn(slot) => {
                self.profile_columns.retain(|known| !Arc::ptr_eq(known, &slot));
            }
            Victim::Segment(core) => self.remove(&core),
        }
    }

    fn retain(&mut self, files: &AttachedFiles) {
        for entries in self.entries.values_mut() {
            entries.retain(|entry| entry.segment.core.sources.iter().all(|source| files.has(&source.key())));
        }
        self.entries.retain(|_, entries| !entries.is_empty());
        self.forget_users();
    }

    /// What may be evicted, and when it was used last; a segment comes after its columns.
    pub(crate) fn victims(&self) -> Vec<(u64, Victim)> {
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
        victims
    }

    fn remove(&mut self, core: &Arc<Core>) {
        if let Some(entries) = self.entries.get_mut(&core.day) {
            entries.retain(|entry| !Arc::ptr_eq(&entry.segment.core, core));
            if entries.is_empty() {
                self.entries.remove(&core.day);
            }
        }
        core.forget_decoded();
        self.forget_users();
    }

    fn forget_users(&mut self) {
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
    let resident: usize = columns.resident().iter().map(|column| column.values.bytes()).sum();
    segment.bytes() + resident + columns.inherited_bytes() + columns.rows_by_event_bytes()
}
