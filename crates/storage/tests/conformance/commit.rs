//! Commits, snapshots, time travel.

use std::sync::Arc;
use std::time::Duration;

use tallymark_storage::{Commit, Definition, Definitions, Error, EventStore, PeopleChange, PeopleEntry};
use tallymark_users::{IdentityOp, IdentitySystem, ProfileKey, ProfileOp, ProfileUpdate};

use crate::conformance;
use crate::rows::{Row, Table};
use crate::support::{Place, START, append, commit_people, flush, import, named, names_of, rows_of};

conformance!(
    a_new_dataset_is_empty,
    a_commit_is_seen_by_whoever_looks_after_it,
    a_snapshot_keeps_what_it_showed,
    a_file_put_but_not_committed_is_not_seen,
    a_commit_replaces_files_all_at_once,
    a_commit_must_be_based_on_the_present_view,
    an_earlier_snapshot_can_be_opened,
    settings_last,
    u11_the_people_log_is_replayed_in_order,
    people_do_not_overtake_pending_ones,
    definitions_and_attachments_last,
    a_snapshot_keeps_the_definitions_it_had,
    definitions_are_saved_beside_a_memtable,
    a_save_that_was_cut_short_has_not_happened,
    a_damaged_manifest_is_an_error,
    a_commit_that_was_cut_short_is_passed_over,
    no_dataset_is_made_over_data_files,
);

async fn a_new_dataset_is_empty(place: Place) {
    assert!(matches!(place.try_reader().await, Err(Error::NoDataset { .. })));
    let store = place.writer().await;
    assert_eq!(names_of(&store).await, [""; 0]);
    assert_eq!(store.snapshot().next_sequence, 0);
    assert!(!place.reader().await.is_writable());
}

async fn a_commit_is_seen_by_whoever_looks_after_it(place: Place) {
    let store = place.writer().await;
    let early = place.reader().await;
    import(&store, &mut store.write().await.unwrap(), &named(&["a", "b"])).await.unwrap();
    assert_eq!(names_of(&store).await, ["a", "b"]);
    assert_eq!(names_of(&place.reader().await).await, ["a", "b"]);
    assert_eq!(names_of(&early).await, [""; 0]);
    early.refresh().await.unwrap();
    assert_eq!(names_of(&early).await, ["a", "b"]);
}

async fn a_snapshot_keeps_what_it_showed(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    import(&store, &mut guard, &named(&["a"])).await.unwrap();
    let before = store.snapshot();
    append(&mut guard, &named(&["b"])).await.unwrap();
    flush(&store, &mut guard).await.unwrap();
    let rows = crate::rows::read_files(&store, &before, &before.manifest.files).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(before.memtable.is_empty());
    assert_eq!(names_of(&store).await, ["a", "b"]);
}

async fn a_file_put_but_not_committed_is_not_seen(place: Place) {
    let store = place.writer().await;
    let mut table = Table::with(&store.snapshot().catalog, named(&["a"]));
    for (file, bytes) in table.files(&store.config().file, 0) {
        store.put_data_file(&file, bytes).await.unwrap();
    }
    assert_eq!(place.objects_in("events/").await.len(), 1);
    drop(store);
    assert_eq!(names_of(&place.reader().await).await, [""; 0]);
}

async fn a_commit_replaces_files_all_at_once(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    import(&store, &mut guard, &named(&["a"])).await.unwrap();
    let old = store.snapshot();
    let mut table = Table::with(&old.catalog, named(&["b"]));
    let (file, bytes) = table.files(&store.config().file, 0).remove(0);
    store.put_data_file(&file, bytes).await.unwrap();
    let remove = vec![old.manifest.files[0].path.clone()];
    let change = Commit { add: vec![file.clone()], remove, ..Commit::of(&old) };
    let new = guard.commit(change).await.unwrap();
    assert_eq!(new.manifest.files, [file]);
    assert_eq!(names_of(&place.reader().await).await, ["b"]);
    assert_eq!(crate::rows::read_files(&store, &old, &old.manifest.files).await.unwrap()[0].event, "a");
}

async fn a_commit_must_be_based_on_the_present_view(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    import(&store, &mut guard, &named(&["a"])).await.unwrap();
    let snapshot = store.snapshot();
    let path = snapshot.manifest.files[0].path.clone();
    let gone = Commit { remove: vec!["events/day=2023-11-14/x.parquet".to_owned()], ..Commit::of(&snapshot) };
    assert!(matches!(guard.commit(gone).await, Err(Error::Outdated { .. })));
    let twice = Commit { add: vec![snapshot.manifest.files[0].clone()], ..Commit::of(&snapshot) };
    let Err(Error::Outdated { path: named }) = guard.commit(twice).await else { panic!("added twice") };
    assert_eq!(named, path);
    assert_eq!(store.snapshot().manifest.version, snapshot.manifest.version);
}

async fn an_earlier_snapshot_can_be_opened(place: Place) {
    let store = place.writer().await;
    let first = store.snapshot().manifest.version;
    for name in ["a", "b"] {
        place.pass(Duration::from_secs(1));
        import(&store, &mut store.write().await.unwrap(), &named(&[name])).await.unwrap();
    }
    let reader = place.reader().await;
    for (version, files) in [(first, 0), (first + 1, 1), (first + 2, 2)] {
        assert_eq!(reader.snapshot_at(version).await.unwrap().manifest.files.len(), files);
    }
    let Err(Error::SnapshotNotFound { version, retained }) = reader.snapshot_at(first + 3).await else {
        panic!("opened what is not there")
    };
    assert_eq!((version, retained.last()), (first + 3, Some(&(first + 2))));
    let times: Vec<i64> =
        reader.retained_versions().await.unwrap().into_iter().map(|(_, time)| time.millis()).collect();
    assert!(times.ends_with(&[START.millis() + 1000, START.millis() + 2000]), "{times:?}");
}

async fn settings_last(mut place: Place) {
    place.config.identity = IdentitySystem::Original;
    place.writer().await.close().await.unwrap();
    place.config.identity = IdentitySystem::Simplified;
    let store = place.writer().await;
    assert_eq!(store.snapshot().manifest.settings.identity, IdentitySystem::Original);
    assert_eq!(store.snapshot().identities.system(), IdentitySystem::Original);
}

fn plan(sequence: i64, id: &str, plan: &str) -> PeopleEntry {
    let properties = tallymark_event::Properties(vec![("plan".to_owned(), plan.to_owned().into())]);
    let update = ProfileUpdate {
        key: ProfileKey::User(id.to_owned()),
        time: None,
        ignore_time: false,
        ignore_alias: false,
        ops: vec![ProfileOp::Set(properties)],
    };
    PeopleEntry { sequence, received_at: START, change: PeopleChange::Profile(update) }
}

async fn u11_the_people_log_is_replayed_in_order(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    let link = IdentityOp::Link { device_id: "d1".to_owned(), user_id: "u1".to_owned() };
    let link = PeopleEntry { sequence: 1, received_at: START, change: PeopleChange::Identity(link) };
    commit_people(&mut guard, vec![plan(0, "u1", "free"), link.clone()]).await.unwrap();
    commit_people(&mut guard, vec![plan(2, "u1", "pro")]).await.unwrap();
    let (version, system) = (store.snapshot().identities.version(), store.snapshot().identities.system());

    let reader = place.reader().await;
    let snapshot = reader.snapshot();
    assert_eq!((snapshot.identities.version(), snapshot.identities.system()), (version, system));
    assert_eq!(snapshot.identities.canonical("$device:d1"), snapshot.identities.canonical("u1"));
    let profile = snapshot.profiles.get(&ProfileKey::User("u1".to_owned())).unwrap();
    assert_eq!(profile.properties.0, [("plan".to_owned(), "pro".into())]);
    let log = reader.people_log(&snapshot).await.unwrap();
    assert_eq!(log, [plan(0, "u1", "free"), link, plan(2, "u1", "pro")]);

    // An earlier snapshot has the profiles of then.
    let then = reader.snapshot_at(snapshot.manifest.version - 1).await.unwrap();
    let profile = then.profiles.get(&ProfileKey::User("u1".to_owned())).unwrap();
    assert_eq!(profile.properties.0, [("plan".to_owned(), "free".into())]);

    let all = vec![plan(2, "u1", "pro")];
    let change = Commit { replace_people: Some(all.clone()), ..Commit::of(&store.snapshot()) };
    guard.commit(change).await.unwrap();
    assert_eq!(store.snapshot().manifest.people.len(), 1);
    assert_eq!(store.people_log(&store.snapshot()).await.unwrap(), all);
}

async fn people_do_not_overtake_pending_ones(place: Place) {
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    let snapshot = guard.snapshot();
    let change = tallymark_storage::Append {
        batches: tallymark_storage::MemChange::Add(Vec::new()),
        catalog: Arc::clone(&snapshot.catalog),
        identities: Arc::clone(&snapshot.identities),
        profiles: Arc::clone(&snapshot.profiles),
        people: vec![plan(0, "u1", "free")],
        next_sequence: 1,
    };
    guard.append(Row::write_all(&[]), change).await.unwrap();
    let people = Commit { people: vec![plan(1, "u1", "pro")], ..Commit::of(&store.snapshot()) };
    assert!(matches!(guard.commit(people.clone()).await, Err(Error::Unflushed { pending: 1 })));
    guard.commit(Commit { flushed_memtable: true, ..people }).await.unwrap();
    let log = store.people_log(&store.snapshot()).await.unwrap();
    assert_eq!(log, [plan(0, "u1", "free"), plan(1, "u1", "pro")]);
    assert_eq!(store.snapshot().manifest.people.len(), 1);
    assert!(store.snapshot().pending.is_empty());
}

async fn definitions_and_attachments_last(place: Place) {
    let store = place.writer().await;
    save(&store, "x", 1).await;
    import(&store, &mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    let manifest = Arc::clone(&place.reader().await.snapshot().manifest);
    assert_eq!(manifest.definitions, cohorts(&[("x", 1)]));
    assert!(manifest.attachments.is_empty());
}

async fn a_snapshot_keeps_the_definitions_it_had(place: Place) {
    let store = place.writer().await;
    let reader = place.reader().await;
    save(&store, "x", 1).await;
    let before = store.snapshot();
    save(&store, "x", 2).await;
    save(&store, "y", 3).await;
    assert_eq!(before.manifest.definitions, cohorts(&[("x", 1)]));
    assert_eq!(store.snapshot().manifest.definitions, cohorts(&[("x", 2), ("y", 3)]));
    let at = store.snapshot_at(before.manifest.version).await.unwrap();
    assert_eq!(at.manifest.definitions, cohorts(&[("x", 1)]));
    assert_eq!(reader.snapshot().manifest.definitions, Definitions::new());
    reader.refresh().await.unwrap();
    assert_eq!(reader.snapshot().manifest.definitions, cohorts(&[("x", 2), ("y", 3)]));
    store.close().await.unwrap();
    assert_eq!(place.writer().await.snapshot().manifest.definitions, cohorts(&[("x", 2), ("y", 3)]));
}

/// Acknowledged rows wait in the log meanwhile and are there afterwards.
async fn definitions_are_saved_beside_a_memtable(place: Place) {
    let store = place.writer().await;
    append(&mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    save(&store, "x", 1).await;
    assert_eq!(names_of(&store).await, ["a"]);
    append(&mut store.write().await.unwrap(), &named(&["b"])).await.unwrap();
    flush(&store, &mut store.write().await.unwrap()).await.unwrap();
    assert_eq!(names_of(&place.reader().await).await, ["a", "b"]);
    assert_eq!(place.reader().await.snapshot().manifest.definitions, cohorts(&[("x", 1)]));
}

/// A process that dies while it saves leaves what was saved before.
async fn a_save_that_was_cut_short_has_not_happened(place: Place) {
    let store = place.writer().await;
    save(&store, "x", 1).await;
    save(&store, "x", 2).await;
    let version = store.snapshot().manifest.version;
    store.close().await.unwrap();
    let path = tallymark_storage::paths::manifest(version);
    let bytes = place.read(&path).await;
    place.overwrite(&path, bytes.slice(..bytes.len() / 2)).await;
    assert_eq!(place.reader().await.snapshot().manifest.definitions, cohorts(&[("x", 1)]));
    let store = place.writer().await;
    save(&store, "y", 3).await;
    assert_eq!(place.reader().await.snapshot().manifest.definitions, cohorts(&[("x", 1), ("y", 3)]));
}

async fn save(store: &EventStore, name: &str, number: i64) {
    let mut guard = store.write().await.unwrap();
    let snapshot = guard.snapshot();
    let mut definitions = snapshot.manifest.definitions.clone();
    for (kind, saved) in cohorts(&[(name, number)]) {
        definitions.entry(kind).or_default().extend(saved);
    }
    guard.commit(Commit { definitions: Some(definitions), ..Commit::of(&snapshot) }).await.unwrap();
}

fn cohorts(saved: &[(&str, i64)]) -> Definitions {
    let definition =
        |number: i64| Definition { saved_at: START, json: serde_json::json!([number]), file: None };
    let saved = saved.iter().map(|(name, number)| ((*name).to_owned(), definition(*number)));
    Definitions::from([("cohort".to_owned(), saved.collect())])
}

async fn a_damaged_manifest_is_an_error(place: Place) {
    let store = place.writer().await;
    import(&store, &mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    store.close().await.unwrap();
    let path = place.objects_in("_tallymark/manifest/").await.pop().unwrap();
    let mut bytes = place.read(&path).await.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    place.overwrite(&path, bytes).await;
    for error in [place.try_reader().await.unwrap_err(), place.try_writer().await.unwrap_err()] {
        assert!(matches!(&error, Error::Damaged { path: named, .. } if *named == path), "{error:?}");
    }
}

async fn a_commit_that_was_cut_short_is_passed_over(place: Place) {
    let store = place.writer().await;
    import(&store, &mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    let version = store.snapshot().manifest.version;
    store.close().await.unwrap();
    let path = place.objects_in("_tallymark/manifest/").await.pop().unwrap();
    let bytes = place.read(&path).await;
    let next = tallymark_storage::paths::manifest(version + 1);
    place.overwrite(&next, bytes.slice(..bytes.len() / 2)).await;

    let reader = place.reader().await;
    assert_eq!(names_of(&reader).await, ["a"]);
    let store = place.writer().await;
    import(&store, &mut store.write().await.unwrap(), &named(&["b"])).await.unwrap();
    assert_eq!(names_of(&store).await, ["a", "b"]);
    reader.refresh().await.unwrap();
    assert_eq!(names_of(&reader).await, ["a", "b"]);
}

async fn no_dataset_is_made_over_data_files(place: Place) {
    let store = place.writer().await;
    import(&store, &mut store.write().await.unwrap(), &named(&["a"])).await.unwrap();
    store.close().await.unwrap();
    for path in place.objects_in("_tallymark/manifest/").await {
        place.delete(&path).await;
    }
    assert!(matches!(place.try_writer().await, Err(Error::ManifestMissing { .. })));
    assert_eq!(place.objects_in("events/").await.len(), 1);
}

/// One column at a time, in the order asked for, in the types in memory.
#[tokio::test]
async fn an_integer_lane_that_widened_reads_as_floats() {
    let place = Place::memory();
    let store = place.writer().await;
    let mut guard = store.write().await.unwrap();
    let row = |value: serde_json::Value| Row::new("a", "u1", START.millis()).with("price", value);
    import(&store, &mut guard, &[row(5.into())]).await.unwrap();
    import(&store, &mut guard, &[row(2.5.into())]).await.unwrap();
    let prices: Vec<serde_json::Value> =
        rows_of(&store).await.into_iter().map(|row| row.properties["price"].clone()).collect();
    assert_eq!(prices, [serde_json::json!(5.0), serde_json::json!(2.5)]);
}
