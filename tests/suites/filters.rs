//! What is skipped must not have mattered: every filter finds the same events as the same condition
//! looked at row by row.
//!
//! Files are skipped by their times, names and users, before and after ids are joined; a wrong
//! bound would lose events quietly.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tallymark::{CompactOptions, Engine, WireForm};

use crate::common::{ask_one, engine, for_each_case, import, ndjson};

/// Days of a few weeks around the end of a month, a leap day and a change of clocks, with events at
/// midnight; users who are devices at first.
fn record(n: i64) -> Value {
    let day = n % 23;
    let time = 1_708_473_600_000 + day * 86_400_000 + [0, 1, 43_200_000, 86_399_999][(n / 23 % 4) as usize];
    let mut properties = json!({"time": time, "distinct_id": format!("user-{}", n % 11), "n": n % 13, "f": (n % 7) as f64 / 2.0});
    match n % 5 {
        0 => properties["$device_id"] = json!(format!("d{}", n % 3)),
        1 => properties["distinct_id"] = json!(""),
        2 => properties["plan"] = ["free", "pro", "Pro", ""][(n / 5 % 4) as usize].into(),
        _ => {}
    }
    if n % 5 == 0 {
        properties.as_object_mut().unwrap().remove("distinct_id");
    }
    let name = ["Visit", "visit", "Buy", "It's"][(n % 4) as usize];
    json!({"event": name, "properties": properties})
}

fn link(device: i64, user: i64) -> Value {
    json!({"event": "Link", "properties": {"time": 1_709_200_000_000_i64, "$device_id": format!("d{device}"), "$user_id": format!("user-{user}")}})
}

/// Many files: a third compacted, some days with several, some in memory; a device is linked before
/// most were written, one after.
async fn dataset() -> Engine {
    let engine = engine().await;
    let part = |from: i64, to: i64| ndjson(&(from..to).map(record).collect::<Vec<_>>());
    import(&engine, &part(0, 60)).await;
    engine.compact(&CompactOptions { all: true }).await.unwrap();
    import(&engine, &(link(0, 3).to_string() + "\n" + &part(60, 150))).await;
    import(&engine, &part(150, 200)).await;
    engine.append_json(part(200, 230).as_bytes(), WireForm::Lenient).await.unwrap();
    engine.append_json(link(1, 99).to_string().as_bytes(), WireForm::Lenient).await.unwrap();
    engine
}

fn condition() -> impl Strategy<Value = String> {
    let instant = || {
        select(vec![
            "2024-02-20T23:59:59.999Z",
            "2024-02-21T00:00:00Z",
            "2024-02-28",
            "2024-02-29T00:00:00Z",
            "2024-02-29T12:00:00Z",
            "2024-03-01",
            "2024-03-10T23:59:59.999Z",
            "2024-03-31",
            "2023-01-01",
            "2030-01-01",
        ])
    };
    let comparison = || select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let user = || {
        select(vec![
            "user-0",
            "user-3",
            "user-10",
            "user-99",
            "$device:d0",
            "$device:d1",
            "$device:d2",
            "",
            "zzz",
        ])
    };
    let zone = || select(vec!["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]);
    let unit = || select(vec!["hour", "day", "week", "month"]);
    let simple = prop_oneof![
        3 => (comparison(), instant()).prop_map(|(op, t)| format!("time {op} TIMESTAMP '{t}'")),
        1 => (comparison(), instant()).prop_map(|(op, t)| format!("TIMESTAMP '{t}' {op} time")),
        1 => (instant(), instant()).prop_map(|(a, b)| format!("time BETWEEN TIMESTAMP '{a}' AND TIMESTAMP '{b}'")),
        2 => (comparison(), instant()).prop_map(|(op, t)| format!("day {op} DATE '{}'", &t[..10])),
        1 => (instant(), instant()).prop_map(|(a, b)| format!("day IN (DATE '{}', DATE '{}')", &a[..10], &b[..10])),
        2 => (unit(), comparison(), instant()).prop_map(|(unit, op, t)| format!("date_trunc('{unit}', time) {op} TIMESTAMP '{t}'")),
        1 => (unit(), zone(), comparison(), instant())
            .prop_map(|(unit, zone, op, t)| format!("date_trunc('{unit}', time AT TIME ZONE '{zone}') {op} TIMESTAMP '{t}'")),
        1 => (comparison(), instant()).prop_map(|(op, t)| format!("CAST(time AS DATE) {op} DATE '{}'", &t[..10])),
        1 => (comparison(), select(vec!["2024-02", "2024-03"])).prop_map(|(op, month)| format!("to_char(time, '%Y-%m') {op} '{month}'")),
        1 => (comparison(), 0_i64..25).prop_map(|(op, hour)| format!("date_part('hour', time) {op} {hour}")),
        1 => (comparison(), 1_708_000_000_i64..1_710_500_000).prop_map(|(op, s)| format!("time {op} to_timestamp_seconds({s})")),
        3 => (comparison(), user()).prop_map(|(op, user)| format!("user_id {op} '{user}'")),
        1 => (user(), user()).prop_map(|(a, b)| format!("user_id IN ('{a}', '{b}')")),
        1 => (user(), user()).prop_map(|(a, b)| format!("user_id NOT IN ('{a}', '{b}')")),
        1 => Just("user_id IS NULL".to_owned()),
        1 => Just("user_id LIKE '$device:%'".to_owned()),
        1 => (comparison(), user()).prop_map(|(op, user)| format!("distinct_id {op} '{user}'")),
        2 => select(vec!["event = 'Visit'", "event <> 'Visit'", "event IN ('Buy', 'It''s')", "event LIKE 'v%'", "event = 'none'", "lower(event) = 'visit'", "event > 'Visit'"])
            .prop_map(str::to_owned),
        2 => (comparison(), 0_i64..14).prop_map(|(op, n)| format!("n {op} {n}")),
        1 => (comparison(), 0_i64..7).prop_map(|(op, f)| format!("f {op} {}", f as f64 / 2.0)),
        1 => (comparison(), select(vec!["free", "pro", ""])).prop_map(|(op, plan)| format!("plan {op} '{plan}'")),
        1 => select(vec!["plan IS NULL", "plan IS NOT NULL", "(plan IS DISTINCT FROM 'pro')", "device_id = 'd1'", "insert_id IS NULL"]).prop_map(str::to_owned),
    ];
    simple.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" AND "))),
            2 => vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" OR "))),
            1 => inner.prop_map(|one| format!("NOT ({one})")),
        ]
    })
}

#[test]
fn a_filter_finds_what_its_condition_says_row_by_row() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let engine = &runtime.block_on(dataset());
    for_each_case(250, &condition(), |condition| async move {
        // In a CASE the condition is out of reach of everything that skips.
        let expected = ask_one(
            engine,
            &format!("SELECT sum(CASE WHEN {condition} THEN sequence + 1 ELSE 0 END) FROM events"),
        )
        .await;
        let found =
            ask_one(engine, &format!("SELECT coalesce(sum(sequence + 1), 0) FROM events WHERE {condition}"))
                .await;
        assert_eq!(found, expected, "{condition}");
    });
}
