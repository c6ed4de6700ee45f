//! Bytes in, validated records out.

mod compression;
mod csv_input;
mod error;
mod frame;
mod limits;
mod mapping;
mod parquet_input;
mod parse;
mod rejection;
mod source;

pub use error::{Error, Result};
pub use frame::{Block, BlockReader, FrameOptions, RecordText};
pub use limits::{DEPTH_CEILING, Limits, NAME_CHARS_MAX};
pub use mapping::{ColumnMapping, TimeUnit};
pub use parse::{ParseOptions, Record, Scratch, WireForm, parse_record, parse_record_into};
pub use rejection::{OVERLONG_RAW_BYTES, RecordError, Rejection};
