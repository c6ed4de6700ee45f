//! `defined` (K-6): whether there is a value.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, BooleanArray};
use arrow::compute::is_not_null;
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::definition::{Arguments, Definition, Takes};

pub(super) const DEFINED: Definition = Definition {
    name: "defined",
    usage: "a value",
    takes: &[Takes::Any],
    required: 1,
    returns: |_| DataType::Boolean,
    nullable: false,
    check: None,
    evaluate,
};

fn evaluate(arguments: &Arguments) -> Result<ArrayRef> {
    let values = arguments.array(0)?;
    if *values.data_type() == DataType::Null {
        return Ok(Arc::new(BooleanArray::from(vec![false; values.len()])));
    }
    Ok(Arc::new(is_not_null(&values)?))
}
