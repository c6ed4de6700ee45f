//! `merged_events` shows what `events` would, had everything been sent under the names it is merged
//! into (M-22): random histories, random merges.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use tallymark::{DefinitionKind, Engine, EngineConfig, WireForm};
use tallymark_event::parse_date;
use tallymark_report::Lexicon;
use tallymark_tests::histories::history;

use crate::common::{ask, chain, config, for_each_case, import, memory_url, ndjson, rows_of};

/// Half of the records in files and half in the memtable, read from memory and from files.
async fn engines(records: &[Value], lexicon: &Value) -> [Engine; 2] {
    let url = memory_url();
    let writer = Engine::open(&url, config()).await.unwrap();
    let (files, memtable) = records.split_at(records.len() / 2);
    import(&writer, &ndjson(files)).await;
    writer.append_json(ndjson(memtable).as_bytes(), WireForm::Lenient).await.unwrap();
    writer.save_definition(DefinitionKind::Lexicon, Lexicon::NAME, &lexicon.to_string()).await.unwrap();
    let from_files = EngineConfig { memory_budget_bytes: 0, ..config() };
    [writer, Engine::open_read_only(&url, from_files).await.unwrap()]
}

/// What properties are merged into which; targets may not be there otherwise, or be called as a column.
fn merges() -> impl Strategy<Value = BTreeMap<&'static str, &'static str>> {
    let sources = vec!["genre", "mins", "mixed", "tags", "nums", "flag", "when", "geo", "cart", "sid"];
    let targets = select(vec!["mixed", "genre", "when", "nums", "tags", "new", "event", "geo.city"]);
    proptest::collection::btree_map(select(sources), targets, 1..5).prop_map(|merges| {
        let is_whole = |(source, target): &(&str, &str)| source != target && !merges.contains_key(target);
        merges.iter().map(|(source, target)| (*source, *target)).filter(is_whole).collect()
    })
}

/// The record with its properties sent under other names.
fn renamed(record: &Value, merges: &BTreeMap<&str, &str>) -> Value {
    let mut record = record.clone();
    let Some(Value::Object(properties)) = record.get_mut("properties") else { return record };
    for (source, target) in merges {
        let value = properties.remove(*source).unwrap_or_default();
        if properties.get(*target).is_none_or(Value::is_null) && !value.is_null() {
            properties.insert((*target).to_owned(), value);
        }
    }
    record
}

/// The same text for the same value, whichever column it is in.
fn plain(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().unwrap().to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(",")),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::Array(items)) => plain(&Value::Array(items)),
            Ok(object @ Value::Object(_)) => object.to_string(),
            _ => parse_date(text).map_or_else(|| format!("{text:?}"), |date| format!("{date:?}")),
        },
        other => other.to_string(),
    }
}

/// For each event by its sequence, its name, and of each property the values there are.
async fn events(engine: &Engine, table: &str) -> BTreeMap<i64, Map<String, Value>> {
    let answer = engine.sql(&format!("SELECT * FROM {table}")).await;
    let answer = answer.unwrap_or_else(|error| panic!("{}", chain(&error)));
    let names: Vec<String> = answer.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut events = BTreeMap::new();
    for row in rows_of(answer).await {
        let mut sequence = None;
        let mut event = Map::new();
        for (name, value) in names.iter().zip(&row).filter(|(_, value)| !value.is_null()) {
            if name == "sequence" {
                sequence = value.as_i64();
            }
            let property = name.split('@').next().unwrap().trim_start_matches("properties.");
            let values = event.entry(property).or_insert_with(|| json!([]));
            values.as_array_mut().unwrap().push(plain(value).into());
        }
        events.insert(sequence.unwrap(), event);
    }
    events
}

#[test]
fn m_22_merged_events_are_as_if_sent_so() {
    let case = (history(), merges());
    for_each_case(40, &case, |(records, merges)| async move {
        let properties: Map<String, Value> = merges
            .iter()
            .map(|(source, target)| ((*source).to_owned(), json!({"merged_into": target})))
            .collect();
        let lexicon = json!({"event_properties": properties, "events": {"Buy": {"merged_into": "Visit"}}});
        let sent_so: Vec<Value> = records.iter().map(|record| renamed(record, &merges)).collect();
        let mut expected = events(&engines(&sent_so, &json!({})).await[0], "events").await;
        // The name is part of what makes two events one (D-9), so it is not sent otherwise.
        for event in expected.values_mut().filter(|event| event["event"][0] == "\"Buy\"") {
            event["event"][0] = "\"Visit\"".into();
        }
        for engine in &engines(&records, &lexicon).await {
            let found = events(engine, "merged_events").await;
            assert_eq!(found, expected, "{merges:?}\n{}", ndjson(&records));
            let names = "SELECT event, count(*), count(DISTINCT user_id) FROM";
            let merged = ask(engine, &format!("{names} merged_events GROUP BY event ORDER BY event")).await;
            let by_hand = format!(
                "{names} (SELECT CASE event WHEN 'Buy' THEN 'Visit' ELSE event END AS event, user_id FROM events)
                 GROUP BY event ORDER BY event"
            );
            assert_eq!(merged, ask(engine, &by_hand).await);
            let stored = ask(engine, "SELECT count(*) FROM merged_events WHERE event = 'Buy'").await;
            assert_eq!(stored, [[json!(0)]]);
        }
    });
}
