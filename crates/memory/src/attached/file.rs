//! A file that is attached: which days it has, and what of it is read for several of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, ArrayRef};
use futures::future::try_join;
use rayon::prelude::*;
use tallymark_event::Day;
use tallymark_storage::DataFile;
use tokio::sync::OnceCell;

use super::sorted::Sorted;
use super::{AttachedRows, FetchedRows, RowsError};
use crate::column::concatenated;
use crate::pool::Pool;
use crate::{ColumnId, Error, ResidentEvents, Result};

/// What is decoded for all days of a file is kept for the next one only up to this part of the
/// budget.
const DECODED_SHARE: usize = 8;

/// A file that is attached, as it was when it was listed.
#[derive(Debug)]
pub struct AttachedFile {
    key: String,
    place: String,
    rows: Box<dyn AttachedRows>,
    known: OnceCell<Known>,
    decoded: Mutex<Vec<Decoded>>,
    decoded_bytes_max: usize,
}

/// What stays known of a file.
#[derive(Debug, Default)]
struct Known {
    days: Vec<DataFile>,
    untimed_rows: u64,
    /// Its times or users are not what they should be.
    is_unusable: bool,
}

/// A whole column, while days wait to take their rows from it.
#[derive(Debug)]
struct Decoded {
    column: ColumnId,
    values: Arc<OnceCell<ArrayRef>>,
    /// The days that have not taken theirs.
    left: BTreeSet<Day>,
}

impl AttachedFile {
    /// A file of an attached dataset. `key` tells it from all others, and from what it was before it
    /// was changed; files are in the order of their keys. `place` is for whoever reads an error.
    pub fn new(key: String, place: String, rows: Box<dyn AttachedRows>, of: &ResidentEvents) -> Self {
        Self {
            key,
            place,
            rows,
            known: OnceCell::new(),
            decoded: Mutex::default(),
            decoded_bytes_max: of.inner().budget.bytes / DECODED_SHARE,
        }
    }

    /// What tells it from others.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How many rows it has.
    pub fn row_count(&self) -> u64 {
        self.rows.group_rows().iter().map(|rows| *rows as u64).sum()
    }

    /// Whether its days are known.
    pub fn is_listed(&self) -> bool {
        self.known.initialized()
    }

    /// Whether it was read and found to have times or users that are not what they should be.
    pub fn is_unusable(&self) -> bool {
        self.known.get().is_some_and(|known| known.is_unusable)
    }

    pub(super) fn days(&self) -> &[DataFile] {
        self.known.get().map_or(&[], |known| &known.days)
    }

    pub(super) fn untimed_rows(&self) -> u64 {
        self.known.get().map_or(0, |known| known.untimed_rows)
    }

    pub(super) fn column_bytes(&self, column: ColumnId) -> u64 {
        self.rows.column_bytes(column)
    }

    /// Finds its days. The order of its rows if it had to be found for that.
    pub(super) async fn list(&self, pool: &Pool) -> Result<Option<Arc<Sorted>>> {
        let mut made = None;
        let known = self.known.get_or_try_init(|| async {
            let (fetched, _) = self.fetch_order().await?;
            let sorted = match self.sort(pool, fetched).await {
                Ok(sorted) => sorted,
                // It will not be otherwise the next time.
                Err(Error::Attached { .. }) => return Ok(Known { is_unusable: true, ..Known::default() }),
                Err(error) => return Err(error),
            };
            let known = Known {
                days: sorted.data_files(&self.key),
                untimed_rows: sorted.untimed_rows,
                is_unusable: false,
            };
            made = Some(Arc::new(sorted));
            Ok::<_, Error>(known)
        });
        known.await?;
        Ok(made)
    }

    /// What is stored of times and users, and how many bytes that is.
    async fn fetch_order(&self) -> Result<([Arc<dyn FetchedRows>; 2], u64)> {
        let groups = self.groups();
        let (times, users) =
            try_join(self.rows.fetch(ColumnId::TIME, &groups), self.rows.fetch(ColumnId::USER_ID, &groups))
                .await
                .map_err(|error| self.failed(error))?;
        let bytes = times.bytes() + users.bytes();
        Ok(([times, users], bytes))
    }

    /// The rows in order.
    async fn sort(&self, pool: &Pool, [times, users]: [Arc<dyn FetchedRows>; 2]) -> Result<Sorted> {
        let groups = self.groups();
        let times = self.decode(pool, times, &groups).await?;
        let users = self.decode(pool, users, &groups).await?;
        let group_rows = self.rows.group_rows().to_vec();
        let sorted = pool.run(move || Sorted::new(&times, &users, &group_rows)).await?;
        sorted.map_err(|error| self.failed(error.into()))
    }

    /// All row groups.
    fn groups(&self) -> Vec<usize> {
        (0..self.rows.group_rows().len()).collect()
    }

    fn failed(&self, source: RowsError) -> Error {
        Error::Attached { file: self.place.clone(), source }
    }

    /// Some row groups of a column, and how many bytes were read for them.
    pub(super) async fn read(
        &self,
        pool: &Pool,
        column: ColumnId,
        groups: &[usize],
    ) -> Result<(Vec<ArrayRef>, u64)> {
        let fetched = self.rows.fetch(column, groups).await.map_err(|error| self.failed(error))?;
        let bytes = fetched.bytes();
        Ok((self.decode(pool, fetched, groups).await?, bytes))
    }

    async fn decode(
        &self,
        pool: &Pool,
        fetched: Arc<dyn FetchedRows>,
        groups: &[usize],
    ) -> Result<Vec<ArrayRef>> {
        let count = groups.len();
        let decoded = pool
            .run(move || {
                (0..count).into_par_iter().map(|at| fetched.decode(at)).collect::<Result<Vec<_>, RowsError>>()
            })
            .await?;
        let decoded = decoded.map_err(|error| self.failed(error))?;
        for (array, group) in decoded.iter().zip(groups) {
            let rows = self.rows.group_rows()[*group];
            if array.len() != rows {
                return Err(self.failed(format!("{} of {rows} rows of a row group", array.len()).into()));
            }
        }
        Ok(decoded)
    }

    /// A whole column for one of its days, and how many bytes were read for it. It is kept until all
    /// days have had it, if it is not too large.
    pub(super) async fn whole(&self, pool: &Pool, column: ColumnId, day: Day) -> Result<(ArrayRef, u64)> {
        let values = {
            let mut decoded = self.decoded();
            if let Some(known) = decoded.iter().find(|known| known.column == column) {
                Arc::clone(&known.values)
            } else {
                let left = self.days().iter().map(|file| file.day).collect();
                let values = Arc::default();
                decoded.push(Decoded { column, values: Arc::clone(&values), left });
                values
            }
        };
        let mut bytes = 0;
        let array = values
            .get_or_try_init(|| async {
                let (arrays, read) = self.read(pool, column, &self.groups()).await?;
                bytes = read;
                let whole = pool.run(move || concatenated(&arrays)).await?;
                whole.map_err(|error| self.failed(error.into()))
            })
            .await?;
        let array = Arc::clone(array);
        let mut decoded = self.decoded();
        if let Some(at) = decoded.iter().position(|known| Arc::ptr_eq(&known.values, &values)) {
            decoded[at].left.remove(&day);
            if decoded[at].left.is_empty() || array.get_array_memory_size() > self.decoded_bytes_max {
                decoded.swap_remove(at);
            }
        }
        Ok((array, bytes))
    }

    fn decoded(&self) -> MutexGuard<'_, Vec<Decoded>> {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up columns that days still wait for: they are read again.
    pub(super) fn forget_decoded(&self) {
        self.decoded().clear();
    }

    /// Bytes of such columns, for each of the days.
    pub(super) fn decoded_bytes_per_day(&self) -> usize {
        let values = self.decoded();
        let bytes: usize =
            values.iter().filter_map(|known| known.values.get()).map(Array::get_array_memory_size).sum();
        bytes.div_ceil(self.days().len().max(1))
    }
}

/// A file whose rows are put in order when first asked for, for all who ask together.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(super) file: Arc<AttachedFile>,
    sorted: OnceCell<Arc<Sorted>>,
}

impl Reading {
    pub(super) fn new(file: Arc<AttachedFile>, sorted: Option<Arc<Sorted>>) -> Self {
        Self { file, sorted: OnceCell::new_with(sorted) }
    }

    /// The rows in order, and how many bytes were read for it now.
    pub(super) async fn sorted(&self, pool: &Pool) -> Result<(&Arc<Sorted>, u64)> {
        let mut bytes = 0;
        let sorted = self.sorted.get_or_try_init(|| async {
            let (fetched, read) = self.file.fetch_order().await?;
            bytes = read;
            Ok::<_, Error>(Arc::new(self.file.sort(pool, fetched).await?))
        });
        Ok((sorted.await?, bytes))
    }
}
