//! One row of a table → [`Record`], whatever the format of the table.

use std::borrow::Cow;

use tallymark_event::PropertyValue;

use crate::parse::{Parts, RawTime, Slot, WireForm, event_record, fit};
use crate::{ColumnMapping, ParseOptions, Record, RecordError, TimeUnit};

/// Collects the cells of one row.
#[derive(Debug)]
pub(crate) struct TableRow<'a, 'o> {
    parts: Parts<'a>,
    options: &'o ParseOptions,
}

impl<'a, 'o> TableRow<'a, 'o> {
    /// An empty row of a table whose events may all have one name.
    pub(crate) fn new(mapping: &'a ColumnMapping, options: &'o ParseOptions) -> Self {
        let mut parts = Parts::new(Vec::new());
        parts.name = mapping.event_name.as_deref().map(PropertyValue::from);
        Self { parts, options }
    }

    /// The event's name; what is no text is named by its text.
    pub(crate) fn set_event(&mut self, value: PropertyValue<'a>) {
        self.parts.name = Some(match value {
            value @ (PropertyValue::String(_) | PropertyValue::Null) => value,
            other => PropertyValue::String(Cow::Owned(other.to_string())),
        });
    }

    pub(crate) fn set_time(&mut self, column: &'a str, value: RawTime<'a>) {
        self.parts.time = Some(Slot { value, field: column });
    }

    pub(crate) fn set_user(&mut self, column: &'a str, value: PropertyValue<'a>) {
        self.parts.distinct_id = Some(Slot { value, field: column });
    }

    pub(crate) fn set_insert_id(&mut self, column: &'a str, value: PropertyValue<'a>) {
        self.parts.insert_id = Some(Slot { value, field: column });
    }

    /// A cell of any other column; null is not sent.
    pub(crate) fn set_property(&mut self, column: &'a str, value: PropertyValue<'a>) {
        if matches!(value, PropertyValue::Null) {
            return;
        }
        let value = fit(value, &self.options.limits);
        self.parts.put_property(Cow::Borrowed(column), value, WireForm::Import);
    }

    /// Judges the row by the rules of the lenient form.
    pub(crate) fn finish(mut self) -> Result<Record<'a>, RecordError> {
        debug_assert_eq!(self.options.form, WireForm::Lenient, "tables have no wire form");
        self.parts.settle(WireForm::Import);
        event_record(&mut self.parts, self.options)
    }
}

/// A number of a time column.
pub(crate) fn time_of_number(value: PropertyValue<'_>, unit: Option<TimeUnit>) -> RawTime<'_> {
    let instant = match (&value, unit) {
        (PropertyValue::Int(number), Some(unit)) => unit.timestamp(*number),
        (PropertyValue::Float(number), Some(unit)) => unit.timestamp_of(*number),
        _ => None,
    };
    instant.map_or(RawTime::Value(value), RawTime::Instant)
}

/// What a table's reader gave for a row, as a line: `name ms user [properties]`.
#[cfg(test)]
pub(crate) fn row_text(
    row: Result<Record<'_>, crate::Rejection>,
    refusal: impl FnOnce(crate::Rejection) -> String,
) -> String {
    match row {
        Ok(Record::Event(event)) => {
            let properties: Vec<String> =
                event.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let (time, properties) = (event.time.millis(), properties.join(","));
            format!("{} {time} {:?} [{properties}]", event.name, event.distinct_id)
        }
        Ok(other) => format!("{other:?}"),
        Err(rejection) => refusal(rejection),
    }
}
