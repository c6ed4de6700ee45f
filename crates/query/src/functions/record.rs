//! What the matchers read: the events of one user as small records, in time order.

use std::cmp::Ordering;

/// The conditions that one event meets, numbered from 0.
///
/// `u64` holds up to 64 conditions in one word, `&[u64]` any number of them (condition 64 is bit 0
/// of the second word).
pub trait Conditions: Copy {
    /// Whether this condition is met.
    fn meets(self, condition: usize) -> bool;

    /// The lowest condition met that is not below `from`.
    fn next_from(self, from: usize) -> Option<usize>;

    /// The order of simultaneous events: at the first condition that only one of the two meets, the
    /// one that meets it comes first.
    fn tie_order(self, other: Self) -> Ordering;

    /// Whether no condition is met.
    fn is_empty(self) -> bool {
        self.next_from(0).is_none()
    }
}

impl Conditions for u64 {
    #[inline]
    fn meets(self, condition: usize) -> bool {
        condition < 64 && self >> condition & 1 == 1
    }

    #[inline]
    fn next_from(self, from: usize) -> Option<usize> {
        if from >= 64 {
            return None;
        }
        let rest = self >> from << from;
        (rest != 0).then(|| rest.trailing_zeros() as usize)
    }

    #[inline]
    fn tie_order(self, other: Self) -> Ordering {
        other.reverse_bits().cmp(&self.reverse_bits())
    }
}

impl Conditions for &[u64] {
    fn meets(self, condition: usize) -> bool {
        self.get(condition / 64).is_some_and(|word| word.meets(condition % 64))
    }

    fn next_from(self, from: usize) -> Option<usize> {
        let first = from / 64;
        let mut bit = from % 64;
        for (index, word) in self.iter().enumerate().skip(first) {
            if let Some(found) = word.next_from(bit) {
                return Some(index * 64 + found);
            }
            bit = 0;
        }
        None
    }

    fn tie_order(self, other: Self) -> Ordering {
        let words = self.iter().zip(other).map(|(mine, theirs)| mine.tie_order(*theirs));
        words.fold(Ordering::Equal, Ordering::then)
    }
}

/// One event of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<C> {
    /// When it happened, in any unit: matchers only compare and subtract.
    pub time: i64,
    /// What it meets.
    pub conditions: C,
}

impl<C: Conditions> Record<C> {
    /// Time order, simultaneous events by [`Conditions::tie_order`]: the same for any order of
    /// input, since records that compare equal are equal.
    #[inline]
    pub fn time_order(&self, other: &Self) -> Ordering {
        self.time.cmp(&other.time).then_with(|| self.conditions.tie_order(other.conditions))
    }
}

/// Brings one user's records into [`Record::time_order`]; records in order of time cost one pass.
pub fn sort<C: Conditions>(records: &mut [Record<C>]) {
    let mut at = 1;
    while at < records.len() {
        let before = records[at - 1].time;
        match before.cmp(&records[at].time) {
            Ordering::Less => at += 1,
            Ordering::Equal => {
                let more = records[at..].iter().take_while(|record| record.time == before).count();
                records[at - 1..at + more].sort_unstable_by(|a, b| a.conditions.tie_order(b.conditions));
                at += more;
            }
            Ordering::Greater => {
                records.sort_unstable_by(Record::time_order);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_widths_agree() {
        for (mask, other) in [(0b1_u64, 0b10), (0b11, 0b01), (0, 0b1), (1 << 63, 0), (0b110, 0b101)] {
            let (wide, wide_other) = ([mask], [other]);
            let (wide, wide_other) = (wide.as_slice(), wide_other.as_slice());
            assert_eq!(mask.tie_order(other), wide.tie_order(wide_other));
            for condition in 0..66 {
                assert_eq!(mask.meets(condition), wide.meets(condition));
                assert_eq!(mask.next_from(condition), wide.next_from(condition), "{mask:b} from {condition}");
            }
        }
        let wide: &[u64] = &[0, 0b100];
        assert_eq!(wide.next_from(0), Some(66));
        assert!(wide.meets(66) && !wide.meets(2) && !wide.meets(200));
    }

    #[test]
    fn of_simultaneous_events_the_one_that_meets_the_lower_condition_is_first() {
        let mut records: Vec<Record<u64>> =
            [0b10, 0, 0b1, 0b11, 0b101].map(|conditions| Record { time: 5, conditions }).to_vec();
        records.push(Record { time: 4, conditions: 0 });
        sort(&mut records);
        let order: Vec<u64> = records.iter().map(|record| record.conditions).collect();
        assert_eq!(order, [0, 0b11, 0b101, 0b1, 0b10, 0]);
    }

    #[test]
    fn records_in_order_of_time_or_not_are_sorted_alike() {
        for seed in 0..200_u64 {
            let mut records: Vec<Record<u64>> = (0..seed % 40)
                .map(|at| {
                    let drawn = (at * 37 + seed) * (at + seed * seed) % 1_013;
                    let time = if seed % 3 == 0 { drawn % 11 } else { at / (1 + seed % 4) };
                    Record { time: time as i64, conditions: drawn % 5 }
                })
                .collect();
            let mut expected = records.clone();
            expected.sort_by(Record::time_order);
            sort(&mut records);
            assert_eq!(records, expected, "{seed}");
        }
    }
}
