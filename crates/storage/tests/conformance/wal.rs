//! The write-ahead log as ingestion uses it.

use std::sync::Arc;

use tallymark_storage::{Append, Error, MemChange, Replayed, paths};

use crate::conformance;
use crate::rows::Row;
use crate::support::{Place, append, flush, import, named, names_of, replay, rows_of};

conformance!(
    an_append_is_visible_and_survives,
    nothing_is_written_before_replay,
    a_flush_empties_the_memtable_and_the_log,
    imports_and_appends_mix,
    a_reader_sees_what_is_acknowledged,
    a_late_replay_is_not_published,
    a_memtable_can_be_replaced,
    an_entry_that_breaks_off_at_the_end_is_dropped,
    an_acknowledged_entry_that_is_gone_is_an_error,
);

async fn an_append_is_visible_and_survives(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    let first = append(&mut guard, &named(&["a", "b"])).await.unwrap();
    let second = append(&mut guard, &named(&["c"])).await.unwrap();
    assert!(first < second);
    assert_eq!(names_of(&store).await, ["a", "b", "c"]);
    let batches: Vec<u64> = store.snapshot().memtable.iter().map(|batch| batch.last_wal).collect();
    assert_eq!(batches, [first, second]);
    let before = rows_of(&store).await;
    drop(guard);
    store.close().await.unwrap();

    let store = place.writer().await;
    assert_eq!(rows_of(&store).await, before);
    assert_eq!(store.write().await.unwrap().next_sequence(), 3);
    append(&mut store.write().await.unwrap(), &named(&["d"])).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(names_of(&place.writer().await).await, ["a", "b", "c", "d"]);
}

async fn nothing_is_written_before_replay(place: Place) {
    let store = place.writer().await;
    let number = append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    store.close().await.unwrap();
    let store = place.unreplayed_writer().await.unwrap();
    let Err(Error::Unreplayed { last_wal }) = store.write().await else { panic!("written before replay") };
    assert_eq!(last_wal, number);
    replay(&store).await.unwrap();
    append(&mut store.write().await.unwrap(), &named(&["b"])).await.unwrap();
    assert_eq!(names_of(&store).await, ["a", "b"]);
}

async fn a_flush_empties_the_memtable_and_the_log(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    append(&mut guard, &named(&["a"])).await.unwrap();
    append(&mut guard, &named(&["b"])).await.unwrap();
    flush(&store, &mut guard).await.unwrap();
    assert!(store.snapshot().memtable.is_empty());
    assert_eq!(store.snapshot().last_wal, None);
    append(&mut guard, &named(&["c"])).await.unwrap();
    assert_eq!(names_of(&store).await, ["a", "b", "c"]);
    drop(guard);
    store.close().await.unwrap();
    let store = place.writer().await;
    assert_eq!(store.snapshot().memtable.len(), 1);
    assert_eq!(names_of(&store).await, ["a", "b", "c"]);
}

async fn imports_and_appends_mix(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    append(&mut guard, &named(&["a"])).await.unwrap();
    import(&store, &mut guard, &named(&["b"])).await.unwrap();
    append(&mut guard, &named(&["c"])).await.unwrap();
    assert_eq!(names_of(&store).await, ["a", "b", "c"]);
    drop(guard);
    store.close().await.unwrap();
    assert_eq!(names_of(&place.writer().await).await, ["a", "b", "c"]);
}

async fn a_reader_sees_what_is_acknowledged(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    append(&mut guard, &named(&["a"])).await.unwrap();
    let reader = place.reader().await;
    assert_eq!(names_of(&reader).await, ["a"]);
    assert!(matches!(reader.write().await, Err(Error::ReadOnly)));
    append(&mut guard, &named(&["b"])).await.unwrap();
    replay(&reader).await.unwrap();
    assert_eq!(names_of(&reader).await, ["a", "b"]);
    flush(&store, &mut guard).await.unwrap();
    append(&mut guard, &named(&["c"])).await.unwrap();
    replay(&reader).await.unwrap();
    assert_eq!(names_of(&reader).await, ["a", "b", "c"]);
}

async fn a_late_replay_is_not_published(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    append(&mut guard, &named(&["a"])).await.unwrap();
    let reader = place.reader().await;
    let old = reader.snapshot();
    flush(&store, &mut guard).await.unwrap();
    reader.refresh().await.unwrap();
    reader.publish_replayed(Replayed {
        version: old.manifest.version,
        batches: old.memtable.to_vec(),
        catalog: Arc::clone(&old.catalog),
        identities: Arc::clone(&old.identities),
        profiles: Arc::clone(&old.profiles),
        people: Vec::new(),
        next_sequence: old.next_sequence,
        last_wal: old.last_wal,
    });
    assert_eq!(names_of(&reader).await, ["a"]);
}

async fn a_memtable_can_be_replaced(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    append(&mut guard, &named(&["a"])).await.unwrap();
    let snapshot = guard.snapshot();
    let change = Append {
        batches: MemChange::Replace(snapshot.memtable.to_vec()),
        catalog: Arc::clone(&snapshot.catalog),
        identities: Arc::clone(&snapshot.identities),
        profiles: Arc::clone(&snapshot.profiles),
        people: Vec::new(),
        next_sequence: snapshot.next_sequence,
    };
    let number = guard.append(Row::write_all(&[]), change).await.unwrap();
    assert_eq!(names_of(&store).await, ["a"]);
    assert_eq!(store.snapshot().memtable[0].last_wal, number);
}

async fn an_entry_that_breaks_off_at_the_end_is_dropped(place: Place) {
    let store = place.writer().await;
    append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    let last = append(&mut store.write().await.unwrap(), &named(&["b"])).await.unwrap();
    store.close().await.unwrap();
    let bytes = place.read(&paths::wal(last)).await;
    place.overwrite(&paths::wal(last), bytes.slice(..bytes.len() - 1)).await;
    let store = place.writer().await;
    assert_eq!(names_of(&store).await, ["a"]);
    append(&mut store.write().await.unwrap(), &named(&["c"])).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(names_of(&place.writer().await).await, ["a", "c"]);
}

async fn an_acknowledged_entry_that_is_gone_is_an_error(place: Place) {
    let store = place.writer().await;
    let first = append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    append(&mut store.write().await.unwrap(), &named(&["b"])).await.unwrap();
    store.close().await.unwrap();
    place.delete(&paths::wal(first)).await;
    let error = place.try_writer().await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
}
