//! `sum_items` (K-17): the sum of the numbers in a list.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Float64Array};
use arrow::compute::{cast, sum};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use serde_json::Value;

use super::definition::{Arguments, Definition, Takes};

pub(super) const SUM_ITEMS: Definition = Definition {
    name: "sum_items",
    usage: "a list, or the JSON text of one",
    takes: &[Takes::TextOrList],
    required: 1,
    returns: |_| DataType::Float64,
    nullable: true,
    check: None,
    evaluate,
};

fn evaluate(arguments: &Arguments) -> Result<ArrayRef> {
    let values = arguments.array(0)?;
    let sums: Float64Array = match values.data_type() {
        DataType::List(item) if item.data_type().is_numeric() => values
            .as_list::<i32>()
            .iter()
            .map(|items| items.map(|items| sum_of_numbers(&items)).transpose())
            .collect::<Result<_>>()?,
        DataType::List(_) => (0..values.len()).map(|row| values.is_valid(row).then_some(0.0)).collect(),
        _ => values.as_string_view().iter().map(|text| sum_of_json(text?)).collect(),
    };
    Ok(Arc::new(sums))
}

fn sum_of_numbers(items: &ArrayRef) -> Result<f64> {
    let items = cast(items, &DataType::Float64)?;
    Ok(sum(items.as_primitive::<Float64Type>()).unwrap_or(0.0))
}

/// Lists of different things are kept as JSON.
fn sum_of_json(text: &str) -> Option<f64> {
    let Value::Array(items) = serde_json::from_str(text).ok()? else { return None };
    // Starting at 0 keeps the empty sum from being -0.
    Some(items.iter().filter_map(Value::as_f64).fold(0.0, |sum, number| sum + number))
}
