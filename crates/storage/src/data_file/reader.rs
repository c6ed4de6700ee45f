//! Parquet → batches in the types in memory.

use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use tallymark_event::PropertyCatalog;
use tallymark_event::columns::system_fields;

use super::Projection;
use crate::Location;
use crate::error::{Error, Result};
use crate::manifest::DataFile;
use crate::objects::retrying;

/// How much of a file's end is read first: enough for most footers.
const FOOTER_BYTES: usize = 64 << 10;

/// Reads a file as batches of at most `batch_rows` rows, in its order.
///
/// Lanes have the types of `catalog`, whatever they were when the file was written.
pub(crate) async fn read(
    location: &Location,
    catalog: &PropertyCatalog,
    file: &DataFile,
    columns: &Projection,
    batch_rows: usize,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let object = Object { location: location.clone(), path: location.path(&file.path), bytes: file.bytes };
    read_from(object, catalog, file, columns, batch_rows).await
}

/// As [`read`], of a file that is in memory.
pub(crate) async fn read_bytes(
    bytes: Bytes,
    catalog: &PropertyCatalog,
    file: &DataFile,
    columns: &Projection,
    batch_rows: usize,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    read_from(Cursor::new(bytes), catalog, file, columns, batch_rows).await
}

async fn read_from(
    mut reader: impl AsyncFileReader + Unpin + 'static,
    catalog: &PropertyCatalog,
    file: &DataFile,
    columns: &Projection,
    batch_rows: usize,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let decode = |source| read_error(file.path.clone(), source);
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let plain = ArrowReaderMetadata::load_async(&mut reader, options).await.map_err(decode)?;
    let options = ArrowReaderOptions::new().with_schema(with_views(plain.schema()));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options).map_err(decode)?;

    let wanted = wanted_fields(catalog, file, columns);
    let stored = metadata.schema();
    let mut stored_indices = Vec::with_capacity(wanted.len());
    for field in &wanted {
        let index = stored.index_of(field.name()).map_err(|source| Error::Column {
            column: field.name().clone(),
            path: file.path.clone(),
            source,
        })?;
        stored_indices.push(index);
    }
    let mut read_order = stored_indices.clone();
    read_order.sort_unstable();
    read_order.dedup();
    let mask = ProjectionMask::roots(metadata.parquet_schema(), stored_indices.iter().copied());
    // Position among the columns read, which come in the order of the file.
    let positions: Vec<usize> =
        stored_indices.iter().map(|index| read_order.partition_point(|other| other < index)).collect();
    let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
        .with_projection(mask)
        .with_batch_size(batch_rows)
        .build()
        .map_err(decode)?;

    let schema = Arc::new(Schema::new(wanted));
    let path = file.path.clone();
    let stream = stream.map(move |batch| {
        let batch = batch.map_err(|source| read_error(path.clone(), source))?;
        let columns = positions
            .iter()
            .zip(schema.fields())
            .map(|(position, field)| convert(batch.column(*position), field, &path))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)
            .map_err(|source| Error::Rows { path: path.clone(), source })
    });
    Ok(stream.boxed())
}

/// A file in an object store, as the Parquet reader wants it.
pub(super) struct Object {
    pub(super) location: Location,
    pub(super) path: Path,
    pub(super) bytes: u64,
}

impl AsyncFileReader for Object {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            Ok(retrying(&self.location, || {
                self.location.store().get_range(&self.path, range.clone()).boxed()
            })
            .await?)
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            Ok(retrying(&self.location, || self.location.store().get_ranges(&self.path, &ranges).boxed())
                .await?)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let bytes = self.bytes;
            let reader = ParquetMetaDataReader::new()
                .with_metadata_options(options.map(|options| options.metadata_options().clone()))
                .with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}

/// An error of the store itself, such as a missing object, stays one.
pub(super) fn read_error(path: String, source: ParquetError) -> Error {
    match source {
        ParquetError::External(inner) => match inner.downcast::<object_store::Error>() {
            Ok(source) => Error::Read { path, source: *source },
            Err(inner) => Error::Decode { path, source: ParquetError::External(inner) },
        },
        source => Error::Decode { path, source },
    }
}

/// The fields asked for that the file has, in the order asked for.
fn wanted_fields(catalog: &PropertyCatalog, file: &DataFile, columns: &Projection) -> Vec<FieldRef> {
    let lanes = file.lanes.iter().map(|count| catalog.lane(count.lane).field());
    let all = system_fields().into_iter().chain(lanes);
    match columns {
        Projection::All => all.collect(),
        Projection::Columns(names) => {
            let known: HashMap<String, FieldRef> = all.map(|field| (field.name().clone(), field)).collect();
            names.iter().filter_map(|name| known.get(name).cloned()).collect()
        }
    }
}

/// The schema with its text as views, so that decoding copies no text.
pub(super) fn with_views(schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(viewed).collect::<Vec<_>>()))
}

fn viewed(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::List(item) => DataType::List(viewed(item)),
        _ => return Arc::clone(field),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
}

fn convert(column: &ArrayRef, field: &Field, path: &str) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    cast(column, field.data_type()).map_err(|source| Error::Column {
        column: field.name().clone(),
        path: path.to_owned(),
        source,
    })
}
