//! A dataset to change step by step, and what its snapshots hold by the most naive reading.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt as _;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use tallymark_event::columns::SYSTEM_COLUMN_COUNT;
use tallymark_event::{Day, Event, FixedClock, LaneId, Timestamp};
use tallymark_ingest::{IngestConfig, Ingestor, WireForm};
use tallymark_storage::{
    Commit, DataFile, EventStore, FileSettings, Location, Merge, MergeRow, Projection, Snapshot,
    StorageConfig, merge_files,
};
use tallymark_users::IdentitySystem;

use super::arrays;
use crate::{ColumnId, Layout};

/// The columns every event has: positions of those that are compared as they are.
pub(super) const TIME: usize = 1;
pub(super) const USER_ID: usize = 3;
const SEQUENCE: usize = 7;

pub(super) struct Dataset {
    pub(super) store: EventStore,
    ingestor: Ingestor,
}

impl Dataset {
    /// An empty dataset whose files have few rows.
    pub(super) async fn new(identity: IdentitySystem) -> Self {
        Self::in_store(Arc::new(InMemory::new()), identity, 3).await
    }

    pub(super) async fn in_store(
        store: Arc<dyn ObjectStore>,
        identity: IdentitySystem,
        row_group_rows: usize,
    ) -> Self {
        let file = FileSettings { row_group_rows, rows_max: row_group_rows * 4, ..FileSettings::default() };
        let config = StorageConfig { file, identity, ..StorageConfig::default() };
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(1_800_000_000_000)));
        let location = Location::with_store(store, Path::from("dataset"));
        let store = EventStore::create_or_open(location, config, Arc::clone(&clock) as _).await.unwrap();
        let ingestor = Ingestor::new(store.clone(), IngestConfig::default(), clock);
        Self { store, ingestor }
    }

    /// Appends records, one a line; they stay in the memtable.
    pub(super) async fn append(&self, lines: &str) {
        self.ingestor.append_json(lines.as_bytes(), WireForm::Lenient).await.unwrap();
    }

    pub(super) async fn events(&self, events: Vec<Event<'static>>) {
        let report = self.ingestor.append_events(events).await.unwrap();
        assert!(report.refused.is_empty(), "{report:?}");
    }

    pub(super) async fn flush(&self) {
        self.ingestor.flush().await.unwrap();
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.store.snapshot()
    }

    /// Merges the files of each day, or removes a user from them.
    pub(super) async fn rewrite(&self, without: Option<&str>) {
        self.flush().await;
        let mut guard = self.store.write().await.unwrap();
        let snapshot = guard.snapshot();
        let user = without.map(|id| snapshot.identities.canonical(id).to_owned());
        let days: BTreeSet<Day> = snapshot.manifest.files.iter().map(|file| file.day).collect();
        let mut change = Commit::of(&snapshot);
        let keep = |row: &MergeRow<'_>| user.is_none() || row.user_id != user.as_deref();
        for day in days {
            let files: Vec<DataFile> =
                snapshot.manifest.files.iter().filter(|file| file.day == day).cloned().collect();
            let merge = Merge {
                day,
                files: &files,
                catalog: &snapshot.catalog,
                identities: &snapshot.identities,
                keep: &keep,
            };
            let merged = merge_files(&self.store, merge).await.unwrap();
            let rows = |files: &[DataFile]| files.iter().map(|file| file.rows).sum::<u64>();
            // Where the user has no rows, files stay as they are.
            if without.is_none() || rows(&merged) < rows(&files) {
                change.remove.extend(files.into_iter().map(|file| file.path));
                change.add.extend(merged);
            }
        }
        if let Some(user) = &user {
            let mut identities = (*snapshot.identities).clone();
            identities.remove_user(user);
            change.identities = Arc::new(identities);
        }
        guard.commit(change).await.unwrap();
    }
}

/// One row: its text in every column of the catalog, system columns first.
pub(super) type Row = Vec<String>;

/// All columns of a snapshot's catalog.
pub(super) fn all_columns(snapshot: &Snapshot) -> Vec<ColumnId> {
    let lanes = (0..snapshot.catalog.lanes().len()).map(|lane| ColumnId::Lane(LaneId(lane as u32)));
    (0..SYSTEM_COLUMN_COUNT).map(ColumnId::System).chain(lanes).collect()
}

/// The rows of a snapshot by (day, user, time, sequence), read file by file and batch by batch.
pub(super) async fn expected(store: &EventStore, snapshot: &Snapshot) -> Vec<(Day, Row)> {
    let mut batches: Vec<(RecordBatch, Vec<LaneId>)> = Vec::new();
    for file in &snapshot.manifest.files {
        let stream = store.read_data_file(snapshot, file, &Projection::All).await.unwrap();
        let lanes: Vec<LaneId> = file.lanes.iter().map(|count| count.lane).collect();
        for batch in stream.try_collect::<Vec<_>>().await.unwrap() {
            batches.push((batch, lanes.clone()));
        }
    }
    batches.extend(snapshot.memtable.iter().map(|batch| (batch.batch.clone(), batch.lanes.clone())));

    let mut rows: Vec<(Day, Option<String>, i64, i64, Row)> = Vec::new();
    for (batch, lanes) in &batches {
        let columns: Vec<ArrayRef> = all_columns(snapshot)
            .into_iter()
            .map(|id| match id {
                ColumnId::System(position) => Arc::clone(batch.column(position)),
                ColumnId::Lane(lane) => {
                    let data_type = snapshot.catalog.lane(lane).kind.data_type();
                    match lanes.iter().position(|known| *known == lane) {
                        Some(at) => cast(batch.column(SYSTEM_COLUMN_COUNT + at), &data_type).unwrap(),
                        None => arrow::array::new_null_array(&data_type, batch.num_rows()),
                    }
                }
            })
            .collect();
        let times = batch.column(TIME).as_primitive::<TimestampMillisecondType>();
        let users = batch.column(USER_ID).as_string_view();
        let sequences = batch.column(SEQUENCE).as_primitive::<Int64Type>();
        for (row, mut texts) in texts(&columns).into_iter().enumerate() {
            let user =
                users.is_valid(row).then(|| snapshot.identities.canonical(users.value(row)).to_owned());
            texts[USER_ID] = format!("{user:?}");
            let day = Timestamp::from_millis(times.value(row)).day();
            rows.push((day, user, times.value(row), sequences.value(row), texts));
        }
    }
    rows.sort();
    rows.into_iter().map(|(day, .., texts)| (day, texts)).collect()
}

/// The rows of a layout in its order, all columns loaded.
pub(super) async fn found(layout: &Layout) -> Vec<(Day, Row)> {
    let columns = all_columns(layout.snapshot());
    let mut rows = Vec::new();
    for (index, segment) in layout.segments().iter().enumerate() {
        let loaded = layout.load(index, &columns).await.unwrap();
        assert!(loaded.columns.iter().all(|column| column.row_count() == segment.row_count()));
        let columns = arrays(&loaded);
        let users = columns[USER_ID].as_string_view();
        for (row, mut texts) in texts(&columns).into_iter().enumerate() {
            texts[USER_ID] = format!("{:?}", users.is_valid(row).then(|| users.value(row)));
            rows.push((segment.day(), texts));
        }
    }
    rows
}

/// The rows of a layout without users in its order, all other columns loaded.
pub(super) async fn found_without_users(layout: &Layout) -> Vec<(Day, Row)> {
    let columns: Vec<ColumnId> =
        all_columns(layout.snapshot()).into_iter().filter(|column| *column != ColumnId::USER_ID).collect();
    let mut rows = Vec::new();
    for (index, segment) in layout.segments().iter().enumerate() {
        let loaded = layout.load(index, &columns).await.unwrap();
        rows.extend(texts(&arrays(&loaded)).into_iter().map(|row| (segment.day(), row)));
    }
    rows
}

fn texts(columns: &[ArrayRef]) -> Vec<Row> {
    let options = FormatOptions::new().with_null("(null)");
    let formatters: Vec<ArrayFormatter<'_>> =
        columns.iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    (0..columns[0].len())
        .map(|row| formatters.iter().map(|formatter| formatter.value(row).to_string()).collect())
        .collect()
}
