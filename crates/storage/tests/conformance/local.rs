//! What only a local directory has: locks, temporary files, plain file names.

use std::time::Duration;

use tallymark_storage::{Error, clean_up};

use crate::support::{Place, append, flush, import, named, names_of};

#[tokio::test]
async fn a_writer_that_is_dropped_lets_the_next_one_in() {
    let place = Place::local();
    let store = place.writer().await;
    append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    drop(store);
    assert_eq!(names_of(&place.writer().await).await, ["a"]);
}

#[tokio::test]
async fn the_lock_says_who_has_it() {
    let place = Place::local();
    let _store = place.writer().await;
    let text = place.read("_tallymark/writer.lock").await;
    assert_eq!(text, r#"{"holder":"the test","since":1700000000000}"#);
}

#[tokio::test]
async fn files_left_unfinished_are_ignored_and_cleaned_up() {
    let place = Place::local();
    let store = place.writer().await;
    append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    import(&store, &mut store.write().await.unwrap(), &named(&["b"])).await.unwrap();
    let file = store.snapshot().manifest.files[0].path.clone();
    store.close().await.unwrap();
    let root = place.location().local_root().unwrap().to_owned();
    let unfinished = [
        format!("{file}#1"),
        "_tallymark/wal/00000000000000000009.wal#0".to_owned(),
        "_tallymark/manifest/00000000000000000009.json.zst#0".to_owned(),
    ];
    for path in &unfinished {
        std::fs::File::create(root.join(path)).unwrap();
    }
    std::fs::File::create(root.join("events/other#1")).unwrap();

    let store = place.writer().await;
    assert_eq!(names_of(&store).await, ["a", "b"]);
    let report = clean_up(&store, Duration::from_mins(10)).await.unwrap();
    assert_eq!(report.orphans, 3);
    assert!(unfinished.iter().all(|path| !root.join(path).exists()));
    assert!(root.join("events/other#1").exists());
}

#[tokio::test]
async fn a_day_without_files_leaves_no_directory() {
    let place = Place::local();
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    import(&store, &mut guard, &named(&["a"])).await.unwrap();
    let snapshot = store.snapshot();
    let remove = vec![snapshot.manifest.files[0].path.clone()];
    guard
        .commit(tallymark_storage::Commit { remove, ..tallymark_storage::Commit::of(&snapshot) })
        .await
        .unwrap();
    drop(guard);
    clean_up(&store, Duration::ZERO).await.unwrap();
    assert!(!place.location().local_root().unwrap().join("events/day=2023-11-14").exists());
    import(&store, &mut store.write().await.unwrap(), &named(&["b"])).await.unwrap();
    assert_eq!(names_of(&store).await, ["b"]);
}

/// A directory nobody can write to: the write fails, and is not there afterwards.
#[cfg(unix)]
#[tokio::test]
async fn a_write_that_fails_has_not_happened() {
    let place = Place::local();
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    append(&mut guard, &named(&["a"])).await.unwrap();
    let root = place.location().local_root().unwrap().to_owned();
    // In the place of the next entry's temporary file, nothing can be created.
    std::fs::create_dir(root.join("_tallymark/wal/00000000000000000001.wal#0")).unwrap();
    assert!(matches!(append(&mut guard, &named(&["b"])).await, Err(Error::LocalFile { .. })));
    append(&mut guard, &named(&["c"])).await.unwrap();
    let next = store.snapshot().manifest.version + 1;
    let in_the_way = root.join(format!("_tallymark/manifest/{next:020}.json.zst#0"));
    std::fs::create_dir(&in_the_way).unwrap();
    assert!(matches!(flush(&store, &mut guard).await, Err(Error::LocalFile { .. })));
    drop(guard);
    assert!(matches!(store.write().await, Err(Error::LocalFile { .. })));
    std::fs::remove_dir(&in_the_way).unwrap();
    let mut guard = store.write().await.unwrap();
    flush(&store, &mut guard).await.unwrap();
    assert_eq!(names_of(&store).await, ["a", "c"]);
    assert_eq!(names_of(&place.reader().await).await, ["a", "c"]);
}
