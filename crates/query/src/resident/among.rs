//! Sets of users, and whether an event's user is in one.
//!
//! Over segments, users are numbers and a set is bits, so that nothing is looked up by id; over
//! files, a set is one of ids.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray as _, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use hashbrown::HashSet;
use tallymark_event::columns::USER_ID;
use tallymark_memory::{UserDirectory, UserSet};

use super::inputs::{BoundSegment, NOBODY};
use crate::functions::made::{about, call_about};

/// A set of users: by their numbers those that a directory has, by their ids all others.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserIds {
    known: Option<UserSet>,
    /// Of these, the directory has none.
    others: HashSet<String>,
}

impl FromIterator<String> for UserIds {
    fn from_iter<I: IntoIterator<Item = String>>(ids: I) -> Self {
        Self { known: None, others: ids.into_iter().collect() }
    }
}

impl From<UserSet> for UserIds {
    fn from(set: UserSet) -> Self {
        Self { known: Some(set), others: HashSet::new() }
    }
}

impl UserIds {
    pub(crate) fn contains(&self, id: &str) -> bool {
        let is_known = |set: &UserSet| set.users().ordinal(id).is_some_and(|user| set.contains(user));
        self.others.contains(id) || self.known.as_ref().is_some_and(is_known)
    }

    pub(crate) fn len(&self) -> usize {
        self.known.as_ref().map_or(0, UserSet::len) + self.others.len()
    }

    /// The ids, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.known.iter().flat_map(UserSet::ids).chain(self.others.iter().map(String::as_str))
    }

    /// The users in both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        self.with(other, UserSet::and, |a, b| a.intersection(b).cloned().collect())
    }

    /// The users in either.
    pub(crate) fn or(&self, other: &Self) -> Self {
        self.with(other, UserSet::or, |a, b| a.union(b).cloned().collect())
    }

    /// The users in this one and not in the other.
    pub(crate) fn and_not(&self, other: &Self) -> Self {
        self.with(other, UserSet::and_not, |a, b| a.difference(b).cloned().collect())
    }

    fn with(
        &self,
        other: &Self,
        of_known: impl Fn(&UserSet, &UserSet) -> UserSet,
        of_others: impl Fn(&HashSet<String>, &HashSet<String>) -> HashSet<String>,
    ) -> Self {
        let directories = [self, other].into_iter().filter_map(|ids| ids.known.as_ref()).map(UserSet::users);
        let Some(users) = directories.max_by_key(|users| users.len()) else {
            return Self { known: None, others: of_others(&self.others, &other.others) };
        };
        let (this, other) = (self.moved_to(users), other.moved_to(users));
        let known = this.known.zip(other.known).map(|(this, other)| of_known(&this, &other));
        Self { known, others: of_others(&this.others, &other.others) }
    }

    /// The same set by the numbers of another directory.
    pub(crate) fn moved_to(&self, users: &Arc<UserDirectory>) -> Self {
        if self.known.as_ref().is_some_and(|known| Arc::ptr_eq(known.users(), users)) {
            return self.clone();
        }
        let mut others = HashSet::new();
        let mut ordinals = Vec::new();
        for id in &self.others {
            match users.ordinal(id) {
                Some(ordinal) => ordinals.push(ordinal),
                None => drop(others.insert(id.clone())),
            }
        }
        let mut set = UserSet::from_ordinals(Arc::clone(users), ordinals);
        if let Some(known) = &self.known {
            let moved = known.moved_to(users);
            if moved.len() < known.len() {
                others.extend(known.ids().filter(|id| users.ordinal(id).is_none()).map(str::to_owned));
            }
            set = set.or(&moved);
        }
        Self { known: Some(set), others }
    }
}

/// Whether the event's user is one of these; null for nobody. `name` tells it from other sets in a
/// plan.
pub(crate) fn is_among(name: String, users: Arc<UserIds>) -> Expr {
    let among = Arc::new(Among { users, by_id: OnceLock::new(), bits: OnceLock::new() });
    let user = vec![Expr::Column(Column::from_name(USER_ID))];
    call_about(name, DataType::Boolean, user, among, |among, args| Ok(Arc::new(among.of_ids(&args[0])?)))
}

/// A set of users that is asked about.
#[derive(Debug)]
pub(crate) struct Among {
    users: Arc<UserIds>,
    /// All ids, made when one is asked about.
    by_id: OnceLock<HashSet<String>>,
    /// A bit for each user of the directory that was asked about first.
    bits: OnceLock<(Arc<UserDirectory>, Vec<u64>)>,
}

impl Among {
    /// The set that an expression asks about, if that is all it does.
    pub(super) fn of_expr(expr: &Arc<dyn PhysicalExpr>) -> Option<Arc<Self>> {
        about(expr)
    }

    /// Whether the users of a directory with these numbers are in the set; null for nobody.
    pub(super) fn of_ordinals(&self, users: &Arc<UserDirectory>, ordinals: &[u32]) -> BooleanArray {
        self.with_bits(users, |bits| {
            let is_in = |user: u32| bits[(user / 64) as usize] >> (user % 64) & 1 == 1;
            ordinals.iter().map(|user| (*user != NOBODY).then(|| is_in(*user))).collect()
        })
    }

    /// The rows of a segment whose users are in the set: ranges in ascending order.
    pub(super) fn rows_of(&self, segment: &BoundSegment) -> Vec<Range<u32>> {
        let (users, starts) = (segment.segment().users(), segment.segment().starts());
        self.with_bits(segment.directory(), |bits| {
            let mut rows: Vec<Range<u32>> = Vec::new();
            for (user, of_user) in users.iter().zip(starts.windows(2)) {
                if bits[(user / 64) as usize] >> (user % 64) & 1 == 0 {
                    continue;
                }
                match rows.last_mut() {
                    Some(last) if last.end == of_user[0] => last.end = of_user[1],
                    _ => rows.push(of_user[0]..of_user[1]),
                }
            }
            rows
        })
    }

    /// Shows the bits of the users of a directory.
    fn with_bits<T>(&self, users: &Arc<UserDirectory>, show: impl FnOnce(&[u64]) -> T) -> T {
        let (known, bits) = self.bits.get_or_init(|| (Arc::clone(users), self.bits_of(users)));
        if Arc::ptr_eq(known, users) { show(bits) } else { show(&self.bits_of(users)) }
    }

    fn bits_of(&self, users: &Arc<UserDirectory>) -> Vec<u64> {
        let mut bits = vec![0; users.len().div_ceil(64)];
        let moved = self.users.moved_to(users);
        for user in moved.known.iter().flat_map(UserSet::ordinals) {
            bits[(user / 64) as usize] |= 1 << (user % 64);
        }
        bits
    }

    fn of_ids(&self, ids: &ArrayRef) -> Result<BooleanArray> {
        let ids = cast(ids, &DataType::Utf8View)?;
        let by_id = self.by_id.get_or_init(|| self.users.iter().map(str::to_owned).collect());
        Ok(ids.as_string_view().iter().map(|id| id.map(|id| by_id.contains(id))).collect())
    }
}
