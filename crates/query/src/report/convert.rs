//! Values as text, numbers, booleans and dates (D-22, D-27), over arrays of any lane.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, Date32Array, Float64Array, Float64Builder, ListArray,
    ListBuilder, StringViewArray, StringViewBuilder, TimestampMillisecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Field, Float64Type, Int64Type, TimestampMillisecondType};
use datafusion::common::Result;
use serde_json::Value;
use tallymark_event::columns::timestamp_type;
use tallymark_event::{DateShape, DateValue, Day, Timestamp, parse_date};
use tallymark_report::Calendar;

use super::filter::OverItems;

/// The type that texts have.
pub(super) const TEXT: DataType = DataType::Utf8View;

/// A number as text: as JSON would have it (D-27).
pub(super) fn number_text(number: f64) -> String {
    if number.is_finite() { format!("{number}") } else { String::new() }
}

/// Values as text (D-27); dates as they were sent, in `shape`.
pub(super) fn text_of(values: &ArrayRef, shape: Option<DateShape>) -> Result<ArrayRef> {
    let texts: StringViewArray = match values.data_type() {
        DataType::Boolean => values
            .as_boolean()
            .iter()
            .map(|value| value.map(|value| if value { "true" } else { "false" }))
            .collect(),
        DataType::Int64 => {
            let values = values.as_primitive::<Int64Type>().iter();
            values.map(|value| value.map(|value| value.to_string())).collect()
        }
        DataType::Float64 => {
            let values = values.as_primitive::<Float64Type>().iter();
            values.map(|value| value.map(number_text)).collect()
        }
        DataType::Date32 => {
            let shape = shape.unwrap_or(DateShape::Date);
            let values = values.as_primitive::<Date32Type>().iter();
            values.map(|value| shape.spell(i64::from(value?))).collect()
        }
        DataType::Timestamp(..) => {
            let values = cast(values, &timestamp_type())?;
            let shape = shape.unwrap_or(DateShape::MillisZ);
            values
                .as_primitive::<TimestampMillisecondType>()
                .iter()
                .map(|value| shape.spell(value?))
                .collect()
        }
        _ => return Ok(cast(values, &TEXT)?),
    };
    Ok(Arc::new(texts))
}

/// Texts with a word before them.
pub(super) fn prefixed(values: &ArrayRef, word: &str) -> Result<ArrayRef> {
    let texts = cast(values, &TEXT)?;
    let prefixed = |text: &str| format!("{word}:{text}");
    Ok(Arc::new(texts.as_string_view().iter().map(|text| text.map(prefixed)).collect::<StringViewArray>()))
}

/// Texts that are decimal numbers, as numbers (D-27).
pub(super) fn parsed_number(values: &ArrayRef) -> Result<ArrayRef> {
    let texts = cast(values, &TEXT)?;
    let parse = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    Ok(Arc::new(texts.as_string_view().iter().map(|text| text.and_then(parse)).collect::<Float64Array>()))
}

/// When a date is: its civil day in a zone, and its first instant (D-22, P-23).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatePart {
    Day,
    Instant,
}

/// Dates, date-times, texts that are such, and numbers that are Unix times (D-6, D-22).
pub(super) fn date_part(values: &ArrayRef, part: DatePart, calendar: Calendar) -> Result<ArrayRef> {
    let dates: Vec<Option<DateValue>> = match values.data_type() {
        DataType::Date32 => values
            .as_primitive::<Date32Type>()
            .iter()
            .map(|days| days.map(|days| DateValue::Civil(Day::from_days(days))))
            .collect(),
        DataType::Timestamp(..) => {
            let values = cast(values, &timestamp_type())?;
            let times = values.as_primitive::<TimestampMillisecondType>().iter();
            times.map(|time| time.map(|time| DateValue::Instant(Timestamp::from_millis(time)))).collect()
        }
        DataType::Int64 | DataType::Float64 => {
            let values = cast(values, &DataType::Float64)?;
            let numbers = values.as_primitive::<Float64Type>().iter();
            numbers.map(|number| Timestamp::from_unix_number(number?).map(DateValue::Instant)).collect()
        }
        _ => {
            let texts = cast(values, &TEXT)?;
            texts.as_string_view().iter().map(|text| text.and_then(parse_date)).collect()
        }
    };
    let day_of = |date: DateValue| match date {
        DateValue::Civil(day) => day.days(),
        DateValue::Instant(time) => Day::from(calendar.day(time.millis())).days(),
    };
    Ok(match part {
        DatePart::Day => Arc::new(dates.into_iter().map(|date| date.map(day_of)).collect::<Date32Array>()),
        DatePart::Instant => {
            let instant = |date: DateValue| match date {
                DateValue::Civil(day) => day.date().map(|day| calendar.start_of_day(day)),
                DateValue::Instant(time) => Some(time.millis()),
            };
            let times = dates.into_iter().map(|date| date.and_then(instant));
            Arc::new(times.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
        }
    })
}

/// What is looked for in JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum JsonPart {
    /// A string.
    Text,
    /// A number.
    Number,
    /// A boolean.
    Boolean,
    /// The items of a list, each as JSON text; those of lists on the way too (D-25).
    Items,
    /// An object, as JSON text.
    Object,
}

impl JsonPart {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Text | Self::Object => TEXT,
            Self::Number => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Items => list_of_text(),
        }
    }
}

/// A list of texts.
pub(super) fn list_of_text() -> DataType {
    DataType::List(Arc::new(Field::new("item", TEXT, true)))
}

/// What JSON texts have at a path of keys.
pub(super) fn json_part(values: &ArrayRef, path: &[String], part: JsonPart) -> Result<ArrayRef> {
    let texts = cast(values, &TEXT)?;
    let found = texts.as_string_view().iter().map(|text| {
        let value: Value = serde_json::from_str(text?).ok()?;
        Some(at_path(value, path))
    });
    Ok(match part {
        JsonPart::Text => {
            let texts = found.map(|found| match found {
                Some(Found::One(Value::String(text))) => Some(text),
                _ => None,
            });
            Arc::new(texts.collect::<StringViewArray>())
        }
        JsonPart::Object => {
            let texts = found.map(|found| match found {
                Some(Found::One(object @ Value::Object(_))) => Some(object.to_string()),
                _ => None,
            });
            Arc::new(texts.collect::<StringViewArray>())
        }
        JsonPart::Number => {
            let numbers = found.map(|found| match found {
                Some(Found::One(Value::Number(number))) => number.as_f64(),
                _ => None,
            });
            Arc::new(numbers.collect::<Float64Array>())
        }
        JsonPart::Boolean => {
            let booleans = found.map(|found| match found {
                Some(Found::One(Value::Bool(boolean))) => Some(boolean),
                _ => None,
            });
            Arc::new(booleans.collect::<BooleanArray>())
        }
        JsonPart::Items => {
            let mut lists = ListBuilder::new(StringViewBuilder::new());
            for found in found {
                let Some(Found::Many(items) | Found::One(Value::Array(items))) = found else {
                    lists.append_null();
                    continue;
                };
                for item in &items {
                    lists.values().append_value(item.to_string());
                }
                lists.append(true);
            }
            Arc::new(lists.finish())
        }
    })
}

/// What is at the end of a path.
enum Found {
    One(Value),
    /// The ends of the path in all items of a list on the way.
    Many(Vec<Value>),
}

fn at_path(value: Value, path: &[String]) -> Found {
    let Some((key, rest)) = path.split_first() else { return Found::One(value) };
    match value {
        Value::Object(mut fields) => match fields.remove(key) {
            Some(value) => at_path(value, rest),
            None => Found::One(Value::Null),
        },
        Value::Array(items) => Found::Many(
            items
                .into_iter()
                .flat_map(|item| match at_path(item, path) {
                    Found::One(Value::Null) => Vec::new(),
                    Found::One(value) => vec![value],
                    Found::Many(values) => values,
                })
                .collect(),
        ),
        _ => Found::One(Value::Null),
    }
}

/// The texts of each row: those of its list, or the one it is; none where it is null.
pub(super) fn texts_of(values: &ArrayRef) -> Result<Vec<Vec<String>>> {
    if let DataType::List(_) = values.data_type() {
        let lists = map_items(values, |items| Ok(Arc::clone(items)))?;
        return Ok(lists.into_iter().map(|items| items.into_iter().flatten().flatten().collect()).collect());
    }
    let texts = cast(values, &TEXT)?;
    Ok(texts.as_string_view().iter().map(|text| text.map(str::to_owned).into_iter().collect()).collect())
}

/// The distinct items of each row: of whichever list there is, else the scalar; null where there is
/// none, for taking a list of nothing apart leaves no row. `args` are the scalar and the lists; `of_items` makes texts of the items of each list.
pub(super) fn distinct_items(args: &[ArrayRef], of_items: &[OverItems]) -> Result<ArrayRef> {
    let scalars = cast(&args[0], &TEXT)?;
    let scalars = scalars.as_string_view();
    let lists = args[1..]
        .iter()
        .zip(of_items)
        .map(|(list, of_items)| map_items(list, |items| of_items(items)))
        .collect::<Result<Vec<_>>>()?;
    let mut found = ListBuilder::new(StringViewBuilder::new());
    for row in 0..scalars.len() {
        let mut seen: Vec<&str> = Vec::new();
        if let Some(items) = lists.iter().find_map(|list| list[row].as_ref()) {
            for item in items.iter().filter_map(Option::as_deref) {
                if !seen.contains(&item) {
                    seen.push(item);
                    found.values().append_value(item);
                }
            }
        } else if scalars.is_valid(row) {
            seen.push(scalars.value(row));
            found.values().append_value(scalars.value(row));
        }
        found.append(!seen.is_empty());
    }
    Ok(Arc::new(found.finish()))
}

/// Lists whose items each go through `of_items`, which gives one text an item.
pub(super) fn map_items(
    lists: &ArrayRef,
    of_items: impl Fn(&ArrayRef) -> Result<ArrayRef>,
) -> Result<Vec<Option<Vec<Option<String>>>>> {
    let lists: &ListArray = lists.as_list();
    let texts = cast(&of_items(lists.values())?, &TEXT)?;
    let texts = texts.as_string_view();
    let offsets = lists.value_offsets();
    Ok((0..lists.len())
        .map(|row| {
            let items = offsets[row] as usize..offsets[row + 1] as usize;
            let text = |item: usize| texts.is_valid(item).then(|| texts.value(item).to_owned());
            lists.is_valid(row).then(|| items.map(text).collect())
        })
        .collect())
}

/// The numbers of each row: of whichever list there is, else the scalar. `args` are the scalar and
/// the lists; `of_items` makes numbers of the items of each list.
pub(super) fn numbers_of(args: &[ArrayRef], of_items: &[OverItems]) -> Result<ArrayRef> {
    let scalars = cast(&args[0], &DataType::Float64)?;
    let scalars = scalars.as_primitive::<Float64Type>();
    let lists: Vec<(&ListArray, ArrayRef)> = args[1..]
        .iter()
        .zip(of_items)
        .map(|(list, of_items)| {
            let list: &ListArray = list.as_list();
            Ok((list, cast(&of_items(list.values())?, &DataType::Float64)?))
        })
        .collect::<Result<_>>()?;
    let mut found = ListBuilder::new(Float64Builder::new());
    for row in 0..scalars.len() {
        match lists.iter().find(|(list, _)| list.is_valid(row)) {
            Some((list, numbers)) => {
                let offsets = list.value_offsets();
                let items = offsets[row] as usize..offsets[row + 1] as usize;
                let numbers = numbers.as_primitive::<Float64Type>();
                items
                    .filter(|item| numbers.is_valid(*item))
                    .for_each(|item| found.values().append_value(numbers.value(item)));
            }
            None if scalars.is_valid(row) => found.values().append_value(scalars.value(row)),
            None => {}
        }
        found.append(true);
    }
    Ok(Arc::new(found.finish()))
}
