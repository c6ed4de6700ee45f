//! Where a plan over segments gets them from, when it runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::Result;
use futures::future::try_join;
use tallymark_event::Day;
use tallymark_memory::{ColumnId, Estimate, Layout, LayoutNeeds, ResidentEvents};
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

    /// The layout for who will read these columns of all its segments: what needs no users is loaded
    /// while they are numbered. Says how many bytes were read for that.
    pub(crate) async fn layout_and_columns(&self, columns: &[ColumnId]) -> Result<(Arc<Layout>, u64)> {
        if !self.needs.users || !self.is_missing() {
            return Ok((self.layout().await?, 0));
        }
        let ahead = async {
            let loaded = self.resident.load_ahead(&self.snapshot, Some(&self.days), columns).await;
            loaded.map_err(not_loaded)
        };
        // Polled first, so that it need not wait for the numbers.
        let (loaded_bytes, layout) = try_join(ahead, self.layout()).await?;
        Ok((layout, loaded_bytes))
    }

    pub(crate) async fn layout(&self) -> Result<Arc<Layout>> {
        let layout = self.layout.get_or_try_init(|| async {
            let layout = self.resident.layout_with(&self.snapshot, Some(&self.days), self.needs).await;
            layout.map_err(not_loaded)
        });
        layout.await.map(Arc::clone)
    }
}
