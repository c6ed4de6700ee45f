//! Rows of the memtable.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::TimestampMillisecondType;
use arrow::error::ArrowError;
use tallymark_event::columns::{SYSTEM_COLUMN_COUNT, TIME, USER_ID};
use tallymark_event::{Day, Timestamp};
use tallymark_storage::MemBatch;
use tallymark_users::Identities;

use super::{SourceColumn, SourceTimes, SourceUsers, changed, column_error, times_of_day};
use crate::column::{Column, Part};
use crate::{ColumnId, Result};

/// The rows of one day of a batch of the memtable.
#[derive(Debug)]
pub(crate) struct RowSource {
    day: Day,
    batch: MemBatch,
    /// Which rows; `None` where all are of the day.
    rows: Option<UInt32Array>,
}

/// The rows of a batch by day.
pub(crate) fn by_day(batch: &MemBatch) -> BTreeMap<Day, Arc<RowSource>> {
    let source = |day, rows| Arc::new(RowSource { day, batch: batch.clone(), rows });
    let Some(times) = batch.batch.column(1).as_primitive_opt::<TimestampMillisecondType>() else {
        return BTreeMap::new();
    };
    let mut days: BTreeMap<Day, Vec<u32>> = BTreeMap::new();
    for (time, row) in times.values().iter().zip(0..) {
        days.entry(Timestamp::from_millis(*time).day()).or_default().push(row);
    }
    if days.len() == 1 {
        return days.into_keys().map(|day| (day, source(day, None))).collect();
    }
    days.into_iter().map(|(day, rows)| (day, source(day, Some(rows.into())))).collect()
}

impl RowSource {
    pub(super) fn identity_version(&self) -> u64 {
        self.batch.identity_version
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.as_ref().map_or(self.batch.batch.num_rows(), Array::len)
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.rows.as_ref().map_or(0, Array::get_array_memory_size)
    }

    pub(super) fn users(&self, identities: Option<&Identities>) -> Result<SourceUsers> {
        let users = self.system(ColumnId::USER_ID).map_err(column_error(USER_ID, self.day))?;
        let (ids, starts) = runs(users.as_string_view()).map_err(column_error(USER_ID, self.day))?;
        let nobody = starts[0] as usize;
        let changed = changed(&ids, identities);
        Ok(SourceUsers { nobody, ids, changed, starts, loaded_bytes: 0 })
    }

    pub(super) fn times(&self) -> Result<SourceTimes> {
        let times = self.system(ColumnId::TIME).map_err(column_error(TIME, self.day))?;
        let times = times_of_day(&times, self.day).map_err(column_error(TIME, self.day))?;
        Ok(SourceTimes { times, loaded_bytes: 0 })
    }

    pub(super) fn column(&self, column: &Column) -> Result<SourceColumn> {
        let position = match column.id {
            ColumnId::System(position) => Some(position),
            ColumnId::Lane(lane) => {
                let lane = self.batch.lanes.iter().position(|known| *known == lane);
                lane.map(|lane| SYSTEM_COLUMN_COUNT + lane)
            }
        };
        let part = match position {
            Some(position) => {
                Part::Values(self.taken(position).map_err(column_error(&column.name, self.day))?)
            }
            None => Part::Nulls(self.len()),
        };
        Ok(SourceColumn { parts: vec![part], loaded_bytes: 0 })
    }

    fn system(&self, id: ColumnId) -> Result<ArrayRef, ArrowError> {
        match id {
            ColumnId::System(position) => self.taken(position),
            ColumnId::Lane(_) => Err(ArrowError::SchemaError("not a system column".to_owned())),
        }
    }

    fn taken(&self, position: usize) -> Result<ArrayRef, ArrowError> {
        let array = self.batch.batch.column(position);
        match &self.rows {
            Some(rows) => take(array, rows, None),
            None => Ok(Arc::clone(array)),
        }
    }
}

/// The user of each run of equal neighbours, nulls at the start left out, and where the runs start
/// and the last one ends.
pub(super) fn runs(users: &StringViewArray) -> Result<(StringViewArray, Vec<u32>), ArrowError> {
    let nobody = users.iter().take_while(Option::is_none).count();
    let mut starts: Vec<u32> = Vec::new();
    for row in nobody..users.len() {
        if row == nobody || !same(users, row - 1, row) {
            starts.push(row as u32);
        }
    }
    let ids = take(users, &UInt32Array::from(starts.clone()), None)?;
    starts.push(users.len() as u32);
    Ok((ids.as_string_view().clone(), starts))
}

/// Whether two rows, neither null, have the same text.
fn same(users: &StringViewArray, one: usize, other: usize) -> bool {
    let views = users.views();
    // Equal views are equal texts; of different ones only long texts need a look.
    views[one] == views[other]
        || (views[one] as u64 == views[other] as u64 && users.value(one) == users.value(other))
}
