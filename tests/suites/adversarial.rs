//! Input that means harm, or might as well.

use std::io::{Cursor, Read, Write as _};
use std::process::Command;

use serde_json::{Map, Value, json};
use tallymark::{Engine, EngineConfig, ErrorKind, ImportOptions, ImportReport};

use crate::common::{
    ask, ask_one, chain, config, engine, export_text, export_values, import, memory_url, ndjson, quoted,
};

const GOOD: &str = r#"{"event":"good","properties":{"time":1700000000,"distinct_id":"u"}}"#;

/// Imports a bad record between two good ones; these are stored, whatever the other is.
async fn between_good_ones(bad: &[u8]) -> (Engine, ImportReport) {
    let engine = engine().await;
    let text = [GOOD.as_bytes(), b"\n", bad, b"\n", GOOD.as_bytes(), b"\n"].concat();
    let report = engine.ingest("bad", Cursor::new(text), ImportOptions::default()).await.unwrap();
    assert_eq!(ask_one(&engine, "SELECT count(*) FROM events WHERE event = 'good'").await, 2);
    assert_eq!((report.received, report.stored + report.refused), (3, 3));
    (engine, report)
}

async fn refused(bad: &[u8], field: &str, message: &str) {
    let (_, report) = between_good_ones(bad).await;
    let shown = String::from_utf8_lossy(&bad[..bad.len().min(80)]).into_owned();
    assert_eq!(report.refused, 1, "{shown}");
    let rejected = &report.rejections[0];
    assert_eq!(
        (rejected.index, rejected.line, rejected.byte_offset),
        (1, Some(2), GOOD.len() as u64 + 1),
        "{shown}"
    );
    assert_eq!(rejected.field, field, "{shown}: {}", rejected.message);
    assert!(rejected.message.contains(message), "{shown}: {}", rejected.message);
    assert!(rejected.message.len() < 1_000, "{} bytes of message", rejected.message.len());
}

fn with_value(value: &str) -> Vec<u8> {
    format!(r#"{{"event":"bad","properties":{{"time":1700000000,"distinct_id":"u","x":{value}}}}}"#)
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_string_of_10_mb_is_refused_and_one_of_100_kb_is_cut() {
    let bad = with_value(&format!("\"{}\"", "a".repeat(10 << 20)));
    refused(&bad, "", "at most 1048576 are allowed").await;
    let (engine, report) = between_good_ones(&with_value(&format!("\"{}\"", "é".repeat(100 << 10)))).await;
    assert_eq!(report.refused, 0);
    assert_eq!(ask_one(&engine, "SELECT max(octet_length(x)) FROM events").await, 64 << 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn depths_of_10_000_are_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let value = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let (_, report) = between_good_ones(&with_value(&value)).await;
        assert_eq!(report.refused, 1);
        assert!(report.rejections[0].message.contains("too deep"), "{}", report.rejections[0].message);
    }
    // Never closed, and as a record of its own.
    for bad in ["[".repeat(10_000), "{\"a\":".repeat(10_000)] {
        let (_, report) = between_good_ones(bad.as_bytes()).await;
        assert_eq!(report.refused, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_refused() {
    refused(
        b"{\"event\":\"bad\",\"properties\":{\"time\":1700000000,\"x\":\"\xff\xfe\"}}",
        "",
        "not valid UTF-8",
    )
    .await;
    refused(&with_value("NaN"), "", "not valid JSON").await;
    refused(&with_value("Infinity"), "", "not valid JSON").await;
    refused(&with_value("1e400"), "properties.x", "beyond what a 64-bit float can hold").await;
    refused(&with_value("-1e400"), "properties.x", "beyond what a 64-bit float can hold").await;
    refused(&with_value("01"), "", "not valid JSON").await;
    refused(&with_value("\"\\ud800\""), "", "not valid JSON").await;
    refused(&with_value("\"\u{1}\""), "", "not valid JSON").await;
    refused(&with_value("1}} trailing"), "", "").await;
    refused(b"\0\0\0\0", "", "not valid JSON").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_duplicate_keys_the_last_counts() {
    let record = br#"{"event":"no","event":"bad","properties":{"time":1,"time":1700000000,"distinct_id":"a","distinct_id":"b","x":1,"x":"two","o":{"k":1,"k":2}}}"#;
    let (engine, report) = between_good_ones(record).await;
    assert_eq!(report.refused, 0, "{:?}", report.rejections);
    assert_eq!(
        ask(&engine, "SELECT event, user_id, x, o FROM events WHERE event <> 'good'").await,
        [[json!("bad"), json!("b"), json!("two"), json!(r#"{"k":2}"#)]]
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What was read before the cut is stored, and the error says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_stream_is_an_error_that_says_what_is_stored() {
    let text: String = (0..2_000)
        .map(|n| {
            format!(
                "{{\"event\":\"A\",\"properties\":{{\"time\":{},\"distinct_id\":\"u{n}\",\"n\":{n}}}}}\n",
                1_700_000_000 + n * 37
            )
        })
        .collect();
    for (what, bytes) in
        [("gzip", gzip(text.as_bytes())), ("zstd", zstd::encode_all(text.as_bytes(), 0).unwrap())]
    {
        let engine = engine().await;
        let cut = bytes[..bytes.len() / 2].to_vec();
        let error = engine.ingest(what, Cursor::new(cut), ImportOptions::default()).await.unwrap_err();
        let stored = ask_one(&engine, "SELECT count(*) FROM events").await.as_u64().unwrap();
        assert!(stored < 2_000);
        let message = chain(&error);
        assert!(
            stored == 0 || message.contains(&format!("{stored} records are stored")),
            "{what}: {message}"
        );
        assert!(message.contains(what), "{message}");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{message}");
        // The whole one, later, is whole.
        let report = engine.ingest(what, Cursor::new(bytes), ImportOptions::default()).await.unwrap();
        assert_eq!(report.received, 2_000);
    }
}

/// A stream of one record that never ends: it compresses a thousand times.
struct Endless(u64);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.0 as usize);
        buffer[..count].fill(b'a');
        self.0 -= count as u64;
        Ok(count)
    }
}

const BOMB_BYTES: u64 = 600 << 20;
const BOMB_MEMORY_KIB: u64 = 260 << 10;

/// Run by the test below in a process of its own, which tells its peak of memory.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of a_gzip_bomb_takes_bounded_memory"]
async fn import_of_a_gzip_bomb() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let head = format!("{GOOD}\n{{\"event\":\"bomb\",\"properties\":{{\"time\":1700000000,\"x\":\"");
    let mut bomb =
        head.as_bytes().chain(Endless(BOMB_BYTES)).chain(b"\"}}\n".as_slice()).chain(GOOD.as_bytes());
    std::io::copy(&mut bomb, &mut encoder).unwrap();
    let bomb = encoder.finish().unwrap();
    let config = EngineConfig { import_memory_bytes: 32 << 20, ..config() };
    let engine = Engine::open(&memory_url(), config).await.unwrap();
    let report = engine.ingest("bomb", Cursor::new(bomb), ImportOptions::default()).await.unwrap();
    assert_eq!((report.received, report.stored, report.refused), (3, 2, 1));
    assert!(report.rejections[0].message.contains("at most 1048576"), "{}", report.rejections[0].message);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    println!("{peak}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_gzip_bomb_takes_bounded_memory() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "adversarial::import_of_a_gzip_bomb", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let peak =
        text.lines().find_map(|line| line.trim().strip_prefix("VmHWM:")).unwrap_or_else(|| panic!("{text}"));
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").trim().parse().unwrap();
    assert!(peak_kib < BOMB_MEMORY_KIB, "{peak_kib} KiB for {} KiB of text", BOMB_BYTES >> 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_2_000_properties() {
    let mut properties: Map<String, Value> =
        (0..2_000).map(|n| (format!("property {n}"), json!(n))).collect();
    properties.insert("time".into(), json!(1_700_000_000));
    properties.insert("distinct_id".into(), json!("u"));
    let engine = engine().await;
    import(&engine, &ndjson(&[json!({"event": "wide", "properties": properties})])).await;
    assert_eq!(ask_one(&engine, r#"SELECT "property 7" + "property 1999" FROM events"#).await, 2_006);
    let exported = export_values(&engine).await;
    assert_eq!(exported[0]["properties"].as_object().unwrap().len(), 2_002);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_of_10_000_properties() {
    let records: Vec<Value> = (0..2_500)
        .map(|n| {
            let mut properties =
                json!({"time": 1_700_000_000 + n % 1000, "distinct_id": format!("u{}", n % 10), "n": n});
            for k in 0..4 {
                properties[format!("property {}", n * 4 + k)] = json!(n * 4 + k);
            }
            json!({"event": "A", "properties": properties})
        })
        .collect();
    let engine = engine().await;
    let report = import(&engine, &ndjson(&records)).await;
    assert_eq!(report.stored, 2_500);
    assert_eq!(ask_one(&engine, "SELECT count(*) FROM property_catalog").await, 10_001);
    assert_eq!(
        ask(&engine, r#"SELECT count("property 9999"), max("property 9999"), count(*), sum(n) FROM events"#)
            .await,
        [[json!(1), json!(9_999), json!(2_500), json!(2_500 * 2_499 / 2)]]
    );
    assert_eq!(ask_one(&engine, r#"SELECT n FROM events WHERE "property 5000" = 5000"#).await, 1_250);
    let inspection = engine.inspect().await.unwrap();
    assert_eq!((inspection.events, inspection.properties.len()), (2_500, 10_001));
    assert_eq!(export_text(&engine).await.lines().count(), 2_500);
}

/// D-2, and names that mean something elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_differ_by_case_or_look_like_columns() {
    let names = [
        "price",
        "Price",
        "PRICE",
        "price ",
        "user_id",
        "USER_ID",
        "event",
        "Event",
        "day",
        "sequence",
        "received_at",
        "device_id",
        "price@string",
        "a.b",
        "say \"hi\"",
        "it's",
        "👩‍👩‍👧",
        "",
        " ",
        "properties.event",
        "select",
        "properties.price",
    ];
    let mut properties = json!({"time": 1_700_000_000, "distinct_id": "u"});
    for (value, name) in names.iter().enumerate() {
        properties[*name] = json!(value);
    }
    // Another type under the same names opens a sibling for each.
    let mut texts = json!({"time": 1_700_000_001, "distinct_id": "v"});
    for name in &names {
        texts[*name] = json!(format!("text of {name}"));
    }
    let records =
        [json!({"event": "A", "properties": properties}), json!({"event": "A", "properties": texts})];
    let engine = engine().await;
    import(&engine, &ndjson(&records)).await;

    let columns = ask(&engine, r#"SELECT property, "column", type FROM property_catalog"#).await;
    assert_eq!(columns.len(), 2 * names.len());
    for row in &columns {
        let (name, column) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
        let values =
            ask(&engine, &format!("SELECT {0} FROM events WHERE {0} IS NOT NULL", quoted(column))).await;
        let at = names.iter().position(|known| *known == name).unwrap();
        let expected = if row[2] == json!("number") { json!(at) } else { json!(format!("text of {name}")) };
        assert_eq!(values, [[expected]], "{name:?} in {column:?}");
    }
    assert_eq!(
        ask(&engine, "SELECT event, user_id FROM events ORDER BY time").await,
        [[json!("A"), json!("u")], [json!("A"), json!("v")]]
    );
    let exported = export_values(&engine).await;
    assert_eq!(exported[0]["properties"]["user_id"], 4);
    assert_eq!(exported[1]["properties"]["event"], "text of event");
}

/// Event names and ids of any text, in columns, filters and partitions.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_of_events_and_users() {
    let texts = [
        "'; DROP TABLE events; --",
        "a/../b",
        "\0",
        "\u{202e}x",
        "%00",
        "\"",
        "\\",
        "day=2024-01-01",
        "ä\u{308}",
        "\n",
    ];
    let records: Vec<Value> =
        texts.iter().map(|text| json!({"event": text, "properties": {"time": 1_700_000_000, "distinct_id": text, "$insert_id": text}})).collect();
    let engine = engine().await;
    assert_eq!(import(&engine, &ndjson(&records)).await.refused, 0);
    assert_eq!(import(&engine, &ndjson(&records)).await.duplicates, texts.len() as u64);
    for text in texts {
        let literal = text.replace('\'', "''");
        let count = ask_one(
            &engine,
            &format!("SELECT count(*) FROM events WHERE event = '{literal}' AND user_id = '{literal}'"),
        )
        .await;
        assert_eq!(count, 1, "{text:?}");
    }
}
