//! Which events and properties go with conversion, or with coming back.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::attempt::no_first_time;
use crate::event::EventChoice;
use crate::text::{WordOr, Written, word_or};
use crate::{ALL_EVENTS, DefinitionError, EventSelector, FirstTime, Property, Result};

/// A report of which events, done so often in so many days, go with reaching a goal (M-90, M-91).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correlation {
    /// What users reach, or come back with.
    pub goal: EventSelector,
    /// When they have to: at any time in the range, or in a week or month after they began.
    #[serde(default)]
    pub goal_in: GoalPeriod,
    /// The first such event in the range begins the time of a user; any if not said.
    #[serde(default = "any_event")]
    pub birth: EventSelector,
    /// Which events, or values of a property, may go with the goal; every name of events if not said,
    /// but for the goal in the range the names of the goal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// Of all names of events, and of the values of each property, only so many: those with most
    /// users.
    #[serde(default = "fifty")]
    pub top: usize,
    /// Whether all numbers of times and days are told, and not only the best of each candidate.
    #[serde(default)]
    pub all_cells: bool,
    /// Instead of the numbers, the users behind one of them (M-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_of: Option<CorrelationCell>,
}

/// One number of a correlation, told as the columns of its row tell it:
/// `{"event": "Play", "times": 3, "days": 7, "of": "true_positives"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrelationCell {
    /// How the event of the candidate is called.
    pub event: String,
    /// How its property is called, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// Which value of the property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Done at least so often.
    pub times: usize,
    /// Within so many days after the birth.
    pub days: usize,
    /// Which of the numbers of users.
    #[serde(default)]
    pub of: CorrelationPart,
}

/// Who is counted by a number of a correlation (M-90).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CorrelationPart {
    /// Who did it, and reaches the goal.
    #[default]
    TruePositives,
    /// Who did it, and does not.
    FalsePositives,
    /// Who did not, and does.
    FalseNegatives,
    /// Who did not, and does not.
    TrueNegatives,
    /// All who were born.
    Users,
}

impl CorrelationCell {
    fn check(&self) -> Result<()> {
        let most =
            [("times", self.times, Correlation::FREQUENCY_MAX), ("days", self.days, Correlation::DAYS_MAX)];
        for (field, number, most) in most {
            if number == 0 || number > most {
                return Err(DefinitionError::new(field, format!("1 to {most}")));
            }
        }
        if self.property.is_some() != self.value.is_some() {
            return Err(DefinitionError::new("value", "goes with property: say both, or neither"));
        }
        Ok(())
    }
}

fn any_event() -> EventSelector {
    EventSelector::named(ALL_EVENTS)
}

fn fifty() -> usize {
    50
}

/// When a goal has to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoalPeriod {
    /// At any time in the range.
    #[default]
    Range,
    /// 7 to 14 days after the birth, the end not included.
    SecondWeek,
    /// 14 to 21 days after it.
    ThirdWeek,
    /// 21 to 28 days after it.
    FourthWeek,
    /// 30 to 60 days after it.
    SecondMonth,
}

impl GoalPeriod {
    /// How many days after the birth it begins and ends, the end not included; `None` for the range.
    pub fn days(self) -> Option<(u32, u32)> {
        match self {
            Self::Range => None,
            Self::SecondWeek => Some((7, 14)),
            Self::ThirdWeek => Some((14, 21)),
            Self::FourthWeek => Some((21, 28)),
            Self::SecondMonth => Some((30, 60)),
        }
    }

    /// As one says it: `second week`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::SecondWeek => "second week",
            Self::ThirdWeek => "third week",
            Self::FourthWeek => "fourth week",
            Self::SecondMonth => "second month",
        }
    }
}

/// What may go with a goal: an event, or each value of a property of events.
///
/// Written as an event is, or with a property: `{"property": "platform"}`,
/// `{"event": "Play", "property": "genre"}`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(with = "Written<Self>")]
pub enum Candidate {
    /// Events with each value of a property, those that have none left out.
    ValueOf {
        /// Which.
        property: Property,
        /// Of which events.
        event: EventSelector,
    },
    /// An event.
    Event(EventSelector),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CandidateObject {
    /// One name, or `$all_events`; with `property` events as they are written elsewhere.
    event: Option<EventSelector>,
    /// Several, any of which will do.
    any_of: Option<Vec<EventChoice>>,
    /// Only events of `event` that pass.
    #[serde(rename = "where")]
    filter: Option<crate::Filter>,
    /// What to call it in results.
    name: Option<String>,
    /// Only each user's first such event ever.
    first_time: Option<FirstTime>,
    /// Each value of this property of the events.
    property: Option<Property>,
}

impl WordOr<'_> for Candidate {
    const EXPECTED: &'static str = "an event, or an object with property";
    type Object = CandidateObject;
    type List = Vec<EventChoice>;

    fn of_word(word: &str) -> Result<Self, String> {
        EventSelector::of_word(word).map(Self::Event)
    }

    fn of_object(object: CandidateObject) -> Result<Self, String> {
        let CandidateObject { event, any_of, filter, name, first_time, property } = object;
        if let Some(property) = property {
            if any_of.is_some() || filter.is_some() || name.is_some() || first_time.is_some() {
                return Err("of which events the property is, event says: {\"property\": \"genre\", \
                            \"event\": {\"event\": \"Play\", \"where\": \"mins > 3\"}}"
                    .to_owned());
            }
            return Ok(Self::ValueOf { property, event: event.unwrap_or_else(any_event) });
        }
        let event = match event {
            Some(event) => match &event.any_of[..] {
                [choice] if choice.filter.is_none() && event.name.is_none() && event.first_time.is_none() => {
                    Some(choice.event.clone())
                }
                _ => return Err("event is one name".to_owned()),
            },
            None => None,
        };
        EventSelector::of_parts(event, any_of, filter, name, first_time).map(Self::Event)
    }

    fn of_list(list: Vec<EventChoice>) -> Result<Self, String> {
        EventSelector::of_list(list).map(Self::Event)
    }
}

impl<'de> Deserialize<'de> for Candidate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

impl Candidate {
    /// The events it is about.
    pub fn event(&self) -> &EventSelector {
        match self {
            Self::ValueOf { event, .. } | Self::Event(event) => event,
        }
    }
}

impl Correlation {
    /// Candidates that can be chosen.
    pub const CANDIDATES_MAX: usize = 50;
    /// Names of events, or values of all properties together, that can be looked at.
    pub const VALUES_MAX: usize = 5000;
    /// The greatest number of times a candidate is done (M-90).
    pub const FREQUENCY_MAX: usize = 10;
    /// The greatest number of days it is done within.
    pub const DAYS_MAX: usize = 15;

    pub(crate) fn check(&self) -> Result<()> {
        self.goal.check(false).map_err(|error| error.within("goal"))?;
        self.birth.check(false).map_err(|error| error.within("birth"))?;
        if self.candidates.len() > Self::CANDIDATES_MAX {
            let problem = format!("at most {} candidates", Self::CANDIDATES_MAX);
            return Err(DefinitionError::new("candidates", problem));
        }
        for (at, candidate) in self.candidates.iter().enumerate() {
            let event = no_first_time(candidate.event()).and_then(|()| candidate.event().check(false));
            event.map_err(|error| match candidate {
                Candidate::Event(_) => error.within(&format!("candidates[{at}]")),
                Candidate::ValueOf { .. } => error.within(&format!("candidates[{at}].event")),
            })?;
        }
        let properties = self.candidates.iter().filter(|of| matches!(of, Candidate::ValueOf { .. })).count();
        let most = Self::VALUES_MAX / properties.max(1);
        if self.top == 0 || self.top > most {
            return Err(DefinitionError::new("top", format!("1 to {most}")));
        }
        self.users_of.iter().try_for_each(|cell| cell.check().map_err(|error| error.within("users_of")))
    }
}
