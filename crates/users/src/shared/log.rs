//! A list that grows at its end.

use std::fmt;
use std::sync::Arc;

/// How many items a full chunk holds: what the first push after a clone may have to copy.
const CHUNK_LEN: usize = 512;

/// A list that grows at its end: full chunks, never changed again, and the open one.
pub(crate) struct SharedLog<T> {
    full: Arc<Vec<Arc<[T]>>>,
    open: Arc<Vec<T>>,
}

impl<T> Clone for SharedLog<T> {
    fn clone(&self) -> Self {
        Self { full: Arc::clone(&self.full), open: Arc::clone(&self.open) }
    }
}

impl<T> Default for SharedLog<T> {
    fn default() -> Self {
        Self { full: Arc::default(), open: Arc::default() }
    }
}

impl<T> fmt::Debug for SharedLog<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedLog({} items)", self.full.len() * CHUNK_LEN + self.open.len())
    }
}

impl<T: Clone> SharedLog<T> {
    pub(crate) fn push(&mut self, item: T) {
        let open = Arc::make_mut(&mut self.open);
        open.push(item);
        if open.len() == CHUNK_LEN {
            let chunk = std::mem::take(open).into();
            Arc::make_mut(&mut self.full).push(chunk);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        self.full.iter().flat_map(|chunk| chunk.iter()).chain(self.open.iter())
    }

    /// The items from the first one on that `is_before` is false for. It must be true for a
    /// (possibly empty) first part of the list and false for the rest.
    pub(crate) fn iter_from(&self, is_before: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> + '_ {
        let skipped = self.full.partition_point(|chunk| chunk.last().is_some_and(&is_before));
        let chunk = self.full.get(skipped).map_or(&self.open[..], |chunk| &chunk[..]);
        let first = chunk.partition_point(is_before);
        let rest = self.full.iter().skip(skipped).flat_map(|chunk| chunk.iter()).chain(self.open.iter());
        rest.skip(first)
    }
}

impl<T: Clone> FromIterator<T> for SharedLog<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut log = Self::default();
        items.into_iter().for_each(|item| log.push(item));
        log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iter_from_starts_at_the_first_item_that_is_not_before() {
        for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN, 3 * CHUNK_LEN + 7] {
            let log: SharedLog<usize> = (0..len).collect();
            assert!(log.iter().copied().eq(0..len));
            for start in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, len, len + 1] {
                let rest = log.iter_from(|item| *item < start).copied();
                assert!(rest.eq(start.min(len)..len), "{len} items from {start}");
            }
        }
    }

    #[test]
    fn a_clone_does_not_see_what_is_pushed_later() {
        let mut log: SharedLog<usize> = (0..CHUNK_LEN - 1).collect();
        let before = log.clone();
        log.push(7);
        log.push(8);
        assert_eq!((before.iter().count(), log.iter().count()), (CHUNK_LEN - 1, CHUNK_LEN + 1));
    }
}
