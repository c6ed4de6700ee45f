//! Parquet that was not written by us, as days of rows in (user, time) order.
//!
//! 1. [`AttachedRows`]: a file, as whoever knows its columns reads it.
//! 2. [`AttachedFile`]: which days it has; to know, its times and users are read once and its rows
//!    brought into order ([`sorted`]).
//! 3. [`AttachedFiles`]: the files that a query sees. A snapshot has their days as its data files.
//! 4. [`AttachedDay`]: the rows of one day of a file, the source of a segment: which row groups have
//!    them, and which of their rows they are.

mod day;
mod file;
mod sorted;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tallymark_storage::DataFile;

pub(crate) use self::day::AttachedDay;
pub use self::file::AttachedFile;
use self::file::Reading;
use self::sorted::Sorted;
use crate::column::Column;
use crate::source::SourceKey;
use crate::{ColumnId, ResidentEvents, Result};

/// Why the rows of an attached file could not be read.
pub type RowsError = Box<dyn std::error::Error + Send + Sync>;

/// The rows of an attached file, in its order, with the columns events have.
///
/// [`ColumnId::TIME`] is Timestamp(ms, UTC), null where there is none; [`ColumnId::USER_ID`] is
/// Utf8View, null for nobody and never empty; the event and the distinct id are Utf8View; lanes have
/// the types said in [`ResidentEvents::attached`]. Other columns are not asked for.
pub trait AttachedRows: fmt::Debug + Send + Sync {
    /// How many rows each row group has.
    fn group_rows(&self) -> &[usize];

    /// About how many bytes a column takes once it is decoded, all row groups together.
    fn column_bytes(&self, column: ColumnId) -> u64;

    /// Reads what is stored of a column in these row groups. An error if the file is not the one any
    /// more that it was when it was listed.
    fn fetch<'a>(
        &'a self,
        column: ColumnId,
        groups: &'a [usize],
    ) -> BoxFuture<'a, Result<Arc<dyn FetchedRows>, RowsError>>;
}

/// What was read of a column.
pub trait FetchedRows: Send + Sync {
    /// How many bytes were read.
    fn bytes(&self) -> u64;

    /// Decodes the row group at a position among those fetched.
    ///
    /// # Errors
    /// Where it is not Parquet, or values cannot be brought to the column's type.
    fn decode(&self, at: usize) -> Result<ArrayRef, RowsError>;
}

/// The attached files that a query sees, of each which days it has. Rows of one user at one time are in
/// the order of their files' keys, and of their places there.
#[derive(Debug, Default)]
pub struct AttachedFiles {
    by_key: HashMap<String, Listed>,
}

#[derive(Debug)]
struct Listed {
    file: Arc<AttachedFile>,
    /// The order of its rows, if it was found just now: who lays out segments next needs it.
    sorted: Option<Arc<Sorted>>,
}

impl AttachedFiles {
    /// The days of all files as the data files of a snapshot, sorted by (day, key).
    pub fn data_files(&self) -> Vec<DataFile> {
        let mut days: Vec<DataFile> =
            self.by_key.values().flat_map(|listed| listed.file.days()).cloned().collect();
        days.sort_unstable_by(|a, b| (a.day, &a.path).cmp(&(b.day, &b.path)));
        days
    }

    /// How many rows have no time, and so lie in no day.
    pub fn untimed_rows(&self) -> u64 {
        self.by_key.values().map(|listed| listed.file.untimed_rows()).sum()
    }

    /// Whether any was found to have times or users that are not what they should be.
    pub fn any_unusable(&self) -> bool {
        self.by_key.values().any(|listed| listed.file.is_unusable())
    }

    pub(crate) fn has(&self, source: &SourceKey<'_>) -> bool {
        matches!(source, SourceKey::File(key) if self.by_key.contains_key(*key))
    }

    /// About how many bytes a column of these days takes.
    pub(crate) fn column_bytes(&self, column: &Column, days: &[&DataFile], rows: u64) -> u64 {
        if matches!(column.id, ColumnId::TIME | ColumnId::USER_ID) {
            return 0;
        }
        let stored = days.iter().filter_map(|day| {
            let file = &self.by_key.get(&day.path)?.file;
            Some(file.column_bytes(column.id) as f64 * day.rows as f64 / file.row_count().max(1) as f64)
        });
        rows.max(stored.sum::<f64>() as u64)
    }

    /// To be read for segments that are laid out together.
    pub(crate) fn open(&self) -> OpenedFiles {
        let reading =
            |listed: &Listed| Arc::new(Reading::new(Arc::clone(&listed.file), listed.sorted.clone()));
        OpenedFiles(self.by_key.iter().map(|(key, listed)| (key.clone(), reading(listed))).collect())
    }
}

/// Files of which the rows are ordered at most once, for all segments that are laid out together.
#[derive(Debug)]
pub(crate) struct OpenedFiles(HashMap<String, Arc<Reading>>);

impl OpenedFiles {
    pub(crate) fn day(&self, day: &DataFile) -> Option<AttachedDay> {
        Some(AttachedDay::new(Arc::clone(self.0.get(&day.path)?), day))
    }
}

impl ResidentEvents {
    /// Finds which days these files have; of those that are not known yet, all times and users are
    /// read for it. Those whose times or users are not what they should be have none, and say so
    /// ([`AttachedFile::is_unusable`]).
    ///
    /// # Errors
    /// [`crate::Error::Attached`] where a file cannot be read.
    pub async fn list(&self, files: Vec<Arc<AttachedFile>>) -> Result<AttachedFiles> {
        let pool = &self.inner().pool;
        let listed: Vec<_> = files
            .into_iter()
            .map(|file| {
                async move {
                    let sorted = file.list(pool).await?;
                    Ok::<_, crate::Error>((file.key().to_owned(), Listed { file, sorted }))
                }
                .boxed()
            })
            .collect();
        let by_key = stream::iter(listed).buffer_unordered(pool.read_ahead()).try_collect().await?;
        Ok(AttachedFiles { by_key })
    }
}

#[cfg(test)]
mod tests;
