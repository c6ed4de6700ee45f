//! On how many days, who is new, and how many of a month on a day.

use std::collections::BTreeSet;

use chrono::Timelike as _;
use serde_json::Value;
use tallymark_report::{
    EventSelector, Frequency, Instant, Lifecycle, LifecycleStatus, Question, Report, Scope, Stickiness,
    StickinessUsers, Unit,
};

use super::rows::instant_of;
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
    let most = match frequency.period {
        Unit::Day => 24,
        Unit::Week => 7,
        _ => 31,
    };
    let asked = Frequencies::new(view, &report.scope, frequency);
    let mut table = table(["time", "count", "users", "share"]);
    for bucket in view.civil.buckets(range, frequency.period) {
        let counts = asked.counts(view, bucket);
        for wanted in 1..=most {
            let users = counts.iter().filter(|(_, count)| asked.is_counted(*count, wanted)).count();
            let row = [Value::from(bucket.key), wanted.into(), users.into(), share(users, counts.len())];
            table.rows.push(row.to_vec());
        }
    }
    table
}

/// What a report of frequency is about.
struct Frequencies<'a> {
    asked: &'a Frequency,
    activity: Activity,
    birth: Option<Activity>,
}

impl<'a> Frequencies<'a> {
    fn new(view: View<'_>, scope: &Scope, asked: &'a Frequency) -> Self {
        let activity = Activity::new(view, scope, &asked.event);
        let birth = asked.birth.as_ref().map(|birth| Activity::new(view, scope, birth));
        Self { asked, activity, birth }
    }

    /// Who is counted in a period, with in how many hours, or on how many days.
    fn counts(&self, view: View<'_>, bucket: Bucket) -> Vec<(&str, usize)> {
        let mut counts = Vec::new();
        for user in self.activity.users_in(bucket.span) {
            if self.birth.as_ref().is_some_and(|birth| !birth.users_in(bucket.span).contains(user)) {
                continue;
            }
            let own =
                self.activity.0.iter().filter(|(other, time)| other == user && bucket.span.contains(*time));
            let parts: BTreeSet<String> = own
                .map(|(_, time)| match self.asked.period {
                    Unit::Day => view.civil.clock(*time).0.hour().to_string(),
                    _ => view.civil.date(*time).to_string(),
                })
                .collect();
            counts.push((user, parts.len()));
        }
        counts
    }

    fn is_counted(&self, count: usize, wanted: usize) -> bool {
        if self.asked.cumulative { count >= wanted } else { count == wanted }
    }
}

///
pub fn lifecycle(world: &World, report: &Report, as_of: i64) -> Table {
    let Question::Lifecycle(lifecycle) = &report.question else { panic!("no lifecycle") };
    let mut table = table(["time", "status", "users"]);
    for (bucket, statuses) in lives(view(world, &report.scope, as_of), &report.scope, lifecycle) {
        for (status, users) in ["new", "returning", "resurrected", "dormant"].into_iter().zip(statuses) {
            table.rows.push(vec![Value::from(bucket.key), status.into(), users.len().into()]);
        }
    }
    table
}

/// Who is new, returning, resurrected and dormant in each unit.
fn lives(view: View<'_>, scope: &Scope, lifecycle: &Lifecycle) -> Vec<(Bucket, [BTreeSet<String>; 4])> {
    let range = resolve(view.civil, &scope.range, view.now).span;
    let activity = Activity::new(view, scope, &lifecycle.event);
    let mut lives = Vec::new();
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
        let owned = |users: &mut dyn Iterator<Item = &&str>| users.map(|user| (*user).to_owned()).collect();
        let statuses = [
            owned(&mut active.difference(&ever_before)),
            owned(&mut active.intersection(&just_before)),
            owned(&mut active.intersection(&ever_before).filter(|user| !just_before.contains(*user))),
            owned(&mut just_before.difference(&active)),
        ];
        lives.push((bucket, statuses));
    }
    lives
}

///
pub fn stickiness(world: &World, report: &Report, as_of: i64) -> Table {
    let Question::Stickiness(stickiness) = &report.question else { panic!("no stickiness") };
    let view = view(world, &report.scope, as_of);
    let range = resolve(view.civil, &report.scope.range, view.now).span;
    let activity = Activity::new(view, &report.scope, &stickiness.event);
    let mut table = table(["time", "daily", "period", "stickiness"]);
    for bucket in view.civil.buckets(range, Unit::Day) {
        let [daily, period] = sticking(view, &activity, stickiness, bucket).map(|users| users.len());
        table.rows.push(vec![Value::from(bucket.key), daily.into(), period.into(), share(daily, period)]);
    }
    table
}

/// Who is active on a day, and on the days up to it.
fn sticking<'a>(
    view: View<'_>,
    activity: &'a Activity,
    stickiness: &Stickiness,
    bucket: Bucket,
) -> [BTreeSet<&'a str>; 2] {
    let day = view.civil.date(bucket.span.from);
    let first = shifted(day, 1 - i64::from(stickiness.over.days()), Unit::Day);
    [day, first].map(|first| activity.users_in(view.civil.days(first, day)))
}

/// The users behind a number of one of these reports (M-4).
pub fn active_behind(world: &World, report: &Report, as_of: i64) -> BTreeSet<String> {
    let scope = &report.scope;
    let view = view(world, scope, as_of);
    let range = resolve(view.civil, &scope.range, view.now).span;
    let bucket_of = |time: &Instant, unit: Unit| {
        let key = view.civil.key(instant_of(view, time), unit);
        view.civil.buckets(range, unit).into_iter().find(|bucket| bucket.key == key).unwrap()
    };
    match &report.question {
        Question::Frequency(frequency) => {
            let cell = frequency.users_of.as_ref().unwrap();
            let asked = Frequencies::new(view, scope, frequency);
            let counts = asked.counts(view, bucket_of(&cell.time, frequency.period));
            let is_behind = |(_, count): &(&str, usize)| asked.is_counted(*count, cell.count as usize);
            counts.into_iter().filter(is_behind).map(|(user, _)| user.to_owned()).collect()
        }
        Question::Lifecycle(lifecycle) => {
            let cell = lifecycle.users_of.as_ref().unwrap();
            let key = bucket_of(&cell.time, lifecycle.unit).key;
            let lives = lives(view, scope, lifecycle).into_iter();
            let [new, returning, resurrected, dormant] =
                lives.filter(|(bucket, _)| bucket.key == key).map(|(_, statuses)| statuses).next().unwrap();
            match cell.status {
                LifecycleStatus::New => new,
                LifecycleStatus::Returning => returning,
                LifecycleStatus::Resurrected => resurrected,
                LifecycleStatus::Dormant => dormant,
            }
        }
        Question::Stickiness(stickiness) => {
            let cell = stickiness.users_of.as_ref().unwrap();
            let activity = Activity::new(view, scope, &stickiness.event);
            let bucket = bucket_of(&cell.time, Unit::Day);
            let [daily, period] = sticking(view, &activity, stickiness, bucket);
            let users = if cell.of == StickinessUsers::Daily { daily } else { period };
            users.into_iter().map(str::to_owned).collect()
        }
        other => panic!("a {} is none of these", other.kind()),
    }
}
