//! A snapshot → its layout.
//!
//! 1. `plan`: per day, what the snapshot has and what is resident. A segment made of the same
//!    sources whose users are the same still is taken as it is; one made of some of the sources is
//!    what the new one is made from.
//! 2. `read`: the rows of sources that are not in a segment.
//! 3. `place`: users are numbered, with those of the directory, and rows are ordered.
//! 4. `make`: the segments.
//! 5. `publish`: they become resident.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array as _, AsArray as _, BooleanArray, StringViewArray, UInt32Array};
use arrow::compute::filter;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use hashbrown::{HashMap, HashSet};
use rayon::prelude::*;
use tallymark_event::Day;
use tallymark_event::columns::{EVENT, SEQUENCE};
use tallymark_storage::{DataFile, Snapshot};
use tallymark_users::Identities;

use crate::column::{Column, Part};
use crate::columns::{self, Columns};
use crate::directory::number;
use crate::order::{Ordered, RowOrder, Runs, Tied, order};
use crate::resident::{Entry, Inner, view};
use crate::segment::Core;
use crate::source::{FileSource, Source, SourceKey, SourceRows};
use crate::text;
use crate::{ColumnId, Error, Layout, Result, Segment, UserDirectory};

/// Sources that are read ahead of those being decoded, beside one per thread.
const READ_AHEAD: usize = 4;

/// The layout of a snapshot, or of some of its days.
pub(crate) async fn layout(
    cache: &Arc<Inner>,
    snapshot: &Arc<Snapshot>,
    days: Option<&BTreeSet<Day>>,
) -> Result<Arc<Layout>> {
    cache.begin();
    let plan = Plan::new(cache, snapshot, days);
    if plan.drafts.is_empty() {
        return Ok(plan.finished(cache, snapshot));
    }
    let _building = cache.building.lock().await;
    // Whoever was building may have made what we want.
    let mut plan = Plan::new(cache, snapshot, days);
    if plan.drafts.is_empty() {
        return Ok(plan.finished(cache, snapshot));
    }
    let drafts = std::mem::take(&mut plan.drafts);
    let read = read(cache, snapshot, drafts).await?;
    let placed = place(cache, &plan, read).await?;
    let made = make(cache, placed.drafts).await?;
    Ok(publish(cache, snapshot, plan, placed.users, &placed.moved, made))
}

/// What the snapshot has, of one day.
#[derive(Debug, Default)]
struct Wanted<'a> {
    files: Vec<&'a DataFile>,
    rows: Vec<Source>,
}

/// What is resident of a snapshot, and what is to be made.
#[derive(Debug)]
struct Plan {
    /// The directory that all entries refer to.
    users: Arc<UserDirectory>,
    /// All that is resident.
    entries: Vec<Entry>,
    /// What of it is wanted, by day.
    ready: BTreeMap<Day, Arc<Segment>>,
    drafts: Vec<Draft>,
}

/// A segment to be made.
#[derive(Debug)]
struct Draft {
    day: Day,
    base: Option<Base>,
    /// Sources that are not in the base.
    sources: Vec<Source>,
    /// The versions of identity from which on rows are the users' they will be.
    identity_from: u64,
    /// What is in the sources.
    rows: Vec<SourceRows>,
}

/// A segment that another is made from.
#[derive(Debug)]
struct Base {
    segment: Arc<Segment>,
    /// Its users that go by another id now, ascending by ordinal, and that id.
    changed: Vec<(u32, String)>,
}

impl Plan {
    fn new(cache: &Arc<Inner>, snapshot: &Snapshot, days: Option<&BTreeSet<Day>>) -> Self {
        let (users, entries) = {
            let state = cache.state();
            (Arc::clone(&state.users), state.all().cloned().collect::<Vec<_>>())
        };
        let mut by_day: HashMap<Day, Vec<&Entry>> = HashMap::new();
        for entry in &entries {
            by_day.entry(entry.segment.day()).or_default().push(entry);
        }
        let mut ready = BTreeMap::new();
        let mut drafts = Vec::new();
        let mut confirmed = Vec::new();
        let mut changes = Changes { users: &users, identities: &snapshot.identities, known: HashMap::new() };
        for (day, wanted) in wanted(cache, snapshot, days) {
            let keys: HashSet<SourceKey<'_>> = wanted.keys().collect();
            let mut base: Option<Base> = None;
            for entry in by_day.get(&day).into_iter().flatten() {
                let sources = &entry.segment.core.sources;
                if entry.identity.0 > snapshot.identities.version()
                    || !sources.iter().all(|source| keys.contains(&source.key()))
                {
                    continue;
                }
                let changed = changes.of(entry);
                if changed.is_empty() && sources.len() == keys.len() {
                    ready.insert(day, Arc::clone(&entry.segment));
                    confirmed.push(Arc::clone(&entry.segment.core));
                    break;
                }
                if base.as_ref().is_none_or(|base| base.segment.row_count() < entry.segment.row_count()) {
                    base = Some(Base { segment: Arc::clone(&entry.segment), changed });
                }
            }
            if !ready.contains_key(&day) {
                drafts.push(wanted.draft(day, base, &entries, snapshot));
            }
        }
        drop(by_day);
        cache.confirm(&confirmed, snapshot.identities.version());
        Self { users, entries, ready, drafts }
    }

    /// The layout where nothing is to be made.
    fn finished(self, cache: &Arc<Inner>, snapshot: &Arc<Snapshot>) -> Arc<Layout> {
        cache.counters.hits.fetch_add(self.ready.len() as u64, Ordering::Relaxed);
        Arc::new(Layout {
            cache: Arc::clone(cache),
            snapshot: Arc::clone(snapshot),
            users: self.users,
            segments: self.ready.into_values().collect(),
        })
    }
}

impl Inner {
    /// Notes that segments are used, and that their users are the same still.
    fn confirm(&self, cores: &[Arc<Core>], identity_version: u64) {
        let now = self.now();
        let mut state = self.state();
        for core in cores {
            core.touch(now);
            for entry in state.entries.get_mut(&core.day).into_iter().flatten() {
                if Arc::ptr_eq(&entry.segment.core, core) {
                    entry.identity.1 = entry.identity.1.max(identity_version);
                }
            }
        }
    }
}

/// The days of a snapshot that have rows, and their sources.
fn wanted<'a>(
    cache: &Inner,
    snapshot: &'a Snapshot,
    days: Option<&BTreeSet<Day>>,
) -> BTreeMap<Day, Wanted<'a>> {
    let is_wanted = |day: &Day| days.is_none_or(|days| days.contains(day));
    let mut wanted: BTreeMap<Day, Wanted<'a>> = BTreeMap::new();
    for file in snapshot.manifest.files.iter().filter(|file| file.rows > 0 && is_wanted(&file.day)) {
        wanted.entry(file.day).or_default().files.push(file);
    }
    for (day, rows) in cache.memtable.sources(snapshot) {
        if is_wanted(&day) {
            wanted.entry(day).or_default().rows.extend(rows.into_iter().map(Source::Rows));
        }
    }
    wanted
}

impl Wanted<'_> {
    fn keys(&self) -> impl Iterator<Item = SourceKey<'_>> {
        let files = self.files.iter().map(|file| SourceKey::File(&file.path));
        files.chain(self.rows.iter().map(Source::key))
    }

    fn draft(&self, day: Day, base: Option<Base>, entries: &[Entry], snapshot: &Snapshot) -> Draft {
        let known: HashSet<SourceKey<'_>> =
            base.iter().flat_map(|base| &base.segment.core.sources).map(Source::key).collect();
        let files =
            self.files.iter().filter(|file| !known.contains(&SourceKey::File(&file.path))).map(|file| {
                Source::File(Arc::new(FileSource::new(snapshot.location.clone(), (*file).clone())))
            });
        let rows = self.rows.iter().filter(|rows| !known.contains(&rows.key())).cloned();
        let sources: Vec<Source> = files.chain(rows).collect();
        let base_from = base.as_ref().and_then(|base| {
            let is_base = |entry: &&Entry| Arc::ptr_eq(&entry.segment.core, &base.segment.core);
            entries.iter().find(is_base).map(|entry| entry.identity.0)
        });
        let identity_from =
            sources.iter().map(Source::identity_version).chain(base_from).max().unwrap_or_default();
        drop(known);
        Draft { day, base, sources, identity_from, rows: Vec::new() }
    }
}

/// Which users go by another id now than when a segment was made.
struct Changes<'a> {
    users: &'a UserDirectory,
    identities: &'a Identities,
    /// By the version since when.
    known: HashMap<u64, Vec<(u32, String)>>,
}

impl Changes<'_> {
    fn of(&mut self, entry: &Entry) -> Vec<(u32, String)> {
        let since = entry.identity.1;
        if since >= self.identities.version() {
            return Vec::new();
        }
        let changed = self.known.entry(since).or_insert_with(|| {
            let changed = self.identities.changed_since(since);
            changed.filter_map(|(id, now)| Some((self.users.ordinal(id)?, now.to_owned()))).collect()
        });
        let users = entry.segment.users();
        changed.iter().filter(|(ordinal, _)| users.binary_search(ordinal).is_ok()).cloned().collect()
    }
}

/// Reads the rows of sources that are in no segment.
async fn read(cache: &Inner, snapshot: &Snapshot, mut drafts: Vec<Draft>) -> Result<Vec<Draft>> {
    let sources: Vec<Source> = drafts.iter().flat_map(|draft| draft.sources.iter().cloned()).collect();
    let reads: Vec<_> =
        sources.iter().map(|source| source.rows(&cache.pool, &snapshot.identities).boxed()).collect();
    let mut rows = stream::iter(reads)
        .buffered(cache.pool.threads() + READ_AHEAD)
        .try_collect::<Vec<_>>()
        .await?
        .into_iter();
    for draft in &mut drafts {
        draft.rows = rows.by_ref().take(draft.sources.len()).collect();
        let changed = draft.rows.iter().any(|rows| !rows.changed.is_empty())
            || draft.base.as_ref().is_some_and(|base| !base.changed.is_empty());
        if changed {
            draft.identity_from = snapshot.identities.version();
        }
        let count = draft.row_count();
        if u32::try_from(count).is_err() {
            return Err(Error::TooMany { what: "events of a day", count });
        }
        let bytes = draft.rows.iter().map(|rows| rows.loaded_bytes).sum();
        cache.counters.loaded_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
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
    for NumberedDraft { draft, users, ordered } in numbered.drafts {
        let ordered = if let Ok(ordered) = ordered {
            ordered
        } else {
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
            let base = draft.base.as_ref().map(|base| base.users(&users, &moved));
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
fn unchanged(rows: &SourceRows) -> Result<StringViewArray, ArrowError> {
    if rows.changed.is_empty() {
        return Ok(rows.ids.clone());
    }
    let mut kept = vec![true; rows.ids.len()];
    for (run, _) in &rows.changed {
        kept[*run as usize] = false;
    }
    Ok(filter(&rows.ids, &BooleanArray::from(kept))?.as_string_view().clone())
}

impl SourceRows {
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

impl Base {
    /// The user of each run.
    fn users(&self, users: &UserDirectory, moved: &[u32]) -> Vec<u32> {
        let mut changed = self.changed.iter().peekable();
        self.segment
            .users()
            .iter()
            .filter_map(|ordinal| match changed.next_if(|(changed, _)| changed == ordinal) {
                Some((_, id)) => users.ordinal(id),
                None if moved.is_empty() => Some(*ordinal),
                None => Some(moved[*ordinal as usize]),
            })
            .collect()
    }
}

impl Draft {
    fn row_count(&self) -> usize {
        let base = self.base.as_ref().map_or(0, |base| base.segment.row_count());
        base + self.rows.iter().map(|rows| rows.times.len()).sum::<usize>()
    }

    fn order(&self, users: &[Vec<u32>], sequences: Option<&[i64]>) -> Result<Ordered, Tied> {
        let base = self
            .base
            .iter()
            .map(|base| (base.segment.nobody_rows(), base.segment.starts(), base.segment.times()));
        let rows = self.rows.iter().map(|rows| (rows.nobody, rows.starts.as_slice(), rows.times.as_slice()));
        let runs: Vec<Runs<'_>> = base
            .chain(rows)
            .zip(users)
            .map(|((nobody, starts, times), users)| Runs { nobody, users, starts, times })
            .collect();
        order(&runs, sequences)
    }
}

/// The sequences of all rows of a draft, those of the base first.
async fn sequences(cache: &Inner, draft: &Draft) -> Result<Vec<i64>> {
    let column = Column::of(ColumnId::SEQUENCE, &tallymark_event::PropertyCatalog::default());
    let mut parts = Vec::new();
    if let Some(base) = &draft.base {
        let slot = base.segment.core.columns.slot(&column);
        let loaded = columns::load(&cache.pool, &base.segment.core, &column, &slot).await?;
        cache.loaded(&base.segment.core, &column, &slot, &loaded);
        parts.push(Part::Values(loaded.array));
    }
    for source in &draft.sources {
        parts.extend(source.column(&cache.pool, &column).await?.parts);
    }
    let mut sequences = Vec::with_capacity(draft.row_count());
    for part in &parts {
        if let Part::Values(array) = part
            && let Some(array) = array.as_primitive_opt::<Int64Type>()
        {
            sequences.extend_from_slice(array.values());
        }
    }
    if sequences.len() == draft.row_count() {
        return Ok(sequences);
    }
    let source = ArrowError::InvalidArgumentError("sequences are missing".to_owned());
    Err(Error::Column { column: SEQUENCE.to_owned(), day: draft.day, source })
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
        let Self { draft: Draft { day, base, sources, identity_from, mut rows }, ordered } = self;
        let order = ordered.order.map(UInt32Array::from);

        let base_events = base.iter().map(|base| Part::Values(Arc::clone(base.segment.events())));
        let events: Vec<Part> =
            base_events.chain(rows.iter().flat_map(|rows| rows.events.iter().cloned())).collect();
        let events = text::assemble(&events, order.as_ref()).map_err(|source| Error::Column {
            column: EVENT.to_owned(),
            day,
            source,
        })?;

        let times: Vec<u32> = match (&base, rows.as_mut_slice()) {
            (None, [one]) => std::mem::take(&mut one.times),
            (base, rows) => {
                let base = base.iter().map(|base| base.segment.times());
                base.chain(rows.iter().map(|rows| rows.times.as_slice())).collect::<Vec<_>>().concat()
            }
        };
        let times = match &order {
            Some(order) => order.values().iter().map(|row| times[*row as usize]).collect(),
            None => times,
        };

        let (base_sources, columns, order) = match &base {
            Some(base) => {
                let core = &base.segment.core;
                let (order, order_of_sources) = through(order, core.order.as_ref(), times.len());
                let columns = Columns::inheriting(&core.columns, core.sources.len(), order);
                (core.sources.as_slice(), columns, order_of_sources)
            }
            None => (&[][..], Columns::default(), order.map(|order| Arc::new(RowOrder::new(order)))),
        };
        let core = Core {
            day,
            nobody: ordered.nobody,
            starts: ordered.starts,
            times,
            events,
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
) -> Arc<Layout> {
    let Plan { mut ready, .. } = plan;
    let now = cache.now();
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
        if segment.bytes() <= cache.config.budget_bytes {
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
    cache.shrink(&mut state);
    drop(state);
    Arc::new(Layout {
        cache: Arc::clone(cache),
        snapshot: Arc::clone(snapshot),
        users,
        segments: ready.into_values().collect(),
    })
}
