//! Merging against a naive version over plain structs.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tallymark_event::{Day, PropertyCatalog};
use tallymark_storage::{DataFile, EventStore, FileSettings, Merge, MergeRow, merge_files, paths};
use tallymark_users::{Identities, IdentityOp, IdentitySystem, assign};

use crate::rows::{Row, Table, file, read_files};
use crate::support::{Place, START};

fn sent_user_id(row: &Row) -> Option<&str> {
    row.properties.get("$user_id").and_then(|value| value.as_str())
}

fn assigned(row: &Row, system: IdentitySystem) -> String {
    assign(system, &row.distinct_id, row.device_id.as_deref(), sent_user_id(row)).id.into_owned()
}

fn resolved(mut row: Row, identities: &Identities) -> Row {
    let id = assigned(&row, identities.system());
    row.user = Some(identities.canonical(&id).to_owned()).filter(|user| !user.is_empty());
    row
}

/// The row with its numbers as floats: a lane that widened gives integers back as such.
fn with_floats(row: &Row) -> Row {
    let mut row = row.clone();
    for value in row.properties.values_mut() {
        if let Some(number) = value.as_f64() {
            *value = number.into();
        }
    }
    row
}

/// D-9, D-10, D-11 in words: in order of ingestion, a row whose key is known takes the place of the
/// one known.
fn naive(rows: &[Row], identities: &Identities, keep: impl Fn(&Row) -> bool) -> Vec<Row> {
    let mut arrived = rows.to_vec();
    arrived.sort_by_key(|row| row.sequence);
    let mut kept: Vec<Row> = Vec::new();
    let mut place_of: BTreeMap<(String, String, i64, String), usize> = BTreeMap::new();
    for row in arrived {
        let Some(insert_id) = row.insert_id.clone() else {
            kept.push(row);
            continue;
        };
        let key = (row.event.clone(), assigned(&row, identities.system()), row.time, insert_id);
        if let Some(&place) = place_of.get(&key) {
            kept[place] = Row { sequence: kept[place].sequence, ..row };
        } else {
            place_of.insert(key, kept.len());
            kept.push(row);
        }
    }
    let mut rows: Vec<Row> = kept.into_iter().map(|row| resolved(row, identities)).filter(keep).collect();
    rows.sort_by(|a, b| a.key().cmp(&b.key()));
    rows
}

/// Files of rows, each with the identities known when it was written.
async fn put_files(store: &EventStore, files: &[(Vec<Row>, Identities)]) -> (Vec<DataFile>, PropertyCatalog) {
    let mut table = Table::with(
        &PropertyCatalog::default(),
        files.iter().flat_map(|(rows, _)| rows.iter().cloned()).collect(),
    );
    table.mem_batch();
    let mut put = Vec::new();
    for (rows, identities) in files {
        let rows = rows.iter().map(|row| resolved(row.clone(), identities)).collect();
        let (file, bytes) =
            file(START.day(), rows, &table.catalog, &store.config().file, identities.version());
        store.put_data_file(&file, bytes).await.unwrap();
        put.push(file);
    }
    (put, table.catalog)
}

/// Merges files and compares with the naive version.
async fn check(
    settings: FileSettings,
    files: &[(Vec<Row>, Identities)],
    identities: &Identities,
    keep: impl Fn(Option<&str>, &str) -> bool + Send + Sync,
) -> Vec<DataFile> {
    let mut place = Place::memory();
    place.config.file = settings.clone();
    let store = place.writer().await;
    let (put, catalog) = put_files(&store, files).await;
    let system = identities.system();
    let keep_row = |row: &MergeRow<'_>| keep(row.user_id, &row.assigned_id(system));
    let merge = Merge { day: START.day(), files: &put, catalog: &catalog, identities, keep: &keep_row };
    let merged = merge_files(&store, merge).await.unwrap();

    let all: Vec<Row> = files.iter().flat_map(|(rows, _)| rows.iter().cloned()).collect();
    let expected = naive(&all, identities, |row| keep(row.user.as_deref(), &assigned(row, system)));
    let snapshot =
        tallymark_storage::Snapshot { catalog: catalog.clone().into(), ..(*store.snapshot()).clone() };
    let rows = read_files(&store, &snapshot, &merged).await.unwrap();
    assert_eq!(
        rows.iter().map(with_floats).collect::<Vec<_>>(),
        expected.iter().map(with_floats).collect::<Vec<_>>()
    );

    // What is said of the files is what is in them.
    let mut rest = rows.as_slice();
    for said in &merged {
        let (rows, others) = rest.split_at(said.rows as usize);
        rest = others;
        assert!(said.rows as usize <= settings.rows_max && said.rows > 0);
        let (found, _) = file(said.day, rows.to_vec(), &catalog, &settings, identities.version());
        let expected = DataFile { path: said.path.clone(), bytes: said.bytes, ..found };
        assert_eq!(*said, expected);
        assert_eq!(place.objects_in(&said.path).await.len(), 1);
        let bytes = place.read(&said.path).await;
        let reader = parquet::file::serialized_reader::SerializedFileReader::new(bytes).unwrap();
        let columns =
            parquet::file::reader::FileReader::metadata(&reader).file_metadata().schema_descr().num_columns();
        assert_eq!(
            columns,
            tallymark_event::columns::SYSTEM_COLUMN_COUNT + said.lanes.len(),
            "only used columns"
        );
    }
    let fewest = expected.len().div_ceil(settings.rows_max);
    assert_eq!(merged.len(), fewest);
    merged
}

fn row(sequence: i64, event: &str, distinct_id: &str, time: i64, insert_id: &str) -> Row {
    let insert_id = Some(insert_id.to_owned()).filter(|id| !id.is_empty());
    Row { insert_id, sequence, ..Row::new(event, distinct_id, START.millis() + time) }
}

fn no_identity() -> Identities {
    Identities::new(IdentitySystem::Simplified)
}

fn link(identities: &mut Identities, device_id: &str, user_id: &str) {
    identities.apply(&IdentityOp::Link { device_id: device_id.to_owned(), user_id: user_id.to_owned() });
}

/// Request 1 sends A, request 2 sends B at the same time, request 3 repeats request 1.
#[tokio::test]
async fn d9_a_repeat_takes_the_place_of_the_first() {
    let first = row(0, "A", "u1", 0, "a").with("try", 1);
    let second = row(1, "B", "u1", 0, "b");
    let repeat = row(2, "A", "u1", 0, "a").with("try", 2);
    let files = [(vec![first, second], no_identity()), (vec![repeat], no_identity())];
    let merged = check(FileSettings::default(), &files, &no_identity(), |_, _| true).await;
    assert_eq!((merged[0].rows, merged[0].min_sequence, merged[0].max_sequence), (2, 0, 1));
}

#[tokio::test]
async fn d9_anything_else_in_the_key_makes_another_event() {
    let rows = vec![
        row(0, "A", "u1", 0, "a"),
        row(1, "B", "u1", 0, "a"),
        row(2, "A", "u2", 0, "a"),
        row(3, "A", "u1", 1, "a"),
        row(4, "A", "u1", 0, "b"),
    ];
    let merged = check(FileSettings::default(), &[(rows, no_identity())], &no_identity(), |_, _| true).await;
    assert_eq!(merged[0].rows, 5);
}

#[tokio::test]
async fn d11_events_without_an_insert_id_are_all_kept() {
    let rows = vec![row(0, "A", "u1", 0, ""), row(1, "A", "u1", 0, ""), row(2, "A", "u1", 0, "a")];
    let merged = check(FileSettings::default(), &[(rows, no_identity())], &no_identity(), |_, _| true).await;
    assert_eq!(merged[0].rows, 3);
}

/// The same occurrence under the device and under the user is two events (I-33), though both are
/// one user now.
#[tokio::test]
async fn d10_the_key_is_of_before_any_merge() {
    let mut identities = no_identity();
    link(&mut identities, "d1", "u1");
    let by_device = Row { device_id: Some("d1".to_owned()), ..row(0, "A", "$device:d1", 0, "a") };
    let by_user = row(1, "A", "u1", 0, "a");
    // A sent user id wins over the distinct_id: this is a repeat of the second.
    let again = row(2, "A", "other", 0, "a").with("$user_id", "u1");
    let files =
        [(vec![by_device], no_identity()), (vec![by_user], identities.clone()), (vec![again], no_identity())];
    let merged = check(FileSettings::default(), &files, &identities, |_, _| true).await;
    assert_eq!((merged[0].rows, merged[0].distinct_users), (2, 1));
}

/// A user id spelled like a date is in the date lane.
#[tokio::test]
async fn d10_a_user_id_that_looks_like_a_date_is_one() {
    let sent =
        |sequence, distinct_id: &str| row(sequence, "A", distinct_id, 0, "a").with("$user_id", "2024-02-29");
    let files = [(vec![sent(0, "x")], no_identity()), (vec![sent(1, "y")], no_identity())];
    let merged = check(FileSettings::default(), &files, &no_identity(), |_, _| true).await;
    assert_eq!((merged[0].rows, merged[0].min_user.as_deref()), (1, Some("2024-02-29")));
}

#[tokio::test]
async fn rows_whose_user_changed_are_sorted_in() {
    let mut identities = no_identity();
    let before = identities.clone();
    link(&mut identities, "b", "z");
    let rows = ["$device:a", "$device:b", "$device:c", "m", "z"]
        .iter()
        .zip(0..)
        .map(|(id, sequence)| row(sequence, "A", id, 9 - sequence, ""))
        .collect();
    let merged = check(FileSettings::default(), &[(rows, before)], &identities, |_, _| true).await;
    assert_eq!(merged[0].identity_version, identities.version());
    assert_eq!(merged[0].distinct_users, 4);
}

#[tokio::test]
async fn a_removed_user_leaves_no_column_behind() {
    let rows = vec![
        row(0, "A", "u1", 0, "").with("secret", 1).with("plan", "x"),
        row(1, "A", "u2", 0, "").with("plan", "y"),
    ];
    let files = [(rows, no_identity())];
    let merged = check(FileSettings::default(), &files, &no_identity(), |user, _| user != Some("u1")).await;
    assert_eq!(merged[0].lanes.len(), 1);
    let merged = check(FileSettings::default(), &files, &no_identity(), |_, _| false).await;
    assert!(merged.is_empty());
}

#[tokio::test]
async fn no_files_make_no_files() {
    assert!(check(FileSettings::default(), &[], &no_identity(), |_, _| true).await.is_empty());
}

/// A merge that fails leaves nothing behind.
#[tokio::test]
async fn a_merge_that_fails_takes_back_what_it_put() {
    let mut place = Place::memory();
    place.config.file = FileSettings { row_group_rows: 10, rows_max: 20, ..FileSettings::default() };
    let store = place.writer().await;
    let rows =
        |from: i64| (from..from + 50).map(|at| row(at, "A", &format!("u{at:03}"), 0, "")).collect::<Vec<_>>();
    let (mut put, catalog) = put_files(&store, &[(rows(0), no_identity()), (rows(50), no_identity())]).await;
    // The rows of the second file are needed only after some files are out; its data are cut off.
    let bytes = place.read(&put[1].path).await;
    let mut damaged = bytes.to_vec();
    for byte in &mut damaged[4..bytes.len() / 2] {
        *byte = 0xff;
    }
    place.overwrite(&put[1].path, damaged).await;
    put.reverse();
    let identities = no_identity();
    let merge =
        Merge { day: START.day(), files: &put, catalog: &catalog, identities: &identities, keep: &|_| true };
    assert!(merge_files(&store, merge).await.is_err());
    let mut left = place.objects_in(paths::EVENTS_DIR).await;
    let mut inputs: Vec<String> = put.into_iter().map(|file| file.path).collect();
    left.sort();
    inputs.sort();
    assert_eq!(left, inputs);
}

/// Enough rows for many batches and row groups, and for rows that changed their user to be sorted
/// in several parts.
#[tokio::test]
async fn large_files_pass_in_batches() {
    let mut identities = no_identity();
    let before = identities.clone();
    let mut random = 1u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut files = Vec::new();
    for number in 0..3 {
        let rows: Vec<Row> = (0..20_000)
            .map(|index| {
                let id = next(500);
                let id = if id < 200 { format!("$device:d{id}") } else { format!("u{id}") };
                let insert_id = if next(2) == 0 { format!("i{}", next(40)) } else { String::new() };
                row(number * 20_000 + index, ["A", "B"][next(2) as usize], &id, next(300) as i64, &insert_id)
                    .with("n", next(1000))
            })
            .collect();
        files.push((rows, before.clone()));
    }
    for device in 0..150 {
        link(&mut identities, &format!("d{device}"), &format!("u{}", 200 + device));
    }
    let settings = FileSettings { row_group_rows: 3000, rows_max: 25_000, ..FileSettings::default() };
    check(settings, &files, &identities, |user, _| user != Some("u300")).await;
}

#[derive(Debug, Clone)]
enum Act {
    Row(Row),
    Link(u8, u8),
    NextFile,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let id = prop_oneof![
        (0..3u8).prop_map(|user| format!("u{user}")),
        (0..3u8).prop_map(|device| format!("$device:d{device}")),
        Just(String::new()),
    ];
    let row = (
        0..2u8,
        id,
        prop::option::of(0..3u8),
        prop::option::of(0..3u8),
        0..3i64,
        prop::option::of(0..2u8),
        prop::option::of(prop_oneof![
            any::<bool>().prop_map(serde_json::Value::from),
            (0..3i64).prop_map(serde_json::Value::from),
            Just(serde_json::Value::from(0.5)),
            Just(serde_json::Value::from("text")),
        ]),
    )
        .prop_map(|(event, distinct_id, device, user, time, insert_id, value)| {
            let mut row = Row::new(&format!("E{event}"), &distinct_id, START.millis() + time);
            row.device_id = device.map(|device| format!("d{device}"));
            row.insert_id = insert_id.map(|id| format!("i{id}"));
            if let Some(user) = user {
                row = row.with("$user_id", format!("u{user}"));
            }
            if let Some(value) = value {
                row = row.with("value", value);
            }
            Act::Row(row)
        });
    prop::collection::vec(
        prop_oneof![12 => row, 1 => (0..3u8, 0..3u8).prop_map(|(d, u)| Act::Link(d, u)), 1 => Just(Act::NextFile)],
        0..60,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_merge_is_what_the_rules_say(
        acts in acts(),
        row_group_rows in 1..30usize,
        rows_max in 3..60usize,
        dropped in prop::option::of(0..3u8),
        order in any::<bool>(),
    ) {
        let mut identities = no_identity();
        let mut files: Vec<(Vec<Row>, Identities)> = Vec::new();
        let mut rows = Vec::new();
        for (act, sequence) in acts.into_iter().zip(0..) {
            match act {
                Act::Row(row) => rows.push(Row { sequence, ..row }),
                Act::Link(device, user) => link(&mut identities, &format!("d{device}"), &format!("u{user}")),
                Act::NextFile => files.push((std::mem::take(&mut rows), identities.clone())),
            }
        }
        files.push((rows, identities.clone()));
        files.retain(|(rows, _)| !rows.is_empty());
        if order {
            files.reverse();
        }
        let settings = FileSettings { row_group_rows, rows_max, ..FileSettings::default() };
        let dropped = dropped.map(|user| format!("u{user}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(settings, &files, &identities, |user, _| user.is_none() || user != dropped.as_deref()));
    }
}

/// Days of a merge are kept apart by the caller: the day of the files is that of their rows.
#[tokio::test]
async fn a_row_of_another_day_is_an_error() {
    let place = Place::memory();
    let store = place.writer().await;
    let (put, catalog) = put_files(&store, &[(vec![row(0, "A", "u1", 0, "")], no_identity())]).await;
    let identities = no_identity();
    let other = Day::from_days(START.day().days() + 1);
    let merge =
        Merge { day: other, files: &put, catalog: &catalog, identities: &identities, keep: &|_| true };
    assert!(matches!(merge_files(&store, merge).await, Err(tallymark_storage::Error::Rows { .. })));
}
