//! Sorted columns → one Parquet file and what the manifest says of it; and back.

use arrow::array::ArrayRef;
use bytes::Bytes;
use tallymark_event::{Day, Lane, LaneId, PropertyCatalog};

use crate::error::Result;
use crate::manifest::DataFile;

/// How data files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// Rows of a row group; at least 1. 131,072.
    pub row_group_rows: usize,
    /// Zstandard level, 1 to 22. 3.
    pub zstd_level: i32,
    /// Rows of a file; merging starts another one then. 4,194,304.
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
    /// The system columns and all lanes of the file.
    All,
    /// The columns of these names, in this order; lanes the file does not have are left out.
    Columns(Vec<String>),
}

/// Encodes one sorted file, column by column, so that memory holds one column at a time.
#[derive(Debug)]
pub struct DataFileWriter {}

impl DataFileWriter {
    /// A writer of a new file of `day` with the system columns and `lanes`.
    pub fn try_new(
        day: Day,
        lanes: &[(LaneId, Lane)],
        catalog: &PropertyCatalog,
        settings: &FileSettings,
    ) -> Result<Self> {
        unimplemented!("{day} {lanes:?} {catalog:?} {settings:?}")
    }

    /// Writes one row group.
    pub fn write_row_group(
        &mut self,
        rows: usize,
        column: &mut dyn FnMut(usize) -> Result<ArrayRef>,
    ) -> Result<()> {
        column(rows).map(|_| ())
    }

    /// The finished file and what is known of it.
    pub fn finish(self, identity_version: u64) -> Result<(Bytes, DataFile)> {
        unimplemented!("{identity_version}")
    }
}
