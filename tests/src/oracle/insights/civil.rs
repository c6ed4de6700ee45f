//! Civil time, worked out by looking at the clock of the zone again and again.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, Offset as _, Timelike as _};
use chrono_tz::Tz;
use tallymark_report::{Unit, WeekStart};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// Clocks change at multiples of this.
const QUARTER_HOUR: i64 = 15 * MINUTE;

/// Milliseconds from the first included to the last not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oracle) struct Span {
    pub(in crate::oracle) from: i64,
    pub(in crate::oracle) to: i64,
}

impl Span {
    pub(in crate::oracle) fn contains(self, time: i64) -> bool {
        self.from <= time && time < self.to
    }
}

/// A unit of time of a report: its key (G-5), and the part of it within the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oracle) struct Bucket {
    pub(in crate::oracle) key: i64,
    pub(in crate::oracle) span: Span,
}

/// A time zone, and the day weeks start with.
#[derive(Debug, Clone, Copy)]
pub(in crate::oracle) struct Civil {
    pub(in crate::oracle) zone: Tz,
    pub(in crate::oracle) week_start: WeekStart,
}

impl Civil {
    /// What the clock shows, and its offset from UTC in milliseconds.
    pub(in crate::oracle) fn clock(self, time: i64) -> (NaiveDateTime, i64) {
        let zoned = DateTime::from_timestamp_millis(time).unwrap().with_timezone(&self.zone);
        (zoned.naive_local(), i64::from(zoned.offset().fix().local_minus_utc()) * 1000)
    }

    pub(in crate::oracle) fn date(self, time: i64) -> NaiveDate {
        self.clock(time).0.date()
    }

    /// The first instant of a date, or after it if there is no such date (G-6).
    pub(in crate::oracle) fn start_of(self, date: NaiveDate) -> i64 {
        self.first_at_or_after(date.and_hms_opt(0, 0, 0).unwrap())
    }

    /// The first instant at which the clock shows this, or skips it.
    pub(in crate::oracle) fn first_at_or_after(self, local: NaiveDateTime) -> i64 {
        let utc = local.and_utc().timestamp_millis();
        // Whole quarters of an hour first; within one the clock runs on.
        let mut time = (utc - 26 * HOUR).div_euclid(QUARTER_HOUR) * QUARTER_HOUR;
        while self.clock(time + QUARTER_HOUR).0 <= local {
            time += QUARTER_HOUR;
        }
        let (shown, _) = self.clock(time);
        let missing = (local - shown).num_milliseconds();
        time + missing.min(QUARTER_HOUR)
    }

    /// The first date of the unit (days and longer) that a date is in.
    pub(in crate::oracle) fn first_date(self, date: NaiveDate, unit: Unit) -> NaiveDate {
        let is_first = |date: NaiveDate| match unit {
            Unit::Minute | Unit::Hour | Unit::Day => true,
            Unit::Week => {
                date.weekday()
                    == match self.week_start {
                        WeekStart::Monday => chrono::Weekday::Mon,
                        WeekStart::Sunday => chrono::Weekday::Sun,
                        WeekStart::Saturday => chrono::Weekday::Sat,
                    }
            }
            Unit::Month => date.day() == 1,
            Unit::Quarter => date.day() == 1 && [1, 4, 7, 10].contains(&date.month()),
            Unit::Year => date.ordinal() == 1,
        };
        let mut date = date;
        while !is_first(date) {
            date = date.pred_opt().unwrap();
        }
        date
    }

    /// The key of the bucket an instant is in (G-5, G-6).
    pub(in crate::oracle) fn key(self, time: i64, unit: Unit) -> i64 {
        let (local, offset) = self.clock(time);
        let into_hour = i64::from(local.minute()) * MINUTE + into_minute(local);
        match unit {
            Unit::Minute => time - into_minute(local),
            Unit::Hour => local.and_utc().timestamp_millis() - into_hour - offset,
            _ => self.start_of(self.first_date(local.date(), unit)),
        }
    }

    /// The hour that the clock shows (D-52).
    pub(super) fn hour_of_day(self, time: i64) -> u32 {
        self.clock(time).0.hour()
    }

    /// The day of the week by name (D-52).
    pub(super) fn day_of_week(self, time: i64) -> &'static str {
        const NAMES: [&str; 7] =
            ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        // The 5th of January 1970 was a Monday.
        let monday = NaiveDate::from_ymd_opt(1970, 1, 5).unwrap();
        NAMES[(self.date(time) - monday).num_days().rem_euclid(7) as usize]
    }

    /// The key of a bucket as G-5 spells it.
    pub(in crate::oracle) fn spell(self, key: i64) -> String {
        let zoned = DateTime::from_timestamp_millis(key).unwrap().with_timezone(&self.zone);
        zoned.format("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// The buckets of a range.
    pub(in crate::oracle) fn buckets(self, range: Span, unit: Unit) -> Vec<Bucket> {
        let mut buckets: Vec<Bucket> = Vec::new();
        let mut from = range.from;
        while from < range.to {
            let key = self.key(from, unit);
            let end = self.end_of_bucket(from, unit);
            buckets.push(Bucket { key, span: Span { from, to: end.min(range.to) } });
            from = end;
        }
        buckets
    }

    /// So many buckets before the one an instant is in, earliest first, none of them clipped.
    pub(in crate::oracle) fn buckets_before(self, time: i64, unit: Unit, count: usize) -> Vec<Bucket> {
        let mut buckets: Vec<Bucket> = Vec::new();
        let mut at = self.start_of_bucket(time, unit);
        for _ in 0..count {
            let span = Span { from: self.start_of_bucket(at - 1, unit), to: at };
            buckets.insert(0, Bucket { key: self.key(span.from, unit), span });
            at = span.from;
        }
        buckets
    }

    /// The first instant after the bucket of an instant.
    pub(in crate::oracle) fn end_of_bucket(self, time: i64, unit: Unit) -> i64 {
        if unit >= Unit::Day {
            let mut date = self.date(time);
            let first = self.first_date(date, unit);
            while self.first_date(date, unit) == first {
                date = date.succ_opt().unwrap();
            }
            return self.start_of(date);
        }
        let step = if unit == Unit::Minute { MINUTE } else { QUARTER_HOUR };
        let mut end = (time.div_euclid(step) + 1) * step;
        while self.key(end, unit) == self.key(time, unit) {
            end += step;
        }
        end
    }

    /// The first instant of the bucket of an instant.
    pub(in crate::oracle) fn start_of_bucket(self, time: i64, unit: Unit) -> i64 {
        if unit >= Unit::Day {
            return self.key(time, unit);
        }
        let step = if unit == Unit::Minute { MINUTE } else { QUARTER_HOUR };
        let mut start = time.div_euclid(step) * step;
        while self.key(start - 1, unit) == self.key(time, unit) {
            start -= step;
        }
        start
    }

    /// Whole days.
    pub(in crate::oracle) fn days(self, first: NaiveDate, last: NaiveDate) -> Span {
        Span { from: self.start_of(first), to: self.start_of(last.succ_opt().unwrap()) }
    }
}

fn into_minute(local: NaiveDateTime) -> i64 {
    i64::from(local.second()) * 1000 + i64::from(local.and_utc().timestamp_subsec_millis())
}

/// A date so many units later, the day of the month clamped (S-76).
pub(in crate::oracle) fn shifted(date: NaiveDate, count: i64, unit: Unit) -> NaiveDate {
    let days = |days: i64| {
        let by = Days::new(days.unsigned_abs());
        if days < 0 { date - by } else { date + by }
    };
    let months = |months: i64| {
        let by = Months::new(u32::try_from(months.unsigned_abs()).unwrap());
        if months < 0 { date - by } else { date + by }
    };
    match unit {
        Unit::Minute | Unit::Hour => panic!("a date is not moved by {unit}s"),
        Unit::Day => days(count),
        Unit::Week => days(7 * count),
        Unit::Month => months(count),
        Unit::Quarter => months(3 * count),
        Unit::Year => months(12 * count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn civil(zone: Tz) -> Civil {
        Civil { zone, week_start: WeekStart::Monday }
    }

    fn millis(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// The keys and the hours of the buckets of some days.
    fn buckets(zone: Tz, first: &str, last: &str, unit: Unit) -> Vec<(String, i64)> {
        let civil = civil(zone);
        let buckets = civil.buckets(civil.days(date(first), date(last)), unit);
        buckets.iter().map(|b| (civil.spell(b.key), (b.span.to - b.span.from) / HOUR)).collect()
    }

    #[test]
    fn g_6_days_of_a_change_have_23_or_25_hours() {
        let days = buckets(Tz::America__New_York, "2024-03-09", "2024-03-10", Unit::Day);
        assert_eq!(
            days,
            [("2024-03-09T00:00:00-05:00".to_owned(), 24), ("2024-03-10T00:00:00-05:00".to_owned(), 23)]
        );
        let day = buckets(Tz::America__New_York, "2024-11-03", "2024-11-03", Unit::Day);
        assert_eq!(day, [("2024-11-03T00:00:00-04:00".to_owned(), 25)]);
    }

    #[test]
    fn g_6_the_repeated_hour_is_two_buckets_and_the_missing_one_none() {
        let hours = buckets(Tz::America__New_York, "2024-11-03", "2024-11-03", Unit::Hour);
        assert_eq!(hours.len(), 25);
        assert_eq!(hours[1].0, "2024-11-03T01:00:00-04:00");
        assert_eq!(hours[2].0, "2024-11-03T01:00:00-05:00");
        let hours = buckets(Tz::America__New_York, "2024-03-10", "2024-03-10", Unit::Hour);
        assert_eq!(hours.len(), 23);
        assert_eq!(hours[2].0, "2024-03-10T03:00:00-04:00");
    }

    #[test]
    fn g_6_a_day_without_midnight_starts_at_its_first_instant() {
        let days = buckets(Tz::America__Santiago, "2024-09-08", "2024-09-08", Unit::Day);
        assert_eq!(days, [("2024-09-08T01:00:00-03:00".to_owned(), 23)]);
    }

    #[test]
    fn g_6_half_an_hour_of_change() {
        let hours = buckets(Tz::Australia__Lord_Howe, "2024-04-07", "2024-04-07", Unit::Hour);
        let keys: Vec<_> = hours.iter().map(|(key, _)| key.as_str()).take(4).collect();
        assert_eq!(hours.len(), 25);
        assert_eq!(keys[0], "2024-04-07T00:00:00+11:00");
        assert_eq!(keys[1], "2024-04-07T01:00:00+11:00");
        assert_eq!(keys[3], "2024-04-07T02:00:00+10:30");
    }

    #[test]
    fn g_5_the_first_and_last_bucket_are_clipped() {
        let weeks = buckets(Tz::UTC, "2024-01-03", "2024-01-08", Unit::Week);
        assert_eq!(
            weeks,
            [("2024-01-01T00:00:00+00:00".to_owned(), 5 * 24), ("2024-01-08T00:00:00+00:00".to_owned(), 24)]
        );
    }

    #[test]
    fn g_6_what_the_clock_skips_is_when_it_skips() {
        let new_york = civil(Tz::America__New_York);
        let local = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        let at = |text: &str| new_york.first_at_or_after(local(text));
        assert_eq!(at("2024-03-10T02:30:00"), millis("2024-03-10T07:00:00Z"));
        assert_eq!(at("2024-11-03T01:30:00.250"), millis("2024-11-03T05:30:00.250Z"));
        assert_eq!(at("2024-07-01T12:34:56.789"), millis("2024-07-01T16:34:56.789Z"));
    }
}
