//! Segments of users' events: labels as numbers while events are looked at, as text in results.

use std::sync::Arc;

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
    /// Which segments are one.
    others: Others,
}

/// Which segments are one, [`OTHER`] (B-30).
#[derive(Debug, Default)]
enum Others {
    #[default]
    None,
    /// Those that are none of these; these are asked for too.
    But(Arc<HashSet<Vec<String>>>),
    /// Those that are none of these; these are not asked for.
    Beyond(HashSet<Vec<String>>),
}

impl Split {
    pub(super) fn by(breakdowns: &[Breakdown]) -> Self {
        Self { breakdown_count: breakdowns.len(), others: Others::None }
    }

    /// All but those that are shown, as one.
    pub(super) fn beyond(breakdowns: &[Breakdown], shown: &[Vec<String>]) -> Self {
        let others = Others::Beyond(shown.iter().cloned().collect());
        Self { breakdown_count: breakdowns.len(), others }
    }

    /// Those that are shown, if that is said, and the rest as one.
    pub(super) fn shown(breakdown_count: usize, shown: Option<Arc<HashSet<Vec<String>>>>) -> Self {
        Self { breakdown_count, others: shown.map_or(Others::None, Others::But) }
    }

    /// The segment of labels; `None` if it is not asked for.
    fn segment(&self, labels: Vec<String>) -> Option<Vec<String>> {
        match &self.others {
            Others::None => Some(labels),
            Others::But(shown) if shown.contains(&labels) => Some(labels),
            Others::Beyond(shown) if shown.contains(&labels) => None,
            Others::But(_) | Others::Beyond(_) => Some(vec![OTHER.to_owned(); self.breakdown_count]),
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
            self.of_codes(split, &|at| user.labels(at, record), &|at, code| user.text(at, code), found);
        }
    }

    /// The numbers of the segments of what has these codes of labels for each breakdown, each once: their
    /// cross product (B-2, B-21), which without breakdowns is one segment. `text` tells what a code stands
    /// for, of the same breakdown always the same.
    pub(super) fn of_codes<'c, 't>(
        &mut self,
        split: &Split,
        codes: &impl Fn(usize) -> &'c [u32],
        text: &impl Fn(usize, u32) -> &'t str,
        found: &mut Vec<usize>,
    ) {
        found.clear();
        self.combine(split, codes, text, found);
    }

    fn combine<'c, 't>(
        &mut self,
        split: &Split,
        of_breakdown: &impl Fn(usize) -> &'c [u32],
        text: &impl Fn(usize, u32) -> &'t str,
        found: &mut Vec<usize>,
    ) {
        let at = self.codes.len();
        if at < split.breakdown_count {
            for code in of_breakdown(at) {
                self.codes.push(*code);
                self.combine(split, of_breakdown, text, found);
                self.codes.pop();
            }
            return;
        }
        let segment = if let Some(known) = self.by_codes.get(&self.codes) {
            *known
        } else {
            let codes = std::mem::take(&mut self.codes);
            let text = |(at, code): (usize, &u32)| text(at, *code).to_owned();
            let segment = self.of_labels(split, codes.iter().enumerate().map(text).collect());
            self.by_codes.insert(codes.clone(), segment);
            self.codes = codes;
            segment
        };
        found.extend(segment.filter(|segment| !found.contains(segment)));
    }

    /// The number of the segment of these labels.
    pub(super) fn of_labels(&mut self, split: &Split, labels: Vec<String>) -> Option<usize> {
        split.segment(labels).map(|labels| self.number(labels))
    }

    /// The number of just these labels.
    pub(super) fn number(&mut self, labels: Vec<String>) -> usize {
        self.met.insert_full(labels).0
    }

    /// The labels that have a number.
    pub(super) fn get(&self, number: usize) -> Option<&Vec<String>> {
        self.met.get_index(number)
    }

    /// Adds the segments of other users: the number each of them has here.
    pub(super) fn merge(&mut self, later: Self) -> Vec<usize> {
        later.met.into_iter().map(|labels| self.number(labels)).collect()
    }

    /// The labels of each, in the order of their numbers.
    pub(super) fn labels(&self) -> impl Iterator<Item = &Vec<String>> {
        self.met.iter()
    }

    pub(super) fn bytes(&self) -> usize {
        (self.met.len() + self.by_codes.len()) * 96
    }
}

/// A place of a list that grows as far as it is needed.
pub(super) fn at_place<T: Default>(of: &mut Vec<T>, place: usize) -> &mut T {
    if of.len() <= place {
        of.resize_with(place + 1, T::default);
    }
    &mut of[place]
}
