//! What the suites share: engines that no clock disturbs, questions, exports.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod smaller;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{
    DataType, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt as _;
use serde_json::Value;
pub(crate) use smaller::smaller;
use tallymark::{
    Answer, Engine, EngineConfig, ExportOptions, FixedClock, IdentitySystem, ImportOptions, ImportReport,
    Timestamp,
};
use tallymark_tests::oracle::{FAILURE, FAILURE_NOTED, Profile, System, canonical, read};

/// 2026-11-24T00:00:00Z: what all clocks of the suites show.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_478_400_000);

/// Two threads, a clock that stands still, nothing flushed on its own.
pub(crate) fn config() -> EngineConfig {
    config_with(IdentitySystem::Simplified)
}

pub(crate) fn config_with(identity: IdentitySystem) -> EngineConfig {
    EngineConfig {
        identity,
        threads: 2,
        flush_age: Duration::from_secs(1 << 30),
        clock: Arc::new(FixedClock::new(NOW)),
        ..EngineConfig::default()
    }
}

/// A dataset in memory under a name of its own.
pub(crate) fn memory_url() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("memory:///suites-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An engine on a new dataset in memory.
pub(crate) async fn engine() -> Engine {
    Engine::open(&memory_url(), config()).await.unwrap()
}

/// An engine on a new dataset in memory that holds these records, imported.
pub(crate) async fn engine_with(records: &[Value]) -> Engine {
    let engine = engine().await;
    let report = import(&engine, &ndjson(records)).await;
    assert_eq!(report.refused, 0, "{:?}", report.rejections);
    engine
}

/// A line a record.
pub(crate) fn ndjson(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

/// Imports text as one stream.
pub(crate) async fn import(engine: &Engine, text: &str) -> ImportReport {
    engine
        .ingest("records", Cursor::new(text.to_owned().into_bytes()), ImportOptions::default())
        .await
        .unwrap()
}

/// The rows of an answer as JSON: numbers, booleans, strings and lists as such, all else as Arrow
/// displays it.
pub(crate) async fn ask(engine: &Engine, sql: &str) -> Vec<Vec<Value>> {
    match engine.sql(sql).await {
        Ok(answer) => rows_of(answer).await,
        Err(error) => panic!("{sql}\n{}", chain(&error)),
    }
}

/// The one value of an answer.
pub(crate) async fn ask_one(engine: &Engine, sql: &str) -> Value {
    let rows = ask(engine, sql).await;
    assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}");
    rows[0][0].clone()
}

pub(crate) async fn rows_of(answer: Answer) -> Vec<Vec<Value>> {
    let batches = answer.collect().await.unwrap_or_else(|error| panic!("{}", chain(&error)));
    batches.iter().flat_map(json_rows).collect()
}

/// An error and its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The error of a question that must have none for an answer.
pub(crate) async fn ask_error(engine: &Engine, sql: &str) -> String {
    let error = match engine.sql(sql).await {
        Err(error) => error,
        Ok(answer) => match answer.collect().await {
            Err(error) => error,
            Ok(batches) => panic!("{sql} was answered: {batches:?}"),
        },
    };
    chain(&error)
}

pub(crate) fn json_rows(batch: &RecordBatch) -> Vec<Vec<Value>> {
    (0..batch.num_rows())
        .map(|row| batch.columns().iter().map(|column| json_at(column, row)).collect())
        .collect()
}

fn json_at(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).map(|at| json_at(&items, at)).collect()
        }
        _ => {
            let options = FormatOptions::default();
            ArrayFormatter::try_new(array, &options).unwrap().value(row).to_string().into()
        }
    }
}

/// The whole export as text.
pub(crate) async fn export_text(engine: &Engine) -> String {
    export_with(engine, &ExportOptions::default()).await
}

/// An export as text.
pub(crate) async fn export_with(engine: &Engine, options: &ExportOptions) -> String {
    let blocks: Vec<_> = engine.export(options).unwrap().try_collect().await.unwrap();
    let rows: usize = blocks.iter().map(|lines| lines.rows).sum();
    let text: String = blocks.iter().map(|lines| std::str::from_utf8(&lines.bytes).unwrap()).collect();
    assert_eq!(text.matches('\n').count(), rows, "an export is as many lines as it says");
    text
}

/// The export, a value a line in its canonical spelling; the reasons of refused links are only
/// noted.
pub(crate) async fn export_values(engine: &Engine) -> Vec<Value> {
    export_text(engine).await.lines().map(export_value).collect()
}

fn export_value(line: &str) -> Value {
    let mut event = canonical(&read(line));
    if let Some(reason) = event["properties"].get_mut(FAILURE) {
        assert!(reason.as_str().is_some_and(|reason| !reason.is_empty()));
        *reason = FAILURE_NOTED.into();
    }
    event
}

/// The product's name of an identity system of the oracle.
pub(crate) fn identity_of(system: System) -> IdentitySystem {
    match system {
        System::Simplified => IdentitySystem::Simplified,
        System::Original => IdentitySystem::Original,
        System::None => IdentitySystem::None,
    }
}

/// A name as SQL quotes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table of profiles (`users`, `groups`), put together from its columns, values in their canonical
/// spelling. Dates are spelled as SQL spells them.
pub(crate) async fn profiles(engine: &Engine, table: &str, keys: &[&str]) -> BTreeMap<Vec<String>, Profile> {
    let catalog = format!(
        r#"SELECT property, "column", type FROM property_catalog WHERE source = '{table}' AND "column" IS NOT NULL"#
    );
    let columns = ask(engine, &catalog).await;
    let mut select: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    select.push("arrow_cast(last_seen, 'Int64')".to_owned());
    select.extend(columns.iter().map(|row| quoted(row[1].as_str().unwrap())));
    let rows = ask(engine, &format!("SELECT {} FROM {table}", select.join(", "))).await;
    rows.into_iter()
        .map(|row| {
            let (key, values) = row.split_at(keys.len());
            let key = key.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
            let (last_seen, values) = (values[0].as_i64(), &values[1..]);
            let mut properties = BTreeMap::new();
            for (column, value) in columns.iter().zip(values).filter(|(_, value)| !value.is_null()) {
                let value = match column[2].as_str().unwrap() {
                    "object" => canonical(&read(value.as_str().unwrap())),
                    _ => canonical(value),
                };
                let twice = properties.insert(column[0].as_str().unwrap().to_owned(), value);
                assert_eq!(twice, None, "two columns of {column:?} have a value in one row");
            }
            (key, Profile { properties, last_seen })
        })
        .collect()
}

/// Runs a check on `cases` values of a strategy, always the same ones; a failing one is made small
/// and shown. `PROPTEST_RNG_SEED` and `PROPTEST_CASES` lead to others, and more of them.
pub(crate) fn for_each_case<S, F>(cases: u32, strategy: &S, check: impl Fn(S::Value) -> F)
where
    S: proptest::strategy::Strategy,
    F: Future<Output = ()>,
{
    use proptest::test_runner::{Config, RngSeed, TestRunner};
    const CASES_UNLESS_TOLD: u32 = 256;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let told = Config::default();
    let config = Config {
        cases: if told.cases == CASES_UNLESS_TOLD { cases } else { told.cases },
        failure_persistence: None,
        rng_seed: if told.rng_seed == RngSeed::Random { RngSeed::Fixed(20_261_124) } else { told.rng_seed },
        max_shrink_iters: 300,
        ..told
    };
    let checked = TestRunner::new(config).run(strategy, |value| {
        runtime.block_on(check(value));
        Ok(())
    });
    if let Err(failed) = checked {
        panic!("{failed}");
    }
}
