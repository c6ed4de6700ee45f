use std::fmt::Write as _;

use proptest::prelude::*;
use tallymark_event::{Event, PropertyValue, Timestamp};
use tallymark_users::{IdentitySystem, ProfileKey, ProfileOp};

use super::*;

/// 2023-11-14T22:15:00.000Z, 100 s after the time most examples have.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_100_000);

fn options(form: WireForm) -> ParseOptions {
    ParseOptions { form, ..ParseOptions::new(NOW) }
}

/// A record in one line: what an event says, without what it leaves out.
fn describe(record: &Result<Record<'_>, RecordError>) -> String {
    match record {
        Ok(Record::Event(event)) => describe_event(event),
        Ok(Record::EventAndProfile(event, update)) => {
            format!("{}; {}", describe_event(event), serde_json::to_string(update).unwrap())
        }
        Ok(Record::Profile(update)) => serde_json::to_string(update).unwrap(),
        Ok(Record::Ignored) => "ignored".to_owned(),
        Err(error) => format!("refused: {error}"),
    }
}

fn describe_event(event: &Event<'_>) -> String {
    let mut text = format!("{} at {} by {:?}", event.name, event.time, event.distinct_id);
    for (name, id) in [("device", &event.device_id), ("user", &event.user_id), ("insert", &event.insert_id)] {
        if let Some(id) = id {
            write!(text, " {name} {id:?}").unwrap();
        }
    }
    let properties = event.properties.iter().map(|(name, value)| (name, value));
    let properties: Vec<String> = properties.map(|(name, value)| format!("{name}={value}")).collect();
    if !properties.is_empty() {
        write!(text, " [{}]", properties.join(", ")).unwrap();
    }
    text
}

#[track_caller]
fn check_with(options: &ParseOptions, input: &str, expected: &str) {
    assert_eq!(describe(&parse_record(input.as_bytes(), options)), expected, "{input}");
}

#[track_caller]
fn check(input: &str, expected: &str) {
    check_with(&options(WireForm::Lenient), input, expected);
}

/// What is refused must name its field and say both what was wrong and what would be right.
#[track_caller]
fn check_refused(options: &ParseOptions, input: &str, field: &str, parts: &[&str]) {
    let error = parse_record(input.as_bytes(), options).expect_err(input);
    assert_eq!(error.field, field, "{input}: {error}");
    for part in parts {
        assert!(error.message.contains(part), "{input}: {error} lacks {part:?}");
    }
}

fn event_of<'a>(text: &'a str, options: &ParseOptions) -> Event<'a> {
    match parse_record(text.as_bytes(), options) {
        Ok(Record::Event(event)) => event,
        other => panic!("{other:?}"),
    }
}

/// The event of a `/track` or `/import` record with these properties.
fn with_properties(properties: &str) -> String {
    format!(r#"{{"event":"E","properties":{{{properties}}}}}"#)
}

/// An `/import` record that is right but for what `properties` say.
fn import(properties: &str) -> String {
    with_properties(&format!(r#""time":1700000000,"distinct_id":"u1","$insert_id":"i1",{properties}"#))
}

const AT: &str = "2023-11-14T22:13:20.000Z";

#[test]
fn forms_the_product_form_and_mixpanels_say_the_same() {
    let expected = &format!(r#"Buy at {AT} by "u1" insert "i1" [price=9.5, tags=["a",1]]"#);
    for input in [
        r#"{"event":"Buy","time":1700000000,"distinct_id":"u1","insert_id":"i1","properties":{"price":9.5,"tags":["a",1]}}"#,
        r#"{"event":"Buy","$time":1700000000,"distinct_id":"u1","$insert_id":"i1","properties":{"price":9.5,"tags":["a",1]}}"#,
        r#"{"properties":{"price":9.5,"time":1700000000000,"distinct_id":"u1","$insert_id":"i1","tags":["a",1]},"event":"Buy"}"#,
        r#"{"event":"Buy","properties":{"$time":1700000000,"distinct_id":"u1","insert_id":"i1","price":9.5,"tags":["a",1]}}"#,
        r#"{"event":"Buy","time":1700000000,"distinct_id":"u1","insert_id":"i1","price":9.5,"tags":["a",1]}"#,
        r#" { "event" : "Buy" , "time" : "2023-11-14T22:13:20Z", "distinct_id":"u1", "insert_id":"i1", "properties":{"price":9.5,"tags":["a",1]} } "#,
    ] {
        check(input, expected);
    }
}

#[test]
fn forms_the_top_level_wins_and_the_plain_spelling_wins() {
    check(
        r#"{"event":"E","time":1700000000,"properties":{"time":1600000000,"$time":1500000000,"insert_id":"x","$insert_id":"y"}}"#,
        &format!(r#"E at {AT} by "" insert "y" [$time=1500000000, insert_id="x"]"#),
    );
    check(r#"{"event":"E","$time":1,"time":1700000000}"#, &format!(r#"E at {AT} by """#));
    check(
        r#"{"event":"E","time":1700000000,"distinct_id":"top","properties":{"distinct_id":"in"}}"#,
        &format!(r#"E at {AT} by "top""#),
    );
}

#[test]
fn forms_raw_export_as_it_comes() {
    check(
        r#"{"event":"Signed Up","properties":{"time":1602611311,"$insert_id":"hpuDqcvpltpCjBsebtxwadtEBDnAdycabFyl","mp_processing_time_ms":1602625711874,"distinct_id":"91304156-cafc-4673-a237-623d1129c801","$city":"Oslo"}}"#,
        r#"Signed Up at 2020-10-13T17:48:31.000Z by "91304156-cafc-4673-a237-623d1129c801" insert "hpuDqcvpltpCjBsebtxwadtEBDnAdycabFyl" [mp_processing_time_ms=1602625711874, $city="Oslo"]"#,
    );
}

#[test]
fn n4_other_top_level_keys_are_ignored() {
    let input = r#"{"event":"E","properties":{"time":1700000000,"token":"T"},"$mp_metadata":{"$mp_event_id":"x"},"other":1}"#;
    for form in [WireForm::Lenient, WireForm::Track] {
        check_with(&options(form), input, &format!(r#"E at {AT} by """#));
    }
    // In the flat form they are the properties, but for what the SDKs add.
    check(
        r#"{"event":"E","time":1700000000,"$mp_metadata":{"$mp_event_id":"x"},"token":"T","other":{"a":1}}"#,
        &format!(r#"E at {AT} by "" [other={{"a":1}}]"#),
    );
    // The top level means nothing to Mixpanel's endpoints.
    check_with(
        &options(WireForm::Track),
        r#"{"event":"E","time":1,"distinct_id":"top","properties":{"a":1,"$time":2,"insert_id":"x"}}"#,
        r#"E at 2023-11-14T22:15:00.000Z by "" [a=1, $time=2, insert_id="x"]"#,
    );
}

#[test]
fn forms_user_properties_are_set_on_the_events_user() {
    let set = |id: &str| {
        format!(r#"{{"key":{{"user":"{id}"}},"time":1700000000000,"ops":[{{"set":{{"plan":"pro"}}}}]}}"#)
    };
    let event =
        |ids: &str| format!(r#"{{"event":"E","time":1700000000,{ids},"user_properties":{{"plan":"pro"}}}}"#);
    check(&event(r#""distinct_id":"u1""#), &format!(r#"E at {AT} by "u1"; {}"#, set("u1")));
    // I-2: the assigned id.
    check(
        &event(r#""distinct_id":"x","$device_id":"d1","$user_id":"bob""#),
        &format!(r#"E at {AT} by "x" device "d1" user "bob"; {}"#, set("bob")),
    );
    check(&event(r#""$device_id":"d1""#), &format!(r#"E at {AT} by "" device "d1"; {}"#, set("$device:d1")));
    let original = ParseOptions { identity: IdentitySystem::Original, ..options(WireForm::Lenient) };
    check_with(
        &original,
        &event(r#""distinct_id":"x","$user_id":"bob""#),
        &format!(r#"E at {AT} by "x" user "bob"; {}"#, set("x")),
    );
    // Nobody has no profile.
    check(&event(r#""distinct_id":"""#), &format!(r#"E at {AT} by """#));
    check_refused(
        &options(WireForm::Lenient),
        r#"{"event":"E","time":1700000000,"user_properties":["a"]}"#,
        "user_properties",
        &[r#"["a"]"#, "object"],
    );
}

#[test]
fn n32_profile_updates_are_told_from_events() {
    let Ok(Record::Profile(update)) = parse_record(
        br#"{"$token":"T","$distinct_id":42,"$set":{"plan":"pro"}}"#,
        &options(WireForm::Lenient),
    ) else {
        panic!("no profile update")
    };
    assert_eq!(update.key, ProfileKey::User("42".to_owned()));
    assert!(matches!(update.ops.as_slice(), [ProfileOp::Set(set)] if set.0.len() == 1));

    let Ok(Record::Profile(update)) = parse_record(
        br#"{"$group_key":"company","$group_id":"acme","$delete":""}"#,
        &options(WireForm::Lenient),
    ) else {
        panic!("no group update")
    };
    assert_eq!(update.key, ProfileKey::Group { key: "company".to_owned(), id: "acme".to_owned() });

    let no_operation = parse_record(br#"{"$distinct_id":"u1","$shout":{}}"#, &options(WireForm::Lenient));
    assert!(no_operation.is_err());
    // An endpoint for events takes none.
    check_refused(
        &options(WireForm::Track),
        r#"{"$distinct_id":"u1","$set":{"a":1}}"#,
        "event",
        &["missing"],
    );
    check_refused(&options(WireForm::Lenient), r#"{"a":1}"#, "event", &["missing", "\"event\"", "$set"]);
}

#[test]
fn d2_names_are_strings_and_cut_at_255_characters() {
    let lenient = options(WireForm::Lenient);
    check_refused(&lenient, r#"{"event":"","time":1700000000}"#, "event", &["empty"]);
    check_refused(&lenient, r#"{"event":null,"time":1700000000}"#, "event", &["missing"]);
    check_refused(&lenient, r#"{"event":7,"time":1700000000}"#, "event", &["7", "string"]);
    let (name, cut) = ("é".repeat(300), "é".repeat(255));
    check(
        &format!(r#"{{"event":"{name}","time":1700000000,"properties":{{"{name}":1,"{cut}":2}}}}"#),
        // Two names that are the same once cut are one; the last counts.
        &format!(r#"{cut} at {AT} by "" [{cut}=2]"#),
    );
    check(r#"{"event":" Sign_Up ","time":1700000000}"#, &format!(r#" Sign_Up  at {AT} by """#));
}

#[test]
fn d3_what_each_form_requires() {
    let (track, import) = (options(WireForm::Track), options(WireForm::Import));
    check_with(&track, r#"{"event":"E","properties":{}}"#, r#"E at 2023-11-14T22:15:00.000Z by """#);
    for form in [&track, &import] {
        check_refused(form, r#"{"event":"E"}"#, "properties", &["missing", "object"]);
        check_refused(form, r#"{"event":"E","properties":[1]}"#, "properties", &["a list", "object"]);
    }
    check_refused(&import, r#"{"properties":{}}"#, "event", &["missing"]);
    check_refused(
        &import,
        &with_properties(r#""distinct_id":"u","$insert_id":"i""#),
        "properties.time",
        &["missing", "seconds"],
    );
    check_refused(
        &import,
        &with_properties(r#""time":1700000000,"$insert_id":"i""#),
        "properties.distinct_id",
        &["missing"],
    );
    check_refused(
        &import,
        &with_properties(r#""time":1700000000,"distinct_id":"u""#),
        "properties.$insert_id",
        &["missing"],
    );
    check_with(
        &import,
        &with_properties(r#""time":1700000000,"distinct_id":"","$insert_id":"i""#),
        &format!(r#"E at {AT} by "" insert "i""#),
    );
    check_refused(
        &options(WireForm::Lenient),
        r#"{"event":"E"}"#,
        "time",
        &["missing", "1700000000", "2024-01-31T12:00:00Z"],
    );
    check_refused(
        &options(WireForm::Lenient),
        r#"{"event":"E","properties":"x"}"#,
        "properties",
        &["\"x\"", "object"],
    );
    check_refused(
        &options(WireForm::Lenient),
        r#"{"event":"E","properties":1,"time":1}"#,
        "properties",
        &["1"],
    );
    check(r#"{"event":"E","time":1700000000,"properties":null}"#, &format!(r#"E at {AT} by """#));
}

#[test]
fn d4_distinct_ids_become_text() {
    let id = |value: &str| format!(r#"{{"event":"E","time":1700000000,"distinct_id":{value}}}"#);
    for (sent, taken) in [
        ("42", "42"),
        ("42.0", "42"),
        ("-7.5", "-7.5"),
        ("\"\"", ""),
        ("null", ""),
        ("18446744073709551615", "18446744073709551615"),
        ("9223372036854775807", "9223372036854775807"),
        (r#""\u00e9\n""#, "é\\n"),
    ] {
        check(&id(sent), &format!(r#"E at {AT} by "{taken}""#));
    }
    let lenient = options(WireForm::Lenient);
    check_refused(&lenient, &id(r#"["a"]"#), "distinct_id", &[r#"["a"]"#, "expected a string"]);
    check_refused(&lenient, &id("1e20"), "distinct_id", &["digits"]);
    // On /track the event is worth more than its id.
    check_with(
        &options(WireForm::Track),
        &with_properties(r#""time":1700000000,"distinct_id":{"a":1}"#),
        &format!(r#"E at {AT} by """#),
    );
}

#[test]
fn d4_without_an_id_a_stable_hash_of_the_address() {
    let id_of = |options: &ParseOptions, properties: &str| match parse_record(
        with_properties(properties).as_bytes(),
        options,
    ) {
        Ok(Record::Event(event)) => event.distinct_id.into_owned(),
        other => panic!("{other:?}"),
    };
    let lenient = options(WireForm::Lenient);
    let hash = id_of(&lenient, r#""time":1700000000,"ip":"192.0.2.7""#);
    assert_eq!(hash.len(), 32);
    assert_eq!(id_of(&lenient, r#""time":1700000000,"ip":"192.0.2.7","x":1"#), hash);
    assert_ne!(id_of(&lenient, r#""time":1700000000,"ip":"192.0.2.8""#), hash);
    let known = ParseOptions { sender_ip: Some("192.0.2.7".to_owned()), ..options(WireForm::Track) };
    assert_eq!(id_of(&known, ""), hash);
    assert_eq!(id_of(&known, r#""ip":1"#), hash);
    for none in [
        r#""ip":0"#,
        r#""ip":"0""#,
        r#""ip":"""#,
        r#""distinct_id":"""#,
        r#""$device_id":"d""#,
        r#""$user_id":"u""#,
    ] {
        assert_eq!(id_of(&known, none), "", "{none}");
    }
    assert_eq!(id_of(&options(WireForm::Track), ""), "");
}

#[test]
fn d5_ids_that_stand_for_no_one() {
    for id in [
        "Anonymous",
        "anon",
        "NIL",
        "none",
        "null",
        "N/A",
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
        "00000000-0000-0000-0000-000000000000",
    ] {
        let sent = format!(r#""time":1700000000,"distinct_id":"{id}","$insert_id":"i1""#);
        check_refused(
            &options(WireForm::Import),
            &with_properties(&sent),
            "properties.distinct_id",
            &[id, "real id"],
        );
        check_refused(
            &options(WireForm::Lenient),
            &with_properties(&sent),
            "properties.distinct_id",
            &[id, "real id"],
        );
        check_with(
            &options(WireForm::Track),
            &with_properties(&sent),
            &format!(r#"E at {AT} by "" insert "i1""#),
        );
    }
    for value in ["0", "-1", "true", "false", "[]", "{}"] {
        let sent = format!(r#""time":1700000000,"distinct_id":{value},"$insert_id":"i1""#);
        check_refused(
            &options(WireForm::Import),
            &with_properties(&sent),
            "properties.distinct_id",
            &[value],
        );
    }
    for id in ["none ", "anonymous1", "00", "nothing"] {
        let sent = with_properties(&format!(r#""time":1700000000,"distinct_id":"{id}""#));
        check(&sent, &format!(r#"E at {AT} by "{id}""#));
    }
    let insert = r#""time":1700000000,"distinct_id":"u","$insert_id":"Undefined""#;
    check_refused(
        &options(WireForm::Import),
        &with_properties(insert),
        "properties.$insert_id",
        &["Undefined"],
    );
    check_refused(
        &options(WireForm::Lenient),
        &with_properties(insert),
        "properties.$insert_id",
        &["unique"],
    );
    check_with(&options(WireForm::Track), &with_properties(insert), &format!(r#"E at {AT} by "u""#));
}

/// The cases of SEMANTICS.md 1.6.
#[test]
fn d6_seconds_milliseconds_and_strings_of_them() {
    let event = |time: &str| format!(r#"{{"event":"E","time":{time}}}"#);
    for (sent, taken) in [
        ("1700000000", AT),
        ("1700000000.5", "2023-11-14T22:13:20.500Z"),
        ("1700000000500", "2023-11-14T22:13:20.500Z"),
        (r#""1700000000""#, AT),
        (r#"" 1700000000000 ""#, AT),
        (r#""1.7e9""#, AT),
        ("1.7e9", AT),
        ("100000000000", "1973-03-03T09:46:40.000Z"),
        // Whole milliseconds are kept.
        ("1700000000.1234567", "2023-11-14T22:13:20.123Z"),
        // Dates, in the lenient form.
        (r#""2023-11-14T22:13:20Z""#, AT),
        (r#""2023-11-14T23:13:20+01:00""#, AT),
        (r#""2023-11-14 22:13:20""#, AT),
        (r#""2023-11-14T22:13:20.500""#, "2023-11-14T22:13:20.500Z"),
        (r#""2023-11-14""#, "2023-11-14T00:00:00.000Z"),
    ] {
        check(&event(sent), &format!(r#"E at {taken} by """#));
    }
    for bad in [
        r#""yesterday""#,
        r#""""#,
        r#""NaN""#,
        r#""inf""#,
        r#""1,5""#,
        "true",
        "[]",
        "{}",
        "1e300",
        r#""0x10""#,
        r#""2023-02-29""#,
        r#""2023-11-14x22:13:20""#,
        r#""é234567890 1""#,
        "-1e17",
        r#""1e999""#,
    ] {
        let shown = bad.replace("1e300", "1e+300").replace("-1e17", "-1e+17");
        check_refused(
            &options(WireForm::Lenient),
            &event(bad),
            "time",
            &[&shown, "is not a time", "expected Unix time", "date"],
        );
    }
    for date in [r#""2023-11-14T22:13:20Z""#, r#""2023-11-14""#, r#""yesterday""#] {
        for form in [WireForm::Track, WireForm::Import] {
            let sent = with_properties(&format!(r#""time":{date},"distinct_id":"u","$insert_id":"i""#));
            check_refused(&options(form), &sent, "properties.time", &[date, "expected Unix time"]);
        }
    }
}

#[test]
fn d7_the_future_and_the_distant_past() {
    let sent = |ms: i64| with_properties(&format!(r#""time":{ms},"distinct_id":"u","$insert_id":"i""#));
    let arrival = r#"E at 2023-11-14T22:15:00.000Z by "u" insert "i""#;
    let (half_an_hour, two_hours) = (NOW.millis() + 1_800_000, NOW.millis() + 7_200_000);
    for form in [WireForm::Lenient, WireForm::Import] {
        let form = options(form);
        check_with(&form, &sent(half_an_hour), arrival);
        check_with(&form, &sent(NOW.millis() + 3_600_000), arrival);
        check_refused(&form, &sent(NOW.millis() + 3_600_001), "properties.time", &["future"]);
        check_refused(
            &form,
            &sent(two_hours),
            "properties.time",
            &["2023-11-15T00:15:00.000Z", "future", "2023-11-14T22:15:00.000Z"],
        );
        // D-6 d: seconds, in the year 5138.
        check_refused(&form, &sent(99_999_999_999), "properties.time", &["5138-11-16", "seconds"]);
        check_refused(&form, &sent(31_535_999), "properties.time", &["1971"]);
        check_with(&form, &sent(31_536_000), r#"E at 1971-01-01T00:00:00.000Z by "u" insert "i""#);
    }
    let track = options(WireForm::Track);
    check_with(&track, &sent(two_hours), arrival);
    check_with(&track, &sent(99_999_999_999), arrival);
    check_with(&track, &sent(0), r#"E at 1970-01-01T00:00:00.000Z by "u" insert "i""#);
    check_refused(&track, &sent(i64::MIN), "properties.time", &["is not a time"]);
    let young = ParseOptions { track_max_age_days: Some(5), ..track };
    check_with(
        &young,
        &sent(NOW.millis() - 5 * 86_400_000),
        r#"E at 2023-11-09T22:15:00.000Z by "u" insert "i""#,
    );
    check_refused(&young, &sent(NOW.millis() - 5 * 86_400_000 - 1), "properties.time", &["5 days"]);
}

#[test]
fn d13_insert_ids_are_held_to_their_form_on_import_only() {
    let sent =
        |id: &str| with_properties(&format!(r#""time":1700000000,"distinct_id":"u","$insert_id":{id}"#));
    let import = options(WireForm::Import);
    check_with(
        &import,
        &sent(r#""5d958f87-542d-4c10-9422-0ed75893dc81""#),
        &format!(r#"E at {AT} by "u" insert "5d958f87-542d-4c10-9422-0ed75893dc81""#),
    );
    for bad in [r#""""#, r#""a b""#, r#""a_b""#, r#""é""#, r#""0123456789012345678901234567890123456""#] {
        check_refused(&import, &sent(bad), "properties.$insert_id", &["not well-formed", "36"]);
    }
    for form in [WireForm::Lenient, WireForm::Track] {
        check_with(&options(form), &sent(r#""a b_c""#), &format!(r#"E at {AT} by "u" insert "a b_c""#));
        check_with(&options(form), &sent("17"), &format!(r#"E at {AT} by "u" insert "17""#));
        check_with(&options(form), &sent(r#""""#), &format!(r#"E at {AT} by "u""#));
    }
}

#[test]
fn d14_ignore() {
    let event = |value: &str| with_properties(&format!(r#""time":1700000000,"$ignore":{value}"#));
    for kept in [r#""""#, "false", "null"] {
        check(&event(kept), &format!(r#"E at {AT} by """#));
    }
    for dropped in [r#""x""#, "true"] {
        check(&event(dropped), "ignored");
    }
    // N-50: what is not valid is refused first.
    check_refused(&options(WireForm::Lenient), r#"{"event":"E","$ignore":true}"#, "time", &["missing"]);
}

#[test]
fn d40_what_is_consumed_on_arrival() {
    check(
        &with_properties(
            r#""token":"T","ip":"0","time":1700000000,"$bucket":1,"bucket":2,"$ignore":false,"distinct_id":"u","$city":"Oslo""#,
        ),
        &format!(r#"E at {AT} by "u" [$city="Oslo"]"#),
    );
}

#[test]
fn i1_device_and_user_ids() {
    check(
        &with_properties(r#""time":1700000000,"$device_id":"d1","$user_id":77"#),
        &format!(r#"E at {AT} by "" device "d1" user "77""#),
    );
    // What is no id is an ordinary property, but a device id is never one.
    check(
        &with_properties(r#""time":1700000000,"$device_id":null,"$user_id":"""#),
        &format!(r#"E at {AT} by "" [$user_id=""]"#),
    );
    check(
        &with_properties(r#""time":1700000000,"$user_id":"a","$user_id":null"#),
        &format!(r#"E at {AT} by "" [$user_id=null]"#),
    );
}

#[test]
fn d20_values_keep_their_types() {
    check(
        &import(
            r#""a":"true","b":true,"c":null,"d":"2024-02-29","e":[],"f":{},"g":[{"x":1},2.5,"s"],"h":-0.0,"i":1e2,"j":12345678901234567890,"k":"\ud83d\ude00\u0000""#,
        ),
        &format!(
            r#"E at {AT} by "u1" insert "i1" [a="true", b=true, c=null, d="2024-02-29", e=[], f={{}}, g=[{{"x":1}},2.5,"s"], h=-0.0, i=100, j=1.2345678901234567e+19, k="😀\u0000"]"#
        ),
    );
}

#[test]
fn of_repeated_keys_the_last_counts_at_every_level() {
    check(
        r#"{"event":"A","event":"E","time":5,"time":1700000000,"properties":{"x":1},"properties":{"a":1,"b":2,"a":3,"o":{"k":1,"k":2}}}"#,
        &format!(r#"E at {AT} by "" [a=3, b=2, o={{"k":2}}]"#),
    );
    check(
        r#"{"event":"E","time":1700000000,"properties":{"a":1},"properties":null}"#,
        &format!(r#"E at {AT} by """#),
    );
    // Many names, so that the cheap check for repeats gives way.
    let many: Vec<String> = (0..2_000).map(|at| format!(r#""p{}":{at}"#, at % 1_500)).collect();
    let text = import(&many.join(","));
    let event = event_of(&text, &options(WireForm::Lenient));
    assert_eq!(event.properties.len(), 1_500);
    assert_eq!(event.property("p7"), Some(&PropertyValue::Int(1_507)));
}

#[test]
fn n26_text_that_is_not_json_is_refused_with_its_place() {
    let lenient = options(WireForm::Lenient);
    for (input, parts) in [
        (r#"{"event":"E","properties":{"a":tru}}"#, &["not valid JSON at byte", "properties.a", "tru"][..]),
        (r#"{"event":"E","time":1700000000"#, &["ends inside"]),
        (r#"{"event":"E","properties":{"cart":{"items":[1,2"#, &["ends inside", "properties.cart.items"]),
        (r#"{"event":"E"} x"#, &["not valid JSON at byte"]),
        (r#"{"event":"E"}{"event":"F"}"#, &["not valid JSON at byte"]),
        ("{'event':'E'}", &["not valid JSON at byte 1"]),
        (r#"{"event":"E",}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":[1,]}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":NaN}"#, &["not valid JSON at byte", "in a"]),
        (r#"{"event":"E","a":01}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":.5}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":1.}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":+1}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":-}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":0x1}"#, &["not valid JSON at byte"]),
        ("{\"event\":\"E\",\"a\":\"x\ny\"}", &["not valid JSON at byte"]),
        ("{\"event\":\"E\",\"a\":\"x\u{0}y\"}", &["not valid JSON at byte"]),
        (r#"{"event":"E","a":"\x"}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":"\u12"}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":"\ud800"}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":"\udc00x"}"#, &["not valid JSON at byte"]),
        (r#"{"event":"E","a":"\ud800\u0041"}"#, &["not valid JSON at byte"]),
        ("{\u{a0}\"event\":\"E\"}", &["not valid JSON at byte"]),
        ("", &["ends inside"]),
        ("}", &["not valid JSON at byte 0"]),
        ("hello", &["not valid JSON at byte"]),
        ("5", &["must be a JSON object", "5"]),
        ("-5.5e3", &["must be a JSON object", "-5500"]),
        ("null", &["must be a JSON object", "null"]),
        ("true", &["must be a JSON object", "true"]),
        (r#""event""#, &["must be a JSON object", "event"]),
        (r#"[{"event":"E"}]"#, &["must be a JSON object", "list"]),
    ] {
        check_refused(&lenient, input, "", parts);
    }
    let invalid = [b"{\"event\":\"".as_slice(), &[0xC3, 0x28, 0xFF], b"\"}"].concat();
    let error = parse_record(&invalid, &lenient).unwrap_err();
    assert_eq!(error.message, "not valid UTF-8 at byte 10 of the record (c3 28 ff 22); JSON must be UTF-8");
}

#[test]
fn a_number_out_of_range_is_refused_with_its_field() {
    for number in ["1e400", "-1e400", "123456789e999999999999"] {
        let input = format!(r#"{{"event":"E","time":1700000000,"properties":{{"o":{{"x":{number}}}}}}}"#);
        check_refused(&options(WireForm::Lenient), &input, "properties.o.x", &["64-bit float", &number[..5]]);
    }
    // Too small is zero, as every float parser has it.
    check(&with_properties(r#""time":1700000000,"x":1e-400"#), &format!(r#"E at {AT} by "" [x=0]"#));
}

#[test]
fn depth_is_limited_without_using_up_the_stack() {
    let nested = |levels: usize| import(&format!(r#""a":{}{}"#, "[".repeat(levels), "]".repeat(levels)));
    assert!(parse_record(nested(16).as_bytes(), &options(WireForm::Lenient)).is_ok());
    check_refused(
        &options(WireForm::Lenient),
        &nested(17),
        "properties.a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]",
        &["16 levels"],
    );
    for levels in [10_000, 100_000] {
        let error = parse_record(nested(levels).as_bytes(), &options(WireForm::Lenient)).unwrap_err();
        assert!(error.field.starts_with("properties.a[0]") && error.message.contains("16 levels"), "{error}");
        let never_closed = format!(r#"{{"event":"E","x":{}"#, r#"{"a":"#.repeat(levels));
        assert!(parse_record(never_closed.as_bytes(), &options(WireForm::Lenient)).is_err());
        assert!(parse_record("[".repeat(levels).as_bytes(), &options(WireForm::Lenient)).is_err());
    }
    // The flat form and profiles allow no more.
    let flat = |levels: usize| {
        format!(r#"{{"event":"E","time":1700000000,"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
    };
    assert!(parse_record(flat(16).as_bytes(), &options(WireForm::Lenient)).is_ok());
    check_refused(&options(WireForm::Lenient), &flat(17), "a", &["16 levels"]);
    let set = |levels: usize| {
        format!(r#"{{"$distinct_id":"u","$set":{{"a":{}{}}}}}"#, "[".repeat(levels), "]".repeat(levels))
    };
    assert!(parse_record(set(16).as_bytes(), &options(WireForm::Lenient)).is_ok());
    assert!(parse_record(set(17).as_bytes(), &options(WireForm::Lenient)).is_err());
    // However high the limit is set.
    let high = ParseOptions {
        limits: Limits { depth_max: usize::MAX - 5, ..Limits::relaxed() },
        ..options(WireForm::Lenient)
    };
    assert!(parse_record(nested(crate::DEPTH_CEILING).as_bytes(), &high).is_ok());
    assert!(parse_record(nested(crate::DEPTH_CEILING + 1).as_bytes(), &high).is_err());
}

#[test]
fn relaxed_limits_cut_long_strings_and_refuse_long_records() {
    let string = "é".repeat(40_000);
    let text = import(&format!(r#""a":"{string}""#));
    let event = event_of(&text, &options(WireForm::Lenient));
    assert_eq!(event.property("a").and_then(PropertyValue::as_str).map(str::len), Some(65_536));
    let ten_mb = import(&format!(r#""a":"{}""#, "x".repeat(10_000_000)));
    check_refused(&options(WireForm::Lenient), &ten_mb, "", &["1048576", "at most"]);
    let large = ParseOptions {
        limits: Limits { record_bytes_max: 20_000_000, string_bytes_max: usize::MAX, ..Limits::relaxed() },
        ..options(WireForm::Lenient)
    };
    assert!(parse_record(ten_mb.as_bytes(), &large).is_ok());
}

#[test]
fn d30_mixpanels_limits() {
    let mixpanel = ParseOptions { limits: Limits::mixpanel(), ..options(WireForm::Lenient) };
    let properties =
        |count: usize| (0..count).map(|at| format!(r#""p{at}":{at}"#)).collect::<Vec<_>>().join(",");
    let is_ok = |properties: &str| {
        parse_record(with_properties(&format!(r#""time":1700000000,{properties}"#)).as_bytes(), &mixpanel)
            .is_ok()
    };
    assert!(is_ok(&properties(253)));
    check_refused(
        &mixpanel,
        &with_properties(&format!(r#""time":1700000000,{}"#, properties(254))),
        "properties",
        &["255", "254"],
    );
    assert!(is_ok(&format!(r#""o":{{{}}}"#, properties(254))));
    check_refused(
        &mixpanel,
        &import(&format!(r#""o":{{{}}}"#, properties(255))),
        "properties.o",
        &["255 keys", "254"],
    );
    assert!(is_ok(&format!(r#""l":[{}]"#, vec!["1"; 254].join(","))));
    check_refused(
        &mixpanel,
        &import(&format!(r#""l":[{}]"#, vec!["1"; 255].join(","))),
        "properties.l",
        &["255 items", "254"],
    );
    assert!(is_ok(r#""d":{"a":{"b":{"c":1}}}"#));
    check_refused(&mixpanel, &import(r#""d":{"a":{"b":{"c":{}}}}"#), "properties.d.a.b.c", &["3 levels"]);
    let large = format!("[{}]", vec![format!(r#""{}""#, "x".repeat(200)); 41].join(","));
    check_refused(&mixpanel, &import(&format!(r#""l":{large}"#)), "properties.l", &["bytes of JSON", "8192"]);
    // 256 KB on profiles.
    let set = format!(r#"{{"$distinct_id":"u","$set":{{"l":{large}}}}}"#);
    assert!(parse_record(set.as_bytes(), &mixpanel).is_ok());
    let text = import(&format!(r#""s":"{0}","o":{{"s":"{0}"}}"#, "é".repeat(300)));
    let event = event_of(&text, &mixpanel);
    let cut = PropertyValue::from("é".repeat(255));
    assert_eq!(event.property("s"), Some(&cut));
    assert_eq!(event.property("o"), Some(&PropertyValue::Object(vec![("s".into(), cut)])));
}

#[test]
fn offending_values_are_shown_in_bounds() {
    let error = parse_record(
        format!(r#"{{"event":"E","time":"{}"}}"#, "ä".repeat(10_000)).as_bytes(),
        &options(WireForm::Lenient),
    )
    .unwrap_err();
    assert!(error.message.len() < 500, "{} bytes", error.message.len());
    let error = parse_record(
        format!(r#"{{"{}":[tru]}}"#, "k".repeat(10_000)).as_bytes(),
        &options(WireForm::Lenient),
    )
    .unwrap_err();
    assert!(error.message.len() < 500, "{} bytes", error.message.len());
}

#[test]
fn text_is_borrowed_where_it_stands_unescaped() {
    let text = import(r#""plain":"text","escaped":"a\tb""#);
    let event = event_of(&text, &options(WireForm::Lenient));
    assert!(matches!(event.name, Cow::Borrowed(_)));
    assert!(matches!(event.distinct_id, Cow::Borrowed(_)));
    assert!(matches!(&event.properties[0], (Cow::Borrowed(_), PropertyValue::String(Cow::Borrowed("text")))));
    assert_eq!(event.properties[1].1.as_str(), Some("a\tb"));
}

#[test]
fn memory_given_back_is_used_again() {
    let mut scratch = Scratch::default();
    let text = import(r#""a":1"#);
    let Ok(Record::Event(event)) =
        parse_record_into(&mut scratch, text.as_bytes(), &options(WireForm::Lenient))
    else {
        panic!()
    };
    let memory = event.properties.as_ptr();
    scratch.recycle(event);
    let Ok(Record::Event(event)) =
        parse_record_into(&mut scratch, text.as_bytes(), &options(WireForm::Lenient))
    else {
        panic!()
    };
    assert_eq!(event.properties.as_ptr(), memory);
}

fn json_value() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
    ];
    let string = prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"([ -!#-\\[\\]-~é😀]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,20}\"",
    ];
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        number,
        string.clone()
    ];
    scalar.prop_recursive(6, 40, 6, move |inner| {
        let entry = (string.clone(), inner.clone()).prop_map(|(key, value)| format!("{key}:{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec(entry, 0..6).prop_map(|entries| format!("{{{}}}", entries.join(",\n"))),
        ]
    })
}

proptest! {
    /// What serde_json reads, we read, and the same; up to the rounding of decimal fractions, which
    /// it may leave inexact.
    #[test]
    fn serde_json_reads_the_same(value in json_value()) {
        let text = import(&format!(r#""x":{value}"#));
        let theirs = serde_json::from_str::<PropertyValue<'_>>(&value);
        match (parse_record(text.as_bytes(), &options(WireForm::Lenient)), theirs) {
            (Ok(Record::Event(event)), Ok(theirs)) => {
                prop_assert!(nearly_equal(&event.properties[0].1, &theirs), "{value}\n{event:?}\n{theirs:?}");
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{value}\n{ours:?}\n{theirs:?}"),
        }
    }

    /// Text that is broken somewhere is broken for both.
    #[test]
    fn serde_json_refuses_the_same(value in json_value(), at in any::<prop::sample::Index>(), byte in "[\\x00-\\x7f]?") {
        let mut text = import(&format!(r#""x":{value}"#));
        let at = at.index(text.len());
        if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
            text.replace_range(at..=at, &byte);
        }
        let ours = parse_record(text.as_bytes(), &options(WireForm::Lenient));
        let is_no_json = ours.as_ref().is_err_and(|error| error.message.contains("not valid JSON") || error.message.contains("64-bit float"));
        let theirs = serde_json::from_str::<PropertyValue<'_>>(&text);
        prop_assert_eq!(is_no_json, theirs.is_err(), "{}\n{:?}\n{:?}", text, ours, theirs);
    }

    /// Floats are the nearest ones to the decimal fractions they are written as.
    #[test]
    fn decimal_fractions_are_rounded_correctly(number in "-?(0|[1-9][0-9]{0,19})\\.[0-9]{1,22}([eE][+-]?[0-9]{1,2})?") {
        let text = import(&format!(r#""x":{number}"#));
        let event = event_of(&text, &options(WireForm::Lenient));
        prop_assert_eq!(event.properties[0].1.as_f64().map(f64::to_bits), Some(number.parse::<f64>().unwrap().to_bits()));
    }

    #[test]
    fn any_value_comes_back_equal(value in json_value()) {
        let text = import(&format!(r#""x":{value}"#));
        if let Ok(Record::Event(event)) = parse_record(text.as_bytes(), &options(WireForm::Lenient)) {
            let again = import(&format!(r#""x":{}"#, event.properties[0].1));
            let Ok(Record::Event(read)) = parse_record(again.as_bytes(), &options(WireForm::Lenient)) else {
                return Err(TestCaseError::fail(again));
            };
            prop_assert_eq!(&read.properties[0].1, &event.properties[0].1);
        }
    }

    #[test]
    fn any_bytes_are_taken_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for form in [WireForm::Lenient, WireForm::Track, WireForm::Import] {
            let _ = parse_record(&bytes, &options(form));
        }
    }

    #[test]
    fn any_tokens_are_taken_without_panic(tokens in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"event\"", "\"properties\"", "\"time\"", "\"distinct_id\"", "\"$set\"", "\"$distinct_id\"",
        "\"user_properties\"", "\"$user_id\"", "1700000000", "null", "true", "\"é\\u00e9\"", "-0.5e-3", " ", "\n",
    ]), 0..60)) {
        let _ = parse_record(tokens.concat().as_bytes(), &options(WireForm::Lenient));
    }
}

fn nearly_equal(ours: &PropertyValue<'_>, theirs: &PropertyValue<'_>) -> bool {
    match (ours, theirs) {
        (PropertyValue::Float(ours), PropertyValue::Float(theirs)) => {
            (ours - theirs).abs() <= ours.abs() * 4.0 * f64::EPSILON + f64::MIN_POSITIVE
        }
        (PropertyValue::List(ours), PropertyValue::List(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| nearly_equal(ours, theirs))
        }
        (PropertyValue::Object(ours), PropertyValue::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| ours.0 == theirs.0 && nearly_equal(&ours.1, &theirs.1))
        }
        _ => ours == theirs,
    }
}
