//! What is resident, of one dataset.

use std::collections::BTreeSet;
use std::sync::Arc;

use tallymark_event::Day;
use tallymark_storage::Snapshot;

use crate::{ColumnId, Estimate, Layout, MemoryConfig, MemoryUsage, Result};

/// The resident columns of one dataset. Cloning copies a pointer.
#[derive(Debug, Clone)]
pub struct ResidentEvents {}

impl ResidentEvents {
    /// Nothing is resident yet.
    pub fn new(_config: MemoryConfig) -> Self {
        todo!()
    }

    /// What it would take to have these columns of these days (`None`: of all) in memory; no I/O.
    pub fn estimate(
        &self,
        _snapshot: &Snapshot,
        _days: Option<&BTreeSet<Day>>,
        _columns: &[ColumnId],
    ) -> Estimate {
        todo!()
    }

    /// The segments of a snapshot; `None` means all its days. Days without rows have no segment.
    pub async fn layout(
        &self,
        _snapshot: &Arc<Snapshot>,
        _days: Option<&BTreeSet<Day>>,
    ) -> Result<Arc<Layout>> {
        todo!()
    }

    /// What is resident now, and what it costs.
    pub fn usage(&self) -> MemoryUsage {
        todo!()
    }
}
