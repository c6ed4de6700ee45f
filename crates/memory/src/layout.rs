//! What a query works on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::UInt8Type;
use futures::future::try_join_all;
use tallymark_event::LaneKind;
use tallymark_storage::Snapshot;

use crate::columns::{self, Loaded};
use crate::profiles;
use crate::resident::Inner;
use crate::{ColumnId, Result, RowsByCode, Segment, SegmentColumn, UserDirectory};

/// What a query wants to know of the rows of a layout besides columns: what nobody wants is not
/// read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutNeeds {
    /// Whose the rows are: the users are numbered.
    pub users: bool,
    /// When they happened. Without it, [`Layout::load_times`] reads the times of one segment.
    pub times: bool,
}

impl LayoutNeeds {
    /// Everything.
    pub const ALL: Self = Self { users: true, times: true };
    /// Nothing but which rows there are.
    pub const ROWS: Self = Self { users: false, times: false };
}

/// The segments of a snapshot, or of some of its days. Never changes.
pub struct Layout {
    pub(crate) cache: Arc<Inner>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) users: Arc<UserDirectory>,
    pub(crate) segments: Vec<Arc<Segment>>,
    /// How many bytes were read from storage to make it.
    pub(crate) read_bytes: u64,
}

/// A segment and some of its columns.
#[derive(Debug, Clone)]
pub struct LoadedSegment {
    /// The segment.
    pub segment: Arc<Segment>,
    /// The columns in the order asked for, each of [`Segment::row_count`] rows.
    ///
    /// Text (Utf8View in the catalog) is `Dictionary(UInt8 | UInt16 | UInt32, Utf8View)` with
    /// distinct values and nulls among the keys only, or Utf8View where more than half of the
    /// rows are different; everything else has the type of its lane. Where few rows have a value,
    /// they alone are held ([`SegmentColumn::Sparse`]).
    pub columns: Vec<SegmentColumn>,
    /// Which rows each event name has, by its code, where an earlier query asked for `event` too, its
    /// codes are of one byte, and there was room for it.
    pub rows_by_event: Option<Arc<RowsByCode>>,
    /// How many bytes had to be read from storage for it now; 0 if all was resident.
    pub loaded_bytes: u64,
}

impl Layout {
    /// What this is a layout of.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The users and their ordinals: all that have rows in the segments, and perhaps others.
    pub fn users(&self) -> &Arc<UserDirectory> {
        &self.users
    }

    /// The segments by day, ascending; none is empty.
    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// How many bytes had to be read from storage to make it; 0 if all was resident.
    pub fn loaded_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// How many bytes may be resident: columns in use beyond that are kept by nobody but the query.
    pub fn budget_bytes(&self) -> usize {
        self.cache.budget.bytes
    }

    /// Some columns of a segment, read if they are not resident.
    ///
    /// `time` and `user_id` are never kept as columns: they are made from [`Segment::times`] and
    /// [`Segment::users`] when asked for, and better left as they are.
    ///
    /// # Errors
    /// [`crate::Error::Load`] where a data file cannot be read: its snapshot is no longer kept.
    ///
    /// # Panics
    /// If `segment_index` is not a position in [`Layout::segments`], a column not of the
    /// snapshot's catalog, or `user_id` is asked for of a layout without users.
    pub async fn load(&self, segment_index: usize, columns: &[ColumnId]) -> Result<LoadedSegment> {
        let segment = &self.segments[segment_index];
        let loaded = try_join_all(columns.iter().copied().map(|id| self.column(segment, id))).await?;
        let loaded_bytes = loaded.iter().map(|column| column.read_bytes).sum();
        let events = columns.iter().zip(&loaded).find(|(id, _)| **id == ColumnId::EVENT);
        let rows_by_event = match events {
            Some((_, events)) if events.is_used_again => self.rows_by_event(segment, &events.values).await?,
            _ => None,
        };
        let columns = loaded.into_iter().map(|column| column.values).collect();
        Ok(LoadedSegment { segment: Arc::clone(segment), columns, rows_by_event, loaded_bytes })
    }

    /// Which rows each event name has; made now if there is room and nobody did.
    async fn rows_by_event(
        &self,
        segment: &Segment,
        events: &SegmentColumn,
    ) -> Result<Option<Arc<RowsByCode>>> {
        let core = &segment.core;
        if let Some(known) = core.columns.rows_by_event() {
            return Ok(Some(known));
        }
        let SegmentColumn::Dense(names) = events else { return Ok(None) };
        let Some(names) = names.as_dictionary_opt::<UInt8Type>().filter(|names| names.null_count() == 0)
        else {
            return Ok(None);
        };
        if !self.cache.budget.has_room(RowsByCode::bytes_of(names.len())) {
            return Ok(None);
        }
        let (codes, code_count) = (names.keys().values().clone(), names.values().len());
        let rows = Arc::new(self.cache.pool.run(move || RowsByCode::new(&codes, code_count)).await?);
        core.columns.keep_rows_by_event(&rows);
        self.cache.added(core, rows.bytes());
        Ok(Some(rows))
    }

    /// Reads the times of a segment if they are not resident: [`Segment::times`] has them then.
    /// Says how many bytes had to be read from storage for it now.
    ///
    /// # Errors
    /// [`crate::Error::Load`] where a data file cannot be read: its snapshot is no longer kept.
    ///
    /// # Panics
    /// If `segment_index` is not a position in [`Layout::segments`].
    pub async fn load_times(&self, segment_index: usize) -> Result<u64> {
        self.times(&self.segments[segment_index]).await
    }

    async fn times(&self, segment: &Segment) -> Result<u64> {
        let core = &segment.core;
        let Some(read_bytes) = columns::load_times(&self.cache.pool, core).await? else {
            self.cache.counters.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(0);
        };
        self.cache.made(core, core.time_bytes(), read_bytes);
        Ok(read_bytes)
    }

    async fn column(&self, segment: &Segment, id: ColumnId) -> Result<Loaded> {
        let rows = 0..segment.row_count();
        match id {
            ColumnId::TIME => {
                let read_bytes = self.times(segment).await?;
                return Ok(Loaded {
                    values: SegmentColumn::Dense(segment.time_array(rows)),
                    read_bytes,
                    is_new: false,
                    is_used_again: false,
                });
            }
            ColumnId::USER_ID => {
                let values = SegmentColumn::Dense(segment.user_id_array(&self.users, rows));
                return Ok(Loaded { values, read_bytes: 0, is_new: false, is_used_again: false });
            }
            ColumnId::System(_) | ColumnId::Lane(_) => {}
        }
        let core = &segment.core;
        let column = self.cache.column(id, &self.snapshot.catalog);
        let slot = core.columns.slot(&column);
        slot.touch(self.cache.budget.now());
        let loaded = columns::load(&self.cache.pool, core, &column, &slot).await?;
        self.cache.loaded(core, &column, &slot, &loaded);
        Ok(loaded)
    }

    /// A property of the profiles, one row per user of [`Layout::users`], by ordinal; null for
    /// users without a profile, and where its value is not in the lane of that kind. Lanes are
    /// those of the profiles ([`tallymark_event::catalog_of`]). Text is held as in
    /// [`LoadedSegment::columns`].
    pub async fn profile_column(&self, property: &str, kind: LaneKind) -> Result<ArrayRef> {
        profiles::column(self, property, kind).await
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout")
            .field("version", &self.snapshot.manifest.version)
            .field("users", &self.users.len())
            .field("segments", &self.segments.len())
            .finish_non_exhaustive()
    }
}
