//! On how many days, who is new, and how many of a month on a day.

use std::collections::BTreeSet;

use chrono::Timelike as _;
use serde_json::Value;
use tallymark_report::{EventSelector, Question, Report, Scope, Unit};

use crate::oracle::Table;
use crate::oracle::insights::civil::{Bucket, Span, shifted};
use crate::oracle::insights::filter::passes;
use crate::oracle::insights::range::resolve;
use crate::oracle::insights::rows::view;
use crate::oracle::insights::selector::occurrences;
use crate::oracle::insights::world::{Subject, View, World};

/// Users and instants at which they did something.
struct Activity(Vec<(String, i64)>);

impl Activity {
    fn new(view: View<'_>, scope: &Scope, selector: &EventSelector) -> Self {
        let mut found = Vec::new();
        for one in occurrences(view, selector, None) {
            let is_kept =
                scope.filter.iter().all(|filter| passes(view, filter, Subject::of_event(one.event)));
            if is_kept {
                found.extend(one.actors.iter().map(|actor| (actor.clone(), one.event.time)));
            }
        }
        Self(found)
    }

    fn users(&self, is_when: impl Fn(i64) -> bool) -> BTreeSet<&str> {
        self.0.iter().filter(|(_, time)| is_when(*time)).map(|(user, _)| user.as_str()).collect()
    }

    fn users_in(&self, span: Span) -> BTreeSet<&str> {
        self.users(|time| span.contains(time))
    }
}

fn table<const N: usize>(columns: [&str; N]) -> Table {
    Table { columns: columns.map(str::to_owned).to_vec(), rows: Vec::new() }
}

/// The share of some in others; none of nobody.
fn share(part: usize, whole: usize) -> Value {
    Value::from((whole > 0).then(|| part as f64 / whole as f64))
}

///
pub fn frequency(world: &World, report: &Report, as_of: i64) -> Table {
    let Question::Frequency(frequency) = &report.question else { panic!("no frequency") };
    let view = view(world, &report.scope, as_of);
    let range = resolve(view.civil, &report.scope.range, view.now).span;
    let activity = Activity::new(view, &report.scope, &frequency.event);
    let birth = frequency.birth.as_ref().map(|birth| Activity::new(view, &report.scope, birth));
    let most = match frequency.period {
        Unit::Day => 24,
        Unit::Week => 7,
        _ => 31,
    };
    let mut table = table(["time", "count", "users", "share"]);
    for bucket in view.civil.buckets(range, frequency.period) {
        let mut counts: Vec<usize> = Vec::new();
        for user in activity.users_in(bucket.span) {
            if birth.as_ref().is_some_and(|birth| !birth.users_in(bucket.span).contains(user)) {
                continue;
            }
            let own = activity.0.iter().filter(|(other, time)| other == user && bucket.span.contains(*time));
            let parts: BTreeSet<String> = own
                .map(|(_, time)| match frequency.period {
                    Unit::Day => view.civil.clock(*time).0.hour().to_string(),
                    _ => view.civil.date(*time).to_string(),
                })
                .collect();
            counts.push(parts.len());
        }
        for wanted in 1..=most {
            let is_counted =
                |count: &&usize| if frequency.cumulative { **count >= wanted } else { **count == wanted };
            let users = counts.iter().filter(is_counted).count();
            let row = [Value::from(bucket.key), wanted.into(), users.into(), share(users, counts.len())];
            table.rows.push(row.to_vec());
        }
    }
    table
}

///
pub fn lifecycle(world: &World, report: &Report, as_of: i64) -> Table {
    let Question::Lifecycle(lifecycle) = &report.question else { panic!("no lifecycle") };
    let view = view(world, &report.scope, as_of);
    let range = resolve(view.civil, &report.scope.range, view.now).span;
    let activity = Activity::new(view, &report.scope, &lifecycle.event);
    let mut table = table(["time", "status", "users"]);
    let mut before = None;
    for bucket in view.civil.buckets(range, lifecycle.unit) {
        let unit_before = before.map_or_else(
            || {
                let start = view.civil.start_of_bucket(bucket.span.from, lifecycle.unit);
                Span { from: view.civil.start_of_bucket(start - 1, lifecycle.unit), to: start }
            },
            |before: Bucket| before.span,
        );
        before = Some(bucket);
        let active = activity.users_in(bucket.span);
        let just_before = activity.users_in(unit_before);
        let ever_before = activity.users(|time| time < bucket.span.from);
        let new = active.iter().filter(|user| !ever_before.contains(*user)).count();
        let returning = active.intersection(&just_before).count();
        let counts = [
            ("new", new),
            ("returning", returning),
            ("resurrected", active.len() - new - returning),
            ("dormant", just_before.difference(&active).count()),
        ];
        for (status, users) in counts {
            table.rows.push(vec![Value::from(bucket.key), status.into(), users.into()]);
        }
    }
    table
}

///
pub fn stickiness(world: &World, report: &Report, as_of: i64) -> Table {
    let Question::Stickiness(stickiness) = &report.question else { panic!("no stickiness") };
    let view = view(world, &report.scope, as_of);
    let range = resolve(view.civil, &report.scope.range, view.now).span;
    let activity = Activity::new(view, &report.scope, &stickiness.event);
    let mut table = table(["time", "daily", "period", "stickiness"]);
    for bucket in view.civil.buckets(range, Unit::Day) {
        let day = view.civil.date(bucket.span.from);
        let first = shifted(day, 1 - i64::from(stickiness.over.days()), Unit::Day);
        let daily = activity.users_in(view.civil.days(day, day)).len();
        let period = activity.users_in(view.civil.days(first, day)).len();
        table.rows.push(vec![Value::from(bucket.key), daily.into(), period.into(), share(daily, period)]);
    }
    table
}
