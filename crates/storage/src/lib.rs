//! Where a dataset is kept: day partitions of Parquet, the commit log, the write-ahead log.
//!
//! In come finished data files, acknowledged records and changes of state; kept are immutable
//! files and numbered manifests on an object store; out go [`Snapshot`]s, each a whole commit.
//!
//! 1. [`paths`]: every object path, built and parsed in one place.
//! 2. [`data_file`]: sorted columns → one Parquet file and what the manifest says of it.
//! 3. [`wal`]: records acknowledged before they are in a file.
//! 4. [`manifest`]: what is visible; written once a commit, numbered, checksummed.
//! 5. [`store`]: [`EventStore`] opens, commits, hands out snapshots; one writer at a time.
//! 6. [`merge`]: files → fewer files: compaction, replacement of repeats, removal of a user.
//! 7. [`cleanup`]: what no retained snapshot needs any more is deleted.

pub mod cleanup;
pub mod data_file;
mod error;
mod lease;
mod local;
mod location;
pub mod manifest;
pub mod merge;
mod objects;
pub mod paths;
mod people_log;
mod snapshot;
pub mod store;
pub mod wal;

pub use cleanup::{CleanupReport, clean_up};
pub use data_file::{DataFileWriter, FileSettings, Projection};
pub use error::{Damage, Error, LocationError, Result};
pub use location::Location;
pub use manifest::{
    Attachment, DataFile, DatasetSettings, EventCount, LaneCount, LogFile, Manifest, WalFence,
};
pub use merge::{Merge, MergeRow, merge_files};
pub use people_log::{PeopleChange, PeopleEntry};
pub use snapshot::{MemBatch, Snapshot};
pub use store::{Append, Commit, EventStore, MemChange, Replayed, StorageConfig, WriteGuard};
pub use wal::WalEntry;
