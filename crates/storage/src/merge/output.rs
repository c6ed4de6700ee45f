//! Rows → data files, a row group at a time.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, new_null_array};
use arrow::compute::{concat_batches, interleave};
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use futures::StreamExt as _;
use hashbrown::HashMap;
use tallymark_event::columns::{SEQUENCE, USER_ID};
use tallymark_event::{Lane, LaneId};

use super::Merge;
use super::order::Chunks;
use super::rows::{Chunk, RowRef};
use crate::data_file::{self, DataFileWriter, Projection};
use crate::error::{Error, Result};
use crate::local;
use crate::manifest::DataFile;
use crate::store::{EventStore, Uncommitted};

/// Writes the rows that are kept.
pub(super) struct Output<'a> {
    store: &'a EventStore,
    merge: &'a Merge<'a>,
    lanes: Vec<(LaneId, Lane)>,
    rows: Vec<RowRef>,
    /// The file being written and how many rows it has.
    file: Option<(DataFileWriter, usize)>,
    files: Vec<DataFile>,
    /// Looks after the files until all are put.
    put: Uncommitted,
}

impl<'a> Output<'a> {
    pub(super) fn new(store: &'a EventStore, merge: &'a Merge<'a>, lanes: Vec<LaneId>) -> Self {
        let lanes = lanes.into_iter().map(|id| (id, merge.catalog.lane(id).clone())).collect();
        Self {
            store,
            merge,
            lanes,
            rows: Vec::new(),
            file: None,
            files: Vec::new(),
            put: store.uncommitted(),
        }
    }

    /// Takes a row in, unless the filter refuses it.
    pub(super) fn push(&mut self, row: RowRef, chunks: &Chunks) {
        if chunks.of(row).keeps(row, self.merge.keep) {
            self.rows.push(row);
        }
    }

    /// The rows that wait for the rest of their row group.
    pub(super) fn rows(&self) -> &[RowRef] {
        &self.rows
    }

    /// Whether a row group has come together.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= self.group_rows()
    }

    /// How many rows the next row group may have.
    fn group_rows(&self) -> usize {
        let settings = &self.store.config().file;
        let in_file = self.file.as_ref().map_or(0, |(_, rows)| *rows);
        settings.row_group_rows.min(settings.rows_max.saturating_sub(in_file)).max(1)
    }

    /// Encodes the row groups that have come together.
    pub(super) async fn write_full(&mut self, chunks: &Chunks) -> Result<()> {
        while self.is_full() {
            self.write_row_group(chunks).await?;
        }
        Ok(())
    }

    /// Encodes all rows there are, be they few.
    pub(super) async fn write_pending(&mut self, chunks: &Chunks) -> Result<()> {
        while !self.rows.is_empty() {
            self.write_row_group(chunks).await?;
        }
        Ok(())
    }

    /// Writes the rest.
    pub(super) async fn finish(&mut self, chunks: &Chunks) -> Result<()> {
        self.write_pending(chunks).await?;
        self.finish_file().await
    }

    async fn write_row_group(&mut self, chunks: &Chunks) -> Result<()> {
        let rest = self.rows.split_off(self.group_rows().min(self.rows.len()));
        let rows = std::mem::replace(&mut self.rows, rest);
        let (writer, in_file) = match self.file.take() {
            Some(file) => file,
            None => (self.new_file(&self.lanes)?, 0),
        };
        let group = Group::new(&rows, chunks);
        let written = in_file + group.rows.len();
        self.file = Some((local::blocking(move || group.write(writer)).await?, written));
        if written >= self.store.config().file.rows_max {
            self.finish_file().await?;
        }
        Ok(())
    }

    /// The files put; from now on the caller looks after them.
    pub(super) fn into_files(self) -> Vec<DataFile> {
        self.put.release();
        self.files
    }

    /// Deletes the files put so far.
    pub(super) async fn discard(self) {
        self.put.discard().await;
    }

    fn new_file(&self, lanes: &[(LaneId, Lane)]) -> Result<DataFileWriter> {
        DataFileWriter::try_new(self.merge.day, lanes, self.merge.catalog, &self.store.config().file)
    }

    async fn finish_file(&mut self) -> Result<()> {
        let Some((writer, _)) = self.file.take() else { return Ok(()) };
        let identity_version = self.merge.identities.version();
        let (mut bytes, mut file) = local::blocking(move || writer.finish(identity_version)).await?;
        if file.lanes.len() < self.lanes.len() {
            (bytes, file) = self.without_empty_lanes(bytes, &file).await?;
        }
        self.put.put(&file, bytes).await?;
        self.files.push(file);
        Ok(())
    }

    /// The file without columns that have no value: a property whose only user was removed leaves
    /// no trace.
    async fn without_empty_lanes(&self, bytes: Bytes, file: &DataFile) -> Result<(Bytes, DataFile)> {
        let used = |lane: &LaneId| file.lanes.iter().any(|count| count.lane == *lane);
        let lanes: Vec<(LaneId, Lane)> = self.lanes.iter().filter(|(lane, _)| used(lane)).cloned().collect();
        let group_rows = self.store.config().file.row_group_rows.max(1);
        let mut writer = self.new_file(&lanes)?;
        let mut batches =
            data_file::read_bytes(bytes, self.merge.catalog, file, &Projection::All, group_rows).await?;
        let schema = Arc::clone(writer.schema());
        let path = file.path.clone();
        let (mut group, mut rows) = (Vec::new(), 0);
        loop {
            let next = batches.next().await.transpose()?;
            if let Some(batch) = &next {
                rows += batch.num_rows();
                group.push(batch.clone());
            }
            if rows >= group_rows || (next.is_none() && rows > 0) {
                let (path, schema, parts) = (path.clone(), Arc::clone(&schema), std::mem::take(&mut group));
                writer = local::blocking(move || {
                    let whole =
                        concat_batches(&schema, &parts).map_err(|source| Error::Rows { path, source })?;
                    writer.write_row_group(whole.num_rows(), &mut |index| {
                        Ok(Arc::clone(whole.column(index)))
                    })?;
                    Ok(writer)
                })
                .await?;
                rows = 0;
            }
            if next.is_none() {
                return writer.finish(file.identity_version);
            }
        }
    }
}

/// Rows of a row group and the chunks they are in.
struct Group {
    chunks: Vec<Arc<Chunk>>,
    /// For each row, the position of its chunk, and its row there.
    rows: Vec<(usize, usize)>,
    sequences: Vec<i64>,
}

impl Group {
    fn new(rows: &[RowRef], chunks: &Chunks) -> Self {
        let mut position_of: HashMap<u32, usize> = HashMap::new();
        let mut used = Vec::new();
        let positions = rows
            .iter()
            .map(|row| {
                let position = *position_of.entry(row.chunk).or_insert_with(|| {
                    used.push(Arc::clone(chunks.get(row.chunk)));
                    used.len() - 1
                });
                (position, row.row as usize)
            })
            .collect();
        Self { chunks: used, rows: positions, sequences: rows.iter().map(|row| row.sequence).collect() }
    }

    fn write(self, mut writer: DataFileWriter) -> Result<DataFileWriter> {
        let schema = Arc::clone(writer.schema());
        writer.write_row_group(self.rows.len(), &mut |index| self.column(&schema, index))?;
        Ok(writer)
    }

    fn column(&self, schema: &SchemaRef, index: usize) -> Result<ArrayRef> {
        let field = schema.field(index);
        if field.name() == SEQUENCE {
            return Ok(Arc::new(Int64Array::from(self.sequences.clone())));
        }
        let parts: Vec<ArrayRef> =
            self.chunks.iter().map(|chunk| part(chunk, field.name(), field.data_type())).collect();
        let parts: Vec<_> = parts.iter().map(AsRef::as_ref).collect();
        interleave(&parts, &self.rows).map_err(|source| Error::Column {
            column: field.name().clone(),
            path: "merged files".to_owned(),
            source,
        })
    }
}

/// A column of a chunk; null where its file does not have it.
fn part(chunk: &Chunk, name: &str, data_type: &DataType) -> ArrayRef {
    if name == USER_ID {
        return Arc::new(chunk.users.clone());
    }
    match chunk.batch.column_by_name(name) {
        Some(column) => Arc::clone(column),
        None => new_null_array(data_type, chunk.batch.num_rows()),
    }
}
