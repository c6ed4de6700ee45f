//! The filter of a funnel looks at attempts, by the values of their steps (F-60, F-61).

use arrow::array::{AsArray as _, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Case, Expr};
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
}

/// What a filter asks of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question<'a> {
    OfEvents(&'a Leaf),
    OfNumber(usize, &'a OfNumbers),
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

impl AttemptFilter {
    /// Labels are added to those there are, and numbers of attempts likewise.
    pub(super) fn try_new(
        asked: &Asked,
        filter: &Filter,
        attribution: Attribution,
        labels: &mut Vec<Expr>,
        numbers: &mut Vec<Property>,
    ) -> Result<Self> {
        let mut each = |filters: &[Filter]| -> Result<Vec<Self>> {
            filters.iter().map(|filter| Self::try_new(asked, filter, attribution, labels, numbers)).collect()
        };
        let (is_set, of_user) = match filter {
            Filter::All { all } | Filter::List(all) => return Ok(Self::All(each(all)?)),
            Filter::Any { any } => return Ok(Self::Any(each(any)?)),
            Filter::Not { not } => {
                return Ok(Self::Not(Box::new(Self::try_new(asked, not, attribution, labels, numbers)?)));
            }
            Filter::Sql(sql) => (asked.sql(sql)?.is_not_null(), false),
            Filter::Condition(condition) if is_of_attempts(&condition.property) => {
                numbers.push(condition.property.clone());
                return Ok(Self::Number(numbers.len() - 1, OfNumbers::condition(asked, filter)?));
            }
            Filter::Condition(condition) => {
                let of_user = matches!(condition.property, Property::User { .. });
                (asked.values(&condition.property)?.is_set(), of_user)
            }
            Filter::ListContains(contains) => (asked.values(&contains.list)?.is_set(), false),
            Filter::InCohort { .. } | Filter::NotInCohort { .. } => {
                (datafusion::logical_expr::lit(true), true)
            }
        };
        let is_met = asked.filter(filter)?;
        let of_nothing = if of_user { None } else { Some(of_nothing(asked, is_met.clone())?) };
        let attribution = match filter {
            //
            Filter::Condition(condition) if matches!(condition.property, Property::Attributed { .. }) => {
                Attribution::Step(1)
            }
            _ => attribution,
        };
        let leaf = Leaf { label: labels.len(), of_nothing, attribution };
        let both = is_set.clone().and(is_met.clone());
        let cases = [(both, SET_AND_MET), (is_set, SET), (is_met, MET)];
        let cases = cases.map(|(when, label)| (Box::new(when.is_true()), Box::new(utf8(label))));
        labels.push(Expr::Case(Case {
            expr: None,
            when_then_expr: cases.to_vec(),
            else_expr: Some(Box::new(utf8(NEITHER))),
        }));
        Ok(Self::Condition(leaf))
    }

    /// Whether an attempt passes; `met` tells of each condition.
    pub(super) fn passes(&self, met: &mut impl FnMut(Question<'_>) -> bool) -> bool {
        match self {
            Self::All(all) => all.iter().all(|filter| filter.passes(met)),
            Self::Any(any) => any.iter().any(|filter| filter.passes(met)),
            Self::Not(not) => !not.passes(met),
            Self::Condition(leaf) => met(Question::OfEvents(leaf)),
            Self::Number(at, condition) => met(Question::OfNumber(*at, condition)),
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
