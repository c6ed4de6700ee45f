//! Events in memory: one segment per UTC day, rows in (user, time) order, users as dense numbers.
//!
//! In comes a [`Snapshot`](tallymark_storage::Snapshot); kept are the columns that were asked for,
//! under a byte budget; out go [`Layout`]s, immutable like the snapshot they are of. In steps:
//!
//! 1. [`ResidentEvents::layout_with`]: the data files and memtable rows of each day become a
//!    [`Segment`]: which rows there are, and, if asked for, who has them and when they happened.
//!    What did not change since an earlier snapshot is taken over as it is. Where a day is one file
//!    in order, nothing of it is read until somebody asks.
//! 2. [`UserDirectory`]: the users of all segments, numbered by the byte order of their ids, so
//!    that order by number is order by id.
//! 3. [`Layout::load`]: any other column of a segment, read when it is first asked for, and held as
//!    a value for each row or the few there are ([`SegmentColumn`]). Event names that are asked for
//!    again come with the rows of each ([`RowsByCode`]).
//! 4. [`Layout::profile_column`]: a property of the users' profiles, one value per user.
//! 5. [`UserSet`]: a set of users as a bitmap.
//!
//! Parquet kept elsewhere comes in as [`AttachedFiles`], rows in any order of any days, and goes the
//! same way, within the same budget.
//!
//! # What can be relied on
//!
//! - A layout shows exactly the rows of its snapshot, each with the user it belongs to as of that
//!   snapshot, whatever is committed, loaded or evicted meanwhile.
//! - Rows of a segment are ordered by (user, time, sequence), nobody's first (G-1, G-12).
//! - What is resident and not in use by a query stays within [`MemoryConfig::budget_bytes`].
//!   What does not fit is read, served, and not kept.
//! - Queries that want the same column at the same time read it once. A load that fails or is
//!   dropped leaves no trace.

mod attached;
mod budget;
mod build;
mod column;
mod columns;
mod config;
mod directory;
mod error;
mod layout;
mod memtable;
mod order;
mod pool;
mod profiles;
mod resident;
mod rows_by_code;
mod segment;
mod source;
mod sparse;
#[cfg(test)]
mod tests;
mod text;
mod usage;
mod user_set;

pub use attached::{AttachedFile, AttachedFiles, AttachedRows, FetchedRows, RowsError};
pub use column::ColumnId;
pub use config::MemoryConfig;
pub use directory::UserDirectory;
pub use error::{Error, Result};
pub use layout::{Layout, LayoutNeeds, LoadedSegment};
pub use resident::ResidentEvents;
pub use rows_by_code::RowsByCode;
pub use segment::Segment;
pub use sparse::{SegmentColumn, SparseColumn};
pub use usage::{
    AttachedUsage, ColumnUsage, Encoding, Estimate, MemoryUsage, ProfileColumnUsage, SegmentUsage,
};
pub use user_set::UserSet;
