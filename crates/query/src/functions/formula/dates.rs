//! `datedif` (K-13): whole days, months and years between two dates.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Date32Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type};
use chrono::{Datelike as _, Months, NaiveDate};
use datafusion::common::{Result, ScalarValue, plan_err};
use tallymark_event::{DateValue, Day, parse_date};

use super::definition::{Arguments, Definition, Takes, literal_text};

pub(super) const DATEDIF: Definition = Definition {
    name: "datedif",
    usage: "a start, an end, and a unit such as 'D'",
    takes: &[Takes::Date, Takes::Date, Takes::Text],
    required: 3,
    returns: |_| DataType::Int64,
    nullable: true,
    check: Some(check_unit),
    evaluate,
};

const MILLIS_PER_DAY: i64 = 86_400_000;

#[derive(Clone, Copy)]
enum Unit {
    Days,
    Months,
    Years,
    DaysAfterMonths,
    MonthsAfterYears,
    DaysAfterYears,
}

impl Unit {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "D" => Self::Days,
            "M" => Self::Months,
            "Y" => Self::Years,
            "MD" => Self::DaysAfterMonths,
            "YM" => Self::MonthsAfterYears,
            "YD" => Self::DaysAfterYears,
            _ => return None,
        })
    }

    /// How many there are from `start` to `end`, if that is not before.
    fn between(self, start: NaiveDate, end: NaiveDate) -> Option<i64> {
        if end < start {
            return None;
        }
        let months = whole_months(start, end);
        let days_after = |months: i64| {
            // A day that the month has not is its last.
            let reached = start.checked_add_months(Months::new(u32::try_from(months).ok()?))?;
            Some((end - reached).num_days())
        };
        match self {
            Self::Days => Some((end - start).num_days()),
            Self::Months => Some(months),
            Self::Years => Some(months / 12),
            Self::DaysAfterMonths => days_after(months),
            Self::MonthsAfterYears => Some(months % 12),
            Self::DaysAfterYears => days_after(months / 12 * 12),
        }
    }
}

/// A month is whole when the day of month is reached again.
fn whole_months(start: NaiveDate, end: NaiveDate) -> i64 {
    let months = |date: NaiveDate| i64::from(date.year()) * 12 + i64::from(date.month0());
    months(end) - months(start) - i64::from(end.day() < start.day())
}

fn check_unit(literals: &[Option<&ScalarValue>]) -> Result<()> {
    match literal_text(literals, 2) {
        Some(name) if Unit::named(name).is_none() => plan_err!(
            "datedif: {name:?} is no unit; there are 'D' (days), 'M' (whole months), 'Y' (whole years), \
             'MD' (days after whole months), 'YM' (months after whole years), 'YD' (days after whole years)"
        ),
        _ => Ok(()),
    }
}

fn evaluate(arguments: &Arguments) -> Result<ArrayRef> {
    let (starts, ends) = (days(&arguments.array(0)?)?, days(&arguments.array(1)?)?);
    let units = arguments.texts(2);
    let date = |days: &Date32Array, row: usize| {
        days.is_valid(row).then(|| Day::from_days(days.value(row)).date()).flatten()
    };
    let between = |row: usize| Unit::named(units.at(row)?)?.between(date(&starts, row)?, date(&ends, row)?);
    Ok(Arc::new((0..arguments.rows).map(between).collect::<Int64Array>()))
}

/// The civil days of dates, of times in the zone of their type, and of texts that are such (D-22).
fn days(values: &ArrayRef) -> Result<Date32Array> {
    if *values.data_type() != DataType::Utf8View {
        return Ok(cast(values, &DataType::Date32)?.as_primitive::<Date32Type>().clone());
    }
    let day = |text: &str| match parse_date(text)? {
        DateValue::Civil(day) => Some(day.days()),
        DateValue::Instant(time) => i32::try_from(time.millis().div_euclid(MILLIS_PER_DAY)).ok(),
    };
    Ok(values.as_string_view().iter().map(|text| text.and_then(day)).collect())
}
