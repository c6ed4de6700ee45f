//! Correlation: which events, done so often in so many days, go with reaching a goal (M-90, M-91).
//!
//! 1. [`Prepared`]: which events begin the time of a user, are the goal, or are candidates.
//! 2. [`rank`]: where candidates are all names of events, or all values of a property, those with most
//!    users; a first look at the events of users.
//! 3. [`tally`]: a second look counts who did each candidate how often within how many days.
//! 4. [`rows`]: the coefficients of each table of two by two, and the best of them; or the users
//!    [`behind`] one.

mod behind;
mod rank;
mod rows;
mod tally;
#[cfg(test)]
mod tests;

use arrow::array::RecordBatch;
use datafusion::logical_expr::Expr;
use tallymark_report::{
    ALL_EVENTS, Candidate, Correlation, DefinitionError, EventSelector, GoalPeriod, Instants, Scope,
};

pub(super) use self::behind::users;
use self::rank::Ranked;
pub(super) use self::rows::schema;
use self::tally::Tallied;
use super::asked::Asked;
use super::chosen::BehaviourScan;
use super::segments::NOT_SET;
use crate::Result;
use crate::resident::by_user::{Record, UserEvents};

/// The event can begin the time of a user.
const BIRTH: usize = 0;
/// The event is the goal.
const GOAL: usize = 1;
/// The conditions from here on are those of sources of candidates.
const SOURCES: usize = 2;

const DAY_MS: i64 = 86_400_000;
/// M-90: the most times and days that are looked at.
const TIMES: usize = Correlation::FREQUENCY_MAX;
const DAYS: usize = Correlation::DAYS_MAX;

/// The answer.
pub(super) async fn answer(asked: &Asked, scope: &Scope, correlation: &Correlation) -> Result<RecordBatch> {
    let prepared = Prepared::try_new(asked, scope, correlation).await?;
    let sources: Vec<_> = prepared.sources.iter().map(|source| source.label.is_some()).collect();
    let ranked = if sources.contains(&true) {
        let ranked = Ranked { of: prepared.people.clone(), has_label: sources.clone() };
        prepared.scan().run(asked, ranked).await?.0.into_users()
    } else {
        vec![rank::Users::default(); sources.len()]
    };
    let mut candidates = Vec::new();
    for (at, (source, users)) in prepared.sources.iter().zip(ranked).enumerate() {
        if source.label.is_none() {
            candidates.push(Counted { source: at, event: source.event.clone(), label: None });
            continue;
        }
        let labels = users.most(correlation.top, |label| source.left_out.iter().any(|out| out == label));
        candidates.extend(labels.into_iter().map(|label| Counted {
            source: at,
            event: source.event.clone(),
            label: Some(label),
        }));
    }
    let tallied = Tallied::new(prepared.people.clone(), sources, &candidates);
    let (tally, _) = prepared.scan().run(asked, tallied).await?;
    let properties: Vec<Option<String>> =
        prepared.sources.iter().map(|source| source.property.clone()).collect();
    rows::batch(correlation, &candidates, &properties, tally)
}

/// Something that may go with the goal.
#[derive(Debug, Clone)]
struct Counted {
    /// Which of the sources it comes from.
    source: usize,
    /// The events of the source, as they are called; `None` where the label is the name.
    event: Option<String>,
    /// Which of the names, or values, of the source it is.
    label: Option<String>,
}

/// What candidates come from: some events, or these by a label.
struct Source {
    condition: Expr,
    label: Option<Expr>,
    /// See [`Counted::event`].
    event: Option<String>,
    /// The property whose values are the labels.
    property: Option<String>,
    /// Labels that are no candidates.
    left_out: Vec<String>,
}

/// Whose events are looked at, and who of them reaches the goal.
#[derive(Debug, Clone)]
struct People {
    /// How long after their birth they have to reach it, the end not included; `None` for any time.
    goal_ms: Option<(i64, i64)>,
    as_of: i64,
}

/// One of the people.
struct Person<'a, 'b> {
    /// The records from the birth on.
    records: &'a [Record],
    user: &'a UserEvents<'b>,
    has_reached: bool,
}

impl People {
    /// `None` for users who were not born, or of whom it is not known yet whether they reach the goal.
    fn person<'a, 'b>(&self, user: &'a UserEvents<'b>) -> Option<Person<'a, 'b>> {
        let birth = user.records.iter().position(|record| record.meets(BIRTH))?;
        let records = &user.records[birth..];
        let born = records[0].time;
        if self.goal_ms.is_some_and(|(_, end)| born.saturating_add(end) > self.as_of) {
            return None;
        }
        let mut goals = records.iter().filter(|record| record.meets(GOAL));
        let has_reached = match self.goal_ms {
            None => goals.next().is_some(),
            Some((from, to)) => goals.any(|goal| (from..to).contains(&(goal.time - born))),
        };
        Some(Person { records, user, has_reached })
    }
}

impl Person<'_, '_> {
    fn born(&self) -> i64 {
        self.records[0].time
    }
}

/// What a report needs.
struct Prepared {
    people: People,
    within: Expr,
    birth: Expr,
    goal: Expr,
    sources: Vec<Source>,
}

impl Prepared {
    async fn try_new(asked: &Asked, scope: &Scope, correlation: &Correlation) -> Result<Self> {
        let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
        let goal_ms = correlation.goal_in.days();
        let goal_ms = goal_ms.map(|(from, to)| (i64::from(from) * DAY_MS, i64::from(to) * DAY_MS));
        if let Some((_, end)) = goal_ms
            && range.from.saturating_add(end) > asked.as_of
        {
            return Err(too_early(correlation.goal_in, end / DAY_MS).into());
        }
        // Who comes back may do so after the range.
        let since = Instants { from: range.from, to: i64::MAX, days: None };
        let goal_time = if goal_ms.is_some() { since } else { range };
        let mut sources = Vec::new();
        for candidate in &correlation.candidates {
            let condition = asked.happened(candidate.event(), scope, &range, None).await?;
            let event = Some(candidate.event().label());
            let source = match candidate {
                Candidate::Event(_) => {
                    Source { condition, label: None, event, property: None, left_out: Vec::new() }
                }
                Candidate::ValueOf { property, .. } => Source {
                    condition,
                    label: Some(asked.property_segment(property, None, None, None, None)?.label),
                    event,
                    property: Some(property.label()),
                    left_out: vec![NOT_SET.to_owned()],
                },
            };
            sources.push(source);
        }
        if sources.is_empty() {
            let all = EventSelector::named(ALL_EVENTS);
            sources.push(Source {
                condition: asked.happened(&all, scope, &range, None).await?,
                label: Some(asked.event_name()),
                event: None,
                property: None,
                left_out: goal_names(asked, correlation),
            });
        }
        Ok(Self {
            people: People { goal_ms, as_of: asked.as_of },
            within: asked.within(&goal_time),
            birth: asked.happened(&correlation.birth, scope, &range, None).await?,
            goal: asked.happened(&correlation.goal, scope, &goal_time, None).await?,
            sources,
        })
    }

    fn scan(&self) -> BehaviourScan {
        let conditions = self.sources.iter().map(|source| source.condition.clone());
        let labels = self.sources.iter().filter_map(|source| source.label.clone());
        BehaviourScan {
            within: self.within.clone(),
            conditions: [self.birth.clone(), self.goal.clone()].into_iter().chain(conditions).collect(),
            labels: labels.collect(),
            numbers: Vec::new(),
        }
    }
}

/// The names of the goal, which goes with itself; before a later time it may be done like any other.
fn goal_names(asked: &Asked, correlation: &Correlation) -> Vec<String> {
    if correlation.goal_in != GoalPeriod::Range {
        return Vec::new();
    }
    let mut names = Vec::new();
    for choice in &correlation.goal.any_of {
        let saved = asked.saved_events.get(&choice.event).map(|saved| saved.any_of.as_slice());
        let choices = saved.unwrap_or(std::slice::from_ref(choice));
        names.extend(choices.iter().map(|choice| choice.event.clone()));
    }
    names
}

fn too_early(goal_in: GoalPeriod, days: i64) -> DefinitionError {
    let problem = format!("nobody's {} is over: it ends {days} days after the birth", goal_in.name());
    DefinitionError::new("range", problem).hint(format!("begin the range {days} days before now, or earlier"))
}
