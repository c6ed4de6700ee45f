//! Numbers of attempts: of events between two of their steps (F-75).

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use hashbrown::HashMap;
use indexmap::IndexSet;
use tallymark_report::{Aggregate, Breakdown, Filter, Property};

use super::super::asked::Asked;
use super::super::computed::of_numbers;
use super::super::convert::TEXT;
use super::super::filter::OverItems;
use super::super::segments::{NOT_SET, Ranges};
use super::attempts::{Events as _, Taken};
use super::tally::{NOT_REACHED, View};
use crate::Result;

/// A number that attempts have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Between {
    /// The condition its events meet.
    pub(super) condition: usize,
    /// From the event of this step to that of the other, counted from 0.
    pub(super) steps: (usize, usize),
    pub(super) amount: Amount,
}

/// What it is of its events.
#[derive(Debug, Clone, Copy)]
pub(super) enum Amount {
    /// How many there are.
    Events,
    /// An aggregate of the numbers at this place.
    Numbers(Aggregate, usize),
    /// How many different labels they have.
    Distinct(usize),
}

impl Between {
    /// The number of an attempt; of none that did not reach both steps, none for an aggregate of nothing.
    pub(super) fn of(&self, view: &View<'_>, taken: &[Taken], reached: &[u32]) -> Number {
        let (from, to) = (reached[self.steps.0], reached[self.steps.1]);
        if from == NOT_REACHED || to == NOT_REACHED {
            return Number::NotReached;
        }
        // Under the grace the later step may come first (F-14): nothing is between them.
        let between = (from.saturating_add(1)..to).filter(|at| {
            view.meets(*at as usize, self.condition) && !taken.iter().any(|taken| taken.at == *at)
        });
        let records = between.map(|at| &view.user.records[at as usize]);
        Number::Of(match self.amount {
            Amount::Events => Some(records.count() as f64),
            Amount::Numbers(aggregate, index) => {
                of_numbers(aggregate, records.filter_map(|record| view.user.number(index, record)).collect())
            }
            Amount::Distinct(label) => {
                let mut labels: Vec<u32> =
                    records.flat_map(|record| view.user.labels(label, record)).copied().collect();
                labels.sort_unstable();
                labels.dedup();
                Some(labels.len() as f64)
            }
        })
    }
}

/// The number of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    NotReached,
    Of(Option<f64>),
}

impl Number {
    pub(super) fn value(self) -> Option<f64> {
        match self {
            Self::Of(number) => number,
            Self::NotReached => None,
        }
    }

    /// The same for the same number.
    fn key(self) -> (bool, Option<u64>) {
        (matches!(self, Self::NotReached), self.value().map(f64::to_bits))
    }
}

/// A label, or a condition, of numbers.
#[derive(Clone)]
pub(super) struct OfNumbers(OverItems);

impl fmt::Debug for OfNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfNumbers")
    }
}

impl OfNumbers {
    /// The labels of a breakdown.
    pub(super) fn labels(asked: &Asked, breakdown: &Breakdown, ranges: Option<Ranges>) -> Result<Self> {
        let asked = asked.of_attempts();
        let label = asked.segment_by_property(breakdown, ranges)?.label;
        Ok(Self(asked.over_items(label, DataType::Float64)?))
    }

    /// Whether a condition is met.
    pub(super) fn condition(asked: &Asked, filter: &Filter) -> Result<Self> {
        let asked = asked.of_attempts();
        Ok(Self(asked.over_items(asked.filter(filter)?, DataType::Float64)?))
    }

    fn evaluated(&self, number: Option<f64>, to: &DataType) -> Option<ArrayRef> {
        let number: ArrayRef = Arc::new(Float64Array::from(vec![number]));
        // Comparing and spelling numbers does not fail.
        cast(&(self.0)(&number).ok()?, to).ok().filter(|found| found.is_valid(0))
    }

    fn label(&self, number: Number) -> String {
        match number {
            Number::NotReached => NOT_SET.to_owned(),
            Number::Of(number) => match self.evaluated(number, &TEXT) {
                Some(label) => label.as_string_view().value(0).to_owned(),
                None => NOT_SET.to_owned(),
            },
        }
    }

    fn is_met(&self, number: Number) -> bool {
        let met = self.evaluated(number.value(), &DataType::Boolean);
        met.is_some_and(|met| met.as_boolean().value(0))
    }
}

impl Asked {
    /// The same for expressions over numbers of attempts.
    fn of_attempts(&self) -> Self {
        Self { is_of_attempts: true, ..self.clone() }
    }
}

/// Whether a property is a number of attempts.
pub(super) fn is_of_attempts(property: &Property) -> bool {
    matches!(property, Property::PerUser { between_steps: Some(_), .. })
}

/// What was found out already: about numbers by their place among [`Between`]s, about the actor.
#[derive(Debug, Default)]
pub(super) struct Known {
    labels: Vec<KnownLabels>,
    met: HashMap<(usize, (bool, Option<u64>)), bool>,
    /// Of the cohorts of actors, whether it is in them.
    pub(super) is_in: Vec<bool>,
    /// The labels of cohorts.
    cohorts: IndexSet<String>,
}

#[derive(Debug, Default)]
struct KnownLabels {
    codes: HashMap<(bool, Option<u64>), u32>,
    texts: IndexSet<String>,
}

impl Known {
    /// The code of the label of a number.
    pub(super) fn code(&mut self, at: usize, number: Number, labels: &OfNumbers) -> u32 {
        if self.labels.len() <= at {
            self.labels.resize_with(at + 1, KnownLabels::default);
        }
        let KnownLabels { codes, texts } = &mut self.labels[at];
        *codes.entry(number.key()).or_insert_with(|| texts.insert_full(labels.label(number)).0 as u32)
    }

    pub(super) fn text(&self, at: usize, code: u32) -> &str {
        let text = self.labels.get(at).and_then(|labels| labels.texts.get_index(code as usize));
        text.map_or(NOT_SET, String::as_str)
    }

    /// The code of a label of a cohort.
    pub(super) fn cohort_code(&mut self, label: &str) -> u32 {
        let known = self.cohorts.get_index_of(label);
        known.unwrap_or_else(|| self.cohorts.insert_full(label.to_owned()).0) as u32
    }

    pub(super) fn cohort_text(&self, code: u32) -> &str {
        self.cohorts.get_index(code as usize).map_or(NOT_SET, String::as_str)
    }

    /// Whether a number meets a condition.
    pub(super) fn is_met(&mut self, at: usize, number: Number, condition: &OfNumbers) -> bool {
        *self.met.entry((at, number.key())).or_insert_with(|| condition.is_met(number))
    }
}
