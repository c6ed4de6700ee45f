//! Sorted columns → Parquet, and files of a day → one.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::concat_batches;
use divan::Bencher;
use divan::counter::ItemsCount;
use futures::TryStreamExt as _;
use tallymark_event::{Clock, Event, FixedClock, Lane, LaneId, Timestamp};
use tallymark_ingest::{IngestConfig, Ingestor};
use tallymark_storage::{
    DataFileWriter, EventStore, FileSettings, Location, Merge, Projection, StorageConfig, merge_files,
};
use tallymark_testkit::{EventGenerator, GeneratorConfig};
use tokio::runtime::Runtime;

const EVENTS: usize = 40_000;
const FILES: usize = 4;

/// A day of events in several files, in memory.
async fn store(name: &str) -> EventStore {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(Timestamp::from_millis(1_800_000_000_000)));
    let location = Location::parse(&format!("memory:///{name}")).unwrap();
    let store =
        EventStore::create_or_open(location, StorageConfig::default(), Arc::clone(&clock)).await.unwrap();
    let ingestor = Ingestor::new(store.clone(), IngestConfig::default(), clock);
    let config = GeneratorConfig { events: EVENTS as u64, days: 1, ..GeneratorConfig::default() };
    let events: Vec<Event<'static>> = EventGenerator::new(config).events().collect();
    for part in events.chunks(EVENTS / FILES) {
        ingestor.append_events(part.to_vec()).await.unwrap();
        ingestor.flush().await.unwrap();
    }
    store
}

/// A row group of a data file, at the settings that files are written with.
#[divan::bench]
fn write(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(store("write"));
    let snapshot = store.snapshot();
    let file = &snapshot.manifest.files[0];
    let columns = runtime.block_on(async {
        let batches: Vec<_> = store
            .read_data_file(&snapshot, file, &Projection::All)
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        concat_batches(&batches[0].schema(), &batches).unwrap()
    });
    let lanes: Vec<(LaneId, Lane)> =
        file.lanes.iter().map(|count| (count.lane, snapshot.catalog.lane(count.lane).clone())).collect();
    bencher.counter(ItemsCount::new(file.rows)).bench_local(|| {
        let mut writer =
            DataFileWriter::try_new(file.day, &lanes, &snapshot.catalog, &FileSettings::default()).unwrap();
        let mut column = |at: usize| Ok(ArrayRef::clone(columns.column(at)));
        writer.write_row_group(columns.num_rows(), &mut column).unwrap();
        writer.finish(0).unwrap().0.len()
    });
}

/// Files of one day to one file.
#[divan::bench(sample_count = 20)]
fn merge(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(store("merge"));
    let snapshot = store.snapshot();
    let files = snapshot.manifest.files.clone();
    assert_eq!(files.len(), FILES, "the day has several files");
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        runtime.block_on(async {
            let merge = Merge {
                day: files[0].day,
                files: &files,
                catalog: &snapshot.catalog,
                identities: &snapshot.identities,
                keep: &|_| true,
            };
            let merged = merge_files(&store, merge).await.unwrap();
            store.discard(&merged).await;
            merged.len()
        })
    });
}
