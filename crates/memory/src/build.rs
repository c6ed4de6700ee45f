//! A snapshot → its layout.
//!
//! 1. `plan`: per day, what the snapshot has and what is resident. A segment made of the same
//!    sources whose users are the same still is taken as it is; one made of some of the sources is
//!    what the new one is made from. Where nobody asks for users, a day of one file in its order is
//!    a segment without them: nothing is read for it.
//! 2. `read`: the users of sources that are not in a segment, and the times where rows of several
//!    sources or users come together.
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
use tallymark_event::columns::{SEQUENCE, USER_ID};
use tallymark_storage::{DataFile, Snapshot};
use tallymark_users::Identities;

use crate::column::{Column, Part};
use crate::columns::{self, Columns};
use crate::directory::number;
use crate::order::{self, Ordered, RowOrder, Runs, Tied};
use crate::resident::{Entry, Inner, view};
use crate::segment::{Core, UserRows};
use crate::source::{FileSource, Source, SourceKey, SourceUsers};
use crate::{ColumnId, Error, Layout, Result, Segment, UserDirectory};

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

/// The layout of a snapshot, or of some of its days.
pub(crate) async fn layout(
    cache: &Arc<Inner>,
    snapshot: &Arc<Snapshot>,
    days: Option<&BTreeSet<Day>>,
    purpose: Purpose,
) -> Result<Arc<Layout>> {
    let users = purpose == Purpose::Users;
    cache.begin();
    let plan = Plan::new(cache, snapshot, days, users);
    if plan.drafts.is_empty() {
        return Ok(plan.finished(cache, snapshot));
    }
    let _building = cache.building.lock().await;
    // Whoever was building may have made what we want.
    let mut plan = Plan::new(cache, snapshot, days, users);
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
    /// Its one source has its rows in order.
    needs_no_users: bool,
    /// Whose the rows of the sources are; first those of the base's source if the base does not
    /// say.
    rows: Vec<SourceUsers>,
    /// When they happened, once it matters.
    times: Option<Vec<Vec<u32>>>,
    read_bytes: u64,
}

/// A segment that another is made from.
#[derive(Debug)]
struct Base {
    segment: Arc<Segment>,
    /// Its users that go by another id now, ascending by ordinal, and that id.
    changed: Vec<(u32, String)>,
}

impl Plan {
    fn new(cache: &Arc<Inner>, snapshot: &Snapshot, days: Option<&BTreeSet<Day>>, with_users: bool) -> Self {
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
                let is_bare = !entry.segment.has_users();
                let changed = changes.of(entry);
                let is_same =
                    if is_bare { changes.is_none_since(entry.identity.1) } else { changed.is_empty() };
                if is_same && sources.len() == keys.len() && !(is_bare && with_users) {
                    ready.insert(day, Arc::clone(&entry.segment));
                    confirmed.push(Arc::clone(&entry.segment.core));
                    break;
                }
                if base.as_ref().is_none_or(|base| base.segment.row_count() < entry.segment.row_count()) {
                    base = Some(Base { segment: Arc::clone(&entry.segment), changed });
                }
            }
            if !ready.contains_key(&day) {
                let mut draft = wanted.draft(day, base, &entries, snapshot);
                draft.needs_no_users = match (&draft.base, draft.sources.as_slice()) {
                    (None, [one]) => one.is_sorted() && changes.is_none_since(one.identity_version()),
                    _ => false,
                };
                drafts.push(draft);
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
            read_bytes: 0,
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
        Draft {
            day,
            base,
            sources,
            identity_from,
            needs_no_users: false,
            rows: Vec::new(),
            times: None,
            read_bytes: 0,
        }
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
    /// Whether no id resolved since that version, whoever's, is resolved to another one now.
    fn is_none_since(&self, since: u64) -> bool {
        since >= self.identities.version()
            || self.identities.is_trivial()
            || self.identities.changed_since(since).next().is_none()
    }

    /// Those of a segment with users.
    fn of(&mut self, entry: &Entry) -> Vec<(u32, String)> {
        let since = entry.identity.1;
        if since >= self.identities.version() || !entry.segment.has_users() {
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
    /// The base, if it says whose its rows are.
    fn known_base(&self) -> Option<&Base> {
        self.base.as_ref().filter(|base| base.segment.has_users())
    }

    /// The sources that nobody has said of whose their rows are: each has its place in `rows`.
    fn read_sources(&self) -> impl Iterator<Item = &Source> {
        let bare = self.base.as_ref().filter(|base| !base.segment.has_users());
        bare.into_iter().flat_map(|base| &base.segment.core.sources).chain(&self.sources)
    }

    fn row_count(&self) -> usize {
        let base = self.known_base().map_or(0, |base| base.segment.row_count());
        base + self.read_sources().map(Source::row_count).sum::<usize>()
    }

    /// Whether the order of rows depends on when they happened.
    fn needs_times(&self) -> bool {
        let one = self.base.is_none() && self.sources.len() == 1
            || self.base.is_some() && self.known_base().is_none() && self.sources.is_empty();
        !one || !self.read_sources().all(Source::is_sorted)
            || self.rows.iter().any(|rows| !rows.changed.is_empty())
    }

    /// Reads the times of the base, if it has users and its times are not resident, and of all sources.
    async fn read_times(&mut self, cache: &Inner) -> Result<()> {
        if let Some(base) = self.known_base()
            && let Some(bytes) = columns::load_times(&cache.pool, &base.segment.core).await?
        {
            cache.made(&base.segment.core, base.segment.core.time_bytes(), bytes);
        }
        let mut times = Vec::new();
        let mut bytes = 0;
        for source in self.read_sources() {
            let read = source.times(&cache.pool).await?;
            bytes += read.loaded_bytes;
            times.push(read.times);
        }
        self.read_bytes += bytes;
        self.times = Some(times);
        Ok(())
    }

    /// The rows of a source in its order, whosever they are.
    fn without_users(self) -> Made {
        let core = Core {
            day: self.day,
            rows: self.row_count(),
            runs: None,
            sources: self.sources,
            order: None,
            columns: Arc::default(),
            used_at: AtomicU64::new(0),
        };
        let segment = Arc::new(Segment::new(Arc::new(core), Arc::default()));
        Made { segment, identity_from: self.identity_from }
    }

    /// The times of all rows in order, if they were read.
    fn ordered_times(&mut self, order: Option<&UInt32Array>) -> Option<Vec<u32>> {
        let base = self.known_base().map(|base| Arc::clone(&base.segment));
        let mut read = self.times.take()?;
        let times = match (&base, read.as_mut_slice()) {
            (None, [one]) => std::mem::take(one),
            (base, read) => {
                let base = base.iter().map(|base| base.times());
                base.chain(read.iter().map(Vec::as_slice)).collect::<Vec<_>>().concat()
            }
        };
        Some(match order {
            Some(order) => order.values().iter().map(|row| times[*row as usize]).collect(),
            None => times,
        })
    }

    /// Orders the rows; without their times only where that is no work.
    fn order(&self, users: &[Vec<u32>], sequences: Option<&[i64]>) -> Result<Ordered, Tied> {
        let no_times = Vec::new();
        let base = self.known_base().map(|base| {
            let segment = &base.segment;
            (segment.nobody_rows(), segment.starts(), segment.times())
        });
        let times = self.times.iter().flatten().chain(std::iter::repeat(&no_times));
        let rows = self
            .rows
            .iter()
            .zip(times)
            .map(|(rows, times)| (rows.nobody, rows.starts.as_slice(), times.as_slice()));
        let runs: Vec<Runs<'_>> = base
            .into_iter()
            .chain(rows)
            .zip(users)
            .map(|((nobody, starts, times), users)| Runs { nobody, users, starts, times })
            .collect();
        if self.times.is_none() && !order::is_in_place(&runs) {
            return Err(Tied);
        }
        order::order(&runs, sequences)
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
        read_bytes,
    })
}
