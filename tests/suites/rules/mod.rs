//! The worked examples of SEMANTICS.md that are about stored data, each in every way records can
//! arrive.

use serde_json::{Map, Value, json};
use tallymark::{
    CompactOptions, Engine, EngineConfig, ExportOptions, IdentitySystem, Limits, Timestamp, WireForm,
};
use tallymark_tests::oracle::read;

use crate::common::{
    NOW, ask, ask_one, config, config_with, engine, engine_with, export_text, export_with, import,
    memory_url, ndjson, profiles,
};

mod events;
mod identity;
mod people;

/// How the records of an example reach the dataset.
#[derive(Debug, Clone, Copy)]
enum Way {
    OneImport,
    ImportEach,
    AppendEach,
    AppendAndFlushEach,
    AppendThenCompact,
}

const WAYS: [Way; 5] =
    [Way::OneImport, Way::ImportEach, Way::AppendEach, Way::AppendAndFlushEach, Way::AppendThenCompact];

/// A new dataset that was sent these records, one request each where the way has several.
async fn sent(way: Way, identity: IdentitySystem, records: &[Value]) -> Engine {
    let engine = Engine::open(&memory_url(), config_with(identity)).await.unwrap();
    if matches!(way, Way::OneImport) {
        import(&engine, &ndjson(records)).await;
        return engine;
    }
    for record in records {
        send(way, &engine, record).await;
    }
    if matches!(way, Way::AppendThenCompact) {
        engine.compact(&CompactOptions { all: true }).await.unwrap();
    }
    engine
}

/// Sends one record.
async fn send(way: Way, engine: &Engine, record: &Value) {
    let text = format!("{record}\n");
    match way {
        Way::OneImport | Way::ImportEach => {
            import(engine, &text).await;
        }
        Way::AppendEach | Way::AppendAndFlushEach | Way::AppendThenCompact => {
            engine.append_json(text.as_bytes(), WireForm::Lenient).await.unwrap();
        }
    }
    if matches!(way, Way::AppendAndFlushEach) {
        engine.flush().await.unwrap();
    }
}

/// Asks in every way and expects one answer.
async fn always(records: &[Value], questions: &[(&str, Value)]) {
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Simplified, records).await;
        for (sql, expected) in questions {
            assert_eq!(json!(ask(&engine, sql).await), *expected, "{way:?}: {sql}");
        }
    }
}
