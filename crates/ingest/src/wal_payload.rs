//! Accepted records ⇄ the bytes of a write-ahead log entry.
//!
//! A line of JSON that says when the records arrived, then a line a record. The form is our own and
//! says everything outright, so that replay gives exactly what was acknowledged, whatever form it
//! was sent in and whatever limits were in force.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tallymark_event::{Event, Properties, Timestamp};
use tallymark_users::ProfileUpdate;

use crate::{Error, Result};

const FORMAT_VERSION: u32 = 1;

/// An accepted record that owns its text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Accepted {
    Event(Event<'static>),
    Update(ProfileUpdate),
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    received_at: Timestamp,
    first_sequence: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ignores_merges: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Event(EventLine),
    Update(ProfileUpdate),
}

#[derive(Serialize, Deserialize)]
struct EventLine {
    name: String,
    time: Timestamp,
    distinct_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    insert_id: Option<String>,
    properties: Properties,
}

/// What a log entry holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Payload {
    pub(crate) received_at: Timestamp,
    pub(crate) first_sequence: i64,
    /// Whether the records came by an endpoint where `$merge` has no effect (I-23).
    pub(crate) ignores_merges: bool,
    pub(crate) records: Vec<Accepted>,
}

impl Payload {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::new();
        let header = Header {
            version: FORMAT_VERSION,
            received_at: self.received_at,
            first_sequence: self.first_sequence,
            ignores_merges: self.ignores_merges,
        };
        push_line(&mut bytes, &header);
        for record in &self.records {
            push_line(
                &mut bytes,
                &match record {
                    Accepted::Event(event) => Line::Event(line_of(event)),
                    Accepted::Update(update) => Line::Update(update.clone()),
                },
            );
        }
        bytes.into()
    }

    pub(crate) fn decode(number: u64, bytes: &[u8]) -> Result<Self> {
        let damaged = |message: String| Error::Replay { number, message };
        let mut lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let header: Header = serde_json::from_slice(lines.next().unwrap_or_default())
            .map_err(|error| damaged(format!("no header: {error}")))?;
        if header.version != FORMAT_VERSION {
            let version = header.version;
            return Err(damaged(format!(
                "format {version}, this program reads {FORMAT_VERSION}; use a newer one"
            )));
        }
        let records = lines
            .map(|line| match serde_json::from_slice(line) {
                Ok(Line::Event(line)) => Ok(Accepted::Event(event_of(line))),
                Ok(Line::Update(update)) => Ok(Accepted::Update(update)),
                Err(error) => Err(damaged(error.to_string())),
            })
            .collect::<Result<_>>()?;
        let Header { version: _, received_at, first_sequence, ignores_merges } = header;
        Ok(Self { received_at, first_sequence, ignores_merges, records })
    }
}

fn push_line(bytes: &mut Vec<u8>, line: &impl Serialize) {
    // Strings, finite numbers and string keys only: writing them to memory cannot fail.
    serde_json::to_writer(&mut *bytes, line).expect("records are JSON");
    bytes.push(b'\n');
}

fn line_of(event: &Event<'static>) -> EventLine {
    let own = |text: &Option<std::borrow::Cow<'static, str>>| text.as_deref().map(str::to_owned);
    EventLine {
        name: event.name.to_string(),
        time: event.time,
        distinct_id: event.distinct_id.to_string(),
        device_id: own(&event.device_id),
        user_id: own(&event.user_id),
        insert_id: own(&event.insert_id),
        properties: Properties(
            event.properties.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        ),
    }
}

fn event_of(line: EventLine) -> Event<'static> {
    Event {
        name: line.name.into(),
        time: line.time,
        distinct_id: line.distinct_id.into(),
        device_id: line.device_id.map(Into::into),
        user_id: line.user_id.map(Into::into),
        insert_id: line.insert_id.map(Into::into),
        properties: line.properties.0.into_iter().map(|(name, value)| (name.into(), value)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use tallymark_users::{ProfileKey, ProfileOp};

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let event = Event::new("Buy", Timestamp::from_millis(5), "u1")
            .with("price", 11.683_427_765_563_279)
            .with("time", "not the time")
            .with("text", "line\nbreak")
            .with_insert_id("i1");
        let update = ProfileUpdate {
            key: ProfileKey::User("u1".into()),
            time: None,
            ignore_time: false,
            ignore_alias: true,
            ops: vec![ProfileOp::Delete, ProfileOp::Unset(vec!["a".into()])],
        };
        let payload = Payload {
            received_at: Timestamp::from_millis(7),
            first_sequence: 40,
            ignores_merges: true,
            records: vec![Accepted::Event(event), Accepted::Update(update)],
        };
        assert_eq!(Payload::decode(1, &payload.encode()).unwrap(), payload);
    }

    #[test]
    fn damage_is_named() {
        let message = Payload::decode(3, b"{}").unwrap_err().to_string();
        assert!(message.starts_with("cannot replay entry 3"), "{message}");
    }
}
