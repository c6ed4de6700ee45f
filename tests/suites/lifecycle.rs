//! A dataset's life: who may write, who sees what when, what is removed and what stays.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use futures::{StreamExt as _, TryStreamExt as _};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use tallymark::datafusion::datasource::MemTable;
use tallymark::{
    Attachment, ColumnMapping, CompactOptions, Engine, EngineConfig, ErrorKind, Event, FixedClock,
    ImportOptions, Input, TimeUnit, Timestamp, WireForm,
};

use crate::common::{
    NOW, ask, ask_error, ask_one, chain, config, engine, engine_with, export_text, import, memory_url,
    ndjson, rows_of,
};

const T: i64 = 1_700_000_000_000;
const DAY_MS: i64 = 86_400_000;

fn event(n: i64, user: &str) -> Value {
    json!({"event": "A", "properties": {"time": T + n * DAY_MS, "distinct_id": user, "n": n}})
}

fn named(holder: &str) -> EngineConfig {
    EngineConfig { holder: holder.to_owned(), ..config() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    for url in [directory.path().to_str().unwrap().to_owned(), memory_url()] {
        let first = Engine::open(&url, named("the nightly import (process 7)")).await.unwrap();
        let error = Engine::open(&url, named("second")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(chain(&error).contains("the nightly import (process 7)"), "{}", chain(&error));
        // Reading needs no lease.
        Engine::open_read_only(&url, named("reader")).await.unwrap();
        first.append([Event::new("A", Timestamp::from_millis(T), "u")]).await.unwrap();
        first.close().await.unwrap();
        let second = Engine::open(&url, named("second")).await.unwrap();
        assert_eq!(ask_one(&second, "SELECT count(*) FROM events").await, 1);
        second.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_makes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none");
    let error = Engine::open_read_only(missing.to_str().unwrap(), config()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{}", chain(&error));
    assert!(!missing.exists());

    let url = memory_url();
    let writer = Engine::open(&url, config()).await.unwrap();
    let reader = Engine::open_read_only(&url, config()).await.unwrap();
    for error in [
        reader.append([Event::new("A", Timestamp::from_millis(T), "u")]).await.unwrap_err(),
        reader.compact(&CompactOptions::default()).await.unwrap_err(),
        reader.delete_user("u").await.unwrap_err(),
        reader
            .ingest("x", Cursor::new(event(0, "u").to_string()), ImportOptions::default())
            .await
            .unwrap_err(),
    ] {
        assert!(chain(&error).contains("reading only"), "{}", chain(&error));
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(ask_one(&writer, "SELECT count(*) FROM events").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_dataset_answers() {
    let engine = engine().await;
    for table in ["events", "users", "groups", "identities", "event_catalog", "property_catalog"] {
        assert_eq!(ask_one(&engine, &format!("SELECT count(*) FROM {table}")).await, 0);
    }
    assert_eq!(
        ask(&engine, "SELECT max(time), sum(sequence) FROM events").await,
        [[Value::Null, Value::Null]]
    );
    assert_eq!(export_text(&engine).await, "");
    let inspection = engine.inspect().await.unwrap();
    assert_eq!((inspection.events, inspection.users, inspection.days, inspection.files), (0, 0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_stays_as_it_is() {
    let engine = engine_with(&[event(0, "$device:d"), event(1, "u")]).await;
    let view = engine.view();
    let session = view.session().unwrap();
    let before = rows_of(view.sql("SELECT user_id, n FROM events ORDER BY n").await.unwrap()).await;

    import(&engine, &ndjson(&[event(1, "u"), event(2, "v")])).await;
    let link = json!({"event": "A", "properties": {"time": T, "$device_id": "d", "$user_id": "u"}});
    engine.append_json(link.to_string().as_bytes(), WireForm::Lenient).await.unwrap();
    engine.flush().await.unwrap();
    engine.compact(&CompactOptions { all: true }).await.unwrap();

    assert_eq!(rows_of(view.sql("SELECT user_id, n FROM events ORDER BY n").await.unwrap()).await, before);
    assert_eq!(
        rows_of(engine.sql_in(&session, "SELECT count(*) FROM events").await.unwrap()).await,
        [[json!(2)]]
    );
    let users = "SELECT user_id, count(*) FROM events GROUP BY 1 ORDER BY 1";
    assert_eq!(ask(&engine, users).await, [[json!("u"), json!(4)], [json!("v"), json!(1)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_kept_for_their_time() {
    let clock = Arc::new(FixedClock::new(NOW));
    let config = EngineConfig {
        clock: Arc::clone(&clock) as _,
        snapshot_retention: Duration::from_mins(10),
        ..config()
    };
    let directory = tempfile::tempdir().unwrap();
    let url = directory.path().to_str().unwrap();
    let engine = Engine::open(url, config.clone()).await.unwrap();
    let mut versions = Vec::new();
    for n in 0..3 {
        import(&engine, &ndjson(&[event(0, &format!("u{n}"))])).await;
        versions.push(engine.view().version());
    }
    engine.compact(&CompactOptions::default()).await.unwrap();
    for (n, version) in versions.iter().enumerate() {
        let view = engine.view_at(*version).await.unwrap();
        assert_eq!(view.version(), *version);
        assert_eq!(rows_of(view.sql("SELECT count(*) FROM events").await.unwrap()).await, [[json!(n + 1)]]);
    }
    let listed: Vec<u64> = engine.snapshots().await.unwrap().iter().map(|info| info.version).collect();
    assert!(versions.iter().all(|version| listed.contains(version)) && listed.is_sorted(), "{listed:?}");

    // A reader sees old snapshots too; after their time they go, and what only they needed.
    let files = |directory: &Path| {
        glob::glob(&format!("{}/events/**/*.parquet", directory.display())).unwrap().count()
    };
    let before = files(directory.path());
    clock.set(Timestamp::from_millis(NOW.millis() + 601_000));
    import(&engine, &ndjson(&[event(0, "last")])).await;
    engine.compact(&CompactOptions::default()).await.unwrap();
    clock.set(Timestamp::from_millis(NOW.millis() + 1_300_000));
    engine.compact(&CompactOptions::default()).await.unwrap();
    assert!(files(directory.path()) < before, "{before} files before, {} after", files(directory.path()));
    let error = engine.view_at(versions[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(chain(&error).contains(&format!("no snapshot {}; kept are", versions[0])), "{}", chain(&error));
    assert_eq!(ask_one(&engine, "SELECT count(*) FROM events").await, 4);
    assert_eq!(engine.view_at(1_000_000).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_is_gone_and_all_else_is_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let url = directory.path().to_str().unwrap();
    let engine = Engine::open(url, config()).await.unwrap();
    let of = |n: i64, ids: Value| {
        let mut properties = json!({"time": T + n * 3_600_000, "n": n, "$insert_id": format!("i{n}")});
        properties.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        json!({"event": "A", "properties": properties})
    };
    let others: Vec<Value> =
        (0..60).map(|n| of(n, json!({"distinct_id": format!("other{}", n % 5)}))).collect();
    let theirs: Vec<Value> = (100..140)
        .map(|n| {
            of(
                n - 60,
                match n % 3 {
                    0 => json!({"$device_id": "phone"}),
                    1 => json!({"$device_id": "laptop", "$user_id": "ann"}),
                    _ => json!({"distinct_id": "ann"}),
                },
            )
        })
        .collect();
    let people = [
        json!({"$distinct_id": "ann", "$set": {"email": "ann@example.com"}}),
        json!({"$distinct_id": "$device:phone", "$set": {"model": "x"}}),
        json!({"$distinct_id": "other1", "$set": {"email": "other@example.com"}}),
        json!({"$group_key": "company", "$group_id": "ann", "$set": {"tier": "gold"}}),
    ];
    import(&engine, &ndjson(&others[..30])).await;
    import(&engine, &ndjson(&theirs)).await;
    import(&engine, &ndjson(&people)).await;
    let link = of(90, json!({"$device_id": "phone", "$user_id": "ann"}));
    engine.append_json(link.to_string().as_bytes(), WireForm::Lenient).await.unwrap();
    engine.append_json(ndjson(&others[30..]).as_bytes(), WireForm::Lenient).await.unwrap();
    let of_others = "SELECT n, distinct_id, user_id, sequence, insert_id, received_at FROM events WHERE user_id <> 'ann' ORDER BY n";
    let before = ask(&engine, of_others).await;
    assert_eq!(before.len(), 60);
    let old = engine.view().version();

    let report = engine.delete_user("$device:laptop").await.unwrap();
    assert_eq!(report.user_id, "ann");
    assert_eq!(report.ids, ["$device:laptop", "$device:phone", "ann"]);
    assert_eq!((report.events, report.profiles, report.remaining), (41, 2, 0));

    for engine in [engine.clone(), Engine::open_read_only(url, config()).await.unwrap()] {
        assert_eq!(ask(&engine, of_others).await, before);
        assert_eq!(ask_one(&engine, "SELECT count(*) FROM events").await, 60);
        assert_eq!(ask(&engine, "SELECT user_id FROM users").await, [[json!("other1")]]);
        assert_eq!(ask(&engine, "SELECT group_id FROM groups").await, [[json!("ann")]]);
        assert_eq!(ask_one(&engine, "SELECT count(*) FROM identities").await, 0);
        assert!(!export_text(&engine).await.contains("ann"));
    }
    assert_eq!(
        engine.view_at(old).await.unwrap_err().kind(),
        ErrorKind::NotFound,
        "older snapshots still have the user"
    );

    // Nothing on disk says who it was: neither the events nor the log of profiles and links.
    engine.close().await.unwrap();
    for path in
        glob::glob(&format!("{}/**/*.parquet", directory.path().display())).unwrap().map(Result::unwrap)
    {
        let file = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(
            fs::File::open(&path).unwrap(),
        )
        .unwrap();
        for batch in file.build().unwrap() {
            let text = arrow::util::pretty::pretty_format_batches(&[batch.unwrap()]).unwrap().to_string();
            assert!(
                !text.contains("ann@example.com") && !text.contains("phone") && !text.contains("laptop"),
                "{}\n{text}",
                path.display()
            );
        }
    }

    // The ids may come again, as somebody new.
    let engine = Engine::open(url, config()).await.unwrap();
    engine
        .append_json(of(0, json!({"$device_id": "phone"})).to_string().as_bytes(), WireForm::Lenient)
        .await
        .unwrap();
    assert_eq!(ask_one(&engine, "SELECT count(*) FROM events WHERE user_id = '$device:phone'").await, 1);
    let unknown = engine.delete_user("nobody we know").await.unwrap();
    assert_eq!((unknown.events, unknown.profiles, unknown.remaining), (0, 0, 0));
}

/// Who still holds a state from before a removal is told why it cannot be read.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_from_before_a_removal_is_gone_on_purpose() {
    let directory = tempfile::tempdir().unwrap();
    let url = directory.path().to_str().unwrap();
    let engine = Engine::open(url, config()).await.unwrap();
    import(&engine, &ndjson(&[event(0, "u"), event(0, "v"), event(1, "v")])).await;
    let reader = Engine::open_read_only(url, config()).await.unwrap();
    let (own, others) = (engine.view(), reader.view());
    engine.delete_user("u").await.unwrap();

    let expected = format!(
        "snapshot {} was deleted on purpose: data was erased from the dataset after it; ask for a newer one, kept are {}",
        own.version(),
        engine.view().version()
    );
    for view in [&own, &others] {
        let error = match view.sql("SELECT sum(n) FROM events").await {
            Err(error) => error,
            Ok(answer) => answer.collect().await.unwrap_err(),
        };
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotFound, expected.clone()));
    }
    let exported: Result<Vec<_>, _> =
        reader.export(&tallymark::ExportOptions::default()).unwrap().try_collect().await;
    assert_eq!(exported.unwrap_err().to_string(), expected);
    assert_eq!(engine.view_at(own.version()).await.unwrap_err().to_string(), expected);
    let offered: Vec<u64> = reader.snapshots().await.unwrap().iter().map(|info| info.version).collect();
    assert_eq!(offered, [engine.view().version()]);

    reader.refresh().await.unwrap();
    assert_eq!(ask_one(&reader, "SELECT count(n) FROM events").await, 2);

    // A file that should be there is another matter.
    fs::remove_file(directory.path().join(&engine.live_files()[0].path)).unwrap();
    let error = ask_error(&engine, "SELECT sum(n) FROM events").await;
    assert!(!error.contains("on purpose") && error.contains(".parquet"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_makes_one_file_a_day_and_changes_no_answer() {
    let engine = engine().await;
    for part in 0..6 {
        let records: Vec<Value> = (0..40)
            .map(|n| json!({"event": if n % 2 == 0 { "A" } else { "B" }, "properties": {
                "time": T + (n as i64 % 4) * DAY_MS + 1000 * part, "$device_id": format!("d{}", n % 6), "$insert_id": format!("i{}", n + part as usize * 30), "part": part, "x": if part % 2 == 0 { json!(n) } else { json!(n.to_string()) }}}))
            .collect();
        import(&engine, &ndjson(&records)).await;
    }
    import(
        &engine,
        &ndjson(&[json!({"event": "L", "properties": {"time": T, "$device_id": "d1", "$user_id": "u"}})]),
    )
    .await;
    let questions = [
        "SELECT event, count(*), count(DISTINCT user_id), sum(x), count(\"x@string\") FROM events GROUP BY event ORDER BY event",
        "SELECT user_id, count(*) FROM events GROUP BY user_id ORDER BY user_id",
        "SELECT sequence, part FROM events ORDER BY sequence",
        "SELECT * FROM event_catalog",
        "SELECT property, type, rows FROM property_catalog",
    ];
    let mut before = Vec::new();
    for question in questions {
        before.push(ask(&engine, question).await);
    }
    let exported = export_text(&engine).await;
    let report = engine.compact(&CompactOptions { all: true }).await.unwrap();
    assert_eq!((report.files_after, report.days), (4, 4));
    assert!(report.files_before > 20, "{report:?}");
    for (question, expected) in questions.iter().zip(before) {
        assert_eq!(ask(&engine, question).await, expected, "{question}");
    }
    assert_eq!(export_text(&engine).await, exported);
    // Users are now stored as they are, and there is nothing left to do.
    assert_eq!(engine.compact(&CompactOptions { all: true }).await.unwrap().days, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_what_another_engine_wrote_once_it_refreshes() {
    let directory = tempfile::tempdir().unwrap();
    for url in [directory.path().to_str().unwrap().to_owned(), memory_url()] {
        let writer = Engine::open(&url, config()).await.unwrap();
        import(&writer, &ndjson(&[event(0, "a")])).await;
        let reader = Engine::open_read_only(&url, config()).await.unwrap();
        let count = "SELECT count(*), max(n) FROM events";
        assert_eq!(ask(&reader, count).await, [[json!(1), json!(0)]]);

        writer.append_json(event(1, "b").to_string().as_bytes(), WireForm::Lenient).await.unwrap();
        assert_eq!(ask(&reader, count).await, [[json!(1), json!(0)]]);
        reader.refresh().await.unwrap();
        assert_eq!(ask(&reader, count).await, [[json!(2), json!(1)]], "in the log only");

        writer.flush().await.unwrap();
        reader.refresh().await.unwrap();
        assert_eq!(ask(&reader, count).await, [[json!(2), json!(1)]], "flushed, and counted once");

        let set = json!({"$distinct_id": "b", "$set": {"plan": "pro"}});
        writer.append_json(format!("{}\n{set}", event(2, "c")).as_bytes(), WireForm::Lenient).await.unwrap();
        import(&writer, &ndjson(&[event(3, "d")])).await;
        reader.refresh().await.unwrap();
        assert_eq!(ask(&reader, count).await, [[json!(4), json!(3)]]);
        assert_eq!(ask(&reader, "SELECT user_id, plan FROM users").await, [[json!("b"), json!("pro")]]);
        let late = Engine::open_read_only(&url, config()).await.unwrap();
        assert_eq!(export_text(&late).await, export_text(&writer).await);
        writer.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_engines_in_one_process_do_not_meet() {
    let (one, two) = (engine_with(&[event(0, "u"), event(1, "u")]).await, engine().await);
    two.append([Event::new("B", Timestamp::from_millis(T), "v").with("only here", 1)]).await.unwrap();
    let (a, b) = tokio::join!(
        ask(&one, "SELECT event, count(*) FROM events GROUP BY 1"),
        ask(&two, "SELECT event, count(*) FROM events GROUP BY 1")
    );
    assert_eq!((a, b), (vec![vec![json!("A"), json!(2)]], vec![vec![json!("B"), json!(1)]]));
    assert!(ask_error(&one, r#"SELECT "only here" FROM events"#).await.contains("only here"));
    is_send_and_sync(&one);
}

fn is_send_and_sync<T: Send + Sync>(_: &T) {}

#[tokio::test(flavor = "multi_thread")]
async fn own_tables_and_functions_live_in_a_session() {
    use tallymark::datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
    use tallymark::datafusion::scalar::ScalarValue;
    let engine = engine_with(&[event(0, "u"), event(1, "v")]).await;
    let session = engine.session().unwrap();
    let names: ArrayRef = Arc::new(StringArray::from(vec!["u", "v"]));
    let teams: ArrayRef = Arc::new(StringArray::from(vec!["red", "blue"]));
    let batch = RecordBatch::try_from_iter([("user_id", names), ("team", teams)]).unwrap();
    session
        .register_table("teams", Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap()))
        .unwrap();
    let seven = create_udf(
        "seven",
        vec![],
        arrow::datatypes::DataType::Int64,
        Volatility::Immutable,
        Arc::new(|_| Ok(ColumnarValue::Scalar(ScalarValue::Int64(Some(7))))),
    );
    session.register_udf(seven);
    let sql = "SELECT team, seven() + n FROM events JOIN teams USING (user_id) ORDER BY n";
    assert_eq!(
        rows_of(engine.sql_in(&session, sql).await.unwrap()).await,
        [[json!("red"), json!(7)], [json!("blue"), json!(8)]]
    );
    assert!(ask_error(&engine, "SELECT * FROM teams").await.contains("there is no table"));
    let error = session.register_table(
        "events",
        Arc::new(MemTable::try_new(Arc::new(arrow::datatypes::Schema::empty()), vec![vec![]]).unwrap()),
    );
    assert!(error.is_err(), "a table of the dataset keeps its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_does_not_write() {
    let engine = engine_with(&[event(0, "u")]).await;
    for sql in [
        "INSERT INTO events VALUES (1)",
        "DELETE FROM events",
        "UPDATE events SET event = 'B'",
        "DROP TABLE events",
        "CREATE TABLE t AS SELECT 1",
        "COPY events TO 'x.parquet'",
        "CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '/'",
        "SET datafusion.runtime.memory_limit = '1G'",
    ] {
        let error = ask_error(&engine, sql).await;
        assert!(error.contains("is not allowed in SQL"), "{sql}: {error}");
    }
    assert_eq!(ask_one(&engine, "SELECT count(*) FROM events").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_needs_too_much_fails_and_others_go_on() {
    let config = EngineConfig { query_memory_bytes: 4 << 20, spill_bytes: 1 << 20, ..config() };
    let engine = Engine::open(&memory_url(), config).await.unwrap();
    import(&engine, &ndjson(&(0..200).map(|n| event(n % 3, &format!("u{n}"))).collect::<Vec<_>>())).await;
    let greedy = "SELECT count(*) FROM (SELECT DISTINCT a.user_id, b.user_id, c.n, repeat(a.user_id || b.user_id, 20) FROM events a, events b, events c)";
    let error = match engine.sql(greedy).await {
        Err(error) => error,
        Ok(answer) => answer.collect().await.unwrap_err(),
    };
    assert_eq!(error.kind(), ErrorKind::ResourcesExhausted, "{}", chain(&error));
    assert_eq!(ask_one(&engine, "SELECT count(*) FROM events").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_query_beyond_a_limit_is_stopped_and_names_it() {
    let hurried = EngineConfig { query_time_max: Some(Duration::from_millis(200)), ..config() };
    let hurried = Engine::open(&memory_url(), hurried).await.unwrap();
    let config = EngineConfig { answer_rows_max: Some(100), answer_bytes_max: Some(4000), ..config() };
    let engine = Engine::open(&memory_url(), config).await.unwrap();
    let failed = async |engine: &Engine, sql: &str| {
        let error = match engine.sql(sql).await {
            Err(error) => error,
            Ok(answer) => answer.collect().await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::ResourcesExhausted, "{}", chain(&error));
        error.to_string()
    };
    // It would take days, and stops when told to.
    let endless = "SELECT count(*) FROM generate_series(1, 10000000000000) WHERE value % 7 = 9";
    assert_eq!(failed(&hurried, endless).await, "the query was stopped after 0.2 s, the limit of its time");

    let rows = |count| format!("SELECT value FROM generate_series(1, {count})");
    assert_eq!(
        failed(&engine, &rows(101)).await,
        "the answer has more than 100 rows, the limit of an answer"
    );
    assert_eq!(ask(&engine, &rows(100)).await.len(), 100);
    let long = "SELECT repeat('x', 100) || value FROM generate_series(1, 40)";
    assert_eq!(failed(&engine, long).await, "the answer has more than 4000 bytes, the limit of an answer");
}

/// Only waiting counts: who reads an answer slowly is not stopped.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_slow_reader_does_not_reach_the_limit_of_time() {
    let config = EngineConfig { query_time_max: Some(Duration::from_secs(5)), ..config() };
    let engine = Engine::open(&memory_url(), config).await.unwrap();
    let mut answer = engine.sql("SELECT value FROM generate_series(1, 100000)").await.unwrap();
    let mut rows = answer.next().await.unwrap().unwrap().num_rows();
    tokio::time::sleep(Duration::from_secs(6)).await;
    while let Some(batch) = answer.next().await {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 100_000);
}

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn attachment(path: &Path, time_column: &str, time_unit: Option<&str>) -> Attachment {
    Attachment {
        url: path.to_str().unwrap().to_owned(),
        event_column: Some("what".to_owned()),
        time_column: time_column.to_owned(),
        user_column: Some("who".to_owned()),
        time_unit: time_unit.map(str::to_owned),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attached_parquet_answers_like_events() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("clicks.parquet");
    let s = T / 1000;
    let number = |by: i64| -> ArrayRef {
        Arc::new(Int64Array::from(vec![s * by, s * by + 3600 * by, (s + 86_400) * by]))
    };
    write_parquet(
        &path,
        vec![
            ("what", Arc::new(StringArray::from(vec!["click", "click", "view"])) as ArrayRef),
            ("who", Arc::new(StringArray::from(vec![Some("u"), Some(""), None]))),
            ("s", number(1)),
            ("ms", number(1000)),
            ("us", number(1_000_000)),
            ("ns", number(1_000_000_000)),
            (
                "at",
                Arc::new(TimestampMicrosecondArray::from(vec![
                    T * 1000,
                    T * 1000 + 3_600_000_000,
                    T * 1000 + 86_400_000_000,
                ])),
            ),
            (
                "text",
                Arc::new(StringArray::from(vec![
                    "2023-11-14T22:13:20Z",
                    "2023-11-14T23:13:20Z",
                    "2023-11-15T22:13:20Z",
                ])),
            ),
            ("amount", Arc::new(Float64Array::from(vec![Some(1.5), None, Some(2.5)]))),
            ("day", Arc::new(StringArray::from(vec!["mon", "tue", "wed"]))),
        ],
    );
    let url = directory.path().join("dataset");
    let engine = Engine::open(url.to_str().unwrap(), config()).await.unwrap();
    import(&engine, &ndjson(&[event(0, "u")])).await;
    let of_files = EngineConfig { memory_budget_bytes: 0, ..config() };
    let of_files = Engine::open_read_only(url.to_str().unwrap(), of_files).await.unwrap();
    for (column, unit) in [
        ("s", Some("s")),
        ("ms", Some("ms")),
        ("us", Some("us")),
        ("ns", Some("ns")),
        ("at", None),
        ("text", None),
    ] {
        engine.attach("clicks", attachment(&path, column, unit)).await.unwrap();
        of_files.refresh().await.unwrap();
        for (engine, from) in [(&engine, "memory"), (&of_files, "files")] {
            let rows = ask(engine, r#"SELECT event, arrow_cast(time, 'Int64'), distinct_id, user_id, amount, CAST(day AS VARCHAR), "properties.day" FROM clicks ORDER BY time"#).await;
            assert_eq!(
                json!(rows),
                json!([
                    ["click", T, "u", "u", 1.5, "2023-11-14", "mon"],
                    ["click", T + 3_600_000, "", null, null, "2023-11-14", "tue"],
                    ["view", T + DAY_MS, "", null, 2.5, "2023-11-15", "wed"],
                ]),
                "{column}, {from}"
            );
        }
    }
    let attached = &engine.memory_usage().unwrap().attached;
    assert_eq!(attached[0].usage.segments.len(), 2, "{attached:?}");
    assert_eq!(ask_one(&engine, "SELECT count(*) FROM clicks c JOIN events e USING (user_id)").await, 1);
    assert_eq!(ask_one(&engine, "SELECT sum(amount) FROM clicks WHERE time >= '2023-11-15'").await, 2.5);
    engine.close().await.unwrap();

    // It is part of the dataset until it is detached; its files stay.
    let engine = Engine::open(url.to_str().unwrap(), config()).await.unwrap();
    assert_eq!(engine.inspect().await.unwrap().attachments, ["clicks"]);
    assert_eq!(ask_one(&engine, "SELECT count(*) FROM clicks").await, 3);
    engine.detach("clicks").await.unwrap();
    assert!(ask_error(&engine, "SELECT * FROM clicks").await.contains("there is no table \"clicks\""));
    assert_eq!(engine.detach("clicks").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_attached_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("clicks.parquet");
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    write_parquet(
        &path,
        vec![("what", Arc::clone(&text)), ("who", text), ("at", Arc::new(Int64Array::from(vec![1])))],
    );
    let engine = engine().await;
    let cases: [(&str, Attachment, &[&str]); 6] = [
        ("clicks", attachment(&path, "when", None), &["when", "what", "--time-column"]),
        ("clicks", attachment(&path, "at", None), &["--time-unit"]),
        ("clicks", attachment(&path, "at", Some("minutes")), &["s, ms, us and ns"]),
        ("events", attachment(&path, "at", Some("s")), &["the dataset has a table of this name"]),
        ("", attachment(&path, "at", Some("s")), &["a table needs a name"]),
        ("clicks", attachment(&directory.path().join("none.parquet"), "at", Some("s")), &["none.parquet"]),
    ];
    for (name, attachment, parts) in cases {
        let error = engine.attach(name, attachment).await.unwrap_err();
        for part in parts {
            assert!(chain(&error).contains(part), "{part}: {}", chain(&error));
        }
    }
    assert_eq!(engine.inspect().await.unwrap().attachments, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_import_stops_at_the_first_bad_record() {
    let engine = engine().await;
    let text = format!(
        "{}\n{{\"event\":\"A\",\"properties\":{{\"distinct_id\":\"u\"}}}}\n{}\n",
        event(0, "u"),
        event(1, "u")
    );
    let options = ImportOptions { strict: true, ..ImportOptions::default() };
    let error = engine.ingest("orders.ndjson", Cursor::new(text), options).await.unwrap_err();
    let message = chain(&error);
    for part in ["orders.ndjson", "time", "missing"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(ask(&engine, "SELECT n FROM events").await, [[json!(0)]]);
}

/// Files of every kind, by path, directory and pattern.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_kind_in_one_import() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    };
    write("json/a.ndjson", ndjson(&[event(0, "u")]).as_bytes());
    write("json/deep/b.json", json!([event(1, "u"), event(2, "v")]).to_string().as_bytes());
    // Recognised by content, not by name.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(ndjson(&[event(3, "u")]).as_bytes()).unwrap();
    write("json/c.json", &gzip.finish().unwrap());
    write("json/notes.txt", b"not for us");
    write("csv/d.csv", b"\xef\xbb\xbfevent,when,who,n,ok,\"a \"\"b\"\"\"\nA,2023-11-18 22:13:20,u,4,true,\"x,\ny\"\nA,2023-11-19T22:13:20Z,,5,,\n");
    let parquet = directory.path().join("e.parquet");
    write_parquet(
        &parquet,
        vec![
            ("event", Arc::new(StringArray::from(vec!["A"])) as ArrayRef),
            ("when", Arc::new(Int64Array::from(vec![T / 1000 + 6 * 86_400]))),
            ("who", Arc::new(StringArray::from(vec!["w"]))),
            ("n", Arc::new(Int64Array::from(vec![6]))),
        ],
    );
    let engine = engine().await;
    let mapping = ColumnMapping {
        time_column: Some("when".into()),
        user_column: Some("who".into()),
        time_unit: Some(TimeUnit::Seconds),
        ..ColumnMapping::default()
    };
    let inputs = [
        Input::Path(directory.path().join("json")),
        Input::Path(directory.path().join("csv/*.csv")),
        Input::Path(parquet),
    ];
    let report = engine
        .import(inputs, ImportOptions { mapping, ..ImportOptions::default() }, Arc::default())
        .await
        .unwrap();
    assert_eq!((report.received, report.stored, report.inputs), (7, 7, 5), "{:?}", report.rejections);
    assert!(report.warnings.iter().any(|warning| warning.contains("notes.txt")), "{:?}", report.warnings);
    assert_eq!(
        json!(
            ask(
                &engine,
                r#"SELECT n, user_id, arrow_cast(time, 'Int64'), ok, "a ""b""" FROM events ORDER BY n"#
            )
            .await
        ),
        json!([
            [0, "u", T, null, null],
            [1, "u", T + DAY_MS, null, null],
            [2, "v", T + 2 * DAY_MS, null, null],
            [3, "u", T + 3 * DAY_MS, null, null],
            [4, "u", T + 4 * DAY_MS, true, "x,\ny"],
            [5, null, T + 5 * DAY_MS, null, null],
            [6, "w", T + 6 * DAY_MS, null, null],
        ])
    );
    let error = engine
        .import([Input::Path(directory.path().join("none*.json"))], ImportOptions::default(), Arc::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{}", chain(&error));
}
