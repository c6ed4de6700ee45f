//! What a snapshot has, what of it is resident, and what is to be made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::{HashMap, HashSet};
use tallymark_event::Day;
use tallymark_storage::{DataFile, Snapshot};
use tallymark_users::Identities;

use super::draft::{Base, Draft};
use crate::attached::{AttachedFiles, OpenedFiles};
use crate::resident::{Entry, Inner};
use crate::segment::Core;
use crate::source::{FileSource, Source, SourceKey};
use crate::{Layout, Segment, UserDirectory};

/// What the snapshot has, of one day.
#[derive(Debug, Default)]
struct Wanted<'a> {
    files: Vec<&'a DataFile>,
    rows: Vec<Source>,
}

/// What is resident of a snapshot, and what is to be made.
#[derive(Debug)]
pub(super) struct Plan {
    /// The directory that all entries refer to.
    pub(super) users: Arc<UserDirectory>,
    /// All that is resident.
    pub(super) entries: Vec<Entry>,
    /// What of it is wanted, by day.
    pub(super) ready: BTreeMap<Day, Arc<Segment>>,
    pub(super) drafts: Vec<Draft>,
}

impl Plan {
    pub(super) fn new(
        cache: &Arc<Inner>,
        files: Option<&Arc<AttachedFiles>>,
        snapshot: &Snapshot,
        days: Option<&BTreeSet<Day>>,
        with_users: bool,
    ) -> Self {
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
        // Drafts made together read each of these once.
        let opened = files.map(|files| files.open());
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
                // The place of an attached file among others changes with these: nothing is made from
                // an order of some of them.
                if files.is_none()
                    && base.as_ref().is_none_or(|base| base.segment.row_count() < entry.segment.row_count())
                {
                    base = Some(Base { segment: Arc::clone(&entry.segment), changed });
                }
            }
            if !ready.contains_key(&day) {
                let mut draft = wanted.draft(day, base, &entries, snapshot, opened.as_ref());
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
    pub(super) fn finished(self, cache: &Arc<Inner>, snapshot: &Arc<Snapshot>) -> Arc<Layout> {
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
        let now = self.budget.now();
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

    fn draft(
        &self,
        day: Day,
        base: Option<Base>,
        entries: &[Entry],
        snapshot: &Snapshot,
        opened: Option<&OpenedFiles>,
    ) -> Draft {
        let known: HashSet<SourceKey<'_>> =
            base.iter().flat_map(|base| &base.segment.core.sources).map(Source::key).collect();
        let files =
            self.files.iter().filter(|file| !known.contains(&SourceKey::File(&file.path))).map(|file| {
                match opened.and_then(|opened| opened.day(file)) {
                    Some(day) => Source::Attached(Arc::new(day)),
                    None => {
                        Source::File(Arc::new(FileSource::new(snapshot.location.clone(), (*file).clone())))
                    }
                }
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
