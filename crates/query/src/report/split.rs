//! Segments of users' events: labels as numbers while events are looked at, as text in results.

use hashbrown::{HashMap, HashSet};
use indexmap::IndexSet;
use tallymark_report::Breakdown;

use super::insights::OTHER;
use crate::resident::by_user::{Record, UserEvents};

/// How events are split.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// The first labels of each event are those of so many breakdowns.
    pub(super) breakdown_count: usize,
    /// Events of a segment that is none of these are in [`OTHER`], and the rest in none (B-30).
    pub(super) beyond: Option<HashSet<Vec<String>>>,
}

impl Split {
    pub(super) fn by(breakdowns: &[Breakdown]) -> Self {
        Self { breakdown_count: breakdowns.len(), beyond: None }
    }

    pub(super) fn beyond(breakdowns: &[Breakdown], shown: &[Vec<String>]) -> Self {
        Self { breakdown_count: breakdowns.len(), beyond: Some(shown.iter().cloned().collect()) }
    }

    /// The segment of labels; `None` if it is not asked for.
    fn segment(&self, labels: Vec<String>) -> Option<Vec<String>> {
        match &self.beyond {
            None => Some(labels),
            Some(shown) if shown.contains(&labels) => None,
            Some(_) => Some(vec![OTHER.to_owned(); self.breakdown_count]),
        }
    }
}

/// The segments that were met, each with a number.
#[derive(Debug, Default)]
pub(super) struct Segments {
    met: IndexSet<Vec<String>>,
    /// Within one partial result: the segment that codes of labels stand for.
    by_codes: HashMap<Vec<u32>, Option<usize>>,
    codes: Vec<u32>,
}

impl Segments {
    /// The numbers of the segments an event is in, each once.
    pub(super) fn of_event(
        &mut self,
        split: &Split,
        user: &UserEvents<'_>,
        record: &Record,
        found: &mut Vec<usize>,
    ) {
        found.clear();
        if split.breakdown_count > 0 {
            self.combine(split, user, record, found);
        }
    }

    /// The cross product of labels (B-2, B-21).
    fn combine(&mut self, split: &Split, user: &UserEvents<'_>, record: &Record, found: &mut Vec<usize>) {
        let at = self.codes.len();
        if at < split.breakdown_count {
            for label in user.labels(at, record) {
                self.codes.push(*label);
                self.combine(split, user, record, found);
                self.codes.pop();
            }
            return;
        }
        let segment = if let Some(known) = self.by_codes.get(&self.codes) {
            *known
        } else {
            let codes = std::mem::take(&mut self.codes);
            let text = |(at, code): (usize, &u32)| user.text(at, *code).to_owned();
            let segment = self.of_labels(split, codes.iter().enumerate().map(text).collect());
            self.by_codes.insert(codes.clone(), segment);
            self.codes = codes;
            segment
        };
        found.extend(segment.filter(|segment| !found.contains(segment)));
    }

    /// The number of the segment of these labels.
    pub(super) fn of_labels(&mut self, split: &Split, labels: Vec<String>) -> Option<usize> {
        split.segment(labels).map(|labels| self.met.insert_full(labels).0)
    }

    /// Adds the segments of other users: the number each of them has here.
    pub(super) fn merge(&mut self, later: Self) -> Vec<usize> {
        later.met.into_iter().map(|labels| self.met.insert_full(labels).0).collect()
    }

    /// The labels of each.
    pub(super) fn labels(&self) -> impl Iterator<Item = &Vec<String>> {
        self.met.iter()
    }

    pub(super) fn bytes(&self) -> usize {
        (self.met.len() + self.by_codes.len()) * 96
    }
}
