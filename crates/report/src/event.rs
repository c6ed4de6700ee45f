//! Which events are meant.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::report::read_value;
use crate::text::{WordOr, Written, word_or};
use crate::{DefinitionError, Filter};

/// Stands for every event (P-40).
pub const ALL_EVENTS: &str = "$all_events";
/// Stands for the starts of sessions.
pub const SESSION_START: &str = "$session_start";
/// Stands for the ends of sessions.
pub const SESSION_END: &str = "$session_end";

/// Events: one name, or several of which any will do (S-3, P-41). An event that meets several
/// choices counts once.
///
/// A name is that of a saved event, else that of stored ones.
///
/// Written `"Play"`, `["Play", "Stream"]`, `{"event": "Play", "where": "mins > 3"}`,
/// `{"any_of": [...], "name": "Listen"}`; `"$all_events"` is every event, `"$session_start"` and
/// `"$session_end"` are where sessions start and end.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(with = "Written<Self>")]
pub struct EventSelector {
    /// Any of these.
    pub any_of: Vec<EventChoice>,
    /// What to call it in results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only each user's first such event ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_time: Option<FirstTime>,
}

/// Which first event of a user is meant (S-50).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FirstTime {
    /// The first of these events by name; filters then apply to it (S-51).
    Ever,
    /// The first of those that pass the filters.
    Filtered,
}

/// Events of one name.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(with = "Written<Self>")]
pub struct EventChoice {
    /// The name, or `$all_events`.
    pub event: String,
    /// Only those that pass (P-1).
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

/// Whether a name stands for starts or ends of sessions.
pub fn is_of_sessions(event: &str) -> bool {
    [SESSION_START, SESSION_END].contains(&event)
}

impl EventChoice {
    /// Whether every name will do.
    pub fn is_all(&self) -> bool {
        self.event == ALL_EVENTS
    }

    /// Whether starts or ends of sessions are meant, which nobody has stored.
    pub fn is_of_sessions(&self) -> bool {
        is_of_sessions(&self.event)
    }
}

impl EventSelector {
    /// All events of a name.
    pub fn named(event: &str) -> Self {
        Self {
            any_of: vec![EventChoice { event: event.to_owned(), filter: None }],
            name: None,
            first_time: None,
        }
    }

    /// From the fields of an object.
    pub(crate) fn of_parts(
        event: Option<String>,
        any_of: Option<Vec<EventChoice>>,
        filter: Option<Filter>,
        name: Option<String>,
        first_time: Option<FirstTime>,
    ) -> Result<Self, String> {
        let any_of = match (event, any_of) {
            (Some(event), None) => vec![EventChoice { event, filter }],
            (None, Some(any_of)) if filter.is_none() && !any_of.is_empty() => any_of,
            (None, Some(any_of)) if !any_of.is_empty() => {
                return Err("with any_of each event has a where of its own".to_owned());
            }
            _ => return Err("say either event or any_of".to_owned()),
        };
        Ok(Self { any_of, name, first_time })
    }

    /// Reads events as they are saved under a name (P-41): in any of the ways they are written. The
    /// names in it are those of stored events.
    ///
    /// # Errors
    /// As for [`crate::Report::parse`].
    pub fn from_value(name: &str, value: Value) -> crate::Result<Self> {
        if name == ALL_EVENTS {
            return Err(DefinitionError::new("", format!("\"{name}\" is every event")));
        }
        if is_of_sessions(name) {
            return Err(DefinitionError::new("", format!("\"{name}\" is made of sessions")));
        }
        let selector: Self = read_value(value)?;
        if selector.name.is_some() {
            return Err(DefinitionError::new("name", "is the one it is saved under"));
        }
        if selector.first_time.is_some() {
            return Err(DefinitionError::new("first_time", "is said where the saved event is named"));
        }
        selector.check(false)?;
        Ok(selector)
    }

    pub(crate) fn check(&self, may_include: bool) -> Result<(), DefinitionError> {
        // Which of several choices an event met, nobody could say.
        let may_include = may_include && self.any_of.len() == 1;
        let has_list = self.name.is_none() && self.first_time.is_none();
        self.any_of.iter().enumerate().try_for_each(|(at, choice)| {
            let Some(filter) = &choice.filter else { return Ok(()) };
            let error = filter.check(may_include).map_err(|error| error.within("where"));
            match self.any_of.len() {
                1 => error,
                _ if has_list => error.map_err(|error| error.within(&format!("[{at}]"))),
                _ => error.map_err(|error| error.within(&format!("any_of[{at}]"))),
            }
        })
    }

    /// How it is called in results.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let names: Vec<&str> = self.any_of.iter().map(|choice| choice.event.as_str()).collect();
            names.join(" or ")
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelectorObject {
    /// One name, or `$all_events`.
    event: Option<String>,
    /// Several, any of which will do.
    any_of: Option<Vec<EventChoice>>,
    /// Only events of `event` that pass.
    #[serde(rename = "where")]
    filter: Option<Filter>,
    /// What to call it in results.
    name: Option<String>,
    /// Only each user's first such event ever.
    first_time: Option<FirstTime>,
}

impl WordOr<'_> for EventSelector {
    const EXPECTED: &'static str = "an event: its name, a list of names, or an object";
    type Object = SelectorObject;
    type List = Vec<EventChoice>;

    fn of_word(word: &str) -> Result<Self, String> {
        Ok(Self { any_of: vec![EventChoice::of_word(word)?], name: None, first_time: None })
    }

    fn of_object(object: SelectorObject) -> Result<Self, String> {
        let SelectorObject { event, any_of, filter, name, first_time } = object;
        Self::of_parts(event, any_of, filter, name, first_time)
    }

    fn of_list(list: Vec<EventChoice>) -> Result<Self, String> {
        if list.is_empty() {
            return Err("at least one event".to_owned());
        }
        Ok(Self { any_of: list, name: None, first_time: None })
    }
}

impl<'de> Deserialize<'de> for EventSelector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChoiceObject {
    /// The name, or `$all_events`.
    event: String,
    /// Only those that pass.
    #[serde(rename = "where")]
    filter: Option<Filter>,
}

impl WordOr<'_> for EventChoice {
    const EXPECTED: &'static str = "an event: its name, or an object";
    type Object = ChoiceObject;
    type List = crate::text::NoList;

    fn of_word(word: &str) -> Result<Self, String> {
        if word.is_empty() {
            return Err("an event has a name".to_owned());
        }
        Ok(Self { event: word.to_owned(), filter: None })
    }

    fn of_object(object: ChoiceObject) -> Result<Self, String> {
        Ok(Self { event: object.event, filter: object.filter })
    }
}

impl<'de> Deserialize<'de> for EventChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}
