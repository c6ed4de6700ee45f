//! One writer at a time, and what happens to one that lost its right.

use std::time::Duration;

use tallymark_storage::{Error, FileSettings, paths};

use crate::conformance;
use crate::rows::Table;
use crate::support::{Place, append, flush, import, named, names_of};

conformance!(a_second_writer_is_told_who_holds_the_dataset, a_closed_writer_lets_the_next_one_in);

async fn a_second_writer_is_told_who_holds_the_dataset(place: Place) {
    let store = place.writer().await;
    let error = place.try_writer().await.unwrap_err();
    assert!(
        matches!(&error, Error::Locked { holder, since, .. } if holder == "the test" && *since == crate::support::START),
        "{error:?}"
    );
    assert_eq!(names_of(&place.reader().await).await, [""; 0]);
    append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
}

async fn a_closed_writer_lets_the_next_one_in(place: Place) {
    let store = place.writer().await;
    let clone = store.clone();
    store.close().await.unwrap();
    assert!(matches!(clone.write().await, Err(Error::ReadOnly)));
    let next = place.writer().await;
    append(&mut next.write().await.unwrap(), &named(&["a"])).await.unwrap();
}

/// Two writers that both believe to hold the lease: the old one did not notice that it ran out.
async fn two_writers(place: &Place) -> (tallymark_storage::EventStore, tallymark_storage::EventStore) {
    let old = place.writer().await;
    append(&mut old.write().await.unwrap(), &named(&["a"])).await.unwrap();
    place.pass(place.config.lease + Duration::from_secs(1));
    let new = place.writer().await;
    (old, new)
}

#[tokio::test]
async fn a_deposed_writer_cannot_append() {
    let place = Place::memory();
    let (old, new) = two_writers(&place).await;
    let mut guard = old.write().await.unwrap();
    assert!(matches!(append(&mut guard, &named(&["lost"])).await, Err(Error::Conflict { .. })));
    drop(guard);
    assert!(matches!(old.write().await, Err(Error::Conflict { .. })));
    // Its entry is in the log, and does not count: neither now nor after more is written.
    assert_eq!(names_of(&place.reader().await).await, ["a"]);
    append(&mut new.write().await.unwrap(), &named(&["b"])).await.unwrap();
    assert_eq!(names_of(&new).await, ["a", "b"]);
    assert_eq!(names_of(&place.reader().await).await, ["a", "b"]);
    flush(&new, &mut new.write().await.unwrap()).await.unwrap();
    assert_eq!(names_of(&place.reader().await).await, ["a", "b"]);
}

#[tokio::test]
async fn a_deposed_writer_cannot_commit() {
    let place = Place::memory();
    let (old, new) = two_writers(&place).await;
    let mut guard = old.write().await.unwrap();
    assert!(matches!(import(&old, &mut guard, &named(&["lost"])).await, Err(Error::Conflict { .. })));
    assert!(matches!(flush(&old, &mut guard).await, Err(Error::Conflict { .. })));
    import(&new, &mut new.write().await.unwrap(), &named(&["b"])).await.unwrap();
    let mut names = names_of(&place.reader().await).await;
    names.sort();
    assert_eq!(names, ["a", "b"]);
}

/// The new writer replays and flushes while the old one's last entry is still on its way.
#[tokio::test]
async fn an_entry_of_a_deposed_writer_does_not_come_back_after_a_flush() {
    let place = Place::memory();
    let (old, new) = two_writers(&place).await;
    flush(&new, &mut new.write().await.unwrap()).await.unwrap();
    let mut guard = old.write().await.unwrap();
    assert!(matches!(append(&mut guard, &named(&["lost"])).await, Err(Error::Conflict { .. })));
    assert_eq!(names_of(&place.reader().await).await, ["a"]);
    new.close().await.unwrap();
    let next = place.writer().await;
    assert_eq!(names_of(&next).await, ["a"]);
    append(&mut next.write().await.unwrap(), &named(&["b"])).await.unwrap();
    assert_eq!(names_of(&place.reader().await).await, ["a", "b"]);
}

#[tokio::test]
async fn a_writer_that_dies_is_replaced_when_its_lease_runs_out() {
    let place = Place::memory();
    let store = place.writer().await;
    append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    std::mem::forget(store);
    assert!(matches!(place.try_writer().await, Err(Error::Locked { expires_at: Some(_), .. })));
    place.pass(place.config.lease);
    assert_eq!(names_of(&place.writer().await).await, ["a"]);
}

#[tokio::test]
async fn a_lease_is_renewed() {
    let mut place = Place::memory();
    place.config.lease = Duration::from_millis(30);
    let store = place.writer().await;
    for _ in 0..3 {
        place.pass(Duration::from_millis(20));
        let before = place.read(paths::LEASE).await;
        while place.read(paths::LEASE).await == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(matches!(place.try_writer().await, Err(Error::Locked { .. })));
    }
    append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
}

#[tokio::test]
async fn a_file_of_a_deposed_writer_is_an_orphan() {
    let place = Place::memory();
    let (old, new) = two_writers(&place).await;
    let mut table = Table::with(&old.snapshot().catalog, named(&["lost"]));
    let (file, bytes) = table.files(&FileSettings::default(), 0).remove(0);
    old.put_data_file(&file, bytes).await.unwrap();
    let report = tallymark_storage::clean_up(&new, Duration::from_mins(10)).await.unwrap();
    assert_eq!(report.orphans, 1);
}
