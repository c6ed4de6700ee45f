use std::sync::Arc;

use futures::TryStreamExt as _;
use tallymark_event::Day;

use super::{ExportOptions, export, export_rows};
use crate::testing::{TestDataset, event};

async fn lines(dataset: &TestDataset, options: &ExportOptions) -> Vec<String> {
    let snapshot = dataset.snapshot();
    let chunks: Vec<_> = export(&dataset.session(), &snapshot, options).try_collect().await.unwrap();
    let lines: Vec<String> = chunks
        .iter()
        .flat_map(|chunk| {
            let text = std::str::from_utf8(&chunk.bytes).unwrap();
            assert!(text.ends_with('\n') && text.lines().count() == chunk.rows);
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    drop(Arc::clone(&snapshot));
    lines
}

#[tokio::test]
async fn q1_events_come_back_as_they_were_in_order_of_time_and_ingestion() {
    let properties = [
        r#"{"$insert_id":"i1","a":1,"b":"x"}"#,
        r#"{"$device_id":"d1","a":2.5,"b":true,"c":null}"#,
        r#"{"a":"5","b":["x",null],"c":{"k":[1,{"z":0.5}]},"d":"2024-02-29","e":"2024-02-29T12:00:00.250Z"}"#,
        r#"{"a":9007199254740993,"b":[],"d":null,"tags":[1,2],"weird \"name\"\n":"\u0000é😀"}"#,
        r#"{"a":null,"tags":[1.5,2],"b":[[1],"x"],"flags":[true,null]}"#,
        "{}",
    ];
    let mut dataset = TestDataset::new();
    dataset.files(&[event("E1", "u1", "2024-01-02T00:00:00Z", properties[0])]).await;
    dataset
        .files(&[
            event("E2", "$device:d1", "2024-01-01T00:00:00.123Z", properties[1]),
            event("E3", "u0", "2024-01-01T00:00:00.123Z", properties[2]),
        ])
        .await;
    dataset.memory(&[
        event("E4", "u9", "2024-01-01T00:00:00.122Z", properties[3]),
        event("E5", "", "1971-01-01T00:00:00.500Z", properties[4]),
        event("E6", "u1", "2024-01-02T00:00:00Z", properties[5]),
    ]);
    let found = lines(&dataset, &ExportOptions::default()).await;
    insta::assert_snapshot!(found.join("\n"), @r#"
        {"event":"E5","properties":{"time":31536000.500,"distinct_id":"","a":null,"b":[[1],"x"],"tags":[1.5,2],"flags":[true,null]}}
        {"event":"E4","properties":{"time":1704067200122,"distinct_id":"u9","a":9007199254740993,"b":[],"d":null,"tags":[1,2],"weird \"name\"\n":"\u0000é😀"}}
        {"event":"E2","properties":{"time":1704067200123,"distinct_id":"$device:d1","$device_id":"d1","a":2.5,"b":true,"c":null}}
        {"event":"E3","properties":{"time":1704067200123,"distinct_id":"u0","a":"5","b":["x",null],"c":{"k":[1,{"z":0.5}]},"d":"2024-02-29","e":"2024-02-29T12:00:00.250Z"}}
        {"event":"E1","properties":{"time":1704153600000,"distinct_id":"u1","$insert_id":"i1","a":1,"b":"x"}}
        {"event":"E6","properties":{"time":1704153600000,"distinct_id":"u1"}}
        "#);

    // Every value is what was sent, of the type it was sent with.
    for (line, at) in found.iter().zip([4, 3, 1, 2, 0, 5]) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let sent: serde_json::Value = serde_json::from_str(properties[at]).unwrap();
        for (name, value) in sent.as_object().unwrap() {
            assert_eq!(&line["properties"][name], value, "{name} of {line}");
        }
        let system = ["time", "distinct_id"].len();
        assert_eq!(
            line["properties"].as_object().unwrap().len(),
            sent.as_object().unwrap().len() + system,
            "{line}"
        );
    }
}

#[tokio::test]
async fn i11_the_canonical_user_replaces_the_id_as_sent_if_asked_for() {
    let mut dataset = TestDataset::new();
    dataset
        .files(&[
            event("E", "$device:d1", "2024-01-01T00:00:00Z", r#"{"$distinct_id_before_identity": "old"}"#),
            event("E", "ann", "2024-01-01T00:00:01Z", "{}"),
            event("E", "", "2024-01-01T00:00:02Z", "{}"),
        ])
        .await;
    dataset.link("d1", "ann");
    let canonical = ExportOptions { canonical: true, ..ExportOptions::default() };
    assert_eq!(
        lines(&dataset, &canonical).await,
        [
            r#"{"event":"E","properties":{"time":1704067200000,"distinct_id":"ann","$distinct_id_before_identity":"$device:d1"}}"#,
            r#"{"event":"E","properties":{"time":1704067201000,"distinct_id":"ann"}}"#,
            r#"{"event":"E","properties":{"time":1704067202000,"distinct_id":""}}"#,
        ]
    );
    let sent = lines(&dataset, &ExportOptions::default()).await;
    assert_eq!(
        sent[0],
        r#"{"event":"E","properties":{"time":1704067200000,"distinct_id":"$device:d1","$distinct_id_before_identity":"old"}}"#
    );
}

#[tokio::test]
async fn days_and_names_can_be_chosen() {
    let mut dataset = TestDataset::new();
    for day in 1..=4 {
        dataset.files(&[event("A", "u", &format!("2024-01-0{day}T00:00:00Z"), "{}")]).await;
        dataset.memory(&[event("B's", "u", &format!("2024-01-0{day}T23:59:59.999Z"), "{}")]);
    }
    let day = |text: &str| text.parse::<Day>().ok();
    let options =
        ExportOptions { from: day("2024-01-02"), to: day("2024-01-03"), ..ExportOptions::default() };
    assert_eq!(lines(&dataset, &options).await.len(), 4);
    let options = ExportOptions { events: Some(vec!["B's".to_owned()]), ..options };
    assert_eq!(lines(&dataset, &options).await.len(), 2);
    let table = export_rows(&dataset.session(), &dataset.snapshot(), &options).unwrap();
    assert_eq!(table.count().await.unwrap(), 2);
    let options = ExportOptions { from: day("2025-01-01"), ..ExportOptions::default() };
    assert_eq!(lines(&dataset, &options).await, Vec::<String>::new());
}
