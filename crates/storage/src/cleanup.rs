//! What no retained snapshot needs any more is deleted.

use std::time::Duration;

use crate::error::Result;
use crate::store::EventStore;

/// What a cleanup deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CleanupReport {
    /// Manifests of expired snapshots.
    pub manifests: u64,
    /// Data files and people files that only expired snapshots had.
    pub data_files: u64,
    /// Write-ahead log entries that are in files.
    pub wal: u64,
    /// Objects that no manifest ever named, left by interrupted writes.
    pub orphans: u64,
    /// Bytes of all these.
    pub bytes: u64,
}

/// Deletes what no snapshot younger than `retention` needs.
pub async fn clean_up(store: &EventStore, retention: Duration) -> Result<CleanupReport> {
    store.write().await?;
    unimplemented!("{retention:?}")
}
