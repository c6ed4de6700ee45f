//! A snapshot → its layout.
//!
//! 1. [`plan`]: per day, what the snapshot has and what is resident. A segment made of the same
//!    sources whose users are the same still is taken as it is; one made of some of the sources is
//!    what the new one is made from. Where nobody asks for users, a day of one file in its order is
//!    a segment without them: nothing is read for it.
//! 2. `read`: the users of sources that are not in a segment, and the times where rows of several
//!    sources or users come together.
//! 3. `place`: users are numbered, with those of the directory, and rows are ordered.
//! 4. `make`: the segments, each from its [`draft`].
//! 5. `publish`: they become resident.

mod draft;
mod plan;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array as _, AsArray as _, BooleanArray, StringViewArray, UInt32Array};
use arrow::compute::filter;
use arrow::error::ArrowError;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use hashbrown::HashMap;
use rayon::prelude::*;
use tallymark_event::Day;
use tallymark_event::columns::{SEQUENCE, USER_ID};
use tallymark_storage::Snapshot;

use self::draft::{Draft, sequences};
use self::plan::Plan;
use crate::attached::AttachedFiles;
use crate::columns::Columns;
use crate::directory::number;
use crate::order::{Ordered, RowOrder, Tied};
use crate::resident::{Entry, Inner, view};
use crate::segment::{Core, UserRows};
use crate::source::{Source, SourceUsers};
use crate::{Error, Layout, Result, Segment, UserDirectory};

/// What a layout is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To know whose the rows are.
    Users,
    /// To read columns: users are left out where they can be.
    Rows,
    /// To read columns ahead of anything else: days that need users are left out.
    RowsAhead,
}

/// The layout of a snapshot, or of some of its days. `files` are its files where they are attached.
pub(crate) async fn layout(
    cache: &Arc<Inner>,
    files: Option<&Arc<AttachedFiles>>,
    snapshot: &Arc<Snapshot>,
    days: Option<&BTreeSet<Day>>,
    purpose: Purpose,
) -> Result<Arc<Layout>> {
    let users = purpose == Purpose::Users;
    cache.budget.begin();
    let plan = Plan::new(cache, files, snapshot, days, users);
    if plan.drafts.is_empty() {
        return Ok(plan.finished(cache, snapshot));
    }
    let _building = cache.building.lock().await;
    // Whoever was building may have made what we want.
    let mut plan = Plan::new(cache, files, snapshot, days, users);
    if plan.drafts.is_empty() {
        return Ok(plan.finished(cache, snapshot));
    }
    let (bare, mut drafts): (Vec<_>, Vec<_>) =
        std::mem::take(&mut plan.drafts).into_iter().partition(|draft| draft.needs_no_users && !users);
    let mut made: Vec<Made> = bare.into_iter().map(Draft::without_users).collect();
    if purpose == Purpose::RowsAhead {
        drafts.clear();
    }
    if drafts.is_empty() {
        let users = Arc::clone(&plan.users);
        return Ok(publish(cache, snapshot, plan, users, &[], made, 0));
    }
    let read = read(cache, snapshot, drafts).await?;
    let read_bytes = read.iter().map(|draft| draft.read_bytes).sum();
    let placed = place(cache, &plan, read).await?;
    made.extend(make(cache, placed.drafts).await?);
    Ok(publish(cache, snapshot, plan, placed.users, &placed.moved, made, read_bytes))
}

/// Reads whose rows the sources have that are in no segment, and when they happened if it matters.
async fn read(cache: &Inner, snapshot: &Snapshot, mut drafts: Vec<Draft>) -> Result<Vec<Draft>> {
    let sources: Vec<Source> = drafts.iter().flat_map(Draft::read_sources).cloned().collect();
    let reads: Vec<_> =
        sources.iter().map(|source| source.users(&cache.pool, &snapshot.identities).boxed()).collect();
    let mut users =
        stream::iter(reads).buffered(cache.pool.read_ahead()).try_collect::<Vec<_>>().await?.into_iter();
    for draft in &mut drafts {
        draft.rows = users.by_ref().take(draft.read_sources().count()).collect();
        draft.read_bytes = draft.rows.iter().map(|rows| rows.loaded_bytes).sum();
        let changed = draft.rows.iter().any(|rows| !rows.changed.is_empty())
            || draft.base.as_ref().is_some_and(|base| !base.changed.is_empty());
        if changed {
            draft.identity_from = snapshot.identities.version();
        }
        let count = draft.row_count();
        if u32::try_from(count).is_err() {
            return Err(Error::TooMany { what: "events of a day", count });
        }
    }
    let times: Vec<_> = drafts
        .iter_mut()
        .filter(|draft| draft.needs_times())
        .map(|draft| draft.read_times(cache).boxed())
        .collect();
    stream::iter(times).buffered(cache.pool.read_ahead()).try_collect::<Vec<()>>().await?;
    let bytes = drafts.iter().map(|draft| draft.read_bytes).sum();
    cache.counters.loaded_bytes.fetch_add(bytes, Ordering::Relaxed);
    cache.counters.loads.fetch_add(drafts.len() as u64, Ordering::Relaxed);
    Ok(drafts)
}

/// Drafts whose users are numbered.
struct Placed {
    users: Arc<UserDirectory>,
    /// For each resident segment the one with the new numbers; empty where they are the old ones.
    moved: Vec<Arc<Segment>>,
    drafts: Vec<PlacedDraft>,
}

/// A draft whose rows are ordered.
struct PlacedDraft {
    draft: Draft,
    ordered: Ordered,
}

/// Numbers the users and orders the rows.
async fn place(cache: &Inner, plan: &Plan, drafts: Vec<Draft>) -> Result<Placed> {
    let (former, entries) = (Arc::clone(&plan.users), plan.entries.clone());
    let numbered = cache.pool.run(move || number_users(&former, &entries, drafts)).await??;
    let mut placed = Vec::with_capacity(numbered.drafts.len());
    for NumberedDraft { mut draft, users, ordered } in numbered.drafts {
        let ordered = if let Ok(ordered) = ordered {
            ordered
        } else {
            if draft.times.is_none() {
                draft.read_times(cache).await?;
            }
            let sequences = sequences(cache, &draft).await?;
            // With sequences nothing is tied.
            draft.order(&users, Some(&sequences)).map_err(|Tied| Error::Column {
                column: SEQUENCE.to_owned(),
                day: draft.day,
                source: ArrowError::ComputeError("rows have no order".to_owned()),
            })?
        };
        placed.push(PlacedDraft { draft, ordered });
    }
    Ok(Placed { users: numbered.users, moved: numbered.moved, drafts: placed })
}

/// Drafts whose users are numbered, and their rows ordered if that takes no sequences.
struct Numbered {
    users: Arc<UserDirectory>,
    /// As in [`Placed`].
    moved: Vec<Arc<Segment>>,
    drafts: Vec<NumberedDraft>,
}

/// A draft, the users of the runs of each of its sources, and their order if no sequences are
/// needed for it.
struct NumberedDraft {
    draft: Draft,
    users: Vec<Vec<u32>>,
    ordered: Result<Ordered, Tied>,
}

fn number_users(former: &Arc<UserDirectory>, entries: &[Entry], drafts: Vec<Draft>) -> Result<Numbered> {
    let failed = |source| Error::Users { source };
    let mut lists = Vec::new();
    let mut new_ids = BTreeSet::new();
    for draft in &drafts {
        for rows in &draft.rows {
            lists.push(unchanged(rows).map_err(failed)?);
            new_ids.extend(rows.changed.iter().map(|(_, id)| id.as_str()));
        }
        new_ids.extend(draft.base.iter().flat_map(|base| &base.changed).map(|(_, id)| id.as_str()));
    }
    lists.push(new_ids.into_iter().map(Some).collect());
    let count = former.len() + lists.iter().map(StringViewArray::len).sum::<usize>();
    // One number is left for nobody.
    if count >= u32::MAX as usize {
        return Err(Error::TooMany { what: "users", count });
    }
    let numbering = number(former, &lists).map_err(failed)?;
    let users = numbering.directory.map_or_else(|| Arc::clone(former), Arc::new);
    let moved = numbering.moved;
    let segments = if moved.is_empty() {
        Vec::new()
    } else {
        entries.par_iter().map(|entry| Arc::new(entry.segment.moved(&moved))).collect()
    };

    let mut ordinals = numbering.ordinals.into_iter();
    let with_ordinals: Vec<(Draft, Vec<Vec<u32>>)> = drafts
        .into_iter()
        .map(|draft| {
            let base = draft.known_base().map(|base| base.users(&users, &moved));
            let rows =
                draft.rows.iter().zip(ordinals.by_ref()).map(|(rows, known)| rows.users(&users, known));
            let users = base.into_iter().chain(rows).collect();
            (draft, users)
        })
        .collect();
    let numbered = with_ordinals
        .into_par_iter()
        .map(|(draft, users)| {
            let ordered = draft.order(&users, None);
            NumberedDraft { draft, users, ordered }
        })
        .collect();
    Ok(Numbered { users, moved: segments, drafts: numbered })
}

/// The ids of runs whose users go by the same id still.
fn unchanged(rows: &SourceUsers) -> Result<StringViewArray, ArrowError> {
    if rows.changed.is_empty() {
        return Ok(rows.ids.clone());
    }
    let mut kept = vec![true; rows.ids.len()];
    for (run, _) in &rows.changed {
        kept[*run as usize] = false;
    }
    Ok(filter(&rows.ids, &BooleanArray::from(kept))?.as_string_view().clone())
}

impl SourceUsers {
    /// The user of each run; `known` are those of runs whose users go by the same id still.
    fn users(&self, users: &UserDirectory, known: Vec<u32>) -> Vec<u32> {
        if self.changed.is_empty() {
            return known;
        }
        let (mut known, mut changed) = (known.into_iter(), self.changed.iter().peekable());
        (0..self.ids.len() as u32)
            .filter_map(|run| match changed.next_if(|(changed, _)| *changed == run) {
                Some((_, id)) => users.ordinal(id),
                None => known.next(),
            })
            .collect()
    }
}

/// A segment that is made, and from which version of identity on its rows are its users'.
struct Made {
    segment: Arc<Segment>,
    identity_from: u64,
}

async fn make(cache: &Inner, drafts: Vec<PlacedDraft>) -> Result<Vec<Made>> {
    let made =
        cache.pool.run(move || drafts.into_par_iter().map(PlacedDraft::make).collect::<Result<Vec<_>>>());
    made.await?
}

impl PlacedDraft {
    fn make(self) -> Result<Made> {
        let Self { mut draft, ordered } = self;
        let rows = draft.row_count();
        let runs = UserRows { nobody: ordered.nobody, starts: ordered.starts };
        if runs.starts.last().map(|end| *end as usize) != Some(rows) {
            let source = ArrowError::InvalidArgumentError(format!("not {rows} rows have a user"));
            return Err(Error::Column { column: USER_ID.to_owned(), day: draft.day, source });
        }
        let order = ordered.order.map(UInt32Array::from);
        let times = draft.ordered_times(order.as_ref());
        let is_base = draft.sources.is_empty() && order.is_none() && draft.known_base().is_none();
        let Draft { day, base, sources, identity_from, .. } = draft;

        let (base_sources, columns, order) = match &base {
            // The same segment, now with users.
            Some(base) if is_base => {
                let core = &base.segment.core;
                (core.sources.as_slice(), Arc::clone(&core.columns), None)
            }
            Some(base) => {
                let core = &base.segment.core;
                let (order, order_of_sources) = through(order, core.order.as_ref(), rows);
                let columns = Columns::inheriting(&core.columns, core.sources.len(), order);
                (core.sources.as_slice(), Arc::new(columns.with_times(times)), order_of_sources)
            }
            None => {
                let columns = Arc::new(Columns::default().with_times(times));
                (&[][..], columns, order.map(|order| Arc::new(RowOrder::new(order))))
            }
        };
        let core = Core {
            day,
            rows,
            runs: Some(runs),
            sources: base_sources.iter().cloned().chain(sources).collect(),
            order,
            columns,
            used_at: AtomicU64::new(0),
        };
        Ok(Made { segment: Arc::new(Segment::new(Arc::new(core), ordered.users.into())), identity_from })
    }
}

/// Where each of `rows` rows is among those of the base and the further sources (`order`), and where
/// among those of all sources: `base` says where those of the base are among those of its own.
fn through(
    order: Option<UInt32Array>,
    base: Option<&Arc<RowOrder>>,
    rows: usize,
) -> (Option<Arc<RowOrder>>, Option<Arc<RowOrder>>) {
    let of_sources = base.map(|base| {
        let base = base.rows();
        let of_row = |row: u32| base.values().get(row as usize).copied().unwrap_or(row);
        let rows: Vec<u32> = match &order {
            Some(order) => order.values().iter().map(|row| of_row(*row)).collect(),
            None => (0..rows as u32).map(of_row).collect(),
        };
        Arc::new(RowOrder::new(rows.into()))
    });
    let order = order.map(|order| Arc::new(RowOrder::new(order)));
    let of_sources = of_sources.or_else(|| order.clone());
    (order, of_sources)
}

/// Makes the segments resident and returns the layout.
fn publish(
    cache: &Arc<Inner>,
    snapshot: &Arc<Snapshot>,
    plan: Plan,
    users: Arc<UserDirectory>,
    moved: &[Arc<Segment>],
    made: Vec<Made>,
    read_bytes: u64,
) -> Arc<Layout> {
    let Plan { mut ready, .. } = plan;
    let now = cache.budget.now();
    let by_core: HashMap<*const Core, &Arc<Segment>> =
        moved.iter().map(|segment| (Arc::as_ptr(&segment.core), segment)).collect();
    for segment in ready.values_mut() {
        if let Some(moved) = by_core.get(&Arc::as_ptr(&segment.core)) {
            *segment = Arc::clone(moved);
        }
    }
    cache.counters.hits.fetch_add(ready.len() as u64, Ordering::Relaxed);

    let mut state = cache.state();
    if !Arc::ptr_eq(&state.users, &users) {
        state.users = Arc::clone(&users);
        // What is of the former directory is of no more use to new layouts.
        state.profile_columns.clear();
    }
    for entry in state.entries.values_mut().flatten() {
        if let Some(moved) = by_core.get(&Arc::as_ptr(&entry.segment.core)) {
            entry.segment = Arc::clone(moved);
        }
    }
    let view = view(snapshot);
    for Made { segment, identity_from } in made {
        segment.core.touch(now);
        let day = segment.day();
        if segment.bytes() <= cache.budget.bytes {
            let entries = state.entries.entry(day).or_default();
            // Of earlier views nobody will ask again, but by travelling in time.
            entries.retain(|entry| entry.view > view);
            let identity = (identity_from, snapshot.identities.version());
            entries.push(Entry { segment: Arc::clone(&segment), identity, view });
        }
        ready.insert(day, segment);
    }
    if state.entries.is_empty() {
        state.users = Arc::new(UserDirectory::empty());
    }
    state.bytes_max = state.bytes();
    drop(state);
    cache.budget.enforce();
    Arc::new(Layout {
        cache: Arc::clone(cache),
        snapshot: Arc::clone(snapshot),
        users,
        segments: ready.into_values().collect(),
        read_bytes,
    })
}
