//! Section 1: the data model.

use std::sync::Arc;

use tallymark::{ImportOptions, ImportProgress, Input};
use tallymark_report::Lexicon;

use super::*;

fn event(name: &str, distinct_id: &str, time: Value, more: Value) -> Value {
    let mut properties = json!({"time": time, "distinct_id": distinct_id});
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"event": name, "properties": properties})
}

const T: i64 = 1_700_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn d2_names_are_told_apart_by_case_and_blanks() {
    let records = ["sign_up", "Sign_Up", "sign_up ", " sign_up"]
        .map(|name| event(name, "u", json!(T), json!({name: 1})));
    always(
        &records,
        &[
            ("SELECT count(DISTINCT event) FROM events", json!([[4]])),
            (r#"SELECT count(sign_up), count("Sign_Up"), count("sign_up "), count(" sign_up") FROM events"#, json!([[1, 1, 1, 1]])),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_long_names_are_cut_at_255_characters() {
    let long = "ä".repeat(300);
    let records = [event(&long, "u", json!(T), json!({&long: 1, format!("{long}x"): 2}))];
    always(
        &records,
        &[
            ("SELECT event FROM events", json!([["ä".repeat(255)]])),
            ("SELECT property, sum(rows) FROM property_catalog GROUP BY 1", json!([["ä".repeat(255), 1]])),
        ],
    )
    .await;
}

/// An event given as a value is held to the same rule.
#[tokio::test(flavor = "multi_thread")]
async fn d2_names_of_appended_events_are_cut_too() {
    let engine = engine().await;
    let long = "n".repeat(300);
    let event = tallymark::Event::new(long.clone(), Timestamp::from_millis(T * 1000), "u").with(long, 1);
    engine.append([event]).await.unwrap();
    let cut = "n".repeat(255);
    assert_eq!(ask(&engine, "SELECT event FROM events").await, [[json!(cut)]]);
    assert_eq!(ask(&engine, "SELECT property FROM property_catalog").await, [[json!(cut)]]);
}

/// What is exported imports as what it was, also where a property has the other spelling of an id.
#[tokio::test(flavor = "multi_thread")]
async fn d11_a_property_named_like_an_id_stays_one_through_export_and_import() {
    let at = |n: i64| Timestamp::from_millis((T + n) * 1000);
    let event = |n| tallymark::Event::new("A", at(n), "u").with("insert_id", "mine").with("$time", "tea");
    let engine = engine().await;
    engine
        .append([event(0), event(1).with_insert_id("sent"), event(2).with("$distinct_id", 5)])
        .await
        .unwrap();
    let exported = export_text(&engine).await;
    assert!(exported.starts_with(
        r#"{"event":"A","properties":{"time":1700000000000,"distinct_id":"u","$insert_id":null,"insert_id":"mine","$time":"tea"}}"#
    ), "{exported}");
    let again = self::engine().await;
    assert_eq!(import(&again, &exported).await.stored, 3);
    assert_eq!(export_text(&again).await, exported);
    let ids = ask(&again, "SELECT insert_id, \"properties.insert_id\" FROM events ORDER BY time").await;
    assert_eq!(
        ids,
        [[json!(null), json!("mine")], [json!("sent"), json!("mine")], [json!(null), json!("mine")]]
    );
}

/// D-40: names that mean something else in JSON are no properties of appended events either.
#[tokio::test(flavor = "multi_thread")]
async fn d40_an_appended_event_with_a_property_that_json_cannot_say_is_refused() {
    let engine = engine().await;
    let event =
        |name: &'static str| tallymark::Event::new("A", Timestamp::from_millis(T * 1000), "u").with(name, 1);
    let report = engine.append([event("a"), event("time"), event("token")]).await.unwrap();
    assert_eq!((report.stored, report.refused.len()), (1, 2));
    assert_eq!(report.refused[0].field, "properties.time");
    assert_eq!(
        report.refused[0].message,
        "cannot be a property: it is the event's time; set `Event::time`, or choose another name"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_import_requires_time_distinct_id_and_insert_id() {
    let whole = json!({"event": "A", "properties": {"time": T, "distinct_id": "u", "$insert_id": "i"}});
    for (missing, field) in [
        ("time", "properties.time"),
        ("distinct_id", "properties.distinct_id"),
        ("$insert_id", "properties.$insert_id"),
    ] {
        let mut record = whole.clone();
        record["properties"].as_object_mut().unwrap().remove(missing);
        let engine = engine().await;
        let report = engine.append_json(record.to_string().as_bytes(), WireForm::Import).await.unwrap();
        assert_eq!((report.stored, report.refused.len()), (0, 1));
        assert_eq!(report.refused[0].field, field);
    }
    let engine = engine().await;
    let report = engine.append_json(whole.to_string().as_bytes(), WireForm::Import).await.unwrap();
    assert_eq!(report.stored, 1);
    // On /track the time is that of arrival.
    let track = json!({"event": "B", "properties": {"token": "t"}});
    engine.append_json(track.to_string().as_bytes(), WireForm::Track).await.unwrap();
    assert_eq!(
        ask(&engine, "SELECT arrow_cast(time, 'Int64'), user_id FROM events WHERE event = 'B'").await,
        [[json!(NOW.millis()), Value::Null]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_g12_ids_are_text_and_the_empty_one_is_nobody() {
    let number = json!({"event": "A", "properties": {"time": T, "distinct_id": 42}});
    let records =
        [number, event("A", "", json!(T), json!({"n": 2})), event("A", "42", json!(T), json!({"n": 3}))];
    always(
        &records,
        &[
            (
                "SELECT count(*), count(user_id), count(DISTINCT user_id), sum(n) FROM events",
                json!([[3, 2, 1, 5]]),
            ),
            ("SELECT distinct_id FROM events WHERE user_id IS NULL", json!([[""]])),
            ("SELECT DISTINCT user_id FROM events WHERE user_id IS NOT NULL", json!([["42"]])),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_forbidden_ids() {
    let record = event("A", "Anonymous", json!(T), json!({"$insert_id": "i1"}));
    let engine = engine().await;
    let report = engine.append_json(record.to_string().as_bytes(), WireForm::Import).await.unwrap();
    assert_eq!(report.refused[0].field, "properties.distinct_id");
    let report = engine.append_json(record.to_string().as_bytes(), WireForm::Track).await.unwrap();
    assert_eq!(report.stored, 1);
    assert_eq!(ask(&engine, "SELECT distinct_id, user_id FROM events").await, [[json!(""), Value::Null]]);
    for forbidden in [
        "00000000-0000-0000-0000-000000000000",
        "anon",
        "anonymous",
        "nil",
        "none",
        "null",
        "n/a",
        "na",
        "undefined",
        "unknown",
        "<nil>",
        "0",
        "-1",
        "true",
        "false",
        "[]",
        "{}",
        "NULL",
        "<NIL>",
    ] {
        let report = import(&engine, &event("A", forbidden, json!(T), json!({})).to_string()).await;
        assert_eq!(report.refused, 1, "{forbidden}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_seconds_and_milliseconds() {
    let times = [
        json!(T),
        json!(1_700_000_000.5),
        json!(1_700_000_000_500_i64),
        json!("1700000000"),
        json!(100_000_000_000_i64),
    ];
    let records: Vec<Value> = times.into_iter().map(|time| event("A", "u", time, json!({}))).collect();
    always(
        &records,
        &[(
            "SELECT arrow_cast(time, 'Int64') FROM events ORDER BY sequence",
            json!([
                [1_700_000_000_000_i64],
                [1_700_000_000_500_i64],
                [1_700_000_000_500_i64],
                [1_700_000_000_000_i64],
                [100_000_000_000_i64]
            ]),
        )],
    )
    .await;
    // 99999999999 is seconds, in the year 5138: the rule of the future applies.
    let report =
        import(&engine().await, &event("A", "u", json!(99_999_999_999_i64), json!({})).to_string()).await;
    assert_eq!((report.refused, report.rejections[0].field.as_str()), (1, "properties.time"));
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_the_future() {
    let ahead = |minutes: i64| {
        event("A", "u", json!(NOW.millis() + minutes * 60_000), json!({"$insert_id": format!("i{minutes}")}))
            .to_string()
    };
    let engine = engine().await;
    let report = engine.append_json(ahead(30).as_bytes(), WireForm::Import).await.unwrap();
    assert_eq!(report.stored, 1);
    let report = engine.append_json(ahead(120).as_bytes(), WireForm::Import).await.unwrap();
    assert_eq!(report.refused[0].field, "properties.time");
    let report = engine.append_json(ahead(120).as_bytes(), WireForm::Track).await.unwrap();
    assert_eq!(report.stored, 1);
    assert_eq!(
        ask(&engine, "SELECT arrow_cast(time, 'Int64') FROM events").await,
        [[json!(NOW.millis())], [json!(NOW.millis())]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_late_events_appear_in_the_past() {
    let day = 86_400;
    let records = [
        event("A", "u", json!(T), json!({})),
        event("A", "u", json!(T - 40 * day), json!({})),
        event("A", "u", json!(T - day), json!({})),
    ];
    always(
        &records,
        &[(
            "SELECT day, count(*) FROM events GROUP BY day ORDER BY day",
            json!([["2023-10-05", 1], ["2023-11-13", 1], ["2023-11-14", 1]]),
        )],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_of_equal_keys_the_latest_wins() {
    let records = [
        event("Buy", "u1", json!(1_700_000_000), json!({"$insert_id": "a1", "city": "Rome"})),
        event("Buy", "u1", json!(1_700_000_000_000_i64), json!({"$insert_id": "a1", "city": "Oslo"})),
        event("Buy", "u1", json!(1_700_000_001), json!({"$insert_id": "a1", "city": "Rome"})),
        event("buy", "u1", json!(1_700_000_000), json!({"$insert_id": "a1", "city": "Rome"})),
    ];
    always(
        &records,
        &[
            ("SELECT count(*) FROM events", json!([[3]])),
            (
                "SELECT city, count(*) FROM events GROUP BY city ORDER BY city",
                json!([["Oslo", 1], ["Rome", 2]]),
            ),
            ("SELECT rows FROM event_catalog ORDER BY event", json!([[2], [1]])),
        ],
    )
    .await;
}

/// What the first had and the latest has not is gone.
#[tokio::test(flavor = "multi_thread")]
async fn d9_the_latest_replaces_all_other_properties() {
    let records = [
        event("Buy", "u1", json!(T), json!({"$insert_id": "a1", "city": "Rome", "price": 5})),
        event("Buy", "u1", json!(T), json!({"$insert_id": "a1", "price": "five"})),
    ];
    always(
        &records,
        &[
            (r#"SELECT city, price, "price@string" FROM events"#, json!([[null, null, "five"]])),
            (
                "SELECT property, type, rows FROM property_catalog WHERE rows > 0",
                json!([["price", "string", 1]]),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_a_repeat_keeps_the_place_of_the_first() {
    let a = event("A", "u", json!(T), json!({"$insert_id": "a", "n": 1}));
    let b = event("B", "u", json!(T), json!({"$insert_id": "b"}));
    let again = event("A", "u", json!(T), json!({"$insert_id": "a", "n": 2}));
    let records = [a, b, again];
    always(
        &records,
        &[("SELECT event, n FROM events ORDER BY time, sequence", json!([["A", 2], ["B", null]]))],
    )
    .await;
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Simplified, &records).await;
        let text = export_text(&engine).await;
        let names: Vec<Value> = text.lines().map(|line| read(line)["event"].clone()).collect();
        assert_eq!(names, ["A", "B"], "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_nobodys_events_repeat_too() {
    let records = [1, 2, 3].map(|n| event("Spend", "", json!(T), json!({"$insert_id": "i", "n": n})));
    always(&records, &[("SELECT n FROM events", json!([[3]]))]).await;
}

/// Keys are compared as text, whatever the ids look like.
#[tokio::test(flavor = "multi_thread")]
async fn d9_ids_that_look_like_dates() {
    let at = |n: i64, id: &str| event("A", "", json!(T), json!({"$insert_id": "i", "$user_id": id, "n": n}));
    let records = [at(1, "2024-01-01"), at(2, "2024-01-02"), at(3, "2024-01-01")];
    always(
        &records,
        &[("SELECT user_id, n FROM events ORDER BY user_id", json!([["2024-01-01", 3], ["2024-01-02", 2]]))],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_without_insert_id_nothing_is_a_repeat() {
    let record = event("A", "u", json!(T), json!({"n": 1}));
    let empty = event("A", "u", json!(T), json!({"n": 1, "$insert_id": ""}));
    let records = [record.clone(), record, empty.clone(), empty];
    always(&records, &[("SELECT count(*), count(insert_id) FROM events", json!([[4, 0]]))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_d12_the_same_batch_again_is_counted_once() {
    let batch: Vec<Value> = (0..50)
        .map(|n| {
            event(
                "A",
                &format!("u{}", n % 7),
                json!(T + n * 5000),
                json!({"$insert_id": format!("i{n}"), "n": n}),
            )
        })
        .collect();
    let engine = engine_with(&batch).await;
    let before = export_text(&engine).await;
    let report = import(&engine, &ndjson(&batch)).await;
    assert_eq!((report.received, report.stored, report.duplicates, report.refused), (50, 0, 50, 0));
    let report = engine.append_json(ndjson(&batch).as_bytes(), WireForm::Import).await.unwrap();
    assert_eq!((report.received, report.stored, report.duplicates), (50, 0, 50));
    assert_eq!(export_text(&engine).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_insert_ids_on_import() {
    let engine = engine().await;
    for (id, stored) in
        [("a-B-9", 1), (&*"x".repeat(36), 1), (&*"x".repeat(37), 0), ("a_b", 0), ("ä", 0), ("", 0)]
    {
        let record = event("A", "u", json!(T), json!({"$insert_id": id}));
        let report = engine.append_json(record.to_string().as_bytes(), WireForm::Import).await.unwrap();
        assert_eq!(report.stored, stored, "{id:?}");
        if stored == 0 {
            assert_eq!(report.refused[0].field, "properties.$insert_id");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d14_ignore() {
    let records = [json!(""), json!(false), json!("x"), json!(true), Value::Null]
        .map(|ignore| event("A", "u", json!(T), json!({"$ignore": ignore})));
    let engine = engine().await;
    let report = import(&engine, &ndjson(&records)).await;
    assert_eq!((report.received, report.stored, report.ignored), (3, 3, 2));
    assert_eq!(ask_one(&engine, "SELECT count(*) FROM events").await, 3);
    assert_eq!(ask(&engine, "SELECT property FROM property_catalog").await, Vec::<Vec<Value>>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn d20_d21_d23_every_value_has_the_type_of_its_json() {
    let values = [
        json!(true),
        json!("true"),
        json!(5),
        json!(2.5),
        json!("x"),
        json!([1, 2]),
        json!({"a": 1}),
        json!([{"a": 1}]),
    ];
    let records: Vec<Value> =
        values.iter().map(|value| event("A", "u", json!(T), json!({"p": value}))).collect();
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Simplified, &records).await;
        let types = ask(
            &engine,
            "SELECT type, sum(rows) FROM property_catalog WHERE property = 'p' GROUP BY 1 ORDER BY 1",
        )
        .await;
        assert_eq!(
            json!(types),
            json!([["boolean", 1], ["list", 1], ["number", 2], ["object", 2], ["string", 2]]),
            "{way:?}"
        );
        let text = export_text(&engine).await;
        let back: Vec<Value> = text.lines().map(|line| read(line)["properties"]["p"].clone()).collect();
        assert_eq!(back, values, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d22_dates() {
    let dates = ["2024-02-29", "2024-03-01"]
        .map(|date| event("A", "u", json!(T), json!({"on": date, "at": format!("{date}T10:00:00")})));
    always(
        &dates,
        &[
            (
                r#"SELECT property, type, arrow_type FROM property_catalog ORDER BY property"#,
                json!([["at", "date", "Timestamp(ms, \"UTC\")"], ["on", "date", "Date32"]]),
            ),
            (r#"SELECT count(*) FROM events WHERE "on" >= DATE '2024-03-01'"#, json!([[1]])),
            (r#"SELECT count(*) FROM events WHERE at = TIMESTAMP '2024-02-29T10:00:00Z'"#, json!([[1]])),
        ],
    )
    .await;
    let engine = sent(Way::ImportEach, IdentitySystem::Simplified, &dates).await;
    assert!(export_text(&engine).await.contains(r#""at":"2024-02-29T10:00:00""#));
}

#[tokio::test(flavor = "multi_thread")]
async fn d24_duplicates_inside_a_list_do_not_double_an_event() {
    let records = [json!(["a", "a", "b"]), json!(["b"]), json!([])]
        .map(|tags| event("A", "u", json!(T), json!({"tags": tags})));
    always(
        &records,
        &[
            ("SELECT count(*) FROM events WHERE array_has(tags, 'a')", json!([[1]])),
            ("SELECT tags FROM events ORDER BY sequence", json!([[["a", "a", "b"]], [["b"]], [[]]])),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d26_falsy_values_are_set_and_null_is_not() {
    let values = [json!(0), json!(false), json!(""), json!([]), Value::Null];
    let mut records: Vec<Value> =
        values.iter().map(|value| event("A", "u", json!(T), json!({"p": value}))).collect();
    records.push(event("A", "u", json!(T), json!({})));
    for way in WAYS {
        let engine = sent(way, IdentitySystem::Simplified, &records).await;
        let columns =
            ask(&engine, r#"SELECT "column" FROM property_catalog WHERE "column" IS NOT NULL"#).await;
        let set: Vec<String> = columns
            .iter()
            .map(|row| crate::common::quoted(row[0].as_str().unwrap()) + " IS NOT NULL")
            .collect();
        let count =
            ask_one(&engine, &format!("SELECT count(*) FROM events WHERE {}", set.join(" OR "))).await;
        assert_eq!(count, 4, "{way:?}");
        let text = export_text(&engine).await;
        let back: Vec<Option<Value>> =
            text.lines().map(|line| read(line)["properties"].get("p").cloned()).collect();
        let expected: Vec<Option<Value>> = values.iter().cloned().map(Some).chain([None]).collect();
        assert_eq!(back, expected, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d28_mixed_types() {
    let mut records: Vec<Value> = [json!(5), json!("5"), json!("abc"), Value::Null]
        .iter()
        .map(|price| event("A", "u", json!(T), json!({"price": price})))
        .collect();
    records.push(event("A", "u", json!(T), json!({})));
    let text = r#"coalesce(CAST(price AS VARCHAR), "price@string")"#;
    always(
        &records,
        &[
            ("SELECT sum(price) FROM events", json!([[5]])),
            (
                r#"SELECT sum(coalesce(price, TRY_CAST("price@string" AS DOUBLE))) FROM events"#,
                json!([[10.0]]),
            ),
            (
                &format!("SELECT {text} AS p, count(*) FROM events GROUP BY p ORDER BY p NULLS LAST"),
                json!([["5", 2], ["abc", 1], [null, 2]]),
            ),
            (r#"SELECT count(price), count("price@string"), count(*) FROM events"#, json!([[1, 2, 5]])),
            (&format!("SELECT count({text}), count(*) - count({text}) FROM events"), json!([[3, 2]])),
            (
                r#"SELECT sum(TRY_CAST("price@string" AS DOUBLE)) FROM events WHERE price IS NULL"#,
                json!([[5.0]]),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d30_mixpanels_limits() {
    let config = EngineConfig { limits: Limits::mixpanel(), ..config() };
    let engine = Engine::open(&memory_url(), config).await.unwrap();
    let many: Map<String, Value> = (0..255).map(|n| (format!("p{n}"), json!(n))).collect();
    let fewer: Map<String, Value> = many.clone().into_iter().take(252).collect();
    let records = [
        event("long", "u", json!(T), json!({"text": "é".repeat(300)})),
        event("many", "u", json!(T), Value::Object(many)),
        event("fewer", "u", json!(T), Value::Object(fewer)),
        event("deep", "u", json!(T), json!({"o": {"a": {"b": {"c": {}}}}})),
        event("long list", "u", json!(T), json!({"list": vec![1; 255]})),
    ];
    let report = import(&engine, &ndjson(&records)).await;
    assert_eq!((report.stored, report.refused), (2, 3));
    let fields: Vec<&str> = report.rejections.iter().map(|refused| refused.field.as_str()).collect();
    assert_eq!(fields, ["properties", "properties.o.a.b.c", "properties.list"]);
    assert_eq!(ask_one(&engine, "SELECT character_length(text) FROM events WHERE event = 'long'").await, 255);
}

#[tokio::test(flavor = "multi_thread")]
async fn d40_consumed_on_arrival() {
    let records = [event(
        "A",
        "u",
        json!(T),
        json!({"token": "t", "ip": "1.2.3.4", "$ignore": false, "$bucket": "b", "bucket": "b", "kept": 1}),
    )];
    always(&records, &[("SELECT property FROM property_catalog", json!([["kept"]]))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d50_days_of_another_time_zone() {
    let records = ["2024-01-01T02:00:00Z", "2024-01-01T09:00:00Z"]
        .map(|time| json!({"event": "A", "time": time, "distinct_id": "u"}));
    let by_day = |zone: &str| {
        format!(
            "SELECT to_char(date_trunc('day', time AT TIME ZONE '{zone}'), '%Y-%m-%d') AS d, count(*) FROM events GROUP BY d ORDER BY d"
        )
    };
    always(
        &records,
        &[
            (&by_day("UTC"), json!([["2024-01-01", 2]])),
            (&by_day("America/Los_Angeles"), json!([["2023-12-31", 1], ["2024-01-01", 1]])),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_days_of_23_and_25_hours() {
    let times = [
        "2024-03-10T04:59:00Z",
        "2024-03-10T05:00:00Z",
        "2024-03-11T03:59:00Z",
        "2024-03-11T04:00:00Z",
        "2024-11-03T05:30:00Z",
        "2024-11-03T06:30:00Z",
    ];
    let records = times.map(|time| json!({"event": "A", "time": time, "distinct_id": "u"}));
    let local = "time AT TIME ZONE 'America/New_York'";
    always(
        &records,
        &[
            (
                &format!("SELECT to_char(date_trunc('day', {local}), '%Y-%m-%d') AS d, count(*) FROM events GROUP BY d ORDER BY d"),
                json!([["2024-03-09", 1], ["2024-03-10", 2], ["2024-03-11", 1], ["2024-11-03", 2]]),
            ),
            (
                &format!("SELECT to_char(date_trunc('hour', {local}), '%Y-%m-%dT%H:%M:%S%:z') AS h, count(*) FROM events WHERE time > '2024-11-01' GROUP BY h ORDER BY h"),
                json!([["2024-11-03T01:00:00-04:00", 1], ["2024-11-03T01:00:00-05:00", 1]]),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g1_ties_go_by_order_of_arrival() {
    let records: Vec<Value> = (0..40)
        .map(|n| event("A", if n % 2 == 0 { "u" } else { "v" }, json!(T), json!({"n": 40 - n})))
        .collect();
    let expected: Vec<Value> = (0..40).map(|n| json!([40 - n])).collect();
    always(&records, &[("SELECT n FROM events ORDER BY time, sequence", json!(expected))]).await;
}

/// M-24: new data of what is blocked is not stored and counted, whichever way it comes; old data stays,
/// and what is unblocked is stored again.
#[tokio::test(flavor = "multi_thread")]
async fn m24_blocked_events_and_properties() {
    let engine = engine().await;
    let records = |time: i64| {
        let of_user = json!({"event": "debug", "user_properties": {"plan": time},
            "properties": {"time": time, "distinct_id": "u", "size": 1}});
        [
            event("Play", "u", json!(time), json!({"size": 1, "mins": 2})),
            event("debug", "u", json!(time), json!({"size": 1})),
            of_user,
            event("Play", "u", json!(time + 1), json!({"mins": 2})),
        ]
    };
    let counts = "SELECT count(*), count(*) FILTER (WHERE event = 'debug'), count(size) FROM events";
    import(&engine, &ndjson(&records(T))).await;
    assert_eq!(ask(&engine, counts).await, [[json!(4), json!(2), json!(3)]]);

    let block = async |engine: &Engine, is_blocked: bool| {
        let change = |lexicon: &mut Lexicon| {
            lexicon.events.entry("debug".to_owned()).or_default().blocked = is_blocked;
            lexicon.event_properties.entry("size".to_owned()).or_default().blocked = is_blocked;
        };
        engine.change_lexicon(change).await.unwrap();
    };
    block(&engine, true).await;
    let report = import(&engine, &ndjson(&records(T + 10))).await;
    assert_eq!((report.received, report.stored, report.events, report.profile_updates), (3, 3, 2, 1));
    assert_eq!((report.blocked_events, report.blocked_properties), (2, 1));
    let report = engine.append_json(ndjson(&records(T + 20)).as_bytes(), WireForm::Lenient).await.unwrap();
    assert_eq!((report.received, report.stored), (3, 3));
    assert_eq!((report.blocked_events, report.blocked_properties), (2, 1));
    let csv = format!("event,time,distinct_id,size\nPlay,{0},u,1\ndebug,{0},u,1\n", T + 30);
    let input = Input::from_reader("events.csv", std::io::Cursor::new(csv.into_bytes()));
    let report =
        engine.import([input], ImportOptions::default(), Arc::new(ImportProgress::default())).await.unwrap();
    assert_eq!((report.stored, report.blocked_events, report.blocked_properties), (1, 1, 1));
    // What it says of the user is no part of the event.
    assert_eq!(ask_one(&engine, "SELECT plan FROM users").await, T + 20);
    assert_eq!(ask(&engine, counts).await, [[json!(9), json!(2), json!(3)]]);

    block(&engine, false).await;
    import(&engine, &ndjson(&records(T + 40))).await;
    assert_eq!(ask(&engine, counts).await, [[json!(13), json!(4), json!(6)]]);
}
