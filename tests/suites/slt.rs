//! `../slt/*.slt`: SQL and what it answers, over one small dataset.
//!
//! `../slt/shop.ndjson` holds the records, in order of arrival: the first two thirds are imported,
//! day files of two imports side by side, the rest is in memory. Every file of questions starts from
//! the same dataset. After a change that is meant to change answers, `cargo test -p tallymark-tests
//! --test suites slt::fill_in -- --ignored` writes them anew, to be read by a person.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqllogictest::{
    AsyncDB, DBOutput, DefaultColumnType, Runner, default_column_validator, default_normalizer,
    default_validator,
};
use tallymark::datafusion::prelude::SessionContext;
use tallymark::{Engine, EngineConfig, WireForm};

use crate::common::{chain, config, import, memory_url};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("slt")
}

/// The dataset, answered from memory and answered from files.
async fn shop() -> [Engine; 2] {
    let text = std::fs::read_to_string(folder().join("shop.ndjson")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let third = lines.len().div_ceil(3);
    let part = |number: usize| {
        lines[(third * number).min(lines.len())..(third * (number + 1)).min(lines.len())].join("\n")
    };
    let url = memory_url();
    let engine = Engine::open(&url, config()).await.unwrap();
    assert_eq!(import(&engine, &part(0)).await.refused, 0);
    assert_eq!(import(&engine, &part(1)).await.refused, 0);
    let report = engine.append_json(part(2).as_bytes(), WireForm::Lenient).await.unwrap();
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    let config = EngineConfig { memory_budget_bytes: 0, ..config() };
    [engine, Engine::open_read_only(&url, config).await.unwrap()]
}

/// A session on the dataset.
struct Database {
    engine: Engine,
    session: SessionContext,
}

/// An error as a person sees it.
#[derive(Debug)]
struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl Database {
    async fn ask(&self, sql: &str) -> Result<DBOutput<DefaultColumnType>, tallymark::Error> {
        let answer = self.engine.sql_in(&self.session, sql).await?;
        let columns = answer.schema().fields().len();
        let mut rows = Vec::new();
        for batch in answer.collect().await? {
            for row in crate::common::json_rows(&batch) {
                rows.push(row.iter().map(cell).collect());
            }
        }
        if columns == 0 {
            return Ok(DBOutput::StatementComplete(rows.len() as u64));
        }
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows })
    }
}

/// A value as one word a reader can tell from others.
fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "NULL".to_owned(),
        serde_json::Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        serde_json::Value::String(text) => text.replace('\n', "⏎").replace(' ', "␣"),
        other => other.to_string(),
    }
}

#[async_trait]
impl AsyncDB for Database {
    type Error = Failed;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failed> {
        self.ask(sql).await.map_err(|error| Failed(chain(&error)))
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "tallymark"
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn files() -> Vec<PathBuf> {
    let found: Result<Vec<PathBuf>, _> =
        glob::glob(folder().join("*.slt").to_str().unwrap()).unwrap().collect();
    found.unwrap()
}

fn runner(engine: &Engine) -> Runner<Database, impl sqllogictest::MakeConnection<Conn = Database> + use<>> {
    let engine = engine.clone();
    Runner::new(move || {
        let session = engine.session().map_err(|error| Failed(chain(&error)));
        let engine = engine.clone();
        async move { Ok(Database { session: session?, engine }) }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_written() {
    let files = files();
    assert!(!files.is_empty());
    let mut failed = Vec::new();
    for (engine, from) in shop().await.iter().zip(["memory", "files"]) {
        for file in &files {
            if let Err(error) = runner(engine).run_file_async(file).await {
                failed.push(format!("{}, answered from {from}\n{error}", file.display()));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_functions_run() {
    let page = include_str!("../../crates/query/FUNCTIONS.md");
    let examples: Vec<&str> =
        page.split("```sql\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 5, "{examples:?}");
    let [engine, _] = shop().await;
    for example in examples {
        crate::common::ask(&engine, example).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the expected answers"]
async fn fill_in() {
    let [engine, _] = shop().await;
    for file in files() {
        runner(&engine)
            .update_test_file(&file, " ", default_validator, default_normalizer, default_column_validator)
            .await
            .unwrap();
    }
}
