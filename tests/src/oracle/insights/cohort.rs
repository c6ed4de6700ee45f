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

/// Who of the universe meets the conditions as of now (C-1, C-2).
pub(in crate::oracle) fn members(view: View<'_>, cohort: &Cohort) -> BTreeSet<String> {
    let (conditions, all) = cohort.conditions();
    let mut universe = view.universe();
    universe.retain(|user| meet(view, conditions, all, user));
    universe
}

fn meet(view: View<'_>, conditions: &[CohortCondition], all: bool, user: &str) -> bool {
    let mut met = conditions.iter().map(|condition| meets(view, condition, user));
    if all { met.all(|met| met) } else { met.any(|met| met) }
}

fn meets(view: View<'_>, condition: &CohortCondition, user: &str) -> bool {
    let CohortCondition { did, did_not, filter, in_cohort, not_in_cohort, users, all, any, not, .. } =
        condition;
    did.iter().all(|did| has_done(view, did, user))
        && did_not.iter().all(|did| !has_done(view, did, user))
        && filter.iter().all(|filter| was(view, condition, filter, user))
        && in_cohort.iter().all(|cohort| view.members(cohort).contains(user))
        && not_in_cohort.iter().all(|cohort| !view.members(cohort).contains(user))
        && users.iter().all(|ids| ids.iter().any(|id| view.world.ids.get(id).unwrap_or(id) == user))
        && all.iter().all(|all| meet(view, all, true, user))
        && any.iter().all(|any| meet(view, any, false, user))
        && not.iter().all(|not| !meets(view, not, user))
}

/// Whether the profile passes, as it is or as it was at the time, or any time, that is said (C-3 e).
fn was(view: View<'_>, condition: &CohortCondition, filter: &Filter, user: &str) -> bool {
    let passes_at = |time: i64| passes(view, filter, Subject { at: Some(time), ..Subject::of_user(user) });
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
fn has_done(view: View<'_>, did: &Did, user: &str) -> bool {
    let events = events_of(view, did, &did.event, user);
    let first = events.first();
    match (&did.then, &did.then_not) {
        (Some(then), _) => first.is_some_and(|first| has_later(view, did, then, user, first)),
        (_, Some(then_not)) => first.is_some_and(|first| !has_later(view, did, then_not, user, first)),
        (None, None) => match &did.times {
            None => first.is_some(),
            Some(times) => times.accepts(how_much(view, times, &events)),
        },
    }
}

/// The user's events of a kind within the time of the condition (C-6), in order.
fn events_of<'a>(view: View<'a>, did: &Did, selector: &EventSelector, user: &str) -> Vec<&'a Event> {
    let range = did.range.as_ref().map(|range| resolve(view.civil, range, view.now).span);
    occurrences(view, selector, None)
        .into_iter()
        .filter(|Occurrence { actors, .. }| actors.iter().any(|actor| actor == user))
        .map(|occurrence| occurrence.event)
        .filter(|event| range.is_none_or(|range| range.contains(event.time)))
        .collect()
}

/// Whether one of them comes after an event in the order of all (G-1).
fn has_later(view: View<'_>, did: &Did, selector: &EventSelector, user: &str, first: &Event) -> bool {
    let place = |event: &Event| event.place;
    events_of(view, did, selector, user).into_iter().any(|event| place(event) > place(first))
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
