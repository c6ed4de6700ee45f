//! What goes in comes out: any value, under any name, in any company.

use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tallymark::{Engine, ImportOptions, PropertyValue, WireForm};
use tallymark_event::Event;
use tallymark_testkit::json::event_line;
use tallymark_testkit::strategies;
use tallymark_tests::oracle::{Dataset, System, canonical, read};

use crate::common::{
    NOW, ask, config, engine, export_text, export_values, for_each_case, import, memory_url, quoted,
};

/// Events of different times, so that each can be told, with few names and many types of values.
fn batch() -> impl Strategy<Value = Vec<Event<'static>>> {
    let name = || prop_oneof![3 => proptest::sample::select(vec!["p", "P", "q"]).prop_map(str::to_owned), 1 => strategies::property_name()];
    vec(vec((name(), strategies::value()), 0..5), 1..20).prop_map(|all| {
        all.into_iter()
            .zip(0..)
            .map(|(properties, at)| {
                let event = Event::new(
                    "E",
                    tallymark::Timestamp::from_millis(1_709_000_000_000 + at * 7_200_000),
                    "u",
                );
                properties.into_iter().fold(event, |event, (name, value)| event.with(name, value))
            })
            .collect()
    })
}

fn sent(events: &[Event<'_>]) -> Vec<Value> {
    let records: Vec<Value> = events.iter().map(|event| read(&event_line(event))).collect();
    Dataset::of(System::Simplified, &records, NOW.millis()).exported()
}

fn assert_lines(found: &[Value], expected: &[Value], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{what}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// D-20 … D-26: values come back equal, numbers by value, in types and with nulls as sent.
#[test]
fn d20_any_value_comes_back_through_import_and_export() {
    for_each_case(150, &batch(), |events| async move {
        let text: String = events.iter().map(|event| event_line(event) + "\n").collect();
        let expected = sent(&events);

        let first = engine().await;
        import(&first, &text).await;
        let exported = export_text(&first).await;
        assert_lines(
            &exported.lines().map(|line| canonical(&read(line))).collect::<Vec<_>>(),
            &expected,
            "imported",
        );

        // An export is an import: the same events in another dataset, and in the same again.
        let second = engine().await;
        let report = import(&second, &exported).await;
        assert_eq!((report.stored, report.refused), (events.len() as u64, 0), "{:?}", report.rejections);
        assert_lines(&export_values(&second).await, &expected, "exported and imported");
        let third = engine().await;
        import(&third, &export_text(&second).await).await;
        assert_eq!(export_text(&third).await, export_text(&second).await, "from here on letter for letter");
    });
}

/// The same through the log: batch after batch, with lanes that open and widen on the way.
#[test]
fn d20_any_value_comes_back_through_append_and_replay() {
    for_each_case(60, &batch(), |events| async move {
        let directory = tempfile::tempdir().unwrap();
        let url = directory.path().to_str().unwrap();
        let engine = Engine::open(url, config()).await.unwrap();
        for part in events.chunks(3) {
            let report = engine.append(part.iter().cloned()).await.unwrap();
            assert_eq!(report.stored, part.len() as u64, "{:?}", report.refused);
        }
        let expected = sent(&events);
        assert_lines(&export_values(&engine).await, &expected, "from memory");
        drop(engine);
        let engine = Engine::open(url, config()).await.unwrap();
        assert_lines(&export_values(&engine).await, &expected, "replayed");
        engine.flush().await.unwrap();
        assert_lines(&export_values(&engine).await, &expected, "flushed");
    });
}

/// Every value is in exactly one column of its property, and that column's type is its own.
#[test]
fn d20_each_value_is_in_one_column() {
    for_each_case(40, &batch(), |events| async move {
        let engine = engine().await;
        let text: String = events.iter().map(|event| event_line(event) + "\n").collect();
        import(&engine, &text).await;
        let columns = ask(
            &engine,
            r#"SELECT property, "column", type FROM property_catalog WHERE "column" IS NOT NULL"#,
        )
        .await;
        for (at, event) in events.iter().enumerate() {
            if columns.is_empty() {
                break;
            }
            let select: Vec<String> =
                columns.iter().map(|row| quoted(row[1].as_str().unwrap()) + " IS NOT NULL").collect();
            let time = event.time.millis();
            let set = ask(
                &engine,
                &format!("SELECT {} FROM events WHERE time = to_timestamp_millis({time})", select.join(", ")),
            )
            .await;
            let found: Vec<(String, &str)> = columns
                .iter()
                .zip(&set[0])
                .filter(|(_, set)| **set == Value::Bool(true))
                .map(|(row, _)| (row[0].as_str().unwrap().to_owned(), row[2].as_str().unwrap()))
                .collect();
            let mut expected: Vec<String> = event
                .properties
                .iter()
                .filter(|(_, value)| !matches!(value, PropertyValue::Null))
                .map(|(name, _)| name.chars().take(255).collect())
                .collect();
            let mut names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
            expected.sort_unstable();
            expected.dedup();
            names.sort_unstable();
            assert_eq!(names, expected, "event {at}");
            for (name, kind) in found {
                let (_, value) = event
                    .properties
                    .iter()
                    .rev()
                    .find(|(known, _)| known.chars().take(255).eq(name.chars()))
                    .unwrap();
                let fits = match value {
                    PropertyValue::Null => false,
                    PropertyValue::Bool(_) => kind == "boolean",
                    PropertyValue::Int(_) | PropertyValue::Float(_) => kind == "number",
                    PropertyValue::String(_) => kind == "string" || kind == "date",
                    PropertyValue::List(_) => kind == "list" || kind == "object",
                    PropertyValue::Object(_) => kind == "object",
                };
                assert!(fits, "{value} of {name:?} is a {kind}");
            }
        }
    });
}

/// Records, some of them good, some broken, some repeated: all are accounted for.
#[test]
fn accepted_refused_and_repeated_are_all_that_was_received() {
    let line = prop_oneof![
        4 => strategies::event().prop_map(|event| event_line(&event)),
        2 => Just(r#"{"event":"A","properties":{"time":1709000000,"distinct_id":"u","$insert_id":"again"}}"#.to_owned()),
        1 => proptest::sample::select(vec![
            r#"{"event":"A"}"#,
            r#"{"event":"","properties":{"time":1709000000}}"#,
            r#"{"event":"A","properties":{"time":"yesterday"}}"#,
            r#"{"event":"A","properties":{"time":1709000000,"distinct_id":"null"}}"#,
            r#"{"event":"A","properties":{"time":1709000000,"x":1e400}}"#,
            r#"{"event":"A","properties":{"time":1709000000"#,
            r#"{"event":"A","properties":[1]}"#,
            "[1,2]",
            "null",
            "not json",
            r#""text""#,
            r#"{"$distinct_id":"u"}"#,
        ]).prop_map(str::to_owned),
        1 => strategies::profile_record().prop_map(|profile| strategies::Record::Profile(profile).to_line()),
    ];
    for_each_case(150, &vec(line, 1..30), |lines| async move {
        // A good line first, so that what follows is read line by line.
        let first = r#"{"event":"first","properties":{"time":1709000000,"distinct_id":"u"}}"#;
        let text = format!("{first}\n{}\n", lines.join("\n"));
        let received = lines.len() as u64 + 1;
        let imported = engine().await;
        let report = imported
            .ingest("lines", Cursor::new(text.clone().into_bytes()), ImportOptions::default())
            .await
            .unwrap();
        assert_eq!(report.received, received);
        assert_eq!(report.received, report.stored + report.duplicates + report.refused);
        assert_eq!(report.stored, report.events + report.profile_updates);
        assert_eq!(report.rejections.len() as u64, report.refused.min(20));
        let inspection = imported.inspect().await.unwrap();
        assert_eq!(inspection.events, report.events);
        for rejected in &report.rejections {
            let line = text.lines().nth(rejected.index as usize).unwrap();
            assert_eq!(rejected.line, Some(rejected.index + 1), "{line}");
            assert_eq!(&text[rejected.byte_offset as usize..][..line.len()], line);
            assert!(!rejected.message.is_empty());
        }

        let appended = Engine::open(&memory_url(), config()).await.unwrap();
        let appended_report = appended.append_json(text.as_bytes(), WireForm::Lenient).await.unwrap();
        assert_eq!(
            (
                appended_report.received,
                appended_report.stored,
                appended_report.duplicates,
                appended_report.refused.len() as u64
            ),
            (report.received, report.stored, report.duplicates, report.refused)
        );
        assert_eq!(export_text(&appended).await, export_text(&imported).await);
    });
}
