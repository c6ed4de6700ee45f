//! Rows of several sources → one order by (user, time, sequence).

use std::ops::Range;

use arrow::array::{Array as _, UInt32Array};

/// The rows of one source, before they are ordered: runs of rows of one user, each ordered by
/// (time, sequence). Runs come in any order, and a user may have several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runs<'a> {
    /// How many rows at the start are nobody's, ordered likewise.
    pub(crate) nobody: usize,
    /// The user of each run.
    pub(crate) users: &'a [u32],
    /// Where each run starts, and where the last one ends.
    pub(crate) starts: &'a [u32],
    /// The time of each row; not looked at where all rows stay in their places.
    pub(crate) times: &'a [u32],
}

/// The rows of all sources in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ordered {
    pub(crate) nobody: usize,
    /// Ascending.
    pub(crate) users: Vec<u32>,
    /// Where the rows of each user start, and where those of the last one end.
    pub(crate) starts: Vec<u32>,
    /// Where each row is among the rows of all sources, one source after the other; `None` where it
    /// stays in its place.
    pub(crate) order: Option<Vec<u32>>,
}

/// Where each row comes from: held row by row, or by runs of neighbours that stay neighbours,
/// whichever takes less memory.
#[derive(Debug)]
pub(crate) enum RowOrder {
    Rows(UInt32Array),
    Runs {
        /// For each run its first place, and where the row there comes from.
        runs: Vec<(u32, u32)>,
        /// How many rows there are.
        rows: usize,
    },
}

impl RowOrder {
    /// Row `i` comes from `order[i]`.
    pub(crate) fn new(order: UInt32Array) -> Self {
        let rows = order.values();
        let is_run = |place: &usize| *place == 0 || rows[*place] != rows[*place - 1].wrapping_add(1);
        let count = (0..rows.len()).filter(is_run).count();
        if count * size_of::<(u32, u32)>() >= rows.len() * size_of::<u32>() {
            return Self::Rows(order);
        }
        let mut runs = Vec::with_capacity(count);
        runs.extend((0..rows.len()).filter(is_run).map(|place| (place as u32, rows[place])));
        Self::Runs { runs, rows: rows.len() }
    }

    /// Where each row comes from.
    pub(crate) fn rows(&self) -> UInt32Array {
        match self {
            Self::Rows(order) => order.clone(),
            Self::Runs { runs, rows } => {
                let mut order: Vec<u32> = Vec::with_capacity(*rows);
                let ends = runs.iter().skip(1).map(|(place, _)| *place).chain([*rows as u32]);
                for ((place, row), end) in runs.iter().zip(ends) {
                    order.extend(*row..row + (end - place));
                }
                order.into()
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Rows(order) => order.get_array_memory_size(),
            Self::Runs { runs, .. } => runs.len() * size_of::<(u32, u32)>(),
        }
    }
}

/// Rows of different sources share user and time, so that their sequences are needed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tied;

/// A run among the rows of all sources.
#[derive(Debug, Clone)]
struct Piece {
    /// 0 for nobody, otherwise one more than the ordinal.
    user: u64,
    source: usize,
    rows: Range<u32>,
}

/// Whether all rows stay in their places: they are of one source, its users in order.
pub(crate) fn is_in_place(sources: &[Runs<'_>]) -> bool {
    matches!(sources, [one] if one.users.is_sorted_by(|a, b| a < b))
}

/// Orders the rows of all sources. `sequences` are those of all rows, one source after the other;
/// without them, ties between sources are an error.
pub(crate) fn order(sources: &[Runs<'_>], sequences: Option<&[i64]>) -> Result<Ordered, Tied> {
    if let [one] = sources
        && is_in_place(sources)
    {
        return Ok(Ordered {
            nobody: one.nobody,
            users: one.users.to_vec(),
            starts: one.starts.to_vec(),
            order: None,
        });
    }
    let mut offsets = Vec::with_capacity(sources.len());
    let mut total = 0u32;
    for source in sources {
        offsets.push(total);
        total += source.times.len() as u32;
    }

    let mut ordered = Ordered { nobody: 0, users: Vec::new(), starts: Vec::new(), order: None };
    let mut order: Vec<u32> = Vec::with_capacity(total as usize);
    let mut merge = Merge { sources, offsets: &offsets, sequences, rows: Vec::new() };
    let pieces = pieces(sources);
    for same_user in pieces.chunk_by(|a, b| a.user == b.user) {
        if let Some(ordinal) = same_user[0].user.checked_sub(1) {
            if ordered.users.is_empty() {
                ordered.nobody = order.len();
            }
            ordered.users.push(ordinal as u32);
            ordered.starts.push(order.len() as u32);
        }
        merge.append(same_user, &mut order)?;
    }
    if ordered.users.is_empty() {
        ordered.nobody = order.len();
    }
    ordered.starts.push(order.len() as u32);
    let in_place = order.iter().zip(0..).all(|(row, place)| *row == place);
    ordered.order = (!in_place).then_some(order);
    Ok(ordered)
}

/// All runs by user; those of one user by source.
fn pieces(sources: &[Runs<'_>]) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(sources.iter().map(|source| source.users.len() + 1).sum());
    for (at, source) in sources.iter().enumerate() {
        if source.nobody > 0 {
            pieces.push(Piece { user: 0, source: at, rows: 0..source.nobody as u32 });
        }
        for (run, user) in source.users.iter().enumerate() {
            let rows = source.starts[run]..source.starts[run + 1];
            pieces.push(Piece { user: u64::from(*user) + 1, source: at, rows });
        }
    }
    // Nearly sorted, source by source: this merges what is.
    pieces.sort_by_key(|piece| piece.user);
    pieces
}

struct Merge<'a> {
    sources: &'a [Runs<'a>],
    offsets: &'a [u32],
    sequences: Option<&'a [i64]>,
    /// Scratch: (time, piece, row among all).
    rows: Vec<(u32, usize, u32)>,
}

impl Merge<'_> {
    /// Appends the rows of one user's runs in order.
    fn append(&mut self, pieces: &[Piece], order: &mut Vec<u32>) -> Result<(), Tied> {
        if let [one] = pieces {
            let offset = self.offsets[one.source];
            order.extend(one.rows.start + offset..one.rows.end + offset);
            return Ok(());
        }
        self.rows.clear();
        for (at, piece) in pieces.iter().enumerate() {
            let (times, offset) = (self.sources[piece.source].times, self.offsets[piece.source]);
            self.rows.extend(piece.rows.clone().map(|row| (times[row as usize], at, row + offset)));
        }
        if let Some(sequences) = self.sequences {
            self.rows.sort_by_key(|(time, _, row)| (*time, sequences[*row as usize]));
        } else {
            self.rows.sort_by_key(|(time, ..)| *time);
            let tied = |pair: &[(u32, usize, u32)]| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1;
            if self.rows.windows(2).any(tied) {
                return Err(Tied);
            }
        }
        order.extend(self.rows.iter().map(|(.., row)| *row));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A source as rows: (user or nobody, time, sequence).
    type Rows = Vec<(Option<u32>, u32, i64)>;

    struct Owned {
        nobody: usize,
        users: Vec<u32>,
        starts: Vec<u32>,
        times: Vec<u32>,
    }

    /// Runs of sorted rows, as they are in a file; `joined` then says who the users are now.
    fn owned(rows: &Rows, joined: impl Fn(u32) -> u32) -> Owned {
        let nobody = rows.iter().filter(|row| row.0.is_none()).count();
        let mut owned =
            Owned { nobody, users: vec![], starts: vec![], times: rows.iter().map(|row| row.1).collect() };
        let mut last = None;
        for (at, (user, ..)) in rows.iter().enumerate() {
            if let Some(user) = *user
                && last != Some(user)
            {
                owned.users.push(joined(user));
                owned.starts.push(at as u32);
                last = Some(user);
            }
        }
        owned.starts.push(rows.len() as u32);
        owned
    }

    fn ordered(sources: &[Owned], sequences: Option<&[i64]>) -> Result<Ordered, Tied> {
        let runs: Vec<Runs<'_>> = sources
            .iter()
            .map(|source| Runs {
                nobody: source.nobody,
                users: &source.users,
                starts: &source.starts,
                times: &source.times,
            })
            .collect();
        order(&runs, sequences)
    }

    #[test]
    fn one_sorted_source_stays_as_it_is() {
        let rows = vec![(None, 5, 0), (Some(1), 3, 1), (Some(1), 4, 2), (Some(7), 0, 3)];
        let found = ordered(&[owned(&rows, |user| user)], None).unwrap();
        assert_eq!(found, Ordered { nobody: 1, users: vec![1, 7], starts: vec![1, 3, 4], order: None });
    }

    #[test]
    fn an_order_is_held_in_as_few_bytes_as_it_can() {
        let check = |order: Vec<u32>, bytes: Option<usize>| {
            let order = UInt32Array::from(order);
            let held = RowOrder::new(order.clone());
            assert_eq!(held.rows(), order);
            assert_eq!(matches!(held, RowOrder::Runs { .. }).then(|| held.bytes()), bytes);
        };
        check(vec![], None);
        check((100..200).chain(0..100).collect(), Some(16));
        check((0..50).rev().collect(), None);
        check(vec![3, 4, 5, 0, 1, 2, 9], Some(24));
    }

    #[test]
    fn g1_a_tie_between_sources_needs_sequences() {
        let (one, other) = (vec![(Some(1), 3, 1)], vec![(Some(1), 3, 0)]);
        let sources = [owned(&one, |user| user), owned(&other, |user| user)];
        assert_eq!(ordered(&sources, None), Err(Tied));
        assert_eq!(ordered(&sources, Some(&[1, 0])).unwrap().order, Some(vec![1, 0]));
    }

    proptest! {
        #[test]
        fn rows_are_ordered_by_user_time_and_sequence(
            rows in prop::collection::vec((prop::option::weighted(0.8, 0..6u32), 0..5u32, 0..4usize), 0..60),
            shift in 1..4u32,
        ) {
            let mut sources: Vec<Rows> = vec![Rows::new(); 4];
            for ((user, time, source), sequence) in rows.into_iter().zip(0..) {
                sources[source].push((user, time, sequence));
            }
            for rows in &mut sources {
                rows.sort_unstable();
            }
            // Some users were joined since: runs are then out of order, and a user has several.
            let joined = |user: u32| user % shift;
            let built: Vec<Owned> = sources.iter().map(|rows| owned(rows, joined)).collect();

            let all: Rows = sources.concat();
            let mut expected: Vec<(Option<u32>, u32, i64)> =
                all.iter().map(|(user, time, sequence)| (user.map(joined), *time, *sequence)).collect();
            expected.sort_unstable();

            let sequences: Vec<i64> = all.iter().map(|row| row.2).collect();
            let found = ordered(&built, Some(&sequences)).unwrap();
            let order = found.order.clone().unwrap_or_else(|| (0..all.len() as u32).collect());
            let by_order: Vec<_> = order
                .iter()
                .map(|row| all[*row as usize])
                .map(|(user, time, sequence)| (user.map(joined), time, sequence))
                .collect();
            prop_assert_eq!(&by_order, &expected);
            prop_assert_eq!(found.nobody, expected.iter().filter(|row| row.0.is_none()).count());
            let mut users: Vec<u32> = expected.iter().filter_map(|row| row.0).collect();
            users.dedup();
            prop_assert_eq!(&found.users, &users);
            for (at, user) in found.users.iter().enumerate() {
                for row in found.starts[at]..found.starts[at + 1] {
                    prop_assert_eq!(expected[row as usize].0, Some(*user));
                }
            }
            let rows = UInt32Array::from(order);
            prop_assert_eq!(RowOrder::new(rows.clone()).rows(), rows);
            if let Ok(without) = ordered(&built, None) {
                prop_assert_eq!(without, found);
            }
        }
    }
}
