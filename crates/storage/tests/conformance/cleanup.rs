//! What cleanup deletes, and what it must not.

use std::time::Duration;

use tallymark_storage::{
    CleanupReport, Commit, DataFile, Definition, DefinitionFile, Error, EventStore, Snapshot, clean_up, paths,
};

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
    files_of_a_commit_that_is_refused_are_deleted,
    files_of_a_write_that_is_given_up_are_deleted_by_the_next,
    what_was_erased_is_not_offered,
    a_view_of_files_that_are_gone_is_explained,
    tables_of_definitions_stay_as_long_as_a_snapshot_has_them,
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

/// Saves a definition with a table; gives the table's path.
async fn save_table(store: &EventStore, bytes: &'static [u8]) -> String {
    let put = store.uncommitted();
    let path = paths::new_definition_file();
    let file = DefinitionFile { path: path.clone(), rows: 1, bytes: bytes.len() as u64 };
    put.put_definition_file(&file, bytes.into()).await.unwrap();
    let mut guard = store.write().await.unwrap();
    let definition =
        Definition { saved_at: store.clock().now(), json: serde_json::json!({}), file: Some(file) };
    let definitions = [("lookup".to_owned(), [("items".to_owned(), definition)].into())].into();
    let change = Commit { definitions: Some(definitions), ..Commit::of(&guard.snapshot()) };
    guard.commit(change).await.unwrap();
    path
}

async fn tables_of_definitions_stay_as_long_as_a_snapshot_has_them(place: Place) {
    let store = place.writer().await;
    let first = save_table(&store, b"first").await;
    import(&store, &mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    place.pass(RETENTION * 10);
    clean_up(&store, RETENTION).await.unwrap();
    assert_eq!(place.objects_in("definitions/").await, std::slice::from_ref(&first));

    // One that no commit names is an orphan as soon as nobody means to commit it.
    let put = store.uncommitted();
    let file = DefinitionFile { path: paths::new_definition_file(), rows: 1, bytes: 4 };
    put.put_definition_file(&file, b"lost".as_slice().into()).await.unwrap();
    clean_up(&store, RETENTION).await.unwrap();
    assert_eq!(place.objects_in("definitions/").await.len(), 2);
    drop(put);

    let second = save_table(&store, b"second").await;
    let replaced = store.snapshot_at(store.snapshot().manifest.version - 1).await.unwrap();
    let of = |snapshot: &Snapshot| snapshot.manifest.definition_files().next().cloned().unwrap();
    assert_eq!(replaced.definition_file(&of(&replaced)).await.unwrap(), "first");
    place.pass(RETENTION * 10);
    let report = clean_up(&store, RETENTION).await.unwrap();
    assert_eq!(report.data_files, 1);
    assert_eq!(place.objects_in("definitions/").await, [second]);
    let reader = place.reader().await.snapshot();
    assert_eq!(reader.definition_file(&of(&reader)).await.unwrap(), "second");
    let gone = replaced.definition_file(&of(&replaced)).await;
    assert!(matches!(gone, Err(Error::Read { path, .. }) if path == first));
}

/// A file with one event, for a commit to come.
fn new_file(store: &EventStore, name: &str) -> (DataFile, bytes::Bytes) {
    Table::with(&store.snapshot().catalog, named(&[name])).files(&store.config().file, 0).remove(0)
}

async fn files_of_a_commit_that_is_refused_are_deleted(place: Place) {
    let store = place.writer().await;
    import(&store, &mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    let visible = place.objects_in("events/").await;
    let mut guard = store.write().await.unwrap();
    let put = store.uncommitted();
    let (file, bytes) = new_file(&store, "b");
    put.put(&file, bytes).await.unwrap();
    assert_eq!(place.objects_in("events/").await.len(), 2);
    let remove = vec!["events/day=2023-11-14/x.parquet".to_owned()];
    let change = Commit { add: vec![file], remove, ..Commit::of(&guard.snapshot()) };
    assert!(matches!(guard.commit(change).await, Err(Error::Outdated { .. })));
    put.discard().await;
    // A call of a store with faults may fail; a cleanup finds what is left then.
    drop(guard);
    clean_up(&store, RETENTION).await.unwrap();
    assert_eq!(place.objects_in("events/").await, visible);

    // Of a commit that succeeds, what it did not name is deleted, and nothing else.
    let mut guard = store.write().await.unwrap();
    let put = store.uncommitted();
    let [(named, named_bytes), (other, other_bytes)] = [new_file(&store, "c"), new_file(&store, "d")];
    put.put(&named, named_bytes).await.unwrap();
    store.put_data_file(&other, other_bytes).await.unwrap();
    put.adopt(std::slice::from_ref(&other));
    let change = Commit { add: vec![named.clone()], ..Commit::of(&guard.snapshot()) };
    guard.commit(change).await.unwrap();
    put.discard().await;
    drop(guard);
    clean_up(&store, RETENTION).await.unwrap();
    assert_eq!(place.objects_in("events/").await.len(), visible.len() + 1);
    assert_eq!(names_of(&store).await, ["a", "c"]);
}

async fn files_of_a_write_that_is_given_up_are_deleted_by_the_next(place: Place) {
    let store = place.writer().await;
    let put = store.uncommitted();
    let (file, bytes) = new_file(&store, "a");
    put.put(&file, bytes).await.unwrap();
    // As long as somebody means to commit it, it stays.
    clean_up(&store, RETENTION).await.unwrap();
    assert_eq!(place.objects_in("events/").await.len(), 1);
    drop(put);
    drop(store.write().await.unwrap());
    clean_up(&store, RETENTION).await.unwrap();
    assert_eq!(place.objects_in("events/").await, [""; 0]);
}

async fn what_was_erased_is_not_offered(place: Place) {
    let store = place.writer().await;
    import(&store, &mut store.write().await.unwrap(), &named(&["theirs"])).await.unwrap();
    let old = store.snapshot();
    let remove = old.manifest.files.iter().map(|file| file.path.clone()).collect();
    let change = Commit { remove, erases: true, ..Commit::of(&old) };
    let erased = store.write().await.unwrap().commit(change).await.unwrap().manifest.version;
    import(&store, &mut store.write().await.unwrap(), &named(&["other"])).await.unwrap();
    let newest = store.snapshot().manifest.version;
    // From the commit on, and before the cleanup; also for those who open it then.
    for store in [&store, &place.reader().await] {
        let Err(Error::SnapshotErased { version, retained }) = store.snapshot_at(old.manifest.version).await
        else {
            panic!("an erased snapshot was opened")
        };
        assert_eq!((version, retained.first()), (old.manifest.version, Some(&erased)));
        assert_eq!(store.retained_versions().await.unwrap()[0].0, erased);
        assert_eq!(store.snapshot_at(newest).await.unwrap().manifest.version, newest);
    }
    let report = clean_up(&store, RETENTION).await.unwrap();
    assert_eq!((report.data_files, report.orphans), (1, 0));
    assert!(report.manifests >= 2, "{report:?}");
    assert_eq!(names_of(&place.reader().await).await, ["other"]);
    assert!(matches!(store.why_gone(&old).await.unwrap(), Some(Error::SnapshotErased { .. })));
}

async fn a_view_of_files_that_are_gone_is_explained(place: Place) {
    let store = place.writer().await;
    replace_a_file(&store).await;
    let old = store.snapshot_at(store.snapshot().manifest.version - 1).await.unwrap();
    assert!(store.why_gone(&old).await.unwrap().is_none());
    clean_up(&store, Duration::ZERO).await.unwrap();
    let Some(Error::SnapshotExpired { version, retained }) = store.why_gone(&old).await.unwrap() else {
        panic!("not explained")
    };
    assert_eq!((version, retained), (old.manifest.version, vec![store.snapshot().manifest.version]));
    // What should be there and is not is another matter.
    assert!(store.why_gone(&store.snapshot()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_reader_does_not_clean_up() {
    let place = Place::memory();
    let _writer = place.writer().await;
    assert!(matches!(clean_up(&place.reader().await, RETENTION).await, Err(Error::ReadOnly)));
}
