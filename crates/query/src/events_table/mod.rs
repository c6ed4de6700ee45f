//! The table `events`: one snapshot's Parquet files and memtable as DataFusion sees them.
//!
//! 1. [`TableProvider::scan`] takes the columns a query reads and its filters.
//! 2. [`scan`] picks the files: by day, event names, time and user range, from the manifest alone.
//! 3. [`resident`] answers from memory what has room there, and applies all filters itself.
//! 4. Otherwise, [`files`] makes the scan of the files whose users are current and of those whose users were
//!    joined since; [`memory`] that of the rows not in files yet. Their union is the answer.
//!
//! No file is listed: what is visible is what the manifest says. Of what is attached, a snapshot is
//! made of the files that are listed ([`attached`]), and what memory does not answer is left to
//! DataFusion's own table of them.

mod adapter;
mod attached;
mod derived;
mod files;
mod memory;
mod pruning;
mod resident;
pub(crate) mod scan;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use tallymark_event::columns::{DAY, SYSTEM_COLUMN_COUNT, system_fields};
use tallymark_event::{LaneId, LaneKind};
use tallymark_storage::Snapshot;

pub(crate) use self::resident::Resident;
use self::scan::Scan;
use crate::attached::Attached;

/// The events of one snapshot.
///
/// Shape: the system columns of [`tallymark_event::columns`], `day` (Date32), then one column per
/// lane of the catalog in catalog order, nullable, typed by [`LaneKind::data_type`]. `user_id` is
/// the canonical user as of the snapshot. Lanes of explicit nulls are left out: in SQL, null and
/// absent are one (D-26). Rows come in no particular order.
#[derive(Debug, Clone)]
pub struct EventsTable {
    snapshot: Arc<Snapshot>,
    pub(crate) schema: SchemaRef,
    /// Where each column of the schema comes from.
    pub(crate) columns: Arc<[EventColumn]>,
    by_name: Arc<HashMap<String, usize>>,
    /// The columns in memory, if queries may use them.
    resident: Option<Resident>,
    /// If it is the table of a dataset that is attached. Its snapshot is of no files until they are
    /// listed ([`EventsTable::listed`]).
    attached: Option<Arc<Attached>>,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventColumn {
    /// The system column at that position.
    System(usize),
    /// The day partition.
    Day,
    /// A lane of the catalog.
    Lane(LaneId),
}

impl EventsTable {
    /// All events, all columns.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        let lanes: Vec<LaneId> = (0u32..)
            .zip(snapshot.catalog.lanes())
            .filter(|(_, lane)| lane.kind != LaneKind::Null)
            .map(|(id, _)| LaneId(id))
            .collect();
        Self::of_lanes(snapshot, &lanes)
    }

    /// All events, with the columns of these lanes; lanes of explicit nulls are allowed.
    pub(crate) fn of_lanes(snapshot: Arc<Snapshot>, lanes: &[LaneId]) -> Self {
        let mut columns: Vec<EventColumn> = (0..SYSTEM_COLUMN_COUNT).map(EventColumn::System).collect();
        columns.push(EventColumn::Day);
        columns.extend(lanes.iter().copied().map(EventColumn::Lane));
        let mut fields: Vec<FieldRef> = system_fields().into();
        fields.push(day_field());
        fields.extend(lanes.iter().map(|lane| snapshot.catalog.lane(*lane).field()));
        let by_name = fields.iter().enumerate().map(|(at, field)| (field.name().clone(), at)).collect();
        Self {
            snapshot,
            schema: Arc::new(Schema::new(fields)),
            columns: columns.into(),
            by_name: Arc::new(by_name),
            resident: None,
            attached: None,
        }
    }

    /// An attached dataset, answered from memory where there is room.
    pub(crate) fn of_attached(attached: Arc<Attached>, resident: Resident) -> Self {
        let schema = attached.view.schema();
        let by_name =
            schema.fields().iter().enumerate().map(|(at, field)| (field.name().clone(), at)).collect();
        Self {
            snapshot: attached.no_files(),
            columns: attached.event_columns().into(),
            schema,
            by_name: Arc::new(by_name),
            resident: Some(resident),
            attached: Some(attached),
        }
    }

    /// The same, answered from memory where there is room.
    pub(crate) fn with_resident(self, resident: Resident) -> Self {
        Self { resident: Some(resident), ..self }
    }

    /// The same, always answered from files.
    pub(crate) fn without_resident(&self) -> Self {
        Self { resident: None, ..self.clone() }
    }

    /// Whether queries may be answered from memory.
    pub(crate) fn is_resident(&self) -> bool {
        self.resident.is_some()
    }

    /// Whether the scan applies all filters that can be decided row by row.
    fn applies_filters(&self) -> bool {
        self.is_resident() || self.attached.is_some()
    }

    /// The position in the schema of the column of that name.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The snapshot it shows.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    fn column(&self, name: &str) -> Option<EventColumn> {
        self.by_name.get(name).map(|at| self.columns[*at])
    }
}

/// The partition column.
pub(crate) fn day_field() -> FieldRef {
    Arc::new(Field::new(DAY, DataType::Date32, false))
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// From memory, and of what is attached, all filters are applied by the scan. From files, those on `day` alone are
    /// decided file by file and need no second look; all others prune.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            if scan::reads_only(filter, DAY) || (self.applies_filters() && scan::is_of_row(filter)) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Inexact
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(attached) = &self.attached {
            return self.scan_attached(attached, state, projection, filters, limit).await;
        }
        if self.is_resident() {
            return self.scan_resident(state, projection, filters, limit);
        }
        Scan::try_new(self, state, projection, filters, limit)?.plan()
    }
}

#[cfg(test)]
mod tests;
