//! A segment to be made: what it is made of.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{AsArray as _, UInt32Array};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use tallymark_event::Day;
use tallymark_event::columns::SEQUENCE;

use super::Made;
use crate::attached::AttachedDay;
use crate::column::{Column, Part};
use crate::columns;
use crate::order::{self, Ordered, Runs, Tied};
use crate::resident::Inner;
use crate::segment::Core;
use crate::source::{Source, SourceUsers};
use crate::{ColumnId, Error, Result, Segment, UserDirectory};

/// A segment to be made.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) day: Day,
    pub(super) base: Option<Base>,
    /// Sources that are not in the base.
    pub(super) sources: Vec<Source>,
    /// The versions of identity from which on rows are the users' they will be.
    pub(super) identity_from: u64,
    /// Its one source has its rows in order.
    pub(super) needs_no_users: bool,
    /// Whose the rows of the sources are; first those of the base's source if the base does not
    /// say.
    pub(super) rows: Vec<SourceUsers>,
    /// When they happened, once it matters.
    pub(super) times: Option<Vec<Vec<u32>>>,
    pub(super) read_bytes: u64,
}

/// A segment that another is made from.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) segment: Arc<Segment>,
    /// Its users that go by another id now, ascending by ordinal, and that id.
    pub(super) changed: Vec<(u32, String)>,
}

impl Base {
    /// The user of each run.
    pub(super) fn users(&self, users: &UserDirectory, moved: &[u32]) -> Vec<u32> {
        let mut changed = self.changed.iter().peekable();
        self.segment
            .users()
            .iter()
            .filter_map(|ordinal| match changed.next_if(|(changed, _)| changed == ordinal) {
                Some((_, id)) => users.ordinal(id),
                None if moved.is_empty() => Some(*ordinal),
                None => Some(moved[*ordinal as usize]),
            })
            .collect()
    }
}

impl Draft {
    /// The base, if it says whose its rows are.
    pub(super) fn known_base(&self) -> Option<&Base> {
        self.base.as_ref().filter(|base| base.segment.has_users())
    }

    /// The sources that nobody has said of whose their rows are: each has its place in `rows`.
    pub(super) fn read_sources(&self) -> impl Iterator<Item = &Source> {
        let bare = self.base.as_ref().filter(|base| !base.segment.has_users());
        bare.into_iter().flat_map(|base| &base.segment.core.sources).chain(&self.sources)
    }

    pub(super) fn row_count(&self) -> usize {
        let base = self.known_base().map_or(0, |base| base.segment.row_count());
        base + self.read_sources().map(Source::row_count).sum::<usize>()
    }

    /// Whether the order of rows depends on when they happened.
    pub(super) fn needs_times(&self) -> bool {
        let one = self.base.is_none() && self.sources.len() == 1
            || self.base.is_some() && self.known_base().is_none() && self.sources.is_empty();
        !one || !self.read_sources().all(Source::is_sorted)
            || self.rows.iter().any(|rows| !rows.changed.is_empty())
    }

    /// Reads the times of the base, if it has users and its times are not resident, and of all sources.
    pub(super) async fn read_times(&mut self, cache: &Inner) -> Result<()> {
        if let Some(base) = self.known_base()
            && let Some(bytes) = columns::load_times(&cache.pool, &base.segment.core).await?
        {
            cache.made(&base.segment.core, base.segment.core.time_bytes(), bytes);
        }
        let mut times = Vec::new();
        let mut bytes = 0;
        for source in self.read_sources() {
            let read = source.times(&cache.pool).await?;
            bytes += read.loaded_bytes;
            times.push(read.times);
        }
        self.read_bytes += bytes;
        self.times = Some(times);
        Ok(())
    }

    /// The rows of a source in its order, whosever they are.
    pub(super) fn without_users(self) -> Made {
        let core = Core {
            day: self.day,
            rows: self.row_count(),
            runs: None,
            sources: self.sources,
            order: None,
            columns: Arc::default(),
            used_at: AtomicU64::new(0),
        };
        let segment = Arc::new(Segment::new(Arc::new(core), Arc::default()));
        Made { segment, identity_from: self.identity_from }
    }

    /// The times of all rows in order, if they were read.
    pub(super) fn ordered_times(&mut self, order: Option<&UInt32Array>) -> Option<Vec<u32>> {
        let base = self.known_base().map(|base| Arc::clone(&base.segment));
        let mut read = self.times.take()?;
        let times = match (&base, read.as_mut_slice()) {
            (None, [one]) => std::mem::take(one),
            (base, read) => {
                let base = base.iter().map(|base| base.times());
                base.chain(read.iter().map(Vec::as_slice)).collect::<Vec<_>>().concat()
            }
        };
        Some(match order {
            Some(order) => order.values().iter().map(|row| times[*row as usize]).collect(),
            None => times,
        })
    }

    /// Orders the rows; without their times only where that is no work.
    pub(super) fn order(&self, users: &[Vec<u32>], sequences: Option<&[i64]>) -> Result<Ordered, Tied> {
        let no_times = Vec::new();
        let base = self.known_base().map(|base| {
            let segment = &base.segment;
            (segment.nobody_rows(), segment.starts(), segment.times())
        });
        let times = self.times.iter().flatten().chain(std::iter::repeat(&no_times));
        let rows = self
            .rows
            .iter()
            .zip(times)
            .map(|(rows, times)| (rows.nobody, rows.starts.as_slice(), times.as_slice()));
        let runs: Vec<Runs<'_>> = base
            .into_iter()
            .chain(rows)
            .zip(users)
            .map(|((nobody, starts, times), users)| Runs { nobody, users, starts, times })
            .collect();
        if self.times.is_none() && !order::is_in_place(&runs) {
            return Err(Tied);
        }
        order::order(&runs, sequences)
    }
}

/// The sequences of all rows of a draft, those of the base first.
pub(super) async fn sequences(cache: &Inner, draft: &Draft) -> Result<Vec<i64>> {
    let attached: Option<Vec<&AttachedDay>> = draft.read_sources().map(Source::as_attached).collect();
    if let Some(days) = attached.filter(|days| !days.is_empty()) {
        // In the order of the files, and in theirs.
        let of_file = |(file, day): (i64, &&AttachedDay)| {
            day.row_numbers().map(move |row| (file << 32) | row).collect()
        };
        return Ok((0..).zip(&days).flat_map::<Vec<i64>, _>(of_file).collect());
    }
    let failed = |source| Error::Column { column: SEQUENCE.to_owned(), day: draft.day, source };
    let column = Column::of(ColumnId::SEQUENCE, &tallymark_event::PropertyCatalog::default());
    let mut parts = Vec::new();
    if let Some(base) = &draft.base {
        let slot = base.segment.core.columns.slot(&column);
        let loaded = columns::load(&cache.pool, &base.segment.core, &column, &slot).await?;
        cache.loaded(&base.segment.core, &column, &slot, &loaded);
        parts.push(Part::Values(loaded.values.to_array().map_err(failed)?));
    }
    for source in &draft.sources {
        parts.extend(source.column(&cache.pool, &column).await?.parts);
    }
    let mut sequences = Vec::with_capacity(draft.row_count());
    for part in &parts {
        if let Part::Values(array) = part
            && let Some(array) = array.as_primitive_opt::<Int64Type>()
        {
            sequences.extend_from_slice(array.values());
        }
    }
    if sequences.len() == draft.row_count() {
        return Ok(sequences);
    }
    Err(failed(ArrowError::InvalidArgumentError("sequences are missing".to_owned())))
}
