//! Events as the lines clients send.

use tallymark_event::{Event, PropertyValue};

/// An event in Mixpanel's form: `{"event":…,"properties":{"time":ms,"distinct_id":…,…}}`.
///
/// `time` is in milliseconds; `$device_id`, `$user_id` and `$insert_id` are there when the event has
/// them; the other properties follow in their order. No line break inside or after.
///
/// ```
/// use tallymark_event::{Event, Timestamp};
/// let event = Event::new("Buy", Timestamp::from_millis(1_700_000_000_000), "u1").with_insert_id("a").with("n", 2);
/// assert_eq!(
///     tallymark_testkit::json::event_line(&event),
///     r#"{"event":"Buy","properties":{"time":1700000000000,"distinct_id":"u1","$insert_id":"a","n":2}}"#
/// );
/// ```
#[expect(clippy::missing_panics_doc, reason = "the expectation cannot fail")]
pub fn event_line(event: &Event<'_>) -> String {
    let mut line = Vec::with_capacity(256);
    line.extend_from_slice(br#"{"event":"#);
    write_text(&mut line, &event.name);
    line.extend_from_slice(br#","properties":{"time":"#);
    line.extend_from_slice(event.time.millis().to_string().as_bytes());
    line.extend_from_slice(br#","distinct_id":"#);
    write_text(&mut line, &event.distinct_id);
    let ids =
        [("$device_id", &event.device_id), ("$user_id", &event.user_id), ("$insert_id", &event.insert_id)];
    for (name, id) in ids {
        if let Some(id) = id {
            write_name(&mut line, name);
            write_text(&mut line, id);
        }
    }
    for (name, value) in &event.properties {
        write_name(&mut line, name);
        write_value(&mut line, value);
    }
    line.extend_from_slice(b"}}");
    String::from_utf8(line).expect("JSON of text is text")
}

/// A name inside an object that has an entry already.
fn write_name(line: &mut Vec<u8>, name: &str) {
    line.push(b',');
    write_text(line, name);
    line.push(b':');
}

fn write_value(line: &mut Vec<u8>, value: &PropertyValue<'_>) {
    serde_json::to_writer(line, value).expect("a value is JSON, and memory takes any number of bytes");
}

/// A JSON string.
fn write_text(line: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(line, text).expect("text is JSON, and memory takes any number of bytes");
}

/// An object with these entries, in their order.
pub(crate) fn object_line(entries: &[(&str, PropertyValue<'_>)]) -> String {
    let mut line = Vec::with_capacity(256);
    line.push(b'{');
    for (index, (name, value)) in entries.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        write_text(&mut line, name);
        line.push(b':');
        write_value(&mut line, value);
    }
    line.push(b'}');
    String::from_utf8(line).expect("JSON of text is text")
}
