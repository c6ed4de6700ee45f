//! One record: what it says.

use serde_json::{Map, Value};

use super::json::canonical;

/// Names longer than this are cut (D-2).
const NAME_CHARS_MAX: usize = 255;

/// The property that tells why an event's ids were not linked (I-8). Its text is the product's
/// choice; the oracle only knows whether there is one.
pub const FAILURE: &str = "$identity_failure_reason";
/// What the oracle says instead of a reason.
pub const FAILURE_NOTED: &str = "(noted)";

/// What a record turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// An event, and what it sets on its user's profile (`user_properties`).
    Event(Sent, Option<Map<String, Value>>),
    /// A profile or group update, as sent.
    Update(Map<String, Value>),
    /// An event that asked to be dropped (D-14).
    Ignored,
    /// Nothing that can be taken, and why.
    Refused(&'static str),
}

/// An event as sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The name.
    pub event: String,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// `distinct_id`, empty if none was sent.
    pub distinct_id: String,
    /// `$device_id`.
    pub device_id: Option<String>,
    /// `$user_id`.
    pub user_id: Option<String>,
    /// `$insert_id`.
    pub insert_id: Option<String>,
    /// All other properties and `$user_id`, each value in its canonical spelling.
    pub properties: Map<String, Value>,
}

/// Reads a record in the product form or Mixpanel's, or a profile update.
pub fn read_record(record: &Value) -> Record {
    let Value::Object(top) = record else { return Record::Refused("not an object") };
    let Some(name) = top.get("event") else { return Record::Update(top.clone()) };
    let Some(Value::String(name)) = Some(name).filter(|name| name.as_str() != Some("")) else {
        return Record::Refused("no name");
    };
    let empty = Map::new();
    let sent = top.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    // The top level wins over the properties.
    let take =
        |names: &[&str]| [top, sent].iter().find_map(|place| names.iter().find_map(|name| place.get(*name)));
    match take(&["$ignore"]) {
        Some(Value::Bool(true)) => return Record::Ignored,
        Some(Value::String(text)) if !text.is_empty() => return Record::Ignored,
        _ => {}
    }
    let Some(time_ms) = take(&["time"]).and_then(Value::as_f64).map(milliseconds) else {
        return Record::Refused("no time");
    };
    let distinct_id = take(&["distinct_id"]).map(text_of).unwrap_or_default();
    let insert_id = take(&["insert_id", "$insert_id"]).map(text_of).filter(|id| !id.is_empty());
    if is_forbidden(&distinct_id) || insert_id.as_deref().is_some_and(is_forbidden) {
        return Record::Refused("a forbidden id (D-5)");
    }
    let device_id = take(&["$device_id"]).map(text_of).filter(|id| !id.is_empty());
    let user_id = take(&["$user_id"]).map(text_of).filter(|id| !id.is_empty());
    let mut properties = Map::new();
    for (name, value) in sent {
        let consumed = [
            "time",
            "distinct_id",
            "$insert_id",
            "$device_id",
            "$user_id",
            "token",
            "ip",
            "$ignore",
            "$bucket",
            "bucket",
        ];
        if !consumed.contains(&name.as_str()) {
            properties.insert(cut(name), canonical(value));
        }
    }
    if let Some(user_id) = &user_id {
        properties.insert("$user_id".to_owned(), Value::from(user_id.as_str()));
    }
    let event = Sent { event: cut(name), time_ms, distinct_id, device_id, user_id, insert_id, properties };
    let set = top.get("user_properties").and_then(Value::as_object).cloned();
    Record::Event(event, set.filter(|set| !set.is_empty()))
}

/// Seconds up to 1e11, milliseconds from there (D-6).
fn milliseconds(t: f64) -> i64 {
    (if t.abs() < 1e11 { t * 1000.0 } else { t }).round() as i64
}

/// D-4: an id is text.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn cut(name: &str) -> String {
    name.chars().take(NAME_CHARS_MAX).collect()
}

/// D-5, in any letter case.
fn is_forbidden(id: &str) -> bool {
    let forbidden = "00000000-0000-0000-0000-000000000000 anon anonymous nil none null n/a na undefined unknown \
                     <nil> 0 -1 true false [] {}";
    forbidden.split(' ').any(|word| word == id.to_ascii_lowercase())
}
