//! Values as lists of JSON texts.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Float64Array, ListBuilder, StringViewArray,
    StringViewBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, lit};
use serde_json::Value;
use tallymark_event::columns::USER_ID;

use super::super::asked::column;
use super::super::convert::{TEXT, list_of_text};
use super::super::values::{Item, Values};
use crate::functions::made::call;

/// The values as lists of JSON texts: the items of a list, or the one value.
pub(super) fn json_items(values: &Values) -> Expr {
    let none = || lit(ScalarValue::Utf8View(None));
    let mut arguments = vec![
        values.as_sent().unwrap_or_else(none),
        values.number.clone().unwrap_or_else(|| lit(ScalarValue::Float64(None))),
        values.boolean.clone().unwrap_or_else(|| lit(ScalarValue::Boolean(None))),
        values.object.clone().unwrap_or_else(none),
        // The arguments are as long as the rows are many.
        column(USER_ID),
    ];
    let items: Vec<Item> = values.lists.iter().map(|(item, _)| *item).collect();
    arguments.extend(values.lists.iter().map(|(_, list)| list.clone()));
    call(format!("json_items({items:?})"), list_of_text(), arguments, move |args| {
        let sent: StringViewArray = cast(&args[0], &TEXT)?.as_string_view().clone();
        let number: Float64Array = cast(&args[1], &DataType::Float64)?.as_primitive().clone();
        let boolean: BooleanArray = cast(&args[2], &DataType::Boolean)?.as_boolean().clone();
        let object: StringViewArray = cast(&args[3], &TEXT)?.as_string_view().clone();
        let lists = args[5..].iter().zip(&items).map(|(list, item)| json_lists(list, *item));
        let lists = lists.collect::<Result<Vec<_>>>()?;
        let mut found = ListBuilder::new(StringViewBuilder::new());
        for row in 0..args[4].len() {
            let one = if sent.is_valid(row) {
                Some(Value::from(sent.value(row)).to_string())
            } else if number.is_valid(row) {
                Some(json_number(number.value(row)))
            } else if boolean.is_valid(row) {
                Some(boolean.value(row).to_string())
            } else {
                object.is_valid(row).then(|| object.value(row).to_owned())
            };
            found.values().extend(one.map(Some));
            for items in lists.iter().filter_map(|list| list[row].as_ref()) {
                for item in items {
                    found.values().append_value(item);
                }
            }
            found.append(true);
        }
        Ok(Arc::new(found.finish()))
    })
}

fn json_lists(list: &ArrayRef, of: Item) -> Result<Vec<Option<Vec<String>>>> {
    let lists = list.as_list::<i32>();
    let items = cast(lists.values(), &of.data_type())?;
    let json = |at: usize| match of {
        _ if items.is_null(at) => "null".to_owned(),
        Item::Number => json_number(items.as_primitive::<Float64Type>().value(at)),
        Item::Boolean => items.as_boolean().value(at).to_string(),
        Item::Text => Value::from(items.as_string_view().value(at)).to_string(),
        Item::Json => items.as_string_view().value(at).to_owned(),
    };
    let offsets = lists.value_offsets();
    let row = |row: usize| {
        lists.is_valid(row).then(|| (offsets[row] as usize..offsets[row + 1] as usize).map(json).collect())
    };
    Ok((0..lists.len()).map(row).collect())
}

fn json_number(number: f64) -> String {
    tallymark_event::PropertyValue::Float(number).to_string()
}
