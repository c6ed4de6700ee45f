//! `time_bucket(unit, time [, zone [, week_start]])`: the start of the civil unit of time that an
//! instant lies in (G-5, G-6).
//!
//! `unit` is minute, hour, day, week, month, quarter or year; `zone` an IANA name, UTC if not given;
//! `week_start` monday (if not given), sunday or saturday. All but the time are literals. The result
//! is Timestamp(ms, UTC): the first instant of the unit, which tells the two hours of a day when
//! clocks go back from each other.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMillisecondType};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use tallymark_event::columns::timestamp_type;
use tallymark_report::{Calendar, Unit, WeekStart};

/// The name of the function.
pub(crate) const TIME_BUCKET: &str = "time_bucket";

/// The function, to be registered.
pub(crate) fn time_bucket_udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(TimeBucket { signature: Signature::variadic_any(Volatility::Immutable) })
}

/// The bucket of a time.
pub(crate) fn of(unit: Unit, time: Expr, calendar: Calendar) -> Expr {
    let week_start = match calendar.week_start {
        WeekStart::Monday => "monday",
        WeekStart::Sunday => "sunday",
        WeekStart::Saturday => "saturday",
    };
    time_bucket_udf().call(vec![lit(unit.name()), time, lit(calendar.zone.name()), lit(week_start)])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeBucket {
    signature: Signature,
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &'static str {
        TIME_BUCKET
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [_, DataType::Timestamp(..) | DataType::Date32 | DataType::Null, rest @ ..]
                if rest.len() <= 2 =>
            {
                Ok(timestamp_type())
            }
            _ => plan_err!(
                "time_bucket takes a unit, a time, and perhaps a time zone and the first day of weeks"
            ),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let text = |at: usize| match args.args.get(at) {
            None => Ok(None),
            Some(ColumnarValue::Scalar(scalar)) => Ok(scalar.try_as_str().flatten().map(str::to_owned)),
            Some(ColumnarValue::Array(_)) => {
                plan_err!("time_bucket: unit, time zone and first day of weeks are literals")
            }
        };
        let unit = text(0)?.unwrap_or_default();
        let Some(unit) = Unit::named(&unit.to_lowercase()) else {
            return plan_err!(
                "time_bucket: {unit:?} is no unit; there are minute, hour, day, week, month, quarter, year"
            );
        };
        let zone = text(2)?.unwrap_or_else(|| "UTC".to_owned());
        let Ok(zone) = zone.parse() else {
            return plan_err!("time_bucket: {zone:?} is no time zone; it is a name such as 'Europe/Berlin'");
        };
        let week_start = match text(3)?.as_deref().unwrap_or("monday") {
            "monday" => WeekStart::Monday,
            "sunday" => WeekStart::Sunday,
            "saturday" => WeekStart::Saturday,
            other => {
                return plan_err!("time_bucket: weeks start on monday, sunday or saturday, not {other:?}");
            }
        };
        let calendar = Calendar { zone, week_start };
        let is_scalar = matches!(args.args[1], ColumnarValue::Scalar(_));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let times = cast(&args.args[1].clone().into_array(rows)?, &timestamp_type())?;
        let buckets = buckets(&times, unit, calendar);
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&buckets, 0)?));
        }
        Ok(ColumnarValue::Array(buckets))
    }
}

fn buckets(times: &ArrayRef, unit: Unit, calendar: Calendar) -> ArrayRef {
    // Neighbours often lie in one bucket.
    let mut known: Option<(i64, i64)> = None;
    let mut bucket = |time: i64| {
        if let Some((start, end)) = known
            && (start..end).contains(&time)
        {
            return start;
        }
        let start = calendar.bucket(time, unit);
        if unit > Unit::Hour {
            known = Some((start, calendar.next_bucket(time, unit)));
        }
        start
    };
    let times = times.as_primitive::<TimestampMillisecondType>().iter();
    let buckets = times.map(|time| time.map(&mut bucket)).collect::<TimestampMillisecondArray>();
    Arc::new(buckets.with_timezone("UTC"))
}
