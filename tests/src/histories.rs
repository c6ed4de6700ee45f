//! Small histories that aim at the edges of reports: few users and names, ties, local midnights and
//! changes of clocks, nobody's events, linked devices, properties of mixed types, repeats.

use chrono::DateTime;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use tallymark_testkit::strategies::{event_ids, insert_id};

/// The names of events.
pub const EVENTS: &[&str] = &["Play", "Buy", "Visit"];

/// Instants around which things happen: the spring of 2024, when clocks change in New York (10
/// March), Berlin and Beirut (31 March; in Beirut at midnight), Santiago and on Lord Howe Island (7
/// April; back to the day before, and by half an hour).
pub const MOMENTS: &[&str] = &[
    "2024-03-10T05:00:00Z",
    "2024-03-10T07:00:00Z",
    "2024-03-30T22:00:00Z",
    "2024-03-30T23:00:00Z",
    "2024-03-31T00:00:00Z",
    "2024-03-31T01:00:00Z",
    "2024-03-31T12:00:00Z",
    "2024-03-31T12:00:00Z",
    "2024-04-01T00:00:00Z",
    "2024-04-01T04:00:00Z",
    "2024-04-02T10:00:00Z",
    "2024-04-06T15:00:00Z",
    "2024-04-07T03:00:00Z",
    "2024-04-07T04:00:00Z",
    "2024-04-08T12:00:00Z",
];

fn time() -> impl Strategy<Value = i64> {
    const MINUTE: i64 = 60_000;
    let aside = prop_oneof![
        4 => select(vec![0, -1, 1]),
        2 => select(vec![10, 20, 30, 31, 45, -30, -15]).prop_map(|minutes| minutes * MINUTE),
        1 => select(vec![30 * MINUTE + 1, 60 * MINUTE, 23 * 60 * MINUTE, 24 * 60 * MINUTE]),
        1 => -36 * 60 * MINUTE..36 * 60 * MINUTE,
    ];
    // Most of it happens within two days, so that things meet.
    (prop_oneof![1 => select(MOMENTS), 2 => select(&MOMENTS[2..10])], aside).prop_map(|(moment, aside)| {
        DateTime::parse_from_rfc3339(moment).map(|time| time.timestamp_millis()).unwrap_or_default() + aside
    })
}

fn text(texts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    select(texts).prop_map(Value::from)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![3 => (-2_i64..40).prop_map(Value::from), 1 => (0_i64..20).prop_map(|n| json!(n as f64 + 0.5))]
}

fn date() -> impl Strategy<Value = Value> {
    prop_oneof![
        text(&["2024-03-30", "2024-03-31", "2024-04-01", "2024-04-07", "2024-02-29", "2024-03-32"]),
        text(&[
            "2024-03-31T00:00:00",
            "2024-03-30T23:30:00Z",
            "2024-04-07T03:30:00.250Z",
            "2024-03-31T01:00:00+02:00"
        ]),
        time().prop_map(|time| {
            let time = DateTime::from_timestamp_millis(time).unwrap_or_default();
            Value::from(time.format("%Y-%m-%dT%H:%M:%S").to_string())
        }),
    ]
}

fn mixed() -> impl Strategy<Value = Value> {
    prop_oneof![
        text(&["5", "abc", "5.5", "true", "", "false", "2024-03-31"]),
        select(vec![json!(5), json!(0), json!(5.5), json!(true), json!(false), json!(null)]),
        select(vec![json!(["5", 5]), json!([]), json!([true, "abc"]), json!([1_711_843_200])]),
    ]
}

/// Lists with repeated items, empty ones, and what is no list.
fn tags() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => vec(select(vec!["a", "b", "c", "A"]), 0..4).prop_map(Value::from),
        1 => text(&["a", "b"]),
        1 => Just(Value::Null),
    ]
}

/// A property and its value. `sid` is for sessions, `company` names groups.
fn property() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        3 => text(&["rock", "jazz", "Rock", "", "rock & roll"]).prop_map(|value| ("genre", value)),
        1 => Just(("genre", Value::Null)),
        4 => number().prop_map(|value| ("mins", value)),
        1 => select(vec![json!("n/a"), json!("5"), json!(true)]).prop_map(|value| ("mins", value)),
        3 => mixed().prop_map(|value| ("mixed", value)),
        3 => tags().prop_map(|value| ("tags", value)),
        1 => vec(-2_i64..20, 0..4).prop_map(|items| ("nums", Value::from(items))),
        1 => any::<bool>().prop_map(|value| ("flag", Value::from(value))),
        2 => date().prop_map(|value| ("when", value)),
        2 => select(vec![json!("A"), json!("B"), json!(["A", "B"]), json!(["B", "B"]), json!([]), json!(5)])
            .prop_map(|value| ("company", value)),
        1 => (text(&["Rome", "Oslo"]), 0..3).prop_map(|(city, n)| ("geo", json!({"city": city, "n": n}))),
        1 => vec((text(&["Puma", "Adi"]), 0..50), 0..3).prop_map(|items| {
            let items: Vec<Value> = items.into_iter().map(|(b, p)| json!({"b": b, "p": p})).collect();
            ("cart", Value::from(items))
        }),
        2 => text(&["1", "2", ""]).prop_map(|value| ("sid", value)),
    ]
}

fn event() -> impl Strategy<Value = Value> {
    let name = prop_oneof![12 => select(EVENTS), 1 => Just("$campaign_delivery")];
    (name, time(), event_ids(), option::weighted(0.3, insert_id()), vec(property(), 1..10)).prop_map(
        |(name, time, ids, insert_id, given)| {
            let mut properties = Map::new();
            properties.insert("time".to_owned(), Value::from(time));
            properties.insert("distinct_id".to_owned(), Value::from(ids.distinct_id));
            let others = [
                ("$device_id", ids.device_id),
                ("$user_id", ids.user_id),
                ("$insert_id", insert_id.flatten()),
            ];
            for (name, id) in others {
                properties.extend(id.map(|id| (name.to_owned(), Value::from(id))));
            }
            properties.extend(given.into_iter().map(|(name, value)| (name.to_owned(), value)));
            json!({"event": name, "properties": properties})
        },
    )
}

fn profile() -> impl Strategy<Value = Value> {
    let set = prop_oneof![
        3 => text(&["free", "pro", ""]).prop_map(|plan| json!({"plan": plan})),
        2 => number().prop_map(|age| json!({"age": age})),
        1 => mixed().prop_map(|age| json!({"age": age})),
        2 => tags().prop_map(|likes| json!({"likes": likes})),
        1 => date().prop_map(|born| json!({"born": born})),
    ];
    let user = select(vec!["u1", "u2", "U1", "u9", "$device:d1"]);
    let when = || option::weighted(0.6, time());
    let at = |mut record: Value, time: Option<i64>| {
        if let Some(time) = time {
            record["$time"] = Value::from(time);
        }
        record
    };
    prop_oneof![
        6 => (user, set, when())
            .prop_map(move |(user, set, time)| at(json!({"$distinct_id": user, "$set": set}), time)),
        1 => when().prop_map(move |time| at(json!({"$distinct_id": "u1", "$unset": ["plan"]}), time)),
        1 => when().prop_map(move |time| at(json!({"$distinct_id": "u2", "$delete": ""}), time)),
        2 => (text(&["A", "B", "5"]), text(&["gold", "tin"])).prop_map(|(group, tier)| {
            json!({"$group_key": "company", "$group_id": group, "$set": {"tier": tier}})
        }),
    ]
}

/// Records in order of arrival. Some events are sent a second time with other properties (D-9), some
/// happen at the very time of another.
pub fn history() -> impl Strategy<Value = Vec<Value>> {
    #[derive(Debug, Clone)]
    enum Draft {
        Record(Value),
        Again(Index, Value),
        AtTheTimeOf(Index, Value),
    }
    let draft = prop_oneof![
        8 => event().prop_map(Draft::Record),
        3 => profile().prop_map(Draft::Record),
        1 => (any::<Index>(), event()).prop_map(|(which, event)| Draft::Again(which, event)),
        2 => (any::<Index>(), event()).prop_map(|(which, event)| Draft::AtTheTimeOf(which, event)),
    ];
    vec(draft, 0..64).prop_map(|drafts| {
        let mut records: Vec<Value> = Vec::new();
        for draft in drafts {
            let (which, names, mut event) = match draft {
                Draft::Record(record) => {
                    records.push(record);
                    continue;
                }
                Draft::Again(which, event) => {
                    (which, &["time", "distinct_id", "$device_id", "$user_id", "$insert_id"][..], event)
                }
                Draft::AtTheTimeOf(which, event) => (which, &["time"][..], event),
            };
            let earlier: Vec<&Value> =
                records.iter().filter(|record| record.get("event").is_some()).collect();
            if !earlier.is_empty() {
                let earlier = which.get(&earlier);
                if names.len() > 1 {
                    event["event"] = earlier["event"].clone();
                }
                if let Some(properties) = event["properties"].as_object_mut() {
                    for name in names {
                        properties.shift_remove(*name);
                        properties.extend(
                            earlier["properties"].get(*name).map(|value| ((*name).to_owned(), value.clone())),
                        );
                    }
                }
            }
            records.push(event);
        }
        records
    })
}

/// The same, but most things happen right after each other: at one time, within the two seconds of
/// F-13 and just beyond, minutes and days later.
pub fn dense_history() -> impl Strategy<Value = Vec<Value>> {
    const SECOND: i64 = 1000;
    const HOUR: i64 = 3600 * SECOND;
    let gap = select(vec![
        0,
        0,
        1,
        SECOND,
        2 * SECOND,
        2 * SECOND + 1,
        3 * SECOND,
        -SECOND,
        -2 * SECOND,
        20 * SECOND,
        600 * SECOND,
        1800 * SECOND,
        1800 * SECOND + 1,
        HOUR,
        6 * HOUR,
        24 * HOUR,
        24 * HOUR + 1,
        -3 * HOUR,
    ]);
    (history(), vec(option::weighted(0.8, gap), 64)).prop_map(|(mut records, gaps)| {
        let mut last = None;
        for (record, gap) in records.iter_mut().zip(gaps) {
            let Some(time) = record.get_mut("properties").and_then(|properties| properties.get_mut("time"))
            else {
                continue;
            };
            if let (Some(last), Some(gap)) = (last, gap) {
                *time = Value::from(last + gap);
            }
            last = time.as_i64();
        }
        records
    })
}
