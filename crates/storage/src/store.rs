//! Opening, committing, snapshots.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::stream::BoxStream;
use tallymark_event::{Clock, PropertyCatalog, Timestamp};
use tallymark_users::{Identities, IdentitySystem, Profiles};

use crate::data_file::{FileSettings, Projection};
use crate::error::Result;
use crate::manifest::{Attachment, DataFile};
use crate::wal::WalEntry;
use crate::{Location, MemBatch, PeopleEntry, Snapshot};

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
            snapshot_retention: Duration::from_secs(600),
            file: FileSettings::default(),
            lease: Duration::from_secs(30),
            identity: IdentitySystem::default(),
            holder: "tallymark".to_owned(),
        }
    }
}

/// A dataset. Cloning copies a pointer.
#[derive(Debug, Clone)]
pub struct EventStore {}

impl EventStore {
    /// Opens a dataset for writing, making it where there is none.
    pub async fn create_or_open(
        location: Location,
        config: StorageConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        unimplemented!("{location:?} {config:?} {clock:?}")
    }

    /// Opens a dataset for reading.
    pub async fn open(location: Location, config: StorageConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        unimplemented!("{location:?} {config:?} {clock:?}")
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        unimplemented!()
    }

    /// How it is kept.
    pub fn config(&self) -> &StorageConfig {
        unimplemented!()
    }

    /// Whether this store was opened for writing.
    pub fn is_writable(&self) -> bool {
        unimplemented!()
    }

    /// The present view; no I/O.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        unimplemented!()
    }

    /// Readers: the newest commit becomes the present view.
    pub async fn refresh(&self) -> Result<Arc<Snapshot>> {
        unimplemented!()
    }

    /// The view of an earlier commit that is still kept.
    pub async fn snapshot_at(&self, version: u64) -> Result<Arc<Snapshot>> {
        unimplemented!("{version}")
    }

    /// The commits still kept, ascending, and when they were made.
    pub async fn retained_versions(&self) -> Result<Vec<(u64, Timestamp)>> {
        unimplemented!()
    }

    /// Acknowledged writes that are not in files yet.
    pub async fn wal_entries(&self) -> Result<Vec<WalEntry>> {
        unimplemented!()
    }

    /// Publishes the state after replay of the write-ahead log.
    pub fn publish_replayed(&self, replayed: Replayed) {
        unimplemented!("{replayed:?}")
    }

    /// The people log of a snapshot, its pending entries included, in order of ingestion (U-20).
    pub async fn people_log(&self, snapshot: &Snapshot) -> Result<Vec<PeopleEntry>> {
        unimplemented!("{snapshot:?}")
    }

    /// Waits until no other task of this process writes.
    pub async fn write(&self) -> Result<WriteGuard<'_>> {
        unimplemented!()
    }

    /// Uploads a data file. It is visible and durable once committed.
    pub async fn put_data_file(&self, file: &DataFile, bytes: Bytes) -> Result<()> {
        unimplemented!("{file:?} {bytes:?}")
    }

    /// Reads a data file.
    pub async fn read_data_file(
        &self,
        snapshot: &Snapshot,
        file: &DataFile,
        columns: &Projection,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        unimplemented!("{snapshot:?} {file:?} {columns:?}")
    }

    /// Lets the next writer in at once.
    pub async fn close(self) -> Result<()> {
        unimplemented!()
    }
}

/// The state after replay of the write-ahead log.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The rows.
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

/// The right to write, while it lives.
#[derive(Debug)]
pub struct WriteGuard<'a> {
    lifetime: PhantomData<&'a ()>,
}

impl WriteGuard<'_> {
    /// The present view, which no other task changes while the guard lives.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        unimplemented!("{:?}", self.lifetime)
    }

    /// The sequence the next event or people entry gets.
    pub fn next_sequence(&self) -> i64 {
        unimplemented!()
    }

    /// Makes records durable in the write-ahead log, then visible.
    pub async fn append(&mut self, payload: Bytes, change: Append) -> Result<u64> {
        unimplemented!("{payload:?} {change:?}")
    }

    /// Makes a change durable and visible, all or nothing.
    pub async fn commit(&mut self, change: Commit) -> Result<Arc<Snapshot>> {
        unimplemented!("{change:?}")
    }
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

/// What a commit changes.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Data files that become visible; put before.
    pub add: Vec<DataFile>,
    /// Paths of data files that stop being visible.
    pub remove: Vec<String>,
    /// New identity operations and profile updates, in order.
    pub people: Vec<PeopleEntry>,
    /// The catalog afterwards.
    pub catalog: Arc<PropertyCatalog>,
    /// Who is who afterwards.
    pub identities: Arc<Identities>,
    /// The profiles afterwards.
    pub profiles: Arc<Profiles>,
    /// The sequence the next event or people entry gets.
    pub next_sequence: i64,
    /// The memtable's rows are in `add`: it is emptied.
    pub flushed_memtable: bool,
    /// The whole people log from now on, `people` not included; pending entries included.
    pub replace_people: Option<Vec<PeopleEntry>>,
    /// All attachments from now on.
    pub attachments: Option<BTreeMap<String, Attachment>>,
    /// All definitions from now on.
    pub definitions: Option<BTreeMap<String, serde_json::Value>>,
}

impl Commit {
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
        }
    }
}
