//! One error type, and a small kind for callers to branch on.

use std::error::Error as StdError;
use std::time::Duration;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use tallymark_report::{DefinitionError, DefinitionKind};
use tallymark_storage::{EventStore, Snapshot};

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of trouble an [`Error`] is: what a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input or the question is wrong: change it.
    InvalidInput,
    /// What was named does not exist.
    NotFound,
    /// Somebody else is writing: try again later.
    Conflict,
    /// A limit on memory, disk or size was reached: raise it or ask for less.
    ResourcesExhausted,
    /// Storage cannot be reached or read: try again, or look at it.
    Unavailable,
    /// A mistake of ours.
    Internal,
}

/// What went wrong; [`StdError::source`] carries the cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Opening, reading or writing the dataset.
    #[error(transparent)]
    Storage(#[from] tallymark_storage::Error),
    /// Taking events in.
    #[error(transparent)]
    Ingest(#[from] tallymark_ingest::Error),
    /// Answering a question.
    #[error(transparent)]
    Query(#[from] tallymark_query::Error),
    /// A query failed while its answer was read.
    #[error("cannot run the query")]
    Run(#[source] DataFusionError),
    /// A query took longer than [`crate::EngineConfig::query_time_max`] allows.
    #[error("the query was stopped after {} s, the limit of its time", limit.as_secs_f64())]
    QueryTime {
        /// The limit.
        limit: Duration,
    },
    /// An answer has more rows than [`crate::EngineConfig::answer_rows_max`] allows.
    #[error("the answer has more than {limit} rows, the limit of an answer")]
    AnswerRows {
        /// The limit.
        limit: u64,
    },
    /// An answer has more bytes than [`crate::EngineConfig::answer_bytes_max`] allows.
    #[error("the answer has more than {limit} bytes, the limit of an answer")]
    AnswerBytes {
        /// The limit.
        limit: u64,
    },
    /// Threads for queries could not be started.
    #[error("cannot start threads for queries")]
    Threads(#[source] std::io::Error),
    /// An event given to [`crate::Engine::append`] breaks a rule; none of the call was stored.
    #[error("event {index}: {field}: {message}")]
    InvalidEvent {
        /// Its position in the call, from 0.
        index: usize,
        /// The field at fault.
        field: &'static str,
        /// What was wrong and what would be right.
        message: String,
    },
    /// A name that cannot be a table's.
    #[error("cannot attach {name:?}: {reason}")]
    AttachmentName {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A definition that cannot be saved.
    #[error("cannot save {kind} {name:?}")]
    Definition {
        /// What it is of.
        kind: DefinitionKind,
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: DefinitionError,
    },
    /// Nothing of this kind is saved under this name.
    #[error("there is no {kind} {name:?}{}", did_you_mean(closest.as_deref()))]
    NoDefinition {
        /// What it would be of.
        kind: DefinitionKind,
        /// The name.
        name: String,
        /// The name that was probably meant.
        closest: Option<String>,
    },
    /// Other definitions need this one.
    #[error("{kind} {name:?} is needed by {}", users.join(", "))]
    DefinitionInUse {
        /// What it is of.
        kind: DefinitionKind,
        /// Its name.
        name: String,
        /// What needs it, such as `cohort "Active"`.
        users: Vec<String>,
    },
    /// Nobody has this id.
    #[error("there is no user {id:?}{}", any_of(closest))]
    NoUser {
        /// The id.
        id: String,
        /// The ids that were probably meant, closest first.
        closest: Vec<String>,
    },
    /// Nothing is attached under this name.
    #[error("nothing is attached as {name:?}")]
    NotAttached {
        /// The name.
        name: String,
    },
}

impl From<DataFusionError> for Error {
    /// What is wrong in a definition is told as that, wherever it was found.
    fn from(error: DataFusionError) -> Self {
        match tallymark_query::Error::found_in(error) {
            Ok(own) => Self::Query(own),
            Err(error) => Self::Run(error),
        }
    }
}

impl Error {
    /// What kind of trouble this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Storage(error) => storage_kind(error),
            Self::Ingest(error) => ingest_kind(error),
            Self::Query(error) => query_kind(error),
            Self::Run(error) => datafusion_kind(error),
            Self::QueryTime { .. }
            | Self::AnswerRows { .. }
            | Self::AnswerBytes { .. }
            | Self::Threads(_) => ErrorKind::ResourcesExhausted,
            Self::InvalidEvent { .. }
            | Self::AttachmentName { .. }
            | Self::Definition { .. }
            | Self::DefinitionInUse { .. } => ErrorKind::InvalidInput,
            Self::NotAttached { .. } | Self::NoDefinition { .. } | Self::NoUser { .. } => ErrorKind::NotFound,
        }
    }
}

fn did_you_mean(closest: Option<&str>) -> String {
    closest.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

fn any_of(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}

fn storage_kind(error: &tallymark_storage::Error) -> ErrorKind {
    use tallymark_storage::Error as E;
    match error {
        E::Location { .. } | E::ReadOnly => ErrorKind::InvalidInput,
        E::NoDataset { .. }
        | E::SnapshotNotFound { .. }
        | E::SnapshotErased { .. }
        | E::SnapshotExpired { .. } => ErrorKind::NotFound,
        E::Locked { .. } | E::Conflict { .. } => ErrorKind::Conflict,
        E::Read { .. }
        | E::Write { .. }
        | E::List { .. }
        | E::Delete { .. }
        | E::LocalFile { .. }
        | E::Damaged { .. }
        | E::NewerFormat { .. }
        | E::Decode { .. } => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}

fn ingest_kind(error: &tallymark_ingest::Error) -> ErrorKind {
    use tallymark_ingest::Error as E;
    match error {
        E::NotFound { .. } => ErrorKind::NotFound,
        E::Open { .. } | E::Read { .. } | E::ShuttingDown => ErrorKind::Unavailable,
        E::CutShort { source, .. } => ingest_kind(source),
        E::Storage { source } => storage_kind(source),
        E::Columns { .. } | E::Replay { .. } => ErrorKind::Internal,
        _ => ErrorKind::InvalidInput,
    }
}

fn query_kind(error: &tallymark_query::Error) -> ErrorKind {
    use tallymark_query::Error as E;
    match error {
        E::UnknownTable { .. } => ErrorKind::NotFound,
        E::Run { source } => datafusion_kind(source),
        E::ReadAttached { .. } | E::Export { .. } | E::Load { .. } => ErrorKind::Unavailable,
        E::Configure { .. } => ErrorKind::ResourcesExhausted,
        _ => ErrorKind::InvalidInput,
    }
}

fn datafusion_kind(error: &DataFusionError) -> ErrorKind {
    let root = error.find_root();
    match root {
        DataFusionError::ResourcesExhausted(_) => ErrorKind::ResourcesExhausted,
        // Spilling beyond its limit is an I/O error like any other but for its text.
        DataFusionError::IoError(_) | DataFusionError::ArrowError(..)
            if root.to_string().contains("used disk space during the spilling") =>
        {
            ErrorKind::ResourcesExhausted
        }
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) | DataFusionError::ParquetError(_) => {
            ErrorKind::Unavailable
        }
        DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
            ArrowError::IoError(..) | ArrowError::ParquetError(_) => ErrorKind::Unavailable,
            ArrowError::MemoryError(_) => ErrorKind::ResourcesExhausted,
            _ => ErrorKind::InvalidInput,
        },
        DataFusionError::Internal(_) => ErrorKind::Internal,
        DataFusionError::External(inner) => inner.downcast_ref().map_or(ErrorKind::InvalidInput, query_kind),
        _ => ErrorKind::InvalidInput,
    }
}

/// What is behind files that cannot be read: if the snapshot asked is no longer kept, that is it.
///
/// Any error of reading is taken for it then: on its way through DataFusion it may have become text.
pub(crate) async fn explain_missing_files(
    error: Error,
    store: &EventStore,
    snapshot: Option<&Snapshot>,
) -> Error {
    let unavailable = error.kind() == ErrorKind::Unavailable;
    let Some(snapshot) = snapshot.filter(|_| unavailable) else { return error };
    match store.why_gone(snapshot).await {
        Ok(Some(gone)) => gone.into(),
        Ok(None) | Err(_) => error,
    }
}

/// The error and everything that caused it, a line each.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
