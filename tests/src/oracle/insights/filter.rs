//! Which events and users pass (P-10 … P-33, G-9).

use serde_json::Value;
use tallymark_report::{Condition, Filter, Items, Operator, Period, Scalar, Unit};

use super::civil::{Span, shifted};
use super::property::{groups, value};
use super::range::{Said, last, read};
use super::value::{Date, cast, date_of, number_of};
use super::world::{Subject, View};

pub(in crate::oracle) fn passes(view: View<'_>, filter: &Filter, subject: Subject<'_>) -> bool {
    match filter {
        Filter::Sql(sql) => panic!("the oracle knows no SQL: {sql}"),
        Filter::List(all) | Filter::All { all } => all.iter().all(|filter| passes(view, filter, subject)),
        Filter::Any { any } => any.iter().any(|filter| passes(view, filter, subject)),
        Filter::Not { not } => !passes(view, not, subject),
        Filter::InCohort { in_cohort } => in_cohort.iter().any(|cohort| is_member(view, cohort, subject)),
        // Outside of any of them (C-10).
        Filter::NotInCohort { not_in_cohort } => {
            not_in_cohort.iter().any(|cohort| !is_member(view, cohort, subject))
        }
        Filter::ListContains(contains) => match value(view, &contains.list, subject) {
            Some(Value::Array(items)) => items.iter().any(|item| object_passes(view, &contains.filter, item)),
            _ => false,
        },
        Filter::Condition(condition) => meets(view, condition, value(view, &condition.property, subject)),
    }
}

/// P-33: what is no object passes nothing.
pub(super) fn object_passes(view: View<'_>, filter: &Filter, item: &Value) -> bool {
    item.as_object().is_some_and(|object| passes(view, filter, Subject::of_object(object)))
}

/// Nobody is no member (G-12); of several groups any may be one (C-21).
pub(in crate::oracle) fn is_member(view: View<'_>, cohort: &str, subject: Subject<'_>) -> bool {
    let members = view.members(cohort);
    asked_about(view, cohort, subject).iter().any(|one| members.contains(one))
}

/// Those of whom it is asked whether they are in a cohort: the user, or the groups by its key.
pub(in crate::oracle) fn asked_about(view: View<'_>, cohort: &str, subject: Subject<'_>) -> Vec<String> {
    match (&view.world.cohorts[cohort].group_key, subject.group) {
        (None, _) => subject.user.iter().map(|user| (*user).to_owned()).collect(),
        (Some(_), Some((_, id))) => vec![id.to_owned()],
        (Some(key), None) => groups(subject, key),
    }
}

/// Whether a value, whatever property it is of, meets a condition.
pub(in crate::oracle) fn meets(view: View<'_>, condition: &Condition, value: Option<Value>) -> bool {
    match opposite(&condition.operator) {
        Some(positive) => !holds(view, condition, &positive, value),
        None => holds(view, condition, &condition.operator, value),
    }
}

/// The operator that a negative one is the complement of (G-9).
fn opposite(operator: &Operator) -> Option<Operator> {
    Some(match operator {
        Operator::DoesNotEqual(values) => Operator::Equals(values.clone()),
        Operator::DoesNotContain(texts) => Operator::Contains(texts.clone()),
        Operator::IsSet(false) => Operator::IsSet(true),
        Operator::NotBetween(ends) => Operator::Between(*ends),
        Operator::WasNotOn(day) => Operator::WasOn(day.clone()),
        Operator::WasNotBetween(days) => Operator::WasBetween(days.clone()),
        Operator::WasNotInTheLast(period) => Operator::WasInTheLast(*period),
        _ => return None,
    })
}

/// Of a list any or all items (P-30), of anything else the thing itself; cast first, if so said.
fn holds(view: View<'_>, condition: &Condition, operator: &Operator, value: Option<Value>) -> bool {
    let one = |value: Option<&Value>| match condition.cast {
        Some(to) => holds_for(view, condition, operator, cast(value, to).as_ref()),
        None => holds_for(view, condition, operator, value),
    };
    match value {
        // A list is set, even an empty one (D-26).
        Some(Value::Array(_)) if *operator == Operator::IsSet(true) && condition.cast.is_none() => true,
        Some(Value::Array(items)) => {
            let mut items = items.iter().map(|item| Some(item).filter(|item| !item.is_null()));
            match condition.items {
                Items::Any => items.any(one),
                Items::All => items.len() > 0 && items.all(one),
            }
        }
        value => one(value.as_ref()),
    }
}

fn holds_for(view: View<'_>, condition: &Condition, operator: &Operator, value: Option<&Value>) -> bool {
    let Some(value) = value else { return false };
    // P-20.
    let cased = |match_case: bool, text: &str| if match_case { text.to_owned() } else { text.to_lowercase() };
    let any_text = |texts: &[String], holds: fn(&str, &str) -> bool| {
        let match_case = condition.match_case.unwrap_or(false);
        let text = value.as_str().map(|text| cased(match_case, text));
        text.is_some_and(|text| texts.iter().any(|wanted| holds(&text, &cased(match_case, wanted))))
    };
    let number = |holds: &dyn Fn(f64) -> bool| number_of(value).is_some_and(holds);
    let date = |holds: &dyn Fn(Date) -> bool| date_of(value).is_some_and(holds);
    let day = |text: &str| match read(view.civil, text) {
        Said::Day(day) => day,
        Said::Time(time) => view.civil.date(time),
    };
    match operator {
        Operator::Equals(values) => values.iter().any(|wanted| match (wanted, value) {
            (Scalar::Bool(wanted), Value::Bool(bool)) => wanted == bool,
            (Scalar::Number(wanted), Value::Number(_)) => number_of(value) == Some(*wanted),
            (Scalar::Text(wanted), Value::String(text)) => {
                let match_case = condition.match_case.unwrap_or(true);
                cased(match_case, wanted) == cased(match_case, text)
            }
            _ => false,
        }),
        Operator::Contains(texts) => any_text(texts, |text, wanted| text.contains(wanted)),
        Operator::StartsWith(texts) => any_text(texts, |text, wanted| text.starts_with(wanted)),
        Operator::EndsWith(texts) => any_text(texts, |text, wanted| text.ends_with(wanted)),
        Operator::IsSet(true) => true,
        Operator::GreaterThan(bound) => number(&|number| number > *bound),
        Operator::LessThan(bound) => number(&|number| number < *bound),
        Operator::AtLeast(bound) => number(&|number| number >= *bound),
        Operator::AtMost(bound) => number(&|number| number <= *bound),
        Operator::Between([from, to]) => number(&|number| *from <= number && number <= *to),
        Operator::WasOn(on) => date(&|date| date.day(view.civil) == day(on)),
        Operator::WasBetween([first, last]) => {
            date(&|date| day(first) <= date.day(view.civil) && date.day(view.civil) <= day(last))
        }
        Operator::WasBefore(before) => date(&|date| date.day(view.civil) < day(before)),
        Operator::WasSince(since) => date(&|date| date.day(view.civil) >= day(since)),
        Operator::WasInTheLast(period) => date(&|date| lies(view, date, in_the_last(view, *period))),
        Operator::WasBeforeTheLast(period) => {
            date(&|date| date.time(view.civil) < in_the_last(view, *period).from)
        }
        Operator::WasInTheNext(period) => date(&|date| lies(view, date, in_the_next(view, *period))),
        Operator::IsSet(false)
        | Operator::DoesNotEqual(_)
        | Operator::DoesNotContain(_)
        | Operator::NotBetween(_)
        | Operator::WasNotOn(_)
        | Operator::WasNotBetween(_)
        | Operator::WasNotInTheLast(_) => panic!("{operator:?} is the complement of another"),
    }
}

/// A civil date lies where its start does.
fn lies(view: View<'_>, date: Date, span: Span) -> bool {
    span.contains(date.time(view.civil))
}

/// Up to now (P-23).
fn in_the_last(view: View<'_>, period: Period) -> Span {
    Span { to: view.now + 1, ..last(view.civil, period, 0, view.now).span }
}

/// From now to the end of the day so many units later; hours and minutes elapsed (P-23).
fn in_the_next(view: View<'_>, period: Period) -> Span {
    let count = i64::from(period.count);
    let end = match period.unit {
        Unit::Minute => view.now + count * 60_000,
        Unit::Hour => view.now + count * 3_600_000,
        unit => {
            let last = shifted(view.civil.date(view.now), count, unit);
            view.civil.days(last, last).to - 1
        }
    };
    Span { from: view.now + 1, to: end + 1 }
}
