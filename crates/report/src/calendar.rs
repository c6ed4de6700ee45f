//! Civil time: which instants a range means, and its buckets.

use std::fmt;

use chrono::{
    DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta,
    TimeZone as _, Utc,
};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Comparison, DateRange, DefinitionError, Instant, Period, Result};

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;
/// Offsets from UTC change at instants that are multiples of this.
const QUARTER_HOUR_MS: i64 = 15 * MINUTE_MS;

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// A civil hour; at a change of the clock, one of each offset (G-6).
    Hour,
    /// A civil day.
    Day,
    /// Seven civil days from the start of the week (G-5).
    Week,
    /// A civil month.
    Month,
    /// Three civil months from January, April, July or October.
    Quarter,
    /// A civil year.
    Year,
}

impl Unit {
    pub(crate) const ALL: [(&'static str, Self); 7] = [
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("quarter", Self::Quarter),
        ("year", Self::Year),
    ];

    /// The unit called that, in singular or plural.
    pub fn named(word: &str) -> Option<Self> {
        let word = word.trim();
        let singular = word.strip_suffix('s').unwrap_or(word);
        Self::ALL.iter().find(|(name, _)| *name == singular).map(|(_, unit)| *unit)
    }

    /// As it is written: `day`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, unit)| *unit == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The day weeks begin with (G-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeekStart {
    /// ISO weeks.
    #[default]
    Monday,
    /// As in the United States.
    Sunday,
    /// As in most of the Arab world.
    Saturday,
}

/// A time zone and the start of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Calendar {
    /// The zone that decides what a day is.
    pub zone: Tz,
    /// The day weeks begin with.
    pub week_start: WeekStart,
}

/// The instants a range means: milliseconds since 1970 in UTC, from the first included to the last
/// not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instants {
    /// The first.
    pub from: i64,
    /// The one after the last.
    pub to: i64,
    /// The first and the last civil day, where the range is one of whole days.
    pub days: Option<(NaiveDate, NaiveDate)>,
}

impl Calendar {
    /// The civil day of an instant.
    pub fn day(self, millis: i64) -> NaiveDate {
        self.local(millis).date()
    }

    /// The wall clock at an instant. Outside of what a calendar can show, its last date.
    pub fn local(self, millis: i64) -> NaiveDateTime {
        self.zoned(millis).naive_local()
    }

    fn zoned(self, millis: i64) -> DateTime<Tz> {
        let clamped = millis.clamp(-62_135_596_800_000, 253_402_214_400_000);
        DateTime::<Utc>::from_timestamp_millis(clamped).unwrap_or_default().with_timezone(&self.zone)
    }

    /// The first instant of a civil day; where the clock skips midnight, the first there is (G-6).
    pub fn start_of_day(self, day: NaiveDate) -> i64 {
        self.instant(day.and_time(NaiveTime::MIN))
    }

    /// The civil days from the first to the last one, each with the instant it begins at, in order of
    /// time. Where the clock goes back over midnight a day comes again; a day the zone skipped does
    /// not come.
    pub fn day_starts(self, first: NaiveDate, last: NaiveDate) -> Vec<(i64, NaiveDate)> {
        let mut starts = Vec::new();
        for day in first.iter_days().take_while(|day| *day <= last) {
            let (from, to) = (self.start_of_day(day), self.start_of_day(shift(day, 1, Unit::Day)));
            if from < to {
                self.add_day_starts(from, to, &mut starts);
            }
        }
        starts
    }

    /// Adds the days of `from..to`, in which an offset changes once at most.
    fn add_day_starts(self, from: i64, to: i64, starts: &mut Vec<(i64, NaiveDate)>) {
        let offset = |millis: i64| self.local(millis).and_utc().timestamp_millis() - millis;
        let day = self.day(from);
        if to - from == 1 || day == self.day(to - 1) && offset(from) == offset(to - 1) {
            if starts.last().is_none_or(|(_, before)| *before != day) {
                starts.push((from, day));
            }
            return;
        }
        let middle = from + (to - from) / 2;
        self.add_day_starts(from, middle, starts);
        self.add_day_starts(middle, to, starts);
    }

    /// The instant when the wall clock shows this: the first if it does so twice, the end of the gap
    /// if it never does.
    pub fn instant(self, local: NaiveDateTime) -> i64 {
        if let Some(first) = self.zone.from_local_datetime(&local).earliest() {
            return first.timestamp_millis();
        }
        // In a gap: the change is where the offset before it ends.
        let before = local - TimeDelta::hours(3);
        let offset = self.zone.offset_from_utc_datetime(&before).fix().local_minus_utc();
        let guess = local.and_utc().timestamp_millis() - i64::from(offset) * 1000;
        // The change lies at or before the guess, within the gap's length.
        let mut at = guess - guess.rem_euclid(MINUTE_MS);
        while self.local(at - MINUTE_MS) >= local {
            at -= MINUTE_MS;
        }
        at
    }

    /// The start of the bucket an instant lies in (G-5, G-6), which is what the bucket is known by.
    pub fn bucket(self, millis: i64, unit: Unit) -> i64 {
        match unit {
            Unit::Minute => millis - millis.rem_euclid(MINUTE_MS),
            Unit::Hour => {
                let offset = i64::from(self.zoned(millis).offset().fix().local_minus_utc()) * 1000;
                let local = millis + offset;
                local - local.rem_euclid(60 * MINUTE_MS) - offset
            }
            _ => self.start_of_day(self.first_day(self.day(millis), unit)),
        }
    }

    /// The first day of the unit (a day or longer) a day lies in.
    pub fn first_day(self, day: NaiveDate, unit: Unit) -> NaiveDate {
        let first = match unit {
            Unit::Minute | Unit::Hour | Unit::Day => Some(day),
            Unit::Week => {
                let since = match self.week_start {
                    WeekStart::Monday => day.weekday().num_days_from_monday(),
                    WeekStart::Sunday => day.weekday().num_days_from_sunday(),
                    WeekStart::Saturday => (day.weekday().num_days_from_sunday() + 1) % 7,
                };
                day.checked_sub_days(Days::new(u64::from(since)))
            }
            Unit::Month => day.with_day(1),
            Unit::Quarter => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1),
            Unit::Year => NaiveDate::from_ymd_opt(day.year(), 1, 1),
        };
        first.unwrap_or(day)
    }

    /// The start of the next bucket after that of an instant.
    pub fn next_bucket(self, millis: i64, unit: Unit) -> i64 {
        match unit {
            Unit::Minute => self.bucket(millis, unit) + MINUTE_MS,
            Unit::Hour => {
                let this = self.bucket(millis, unit);
                let mut at = millis - millis.rem_euclid(QUARTER_HOUR_MS);
                loop {
                    at += QUARTER_HOUR_MS;
                    let next = self.bucket(at, unit);
                    if next != this {
                        return next;
                    }
                }
            }
            _ => {
                let first = self.first_day(self.day(millis), unit);
                self.start_of_day(shift(first, 1, unit))
            }
        }
    }

    /// The starts of all buckets that a range touches, ascending.
    pub fn buckets(self, range: &Instants, unit: Unit) -> Vec<i64> {
        let mut starts = Vec::new();
        let mut at = range.from;
        while at < range.to {
            let start = self.bucket(at, unit);
            starts.push(start);
            let next = self.next_bucket(at, unit);
            // A repeated hour starts, by its key, before the instant it begins at.
            at = if next > at { next } else { at - at.rem_euclid(QUARTER_HOUR_MS) + QUARTER_HOUR_MS };
            while at < range.to && starts.last() == Some(&self.bucket(at, unit)) {
                at += QUARTER_HOUR_MS;
            }
        }
        starts
    }

    /// Which instants a range means as of an instant.
    ///
    /// # Errors
    /// For dates that cannot be read, and for ranges that end before they start.
    pub fn resolve(self, range: &DateRange, as_of: i64) -> Result<Instants> {
        let today = self.day(as_of);
        match range {
            DateRange::Last { period, ending_days_ago } => self.last(*period, *ending_days_ago, as_of),
            DateRange::Yesterday => {
                let yesterday = shift(today, -1, Unit::Day);
                Ok(self.days(yesterday, yesterday))
            }
            DateRange::ToDate(unit) => Ok(self.days(self.first_day(today, *unit), today)),
            DateRange::Previous(unit) => {
                let this = self.first_day(today, *unit);
                Ok(self.days(shift(this, -1, *unit), shift(this, -1, Unit::Day)))
            }
            DateRange::Since(since) => match self.read(since).map_err(|error| error.within("since"))? {
                Moment::Day(day) if day <= today => Ok(self.days(day, today)),
                Moment::Time(from) if from <= as_of => Ok(Instants { from, to: as_of + 1, days: None }),
                _ => Err(DefinitionError::new("range", format!("{} is not over yet", since.0))
                    .hint("a range starts before now, or before as_of")),
            },
            DateRange::Between(from, to) => {
                let wrong = || {
                    DefinitionError::new("range", format!("it ends, {}, before it starts, {}", to.0, from.0))
                };
                let first = self.read(from).map_err(|error| error.within("range"))?;
                let last = self.read(to).map_err(|error| error.within("range"))?;
                if let (Moment::Day(first), Moment::Day(last)) = (first, last) {
                    return if first <= last { Ok(self.days(first, last)) } else { Err(wrong()) };
                }
                let from = match first {
                    Moment::Day(day) => self.start_of_day(day),
                    Moment::Time(millis) => millis,
                };
                let to = match last {
                    Moment::Day(day) => self.start_of_day(shift(day, 1, Unit::Day)),
                    Moment::Time(millis) => millis,
                };
                if from < to { Ok(Instants { from, to, days: None }) } else { Err(wrong()) }
            }
        }
    }

    /// G-8.
    fn last(self, period: Period, ending_days_ago: u32, as_of: i64) -> Result<Instants> {
        if period.count == 0 {
            return Err(DefinitionError::new("range", "at least one unit of time"));
        }
        let count = i64::from(period.count);
        let elapsed = match period.unit {
            Unit::Minute => Some(count * MINUTE_MS),
            Unit::Hour => Some(count * 60 * MINUTE_MS),
            _ => None,
        };
        if let Some(elapsed) = elapsed {
            let to = as_of + 1 - i64::from(ending_days_ago) * 24 * 60 * MINUTE_MS;
            return Ok(Instants { from: to - elapsed, to, days: None });
        }
        let today = self.day(as_of);
        let first = match period.unit {
            Unit::Week => shift(today, 1 - 7 * count, Unit::Day),
            Unit::Month | Unit::Quarter | Unit::Year => {
                shift(shift(today, -count, period.unit), 1, Unit::Day)
            }
            _ => shift(today, 1 - count, Unit::Day),
        };
        let back = -i64::from(ending_days_ago);
        Ok(self.days(shift(first, back, Unit::Day), shift(today, back, Unit::Day)))
    }

    /// From the start of the first civil day to the end of the last.
    pub fn days(self, first: NaiveDate, last: NaiveDate) -> Instants {
        Instants {
            from: self.start_of_day(first),
            to: self.start_of_day(shift(last, 1, Unit::Day)),
            days: Some((first, last)),
        }
    }

    /// The range that another is compared with (S-76).
    ///
    /// # Errors
    /// For a date that cannot be read.
    pub fn compared(self, range: &Instants, with: &Comparison) -> Result<Instants> {
        let by = |count: i64, unit: Unit| {
            if let Some((first, last)) = range.days {
                return self.days(shift(first, count, unit), shift(last, count, unit));
            }
            let moved = |millis: i64| {
                let local = self.local(millis);
                self.instant(shift(local.date(), count, unit).and_time(local.time()))
            };
            Instants { from: moved(range.from), to: moved(range.to), days: None }
        };
        let (first, last) =
            range.days.unwrap_or_else(|| (self.day(range.from), self.day((range.to - 1).max(range.from))));
        let day = |instant: &Instant| match self.read(instant)? {
            Moment::Day(day) => Ok(day),
            Moment::Time(millis) => Ok(self.day(millis)),
        };
        Ok(match with {
            Comparison::Previous(unit) => by(-1, *unit),
            Comparison::DaysBefore(days) => by(-i64::from(*days), Unit::Day),
            Comparison::From(from) => by((day(from)? - first).num_days(), Unit::Day),
            Comparison::To(to) => by((day(to)? - last).num_days(), Unit::Day),
            // Of the same time.
            Comparison::Segment(_) | Comparison::Overall => *range,
        })
    }

    /// The last instant of what is meant: of a date the end of its day.
    ///
    /// # Errors
    /// If it is no date, and no date and time.
    pub fn end_of(self, instant: &Instant) -> Result<i64> {
        Ok(match self.read(instant)? {
            Moment::Day(day) => self.start_of_day(shift(day, 1, Unit::Day)) - 1,
            Moment::Time(millis) => millis,
        })
    }

    /// The first instant of what is meant: of a date the start of its day.
    ///
    /// # Errors
    /// If it is no date, and no date and time.
    pub fn start_of(self, instant: &Instant) -> Result<i64> {
        Ok(match self.read(instant)? {
            Moment::Day(day) => self.start_of_day(day),
            Moment::Time(millis) => millis,
        })
    }

    /// The civil day that is meant.
    ///
    /// # Errors
    /// If it is no date, and no date and time.
    pub fn day_of(self, text: &str) -> Result<NaiveDate> {
        Ok(match self.read(&Instant(text.to_owned()))? {
            Moment::Day(day) => day,
            Moment::Time(millis) => self.day(millis),
        })
    }

    fn read(self, instant: &Instant) -> Result<Moment> {
        let text = instant.0.trim();
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Moment::Day(day));
        }
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Moment::Time(time.timestamp_millis()));
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"] {
            if let Ok(local) = NaiveDateTime::parse_from_str(text, format) {
                return Ok(Moment::Time(self.instant(local)));
            }
        }
        Err(DefinitionError::new("", format!("\"{text}\" is no date"))
            .hint("write 2024-01-31, 2024-01-31T10:30 or 2024-01-31T10:30:00Z"))
    }
}

/// A date or an instant.
#[derive(Clone, Copy)]
enum Moment {
    Day(NaiveDate),
    Time(i64),
}

/// A day so many units (days and longer) later; the day of the month is clamped (S-76). Stays where
/// the calendar ends.
pub(crate) fn shift(day: NaiveDate, count: i64, unit: Unit) -> NaiveDate {
    let months = match unit {
        Unit::Minute | Unit::Hour | Unit::Day | Unit::Week => {
            let days = if unit == Unit::Week { count * 7 } else { count };
            let shifted = if days < 0 {
                day.checked_sub_days(Days::new(days.unsigned_abs()))
            } else {
                day.checked_add_days(Days::new(days.unsigned_abs()))
            };
            return shifted.unwrap_or(day);
        }
        Unit::Month => count,
        Unit::Quarter => 3 * count,
        Unit::Year => 12 * count,
    };
    let by = Months::new(u32::try_from(months.unsigned_abs()).unwrap_or(0));
    let shifted = if months < 0 { day.checked_sub_months(by) } else { day.checked_add_months(by) };
    shifted.unwrap_or(day)
}
