//! Rewriting files: compaction, removal of a user, clean-up.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use serde::Serialize;
use tallymark_event::Day;
use tallymark_storage::{
    CleanupReport, Commit, DataFile, Merge, MergeRow, PeopleChange, PeopleEntry, Snapshot, Uncommitted,
    WriteGuard, clean_up, merge_files,
};
use tallymark_users::{Identities, IdentityOp, ProfileKey};
use tracing::{debug, info};

use crate::definitions::without_user as without_user_listed;
use crate::error::chain;
use crate::{Engine, Result, View};

/// Days merged between two commits: what a crash can undo.
const DAYS_PER_COMMIT: usize = 64;
/// More files than this of the people log are made one.
const PEOPLE_FILES_MAX: usize = 8;

/// What [`Engine::compact`] is to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompactOptions {
    /// Rewrite every day that has more than one file or users that were merged since; else only
    /// days with several files.
    pub all: bool,
}

/// What a compaction did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CompactReport {
    /// Days rewritten.
    pub days: u64,
    /// Data files before,
    pub files_before: u64,
    /// and after.
    pub files_after: u64,
    /// Their bytes before,
    pub bytes_before: u64,
    /// and after.
    pub bytes_after: u64,
    /// Objects deleted because no retained snapshot needs them.
    pub deleted_objects: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
}

/// What the removal of a user did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DeleteReport {
    /// The user's canonical id.
    pub user_id: String,
    /// All ids the user had.
    pub ids: Vec<String>,
    /// Events removed.
    pub events: u64,
    /// Profiles removed.
    pub profiles: u64,
    /// Saved cohorts and reports that listed the user and no longer do.
    pub definitions: u64,
    /// Data files rewritten.
    pub files_rewritten: u64,
    /// Events of any of these ids that a scan of all live files still finds: 0.
    pub remaining: u64,
}

impl Engine {
    /// Merges the files of each day into one (or few, if the day is large), with users resolved as
    /// of now, and deletes what no retained snapshot needs.
    ///
    /// Answers do not change. Queries and writes go on meanwhile.
    ///
    /// # Errors
    /// When storage fails; what was committed before stays.
    pub async fn compact(&self, options: &CompactOptions) -> Result<CompactReport> {
        self.flush().await?;
        let snapshot = self.snapshot();
        let mut report = CompactReport {
            files_before: snapshot.manifest.files.len() as u64,
            bytes_before: snapshot.manifest.files.iter().map(|file| file.bytes).sum(),
            ..CompactReport::default()
        };
        let days = days_to_compact(&snapshot, *options);
        for days in days.chunks(DAYS_PER_COMMIT) {
            report.days += self.compact_days(&snapshot, days).await?;
        }
        self.compact_people().await?;
        let after = self.snapshot();
        report.files_after = after.manifest.files.len() as u64;
        report.bytes_after = after.manifest.files.iter().map(|file| file.bytes).sum();
        let cleaned = self.clean_up().await?;
        report.deleted_objects = cleaned.manifests + cleaned.data_files + cleaned.wal + cleaned.orphans;
        report.deleted_bytes = cleaned.bytes;
        info!(days = report.days, files = report.files_after, "compacted");
        Ok(report)
    }

    /// Merges days without holding up writers, then commits those whose files are still the same.
    async fn compact_days(&self, snapshot: &Snapshot, days: &[(Day, Vec<DataFile>)]) -> Result<u64> {
        let put = self.inner.store.uncommitted();
        let count = self.compact_days_to(&put, snapshot, days).await;
        // Merges of files that were replaced meanwhile, and all of them if the commit failed.
        put.discard().await;
        count
    }

    async fn compact_days_to(
        &self,
        put: &Uncommitted,
        snapshot: &Snapshot,
        days: &[(Day, Vec<DataFile>)],
    ) -> Result<u64> {
        let mut merged = Vec::with_capacity(days.len());
        for (day, files) in days {
            let merge = Merge {
                day: *day,
                files,
                catalog: &snapshot.catalog,
                identities: &snapshot.identities,
                keep: &|_| true,
            };
            match merge_files(&self.inner.store, merge).await {
                Ok(after) => {
                    put.adopt(&after);
                    merged.push((files, after));
                }
                // A removal of a user meanwhile deletes at once what it replaces.
                Err(error) if are_live(files, &self.snapshot()) => return Err(error.into()),
                Err(error) => debug!(%day, error = chain(&error), "files to compact were replaced meanwhile"),
            }
        }
        let mut guard = self.inner.store.write().await?;
        let newest = guard.snapshot();
        let mut change = Commit::of(&newest);
        let mut count = 0;
        for (before, after) in merged {
            if are_live(before, &newest) {
                count += 1;
                change.remove.extend(before.iter().map(|file| file.path.clone()));
                change.add.extend(after);
            }
        }
        if count > 0 {
            guard.commit(change).await?;
        }
        Ok(count)
    }

    /// Makes one file of the people log if it has many.
    async fn compact_people(&self) -> Result<()> {
        let mut guard = self.inner.store.write().await?;
        let snapshot = guard.snapshot();
        if snapshot.manifest.people.len() > PEOPLE_FILES_MAX && snapshot.pending.is_empty() {
            let log = self.inner.store.people_log(&snapshot).await?;
            guard.commit(Commit { replace_people: Some(log), ..Commit::of(&snapshot) }).await?;
        }
        Ok(())
    }

    /// Deletes what no retained snapshot needs.
    pub(crate) async fn clean_up(&self) -> Result<CleanupReport> {
        Ok(clean_up(&self.inner.store, self.inner.store.config().snapshot_retention).await?)
    }

    /// Removes a user, named by any of their ids: their events from every live file, their
    /// profile, the links between their ids, and their ids on lists of saved cohorts. All other rows
    /// stay as they are.
    ///
    /// Older snapshots, which still have the user, are deleted at once: a [`View`] of one gives
    /// [`tallymark_storage::Error::SnapshotErased`] from then on.
    ///
    /// # Errors
    /// When storage fails; then either all of the user is gone from the newest state or nothing.
    pub async fn delete_user(&self, id: &str) -> Result<DeleteReport> {
        let put = self.inner.store.uncommitted();
        let committed = self.remove_user(&put, id).await;
        // Files that turned out to have nothing of the user, and all of them if the commit failed.
        put.discard().await;
        let mut report = committed?;
        clean_up(&self.inner.store, std::time::Duration::ZERO).await?;
        report.remaining = self.count_events_of(&report.ids).await?;
        info!(events = report.events, remaining = report.remaining, "removed a user");
        Ok(report)
    }

    /// Commits the removal of a user.
    async fn remove_user(&self, put: &Uncommitted, id: &str) -> Result<DeleteReport> {
        let mut guard = self.flushed().await?;
        let snapshot = guard.snapshot();
        let user_id = snapshot.identities.canonical(id).to_owned();
        let ids = snapshot.identities.ids_of(&user_id);
        let mut report =
            DeleteReport { user_id: user_id.clone(), ids: ids.clone(), ..DeleteReport::default() };

        let mut change = Commit { erases: true, ..Commit::of(&snapshot) };
        let keep = |row: &MergeRow<'_>| row.user_id != Some(user_id.as_str());
        for (day, files) in by_day(snapshot.manifest.files.iter().filter(|file| may_hold(file, &ids))) {
            for file in files {
                let files = [file];
                let merge = Merge {
                    day,
                    files: &files,
                    catalog: &snapshot.catalog,
                    identities: &snapshot.identities,
                    keep: &keep,
                };
                let rest = merge_files(&self.inner.store, merge).await?;
                put.adopt(&rest);
                let [file] = files;
                let removed = file.rows - rest.iter().map(|file| file.rows).sum::<u64>();
                if removed == 0 {
                    continue;
                }
                report.events += removed;
                report.files_rewritten += 1;
                change.remove.push(file.path);
                change.add.extend(rest);
            }
        }

        let (mut identities, mut profiles) = ((*snapshot.identities).clone(), (*snapshot.profiles).clone());
        let profiles_before = profiles.users().count() + profiles.left_behind().count();
        profiles.remove_user(&ids);
        identities.remove_user(&user_id);
        report.profiles =
            (profiles_before - profiles.users().count() - profiles.left_behind().count()) as u64;
        let log = self.inner.store.people_log(&snapshot).await?;
        change.replace_people = Some(without_user(log, &ids, &user_id, snapshot.next_sequence, self.now()));
        change.next_sequence = snapshot.next_sequence + 1;
        let (definitions, changed) = without_user_listed(&snapshot.manifest.definitions, &ids);
        (change.definitions, report.definitions) = (Some(definitions), changed);
        (change.identities, change.profiles) = (Arc::new(identities), Arc::new(profiles));
        guard.commit(change).await?;
        Ok(report)
    }

    /// The right to write while nothing is in the memtable.
    async fn flushed(&self) -> Result<WriteGuard<'_>> {
        loop {
            self.flush().await?;
            let guard = self.inner.store.write().await?;
            let snapshot = guard.snapshot();
            // Otherwise somebody appended in between.
            if snapshot.memtable.is_empty() && snapshot.pending.is_empty() {
                return Ok(guard);
            }
        }
    }

    /// How many events of these ids a scan of everything finds, under whatever id they stand.
    async fn count_events_of(&self, ids: &[String]) -> Result<u64> {
        let list =
            ids.iter().map(|id| format!("'{}'", id.replace('\'', "''"))).collect::<Vec<_>>().join(", ");
        let text = format!(
            "SELECT count(*) AS events FROM events WHERE distinct_id IN ({list}) OR user_id IN ({list})"
        );
        loop {
            let view = self.view();
            match count_in(&view, &text).await {
                // Replaced, and, where snapshots are not kept, deleted while we looked.
                Err(_) if view.version() < self.view().version() => {}
                count => return count,
            }
        }
    }
}

/// The number that a query gives.
async fn count_in(view: &View, text: &str) -> Result<u64> {
    let batches = view.sql(text).await?.collect().await?;
    let counts = batches.iter().filter(|batch| batch.num_rows() > 0);
    Ok(counts.map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0) as u64).sum())
}

/// Whether a file can hold events of a user with these ids.
fn may_hold(file: &DataFile, ids: &[String]) -> bool {
    match (&file.min_user, &file.max_user) {
        (Some(min), Some(max)) => ids.iter().any(|id| min <= id && id <= max),
        _ => false,
    }
}

/// The people log without a user: updates of their profile are gone, and links between their ids
/// leave a mark, so that versions of identity stay the same.
fn without_user(
    log: Vec<PeopleEntry>,
    ids: &[String],
    user_id: &str,
    sequence: i64,
    received_at: tallymark_event::Timestamp,
) -> Vec<PeopleEntry> {
    let is_theirs = |id: &str| id == user_id || ids.iter().any(|known| known == id);
    let erased = || PeopleChange::Identity(IdentityOp::Erased);
    let mut rest: Vec<PeopleEntry> = log
        .into_iter()
        .filter_map(|mut entry| match &entry.change {
            PeopleChange::Identity(op) if op.ids().any(|id| is_theirs(&id)) => {
                entry.change = erased();
                Some(entry)
            }
            PeopleChange::Profile(update) => match &update.key {
                ProfileKey::User(id) if is_theirs(id) => None,
                ProfileKey::User(_) | ProfileKey::Group { .. } => Some(entry),
            },
            PeopleChange::Identity(_) => Some(entry),
        })
        .collect();
    rest.push(PeopleEntry { sequence, received_at, change: erased() });
    rest
}

/// The days that a compaction would change, with their files.
fn days_to_compact(snapshot: &Snapshot, options: CompactOptions) -> Vec<(Day, Vec<DataFile>)> {
    let mut days = by_day(snapshot.manifest.files.iter());
    days.retain(|_, files| {
        let several = files.len() > 1 && files.iter().any(|file| file.rows < FULL_FILE_ROWS);
        several || (options.all && files.iter().any(|file| is_stale(file, &snapshot.identities)))
    });
    days.into_iter().collect()
}

/// Files of at least this many rows are left alone beside others as large.
const FULL_FILE_ROWS: u64 = 2 << 20;

/// Whether users of the file may have been merged since it was written.
fn is_stale(file: &DataFile, identities: &Identities) -> bool {
    identities.changed_since(file.identity_version).any(|(id, _)| may_hold(file, &[id.to_owned()]))
}

/// Whether all of these files are still part of a state.
fn are_live(files: &[DataFile], snapshot: &Snapshot) -> bool {
    files.iter().all(|file| snapshot.manifest.file(&file.path).is_some())
}

fn by_day<'a>(files: impl Iterator<Item = &'a DataFile>) -> BTreeMap<Day, Vec<DataFile>> {
    let mut days: BTreeMap<Day, Vec<DataFile>> = BTreeMap::new();
    for file in files {
        days.entry(file.day).or_default().push(file.clone());
    }
    days
}
