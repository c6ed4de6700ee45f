//! Dates inside strings (D-22): recognising them, and the spellings a column can give back exactly.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use crate::{Day, Timestamp};

/// What a date-shaped string means (D-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateValue {
    /// A civil date, never shifted by a time zone.
    Civil(Day),
    /// An instant; without a zone in the text, UTC.
    Instant(Timestamp),
}

/// One exact spelling of dates.
///
/// A date column stores values of one shape only, so that its text can be given back letter for
/// letter; a date in any other spelling stays a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateShape {
    /// `2024-02-29`
    Date,
    /// `2024-02-29T13:05:00`
    Seconds,
    /// `2024-02-29T13:05:00Z`
    SecondsZ,
    /// `2024-02-29T13:05:00.250`
    Millis,
    /// `2024-02-29T13:05:00.250Z`
    MillisZ,
}

impl DateShape {
    /// The shape `text` is spelled in and its value: days for [`DateShape::Date`], milliseconds
    /// otherwise. `None` where the text is no date or its spelling is not one of the shapes.
    pub fn recognise(text: &str) -> Option<(Self, i64)> {
        let bytes = text.as_bytes();
        // Cheap refusal first: nearly all strings are no dates.
        if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' || !bytes[0].is_ascii_digit() {
            return None;
        }
        let shape = match bytes.len() {
            10 => Self::Date,
            19 => Self::Seconds,
            20 => Self::SecondsZ,
            23 => Self::Millis,
            24 => Self::MillisZ,
            _ => return None,
        };
        let date = civil_days(bytes)?;
        let zoned = matches!(shape, Self::SecondsZ | Self::MillisZ);
        if shape == Self::Date {
            return Some((shape, date));
        }
        if bytes[10] != b'T'
            || bytes[13] != b':'
            || bytes[16] != b':'
            || (zoned && bytes[bytes.len() - 1] != b'Z')
        {
            return None;
        }
        let [hour, minute, second] =
            [number(&bytes[11..13])?, number(&bytes[14..16])?, number(&bytes[17..19])?];
        let ms = match shape {
            Self::Millis | Self::MillisZ if bytes[19] == b'.' => number(&bytes[20..23])?,
            Self::Millis | Self::MillisZ => return None,
            Self::Date | Self::Seconds | Self::SecondsZ => 0,
        };
        // Seconds of 60 and hours of 24 do not spell back to themselves.
        (hour < 24 && minute < 60 && second < 60)
            .then_some((shape, ((date * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + ms))
    }

    /// The text of `value` in this shape; `None` outside the years 0000 to 9999.
    pub fn spell(self, value: i64) -> Option<String> {
        use chrono::Datelike as _;
        if self == Self::Date {
            let date = Day::from_days(i32::try_from(value).ok()?).date()?;
            return (0..=9999).contains(&date.year()).then(|| date.format("%Y-%m-%d").to_string());
        }
        let time = DateTime::from_timestamp_millis(value)?.naive_utc();
        let format = match self {
            Self::Seconds => "%Y-%m-%dT%H:%M:%S",
            Self::SecondsZ => "%Y-%m-%dT%H:%M:%SZ",
            Self::Millis => "%Y-%m-%dT%H:%M:%S%.3f",
            Self::MillisZ | Self::Date => "%Y-%m-%dT%H:%M:%S%.3fZ",
        };
        (0..=9999).contains(&time.year()).then(|| time.format(format).to_string())
    }
}

/// The value of some ASCII digits.
fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

/// Days since 1970-01-01 of text starting with `YYYY-MM-DD`.
fn civil_days(bytes: &[u8]) -> Option<i64> {
    let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..10])?);
    let date = NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32)?;
    Some(i64::from(Day::from(date).days()))
}

/// Reads a date-shaped string (D-22): `YYYY-MM-DD`, or `YYYY-MM-DDTHH:MM:SS` with an optional
/// fraction and an optional `Z` or offset. Finer than a millisecond is cut off.
pub fn parse_date(text: &str) -> Option<DateValue> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    if !text.is_ascii() || bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    if !(digits(0..4) && digits(5..7) && digits(8..10)) {
        return None;
    }
    if bytes.len() == 10 {
        return NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| DateValue::Civil(date.into()));
    }
    let shaped = bytes.len() >= 19
        && bytes[10] == b'T'
        && bytes[13] == b':'
        && bytes[16] == b':'
        && digits(11..13)
        && digits(14..16)
        && digits(17..19);
    if !shaped {
        return None;
    }
    let rest = &text[19..];
    let fraction =
        rest.strip_prefix('.').map_or(0, |tail| 1 + tail.bytes().take_while(u8::is_ascii_digit).count());
    if fraction == 1 {
        return None;
    }
    let zoned = !rest[fraction..].is_empty();
    let ms = if zoned {
        DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis()
    } else {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?.and_utc().timestamp_millis()
    };
    Some(DateValue::Instant(Timestamp::from_millis(ms)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn d22_dates_are_recognised_by_shape() {
        let instant = |text: &str| match parse_date(text) {
            Some(DateValue::Instant(time)) => time.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(instant("2024-02-29T13:05:00"), "2024-02-29T13:05:00.000Z");
        assert_eq!(instant("2024-02-29T13:05:00.123456Z"), "2024-02-29T13:05:00.123Z");
        assert_eq!(instant("2024-02-29T13:05:00+02:00"), "2024-02-29T11:05:00.000Z");
        assert!(matches!(parse_date("2024-02-29"), Some(DateValue::Civil(_))));
        for no_date in [
            "2023-02-29",
            "2024-2-9",
            "20240229",
            "2024-02-29 13:05:00",
            "2024-02-29T",
            "",
            "2024-02-29T13:05:00.",
            "２０２４-02-29",
        ] {
            assert_eq!(parse_date(no_date), None, "{no_date}");
        }
    }

    #[test]
    fn unusual_spellings_have_no_shape() {
        for text in [
            "2024-02-29T13:05:60",
            "2024-02-29T13:05:00+00:00",
            "2024-02-29T13:05:00.1",
            "2024-02-29T13:05:00z",
        ] {
            assert_eq!(DateShape::recognise(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_recognised_date_spells_back_to_itself(ms in -62_000_000_000_000i64..253_000_000_000_000, shape in 0usize..5) {
            let shape = [DateShape::Date, DateShape::Seconds, DateShape::SecondsZ, DateShape::Millis, DateShape::MillisZ][shape];
            let value = if shape == DateShape::Date { ms / 86_400_000 } else { ms };
            let text = shape.spell(value).unwrap();
            let (found, read) = DateShape::recognise(&text).unwrap();
            prop_assert_eq!(found, shape);
            prop_assert_eq!(shape.spell(read).unwrap(), text);
        }

        #[test]
        fn any_text_is_taken_without_panic(text in "\\PC{0,30}") {
            let _ = parse_date(&text);
            let _ = DateShape::recognise(&text);
        }
    }
}
