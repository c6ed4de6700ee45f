//! Where the rows of a segment come from.
//!
//! A source gives its rows as runs of one user each, ordered by (time, sequence), and any column in
//! the same order. Nothing else is asked of it: runs may come in any order of users.

mod file;
mod rows;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringViewArray};
use arrow::datatypes::TimestampMillisecondType;
use arrow::error::ArrowError;
use tallymark_event::Day;
use tallymark_users::Identities;

pub(crate) use self::file::FileSource;
pub(crate) use self::rows::{RowSource, by_day};
use crate::attached::AttachedDay;
use crate::column::{Column, Part};
use crate::pool::Pool;
use crate::{Error, Result};

/// A source. Cloning copies a pointer.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A data file.
    File(Arc<FileSource>),
    /// The rows of one day of a batch of the memtable.
    Rows(Arc<RowSource>),
    /// The rows of one day of a file that is attached.
    Attached(Arc<AttachedDay>),
}

/// What tells a source from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SourceKey<'a> {
    /// The path of a data file, or the key of an attached one.
    File(&'a str),
    /// The address of rows that are held by whoever has the key.
    Rows(usize),
}

/// Who has which rows of a source.
#[derive(Debug)]
pub(crate) struct SourceUsers {
    /// How many rows at the start are nobody's.
    pub(crate) nobody: usize,
    /// The user of each run as stored, ascending, without repeats.
    pub(crate) ids: StringViewArray,
    /// The runs whose users go by another id now, ascending, and that id.
    pub(crate) changed: Vec<(u32, String)>,
    /// Where each run starts, and where the last one ends.
    pub(crate) starts: Vec<u32>,
    /// How many bytes were read.
    pub(crate) loaded_bytes: u64,
}

/// When the rows of a source happened.
#[derive(Debug)]
pub(crate) struct SourceTimes {
    /// Milliseconds since the start of the day.
    pub(crate) times: Vec<u32>,
    /// How many bytes were read.
    pub(crate) loaded_bytes: u64,
}

/// A column of a source.
#[derive(Debug, Default)]
pub(crate) struct SourceColumn {
    pub(crate) parts: Vec<Part>,
    /// How many bytes were read.
    pub(crate) loaded_bytes: u64,
}

impl Source {
    pub(crate) fn key(&self) -> SourceKey<'_> {
        match self {
            Self::File(file) => SourceKey::File(&file.file().path),
            Self::Attached(day) => SourceKey::File(day.key()),
            Self::Rows(rows) => SourceKey::Rows(Arc::as_ptr(rows) as usize),
        }
    }

    /// The version of identity that its users were resolved at.
    pub(crate) fn identity_version(&self) -> u64 {
        match self {
            Self::File(file) => file.file().identity_version,
            Self::Rows(rows) => rows.identity_version(),
            Self::Attached(_) => 0,
        }
    }

    /// How many rows it has.
    pub(crate) fn row_count(&self) -> usize {
        match self {
            Self::File(file) => file.file().rows as usize,
            Self::Rows(rows) => rows.len(),
            Self::Attached(day) => day.row_count(),
        }
    }

    /// Whether its rows are in the order of a segment while their users are those stored: nobody
    /// has to read a file to know.
    pub(crate) fn is_sorted(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Whose its rows are, as `identities` say.
    pub(crate) async fn users(&self, pool: &Pool, identities: &Arc<Identities>) -> Result<SourceUsers> {
        let identities = (self.identity_version() != identities.version()).then(|| Arc::clone(identities));
        match self {
            Self::File(file) => file.users(pool, identities).await,
            Self::Rows(rows) => {
                let rows = Arc::clone(rows);
                pool.run(move || rows.users(identities.as_deref())).await?
            }
            // These ids are nobody's we know.
            Self::Attached(day) => day.users(pool).await,
        }
    }

    /// When its rows happened.
    pub(crate) async fn times(&self, pool: &Pool) -> Result<SourceTimes> {
        match self {
            Self::File(file) => file.times(pool).await,
            Self::Rows(rows) => rows.times(),
            Self::Attached(day) => day.times(pool).await,
        }
    }

    /// A column, neither `time` nor `user_id`, in the order of the source.
    pub(crate) async fn column(&self, pool: &Pool, column: &Column) -> Result<SourceColumn> {
        match self {
            Self::File(file) => file.column(pool, column).await,
            Self::Rows(rows) => rows.column(column),
            Self::Attached(day) => day.column(pool, column).await,
        }
    }

    /// It, if it is of a file that is attached.
    pub(crate) fn as_attached(&self) -> Option<&AttachedDay> {
        match self {
            Self::Attached(day) => Some(day),
            Self::File(_) | Self::Rows(_) => None,
        }
    }

    /// Bytes it keeps in memory besides what belongs to a snapshot.
    pub(crate) fn kept_bytes(&self) -> usize {
        match self {
            Self::File(file) => file.kept_bytes(),
            Self::Rows(rows) => rows.kept_bytes(),
            Self::Attached(day) => day.kept_bytes(),
        }
    }
}

/// Milliseconds since the start of the day of each time.
fn times_of_day(times: &ArrayRef, day: Day) -> Result<Vec<u32>, ArrowError> {
    let start = day.start().millis();
    match times.as_primitive_opt::<TimestampMillisecondType>() {
        Some(times) => Ok(times.values().iter().map(|time| (time - start) as u32).collect()),
        None => Err(ArrowError::CastError(format!("times are {}", times.data_type()))),
    }
}

/// The runs whose users go by another id now.
fn changed(ids: &StringViewArray, identities: Option<&Identities>) -> Vec<(u32, String)> {
    let Some(identities) = identities.filter(|identities| !identities.is_trivial()) else {
        return Vec::new();
    };
    ids.iter()
        .zip(0..)
        .filter_map(|(id, run)| {
            let id = id?;
            let canonical = identities.canonical(id);
            (canonical != id).then(|| (run, canonical.to_owned()))
        })
        .collect()
}

pub(crate) fn column_error(column: &str, day: Day) -> impl FnOnce(ArrowError) -> Error {
    let column = column.to_owned();
    move |source| Error::Column { column, day, source }
}
