//! Rows in memory during a merge: batches, and references into them.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringViewArray, TimestampMillisecondArray,
};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMillisecondType};
use tallymark_event::columns::{DEVICE_ID, DISTINCT_ID, EVENT, INSERT_ID, SEQUENCE, TIME, USER_ID};
use tallymark_event::{LaneKind, PropertyCatalog, PropertyValue, Timestamp};
use tallymark_users::Identities;

use super::MergeRow;
use crate::error::{Damage, Error, Result};

/// The property that names the user at the sender (I-1).
const USER_ID_PROPERTY: &str = "$user_id";

/// A row: which chunk, which row of it, and the sequence it is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowRef {
    pub(super) chunk: u32,
    pub(super) row: u32,
    pub(super) sequence: i64,
}

/// A batch of one run, its users as of now, with the columns that order and identity need at hand.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) batch: RecordBatch,
    pub(super) users: StringViewArray,
    pub(super) times: TimestampMillisecondArray,
    pub(super) sequences: Int64Array,
    events: StringViewArray,
    distinct_ids: StringViewArray,
    device_ids: StringViewArray,
    insert_ids: StringViewArray,
    sent_user_ids: Vec<(LaneKind, ArrayRef)>,
}

impl Chunk {
    /// Takes a batch apart; `path` is what to name where it is not as it should be.
    pub(super) fn try_new(
        batch: RecordBatch,
        users: StringViewArray,
        catalog: &PropertyCatalog,
        path: &str,
    ) -> Result<Self> {
        let text = |name| text_column(&batch, name, path);
        let damaged = |column| Error::Damaged { path: path.to_owned(), source: Damage::Column { column } };
        let times = batch
            .column_by_name(TIME)
            .and_then(|column| column.as_primitive_opt::<TimestampMillisecondType>());
        let sequences =
            batch.column_by_name(SEQUENCE).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let lanes = catalog.property(USER_ID_PROPERTY).map_or(&[][..], |property| &property.lanes);
        let sent_user_ids = lanes
            .iter()
            .map(|lane| catalog.lane(*lane))
            .filter_map(|lane| Some((lane.kind, Arc::clone(batch.column_by_name(&lane.column)?))))
            .collect();
        Ok(Self {
            users,
            times: times.ok_or_else(|| damaged(TIME))?.clone(),
            sequences: sequences.ok_or_else(|| damaged(SEQUENCE))?.clone(),
            events: text(EVENT)?,
            distinct_ids: text(DISTINCT_ID)?,
            device_ids: text(DEVICE_ID)?,
            insert_ids: text(INSERT_ID)?,
            sent_user_ids,
            batch,
        })
    }

    pub(super) fn user(&self, row: usize) -> Option<&str> {
        optional(&self.users, row)
    }

    pub(super) fn time(&self, row: usize) -> i64 {
        self.times.value(row)
    }

    pub(super) fn event(&self, row: usize) -> &str {
        self.events.value(row)
    }

    pub(super) fn distinct_id(&self, row: usize) -> &str {
        self.distinct_ids.value(row)
    }

    pub(super) fn device_id(&self, row: usize) -> Option<&str> {
        optional(&self.device_ids, row)
    }

    pub(super) fn insert_id(&self, row: usize) -> Option<&str> {
        optional(&self.insert_ids, row)
    }

    /// `$user_id` as it was sent, whichever lane holds it.
    pub(super) fn sent_user_id(&self, row: usize) -> Option<Cow<'_, str>> {
        self.sent_user_ids.iter().find_map(|(kind, lane)| {
            if lane.is_null(row) {
                return None;
            }
            match kind {
                LaneKind::String => Some(Cow::Borrowed(lane.as_string_view_opt()?.value(row))),
                LaneKind::Date(shape) => {
                    let days = lane.as_primitive_opt::<Date32Type>().map(|days| days.value(row).into());
                    let value = days
                        .or_else(|| Some(lane.as_primitive_opt::<TimestampMillisecondType>()?.value(row)));
                    shape.spell(value?).map(Cow::Owned)
                }
                LaneKind::Int64 => Some(lane.as_primitive_opt::<Int64Type>()?.value(row).to_string().into()),
                LaneKind::Float64 => {
                    let number = lane.as_primitive_opt::<Float64Type>()?.value(row);
                    Some(PropertyValue::from(number).to_string().into())
                }
                _ => None,
            }
        })
    }

    /// Shows a row to the filter.
    pub(super) fn keeps(&self, row: RowRef, keep: &(dyn Fn(&MergeRow<'_>) -> bool + Send + Sync)) -> bool {
        let at = row.row as usize;
        let sent_user_id = self.sent_user_id(at);
        keep(&MergeRow {
            event: self.event(at),
            time: Timestamp::from_millis(self.time(at)),
            distinct_id: self.distinct_id(at),
            device_id: self.device_id(at),
            sent_user_id: sent_user_id.as_deref(),
            user_id: self.user(at),
            insert_id: self.insert_id(at),
            sequence: row.sequence,
        })
    }
}

fn optional(column: &StringViewArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

/// A text column of a batch.
pub(super) fn text_column(batch: &RecordBatch, column: &'static str, path: &str) -> Result<StringViewArray> {
    batch
        .column_by_name(column)
        .and_then(|found| found.as_string_view_opt())
        .cloned()
        .ok_or_else(|| Error::Damaged { path: path.to_owned(), source: Damage::Column { column } })
}

/// The users of a batch as of now, and which rows have another one than is stored; `None` if none.
pub(super) fn resolve(
    batch: &RecordBatch,
    identities: &Identities,
    path: &str,
) -> Result<(StringViewArray, Option<Vec<bool>>)> {
    let stored = text_column(batch, USER_ID, path)?;
    // Rows of one user stand together, so that each user is looked up about once.
    let mut last: Option<(&str, &str)> = None;
    let mut moved = vec![false; stored.len()];
    let mut users = Vec::with_capacity(stored.len());
    for (row, user) in stored.iter().enumerate() {
        let Some(user) = user else {
            users.push(None);
            continue;
        };
        let present = match last {
            Some((known, present)) if known == user => present,
            _ => identities.canonical(user),
        };
        last = Some((user, present));
        moved[row] = present != user;
        users.push(Some(present));
    }
    if moved.contains(&true) { Ok((users.into_iter().collect(), Some(moved))) } else { Ok((stored, None)) }
}
