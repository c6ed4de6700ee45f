//! Properties that come from other events of the user (K-50, A-1, A-3, A-10 … A-18).

use serde_json::Value;
use tallymark_report::{AttributionModel, EventSelector, PerUser, Period, Property, Unit};

use super::cohort::{aggregated, values_of};
use super::property::value;
use super::selector::is_meant;
use super::value::{cast_whole, number_of};
use super::world::{Event, Subject, View};
use crate::oracle::canonical;

const DAY: i64 = 86_400_000;

/// The time of a window: units have fixed lengths (G-7).
fn length(period: Period) -> i64 {
    i64::from(period.count)
        * match period.unit {
            Unit::Minute => 60_000,
            Unit::Hour => 3_600_000,
            Unit::Day => DAY,
            Unit::Week => 7 * DAY,
            Unit::Month => 30 * DAY,
            Unit::Quarter | Unit::Year => panic!("no window is counted in {}", period.unit),
        }
}

/// The user's events by now, in order (G-1).
fn events_of<'a>(view: View<'a>, user: &str) -> Vec<&'a Event> {
    view.events().filter(|event| event.user.as_deref() == Some(user)).collect()
}

/// Those of them that come before an event, and at most so long before (G-7).
fn before<'a>(view: View<'a>, event: &Event, user: &str, within: Period) -> Vec<&'a Event> {
    let since = event.time - length(within);
    let mut events = events_of(view, user);
    events.retain(|other| other.place < event.place && other.time >= since);
    events
}

/// K-50.
pub(super) fn borrowed(
    view: View<'_>,
    property: &Property,
    from: &EventSelector,
    within: Option<Period>,
    subject: Subject<'_>,
) -> Option<Value> {
    let within = within.unwrap_or(Period { count: 7, unit: Unit::Day });
    let lenders = before(view, subject.event?, subject.user?, within);
    let lent = |event: &&Event| {
        value(view, property, Subject::of_event(event)).filter(|_| is_meant(view, from, event))
    };
    lenders.iter().rev().find_map(lent)
}

///
pub(super) fn seconds_to_next(view: View<'_>, events: &EventSelector, subject: Subject<'_>) -> Option<Value> {
    let (event, user) = (subject.event?, subject.user?);
    if !is_meant(view, events, event) {
        return None;
    }
    let mut all = events_of(view, user);
    all.retain(|other| is_meant(view, events, other));
    let next = all.into_iter().find(|other| other.place > event.place);
    Some(match next {
        Some(next) => canonical(&Value::from((next.time - event.time) as f64 / 1000.0)),
        None => Value::from("Did not convert"),
    })
}

/// in the bucket of the event, or in the range.
pub(super) fn per_user(
    view: View<'_>,
    per_user: &PerUser,
    events: &EventSelector,
    subject: Subject<'_>,
) -> Option<Value> {
    let (event, user) = (subject.event?, subject.user?);
    let (range, interval) = view.measured.unwrap();
    let is_near = |time: i64| match interval {
        None => range.contains(time),
        Some(unit) => {
            // Clipped to the range; the intervals before it end where it starts (G-5, S-73).
            let is_lead = event.time < range.from;
            view.civil.key(time, unit) == view.civil.key(event.time, unit)
                && if is_lead { time < range.from } else { range.contains(time) }
        }
    };
    let mut theirs = events_of(view, user);
    theirs.retain(|other| is_near(other.time) && is_meant(view, events, other));
    number_of_events(view, per_user, &theirs)
}

/// of the events after the event, and at most so long after (G-7).
pub(super) fn after(
    view: View<'_>,
    per_user: &PerUser,
    events: &EventSelector,
    within: Period,
    subject: Subject<'_>,
) -> Option<Value> {
    let (event, user) = (subject.event?, subject.user?);
    let to = event.time + length(within);
    let mut theirs = events_of(view, user);
    theirs.retain(|other| other.place > event.place && other.time <= to && is_meant(view, events, other));
    number_of_events(view, per_user, &theirs)
}

/// How many there are, or an aggregate of a property of them.
pub(in crate::oracle) fn number_of_events(
    view: View<'_>,
    per_user: &PerUser,
    events: &[&Event],
) -> Option<Value> {
    let number = match per_user {
        PerUser::Events => Some(events.len() as f64),
        PerUser::OfProperty { aggregate, of, cast } => {
            let values = values_of(view, of, events).into_iter();
            let values: Vec<Value> = values.filter_map(|value| cast_whole(Some(value), *cast)).collect();
            aggregated(*aggregate, &values)
        }
        PerUser::Sessions => panic!("sessions are no property of a user"),
    };
    number.map(|number| canonical(&Value::from(number)))
}

/// What led to an event: the values of its touchpoints, oldest first, and how old each is.
pub(super) fn touches(view: View<'_>, property: &Property, subject: Subject<'_>) -> Vec<(i64, Value)> {
    let Property::Attributed { attributed, within, touchpoints, collapse_repeats, .. } = property else {
        panic!("{} is not attributed", property.label())
    };
    let (Some(event), Some(user)) = (subject.event, subject.user) else { return Vec::new() };
    let within = within.unwrap_or(Period { count: 30, unit: Unit::Day });
    let mut touches: Vec<(i64, Value)> = Vec::new();
    for touch in before(view, event, user, within) {
        let is_one = touchpoints.iter().all(|touchpoints| is_meant(view, touchpoints, touch));
        let Some(value) = value(view, attributed, Subject::of_event(touch)).filter(|_| is_one) else {
            continue;
        };
        //
        let is_repeat = touches.last().is_some_and(|(_, last)| items(last) == items(&value));
        if *collapse_repeats && is_repeat {
            touches.pop();
        }
        touches.push((event.time - touch.time, value));
    }
    touches
}

fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        value => vec![value.clone()],
    }
}

/// What a filter looks at.
pub(super) fn attributed(view: View<'_>, property: &Property, subject: Subject<'_>) -> Option<Value> {
    let Property::Attributed { model, .. } = property else { return None };
    let values: Vec<Value> = touches(view, property, subject).into_iter().map(|(_, value)| value).collect();
    match model {
        AttributionModel::First => values.first().cloned(),
        AttributionModel::Last => values.last().cloned(),
        _ if values.is_empty() => None,
        _ => Some(values.iter().flat_map(items).collect()),
    }
}

/// The credit of each touch, of so many, each so old.
pub(super) fn credits(model: AttributionModel, ages: &[i64]) -> Vec<f64> {
    let three = |first: f64, middle: f64, last: f64| match ages.len() {
        0 => Vec::new(),
        1 => vec![1.0],
        2 if first + last == 0.0 => vec![0.5, 0.5],
        2 => vec![first / (first + last), last / (first + last)],
        count => {
            let mut all = vec![middle / (count - 2) as f64; count];
            (all[0], all[count - 1]) = (first, last);
            let sum = first + middle + last;
            all.into_iter().map(|credit| credit / sum).collect()
        }
    };
    match model {
        AttributionModel::First => three(1.0, 0.0, 0.0),
        AttributionModel::Last => three(0.0, 0.0, 1.0),
        AttributionModel::Linear => vec![1.0 / ages.len() as f64; ages.len()],
        AttributionModel::Participation => vec![1.0; ages.len()],
        AttributionModel::TimeDecay => {
            let weights: Vec<f64> =
                ages.iter().map(|age| 0.5_f64.powf(*age as f64 / (7 * DAY) as f64)).collect();
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(|weight| weight / sum).collect()
        }
        AttributionModel::UShaped => three(0.4, 0.2, 0.4),
        AttributionModel::JShaped => three(0.2, 0.2, 0.6),
        AttributionModel::InverseJShaped => three(0.6, 0.2, 0.2),
        AttributionModel::Weights { first, middle, last } => three(first, middle, last),
    }
}

/// A number of a value, of which each label has its share.
pub(super) fn share(view: View<'_>, of: &Property, subject: Subject<'_>, credit: f64) -> Option<f64> {
    value(view, of, subject).as_ref().and_then(number_of).map(|number| number * credit)
}
