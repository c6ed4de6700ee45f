//! Lookup tables (U-40 … U-44).

use serde_json::Value;
use tallymark_report::Property;

use super::property::value;
use super::value::text_of;
use super::world::{Subject, View};

/// What a table says of the value of a property, or of each item of its list (U-44).
pub(super) fn looked_up(
    view: View<'_>,
    table: Option<&str>,
    of: &Property,
    column: &str,
    subject: Subject<'_>,
) -> Option<Value> {
    let is_it = |name: &str, properties: &[&str]| match table {
        Some(table) => table == name,
        // U-42.
        None => properties.iter().any(|property| *property == of.label()),
    };
    let table = view.world.lookups.iter().find(|table| is_it(table.name, table.properties)).unwrap();
    let cell = |key: &Value| table.rows.get(text_of(key)).and_then(|row| row.get(column)).cloned();
    match value(view, of, subject)? {
        Value::Array(keys) => {
            let mut found = Vec::new();
            for key in &keys {
                // U-43: what the table does not have is not set. A list in the table is taken apart.
                match cell(key).filter(|_| !key.is_null()) {
                    Some(Value::Array(items)) if items.is_empty() => found.push(Value::Null),
                    Some(Value::Array(items)) => found.extend(items),
                    Some(value) => found.push(value),
                    None => found.push(Value::Null),
                }
            }
            Some(Value::Array(found))
        }
        key => cell(&key),
    }
}
