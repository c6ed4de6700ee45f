//! The columns every event has: their names, Arrow types and order, at rest and in SQL.
//!
//! Rows are sorted by (`user_id`, `time`, `sequence`), nobody's events (null) first. Times are
//! milliseconds UTC. Property columns follow the system columns; [`crate::PropertyCatalog`] names
//! them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};

/// The event's name. Utf8View, never null.
pub const EVENT: &str = "event";
/// When it happened. Timestamp(ms, UTC), never null.
pub const TIME: &str = "time";
/// The id as sent, empty for nobody. Utf8View, never null.
pub const DISTINCT_ID: &str = "distinct_id";
/// The canonical user: in a file as of its writing, in SQL as of now; null for nobody's event
/// (G-12). Utf8View.
pub const USER_ID: &str = "user_id";
/// `$device_id` as sent. Utf8View, nullable.
pub const DEVICE_ID: &str = "device_id";
/// `$insert_id` as sent; null where none was (D-11). Utf8View.
pub const INSERT_ID: &str = "insert_id";
/// When the event reached us. Timestamp(ms, UTC), never null.
pub const RECEIVED_AT: &str = "received_at";
/// The ingestion sequence that breaks ties of time (G-1). Int64, never null, unique in a dataset
/// but for repeats replaced under D-9.
pub const SEQUENCE: &str = "sequence";
/// The UTC day of `time`: the name of the partition directories, a Date32 column in SQL.
pub const DAY: &str = "day";

/// How many system columns there are; property columns start at this position.
pub const SYSTEM_COLUMN_COUNT: usize = 8;

/// The Arrow type of instants.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// The system columns, in order.
pub fn system_fields() -> [FieldRef; SYSTEM_COLUMN_COUNT] {
    let field = |name: &str, data_type: DataType, nullable| Arc::new(Field::new(name, data_type, nullable));
    [
        field(EVENT, DataType::Utf8View, false),
        field(TIME, timestamp_type(), false),
        field(DISTINCT_ID, DataType::Utf8View, false),
        field(USER_ID, DataType::Utf8View, true),
        field(DEVICE_ID, DataType::Utf8View, true),
        field(INSERT_ID, DataType::Utf8View, true),
        field(RECEIVED_AT, timestamp_type(), false),
        field(SEQUENCE, DataType::Int64, false),
    ]
}

/// Whether a column of this name exists on every event, so that no property can have it.
pub fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        EVENT | TIME | DISTINCT_ID | USER_ID | DEVICE_ID | INSERT_ID | RECEIVED_AT | SEQUENCE | DAY
    )
}
