//! The step each user comes to as ClickHouse counts (F-34).

use super::super::split::at_place;
use super::attempts::{Events as _, Taken};
use super::tally::{Partial, Scratch, Tally, View, Walk, in_range};
use crate::functions::{record, window_funnel};
use crate::resident::by_user::UserEvents;

impl Walk {
    /// Adds the step a user comes to as ClickHouse counts (F-34).
    pub(super) fn level(
        &self,
        funnel: &window_funnel::Funnel,
        user: &UserEvents<'_>,
        scratch: &mut Scratch,
        partial: &mut Partial,
    ) {
        let steps = &self.shape.steps.steps;
        let range = in_range(user, &self.shape.range);
        let mut met = std::mem::take(&mut scratch.met);
        met.read(user, self.shape.many);
        let view = View { user, sessions: &[], held: &[], met: &met };
        let level = if steps.len() <= 64 {
            let records = &mut scratch.records;
            records.clear();
            records.extend(range.clone().map(|at| {
                let conditions = self.steps_met(&view, at);
                record::Record { time: view.time(at), conditions }
            }));
            if funnel.modes.once && funnel.modes.deduplication {
                // Nothing else asks for the order of simultaneous events.
                record::sort(records);
            }
            funnel.level(records, &mut scratch.levels)
        } else {
            let words = steps.len().div_ceil(64);
            let mut masks = vec![0u64; words * range.len()];
            for (at, mask) in range.clone().zip(masks.chunks_mut(words)) {
                for (step, of_step) in steps.iter().enumerate() {
                    mask[step / 64] |= u64::from(view.meets(at, of_step.condition)) << (step % 64);
                }
            }
            let masks = range.clone().zip(masks.chunks(words));
            let mut records: Vec<record::Record<&[u64]>> =
                masks.map(|(at, conditions)| record::Record { time: view.time(at), conditions }).collect();
            record::sort(&mut records);
            funnel.level(&records, &mut scratch.levels)
        };
        if level == 0 {
            scratch.met = met;
            return;
        }
        let cell = self.wanted.users_of.as_ref();
        let is_asked =
            cell.is_some_and(|cell| level > cell.step && !(cell.dropped_off && level > cell.step + 1));
        let count = |tallies: &mut Vec<Tally>| {
            let tally = at_place(tallies, 0);
            tally.counts.resize(self.shape.step_count, 0);
            tally.counts[..level].iter_mut().for_each(|count| *count += 1);
        };
        if cell.is_none() {
            count(&mut partial.overall);
        }
        let is_split = !self.shape.breakdowns.is_empty();
        let mut is_found = is_asked && cell.is_some_and(|cell| cell.segments.is_none());
        if is_split && cell.is_none_or(|cell| cell.segments.is_some()) {
            let at = range.start as u32;
            let taken = [Taken { step: 0, at }];
            let Scratch { known, found, .. } = scratch;
            self.segments_of(&view, &taken, &[at], known, &mut partial.segments, found);
            for segment in found.iter() {
                match cell {
                    None => count(at_place(&mut partial.of_segments, *segment)),
                    Some(cell) => {
                        let is_segment = cell.segments.as_ref() == partial.segments.get(*segment);
                        is_found |= is_asked && is_segment;
                    }
                }
            }
        }
        if is_found {
            partial.actors.push(user.user);
        }
        scratch.met = met;
    }

    /// Which of at most 64 steps an event meets, a bit each.
    fn steps_met(&self, view: &View<'_>, at: usize) -> u64 {
        if self.shape.many.is_some() {
            let steps = self.shape.steps.steps.iter().enumerate();
            let met = steps.filter(|(_, step)| view.meets(at, step.condition));
            return met.fold(0, |met, (step, _)| met | 1 << step);
        }
        let mut conditions = view.user.records[at].conditions;
        let mut met = 0;
        // Mostly an event meets one.
        while conditions != 0 {
            met |= self.shape.steps_of[conditions.trailing_zeros() as usize];
            conditions &= conditions - 1;
        }
        met
    }
}
