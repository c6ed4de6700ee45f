//! What a session is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DefinitionError, EventSelector, Property, Result};

/// How events of a user become sessions; one setting for everything a report says of
/// sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRule {
    /// A session ends before a gap longer than this many seconds. 30 minutes unless said, or
    /// unless another rule is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// A session begins with such an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<EventSelector>,
    /// And ends with such an event, included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EventSelector>,
    /// A session is as long as this property keeps its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Property>,
    /// Whether sessions are cut at midnight in the report's time zone.
    #[serde(default = "yes")]
    pub midnight_cut: bool,
    /// Names of events that belong to no session, besides those of X-7.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_events: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Default for SessionRule {
    fn default() -> Self {
        Self {
            timeout_seconds: None,
            start: None,
            end: None,
            id: None,
            midnight_cut: true,
            excluded_events: Vec::new(),
        }
    }
}

impl SessionRule {
    /// The timeout if none is said.
    pub const TIMEOUT_SECONDS: u32 = 30 * 60;

    /// Events that never belong to a session.
    pub const EXCLUDED_EVENTS: [&'static str; 10] = [
        "$identify",
        "$create_alias",
        "$merge",
        "$hotshard_events",
        "$campaign_delivery",
        "$campaign_bounced",
        "$campaign_marked_spam",
        "$message_suppressed",
        "$unsubscribe",
        "$journey_entered",
    ];
}

impl SessionRule {
    pub(crate) fn check(&self) -> Result<()> {
        if self.start.is_some() != self.end.is_some() {
            return Err(DefinitionError::new("", "start and end go together"));
        }
        let rules = [self.timeout_seconds.is_some(), self.start.is_some(), self.id.is_some()];
        if rules.into_iter().filter(|is| *is).count() > 1 {
            return Err(DefinitionError::new("", "one rule: timeout_seconds, start with end, or id"));
        }
        for (field, selector) in [("start", &self.start), ("end", &self.end)] {
            selector.iter().try_for_each(|event| event.check(false).map_err(|error| error.within(field)))?;
        }
        if self.timeout_seconds == Some(0) {
            return Err(DefinitionError::new("timeout_seconds", "at least one second"));
        }
        Ok(())
    }
}

/// The sessions themselves, one row each: those that start in the range and, with a filter,
/// have an event that passes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionList {
    /// Properties that a session has from its events, as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property>,
}
