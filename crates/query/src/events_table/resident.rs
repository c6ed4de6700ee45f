//! When a query is answered from memory, and how its scan looks then.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::catalog::Session;
use datafusion::common::{Result, TableReference, internal_datafusion_err};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExecBuilder;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tallymark_event::columns::{DAY, EVENT};
use tallymark_memory::{ColumnId, Layout, MemoryConfig, MemoryUsage, ResidentEvents};
use tallymark_storage::Snapshot;

use super::EventsTable;
use super::scan::{Scan, is_of_row, reads_only};
use crate::Error;
use crate::error::not_loaded;
use crate::resident::filter::RowFilter;
use crate::resident::inputs::Inputs;
use crate::resident::listed;
use crate::resident::scan::{SegmentScan, SegmentScanExec};
use crate::resident::segments::{LOADS_AT_ONCE, Segments};
use crate::suggest::closest;
use crate::{QueryConfig, QueryRuntime};

/// Columns that are not in memory are brought there for a plain scan only up to this many: who
/// reads all columns mostly wants few rows, and files give those for less.
pub(super) const LOADED_COLUMNS_MAX: usize = 32;

/// Queries about so many users at most may be answered from files while their columns are not in
/// memory.
const LOOKUP_USERS_MAX: usize = 32;
/// A lookup in files is taken to cost as much as bringing so many bytes into memory. It costs less,
/// but lookups come in series, and one in memory takes a millisecond.
const LOOKUP_COST_BYTES: u64 = 96 << 20;

/// The columns in memory, and how much room they may take.
#[derive(Debug, Clone)]
pub(crate) struct Resident {
    pub(crate) events: ResidentEvents,
    pub(crate) budget_bytes: u64,
    /// What lookups in files have cost since columns were last loaded for one.
    lookup_cost_bytes: Arc<AtomicU64>,
}

impl Resident {
    pub(crate) fn new(config: &QueryConfig) -> Self {
        let mut memory = MemoryConfig { budget_bytes: config.resident_bytes_max, ..MemoryConfig::default() };
        if config.target_partitions > 0 {
            memory.threads = config.target_partitions;
        }
        Self {
            events: ResidentEvents::new(memory),
            budget_bytes: memory.budget_bytes as u64,
            lookup_cost_bytes: Arc::default(),
        }
    }

    /// The same of other events.
    pub(super) fn with_events(&self, events: ResidentEvents) -> Self {
        Self { events, ..self.clone() }
    }

    /// Whether few users are looked up in files once more, while that many bytes are missing in
    /// memory: until lookups together have cost as much as loading what is missing, so that whatever
    /// is asked later, it was at most twice the work.
    fn looks_up_in_files(&self, missing_bytes: u64) -> bool {
        if missing_bytes == 0 {
            return false;
        }
        let spent = self.lookup_cost_bytes.fetch_add(LOOKUP_COST_BYTES, Ordering::Relaxed);
        if spent >= missing_bytes {
            self.lookup_cost_bytes.store(0, Ordering::Relaxed);
        }
        spent < missing_bytes
    }
}

impl QueryRuntime {
    /// What is resident, and what it costs; `None` if nothing may be
    /// ([`QueryConfig::resident_bytes_max`]).
    pub fn memory_usage(&self) -> Option<MemoryUsage> {
        let mut usage = self.resident()?.events.usage();
        self.attached().add_usage(&mut usage);
        Some(usage)
    }

    /// Brings into memory what every query over segments needs, and these columns of `events`, so
    /// that the first query does not wait for them. What has no room is not kept.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] for a column `events` does not have; [`Error::Load`] for whatever
    /// fails while reading.
    pub async fn preload(&self, snapshot: &Arc<Snapshot>, columns: &[&str]) -> Result<(), Error> {
        let Some(resident) = self.resident() else { return Ok(()) };
        let table = self.tables(snapshot).events();
        let position = |name: &str| {
            table.position(name).ok_or_else(|| Error::UnknownColumn {
                name: name.to_owned(),
                suggestions: closest(name, table.by_name.keys().map(String::as_str)),
            })
        };
        let positions = columns.iter().map(|name| position(name)).collect::<Result<_, _>>()?;
        let mut loads = Inputs::of_positions(&table, &positions).reads();
        loads.retain(|column| !matches!(*column, ColumnId::TIME | ColumnId::USER_ID));
        loads.push(ColumnId::EVENT);
        load(&resident.events, snapshot, &loads).await
    }

    /// Brings into memory what every query over segments of an attached dataset needs, and its events'
    /// names. What has no room is not kept; what cannot be held is left to the files.
    ///
    /// # Errors
    /// [`Error::Run`] where there is no such table or its files cannot be read; [`Error::Load`] for
    /// whatever fails while reading.
    pub async fn preload_attached(&self, snapshot: &Arc<Snapshot>, name: &str) -> Result<(), Error> {
        let session_ctx = self.session(snapshot)?;
        let table = session_ctx.table_provider(TableReference::bare(name)).await;
        let table = table.map_err(|source| Error::Run { source })?;
        let Some(table) = (table.as_ref() as &dyn Any).downcast_ref::<EventsTable>() else { return Ok(()) };
        let event = table.position(EVENT).into_iter().collect();
        let inputs = Inputs::of_positions(table, &event);
        let Some(table) = table.listed(&session_ctx.state(), &inputs, &[], true).await else { return Ok(()) };
        let Some(resident) = &table.resident else { return Ok(()) };
        load(&resident.events, &table.snapshot, &[ColumnId::EVENT]).await
    }
}

/// Brings users, times and columns of a snapshot into memory.
async fn load(events: &ResidentEvents, snapshot: &Arc<Snapshot>, columns: &[ColumnId]) -> Result<(), Error> {
    let failed = |source| Error::Load { source };
    let layout = events.layout(snapshot, None).await.map_err(failed)?;
    let loaded: Vec<_> = (0..layout.segments().len()).map(|at| layout.load(at, columns).boxed()).collect();
    let loaded = stream::iter(loaded).buffer_unordered(LOADS_AT_ONCE).try_collect::<Vec<_>>().await;
    loaded.map_err(failed)?;
    Ok(())
}

impl EventsTable {
    /// Where a query gets its segments from; `None` if its columns have no room in memory, or are
    /// not there yet and the query is about few users: files, sorted by user, give the pages that
    /// have their rows for less than it takes to load whole columns, for the first few such queries.
    ///
    /// `filters` say which days may have rows for it.
    pub(crate) fn segments(
        &self,
        state: &dyn Session,
        filters: &[Expr],
        inputs: &Inputs,
    ) -> Result<Option<Segments>> {
        let Some(resident) = &self.resident else { return Ok(None) };
        let scan = Scan::try_new(self, state, Some(&Vec::new()), filters, None)?;
        let days = scan.days()?;
        let estimate = resident.events.estimate(&self.snapshot, Some(&days), &inputs.reads());
        if estimate.resident_bytes + estimate.missing_bytes > resident.budget_bytes {
            return Ok(None);
        }
        // Attached files are in no order that would help to find users.
        if self.attached.is_none()
            && scan.wanted_users().is_some_and(|users| users.len() <= LOOKUP_USERS_MAX)
            && resident.looks_up_in_files(estimate.missing_bytes)
        {
            return Ok(None);
        }
        let (resident, snapshot) = (resident.events.clone(), Arc::clone(&self.snapshot));
        Ok(Some(Segments::new(resident, snapshot, days, inputs.needs(), estimate)))
    }

    /// The segments of the days that may have rows which pass the filters, whatever room there is:
    /// what has none is read, used, and not kept.
    pub(crate) async fn layout_of(
        &self,
        state: &dyn Session,
        filters: &[Expr],
        inputs: &Inputs,
    ) -> Result<Arc<Layout>> {
        let days = Scan::try_new(self, state, Some(&Vec::new()), filters, None)?.days()?;
        let events = match &self.resident {
            Some(resident) => resident.events.clone(),
            None => ResidentEvents::new(MemoryConfig {
                budget_bytes: 0,
                threads: state.config().target_partitions().max(1),
            }),
        };
        let layout = events.layout_with(&self.snapshot, Some(&days), inputs.needs()).await;
        layout.map_err(not_loaded)
    }

    /// The scan of a table that may be answered from memory: all filters are applied.
    pub(super) fn scan_resident(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let reads = Reads::new(self, projection, filters);
        if let Some(plan) = self.scan_segments(state, &reads, filters, limit)? {
            return Ok(plan);
        }
        let undecided = reads.applied.iter().filter(|filter| !reads_only(filter, DAY)).cloned();
        let Some(filter) = conjunction(undecided) else {
            return Scan::try_new(self, state, Some(&reads.output), filters, limit)?.plan();
        };
        let read: Vec<usize> = reads.read.iter().copied().collect();
        let files = Scan::try_new(self, state, Some(&read), filters, None)?.plan()?;
        let predicate = state.create_physical_expr(filter, &reads.inputs.df_schema()?)?;
        let filtered = FilterExecBuilder::new(predicate, files)
            .apply_projection(Some(reads.places()?))?
            .with_fetch(limit)
            .build()?;
        Ok(Arc::new(filtered))
    }

    /// The scan over segments; `None` if files are to be read.
    pub(super) fn scan_segments(
        &self,
        state: &dyn Session,
        reads: &Reads,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Reads { applied, read, inputs, .. } = reads;
        // A few rows of anywhere come faster from a file than with a day's columns.
        let loads = limit.is_none() && read.len() <= LOADED_COLUMNS_MAX;
        let segments = self.segments(state, filters, inputs)?;
        let Some(segments) = segments.filter(|segments| loads || !segments.is_missing()) else {
            return Ok(None);
        };
        let places = reads.places()?;
        if segments.day_count() == 0 {
            return Ok(Some(Arc::new(EmptyExec::new(Arc::new(inputs.schema().project(&places)?)))));
        }
        let scan = SegmentScan {
            filter: RowFilter::try_new(state, applied.iter().cloned(), inputs, &inputs.df_schema()?)?,
            filter_text: listed(applied, " AND "),
            rows: filters.is_empty().then(|| segments.row_count()),
            output: places,
            inputs: Arc::clone(inputs),
        };
        let partitions = state.config().target_partitions();
        Ok(Some(Arc::new(SegmentScanExec::try_new(scan, segments, partitions)?)))
    }
}

/// What a scan reads that applies all filters it can.
pub(super) struct Reads {
    /// Positions of the columns that go out.
    pub(super) output: Vec<usize>,
    /// The filters that are applied.
    applied: Vec<Expr>,
    /// Positions of the columns that are read.
    pub(super) read: BTreeSet<usize>,
    pub(super) inputs: Arc<Inputs>,
}

impl Reads {
    pub(super) fn new(table: &EventsTable, projection: Option<&Vec<usize>>, filters: &[Expr]) -> Self {
        let output = projection.cloned().unwrap_or_else(|| (0..table.columns.len()).collect());
        let applied: Vec<Expr> = filters.iter().filter(|filter| is_of_row(filter)).cloned().collect();
        let mut read: BTreeSet<usize> = output.iter().copied().collect();
        for filter in &applied {
            read.extend(filter.column_refs().iter().filter_map(|column| table.position(&column.name)));
        }
        let inputs = Arc::new(Inputs::of_positions(table, &read));
        Self { output, applied, read, inputs }
    }

    /// The places among what is read of what goes out.
    fn places(&self) -> Result<Vec<usize>> {
        let place = |at: &usize| {
            self.read
                .iter()
                .position(|known| known == at)
                .ok_or_else(|| internal_datafusion_err!("column {at} is not read"))
        };
        self.output.iter().map(place).collect()
    }
}
