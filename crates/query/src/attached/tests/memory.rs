//! Attached datasets in memory: whatever the files are like, answers are those from files.

use std::fs;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
    Int32Array, Int64Array, LargeStringArray, ListArray, StringArray, StructArray, TimestampMicrosecondArray,
    TimestampNanosecondArray, UInt8Array,
};
use arrow::datatypes::{DataType, Field, Int8Type, Int32Type, Int64Type};
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use proptest::prelude::*;
use tallymark_storage::Attachment;

use super::{TIMES_S, attachment, text, write};
use crate::testing::{TestDataset, answer, error, event, rows};
use crate::{QueryConfig, QueryRuntime, sql};

/// A row: when (in seconds, null for never), what, who, and a number.
type Row = (Option<i64>, Option<&'static str>, Option<&'static str>, i64);

/// A file of rows with columns of many types, derived from the number.
fn file(path: &std::path::Path, rows: &[Row]) {
    let n = || rows.iter().map(|row| row.3);
    let nullable = |row: i64| row % 5 != 0;
    let texts = |words: &'static [&'static str]| {
        n().map(move |n| nullable(n).then(|| words[n as usize % words.len()])).collect::<Vec<_>>()
    };
    let small: DictionaryArray<Int8Type> = texts(&["a", "b", ""]).into_iter().collect();
    let wide: DictionaryArray<Int32Type> = texts(&["red", "green", "blue"]).into_iter().collect();
    let items = n().map(|n| nullable(n).then(|| vec![Some(n), None]));
    let part: ArrayRef = Arc::new(Int64Array::from_iter_values(n()));
    let parts = StructArray::from(vec![(Arc::new(Field::new("part", DataType::Int64, true)), part)]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(
                rows.iter().map(|row| row.0.map(|s| s * 1_000_000)).collect::<TimestampMicrosecondArray>(),
            ),
        ),
        ("name", Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>())),
        ("uid", Arc::new(rows.iter().map(|row| row.2).collect::<StringArray>())),
        ("n", Arc::new(Int64Array::from_iter_values(n()))),
        ("i32", Arc::new(n().map(|n| nullable(n).then_some(n as i32 - 9)).collect::<Int32Array>())),
        ("u8", Arc::new(n().map(|n| (n % 256) as u8).map(Some).collect::<UInt8Array>())),
        ("f32", Arc::new(n().map(|n| nullable(n).then_some(n as f32 / 4.0)).collect::<Float32Array>())),
        (
            "price",
            Arc::new(
                n().map(|n| nullable(n).then_some(i128::from(n) * 125))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
        ),
        ("since", Arc::new(n().map(|n| nullable(n).then_some(n as i32)).collect::<Date32Array>())),
        (
            "zoned",
            Arc::new(
                n().map(|n| nullable(n).then_some(n * 1_000_000_007))
                    .collect::<TimestampNanosecondArray>()
                    .with_timezone("Europe/Berlin"),
            ),
        ),
        ("flag", Arc::new(n().map(|n| nullable(n).then_some(n % 2 == 0)).collect::<BooleanArray>())),
        ("word", Arc::new(StringArray::from(texts(&["one", "two", "a word that is longer than a view"])))),
        ("long", Arc::new(LargeStringArray::from(texts(&["x", "y"])))),
        ("colour", Arc::new(wide)),
        ("small", Arc::new(small)),
        ("items", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(items))),
        ("parts", Arc::new(parts)),
        ("bytes", Arc::new(n().map(|n| nullable(n).then(|| n.to_le_bytes())).collect::<BinaryArray>())),
    ];
    write(path, &columns);
}

/// What is asked of `log`, in every form that plans over segments have.
const QUESTIONS: &[&str] = &[
    "SELECT * FROM log",
    "SELECT event, time, distinct_id, user_id, day, n, region FROM log",
    "SELECT count(*) FROM log",
    "SELECT count(*), count(time), count(user_id), count(DISTINCT user_id), count(DISTINCT distinct_id), min(time), max(time), min(day) FROM log",
    "SELECT event, count(*), count(DISTINCT user_id), sum(n), min(n) FROM log GROUP BY event",
    "SELECT day, count(*), count(DISTINCT user_id) FROM log GROUP BY day",
    "SELECT user_id, count(*), sum(i32), max(word), min(colour) FROM log GROUP BY user_id",
    "SELECT region, event, count(DISTINCT user_id) FROM log WHERE event IN ('Open', 'Buy') GROUP BY 1, 2",
    "SELECT date_trunc('day', time AT TIME ZONE 'Europe/Berlin'), count(*), count(DISTINCT user_id) FROM log GROUP BY 1",
    "SELECT word, count(*) FILTER (WHERE event = 'Buy'), sum(price), avg(f32) FROM log WHERE flag OR word IS NULL GROUP BY word",
    "SELECT colour, count(*) FROM log WHERE colour <> 'red' GROUP BY colour",
    "SELECT long, small, count(*) FROM log WHERE long = 'x' GROUP BY long, small",
    "SELECT u8, sum(price), max(since), max(zoned) FROM log GROUP BY u8",
    "SELECT n, i32, u8, f32, price, since, zoned, flag, word, long, colour FROM log WHERE n % 3 = 1",
    "SELECT n FROM log WHERE user_id = 'u' AND time >= '2024-01-02'",
    "SELECT n FROM log WHERE user_id IS NULL OR user_id IN ('v', 'nobody')",
    "SELECT n FROM log WHERE event IS NULL",
    "SELECT n FROM log WHERE event = 'Nothing'",
    "SELECT n FROM log WHERE day = '2024-01-02' AND distinct_id <> ''",
    "SELECT n FROM log WHERE date_trunc('month', time) = '2024-01-01'",
    "SELECT n FROM log WHERE time < '2024-01-01T12:00:00' AND region = 'eu' AND word LIKE 'a%'",
    "SELECT n FROM log WHERE colour = 'red' AND u8 < 40 AND zoned > '1970-01-01T00:00:10'",
    "SELECT n FROM log WHERE price > 10 AND since < '1970-02-01'",
    "SELECT n, items, parts, bytes, small FROM log WHERE parts.part > 3",
    "SELECT n FROM log WHERE user_id IN (SELECT user_id FROM log WHERE event = 'Buy')",
    "SELECT a.n FROM log a JOIN log b ON a.n = b.n AND a.region = b.region WHERE b.event = 'Buy'",
    "SELECT n FROM log WHERE i32 = (SELECT max(i32) FROM log)",
    "SELECT user_id, window_funnel(864000, time, event = 'Open', event = 'Buy') FROM log GROUP BY user_id",
    "SELECT user_id, retention(event = 'Open', day = '2024-01-02', day = '2024-01-03') FROM log GROUP BY user_id",
    "SELECT level, count(*) FROM (SELECT user_id, window_funnel(INTERVAL '1 hour', 'strict_increase', time, event = 'Open', word = 'one') AS level FROM log WHERE flag GROUP BY user_id) GROUP BY level",
    "SELECT n FROM log ORDER BY n LIMIT 3",
    "SELECT count(*) FROM (SELECT n FROM log LIMIT 2)",
];

async fn sorted(session_ctx: &SessionContext, question: &str) -> Vec<String> {
    let mut rows = rows(session_ctx, question).await;
    rows.sort_unstable();
    rows
}

/// A session over segments within so many bytes, and the runtime that holds them.
fn within(dataset: &TestDataset, bytes: usize, threads: usize) -> (QueryRuntime, SessionContext) {
    let config =
        QueryConfig { target_partitions: threads, resident_bytes_max: bytes, ..QueryConfig::default() };
    let runtime = QueryRuntime::try_new(config).unwrap();
    let session_ctx = runtime.session(&dataset.snapshot()).unwrap();
    (runtime, session_ctx)
}

const LARGE: usize = 1 << 30;

/// All ways answer as files do.
async fn agree(dataset: &TestDataset, when: &str) {
    let files = dataset.session();
    let ways = [within(dataset, LARGE, 2), within(dataset, 2000, 3)];
    for question in QUESTIONS {
        let expected = sorted(&files, question).await;
        for (runtime, session_ctx) in &ways {
            assert_eq!(sorted(session_ctx, question).await, expected, "{when}: {question}");
            let usage = runtime.memory_usage().unwrap();
            assert!(usage.used_bytes <= usage.budget_bytes, "{when}: {question}: {usage:?}");
        }
    }
}

fn row() -> impl Strategy<Value = Row> {
    let whole_seconds = prop_oneof![
        Just(TIMES_S[0]),
        (0..4i64, 0..3i64).prop_map(|(day, s)| TIMES_S[0] + day * 86_400 + s),
        Just(-1),
    ];
    let name = prop::option::weighted(0.9, prop::sample::select(vec!["Open", "Buy", "View", ""]));
    let user = prop::option::weighted(
        0.9,
        prop::sample::select(vec!["", "u", "v", "U", "ü", "a user of some length"]),
    );
    (whole_seconds.prop_map(Some), name, user, 0..60i64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]
    #[test]
    fn answers_are_those_of_the_files(files in prop::collection::vec(prop::collection::vec(row(), 1..30), 1..5)) {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
            let dir = tempfile::tempdir().unwrap();
            for (at, rows) in files.iter().enumerate() {
                let region = ["eu", "us"][at % 2];
                file(&dir.path().join(format!("region={region}/{at}.parquet")), rows);
            }
            let mut dataset = TestDataset::new();
            dataset.attach("log", attachment(&format!("{}/", dir.path().display()), "ts", None));
            agree(&dataset, "random").await;
        });
    }
}

/// Rows of three days of some users, mixed.
fn mixed(count: i64, from: i64) -> Vec<Row> {
    (from..from + count)
        .map(|n| {
            let mixed = (n * 7919 + n / 3) % 1009;
            let time = TIMES_S[0] + (mixed % 3) * 86_400 + mixed % 5;
            let user = [None, Some(""), Some("u"), Some("v"), Some("w")][(mixed % 5) as usize];
            (Some(time), Some(["Open", "View", "Buy"][(mixed % 3) as usize]), user, n)
        })
        .collect()
}

/// A dataset with `log` attached: a directory with these files.
fn dataset(dir: &tempfile::TempDir, files: &[(&str, Vec<Row>)]) -> TestDataset {
    for (name, rows) in files {
        file(&dir.path().join(name), rows);
    }
    let mut dataset = TestDataset::new();
    dataset.attach("log", attachment(&format!("{}/", dir.path().display()), "ts", None));
    dataset
}

#[tokio::test]
async fn plans_are_over_segments_where_they_can_be() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = dataset(&dir, &[("region=eu/1.parquet", mixed(40, 0))]);
    let (runtime, session_ctx) = within(&dataset, LARGE, 2);
    let plan = async |session_ctx: &SessionContext, question: &str| {
        answer(session_ctx, &format!("EXPLAIN FORMAT indent {question}")).await
    };
    let scan = "SELECT n FROM log WHERE event = 'Buy' AND time >= '2024-01-02'";
    let found = plan(&session_ctx, scan).await;
    assert!(
        found.contains("SegmentScanExec: days=2, columns=[n]") && !found.contains("DataSourceExec"),
        "{found}"
    );
    let aggregate = "SELECT event, count(DISTINCT user_id) FROM log WHERE user_id <> 'w' GROUP BY event";
    let found = plan(&session_ctx, aggregate).await;
    assert!(found.contains("SegmentAggregateExec") && !found.contains("DataSourceExec"), "{found}");
    let found = plan(&session_ctx, "SELECT region, colour, long, count(*) FROM log GROUP BY 1, 2, 3").await;
    assert!(
        found.contains("SegmentScanExec") && !found.contains("SegmentAggregateExec"),
        "dictionaries are left to DataFusion to make groups of: {found}"
    );
    let found = plan(&session_ctx, "SELECT count(*) FROM log").await;
    assert!(!found.contains("ScanExec") && !found.contains("DataSourceExec"), "statistics know: {found}");

    // Types that segments do not hold, and columns without room.
    for column in ["items", "parts", "bytes", "small"] {
        let question = format!("SELECT n, {column} FROM log WHERE event = 'Buy'");
        let found = plan(&session_ctx, &question).await;
        assert!(found.contains("DataSourceExec") && !found.contains("Segment"), "{column}: {found}");
    }
    let (_, little) = within(&dataset, 200, 2);
    let (_, none) = within(&dataset, 0, 2);
    for session_ctx in [&little, &none] {
        for question in [scan, aggregate] {
            let found = plan(session_ctx, question).await;
            assert!(found.contains("DataSourceExec") && !found.contains("Segment"), "{found}");
        }
        let found = plan(session_ctx, scan).await;
        assert!(found.contains("pruning_predicate="), "filters reach the files: {found}");
    }

    // The schema is the same, and what is in memory is told.
    assert_eq!(answer(&session_ctx, "DESCRIBE log").await, answer(&none, "DESCRIBE log").await);
    sorted(&session_ctx, scan).await;
    let usage = runtime.memory_usage().unwrap();
    let [attached] = &usage.attached[..] else { panic!("{usage:?}") };
    assert_eq!((attached.name.as_str(), attached.usage.segments.len()), ("log", 2));
    assert_eq!(attached.usage.users, 3);
    let columns: Vec<&str> =
        attached.usage.segments[0].columns.iter().map(|column| column.column.as_str()).collect();
    assert_eq!(columns, ["event", "n"]);
    assert!(usage.used_bytes >= attached.usage.used_bytes && usage.loads > 0);
}

#[tokio::test]
async fn files_come_change_and_go_between_queries() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join("region=eu").join(name);
    let dataset = dataset(&dir, &[("region=eu/b.parquet", mixed(30, 0))]);
    let (runtime, session_ctx) = within(&dataset, LARGE, 2);
    let check = async |when: &str| {
        let files = dataset.session();
        for question in QUESTIONS {
            assert_eq!(
                sorted(&session_ctx, question).await,
                sorted(&files, question).await,
                "{when}: {question}"
            );
        }
        runtime.memory_usage().unwrap().loads
    };
    file(&path("empty.parquet"), &[]);
    let first = check("one file, and one without rows").await;
    assert_eq!(check("nothing new").await, first, "nothing is read again");
    file(&path("a.parquet"), &mixed(20, 30));
    check("a new file before it, of the same days").await;
    // Of a day of its own: the others are taken as they are.
    let before = check("again").await;
    file(&path("c.parquet"), &[(Some(TIMES_S[1] + 90 * 86_400), Some("Open"), Some("zoe"), 77)]);
    rows(&session_ctx, "SELECT event, count(DISTINCT user_id) FROM log GROUP BY event").await;
    let loads = runtime.memory_usage().unwrap().loads - before;
    assert!(loads <= 3, "{loads} loads for one day");
    check("a new day").await;
    file(&path("b.parquet"), &mixed(17, 11));
    check("one was changed").await;
    fs::remove_file(path("a.parquet")).unwrap();
    check("one was removed").await;
    let days: Vec<_> = runtime.memory_usage().unwrap().attached[0]
        .usage
        .segments
        .iter()
        .map(|segment| segment.day)
        .collect();
    let mut once = days.clone();
    once.dedup();
    assert_eq!(days, once, "what is of former files is forgotten");
    fs::remove_file(path("c.parquet")).unwrap();
    let last = check("and another").await;
    assert!(runtime.memory_usage().unwrap().attached[0].usage.segments.len() < days.len());
    assert_eq!(check("nothing new at the end").await, last);
}

#[tokio::test]
async fn a_file_that_changes_under_a_query_is_an_error_and_what_was_loaded_stays() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = dataset(&dir, &[("region=eu/a.parquet", mixed(30, 0))]);
    let (_runtime, session_ctx) = within(&dataset, LARGE, 2);
    let plan = async |question: &str| {
        sql(&session_ctx, question).await.unwrap().create_physical_plan().await.unwrap()
    };
    let loaded = "SELECT sum(n), count(DISTINCT user_id) FROM log";
    let before = rows(&session_ctx, loaded).await;
    let (of_loaded, of_others) = (plan(loaded).await, plan("SELECT sum(i32) FROM log").await);
    file(&dir.path().join("region=eu/a.parquet"), &mixed(31, 5));

    let batches = collect(of_loaded, session_ctx.task_ctx()).await.unwrap();
    let table = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    for value in before[0].split('|') {
        assert!(table.contains(value), "the query sees what it began with: {table}");
    }
    let failed = collect(of_others, session_ctx.task_ctx()).await.unwrap_err();
    let mut message = failed.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&failed);
    while let Some(source) = cause {
        message = format!("{message}: {source}");
        cause = source.source();
    }
    assert!(message.contains("region=eu/a.parquet") && message.contains("ask again"), "{message}");
    assert_eq!(rows(&session_ctx, loaded).await, rows(&dataset.session(), loaded).await);
}

#[tokio::test]
async fn rows_without_a_time_are_told_by_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut some = mixed(20, 0);
    some.push((None, Some("Open"), Some("u"), 21));
    some.push((None, None, None, 22));
    let dataset = dataset(&dir, &[("region=eu/a.parquet", some)]);
    agree(&dataset, "null times").await;
    let (_, session_ctx) = within(&dataset, LARGE, 2);
    assert_eq!(sorted(&session_ctx, "SELECT n FROM log WHERE day IS NULL").await, ["21", "22"]);
    // Queries that ask for times do not miss them.
    for (filter, from_memory) in [
        ("n > 0", false),
        ("time IS NULL", false),
        ("time > '2024-01-02' OR n = 3", false),
        ("time > '2024-01-02' OR day IS NULL", false),
        ("time IS NOT NULL", true),
        ("n > 2 AND time >= '2024-01-02'", true),
        ("day BETWEEN '2024-01-01' AND '2024-01-02'", true),
        ("date_trunc('month', time) = '2024-01-01'", true),
    ] {
        let question =
            format!("SELECT event, count(DISTINCT user_id), sum(n) FROM log WHERE {filter} GROUP BY event");
        let plan = answer(&session_ctx, &format!("EXPLAIN FORMAT indent {question}")).await;
        assert_eq!(plan.contains("SegmentAggregateExec"), from_memory, "{filter}: {plan}");
        assert_eq!(
            sorted(&session_ctx, &question).await,
            sorted(&dataset.session(), &question).await,
            "{filter}"
        );
    }
}

#[tokio::test]
async fn rows_are_in_order_of_user_time_and_file() {
    let dir = tempfile::tempdir().unwrap();
    let second = |s: i64, user: &'static str, n| (Some(TIMES_S[0] + s), Some("Open"), Some(user), n);
    let dataset = dataset(
        &dir,
        &[
            (
                "region=eu/b.parquet",
                vec![second(1, "v", 0), second(0, "u", 1), second(0, "u", 2), second(2, "u", 3)],
            ),
            ("region=eu/a.parquet", vec![second(0, "u", 4), second(2, "u", 5), second(1, "", 6)]),
        ],
    );
    let (_, session_ctx) = within(&dataset, LARGE, 1);
    let order = rows(&session_ctx, "SELECT n FROM log").await;
    assert_eq!(order, ["6", "4", "1", "2", "5", "3", "0"]);
}

#[tokio::test]
async fn the_dataset_and_what_is_attached_share_one_budget() {
    let dir = tempfile::tempdir().unwrap();
    let mut dataset = dataset(&dir, &[("region=eu/a.parquet", mixed(400, 0))]);
    let events: Vec<_> = (0..400)
        .map(|n| {
            event("Play", &format!("user-{}", n % 50), "2024-01-01T00:00:00Z", &format!(r#"{{"n": {n}}}"#))
        })
        .collect();
    dataset.files(&events).await;
    let (of_events, of_log) = (
        "SELECT user_id, sum(n) FROM events GROUP BY user_id",
        "SELECT user_id, sum(n) FROM log GROUP BY user_id",
    );
    let large = within(&dataset, LARGE, 2);
    let alone = async |question: &str| {
        let (runtime, session_ctx) = within(&dataset, LARGE, 2);
        rows(&session_ctx, question).await;
        runtime.memory_usage().unwrap().used_bytes as usize
    };
    let room = alone(of_events).await + alone(of_log).await - 1000;
    let (runtime, session_ctx) = within(&dataset, room, 2);
    for round in 0..3 {
        for question in [of_events, of_log] {
            assert_eq!(sorted(&session_ctx, question).await, sorted(&large.1, question).await);
            let plan = answer(&session_ctx, &format!("EXPLAIN FORMAT indent {question}")).await;
            assert!(plan.contains("SegmentAggregateExec"), "each fits: {plan}");
            let usage = runtime.memory_usage().unwrap();
            assert!(usage.used_bytes as usize <= room, "{round}: {usage:?}");
        }
    }
    let usage = runtime.memory_usage().unwrap();
    assert!(usage.evictions > 0, "both together do not: {usage:?}");
    assert!(!usage.attached[0].usage.segments.is_empty(), "what was asked last stays");
}

#[tokio::test]
async fn what_is_no_longer_attached_leaves_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut dataset = dataset(&dir, &[("region=eu/a.parquet", mixed(20, 0))]);
    let (runtime, session_ctx) = within(&dataset, LARGE, 2);
    sorted(&session_ctx, QUESTIONS[1]).await;
    let used = runtime.memory_usage().unwrap();
    assert!(used.attached[0].usage.used_bytes > 0);
    // The same name for something else.
    let other = Attachment {
        user_column: Some("name".to_owned()),
        ..attachment(&format!("{}/", dir.path().display()), "ts", None)
    };
    dataset.attach("log", other);
    let session_ctx = runtime.session(&dataset.snapshot()).unwrap();
    let left = runtime.memory_usage().unwrap();
    assert!(left.attached.is_empty() && left.used_bytes < used.used_bytes, "{left:?}");
    let users = sorted(&session_ctx, "SELECT DISTINCT user_id FROM log WHERE n >= 0").await;
    assert_eq!(users, ["Buy", "Open", "View"]);
}

#[tokio::test]
async fn a_value_that_is_no_time_or_no_number_fails_where_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("ts", text(&["2024-01-01", "soon"])), ("name", text(&["A", "B"])), ("uid", text(&["u", "u"]))];
    write(&dir.path().join("a.parquet"), &columns);
    let mut dataset = TestDataset::new();
    dataset.attach("log", attachment(&format!("{}/", dir.path().display()), "ts", None));
    for session_ctx in super::sessions(&dataset) {
        assert_eq!(sorted(&session_ctx, "SELECT event FROM log").await, ["A", "B"]);
        assert!(error(&session_ctx, "SELECT max(time) FROM log").await.contains("soon"));
    }
}

#[tokio::test]
async fn rows_without_event_or_user_columns_are_events_of_the_name_and_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let mut dataset = dataset(&dir, &[("region=eu/a.parquet", mixed(20, 0))]);
    let bare = Attachment {
        event_column: None,
        user_column: None,
        ..attachment(&format!("{}/region=eu/*.parquet", dir.path().display()), "ts", None)
    };
    dataset.attach("bare", bare);
    for session_ctx in super::sessions(&dataset) {
        let question = "SELECT event, distinct_id, user_id, count(*), count(DISTINCT user_id) FROM bare WHERE n > 4 GROUP BY 1, 2, 3";
        assert_eq!(sorted(&session_ctx, question).await, ["bare||||15|0".replacen("||||", "|||", 1)]);
        assert_eq!(sorted(&session_ctx, "SELECT name FROM bare WHERE n = 3").await.len(), 1);
    }
    agree(&dataset, "with another attached").await;
}
