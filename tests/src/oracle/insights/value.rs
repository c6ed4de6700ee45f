//! Values: dates, casts, text (D-20 … D-28). What is not set is `None`; null is never seen here.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::Value;
use tallymark_report::CastType;

use super::civil::Civil;
use crate::oracle::canonical;

/// What a date-shaped text means (D-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oracle) enum Date {
    /// Not shifted by any zone.
    Civil(NaiveDate),
    Instant(i64),
}

impl Date {
    /// The civil day in the zone of the report.
    pub(in crate::oracle) fn day(self, civil: Civil) -> NaiveDate {
        match self {
            Self::Civil(day) => day,
            Self::Instant(time) => civil.date(time),
        }
    }

    /// The instant; of a civil date its start.
    pub(in crate::oracle) fn time(self, civil: Civil) -> i64 {
        match self {
            Self::Civil(day) => civil.start_of(day),
            Self::Instant(time) => time,
        }
    }
}

/// D-22.
pub(in crate::oracle) fn date_of(value: &Value) -> Option<Date> {
    let text = value.as_str()?;
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape == "0000-00-00" {
        return text.parse().ok().map(Date::Civil);
    }
    if !shape.starts_with("0000-00-00T00:00:00") {
        return None;
    }
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
    let utc = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    zoned.or_else(|_| utc.map(|time| time.and_utc().timestamp_millis())).ok().map(Date::Instant)
}

/// An instant as a date-time of D-22.
pub(in crate::oracle) fn spell_instant(time: i64) -> Value {
    let time = DateTime::from_timestamp_millis(time).unwrap();
    Value::from(time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// D-27, of anything but a list, which is cast item by item.
pub(in crate::oracle) fn cast(value: Option<&Value>, to: CastType) -> Option<Value> {
    match (to, value) {
        (CastType::Boolean, None) => Some(Value::from(false)),
        (_, None) => None,
        (CastType::String, Some(value)) => Some(Value::from(text_of(value))),
        (CastType::Number, Some(value)) => match value {
            Value::Number(_) => Some(value.clone()),
            Value::Bool(bool) => Some(Value::from(i64::from(*bool))),
            Value::String(text) => decimal(text),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        },
        (CastType::Boolean, Some(value)) => Some(Value::from(match value {
            Value::Bool(bool) => *bool,
            Value::Number(_) => number_of(value) != Some(0.0),
            Value::String(text) => !text.is_empty() && text != "false",
            Value::Null => false,
            Value::Array(_) | Value::Object(_) => true,
        })),
        (CastType::Date, Some(value)) => match value {
            Value::String(_) => date_of(value).map(|_| value.clone()),
            // Seconds or milliseconds (D-6).
            Value::Number(_) => {
                let number = number_of(value).unwrap();
                let millis = if number.abs() < 1e11 { number * 1000.0 } else { number };
                Some(spell_instant(millis.round() as i64))
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        },
    }
}

/// D-27, of a list item by item; as it is if no type is said.
pub(super) fn cast_whole(value: Option<Value>, to: Option<CastType>) -> Option<Value> {
    let Some(to) = to else { return value };
    match value {
        Some(Value::Array(items)) => {
            let items = items.iter().map(|item| Some(item).filter(|item| !item.is_null()));
            Some(items.filter_map(|item| cast(item, to)).collect())
        }
        value => cast(value.as_ref(), to),
    }
}

fn decimal(text: &str) -> Option<Value> {
    let is_decimal = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
    let number: f64 = is_decimal.then(|| text.parse().ok())??;
    number.is_finite().then(|| canonical(&Value::from(number)))
}

/// A JSON number (D-28).
pub(in crate::oracle) fn number_of(value: &Value) -> Option<f64> {
    value.is_number().then(|| value.as_f64().unwrap())
}

/// A value as text: a string as it is, everything else as JSON.
pub(in crate::oracle) fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn d_27_casts() {
        let cast = |value: Value, to| cast(Some(&value).filter(|value| !value.is_null()), to);
        let (string, number, boolean, date) =
            (CastType::String, CastType::Number, CastType::Boolean, CastType::Date);
        for (value, to, expected) in [
            (json!("abc"), number, None),
            (json!("5.5"), number, Some(json!(5.5))),
            (json!("5"), number, Some(json!(5))),
            (json!(""), boolean, Some(json!(false))),
            (json!("false"), boolean, Some(json!(false))),
            (json!("x"), boolean, Some(json!(true))),
            (json!(5), string, Some(json!("5"))),
            (json!(0), boolean, Some(json!(false))),
            (json!(1_700_000_000), date, Some(json!("2023-11-14T22:13:20.000Z"))),
            (json!(true), string, Some(json!("true"))),
            (json!(true), number, Some(json!(1))),
            (json!(true), date, None),
            (json!(null), boolean, Some(json!(false))),
            (json!(null), string, None),
            (json!({"a": 1}), boolean, Some(json!(true))),
            (json!({"a": 1}), number, None),
        ] {
            assert_eq!(cast(value.clone(), to), expected, "{value} as {to:?}");
        }
    }

    #[test]
    fn d_22_dates() {
        assert_eq!(date_of(&json!("1970-01-02")), Some(Date::Civil("1970-01-02".parse().unwrap())));
        assert_eq!(date_of(&json!("1970-01-01T00:00:01.5")), Some(Date::Instant(1500)));
        assert_eq!(date_of(&json!("1970-01-01T01:00:00+01:00")), Some(Date::Instant(0)));
        for no_date in [json!("1970-1-2"), json!("1970-01-01 00:00:00"), json!(5), json!("1970-02-30")] {
            assert_eq!(date_of(&no_date), None, "{no_date}");
        }
    }
}
