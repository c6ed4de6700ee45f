//! Which values an attempt is split and filtered by (F-50, F-51, F-60).

use hashbrown::HashMap;
use tallymark_report::Attribution;

use super::super::insights::OTHER;
use super::super::segments::NOT_SET;
use super::attempts::Taken;
use super::between::Known;
use super::filter::{Question, Verdict};
use super::tally::{NOT_REACHED, Partial, View, Walk};

/// The code of [`NOT_SET`] where no event has it.
const NO_LABEL: u32 = u32::MAX;

/// What decides which label of a breakdown an attempt has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// This label, the same for all events of a user (F-52).
    User { label: usize },
    /// This label of the event of a step. `defined` is the label that an event has if it has a value,
    /// where that decides which step it is (F-51).
    Step { label: usize, attribution: Attribution, defined: Option<usize> },
    /// The number of the attempt at this place among [`Shape::between`](super::question::Shape::between)
    /// (F-75).
    Number(usize),
}

impl Walk {
    /// The segments an attempt is in (F-50, F-51).
    #[expect(clippy::too_many_arguments, reason = "what is used again is held in several places")]
    pub(super) fn segments_of(
        &self,
        view: &View<'_>,
        taken: &[Taken],
        reached: &[u32],
        by_codes: &mut HashMap<Vec<u32>, u32>,
        known: &mut Known,
        partial: &mut Partial,
        mut each: impl FnMut(u32),
    ) {
        let mut all: Vec<Vec<u32>> = vec![Vec::new()];
        for source in &self.shape.breakdowns {
            let code;
            let codes = match *source {
                Source::User { label } => {
                    // F-52.
                    let first = taken.first().map(|first| &view.user.records[first.at as usize]);
                    first.map_or(&[NO_LABEL][..], |first| view.user.labels(label, first))
                }
                Source::Step { label, attribution, defined } => {
                    attributed(view, label, attribution, defined, reached)
                }
                Source::Number(at) => {
                    let number = self.shape.between[at].of(view, taken, reached);
                    code = [known.code(at, number, &self.wanted.number_labels[at])];
                    &code
                }
            };
            if let [code] = codes {
                for segment in &mut all {
                    segment.push(*code);
                }
                continue;
            }
            all = all
                .iter()
                .flat_map(|before| {
                    codes.iter().map(|code| before.iter().copied().chain([*code]).collect::<Vec<_>>())
                })
                .collect();
        }
        for codes in all {
            if let Some(segment) = by_codes.get(&codes) {
                each(*segment);
                continue;
            }
            let text = |(source, code): (&Source, &u32)| match (*source, *code) {
                (_, NO_LABEL) => NOT_SET.to_owned(),
                (Source::User { label } | Source::Step { label, .. }, code) => {
                    view.user.text(label, code).to_owned()
                }
                (Source::Number(at), code) => known.text(at, code).to_owned(),
            };
            let mut labels: Vec<String> = self.shape.breakdowns.iter().zip(&codes).map(text).collect();
            if self.wanted.other.as_ref().is_some_and(|shown| !shown.contains(&labels)) {
                labels.fill(OTHER.to_owned());
            }
            let segment = partial.segment(&labels);
            by_codes.insert(codes, segment);
            each(segment);
        }
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
                Question::OfEvents(leaf) => leaf,
                Question::OfNumber(at, condition) => {
                    return known.is_met(at, self.shape.between[at].of(view, taken, reached), condition);
                }
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

/// The labels that the steps of an attempt give it (F-51).
fn attributed<'a>(
    view: &View<'a>,
    label: usize,
    attribution: Attribution,
    defined: Option<usize>,
    reached: &[u32],
) -> &'a [u32] {
    let labels = |at: u32| view.user.labels(label, &view.user.records[at as usize]);
    let is_set = |at: &u32| {
        defined.is_some_and(|label| !view.user.labels(label, &view.user.records[*at as usize]).is_empty())
    };
    let mut events = of_steps(reached);
    // Where none has a value, all have the same label.
    let first = || of_steps(reached).next();
    let found = match attribution {
        Attribution::Step(step) => {
            let at = reached[step - 1];
            (at != NOT_REACHED).then(|| labels(at))
        }
        Attribution::FirstStepDefined => events.find(is_set).or_else(first).map(labels),
        Attribution::LastStepDefined => events.rev().find(is_set).or_else(first).map(labels),
    };
    found.unwrap_or(&[NO_LABEL])
}

/// The events of the steps that were reached, in the order of the steps: repeats before the last have
/// no say (F-19).
fn of_steps(reached: &[u32]) -> impl DoubleEndedIterator<Item = u32> {
    reached.iter().copied().filter(|at| *at != NOT_REACHED)
}
