//! Questions about a dataset: SQL over one snapshot, on DataFusion.
//!
//! In comes a [`Snapshot`](tallymark_storage::Snapshot) and text; kept are limits and caches; out
//! go Arrow record batches as a stream.
//!
//! 1. [`QueryRuntime`] is made once: memory, spill space, caches. [`QueryRuntime::session`] opens
//!    a session over a snapshot.
//! 2. [`sql`] reads statements, refuses what would write, plans, and explains errors.
//! 3. [`EventsTable`] picks the data files a query needs from the manifest, and unites them with
//!    the rows in memory; [`tables`] holds profiles, identities and the catalogs.
//!    [`definitions`] reads what was saved by name, `lookups` the rows of lookup tables.
//! 4. `resident` answers from columns in memory what has room there: scans, filters, aggregates.
//!    [`plan`] says as conditions in SQL what breaks a tracking plan.
//! 5. [`attached`] reads Parquet kept elsewhere as events.
//! 6. [`export`](export()) gives events back as they came.
//! 7. [`functions`] are what SQL lacks for questions about behaviour: funnels, retention, sequences,
//!    sessions.
//! 8. [`report`](report()) answers definitions of reports: insights, cohorts.
//!
//! Beside this crate, `FUNCTIONS.md` describes those functions for their users, and `SEMANTICS.md`
//! says what every number means; rule ids such as G-12 refer to it.

#[cfg(test)]
mod testing;

pub mod attached;
pub mod definitions;
mod dialect;
mod error;
mod events_table;
mod export;
pub mod functions;
mod identity;
mod leaf;
mod lookups;
pub mod plan;
mod report;
mod resident;
mod session;
mod statement;
mod steps;
mod suggest;
pub mod tables;

pub use error::{Error, Result};
pub use events_table::EventsTable;
pub use export::{ExportOptions, ExportedLines, FeedOptions, export, export_rows, feed};
pub use identity::canonical_user_udf;
pub use lookups::LOOKUP_SCHEMA;
pub use report::{report, schema as report_schema};
pub use session::{CATALOG, QueryConfig, QueryRuntime, SCHEMA, session};
pub use statement::{Statement, run, sql, start, statements};
pub use tables::DatasetTables;
pub use tallymark_memory::{
    AttachedUsage, ColumnUsage, Encoding, MemoryUsage, ProfileColumnUsage, SegmentUsage,
};
