//! Instants, UTC days, and the one way to ask what time it is.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Below this many the number is seconds, from here on milliseconds (D-6).
const SECONDS_BELOW: f64 = 1e11;
const MS_PER_DAY: i64 = 86_400_000;
/// Days from 0001-01-01 to 1970-01-01.
const EPOCH_DAYS_FROM_CE: i32 = 719_163;

/// An instant: milliseconds since 1970-01-01T00:00:00Z (D-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `ms` milliseconds after the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Reads an integer of Unix seconds or milliseconds: |t| < 1e11 is seconds (D-6).
    pub fn from_unix_integer(t: i64) -> Option<Self> {
        if (t.unsigned_abs() as f64) < SECONDS_BELOW { t.checked_mul(1000).map(Self) } else { Some(Self(t)) }
    }

    /// Reads a number of Unix seconds or milliseconds, keeping whole milliseconds (D-6).
    ///
    /// `None` for NaN, infinities and instants outside what milliseconds in 64 bits can say.
    pub fn from_unix_number(t: f64) -> Option<Self> {
        let ms = if t.abs() < SECONDS_BELOW { (t * 1000.0).round() } else { t.round() };
        (ms.is_finite() && ms.abs() < 9.0e18).then_some(Self(ms as i64))
    }

    /// The UTC day this instant lies in; 00:00:00.000 belongs to the new day.
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(MS_PER_DAY) as i32)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with milliseconds, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// A UTC calendar day, counted from 1970-01-01: the unit of partitioning.
///
/// Displays, parses and serialises as `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// The day `days` days after 1970-01-01.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01, as Arrow's `Date32` counts them.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// The first instant of the day.
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0 as i64 * MS_PER_DAY)
    }

    /// The civil date, if the calendar reaches that far.
    pub fn date(self) -> Option<NaiveDate> {
        NaiveDate::from_num_days_from_ce_opt(self.0.checked_add(EPOCH_DAYS_FROM_CE)?)
    }
}

impl From<NaiveDate> for Day {
    fn from(date: NaiveDate) -> Self {
        use chrono::Datelike as _;
        Self(date.num_days_from_ce() - EPOCH_DAYS_FROM_CE)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => write!(f, "{}", date.format("%Y-%m-%d")),
            None => write!(f, "day {}", self.0),
        }
    }
}

impl std::str::FromStr for Day {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").map(Self::from)
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who knows what time it is. Everything that needs "now" is handed one.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug, Default)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock showing `time`.
    pub const fn new(time: Timestamp) -> Self {
        Self(AtomicI64::new(time.millis()))
    }

    /// Moves the clock to `time`.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.millis(), Ordering::Relaxed);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of SEMANTICS.md 1.6.
    #[test]
    fn d6_seconds_and_milliseconds_are_told_apart() {
        let check = |t: f64, expected: &str| {
            assert_eq!(Timestamp::from_unix_number(t).unwrap().to_string(), expected);
        };
        check(1_700_000_000.0, "2023-11-14T22:13:20.000Z");
        check(1_700_000_000.5, "2023-11-14T22:13:20.500Z");
        check(1_700_000_000_500.0, "2023-11-14T22:13:20.500Z");
        check(99_999_999_999.0, "5138-11-16T09:46:39.000Z");
        check(100_000_000_000.0, "1973-03-03T09:46:40.000Z");
        assert_eq!(
            Timestamp::from_unix_integer(100_000_000_000),
            Timestamp::from_unix_number(100_000_000_000.0)
        );
        assert_eq!(Timestamp::from_unix_number(f64::NAN), None);
        assert_eq!(Timestamp::from_unix_number(1e300), None);
    }

    #[test]
    fn midnight_belongs_to_the_new_day() {
        assert_eq!(Timestamp::from_millis(86_400_000).day(), Day::from_days(1));
        assert_eq!(Timestamp::from_millis(86_399_999).day(), Day::from_days(0));
        assert_eq!(Timestamp::from_millis(-1).day(), Day::from_days(-1));
        assert_eq!("2024-02-29".parse::<Day>().unwrap().to_string(), "2024-02-29");
        assert_eq!(Day::from_days(0).to_string(), "1970-01-01");
    }
}
