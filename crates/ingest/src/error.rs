//! What can go wrong with an input as a whole. A bad record is no error but a
//! [`crate::Rejection`].

use std::io;
use std::path::PathBuf;

/// Why an ingestion could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No file or directory of this name.
    #[error("no such file or directory: {}", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// A file or directory could not be opened or listed.
    #[error("cannot open {name}")]
    Open {
        /// The input's name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Reading stopped in the middle.
    #[error("cannot read {name}")]
    Read {
        /// The input's name.
        name: String,
        /// Why; says where for compressed input.
        source: io::Error,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
