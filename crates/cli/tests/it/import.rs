//! `import`: what comes in, what is refused, what is told.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Place, THREE_RECORDS, bundled};

#[test]
fn what_was_imported_comes_back_from_an_export() {
    let place = Place::with_coffee_shop();
    let exported = place.run(&["export"]).ok().out;
    assert_eq!(exported.lines().count(), 361);

    place.write("again.ndjson", &exported);
    place.run(&["import", "again.ndjson", "--dataset", "copy"]).ok();
    let again = place.run(&["export", "--dataset", "copy"]).ok().out;
    assert_eq!(again, exported);
}

#[test]
fn the_summary_adds_up() {
    let place = Place::new();
    place.write("three.ndjson", THREE_RECORDS);
    let first = place.run(&["import", "three.ndjson"]).ok();
    insta::with_settings!({filters => vec![
        (r"in \d+\.\d+ s, [\d,]+/s", "in TIME, RATE"),
        (r"snapshot \d+", "snapshot N"),
    ]}, {
        insta::assert_snapshot!(first.out, @r"
        Imported 3 records from 1 file (251 B) in TIME, RATE
          received    3
          stored      3  2 events, 1 profile update
          duplicates  0
          refused     0
        dataset ./tallymark-data, snapshot N
        ");
    });
    assert_eq!(first.err, "");

    let report = place.run(&["import", "three.ndjson", "--output", "json"]).ok().json();
    let number = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(number("received"), 3);
    assert_eq!(number("duplicates"), 2);
    assert_eq!(number("received"), number("stored") + number("duplicates") + number("refused"));
    assert_eq!(place.value("SELECT count(*) FROM events"), "2");
}

#[test]
fn standard_input_is_read() {
    let place = Place::new();
    let report = place.feed(&["import", "-", "--output", "json"], THREE_RECORDS.as_bytes()).ok().json();
    assert_eq!(report["events"], 2);
    assert_eq!(place.value("SELECT sum(total) FROM events"), "12.5");
    assert_eq!(place.value("SELECT plan FROM users WHERE user_id = 'u1'"), "pro");
}

/// Good, no JSON, good, no time, not UTF-8, good.
const SOME_BAD: &[u8] = b"{\"event\":\"A\",\"time\":1700000000,\"distinct_id\":\"u\",\"insert_id\":\"1\"}
{\"event\":\"A\",
{\"event\":\"A\",\"time\":1700000001,\"distinct_id\":\"u\",\"insert_id\":\"2\"}
{\"event\":\"A\",\"distinct_id\":\"u\"}
{\"event\":\"A\",\"time\":1700000002,\"x\":\"\xFF\"}
{\"event\":\"A\",\"time\":1700000003,\"distinct_id\":\"u\",\"insert_id\":\"3\"}
";

#[test]
fn refused_records_are_told_and_kept_as_they_were() {
    let place = Place::new();
    place.write_bytes("bad.ndjson", SOME_BAD);
    let ran = place.run(&["import", "bad.ndjson", "--rejects", "refused.ndjson", "--output", "json"]).ok();
    let report = ran.json();
    let numbers = ["received", "stored", "duplicates", "refused"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(numbers, [6, 3, 0, 3]);
    insta::assert_snapshot!(ran.err, @r#"
    warning: 3 records were refused
      bad.ndjson line 2 (record 1, byte 66)
        not valid JSON: the text ends inside the record
      bad.ndjson line 4 (record 3, byte 146)
        time: missing; expected Unix time in seconds or milliseconds, such as 1700000000, or a date such as "2024-01-31T12:00:00Z", at the top level or in properties
      bad.ndjson line 5 (record 4, byte 178)
        not valid UTF-8 at byte 36 of the record (ff 22 7d); JSON must be UTF-8
      all of them are in refused.ndjson
    "#);

    let kept: Vec<Value> =
        place.read("refused.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kept.len(), 3);
    assert_eq!(kept[0]["record"], "{\"event\":\"A\",");
    assert_eq!(kept[1]["record"], "{\"event\":\"A\",\"distinct_id\":\"u\"}");
    assert_eq!(kept[1]["line"], 4);
    assert_eq!(kept[1]["index"], 3);
    assert_eq!(kept[1]["field"], "time");
    assert_eq!(kept[2]["record_base64"], "eyJldmVudCI6IkEiLCJ0aW1lIjoxNzAwMDAwMDAyLCJ4Ijoi/yJ9");
    let begin = kept[1]["byte_offset"].as_u64().unwrap() as usize;
    assert!(SOME_BAD[begin..].starts_with(b"{\"event\":\"A\",\"distinct_id\""));
}

#[test]
fn strict_stops_at_the_first_bad_record() {
    let place = Place::new();
    place.write_bytes("bad.ndjson", SOME_BAD);
    let ran = place.run(&["import", "bad.ndjson", "--strict"]).fails(1);
    insta::assert_snapshot!(ran.err, @"
    error: bad.ndjson: record 1 (line 2, byte 66): not valid JSON: the text ends inside the record
      hint: what came before it is stored (1 record); mend it and import again, or leave out --strict
    ");
    assert_eq!(place.value("SELECT count(*) FROM events"), "1");
}

#[test]
fn columns_of_csv_are_mapped() {
    let place = Place::new();
    place.write(
        "orders.csv",
        "placed_at,customer,total,item\n1700000000,u1,9.5,Tea\n1700000060,u2,3,\"Cake, big\"\n",
    );
    let mapping = [
        "--event-name",
        "Order",
        "--time-column",
        "placed_at",
        "--user-column",
        "customer",
        "--time-unit",
        "s",
    ];
    place.run(&[["import", "orders.csv"].as_slice(), &mapping].concat()).ok();
    let rows = place.run(&[
        "sql",
        "--output",
        "ndjson",
        "SELECT event, user_id, total, item FROM events ORDER BY time",
    ]);
    assert_eq!(
        rows.ok().out,
        "{\"event\":\"Order\",\"user_id\":\"u1\",\"total\":9.5,\"item\":\"Tea\"}\n\
         {\"event\":\"Order\",\"user_id\":\"u2\",\"total\":3.0,\"item\":\"Cake, big\"}\n"
    );
}

/// One writer at a time, any number of readers.
#[test]
fn a_second_writer_is_told_who_writes() {
    let place = Place::with_coffee_shop();
    let mut first =
        place.command(&["import", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // It takes the lease before it reads, and leaves its name there.
    let holder = format!("process {}", first.id());
    while !place.read("tallymark-data/_tallymark/writer.lock").contains(&holder) {
        assert!(first.try_wait().unwrap().is_none(), "the first import ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = place.feed(&["import", "-"], THREE_RECORDS.as_bytes()).fails(1);
    assert!(second.err.contains(&holder) && second.err.contains("hint: wait"), "{}", second.err);
    assert_eq!(place.value("SELECT count(*) FROM events"), "361");

    first.stdin.take().unwrap().write_all(THREE_RECORDS.as_bytes()).unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(place.value("SELECT count(*) FROM events"), "363");
}

#[test]
fn a_missing_file_is_named() {
    let place = Place::new();
    let ran = place.run(&["import", "nowhere.ndjson"]).fails(1);
    insta::assert_snapshot!(ran.err, @"
    error: no such file or directory: nowhere.ndjson
      hint: name files, directories or quoted globs; - reads standard input
    ");
    assert!(!place.path("tallymark-data").exists());
}

#[test]
fn the_identity_system_is_decided_once() {
    let place = Place::new();
    place.write("three.ndjson", THREE_RECORDS);
    place.run(&["import", "three.ndjson", "--identity", "original"]).ok();
    assert_eq!(place.run(&["inspect", "--output", "json"]).ok().json()["identity"], json!("original"));
    let ran = place.run(&["import", "three.ndjson", "--identity", "none"]).fails(1);
    insta::assert_snapshot!(ran.err, @r"
    error: this dataset was made with --identity original
      hint: leave the flag out, or import into a new dataset
    ");
}

#[test]
fn the_environment_names_a_dataset_and_a_flag_overrules_it() {
    let place = Place::new();
    place.write("three.ndjson", THREE_RECORDS);
    let mut import = place.command(&["import", "three.ndjson"]);
    assert!(import.env("TALLYMARK_DATASET", "from-environment").output().unwrap().status.success());
    assert!(place.path("from-environment/_tallymark").is_dir());
    assert!(!place.path("tallymark-data").exists());
    let mut import = place.command(&["import", "three.ndjson", "--dataset", "named"]);
    assert!(import.env("TALLYMARK_DATASET", "from-environment").output().unwrap().status.success());
    assert!(place.path("named/_tallymark").is_dir());
}

/// The whole first command of a visitor, and the figures it shows.
#[test]
fn the_demo_keeps_its_data_where_it_is_told() {
    let place = Place::new();
    let ran = place.run(&["demo", "--dataset", "shop"]).ok();
    assert_eq!(ran.err, "");
    for text in ["51,958 events", "product_view", "Item Purchased", "United Kingdom", "tallymark sql"] {
        assert!(
            ran.out.contains(text) || ran.out.contains(&text.replace("tallymark", "/tallymark")),
            "{text}"
        );
    }
    let count =
        place.run(&["sql", "--dataset", "shop", "--output", "csv", "SELECT count(*) AS n FROM events"]);
    assert_eq!(count.ok().out, "n\n51958\n");
}

#[test]
fn the_demo_leaves_nothing_behind() {
    let place = Place::new();
    let ran = Place::new().command(&["demo"]).env("TMPDIR", place.path("")).output().unwrap();
    assert!(ran.status.success());
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0);
}

#[test]
fn gzip_is_recognised_by_content() {
    let place = Place::new();
    std::fs::copy(bundled("ecom-sessions/profiles.ndjson.gz"), place.path("profiles")).unwrap();
    let report = place.run(&["import", "profiles", "--output", "json"]).ok().json();
    assert_eq!(report["profile_updates"], 600);
}
