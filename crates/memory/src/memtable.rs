//! Which rows of the memtable are of which day.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use tallymark_event::Day;
use tallymark_storage::{MemBatch, Snapshot};

use crate::source::{RowSource, by_day};

/// The batches of the memtable that were met, cut by day. A batch met again gives the same sources,
/// so that segments made of them are recognised.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    batches: Mutex<HashMap<usize, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    batch: MemBatch,
    days: Arc<BTreeMap<Day, Arc<RowSource>>>,
}

impl Memtable {
    /// The sources of a snapshot's memtable by day, in order. Forgets batches that neither the
    /// snapshot nor a segment has any more.
    pub(crate) fn sources(&self, snapshot: &Snapshot) -> BTreeMap<Day, Vec<Arc<RowSource>>> {
        let mut known = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sources: BTreeMap<Day, Vec<Arc<RowSource>>> = BTreeMap::new();
        for batch in snapshot.memtable.iter().filter(|batch| batch.batch.num_rows() > 0) {
            let found = known.entry(address(batch)).or_insert_with(|| Known::new(batch));
            if !same(&found.batch, batch) {
                *found = Known::new(batch);
            }
            for (day, rows) in found.days.iter() {
                sources.entry(*day).or_default().push(Arc::clone(rows));
            }
        }
        known.retain(|_, known| known.days.values().any(|rows| Arc::strong_count(rows) > 1));
        sources
    }
}

impl Known {
    fn new(batch: &MemBatch) -> Self {
        Self { batch: batch.clone(), days: Arc::new(by_day(batch)) }
    }
}

/// Where a batch's first column lies; not reused while the batch is known.
fn address(batch: &MemBatch) -> usize {
    Arc::as_ptr(batch.batch.column(0)).cast::<()>() as usize
}

fn same(a: &MemBatch, b: &MemBatch) -> bool {
    a.identity_version == b.identity_version
        && a.lanes == b.lanes
        && a.batch.num_columns() == b.batch.num_columns()
        && a.batch.columns().iter().zip(b.batch.columns()).all(|(a, b)| Arc::ptr_eq(a, b))
}
