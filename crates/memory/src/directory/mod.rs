//! The users of all segments and their numbers.

mod numbering;

use std::cmp::Ordering;

use arrow::array::{Array, StringViewArray};

pub(crate) use numbering::number;

/// The users of the segments loaded so far, numbered in the byte order of their ids.
///
/// A user's *ordinal* is the rank of their id, so that order by ordinal is order by id. It means
/// something only with this directory: when users are added, a new directory takes its place, and
/// earlier layouts keep theirs.
#[derive(Debug, Clone)]
pub struct UserDirectory {
    ids: StringViewArray,
}

impl UserDirectory {
    /// The directory of these ids: sorted by byte order, distinct, not null.
    pub(crate) fn new(ids: StringViewArray) -> Self {
        Self { ids }
    }

    /// Nobody.
    pub(crate) fn empty() -> Self {
        Self::new(StringViewArray::new_null(0))
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of a user.
    ///
    /// # Panics
    /// If the ordinal is not below [`UserDirectory::len`].
    pub fn id(&self, ordinal: u32) -> &str {
        self.ids.value(ordinal as usize)
    }

    /// The ordinal of a canonical id; `None` if the directory does not have it.
    pub fn ordinal(&self, id: &str) -> Option<u32> {
        let at = self.first_not_below(0, id);
        (at < self.len() && self.ids.value(at) == id).then_some(at as u32)
    }

    /// All ids in byte order: position = ordinal.
    pub fn ids(&self) -> &StringViewArray {
        &self.ids
    }

    /// The first position from `from` on whose id is not below `id`.
    pub(crate) fn first_not_below(&self, from: usize, id: &str) -> usize {
        partition_point(&self.ids, from, |known| known.cmp(id) == Ordering::Less)
    }

    /// Bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.ids.get_array_memory_size()
    }
}

/// The first position from `from` on where `before` no longer holds.
fn partition_point(ids: &StringViewArray, from: usize, before: impl Fn(&str) -> bool) -> usize {
    let (mut low, mut high) = (from, ids.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        if before(ids.value(middle)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_ranks_in_byte_order() {
        let ids = ["$device:1", "U", "u", "u\u{0}", "ä"];
        let directory = UserDirectory::new(ids.iter().map(|id| Some(*id)).collect());
        for (id, ordinal) in ids.iter().zip(0..) {
            assert_eq!((directory.ordinal(id), directory.id(ordinal)), (Some(ordinal), *id));
        }
        for missing in ["", "V", "v", "ö"] {
            assert_eq!(directory.ordinal(missing), None);
        }
        assert_eq!(UserDirectory::empty().ordinal("u"), None);
    }
}
