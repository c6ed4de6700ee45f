//! What can go wrong in storage.

use tallymark_event::Timestamp;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why storage could not do what was asked. Paths are those of the object store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The place of a dataset is not understood, or its store is not configured.
    #[error("cannot use {location} as the place of a dataset")]
    Location {
        /// As given.
        location: String,
        /// Why.
        source: LocationError,
    },
    /// There is no manifest there.
    #[error("there is no dataset at {url}")]
    NoDataset {
        /// Where we looked.
        url: String,
    },
    /// Another writer has the dataset.
    #[error("the dataset is being written by {holder} since {since}")]
    Locked {
        /// Who holds it, in their own words.
        holder: String,
        /// Since when.
        since: Timestamp,
        /// Until when the lease runs if its holder stops renewing it; `None` for a lock of the
        /// operating system, which ends with its process.
        expires_at: Option<Timestamp>,
    },
    /// The dataset was opened for reading.
    #[error("the dataset is open for reading only")]
    ReadOnly,
    /// Another writer took over. What was acknowledged is in the dataset; a write of which that is
    /// not known, since it failed, may be. Open it again to see.
    #[error("another writer took over the dataset: {evidence}")]
    Conflict {
        /// What told us.
        evidence: String,
    },
    /// The records would overtake others that are acknowledged but not yet in files; flush first.
    #[error("{pending} acknowledged identity operations and profile updates must be flushed first")]
    Unflushed {
        /// How many.
        pending: usize,
    },
    /// Acknowledged records of an earlier process are not replayed yet.
    #[error("the write-ahead log up to entry {last_wal} must be replayed before anything is written")]
    Unreplayed {
        /// The last entry.
        last_wal: u64,
    },
    /// There are data files but no manifest: it was deleted, or this is not a whole dataset.
    #[error("{url} has data files but no manifest; no dataset is made over them")]
    ManifestMissing {
        /// Where.
        url: String,
    },
    /// A commit removes a file that is not visible, or adds one that is: what it is based on is
    /// out of date.
    #[error("the commit is not based on the present snapshot: {path} was changed by another one")]
    Outdated {
        /// The file.
        path: String,
    },
    /// The asked for snapshot is not, or no longer, kept.
    #[error("there is no snapshot {version}; kept are {}", ranges(retained))]
    SnapshotNotFound {
        /// What was asked for.
        version: u64,
        /// What there is, ascending.
        retained: Vec<u64>,
    },
    /// The snapshot was made before data was erased; it, and the files only it had, are deleted so
    /// that nothing of that data is left.
    #[error(
        "snapshot {version} was deleted on purpose: data was erased from the dataset after it; ask for a newer one, kept are {}",
        ranges(retained)
    )]
    SnapshotErased {
        /// What was asked for.
        version: u64,
        /// What there is, ascending.
        retained: Vec<u64>,
    },
    /// The files of a snapshot are deleted: it was replaced longer ago than snapshots are kept.
    #[error(
        "snapshot {version} is no longer kept, and its files are deleted; ask for a newer one, kept are {}",
        ranges(retained)
    )]
    SnapshotExpired {
        /// What was asked for.
        version: u64,
        /// What there is, ascending.
        retained: Vec<u64>,
    },
    /// An object could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// An object could not be written. What it was for has not happened, unless this process dies,
    /// or another writer takes over, before its next write.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// Objects could not be listed.
    #[error("cannot list {path}")]
    List {
        /// Where.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// An object could not be deleted.
    #[error("cannot delete {path}")]
    Delete {
        /// Which.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// A local file could not be read, written or made durable.
    #[error("cannot {action} {path}")]
    LocalFile {
        /// What we were doing.
        action: &'static str,
        /// To which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file put for a commit may have lost its data when an earlier commit failed to make it
    /// durable; it must be put again.
    #[error("{path} may have lost its data and must be written again")]
    NotDurable {
        /// Which.
        path: String,
    },
    /// An object does not hold what was written.
    #[error("{path} is damaged")]
    Damaged {
        /// Which.
        path: String,
        /// In what way.
        source: Damage,
    },
    /// The format of an object is younger than this program.
    #[error("{path} was written by a newer version (format {found}, this version reads up to {known})")]
    NewerFormat {
        /// Which.
        path: String,
        /// Its format.
        found: u32,
        /// The last one known here.
        known: u32,
    },
    /// A Parquet file could not be encoded.
    #[error("cannot encode {path}")]
    Encode {
        /// Which.
        path: String,
        /// Why.
        source: parquet::errors::ParquetError,
    },
    /// A Parquet file could not be decoded.
    #[error("cannot decode {path}")]
    Decode {
        /// Which.
        path: String,
        /// Why.
        source: parquet::errors::ParquetError,
    },
    /// A column of a Parquet file is not of the type the catalog gives it.
    #[error("cannot convert column {column:?} of {path}")]
    Column {
        /// Which.
        column: String,
        /// Of which file.
        path: String,
        /// Why.
        source: arrow::error::ArrowError,
    },
    /// Rows handed to a writer, or their sorting, are not what was promised.
    #[error("cannot arrange rows for {path}")]
    Rows {
        /// For which file.
        path: String,
        /// Why.
        source: arrow::error::ArrowError,
    },
    /// The state could not be written as JSON.
    #[error("cannot serialise {path}")]
    Serialise {
        /// What for.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A thread of the runtime died while it worked for us.
    #[error("a background task of storage did not finish")]
    Task {
        /// Why.
        source: tokio::task::JoinError,
    },
}

/// Why a place is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// Not a URL.
    #[error("it is not a URL")]
    Url(#[source] url::ParseError),
    /// A kind of store we have no access to.
    #[error("{scheme}:// is not supported; use a path, file://, memory://, s3://, gs:// or az://")]
    Scheme {
        /// The kind asked for.
        scheme: String,
    },
    /// The path cannot be expressed in an object store.
    #[error("its path is not usable")]
    Path(#[source] object_store::path::Error),
    /// The path cannot be made absolute.
    #[error("its path cannot be resolved")]
    Resolve(#[source] std::io::Error),
    /// The store's settings are missing or wrong.
    #[error("its store is not configured")]
    Store(#[source] object_store::Error),
}

/// In what way an object is damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The contents do not match the checksum written with them.
    #[error("its checksum is {found}, but {expected} was written")]
    Checksum {
        /// Written.
        expected: String,
        /// Computed.
        found: String,
    },
    /// It ends before its own end mark.
    #[error("it breaks off")]
    BrokenOff,
    /// It ends early.
    #[error("it is {found} bytes long, but {expected} were written")]
    Length {
        /// Bytes written.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// It has another number of rows.
    #[error("it has {found} rows, but {expected} were written")]
    Rows {
        /// Rows written.
        expected: u64,
        /// Rows found.
        found: u64,
    },
    /// It does not start like an object of its kind.
    #[error("it is not a {kind}")]
    Kind {
        /// What was expected.
        kind: &'static str,
    },
    /// It cannot be decompressed.
    #[error("it cannot be decompressed")]
    Compression(#[source] std::io::Error),
    /// It is not the JSON expected.
    #[error("its JSON is not understood")]
    Json(#[source] serde_json::Error),
    /// It says to be another one.
    #[error("it says to be number {found}")]
    Number {
        /// The number inside.
        found: u64,
    },
    /// Something before it is missing.
    #[error("entry {number} before it is missing")]
    Gap {
        /// The missing one.
        number: u64,
    },
    /// A column is missing or of another type.
    #[error("its column {column:?} is missing or of another type")]
    Column {
        /// Which.
        column: &'static str,
    },
}

impl Error {
    /// Whether an object ends early, as a put leaves it that was cut short.
    pub(crate) fn is_broken_off(&self) -> bool {
        matches!(self, Self::Damaged { source: Damage::BrokenOff, .. })
    }
}

/// Version numbers as ranges: `3, 5-9`.
fn ranges(versions: &[u64]) -> String {
    let mut text = String::new();
    let mut rest = versions;
    while let Some(&first) = rest.first() {
        let length =
            rest.iter().zip(first..).take_while(|(version, expected)| **version == *expected).count();
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&first.to_string());
        if length > 1 {
            text.push('-');
            text.push_str(&rest[length - 1].to_string());
        }
        rest = &rest[length..];
    }
    if text.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_listed_as_ranges() {
        let check = |versions: &[u64], expected: &str| assert_eq!(super::ranges(versions), expected);
        check(&[], "none");
        check(&[3], "3");
        check(&[3, 5, 6, 7, 9, 10], "3, 5-7, 9-10");
    }
}
