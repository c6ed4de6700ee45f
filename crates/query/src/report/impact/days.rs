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

#[cfg(test)]
mod tests {
    use tallymark_report::{Report, WeekStart};

    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn impact(days_before: u32, days_after: u32) -> Impact {
        let definition = format!(
            r#"{{"report": "impact", "launch": "New", "metrics": [{{"event": "Play"}}],
                "days_before": {days_before}, "days_after": {days_after}}}"#
        );
        match Report::parse(&definition).unwrap().question {
            tallymark_report::Question::Impact(impact) => impact,
            other => panic!("{}", other.kind()),
        }
    }

    /// M-80, M-81: also where a day comes twice, or not at all.
    #[test]
    fn days_are_those_of_the_calendar_and_over_with_their_last_instant() {
        let changes = [
            ("Europe/Berlin", "2024-03-29"),
            ("America/Sao_Paulo", "2018-11-03"),
            // Goes back from 00:01 to 23:01 of the day before.
            ("America/St_Johns", "2010-11-06"),
            // Has no 30 December.
            ("Pacific/Apia", "2011-12-29"),
            ("UTC", "2024-02-28"),
        ];
        for (zone, day_0) in changes {
            let calendar = Calendar { zone: zone.parse().unwrap(), week_start: WeekStart::Monday };
            let day_0: NaiveDate = day_0.parse().unwrap();
            let days = Days::new(calendar, &impact(2, 1), day_0, later(day_0, 2));
            let (from, to) =
                (calendar.start_of_day(later(day_0, -2)), calendar.start_of_day(later(day_0, 4)));
            let instants: Vec<i64> = (from..to).step_by(MINUTE_MS as usize).collect();
            let of_calendar = |time: i64| number(calendar.day(time));
            let mut near = 0;
            for time in &instants {
                assert_eq!(days.of(*time, &mut near), Some(of_calendar(*time)), "{zone} {time}");
            }
            for day_0 in [number(day_0), number(later(day_0, 1))] {
                let on_last = |time: &&i64| of_calendar(**time) <= day_0 + 1;
                let last = instants.iter().rev().find(on_last).unwrap() + MINUTE_MS - 1;
                assert!(days.are_over(day_0, last), "{zone}");
                assert!(!days.are_over(day_0, last - 1), "{zone}");
                assert_eq!(days.around(day_0, day_0 - 3), None);
                assert_eq!(days.around(day_0, day_0 - 2), Some(0));
                assert_eq!(days.around(day_0, day_0 + 1), Some(3));
                assert_eq!(days.around(day_0, day_0 + 2), None);
            }
        }
    }

    /// Nothing is beyond what a calendar can show.
    #[test]
    fn days_stay_where_the_calendar_ends() {
        let calendar = Calendar { zone: chrono_tz::Tz::UTC, week_start: WeekStart::Monday };
        for date in ["0001-01-01", "9999-12-31"] {
            let day: NaiveDate = date.parse().unwrap();
            let days = Days::new(calendar, &impact(366, 366), day, day);
            assert_eq!(days.of(calendar.start_of_day(day), &mut 0), Some(number(day)), "{date}");
        }
    }
}
