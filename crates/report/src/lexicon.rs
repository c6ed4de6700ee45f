//! What events and properties mean to people (M-20, M-21).

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::read;
use crate::{DefinitionError, Result};

/// What is said of the events and properties of a dataset, by the names they are sent under. It is
/// presentation but for `hidden`, `blocked` and `merged_into`: raw names stay in the data, in exports and in the
/// SQL table `events` (M-21).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lexicon {
    /// Of events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, LexiconEntry>,
    /// Of properties of events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event_properties: BTreeMap<String, LexiconEntry>,
    /// Of properties of users' profiles.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_properties: BTreeMap<String, LexiconEntry>,
}

/// What is said of one event or property.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LexiconEntry {
    /// What to call it where people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Who knows about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Kept out of menus, and of `$all_events` if it is an event (M-20, P-40).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// New data of it is not stored from now on; what is stored stays (M-24). Only events and their properties
    /// can be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// Read under the name of another in reports and the SQL table `merged_events`, as if it had been sent so (M-22). Only events and
    /// their properties can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// The type its values should have. Only properties have one.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub expected_type: Option<PropertyType>,
}

/// The types of values (D-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PropertyType {
    /// Text.
    String,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A date or an instant (D-22).
    Date,
    /// A list.
    List,
    /// An object.
    Object,
}

impl PropertyType {
    /// Its name, as `property_catalog` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::List => "list",
            Self::Object => "object",
        }
    }
}

/// What a lexicon has entries of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LexiconKind {
    /// Events.
    Event,
    /// Properties of events.
    EventProperty,
    /// Properties of users' profiles.
    UserProperty,
}

impl LexiconKind {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Event, Self::EventProperty, Self::UserProperty];

    /// Its name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::EventProperty => "event property",
            Self::UserProperty => "user property",
        }
    }
}

impl LexiconEntry {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Events that join ids (section 3).
const IDENTITY_EVENTS: [&str; 3] = ["$identify", "$create_alias", "$merge"];

impl Lexicon {
    /// The name a dataset's one lexicon is saved under.
    pub const NAME: &'static str = "lexicon";

    /// Reads a lexicon.
    ///
    /// # Errors
    /// As for [`crate::Report::parse`].
    pub fn from_value(value: Value) -> Result<Self> {
        let Value::Object(fields) = value else {
            return Err(DefinitionError::new("", "a lexicon is a JSON object"));
        };
        let lexicon: Self = read(fields)?;
        if let Some((name, _)) = lexicon.events.iter().find(|(_, entry)| entry.expected_type.is_some()) {
            return Err(DefinitionError::new(format!("events.{name}.type"), "only properties have a type"));
        }
        let merged =
            |(name, entry): (&String, &LexiconEntry)| entry.merged_into.is_some().then(|| name.clone());
        if let Some(name) = lexicon.user_properties.iter().find_map(merged) {
            let place = format!("user_properties.{name}.merged_into");
            return Err(DefinitionError::new(place, "only events and their properties can be merged"));
        }
        if let Some((name, _)) = lexicon.user_properties.iter().find(|(_, entry)| entry.blocked) {
            let place = format!("user_properties.{name}.blocked");
            return Err(DefinitionError::new(place, "only events and their properties can be blocked"));
        }
        let is_blocked = |name: &&str| lexicon.events.get(*name).is_some_and(|entry| entry.blocked);
        if let Some(name) = IDENTITY_EVENTS.iter().find(|name| is_blocked(name)) {
            let place = format!("events.{name}.blocked");
            return Err(DefinitionError::new(place, "it says who is who, which is not to be lost"));
        }
        check_merged("events", &lexicon.events)?;
        check_merged("event_properties", &lexicon.event_properties)?;
        Ok(lexicon)
    }

    /// The names of a kind of which new data is not stored (M-24).
    pub fn blocked(&self, kind: LexiconKind) -> impl Iterator<Item = &str> {
        let entries = self.entries(kind).iter();
        entries.filter(|(_, entry)| entry.blocked).map(|(name, _)| name.as_str())
    }

    /// For each event that is read under another name, that name (M-22).
    pub fn merged_events(&self) -> BTreeMap<String, String> {
        merged(&self.events)
    }

    /// The same of properties of events.
    pub fn merged_event_properties(&self) -> BTreeMap<String, String> {
        merged(&self.event_properties)
    }

    /// The entries of one kind, by name.
    pub fn entries(&self, kind: LexiconKind) -> &BTreeMap<String, LexiconEntry> {
        match kind {
            LexiconKind::Event => &self.events,
            LexiconKind::EventProperty => &self.event_properties,
            LexiconKind::UserProperty => &self.user_properties,
        }
    }

    /// The same, to be changed.
    pub fn entries_mut(&mut self, kind: LexiconKind) -> &mut BTreeMap<String, LexiconEntry> {
        match kind {
            LexiconKind::Event => &mut self.events,
            LexiconKind::EventProperty => &mut self.event_properties,
            LexiconKind::UserProperty => &mut self.user_properties,
        }
    }

    /// Takes over the entries of another one, in place of those of the same names; returns how
    /// many they are.
    pub fn merge(&mut self, other: &Self) -> usize {
        let mut count = 0;
        for kind in LexiconKind::ALL {
            count += other.entries(kind).len();
            self.entries_mut(kind).extend(other.entries(kind).clone());
        }
        count
    }

    /// Forgets entries that say nothing.
    pub fn tidy(&mut self) {
        for kind in LexiconKind::ALL {
            self.entries_mut(kind).retain(|_, entry| !entry.is_empty());
        }
    }
}

fn merged(entries: &BTreeMap<String, LexiconEntry>) -> BTreeMap<String, String> {
    let merged = |(name, entry): (&String, &LexiconEntry)| Some((name.clone(), entry.merged_into.clone()?));
    entries.iter().filter_map(merged).collect()
}

/// What others are read as is not read as something else.
fn check_merged(field: &str, entries: &BTreeMap<String, LexiconEntry>) -> Result<()> {
    for (name, target) in merged(entries) {
        let problem = if name == target {
            "is its own name".to_owned()
        } else if let Some(other) = entries.get(&target).and_then(|entry| entry.merged_into.as_ref()) {
            format!("\"{target}\" is merged into \"{other}\" itself")
        } else {
            continue;
        };
        return Err(DefinitionError::new(format!("{field}.{name}.merged_into"), problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn m_22_m_24_what_can_be_merged_and_blocked() {
        let read = |json: Value| Lexicon::from_value(json);
        let lexicon = read(json!({"events": {"play": {"merged_into": "Play"}}})).unwrap();
        assert_eq!(lexicon.merged_events(), BTreeMap::from([("play".to_owned(), "Play".to_owned())]));
        let errors = [
            read(json!({"events": {"Play": {"merged_into": "Play"}}})),
            read(json!({"event_properties": {"a": {"merged_into": "b"}, "b": {"merged_into": "c"}}})),
            read(json!({"user_properties": {"a": {"merged_into": "b"}}})),
            read(json!({"user_properties": {"a": {"blocked": true}}})),
            read(json!({"events": {"$identify": {"blocked": true}}})),
        ]
        .map(|result| result.unwrap_err().to_string());
        assert_eq!(
            errors,
            [
                "events.Play.merged_into: is its own name",
                "event_properties.a.merged_into: \"b\" is merged into \"c\" itself",
                "user_properties.a.merged_into: only events and their properties can be merged",
                "user_properties.a.blocked: only events and their properties can be blocked",
                "events.$identify.blocked: it says who is who, which is not to be lost",
            ]
        );
    }
}
