//! The rows of one day of an attached file.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::Array as _;
use arrow::compute::take;
use arrow::error::ArrowError;
use tallymark_event::Day;
use tallymark_event::columns::TIME;
use tallymark_storage::DataFile;

use super::file::{AttachedFile, Reading};
use super::sorted::SortedDay;
use crate::column::{Column, Part, concatenated};
use crate::order::RowOrder;
use crate::pool::Pool;
use crate::source::{SourceColumn, SourceTimes, SourceUsers, column_error};
use crate::{Error, Result};

/// The rows of one day of an attached file, in the order of a segment.
#[derive(Debug)]
pub(crate) struct AttachedDay {
    file: Arc<AttachedFile>,
    day: Day,
    rows: usize,
    place: OnceLock<Place>,
    /// Until it was asked for times, which is the last that needs it.
    reading: Mutex<Option<Arc<Reading>>>,
}

/// Where the rows are.
#[derive(Debug)]
struct Place {
    /// Row groups that have some of them.
    groups: Arc<[usize]>,
    /// Whether these are all groups there are, for other days have rows there as well.
    is_shared: bool,
    /// Which rows of these groups they are; `None` where all, in their order.
    rows: Option<RowOrder>,
}

impl AttachedDay {
    pub(super) fn new(reading: Arc<Reading>, day: &DataFile) -> Self {
        Self {
            file: Arc::clone(&reading.file),
            day: day.day,
            rows: day.rows as usize,
            place: OnceLock::new(),
            reading: Mutex::new(Some(reading)),
        }
    }

    pub(crate) fn key(&self) -> &str {
        self.file.key()
    }

    pub(crate) fn row_count(&self) -> usize {
        self.rows
    }

    /// Whose the rows are, in order.
    pub(crate) async fn users(&self, pool: &Pool) -> Result<SourceUsers> {
        let reading = self.reading();
        let (sorted, loaded_bytes) = reading.sorted(pool).await?;
        let day = self.sorted_day(sorted.day(self.day))?;
        self.place.get_or_init(|| Place {
            groups: Arc::clone(&day.groups),
            is_shared: sorted.is_shared,
            rows: day.rows.clone().map(RowOrder::new),
        });
        Ok(SourceUsers {
            nobody: day.nobody,
            ids: day.ids.clone(),
            changed: Vec::new(),
            starts: day.starts.clone(),
            loaded_bytes,
        })
    }

    /// When they happened.
    pub(crate) async fn times(&self, pool: &Pool) -> Result<SourceTimes> {
        let reading = self.reading();
        let (sorted, loaded_bytes) = reading.sorted(pool).await?;
        let times = self.sorted_day(sorted.day(self.day))?.times.clone();
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(SourceTimes { times, loaded_bytes })
    }

    fn reading(&self) -> Arc<Reading> {
        let known = self.reading.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.unwrap_or_else(|| Arc::new(Reading::new(Arc::clone(&self.file), None)))
    }

    fn sorted_day<'a>(&self, found: Option<&'a SortedDay>) -> Result<&'a SortedDay> {
        found.filter(|day| day.times.len() == self.rows).ok_or_else(|| {
            let source = ArrowError::InvalidArgumentError("the file has other rows than it had".to_owned());
            Error::Column { column: TIME.to_owned(), day: self.day, source }
        })
    }

    /// A column in order.
    pub(crate) async fn column(&self, pool: &Pool, column: &Column) -> Result<SourceColumn> {
        let mut loaded_bytes = 0;
        if self.place.get().is_none() {
            loaded_bytes += self.users(pool).await?.loaded_bytes;
        }
        let failed = |source| Error::Column { column: column.name.clone(), day: self.day, source };
        let missing = || failed(ArrowError::InvalidArgumentError("rows have no place".to_owned()));
        let place = self.place.get().ok_or_else(missing)?;
        let (mut arrays, bytes) = if place.is_shared {
            let (whole, bytes) = self.file.whole(pool, column.id, self.day).await?;
            (vec![whole], bytes)
        } else {
            self.file.read(pool, column.id, &place.groups).await?
        };
        loaded_bytes += bytes;
        if let Some(rows) = &place.rows {
            let rows = rows.rows();
            let taken = pool.run(move || take(&concatenated(&arrays)?, &rows, None)).await?;
            arrays = vec![taken.map_err(column_error(&column.name, self.day))?];
        }
        if arrays.iter().any(|array| *array.data_type() != column.data_type) {
            let found =
                arrays.iter().map(|array| array.data_type().to_string()).collect::<Vec<_>>().join(", ");
            return Err(failed(ArrowError::CastError(format!("it is {found}, not {}", column.data_type))));
        }
        Ok(SourceColumn { parts: arrays.into_iter().map(Part::Values).collect(), loaded_bytes })
    }

    /// The number of each row in the file, or what orders rows as that does.
    pub(crate) fn row_numbers(&self) -> impl Iterator<Item = i64> {
        let rows = self.place.get().and_then(|place| place.rows.as_ref()).map(RowOrder::rows);
        (0..self.rows).map(move |at| rows.as_ref().map_or(at as i64, |rows| i64::from(rows.value(at))))
    }

    pub(crate) fn forget_decoded(&self) {
        self.file.forget_decoded();
    }

    /// Bytes of where the rows are, and of its share of what is decoded for several days.
    pub(crate) fn kept_bytes(&self) -> usize {
        let rows = self.place.get().and_then(|place| place.rows.as_ref()).map_or(0, RowOrder::bytes);
        rows + self.file.decoded_bytes_per_day()
    }
}
