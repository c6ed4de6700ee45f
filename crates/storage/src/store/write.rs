//! Writing: append to the write-ahead log, commit.
//!
//! A write is acknowledged when its object is durable and, where leases can be stolen, after
//! having made sure that ours was not. A write that fails has not happened, also if its object
//! came to exist: an entry of the log is skipped because no later entry or manifest names it, and
//! a manifest is taken back by [`WriteGuard::settle`] before the next write. A writer that loses
//! its lease in between cannot do that any more; then its successor decides, by what it found.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tallymark_event::PropertyCatalog;
use tallymark_users::{Identities, Profiles};
use tokio::sync::MutexGuard;
use tracing::{Instrument as _, info, info_span, warn};

use super::{Inner, Uncommitted, Writer, open};
use crate::error::{Error, Result};
use crate::manifest::{
    self, Attachment, DataFile, DefinitionFile, Definitions, FORMAT_VERSION, LogFile, Manifest, WalFence,
};
use crate::objects::{self, PutOnce};
use crate::wal::{self, Header};
use crate::{MemBatch, PeopleEntry, Snapshot, paths, people_log};

/// How many numbers of the log may be taken by entries of deposed writers.
const NUMBERS_TRIED: usize = 100;

/// What a writer knows beyond its snapshot.
#[derive(Debug)]
pub(super) struct WriterState {
    /// The number the next entry of the log gets; none is used twice.
    next_wal: u64,
    epoch: u64,
    /// A commit that may or may not have taken effect.
    unsettled: Option<Unsettled>,
    /// Another writer took over.
    lost: Option<String>,
}

#[derive(Debug)]
struct Unsettled {
    version: u64,
    /// What was tried to be put.
    bytes: Bytes,
}

impl WriterState {
    pub(super) fn new(next_wal: u64, epoch: u64) -> Self {
        Self { next_wal, epoch, unsettled: None, lost: None }
    }
}

/// The right to write, while it lives: no other task of this process writes meanwhile.
#[derive(Debug)]
pub struct WriteGuard<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) writer: &'a Writer,
    pub(super) state: MutexGuard<'a, WriterState>,
}

/// What an append makes visible.
#[derive(Debug, Clone)]
pub struct Append {
    /// The rows.
    pub batches: MemChange,
    /// The catalog with their lanes.
    pub catalog: Arc<PropertyCatalog>,
    /// Who is who afterwards.
    pub identities: Arc<Identities>,
    /// The profiles afterwards.
    pub profiles: Arc<Profiles>,
    /// The identity operations and profile updates among the records, in order.
    pub people: Vec<PeopleEntry>,
    /// The sequence the next event or people entry gets.
    pub next_sequence: i64,
}

/// How an append changes the memtable.
#[derive(Debug, Clone)]
pub enum MemChange {
    /// These batches join it.
    Add(Vec<MemBatch>),
    /// These batches are all of it from now on: repeats were replaced (D-9).
    Replace(Vec<MemBatch>),
}

/// What a commit changes. Make one with [`Commit::of`].
#[derive(Debug, Clone)]
pub struct Commit {
    /// Data files that become visible; put before.
    pub add: Vec<DataFile>,
    /// Paths of data files that stop being visible. They stay readable for the retention time.
    pub remove: Vec<String>,
    /// New identity operations and profile updates, in order; they become one file of the log.
    pub people: Vec<PeopleEntry>,
    /// The catalog afterwards.
    pub catalog: Arc<PropertyCatalog>,
    /// Who is who afterwards.
    pub identities: Arc<Identities>,
    /// The profiles afterwards.
    pub profiles: Arc<Profiles>,
    /// The sequence the next event or people entry gets.
    pub next_sequence: i64,
    /// All rows of the memtable are in `add`: it is emptied, its pending people entries join the
    /// log before `people`, and the write-ahead log starts over.
    pub flushed_memtable: bool,
    /// The whole people log from now on, but for `people`. Pending entries are part of it.
    pub replace_people: Option<Vec<PeopleEntry>>,
    /// All attachments from now on.
    pub attachments: Option<BTreeMap<String, Attachment>>,
    /// All definitions from now on.
    pub definitions: Option<Definitions>,
    /// It takes data away for good: no earlier snapshot is offered from now on, and the next
    /// cleanup deletes them.
    pub erases: bool,
}

impl Commit {
    /// The files that belong to the definitions afterwards, if those change.
    fn definition_files(&self) -> impl Iterator<Item = &DefinitionFile> {
        let definitions = self.definitions.iter().flat_map(BTreeMap::values);
        definitions.flat_map(BTreeMap::values).filter_map(|definition| definition.file.as_ref())
    }

    /// A commit that changes nothing, as a base for one that does.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            add: Vec::new(),
            remove: Vec::new(),
            people: Vec::new(),
            catalog: Arc::clone(&snapshot.catalog),
            identities: Arc::clone(&snapshot.identities),
            profiles: Arc::clone(&snapshot.profiles),
            next_sequence: snapshot.next_sequence,
            flushed_memtable: false,
            replace_people: None,
            attachments: None,
            definitions: None,
            erases: false,
        }
    }
}

impl WriteGuard<'_> {
    /// The present view, which nobody changes while the guard lives.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The sequence the next event or people entry gets.
    pub fn next_sequence(&self) -> i64 {
        self.snapshot().next_sequence
    }

    /// Makes records durable in the write-ahead log, then visible. Gives the number of the entry.
    ///
    /// # Errors
    /// [`Error::Write`], [`Error::LocalFile`], [`Error::Read`]: nothing has happened, and it can be
    /// tried again. [`Error::Conflict`]: another writer took over. If it did while this one wrote,
    /// it may have found the entry and adopted it, so that the records are there; whether they are
    /// shows once the dataset is opened again.
    pub async fn append(&mut self, payload: Bytes, change: Append) -> Result<u64> {
        let span = info_span!("append", bytes = payload.len(), wal = tracing::field::Empty);
        let before = self.snapshot();
        let number = async {
            let number = self.put_entry(&before, &payload).await?;
            self.verify_lease().await?;
            tracing::Span::current().record("wal", number);
            Ok::<_, Error>(number)
        }
        .instrument(span)
        .await?;

        let (kept, mut new) = match change.batches {
            MemChange::Add(new) => (&*before.memtable, new),
            MemChange::Replace(new) => (&[][..], new),
        };
        for batch in &mut new {
            batch.last_wal = number;
        }
        self.publish(Snapshot {
            catalog: change.catalog,
            memtable: kept.iter().cloned().chain(new).collect(),
            pending: before.pending.iter().cloned().chain(change.people).collect(),
            identities: change.identities,
            profiles: change.profiles,
            next_sequence: change.next_sequence,
            last_wal: Some(number),
            ..(*before).clone()
        });
        Ok(number)
    }

    /// Puts the next entry of the log.
    async fn put_entry(&mut self, before: &Snapshot, payload: &[u8]) -> Result<u64> {
        for _ in 0..NUMBERS_TRIED {
            let number = self.state.next_wal;
            // Counted before it is tried: if we fail, or are dropped, the number is not used again.
            self.state.next_wal += 1;
            let header = Header { number, previous: before.last_wal, epoch: self.state.epoch };
            let bytes = wal::encode(header, payload);
            let path = paths::wal(number);
            match objects::put_once(&self.inner.location, &self.writer.lease, &path, &bytes).await? {
                PutOnce::Done => return Ok(number),
                // Either we are deposed, or a deposed writer put one more, which does not count.
                PutOnce::Taken => self.verify_lease().await?,
            }
        }
        Err(self.lose(format!("another writer filled the write-ahead log up to {}", self.state.next_wal)))
    }

    /// Makes a change durable and visible, all of it or nothing.
    ///
    /// # Errors
    /// [`Error::Outdated`]: the change is not based on the present view. [`Error::Unflushed`]:
    /// people entries would overtake pending ones. [`Error::Write`], [`Error::LocalFile`] and
    /// others of I/O: nothing has happened, and it can be tried again; should the next write be
    /// refused with [`Error::Conflict`], the new writer may have adopted the commit.
    /// [`Error::Conflict`]: another writer took over, and the number of the commit with it; nothing
    /// has happened.
    pub async fn commit(&mut self, change: Commit) -> Result<Arc<Snapshot>> {
        let span = info_span!(
            "commit",
            version = tracing::field::Empty,
            added = change.add.len(),
            removed = change.remove.len(),
            rows = change.add.iter().map(|file| file.rows).sum::<u64>(),
            bytes = change.add.iter().map(|file| file.bytes).sum::<u64>(),
        );
        async {
            let before = self.snapshot();
            let files = changed_files(&before.manifest, &change)?;
            let put = Uncommitted::new(self.inner);
            let people = self.put_people(&before, &change, &put).await?;
            let tables: Vec<String> = change.definition_files().map(|file| file.path.clone()).collect();
            self.sync(change.add.iter().map(|file| &file.path).chain(&tables)).await?;
            let manifest = self.next_manifest(&before, &change, files, people);
            tracing::Span::current().record("version", manifest.version);
            let data = change.add.iter().map(|file| &file.path);
            let named = data.chain(manifest.people.iter().map(|file| &file.path)).chain(&tables);
            // Noted before it is tried, like the commit itself.
            self.inner.doubt(named.clone());
            self.put_manifest(&manifest).await?;
            self.inner.landed(named);
            info!(files = manifest.files.len(), "committed");
            let flushed = change.flushed_memtable;
            Ok(self.publish(Snapshot {
                location: before.location.clone(),
                manifest: Arc::new(manifest),
                catalog: change.catalog,
                memtable: if flushed { Arc::default() } else { Arc::clone(&before.memtable) },
                pending: if flushed { Arc::default() } else { Arc::clone(&before.pending) },
                identities: change.identities,
                profiles: change.profiles,
                next_sequence: change.next_sequence,
                last_wal: before.last_wal.filter(|_| !flushed),
            }))
        }
        .instrument(span)
        .await
    }

    /// Writes the new entries of the people log and gives the log's files afterwards.
    async fn put_people(
        &self,
        before: &Snapshot,
        change: &Commit,
        put: &Uncommitted,
    ) -> Result<Vec<LogFile>> {
        let touched = !change.people.is_empty() || change.replace_people.is_some();
        if touched && !change.flushed_memtable && !before.pending.is_empty() {
            return Err(Error::Unflushed { pending: before.pending.len() });
        }
        let (mut files, mut entries) = match &change.replace_people {
            Some(all) => (Vec::new(), all.clone()),
            None if change.flushed_memtable => (before.manifest.people.clone(), before.pending.to_vec()),
            None => (before.manifest.people.clone(), Vec::new()),
        };
        entries.extend(change.people.iter().cloned());
        if !entries.is_empty() {
            let (bytes, file) = people_log::encode(&entries, paths::new_people_file())?;
            put.put_object(&file.path, bytes).await?;
            files.push(file);
        }
        Ok(files)
    }

    /// Makes durable what was put since the last time.
    ///
    /// Files of a sync that failed may have lost their data for good, so that no commit may name
    /// them until they are put again.
    async fn sync<'a>(&self, mut added: impl Iterator<Item = &'a String>) -> Result<()> {
        let Some(file_system) = &self.writer.file_system else { return Ok(()) };
        let unsynced =
            std::mem::take(&mut *self.inner.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        let unsafe_to_name = || self.inner.unsafe_to_name.lock().unwrap_or_else(PoisonError::into_inner);
        if !unsynced.is_empty() {
            // Noted before it is tried: we may fail, or be dropped, half-way.
            unsafe_to_name().extend(unsynced.iter().cloned());
            file_system.sync(unsynced.clone()).await?;
            unsafe_to_name().retain(|path| !unsynced.contains(path));
        }
        let unsafe_to_name = unsafe_to_name();
        match added.find(|path| unsafe_to_name.contains(*path)) {
            Some(path) => Err(Error::NotDurable { path: path.clone() }),
            None => Ok(()),
        }
    }

    fn next_manifest(
        &self,
        before: &Snapshot,
        change: &Commit,
        files: Vec<DataFile>,
        people: Vec<LogFile>,
    ) -> Manifest {
        let last = &before.manifest;
        let next = self.state.next_wal;
        let version = last.version + 1;
        Manifest {
            format_version: FORMAT_VERSION,
            version,
            created_at: self.inner.clock.now().max(last.created_at),
            settings: last.settings,
            next_sequence: change.next_sequence,
            wal_flushed: if change.flushed_memtable { next } else { last.wal_flushed },
            fence: WalFence {
                epoch: self.state.epoch,
                acknowledged: before.last_wal.filter(|_| !change.flushed_memtable),
                next,
            },
            catalog: (*change.catalog).clone(),
            erased_before: if change.erases { version } else { last.erased_before },
            files,
            people,
            attachments: change.attachments.clone().unwrap_or_else(|| last.attachments.clone()),
            definitions: change.definitions.clone().unwrap_or_else(|| last.definitions.clone()),
        }
    }

    async fn put_manifest(&mut self, manifest: &Manifest) -> Result<()> {
        let path = paths::manifest(manifest.version);
        let bytes = manifest::encode(manifest, self.writer.id, &path)?;
        // Noted before it is tried: we may fail, or be dropped, half-way.
        self.state.unsettled = Some(Unsettled { version: manifest.version, bytes: bytes.clone() });
        let put = objects::put_once(&self.inner.location, &self.writer.lease, &path, &bytes).await?;
        self.state.unsettled = None;
        match put {
            PutOnce::Done => Ok(()),
            PutOnce::Taken => {
                Err(self.lose(format!("snapshot {} was committed by someone else", manifest.version)))
            }
        }
    }

    /// Makes sure that a commit that failed has not happened and will not.
    ///
    /// Its number is taken by a commit that changes nothing. If it was taken already, by the failed
    /// commit itself, one more commit takes that back.
    pub(super) async fn settle(&mut self) -> Result<()> {
        if let Some(evidence) = &self.state.lost {
            return Err(Error::Conflict { evidence: evidence.clone() });
        }
        let Some(Unsettled { version, bytes }) = &self.state.unsettled else { return Ok(()) };
        let (version, failed) = (*version, bytes.clone());
        let before = self.snapshot();
        let unchanged = Commit::of(&before);
        let mut manifest = self.next_manifest(
            &before,
            &unchanged,
            before.manifest.files.clone(),
            before.manifest.people.clone(),
        );
        manifest.catalog = before.manifest.catalog.clone();
        manifest.next_sequence = before.manifest.next_sequence;
        let location = &self.inner.location;
        while open::put(location, &self.writer.lease, &manifest, self.writer.id).await? == PutOnce::Taken {
            let path = paths::manifest(manifest.version);
            match objects::read(location, &path).await? {
                // Ours are the failed commit, and what an earlier call of this function left.
                Some(stored) if manifest::writer_of(&stored) == Some(self.writer.id) => {
                    warn!(
                        version = manifest.version,
                        "a commit that failed had taken effect; it is taken back"
                    );
                    manifest.version += 1;
                }
                // Half of the failed commit: nobody could read it, and nobody was told of it.
                Some(stored) if failed.starts_with(&stored) => objects::delete(location, &path).await?,
                None => {}
                Some(_) => {
                    return Err(
                        self.lose(format!("snapshot {} was committed by someone else", manifest.version))
                    );
                }
            }
        }
        info!(version, settled_by = manifest.version, "settled a failed commit");
        self.state.unsettled = None;
        self.publish(Snapshot { manifest: Arc::new(manifest), ..(*before).clone() });
        Ok(())
    }

    async fn verify_lease(&mut self) -> Result<()> {
        let verified = self.writer.lease.verify().await;
        if let Err(Error::Conflict { evidence }) = &verified {
            self.state.lost = Some(evidence.clone());
        }
        verified
    }

    fn lose(&mut self, evidence: String) -> Error {
        self.state.lost = Some(evidence.clone());
        Error::Conflict { evidence }
    }

    fn publish(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        self.inner.publish_if(snapshot, |_, _| true)
    }
}

/// The visible files after a change, sorted by (day, path).
fn changed_files(last: &Manifest, change: &Commit) -> Result<Vec<DataFile>> {
    let outdated = |path: &str| Error::Outdated { path: path.to_owned() };
    let visible: HashSet<&str> = last.files.iter().map(|file| file.path.as_str()).collect();
    if let Some(path) = change.remove.iter().find(|path| !visible.contains(path.as_str())) {
        return Err(outdated(path));
    }
    let removed: HashSet<&str> = change.remove.iter().map(String::as_str).collect();
    let kept = last.files.iter().filter(|file| !removed.contains(file.path.as_str()));
    let mut files: Vec<DataFile> = kept.chain(&change.add).cloned().collect();
    files.sort_by(|a, b| (a.day, &a.path).cmp(&(b.day, &b.path)));
    if let Some(pair) = files.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(outdated(&pair[0].path));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use tallymark_event::{Day, FixedClock};

    use super::*;
    use crate::{DataFileWriter, EventStore, FileSettings, Location, StorageConfig};

    /// A disk that loses data cannot be had in a test, but what comes of it can.
    #[tokio::test]
    async fn a_file_that_a_sync_may_have_lost_must_be_put_again() {
        let directory = tempfile::tempdir().unwrap();
        let location = Location::parse(directory.path().to_str().unwrap()).unwrap();
        let clock = Arc::new(FixedClock::default());
        let store = EventStore::create_or_open(location, StorageConfig::default(), clock).await.unwrap();
        let (settings, catalog) = (FileSettings::default(), PropertyCatalog::default());
        let writer = DataFileWriter::try_new(Day::from_days(0), &[], &catalog, &settings).unwrap();
        let (bytes, file) = writer.finish(0).unwrap();
        store.put_data_file(&file, bytes.clone()).await.unwrap();
        let unsynced = std::mem::take(&mut *store.inner.unsynced.lock().unwrap());
        assert_eq!(unsynced.iter().collect::<Vec<_>>(), [&file.path]);
        store.inner.unsafe_to_name.lock().unwrap().extend(unsynced);

        let mut guard = store.write().await.unwrap();
        let change = Commit { add: vec![file.clone()], ..Commit::of(&guard.snapshot()) };
        let error = guard.commit(change.clone()).await.unwrap_err();
        assert!(matches!(&error, Error::NotDurable { path } if *path == file.path), "{error:?}");
        store.put_data_file(&file, bytes).await.unwrap();
        guard.commit(change).await.unwrap();
        assert_eq!(store.snapshot().manifest.files, [file]);
        assert!(store.inner.unsynced.lock().unwrap().is_empty());
    }
}
