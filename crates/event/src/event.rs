//! The event itself.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{PropertyValue, Timestamp};

/// One thing one user did, as it was sent: not yet resolved to a person, not yet numbered.
///
/// Text is borrowed from the input where possible; `Event<'static>` owns all of it.
///
/// ```
/// use tallymark_event::{Event, Timestamp};
///
/// let event = Event::new("Sign up", Timestamp::from_millis(1_700_000_000_000), "u1")
///     .with("plan", "pro")
///     .with("seats", 5);
/// assert_eq!(event.properties.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// The event's name; case and spaces count (D-2). Never empty.
    pub name: Cow<'a, str>,
    /// When it happened.
    pub time: Timestamp,
    /// The id as sent; empty means nobody's event (D-4, G-12).
    pub distinct_id: Cow<'a, str>,
    /// `$device_id`, if sent and not empty (I-1).
    pub device_id: Option<Cow<'a, str>>,
    /// `$user_id`, if sent and not empty (I-1).
    pub user_id: Option<Cow<'a, str>>,
    /// `$insert_id`: the sender's id of this event. Without one it never counts as a repeat (D-11).
    pub insert_id: Option<Cow<'a, str>>,
    /// All other properties, in the order sent, names unique.
    pub properties: Vec<(Cow<'a, str>, PropertyValue<'a>)>,
}

impl<'a> Event<'a> {
    /// An event without properties.
    pub fn new(name: impl Into<Cow<'a, str>>, time: Timestamp, distinct_id: impl Into<Cow<'a, str>>) -> Self {
        Self {
            name: name.into(),
            time,
            distinct_id: distinct_id.into(),
            device_id: None,
            user_id: None,
            insert_id: None,
            properties: Vec::new(),
        }
    }

    /// The event with one more property; a name already there is overwritten.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<PropertyValue<'a>>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.properties.iter_mut().find(|(known, _)| *known == name) {
            Some(slot) => slot.1 = value,
            None => self.properties.push((name, value)),
        }
        self
    }

    /// The event with an `$insert_id`, so that a repeat is recognised (D-9).
    #[must_use]
    pub fn with_insert_id(mut self, insert_id: impl Into<Cow<'a, str>>) -> Self {
        self.insert_id = Some(insert_id.into());
        self
    }

    /// The same event, owning its text.
    pub fn into_owned(self) -> Event<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Event {
            name: own(self.name),
            time: self.time,
            distinct_id: own(self.distinct_id),
            device_id: self.device_id.map(own),
            user_id: self.user_id.map(own),
            insert_id: self.insert_id.map(own),
            properties: self
                .properties
                .into_iter()
                .map(|(name, value)| (own(name), value.into_owned()))
                .collect(),
        }
    }

    /// The value of a property, if it was sent.
    pub fn property(&self, name: &str) -> Option<&PropertyValue<'a>> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// An id under which events are sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DistinctId(String);

impl DistinctId {
    /// A new anonymous id, as the SDKs make them: `$device:` and a random UUID (v4), so that it
    /// links to a user later under either identity system (I-3, I-21).
    pub fn generate() -> Self {
        Self(format!("$device:{}", Uuid::new_v4()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DistinctId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<DistinctId> for Cow<'_, str> {
    fn from(id: DistinctId) -> Self {
        Cow::Owned(id.0)
    }
}
