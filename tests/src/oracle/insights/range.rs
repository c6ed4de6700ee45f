//! Which instants a range of dates means (G-4, G-8, S-61 … S-63, S-76).

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use tallymark_report::{Comparison, DateRange, Instant, Period, Unit};

use super::civil::{Civil, Span, shifted};

const HOUR: i64 = 3_600_000;

/// A range, and its first and last day if it is one of whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oracle) struct Range {
    pub(in crate::oracle) span: Span,
    pub(in crate::oracle) days: Option<(NaiveDate, NaiveDate)>,
}

/// What an instant of a definition says.
pub(in crate::oracle) enum Said {
    Day(NaiveDate),
    Time(i64),
}

pub(in crate::oracle) fn read(civil: Civil, instant: &str) -> Said {
    if let Ok(day) = instant.parse::<NaiveDate>() {
        return Said::Day(day);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(instant) {
        return Said::Time(time.timestamp_millis());
    }
    let local = NaiveDateTime::parse_from_str(instant, "%Y-%m-%dT%H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(instant, "%Y-%m-%dT%H:%M:%S%.f"));
    Said::Time(civil.first_at_or_after(local.unwrap()))
}

/// What "now" is where a definition says it: of a date the end of its day.
pub(in crate::oracle) fn read_now(civil: Civil, instant: &Instant) -> i64 {
    match read(civil, &instant.0) {
        Said::Day(day) => civil.days(day, day).to - 1,
        Said::Time(time) => time,
    }
}

fn of_days(civil: Civil, first: NaiveDate, last: NaiveDate) -> Range {
    Range { span: civil.days(first, last), days: Some((first, last)) }
}

pub(in crate::oracle) fn resolve(civil: Civil, range: &DateRange, now: i64) -> Range {
    let today = civil.date(now);
    match range {
        DateRange::Last { period, ending_days_ago } => last(civil, *period, *ending_days_ago, now),
        DateRange::Yesterday => of_days(civil, today.pred_opt().unwrap(), today.pred_opt().unwrap()),
        DateRange::ToDate(unit) => of_days(civil, civil.first_date(today, *unit), today),
        DateRange::Previous(unit) => {
            let last = civil.first_date(today, *unit).pred_opt().unwrap();
            of_days(civil, civil.first_date(last, *unit), last)
        }
        DateRange::Since(since) => match read(civil, &since.0) {
            Said::Day(day) => of_days(civil, day, today),
            Said::Time(from) => Range { span: Span { from, to: now + 1 }, days: None },
        },
        DateRange::Between(from, to) => match (read(civil, &from.0), read(civil, &to.0)) {
            (Said::Day(first), Said::Day(last)) => of_days(civil, first, last),
            (from, to) => {
                let from = match from {
                    Said::Day(day) => civil.start_of(day),
                    Said::Time(time) => time,
                };
                let to = match to {
                    Said::Day(day) => civil.days(day, day).to,
                    Said::Time(time) => time,
                };
                Range { span: Span { from, to }, days: None }
            }
        },
    }
}

/// G-8.
pub(in crate::oracle) fn last(civil: Civil, period: Period, ending_days_ago: u32, now: i64) -> Range {
    let count = i64::from(period.count);
    let ago = i64::from(ending_days_ago);
    let today = civil.date(now);
    let day_after = |date: NaiveDate| date.succ_opt().unwrap();
    let first = match period.unit {
        Unit::Minute | Unit::Hour => {
            let length = if period.unit == Unit::Hour { HOUR } else { HOUR / 60 };
            let end = now - ago * 24 * HOUR;
            // After the start, up to the end and with it.
            return Range { span: Span { from: end - count * length + 1, to: end + 1 }, days: None };
        }
        Unit::Day | Unit::Week | Unit::Month | Unit::Quarter | Unit::Year => {
            day_after(shifted(today, -count, period.unit))
        }
    };
    of_days(civil, shifted(first, -ago, Unit::Day), shifted(today, -ago, Unit::Day))
}

/// The range that another is compared with (S-76).
pub(in crate::oracle) fn compared(civil: Civil, range: Range, with: &Comparison) -> Range {
    let first = range.days.map_or_else(|| civil.date(range.span.from), |days| days.0);
    let last = range.days.map_or_else(|| civil.date(range.span.to - 1), |days| days.1);
    let day = |instant: &Instant| match read(civil, &instant.0) {
        Said::Day(day) => day,
        Said::Time(time) => civil.date(time),
    };
    let (count, unit) = match with {
        Comparison::Previous(unit) => (-1, *unit),
        Comparison::DaysBefore(days) => (-i64::from(*days), Unit::Day),
        Comparison::From(from) => ((day(from) - first).num_days(), Unit::Day),
        Comparison::To(to) => ((day(to) - last).num_days(), Unit::Day),
        Comparison::Segment(_) | Comparison::Overall => panic!("segments are of the same time"),
    };
    if let Some((first, last)) = range.days {
        return of_days(civil, shifted(first, count, unit), shifted(last, count, unit));
    }
    let moved = |time: i64| {
        let (local, _) = civil.clock(time);
        civil.first_at_or_after(shifted(local.date(), count, unit).and_time(local.time()))
    };
    Range { span: Span { from: moved(range.span.from), to: moved(range.span.to) }, days: None }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use tallymark_report::WeekStart;

    use super::*;

    const UTC: Civil = Civil { zone: Tz::UTC, week_start: WeekStart::Monday };

    fn millis(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    /// First and last day of a range asked for at an instant.
    fn days(range: &str, now: &str) -> String {
        let range: DateRange = serde_json::from_str(range).unwrap();
        let (first, last) = resolve(UTC, &range, millis(now)).days.unwrap();
        format!("{first} {last}")
    }

    #[test]
    fn g_8_last_units_end_with_the_current_one() {
        let now = "2024-01-10T14:00:00Z";
        assert_eq!(days(r#""last 1 day""#, now), "2024-01-10 2024-01-10");
        assert_eq!(days(r#""last 7 days""#, now), "2024-01-04 2024-01-10");
        assert_eq!(days(r#""last 2 weeks""#, now), "2023-12-28 2024-01-10");
        assert_eq!(days(r#""last 1 month""#, now), "2023-12-11 2024-01-10");
        assert_eq!(days(r#"{"last": "2 days", "ending_days_ago": 1}"#, now), "2024-01-08 2024-01-09");
    }

    #[test]
    fn g_8_hours_are_elapsed_time() {
        let now = millis("2024-01-10T14:00:00Z");
        let range: DateRange = serde_json::from_str(r#""last 3 hours""#).unwrap();
        let span = resolve(UTC, &range, now).span;
        assert_eq!(span, Span { from: millis("2024-01-10T11:00:00Z") + 1, to: now + 1 });
    }

    #[test]
    fn s_62_presets() {
        let now = "2024-06-27T10:00:00Z";
        assert_eq!(days(r#""month to date""#, now), "2024-06-01 2024-06-27");
        assert_eq!(days(r#""previous month""#, now), "2024-05-01 2024-05-31");
        assert_eq!(days(r#""yesterday""#, now), "2024-06-26 2024-06-26");
        assert_eq!(days(r#""previous quarter""#, now), "2024-01-01 2024-03-31");
    }

    #[test]
    fn s_76_months_are_clamped() {
        let range: DateRange = serde_json::from_str(r#""2024-03-01 to 2024-03-31""#).unwrap();
        let range = resolve(UTC, &range, 0);
        let (first, last) = compared(UTC, range, &Comparison::Previous(Unit::Month)).days.unwrap();
        assert_eq!(format!("{first} {last}"), "2024-02-01 2024-02-29");
    }
}
