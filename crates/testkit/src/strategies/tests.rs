use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tallymark_event::{Event, PropertyValue};

use super::*;
use crate::json::event_line;

proptest! {
    #[test]
    fn a_line_holds_the_event(event in event()) {
        let line = event_line(&event);
        prop_assert!(!line.contains('\n'));
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(read["event"].as_str().unwrap(), &*event.name);
        let sent = read["properties"].as_object().unwrap();
        prop_assert_eq!(sent["time"].as_i64().unwrap(), event.time.millis());
        prop_assert_eq!(sent["distinct_id"].as_str().unwrap(), &*event.distinct_id);
        prop_assert_eq!(sent.get("$insert_id").and_then(|id| id.as_str()), event.insert_id.as_deref());
        prop_assert_eq!(sent.get("$device_id").and_then(|id| id.as_str()), event.device_id.as_deref());
        prop_assert_eq!(sent.get("$user_id").and_then(|id| id.as_str()), event.user_id.as_deref());
        for (name, value) in &event.properties {
            // By text: serde_json as built here may read the last digit of a float wrongly.
            let entry = format!("{}:{value}", serde_json::to_string(name).unwrap());
            prop_assert!(sent.contains_key(&**name) && line.contains(&entry), "{}", entry);
        }
        let ids = 2 + [&event.insert_id, &event.device_id, &event.user_id].into_iter().flatten().count();
        prop_assert_eq!(sent.len(), ids + event.properties.len());
    }

    #[test]
    fn batches_cover_the_history(history in history(20)) {
        let again: Vec<Record> = history.batches().flatten().cloned().collect();
        prop_assert_eq!(&again, &history.records);
        prop_assert!(history.batches().all(|batch| !batch.is_empty()));
        let text = history.to_ndjson();
        prop_assert_eq!(text.lines().count(), history.records.len());
        for line in text.lines() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object());
        }
    }

    #[test]
    fn d9_a_repeat_has_the_key_of_the_first((first, again) in event().prop_flat_map(|event| (Just(event.clone()), repeat_of(&event)))) {
        let key = |event: &Event<'static>| (event.name.clone(), event.distinct_id.clone(), event.time, event.insert_id.clone());
        prop_assert_eq!(key(&first), key(&again));
        prop_assert!(again.property("repeat").is_some());
    }
}

/// The edges come up: without this a strategy could quietly stop reaching them.
#[test]
fn histories_reach_the_edges() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<&str, usize>::new();
    let mut note = |what, holds: bool| *seen.entry(what).or_default() += usize::from(holds);
    for _ in 0..300 {
        let history = history(20).new_tree(&mut runner).unwrap().current();
        let events: Vec<&Event<'static>> = history.events().collect();
        let mut keys = BTreeSet::new();
        note(
            "a repeat with other properties",
            events.iter().enumerate().any(|(index, event)| {
                event.insert_id.is_some()
                    && events[..index].iter().any(|earlier| {
                        earlier.properties != event.properties
                            && (&earlier.name, &earlier.distinct_id, earlier.time, &earlier.insert_id)
                                == (&event.name, &event.distinct_id, event.time, &event.insert_id)
                    })
            }),
        );
        note(
            "two events of a user at one time",
            events.iter().any(|event| !keys.insert((&event.distinct_id, event.time))),
        );
        note("midnight", events.iter().any(|event| event.time == event.time.day().start()));
        note("nobody", events.iter().any(|event| event.distinct_id.is_empty()));
        note("a link", events.iter().any(|event| event.device_id.is_some() && event.user_id.is_some()));
        note(
            "a device alone",
            events.iter().any(|event| event.device_id.is_some() && event.user_id.is_none()),
        );
        note("original identity", events.iter().any(|event| event.name == "$identify"));
        note("a profile", history.records.iter().any(|record| matches!(record, Record::Profile(_))));
        note("several batches", history.batch_ends.len() > 1);
        note(
            "a property named like a column",
            events.iter().any(|event| event.property("user_id").is_some() || event.property("day").is_some()),
        );
        note("an empty property name", events.iter().any(|event| event.property("").is_some()));
        note(
            "two spellings",
            events.iter().any(|event| event.property("price").is_some() && event.property("Price").is_some()),
        );
    }
    for (what, count) in &seen {
        assert!(*count >= 5, "only {count} of 300 histories have {what}: {seen:?}");
    }
    assert_eq!(seen.len(), 12);
}

#[test]
fn values_reach_every_type() {
    let mut runner = TestRunner::deterministic();
    let mut kinds = BTreeMap::<&str, usize>::new();
    for _ in 0..2_000 {
        let kind = match value().new_tree(&mut runner).unwrap().current() {
            PropertyValue::Null => "null",
            PropertyValue::Bool(_) => "bool",
            PropertyValue::Int(value) if value.unsigned_abs() > 1 << 53 => "big int",
            PropertyValue::Int(_) => "int",
            PropertyValue::Float(value) => {
                assert!(value.is_finite());
                "float"
            }
            PropertyValue::String(text) if tallymark_event::parse_date(&text).is_some() => "date",
            PropertyValue::String(_) => "string",
            PropertyValue::List(items) if items.iter().any(|item| item.depth() > 0) => "nested list",
            PropertyValue::List(_) => "list",
            PropertyValue::Object(_) => "object",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    assert_eq!(kinds.len(), 10, "{kinds:?}");
    assert!(kinds.values().all(|&count| count >= 10), "{kinds:?}");
}

#[test]
fn consumed_names_are_no_properties() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..2_000 {
        let name = property_name().new_tree(&mut runner).unwrap().current();
        assert!(!is_consumed(&name), "{name}");
    }
    assert!(is_consumed("time") && !is_consumed("user_id"));
}
