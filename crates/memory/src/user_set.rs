//! Sets of users.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::UserDirectory;

/// A set of users of one directory, as a compressed bitmap of their ordinals.
///
/// Two sets are equal if they hold the same users of the same directory.
#[derive(Debug, Clone)]
pub struct UserSet {
    users: Arc<UserDirectory>,
    ordinals: RoaringBitmap,
}

impl UserSet {
    /// The empty set.
    pub fn new(users: Arc<UserDirectory>) -> Self {
        Self { users, ordinals: RoaringBitmap::new() }
    }

    /// The users with these ordinals, in any order.
    ///
    /// # Panics
    /// If one is not of the directory.
    pub fn from_ordinals(users: Arc<UserDirectory>, ordinals: impl IntoIterator<Item = u32>) -> Self {
        let ordinals: RoaringBitmap = ordinals.into_iter().collect();
        assert!(ordinals.max().is_none_or(|max| (max as usize) < users.len()), "{:?}", ordinals.max());
        Self { users, ordinals }
    }

    /// The users with these canonical ids; ids the directory does not have are left out.
    pub fn from_ids<'a>(users: Arc<UserDirectory>, ids: impl IntoIterator<Item = &'a str>) -> Self {
        let ordinals = ids.into_iter().filter_map(|id| users.ordinal(id)).collect();
        Self { users, ordinals }
    }

    /// The directory the ordinals are of.
    pub fn users(&self) -> &Arc<UserDirectory> {
        &self.users
    }

    /// How many users are in it.
    pub fn len(&self) -> usize {
        self.ordinals.len() as usize
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.ordinals.is_empty()
    }

    /// Whether the user with this ordinal is in it.
    pub fn contains(&self, ordinal: u32) -> bool {
        self.ordinals.contains(ordinal)
    }

    /// The ordinals, ascending.
    pub fn ordinals(&self) -> impl Iterator<Item = u32> + '_ {
        self.ordinals.iter()
    }

    /// The ids in byte order.
    pub fn ids(&self) -> impl Iterator<Item = &str> + '_ {
        self.ordinals.iter().map(|ordinal| self.users.id(ordinal))
    }

    /// The users in both. A set of another directory is moved to this one's first; so for `or`
    /// and `and_not`.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    /// The users in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    /// The users in this one and not in the other.
    #[must_use]
    pub fn and_not(&self, other: &Self) -> Self {
        self.with(other, |a, b| a - b)
    }

    /// The same users in another directory; those it does not have are left out.
    #[must_use]
    pub fn moved_to(&self, users: &Arc<UserDirectory>) -> Self {
        if Arc::ptr_eq(&self.users, users) {
            return self.clone();
        }
        let mut from = 0;
        let ordinals = self.ids().filter_map(|id| {
            // Ids come in order, so that the next is not before this one.
            from = users.first_not_below(from, id);
            (from < users.len() && users.id(from as u32) == id).then_some(from as u32)
        });
        Self { users: Arc::clone(users), ordinals: ordinals.collect() }
    }

    fn with(
        &self,
        other: &Self,
        operation: impl Fn(&RoaringBitmap, &RoaringBitmap) -> RoaringBitmap,
    ) -> Self {
        let other = other.moved_to(&self.users);
        Self { users: Arc::clone(&self.users), ordinals: operation(&self.ordinals, &other.ordinals) }
    }
}

impl PartialEq for UserSet {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.users, &other.users) && self.ordinals == other.ordinals
    }
}

impl Eq for UserSet {}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(ids: &[&str]) -> Arc<UserDirectory> {
        Arc::new(UserDirectory::new(ids.iter().map(|id| Some(*id)).collect()))
    }

    fn ids(set: &UserSet) -> Vec<&str> {
        set.ids().collect()
    }

    #[test]
    fn sets_of_one_directory_combine() {
        let users = directory(&["a", "b", "c", "d"]);
        let one = UserSet::from_ordinals(Arc::clone(&users), [2, 0]);
        let other = UserSet::from_ids(Arc::clone(&users), ["c", "x", "d"]);
        assert_eq!(ids(&other), ["c", "d"]);
        assert_eq!(ids(&one.and(&other)), ["c"]);
        assert_eq!(ids(&one.or(&other)), ["a", "c", "d"]);
        assert_eq!(ids(&one.and_not(&other)), ["a"]);
        assert!(one.contains(2) && !one.contains(1));
        assert_eq!((one.len(), one.ordinals().collect::<Vec<_>>()), (2, vec![0, 2]));
        assert!(UserSet::new(users).is_empty());
    }

    #[test]
    fn a_set_moves_to_another_directory_by_id() {
        let (small, large) = (directory(&["b", "d"]), directory(&["a", "b", "c", "d", "e"]));
        let all = UserSet::from_ordinals(Arc::clone(&small), [0, 1]);
        let moved = all.moved_to(&large);
        assert_eq!(moved.ordinals().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(moved.moved_to(&small), all);
        let more = UserSet::from_ids(Arc::clone(&large), ["a", "d", "e"]);
        assert_eq!(ids(&more.moved_to(&small)), ["d"], "users the other one does not have are left out");
        assert_eq!(ids(&more.and(&all)), ["d"]);
    }
}
