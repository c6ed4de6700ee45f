//! What a manifest says of a file, gathered from its columns as they pass.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use arrow::error::ArrowError;
use hashbrown::HashMap;
use tallymark_event::columns::SYSTEM_COLUMN_COUNT;
use tallymark_event::{Day, LaneId, Timestamp};

use crate::manifest::{DataFile, EventCount, LaneCount};

/// Longest text that lies in its view.
const INLINE_BYTES: u32 = 12;

/// Positions of the system columns, in the order of `tallymark_event::columns::system_fields`.
const EVENT: usize = 0;
const TIME: usize = 1;
const USER: usize = 3;
const INSERT_ID: usize = 5;
const SEQUENCE: usize = 7;

/// The statistics of the rows so far.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    rows: u64,
    short_events: HashMap<u128, u64>,
    long_events: HashMap<String, u64>,
    times: Option<(i64, i64)>,
    sequences: Option<(i64, i64)>,
    min_user: Option<String>,
    max_user: Option<String>,
    nobody_rows: u64,
    distinct_users: u64,
    keyed_rows: u64,
    lane_rows: Vec<u64>,
    /// Time and user of this row group, until its sequence has passed.
    order: (Option<ArrayRef>, Option<StringViewArray>),
    /// (user, time, sequence) of the last row so far.
    last: Option<(Option<String>, i64, i64)>,
}

impl Stats {
    pub(crate) fn new(lane_count: usize) -> Self {
        Self { lane_rows: vec![0; lane_count], ..Self::default() }
    }

    /// Notes column `index` of the next row group; columns come in order.
    ///
    /// # Errors
    /// Where rows are out of order, or of another day.
    pub(crate) fn observe(&mut self, index: usize, column: &ArrayRef, day: Day) -> Result<(), ArrowError> {
        match index {
            EVENT => {
                self.rows += column.len() as u64;
                self.observe_events(&text(column)?);
            }
            TIME => {
                self.times = widen(self.times, column.as_primitive::<TimestampMillisecondType>().values());
                let (min, max) = self.times.map_or((0, 0), |(min, max)| (min, max));
                if Timestamp::from_millis(min).day() != day || Timestamp::from_millis(max).day() != day {
                    return Err(wrong(format!(
                        "times from {} to {} in a file of {day}",
                        Timestamp::from_millis(min),
                        Timestamp::from_millis(max)
                    )));
                }
                self.order.0 = Some(ArrayRef::clone(column));
            }
            USER => self.order.1 = Some(text(column)?),
            INSERT_ID => self.keyed_rows += (column.len() - column.logical_null_count()) as u64,
            SEQUENCE => {
                let sequences = column.as_primitive::<Int64Type>().values();
                self.sequences = widen(self.sequences, sequences);
                if let (Some(times), Some(users)) = (self.order.0.take(), self.order.1.take()) {
                    let times = times.as_primitive::<TimestampMillisecondType>().values();
                    self.observe_order(&users, times, sequences)?;
                }
            }
            _ if index >= SYSTEM_COLUMN_COUNT => {
                let rows = &mut self.lane_rows[index - SYSTEM_COLUMN_COUNT];
                *rows += (column.len() - column.logical_null_count()) as u64;
            }
            _ => {}
        }
        Ok(())
    }

    fn observe_events(&mut self, names: &StringViewArray) {
        for (row, view) in names.views().iter().enumerate() {
            if *view as u32 <= INLINE_BYTES {
                *self.short_events.entry(*view).or_default() += 1;
            } else {
                *self.long_events.entry_ref(names.value(row)).or_default() += 1;
            }
        }
    }

    /// Counts users by comparing neighbours, and checks that rows are sorted.
    fn observe_order(
        &mut self,
        users: &StringViewArray,
        times: &[i64],
        sequences: &[i64],
    ) -> Result<(), ArrowError> {
        if users.is_empty() {
            return Ok(());
        }
        let last = self.last.take();
        let mut previous = last.as_ref().map(|(user, time, sequence)| (user.as_deref(), *time, *sequence));
        for (row, user) in users.iter().enumerate() {
            let current = (user, times[row], sequences[row]);
            let same_user = previous.is_some_and(|(previous_user, ..)| previous_user == user);
            if !same_user && user.is_some() {
                self.distinct_users += 1;
            }
            if let Some(previous) = previous
                && ((same_user && (previous.1, previous.2) > (current.1, current.2))
                    || (!same_user && previous.0 > user))
            {
                return Err(wrong("rows are not sorted by (user_id, time, sequence)".to_owned()));
            }
            previous = Some(current);
        }
        self.nobody_rows += users.null_count() as u64;
        if self.min_user.is_none() {
            self.min_user = users.iter().flatten().next().map(ToOwned::to_owned);
        }
        self.last = previous.map(|(user, time, sequence)| (user.map(ToOwned::to_owned), time, sequence));
        self.max_user = self.last.as_ref().and_then(|(user, ..)| user.clone());
        Ok(())
    }

    /// The manifest's entry.
    pub(crate) fn finish(
        self,
        path: String,
        day: Day,
        bytes: u64,
        lanes: &[LaneId],
        identity_version: u64,
    ) -> DataFile {
        let short = self.short_events.into_iter().map(|(view, rows)| (inline_text(view), rows));
        let events: BTreeMap<String, u64> = short.chain(self.long_events).collect();
        let mut lane_counts: Vec<LaneCount> = lanes
            .iter()
            .zip(self.lane_rows)
            .filter(|(_, rows)| *rows > 0)
            .map(|(lane, rows)| LaneCount { lane: *lane, rows })
            .collect();
        lane_counts.sort_unstable_by_key(|count| count.lane);
        let (min_time, max_time) = self.times.unwrap_or((day.start().millis(), day.start().millis()));
        let (min_sequence, max_sequence) = self.sequences.unwrap_or_default();
        DataFile {
            path,
            day,
            rows: self.rows,
            bytes,
            min_time: Timestamp::from_millis(min_time),
            max_time: Timestamp::from_millis(max_time),
            min_user: self.min_user,
            max_user: self.max_user,
            nobody_rows: self.nobody_rows,
            distinct_users: self.distinct_users,
            keyed_rows: self.keyed_rows,
            events: events.into_iter().map(|(name, rows)| EventCount { name, rows }).collect(),
            lanes: lane_counts,
            min_sequence,
            max_sequence,
            identity_version,
        }
    }
}

/// A text column as views, whichever way it is held.
fn text(column: &ArrayRef) -> Result<StringViewArray, ArrowError> {
    match column.as_string_view_opt() {
        Some(views) => Ok(views.clone()),
        None => Ok(cast(column, &DataType::Utf8View)?.as_string_view().clone()),
    }
}

fn inline_text(view: u128) -> String {
    let bytes = view.to_le_bytes();
    let length = (view as u32).min(INLINE_BYTES) as usize;
    String::from_utf8_lossy(&bytes[4..4 + length]).into_owned()
}

fn widen(range: Option<(i64, i64)>, values: &[i64]) -> Option<(i64, i64)> {
    let (min, max) = (values.iter().min(), values.iter().max());
    match (range, min.zip(max)) {
        (Some((low, high)), Some((min, max))) => Some((low.min(*min), high.max(*max))),
        (None, Some((min, max))) => Some((*min, *max)),
        (range, None) => range,
    }
}

fn wrong(message: String) -> ArrowError {
    ArrowError::InvalidArgumentError(message)
}
