//! What a query works on.

use std::sync::Arc;

use arrow::array::ArrayRef;
use tallymark_event::LaneKind;
use tallymark_storage::Snapshot;

use crate::{ColumnId, Result, Segment, UserDirectory};

/// The segments of a snapshot, or of some of its days. Never changes.
#[derive(Debug)]
pub struct Layout {}

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
        todo!()
    }

    /// The users and their ordinals: all that have rows in the segments, and perhaps others.
    pub fn users(&self) -> &Arc<UserDirectory> {
        todo!()
    }

    /// The segments by day, ascending; none is empty.
    pub fn segments(&self) -> &[Arc<Segment>] {
        todo!()
    }

    /// Some columns of a segment, read if they are not resident.
    ///
    /// `time` and `user_id` are never kept as columns: they are made from [`Segment::times`] and
    /// [`Segment::users`] when asked for, and better left as they are.
    ///
    /// # Panics
    /// If `segment_index` is not a position in [`Layout::segments`], or a column not of the
    /// snapshot's catalog.
    pub async fn load(&self, _segment_index: usize, _columns: &[ColumnId]) -> Result<LoadedSegment> {
        todo!()
    }

    /// A property of the profiles, one row per user of [`Layout::users`], by ordinal; null for
    /// users without a profile, and where its value is not in the lane of that kind.
    pub async fn profile_column(&self, _property: &str, _kind: LaneKind) -> Result<ArrayRef> {
        todo!()
    }
}
