//! What users did before and after they took up a launch, or did not.

use std::cmp::Ordering;

use chrono::NaiveDate;
use tallymark_report::{Adoption, ImpactPart, Instants, UsersWith};

use super::days::{Days, number};
use super::{ANY, LAUNCH, METRICS};
use crate::resident::by_user::{Matcher, UserEvents};

/// Looks at what users did.
pub(super) struct Observe {
    pub(super) metrics: usize,
    pub(super) users_with: UsersWith,
    /// In which adopters did it first.
    pub(super) range: Instants,
    /// Day 0 of non-adopters.
    pub(super) launched: NaiveDate,
    pub(super) as_of: i64,
    pub(super) days: Days,
}

/// What the adopters, or the others, have of a metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Group {
    /// All that are included.
    pub(super) users: u64,
    /// Those whose days are all over, whom the numbers below are of (M-81).
    pub(super) observed: u64,
    /// The events of each day around day 0.
    pub(super) days: Vec<u64>,
    pub(super) changes: Changes,
}

/// Of each user the mean daily events after, less those before, times the numbers of days: a whole number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Changes {
    pub(super) sum: i128,
    pub(super) squares: i128,
}

impl Changes {
    pub(super) fn add(&mut self, change: i128) {
        self.sum = self.sum.saturating_add(change);
        self.squares = self.squares.saturating_add(change.saturating_mul(change));
    }
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By metric: adopters, and others.
    pub(super) groups: Vec<[Group; 2]>,
    did: Did,
}

impl Tally {
    /// A group of users of a metric.
    pub(super) fn group(&self, metric: usize, who: Adoption) -> &Group {
        &self.groups[metric][place(who)]
    }
}

/// What one user did on the days around day 0.
#[derive(Debug, Default)]
pub(super) struct Did {
    /// Whether there is any event.
    any: bool,
    /// Of each metric how many before, on, and after day 0.
    metrics: Vec<[u64; 3]>,
    /// The events: on which of the days, and what they are.
    events: Vec<(usize, u64)>,
}

/// Which group a user is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    who: Adoption,
    /// Whether all days are over.
    is_observed: bool,
}

fn place(who: Adoption) -> usize {
    match who {
        Adoption::Adopters => 0,
        Adoption::NonAdopters => 1,
    }
}

impl Observe {
    /// What a user did; `None` for those in neither group.
    pub(super) fn walk(&self, user: &UserEvents<'_>, did: &mut Did) -> Option<User> {
        let mut near = 0;
        let launch = user.records.iter().find(|record| record.meets(LAUNCH));
        let (who, day_0) = match launch {
            None => (Adoption::NonAdopters, number(self.launched)),
            Some(first) if self.range.from <= first.time && first.time < self.range.to => {
                (Adoption::Adopters, self.days.of(first.time, &mut near)?)
            }
            Some(_) => return None,
        };
        did.any = false;
        did.metrics.clear();
        did.metrics.resize(self.metrics, [0; 3]);
        did.events.clear();
        for record in user.records.iter().filter(|record| record.conditions >> ANY != 0) {
            let at = self.days.of(record.time, &mut near).and_then(|day| self.days.around(day_0, day));
            let Some(at) = at else { continue };
            did.any |= record.meets(ANY);
            let part = match self.days.part(at) {
                Ordering::Less => 0,
                Ordering::Equal => 1,
                Ordering::Greater => 2,
            };
            for (metric, counts) in did.metrics.iter_mut().enumerate() {
                counts[part] += u64::from(record.meets(METRICS + metric));
            }
            did.events.push((at, record.conditions));
        }
        Some(User { who, is_observed: self.days.are_over(day_0, self.as_of) })
    }

    /// Whether somebody who did this is included in a metric (M-80).
    fn includes(&self, did: &Did, metric: usize) -> bool {
        match self.users_with {
            UsersWith::MetricEvent => did.metrics[metric] != [0; 3],
            UsersWith::AnyEvent => did.any,
        }
    }

    /// Whether a user is one of those that a number is of.
    pub(super) fn is_in(
        &self,
        user: User,
        did: &Did,
        metric: usize,
        (who, part): (Adoption, ImpactPart),
    ) -> bool {
        user.who == who && (part == ImpactPart::Users || user.is_observed) && self.includes(did, metric)
    }
}

impl Matcher for Observe {
    type Partial = Tally;

    fn start(&self) -> Tally {
        let group = Group { days: vec![0; self.days.count()], ..Group::default() };
        Tally { groups: vec![[group.clone(), group]; self.metrics], did: Did::default() }
    }

    fn user(&self, user: &UserEvents<'_>, tally: &mut Tally) {
        let Tally { groups, did } = tally;
        let Some(user) = self.walk(user, did) else { return };
        let (before, after) = self.days.before_and_after();
        for (metric, groups) in groups.iter_mut().enumerate() {
            if !self.includes(did, metric) {
                continue;
            }
            let group = &mut groups[place(user.who)];
            group.users += 1;
            if !user.is_observed {
                continue;
            }
            group.observed += 1;
            let [events_before, _, events_after] = did.metrics[metric].map(i128::from);
            group.changes.add(events_after * before - events_before * after);
            for (at, conditions) in &did.events {
                group.days[*at] += conditions >> (METRICS + metric) & 1;
            }
        }
    }

    fn merge(&self, total: &mut Tally, later: Tally) {
        for (total, later) in total.groups.iter_mut().flatten().zip(later.groups.into_iter().flatten()) {
            total.users += later.users;
            total.observed += later.observed;
            for (total, later) in total.days.iter_mut().zip(later.days) {
                *total += later;
            }
            total.changes.sum = total.changes.sum.saturating_add(later.changes.sum);
            total.changes.squares = total.changes.squares.saturating_add(later.changes.squares);
        }
    }

    fn bytes(&self, tally: &Tally) -> usize {
        tally.groups.len() * 2 * (size_of::<Group>() + self.days.count() * 8)
            + tally.did.events.capacity() * size_of::<(usize, u64)>()
    }
}
