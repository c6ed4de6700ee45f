//! Columns → Parquet, one column of one row group at a time.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use serde::Serialize;
use tallymark_event::columns::{INSERT_ID, SEQUENCE, TIME, USER_ID};
use tallymark_event::{Day, Lane, LaneId, LaneKind, PropertyCatalog};

use super::stats::Stats;
use super::{FileSettings, schema};
use crate::error::{Error, Result};
use crate::manifest::DataFile;
use crate::paths;

/// The key of the file's metadata that explains its columns.
const METADATA_KEY: &str = "tallymark";

/// Encodes one sorted file, column by column, so that memory holds one column of one row group,
/// and the encoded file so far.
///
/// It does no I/O: see [`crate::EventStore::put_data_file`].
pub struct DataFileWriter {
    path: String,
    day: Day,
    schema: SchemaRef,
    lanes: Vec<LaneId>,
    file: SerializedFileWriter<Vec<u8>>,
    factory: ArrowRowGroupWriterFactory,
    row_groups: usize,
    stats: Stats,
}

impl DataFileWriter {
    /// A writer of a new file of `day` with the system columns and `lanes`, whose properties are
    /// in `catalog`.
    ///
    /// # Errors
    /// [`Error::Encode`] where two lanes have one column name.
    pub fn try_new(
        day: Day,
        lanes: &[(LaneId, Lane)],
        catalog: &PropertyCatalog,
        settings: &FileSettings,
    ) -> Result<Self> {
        let path = paths::new_data_file(day);
        let schema = schema(lanes.iter().map(|(_, lane)| lane));
        let open = || -> Result<_, ParquetError> {
            let parquet_schema = ArrowSchemaConverter::new().convert(&schema)?;
            let properties = Arc::new(properties(lanes, catalog, settings)?);
            let file = SerializedFileWriter::new(Vec::new(), parquet_schema.root_schema_ptr(), properties)?;
            let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&schema));
            Ok((file, factory))
        };
        let (file, factory) = open().map_err(|source| Error::Encode { path: path.clone(), source })?;
        let lane_ids = lanes.iter().map(|(id, _)| *id).collect();
        Ok(Self {
            path,
            day,
            schema,
            lanes: lane_ids,
            file,
            factory,
            row_groups: 0,
            stats: Stats::new(lanes.len()),
        })
    }

    /// The columns, in order: what `write_row_group` asks for by position.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Writes the next `rows` rows as one row group; none for 0 rows.
    ///
    /// `column(i)` gives column `i` of [`DataFileWriter::schema`] for these rows. It is asked once
    /// for each column, in order, and its array is dropped before the next is asked for. A text
    /// column may also come as a dictionary; with Utf8 values it is written without being unpacked.
    ///
    /// # Errors
    /// What `column` returns; [`Error::Rows`] for an array of another length, for rows that are
    /// not in order or not of the day; [`Error::Encode`] for an array of another type, or a null
    /// where the schema has none. The writer is of no use after an error.
    pub fn write_row_group(
        &mut self,
        rows: usize,
        column: &mut dyn FnMut(usize) -> Result<ArrayRef>,
    ) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let Self { path, day, schema, file, factory, row_groups, stats, .. } = self;
        let encode = |source| Error::Encode { path: path.clone(), source };
        let writers = factory.create_column_writers(*row_groups).map_err(encode)?;
        let mut row_group = file.next_row_group().map_err(encode)?;
        // Every column, lists too, is one leaf of the Parquet schema.
        for (index, (field, mut writer)) in schema.fields().iter().zip(writers).enumerate() {
            let mut array = column(index)?;
            let wrong = |source| Error::Rows { path: path.clone(), source };
            if array.len() != rows {
                let message = format!("column {:?} has {} rows of {rows}", field.name(), array.len());
                return Err(wrong(ArrowError::InvalidArgumentError(message)));
            }
            if !field.is_nullable() && array.logical_null_count() > 0 {
                let message = format!("column {:?} has nulls", field.name());
                return Err(wrong(ArrowError::InvalidArgumentError(message)));
            }
            // The encoder takes dictionaries of Utf8, not of Utf8View.
            if matches!(array.data_type(), DataType::Dictionary(_, values) if **values == DataType::Utf8View)
            {
                array = cast(&array, field.data_type()).map_err(wrong)?;
            }
            let leaves = compute_leaves(field, &array).map_err(encode)?;
            stats.observe(index, &array, *day).map_err(wrong)?;
            drop(array);
            for leaf in &leaves {
                writer.write(leaf).map_err(encode)?;
            }
            drop(leaves);
            let chunk = writer.close().map_err(encode)?;
            chunk.append_to_row_group(&mut row_group).map_err(encode)?;
        }
        row_group.close().map_err(encode)?;
        *row_groups += 1;
        Ok(())
    }

    /// The finished file and what is known of it. `identity_version` is
    /// [`tallymark_users::Identities::version`] when `user_id` was resolved.
    pub fn finish(self, identity_version: u64) -> Result<(Bytes, DataFile)> {
        let Self { path, day, lanes, file, stats, .. } = self;
        let bytes = file.into_inner().map_err(|source| Error::Encode { path: path.clone(), source })?;
        let described = stats.finish(path, day, bytes.len() as u64, &lanes, identity_version);
        Ok((Bytes::from(bytes), described))
    }
}

impl fmt::Debug for DataFileWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataFileWriter")
            .field("path", &self.path)
            .field("row_groups", &self.row_groups)
            .finish_non_exhaustive()
    }
}

/// How each column is encoded.
///
/// Times and sequences are close to their neighbours, so differences are small; insert ids never
/// repeat, so a dictionary would only cost. The sort columns have page statistics, with which a
/// reader finds one user's pages; where nobody compares values, there are none.
fn properties(
    lanes: &[(LaneId, Lane)],
    catalog: &PropertyCatalog,
    settings: &FileSettings,
) -> Result<WriterProperties, ParquetError> {
    let column = |name: &str| ColumnPath::new(vec![name.to_owned()]);
    let level = ZstdLevel::try_new(settings.zstd_level.clamp(1, 22))?;
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("tallymark version {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(column(TIME), EnabledStatistics::Page)
        .set_column_statistics_enabled(column(USER_ID), EnabledStatistics::Page)
        .set_column_statistics_enabled(column(INSERT_ID), EnabledStatistics::None)
        .set_column_dictionary_enabled(column(INSERT_ID), false)
        .set_sorting_columns(Some(sorting_columns()))
        .set_key_value_metadata(Some(vec![KeyValue::new(
            METADATA_KEY.to_owned(),
            describe(lanes, catalog)?,
        )]));
    for name in [TIME, SEQUENCE] {
        builder = builder
            .set_column_dictionary_enabled(column(name), false)
            .set_column_encoding(column(name), Encoding::DELTA_BINARY_PACKED);
    }
    for (_, lane) in lanes.iter().filter(|(_, lane)| lane.kind == LaneKind::Json) {
        builder = builder.set_column_statistics_enabled(column(&lane.column), EnabledStatistics::None);
    }
    Ok(builder.build())
}

/// The order of the rows: by the positions of `user_id`, `time` and `sequence`.
fn sorting_columns() -> Vec<SortingColumn> {
    let fields = tallymark_event::columns::system_fields();
    [USER_ID, TIME, SEQUENCE]
        .iter()
        .filter_map(|name| fields.iter().position(|field| field.name() == name))
        .map(|index| SortingColumn { column_idx: index as i32, descending: false, nulls_first: true })
        .collect()
}

#[derive(Serialize)]
struct FileDescription<'a> {
    version: u32,
    lanes: Vec<LaneDescription<'a>>,
}

#[derive(Serialize)]
struct LaneDescription<'a> {
    column: &'a str,
    property: &'a str,
    kind: LaneKind,
}

fn describe(lanes: &[(LaneId, Lane)], catalog: &PropertyCatalog) -> Result<String, ParquetError> {
    let lanes = lanes
        .iter()
        .map(|(_, lane)| LaneDescription {
            column: &lane.column,
            property: &catalog.properties()[lane.property.0 as usize].name,
            kind: lane.kind,
        })
        .collect();
    serde_json::to_string(&FileDescription { version: 1, lanes })
        .map_err(|error| ParquetError::External(Box::new(error)))
}
