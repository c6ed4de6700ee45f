//! The records of many groups, kept flat, and an aggregate over them.
//!
//! In come rows in any order; kept are one number, one time and one mask a row that matters; on the
//! way out they are brought together by group with a counting sort, and only groups whose rows came
//! out of order are sorted by time. Input ordered by group costs no more than a copy, and what was
//! emitted is dropped, so an input in user order needs memory for the users under way only.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, ListArray, UInt64Array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::common::cast::{as_int64_array, as_list_array, as_uint64_array};

use super::arguments::TimeKind;
use super::grouped::Grouped;
use super::masks::{Masks, words_for};
use super::record::{Conditions, Record, sort};

/// Room for this many records is kept for the next batch rather than given back.
const SPARE_RECORDS: usize = 16_384;

/// What a function makes of the records of each user.
pub(super) trait PerUser: Debug + Clone + Send + Sync + 'static {
    /// Whether events that meet no condition matter.
    fn needs_unmatched(&self) -> bool;

    /// One result a user.
    fn results<C: Conditions>(&mut self, users: &Users<C>) -> Result<ArrayRef>;

    /// Bytes held.
    fn size(&self) -> usize;
}

/// The records of users, user by user, each in [`Record::time_order`].
#[derive(Debug)]
pub(super) struct Users<C> {
    records: Vec<Record<C>>,
    /// Where each user starts, and the end of the last.
    offsets: Vec<usize>,
}

impl<C: Conditions> Users<C> {
    /// The records of each user.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[Record<C>]> {
        self.offsets.windows(2).map(|ends| &self.records[ends[0]..ends[1]])
    }
}

/// The fields of a state: times and masks, a list each per group.
pub(super) fn state_fields(name: &str) -> Vec<FieldRef> {
    let list = |part: &str, item: DataType| {
        let list = DataType::List(Arc::new(Field::new_list_field(item, false)));
        Arc::new(Field::new(format!("{name}[{part}]"), list, false))
    };
    vec![list("times", DataType::Int64), list("conditions", DataType::UInt64)]
}

/// An aggregate over the records of each group.
#[derive(Debug)]
pub(super) struct RecordGroups<F> {
    function: F,
    /// Which arguments are the time and, from there on, the conditions.
    time_index: usize,
    time_kind: TimeKind,
    /// Words of a mask.
    words: usize,
    group_count: usize,
    groups: Vec<u32>,
    times: Vec<i64>,
    masks: Vec<u64>,
    batch: Masks,
}

impl<F: PerUser> RecordGroups<F> {
    /// For arguments of which number `time_index` is the time and all after it, `conditions` of
    /// them, are the conditions.
    pub(super) fn new(function: F, time_index: usize, time_kind: TimeKind, conditions: usize) -> Self {
        Self {
            function,
            time_index,
            time_kind,
            words: words_for(conditions),
            group_count: 0,
            groups: Vec::new(),
            times: Vec::new(),
            masks: Vec::new(),
            batch: Masks::default(),
        }
    }

    /// The records of the first `count` groups, by group and time; `record` makes the one kept at a
    /// place.
    fn users<C: Conditions>(&self, count: usize, record: impl Fn(usize) -> Record<C>) -> Users<C> {
        let mut offsets = vec![0; count + 1];
        for group in &self.groups {
            if let Some(end) = offsets.get_mut(*group as usize + 1) {
                *end += 1;
            }
        }
        for group in 0..count {
            offsets[group + 1] += offsets[group];
        }
        let mut records = Vec::new();
        if self.groups.is_sorted() {
            records.extend((0..offsets[count]).map(record));
        } else if offsets[count] > 0 {
            // Every place is written below; the first record stands in until then.
            records.resize(offsets[count], record(0));
            let mut next = offsets.clone();
            for (index, group) in self.groups.iter().enumerate() {
                if (*group as usize) < count {
                    let place = &mut next[*group as usize];
                    records[*place] = record(index);
                    *place += 1;
                }
            }
        }
        for ends in offsets.windows(2) {
            sort(&mut records[ends[0]..ends[1]]);
        }
        Users { records, offsets }
    }

    fn narrow(&self, count: usize) -> Users<u64> {
        self.users(count, |index| Record { time: self.times[index], conditions: self.masks[index] })
    }

    fn wide(&self, count: usize) -> Users<&[u64]> {
        let words = self.words;
        self.users(count, |index| Record {
            time: self.times[index],
            conditions: &self.masks[index * words..(index + 1) * words],
        })
    }
}

impl<F: PerUser> Grouped for RecordGroups<F> {
    fn update(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        self.group_count = group_count;
        let times = self.time_kind.ticks(&values[self.time_index])?;
        self.batch.fill(&values[self.time_index + 1..], times.len())?;
        let unmatched = self.function.needs_unmatched();
        let all_matter = self.words == 1
            && filter.is_none()
            && times.null_count() == 0
            && (unmatched || self.batch.all().iter().all(|mask| *mask != 0));
        if all_matter {
            self.groups.extend(groups.iter().map(|group| *group as u32));
            self.times.extend_from_slice(times.values());
            self.masks.extend_from_slice(self.batch.all());
            return Ok(());
        }
        for (row, group) in groups.iter().enumerate() {
            let mask = self.batch.row(row);
            if !unmatched && mask.iter().all(|word| *word == 0)
                || times.is_null(row)
                || filter.is_some_and(|filter| filter.is_null(row) || !filter.value(row))
            {
                continue;
            }
            self.groups.push(*group as u32);
            self.times.push(times.value(row));
            self.masks.extend_from_slice(mask);
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[usize], group_count: usize) -> Result<()> {
        self.group_count = group_count;
        let (times, masks) = (as_list_array(&states[0])?, as_list_array(&states[1])?);
        for (row, group) in groups.iter().enumerate() {
            if times.is_null(row) {
                continue;
            }
            let (times, masks) = (times.value(row), masks.value(row));
            self.times.extend_from_slice(as_int64_array(&times)?.values());
            self.masks.extend_from_slice(as_uint64_array(&masks)?.values());
            self.groups.resize(self.times.len(), *group as u32);
        }
        Ok(())
    }

    fn results(&mut self, count: usize) -> Result<ArrayRef> {
        // The function keeps scratch of its own, the records are only read.
        let mut function = self.function.clone();
        let results = if self.words == 1 {
            function.results(&self.narrow(count))
        } else {
            function.results(&self.wide(count))
        };
        self.function = function;
        results
    }

    fn states(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        if self.words == 1 {
            states_of(&self.narrow(count), 1, |mask, masks| masks.push(mask))
        } else {
            states_of(&self.wide(count), self.words, |mask, masks| masks.extend_from_slice(mask))
        }
    }

    fn forget(&mut self, count: usize) {
        self.group_count = self.group_count.saturating_sub(count);
        if self.group_count == 0 {
            *self = self.empty();
            return;
        }
        let mut kept = 0;
        for index in 0..self.groups.len() {
            let group = self.groups[index] as usize;
            if group < count {
                continue;
            }
            self.groups[kept] = (group - count) as u32;
            self.times[kept] = self.times[index];
            self.masks.copy_within(index * self.words..(index + 1) * self.words, kept * self.words);
            kept += 1;
        }
        self.groups.truncate(kept);
        self.times.truncate(kept);
        self.masks.truncate(kept * self.words);
        if self.groups.capacity() > SPARE_RECORDS.max(4 * kept) {
            self.groups.shrink_to(2 * kept);
            self.times.shrink_to(2 * kept);
            self.masks.shrink_to(2 * kept * self.words);
        }
    }

    fn group_count(&self) -> usize {
        self.group_count
    }

    fn empty(&self) -> Self {
        Self {
            function: self.function.clone(),
            time_index: self.time_index,
            time_kind: self.time_kind.clone(),
            words: self.words,
            group_count: 0,
            groups: Vec::new(),
            times: Vec::new(),
            masks: Vec::new(),
            batch: Masks::default(),
        }
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<u32>()
            + self.times.capacity() * size_of::<i64>()
            + self.masks.capacity() * size_of::<u64>()
            + self.batch.size()
            + self.function.size()
    }
}

fn states_of<C: Conditions>(
    users: &Users<C>,
    words: usize,
    push: impl Fn(C, &mut Vec<u64>),
) -> Result<Vec<ArrayRef>> {
    let times = users.records.iter().map(|record| record.time).collect::<Vec<_>>();
    let mut masks = Vec::with_capacity(users.records.len() * words);
    for record in &users.records {
        push(record.conditions, &mut masks);
    }
    Ok(vec![
        list_of(Arc::new(Int64Array::from(times)), users.offsets.iter().copied())?,
        list_of(Arc::new(UInt64Array::from(masks)), users.offsets.iter().map(|offset| offset * words))?,
    ])
}

/// Lists without nulls: list `i` is `values` from offset `i` to offset `i + 1`.
pub(super) fn list_of(values: ArrayRef, offsets: impl Iterator<Item = usize>) -> Result<ArrayRef> {
    let offsets: ScalarBuffer<i32> = offsets
        .map(|offset| {
            i32::try_from(offset).map_err(|_| {
                datafusion::common::exec_datafusion_err!("more than 2^31 events in one batch of groups")
            })
        })
        .collect::<Result<Vec<_>>>()?
        .into();
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), false));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::new(offsets), values, None)?))
}
