//! Tables of attached datasets.

use std::sync::Arc;

use datafusion::catalog::{Session, TableProvider as _};
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use super::EventsTable;
use super::resident::{LOADED_COLUMNS_MAX, Reads};
use super::scan::is_of_row;
use crate::attached::Attached;
use crate::resident::inputs::Inputs;

impl EventsTable {
    /// The table with what there is to be read now: itself, or, if it is of an attached dataset, the
    /// same over the files as they are now. `None` if these do not answer a query that reads these
    /// columns of rows that pass these filters from memory; `reads_files` says whether it is worth reading files that were not read
    /// yet.
    pub(crate) async fn listed(
        &self,
        state: &dyn Session,
        inputs: &Inputs,
        filters: &[Expr],
        reads_files: bool,
    ) -> Option<Self> {
        let (Some(attached), Some(resident)) = (&self.attached, &self.resident) else {
            return Some(self.clone());
        };
        let (events, snapshot) =
            attached.list(state, inputs, filters, resident.budget_bytes, reads_files).await?;
        Some(Self { snapshot, resident: Some(resident.with_events(events)), ..self.clone() })
    }

    /// From memory what has room there; otherwise by the view on the files. All filters are applied
    /// that can be.
    pub(super) async fn scan_attached(
        &self,
        attached: &Attached,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let reads = Reads::new(self, projection, filters);
        // How many rows there are, and a few rows of anywhere, files give for less.
        let few = limit.is_some() || reads.read.is_empty() || reads.read.len() > LOADED_COLUMNS_MAX;
        if self.is_resident()
            && let Some(table) = self.listed(state, &reads.inputs, filters, !few).await
            && let Some(plan) = table.scan_segments(state, &reads, filters, limit)?
        {
            return Ok(plan);
        }
        let filters: Vec<Expr> = filters.iter().filter(|filter| is_of_row(filter)).cloned().collect();
        attached.view.scan(state, Some(&reads.output), &filters, limit).await
    }
}
