//! Which values an attempt is split and filtered by (F-50, F-51, F-60).

use std::borrow::Cow;

use tallymark_report::Attribution;

use super::super::segments::{NOT_SET, in_or_out};
use super::super::split::Segments;
use super::attempts::Taken;
use super::between::Known;
use super::filter::{Question, Verdict};
use super::tally::{NOT_REACHED, View, Walk};

/// The code of [`NOT_SET`] where no event has it.
const NO_LABEL: u32 = u32::MAX;

/// What decides which label of a breakdown an attempt has.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// This label, the same for all events of a user (F-52).
    User { label: usize },
    /// This label of the event of a step. `defined` is the label that an event has if it has a value,
    /// where that decides which step it is (F-51).
    Step { label: usize, attribution: Attribution, defined: Option<usize> },
    /// The number of the attempt at this place among [`Shape::between`](super::question::Shape::between)
    /// (F-75).
    Number(usize),
    /// The labels of cohorts (F-52).
    Cohorts(Vec<OfCohort>),
}

/// What says whether an attempt is in a cohort.
#[derive(Debug, Clone)]
pub(super) enum OfCohort {
    /// The labels that a source gives; none where there is nobody of whom it is asked (B-23).
    Source(Source),
    /// Whether the actor is in the cohort at this place, of this name.
    Actor(usize, String),
}

impl Walk {
    /// The segments an attempt is in (F-50, F-51).
    pub(super) fn segments_of(
        &self,
        view: &View<'_>,
        taken: &[Taken],
        reached: &[u32],
        known: &mut Known,
        segments: &mut Segments,
        found: &mut Vec<usize>,
    ) {
        let codes = |source: &Source| match source {
            Source::Number(at) => {
                let number = self.shape.between[*at].of(view, taken, reached);
                Cow::Owned(vec![known.code(*at, number, &self.wanted.number_labels[*at])])
            }
            Source::Cohorts(cohorts) => {
                let mut several = Vec::new();
                for cohort in cohorts {
                    cohort.add_labels(view, taken, reached, known, &mut several);
                }
                Cow::Owned(several)
            }
            source => Cow::Borrowed(source.labels(view, taken, reached).unwrap_or(&[NO_LABEL])),
        };
        let codes: Vec<Cow<'_, [u32]>> = self.shape.breakdowns.iter().map(codes).collect();
        let text = |breakdown: usize, code: u32| match &self.shape.breakdowns[breakdown] {
            _ if code == NO_LABEL => NOT_SET,
            Source::User { label } | Source::Step { label, .. } => view.user.text(*label, code),
            Source::Number(at) => known.text(*at, code),
            Source::Cohorts(_) => known.cohort_text(code),
        };
        segments.of_codes(&self.split, &|breakdown| &codes[breakdown], &text, found);
    }

    /// F-60, F-61.
    pub(super) fn passes(
        &self,
        view: &View<'_>,
        taken: &[Taken],
        reached: &[u32],
        known: &mut Known,
    ) -> bool {
        let Some(filter) = &self.shape.filter else { return true };
        filter.passes(&mut |question| {
            let leaf = match question {
                Question::Event(leaf) => leaf,
                Question::Number(at, condition) => {
                    return known.is_met(at, self.shape.between[at].of(view, taken, reached), condition);
                }
                Question::Member(at) => return known.is_in.get(at).copied().unwrap_or(false),
            };
            let verdict = |at: u32| {
                let labels = view.user.labels(leaf.label, &view.user.records[at as usize]);
                Verdict::read(labels.first().map_or("", |label| view.user.text(leaf.label, *label)))
            };
            let events = of_steps(reached);
            let Some(of_nothing) = leaf.of_nothing else {
                return taken.first().is_some_and(|first| verdict(first.at).is_met);
            };
            let found = match leaf.attribution {
                Attribution::Step(step) => {
                    let at = reached[step - 1];
                    (at != NOT_REACHED).then(|| verdict(at))
                }
                Attribution::FirstStepDefined => events.map(verdict).find(|verdict| verdict.is_set),
                Attribution::LastStepDefined => events.rev().map(verdict).find(|verdict| verdict.is_set),
            };
            found.map_or(of_nothing, |verdict| verdict.is_met)
        })
    }
}

impl Source {
    /// The labels of an attempt; `None` where no event gives one, and of what is no label of an event.
    fn labels<'a>(&self, view: &View<'a>, taken: &[Taken], reached: &[u32]) -> Option<&'a [u32]> {
        let labels = |label: usize, at: u32| view.user.labels(label, &view.user.records[at as usize]);
        let (label, attribution, defined) = match self {
            // F-52.
            Self::User { label } => return taken.first().map(|first| labels(*label, first.at)),
            Self::Step { label, attribution, defined } => (*label, *attribution, *defined),
            Self::Number(_) | Self::Cohorts(_) => return None,
        };
        let is_set = |at: &u32| defined.is_some_and(|label| !labels(label, *at).is_empty());
        let mut events = of_steps(reached);
        // Where none has a value, all have the same label.
        let first = || of_steps(reached).next();
        let found = match attribution {
            Attribution::Step(step) => Some(reached[step - 1]).filter(|at| *at != NOT_REACHED),
            Attribution::FirstStepDefined => events.find(is_set).or_else(first),
            Attribution::LastStepDefined => events.rev().find(is_set).or_else(first),
        };
        found.map(|at| labels(label, at))
    }
}

impl OfCohort {
    fn add_labels(
        &self,
        view: &View<'_>,
        taken: &[Taken],
        reached: &[u32],
        known: &mut Known,
        codes: &mut Vec<u32>,
    ) {
        match self {
            Self::Actor(at, name) => {
                let is_in = known.is_in.get(*at).copied().unwrap_or(false);
                codes.push(known.cohort_code(&in_or_out(name, is_in)));
            }
            Self::Source(source) => {
                let (Source::User { label } | Source::Step { label, .. }) = source else { return };
                for code in source.labels(view, taken, reached).unwrap_or_default() {
                    codes.push(known.cohort_code(view.user.text(*label, *code)));
                }
            }
        }
    }
}

/// The events of the steps that were reached, in the order of the steps: repeats before the last have
/// no say (F-19).
fn of_steps(reached: &[u32]) -> impl DoubleEndedIterator<Item = u32> {
    reached.iter().copied().filter(|at| *at != NOT_REACHED)
}
