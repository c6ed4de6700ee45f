//! Which group a row belongs to, without hashing it.
//!
//! Each key's values are numbered once per segment and distinct value, not per row; a row's group
//! is then found by its numbers, in an array while the combinations are few.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use datafusion::common::Result;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use hashbrown::HashMap;

use super::super::expr::{BoundExpr, SegmentExpr};
use super::super::inputs::{BoundSegment, Rows, UserRuns};

/// Up to this many combinations of keys, groups are looked up in an array.
const DENSE_MAX: usize = 1 << 20;
/// A combination that has no group yet.
const NONE: u32 = u32::MAX;

/// A key of a query.
#[derive(Debug)]
pub(super) enum Key {
    /// The user: numbered already, morsel by morsel.
    User,
    /// Any other.
    Value(SegmentExpr),
}

/// A key prepared for one segment.
#[derive(Debug)]
pub(super) enum BoundKey {
    User,
    /// The expression's values that stand for many rows each are known.
    Values(BoundExpr),
    /// It has to be evaluated user by user.
    ByUser(SegmentExpr),
    /// It has to be evaluated row by row.
    ByRow(SegmentExpr),
}

impl Key {
    pub(super) fn bind(&self, segment: &BoundSegment) -> Result<BoundKey> {
        Ok(match self {
            Self::User => BoundKey::User,
            Self::Value(key) => match key.bind(segment)? {
                BoundExpr::ByUser => BoundKey::ByUser(key.clone()),
                BoundExpr::ByRow => BoundKey::ByRow(key.clone()),
                bound => BoundKey::Values(bound),
            },
        })
    }
}

/// The groups met so far, numbered from 0 in the order they were met.
pub(super) struct Groups {
    keys: Vec<KeyNumbers>,
    table: GroupTable,
    /// The key numbers of each group, one after the other.
    members: Vec<u32>,
    count: usize,
}

/// Which key is meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum KeyPlace {
    User,
    /// The so-many-eth of the others.
    Other(usize),
}

/// The keys of one segment, and the numbers of the values that stand for many rows each.
pub(super) struct NumberedKeys<'a>(Vec<(&'a BoundKey, Vec<u32>)>);

impl NumberedKeys<'_> {
    /// The numbers of all keys but the user, if all rows of the segment have the same.
    pub(super) fn constants(&self) -> Option<Vec<u32>> {
        let others = self.0.iter().filter(|(key, _)| !matches!(key, BoundKey::User));
        others.map(|(_, numbers)| only(numbers)).collect()
    }
}

impl Groups {
    pub(super) fn try_new(keys: &[Key]) -> Result<Self> {
        let keys = keys.iter().map(KeyNumbers::try_new).collect::<Result<Vec<_>>>()?;
        let table = GroupTable::Dense { bits: vec![0; keys.len()], groups: vec![NONE] };
        Ok(Self { keys, table, members: Vec::new(), count: 0 })
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn size(&self) -> usize {
        let keys: usize = self.keys.iter().map(KeyNumbers::size).sum();
        keys + self.members.capacity() * size_of::<u32>() + self.table.size()
    }

    /// Numbers the values of the keys of one segment.
    pub(super) fn number<'a>(&mut self, keys: &'a [BoundKey]) -> Result<NumberedKeys<'a>> {
        let numbered = keys.iter().zip(&mut self.keys).map(|(key, known)| {
            let values = match key {
                BoundKey::Values(expr) => expr.values(),
                BoundKey::User | BoundKey::ByUser(_) | BoundKey::ByRow(_) => None,
            };
            let numbers = values.map_or_else(|| Ok(Vec::new()), |values| known.of(values))?;
            Ok((key, numbers))
        });
        Ok(NumberedKeys(numbered.collect::<Result<_>>()?))
    }

    /// The one group of all rows of a segment, if its keys say there is just one.
    pub(super) fn single(&mut self, keys: &NumberedKeys<'_>) -> Option<usize> {
        let numbers: Option<Vec<u32>> = keys.0.iter().map(|(_, numbers)| only(numbers)).collect();
        Some(self.group_of(&numbers?))
    }

    /// The group of each row. `users` are the numbers of the rows' users, if a key asks for them,
    /// none greater than `user_max`.
    pub(super) fn of_rows(
        &mut self,
        keys: &NumberedKeys<'_>,
        segment: &BoundSegment,
        rows: &Rows,
        (users, user_max): (&[u32], u32),
        out: &mut Vec<usize>,
    ) -> Result<()> {
        let numbered = keys.0.iter().zip(&mut self.keys).map(|((key, table), known)| {
            Ok(match key {
                BoundKey::User => KeyOfRows::Each(users.into()),
                BoundKey::ByUser(key) => {
                    let runs = UserRuns::of(segment, rows);
                    let numbers = known.of(&key.of_users(segment, &runs.ordinals)?)?;
                    KeyOfRows::Each(runs.spread(|run| numbers[run]).into())
                }
                BoundKey::ByRow(key) => KeyOfRows::Each(known.of(&key.evaluate(segment, rows)?)?.into()),
                BoundKey::Values(expr) => match only(table) {
                    Some(number) => KeyOfRows::One(number),
                    None => KeyOfRows::Coded(expr, table),
                },
            })
        });
        let numbered = numbered.collect::<Result<Vec<_>>>()?;
        let greatest: Vec<u32> = self.keys.iter().map(|key| key.greatest().unwrap_or(user_max)).collect();
        out.clear();
        if self.table.make_room(&greatest, &self.members) {
            self.by_position(&numbered, segment, rows, out)
        } else {
            self.by_hash(&numbered, segment, rows, out)
        }
    }

    /// Positions in the table are put together key by key, then looked up.
    fn by_position(
        &mut self,
        keys: &[KeyOfRows<'_>],
        segment: &BoundSegment,
        rows: &Rows,
        out: &mut Vec<usize>,
    ) -> Result<()> {
        let GroupTable::Dense { bits, groups } = &mut self.table else { return Ok(()) };
        let mut base = 0;
        let mut shift: u32 = bits.iter().sum();
        let mut each = Vec::with_capacity(keys.len());
        for (key, bits) in keys.iter().zip(&*bits) {
            shift -= bits;
            match key {
                KeyOfRows::One(number) => base |= (*number as usize) << shift,
                KeyOfRows::Each(_) | KeyOfRows::Coded(..) => each.push((key, shift)),
            }
        }
        if each.is_empty() {
            out.resize(rows.count(), base);
        }
        for (at, (key, shift)) in each.into_iter().enumerate() {
            let first = at == 0;
            match key {
                KeyOfRows::One(_) => {}
                KeyOfRows::Each(numbers) if first => {
                    out.extend(numbers.iter().map(|number| base | (*number as usize) << shift));
                }
                KeyOfRows::Each(numbers) => {
                    out.iter_mut()
                        .zip(numbers.iter())
                        .for_each(|(out, number)| *out |= (*number as usize) << shift);
                }
                KeyOfRows::Coded(expr, table) => {
                    let parts: Vec<usize> = table.iter().map(|number| (*number as usize) << shift).collect();
                    if first {
                        out.reserve(rows.count());
                        expr.map(segment, &parts, rows, |part| out.push(base | part))?;
                    } else {
                        let mut rest = out.iter_mut();
                        expr.map(segment, &parts, rows, |part| {
                            if let Some(out) = rest.next() {
                                *out |= part;
                            }
                        })?;
                    }
                }
            }
        }
        for out in out {
            let position = *out;
            if groups[position] == NONE {
                groups[position] = self.count as u32;
                self.count += 1;
                let mut shift: u32 = bits.iter().sum();
                self.members.extend(bits.iter().map(|bits| {
                    shift -= bits;
                    (position >> shift & ((1 << bits) - 1)) as u32
                }));
            }
            *out = groups[position] as usize;
        }
        Ok(())
    }

    fn by_hash(
        &mut self,
        keys: &[KeyOfRows<'_>],
        segment: &BoundSegment,
        rows: &Rows,
        out: &mut Vec<usize>,
    ) -> Result<()> {
        let numbers = keys.iter().map(|key| key.numbers(segment, rows)).collect::<Result<Vec<_>>>()?;
        let mut row_numbers = vec![0; numbers.len()];
        let mut last: Option<usize> = None;
        out.reserve(rows.count());
        for row in 0..rows.count() {
            let mut same = last.is_some();
            for (slot, numbers) in row_numbers.iter_mut().zip(&numbers) {
                same &= *slot == numbers[row];
                *slot = numbers[row];
            }
            let group = match last {
                Some(group) if same => group,
                _ => self.group_of(&row_numbers),
            };
            last = Some(group);
            out.push(group);
        }
        Ok(())
    }

    /// The keys of all groups, in order: one array for each that is shown. `user_ids` gives the ids of
    /// user numbers.
    pub(super) fn key_columns_of_all(
        &mut self,
        shown: &[bool],
        user_ids: impl Fn(&[u32]) -> Result<ArrayRef>,
    ) -> Result<Vec<ArrayRef>> {
        let members = std::mem::take(&mut self.members);
        let count = self.keys.len();
        let user_at = self.keys.iter().position(|key| matches!(key, KeyNumbers::User)).unwrap_or(count);
        self.key_columns(shown, user_ids, |place| {
            let at = match place {
                KeyPlace::User => user_at,
                KeyPlace::Other(at) => at + usize::from(at >= user_at),
            };
            members.iter().skip(at).step_by(count).copied().collect()
        })
    }

    /// The same of other groups: `numbers` gives those of each one's key.
    pub(super) fn key_columns(
        &mut self,
        shown: &[bool],
        user_ids: impl Fn(&[u32]) -> Result<ArrayRef>,
        numbers: impl Fn(KeyPlace) -> Vec<u32>,
    ) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::with_capacity(self.keys.len());
        let mut others = 0;
        for (key, shown) in self.keys.iter_mut().zip(shown) {
            let place = match key {
                KeyNumbers::User => KeyPlace::User,
                KeyNumbers::Values { .. } => {
                    others += 1;
                    KeyPlace::Other(others - 1)
                }
            };
            if !shown {
                continue;
            }
            let numbers = numbers(place);
            columns.push(match key {
                KeyNumbers::User => user_ids(&numbers)?,
                KeyNumbers::Values { values, .. } => {
                    let values = values.emit(EmitTo::All)?.swap_remove(0);
                    take(&values, &UInt32Array::from(numbers), None)?
                }
            });
        }
        Ok(columns)
    }

    fn group_of(&mut self, numbers: &[u32]) -> usize {
        let known = self.table.get(numbers);
        if known != NONE {
            return known as usize;
        }
        let group = self.count;
        self.count += 1;
        self.members.extend_from_slice(numbers);
        self.table.insert(numbers, group as u32, &self.members);
        group
    }
}

/// The only number in a table, if there is just one.
fn only(numbers: &[u32]) -> Option<u32> {
    match numbers.split_first() {
        Some((first, rest)) if rest.iter().all(|number| number == first) => Some(*first),
        _ => None,
    }
}

/// The numbers of one key for some rows.
enum KeyOfRows<'a> {
    /// All have this one.
    One(u32),
    /// One for each row.
    Each(Cow<'a, [u32]>),
    /// One for each value of the expression.
    Coded(&'a BoundExpr, &'a [u32]),
}

impl KeyOfRows<'_> {
    fn numbers(&self, segment: &BoundSegment, rows: &Rows) -> Result<Cow<'_, [u32]>> {
        Ok(match self {
            Self::One(number) => vec![*number; rows.count()].into(),
            Self::Each(numbers) => numbers.as_ref().into(),
            Self::Coded(expr, table) => {
                let mut numbers = Vec::with_capacity(rows.count());
                expr.map(segment, table, rows, |number| numbers.push(number))?;
                numbers.into()
            }
        })
    }
}

/// The values of one key, numbered in the order they were met.
enum KeyNumbers {
    User,
    Values { values: Box<dyn GroupValues>, scratch: Vec<usize> },
}

impl KeyNumbers {
    fn try_new(key: &Key) -> Result<Self> {
        let Key::Value(key) = key else { return Ok(Self::User) };
        let schema = Schema::new(vec![Field::new("key", key.data_type()?, true)]);
        let values = new_group_values(Arc::new(schema), &GroupOrdering::None)?;
        Ok(Self::Values { values, scratch: Vec::new() })
    }

    fn size(&self) -> usize {
        match self {
            Self::User => 0,
            Self::Values { values, scratch } => values.size() + scratch.capacity() * size_of::<usize>(),
        }
    }

    /// The greatest number given so far; `None` where numbers are those of users.
    fn greatest(&self) -> Option<u32> {
        match self {
            Self::User => None,
            Self::Values { values, .. } => Some(values.len().saturating_sub(1) as u32),
        }
    }

    fn of(&mut self, array: &ArrayRef) -> Result<Vec<u32>> {
        let Self::Values { values, scratch } = self else { return Ok(Vec::new()) };
        scratch.clear();
        values.intern(&[Arc::clone(array)], scratch)?;
        Ok(scratch.iter().map(|number| *number as u32).collect())
    }
}

/// Combinations of key numbers → groups.
enum GroupTable {
    /// A group for each combination: a number takes so many bits of the position.
    Dense { bits: Vec<u32>, groups: Vec<u32> },
    /// Too many combinations for that.
    Sparse(HashMap<Box<[u32]>, u32>),
}

impl GroupTable {
    fn size(&self) -> usize {
        match self {
            Self::Dense { groups, .. } => groups.capacity() * size_of::<u32>(),
            Self::Sparse(groups) => {
                let numbers = groups.keys().next().map_or(0, |numbers| size_of_val::<[u32]>(numbers));
                groups.capacity() * (numbers + 3 * size_of::<usize>())
            }
        }
    }

    fn get(&self, numbers: &[u32]) -> u32 {
        match self {
            Self::Dense { bits, groups } => position(bits, numbers).map_or(NONE, |at| groups[at]),
            Self::Sparse(groups) => groups.get(numbers).copied().unwrap_or(NONE),
        }
    }

    /// Has room for numbers up to these, of which `members` are combinations with a group, if there
    /// can be an array for that many.
    fn make_room(&mut self, greatest: &[u32], members: &[u32]) -> bool {
        let Self::Dense { bits, .. } = self else { return false };
        if position(bits, greatest).is_none() {
            *self = Self::rebuilt(bits, greatest, members);
        }
        matches!(self, Self::Dense { .. })
    }

    /// `members` are the numbers of all groups, the new one's last.
    fn insert(&mut self, numbers: &[u32], group: u32, members: &[u32]) {
        if self.make_room(numbers, members) {
            let Self::Dense { bits, groups } = self else { return };
            if let Some(at) = position(bits, numbers) {
                groups[at] = group;
            }
        } else if let Self::Sparse(groups) = self {
            groups.insert(numbers.into(), group);
        }
    }

    /// A table with room for the numbers as well.
    fn rebuilt(bits: &[u32], numbers: &[u32], members: &[u32]) -> Self {
        let needed = |number: &u32| u32::BITS - number.leading_zeros();
        let bits: Vec<u32> =
            bits.iter().zip(numbers).map(|(bits, number)| (*bits).max(needed(number))).collect();
        let all = members.chunks_exact(numbers.len().max(1)).zip(0u32..);
        let total: u32 = bits.iter().sum();
        if total < usize::BITS && 1usize << total <= DENSE_MAX {
            let mut groups = vec![NONE; 1 << total];
            for (numbers, group) in all {
                if let Some(at) = position(&bits, numbers) {
                    groups[at] = group;
                }
            }
            return Self::Dense { bits, groups };
        }
        Self::Sparse(all.map(|(numbers, group)| (numbers.into(), group)).collect())
    }
}

/// Where a combination stands; `None` if a number is out of room.
fn position(bits: &[u32], numbers: &[u32]) -> Option<usize> {
    let mut position = 0usize;
    for (bits, number) in bits.iter().zip(numbers) {
        if number >> bits != 0 {
            return None;
        }
        position = position << bits | *number as usize;
    }
    Some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table_of(combinations: &[[u32; 2]]) -> (GroupTable, Vec<u32>) {
        let mut table = GroupTable::Dense { bits: vec![0; 2], groups: vec![NONE] };
        let mut members = Vec::new();
        for (group, numbers) in (0u32..).zip(combinations) {
            assert_eq!(table.get(numbers), NONE);
            members.extend_from_slice(numbers);
            table.insert(numbers, group, &members);
        }
        (table, members)
    }

    #[test]
    fn combinations_keep_their_group_while_the_table_grows() {
        let combinations: Vec<[u32; 2]> = (0..40).flat_map(|a| (0..7).map(move |b| [a * a, b])).collect();
        let (table, _) = table_of(&combinations);
        assert!(matches!(table, GroupTable::Dense { .. }));
        for (group, numbers) in (0u32..).zip(&combinations) {
            assert_eq!(table.get(numbers), group);
        }
        assert_eq!(table.get(&[2, 0]), NONE);
    }

    #[test]
    fn many_combinations_are_hashed() {
        let combinations: Vec<[u32; 2]> = (0..100).map(|a| [a * 1000, a * 77]).collect();
        let (table, _) = table_of(&combinations);
        assert!(matches!(table, GroupTable::Sparse(_)));
        for (group, numbers) in (0u32..).zip(&combinations) {
            assert_eq!(table.get(numbers), group);
        }
    }
}
