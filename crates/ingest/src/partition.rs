//! Batches → one order: by day, user, time and sequence, repeats replaced (D-9).
//!
//! Only row numbers move here; the columns follow in [`crate::lanes`]. Users are numbered, ranked by
//! their canonical id once, and rows sorted by plain integers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use arrow::array::{Array as _, StringViewArray};
use arrow::buffer::Buffer;
use rayon::prelude::*;
use tallymark_event::{Day, Timestamp};
use tallymark_users::Identities;

use crate::batch::{BUFFERS, EventBatch, string_views};

/// Batches in order of ingestion, with their rows numbered through.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) batches: Vec<&'a EventBatch>,
    /// First row of each batch, and the number of rows at the end.
    pub(crate) starts: Vec<u32>,
    /// First sequence number of each batch.
    pub(crate) sequences: Vec<i64>,
}

impl<'a> Chunk<'a> {
    /// Numbers the rows of batches through; with each batch comes its first sequence number.
    pub(crate) fn new(numbered: impl IntoIterator<Item = (&'a EventBatch, i64)>) -> Self {
        let (batches, sequences): (Vec<_>, Vec<_>) = numbered.into_iter().unzip();
        let mut starts = vec![0u32];
        for batch in &batches {
            starts.push(starts[starts.len() - 1] + batch.events() as u32);
        }
        Self { batches, starts, sequences }
    }

    /// How many events there are.
    pub(crate) fn rows(&self) -> usize {
        self.starts[self.starts.len() - 1] as usize
    }

    /// The batch a row stands in, and its row there.
    pub(crate) fn locate(&self, row: u32) -> (usize, usize) {
        let batch = self.starts.partition_point(|&start| start <= row) - 1;
        (batch, (row - self.starts[batch]) as usize)
    }

    /// All buffers of all batches: batch `i`'s begin at `i * BUFFERS`.
    pub(crate) fn buffers(&self) -> Vec<Buffer> {
        self.batches.iter().flat_map(|batch| batch.buffers.iter().cloned()).collect()
    }

    pub(crate) fn sequence(&self, batch: usize, row: usize) -> i64 {
        self.sequences[batch] + i64::from(self.batches[batch].ordinals[row])
    }
}

/// The rows of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DayRows {
    pub(crate) day: Day,
    /// Their positions in the order.
    pub(crate) positions: Range<usize>,
}

/// The rows of a chunk in the order they are stored in.
#[derive(Debug)]
pub(crate) struct Partitioned {
    /// Per position the row whose content is stored there.
    pub(crate) rows: Vec<u32>,
    /// Per position its sequence: that of the first arrival of its key (D-9).
    pub(crate) sequences: Vec<i64>,
    /// Per position the rank of its user; 0 is nobody.
    pub(crate) users: Vec<u32>,
    /// The canonical ids by rank, nobody's null first.
    pub(crate) user_ids: StringViewArray,
    /// The days, ascending, covering all positions.
    pub(crate) days: Vec<DayRows>,
    /// How many rows were repeats of others of the chunk.
    pub(crate) duplicates: usize,
}

/// Sorts the rows of a chunk by (day, canonical user, time, sequence) and replaces repeats.
pub(crate) fn partition(chunk: &Chunk<'_>, identities: &Identities) -> Partitioned {
    let users = Users::number(chunk, identities);
    let days = days_of(chunk);
    let mut keys: Vec<SortKey> = Vec::with_capacity(chunk.rows());
    for (b, batch) in chunk.batches.iter().enumerate() {
        let ranks: Vec<u32> = users.codes[b].iter().map(|&code| users.ranks[code as usize]).collect();
        keys.extend(batch.times.iter().zip(&batch.assigned_codes).enumerate().map(
            |(row, (&time, &assigned))| {
                let day = Timestamp::from_millis(time).day();
                let day_index = days.partition_point(|&other| other < day);
                SortKey::new(
                    day_index,
                    ranks[assigned as usize],
                    time - day.start().millis(),
                    chunk.starts[b] + row as u32,
                )
            },
        ));
    }
    keys.par_sort_unstable();

    let mut out = Partitioned {
        rows: Vec::with_capacity(keys.len()),
        sequences: Vec::with_capacity(keys.len()),
        users: Vec::with_capacity(keys.len()),
        user_ids: users.ids,
        days: Vec::with_capacity(days.len()),
        duplicates: 0,
    };
    for same_day in keys.chunk_by(|a, b| a.day_index() == b.day_index()) {
        let start = out.rows.len();
        for tied in same_day.chunk_by(|a, b| a.instant() == b.instant()) {
            push_without_repeats(chunk, &users.codes, tied, &mut out);
        }
        out.days.push(DayRows { day: days[same_day[0].day_index()], positions: start..out.rows.len() });
    }
    out
}

/// Adds rows of one user and instant; of equal keys (D-9) the last row's content at the first one's place.
fn push_without_repeats(chunk: &Chunk<'_>, codes: &[Vec<u32>], tied: &[SortKey], out: &mut Partitioned) {
    if let [single] = tied {
        push(chunk, *single, out);
        return;
    }
    let mut place_of_key: HashMap<(&str, &str, u32), usize> = HashMap::new();
    let mut replaced: Vec<(usize, u32)> = Vec::new();
    for key in tied {
        let (batch_index, row) = chunk.locate(key.row());
        let batch = chunk.batches[batch_index];
        if batch.insert_ids.is_valid(row) {
            let assigned = codes[batch_index][batch.assigned_codes[row] as usize];
            match place_of_key.entry((batch.names.value(row), batch.insert_ids.value(row), assigned)) {
                Entry::Occupied(known) => {
                    replaced.push((*known.get(), key.row()));
                    continue;
                }
                Entry::Vacant(new) => {
                    new.insert(out.rows.len());
                }
            }
        }
        push(chunk, *key, out);
    }
    out.duplicates += replaced.len();
    for (place, row) in replaced {
        out.rows[place] = row;
    }
}

fn push(chunk: &Chunk<'_>, key: SortKey, out: &mut Partitioned) {
    let (batch, row) = chunk.locate(key.row());
    out.rows.push(key.row());
    out.sequences.push(chunk.sequence(batch, row));
    out.users.push(key.rank());
}

/// The days of a chunk, ascending.
fn days_of(chunk: &Chunk<'_>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for batch in &chunk.batches {
        let mut last = None;
        for &time in &batch.times {
            let day = Timestamp::from_millis(time).day();
            if last != Some(day) {
                last = Some(day);
                if days.last() != Some(&day) {
                    days.push(day);
                }
            }
        }
    }
    days.sort_unstable();
    days.dedup();
    days
}

/// The users of a chunk, numbered and ranked.
struct Users {
    /// Per batch: its assigned ids' numbers among all of the chunk.
    codes: Vec<Vec<u32>>,
    /// Per assigned id its canonical user's rank.
    ranks: Vec<u32>,
    /// Canonical ids by rank.
    ids: StringViewArray,
}

impl Users {
    fn number(chunk: &Chunk<'_>, identities: &Identities) -> Self {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut assigned: Vec<&str> = Vec::new();
        let codes = chunk
            .batches
            .iter()
            .map(|batch| {
                (0..batch.assigned.len())
                    .map(|i| {
                        let id = batch.assigned.value(i);
                        *numbers.entry(id).or_insert_with(|| {
                            assigned.push(id);
                            assigned.len() as u32 - 1
                        })
                    })
                    .collect()
            })
            .collect();

        let trivial = identities.is_trivial();
        let canonical: Vec<&str> =
            assigned.iter().map(|&id| if trivial { id } else { identities.canonical(id) }).collect();
        let mut ranked: Vec<u32> = (0..canonical.len() as u32).collect();
        ranked.par_sort_unstable_by_key(|&code| canonical[code as usize]);
        // Rank 0 is nobody, whether there is such an event or not.
        let mut by_rank: Vec<&str> = vec![""];
        let mut ranks = vec![0; ranked.len()];
        for code in ranked {
            let id = canonical[code as usize];
            if by_rank[by_rank.len() - 1] != id {
                by_rank.push(id);
            }
            ranks[code as usize] = by_rank.len() as u32 - 1;
        }
        let ids = by_rank.into_iter().map(|id| (!id.is_empty()).then_some(id)).collect();
        Self { codes, ranks, ids }
    }
}

/// (day, user, time of day, row) in one integer that sorts like them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SortKey(u128);

impl SortKey {
    fn new(day_index: usize, rank: u32, ms_of_day: i64, row: u32) -> Self {
        Self((day_index as u128) << 96 | u128::from(rank) << 64 | (ms_of_day as u128) << 32 | u128::from(row))
    }

    fn day_index(self) -> usize {
        (self.0 >> 96) as usize
    }

    fn rank(self) -> u32 {
        (self.0 >> 64) as u32
    }

    /// Everything but the row.
    fn instant(self) -> u128 {
        self.0 >> 32
    }

    fn row(self) -> u32 {
        self.0 as u32
    }
}

/// The `user_id` column of some positions.
pub(crate) fn user_column(partitioned: &Partitioned, positions: Range<usize>) -> StringViewArray {
    let ids = &partitioned.user_ids;
    let ranks = &partitioned.users[positions];
    let views = ranks.iter().map(|&rank| ids.views()[rank as usize]).collect();
    string_views(views, ids.data_buffers(), Some(ranks.iter().map(|&rank| rank != 0).collect()))
}

/// A view of a batch's own buffers, as one of the chunk's buffers.
pub(crate) fn rebase(view: u128, batch: usize) -> u128 {
    let is_inline = view as u32 <= 12;
    if is_inline { view } else { view + (((batch as u128) * u128::from(BUFFERS)) << 64) }
}
