//! Files → runs: streams of chunks in the order of (user as of now, time, sequence).

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, take};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use arrow::error::ArrowError;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tallymark_event::columns::{SEQUENCE, TIME, USER_ID};
use tallymark_event::{Lane, LaneId, PropertyCatalog};

use super::Merge;
use super::rows::{Chunk, resolve, text_column};
use crate::data_file::{self, DataFileWriter, FileSettings, Projection};
use crate::error::{Error, Result};
use crate::local;
use crate::manifest::DataFile;
use crate::store::EventStore;

/// Rows of all batches in memory together, about.
const ROWS_IN_MEMORY: usize = 1 << 20;
/// Rows of a batch, at most and at least.
const BATCH_ROWS: (usize, usize) = (8192, 128);

/// A sorted stream of chunks.
pub(super) type Run<'a> = BoxStream<'a, Result<Chunk>>;

/// The runs of all files of a merge.
pub(super) async fn open<'a>(store: &'a EventStore, merge: &'a Merge<'a>) -> Result<Vec<Run<'a>>> {
    let (most, least) = BATCH_ROWS;
    let input =
        Input { store, merge, batch_rows: (ROWS_IN_MEMORY / merge.files.len().max(1)).clamp(least, most) };
    let mut runs = Vec::with_capacity(merge.files.len());
    for file in merge.files.iter().filter(|file| file.rows > 0) {
        if input.has_moved_rows(file).await? {
            runs.push(input.run_of_unmoved(file).await?);
            input.add_runs_of_moved(file, &mut runs).await?;
        } else {
            runs.push(input.run_of_all(file).await?);
        }
    }
    Ok(runs)
}

#[derive(Clone, Copy)]
struct Input<'a> {
    store: &'a EventStore,
    merge: &'a Merge<'a>,
    batch_rows: usize,
}

impl<'a> Input<'a> {
    async fn read(
        &self,
        file: &DataFile,
        columns: &Projection,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        data_file::read(self.store.location(), self.merge.catalog, file, columns, self.batch_rows).await
    }

    /// Whether the file has rows whose user is another one now than when it was written.
    async fn has_moved_rows(&self, file: &DataFile) -> Result<bool> {
        if file.identity_version == self.merge.identities.version() {
            return Ok(false);
        }
        let mut batches = self.read(file, &Projection::columns([USER_ID])).await?;
        while let Some(batch) = batches.next().await {
            if resolve(&batch?, self.merge.identities, &file.path)?.1.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The whole file, whose users are those stored.
    async fn run_of_all(&self, file: &'a DataFile) -> Result<Run<'a>> {
        let catalog = self.merge.catalog;
        let batches = self.read(file, &Projection::All).await?;
        Ok(batches.map(move |batch| as_stored(batch?, catalog, &file.path)).boxed())
    }

    /// The rows whose user is the one stored: they are in order as they are.
    async fn run_of_unmoved(&self, file: &'a DataFile) -> Result<Run<'a>> {
        let merge = self.merge;
        let batches = self.read(file, &Projection::All).await?;
        Ok(batches
            .map(move |batch| {
                let batch = batch?;
                let (_, moved) = resolve(&batch, merge.identities, &file.path)?;
                let unmoved = match moved {
                    None => batch,
                    Some(moved) => {
                        let mask: BooleanArray = moved.into_iter().map(|moved| Some(!moved)).collect();
                        filter_record_batch(&batch, &mask).map_err(|source| rows_error(file, source))?
                    }
                };
                as_stored(unmoved, merge.catalog, &file.path)
            })
            .boxed())
    }

    /// The rows whose user is another one now: sorted a row group at a time, each kept encoded in
    /// memory as a run of its own.
    async fn add_runs_of_moved(&self, file: &'a DataFile, runs: &mut Vec<Run<'a>>) -> Result<()> {
        let row_group_rows = self.store.config().file.row_group_rows.max(1);
        let mut batches = self.read(file, &Projection::All).await?;
        let (mut moved_rows, mut row_count) = (Vec::new(), 0);
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let (users, Some(moved)) = resolve(&batch, self.merge.identities, &file.path)? else { continue };
            let with_users =
                replace(&batch, USER_ID, Arc::new(users)).map_err(|source| rows_error(file, source))?;
            let moved = filter_record_batch(&with_users, &BooleanArray::from(moved))
                .map_err(|source| rows_error(file, source))?;
            row_count += moved.num_rows();
            moved_rows.push(moved);
            if row_count >= row_group_rows {
                runs.push(self.sorted_run(file, std::mem::take(&mut moved_rows)).await?);
                row_count = 0;
            }
        }
        if row_count > 0 {
            runs.push(self.sorted_run(file, moved_rows).await?);
        }
        Ok(())
    }

    async fn sorted_run(&self, file: &'a DataFile, batches: Vec<RecordBatch>) -> Result<Run<'a>> {
        let catalog = self.merge.catalog;
        let lanes: Vec<(LaneId, Lane)> =
            file.lanes.iter().map(|count| (count.lane, catalog.lane(count.lane).clone())).collect();
        let writer = DataFileWriter::try_new(file.day, &lanes, catalog, &self.store.config().file)?;
        let (settings, path) = (self.store.config().file.clone(), file.path.clone());
        let (bytes, run) = local::blocking(move || encode_sorted(writer, &batches, &settings, &path)).await?;
        let batches = data_file::read_bytes(bytes, catalog, &run, &Projection::All, self.batch_rows).await?;
        Ok(batches.map(move |batch| as_stored(batch?, catalog, &file.path)).boxed())
    }
}

/// A chunk whose users are those in the batch.
fn as_stored(batch: RecordBatch, catalog: &PropertyCatalog, path: &str) -> Result<Chunk> {
    let users = text_column(&batch, USER_ID, path)?;
    Chunk::try_new(batch, users, catalog, path)
}

fn encode_sorted(
    mut writer: DataFileWriter,
    batches: &[RecordBatch],
    settings: &FileSettings,
    path: &str,
) -> Result<(Bytes, DataFile)> {
    let rows_error = |source| Error::Rows { path: path.to_owned(), source };
    let rows = concat_batches(&batches[0].schema(), batches).map_err(rows_error)?;
    let order = sorted_order(&rows, path)?;
    let length = settings.row_group_rows.max(1);
    for group in order.chunks(length) {
        let group = UInt32Array::from(group.to_vec());
        writer.write_row_group(group.len(), &mut |index| {
            take(rows.column(index), &group, None).map_err(rows_error)
        })?;
    }
    writer.finish(0)
}

/// The rows by (user, time, sequence).
fn sorted_order(rows: &RecordBatch, path: &str) -> Result<Vec<u32>> {
    let users = text_column(rows, USER_ID, path)?;
    let times = rows[TIME].as_primitive::<TimestampMillisecondType>();
    let sequences = rows[SEQUENCE].as_primitive::<Int64Type>();
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    order.sort_unstable_by(|&a, &b| {
        let key = |row: u32| {
            let row = row as usize;
            (users.is_valid(row).then(|| users.value(row)), times.value(row), sequences.value(row))
        };
        key(a).cmp(&key(b))
    });
    Ok(order)
}

fn replace(batch: &RecordBatch, name: &str, column: ArrayRef) -> Result<RecordBatch, ArrowError> {
    let index = batch.schema_ref().index_of(name)?;
    let mut columns = batch.columns().to_vec();
    columns[index] = column;
    RecordBatch::try_new(batch.schema(), columns)
}

fn rows_error(file: &DataFile, source: ArrowError) -> Error {
    Error::Rows { path: file.path.clone(), source }
}
