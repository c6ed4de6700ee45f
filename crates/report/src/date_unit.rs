//! What dates are put together by.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Unit;
use crate::error::closest;

/// A civil unit, or what comes again with each day or week (D-52).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum DateUnit {
    /// By the unit a date lies in.
    Civil(Unit),
    /// By what it has in common with others.
    Recurring(Recurring),
}

/// What comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recurring {
    /// 0 to 23, as clocks in the time zone show it.
    HourOfDay,
    /// Monday to Sunday, by name.
    DayOfWeek,
}

impl Recurring {
    const ALL: [(&'static str, Self); 2] =
        [("hour_of_day", Self::HourOfDay), ("day_of_week", Self::DayOfWeek)];
}

impl fmt::Display for DateUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Civil(unit) => unit.fmt(f),
            Self::Recurring(Recurring::HourOfDay) => f.write_str("hour_of_day"),
            Self::Recurring(Recurring::DayOfWeek) => f.write_str("day_of_week"),
        }
    }
}

impl<'de> Deserialize<'de> for DateUnit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        if let Some((_, unit)) = Unit::ALL.iter().find(|(name, _)| *name == word) {
            return Ok(Self::Civil(*unit));
        }
        if let Some((_, recurring)) = Recurring::ALL.iter().find(|(name, _)| *name == word) {
            return Ok(Self::Recurring(*recurring));
        }
        let known =
            || Unit::ALL.iter().map(|(name, _)| *name).chain(Recurring::ALL.iter().map(|(name, _)| *name));
        let hint =
            closest(&word, known()).map(|name| format!("did you mean \"{name}\"? ")).unwrap_or_default();
        let known = known().collect::<Vec<_>>().join(", ");
        Err(serde::de::Error::custom(format!("\"{word}\" is no unit; {hint}Known: {known}")))
    }
}
