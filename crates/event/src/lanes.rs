//! Property values → Arrow columns: what ingestion does for events, for values held in memory.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, BooleanBuilder, Date32Array, Float64Array, Float64Builder, Int64Array,
    Int64Builder, ListBuilder, StringViewArray, StringViewBuilder, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, FieldRef};

use crate::{DateShape, LaneKind, Properties, PropertyCatalog, PropertyValue, ValueKinds};

/// The catalog of what profiles hold, properties in the order they are met.
pub fn catalog_of<'a>(rows: impl IntoIterator<Item = &'a Properties>) -> PropertyCatalog {
    let mut kinds: Vec<(&str, ValueKinds)> = Vec::new();
    let mut position = std::collections::HashMap::new();
    for row in rows {
        for (name, value) in &row.0 {
            let at = *position.entry(name.as_str()).or_insert_with(|| {
                kinds.push((name, ValueKinds::default()));
                kinds.len() - 1
            });
            kinds[at].1.observe(value);
        }
    }
    let mut catalog = PropertyCatalog::default();
    for (name, kinds) in &kinds {
        catalog.open_lanes(name, kinds);
    }
    catalog
}

/// The values of one lane as an array of [`LaneKind::data_type`]. A value the lane cannot hold is
/// null; [`PropertyCatalog::route`] sends it elsewhere.
pub fn lane_array<'a>(
    kind: LaneKind,
    values: impl Iterator<Item = Option<&'a PropertyValue<'static>>>,
) -> ArrayRef {
    match kind {
        LaneKind::Bool => Arc::new(values.map(|value| value.and_then(as_bool)).collect::<BooleanArray>()),
        LaneKind::Int64 => Arc::new(values.map(|value| value.and_then(as_int)).collect::<Int64Array>()),
        LaneKind::Float64 => {
            Arc::new(values.map(|value| value.and_then(PropertyValue::as_f64)).collect::<Float64Array>())
        }
        LaneKind::String => {
            Arc::new(values.map(|value| value.and_then(PropertyValue::as_str)).collect::<StringViewArray>())
        }
        LaneKind::Date(shape) => date_array(shape, values),
        LaneKind::ListBool => list_array(kind, BooleanBuilder::new(), values, |items, item| {
            items.append_option(as_bool(item));
        }),
        LaneKind::ListInt64 => list_array(kind, Int64Builder::new(), values, |items, item| {
            items.append_option(as_int(item));
        }),
        LaneKind::ListFloat64 => list_array(kind, Float64Builder::new(), values, |items, item| {
            items.append_option(item.as_f64());
        }),
        LaneKind::ListString => list_array(kind, StringViewBuilder::new(), values, |items, item| {
            items.append_option(item.as_str());
        }),
        LaneKind::Json => {
            Arc::new(values.map(|value| value.map(ToString::to_string)).collect::<StringViewArray>())
        }
        LaneKind::Null => Arc::new(
            values
                .map(|value| value.map(|value| matches!(value, PropertyValue::Null)))
                .collect::<BooleanArray>(),
        ),
    }
}

fn as_bool(value: &PropertyValue<'_>) -> Option<bool> {
    match value {
        PropertyValue::Bool(value) => Some(*value),
        _ => None,
    }
}

fn as_int(value: &PropertyValue<'_>) -> Option<i64> {
    match value {
        PropertyValue::Int(value) => Some(*value),
        _ => None,
    }
}

fn date_array<'a>(
    shape: DateShape,
    values: impl Iterator<Item = Option<&'a PropertyValue<'static>>>,
) -> ArrayRef {
    let dates = values.map(|value| {
        let (found, date) = DateShape::recognise(value?.as_str()?)?;
        (found == shape).then_some(date)
    });
    match shape {
        DateShape::Date => Arc::new(dates.map(|date| date.map(|days| days as i32)).collect::<Date32Array>()),
        DateShape::Seconds | DateShape::SecondsZ | DateShape::Millis | DateShape::MillisZ => {
            Arc::new(dates.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
        }
    }
}

fn list_array<'a, B: arrow::array::ArrayBuilder>(
    kind: LaneKind,
    items: B,
    values: impl Iterator<Item = Option<&'a PropertyValue<'static>>>,
    append: impl Fn(&mut B, &PropertyValue<'static>),
) -> ArrayRef {
    let mut lists = ListBuilder::new(items);
    if let Some(field) = element_field(kind) {
        lists = lists.with_field(field);
    }
    for value in values {
        match value {
            Some(PropertyValue::List(list)) => {
                for item in list {
                    append(lists.values(), item);
                }
                lists.append(true);
            }
            _ => lists.append(false),
        }
    }
    Arc::new(lists.finish())
}

fn element_field(kind: LaneKind) -> Option<FieldRef> {
    match kind.data_type() {
        DataType::List(field) => Some(field),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Property;
    use arrow::array::RecordBatch;
    use arrow::datatypes::Schema;
    use arrow::util::pretty::pretty_format_batches;

    #[test]
    fn d20_each_value_lands_in_the_lane_of_its_type() {
        let rows: Vec<Properties> = [
            r#"{"seats": 1, "plan": "pro", "since": "2024-01-01", "tags": ["a", null], "age": null}"#,
            r#"{"seats": 2.5, "plan": true, "since": "2024-02-01", "tags": [], "address": {"city": "Rome"}}"#,
            r#"{"plan": 3}"#,
        ]
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
        let catalog = catalog_of(&rows);
        let columns: Vec<ArrayRef> = catalog
            .lanes()
            .iter()
            .zip(0..)
            .map(|(lane, id)| {
                let Property { name, .. } = &catalog.properties()[lane.property.0 as usize];
                let values = rows.iter().map(|row| {
                    let (_, value) = row.0.iter().find(|(known, _)| known == name)?;
                    (catalog.route(lane.property, value)?.0 == id).then_some(value)
                });
                lane_array(lane.kind, values)
            })
            .collect();
        let fields: Vec<_> = catalog.lanes().iter().map(crate::Lane::field).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        insta::assert_snapshot!(pretty_format_batches(&[batch]).unwrap(), @r#"
        +-------+------+--------------+-------------+------------+-------+----------+-----------------+
        | seats | plan | plan@boolean | plan@number | since      | tags  | age@null | address         |
        +-------+------+--------------+-------------+------------+-------+----------+-----------------+
        | 1.0   | pro  |              |             | 2024-01-01 | [a, ] | true     |                 |
        | 2.5   |      | true         |             | 2024-02-01 | []    |          | {"city":"Rome"} |
        |       |      |              | 3           |            |       |          |                 |
        +-------+------+--------------+-------------+------------+-------+----------+-----------------+
        "#);
    }
}
