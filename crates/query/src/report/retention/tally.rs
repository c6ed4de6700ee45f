//! Counts of a retention report, while they are added up, and added up.

use tallymark_report::Criterion;

use super::super::split::at_place;
use super::walk::Outcome;

/// The actors of one row in one segment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    /// How many were born.
    pub(super) size: u64,
    /// What says who is retained, by bucket; what it means depends on the criterion: see
    /// [`Tally::finish`].
    marks: Vec<u64>,
    /// What was measured of returns, by bucket; last what is beyond.
    amounts: Vec<f64>,
}

/// A row in one segment, added up.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    /// How many were born.
    pub(super) size: u64,
    /// How many are retained, by bucket.
    pub(super) retained: Vec<u64>,
    /// Number of events, or sum of the property, by bucket.
    pub(super) amounts: Vec<f64>,
}

/// Adds rows of other users.
pub(super) fn merge(total: &mut Vec<Tally>, later: &[Tally]) {
    for (row, tally) in later.iter().enumerate().filter(|(_, tally)| tally.size > 0) {
        at_place(total, row).merge(tally);
    }
}

impl Tally {
    /// Adds an actor.
    pub(super) fn add(&mut self, outcome: &Outcome, criterion: Criterion, bucket_count: usize) {
        self.size += 1;
        match criterion {
            Criterion::On => {
                for (bucket, _) in outcome.buckets().iter().filter(|(bucket, _)| *bucket < bucket_count) {
                    *at_place(&mut self.marks, *bucket) += 1;
                }
            }
            Criterion::OnOrAfter => {
                if let Some(last) = outcome.last() {
                    *at_place(&mut self.marks, last.min(bucket_count - 1)) += 1;
                }
            }
            Criterion::OnOrBefore => {
                if let Some(first) = outcome.first().filter(|first| *first < bucket_count) {
                    *at_place(&mut self.marks, first) += 1;
                }
            }
            Criterion::Streak => {
                if let Some(last) = outcome.streak().checked_sub(1) {
                    *at_place(&mut self.marks, last) += 1;
                }
            }
        }
        for (bucket, amount) in outcome.buckets() {
            let counts = criterion != Criterion::Streak || *bucket < outcome.streak();
            if counts && *amount != 0.0 {
                *at_place(&mut self.amounts, *bucket) += amount;
            }
        }
    }

    fn merge(&mut self, later: &Self) {
        self.size += later.size;
        for (bucket, mark) in later.marks.iter().enumerate().filter(|(_, mark)| **mark != 0) {
            *at_place(&mut self.marks, bucket) += mark;
        }
        for (bucket, amount) in later.amounts.iter().enumerate().filter(|(_, amount)| **amount != 0.0) {
            *at_place(&mut self.amounts, bucket) += amount;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + (self.marks.capacity() + self.amounts.capacity()) * 8
    }

    /// Adds up from bucket to bucket what the criterion wants added up.
    pub(super) fn finish(mut self, criterion: Criterion, bucket_count: usize) -> Row {
        self.marks.resize(bucket_count, 0);
        self.amounts.resize(bucket_count + 1, 0.0);
        let (marks, amounts) = (&mut self.marks, &mut self.amounts);
        match criterion {
            Criterion::On => {}
            Criterion::OnOrBefore => {
                for bucket in 1..bucket_count {
                    marks[bucket] += marks[bucket - 1];
                    amounts[bucket] += amounts[bucket - 1];
                }
            }
            Criterion::OnOrAfter => {
                for bucket in (0..bucket_count).rev() {
                    if bucket + 1 < bucket_count {
                        marks[bucket] += marks[bucket + 1];
                    }
                    amounts[bucket] += amounts[bucket + 1];
                }
            }
            Criterion::Streak => {
                for bucket in (1..bucket_count).rev() {
                    marks[bucket - 1] += marks[bucket];
                }
            }
        }
        self.amounts.truncate(bucket_count);
        Row { size: self.size, retained: self.marks, amounts: self.amounts }
    }
}
