//! A short way to write down what users did.

use chrono::DateTime;
use serde_json::{Map, Value, json};

/// The records of users, in order of arrival: `u1: A0 B1m{v=5} A2h30m; u2: Open@2024-01-02T06:00`.
///
/// Users are told apart by `;`, their names end with `:`; `u1` if there is none, nobody if it is `-`, and
/// `u*20` are twenty users. An event is its name and when it was: the time since the start of 2024 UTC, in parts with units (d, h, m,
/// s; minutes if not said), or after `@` the time itself in UTC. Values of properties are JSON, or texts
/// without quotes. `$set{plan=pro}` is a profile.
pub fn records(text: &str) -> Vec<Value> {
    let mut records = Vec::new();
    for stream in text.split(';') {
        let (user, events) = stream.split_once(": ").unwrap_or(("u1", stream));
        let user = if user.trim() == "-" { "" } else { user.trim() };
        let (name, count) = user.split_once('*').unwrap_or((user, "0"));
        let users: Vec<String> = match count.parse().unwrap() {
            0 => vec![name.to_owned()],
            count => (0..count).map(|number| format!("{name}{number}")).collect(),
        };
        for user in users {
            records.extend(events.split_whitespace().map(|token| record(&user, token)));
        }
    }
    records
}

fn record(user: &str, token: &str) -> Value {
    let (what, properties) = token.split_once('{').unwrap_or((token, "}"));
    let mut all = Map::new();
    for pair in pairs(properties.strip_suffix('}').unwrap()) {
        let (name, value) = pair.split_once('=').unwrap();
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        all.insert(name.to_owned(), value);
    }
    if what == "$set" {
        return json!({"$distinct_id": user, "$set": all});
    }
    let (name, time) = if let Some((name, time)) = what.split_once('@') {
        let seconds = if time.len() == 10 { "T00:00:00Z" } else { ":00Z" };
        (name, DateTime::parse_from_rfc3339(&format!("{time}{seconds}")).unwrap().timestamp_millis())
    } else {
        let name = &what[..what.find(|c: char| c.is_ascii_digit()).unwrap()];
        (name, 1_704_067_200_000 + elapsed(&what[name.len()..]))
    };
    all.insert("time".to_owned(), Value::from(time));
    all.insert("distinct_id".to_owned(), Value::from(user));
    json!({"event": name, "properties": all})
}

/// Parts between commas that are not inside of brackets.
fn pairs(text: &str) -> Vec<&str> {
    let mut pairs = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                pairs.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pairs.push(&text[start..]);
    pairs.retain(|pair| !pair.is_empty());
    pairs
}

/// Milliseconds of `2h30m`.
fn elapsed(mut text: &str) -> i64 {
    let mut millis = 0.0;
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let number: f64 = text[..end].parse().unwrap();
        let unit = text[end..].chars().next().unwrap_or('m');
        millis += number
            * match unit {
                'd' => 86_400_000.0,
                'h' => 3_600_000.0,
                'm' => 60_000.0,
                's' => 1000.0,
                other => panic!("{other} is no unit"),
            };
        text = text.get(end + 1..).unwrap_or("");
    }
    f64::round(millis) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read() {
        let records =
            records("A0 B1h30m{v=5,l=[1,2],n=x}; -: view2.5s; u2: Open@2024-01-02T06:00 $set{plan=pro}");
        let spelled: Vec<String> = records.iter().map(Value::to_string).collect();
        assert_eq!(
            spelled,
            [
                r#"{"event":"A","properties":{"time":1704067200000,"distinct_id":"u1"}}"#,
                r#"{"event":"B","properties":{"v":5,"l":[1,2],"n":"x","time":1704072600000,"distinct_id":"u1"}}"#,
                r#"{"event":"view","properties":{"time":1704067202500,"distinct_id":""}}"#,
                r#"{"event":"Open","properties":{"time":1704175200000,"distinct_id":"u2"}}"#,
                r#"{"$distinct_id":"u2","$set":{"plan":"pro"}}"#,
            ]
        );
    }
}
