//! Records as they are sent, right and wrong.

use proptest::prelude::*;
use tallymark_event::{Properties, PropertyValue, Timestamp};

use super::*;

fn read(text: &str) -> Result<ProfileUpdate, UpdateError> {
    match serde_json::from_str(text).unwrap() {
        PropertyValue::Object(entries) => ProfileUpdate::from_record(&entries),
        other => panic!("{other} is no record"),
    }
}

fn user(id: &str) -> ProfileKey {
    ProfileKey::User(id.to_owned())
}

#[test]
fn n32_record_of_the_browser_sdk() {
    let text = r#"{"$set": {"plan": "pro"}, "$token": "T", "$distinct_id": "U1",
        "$device_id": "3f0c1b9e-7a52-4c1e-9c3b-0d9a6f1e2b77", "$user_id": "U1", "$had_persisted_distinct_id": true}"#;
    let set = ProfileOp::Set(Properties(vec![("plan".to_owned(), "pro".into())]));
    assert_eq!(read(text), Ok(ProfileUpdate::new(user("U1"), vec![set])));
}

#[test]
fn n33_group_record() {
    let key = |id: &str| ProfileKey::Group { key: "company".to_owned(), id: id.to_owned() };
    let text = r#"{"$token": "T", "$group_key": "company", "$group_id": "acme", "$delete": ""}"#;
    assert_eq!(read(text), Ok(ProfileUpdate::new(key("acme"), vec![ProfileOp::Delete])));
    // U-36
    let text = r#"{"$group_key": "company", "$group_id": 7, "$distinct_id": null, "$delete": null}"#;
    assert_eq!(read(text), Ok(ProfileUpdate::new(key("7"), vec![ProfileOp::Delete])));
}

#[test]
fn d4_a_number_is_an_id_by_its_text() {
    for (id, expected) in [("42", "42"), ("42.0", "42"), ("-1.5", "-1.5"), (r#""x y""#, "x y")] {
        let update = read(&format!(r#"{{"$distinct_id": {id}, "$set": {{}}}}"#)).unwrap();
        assert_eq!(update.key, user(expected));
    }
}

#[test]
fn d6_time_in_either_unit() {
    for (time, expected) in [
        ("1700000000", Some(1_700_000_000_000)),
        ("1700000000.5", Some(1_700_000_000_500)),
        ("1700000000500", Some(1_700_000_000_500)),
        (r#""1700000000""#, Some(1_700_000_000_000)),
        (r#""1700000000.5""#, Some(1_700_000_000_500)),
        ("null", None),
    ] {
        let update = read(&format!(r#"{{"$distinct_id": "u", "$time": {time}, "$set": {{}}}}"#)).unwrap();
        assert_eq!(update.time, expected.map(Timestamp::from_millis), "{time}");
    }
}

#[test]
fn flags_are_booleans_or_what_senders_make_of_them() {
    for (value, expected) in [
        ("true", true),
        ("1", true),
        (r#""true""#, true),
        (r#""1""#, true),
        ("false", false),
        ("0", false),
        (r#""false""#, false),
        ("null", false),
    ] {
        let text = format!(
            r#"{{"$distinct_id": "u", "$ignore_time": {value}, "$ignore_alias": {value}, "$set": {{}}}}"#
        );
        let update = read(&text).unwrap();
        assert_eq!((update.ignore_time, update.ignore_alias), (expected, expected), "{value}");
    }
}

#[test]
fn u10_unknown_operations_are_ignored_beside_known_ones() {
    let update = read(r#"{"$distinct_id": "u", "$merge": {"a": 1}, "$unset": ["a"], "$ip": "0"}"#).unwrap();
    assert_eq!(update.ops, [ProfileOp::Unset(vec!["a".to_owned()])]);
    let update = read(r#"{"$distinct_id": "u", "$unset": "a"}"#).unwrap();
    assert_eq!(update.ops, [ProfileOp::Unset(vec!["a".to_owned()])]);
}

#[test]
fn n32_errors_say_what_would_be_right() {
    let check =
        |text: &str, expected: &str| assert_eq!(read(text).unwrap_err().to_string(), expected, "{text}");
    check(
        r#"{"$distinct_id": "u", "$merge": {}}"#,
        "operation: there is none; use one or more of $set, $set_once, $add, $append, $union, $remove, $unset, $delete",
    );
    check(
        r#"{"$set": {}}"#,
        "$distinct_id: is missing; name the user by `$distinct_id`, or a group by `$group_key` and `$group_id`",
    );
    check(
        r#"{"$distinct_id": "", "$set": {}}"#,
        "$distinct_id: is empty; only an id that is not can have a profile",
    );
    check(
        r#"{"$distinct_id": true, "$set": {}}"#,
        "$distinct_id: is the boolean true; use a string or a number",
    );
    check(
        r#"{"$group_id": "g", "$set": {}}"#,
        "$group_key: is missing; `$group_id` needs it to name a group",
    );
    check(
        r#"{"$group_key": "k", "$set": {}}"#,
        "$group_id: is missing; `$group_key` needs it to name a group",
    );
    check(
        r#"{"$group_key": "k", "$group_id": [1], "$set": {}}"#,
        "$group_id: is a list; use a string or a number",
    );
    check(
        r#"{"$distinct_id": "u", "$group_key": "k", "$set": {}}"#,
        "$distinct_id: is sent together with `$group_key` or `$group_id`; a record is about a user or about a group",
    );
    check(
        r#"{"$distinct_id": "u", "$set": ["plan"]}"#,
        r#"$set: is a list; use an object of properties such as {"plan": "pro"}"#,
    );
    check(
        r#"{"$distinct_id": "u", "$add": 1}"#,
        r#"$add: is the number 1; use an object of properties such as {"plan": "pro"}"#,
    );
    check(
        r#"{"$distinct_id": "u", "$unset": {"plan": ""}}"#,
        r#"$unset: is an object; use a list of property names such as ["plan", "seats"]"#,
    );
    check(
        r#"{"$distinct_id": "u", "$unset": ["plan", 1]}"#,
        r#"$unset: has an item that is the number 1; use a list of property names such as ["plan", "seats"]"#,
    );
    check(
        r#"{"$distinct_id": "u", "$time": "yesterday", "$set": {}}"#,
        r#"$time: is the string "yesterday"; use Unix seconds or milliseconds"#,
    );
    check(
        r#"{"$distinct_id": "u", "$ignore_time": 2, "$set": {}}"#,
        "$ignore_time: is the number 2; use true or false",
    );
}

fn value() -> impl Strategy<Value = PropertyValue<'static>> {
    let scalar = prop_oneof![
        Just(PropertyValue::Null),
        any::<bool>().prop_map(PropertyValue::Bool),
        any::<i64>().prop_map(PropertyValue::Int),
        any::<i32>().prop_map(|n| PropertyValue::Float(f64::from(n) / 8.0)),
        any::<String>().prop_map(PropertyValue::from),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(PropertyValue::List),
            prop::collection::btree_map(any::<String>(), inner, 0..3).prop_map(|map| {
                PropertyValue::Object(map.into_iter().map(|(name, value)| (name.into(), value)).collect())
            }),
        ]
    })
}

fn properties() -> impl Strategy<Value = Properties> {
    prop::collection::btree_map(any::<String>(), value(), 0..4)
        .prop_map(|map| Properties(map.into_iter().collect()))
}

fn update() -> impl Strategy<Value = ProfileUpdate> {
    let key = prop_oneof![
        any::<String>().prop_map(ProfileKey::User),
        (any::<String>(), any::<String>()).prop_map(|(key, id)| ProfileKey::Group { key, id }),
    ];
    let op = prop_oneof![
        Just(ProfileOp::Delete),
        prop::collection::vec(any::<String>(), 0..3).prop_map(ProfileOp::Unset),
        properties().prop_map(ProfileOp::Set),
        properties().prop_map(ProfileOp::SetOnce),
        properties().prop_map(ProfileOp::Add),
        properties().prop_map(ProfileOp::Append),
        properties().prop_map(ProfileOp::Union),
        properties().prop_map(ProfileOp::Remove),
    ];
    let time = prop::option::of(any::<i64>().prop_map(Timestamp::from_millis));
    (key, time, any::<bool>(), any::<bool>(), prop::collection::vec(op, 0..4)).prop_map(
        |(key, time, ignore_time, ignore_alias, ops)| ProfileUpdate {
            key,
            time,
            ignore_time,
            ignore_alias,
            ops,
        },
    )
}

#[test]
fn the_log_writes_updates_like_this() {
    let update =
        read(r#"{"$distinct_id": "u", "$time": 1, "$set": {"a": [1, 2.5]}, "$delete": "u"}"#).unwrap();
    assert_eq!(
        serde_json::to_string(&update).unwrap(),
        r#"{"key":{"user":"u"},"time":1000,"ops":[{"set":{"a":[1,2.5]}},"delete"]}"#
    );
}

proptest! {
    #[test]
    fn updates_survive_the_log(update in update()) {
        let text = serde_json::to_string(&update).unwrap();
        prop_assert_eq!(&serde_json::from_str::<ProfileUpdate>(&text).unwrap(), &update);
        // Not borrowed from the text either.
        prop_assert_eq!(serde_json::from_reader::<_, ProfileUpdate>(text.as_bytes()).unwrap(), update);
    }

    #[test]
    fn any_record_is_read_or_refused(names in prop::collection::vec("\\$(distinct_id|group_key|group_id|time|ignore_time|set|unset|add|delete)", 0..5), values in prop::collection::vec(value(), 5)) {
        let entries: Vec<_> = names.into_iter().map(Into::into).zip(values).collect();
        match ProfileUpdate::from_record(&entries) {
            Ok(update) => prop_assert!(!update.ops.is_empty()),
            Err(error) => prop_assert!(error.field == "operation" || error.field.starts_with('$')),
        }
    }
}
