//! Making a failing question small: JSON with one thing less.

use serde_json::Value;

/// The value with one item or field less, or with one of its parts in the place of the whole of it,
/// anywhere inside; the greatest steps first.
pub(crate) fn smaller(value: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match value {
        Value::Array(items) => {
            let half = items.len() / 2;
            if half > 1 {
                found.extend([&items[half..], &items[..half]].map(|half| Value::Array(half.to_vec())));
            }
            for at in 0..items.len() {
                let mut rest = items.clone();
                rest.remove(at);
                found.push(Value::Array(rest));
            }
            found.extend(items.iter().filter(|item| is_nested(item)).cloned());
            for (at, item) in items.iter().enumerate() {
                for smaller in smaller(item) {
                    let mut items = items.clone();
                    items[at] = smaller;
                    found.push(Value::Array(items));
                }
            }
        }
        Value::Object(fields) => {
            for name in fields.keys() {
                let mut rest = fields.clone();
                rest.shift_remove(name);
                found.push(Value::Object(rest));
            }
            found.extend(fields.values().filter(|part| is_nested(part)).cloned());
            for (name, part) in fields {
                for smaller in smaller(part) {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), smaller);
                    found.push(Value::Object(fields));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

fn is_nested(value: &Value) -> bool {
    value.is_array() || value.is_object()
}
