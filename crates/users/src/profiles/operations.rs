//! What each operation does to the properties of a profile (U-1 … U-10).
//!
//! A property that an operation does not fit (a list operation on a scalar, a sum of something that
//! is no number) stays as it is; the others are changed (U-9).

use std::collections::{HashMap, HashSet};

use tallymark_event::{Properties, PropertyValue};

use crate::ProfileOp;

type Value = PropertyValue<'static>;

/// Names are found by an index rather than by scanning where that would look at more names.
const SCANNED_NAMES_MAX: usize = 16_384;

/// The operations in the order they apply in, whatever order they were sent in (U-10).
pub(super) fn in_order(ops: &[ProfileOp]) -> Vec<&ProfileOp> {
    let mut ops: Vec<_> = ops.iter().collect();
    ops.sort_by_key(|op| match op {
        ProfileOp::Delete => 0,
        ProfileOp::Unset(_) => 1,
        ProfileOp::Set(_) => 2,
        ProfileOp::SetOnce(_) => 3,
        ProfileOp::Add(_) => 4,
        ProfileOp::Append(_) => 5,
        ProfileOp::Union(_) => 6,
        ProfileOp::Remove(_) => 7,
    });
    ops
}

/// Whether the operation makes a profile where there is none: all that give properties do, even
/// when every single one of them is skipped.
pub(super) fn creates(op: &ProfileOp) -> bool {
    match op {
        ProfileOp::Delete | ProfileOp::Unset(_) | ProfileOp::Remove(_) => false,
        ProfileOp::Set(_)
        | ProfileOp::SetOnce(_)
        | ProfileOp::Add(_)
        | ProfileOp::Append(_)
        | ProfileOp::Union(_) => true,
    }
}

/// Applies one operation to a profile that is there; `$delete` empties it.
pub(super) fn apply(properties: &mut Properties, op: &ProfileOp) {
    match op {
        ProfileOp::Delete => properties.0.clear(),
        ProfileOp::Unset(names) => {
            let names: HashSet<&String> = names.iter().collect();
            properties.0.retain(|(name, _)| !names.contains(name));
        }
        ProfileOp::Set(given) => {
            change_each(properties, given, |value| Some(value.clone()), Value::clone_from);
        }
        ProfileOp::SetOnce(given) => fill(properties, given),
        ProfileOp::Add(given) => {
            let number = |value: &Value| value.as_f64().map(|_| value.clone());
            change_each(properties, given, number, add);
        }
        ProfileOp::Append(given) => {
            change_each(
                properties,
                given,
                |value| Some(Value::List(vec![value.clone()])),
                |list, value| {
                    if let Value::List(items) = list {
                        items.push(value.clone());
                    }
                },
            );
        }
        ProfileOp::Union(given) => {
            let distinct = |value: &Value| {
                let mut list = Value::List(Vec::new());
                union(&mut list, value);
                // What is no list makes no list either (U-9).
                matches!(value, Value::List(_)).then_some(list)
            };
            change_each(properties, given, distinct, union);
        }
        ProfileOp::Remove(given) => change_each(
            properties,
            given,
            |_| None,
            |list, value| {
                if let Value::List(items) = list {
                    items.retain(|item| item != value);
                }
            },
        ),
    }
}

/// Sets the properties that are missing; one that holds null is not (U-2, U-19).
pub(super) fn fill(properties: &mut Properties, given: &Properties) {
    change_each(properties, given, |value| Some(value.clone()), |_, _| {});
}

/// For each given property: changes the one of that name, or makes it (or not) if it is missing.
fn change_each(
    properties: &mut Properties,
    given: &Properties,
    make: impl Fn(&Value) -> Option<Value>,
    change: impl Fn(&mut Value, &Value),
) {
    let (Properties(properties), Properties(given)) = (properties, given);
    // Profiles are small as a rule, and a scan for each name is fastest.
    let mut index: Option<HashMap<String, usize>> = (given.len() * properties.len().max(given.len())
        > SCANNED_NAMES_MAX)
        .then(|| properties.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect());
    for (name, value) in given {
        let at = match &index {
            Some(index) => index.get(name).copied(),
            None => properties.iter().position(|(known, _)| known == name),
        };
        if let Some(at) = at {
            change(&mut properties[at].1, value);
        } else if let Some(value) = make(value) {
            if let Some(index) = &mut index {
                index.insert(name.clone(), properties.len());
            }
            properties.push((name.clone(), value));
        }
    }
}

/// Integers stay integers while the sum fits; a sum that is no finite number is not stored (U-3).
fn add(sum: &mut Value, value: &Value) {
    let exact = match (&*sum, value) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(*b),
        _ => None,
    };
    if let Some(exact) = exact {
        *sum = Value::Int(exact);
    } else if let (Some(a), Some(b)) = (sum.as_f64(), value.as_f64())
        && (a + b).is_finite()
    {
        *sum = Value::Float(a + b);
    }
}

/// Adds each item that is not in the list yet, in order (U-5).
fn union(list: &mut Value, given: &Value) {
    if let (Value::List(items), Value::List(given)) = (list, given) {
        for item in given {
            if !items.contains(item) {
                items.push(item.clone());
            }
        }
    }
}
