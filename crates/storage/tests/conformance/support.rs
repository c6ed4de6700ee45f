//! Datasets to test with, on every kind of store.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tallymark_event::{Clock, FixedClock, Timestamp};
use tallymark_storage::{
    Append, Commit, EventStore, FileSettings, Location, MemChange, PeopleEntry, Replayed, Result,
    StorageConfig, WriteGuard,
};
use tallymark_testkit::{Effect, Fault, FaultPlan, FaultyStore};

use crate::rows::{Row, Table};

/// The instant the clock of a [`Place`] starts at.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Where a dataset is, and its clock.
pub(crate) struct Place {
    location: Location,
    /// Writes around the dataset.
    pub(crate) raw: Arc<dyn ObjectStore>,
    pub(crate) faulty: Option<FaultyStore>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) config: StorageConfig,
    /// Deletes it in the end.
    _directory: Option<tempfile::TempDir>,
}

impl Place {
    fn new(location: Location, raw: Arc<dyn ObjectStore>) -> Self {
        let config = StorageConfig {
            file: FileSettings { row_group_rows: 100, ..FileSettings::default() },
            lease: Duration::from_hours(1),
            holder: "the test".to_owned(),
            ..StorageConfig::default()
        };
        let clock = Arc::new(FixedClock::new(START));
        let location = location.with_retry_pause(Duration::ZERO);
        Self { location, raw, faulty: None, clock, config, _directory: None }
    }

    pub(crate) fn memory() -> Self {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        Self::new(Location::with_store(Arc::clone(&store), Path::from("some/data set")), store)
    }

    pub(crate) fn local() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let location = Location::parse(directory.path().join("a b").to_str().unwrap()).unwrap();
        let raw = Arc::clone(location.store());
        Self { _directory: Some(directory), ..Self::new(location, raw) }
    }

    /// Every third call fails: in turn before it took effect, after it, and half-way.
    pub(crate) fn faulty() -> Self {
        let place = Self::breakable();
        let mut call_count = 0;
        place.faulty_store().set_plan(FaultPlan::new(move |_| {
            call_count += 1;
            let effect = [Effect::None, Effect::Whole, Effect::Part][call_count / 3 % 3];
            (call_count % 3 == 0).then_some(Fault::Fail(effect))
        }));
        place
    }

    /// Faults as the test sets them.
    pub(crate) fn breakable() -> Self {
        let faulty = FaultyStore::new(Arc::new(InMemory::new()));
        let raw = Arc::clone(faulty.inner());
        let store: Arc<dyn ObjectStore> = Arc::new(faulty.clone());
        Self { faulty: Some(faulty), ..Self::new(Location::with_store(store, Path::from("data")), raw) }
    }

    pub(crate) fn faulty_store(&self) -> &FaultyStore {
        self.faulty.as_ref().unwrap()
    }

    pub(crate) fn location(&self) -> Location {
        self.location.clone()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as _
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, duration: Duration) {
        let now = self.clock.now().millis() + i64::try_from(duration.as_millis()).unwrap();
        self.clock.set(Timestamp::from_millis(now));
    }

    /// Opens for writing and replays.
    pub(crate) async fn writer(&self) -> EventStore {
        self.try_writer().await.unwrap()
    }

    pub(crate) async fn try_writer(&self) -> Result<EventStore> {
        let store = EventStore::create_or_open(self.location(), self.config.clone(), self.clock()).await?;
        replay(&store).await?;
        Ok(store)
    }

    /// Opens for writing without replay.
    pub(crate) async fn unreplayed_writer(&self) -> Result<EventStore> {
        EventStore::create_or_open(self.location(), self.config.clone(), self.clock()).await
    }

    /// Opens for reading, and replays.
    pub(crate) async fn reader(&self) -> EventStore {
        let store = EventStore::open(self.location(), self.config.clone(), self.clock()).await.unwrap();
        replay(&store).await.unwrap();
        store
    }

    pub(crate) async fn try_reader(&self) -> Result<EventStore> {
        EventStore::open(self.location(), self.config.clone(), self.clock()).await
    }

    /// All objects, by path relative to the dataset.
    pub(crate) async fn objects(&self) -> Vec<String> {
        use futures::TryStreamExt as _;
        let prefix = self.location.prefix();
        let metas: Vec<_> = self.raw.list(Some(prefix)).try_collect().await.unwrap();
        let mut paths: Vec<String> = metas
            .into_iter()
            .map(|meta| {
                let parts: Vec<String> = meta
                    .location
                    .prefix_match(prefix)
                    .unwrap()
                    .map(|part| part.as_ref().to_owned())
                    .collect();
                parts.join("/")
            })
            .collect();
        paths.sort();
        paths
    }

    /// Objects under a directory of the dataset.
    pub(crate) async fn objects_in(&self, directory: &str) -> Vec<String> {
        let mut objects = self.objects().await;
        objects.retain(|path| path.starts_with(directory));
        objects
    }

    pub(crate) async fn read(&self, relative: &str) -> bytes::Bytes {
        self.raw.get(&self.location.path(relative)).await.unwrap().bytes().await.unwrap()
    }

    pub(crate) async fn overwrite(&self, relative: &str, bytes: impl Into<bytes::Bytes>) {
        let bytes: bytes::Bytes = bytes.into();
        self.raw.put(&self.location.path(relative), bytes.into()).await.unwrap();
    }

    pub(crate) async fn delete(&self, relative: &str) {
        self.raw.delete(&self.location.path(relative)).await.unwrap();
    }
}

/// Lets all tasks that can go on do so.
pub(crate) async fn settle_tasks() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// What ingestion does on opening: payloads are the text of [`Row`]s.
pub(crate) async fn replay(store: &EventStore) -> Result<()> {
    let entries = store.wal_entries().await?;
    let snapshot = store.snapshot();
    let Some(last) = entries.last() else { return Ok(()) };
    let mut table = Table::of(&snapshot.catalog);
    let mut next_sequence = snapshot.next_sequence;
    for entry in &entries {
        for row in Row::read_all(&entry.payload) {
            next_sequence = next_sequence.max(row.sequence + 1);
            table.rows.push(row);
        }
    }
    let batch = table.mem_batch();
    store.publish_replayed(Replayed {
        version: snapshot.manifest.version,
        batches: vec![batch],
        catalog: Arc::new(table.catalog),
        identities: Arc::clone(&snapshot.identities),
        profiles: Arc::clone(&snapshot.profiles),
        people: Vec::new(),
        next_sequence,
        last_wal: Some(last.number),
    });
    Ok(())
}

/// Appends rows; each gets the next sequence.
pub(crate) async fn append(guard: &mut WriteGuard<'_>, rows: &[Row]) -> Result<u64> {
    let snapshot = guard.snapshot();
    let mut table = Table::of(&snapshot.catalog);
    let mut next_sequence = snapshot.next_sequence;
    for row in rows {
        table.rows.push(Row { sequence: next_sequence, ..row.clone() });
        next_sequence += 1;
    }
    let payload = Row::write_all(&table.rows);
    let batch = table.mem_batch();
    let change = Append {
        batches: MemChange::Add(vec![batch]),
        catalog: Arc::new(table.catalog),
        identities: Arc::clone(&snapshot.identities),
        profiles: Arc::clone(&snapshot.profiles),
        people: Vec::new(),
        next_sequence,
    };
    guard.append(payload, change).await
}

/// Commits rows as one file a day; each row gets the next sequence.
pub(crate) async fn import(store: &EventStore, guard: &mut WriteGuard<'_>, rows: &[Row]) -> Result<()> {
    let snapshot = guard.snapshot();
    let mut table = Table::of(&snapshot.catalog);
    let mut next_sequence = snapshot.next_sequence;
    for row in rows {
        table.rows.push(Row { sequence: next_sequence, ..row.clone() });
        next_sequence += 1;
    }
    let mut change = Commit { next_sequence, ..Commit::of(&snapshot) };
    let put = store.uncommitted();
    for (file, bytes) in table.files(&store.config().file, snapshot.identities.version()) {
        put.put(&file, bytes).await?;
        change.add.push(file);
    }
    change.catalog = Arc::new(table.catalog);
    guard.commit(change).await?;
    Ok(())
}

/// Moves the memtable to files.
pub(crate) async fn flush(store: &EventStore, guard: &mut WriteGuard<'_>) -> Result<()> {
    let snapshot = guard.snapshot();
    let mut table = Table::of(&snapshot.catalog);
    for batch in snapshot.memtable.iter() {
        table.rows.extend(Row::of_batch(&batch.batch, &snapshot.catalog));
    }
    let mut change = Commit { flushed_memtable: true, ..Commit::of(&snapshot) };
    let put = store.uncommitted();
    for (file, bytes) in table.files(&store.config().file, snapshot.identities.version()) {
        put.put(&file, bytes).await?;
        change.add.push(file);
    }
    guard.commit(change).await?;
    Ok(())
}

/// Writes people entries with a commit of their own.
pub(crate) async fn commit_people(guard: &mut WriteGuard<'_>, people: Vec<PeopleEntry>) -> Result<()> {
    let snapshot = guard.snapshot();
    let (mut identities, mut profiles) = ((*snapshot.identities).clone(), (*snapshot.profiles).clone());
    for entry in &people {
        entry.apply(&mut identities, &mut profiles);
    }
    let next_sequence = people.last().map_or(snapshot.next_sequence, |entry| entry.sequence + 1);
    let change = Commit {
        people,
        identities: Arc::new(identities),
        profiles: Arc::new(profiles),
        next_sequence,
        ..Commit::of(&snapshot)
    };
    guard.commit(change).await?;
    Ok(())
}

/// All rows a view shows, by sequence.
pub(crate) async fn rows_of(store: &EventStore) -> Vec<Row> {
    let snapshot = store.snapshot();
    let mut rows = crate::rows::read_files(store, &snapshot, &snapshot.manifest.files).await.unwrap();
    for batch in snapshot.memtable.iter() {
        rows.extend(Row::of_batch(&batch.batch, &snapshot.catalog));
    }
    rows.sort_by_key(|row| row.sequence);
    rows
}

/// The events' names a view shows, by sequence.
pub(crate) async fn names_of(store: &EventStore) -> Vec<String> {
    rows_of(store).await.into_iter().map(|row| row.event).collect()
}

/// Rows of these names, all of one day.
pub(crate) fn named(names: &[&str]) -> Vec<Row> {
    names.iter().map(|name| Row::new(name, "u1", START.millis())).collect()
}
