//! Who comes back, how often, and who stays away.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::insights::{check_breakdowns, check_cell};
use crate::measure::{measure_named, sum_or_average};
use crate::text::{NoList, WordOr, Written, word_or};
use crate::{Aggregate, Breakdown, DefinitionError, EventSelector, Instant, Property, Result, Unit};

/// A report of who comes back after they were born (section 7 of the rules).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// The event users are born with; a row of the result is who did it in one unit of time.
    /// With `first_time` each user is born once.
    pub birth: EventSelector,
    /// The event they come back with; any if not said.
    #[serde(default = "any_event", rename = "return")]
    pub return_event: EventSelector,
    /// The unit of time of rows and buckets; `day` if not said.
    #[serde(default = "day")]
    pub unit: Unit,
    /// Whether buckets are counted from the birth or by the calendar.
    #[serde(default)]
    pub alignment: Alignment,
    /// Who is retained in a bucket (R-14 … R-17).
    #[serde(default)]
    pub criterion: Criterion,
    /// How many buckets there are, the one of the birth included; as many units as the range has,
    /// and one more, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u32>,
    /// Instead, buckets of these many units each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brackets: Vec<u32>,
    /// What is measured.
    #[serde(default)]
    pub measure: RetentionMeasure,
    /// Split by these; properties of events are those of the birth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breakdowns: Vec<Breakdown>,
    /// Only so many segments, those with most births (B-31).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// Whether the segments beyond `top` are one, `$other`.
    #[serde(default)]
    pub other: bool,
    /// What is counted as a user: the values of this event property (U-30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_by: Option<String>,
    /// Instead of the numbers, the users behind one of them (M-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_of: Option<RetentionCell>,
}

fn any_event() -> EventSelector {
    EventSelector::named(crate::ALL_EVENTS)
}

fn day() -> Unit {
    Unit::Day
}

/// How buckets are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// In lengths of time from the birth: hours, 24 hours, 7 days, 30 days.
    #[default]
    Rolling,
    /// In civil units after the one of the birth.
    Calendar,
}

/// Who is retained in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Who came back in it.
    On,
    /// Who came back in it or later.
    #[default]
    OnOrAfter,
    /// Who came back in it and in every one before.
    Streak,
    /// Who came back in it or before.
    OnOrBefore,
}

/// What is measured of who is retained.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(with = "Written<Self>")]
pub enum RetentionMeasure {
    /// Which share of those born.
    #[default]
    Rate,
    /// How many.
    UniqueUsers,
    /// How many events they came back with.
    TotalEvents,
    /// Sum, or average over all who were born, of a property of these events.
    #[serde(untagged)]
    OfProperty {
        /// `sum` or `average`.
        aggregate: Aggregate,
        /// Of what.
        of: Property,
    },
}

const MEASURES: [(&str, RetentionMeasure); 3] = [
    ("rate", RetentionMeasure::Rate),
    ("unique_users", RetentionMeasure::UniqueUsers),
    ("total_events", RetentionMeasure::TotalEvents),
];

/// [`RetentionMeasure`] as an object.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionMeasureObject {
    /// `sum` or `average`.
    aggregate: Aggregate,
    /// Of what.
    of: Property,
}

impl WordOr<'_> for RetentionMeasure {
    const EXPECTED: &'static str = "a measure: rate, unique_users, total_events, or an object with aggregate";
    type Object = RetentionMeasureObject;
    type List = NoList;

    fn words() -> Vec<&'static str> {
        MEASURES.iter().map(|(word, _)| *word).collect()
    }

    fn of_word(word: &str) -> Result<Self, String> {
        measure_named(word, &MEASURES)
    }

    fn of_object(object: RetentionMeasureObject) -> Result<Self, String> {
        Ok(Self::OfProperty { aggregate: sum_or_average(object.aggregate)?, of: object.of })
    }
}

impl<'de> Deserialize<'de> for RetentionMeasure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

/// One number of a retention report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionCell {
    /// An instant, or a day, in the unit of time of the births.
    pub time: Instant,
    /// Who is retained in this bucket, the first is 0; everybody who was born if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u32>,
    /// Instead, who is not.
    #[serde(default)]
    pub dropped_off: bool,
    /// The labels of the segment, one a breakdown; without regard to segments if not said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
}

impl Retention {
    pub(crate) fn check(&self) -> Result<()> {
        self.birth.check(false).map_err(|error| error.within("birth"))?;
        self.return_event.check(false).map_err(|error| error.within("return"))?;
        check_breakdowns(&self.breakdowns, self.top, self.other)?;
        if self.unit == Unit::Minute {
            return Err(DefinitionError::new("unit", "hour, day, week, month, quarter or year"));
        }
        if self.alignment == Alignment::Rolling && matches!(self.unit, Unit::Quarter | Unit::Year) {
            return Err(DefinitionError::new(
                "unit",
                "quarters and years go with \"alignment\": \"calendar\"",
            ));
        }
        if self.buckets.is_some() && !self.brackets.is_empty() {
            return Err(DefinitionError::new("brackets", "say either buckets or brackets"));
        }
        if self.buckets == Some(0) || self.buckets.is_some_and(|count| count > 100_000) {
            return Err(DefinitionError::new("buckets", "1 to 100000 buckets"));
        }
        if self.brackets.iter().any(|size| *size == 0 || *size > 100_000) {
            return Err(DefinitionError::new("brackets", "sizes of 1 to 100000 units"));
        }
        if let Some(RetentionCell { bucket, dropped_off, segments, .. }) = &self.users_of {
            if *dropped_off && bucket.is_none() {
                return Err(DefinitionError::new("users_of.dropped_off", "in which bucket? Say bucket"));
            }
            check_cell(false, segments, None, &self.breakdowns).map_err(|error| error.within("users_of"))?;
        }
        Ok(())
    }
}

/// A report of on how many days, or hours, users do something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Frequency {
    /// What they do; anything if not said.
    #[serde(default = "any_event")]
    pub event: EventSelector,
    /// In which periods: `day` (hours of the day are counted), `week` or `month` (days are).
    #[serde(default = "week")]
    pub period: Unit,
    /// Whether users with at least so many are counted, or with exactly so many.
    #[serde(default = "yes")]
    pub cumulative: bool,
    /// Only users who did this in the period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth: Option<EventSelector>,
    /// Instead of the numbers, the users behind one of them (M-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_of: Option<FrequencyCell>,
}

fn week() -> Unit {
    Unit::Week
}

fn yes() -> bool {
    true
}

/// One number of a report of frequency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrequencyCell {
    /// An instant, or a day, in the period.
    pub time: Instant,
    /// In how many hours or on how many days; at least so many, or exactly, as the report counts.
    pub count: u32,
}

impl Frequency {
    /// How many hours or days the longest of its periods has.
    pub fn most(&self) -> u32 {
        match self.period {
            Unit::Day => 24,
            Unit::Week => 7,
            _ => 31,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if !matches!(self.period, Unit::Day | Unit::Week | Unit::Month) {
            return Err(DefinitionError::new("period", "day, week or month"));
        }
        self.event.check(false).map_err(|error| error.within("event"))?;
        if self.users_of.as_ref().is_some_and(|cell| cell.count == 0 || cell.count > self.most()) {
            return Err(DefinitionError::new("users_of.count", format!("1 to {}", self.most())));
        }
        self.birth.iter().try_for_each(|birth| birth.check(false).map_err(|error| error.within("birth")))
    }
}

/// A report of who is new, who stays, who comes back and who stays away, unit by unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// What makes a user active; anything if not said.
    #[serde(default = "any_event")]
    pub event: EventSelector,
    /// The unit of time; `week` if not said.
    #[serde(default = "week")]
    pub unit: Unit,
    /// Instead of the numbers, the users behind one of them (M-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_of: Option<LifecycleCell>,
}

/// One number of a report of lifecycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LifecycleCell {
    /// An instant, or a day, in the unit of time.
    pub time: Instant,
    /// What users are in it.
    pub status: LifecycleStatus,
}

/// What a user is in a unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleStatus {
    /// Active, and never before.
    New,
    /// Active, and in the unit before.
    Returning,
    /// Active, and before, but not in the unit before.
    Resurrected,
    /// Not active, but in the unit before.
    Dormant,
}

impl Lifecycle {
    pub(crate) fn check(&self) -> Result<()> {
        if self.unit == Unit::Minute {
            return Err(DefinitionError::new("unit", "hour, day, week, month, quarter or year"));
        }
        self.event.check(false).map_err(|error| error.within("event"))
    }
}

/// A report of which share of the users of a period is active on one of its units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stickiness {
    /// What makes a user active; anything if not said.
    #[serde(default = "any_event")]
    pub event: EventSelector,
    /// Users of a day are divided by those of the 7 days, or the 30 days, up to it.
    #[serde(default)]
    pub over: StickinessPeriod,
    /// Instead of the numbers, the users behind one of them (M-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_of: Option<StickinessCell>,
}

/// One number of a report of stickiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StickinessCell {
    /// The day, or an instant in it.
    pub time: Instant,
    /// Whether the users of the day are meant, or those of all the days up to it; `daily` if not said.
    #[serde(default)]
    pub of: StickinessUsers,
}

/// Which users of a report of stickiness, by the column of their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StickinessUsers {
    /// Who is active on the day.
    #[default]
    Daily,
    /// Who is active on one of the days up to it.
    Period,
}

/// What daily users are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StickinessPeriod {
    /// Users of the last 7 days.
    Week,
    /// Users of the last 30 days.
    #[default]
    Month,
}

impl StickinessPeriod {
    /// How many days it has.
    pub fn days(self) -> u32 {
        match self {
            Self::Week => 7,
            Self::Month => 30,
        }
    }
}
