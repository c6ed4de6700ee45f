//! One row → one line of JSON.

use std::io::Write as _;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMillisecondType};
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use serde::Serialize;
use tallymark_event::columns::{DEVICE_ID, DISTINCT_ID, EVENT, INSERT_ID, TIME, USER_ID};
use tallymark_event::{DateShape, LaneId, LaneKind, PropertyValue};
use tallymark_storage::Snapshot;

/// A property that is taken for the `$insert_id` of an event that says none.
const OTHER_INSERT_ID: &str = "insert_id";
/// The id as sent, where `distinct_id` is the canonical one (I-11).
const BEFORE_IDENTITY: &str = "$distinct_id_before_identity";
/// Numbers below this are read as seconds (D-6).
const MILLIS_FROM: u64 = 100_000_000_000;

/// Writes rows that have the system columns and certain lanes.
pub(super) struct LineWriter {
    /// Column, property name as JSON text, kind.
    lanes: Vec<(String, Vec<u8>, LaneKind)>,
    canonical: bool,
}

impl LineWriter {
    pub(super) fn new(snapshot: &Snapshot, lanes: &[LaneId], canonical: bool) -> Self {
        let catalog = &snapshot.catalog;
        let lanes = lanes.iter().filter_map(|id| {
            let lane = catalog.lane(*id);
            let name = &catalog.properties()[lane.property.0 as usize].name;
            let ours = canonical && name == BEFORE_IDENTITY;
            let key = serde_json::to_vec(name).ok()?;
            (!ours).then(|| (lane.column.clone(), key, lane.kind))
        });
        Self { lanes: lanes.collect(), canonical }
    }

    /// All rows of a batch, a line each.
    pub(super) fn write(&self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let column = |name: &str| {
            let column = batch.column_by_name(name);
            column.ok_or_else(|| internal_datafusion_err!("an exported row has no column {name}"))
        };
        let system = SystemColumns {
            event: column(EVENT)?,
            time: column(TIME)?,
            distinct_id: column(DISTINCT_ID)?,
            user_id: column(USER_ID)?,
            insert_id: column(INSERT_ID)?,
            device_id: column(DEVICE_ID)?,
        };
        let lanes = self
            .lanes
            .iter()
            .map(|(name, key, kind)| Ok((key.as_slice(), *kind, column(name)?)))
            .collect::<Result<Vec<_>>>()?;
        let other_key =
            serde_json::to_vec(OTHER_INSERT_ID).map_err(|error| DataFusionError::External(error.into()))?;
        let other_insert_ids: Vec<&ArrayRef> =
            lanes.iter().filter(|(key, ..)| *key == other_key).map(|(.., array)| *array).collect();
        let mut out = Vec::new();
        for row in 0..batch.num_rows() {
            system.write(row, self.canonical, &mut out)?;
            if system.insert_id.is_null(row) && other_insert_ids.iter().any(|array| array.is_valid(row)) {
                out.extend_from_slice(b",\"$insert_id\":null");
            }
            for (key, kind, array) in &lanes {
                if array.is_valid(row) {
                    out.push(b',');
                    out.extend_from_slice(key);
                    out.push(b':');
                    write_value(*kind, array, row, &mut out)?;
                }
            }
            out.extend_from_slice(b"}}\n");
        }
        Ok(out)
    }
}

struct SystemColumns<'a> {
    event: &'a ArrayRef,
    time: &'a ArrayRef,
    distinct_id: &'a ArrayRef,
    user_id: &'a ArrayRef,
    insert_id: &'a ArrayRef,
    device_id: &'a ArrayRef,
}

impl SystemColumns<'_> {
    fn write(&self, row: usize, canonical: bool, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(b"{\"event\":");
        json(self.event.as_string_view().value(row), out)?;
        out.extend_from_slice(b",\"properties\":{\"time\":");
        write_time(self.time.as_primitive::<TimestampMillisecondType>().value(row), out)?;
        let sent = self.distinct_id.as_string_view().value(row);
        let user = if self.user_id.is_valid(row) { self.user_id.as_string_view().value(row) } else { "" };
        out.extend_from_slice(b",\"distinct_id\":");
        json(if canonical { user } else { sent }, out)?;
        if canonical && sent != user {
            write!(out, ",\"{BEFORE_IDENTITY}\":")?;
            json(sent, out)?;
        }
        for (key, array) in [("$insert_id", self.insert_id), ("$device_id", self.device_id)] {
            if array.is_valid(row) {
                write!(out, ",\"{key}\":")?;
                json(array.as_string_view().value(row), out)?;
            }
        }
        Ok(())
    }
}

/// Milliseconds, or seconds where a reader would take the number for seconds (D-6).
fn write_time(ms: i64, out: &mut Vec<u8>) -> Result<()> {
    if ms.unsigned_abs() >= MILLIS_FROM {
        write!(out, "{ms}")?;
    } else if ms % 1000 == 0 {
        write!(out, "{}", ms / 1000)?;
    } else {
        let sign = if ms < 0 { "-" } else { "" };
        write!(out, "{sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)?;
    }
    Ok(())
}

/// The value of a row that has one, as it was sent.
pub(crate) fn write_value(kind: LaneKind, array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<()> {
    match kind {
        LaneKind::Bool => json(&array.as_boolean().value(row), out),
        LaneKind::Int64 => json(&array.as_primitive::<Int64Type>().value(row), out),
        LaneKind::Float64 => json(&PropertyValue::Float(array.as_primitive::<Float64Type>().value(row)), out),
        LaneKind::String => json(array.as_string_view().value(row), out),
        LaneKind::Date(DateShape::Date) => {
            json(&DateShape::Date.spell(array.as_primitive::<Date32Type>().value(row).into()), out)
        }
        LaneKind::Date(shape) => {
            json(&shape.spell(array.as_primitive::<TimestampMillisecondType>().value(row)), out)
        }
        LaneKind::ListBool => write_list(LaneKind::Bool, array, row, out),
        LaneKind::ListInt64 => write_list(LaneKind::Int64, array, row, out),
        LaneKind::ListFloat64 => write_list(LaneKind::Float64, array, row, out),
        LaneKind::ListString => write_list(LaneKind::String, array, row, out),
        LaneKind::Json => {
            out.extend_from_slice(array.as_string_view().value(row).as_bytes());
            Ok(())
        }
        LaneKind::Null => {
            out.extend_from_slice(b"null");
            Ok(())
        }
    }
}

fn write_list(item: LaneKind, array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<()> {
    let items = array.as_list::<i32>().value(row);
    out.push(b'[');
    for at in 0..items.len() {
        if at > 0 {
            out.push(b',');
        }
        if items.is_valid(at) {
            write_value(item, &items, at, out)?;
        } else {
            out.extend_from_slice(b"null");
        }
    }
    out.push(b']');
    Ok(())
}

fn json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(out, value).map_err(|error| DataFusionError::External(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d6_a_time_is_written_so_that_it_reads_back() {
        let check = |ms: i64, expected: &str| {
            let mut out = Vec::new();
            write_time(ms, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text, expected);
            let read: f64 = text.parse().unwrap();
            assert_eq!(tallymark_event::Timestamp::from_unix_number(read).unwrap().millis(), ms);
        };
        check(1_700_000_000_123, "1700000000123");
        check(100_000_000_000, "100000000000");
        check(99_999_999_999, "99999999.999");
        check(5_000, "5");
        check(0, "0");
        check(-5, "-0.005");
        check(-100_000_000_000, "-100000000000");
    }
}
