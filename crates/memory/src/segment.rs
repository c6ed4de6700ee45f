//! The rows of one day.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, TimestampMillisecondArray, UInt32Array};
use arrow::compute::take;
use tallymark_event::Day;

use crate::UserDirectory;
use crate::attached::AttachedDay;
use crate::columns::Columns;
use crate::order::RowOrder;
use crate::source::Source;

/// The rows of one UTC day, ordered by (user, time, sequence), nobody's first.
///
/// Users are kept as runs: user `users()[i]` has the rows `starts()[i]..starts()[i + 1]`.
#[derive(Debug, Clone)]
pub struct Segment {
    pub(crate) core: Arc<Core>,
    /// Empty where nobody asked whose the rows are.
    users: Arc<[u32]>,
}

/// All of a segment but the numbers of its users, which change when others join the directory.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) day: Day,
    pub(crate) rows: usize,
    /// Who has which rows; `None` where nobody asked, which only segments of one source in its
    /// order are left at.
    pub(crate) runs: Option<UserRows>,
    pub(crate) sources: Vec<Source>,
    /// Where each row is among the rows of all sources, one source after the other; `None` where
    /// they are in the same order.
    pub(crate) order: Option<Arc<RowOrder>>,
    /// Shared by a segment and the same one whose users were asked for later.
    pub(crate) columns: Arc<Columns>,
    /// When it was last used, by the cache's count.
    pub(crate) used_at: AtomicU64,
}

/// Who has which rows, but for the numbers of the users.
#[derive(Debug)]
pub(crate) struct UserRows {
    pub(crate) nobody: usize,
    pub(crate) starts: Vec<u32>,
}

impl Core {
    /// Bytes of everything but its columns and the numbers of its users.
    pub(crate) fn bytes(&self) -> usize {
        self.start_bytes() + self.time_bytes() + self.order_bytes()
    }

    pub(crate) fn start_bytes(&self) -> usize {
        self.runs.as_ref().map_or(0, |runs| runs.starts.len() * 4)
    }

    pub(crate) fn time_bytes(&self) -> usize {
        self.columns.times().map_or(0, |times| times.len() * 4)
    }

    /// Bytes that its sources keep.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.sources.iter().map(Source::kept_bytes).sum()
    }

    /// Gives up what its sources hold decoded for other segments.
    pub(crate) fn forget_decoded(&self) {
        self.sources.iter().filter_map(Source::as_attached).for_each(AttachedDay::forget_decoded);
    }

    /// Bytes of what is needed to read columns.
    pub(crate) fn order_bytes(&self) -> usize {
        self.order.as_ref().map_or(0, |order| order.bytes()) + self.kept_bytes()
    }

    pub(crate) fn touch(&self, now: u64) {
        self.used_at.store(now, Ordering::Relaxed);
    }
}

impl Segment {
    pub(crate) fn new(core: Arc<Core>, users: Arc<[u32]>) -> Self {
        Self { core, users }
    }

    /// The same rows where the user numbered `i` is now numbered `moved[i]`.
    pub(crate) fn moved(&self, moved: &[u32]) -> Self {
        let users = self.users.iter().map(|user| moved[*user as usize]).collect();
        Self { core: Arc::clone(&self.core), users }
    }

    /// Bytes of everything but its columns, times included.
    pub fn bytes(&self) -> usize {
        self.core.bytes() + self.users.len() * 4
    }

    /// The UTC day all rows lie in.
    pub fn day(&self) -> Day {
        self.core.day
    }

    /// How many rows there are; at least one.
    pub fn row_count(&self) -> usize {
        self.core.rows
    }

    /// Whether it is known whose the rows are. If the layout was not asked for users,
    /// [`Segment::users`] is empty, and whatever else is said of users means nothing.
    pub fn has_users(&self) -> bool {
        self.core.runs.is_some()
    }

    /// Rows `0..nobody_rows()` are nobody's (G-12), in (time, sequence) order.
    pub fn nobody_rows(&self) -> usize {
        self.core.runs.as_ref().map_or(0, |runs| runs.nobody)
    }

    /// The ordinals of the users that have rows here, ascending.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// Where the rows of each user start, and where those of the last one end: one more than
    /// `users()`; the first is `nobody_rows()`, the last `row_count()`.
    pub fn starts(&self) -> &[u32] {
        self.core.runs.as_ref().map_or(&[], |runs| &runs.starts)
    }

    /// The time of each row in milliseconds since the start of the day; empty where nobody asked
    /// for times ([`crate::LayoutNeeds`], [`crate::Layout::load_times`]).
    pub fn times(&self) -> &[u32] {
        self.core.columns.times().map_or(&[], Vec::as_slice)
    }

    /// The positions in `users()` of the users with these ordinals.
    pub fn users_in(&self, ordinals: Range<u32>) -> Range<usize> {
        let first = self.users_before(ordinals.start);
        first..self.users_before(ordinals.end).max(first)
    }

    /// How many users have lower ordinals. Ordinals say nothing of a day: they are spread about evenly,
    /// and a guess leaves little to look at.
    fn users_before(&self, ordinal: u32) -> usize {
        let users = &*self.users;
        let (Some(first), Some(last)) = (users.first(), users.last()) else { return 0 };
        if ordinal <= *first {
            return 0;
        }
        if ordinal > *last {
            return users.len();
        }
        let part = u64::from(ordinal - first) * (users.len() as u64 - 1) / u64::from((last - first).max(1));
        let guess = part as usize;
        let mut step = 16;
        // The first that is not lower lies in `low..=high`.
        let (mut low, mut high) = (guess, guess);
        while low > 0 && users[low - 1] >= ordinal {
            low = low.saturating_sub(step);
            step *= 2;
        }
        while users[high] < ordinal {
            high = (high + step).min(users.len() - 1);
            step *= 2;
        }
        low + users[low..=high].partition_point(|user| *user < ordinal)
    }

    /// The times of some rows as Timestamp(ms, UTC).
    ///
    /// # Panics
    /// If the range does not lie within the rows, or there are no times.
    pub fn time_array(&self, rows: Range<usize>) -> ArrayRef {
        let start = self.core.day.start().millis();
        let times = self.times()[rows].iter().map(|time| start + i64::from(*time));
        Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
    }

    /// The user ids of some rows as Utf8View, null for nobody. The text is that of the directory,
    /// which must be that of the layout the segment came from; no text is copied.
    ///
    /// # Panics
    /// If the range does not lie within the rows, or the directory does not have the users.
    pub fn user_id_array(&self, users: &UserDirectory, rows: Range<usize>) -> ArrayRef {
        let mut ordinals = Vec::with_capacity(rows.len());
        let nobody = self.nobody_rows().saturating_sub(rows.start).min(rows.len());
        self.ordinals(rows, &mut ordinals);
        let ordinals = if nobody == 0 {
            UInt32Array::from(ordinals)
        } else {
            ordinals.into_iter().map(|ordinal| (ordinal != u32::MAX).then_some(ordinal)).collect()
        };
        #[expect(clippy::expect_used, reason = "ordinals of a segment are those of its directory")]
        take(users.ids(), &ordinals, None).expect("every ordinal has an id")
    }

    /// Replaces what is in `out` by the ordinal of each of some rows, `u32::MAX` for nobody.
    ///
    /// # Panics
    /// If the range does not lie within the rows, or there are no users.
    pub fn ordinals(&self, rows: Range<usize>, out: &mut Vec<u32>) {
        assert!(
            rows.start <= rows.end && rows.end <= self.row_count(),
            "rows {rows:?} of {}",
            self.row_count()
        );
        out.clear();
        out.resize(self.nobody_rows().saturating_sub(rows.start).min(rows.len()), u32::MAX);
        let starts = self.starts();
        let mut row = rows.start + out.len();
        // The user whose rows the next one is among: the last that starts there or before.
        let mut at = starts.partition_point(|start| *start as usize <= row).saturating_sub(1);
        while row < rows.end {
            let end = rows.end.min(starts[at + 1] as usize);
            out.resize(out.len() + end - row, self.users[at]);
            row = end;
            at += 1;
        }
    }
}
