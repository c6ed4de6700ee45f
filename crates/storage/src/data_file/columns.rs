//! Whole columns of a file, for those who keep them in memory.
//!
//! Fetching and decoding are apart: the first waits for the store, the second only computes, one
//! column of one row group at a time, so that the caller decides on which thread.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::buf::Reader;
use bytes::{Buf as _, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::async_reader::AsyncFileReader as _;
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::reader::{Object, read_error, with_views};
use crate::Location;
use crate::error::{Error, Result};
use crate::manifest::DataFile;

/// A data file of which columns are to be read, with what its footer says. Cloning copies pointers.
#[derive(Clone)]
pub struct FileColumns {
    location: Location,
    path: Arc<str>,
    bytes: u64,
    /// Text as views.
    views: ArrowReaderMetadata,
    /// Text as dictionaries.
    dictionaries: ArrowReaderMetadata,
}

impl FileColumns {
    /// Reads the footer.
    ///
    /// # Errors
    /// [`Error::Read`] where the file is gone; [`Error::Decode`] where it is not Parquet.
    pub async fn open(location: &Location, file: &DataFile) -> Result<Self> {
        let decode = |source| read_error(file.path.clone(), source);
        let mut object =
            Object { location: location.clone(), path: location.path(&file.path), bytes: file.bytes };
        let metadata = object.get_metadata(None).await.map_err(decode)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let plain = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options.clone()).map_err(decode)?;
        let of_schema = |schema| {
            ArrowReaderMetadata::try_new(Arc::clone(&metadata), options.clone().with_schema(schema))
                .map_err(decode)
        };
        Ok(Self {
            location: location.clone(),
            path: file.path.as_str().into(),
            bytes: file.bytes,
            views: of_schema(with_views(plain.schema()))?,
            dictionaries: of_schema(with_dictionaries(plain.schema()))?,
        })
    }

    /// How many row groups the file has.
    pub fn row_groups(&self) -> usize {
        self.views.metadata().num_row_groups()
    }

    /// How many bytes this takes in memory, about.
    pub fn memory_bytes(&self) -> usize {
        // What the reader derives from the schema, twice, is not counted in the metadata.
        const FIELD_BYTES: usize = 512;
        self.views.metadata().memory_size() + self.views.schema().fields().len() * FIELD_BYTES
    }

    /// Reads the stored bytes of some columns, all row groups.
    ///
    /// # Errors
    /// [`Error::Column`] for a column the file does not have; [`Error::Read`] where the file is
    /// gone.
    pub async fn fetch(&self, columns: &[&str]) -> Result<FetchedColumns> {
        let mut ranges = Vec::new();
        for name in columns {
            let column = self.position(name)?;
            for row_group in self.views.metadata().row_groups() {
                let (start, length) = row_group.column(column).byte_range();
                ranges.push(start..start + length);
            }
        }
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup();
        let mut object = Object {
            location: self.location.clone(),
            path: self.location.path(&self.path),
            bytes: self.bytes,
        };
        let fetched = object
            .get_byte_ranges(ranges.clone())
            .await
            .map_err(|source| read_error(self.path.to_string(), source))?;
        let chunks = ranges.iter().map(|range| range.start).zip(fetched).collect();
        Ok(FetchedColumns { file: self.clone(), chunks: FileChunks::new(self.bytes, chunks) })
    }

    /// The position of a column among those of the file: every one is one leaf of its schema.
    fn position(&self, column: &str) -> Result<usize> {
        self.views.schema().index_of(column).map_err(|source| Error::Column {
            column: column.to_owned(),
            path: self.path.to_string(),
            source,
        })
    }
}

impl fmt::Debug for FileColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileColumns").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The stored bytes of some columns of a file.
#[derive(Debug, Clone)]
pub struct FetchedColumns {
    file: FileColumns,
    chunks: FileChunks,
}

impl FetchedColumns {
    /// How many row groups there are to decode.
    pub fn row_groups(&self) -> usize {
        self.file.row_groups()
    }

    /// How many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.chunks.chunks.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Decodes a column that was fetched, of one row group: one value a row, in its order.
    ///
    /// Text is `Dictionary(UInt32, Utf8)` where all of it is stored as a dictionary, Utf8View where
    /// not; every other type is the one it was stored with, which a lane may have left since.
    ///
    /// # Errors
    /// [`Error::Column`] for a column the file does not have; [`Error::Decode`] where it is not
    /// what was written, or was not fetched.
    ///
    /// # Panics
    /// If there is no such row group.
    pub fn decode(&self, row_group: usize, column: &str) -> Result<ArrayRef> {
        let position = self.file.position(column)?;
        let stored = self.file.views.metadata().row_group(row_group);
        let metadata =
            if is_dictionary(stored.column(position)) { &self.file.dictionaries } else { &self.file.views };
        let read = || -> Result<ArrayRef, ParquetError> {
            let mask = ProjectionMask::leaves(metadata.parquet_schema(), [position]);
            let reader =
                ParquetRecordBatchReaderBuilder::new_with_metadata(self.chunks.clone(), metadata.clone())
                    .with_row_groups(vec![row_group])
                    .with_projection(mask)
                    .with_batch_size(stored.num_rows() as usize)
                    .build()?;
            let mut arrays = Vec::with_capacity(1);
            for batch in reader {
                arrays.push(Arc::clone(batch?.column(0)));
            }
            let arrays: Vec<_> = arrays.iter().map(|array| &**array).collect();
            Ok(concat(&arrays)?)
        };
        read().map_err(|source| read_error(self.file.path.to_string(), source))
    }
}

/// Whether every value lies in the chunk's dictionary. Where too many are different, the writer
/// gives up the dictionary half way, and reading one would mean building it anew.
fn is_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    chunk.dictionary_page_offset().is_some()
        && chunk.page_encoding_stats_mask().is_some_and(|mask| {
            mask.is_only(Encoding::RLE_DICTIONARY) || mask.is_only(Encoding::PLAIN_DICTIONARY)
        })
}

/// The schema with its text as dictionaries, but for that in lists.
fn with_dictionaries(schema: &SchemaRef) -> SchemaRef {
    let fields = with_views(schema)
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8View => {
                let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
                Arc::new(Field::new(field.name(), text, field.is_nullable()))
            }
            _ => Arc::clone(field),
        })
        .collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

/// A file of which only some parts are there, as the Parquet reader wants it. Cloning copies pointers.
#[derive(Debug, Clone)]
pub struct FileChunks {
    bytes: u64,
    /// Where each part starts, ascending.
    chunks: Arc<[(u64, Bytes)]>,
}

impl FileChunks {
    /// A file of so many bytes, and the parts of it that are there: where each starts, ascending.
    pub fn new(bytes: u64, chunks: Arc<[(u64, Bytes)]>) -> Self {
        Self { bytes, chunks }
    }

    /// What there is from a position on, to the end of its part.
    fn from(&self, position: u64) -> Result<Bytes, ParquetError> {
        let after = self.chunks.partition_point(|(start, _)| *start <= position);
        let missing = || ParquetError::General(format!("byte {position} was not fetched"));
        let (start, bytes) = after.checked_sub(1).map(|at| &self.chunks[at]).ok_or_else(missing)?;
        let skipped = usize::try_from(position - start).map_err(|_| missing())?;
        if skipped >= bytes.len() {
            return Err(missing());
        }
        Ok(bytes.slice(skipped..))
    }
}

impl Length for FileChunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for FileChunks {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} were not fetched")));
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Array as _, AsArray as _, Int64Array, ListBuilder, StringViewArray, StringViewBuilder,
        TimestampMillisecondArray,
    };
    use arrow::compute::cast;
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use tallymark_event::columns::{DEVICE_ID, DISTINCT_ID, EVENT, INSERT_ID, SEQUENCE, TIME, USER_ID};
    use tallymark_event::{Day, Lane, LaneId, PropertyCatalog, PropertyValue, ValueKinds};

    use super::*;
    use crate::{DataFileWriter, FileSettings};

    const ROWS: usize = 10;

    /// A file of ten rows in row groups of four: two events, one user, distinct ids too many and
    /// too long for a dictionary, one list lane.
    async fn file() -> (Location, DataFile, Vec<ArrayRef>) {
        let mut catalog = PropertyCatalog::default();
        let mut kinds = ValueKinds::default();
        kinds.observe(&PropertyValue::List(vec!["x".into()]));
        catalog.open_lanes("tags", &kinds);
        let lane: Lane = catalog.lanes()[0].clone();
        let text = |value: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
            Arc::new((0..ROWS).map(value).collect::<StringViewArray>())
        };
        let times: ArrayRef =
            Arc::new(TimestampMillisecondArray::from_iter_values(0..ROWS as i64).with_timezone("UTC"));
        let DataType::List(item) = lane.kind.data_type() else { panic!("{lane:?}") };
        let mut tags = ListBuilder::new(StringViewBuilder::new()).with_field(item);
        for row in 0..ROWS {
            tags.values().append_value("x");
            tags.append(row % 3 == 0);
        }
        let columns: Vec<ArrayRef> = vec![
            text(&|row| Some(["a", "b"][row % 2].to_owned())),
            Arc::clone(&times),
            text(&|row| Some(format!("{row}").repeat(1 << 19))),
            text(&|row| (row > 1).then(|| "u".to_owned())),
            text(&|_| None),
            text(&|row| Some(format!("i{row}"))),
            times,
            Arc::new(Int64Array::from_iter_values(0..ROWS as i64)),
            Arc::new(tags.finish()),
        ];
        let settings = FileSettings { row_group_rows: 4, ..FileSettings::default() };
        let mut writer =
            DataFileWriter::try_new(Day::from_days(0), &[(LaneId(0), lane)], &catalog, &settings).unwrap();
        for start in (0..ROWS).step_by(4) {
            let rows = 4.min(ROWS - start);
            writer.write_row_group(rows, &mut |at| Ok(columns[at].slice(start, rows))).unwrap();
        }
        let (bytes, file) = writer.finish(0).unwrap();
        let location = Location::with_store(Arc::new(InMemory::new()), Path::from("dataset"));
        location.store().put(&location.path(&file.path), bytes.into()).await.unwrap();
        (location, file, columns)
    }

    #[tokio::test]
    async fn columns_come_back_row_group_by_row_group() {
        let (location, file, columns) = file().await;
        let open = FileColumns::open(&location, &file).await.unwrap();
        let names = [EVENT, TIME, DISTINCT_ID, USER_ID, DEVICE_ID, INSERT_ID, SEQUENCE, "tags"];
        let fetched = open.fetch(&names).await.unwrap();
        assert_eq!((open.row_groups(), fetched.row_groups()), (3, 3));
        for (name, expected) in names.into_iter().zip([0, 1, 2, 3, 4, 5, 7, 8].map(|at: usize| &columns[at]))
        {
            let groups: Vec<ArrayRef> = (0..3)
                .map(|group| cast(&fetched.decode(group, name).unwrap(), expected.data_type()).unwrap())
                .collect();
            let groups: Vec<_> = groups.iter().map(|group| &**group).collect();
            assert_eq!(&concat(&groups).unwrap(), expected, "{name}");
        }
    }

    #[tokio::test]
    async fn text_is_a_dictionary_where_it_is_stored_as_one() {
        let (location, file, _) = file().await;
        let fetched = FileColumns::open(&location, &file).await.unwrap();
        let fetched = fetched.fetch(&[EVENT, DISTINCT_ID, INSERT_ID]).await.unwrap();
        let events = fetched.decode(1, EVENT).unwrap();
        assert_eq!(events.as_any_dictionary().values().len(), 2);
        for views in [DISTINCT_ID, INSERT_ID] {
            assert_eq!(*fetched.decode(0, views).unwrap().data_type(), DataType::Utf8View, "{views}");
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_an_error() {
        let (location, file, _) = file().await;
        let open = FileColumns::open(&location, &file).await.unwrap();
        assert!(
            matches!(open.fetch(&["price"]).await, Err(Error::Column { column, .. }) if column == "price")
        );
        let fetched = open.fetch(&[TIME]).await.unwrap();
        assert!(fetched.bytes() > 0 && fetched.bytes() < file.bytes);
        assert!(matches!(fetched.decode(0, EVENT), Err(Error::Decode { .. })));
        location.store().delete(&location.path(&file.path)).await.unwrap();
        assert!(matches!(open.fetch(&[TIME]).await, Err(Error::Read { .. })));
        assert!(matches!(FileColumns::open(&location, &file).await, Err(Error::Read { .. })));
    }
}
