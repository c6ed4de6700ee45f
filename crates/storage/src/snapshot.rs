//! What a query sees: one commit, and what was acknowledged since.

use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use tallymark_event::{LaneId, PropertyCatalog};
use tallymark_users::{Identities, Profiles};

use crate::{DefinitionFile, Error, Location, Manifest, PeopleEntry, Result, objects, people_log};

/// One immutable view of a dataset: everything a query needs.
///
/// Cloning copies pointers. The data files it names stay readable for the retention time after a
/// later commit replaced them ([`crate::StorageConfig::snapshot_retention`]).
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Where the files are.
    pub location: Location,
    /// The commit this view is of.
    pub manifest: Arc<Manifest>,
    /// The manifest's catalog and the lanes the memtable opened since.
    pub catalog: Arc<PropertyCatalog>,
    /// Acknowledged rows that are not in files yet, in the order they were acknowledged.
    pub memtable: Arc<[MemBatch]>,
    /// Acknowledged identity operations and profile updates that are not in the people log yet, in
    /// order of ingestion. They are applied to `identities` and `profiles`.
    pub pending: Arc<[PeopleEntry]>,
    /// Which ids are one user.
    pub identities: Arc<Identities>,
    /// The current profiles.
    pub profiles: Arc<Profiles>,
    /// The sequence the next event or people entry gets.
    pub next_sequence: i64,
    /// The number of the last write-ahead log entry this view contains.
    pub last_wal: Option<u64>,
}

impl Snapshot {
    /// The people log, pending entries included, in order of ingestion: every value any profile
    /// property ever had (U-20).
    ///
    /// # Errors
    /// Errors of reading, also where files are gone: the snapshot is no longer kept.
    pub async fn people_log(&self) -> Result<Vec<PeopleEntry>> {
        let mut entries = Vec::new();
        for file in &self.manifest.people {
            entries.append(&mut people_log::read(&self.location, file).await?);
        }
        entries.extend(self.pending.iter().cloned());
        Ok(entries)
    }

    /// The bytes of a file that belongs to a definition.
    ///
    /// # Errors
    /// [`Error::Read`] where it cannot be read, also where it is gone: its snapshot is no longer kept.
    pub async fn definition_file(&self, file: &DefinitionFile) -> Result<Bytes> {
        let bytes = objects::read(&self.location, &file.path).await?;
        bytes.ok_or_else(|| Error::Read {
            path: file.path.clone(),
            source: object_store::Error::NotFound { path: file.path.clone(), source: "it is gone".into() },
        })
    }
}

/// Acknowledged rows in memory.
#[derive(Debug, Clone)]
pub struct MemBatch {
    /// The system columns, then one column for each of `lanes`; in-memory types; sorted by
    /// (user, time, sequence), nobody first.
    pub batch: RecordBatch,
    /// The lanes of the columns after the system columns, in order.
    pub lanes: Vec<LaneId>,
    /// [`Identities::version`] when `user_id` was resolved.
    pub identity_version: u64,
    /// The number of the write-ahead log entry that holds the latest of its rows. Set by
    /// [`crate::WriteGuard::append`]; what is given is overwritten.
    pub last_wal: u64,
}
