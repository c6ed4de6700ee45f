//! How far one user got: plain Rust over records in time order.

use std::ops::ControlFlow;

use super::Modes;
use super::once::{self, OnceScratch};
use crate::functions::record::{Conditions, Record};

/// A funnel of one call: how many steps, how long, how strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Funnel {
    /// How many conditions there are.
    pub steps: usize,
    /// The longest time from the first event to any later one, inclusive, in the unit of the
    /// records' times; not negative.
    pub window: i64,
    /// What else is asked of a chain.
    pub modes: Modes,
}

/// What [`Funnel::level`] works with: kept by the caller, so that nothing is allocated per user.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    /// Of each step reached: when the chain that reached it last started, and when it reached it.
    steps: Vec<(i64, i64)>,
    once: OnceScratch,
}

impl Scratch {
    /// Bytes held.
    pub fn size(&self) -> usize {
        self.steps.capacity() * size_of::<(i64, i64)>() + self.once.size()
    }
}

impl Funnel {
    /// How many steps the user reached, 0 to `steps`.
    ///
    /// Shape: the records of one user by time; those that meet no step matter only under
    /// `strict_order`. The order of simultaneous records matters only under `strict_once` together
    /// with `strict_deduplication`. Linear in records and steps met.
    pub fn level<C: Conditions>(&self, records: &[Record<C>], scratch: &mut Scratch) -> usize {
        if self.modes.once {
            return once::level(self, records, &mut scratch.once);
        }
        scratch.steps.resize(self.steps, (0, 0));
        let mut walk = Walk { funnel: self, steps: &mut scratch.steps, reached: 0 };
        for moment in records.chunk_by(|earlier, later| earlier.time == later.time) {
            if walk.moment(moment).is_break() {
                break;
            }
        }
        walk.reached
    }
}

/// A walk along a user's events.
struct Walk<'a> {
    funnel: &'a Funnel,
    steps: &'a mut [(i64, i64)],
    reached: usize,
}

impl Walk<'_> {
    /// All events of one moment: first those that meet nothing, then by step.
    #[inline]
    fn moment<C: Conditions>(&mut self, records: &[Record<C>]) -> ControlFlow<()> {
        let modes = self.funnel.modes;
        if modes.order && self.reached > 0 && records.iter().any(|record| record.conditions.is_empty()) {
            return ControlFlow::Break(());
        }
        let time = records[0].time;
        let mut next = lowest(records, 0);
        while let Some(step) = next {
            self.meet(step, time)?;
            if modes.deduplication && records.len() > 1 {
                let repeats = records.iter().filter(|record| record.conditions.meets(step)).count() - 1;
                for _ in 0..repeats {
                    self.meet(step, time)?;
                }
            }
            next = lowest(records, step + 1);
        }
        ControlFlow::Continue(())
    }

    /// One event that meets one step.
    #[inline]
    fn meet(&mut self, step: usize, time: i64) -> ControlFlow<()> {
        let Funnel { steps, window, modes } = *self.funnel;
        if step == 0 {
            self.steps[0] = (time, time);
            self.reached = self.reached.max(1);
            return ControlFlow::Continue(());
        }
        if modes.deduplication && step < self.reached {
            return ControlFlow::Break(());
        }
        if step > self.reached {
            return if modes.order && self.reached > 0 && !modes.reentry {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            };
        }
        let (start, last) = self.steps[step - 1];
        if time <= start.saturating_add(window) && (!modes.increase || last < time) {
            self.steps[step] = (start, time);
            self.reached = self.reached.max(step + 1);
            if self.reached == steps {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// The lowest step not below `from` that one of the records meets.
#[inline]
pub(super) fn lowest<C: Conditions>(records: &[Record<C>], from: usize) -> Option<usize> {
    match records {
        [only] => only.conditions.next_from(from),
        _ => records.iter().filter_map(|record| record.conditions.next_from(from)).min(),
    }
}
