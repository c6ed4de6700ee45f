//! Arguments of the functions: which types they may have, and what literals say.
//!
//! Types are checked when a query is planned (`return_type`), literals when it is optimised (the
//! `simplify` hook), so that a wrong call fails before it reads anything.

use arrow::array::{ArrayRef, BooleanArray, Int64Array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::cast::{as_boolean_array, as_int64_array};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use std::sync::Arc;

/// Nothing is lost silently: what does not fit is an error.
const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// The literals among a call's arguments, `None` for all others.
pub(super) fn logical_literals(args: &[Expr]) -> Vec<Option<ScalarValue>> {
    let literal = |arg: &Expr| if let Expr::Literal(value, _) = arg { Some(value.clone()) } else { None };
    args.iter().map(literal).collect()
}

/// The literals among the arguments of a physical plan, `None` for all others.
pub(super) fn physical_literals(args: &[Arc<dyn PhysicalExpr>]) -> Vec<Option<ScalarValue>> {
    args.iter().map(|arg| Some(arg.downcast_ref::<Literal>()?.value().clone())).collect()
}

/// A text that has to be written in the query.
pub(super) fn text_literal<'a>(
    function: &str,
    role: &str,
    literal: Option<&'a Option<ScalarValue>>,
) -> Result<&'a str> {
    if let Some(Some(text)) = literal.and_then(Option::as_ref).and_then(ScalarValue::try_as_str) {
        return Ok(text);
    }
    plan_err!("{function}: {role} must be a text written in the query, between single quotes")
}

/// Whether a type holds text.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Refuses condition arguments that are not true or false, and calls without any.
///
/// `first` is the place of the first condition among the arguments.
pub(super) fn check_conditions(function: &str, types: &[DataType], first: usize) -> Result<()> {
    let Some(conditions) = types.get(first..).filter(|conditions| !conditions.is_empty()) else {
        return plan_err!("{function}: expects at least one condition, such as event = 'Sign up'");
    };
    for (index, data_type) in conditions.iter().enumerate() {
        if !matches!(data_type, DataType::Boolean | DataType::Null) && !data_type.is_integer() {
            return plan_err!(
                "{function}: argument {} is {data_type}; expected a condition, which is true or false, such as event = 'Sign up'",
                first + index + 1
            );
        }
    }
    Ok(())
}

/// Conditions as booleans; numbers other than 0 are true.
pub(super) fn booleans(condition: &ArrayRef) -> Result<BooleanArray> {
    Ok(as_boolean_array(&cast_with_options(condition, &DataType::Boolean, &STRICT)?)?.clone())
}

/// How the values of a time argument become numbers, and back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum TimeKind {
    /// A timestamp in any unit and zone: its ticks. Numbers beside it are seconds.
    Timestamp(DataType, TimeUnit),
    /// A date: days.
    Date(DataType),
    /// An integer, in a unit only the caller knows.
    Integer(DataType),
}

impl TimeKind {
    /// The kind of a time argument.
    pub(super) fn try_new(function: &str, data_type: Option<&DataType>) -> Result<Self> {
        match data_type {
            Some(data_type @ DataType::Timestamp(unit, _)) => Ok(Self::Timestamp(data_type.clone(), *unit)),
            Some(data_type @ (DataType::Date32 | DataType::Date64)) => Ok(Self::Date(data_type.clone())),
            Some(data_type) if data_type.is_integer() => Ok(Self::Integer(data_type.clone())),
            Some(data_type) => plan_err!(
                "{function}: the time is {data_type}; expected a timestamp, a date or an integer, such as the column time"
            ),
            None => plan_err!("{function}: expects a time, such as the column time"),
        }
    }

    /// The type of the time argument.
    pub(super) fn data_type(&self) -> &DataType {
        match self {
            Self::Timestamp(data_type, _) | Self::Date(data_type) | Self::Integer(data_type) => data_type,
        }
    }

    /// Times as ticks, nulls kept.
    pub(super) fn ticks(&self, times: &ArrayRef) -> Result<Int64Array> {
        let days;
        let times = if matches!(self, Self::Date(_)) {
            days = cast_with_options(times, &DataType::Date32, &STRICT)?;
            &cast_with_options(&days, &DataType::Int32, &STRICT)?
        } else {
            times
        };
        Ok(as_int64_array(&cast_with_options(times, &DataType::Int64, &STRICT)?)?.clone())
    }

    /// Ticks as times of the argument's type.
    pub(super) fn times(&self, ticks: Int64Array) -> Result<ArrayRef> {
        let ticks: ArrayRef = Arc::new(ticks);
        let ticks = if matches!(self, Self::Date(_)) {
            let days = cast_with_options(&ticks, &DataType::Int32, &STRICT)?;
            cast_with_options(&days, &DataType::Date32, &STRICT)?
        } else {
            ticks
        };
        Ok(cast_with_options(&ticks, self.data_type(), &STRICT)?)
    }

    /// How many ticks one unit of a plain number is: a second of a timestamp, a day of a date.
    pub(super) fn ticks_per_number(&self) -> i64 {
        match self {
            Self::Timestamp(_, TimeUnit::Second) | Self::Date(_) | Self::Integer(_) => 1,
            Self::Timestamp(_, TimeUnit::Millisecond) => 1_000,
            Self::Timestamp(_, TimeUnit::Microsecond) => 1_000_000,
            Self::Timestamp(_, TimeUnit::Nanosecond) => 1_000_000_000,
        }
    }

    fn ns_per_tick(&self) -> Option<i128> {
        match self {
            Self::Timestamp(_, TimeUnit::Second) => Some(1_000_000_000),
            Self::Timestamp(_, TimeUnit::Millisecond) => Some(1_000_000),
            Self::Timestamp(_, TimeUnit::Microsecond) => Some(1_000),
            Self::Timestamp(_, TimeUnit::Nanosecond) => Some(1),
            Self::Date(_) => Some(NS_PER_DAY),
            Self::Integer(_) => None,
        }
    }

    /// A length of time in ticks, rounded down: times are whole ticks apart, so no comparison
    /// changes by it. `role` names the argument in messages.
    pub(super) fn length(
        &self,
        function: &str,
        role: &str,
        literal: Option<&Option<ScalarValue>>,
    ) -> Result<i64> {
        let Some(Some(value)) = literal else {
            return plan_err!("{function}: {role} must be written in the query, as a number or an INTERVAL");
        };
        let ticks = match interval_ns(value) {
            Some(Ok(ns)) => match self.ns_per_tick() {
                Some(per_tick) => ns.div_euclid(per_tick),
                None => {
                    return plan_err!(
                        "{function}: {role} must be a number, for the time is an integer, whose unit is not known"
                    );
                }
            },
            Some(Err(Months)) => {
                return plan_err!(
                    "{function}: {role} has months or years, which have no fixed length: write it in days, such as INTERVAL '30 days'"
                );
            }
            None => match value.cast_to(&DataType::Int64) {
                Ok(ScalarValue::Int64(Some(number))) if value.data_type().is_integer() => {
                    i128::from(number) * i128::from(self.ticks_per_number())
                }
                _ => {
                    return plan_err!(
                        "{function}: {role} is {value}; expected a number or an interval, such as 3600 or INTERVAL '1 hour'"
                    );
                }
            },
        };
        if ticks < 0 {
            return plan_err!("{function}: {role} must not be negative");
        }
        Ok(i64::try_from(ticks).unwrap_or(i64::MAX))
    }
}

const NS_PER_DAY: i128 = 86_400_000_000_000;

/// An interval with months or years.
struct Months;

/// The length of an interval or duration; `None` for any other value.
fn interval_ns(value: &ScalarValue) -> Option<Result<i128, Months>> {
    let ns = match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) => {
            if interval.months != 0 {
                return Some(Err(Months));
            }
            i128::from(interval.days) * NS_PER_DAY + i128::from(interval.nanoseconds)
        }
        ScalarValue::IntervalDayTime(Some(interval)) => {
            i128::from(interval.days) * NS_PER_DAY + i128::from(interval.milliseconds) * 1_000_000
        }
        ScalarValue::IntervalYearMonth(Some(_)) => return Some(Err(Months)),
        ScalarValue::DurationSecond(Some(seconds)) => i128::from(*seconds) * 1_000_000_000,
        ScalarValue::DurationMillisecond(Some(milliseconds)) => i128::from(*milliseconds) * 1_000_000,
        ScalarValue::DurationMicrosecond(Some(microseconds)) => i128::from(*microseconds) * 1_000,
        ScalarValue::DurationNanosecond(Some(nanoseconds)) => i128::from(*nanoseconds),
        _ => return None,
    };
    Some(Ok(ns))
}
