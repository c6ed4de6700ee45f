//! The rows of one day.

use std::ops::Range;

use arrow::array::ArrayRef;
use tallymark_event::Day;

use crate::UserDirectory;

/// The rows of one UTC day, ordered by (user, time, sequence), nobody's first.
///
/// Users are kept as runs: user `users()[i]` has the rows `starts()[i]..starts()[i + 1]`.
#[derive(Debug)]
pub struct Segment {}

impl Segment {
    /// The UTC day all rows lie in.
    pub fn day(&self) -> Day {
        todo!()
    }

    /// How many rows there are; at least one.
    pub fn row_count(&self) -> usize {
        todo!()
    }

    /// Rows `0..nobody_rows()` are nobody's (G-12), in (time, sequence) order.
    pub fn nobody_rows(&self) -> usize {
        todo!()
    }

    /// The ordinals of the users that have rows here, ascending.
    pub fn users(&self) -> &[u32] {
        todo!()
    }

    /// Where the rows of each user start, and where those of the last one end: one more than
    /// `users()`; the first is `nobody_rows()`, the last `row_count()`.
    pub fn starts(&self) -> &[u32] {
        todo!()
    }

    /// The time of each row in milliseconds since the start of the day.
    pub fn times(&self) -> &[u32] {
        todo!()
    }

    /// The event name of each row, without nulls: `Dictionary(UInt8 | UInt16 | UInt32, Utf8View)`,
    /// or Utf8View where most names are different.
    pub fn events(&self) -> &ArrayRef {
        todo!()
    }

    /// The positions in `users()` of the users with these ordinals.
    pub fn users_in(&self, _ordinals: Range<u32>) -> Range<usize> {
        todo!()
    }

    /// The times of some rows as Timestamp(ms, UTC).
    ///
    /// # Panics
    /// If the range does not lie within the rows; so do the others that take one.
    pub fn time_array(&self, _rows: Range<usize>) -> ArrayRef {
        todo!()
    }

    /// The user ids of some rows as Utf8View, null for nobody. The text is that of the directory,
    /// which must be that of the layout the segment came from; no text is copied.
    pub fn user_id_array(&self, _users: &UserDirectory, _rows: Range<usize>) -> ArrayRef {
        todo!()
    }

    /// Replaces what is in `out` by the ordinal of each of some rows, `u32::MAX` for nobody.
    pub fn ordinals(&self, _rows: Range<usize>, _out: &mut Vec<u32>) {
        todo!()
    }
}
