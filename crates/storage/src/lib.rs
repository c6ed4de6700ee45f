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
//!
//! # The life of a record
//!
//! A writer takes the lease ([`EventStore::create_or_open`]), replays what an earlier process
//! acknowledged ([`EventStore::wal_entries`], [`EventStore::publish_replayed`]), and then writes in
//! one of two ways, each under a [`WriteGuard`]:
//!
//! - [`WriteGuard::append`] puts records into the write-ahead log and into the memtable: durable
//!   and visible at once. Later a [`WriteGuard::commit`] with `flushed_memtable` names the files
//!   they were written to.
//! - [`Uncommitted::put`] any number of times, then [`WriteGuard::commit`] names them. If it does
//!   not, they are deleted again.
//!
//! Readers ([`EventStore::open`]) need no lease. [`EventStore::snapshot`] is what is visible now
//! and never changes; [`EventStore::refresh`] looks for a newer one.
//!
//! # What can be relied on
//!
//! - Whole commits: a reader sees all of a commit or none of it, since a commit is one object put
//!   under the next number.
//! - Nothing lost: what was acknowledged survives the death of the process, and on a local
//!   directory loss of power, at any instant. Data files are synced before the manifest that names
//!   them is put, and the manifest before the commit returns.
//! - Nothing twice: a write that returned an error has not happened, even if its put took effect,
//!   so that it can be tried again. Only if the process dies, or loses its lease, before its next
//!   write may a write that failed turn out to have happened: its successor may have found it.
//! - One writer: a writer whose lease was taken over can neither commit nor acknowledge any more;
//!   it gets [`Error::Conflict`].
//! - Open files: the day directories hold plain Parquet. Whoever globs `events/*/*.parquet` gets
//!   the right rows while no write is in flight and, after files were replaced or a process died,
//!   once a cleanup has run; [`Manifest::files`] lists the visible ones exactly.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use tallymark_event::FixedClock;
//! use tallymark_storage::{Commit, Definition, EventStore, Location, StorageConfig};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let location = Location::parse("memory://example")?;
//! let clock = Arc::new(FixedClock::default());
//! let store = EventStore::create_or_open(location, StorageConfig::default(), clock).await?;
//!
//! let mut guard = store.write().await?;
//! let json = serde_json::json!({"since": "2024-02-29"});
//! let definition = Definition { saved_at: store.clock().now(), json, file: None };
//! let mut definitions = guard.snapshot().manifest.definitions.clone();
//! definitions.entry("cohort".to_owned()).or_default().insert("new".to_owned(), definition);
//! let change = Commit { definitions: Some(definitions), ..Commit::of(&guard.snapshot()) };
//! guard.commit(change).await?;
//! drop(guard);
//!
//! assert!(store.snapshot().manifest.definitions["cohort"].contains_key("new"));
//! store.close().await?;
//! # Ok::<(), tallymark_storage::Error>(())
//! # }).unwrap();
//! ```

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
pub use data_file::{DataFileWriter, FetchedColumns, FileChunks, FileColumns, FileSettings, Projection};
pub use error::{Damage, Error, LocationError, Result};
pub use location::Location;
pub use manifest::{
    Attachment, DataFile, DatasetSettings, Definition, DefinitionFile, Definitions, EventCount, LaneCount,
    LogFile, Manifest, WalFence,
};
pub use merge::{Merge, MergeRow, merge_files};
pub use people_log::{PeopleChange, PeopleEntry};
pub use snapshot::{MemBatch, Snapshot};
pub use store::{Append, Commit, EventStore, MemChange, Replayed, StorageConfig, Uncommitted, WriteGuard};
pub use wal::WalEntry;
