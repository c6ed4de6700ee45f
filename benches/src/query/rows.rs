//! Record batches → rows of JSON values.

use anyhow::Result;
use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use serde_json::Value;

/// Numbers as floats (all of them are below 2⁵³), everything else as text.
pub(crate) fn rows_of(batches: &[RecordBatch]) -> Result<Vec<Vec<Value>>> {
    let mut rows = Vec::new();
    for batch in batches {
        let first = rows.len();
        rows.resize(first + batch.num_rows(), Vec::with_capacity(batch.num_columns()));
        for column in batch.columns() {
            if column.data_type().is_numeric() {
                let numbers = cast(column, &DataType::Float64)?;
                let numbers = numbers.as_primitive::<Float64Type>().iter();
                rows[first..].iter_mut().zip(numbers).for_each(|(row, number)| row.push(Value::from(number)));
            } else {
                let texts = cast(column, &DataType::Utf8)?;
                let texts = texts.as_string::<i32>().iter();
                rows[first..].iter_mut().zip(texts).for_each(|(row, text)| row.push(Value::from(text)));
            }
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Int64Array, StringViewArray};
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_all_types_become_numbers_or_text() {
        let columns: [(&str, ArrayRef); 3] = [
            ("n", Arc::new(Int64Array::from(vec![Some(1), None]))),
            ("day", Arc::new(Date32Array::from(vec![19_723, 19_724]))),
            ("name", Arc::new(StringViewArray::from(vec![None, Some("a")]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let rows = rows_of(&[batch.clone(), batch.slice(1, 1)]).unwrap();
        assert_eq!(
            json!(rows),
            json!([[1.0, "2024-01-01", null], [null, "2024-01-02", "a"], [null, "2024-01-02", "a"]])
        );
    }
}
