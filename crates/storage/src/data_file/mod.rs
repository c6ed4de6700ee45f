//! Sorted columns → one Parquet file and what the manifest says of it; and back.
//!
//! A data file is plain Parquet (P3). Its columns are those of [`tallymark_event::columns`], then
//! the lanes that have a value in it, by their column names. Rows are sorted by (`user_id` as
//! UTF-8 bytes, nobody first; `time`; `sequence`), which the file declares. The day is only in the
//! directory's name. The key `tallymark` of its metadata says which column belongs to which
//! property:
//!
//! ```json
//! {"version":1,"lanes":[{"column":"price@string","property":"price","kind":"string"}]}
//! ```
//!
//! Types at rest are the plain Parquet ones (text, 64-bit integers, milliseconds UTC, three-level
//! lists); types in memory are those of [`tallymark_event::LaneKind::data_type`].

mod columns;
mod reader;
mod stats;
mod writer;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use tallymark_event::Lane;
use tallymark_event::columns::system_fields;

pub use columns::{FetchedColumns, FileChunks, FileColumns};
pub(crate) use reader::{read, read_bytes};
pub use writer::DataFileWriter;

/// How data files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// Rows of a row group; at least 1. 131,072.
    pub row_group_rows: usize,
    /// Zstandard level, 1 to 22; values beyond are taken as the nearest. 3.
    pub zstd_level: i32,
    /// Rows of a file, at least 1; merging starts another one then. 4,194,304.
    pub rows_max: usize,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self { row_group_rows: 131_072, zstd_level: 3, rows_max: 4 << 20 }
    }
}

/// Which columns to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// The system columns and all lanes of the file, in the order of the file.
    All,
    /// The columns of these names, in this order; those the file does not have are left out.
    Columns(Vec<String>),
}

impl Projection {
    /// The columns of these names.
    pub fn columns<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Columns(names.into_iter().map(ToOwned::to_owned).collect())
    }
}

/// The schema in memory of the system columns, then `lanes`.
pub fn schema<'a>(lanes: impl IntoIterator<Item = &'a Lane>) -> SchemaRef {
    Arc::new(Schema::new(
        system_fields().into_iter().chain(lanes.into_iter().map(Lane::field)).collect::<Vec<_>>(),
    ))
}
