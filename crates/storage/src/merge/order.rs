//! Runs → rows in the order of (user, time, sequence).

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use futures::StreamExt as _;

use super::rows::{Chunk, RowRef};
use super::run::Run;
use crate::error::Result;

/// How many chunks may be in memory beyond those being merged.
const CHUNKS_SPARE: usize = 256;

/// The chunks rows refer to, by number. One whose rows are all written is gone.
#[derive(Debug, Default)]
pub(super) struct Chunks(Vec<Option<Arc<Chunk>>>);

impl Chunks {
    /// The chunk of a row that is still to be written.
    pub(super) fn of(&self, row: RowRef) -> &Chunk {
        self.get(row.chunk)
    }

    pub(super) fn get(&self, number: u32) -> &Arc<Chunk> {
        self.0[number as usize].as_ref().expect("a chunk is kept while a row of it is to be written")
    }
}

/// All rows of some runs, in order.
pub(super) struct Ordered<'a> {
    runs: Vec<Run<'a>>,
    heads: BinaryHeap<Head>,
    chunks: Chunks,
    /// How many chunks are in memory.
    live: usize,
}

/// The next row of a run.
struct Head {
    chunk: Arc<Chunk>,
    number: u32,
    row: usize,
    run: usize,
}

impl<'a> Ordered<'a> {
    pub(super) async fn new(runs: Vec<Run<'a>>) -> Result<Self> {
        let heads = BinaryHeap::with_capacity(runs.len());
        let mut ordered = Self { runs, heads, chunks: Chunks::default(), live: 0 };
        for run in 0..ordered.runs.len() {
            ordered.load(run).await?;
        }
        Ok(ordered)
    }

    /// The chunks of all rows given out and not released.
    pub(super) fn chunks(&self) -> &Chunks {
        &self.chunks
    }

    pub(super) async fn next(&mut self) -> Result<Option<RowRef>> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        let next = RowRef {
            chunk: head.number,
            row: head.row as u32,
            sequence: head.chunk.sequences.value(head.row),
        };
        if head.row + 1 < head.chunk.batch.num_rows() {
            head.row += 1;
        } else {
            let run = PeekMut::pop(head).run;
            self.load(run).await?;
        }
        Ok(Some(next))
    }

    /// Whether more chunks are in memory than a row group of output should need.
    pub(super) fn is_crowded(&self) -> bool {
        self.live > 2 * self.runs.len() + CHUNKS_SPARE
    }

    /// Gives up all chunks but those of the heads and of `waiting` rows.
    pub(super) fn release(&mut self, waiting: [&[RowRef]; 2]) {
        let mut kept = vec![false; self.chunks.0.len()];
        let waiting = waiting.into_iter().flatten().map(|row| row.chunk);
        for number in self.heads.iter().map(|head| head.number).chain(waiting) {
            kept[number as usize] = true;
        }
        self.live = kept.iter().filter(|kept| **kept).count();
        for (chunk, kept) in self.chunks.0.iter_mut().zip(kept) {
            if !kept {
                *chunk = None;
            }
        }
    }

    /// Makes the next chunk of a run its head.
    async fn load(&mut self, run: usize) -> Result<()> {
        while let Some(chunk) = self.runs[run].next().await {
            let chunk = Arc::new(chunk?);
            if chunk.batch.num_rows() > 0 {
                let number = self.chunks.0.len() as u32;
                self.chunks.0.push(Some(Arc::clone(&chunk)));
                self.live += 1;
                self.heads.push(Head { chunk, number, row: 0, run });
                break;
            }
        }
        Ok(())
    }
}

impl Head {
    fn key(&self) -> (Option<&str>, i64, i64, usize) {
        (self.chunk.user(self.row), self.chunk.time(self.row), self.chunk.sequences.value(self.row), self.run)
    }
}

/// The heap gives the greatest first, so that the smallest key is the greatest head.
impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Head {}
