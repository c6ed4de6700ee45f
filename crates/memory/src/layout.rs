//! What a query works on.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use futures::future::try_join_all;
use tallymark_event::LaneKind;
use tallymark_storage::Snapshot;

use crate::column::Column;
use crate::columns::{self, Loaded};
use crate::profiles;
use crate::resident::Inner;
use crate::{ColumnId, Result, Segment, UserDirectory};

/// The segments of a snapshot, or of some of its days. Never changes.
pub struct Layout {
    pub(crate) cache: Arc<Inner>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) users: Arc<UserDirectory>,
    pub(crate) segments: Vec<Arc<Segment>>,
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
    /// rows are different; everything else has the type of its lane.
    pub columns: Vec<ArrayRef>,
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

    /// Some columns of a segment, read if they are not resident.
    ///
    /// `time` and `user_id` are never kept as columns: they are made from [`Segment::times`] and
    /// [`Segment::users`] when asked for, and better left as they are.
    ///
    /// # Errors
    /// [`crate::Error::Load`] where a data file cannot be read: its snapshot is no longer kept.
    ///
    /// # Panics
    /// If `segment_index` is not a position in [`Layout::segments`], or a column not of the
    /// snapshot's catalog.
    pub async fn load(&self, segment_index: usize, columns: &[ColumnId]) -> Result<LoadedSegment> {
        let segment = &self.segments[segment_index];
        let loaded = try_join_all(columns.iter().copied().map(|id| self.column(segment, id))).await?;
        let loaded_bytes = loaded.iter().map(|column| column.read_bytes).sum();
        let columns = loaded.into_iter().map(|column| column.array).collect();
        Ok(LoadedSegment { segment: Arc::clone(segment), columns, loaded_bytes })
    }

    async fn column(&self, segment: &Segment, id: ColumnId) -> Result<Loaded> {
        let rows = 0..segment.row_count();
        let array = match id {
            ColumnId::EVENT => Some(Arc::clone(segment.events())),
            ColumnId::TIME => Some(segment.time_array(rows)),
            ColumnId::USER_ID => Some(segment.user_id_array(&self.users, rows)),
            ColumnId::System(_) | ColumnId::Lane(_) => None,
        };
        if let Some(array) = array {
            return Ok(Loaded { array, read_bytes: 0, is_new: false });
        }
        let core = &segment.core;
        let column = Column::of(id, &self.snapshot.catalog);
        let slot = core.columns.slot(&column);
        slot.touch(self.cache.now());
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
