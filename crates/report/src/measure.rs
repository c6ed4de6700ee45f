//! What is measured.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::named;
use crate::text::{NoList, WordOr, Written, word_or};
use crate::{CastType, Property};

/// What an insights metric measures, for each bucket and segment.
///
/// Written as a word (`"unique_users"`), or as an object: `{"aggregate": "sum", "of": "amount"}`,
/// `{"aggregate": "median", "per_user": "events"}`,
/// `{"aggregate": "p90", "per_user": {"aggregate": "sum", "of": "amount"}}`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(with = "Written<Self>")]
pub enum Measure {
    /// How many events (S-10).
    TotalEvents,
    /// How many different users (S-11).
    UniqueUsers,
    /// Different users of the last day of the bucket (S-12, S-40).
    DailyActiveUsers,
    /// Different users of the 7 days up to the last day of the bucket.
    WeeklyActiveUsers,
    /// Different users of the 30 days up to the last day of the bucket.
    MonthlyActiveUsers,
    /// Different users from the start of the range to the end of the bucket (S-28).
    CumulativeUniqueUsers,
    /// Sessions with such an event (S-13, X-20).
    Sessions,
    /// An aggregate of a property over events (S-20, S-21).
    #[serde(untagged)]
    OfProperty {
        /// Which.
        aggregate: Aggregate,
        /// Of what.
        of: Property,
        /// Turned into this first (D-27).
        #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
        cast: Option<CastType>,
    },
    /// An aggregate over users of a number each of them has (S-14, S-22).
    #[serde(untagged)]
    OverUsers {
        /// Over the users.
        aggregate: Aggregate,
        /// What each has.
        per_user: PerUser,
    },
}

/// The number a user has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(with = "Written<Self>")]
pub enum PerUser {
    /// How many events (S-14).
    Events,
    /// How many sessions with such an event.
    Sessions,
    /// Sum, average, distinct, min or max of a property over their events (S-22).
    #[serde(untagged)]
    OfProperty {
        /// Which.
        aggregate: Aggregate,
        /// Of what.
        of: Property,
        /// Turned into this first (D-27).
        #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
        cast: Option<CastType>,
    },
}

impl PerUser {
    /// How it is called in results.
    pub fn label(&self) -> String {
        match self {
            Self::Events => "events".to_owned(),
            Self::Sessions => "sessions".to_owned(),
            Self::OfProperty { aggregate, of, .. } => format!("{} of {}", aggregate.name(), of.label()),
        }
    }
}

/// A function of many numbers, or values.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema)]
#[schemars(with = "String")]
pub enum Aggregate {
    /// The sum; 0 of nothing (S-32).
    Sum,
    /// The mean.
    Average,
    /// The smallest.
    Min,
    /// The greatest.
    Max,
    /// The percentile, 0 to 100, between neighbours by straight line (G-11); the median is 50.
    Percentile(f64),
    /// How many different values (S-21).
    Distinct,
    /// The value that is most frequent; of equally frequent ones the smallest (S-28). Of numbers,
    /// or as a string of texts.
    MostFrequent,
    /// The value of the first event (S-28). Of numbers, or as a string of texts.
    First,
    /// Population variance (S-28).
    Variance,
    /// How many have a number (S-28).
    Count,
    /// How many have which value: a row a value, or a range of values (S-36).
    Distribution,
}

impl Eq for Aggregate {}

impl std::hash::Hash for Aggregate {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

const WORDS: [(&str, Aggregate); 11] = [
    ("sum", Aggregate::Sum),
    ("average", Aggregate::Average),
    ("min", Aggregate::Min),
    ("max", Aggregate::Max),
    ("median", Aggregate::Percentile(50.0)),
    ("distinct", Aggregate::Distinct),
    ("most_frequent", Aggregate::MostFrequent),
    ("first", Aggregate::First),
    ("variance", Aggregate::Variance),
    ("count", Aggregate::Count),
    ("distribution", Aggregate::Distribution),
];

impl Aggregate {
    /// As it is written: `sum`, `median`, `p90`.
    pub fn name(self) -> String {
        match WORDS.iter().find(|(_, aggregate)| *aggregate == self) {
            Some((word, _)) => (*word).to_owned(),
            None => match self {
                Self::Percentile(percent) => format!("p{percent}"),
                _ => String::new(),
            },
        }
    }

    /// Whether it is 0 of nothing rather than null (S-32).
    pub fn is_zero_of_nothing(self) -> bool {
        matches!(self, Self::Sum | Self::Count | Self::Distinct)
    }

    /// Read from [`Aggregate::name`].
    pub fn named(word: &str) -> Option<Self> {
        if let Some((_, aggregate)) = WORDS.iter().find(|(known, _)| *known == word) {
            return Some(*aggregate);
        }
        let percent: f64 = word.strip_prefix('p')?.parse().ok()?;
        (0.0..=100.0).contains(&percent).then_some(Self::Percentile(percent))
    }
}

impl Serialize for Aggregate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for Aggregate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let found = Self::named(&word)
            .map_or_else(|| named(&word, &WORDS, "aggregate", ", and percentiles such as p90"), Ok);
        found.map_err(serde::de::Error::custom)
    }
}

const MEASURES: [(&str, Measure); 7] = [
    ("total_events", Measure::TotalEvents),
    ("unique_users", Measure::UniqueUsers),
    ("daily_active_users", Measure::DailyActiveUsers),
    ("weekly_active_users", Measure::WeeklyActiveUsers),
    ("monthly_active_users", Measure::MonthlyActiveUsers),
    ("cumulative_unique_users", Measure::CumulativeUniqueUsers),
    ("sessions", Measure::Sessions),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MeasureObject {
    /// The aggregate: sum, average, min, max, median, p90, distinct, distribution and so on.
    aggregate: Aggregate,
    /// Of this property, over events.
    of: Option<Property>,
    /// With `of`: turned into this first. As a string, `first`, `most_frequent` and `distribution`
    /// are of texts.
    #[serde(rename = "as")]
    cast: Option<CastType>,
    /// Over users, of what each of them has.
    per_user: Option<PerUser>,
}

impl WordOr<'_> for Measure {
    const EXPECTED: &'static str = "a measure: a word such as unique_users, or an object with aggregate";
    type Object = MeasureObject;
    type List = NoList;

    fn words() -> Vec<&'static str> {
        MEASURES.iter().map(|(word, _)| *word).collect()
    }

    fn of_word(word: &str) -> Result<Self, String> {
        measure_named(word, &MEASURES)
    }

    fn of_object(object: MeasureObject) -> Result<Self, String> {
        let MeasureObject { aggregate, of, cast, per_user } = object;
        match (of, per_user) {
            (Some(of), None) => {
                check_cast(aggregate, cast)?;
                Ok(Self::OfProperty { aggregate, of, cast })
            }
            (None, Some(_)) if cast.is_some() => Err("as goes with of".to_owned()),
            (None, Some(per_user)) => match aggregate {
                Aggregate::Distinct | Aggregate::MostFrequent | Aggregate::First => {
                    Err(format!("{} is not taken over users", aggregate.name()))
                }
                _ => Ok(Self::OverUsers { aggregate, per_user }),
            },
            _ => Err("an aggregate is either of a property or per_user".to_owned()),
        }
    }
}

/// The measure of a word: of these, or the aggregate of a property that is not said.
pub(crate) fn measure_named<T: Clone>(word: &str, measures: &[(&str, T)]) -> Result<T, String> {
    named(word, measures, "measure", "").map_err(|error| match Aggregate::named(word) {
        None => error,
        Some(_) => {
            format!("\"{word}\" of what? Write {{\"aggregate\": \"{word}\", \"of\": \"PROPERTY\"}}")
        }
    })
}

/// The aggregates of a property that are the same whether taken of all events or of what each user has.
pub(crate) fn sum_or_average(aggregate: Aggregate) -> Result<Aggregate, String> {
    match aggregate {
        Aggregate::Sum | Aggregate::Average => Ok(aggregate),
        other => Err(format!("of a property there is its sum and average, not {}", other.name())),
    }
}

/// Which types of values an aggregate can be of.
fn check_cast(aggregate: Aggregate, cast: Option<CastType>) -> Result<(), String> {
    match (aggregate, cast) {
        (_, None | Some(CastType::Number)) | (Aggregate::Distinct, Some(_)) => Ok(()),
        (Aggregate::First | Aggregate::MostFrequent | Aggregate::Distribution, Some(CastType::String)) => {
            Ok(())
        }
        (Aggregate::First | Aggregate::MostFrequent | Aggregate::Distribution, Some(_)) => {
            Err(format!("{} is of numbers, or as a string of texts", aggregate.name()))
        }
        (_, Some(_)) => Err(format!("{} is of numbers: as is \"number\"", aggregate.name())),
    }
}

impl Measure {
    /// Whether it is a text: the first or most frequent value of a property as a string.
    pub fn is_text(&self) -> bool {
        matches!(
            self,
            Self::OfProperty {
                aggregate: Aggregate::First | Aggregate::MostFrequent,
                cast: Some(CastType::String),
                ..
            }
        )
    }

    /// Which aggregate it is; of events, users and sessions it is how many there are.
    pub fn aggregate(&self) -> Aggregate {
        match self {
            Self::TotalEvents
            | Self::UniqueUsers
            | Self::DailyActiveUsers
            | Self::WeeklyActiveUsers
            | Self::MonthlyActiveUsers
            | Self::CumulativeUniqueUsers
            | Self::Sessions => Aggregate::Count,
            Self::OfProperty { aggregate, .. } | Self::OverUsers { aggregate, .. } => *aggregate,
        }
    }

    /// Whether it is a number for each value: how many have it (S-36).
    pub fn is_distribution(&self) -> bool {
        self.aggregate() == Aggregate::Distribution
    }
}

impl<'de> Deserialize<'de> for Measure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PerUserObject {
    /// Over a user's events: sum, average, distinct, min, max.
    aggregate: Aggregate,
    /// Of this property.
    of: Property,
    /// Turned into this first.
    #[serde(rename = "as")]
    cast: Option<CastType>,
}

impl WordOr<'_> for PerUser {
    const EXPECTED: &'static str = "what each user has: events, sessions, or an object with aggregate and of";
    type Object = PerUserObject;
    type List = NoList;

    fn words() -> Vec<&'static str> {
        vec!["events", "sessions"]
    }

    fn of_word(word: &str) -> Result<Self, String> {
        let words = [("events", Self::Events), ("sessions", Self::Sessions)];
        named(word, &words, "number of a user", ", {\"aggregate\": \"sum\", \"of\": \"PROPERTY\"}")
    }

    fn of_object(object: PerUserObject) -> Result<Self, String> {
        let PerUserObject { aggregate, of, cast } = object;
        check_cast(aggregate, cast)?;
        match aggregate {
            Aggregate::Sum | Aggregate::Average | Aggregate::Distinct | Aggregate::Min | Aggregate::Max => {
                Ok(Self::OfProperty { aggregate, of, cast })
            }
            other => Err(format!("per user are sum, average, distinct, min, max, not {}", other.name())),
        }
    }
}

impl<'de> Deserialize<'de> for PerUser {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}
