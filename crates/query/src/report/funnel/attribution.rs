//! Which values an attempt is split and filtered by (F-50, F-51, F-60).

use hashbrown::HashMap;
use tallymark_report::Attribution;

use super::super::insights::OTHER;
use super::super::segments::NOT_SET;
use super::attempts::Taken;
use super::filter::{Leaf, Verdict};
use super::tally::{NOT_REACHED, Partial, View, Walk};

/// The code of [`NOT_SET`] where no event has it.
const NO_LABEL: u32 = u32::MAX;

impl Walk {
    /// The segments an attempt is in (F-50, F-51).
    pub(super) fn segments_of(
        &self,
        view: &View<'_>,
        taken: &[Taken],
        reached: &[u32],
        by_codes: &mut HashMap<Vec<u32>, u32>,
        partial: &mut Partial,
        mut each: impl FnMut(u32),
    ) {
        let mut all: Vec<Vec<u32>> = vec![Vec::new()];
        for (breakdown, of_user) in self.shape.breakdowns.iter().enumerate() {
            let codes = self.attributed(view, breakdown, *of_user, taken, reached);
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
            let text = |(breakdown, code): (usize, &u32)| match *code {
                NO_LABEL => NOT_SET.to_owned(),
                code => view.user.text(breakdown, code).to_owned(),
            };
            let mut labels: Vec<String> = codes.iter().enumerate().map(text).collect();
            if self.wanted.other.as_ref().is_some_and(|shown| !shown.contains(&labels)) {
                labels.fill(OTHER.to_owned());
            }
            let segment = partial.segment(&labels);
            by_codes.insert(codes, segment);
            each(segment);
        }
    }

    /// The labels of a breakdown for an attempt.
    fn attributed<'a>(
        &self,
        view: &View<'a>,
        breakdown: usize,
        of_user: bool,
        taken: &[Taken],
        reached: &[u32],
    ) -> &'a [u32] {
        let labels = |at: u32| view.user.labels(breakdown, &view.user.records[at as usize]);
        let is_set = |at: &u32| {
            let defined = self.shape.defined[breakdown];
            defined.is_some_and(|label| !view.user.labels(label, &view.user.records[*at as usize]).is_empty())
        };
        let mut events = of_steps(reached);
        // Where none has a value, all have the same label.
        let first = || of_steps(reached).next();
        let found = if of_user {
            // F-52.
            taken.first().map(|first| labels(first.at))
        } else {
            match self.shape.attribution {
                Attribution::Step(step) => {
                    let at = reached[step - 1];
                    (at != NOT_REACHED).then(|| labels(at))
                }
                Attribution::FirstStepDefined => events.find(is_set).or_else(first).map(labels),
                Attribution::LastStepDefined => events.rev().find(is_set).or_else(first).map(labels),
            }
        };
        found.unwrap_or(&[NO_LABEL])
    }

    /// F-60, F-61.
    pub(super) fn passes(&self, view: &View<'_>, taken: &[Taken], reached: &[u32]) -> bool {
        let Some(filter) = &self.shape.filter else { return true };
        filter.passes(&|leaf: &Leaf| {
            let verdict = |at: u32| {
                let labels = view.user.labels(leaf.label, &view.user.records[at as usize]);
                Verdict::read(labels.first().map_or("", |label| view.user.text(leaf.label, *label)))
            };
            let events = of_steps(reached);
            let Some(of_nothing) = leaf.of_nothing else {
                return taken.first().is_some_and(|first| verdict(first.at).is_met);
            };
            let found = match self.shape.attribution {
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

/// The events of the steps that were reached, in the order of the steps: repeats before the last have
/// no say (F-19).
fn of_steps(reached: &[u32]) -> impl DoubleEndedIterator<Item = u32> {
    reached.iter().copied().filter(|at| *at != NOT_REACHED)
}
