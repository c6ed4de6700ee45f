//! Sets of users.

use std::sync::Arc;

use crate::UserDirectory;

/// A set of users of one directory, as a compressed bitmap of their ordinals.
#[derive(Debug, Clone)]
pub struct UserSet {}

impl UserSet {
    /// The empty set.
    pub fn new(_users: Arc<UserDirectory>) -> Self {
        todo!()
    }

    /// The users with these ordinals, in any order.
    pub fn from_ordinals(_users: Arc<UserDirectory>, _ordinals: impl IntoIterator<Item = u32>) -> Self {
        todo!()
    }

    /// The users with these canonical ids; ids the directory does not have are left out.
    pub fn from_ids<'a>(_users: Arc<UserDirectory>, _ids: impl IntoIterator<Item = &'a str>) -> Self {
        todo!()
    }

    /// The directory the ordinals are of.
    pub fn users(&self) -> &Arc<UserDirectory> {
        todo!()
    }

    /// How many users are in it.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the user with this ordinal is in it.
    pub fn contains(&self, _ordinal: u32) -> bool {
        todo!()
    }

    /// The ordinals, ascending.
    pub fn ordinals(&self) -> impl Iterator<Item = u32> + '_ {
        std::iter::empty()
    }

    /// The ids in byte order.
    pub fn ids(&self) -> impl Iterator<Item = &str> + '_ {
        std::iter::empty()
    }

    /// The users in both. A set of another directory is moved to this one's first; so for `or`
    /// and `and_not`.
    #[must_use]
    pub fn and(&self, _other: &Self) -> Self {
        todo!()
    }

    /// The users in either.
    #[must_use]
    pub fn or(&self, _other: &Self) -> Self {
        todo!()
    }

    /// The users in this one and not in the other.
    #[must_use]
    pub fn and_not(&self, _other: &Self) -> Self {
        todo!()
    }

    /// The same users in another directory; those it does not have are left out.
    #[must_use]
    pub fn moved_to(&self, _users: &Arc<UserDirectory>) -> Self {
        todo!()
    }
}
