//! How a launch changes how often people do something (M-80 … M-83), the long way round: every user, or group, metric
//! and day by itself.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use serde_json::Value;
use tallymark_report::{
    ALL_EVENTS, Adoption, EventSelector, Impact, ImpactPart, Question, Report, UsersWith,
};

use super::Table;
use super::insights::filter::passes;
use super::insights::property::groups;
use super::insights::range::resolve;
use super::insights::rows::view;
use super::insights::selector::{Occurrence, occurrences};
use super::insights::world::{Event, Subject, View, World};

/// A user, or group of users, in one of the two groups.
struct Person {
    who: Adoption,
    day_0: NaiveDate,
    is_observed: bool,
}

/// Everybody, and what there is of each of them: on which dates they did each metric, and anything.
struct Asked<'a> {
    view: View<'a>,
    impact: &'a Impact,
    people: BTreeMap<String, Person>,
    launched: NaiveDate,
    metrics: Vec<BTreeMap<String, Vec<NaiveDate>>>,
    any: BTreeMap<String, Vec<NaiveDate>>,
}

fn shifted(date: NaiveDate, by: i64) -> NaiveDate {
    if by < 0 { date - Days::new(by.unsigned_abs()) } else { date + Days::new(by as u64) }
}

impl<'a> Asked<'a> {
    fn new(world: &'a World, report: &'a Report, as_of: i64) -> Self {
        let Question::Impact(impact) = &report.question else { panic!("no impact") };
        let view = view(world, &report.scope, as_of);
        let range = resolve(view.civil, &report.scope.range, view.now).span;
        // Each with the users it is of, or the groups.
        let events_of = |selector: &EventSelector| -> Vec<Occurrence<'a>> {
            let kept = |one: &Occurrence<'_>| {
                let subject = Subject::of_event(one.event);
                report.scope.filter.iter().all(|filter| passes(view, filter, subject))
            };
            occurrences(view, selector, impact.count_by.as_deref()).into_iter().filter(kept).collect()
        };
        let dates = |selector: &EventSelector| {
            let mut dates: BTreeMap<String, Vec<NaiveDate>> = BTreeMap::new();
            for one in events_of(selector) {
                for actor in one.actors {
                    dates.entry(actor).or_default().push(view.civil.date(one.event.time));
                }
            }
            dates
        };
        let mut first: BTreeMap<String, &Event> = BTreeMap::new();
        for one in events_of(&impact.launch) {
            for actor in one.actors {
                first.entry(actor).or_insert(one.event);
            }
        }
        let in_range = first.values().filter(|event| range.contains(event.time));
        let launched = in_range.map(|event| view.civil.date(event.time)).min();
        let launched = launched.unwrap_or_else(|| view.civil.date(range.from));
        let everybody: BTreeSet<String> = match &impact.count_by {
            None => view.events().filter_map(|event| event.user.clone()).collect(),
            Some(key) => view.events().flat_map(|event| groups(Subject::of_event(event), key)).collect(),
        };
        let mut people = BTreeMap::new();
        for actor in everybody {
            let (who, day_0) = match first.get(&actor) {
                None => (Adoption::NonAdopters, launched),
                Some(event) if range.contains(event.time) => {
                    (Adoption::Adopters, view.civil.date(event.time))
                }
                Some(_) => continue,
            };
            let last = shifted(day_0, i64::from(impact.days_after));
            let is_observed = view.civil.days(last, last).to - 1 <= view.now;
            people.insert(actor, Person { who, day_0, is_observed });
        }
        let metrics = impact.metrics.iter().map(|metric| dates(&metric.event)).collect();
        let any = dates(&EventSelector::named(ALL_EVENTS));
        Self { view, impact, people, launched, metrics, any }
    }

    /// How many of these are on a day of a user, counted from day 0.
    fn on(&self, dates: &BTreeMap<String, Vec<NaiveDate>>, user: &str, day: i64) -> usize {
        let date = shifted(self.people[user].day_0, day);
        dates.get(user).into_iter().flatten().filter(|one| **one == date).count()
    }

    fn days(&self) -> Vec<i64> {
        (-i64::from(self.impact.days_before)..=i64::from(self.impact.days_after)).collect()
    }

    /// Who is in a group of a metric.
    fn group(&self, metric: usize, who: Adoption, of: ImpactPart) -> Vec<&str> {
        let dates = match self.impact.users_with {
            UsersWith::MetricEvent => &self.metrics[metric],
            UsersWith::AnyEvent => &self.any,
        };
        let is_in = |(user, person): &(&String, &Person)| {
            person.who == who
                && (of == ImpactPart::Users || person.is_observed)
                && self.days().into_iter().any(|day| self.on(dates, user, day) > 0)
        };
        self.people.iter().filter(is_in).map(|(user, _)| user.as_str()).collect()
    }

    /// What of a metric there is of a user on some days.
    fn did(&self, metric: usize, user: &str, days: &[i64]) -> usize {
        days.iter().map(|day| self.on(&self.metrics[metric], user, *day)).sum()
    }
}

/// M-78: 0 where it is so beside these numbers.
fn settled(number: f64, beside: [f64; 2]) -> f64 {
    if number.abs() < 1e-12 * beside[0].abs().max(beside[1].abs()) { 0.0 } else { number }
}

fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// The sample variance.
fn variance(numbers: &[f64]) -> Option<f64> {
    let mean = mean(numbers).filter(|_| numbers.len() > 1)?;
    let squares = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>();
    let variance = squares / (numbers.len() - 1) as f64;
    let greatest = numbers.iter().map(|number| number.abs()).fold(0.0, f64::max);
    Some(if variance < 1e-24 * greatest * greatest { 0.0 } else { variance })
}

/// Φ by Simpson's rule.
fn normal(z: f64) -> f64 {
    const STEPS: u32 = 20_000;
    let end = z.min(40.0);
    let step = end / f64::from(STEPS);
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let inner: f64 =
        (1..STEPS).map(|at| if at % 2 == 1 { 4.0 } else { 2.0 } * density(f64::from(at) * step)).sum();
    0.5 + step / 3.0 * (density(0.0) + inner + density(end))
}

/// The answer.
pub fn answer(world: &World, report: &Report, as_of: i64) -> Table {
    let asked = Asked::new(world, report, as_of);
    let columns = [
        "metric",
        "name",
        "who",
        "row",
        "day",
        "time",
        "users",
        "observed",
        "events",
        "value",
        "relative_delta",
        "counterfactual",
        "delta",
        "lift",
        "confidence",
        "adoption_rate",
    ];
    let mut rows = Vec::new();
    for metric in 0..asked.impact.metrics.len() {
        add_rows(&asked, metric, &mut rows);
    }
    Table { columns: columns.map(str::to_owned).to_vec(), rows }
}

fn add_rows(asked: &Asked<'_>, metric: usize, rows: &mut Vec<Vec<Value>>) {
    use Adoption::{Adopters, NonAdopters};
    let days = asked.days();
    let before: Vec<i64> = days.iter().copied().filter(|day| *day < 0).collect();
    let after: Vec<i64> = days.iter().copied().filter(|day| *day > 0).collect();
    let users = |who| asked.group(metric, who, ImpactPart::Users).len();
    let observed = |who| asked.group(metric, who, ImpactPart::Observed);
    // M-81: the mean of the points of some days.
    let value = |who, days: &[i64]| {
        let users = observed(who);
        let point = |day: i64| {
            let events: usize = users.iter().map(|user| asked.did(metric, user, &[day])).sum();
            (!users.is_empty()).then(|| events as f64 / users.len() as f64)
        };
        mean(&days.iter().filter_map(|day| point(*day)).collect::<Vec<_>>())
    };
    let relative_delta = |days: &[i64]| {
        let (adopters, others) = (value(Adopters, days)?, value(NonAdopters, days)?);
        (others > 0.0).then(|| settled(adopters - others, [adopters, others]) / others)
    };
    let uca = value(NonAdopters, &after).zip(relative_delta(&before));
    let uca = uca.map(|(others, relative)| others * (1.0 + relative));
    let delta = value(Adopters, &after).zip(uca).map(|(after, uca)| settled(after - uca, [after, uca]));
    let lift = delta.zip(uca).filter(|(_, uca)| *uca > 0.0).map(|(delta, uca)| delta / uca);
    // M-83: of each user the mean after, less the mean before.
    let changes = |who| -> Vec<f64> {
        let users = observed(who).into_iter();
        let mean = |user: &str, days: &[i64]| asked.did(metric, user, days) as f64 / days.len() as f64;
        users.map(|user| mean(user, &after) - mean(user, &before)).collect()
    };
    let confidence = || {
        let (adopters, others) = (changes(Adopters), changes(NonAdopters));
        let means = [mean(&adopters)?, mean(&others)?];
        let squared = variance(&adopters)? / adopters.len() as f64 + variance(&others)? / others.len() as f64;
        (squared > 0.0).then(|| normal((settled(means[0] - means[1], means) / squared.sqrt()).abs()))
    };
    let all = users(Adopters) + users(NonAdopters);
    let adoption_rate = (all > 0).then(|| users(Adopters) as f64 / all as f64);
    let mut parts: Vec<(&str, Option<i64>, Vec<i64>)> =
        days.iter().map(|day| ("day", Some(*day), vec![*day])).collect();
    parts.push(("before", None, before.clone()));
    parts.push(("after", None, after.clone()));
    for who in [Adopters, NonAdopters] {
        for (row, day, days) in &parts {
            let time = day.filter(|_| who == NonAdopters);
            let time = time.map(|day| asked.view.civil.start_of(shifted(asked.launched, day)));
            let events: usize = observed(who).iter().map(|user| asked.did(metric, user, days)).sum();
            let of_adopters = |number: Option<f64>| number.filter(|_| who == Adopters);
            let of_result = |number: Option<f64>| of_adopters(number).filter(|_| *row == "after");
            rows.push(vec![
                Value::from(["A", "B", "C", "D"][metric]),
                Value::from(asked.impact.metrics[metric].label()),
                Value::from(if who == Adopters { "adopters" } else { "non_adopters" }),
                Value::from(*row),
                Value::from(*day),
                Value::from(time),
                Value::from(users(who)),
                Value::from(observed(who).len()),
                Value::from(events),
                Value::from(value(who, days)),
                Value::from(of_adopters(relative_delta(days))),
                Value::from(of_result(uca)),
                Value::from(of_result(delta)),
                Value::from(of_result(lift)),
                Value::from(of_result(confidence())),
                Value::from(adoption_rate),
            ]);
        }
    }
}

/// The users behind a number (M-4).
pub fn behind(world: &World, report: &Report, as_of: i64) -> BTreeSet<String> {
    let asked = Asked::new(world, report, as_of);
    let cell = asked.impact.users_of.as_ref().unwrap();
    let letter = cell.metric.as_deref().unwrap_or("A");
    let metric = ["A", "B", "C", "D"].iter().position(|known| *known == letter).unwrap();
    asked.group(metric, cell.who, cell.of).into_iter().map(str::to_owned).collect()
}
