//! The events of one actor → who they are in each row, and when they came back (R-2 … R-17).

use tallymark_report::{Alignment, Criterion, Unit};

use super::super::units::Units;
use crate::resident::by_user::{Record, UserEvents};

/// Of more units than these, what users did in each takes more room than their events.
const UNITS_MAX: usize = 4096;

/// An event of an actor; they come in order (G-1).
pub(super) trait Happened {
    /// Milliseconds since 1970 in UTC.
    fn time(&self) -> i64;
    /// Whether it is one that users are born with, in the range.
    fn is_birth(&self) -> bool;
    /// Whether it is one that users come back with.
    fn is_return(&self) -> bool;
}

/// Where buckets begin and end.
#[derive(Debug)]
pub(super) struct Buckets {
    /// Which unit after the birth each ends before; `None` if each is one unit.
    ends: Option<Vec<u64>>,
    count: usize,
}

impl Buckets {
    /// So many of one unit each.
    pub(super) fn of_units(count: usize) -> Self {
        Self { ends: None, count }
    }

    /// Of these many units each.
    pub(super) fn brackets(sizes: &[u32]) -> Self {
        let mut end = 0;
        let mut ends = Vec::with_capacity(sizes.len());
        for size in sizes {
            end += u64::from(*size);
            ends.push(end);
        }
        Self { count: ends.len(), ends: Some(ends) }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Which units after the birth a bucket is, the end not included.
    pub(super) fn units(&self, bucket: usize) -> (u64, u64) {
        let end = |bucket: usize| match &self.ends {
            Some(ends) => ends.get(bucket).copied().unwrap_or(0),
            None => bucket as u64 + 1,
        };
        (bucket.checked_sub(1).map_or(0, end), end(bucket))
    }

    /// The bucket of a unit after the birth; the number of buckets for what lies beyond them.
    fn at(&self, unit: u64) -> usize {
        match &self.ends {
            Some(ends) => ends.partition_point(|end| *end <= unit),
            None => usize::try_from(unit).unwrap_or(usize::MAX).min(self.count),
        }
    }
}

/// Walks the events of one actor after the other.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) criterion: Criterion,
    pub(super) alignment: Alignment,
    pub(super) unit: Unit,
    /// The units of rows, and of what comes after.
    pub(super) units: Units,
    pub(super) buckets: Buckets,
    /// Whether the birth itself counts for bucket 0 of a streak: it is such an event too.
    pub(super) birth_counts: bool,
    /// Whether it matters in which bucket each return is, or only who is retained.
    pub(super) needs_amounts: bool,
}

/// When an actor of a row came back.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The buckets, ascending, and how much is in each; beyond the last, their number.
    buckets: Vec<(usize, f64)>,
    /// In how many buckets from the first on the actor was.
    streak: usize,
}

impl Outcome {
    fn clear(&mut self) {
        self.buckets.clear();
        self.streak = 0;
    }

    fn add(&mut self, bucket: usize, amount: f64) {
        match self.buckets.last_mut() {
            Some((last, sum)) if *last == bucket => *sum += amount,
            Some((last, _)) if *last > bucket => {
                match self.buckets.binary_search_by_key(&bucket, |of| of.0) {
                    Ok(at) => self.buckets[at].1 += amount,
                    Err(at) => self.buckets.insert(at, (bucket, amount)),
                }
            }
            _ => self.buckets.push((bucket, amount)),
        }
    }

    /// Counts the buckets from the first on.
    fn count_streak(&mut self, bucket_count: usize) {
        for (at, _) in &self.buckets {
            if *at == self.streak && *at < bucket_count {
                self.streak += 1;
            }
        }
    }

    /// The buckets the actor came back in, ascending, with what was measured; the number of buckets
    /// stands for what is beyond.
    pub(super) fn buckets(&self) -> &[(usize, f64)] {
        &self.buckets
    }

    pub(super) fn streak(&self) -> usize {
        self.streak
    }

    pub(super) fn first(&self) -> Option<usize> {
        self.buckets.first().map(|(bucket, _)| *bucket)
    }

    pub(super) fn last(&self) -> Option<usize> {
        self.buckets.last().map(|(bucket, _)| *bucket)
    }

    /// Whether the actor is retained in a bucket.
    pub(super) fn is_retained(&self, criterion: Criterion, bucket: usize) -> bool {
        match criterion {
            Criterion::On => self.buckets.iter().any(|(at, _)| *at == bucket),
            Criterion::OnOrAfter => self.last().is_some_and(|last| last >= bucket),
            Criterion::OnOrBefore => self.first().is_some_and(|first| first <= bucket),
            Criterion::Streak => bucket < self.streak,
        }
    }
}

/// The length of a unit that buckets are counted in from the birth.
pub(super) fn rolling_ms(unit: Unit) -> i64 {
    const HOUR_MS: i64 = 3_600_000;
    match unit {
        Unit::Minute | Unit::Hour => HOUR_MS,
        Unit::Day => 24 * HOUR_MS,
        Unit::Week => 7 * 24 * HOUR_MS,
        Unit::Month | Unit::Quarter | Unit::Year => 30 * 24 * HOUR_MS,
    }
}

impl Walk {
    /// Gives each row an actor is in: its number, the birth, and when the actor came back.
    pub(super) fn rows<E: Happened>(
        &self,
        events: &[E],
        amount: impl Fn(&E) -> f64,
        outcome: &mut Outcome,
        mut each: impl FnMut(usize, &E, &Outcome),
    ) {
        let last_return = events.iter().rposition(Happened::is_return);
        let mut near = 0;
        let mut row = None;
        for (at, event) in events.iter().enumerate().filter(|(_, event)| event.is_birth()) {
            let unit = self.units.at(event.time(), &mut near);
            // the first birth in the row's bucket. Rows do not come again, but for a clock that
            // goes back over midnight.
            let Some(unit) = unit.filter(|unit| row.is_none_or(|row| *unit > row)) else { continue };
            row = Some(unit);
            outcome.clear();
            if self.birth_counts {
                outcome.streak = 1;
            }
            //
            let after = last_return.filter(|last| *last > at).map_or(&[][..], |last| &events[at + 1..=last]);
            self.returns(unit, event.time(), after, near, &amount, outcome);
            each(unit, event, outcome);
        }
    }

    /// The same of what a scan shows of a user, which is no more than is needed if there are
    /// [`Walk::bounds`].
    pub(super) fn rows_of_user(
        &self,
        user: &UserEvents<'_>,
        amount: impl Fn(&Record) -> f64,
        outcome: &mut Outcome,
        mut each: impl FnMut(usize, &Record, &Outcome),
    ) {
        if !self.is_by_units() {
            self.rows(user.records, amount, outcome, each);
            return;
        }
        let (met, mut near) = (user.met, 0);
        for birth in user.records {
            let Some(row) = self.units.at(birth.time(), &mut near) else { continue };
            outcome.clear();
            if self.birth_counts {
                outcome.streak = 1;
            }
            let own = met.is_behind(row).then_some(row);
            let bucket = |unit: usize| self.buckets.at((unit - row) as u64);
            // One of them says it all.
            let one = match self.criterion {
                Criterion::OnOrAfter => met.last_after(row).or(own),
                Criterion::OnOrBefore => own.or_else(|| met.after(row).next()),
                Criterion::On | Criterion::Streak => own,
            };
            if let Some(unit) = one {
                outcome.add(bucket(unit), 0.0);
            }
            if matches!(self.criterion, Criterion::On | Criterion::Streak) {
                for unit in met.after(row) {
                    let bucket = bucket(unit);
                    if bucket == self.buckets.count {
                        break;
                    }
                    outcome.add(bucket, 0.0);
                }
                outcome.count_streak(self.buckets.count);
            }
            each(row, birth, outcome);
        }
    }

    /// Where units begin, and where the last ends, if it is enough to know in which of them a user came
    /// back.
    pub(super) fn bounds(&self) -> Option<Vec<i64>> {
        self.is_by_units().then(|| self.units.bounds()).flatten()
    }

    /// Whether there are [`Walk::bounds`].
    pub(super) fn is_by_units(&self) -> bool {
        let is_enough = self.alignment == Alignment::Calendar && !self.needs_amounts;
        is_enough && self.units.are_in_order() && self.units.count() < UNITS_MAX
    }

    /// What an actor did after the birth. The last event is a return, if there is one.
    fn returns<E: Happened>(
        &self,
        birth_unit: usize,
        birth: i64,
        after: &[E],
        mut near: usize,
        amount: &impl Fn(&E) -> f64,
        outcome: &mut Outcome,
    ) {
        let length = rolling_ms(self.unit);
        let mut bucket = |time: i64| match self.alignment {
            Alignment::Rolling => {
                self.buckets.at((time - birth).max(0).unsigned_abs() / length.unsigned_abs())
            }
            Alignment::Calendar => match self.units.at(time, &mut near) {
                Some(unit) => self.buckets.at(unit.saturating_sub(birth_unit) as u64),
                None => self.buckets.count,
            },
        };
        if !self.needs_amounts {
            // One of them says it all.
            let found = match self.criterion {
                Criterion::OnOrAfter => Some(after.last()),
                Criterion::OnOrBefore => Some(after.iter().find(|event| event.is_return())),
                Criterion::On | Criterion::Streak => None,
            };
            if let Some(found) = found {
                if let Some(event) = found {
                    outcome.add(bucket(event.time()), 0.0);
                }
                return;
            }
        }
        for event in after.iter().filter(|event| event.is_return()) {
            let at = bucket(event.time());
            if at == self.buckets.count && !(self.needs_amounts && self.criterion == Criterion::OnOrAfter) {
                break;
            }
            outcome.add(at, amount(event));
        }
        outcome.count_streak(self.buckets.count);
    }
}
