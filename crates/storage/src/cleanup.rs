//! What no retained snapshot needs any more is deleted.
//!
//! A snapshot is retained while it is the newest one, and for the retention time after a later
//! commit replaced it, unless data was erased since. Manifests of other snapshots go first, so that nobody opens them any more;
//! then the files that only they had; then entries of the write-ahead log that are in files, and
//! what interrupted writes left behind. Files put for a commit to come are left alone, however
//! long that takes, and so is everything that is not ours.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tallymark_event::Timestamp;
use tracing::{Instrument as _, debug, info, info_span};

use crate::error::Result;
use crate::manifest::Manifest;
use crate::paths::ObjectKind;
use crate::store::{EventStore, open};
use crate::{Location, local, objects, paths};

/// How many objects are deleted at a time.
const DELETES_AT_ONCE: usize = 8;

/// What a cleanup deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CleanupReport {
    /// Manifests of snapshots that are no longer retained.
    pub manifests: u64,
    /// Data files, files of the people log and tables of definitions that only those snapshots had.
    pub data_files: u64,
    /// Write-ahead log entries that are in files.
    pub wal: u64,
    /// Files that no snapshot ever had, or that were never finished: left by interrupted writes.
    pub orphans: u64,
    /// Bytes of all these.
    pub bytes: u64,
}

/// Deletes what no retained snapshot needs. With a `retention` of zero only the newest snapshot
/// is retained, and readers of an older one will find its files gone; otherwise it is usually
/// [`crate::StorageConfig::snapshot_retention`]. Writes wait meanwhile.
///
/// # Errors
/// [`crate::Error::ReadOnly`], and errors of I/O; what was deleted before stays deleted, and the
/// next cleanup goes on from there.
pub async fn clean_up(store: &EventStore, retention: Duration) -> Result<CleanupReport> {
    async {
        let _guard = store.lock().await?;
        let location = store.location();
        let history = History::read(store, retention).await?;
        let mut report = CleanupReport::default();

        let manifests = doomed(
            location,
            paths::MANIFEST_DIR,
            |_, kind| matches!(kind, ObjectKind::Manifest(version) if history.expired.contains(version)),
        )
        .await?;
        report.manifests = delete_all(location, &manifests, &mut report.bytes).await?;

        let mut files = Vec::new();
        for directory in [paths::EVENTS_DIR, paths::PEOPLE_DIR, paths::DEFINITIONS_DIR] {
            files.extend(doomed(location, directory, |path, _| !history.needed.contains(path)).await?);
        }
        // Asked for after listing: a file that was listed and is on its way was noted before.
        let in_flight = store.in_flight();
        files.retain(|(path, _)| !in_flight.contains(path));
        let (replaced, orphans): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(path, _)| history.once_needed.contains(path));
        report.data_files = delete_all(location, &replaced, &mut report.bytes).await?;
        report.orphans = delete_all(location, &orphans, &mut report.bytes).await?;
        report.orphans += delete_unfinished(location, &in_flight, &mut report.bytes).await?;

        let flushed = store.snapshot().manifest.wal_flushed;
        let entries = doomed(
            location,
            paths::WAL_DIR,
            |_, kind| matches!(kind, ObjectKind::Wal(number) if *number < flushed),
        )
        .await?;
        report.wal = delete_all(location, &entries, &mut report.bytes).await?;
        info!(
            manifests = report.manifests,
            data_files = report.data_files,
            wal = report.wal,
            orphans = report.orphans,
            bytes = report.bytes,
            "cleaned up"
        );
        Ok(report)
    }
    .instrument(info_span!("clean_up", retention_ms = retention.as_millis() as u64))
    .await
}

/// Which snapshots are retained, and what they need.
#[derive(Default)]
struct History {
    expired: BTreeSet<u64>,
    needed: HashSet<String>,
    /// What expired snapshots needed, as far as they can be read.
    once_needed: HashSet<String>,
}

impl History {
    async fn read(store: &EventStore, retention: Duration) -> Result<Self> {
        let location = store.location();
        let newest = store.snapshot();
        let now = store.clock().now();
        let mut history = Self::default();
        history.needed.extend(files_of(&newest.manifest));
        let mut successor = newest.manifest.created_at;
        let older = open::versions(location).await?;
        for version in older.into_iter().rev().filter(|version| *version < newest.manifest.version) {
            let is_erased = version < newest.manifest.erased_before;
            if history.expired.is_empty() && !is_erased && is_recent(successor, now, retention) {
                if let Some(manifest) = open::manifest(location, version).await? {
                    successor = manifest.created_at;
                    history.needed.extend(files_of(&manifest));
                }
                continue;
            }
            history.expired.insert(version);
            match open::manifest(location, version).await {
                Ok(manifest) => history.once_needed.extend(manifest.iter().flat_map(files_of)),
                Err(error) => debug!(version, error = %error, "an expired manifest cannot be read"),
            }
        }
        Ok(history)
    }
}

/// Whether a commit made at `time` replaced its predecessor less than `retention` ago.
fn is_recent(time: Timestamp, now: Timestamp, retention: Duration) -> bool {
    let retention_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    retention_ms > 0 && time.millis() > now.millis().saturating_sub(retention_ms)
}

fn files_of(manifest: &Manifest) -> impl Iterator<Item = String> + '_ {
    let data = manifest.files.iter().map(|file| file.path.clone());
    let people = manifest.people.iter().map(|file| file.path.clone());
    data.chain(people).chain(manifest.definition_files().map(|file| file.path.clone()))
}

/// Our objects under a directory that `is_doomed`, and their sizes.
async fn doomed(
    location: &Location,
    directory: &str,
    is_doomed: impl Fn(&str, &ObjectKind) -> bool,
) -> Result<Vec<(String, u64)>> {
    let listed = objects::list(location, directory).await?;
    Ok(listed
        .into_iter()
        .filter(|(path, _)| paths::parse(path).is_some_and(|kind| is_doomed(path, &kind)))
        .map(|(path, meta)| (path, meta.size))
        .collect())
}

async fn delete_all(location: &Location, doomed: &[(String, u64)], bytes: &mut u64) -> Result<u64> {
    // Owned paths: with borrowed ones the compiler cannot tell that the future may change threads.
    let paths: Vec<String> = doomed.iter().map(|(path, _)| path.clone()).collect();
    stream::iter(paths)
        .map(|path| async move { objects::delete(location, &path).await })
        .buffer_unordered(DELETES_AT_ONCE)
        .try_collect::<()>()
        .await?;
    *bytes += doomed.iter().map(|(_, size)| size).sum::<u64>();
    Ok(doomed.len() as u64)
}

/// Deletes local files under temporary names, whose writers are gone.
async fn delete_unfinished(
    location: &Location,
    in_flight: &BTreeSet<String>,
    bytes: &mut u64,
) -> Result<u64> {
    let Some(root) = location.local_root() else { return Ok(0) };
    let mut deleted = 0;
    for (file, size) in local::unfinished(root.to_owned()).await? {
        let relative = file.strip_prefix(root).ok().and_then(|path| path.to_str());
        let Some(finished) = relative.and_then(local::finished_name) else { continue };
        if paths::parse(finished).is_some() && !in_flight.contains(finished) {
            local::remove(file).await?;
            *bytes += size;
            deleted += 1;
        }
    }
    Ok(deleted)
}
