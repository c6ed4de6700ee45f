//! The users of all segments and their numbers.

use arrow::array::StringViewArray;

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
    /// How many users there are.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of a user.
    ///
    /// # Panics
    /// If the ordinal is not below [`UserDirectory::len`].
    pub fn id(&self, _ordinal: u32) -> &str {
        todo!()
    }

    /// The ordinal of a canonical id; `None` if that user has no rows in any segment.
    pub fn ordinal(&self, _id: &str) -> Option<u32> {
        todo!()
    }

    /// All ids in byte order: position = ordinal.
    pub fn ids(&self) -> &StringViewArray {
        &self.ids
    }
}
