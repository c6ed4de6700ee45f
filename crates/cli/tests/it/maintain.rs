//! Looking after a dataset: inspect, compact, delete-user, attach, export.

use crate::support::{Place, THREE_RECORDS};

#[test]
fn inspect_shows_what_is_there() {
    let place = Place::with_coffee_shop();
    let shown = place.run(&["inspect"]).ok().out;
    insta::with_settings!({filters => vec![
        (r"snapshot \d+ of \S+ \S+ UTC", "snapshot N of TIME UTC"),
        (r"files(\s+)\d+  .*", "files${1}N  SIZE"),
    ]}, {
        insta::assert_snapshot!(shown);
    });
    let report = place.run(&["inspect", "--output", "json"]).ok().json();
    assert_eq!(report["events"], 361);
}

#[test]
fn the_live_files_are_listed_exactly() {
    let place = Place::with_coffee_shop();
    let files = place.run(&["inspect", "--files", "--output", "json"]).ok().json();
    let mut listed: Vec<String> = Vec::new();
    let mut rows = 0;
    for file in files.as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        assert!(place.path("tallymark-data").join(path).is_file(), "{path}");
        listed.push(path.to_owned());
        rows += file["rows"].as_u64().unwrap();
    }
    assert_eq!(rows, 361);
    let shown = place.run(&["inspect", "--files"]).ok().out;
    assert!(listed.iter().all(|path| shown.contains(path.as_str())), "{shown}");
}

#[test]
fn what_columns_cost_in_memory_is_told() {
    let place = Place::with_coffee_shop();
    let usage = place.run(&["inspect", "--memory", "--column", "size", "--output", "json"]).ok().json();
    let segments = usage["segments"].as_array().unwrap();
    assert_eq!(segments.iter().map(|segment| segment["rows"].as_u64().unwrap()).sum::<u64>(), 361);
    let columns = segments[0]["columns"].as_array().unwrap();
    assert!(columns.iter().any(|column| column["column"] == "size"), "{columns:?}");
    let shown = place.run(&["inspect", "--memory"]).ok().out;
    for part in ["ids of users", "time", "event", "361", "bytes a row"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let refused = place.run(&["inspect", "--memory", "--column", "sise"]).fails(1).err;
    assert!(refused.contains("sise"), "{refused}");
}

#[test]
fn what_attached_columns_cost_in_memory_is_told() {
    let place = Place::with_coffee_shop();
    place.run(&["sql", "SELECT * FROM events", "--output", "parquet", "--out", "copy.parquet"]).ok();
    let columns = ["--event-column", "event", "--time-column", "time", "--user-column", "user_id"];
    place.run(&[&["attach", "copy", "copy.parquet"][..], &columns].concat()).ok();
    let usage = place.run(&["inspect", "--memory", "--output", "json"]).ok().json();
    let attached = &usage["attached"][0];
    assert_eq!(attached["name"], "copy");
    assert_eq!(attached["users"], usage["users"]);
    let rows =
        attached["segments"].as_array().unwrap().iter().map(|segment| segment["rows"].as_u64().unwrap());
    assert_eq!(rows.sum::<u64>(), 361);
    let shown = place.run(&["inspect", "--memory"]).ok().out;
    assert!(shown.contains("in memory of copy"), "{shown}");

    std::fs::remove_file(place.path("copy.parquet")).unwrap();
    let shown = place.run(&["inspect", "--memory"]).ok().out;
    assert!(shown.contains("ids of users") && shown.contains("copy is not in memory: "), "{shown}");
}

#[test]
fn compact_merges_files_and_changes_no_answer() {
    let place = Place::new();
    for number in 0..4 {
        let record =
            format!("{{\"event\":\"E\",\"time\":{},\"distinct_id\":\"u\"}}\n", 1_700_000_000 + number);
        place.feed(&["import", "-"], record.as_bytes()).ok();
    }
    let report = place.run(&["compact", "--output", "json"]).ok().json();
    assert_eq!((report["files_before"].as_u64(), report["files_after"].as_u64()), (Some(4), Some(1)));
    assert_eq!(place.value("SELECT count(*) FROM events"), "4");
    let again = place.run(&["compact"]).ok().out;
    assert!(again.starts_with("Nothing to merge"), "{again}");
}

#[test]
fn a_deleted_user_is_gone_and_proved_gone() {
    let place = Place::new();
    place.write("three.ndjson", THREE_RECORDS);
    place.run(&["import", "three.ndjson"]).ok();
    let refused = place.run(&["delete-user", "u1"]).fails(1);
    insta::assert_snapshot!(refused.err, @r"
    error: deleting a user cannot be undone, and there is nobody to ask
      hint: say --yes if you are sure
    ");
    assert_eq!(place.value("SELECT count(*) FROM events"), "2");

    let proof = place.run(&["delete-user", "u1", "--yes"]).ok().out;
    insta::assert_snapshot!(proof, @r"
    Erased user u1
      ids         u1
      events      1
      profiles    1
      rewritten   1 file
      left        0  rows of this user, by a scan of all live files
    ");
    assert_eq!(place.value("SELECT string_agg(user_id, ',') FROM events"), "u2");
    assert_eq!(place.value("SELECT count(*) FROM users WHERE user_id = 'u1'"), "0");
    let nobody = place.run(&["delete-user", "u1", "--yes"]).ok().out;
    assert!(nobody.starts_with("There is nothing of u1 here"), "{nobody}");
}

#[test]
fn an_exported_parquet_file_can_be_attached() {
    let place = Place::with_coffee_shop();
    place.run(&["export", "--format", "parquet", "--out", "shop.parquet"]).ok();
    let attach = ["attach", "visits", "shop.parquet", "--event-column", "event", "--user-column", "user_id"];
    let attached = place.run(&[attach.as_slice(), &["--dataset", "other"]].concat()).ok().out;
    insta::assert_snapshot!(attached, @r"
    Attached shop.parquet as table visits
    ask it: tallymark sql --dataset other 'SELECT event, count(*) FROM visits GROUP BY event'
    ");
    let ask = |dataset: &str, table: &str| {
        let sql = format!(
            "SELECT event, count(*) AS n, count(DISTINCT user_id) AS users FROM {table} GROUP BY event ORDER BY event"
        );
        place.run(&["sql", "--dataset", dataset, "--output", "csv", &sql]).ok().out
    };
    assert_eq!(ask("other", "visits"), ask("tallymark-data", "events"));

    place.run(&["detach", "visits", "--dataset", "other"]).ok();
    place.run(&["sql", "--dataset", "other", "SELECT * FROM visits"]).fails(1);
    let twice = place.run(&["detach", "visits", "--dataset", "other"]).fails(1);
    assert!(twice.err.contains("visits"), "{}", twice.err);
}

/// D-51: both days are UTC days and included.
#[test]
fn d51_export_takes_the_days_and_events_asked_for() {
    let place = Place::new();
    let record = |time: u64, event: &str| {
        format!("{{\"event\":\"{event}\",\"time\":{time},\"distinct_id\":\"u\",\"insert_id\":\"{time}\"}}\n")
    };
    // The last millisecond of 1 March 2024, the first and last of the 2nd, the first of the 3rd.
    let times = [1_709_337_599_999, 1_709_337_600_000, 1_709_423_999_999, 1_709_424_000_000];
    let mut text: String = times.iter().map(|time| record(*time, "A")).collect();
    text.push_str(&record(1_709_400_000_000, "B"));
    place.feed(&["import", "-"], text.as_bytes()).ok();
    let export = |args: &[&str]| place.run(&[["export"].as_slice(), args].concat()).ok().out.lines().count();
    let day = ["--from", "2024-03-02", "--to", "2024-03-02"];
    assert_eq!(export(&day), 3);
    assert_eq!(export(&[day.as_slice(), &["--event", "A"]].concat()), 2);
    assert_eq!(export(&["--event", "A", "--event", "B"]), 5);
    place.run(&[["export", "--format", "parquet", "--out", "day.parquet"].as_slice(), &day].concat()).ok();
    place.run(&["attach", "exported", "day.parquet", "--event-column", "event"]).ok();
    assert_eq!(place.value("SELECT count(*) FROM exported"), "3");
    let wrong = place.run(&["export", "--from", "2024-03-03", "--to", "2024-03-02"]).fails(1);
    assert!(wrong.err.contains("is after"), "{}", wrong.err);
}
