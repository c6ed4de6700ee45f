//! What cleanup deletes, and what it must not.

use std::time::Duration;

use tallymark_storage::{CleanupReport, Commit, Error, EventStore, clean_up, paths};

use crate::conformance;
use crate::rows::{Table, read_files};
use crate::support::{Place, append, flush, import, named, names_of};

const RETENTION: Duration = Duration::from_mins(10);

conformance!(
    nothing_recent_is_deleted,
    what_a_retained_snapshot_needs_stays,
    at_once_only_the_newest_snapshot_stays,
    orphans_go_but_files_on_their_way_stay,
    flushed_entries_of_the_log_go,
    what_is_not_ours_stays,
    discarded_files_are_gone,
);

/// Imports a file and replaces it by another one; gives the path of the first.
async fn replace_a_file(store: &EventStore) -> String {
    let mut guard = store.write().await.unwrap();
    import(store, &mut guard, &named(&["old"])).await.unwrap();
    let old = store.snapshot();
    let path = old.manifest.files.last().unwrap().path.clone();
    let mut table = Table::with(&old.catalog, named(&["new"]));
    let (file, bytes) = table.files(&store.config().file, 0).remove(0);
    store.put_data_file(&file, bytes).await.unwrap();
    let change = Commit { add: vec![file], remove: vec![path.clone()], ..Commit::of(&old) };
    guard.commit(change).await.unwrap();
    path
}

async fn nothing_recent_is_deleted(place: Place) {
    let store = place.writer().await;
    replace_a_file(&store).await;
    place.pass(Duration::from_millis(599_999));
    let before = place.objects().await;
    assert_eq!(clean_up(&store, RETENTION).await.unwrap(), CleanupReport::default());
    assert_eq!(place.objects().await, before);
}

async fn what_a_retained_snapshot_needs_stays(place: Place) {
    let store = place.writer().await;
    let path = replace_a_file(&store).await;
    let old = store.snapshot_at(store.snapshot().manifest.version - 1).await.unwrap();
    // Long after it was made, but only just replaced.
    place.pass(RETENTION * 10);
    import(&store, &mut store.write().await.unwrap(), &named(&["more"])).await.unwrap();
    let replaced_last = store.snapshot_at(store.snapshot().manifest.version - 1).await.unwrap();
    let report = clean_up(&store, RETENTION).await.unwrap();
    assert_eq!((report.data_files, report.orphans), (1, 0));
    assert!(report.manifests >= 2 && report.bytes > 0, "{report:?}");
    assert!(!place.objects().await.contains(&path));
    assert_eq!(read_files(&store, &replaced_last, &replaced_last.manifest.files).await.unwrap().len(), 1);
    assert!(matches!(
        store.snapshot_at(old.manifest.version).await,
        Err(Error::SnapshotNotFound { retained, .. }) if retained.len() == 2
    ));
    assert_eq!(names_of(&place.reader().await).await, ["new", "more"]);
    assert_eq!(clean_up(&store, RETENTION).await.unwrap(), CleanupReport::default());
}

async fn at_once_only_the_newest_snapshot_stays(place: Place) {
    let store = place.writer().await;
    let path = replace_a_file(&store).await;
    let report = clean_up(&store, Duration::ZERO).await.unwrap();
    assert_eq!(report.data_files, 1);
    assert!(!place.objects().await.contains(&path));
    assert_eq!(place.objects_in("_tallymark/manifest/").await.len(), 1);
    assert_eq!(names_of(&place.reader().await).await, ["new"]);
}

async fn orphans_go_but_files_on_their_way_stay(place: Place) {
    let store = place.writer().await;
    let mut table = Table::with(&store.snapshot().catalog, named(&["a"]));
    let (left, bytes) = table.files(&store.config().file, 0).remove(0);
    store.put_data_file(&left, bytes).await.unwrap();
    store.close().await.unwrap();

    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    let (file, bytes) = table.files(&store.config().file, 0).remove(0);
    store.put_data_file(&file, bytes).await.unwrap();
    drop(guard);
    place.pass(RETENTION * 10);
    let report = clean_up(&store, RETENTION).await.unwrap();
    assert_eq!((report.orphans, report.data_files), (1, 0));
    assert_eq!(place.objects_in("events/").await, std::slice::from_ref(&file.path));
    guard = store.write().await.unwrap();
    let change = Commit { add: vec![file], ..Commit::of(&store.snapshot()) };
    guard.commit(change).await.unwrap();
    assert_eq!(names_of(&place.reader().await).await, ["a"]);
}

async fn flushed_entries_of_the_log_go(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    for name in ["a", "b"] {
        append(&mut guard, &named(&[name])).await.unwrap();
    }
    flush(&store, &mut guard).await.unwrap();
    let kept = append(&mut guard, &named(&["c"])).await.unwrap();
    drop(guard);
    let report = clean_up(&store, RETENTION).await.unwrap();
    assert_eq!(report.wal, 2);
    assert_eq!(place.objects_in("_tallymark/wal/").await, [paths::wal(kept)]);
    store.close().await.unwrap();
    let store = place.writer().await;
    assert_eq!(names_of(&store).await, ["a", "b", "c"]);
    // Numbers go on where they were, whatever is left of the log.
    flush(&store, &mut store.write().await.unwrap()).await.unwrap();
    clean_up(&store, RETENTION).await.unwrap();
    store.close().await.unwrap();
    let store = place.writer().await;
    let next = append(&mut store.write().await.unwrap(), &named(&["d"])).await.unwrap();
    assert!(next > kept);
    assert_eq!(names_of(&place.reader().await).await, ["a", "b", "c", "d"]);
}

async fn what_is_not_ours_stays(place: Place) {
    let store = place.writer().await;
    for path in ["events/README", "events/day=2023-11-14/mine.parquet", "_tallymark/wal/note.txt"] {
        place.overwrite(path, "mine").await;
    }
    let before = place.objects().await;
    place.pass(RETENTION * 10);
    assert_eq!(clean_up(&store, Duration::ZERO).await.unwrap().orphans, 0);
    let mut after = place.objects().await;
    after.retain(|path| !path.starts_with("_tallymark/manifest"));
    assert!(before.iter().filter(|path| !path.starts_with("_tallymark/manifest")).eq(&after));
}

async fn discarded_files_are_gone(place: Place) {
    let store = place.writer().await;
    import(&store, &mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    let committed = store.snapshot().manifest.files[0].clone();
    let mut table = Table::with(&store.snapshot().catalog, named(&["b"]));
    let (file, bytes) = table.files(&store.config().file, 0).remove(0);
    store.put_data_file(&file, bytes).await.unwrap();
    store.discard(&[file, committed.clone()]).await;
    assert_eq!(place.objects_in("events/").await, [committed.path]);
}

#[tokio::test]
async fn a_reader_does_not_clean_up() {
    let place = Place::memory();
    let _writer = place.writer().await;
    assert!(matches!(clean_up(&place.reader().await, RETENTION).await, Err(Error::ReadOnly)));
}
