//! [`EventStore`]: opening, reading, and handing out snapshots. Writing is in [`WriteGuard`].

pub(crate) mod open;
mod people;
mod uncommitted;
mod write;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use arrow::array::RecordBatch;
use futures::stream::BoxStream;
use tallymark_event::{Clock, PropertyCatalog, Timestamp};
use tallymark_users::{Identities, IdentitySystem, Profiles};
use tracing::{debug, warn};
use uuid::Uuid;

use crate::data_file::{self, FileSettings, Projection};
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::local::FileSystem;
use crate::manifest::DataFile;
use crate::wal::WalEntry;
use crate::{Location, MemBatch, PeopleEntry, Snapshot, wal};

use people::PeopleState;
pub use uncommitted::Uncommitted;
use uncommitted::UnnamedFiles;
use write::WriterState;
pub use write::{Append, Commit, MemChange, WriteGuard};

/// Rows of the batches of [`EventStore::read_data_file`], at most.
const BATCH_ROWS: usize = 8192;
/// How often a reader follows a writer that commits while it reads.
const FOLLOWS: usize = 100;

/// How a dataset is kept.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// How long a snapshot stays readable after a later commit. 10 minutes.
    pub snapshot_retention: Duration,
    /// How data files are written.
    pub file: FileSettings,
    /// How long a writer that died keeps others out, on stores without file locks. 30 seconds.
    pub lease: Duration,
    /// How ids are resolved to users; settled when the dataset is made.
    pub identity: IdentitySystem,
    /// Who holds the lease, for others to read: `tallymark pid 12 on host`.
    pub holder: String,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            snapshot_retention: Duration::from_mins(10),
            file: FileSettings::default(),
            lease: Duration::from_secs(30),
            identity: IdentitySystem::default(),
            holder: "tallymark".to_owned(),
        }
    }
}

/// A dataset, open for reading, or for writing too. Cloning copies a pointer.
///
/// A writer's first task is to replay the write-ahead log: [`EventStore::wal_entries`], then
/// [`EventStore::publish_replayed`]. It is refused to write before. A writer that is dropped, or
/// whose process dies, loses nothing that was acknowledged.
#[derive(Debug, Clone)]
pub struct EventStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    location: Location,
    config: StorageConfig,
    clock: Arc<dyn Clock>,
    current: RwLock<Arc<Snapshot>>,
    /// The state the people log of the last manifest read makes.
    people: tokio::sync::Mutex<PeopleState>,
    /// Files put, or being put, that no commit is known to have named.
    unnamed: Mutex<UnnamedFiles>,
    /// Files put since the last sync of a local directory.
    unsynced: Mutex<BTreeSet<String>>,
    /// Files a sync failed to make durable.
    unsafe_to_name: Mutex<BTreeSet<String>>,
    /// `None` for a reader.
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    /// Unique to this opening; part of every manifest it puts.
    id: Uuid,
    lease: Arc<Lease>,
    state: tokio::sync::Mutex<WriterState>,
    /// What an earlier process acknowledged, until it is replayed.
    unreplayed: Mutex<Vec<WalEntry>>,
    /// Whether `close` gave the lease back.
    closed: AtomicBool,
    /// Of a local directory.
    file_system: Option<FileSystem>,
}

/// The state after replay of the write-ahead log, for [`EventStore::publish_replayed`].
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The version of the manifest it was replayed onto.
    pub version: u64,
    /// The rows; their `last_wal` is kept as given.
    pub batches: Vec<MemBatch>,
    /// The catalog with their lanes.
    pub catalog: Arc<PropertyCatalog>,
    /// Who is who.
    pub identities: Arc<Identities>,
    /// The profiles.
    pub profiles: Arc<Profiles>,
    /// The identity operations and profile updates replayed, in order.
    pub people: Vec<PeopleEntry>,
    /// The sequence the next event or people entry gets.
    pub next_sequence: i64,
    /// The number of the last entry replayed.
    pub last_wal: Option<u64>,
}

impl EventStore {
    /// Opens a dataset for writing, making it where there is none. `config.identity` counts only
    /// then.
    ///
    /// # Errors
    /// [`Error::Locked`] where another writer has it; [`Error::ManifestMissing`] where there is no
    /// dataset, but data files are; [`Error::Damaged`] and [`Error::NewerFormat`] where the last
    /// commit or the write-ahead log cannot be read.
    pub async fn create_or_open(
        location: Location,
        config: StorageConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        open::for_writing(location, config, clock).await
    }

    /// Opens a dataset for reading. Any number of readers, in any process, may do so while one
    /// writer writes.
    ///
    /// # Errors
    /// [`Error::NoDataset`] where there is none; [`Error::Damaged`] and [`Error::NewerFormat`]
    /// where the last commit cannot be read.
    pub async fn open(location: Location, config: StorageConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        open::for_reading(location, config, clock).await
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.inner.location
    }

    /// How it is kept.
    pub fn config(&self) -> &StorageConfig {
        &self.inner.config
    }

    /// What it takes for the present time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Whether it was opened for writing.
    pub fn is_writable(&self) -> bool {
        self.inner.writer.is_some()
    }

    /// The present view; no I/O.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the newest commit the present view, if it is not already; its memtable is empty until
    /// [`EventStore::publish_replayed`]. A writer's view is always the present one.
    pub async fn refresh(&self) -> Result<Arc<Snapshot>> {
        let current = self.snapshot();
        if self.is_writable() {
            return Ok(current);
        }
        let mut known = current.manifest.version;
        let snapshot = loop {
            let Some(manifest) = open::newer_than(&self.inner.location, known).await? else {
                return Ok(self.snapshot());
            };
            known = manifest.version;
            match self.inner.view(manifest).await {
                Err(error) if open::newer_than(&self.inner.location, known).await?.is_some() => {
                    debug!(version = known, error = %error, "a commit was replaced while it was read");
                }
                view => break view?,
            }
        };
        Ok(self.inner.publish_if(snapshot, |current, new| current.manifest.version < new.manifest.version))
    }

    /// The view of an earlier commit that is still kept: what was in files then.
    ///
    /// # Errors
    /// [`Error::SnapshotNotFound`] and [`Error::SnapshotErased`] list those that are kept.
    pub async fn snapshot_at(&self, version: u64) -> Result<Arc<Snapshot>> {
        let location = &self.inner.location;
        let (erased_before, retained) = self.offered().await?;
        if version < erased_before {
            return Err(Error::SnapshotErased { version, retained });
        }
        match open::manifest(location, version).await? {
            Some(manifest) => Ok(Arc::new(self.inner.view(Arc::new(manifest)).await?)),
            None => Err(Error::SnapshotNotFound { version, retained }),
        }
    }

    /// Why files that a snapshot names are not there any more, for whoever kept the snapshot too
    /// long; `None` if they should be.
    ///
    /// # Errors
    /// When the dataset cannot be read.
    pub async fn why_gone(&self, snapshot: &Snapshot) -> Result<Option<Error>> {
        let version = snapshot.manifest.version;
        let (erased_before, retained) = self.offered().await?;
        Ok(if version < erased_before {
            Some(Error::SnapshotErased { version, retained })
        } else if retained.contains(&version) {
            None
        } else {
            Some(Error::SnapshotExpired { version, retained })
        })
    }

    /// Before which version data was erased, and the versions since that are there, ascending.
    async fn offered(&self) -> Result<(u64, Vec<u64>)> {
        let location = &self.inner.location;
        let erased_before = open::newest(location).await?.erased_before;
        let mut versions = open::versions(location).await?;
        versions.retain(|version| *version >= erased_before);
        Ok((erased_before, versions))
    }

    /// The commits still kept, ascending, and when they were made. What replaced a commit less
    /// than the retention time ago keeps it; older ones stay until the next cleanup. Those from
    /// before data was erased are not kept.
    pub async fn retained_versions(&self) -> Result<Vec<(u64, Timestamp)>> {
        let mut retained = Vec::new();
        for version in self.offered().await?.1 {
            match open::manifest(&self.inner.location, version).await {
                Ok(Some(manifest)) => retained.push((version, manifest.created_at)),
                // One that a cleanup took since it was listed, or that was cut short.
                Ok(None) => {}
                Err(error) if error.is_broken_off() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(retained)
    }

    /// What was acknowledged but is not in files yet, in order: to be replayed onto
    /// [`EventStore::snapshot`] by a writer once after opening, by a reader after each refresh.
    ///
    /// For a reader, the newest commit becomes the present view first, so that the entries and the
    /// view fit together; ask for the view afterwards.
    ///
    /// # Errors
    /// [`Error::Damaged`] where an acknowledged entry is missing or not whole. One at the end that
    /// breaks off was never acknowledged, and is left out.
    pub async fn wal_entries(&self) -> Result<Vec<WalEntry>> {
        if let Some(writer) = &self.inner.writer {
            return Ok(writer.unreplayed.lock().unwrap_or_else(PoisonError::into_inner).clone());
        }
        let mut log = Err(Error::ReadOnly);
        for _ in 0..FOLLOWS {
            let snapshot = self.refresh().await?;
            log = wal::read(&self.inner.location, &snapshot.manifest).await.map(|log| log.entries);
            // A flush meanwhile may have taken entries away before we read them.
            if open::newer_than(&self.inner.location, snapshot.manifest.version).await?.is_none() {
                return log;
            }
        }
        log
    }

    /// Publishes the state after replay. Does nothing where the present view is of another commit
    /// than was replayed onto: a reader then replays again.
    ///
    /// A writer must have replayed all entries; if not, it stays barred from writing
    /// ([`Error::Unreplayed`]).
    pub fn publish_replayed(&self, replayed: Replayed) {
        let mut current = self.inner.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.manifest.version != replayed.version {
            debug!(current = current.manifest.version, replayed = replayed.version, "replay came too late");
            return;
        }
        if let Some(writer) = &self.inner.writer {
            let mut unreplayed = writer.unreplayed.lock().unwrap_or_else(PoisonError::into_inner);
            if unreplayed.last().map(|entry| entry.number) != replayed.last_wal {
                warn!(replayed = replayed.last_wal, "the write-ahead log was not replayed to its end");
                return;
            }
            unreplayed.clear();
        }
        *current = Arc::new(Snapshot {
            catalog: replayed.catalog,
            memtable: replayed.batches.into(),
            pending: replayed.people.into(),
            identities: replayed.identities,
            profiles: replayed.profiles,
            next_sequence: replayed.next_sequence.max(current.manifest.next_sequence),
            last_wal: replayed.last_wal,
            ..(**current).clone()
        });
    }

    /// The people log of a snapshot, its pending entries included, in order of ingestion: every
    /// value any profile property ever had (U-20).
    pub async fn people_log(&self, snapshot: &Snapshot) -> Result<Vec<PeopleEntry>> {
        snapshot.people_log().await
    }

    /// Waits until no other task of this process writes, then gives the right to.
    ///
    /// If the last write failed without telling whether it took effect, it is settled now that it
    /// did not: a write that returned an error leaves no trace.
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; [`Error::Unreplayed`]; [`Error::Conflict`] once another writer took
    /// over, for good; [`Error::Write`] while a failed write cannot be settled.
    pub async fn write(&self) -> Result<WriteGuard<'_>> {
        let guard = self.lock().await?;
        let unreplayed = guard
            .writer
            .unreplayed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last()
            .map(|last| last.number);
        match unreplayed {
            Some(last_wal) => Err(Error::Unreplayed { last_wal }),
            None => Ok(guard),
        }
    }

    /// As [`EventStore::write`], also while entries wait to be replayed.
    pub(crate) async fn lock(&self) -> Result<WriteGuard<'_>> {
        let writer = self.inner.writer.as_ref().ok_or(Error::ReadOnly)?;
        let state = writer.state.lock().await;
        if writer.closed.load(Ordering::Acquire) {
            return Err(Error::ReadOnly);
        }
        let mut guard = WriteGuard { inner: &self.inner, writer, state };
        guard.settle().await?;
        self.inner.delete_settled().await;
        Ok(guard)
    }

    /// Reads a data file of a snapshot, or one that was just put, in its order, as batches of at
    /// most 8192 rows. Columns have the types in memory, lanes those of the snapshot's catalog.
    ///
    /// # Errors
    /// [`Error::Read`] where the file is gone: its snapshot is no longer kept. [`Error::Decode`]
    /// and [`Error::Column`] where it is not what was written.
    pub async fn read_data_file(
        &self,
        snapshot: &Snapshot,
        file: &DataFile,
        columns: &Projection,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        data_file::read(&snapshot.location, &snapshot.catalog, file, columns, BATCH_ROWS).await
    }

    /// Lets the next writer in at once; nothing can be written through any clone any more. Waits
    /// for a write in progress.
    pub async fn close(self) -> Result<()> {
        if let Some(writer) = &self.inner.writer {
            let _state = writer.state.lock().await;
            if !writer.closed.swap(true, Ordering::AcqRel) {
                writer.lease.release().await;
            }
        }
        Ok(())
    }
}

impl Inner {
    fn publish_if(&self, snapshot: Snapshot, newer: impl Fn(&Snapshot, &Snapshot) -> bool) -> Arc<Snapshot> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if newer(&current, &snapshot) {
            *current = Arc::new(snapshot);
        }
        Arc::clone(&current)
    }
}
