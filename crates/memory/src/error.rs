//! What can go wrong while columns are brought into memory.

use arrow::error::ArrowError;
use tallymark_event::Day;

use crate::attached::RowsError;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a column could not be brought into memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A data file could not be read, or is not what was written.
    #[error("cannot load the events of {day}")]
    Load {
        /// The day of the file.
        day: Day,
        /// Why.
        source: tallymark_storage::Error,
    },
    /// A file that is attached could not be read, or is not what it was when it was listed.
    #[error("cannot load {file}")]
    Attached {
        /// Where it is.
        file: String,
        /// Why.
        source: RowsError,
    },
    /// The column of a file or of the memtable does not have the type the catalog says.
    #[error("cannot lay out column {column:?} of {day}")]
    Column {
        /// Its name.
        column: String,
        /// The day of the segment.
        day: Day,
        /// Why.
        source: ArrowError,
    },
    /// A day has more events, or the snapshot more users, than 32-bit numbers can tell apart.
    #[error("{count} {what} are more than can be numbered with 32 bits")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
    },
    /// The threads that decode could not be started.
    #[error("cannot start the threads that load columns")]
    Threads {
        /// Why.
        source: rayon::ThreadPoolBuildError,
    },
    /// The threads ended before the work was done.
    #[error("the threads that load columns have ended")]
    Stopped,
    /// The users could not be numbered.
    #[error("cannot number the users")]
    Users {
        /// Why.
        source: ArrowError,
    },
    /// The values of a property of the profiles could not be laid out.
    #[error("cannot lay out property {property:?} of the profiles")]
    Profiles {
        /// Its name.
        property: String,
        /// Why.
        source: ArrowError,
    },
}
