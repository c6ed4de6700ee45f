//! Other engines read the same files: DuckDB and Polars, from PyPI.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tallymark::{Engine, EngineConfig, ImportOptions, Input};

use crate::common::{ask, config};

/// The Python that has the packages of `requirements.txt`.
pub(crate) fn python() -> String {
    #[expect(clippy::disallowed_methods, reason = "which Python has the packages is said from outside")]
    let python = std::env::var("TALLYMARK_TEST_PYTHON");
    python.unwrap_or_else(|_| {
        panic!("TALLYMARK_TEST_PYTHON is not set: run the tests with `tests/run`, which installs DuckDB, Polars and ClickHouse and sets it")
    })
}

/// What `interop.py` finds in a dataset's directory.
fn read_with(engine: &str, directory: &Path) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/suites/interop.py");
    let output = Command::new(python()).arg(script).arg(engine).arg(directory).output().unwrap();
    assert!(output.status.success(), "{engine}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same questions, asked here.
async fn answers(engine: &Engine, list: &str) -> Value {
    let one = |rows: Vec<Vec<Value>>| rows.into_iter().map(Value::from).collect::<Value>();
    json!({
        "by_event": one(ask(engine, "SELECT event, count(*), count(DISTINCT distinct_id) FROM events GROUP BY event ORDER BY event").await),
        "by_day": one(ask(engine, "SELECT CAST(day AS VARCHAR) AS d, count(*) FROM events GROUP BY d ORDER BY d").await),
        "time": one(ask(engine, "SELECT min(arrow_cast(time, 'Int64')), max(arrow_cast(time, 'Int64')) FROM events").await),
        "stored_users": one(ask(engine, "SELECT count(DISTINCT user_id) FROM events").await),
        "sums": {
            "total": one(ask(engine, "SELECT count(total), round(sum(total), 2) FROM events").await),
            "list_items": one(ask(engine, &format!("SELECT sum(cardinality({list})) FROM events")).await),
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_and_polars_read_the_files() {
    for (name, list) in [("coffee-shop", "extras"), ("online-retail", "stock_codes")] {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name);
        let directory = tempfile::tempdir().unwrap();
        let url = directory.path().to_str().unwrap();
        // Files that a compaction replaced would stay a while for older snapshots; here they go at once.
        let config = EngineConfig { snapshot_retention: Duration::ZERO, ..config() };
        let engine = Engine::open(url, config).await.unwrap();
        let found: Vec<_> =
            glob::glob(data.join("events.ndjson*").to_str().unwrap()).unwrap().map(Result::unwrap).collect();
        engine
            .import([Input::Path(found[0].clone())], ImportOptions::default(), std::sync::Arc::default())
            .await
            .unwrap();
        let more = json!({"event": "Order Placed", "time": 1_709_300_000, "distinct_id": "new", "properties": {"total": 1.5, list: ["x", "y"], "only here": true}});
        engine.append_json(more.to_string().as_bytes(), tallymark::WireForm::Lenient).await.unwrap();
        engine.flush().await.unwrap();
        let expected = answers(&engine, list).await;
        // What a file says about users is as of its writing: links that came later are not in it.
        engine.compact(&tallymark::CompactOptions { all: true }).await.unwrap();
        engine.close().await.unwrap();
        for reader in ["duckdb", "polars"] {
            assert_eq!(read_with(reader, directory.path()), expected, "{reader} on {name}");
        }
    }
}
