//! Events of users, user by user and in order, with something of each.

use std::ops::Range;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::Expr;
use hashbrown::HashMap;
use tallymark_event::columns::{SEQUENCE, TIME, USER_ID};

use super::super::asked::{Asked, arrow_error, column};
use super::super::convert::TEXT;
use crate::{Error, Result};

/// Some events of all users with something of each: user by user, in order (G-1).
#[derive(Debug)]
pub(in super::super) struct History {
    users: HashMap<String, Range<usize>>,
    times: Vec<i64>,
    sequences: Vec<i64>,
    pub(super) columns: Vec<ArrayRef>,
    _memory: MemoryReservation,
}

impl History {
    /// From rows with user, time, number in the order of arrival, and further columns, in order.
    pub(super) fn try_new(batch: &RecordBatch, memory: MemoryReservation) -> Result<Self> {
        let text = cast(batch.column(0), &TEXT).map_err(arrow_error)?;
        let ids = text.as_string_view();
        let mut users: HashMap<String, Range<usize>> = HashMap::new();
        let mut from = 0;
        for row in 1..=ids.len() {
            if row == ids.len() || ids.value(row) != ids.value(from) {
                users.insert(ids.value(from).to_owned(), from..row);
                from = row;
            }
        }
        let times = batch.column(1).as_primitive::<TimestampMillisecondType>().values().to_vec();
        let sequences = batch.column(2).as_primitive::<Int64Type>().values().to_vec();
        let columns = batch.columns()[3..].to_vec();
        let bytes = batch.get_array_memory_size() + times.len() * 16 + users.len() * 96;
        memory.try_grow(bytes).map_err(|source| Error::Run { source })?;
        Ok(Self { users, times, sequences, columns, _memory: memory })
    }

    pub(super) fn of(&self, user: Option<&str>) -> Range<usize> {
        user.and_then(|user| self.users.get(user)).cloned().unwrap_or_default()
    }

    /// The events of a user before an event, and not more than `within_ms` before.
    pub(super) fn before(&self, at: Place<'_>, within_ms: i64) -> Range<usize> {
        let of_user = self.of(at.user);
        let end = self.position(&of_user, at);
        let since = at.time.saturating_sub(within_ms);
        let start = of_user.start + self.times[of_user.clone()].partition_point(|time| *time < since);
        start.min(end)..end
    }

    /// The events of a user after an event, not more than `within_ms` after, and before an instant.
    pub(super) fn after(&self, at: Place<'_>, within_ms: i64, before: i64) -> Range<usize> {
        let of_user = self.of(at.user);
        let mut start = self.position(&of_user, at);
        if of_user.contains(&start) && self.is_at(start, at) {
            start += 1;
        }
        let to = at.time.saturating_add(within_ms).saturating_add(1).min(before);
        let end = of_user.start + self.times[of_user.clone()].partition_point(|time| *time < to);
        start..end.max(start)
    }

    /// How many events of a user come before an event, counted from the first of all.
    pub(super) fn position(&self, of_user: &Range<usize>, at: Place<'_>) -> usize {
        let place = |row: usize| (self.times[row], self.sequences[row]);
        let (mut low, mut high) = (of_user.start, of_user.end);
        while low < high {
            let middle = low.midpoint(high);
            if place(middle) < (at.time, at.sequence) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The events of a user from a time up to another, which is not included.
    pub(super) fn between(&self, user: Option<&str>, from: i64, to: i64) -> Range<usize> {
        let of_user = self.of(user);
        let times = &self.times[of_user.clone()];
        let start = of_user.start + times.partition_point(|time| *time < from);
        let end = of_user.start + times.partition_point(|time| *time < to);
        start..end.max(start)
    }

    /// The times of a user's events after one time and before another.
    pub(in super::super) fn times_of(
        &self,
        user: &str,
        after: i64,
        before: i64,
    ) -> impl Iterator<Item = i64> {
        self.between(Some(user), after.saturating_add(1), before).map(|row| self.times[row])
    }

    /// Whether an event is the one in a row.
    pub(super) fn is_at(&self, row: usize, at: Place<'_>) -> bool {
        (self.times[row], self.sequences[row]) == (at.time, at.sequence)
    }

    pub(super) fn time(&self, row: usize) -> i64 {
        self.times[row]
    }
}

/// Where an event is among all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) time: i64,
    pub(super) sequence: i64,
}

impl Asked {
    /// What a function over places is called with.
    pub(super) fn place_columns(&self) -> Vec<Expr> {
        vec![column(USER_ID), column(TIME), self.order().alias(SEQUENCE)]
    }
}

/// Each of the places in arguments made by [`Asked::place_columns`].
pub(super) fn for_each_place(
    args: &[ArrayRef],
    mut see: impl FnMut(Place<'_>) -> datafusion::common::Result<()>,
) -> datafusion::common::Result<()> {
    let users = cast(&args[0], &TEXT)?;
    let times = cast(&args[1], &DataType::Int64)?;
    let sequences = cast(&args[2], &DataType::Int64)?;
    let (times, sequences) = (times.as_primitive::<Int64Type>(), sequences.as_primitive::<Int64Type>());
    for (row, user) in users.as_string_view().iter().enumerate() {
        see(Place { user, time: times.value(row), sequence: sequences.value(row) })?;
    }
    Ok(())
}
