//! Files → fewer files: compaction, replacement of repeats, removal of a user.

use tallymark_event::{Day, PropertyCatalog, Timestamp};
use tallymark_users::Identities;

use crate::error::Result;
use crate::manifest::DataFile;
use crate::store::EventStore;

/// What a merge is told.
pub struct Merge<'a> {
    /// The day all files are of.
    pub day: Day,
    /// The files, in any order; committed or just put.
    pub files: &'a [DataFile],
    /// A catalog that has all their lanes.
    pub catalog: &'a PropertyCatalog,
    /// Who is who now.
    pub identities: &'a Identities,
    /// Which rows stay; asked of the survivors of D-9.
    pub keep: &'a (dyn Fn(&MergeRow<'_>) -> bool + Send + Sync),
}

/// One row, as a merge shows it to its filter.
#[derive(Debug, Clone, Copy)]
pub struct MergeRow<'a> {
    /// The event's name.
    pub event: &'a str,
    /// When it happened.
    pub time: Timestamp,
    /// The id as sent.
    pub distinct_id: &'a str,
    /// The id assigned at ingestion (D-10); empty for nobody.
    pub assigned_id: &'a str,
    /// The user as of now; `None` for nobody.
    pub user_id: Option<&'a str>,
    /// `$insert_id`, if sent.
    pub insert_id: Option<&'a str>,
    /// The sequence.
    pub sequence: i64,
}

/// Merges files of one day into fewer.
pub async fn merge_files(store: &EventStore, merge: Merge<'_>) -> Result<Vec<DataFile>> {
    store.write().await?;
    unimplemented!("{}", merge.day)
}
