//! Which segments an event, or a profile, is in (B-1 … B-24, G-10).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tallymark_report::{AttributionModel, Breakdown, Buckets, CastType, DateUnit, Property, Recurring};

use super::filter::{asked_about, is_member};
use super::other_events::{credits, touches};
use super::property::value;
use super::ranges::{Ranges, spell};
use super::value::{cast, date_of, number_of, text_of};
use super::world::{Subject, View};

pub(in crate::oracle) const NOT_SET: &str = "(not set)";
pub(super) const EMPTY_STRING: &str = "(empty string)";
const NON_NUMERIC: &str = "(non-numeric values)";
const REMAINING: &str = "(remaining values)";

/// A label for each breakdown.
pub(in crate::oracle) type Segment = Vec<String>;

/// A breakdown whose ranges are decided (B-10).
#[derive(Debug, Clone)]
pub(in crate::oracle) struct Splitter<'a> {
    breakdown: &'a Breakdown,
    ranges: Ranges,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(breakdown: &'a Breakdown, ranges: Ranges) -> Self {
        Self { breakdown, ranges }
    }

    /// With the ranges of what is measured.
    pub(in crate::oracle) fn of(view: View<'_>, breakdown: &'a Breakdown, measured: &[Subject<'_>]) -> Self {
        Self::new(breakdown, Self::ranges(view, breakdown, measured))
    }

    /// Decides the ranges from everything that is measured in the range of the report.
    pub(in crate::oracle) fn ranges(
        view: View<'_>,
        breakdown: &Breakdown,
        measured: &[Subject<'_>],
    ) -> Ranges {
        match breakdown {
            Breakdown::Property { buckets: Some(Buckets::Auto), .. } => {
                let items = measured.iter().flat_map(|subject| items(view, breakdown, *subject));
                Self::automatic(items)
            }
            Breakdown::Property { buckets: Some(Buckets::Even(even)), .. } => Ranges::even(*even),
            Breakdown::Property { buckets: Some(Buckets::At(at)), .. } => Ranges::Borders(at.clone()),
            _ => Ranges::Raw,
        }
    }

    fn automatic(items: impl Iterator<Item = Option<Value>>) -> Ranges {
        let numbers: Vec<f64> = items.flatten().filter_map(|item| number_of(&item)).collect();
        Ranges::auto(&numbers)
    }

    /// With the ranges of values that no event has.
    pub(in crate::oracle) fn of_values(
        view: View<'_>,
        breakdown: &'a Breakdown,
        values: Vec<Option<Value>>,
    ) -> Self {
        let ranges = match breakdown {
            Breakdown::Property { buckets: Some(Buckets::Auto), .. } => {
                Self::automatic(values.into_iter().flat_map(|value| casted(breakdown, value)))
            }
            _ => Self::ranges(view, breakdown, &[]),
        };
        Self::new(breakdown, ranges)
    }

    /// The labels of a value that no event has.
    pub(in crate::oracle) fn labels_of(&self, view: View<'_>, value: Option<Value>) -> BTreeSet<String> {
        let Breakdown::Property { cast, buckets, unit, .. } = self.breakdown else { return BTreeSet::new() };
        let items = casted(self.breakdown, value).into_iter();
        items.map(|item| self.label(view, item, *cast, buckets.as_ref(), *unit)).collect()
    }

    /// Whether it is by what led to events.
    pub(super) fn is_attributed(&self) -> bool {
        matches!(self.breakdown, Breakdown::Property { property: Property::Attributed { .. }, .. })
    }

    /// The labels of what led to an event, and how much of it each has; those with nothing of it
    /// are left out.
    pub(super) fn credits(&self, view: View<'_>, subject: Subject<'_>) -> BTreeMap<String, f64> {
        let Breakdown::Property { property, .. } = self.breakdown else { return BTreeMap::new() };
        let Property::Attributed { model, .. } = property else { return BTreeMap::new() };
        let touches = touches(view, property, subject);
        let ages: Vec<i64> = touches.iter().map(|(age, _)| *age).collect();
        let mut credited: BTreeMap<String, f64> = BTreeMap::new();
        for ((_, value), credit) in touches.into_iter().zip(credits(*model, &ages)) {
            let labels: BTreeSet<String> = items_of(Some(value))
                .into_iter()
                .map(|item| self.label(view, item, None, None, None))
                .collect();
            for label in labels {
                let sum = credited.entry(label).or_default();
                *sum = if *model == AttributionModel::Participation { 1.0 } else { *sum + credit };
            }
        }
        credited.retain(|_, credit| *credit > 0.0);
        if credited.is_empty() {
            //
            credited.insert(NOT_SET.to_owned(), 1.0);
        }
        credited
    }

    /// The labels of one breakdown.
    pub(in crate::oracle) fn labels(&self, view: View<'_>, subject: Subject<'_>) -> BTreeSet<String> {
        match self.breakdown {
            // B-23; nobody is neither in nor out.
            Breakdown::Cohorts { cohorts } => cohorts
                .iter()
                .filter(|cohort| !asked_about(view, cohort, subject).is_empty())
                .map(|cohort| {
                    let is = if is_member(view, cohort, subject) { "In" } else { "Not In" };
                    format!("{is} {cohort}")
                })
                .collect(),
            Breakdown::Property { .. } if self.is_attributed() => {
                self.credits(view, subject).into_keys().collect()
            }
            Breakdown::Property { cast, buckets, unit, .. } => items(view, self.breakdown, subject)
                .into_iter()
                .map(|item| self.label(view, item, *cast, buckets.as_ref(), *unit))
                .collect(),
        }
    }

    fn label(
        &self,
        view: View<'_>,
        item: Option<Value>,
        cast: Option<CastType>,
        buckets: Option<&Buckets>,
        unit: Option<DateUnit>,
    ) -> String {
        let Some(item) = item else { return NOT_SET.to_owned() };
        if unit.is_some() || cast == Some(CastType::Date) {
            // D-28: what is no date is as if not set.
            let Some(date) = date_of(&item) else { return NOT_SET.to_owned() };
            let time = date.time(view.civil);
            return match unit {
                Some(DateUnit::Civil(unit)) => view.civil.spell(view.civil.key(time, unit)),
                Some(DateUnit::Recurring(Recurring::HourOfDay)) => view.civil.hour_of_day(time).to_string(),
                Some(DateUnit::Recurring(Recurring::DayOfWeek)) => view.civil.day_of_week(time).to_owned(),
                None => text_of(&item),
            };
        }
        match buckets {
            Some(Buckets::Groups(groups)) => {
                let text = text_of(&item);
                let group = groups.iter().find(|group| group.values.contains(&text));
                group.map_or(REMAINING, |group| &group.name).to_owned()
            }
            Some(Buckets::Auto | Buckets::Even(_) | Buckets::At(_)) => {
                number_of(&item).map_or_else(|| NON_NUMERIC.to_owned(), |number| self.ranges.label(number))
            }
            None if cast == Some(CastType::Number) => {
                number_of(&item).map_or_else(|| NON_NUMERIC.to_owned(), spell)
            }
            None if item == "" => EMPTY_STRING.to_owned(),
            None => text_of(&item),
        }
    }
}

/// What is labelled: each item of a list, or the one value; an empty list is as if not set (B-20).
/// A set value that cannot be cast to a number stays as it is: it is not a number (D-28).
fn items(view: View<'_>, breakdown: &Breakdown, subject: Subject<'_>) -> Vec<Option<Value>> {
    let Breakdown::Property { property, .. } = breakdown else { return Vec::new() };
    casted(breakdown, value(view, property, subject))
}

fn casted(breakdown: &Breakdown, value: Option<Value>) -> Vec<Option<Value>> {
    let Breakdown::Property { cast: to, .. } = breakdown else { return Vec::new() };
    let items = match value {
        Some(Value::Array(items)) if items.is_empty() => return vec![None],
        value => items_of(value),
    };
    let casted = |item: Option<Value>| match to {
        None => item,
        Some(CastType::Number) => cast(item.as_ref(), CastType::Number).or(item),
        Some(to) => cast(item.as_ref(), *to),
    };
    items.into_iter().map(casted).collect()
}

fn items_of(value: Option<Value>) -> Vec<Option<Value>> {
    match value {
        Some(Value::Array(items)) if items.is_empty() => vec![None],
        Some(Value::Array(items)) => {
            items.into_iter().map(|item| Some(item).filter(|item| !item.is_null())).collect()
        }
        value => vec![value],
    }
}

/// The segments: every combination of a label of each breakdown (B-2, B-21).
pub(in crate::oracle) fn segments(
    view: View<'_>,
    splitters: &[Splitter<'_>],
    subject: Subject<'_>,
) -> BTreeSet<Segment> {
    let labels: Vec<_> = splitters.iter().map(|splitter| splitter.labels(view, subject)).collect();
    segments_by(&labels)
}

/// Every combination of a label of each breakdown (B-2, B-21).
pub(in crate::oracle) fn segments_by(labels: &[BTreeSet<String>]) -> BTreeSet<Segment> {
    let mut segments = BTreeSet::from([Segment::new()]);
    for labels in labels {
        let longer = segments.iter().flat_map(|segment| {
            labels
                .iter()
                .map(|label| [segment.as_slice(), std::slice::from_ref(label)].concat())
                .collect::<Vec<_>>()
        });
        segments = longer.collect();
    }
    segments
}
