//! Several queries at once, loads that fail and loads that are given up.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use object_store::memory::InMemory;
use tallymark_testkit::{EventGenerator, GeneratorConfig};
use tallymark_users::IdentitySystem;

use super::dataset::{Dataset, all_columns, expected, found};
use super::{LARGE, check, line, resident};
use crate::Error;

/// Generated events on a week, in files and in the memtable.
async fn generated(events: u64) -> Dataset {
    let dataset = Dataset::in_store(Arc::new(InMemory::new()), IdentitySystem::Simplified, 200).await;
    let config = GeneratorConfig { events, days: 7, ..GeneratorConfig::default() };
    let all: Vec<_> = EventGenerator::new(config).events().collect();
    let half = all.len() / 2;
    dataset.events(all[..half].to_vec()).await;
    dataset.flush().await;
    dataset.events(all[half..].to_vec()).await;
    dataset
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn generated_events_are_laid_out_in_order() {
    let dataset = generated(3_000).await;
    let events = resident(LARGE);
    check(&dataset, &events.layout(&dataset.snapshot(), None).await.unwrap()).await;
    dataset.flush().await;
    check(&dataset, &events.layout(&dataset.snapshot(), None).await.unwrap()).await;
    dataset.rewrite(None).await;
    check(&dataset, &events.layout(&dataset.snapshot(), None).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn queries_at_once_load_each_column_once() {
    let dataset = generated(1_000).await;
    let events = resident(LARGE);
    let snapshot = dataset.snapshot();
    let rows = expected(&dataset.store, &snapshot).await;
    let queries = (0..8).map(|_| {
        let (events, snapshot) = (events.clone(), Arc::clone(&snapshot));
        tokio::spawn(async move { found(&events.layout(&snapshot, None).await.unwrap()).await })
    });
    for found in join_all(queries).await {
        assert_eq!(found.unwrap(), rows);
    }
    let alone = resident(LARGE);
    found(&alone.layout(&snapshot, None).await.unwrap()).await;
    assert_eq!(events.usage().loads, alone.usage().loads);
}

#[tokio::test]
async fn a_load_that_fails_leaves_no_trace() {
    let dataset = Dataset::new(IdentitySystem::Simplified).await;
    dataset.append(&line("a", "u", 0, 0, "\"n\": 1")).await;
    dataset.flush().await;
    let snapshot = dataset.snapshot();
    let events = resident(LARGE);
    let layout = events.layout(&snapshot, None).await.unwrap();
    let path = snapshot.location.path(&snapshot.manifest.files[0].path);
    let store = snapshot.location.store();
    let file = object_store::ObjectStoreExt::get(store, &path).await.unwrap().bytes().await.unwrap();

    object_store::ObjectStoreExt::delete(store, &path).await.unwrap();
    let columns = all_columns(&snapshot);
    assert!(matches!(layout.load(0, &columns).await, Err(Error::Load { .. })));
    let error = resident(LARGE).layout(&snapshot, None).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot load the events of 2024-02-28");

    object_store::ObjectStoreExt::put(store, &path, file.into()).await.unwrap();
    check(&dataset, &layout).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_load_that_is_given_up_leaves_no_trace() {
    let dataset = generated(1_000).await;
    let snapshot = dataset.snapshot();
    let rows = expected(&dataset.store, &snapshot).await;
    let columns = all_columns(&snapshot);
    for micros in [0, 50, 200, 1_000, 5_000, 20_000] {
        let events = resident(LARGE);
        let patience = Duration::from_micros(micros);
        drop(tokio::time::timeout(patience, events.layout(&snapshot, None)).await);
        let layout = events.layout(&snapshot, None).await.unwrap();
        drop(tokio::time::timeout(patience, layout.load(0, &columns)).await);
        assert_eq!(found(&layout).await, rows);
    }
}
