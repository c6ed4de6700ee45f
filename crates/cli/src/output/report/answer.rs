//! The values of an answer by names of columns.

use arrow::array::{Array as _, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};

/// An answer. A column that is not there has no values.
pub(super) struct Answer<'a>(pub(super) &'a RecordBatch);

impl Answer<'_> {
    pub(super) fn text(&self, name: &str, row: usize) -> Option<String> {
        let texts = self.0.column_by_name(name)?.as_string::<i32>();
        texts.is_valid(row).then(|| texts.value(row).to_owned())
    }

    pub(super) fn count(&self, name: &str, row: usize) -> u64 {
        let numbers = self.0.column_by_name(name).map(AsArray::as_primitive::<Int64Type>);
        numbers.and_then(|numbers| u64::try_from(numbers.value(row)).ok()).unwrap_or(0)
    }

    pub(super) fn number(&self, name: &str, row: usize) -> Option<f64> {
        let numbers = self.0.column_by_name(name)?.as_primitive::<Float64Type>();
        numbers.is_valid(row).then(|| numbers.value(row))
    }

    pub(super) fn is_true(&self, name: &str, row: usize) -> bool {
        let flags = self.0.column_by_name(name).map(AsArray::as_boolean);
        flags.is_some_and(|flags| flags.is_valid(row) && flags.value(row))
    }
}
