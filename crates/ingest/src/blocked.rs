//! What new data is not stored of (M-24).

use std::collections::HashSet;

use tallymark_event::Event;

/// Names of events and of properties of events that are not stored when they come in. What is stored
/// already stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocked {
    /// Events.
    pub events: HashSet<String>,
    /// Properties of events.
    pub event_properties: HashSet<String>,
}

/// How much was left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) events: u64,
    /// Values of properties, of events that are stored.
    pub(crate) properties: u64,
}

impl Blocked {
    /// An event without the properties that are blocked; `None` if it is blocked itself.
    pub(crate) fn pass<'a>(&self, mut event: Event<'a>, left_out: &mut LeftOut) -> Option<Event<'a>> {
        if self.events.contains(event.name.as_ref()) {
            left_out.events += 1;
            return None;
        }
        if !self.event_properties.is_empty() {
            let before = event.properties.len();
            event.properties.retain(|(name, _)| !self.event_properties.contains(name.as_ref()));
            left_out.properties += (before - event.properties.len()) as u64;
        }
        Some(event)
    }
}
