//! The filter of a funnel looks at attempts, by the values of their steps (F-60, F-61).

use arrow::array::{AsArray as _, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Case, Expr, lit};
use std::sync::Arc;
use tallymark_report::{Attribution, Filter, Property};

use super::super::asked::{Asked, arrow_error, plan_error};
use super::super::filter::utf8;
use super::between::{OfNumbers, is_of_attempts};
use crate::Result;

/// What a label says of a condition at an event: whether its property has a value, and whether it is
/// met.
const SET_AND_MET: &str = "set, met";
const SET: &str = "set";
const MET: &str = "met";
const NEITHER: &str = "";

/// A filter whose conditions are labels of events.
#[derive(Debug, Clone)]
pub(super) enum AttemptFilter {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Condition(Leaf),
    /// On the number at this place among those of attempts (F-75).
    Number(usize, OfNumbers),
    /// Whether the actor is in the cohort at this place (F-52).
    Member(usize),
}

/// What a filter asks of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question<'a> {
    Event(&'a Leaf),
    Number(usize, &'a OfNumbers),
    Member(usize),
}

/// A condition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    /// The position of its label.
    pub(super) label: usize,
    /// Whether it is met where there is no value; of what is the same for all events of a user (F-61),
    /// any event tells.
    pub(super) of_nothing: Option<bool>,
    /// Which event tells.
    pub(super) attribution: Attribution,
}

/// What a condition is at an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    pub(super) is_set: bool,
    pub(super) is_met: bool,
}

impl Verdict {
    pub(super) fn read(label: &str) -> Self {
        Self { is_set: label == SET_AND_MET || label == SET, is_met: label == SET_AND_MET || label == MET }
    }
}

/// What the conditions of a filter are made of, and what they need: labels are added to those there are,
/// numbers of attempts and cohorts of actors likewise.
pub(super) struct Conditions<'a> {
    pub(super) asked: &'a Asked,
    /// Which step gives the value of an attempt (F-51).
    pub(super) attribution: Attribution,
    /// By which key actors are groups.
    pub(super) count_by: Option<&'a str>,
    pub(super) labels: &'a mut Vec<Expr>,
    pub(super) numbers: &'a mut Vec<Property>,
    pub(super) cohorts: &'a mut Vec<String>,
}

impl Conditions<'_> {
    pub(super) fn filter(&mut self, filter: &Filter) -> Result<AttemptFilter> {
        let asked = self.asked;
        let (is_set, of_user) = match filter {
            Filter::All { all } | Filter::List(all) => return Ok(AttemptFilter::All(self.each(all)?)),
            Filter::Any { any } => return Ok(AttemptFilter::Any(self.each(any)?)),
            Filter::Not { not } => return Ok(AttemptFilter::Not(Box::new(self.filter(not)?))),
            Filter::InCohort { in_cohort } => {
                return Ok(AttemptFilter::Any(in_cohort.iter().map(|name| self.in_cohort(name)).collect()));
            }
            Filter::NotInCohort { not_in_cohort } => {
                // C-10: outside of any of them.
                let any = not_in_cohort.iter().map(|name| AttemptFilter::Not(Box::new(self.in_cohort(name))));
                return Ok(AttemptFilter::Any(any.collect()));
            }
            Filter::Sql(sql) => (asked.sql(sql)?.is_not_null(), false),
            Filter::Condition(condition) if is_of_attempts(&condition.property) => {
                self.numbers.push(condition.property.clone());
                let condition = OfNumbers::condition(asked, filter)?;
                return Ok(AttemptFilter::Number(self.numbers.len() - 1, condition));
            }
            Filter::Condition(condition) => {
                let of_user = matches!(condition.property, Property::User { .. });
                (asked.values(&condition.property)?.is_set(), of_user)
            }
            Filter::ListContains(contains) => (asked.values(&contains.list)?.is_set(), false),
        };
        let is_met = asked.filter(filter)?;
        let of_nothing = if of_user { None } else { Some(of_nothing(asked, is_met.clone())?) };
        let attribution = match filter {
            //
            Filter::Condition(condition) if matches!(condition.property, Property::Attributed { .. }) => {
                Attribution::Step(1)
            }
            _ => self.attribution,
        };
        Ok(self.leaf(is_set, is_met, of_nothing, attribution))
    }

    fn each(&mut self, filters: &[Filter]) -> Result<Vec<AttemptFilter>> {
        filters.iter().map(|filter| self.filter(filter)).collect()
    }

    /// F-52, F-61.
    fn in_cohort(&mut self, name: &str) -> AttemptFilter {
        let is_member = self.asked.in_cohort(name);
        match Whose::of(self.asked, name, self.count_by) {
            Whose::Group => {
                self.cohorts.push(name.to_owned());
                AttemptFilter::Member(self.cohorts.len() - 1)
            }
            Whose::User => self.leaf(lit(true), is_member.is_true(), None, self.attribution),
            Whose::Event => {
                let is_set = is_member.clone().is_not_null();
                self.leaf(is_set, is_member.is_true(), Some(false), self.attribution)
            }
        }
    }

    fn leaf(
        &mut self,
        is_set: Expr,
        is_met: Expr,
        of_nothing: Option<bool>,
        attribution: Attribution,
    ) -> AttemptFilter {
        let leaf = Leaf { label: self.labels.len(), of_nothing, attribution };
        let both = is_set.clone().and(is_met.clone());
        let cases = [(both, SET_AND_MET), (is_set, SET), (is_met, MET)];
        let cases = cases.map(|(when, label)| (Box::new(when.is_true()), Box::new(utf8(label))));
        self.labels.push(Expr::Case(Case {
            expr: None,
            when_then_expr: cases.to_vec(),
            else_expr: Some(Box::new(utf8(NEITHER))),
        }));
        AttemptFilter::Condition(leaf)
    }
}

/// Whose membership in a cohort counts for an attempt (F-52).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The user's who is the actor.
    User,
    /// The group's that is the actor.
    Group,
    /// That of the user or the groups of the event of a step.
    Event,
}

impl Whose {
    pub(super) fn of(asked: &Asked, cohort: &str, count_by: Option<&str>) -> Self {
        match (asked.group_cohorts.get(cohort), count_by) {
            (None, None) => Self::User,
            (Some(key), Some(count_by)) if key == count_by => Self::Group,
            _ => Self::Event,
        }
    }
}

impl AttemptFilter {
    /// Whether an attempt passes; `met` tells of each condition.
    pub(super) fn passes(&self, met: &mut impl FnMut(Question<'_>) -> bool) -> bool {
        match self {
            Self::All(all) => all.iter().all(|filter| filter.passes(met)),
            Self::Any(any) => any.iter().any(|filter| filter.passes(met)),
            Self::Not(not) => !not.passes(met),
            Self::Condition(leaf) => met(Question::Event(leaf)),
            Self::Number(at, condition) => met(Question::Number(*at, condition)),
            Self::Member(at) => met(Question::Member(*at)),
        }
    }
}

/// What a condition is of an event that has nothing.
fn of_nothing(asked: &Asked, condition: Expr) -> Result<bool> {
    let events = asked.events();
    let fields = events.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let df_schema = DFSchema::try_from(schema.as_ref().clone()).map_err(plan_error)?;
    let condition = asked.state.create_physical_expr(condition, &df_schema).map_err(plan_error)?;
    let columns = schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
    let nothing = RecordBatch::try_new(schema, columns).map_err(arrow_error)?;
    let met = condition.evaluate(&nothing).and_then(|met| met.into_array(1)).map_err(plan_error)?;
    let met = cast(&met, &DataType::Boolean).map_err(arrow_error)?;
    Ok(met.as_boolean().iter().next().flatten().unwrap_or(false))
}
