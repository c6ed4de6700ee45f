//! JSON in, committed data files out.
//!
//! In come bytes of any accepted form; kept is every record that passes the rules, and of every
//! other one its place and what is wrong with it; out go committed data files. In steps:
//!
//! 1. [`source`](Input): paths, directories, standard input → named readers, decompressed.
//! 2. [`frame`](BlockReader): a stream of text → blocks of whole records.
//! 3. [`parse`](parse_record): one record's text → a validated [`Record`].
//! 4. `batch.rs`: a block's records → [`EventBatch`], columns that point into the text.
//! 5. `people.rs`: identity operations and profile updates, applied in order of ingestion.
//! 6. `partition.rs`: rows → order by (day, user, time, sequence), repeats replaced.
//! 7. `lanes.rs`, `write.rs`: values → typed lanes → data files, in parallel.
//! 8. [`Ingestor`]: files → one commit; small amounts through the write-ahead log and the
//!    memtable first. `import.rs` runs steps 1 to 4 beside it.
//!
//! Rule ids such as D-9 refer to `crates/query/SEMANTICS.md`.

#[cfg(test)]
extern crate self as tallymark_ingest;

mod batch;
mod blocked;
mod blocking;
mod compression;
mod csv_input;
mod error;
mod frame;
#[cfg(test)]
mod fuzz_corpus;
mod import;
mod ingestor;
mod lanes;
mod limits;
mod lookup;
mod mapping;
mod parquet_input;
mod parse;
mod partition;
mod people;
mod progress;
mod rejection;
mod repeats;
mod report;
mod source;
mod spread;
mod table_row;
#[cfg(test)]
mod tests;
mod wal_payload;
mod write;

pub use batch::{BatchBuilder, EventBatch};
pub use blocked::Blocked;
pub use blocking::outcome;
pub use compression::{Compression, DamagedStream};
pub use error::{Error, Result};
pub use frame::{Block, BlockReader, FrameOptions, RecordText};
pub use import::ImportOptions;
pub use ingestor::{IngestConfig, Ingestor};
pub use limits::{DEPTH_CEILING, Limits, NAME_CHARS_MAX};
pub use lookup::LookupTable;
pub use mapping::{ColumnMapping, TimeUnit, UnknownTimeUnit};
pub use parse::{ParseOptions, Record, Scratch, WireForm, check_event, parse_record, parse_record_into};
pub use progress::ImportProgress;
pub use rejection::{OVERLONG_RAW_BYTES, RecordError, Rejection};
pub use report::{AppendReport, ImportReport, REJECTIONS_SHOWN, RejectedRecord};
pub use source::{Input, InputFile, InputFiles, InputKind, RowSink, Skipped, expand};
