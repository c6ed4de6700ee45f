//! Where a plan over segments gets them from, when it runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::Result;
use tallymark_event::Day;
use tallymark_memory::{Estimate, Layout, LayoutNeeds, ResidentEvents};
use tallymark_storage::Snapshot;
use tokio::sync::OnceCell;

use crate::error::not_loaded;

/// How many segments' columns are loaded at a time: enough that the store is waited for while
/// others are decoded.
pub(crate) const LOADS_AT_ONCE: usize = 6;

/// The segments of some days of a snapshot, laid out when first asked for.
#[derive(Debug)]
pub(crate) struct Segments {
    resident: ResidentEvents,
    snapshot: Arc<Snapshot>,
    days: BTreeSet<Day>,
    needs: LayoutNeeds,
    estimate: Estimate,
    layout: OnceCell<Arc<Layout>>,
}

impl Segments {
    /// `estimate` is of these days.
    pub(crate) fn new(
        resident: ResidentEvents,
        snapshot: Arc<Snapshot>,
        days: BTreeSet<Day>,
        needs: LayoutNeeds,
        estimate: Estimate,
    ) -> Self {
        Self { resident, snapshot, days, needs, estimate, layout: OnceCell::new() }
    }

    /// Whether something is not in memory yet.
    pub(crate) fn is_missing(&self) -> bool {
        self.estimate.missing_bytes > 0
    }

    /// How many rows the days have.
    pub(crate) fn row_count(&self) -> usize {
        self.estimate.rows as usize
    }

    /// How many days may have rows for the query.
    pub(crate) fn day_count(&self) -> usize {
        self.days.len()
    }

    pub(crate) async fn layout(&self) -> Result<Arc<Layout>> {
        let layout = self.layout.get_or_try_init(|| async {
            let layout = self.resident.layout_with(&self.snapshot, Some(&self.days), self.needs).await;
            layout.map_err(not_loaded)
        });
        layout.await.map(Arc::clone)
    }
}
