//! The rows of an attached Parquet file, read column by column.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::concat;
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::file::metadata::ParquetMetaData;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use object_store::{GetOptions, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, coalesce_ranges};
use tallymark_memory::{AttachedRows, ColumnId, FetchedRows, RowsError};
use tallymark_storage::FileChunks;

use super::held::{HeldColumns, HeldInput};

/// A file as it was when it was listed.
pub(super) struct ParquetRows {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) meta: ObjectMeta,
    pub(super) footers: Arc<FileMetadataCache>,
    pub(super) columns: Arc<HeldColumns>,
    /// The values in its path.
    pub(super) paths: Vec<ScalarValue>,
    pub(super) sizes: Sizes,
}

/// What a footer says of a file's size.
pub(super) struct Sizes {
    group_rows: Vec<usize>,
    /// Bytes of each column before compression, in the order of [`HeldColumns::ids`].
    columns: Vec<u64>,
}

impl Sizes {
    pub(super) fn of(metadata: &ParquetMetaData, held: &HeldColumns) -> Self {
        let groups = metadata.row_groups();
        let schema = metadata.file_metadata().schema_descr();
        let mut stored: HashMap<&str, u64> = HashMap::new();
        for leaf in 0..schema.num_columns() {
            let bytes: u64 =
                groups.iter().map(|group| group.column(leaf).uncompressed_size().max(0) as u64).sum();
            *stored.entry(schema.get_column_root(leaf).name()).or_default() += bytes;
        }
        let bytes_of = |id| match held.get(id).map(|column| &column.input) {
            Some(HeldInput::Stored(field)) => stored.get(field.name().as_str()).copied().unwrap_or(0),
            _ => 0,
        };
        Self {
            group_rows: groups.iter().map(|group| group.num_rows().max(0) as usize).collect(),
            columns: held.ids().map(bytes_of).collect(),
        }
    }
}

/// The footer of a file, from the cache that all queries share.
pub(super) async fn footer(
    store: &dyn ObjectStore,
    meta: &ObjectMeta,
    footers: &Arc<FileMetadataCache>,
) -> Result<Arc<ParquetMetaData>> {
    DFParquetMetadata::new(store, meta)
        .with_file_metadata_cache(Some(Arc::clone(footers)))
        .fetch_metadata()
        .await
}

impl fmt::Debug for ParquetRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetRows").field("meta", &self.meta).finish_non_exhaustive()
    }
}

impl AttachedRows for ParquetRows {
    fn group_rows(&self) -> &[usize] {
        &self.sizes.group_rows
    }

    fn column_bytes(&self, column: ColumnId) -> u64 {
        self.columns.position(column).and_then(|at| self.sizes.columns.get(at)).copied().unwrap_or(0)
    }

    fn fetch<'a>(
        &'a self,
        column: ColumnId,
        groups: &'a [usize],
    ) -> BoxFuture<'a, Result<Arc<dyn FetchedRows>, RowsError>> {
        async move {
            let fetched = Fetched {
                column,
                columns: Arc::clone(&self.columns),
                rows: groups.iter().map(|group| self.sizes.group_rows[*group]).collect(),
                paths: self.paths.clone(),
                stored: self.stored(column, groups).await?,
            };
            Ok(Arc::new(fetched) as Arc<dyn FetchedRows>)
        }
        .boxed()
    }
}

impl ParquetRows {
    /// What is stored of a column; `None` if the file does not have it.
    async fn stored(&self, column: ColumnId, groups: &[usize]) -> Result<Option<Stored>, RowsError> {
        let held = self.columns.get(column).ok_or("the column is not held")?;
        let HeldInput::Stored(field) = &held.input else { return Ok(None) };
        let metadata = footer(self.store.as_ref(), &self.meta, &self.footers).await?;
        let metadata = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new())?;
        let Ok(root) = metadata.schema().index_of(field.name()) else { return Ok(None) };
        if metadata.metadata().num_row_groups() != self.sizes.group_rows.len() {
            return Err(Box::new(Changed));
        }
        let mask = ProjectionMask::roots(metadata.parquet_schema(), [root]);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for group in groups.iter().map(|group| metadata.metadata().row_group(*group)) {
            for (leaf, chunk) in group.columns().iter().enumerate() {
                if mask.leaf_included(leaf) {
                    let (start, length) = chunk.byte_range();
                    ranges.push(start..start + length);
                }
            }
        }
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup();
        let fetched =
            coalesce_ranges(&ranges, |range| self.get(range), OBJECT_STORE_COALESCE_DEFAULT).await?;
        let bytes = fetched.iter().map(|bytes| bytes.len() as u64).sum();
        let chunks = ranges.iter().map(|range| range.start).zip(fetched).collect();
        let chunks = FileChunks::new(self.meta.size, chunks);
        Ok(Some(Stored { metadata, mask, groups: groups.to_vec(), chunks, bytes }))
    }

    /// Some bytes of the file, if it is the one still that was listed.
    async fn get(&self, range: Range<u64>) -> Result<Bytes, RowsError> {
        let mut options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
        match &self.meta.e_tag {
            Some(tag) => options.if_match = Some(tag.clone()),
            None => options.if_unmodified_since = Some(self.meta.last_modified),
        }
        let found = match self.store.get_opts(&self.meta.location, options).await {
            Ok(found) => found,
            Err(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => {
                return Err(Box::new(Changed));
            }
            Err(error) => return Err(Box::new(error)),
        };
        if found.meta.size != self.meta.size {
            return Err(Box::new(Changed));
        }
        Ok(found.bytes().await?)
    }
}

/// A file is not what it was.
#[derive(Debug, thiserror::Error)]
#[error("it was changed or removed after the query had listed it; ask again")]
struct Changed;

/// What was read of a column.
struct Fetched {
    column: ColumnId,
    columns: Arc<HeldColumns>,
    /// How many rows each row group has.
    rows: Vec<usize>,
    paths: Vec<ScalarValue>,
    stored: Option<Stored>,
}

/// What was read of a column of the file.
struct Stored {
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    groups: Vec<usize>,
    chunks: FileChunks,
    bytes: u64,
}

impl FetchedRows for Fetched {
    fn bytes(&self) -> u64 {
        self.stored.as_ref().map_or(0, |stored| stored.bytes)
    }

    fn decode(&self, at: usize) -> Result<ArrayRef, RowsError> {
        let rows = self.rows[at];
        let held = self.columns.get(self.column).ok_or("the column is not held")?;
        if !matches!(held.input, HeldInput::Stored(_)) {
            return Ok(held.of_path(&self.paths, rows)?);
        }
        let stored = self.stored.as_ref().map(|stored| stored.decode(at, rows)).transpose()?;
        Ok(held.of_stored(stored, rows)?)
    }
}

impl Stored {
    fn decode(&self, at: usize, rows: usize) -> Result<ArrayRef, DataFusionError> {
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.chunks.clone(), self.metadata.clone())
                .with_row_groups(vec![self.groups[at]])
                .with_projection(self.mask.clone())
                .with_batch_size(rows.max(1))
                .build()?;
        let mut arrays = Vec::with_capacity(1);
        for batch in reader {
            arrays.push(Arc::clone(batch?.column(0)));
        }
        if let [one] = &arrays[..] {
            return Ok(Arc::clone(one));
        }
        let arrays: Vec<_> = arrays.iter().map(|array| &**array).collect();
        Ok(concat(&arrays)?)
    }
}
