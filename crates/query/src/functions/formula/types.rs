//! `number`, `boolean`, `string` (K-5): a value as another type (D-27).

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Float64Array, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMillisecondType, UInt64Type};
use datafusion::common::Result;
use serde_json::Value;
use tallymark_event::DateShape;
use tallymark_event::columns::timestamp_type;

use super::definition::{Arguments, Definition, Takes, each_text};

pub(super) const NUMBER: Definition = Definition {
    name: "number",
    usage: "a value",
    takes: &[Takes::Any],
    required: 1,
    returns: |_| DataType::Float64,
    nullable: true,
    check: None,
    evaluate: |arguments| numbers(&arguments.array(0)?),
};

pub(super) const BOOLEAN: Definition = Definition {
    name: "boolean",
    returns: |_| DataType::Boolean,
    nullable: false,
    evaluate: |arguments| booleans(&arguments.array(0)?),
    ..NUMBER
};

pub(super) const STRING: Definition =
    Definition { name: "string", returns: |_| DataType::Utf8View, evaluate: strings, ..NUMBER };

/// Texts that are decimal numbers; Unix seconds of dates; 1 and 0.
fn numbers(values: &ArrayRef) -> Result<ArrayRef> {
    use DataType::{Boolean, Date32, Date64, LargeUtf8, Timestamp, Utf8, Utf8View};
    let parse = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    Ok(match values.data_type() {
        Boolean => cast(values, &DataType::Float64)?,
        number if number.is_numeric() => cast(values, &DataType::Float64)?,
        Utf8 | LargeUtf8 | Utf8View => {
            let texts = cast(values, &Utf8View)?;
            let texts = texts.as_string_view().iter();
            Arc::new(texts.map(|text| text.and_then(parse)).collect::<Float64Array>())
        }
        Date32 | Date64 | Timestamp(..) => {
            let times = cast(values, &timestamp_type())?;
            let times = times.as_primitive::<TimestampMillisecondType>().iter();
            let seconds = |millis: i64| millis as f64 / 1000.0;
            Arc::new(times.map(|time| time.map(seconds)).collect::<Float64Array>())
        }
        _ => new_null_array(&DataType::Float64, values.len()),
    })
}

/// False for what is not set, `''`, `'false'` and 0.
fn booleans(values: &ArrayRef) -> Result<ArrayRef> {
    use DataType::{Boolean, LargeUtf8, Null, Utf8, Utf8View};
    let booleans: BooleanArray = match values.data_type() {
        Null => vec![false; values.len()].into(),
        Boolean => values.as_boolean().iter().map(|value| Some(value == Some(true))).collect(),
        number if number.is_numeric() => {
            let numbers = cast(values, &DataType::Float64)?;
            let is_true = |number: Option<f64>| Some(number.is_some_and(|number| number != 0.0));
            numbers.as_primitive::<Float64Type>().iter().map(is_true).collect()
        }
        Utf8 | LargeUtf8 | Utf8View => {
            let texts = cast(values, &Utf8View)?;
            let is_true = |text: Option<&str>| Some(text.is_some_and(|text| !matches!(text, "" | "false")));
            texts.as_string_view().iter().map(is_true).collect()
        }
        _ => (0..values.len()).map(|row| Some(values.is_valid(row))).collect(),
    };
    Ok(Arc::new(booleans))
}

/// Numbers as decimals, dates in ISO 8601, lists and objects as JSON.
fn strings(arguments: &Arguments) -> Result<ArrayRef> {
    use DataType::{LargeUtf8, Utf8, Utf8View};
    let values = arguments.array(0)?;
    if matches!(values.data_type(), Utf8 | LargeUtf8 | Utf8View) {
        return Ok(cast(&values, &Utf8View)?);
    }
    if values.data_type().is_floating() {
        let numbers = cast(&values, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        return Ok(each_text(values.len(), |row| numbers.is_valid(row).then(|| decimal(numbers.value(row)))));
    }
    let mut texts = Vec::with_capacity(values.len());
    for value in json(&values)? {
        texts.push(match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        });
    }
    Ok(each_text(values.len(), |row| texts[row].take()))
}

/// Each value as JSON.
fn json(values: &ArrayRef) -> Result<Vec<Value>> {
    use DataType::{Boolean, Date32, Date64, FixedSizeList, LargeList, List, Null, Struct, Timestamp};
    let mut found: Vec<Value> = match values.data_type() {
        Null => vec![Value::Null; values.len()],
        Boolean => values.as_boolean().iter().map(Value::from).collect(),
        signed if signed.is_signed_integer() => {
            let numbers = cast(values, &DataType::Int64)?;
            numbers.as_primitive::<Int64Type>().iter().map(Value::from).collect()
        }
        unsigned if unsigned.is_unsigned_integer() => {
            let numbers = cast(values, &DataType::UInt64)?;
            numbers.as_primitive::<UInt64Type>().iter().map(Value::from).collect()
        }
        number if number.is_numeric() => {
            let numbers = cast(values, &DataType::Float64)?;
            let of_text = |number: f64| serde_json::from_str(&decimal(number)).unwrap_or(Value::Null);
            let numbers = numbers.as_primitive::<Float64Type>().iter();
            numbers.map(|number| number.map_or(Value::Null, of_text)).collect()
        }
        Date32 | Date64 => {
            let days = cast(values, &Date32)?;
            let days = days.as_primitive::<Date32Type>().iter();
            days.map(|day| DateShape::Date.spell(i64::from(day?))).map(Value::from).collect()
        }
        Timestamp(..) => {
            let times = cast(values, &timestamp_type())?;
            let times = times.as_primitive::<TimestampMillisecondType>().iter();
            times.map(|time| DateShape::MillisZ.spell(time?)).map(Value::from).collect()
        }
        List(item) | LargeList(item) | FixedSizeList(item, _) => {
            let lists = cast(values, &List(Arc::clone(item)))?;
            let lists = lists.as_list::<i32>();
            let items = json(lists.values())?;
            let bounds = lists.value_offsets().windows(2);
            bounds.map(|bounds| items[bounds[0] as usize..bounds[1] as usize].to_vec().into()).collect()
        }
        Struct(fields) => {
            let mut objects = vec![serde_json::Map::new(); values.len()];
            for (field, column) in fields.iter().zip(values.as_struct().columns()) {
                for (object, value) in objects.iter_mut().zip(json(column)?) {
                    object.insert(field.name().clone(), value);
                }
            }
            objects.into_iter().map(Value::Object).collect()
        }
        _ => {
            let texts = cast(values, &DataType::Utf8View)?;
            texts.as_string_view().iter().map(Value::from).collect()
        }
    };
    for (row, value) in found.iter_mut().enumerate() {
        if values.is_null(row) {
            *value = Value::Null;
        }
    }
    Ok(found)
}

/// A number as decimal text would have it: 5, not 5.0.
fn decimal(number: f64) -> String {
    if number.is_finite() { format!("{number}") } else { String::new() }
}
