//! The practical limit: straight loops over plain arrays, no engine around them.
//!
//! [`Columns`] holds all events in (user, time, sequence) order, users as dense numbers, text as codes.
//! Each question has a loop that reads only the arrays it needs; a thread takes a range of users and
//! what the threads found is added up.

pub(crate) mod counts;
pub(crate) mod frequency;
pub(crate) mod funnel;
mod load;
pub(crate) mod order;
pub(crate) mod properties;
pub(crate) mod uniques;

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;
use tallymark_event::Day;

/// What a loop gives: rows as JSON values.
pub(crate) type Rows = Vec<Vec<Value>>;

/// All events as plain arrays of one length, sorted by (user, time, sequence).
#[derive(Debug, Default)]
pub(crate) struct Columns {
    /// Position in `ids`.
    pub user: Vec<u32>,
    /// Milliseconds since 1970.
    pub time: Vec<i64>,
    /// Days since `first_day`.
    pub day: Vec<u8>,
    pub event: Codes<u8>,
    pub country: Codes<u8>,
    pub platform: Codes<u8>,
    pub category: Codes<u8>,
    pub currency: Codes<u8>,
    pub page: Codes<u8>,
    pub item: Codes<u16>,
    /// Not a number where there is none.
    pub amount: Vec<f64>,
    /// Below zero where there is none.
    pub load_ms: Vec<i32>,
    /// Canonical ids of users.
    pub ids: HashMap<String, u32>,
    pub first_day: i32,
    /// How many days there are.
    pub days: usize,
    /// How many threads loops take.
    pub threads: usize,
}

/// Text as codes; the largest code stands for none.
#[derive(Debug, Default)]
pub(crate) struct Codes<T> {
    pub of_row: Vec<T>,
    pub names: Vec<String>,
}

impl<T> Codes<T> {
    /// The code of a text; one that no row has if no row has the text.
    pub(crate) fn code(&self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or(self.names.len())
    }

    /// The text of a code as JSON, null for the one that stands for none.
    pub(crate) fn value(&self, code: usize) -> Value {
        self.names.get(code).map_or(Value::Null, |name| Value::from(name.as_str()))
    }
}

impl Columns {
    /// Runs a loop over ranges of rows that do not cut a user in two, one a thread.
    pub(crate) fn parallel<P: Send>(&self, work: impl Fn(Range<usize>) -> P + Sync) -> Vec<P> {
        let work = &work;
        std::thread::scope(|scope| {
            let running: Vec<_> =
                self.ranges().into_iter().map(|range| scope.spawn(move || work(range))).collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }

    fn ranges(&self) -> Vec<Range<usize>> {
        let (rows, threads) = (self.user.len(), self.threads.max(1));
        let mut ranges = Vec::with_capacity(threads);
        let mut start = 0;
        for thread in 1..=threads {
            let mut end = (rows * thread / threads).max(start);
            while end > start && end < rows && self.user[end] == self.user[end - 1] {
                end += 1;
            }
            ranges.push(start..end);
            start = end;
        }
        ranges
    }

    /// The rows of each user in a range, one user after the other.
    pub(crate) fn users(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut at = range.start;
        std::iter::from_fn(move || {
            let start = at;
            let user = (at < range.end).then(|| self.user[at])?;
            while at < range.end && self.user[at] == user {
                at += 1;
            }
            Some(start..at)
        })
    }

    /// A day as JSON.
    pub(crate) fn day_value(&self, day: usize) -> Value {
        Value::from(Day::from_days(self.first_day + day as i32).to_string())
    }
}

/// Adds what the threads counted, cell by cell.
pub(crate) fn add_up(partials: Vec<Vec<u64>>) -> Vec<u64> {
    partials
        .into_iter()
        .reduce(|mut sum, partial| {
            sum.iter_mut().zip(partial).for_each(|(sum, count)| *sum += count);
            sum
        })
        .unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Events given as (user, ms, event name), sorted as they have to be; country "DE" throughout.
    pub(crate) fn columns(events: &[(u32, i64, &str)], threads: usize) -> Columns {
        let mut columns = Columns { threads, ..Columns::default() };
        let codes = |names: &[&str]| Codes {
            of_row: Vec::new(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        columns.event = codes(&[]);
        columns.country = codes(&["DE"]);
        for &(user, time, event) in events {
            let code = columns.event.code(event);
            if code == columns.event.names.len() {
                columns.event.names.push(event.to_owned());
            }
            columns.user.push(user);
            columns.time.push(time);
            columns.day.push((time / 86_400_000) as u8);
            columns.event.of_row.push(code as u8);
            columns.country.of_row.push(0);
            columns.days = columns.days.max((time / 86_400_000) as usize + 1);
        }
        columns
    }

    #[test]
    fn no_user_is_cut_in_two() {
        let events: Vec<(u32, i64, &str)> = (0..10).map(|at| (at / 4, i64::from(at), "a")).collect();
        let columns = columns(&events, 4);
        let ranges = columns.ranges();
        assert_eq!(ranges.iter().map(ExactSizeIterator::len).sum::<usize>(), 10);
        let users: Vec<_> = ranges.into_iter().flat_map(|range| columns.users(range)).collect();
        assert_eq!(users, [0..4, 4..8, 8..10]);
    }
}
