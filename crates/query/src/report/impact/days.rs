//! The days around the first time of each adopter.

use chrono::{Datelike as _, Days as Count, NaiveDate};
use tallymark_report::{Calendar, Impact, Instants, Unit};

use crate::report::units::Units;

/// Civil days by their numbers, from the first day before the first adopter to the last after the last one.
#[derive(Debug)]
pub(super) struct Days {
    units: Units,
    /// The number of each unit.
    numbers: Vec<i32>,
    before: i32,
    after: i32,
    looked_at: Instants,
}

impl Days {
    pub(super) fn new(calendar: Calendar, impact: &Impact, first: NaiveDate, last: NaiveDate) -> Self {
        let (before, after) = (impact.days_before, impact.days_after);
        let from = calendar.start_of_day(later(first, -i64::from(before)));
        // A day more, for where the clock goes back over midnight the day before comes again.
        let to = calendar.start_of_day(later(last, i64::from(after) + 2));
        let units = Units::new(calendar, Unit::Day, from, to);
        let numbers = units.starts().iter().map(|start| number(calendar.day(*start))).collect();
        let looked_at = Instants { from, to, days: None };
        Self { units, numbers, before: before as i32, after: after as i32, looked_at }
    }

    /// Where all these days are, and perhaps a little more.
    pub(super) fn instants(&self) -> Instants {
        self.looked_at
    }

    /// How many days are looked at of each user.
    pub(super) fn count(&self) -> usize {
        (self.before + 1 + self.after) as usize
    }

    /// The number of the day of an instant. `near` is where the last one was found.
    pub(super) fn of(&self, time: i64, near: &mut usize) -> Option<i32> {
        self.units.at(time, near).map(|unit| self.numbers[unit])
    }

    /// Which of the days around a day this is, from 0; `None` for another.
    pub(super) fn around(&self, day_0: i32, day: i32) -> Option<usize> {
        usize::try_from(day - day_0 + self.before).ok().filter(|at| *at < self.count())
    }

    /// Whether all days around a day are over: nothing can happen on them after `as_of` (M-81).
    pub(super) fn are_over(&self, day_0: i32, as_of: i64) -> bool {
        // A day that the zone skips is over with the one before it.
        let after = self.numbers.partition_point(|number| *number <= day_0 + self.after);
        let end = after.checked_sub(1).and_then(|last| self.units.end(last));
        end.is_some_and(|end| end <= as_of.saturating_add(1))
    }

    /// Before day 0, on it, or after it.
    pub(super) fn part(&self, at: usize) -> std::cmp::Ordering {
        (at as i32).cmp(&self.before)
    }

    /// How many days the averages are over (M-81).
    pub(super) fn before_and_after(&self) -> (i128, i128) {
        (self.before.into(), self.after.into())
    }
}

/// Days are counted by this.
pub(super) fn number(day: NaiveDate) -> i32 {
    day.num_days_from_ce()
}

/// A day so many days later. Stays where the calendar ends.
pub(super) fn later(day: NaiveDate, count: i64) -> NaiveDate {
    let days = Count::new(count.unsigned_abs());
    let moved = if count < 0 { day.checked_sub_days(days) } else { day.checked_add_days(days) };
    moved.unwrap_or(day)
}
