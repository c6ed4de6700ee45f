//! `sql`: formats, scripts, and what wrong questions are told.

use std::process::Stdio;

use crate::support::{Place, THREE_RECORDS};

fn three() -> Place {
    let place = Place::new();
    place.write("three.ndjson", THREE_RECORDS);
    place.run(&["import", "three.ndjson"]).ok();
    place
}

const ORDERS: &str = "SELECT user_id, total, size, time FROM events ORDER BY time";

#[test]
fn answers_come_in_every_format() {
    let place = three();
    let answer = |format: &str| place.run(&["sql", ORDERS, "--output", format]).ok().out;
    insta::assert_snapshot!("orders_table", answer("table"));
    insta::assert_snapshot!("orders_csv", answer("csv"));
    insta::assert_snapshot!("orders_json", answer("json"));
    insta::assert_snapshot!("orders_ndjson", answer("ndjson"));
}

#[test]
fn an_empty_answer_is_well_formed() {
    let place = three();
    let none = "SELECT event, total FROM events WHERE false";
    let answer = |format: &str| place.run(&["sql", none, "--output", format]).ok().out;
    assert_eq!(answer("csv"), "event,total\n");
    assert_eq!(answer("json"), "[]\n");
    assert_eq!(answer("ndjson"), "");
    assert!(answer("table").ends_with("0 rows\n"));
}

#[test]
fn binary_formats_go_to_files_and_pipes() {
    let place = three();
    place.run(&["sql", ORDERS, "--output", "parquet", "--out", "orders.parquet"]).ok();
    let parquet = std::fs::read(place.path("orders.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));

    let piped = place.command(&["sql", ORDERS, "--output", "arrow"]).output().unwrap();
    let reader = arrow::ipc::reader::StreamReader::try_new(piped.stdout.as_slice(), None).unwrap();
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 2);
}

#[test]
fn a_failed_question_leaves_no_file() {
    let place = three();
    let sql = "SELECT CAST(size AS INT) FROM events";
    place.run(&["sql", sql, "--output", "csv", "--out", "answer.csv"]).fails(1);
    assert!(!place.path("answer.csv").exists());
}

#[test]
fn a_script_shows_every_table_and_keeps_what_it_sets() {
    let place = three();
    place.write(
        "script.sql",
        "-- a view; for the next one\nCREATE VIEW big AS SELECT * FROM events WHERE total > 5;\n\
         SELECT count(*) AS all_of_them FROM events;\nSELECT count(*) AS big_ones FROM big;",
    );
    let ran = place.run(&["sql", "--file", "script.sql"]).ok();
    insta::assert_snapshot!(ran.out, @r"
    ┌─────────────┐
    │ all_of_them │
    ├─────────────┤
    │           2 │
    └─────────────┘
    1 row
    ┌──────────┐
    │ big_ones │
    ├──────────┤
    │        1 │
    └──────────┘
    1 row
    ");
    let last = place.run(&["sql", "--file", "script.sql", "--output", "csv"]).ok().out;
    assert_eq!(last, "big_ones\n1\n");
    let piped = place.feed(&["sql", "--output", "csv"], b"SELECT 1 AS one; SELECT 2 AS two;").ok().out;
    assert_eq!(piped, "two\n2\n");
}

#[test]
fn rows_beyond_the_limit_are_counted() {
    let place = Place::with_coffee_shop();
    let ran = place.run(&["sql", "SELECT event FROM events ORDER BY time", "--limit-rows", "2"]).ok();
    assert!(ran.out.ends_with("2 of 361 rows shown, 359 more (--limit-rows 0 shows all)\n"), "{}", ran.out);
}

#[test]
fn lists_and_objects_go_to_csv_as_json() {
    let place = Place::new();
    let record =
        r#"{"event":"E","time":1700000000,"distinct_id":"u","properties":{"tags":["a","b"],"cart":{"n":1}}}"#;
    place.feed(&["import", "-"], record.as_bytes()).ok();
    let csv =
        place.run(&["sql", "--output", "csv", "SELECT tags, cart, cart -> 'n' AS n FROM events"]).ok().out;
    assert_eq!(csv, "tags,cart,n\n\"[\"\"a\"\",\"\"b\"\"]\",\"{\"\"n\"\":1}\",1\n");
    let json =
        place.run(&["sql", "--output", "ndjson", "SELECT tags, cart -> 'n' AS n FROM events"]).ok().out;
    assert_eq!(json, "{\"tags\":[\"a\",\"b\"],\"n\":1}\n");
}

#[test]
fn explain_shows_a_plan() {
    let place = three();
    let ran = place.run(&["sql", "EXPLAIN SELECT count(*) FROM events WHERE time >= '2023-01-01'"]).ok();
    assert!(ran.out.contains("physical_plan\n"), "{}", ran.out);
    assert!(!ran.out.contains('┌') || ran.out.contains("Exec"), "{}", ran.out);
}

#[test]
fn wrong_questions_are_told_what_would_be_right() {
    let place = three();
    let error = |sql: &str| place.run(&["sql", sql]).fails(1).err;
    insta::assert_snapshot!("unknown_table", error("SELECT * FROM event"));
    insta::assert_snapshot!("unknown_column", error("SELECT totl FROM events"));
    insta::assert_snapshot!("not_sql", error("SELEC 1"));
    insta::assert_snapshot!("no_statement", error(" ; -- nothing"));
    insta::assert_snapshot!("not_allowed", error("DELETE FROM events"));
}

#[test]
fn a_missing_dataset_says_how_to_make_one() {
    let place = Place::new();
    for command in [["sql", "SELECT 1"].as_slice(), &["inspect"], &["export"], &["snapshots"], &["compact"]] {
        let ran = place.run(command).fails(1);
        assert_eq!(
            ran.err,
            "error: there is no dataset at ./tallymark-data\n  hint: make one with `tallymark import FILE`, \
             try `tallymark demo`, or name another place with --dataset URL\n"
        );
    }
    assert!(!place.path("tallymark-data").exists());
}

#[test]
fn an_older_snapshot_can_be_asked() {
    let place = three();
    let before = place.run(&["inspect", "--output", "json"]).ok().json()["snapshot"].as_u64().unwrap();
    place.feed(&["import", "-"], br#"{"event":"Late","time":1700000000,"distinct_id":"u9"}"#).ok();
    assert_eq!(place.value("SELECT count(*) FROM events"), "3");
    let count = "SELECT count(*) AS n FROM events";
    let old = place.run(&["sql", "--output", "csv", "--as-of-snapshot", &before.to_string(), count]).ok();
    assert_eq!(old.out, "n\n2\n");
    let listed = place.run(&["snapshots", "--output", "json"]).ok().json();
    assert!(listed.as_array().unwrap().iter().any(|entry| entry["version"] == before));
    let ran = place.run(&["sql", "--as-of-snapshot", "99999", count]).fails(1);
    assert!(ran.err.contains("tallymark snapshots"), "{}", ran.err);
}

/// The reader goes away after a few lines, as `head` does.
#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let place = three();
    let many = "SELECT value FROM range(0, 3000000)";
    for format in ["csv", "ndjson", "json", "arrow"] {
        let mut child = place
            .command(&["sql", many, "--output", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran = child.wait_with_output().unwrap();
        assert_eq!(
            (ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()),
            (Some(0), ""),
            "{format}"
        );
    }
}

#[test]
fn limits_of_a_question_are_named() {
    let place = three();
    place.run(&["sql", "--max-rows", "2", "--timeout", "60", ORDERS]).ok();
    let err = place.run(&["sql", "--max-rows", "1", "--output", "csv", ORDERS]).fails(1).err;
    assert!(err.contains("the answer has more than 1 rows") && err.contains("--max-rows"), "{err}");
    let endless = "SELECT count(*) FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b \
         WHERE a.value * b.value = -1";
    let err = place.run(&["sql", "--timeout", "0.2", endless]).fails(1).err;
    assert!(err.contains("stopped after 0.2 s") && err.contains("--timeout"), "{err}");
    for wrong in ["0", "-1", "soon", "NaN", "1e300"] {
        let err = place.run(&["sql", &format!("--timeout={wrong}"), "SELECT 1"]).fails(2).err;
        assert!(err.contains("expected a number of seconds"), "{err}");
    }
}
