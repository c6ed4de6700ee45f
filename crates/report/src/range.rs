//! The time a report is about.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::{NoList, WordOr, Written, word_or};
use crate::{Period, Unit};

/// A date, or a date and time: `2024-01-31`, `2024-01-31T10:30`, `2024-01-31T10:30:00Z`. Without an
/// offset it is in the report's time zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Instant(pub String);

/// Which time a report covers; the last 30 days if it does not say (S-63).
///
/// Written as text: `"today"`, `"yesterday"`, `"last 7 days"`, `"last 2 months"`,
/// `"month to date"`, `"previous month"`, `"2024-01-01 to 2024-01-31"`; or as an object:
/// `{"from": "2024-01-01", "to": "2024-01-31"}`, `{"since": "2024-01-01"}`,
/// `{"last": "7 days", "ending_days_ago": 1}`. Dates are civil days in the time zone of the report,
/// both included (G-4); with times of day, the end is not included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(with = "Written<Self>")]
pub enum DateRange {
    /// The last so many units, the current day included (G-8), ending so many days ago.
    Last {
        /// How long.
        period: Period,
        /// 0: up to now.
        ending_days_ago: u32,
    },
    /// The whole civil day before today.
    Yesterday,
    /// The current unit up to now (S-62).
    ToDate(Unit),
    /// The whole civil unit before the current one.
    Previous(Unit),
    /// From a day, or an instant, up to now.
    Since(Instant),
    /// From the first to the last day, or instant.
    Between(Instant, Instant),
}

impl Default for DateRange {
    fn default() -> Self {
        Self::Last { period: Period { count: 30, unit: Unit::Day }, ending_days_ago: 0 }
    }
}

impl DateRange {
    /// As text that reads back as the same.
    fn word(&self) -> Option<String> {
        Some(match self {
            Self::Last { period, ending_days_ago: 0 } => format!("last {} {}s", period.count, period.unit),
            Self::Last { .. } | Self::Since(_) => return None,
            Self::Yesterday => "yesterday".to_owned(),
            Self::ToDate(unit) => format!("{unit} to date"),
            Self::Previous(unit) => format!("previous {unit}"),
            Self::Between(from, to) => format!("{} to {}", from.0, to.0),
        })
    }
}

impl Serialize for DateRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        if let Some(word) = self.word() {
            return serializer.serialize_str(&word);
        }
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Last { period, ending_days_ago } => {
                map.serialize_entry("last", &format!("{} {}s", period.count, period.unit))?;
                map.serialize_entry("ending_days_ago", ending_days_ago)?;
            }
            Self::Since(since) => map.serialize_entry("since", since)?,
            Self::Yesterday | Self::ToDate(_) | Self::Previous(_) | Self::Between(..) => {}
        }
        map.end()
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RangeObject {
    /// The first day, or instant; with `to`.
    from: Option<Instant>,
    /// The last day, included; or an instant, not included.
    to: Option<Instant>,
    /// From this day, or instant, up to now.
    since: Option<Instant>,
    /// So long, the current unit included.
    last: Option<Period>,
    /// With `last`: ending so many days ago.
    ending_days_ago: Option<u32>,
}

impl WordOr<'_> for DateRange {
    const EXPECTED: &'static str = "a range of dates such as \"last 30 days\"";
    type Object = RangeObject;
    type List = NoList;

    fn of_word(word: &str) -> Result<Self, String> {
        let text = word.trim();
        let unit = |unit: &str| Unit::named(unit).filter(|unit| *unit >= Unit::Day);
        match text {
            "today" => return Ok(Self::ToDate(Unit::Day)),
            "yesterday" => return Ok(Self::Yesterday),
            _ => {}
        }
        if let Some((from, to)) = text.split_once(" to ")
            && to != "date"
        {
            return Ok(Self::Between(Instant(from.trim().to_owned()), Instant(to.trim().to_owned())));
        }
        let found = if let Some(period) = text.strip_prefix("last ") {
            Period::of_word(period).ok().map(|period| Self::Last { period, ending_days_ago: 0 })
        } else if let Some(of) = text.strip_suffix(" to date") {
            unit(of).map(Self::ToDate)
        } else if let Some(of) = text.strip_prefix("previous ") {
            unit(of).map(Self::Previous)
        } else {
            text.strip_prefix("since ").map(|since| Self::Since(Instant(since.trim().to_owned())))
        };
        found.ok_or_else(|| {
            format!(
                "\"{word}\" is no range of dates; write for example \"last 30 days\", \"today\", \"month to \
                 date\", \"previous week\", \"2024-01-01 to 2024-01-31\""
            )
        })
    }

    fn of_object(object: RangeObject) -> Result<Self, String> {
        match object {
            RangeObject {
                from: Some(from),
                to: Some(to),
                since: None,
                last: None,
                ending_days_ago: None,
            } => Ok(Self::Between(from, to)),
            RangeObject { from: None, to: None, since: Some(since), last: None, ending_days_ago: None } => {
                Ok(Self::Since(since))
            }
            RangeObject { from: None, to: None, since: None, last: Some(period), ending_days_ago } => {
                Ok(Self::Last { period, ending_days_ago: ending_days_ago.unwrap_or(0) })
            }
            _ => Err("a range is from and to, or since, or last with perhaps ending_days_ago".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for DateRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}
