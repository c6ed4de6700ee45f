//! Sets of users (section 9).

use std::collections::BTreeSet;

use serde_json::Value;
use tallymark_report::{Aggregate, Cohort, CohortCondition, Did, EventSelector, Filter, Property, Times};

use super::filter::passes;
use super::measure::percentile;
use super::property::value;
use super::range::{read_now, resolve};
use super::selector::{Occurrence, occurrences};
use super::value::number_of;
use super::world::{Event, Subject, View};

/// Who of the universe meets the conditions as of now (C-1, C-2, C-21).
pub(in crate::oracle) fn members(view: View<'_>, cohort: &Cohort) -> BTreeSet<String> {
    let (conditions, all) = cohort.conditions();
    let key = cohort.group_key.as_deref();
    let mut universe = key.map_or_else(|| view.universe(), |key| view.groups(key));
    universe.retain(|id| meet(Who { view, key, id }, conditions, all));
    universe
}

/// A user, or with a key a group.
#[derive(Debug, Clone, Copy)]
struct Who<'a> {
    view: View<'a>,
    key: Option<&'a str>,
    id: &'a str,
}

impl<'a> Who<'a> {
    fn subject(self) -> Subject<'a> {
        match self.key {
            None => Subject::of_user(self.id),
            Some(key) => Subject::of_group(key, self.id),
        }
    }
}

fn meet(who: Who<'_>, conditions: &[CohortCondition], all: bool) -> bool {
    let mut met = conditions.iter().map(|condition| meets(who, condition));
    if all { met.all(|met| met) } else { met.any(|met| met) }
}

fn meets(who: Who<'_>, condition: &CohortCondition) -> bool {
    let CohortCondition {
        did, did_not, filter, in_cohort, not_in_cohort, users, groups, all, any, not, ..
    } = condition;
    let Who { view, id: own, .. } = who;
    did.iter().all(|did| has_done(who, did))
        && did_not.iter().all(|did| !has_done(who, did))
        && filter.iter().all(|filter| was(who, condition, filter))
        && in_cohort.iter().all(|cohort| view.members(cohort).contains(own))
        && not_in_cohort.iter().all(|cohort| !view.members(cohort).contains(own))
        && users.iter().all(|ids| ids.iter().any(|id| view.world.ids.get(id).unwrap_or(id) == own))
        && groups.iter().all(|ids| ids.iter().any(|id| id == own))
        && all.iter().all(|all| meet(who, all, true))
        && any.iter().all(|any| meet(who, any, false))
        && not.iter().all(|not| !meets(who, not))
}

/// Whether the profile passes, as it is or as it was at the time, or any time, that is said (C-3 e).
fn was(who: Who<'_>, condition: &CohortCondition, filter: &Filter) -> bool {
    let view = who.view;
    let passes_at = |time: i64| passes(view, filter, Subject { at: Some(time), ..who.subject() });
    if let Some(range) = &condition.range {
        let span = resolve(view.civil, range, view.now).span;
        let to = span.to.min(view.now + 1);
        let starts = view.world.changes.iter().map(|change| change.start);
        return span.from < to
            && starts.filter(|start| span.from < *start && *start < to).chain([span.from]).any(passes_at);
    }
    match &condition.at {
        Some(at) => passes_at(read_now(view.civil, at).min(view.now)),
        None => passes_at(view.now),
    }
}

/// C-4, C-9.
fn has_done(who: Who<'_>, did: &Did) -> bool {
    let events = events_of(who, did, &did.event);
    let first = events.first();
    match (&did.then, &did.then_not) {
        (Some(then), _) => first.is_some_and(|first| has_later(who, did, then, first)),
        (_, Some(then_not)) => first.is_some_and(|first| !has_later(who, did, then_not, first)),
        (None, None) => match &did.times {
            None => first.is_some(),
            Some(times) => times.accepts(how_much(who.view, times, &events)),
        },
    }
}

/// Somebody's events of a kind within the time of the condition (C-6), in order.
fn events_of<'a>(who: Who<'a>, did: &Did, selector: &EventSelector) -> Vec<&'a Event> {
    let Who { view, key, id } = who;
    let range = did.range.as_ref().map(|range| resolve(view.civil, range, view.now).span);
    occurrences(view, selector, key)
        .into_iter()
        .filter(|Occurrence { actors, .. }| actors.iter().any(|actor| actor == id))
        .map(|occurrence| occurrence.event)
        .filter(|event| range.is_none_or(|range| range.contains(event.time)))
        .collect()
}

/// Whether one of them comes after an event in the order of all (G-1).
fn has_later(who: Who<'_>, did: &Did, selector: &EventSelector, first: &Event) -> bool {
    events_of(who, did, selector).into_iter().any(|event| event.place > first.place)
}

/// The number that is compared (C-4, C-5, C-8).
fn how_much(view: View<'_>, times: &Times, events: &[&Event]) -> Option<f64> {
    if let Some(unit) = times.distinct {
        let units: BTreeSet<i64> = events.iter().map(|event| view.civil.key(event.time, unit)).collect();
        return Some(units.len() as f64);
    }
    let (Some(aggregate), Some(of)) = (times.aggregate, &times.of) else { return Some(events.len() as f64) };
    aggregated(aggregate, &values_of(view, of, events))
}

pub(in crate::oracle) fn values_of(view: View<'_>, of: &Property, events: &[&Event]) -> Vec<Value> {
    events.iter().filter_map(|event| value(view, of, Subject::of_event(event))).collect()
}

/// Sum, average, minimum, maximum, percentile or distinct count of values.
pub(in crate::oracle) fn aggregated(aggregate: Aggregate, values: &[Value]) -> Option<f64> {
    let mut numbers: Vec<f64> = values.iter().filter_map(number_of).collect();
    numbers.sort_by(f64::total_cmp);
    let sum: f64 = numbers.iter().sum();
    match aggregate {
        Aggregate::Sum => Some(sum),
        Aggregate::Average => (!numbers.is_empty()).then(|| sum / numbers.len() as f64),
        Aggregate::Min => numbers.first().copied(),
        Aggregate::Max => numbers.last().copied(),
        Aggregate::Percentile(percent) => percentile(&numbers, percent),
        Aggregate::Distinct => Some(distinct(values) as f64),
        other => panic!("{} is not aggregated of a user", other.name()),
    }
}

/// How many different values; of lists their items (S-21, S-33).
pub(in crate::oracle) fn distinct(values: &[Value]) -> usize {
    let mut found: Vec<&Value> = Vec::new();
    for value in values {
        let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for item in items {
            if !item.is_null() && !found.contains(&item) {
                found.push(item);
            }
        }
    }
    found.len()
}
