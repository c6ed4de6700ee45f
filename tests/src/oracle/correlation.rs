//! Which events go with a goal (M-90, M-91), the long way round: for each candidate, number of times and
//! days all users are looked at.
//!
//! Where the rules leave something open, this is how it is read: values of properties are the labels that
//! breakdowns by them have (B-1, B-20).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tallymark_report::{
    ALL_EVENTS, Breakdown, Candidate, Correlation, CorrelationPart, EventSelector, GoalPeriod, Question,
    Report, Scope,
};

use super::Table;
use super::insights::breakdown::{NOT_SET, Splitter};
use super::insights::filter::passes;
use super::insights::range::resolve;
use super::insights::rows::view;
use super::insights::selector::occurrences;
use super::insights::world::{Event, Subject, View, World};

const DAY: i64 = 24 * 3_600_000;

/// A user, when they were born, and whether they reach the goal.
struct Person<'a> {
    birth: &'a Event,
    has_reached: bool,
}

/// Something that may go with the goal, and the events that are it.
struct Suspect<'a> {
    event: String,
    property: Option<String>,
    value: Option<String>,
    events: Vec<&'a Event>,
}

/// Users who did it and reach the goal, did it and do not, did not and do, did not and do not.
#[derive(Debug, Clone, Copy)]
struct Counts([usize; 4]);

impl Counts {
    fn phi(self) -> Option<f64> {
        let [tp, fp, fn_, tn] = self.0.map(|count| count as f64);
        let below = (tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_);
        (below > 0.0).then(|| (tp * tn - fp * fn_) / below.sqrt())
    }

    /// How far from 0, to twelve decimals.
    fn strength(self) -> Option<i64> {
        self.phi().map(|phi| (phi.abs() * 1e12).round() as i64)
    }
}

fn events_of<'a>(view: View<'a>, scope: &Scope, selector: &EventSelector) -> Vec<&'a Event> {
    let kept =
        |event: &&Event| scope.filter.iter().all(|filter| passes(view, filter, Subject::of_event(event)));
    let with_user = occurrences(view, selector, None).into_iter().filter(|one| !one.actors.is_empty());
    with_user.map(|one| one.event).filter(kept).collect()
}

/// The answer.
pub fn answer(world: &World, report: &Report, as_of: i64) -> Table {
    looked_at(world, report, as_of, &mut |correlation, people, candidates| {
        table(correlation, people, candidates)
    })
}

/// The users behind a number (M-4).
pub fn behind(world: &World, report: &Report, as_of: i64) -> BTreeSet<String> {
    looked_at(world, report, as_of, &mut |correlation, people, candidates| {
        let cell = correlation.users_of.as_ref().unwrap();
        let is_it = |of: &&Suspect<'_>| {
            (&of.event, &of.property, &of.value) == (&cell.event, &cell.property, &cell.value)
        };
        let candidate = candidates.iter().find(is_it);
        let wanted = |user: &str, person: &Person<'_>| {
            let did = candidate.is_some_and(|of| did(user, person, of, cell.times, cell.days as i64));
            match cell.of {
                CorrelationPart::TruePositives => did && person.has_reached,
                CorrelationPart::FalsePositives => did && !person.has_reached,
                CorrelationPart::FalseNegatives => !did && person.has_reached,
                CorrelationPart::TrueNegatives => !did && !person.has_reached,
                CorrelationPart::Users => true,
            }
        };
        let users = people.iter().filter(|(user, person)| wanted(user, person));
        users.map(|(user, _)| (*user).to_owned()).collect()
    })
}

type See<'s, T> = &'s mut dyn FnMut(&Correlation, &BTreeMap<&str, Person<'_>>, &[Suspect<'_>]) -> T;

/// Shows everybody who was born, and what may go with the goal.
fn looked_at<T>(world: &World, report: &Report, as_of: i64, see: See<'_, T>) -> T {
    let Question::Correlation(correlation) = &report.question else { panic!("no correlation") };
    let view = view(world, &report.scope, as_of);
    let range = resolve(view.civil, &report.scope.range, view.now).span;
    let in_range = |selector: &EventSelector| -> Vec<&Event> {
        let all = events_of(view, &report.scope, selector).into_iter();
        all.filter(|event| range.contains(event.time)).collect()
    };
    let days = match correlation.goal_in {
        GoalPeriod::Range => None,
        GoalPeriod::SecondWeek => Some((7, 14)),
        GoalPeriod::ThirdWeek => Some((14, 21)),
        GoalPeriod::FourthWeek => Some((21, 28)),
        GoalPeriod::SecondMonth => Some((30, 60)),
    };
    let mut people: BTreeMap<&str, Person<'_>> = BTreeMap::new();
    for birth in in_range(&correlation.birth) {
        people.entry(birth.user.as_deref().unwrap()).or_insert(Person { birth, has_reached: false });
    }
    if let Some((_, end)) = days {
        assert!(range.from + end * DAY <= view.now, "nobody's time is over");
        people.retain(|_, person| person.birth.time + end * DAY <= view.now);
    }
    for goal in events_of(view, &report.scope, &correlation.goal) {
        let Some(person) = people.get_mut(goal.user.as_deref().unwrap()) else { continue };
        let birth = person.birth;
        let is_in_time = match days {
            None => range.contains(goal.time) && goal.place >= birth.place,
            Some((from, to)) => birth.time + from * DAY <= goal.time && goal.time < birth.time + to * DAY,
        };
        person.has_reached |= is_in_time;
    }
    let candidates = candidates(view, correlation, &people, &in_range);
    see(correlation, &people, &candidates)
}

fn candidates<'a>(
    view: View<'a>,
    correlation: &Correlation,
    people: &BTreeMap<&str, Person<'_>>,
    in_range: &dyn Fn(&EventSelector) -> Vec<&'a Event>,
) -> Vec<Suspect<'a>> {
    let mut found = Vec::new();
    // Those with most users who did them since they were born.
    let most = |by_label: BTreeMap<String, Vec<&'a Event>>| {
        let mut ranked: Vec<(usize, String, Vec<&'a Event>)> = Vec::new();
        for (label, events) in by_label {
            let users: BTreeSet<&str> = events
                .iter()
                .filter_map(|event| {
                    let user = event.user.as_deref()?;
                    people.get(user).filter(|person| person.birth.place <= event.place).map(|_| user)
                })
                .collect();
            if !users.is_empty() {
                ranked.push((users.len(), label, events));
            }
        }
        ranked.sort_by_key(|(users, ..)| std::cmp::Reverse(*users));
        ranked.truncate(correlation.top);
        ranked
    };
    for candidate in &correlation.candidates {
        let events = in_range(candidate.event());
        let event = candidate.event().label();
        match candidate {
            Candidate::Event(_) => found.push(Suspect { event, property: None, value: None, events }),
            Candidate::ValueOf { property, .. } => {
                let breakdown =
                    Breakdown::Property { property: property.clone(), cast: None, buckets: None, unit: None };
                let splitter = Splitter::of(view, &breakdown, &[]);
                let mut by_value: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
                for one in events {
                    for label in splitter.labels(view, Subject::of_event(one)) {
                        by_value.entry(label).or_default().push(one);
                    }
                }
                by_value.remove(NOT_SET);
                found.extend(most(by_value).into_iter().map(|(_, value, events)| Suspect {
                    event: event.clone(),
                    property: Some(property.label()),
                    value: Some(value),
                    events,
                }));
            }
        }
    }
    if correlation.candidates.is_empty() {
        let mut by_name: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
        for one in in_range(&EventSelector::named(ALL_EVENTS)) {
            by_name.entry(one.name.clone()).or_default().push(one);
        }
        if correlation.goal_in == GoalPeriod::Range {
            for choice in &correlation.goal.any_of {
                match view.world.saved_events.get(&choice.event) {
                    Some(saved) => saved.any_of.iter().for_each(|of| drop(by_name.remove(&of.event))),
                    None => drop(by_name.remove(&choice.event)),
                }
            }
        }
        let named = most(by_name).into_iter();
        found.extend(named.map(|(_, event, events)| Suspect { event, property: None, value: None, events }));
    }
    found
}

fn table(
    correlation: &Correlation,
    people: &BTreeMap<&str, Person<'_>>,
    candidates: &[Suspect<'_>],
) -> Table {
    let columns = [
        "event",
        "property",
        "value",
        "times",
        "days",
        "is_best",
        "users",
        "true_positives",
        "false_positives",
        "false_negatives",
        "true_negatives",
        "phi",
        "precision",
        "false_omission",
        "recall",
        "fall_out",
    ];
    let mut blocks: Vec<(Option<i64>, Vec<Vec<Value>>)> = Vec::new();
    for candidate in candidates {
        let mut cells: Vec<(usize, i64, Counts)> = Vec::new();
        for times in 1..=10 {
            for days in 1..=15 {
                cells.push((times, days, counts(people, candidate, times, days)));
            }
        }
        let strongest = cells.iter().filter_map(|(.., counts)| counts.strength()).max();
        let best = cells.iter().position(|(.., counts)| counts.strength() == strongest).unwrap();
        let mut rows = Vec::new();
        for (at, (times, days, counts)) in cells.iter().enumerate() {
            if at == best || correlation.all_cells {
                let [tp, fp, fn_, tn] = counts.0;
                let share = |part: usize, rest: usize| {
                    Value::from((part + rest > 0).then(|| part as f64 / (part + rest) as f64))
                };
                rows.push(vec![
                    Value::from(candidate.event.clone()),
                    Value::from(candidate.property.clone()),
                    Value::from(candidate.value.clone()),
                    Value::from(*times),
                    Value::from(*days),
                    Value::from(at == best),
                    Value::from(people.len()),
                    Value::from(tp),
                    Value::from(fp),
                    Value::from(fn_),
                    Value::from(tn),
                    Value::from(counts.phi()),
                    share(tp, fp),
                    share(fn_, tn),
                    share(tp, fn_),
                    share(fp, tn),
                ]);
            }
        }
        blocks.push((strongest, rows));
    }
    blocks.sort_by_key(|(strongest, _)| std::cmp::Reverse(strongest.unwrap_or(-1)));
    let rows = blocks.into_iter().flat_map(|(_, rows)| rows).collect();
    Table { columns: columns.map(str::to_owned).to_vec(), rows }
}

/// Whether a user did it so often in so many days after the birth.
fn did(user: &str, person: &Person<'_>, candidate: &Suspect<'_>, times: usize, days: i64) -> bool {
    let done = candidate.events.iter().filter(|event| {
        event.user.as_deref() == Some(user)
            && event.place >= person.birth.place
            && event.time - person.birth.time <= days * DAY
    });
    done.count() >= times
}

fn counts(people: &BTreeMap<&str, Person<'_>>, candidate: &Suspect<'_>, times: usize, days: i64) -> Counts {
    let mut counts = [0; 4];
    for (user, person) in people {
        counts[match (did(user, person, candidate, times, days), person.has_reached) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }] += 1;
    }
    Counts(counts)
}
