//! What can go wrong with an input as a whole. A bad record is no error but a
//! [`crate::Rejection`].

use std::io;
use std::path::PathBuf;

/// Why an ingestion could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No file or directory of this name, and no file that matches it as a pattern.
    #[error("no such file or directory: {}", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// A directory without a file to read.
    #[error(
        "nothing to read in {}: no file of events ends in .json, .ndjson, .jsonl, .csv or .parquet (or these with .gz or .zst)",
        path.display()
    )]
    NothingToRead {
        /// The directory.
        path: PathBuf,
    },
    /// A pattern that cannot be read.
    #[error("cannot read the file pattern {pattern:?}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// Why.
        source: glob::PatternError,
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
        /// Why; for compressed input a [`crate::DamagedStream`] inside says where.
        source: io::Error,
    },
    /// A format that is recognised and not read.
    #[error("{name} is {format}: {advice}")]
    Unsupported {
        /// The input's name.
        name: String,
        /// What it is.
        format: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// Text in another encoding than UTF-8.
    #[error("{name} is {encoding} text: convert it to UTF-8")]
    Encoding {
        /// The input's name.
        name: String,
        /// What it is encoded in.
        encoding: &'static str,
    },
    /// A table lacks a column that is needed.
    #[error("{name} has no column for {role}{}: its columns are {columns}", wanted.as_ref().map_or_else(String::new, |wanted| format!(" named {wanted:?}")))]
    Column {
        /// The input's name.
        name: String,
        /// What the column is needed for, such as "the event's time (--time-column)".
        role: &'static str,
        /// The column that was asked for by name.
        wanted: Option<String>,
        /// The columns there are.
        columns: String,
    },
    /// A column of a table would be a property, and no property can have its name.
    #[error(
        "{name}: its column {column:?} cannot be a property, as in JSON this is the name of {role}: give it that role, or rename or drop the column"
    )]
    ReservedColumn {
        /// The input's name.
        name: String,
        /// The column.
        column: String,
        /// What its name means.
        role: &'static str,
    },
    /// The header of a CSV file makes no sense.
    #[error("cannot read the header of {name}: {message}")]
    Header {
        /// The input's name.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// A table cannot be looked up in.
    #[error("{name} is no lookup table: {message}")]
    Lookup {
        /// The input's name.
        name: String,
        /// What is wrong with it, and where.
        message: String,
    },
    /// A Parquet file could not be read.
    #[error("cannot read Parquet file {name}")]
    ReadParquet {
        /// The input's name.
        name: String,
        /// Why.
        source: parquet::errors::ParquetError,
    },
    /// Rows of a Parquet file could not be read.
    #[error("cannot read rows of Parquet file {name}")]
    ReadRows {
        /// The input's name.
        name: String,
        /// Why.
        source: arrow::error::ArrowError,
    },
    /// A record was refused and the import is strict: nothing after it was read.
    #[error("{input}: {rejection}")]
    Refused {
        /// The input's name.
        input: String,
        /// The record and what is wrong with it.
        rejection: Box<crate::Rejection>,
        /// How many records before it are stored.
        stored: u64,
    },
    /// An input could not be read to its end; what precedes the cut is stored.
    #[error("stopped early, {stored} records are stored")]
    CutShort {
        /// How many records of this import are stored.
        stored: u64,
        /// What stopped it.
        source: Box<Error>,
    },
    /// The dataset could not be read or written.
    #[error("cannot store events")]
    Storage {
        /// Why.
        #[from]
        source: tallymark_storage::Error,
    },
    /// A column could not be built.
    #[error("cannot build columns")]
    Columns {
        /// Why.
        #[from]
        source: arrow::error::ArrowError,
    },
    /// The runtime that called is being shut down: nothing more is stored.
    #[error("the program is shutting down")]
    ShuttingDown,
    /// A record acknowledged earlier cannot be read back from the write-ahead log.
    #[error("cannot replay entry {number} of the write-ahead log: {message}")]
    Replay {
        /// The entry.
        number: u64,
        /// What is wrong with it.
        message: String,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
