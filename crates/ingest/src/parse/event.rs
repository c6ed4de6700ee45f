//! Events that come as values, not as text.

use std::borrow::Cow;
use std::collections::HashSet;

use tallymark_event::{Event, PropertyValue};

use super::parts::{Parts, RawTime, Slot, Whole};
use super::shape::{cut_name, fit, keep_last_of_repeated};
use super::validate::event_record;
use super::{ParseOptions, Record};
use crate::RecordError;

/// Holds an event built in a program to the rules of one that was sent.
///
/// A property of a name that means something else in a sent record, such as `time`, is refused:
/// exported and imported again it would not be a property any more.
///
/// # Errors
/// The first problem, as for a sent record; besides, a number that JSON cannot say, a property named
/// twice, and one that JSON cannot name.
pub fn check_event<'a>(event: Event<'a>, options: &ParseOptions) -> Result<Record<'a>, RecordError> {
    let mut names = HashSet::with_capacity(event.properties.len());
    for (name, value) in &event.properties {
        let field = || format!("properties.{name}");
        if !is_finite(value) {
            return Err(RecordError::new(field(), "is NaN or infinite; JSON numbers are finite"));
        }
        if let Some(advice) = other_meaning(name, value) {
            return Err(RecordError::new(field(), format!("cannot be a property: {advice}")));
        }
        if !names.insert(name) {
            return Err(RecordError::new(field(), "is given twice; names of properties are unique"));
        }
    }
    let slot =
        |text: Cow<'a, str>, field: &'static str| Some(Slot { value: PropertyValue::String(text), field });
    let mut parts = Parts {
        name: Some(PropertyValue::String(event.name)),
        whole: Whole::Missing,
        time: Some(Slot { value: RawTime::Instant(event.time), field: "time" }),
        distinct_id: slot(event.distinct_id, "distinct_id"),
        insert_id: event.insert_id.and_then(|id| slot(id, "insert_id")),
        device_id: event.device_id.and_then(|id| slot(id, "device_id")),
        user_id: event.user_id.and_then(|id| slot(id, "user_id")),
        sent_count: event.properties.len(),
        properties: within_limits(event.properties, options),
        ..Parts::default()
    };
    event_record(&mut parts, options)
}

/// What a property of this name would be in a sent record, if no property.
fn other_meaning(name: &str, value: &PropertyValue<'_>) -> Option<&'static str> {
    Some(match name {
        "time" => "it is the event's time; set `Event::time`, or choose another name",
        "distinct_id" => "it is the event's user; set `Event::distinct_id`, or choose another name",
        "$insert_id" => "it is the sender's id of the event; set `Event::insert_id`",
        "$device_id" => "it is the device's id; set `Event::device_id`",
        // What is no id is an ordinary property.
        "$user_id" => match value {
            PropertyValue::String(text) if text.is_empty() => return None,
            PropertyValue::String(_) | PropertyValue::Int(_) | PropertyValue::Float(_) => {
                "it is the id of the user who is signed in; set `Event::user_id`"
            }
            _ => return None,
        },
        "$ignore" => "it says whether an event is dropped on arrival, and is not stored (D-14)",
        "token" | "ip" | "bucket" | "$bucket" => {
            "it is used up on arrival, and not stored (D-40); choose another name"
        }
        _ => return None,
    })
}

/// Names and strings cut where those of a sent record are.
fn within_limits<'a>(
    properties: Vec<(Cow<'a, str>, PropertyValue<'a>)>,
    options: &ParseOptions,
) -> Vec<(Cow<'a, str>, PropertyValue<'a>)> {
    let mut properties =
        properties.into_iter().map(|(name, value)| (cut_name(name), fit(value, &options.limits))).collect();
    keep_last_of_repeated(&mut properties);
    properties
}

fn is_finite(value: &PropertyValue<'_>) -> bool {
    match value {
        PropertyValue::Float(float) => float.is_finite(),
        PropertyValue::List(items) => items.iter().all(is_finite),
        PropertyValue::Object(entries) => entries.iter().all(|(_, value)| is_finite(value)),
        PropertyValue::Null | PropertyValue::Bool(_) | PropertyValue::Int(_) | PropertyValue::String(_) => {
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use tallymark_event::Timestamp;

    use super::*;

    fn check(event: Event<'_>) -> Result<Record<'_>, RecordError> {
        check_event(event, &ParseOptions::new(Timestamp::from_millis(1_700_000_000_000)))
    }

    fn event() -> Event<'static> {
        Event::new("Buy", Timestamp::from_millis(1_700_000_000_000), "u1")
    }

    #[test]
    fn d40_a_property_has_no_name_that_means_something_else_in_json() {
        for name in [
            "time",
            "distinct_id",
            "$insert_id",
            "$device_id",
            "$user_id",
            "$ignore",
            "token",
            "ip",
            "bucket",
            "$bucket",
        ] {
            let error = check(event().with(name, 5)).unwrap_err();
            assert_eq!(error.field, format!("properties.{name}"));
            assert!(error.message.starts_with("cannot be a property: it "), "{}", error.message);
        }
        assert!(check(event().with("$user_id", "u1")).unwrap_err().message.contains("`Event::user_id`"));
    }

    /// Each of these is what it was, sent as JSON.
    #[test]
    fn every_other_name_is_a_property() {
        let event = event()
            .with("$time", "tea")
            .with("insert_id", 5)
            .with("$distinct_id", true)
            .with("user_id", "u")
            .with("event", "e")
            .with("Time", 1)
            .with("$token", 1)
            .with("$user_id", "");
        assert_eq!(check(event.clone()), Ok(Record::Event(event.clone())));
        let mut properties: Vec<String> = event
            .properties
            .iter()
            .map(|(name, value)| format!("{}:{value}", PropertyValue::from(name.as_ref())))
            .collect();
        properties.push(r#""time":1700000000,"distinct_id":"u1","$insert_id":null"#.to_owned());
        let line = format!(r#"{{"event":"Buy","properties":{{{}}}}}"#, properties.join(","));
        let options = ParseOptions::new(Timestamp::from_millis(1_700_000_000_000));
        assert_eq!(crate::parse_record(line.as_bytes(), &options), Ok(Record::Event(event)));
    }

    #[test]
    fn d2_d30_names_and_strings_are_cut_as_in_sent_records() {
        let long = "n".repeat(300);
        let options = ParseOptions::new(Timestamp::from_millis(1_700_000_000_000));
        let event = event().with(long.clone(), "x".repeat(options.limits.string_bytes_max + 1));
        let Ok(Record::Event(event)) = check(event) else { panic!("refused") };
        assert_eq!(event.properties[0].0, long[..255]);
        assert_eq!(event.properties[0].1.as_str().map(str::len), Some(options.limits.string_bytes_max));
    }

    #[test]
    fn d5_forbidden_ids_and_empty_names_are_refused() {
        assert_eq!(check(Event { name: "".into(), ..event() }).unwrap_err().field, "event");
        assert_eq!(
            check(Event { distinct_id: "Anonymous".into(), ..event() }).unwrap_err().field,
            "distinct_id"
        );
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        let nan = PropertyValue::List(vec![PropertyValue::Float(f64::NAN)]);
        assert_eq!(check(event().with("x", nan)).unwrap_err().field, "properties.x");
        let twice = vec![("a".into(), PropertyValue::Int(1)), ("a".into(), PropertyValue::Int(2))];
        assert_eq!(check(Event { properties: twice, ..event() }).unwrap_err().field, "properties.a");
    }
}
