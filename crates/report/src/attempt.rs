//! What funnels and flows share: windows, who is counted, what must not happen in between.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::{NoList, WordOr, Written, word_or};
use crate::{DefinitionError, EventSelector, Result};

/// How long an attempt may take (F-4): `"7 days"`, `"90 seconds"`, `"2 sessions"`, or
/// `{"count": 7, "unit": "day"}`. The end is included (F-6); a month is 30 days (G-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(with = "Written<Self>")]
pub struct Window {
    /// How many; at least one.
    pub count: u32,
    /// Of what.
    pub unit: WindowUnit,
}

/// What a window is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowUnit {
    /// Seconds.
    Second,
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// Sessions of the user, the one of the first step included (F-7).
    Session,
}

const UNITS: [(&str, WindowUnit, i64); 7] = [
    ("second", WindowUnit::Second, 1000),
    ("minute", WindowUnit::Minute, 60_000),
    ("hour", WindowUnit::Hour, 3_600_000),
    ("day", WindowUnit::Day, 86_400_000),
    ("week", WindowUnit::Week, 7 * 86_400_000),
    ("month", WindowUnit::Month, 30 * 86_400_000),
    ("session", WindowUnit::Session, 0),
];

impl Window {
    /// So many days.
    pub const fn days(count: u32) -> Self {
        Self { count, unit: WindowUnit::Day }
    }

    /// Its length in milliseconds; `None` for sessions.
    pub fn millis(self) -> Option<i64> {
        let (_, _, millis) = UNITS.iter().find(|(_, unit, _)| *unit == self.unit)?;
        (self.unit != WindowUnit::Session).then(|| i64::from(self.count) * millis)
    }

    fn word(self) -> String {
        let name = UNITS.iter().find(|(_, unit, _)| *unit == self.unit).map_or("", |(name, ..)| name);
        format!("{} {name}{}", self.count, if self.count == 1 { "" } else { "s" })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowObject {
    /// How many.
    count: u32,
    /// Of what.
    unit: WindowUnit,
}

impl WordOr<'_> for Window {
    const EXPECTED: &'static str = "a window such as \"7 days\" or \"1 session\"";
    type Object = WindowObject;
    type List = NoList;

    fn of_word(word: &str) -> Result<Self, String> {
        let wrong = || {
            let units = UNITS.map(|(name, ..)| name).join(", ");
            format!("\"{word}\" is no window; write for example \"7 days\", units are {units}")
        };
        let (count, name) = word.trim().split_once(' ').ok_or_else(wrong)?;
        let name = name.trim();
        let singular = name.strip_suffix('s').unwrap_or(name);
        let (_, unit, _) = UNITS.iter().find(|(known, ..)| *known == singular).ok_or_else(wrong)?;
        Self::of_object(WindowObject { count: count.parse().map_err(|_| wrong())?, unit: *unit })
    }

    fn of_object(object: WindowObject) -> Result<Self, String> {
        if object.count == 0 {
            return Err("a window is at least one unit long".to_owned());
        }
        Ok(Self { count: object.count, unit: object.unit })
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.word())
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountOf {
    /// Each user once (F-23, W-4).
    #[default]
    UniqueUsers,
    /// Every attempt (F-22).
    Totals,
    /// One attempt a session, which it does not leave (F-24).
    Sessions,
}

/// An event that ends an attempt if it happens between two steps (F-45).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// Which.
    pub event: EventSelector,
    /// Only after this step, the first is 1, and before the next; between any two steps if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_step: Option<usize>,
}

impl Exclusion {
    /// Checks exclusions of so many steps.
    pub(crate) fn check(exclusions: &[Self], steps: usize) -> Result<()> {
        for (at, exclusion) in exclusions.iter().enumerate() {
            if exclusion.after_step.is_some_and(|step| step == 0 || step >= steps) {
                let problem = format!("a step that another one follows: 1 to {}", steps.saturating_sub(1));
                return Err(DefinitionError::new(format!("exclude[{at}].after_step"), problem));
            }
            let event = no_first_time(&exclusion.event).and_then(|()| exclusion.event.check(false));
            event.map_err(|error| error.within(&format!("exclude[{at}].event")))?;
        }
        Ok(())
    }
}

/// Where first times are not looked at.
pub(crate) fn no_first_time(selector: &EventSelector) -> Result<()> {
    match selector.first_time {
        Some(_) => Err(DefinitionError::new("first_time", "is not possible here")),
        None => Ok(()),
    }
}
