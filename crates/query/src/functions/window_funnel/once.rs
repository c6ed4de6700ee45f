//! `strict_once`: no event stands for two steps of a chain.
//!
//! ClickHouse keeps every chain there is, which grows with a power of the number of events. Here
//! only the latest start per step is kept, because only it can matter: events of different moments
//! are different events, so a chain from before a moment never competes for an event of the moment,
//! and of two chains that stand at the same step the one that started later can do all the other
//! can. Within a moment, a chain that goes from step `a` to step `b` needs a different event for
//! each of them: a matching of steps to events.

use std::ops::ControlFlow;

use super::matcher::{Funnel, lowest};
use crate::functions::record::{Conditions, Record};

/// What `strict_once` works with.
#[derive(Debug, Clone, Default)]
pub(super) struct OnceScratch {
    /// Of each step reached before this moment: the latest start of a chain that stands there.
    starts: Vec<i64>,
    /// Steps reached in this moment, with the latest start.
    reached_now: Vec<(usize, i64)>,
    /// Of each event of this moment: the step it stands for, while steps are matched to events.
    stands_for: Vec<Option<usize>>,
    /// Events visited by one search.
    visited: Vec<bool>,
    /// Under `strict_deduplication`, of each step of this moment: its only event.
    event_of: Vec<Option<usize>>,
}

impl OnceScratch {
    pub(super) fn size(&self) -> usize {
        self.starts.capacity() * size_of::<i64>()
            + self.reached_now.capacity() * size_of::<(usize, i64)>()
            + (self.stands_for.capacity() + self.event_of.capacity()) * size_of::<Option<usize>>()
            + self.visited.capacity()
    }
}

/// How many steps the user reached.
pub(super) fn level<C: Conditions>(
    funnel: &Funnel,
    records: &[Record<C>],
    scratch: &mut OnceScratch,
) -> usize {
    scratch.starts.resize(funnel.steps, 0);
    let mut walk = Walk { funnel, scratch, reached: 0, reached_before: 0 };
    for moment in records.chunk_by(|earlier, later| earlier.time == later.time) {
        if walk.moment(moment).is_break() {
            break;
        }
        walk.moment_is_over();
    }
    walk.reached
}

struct Walk<'a> {
    funnel: &'a Funnel,
    scratch: &'a mut OnceScratch,
    /// Steps reached, with this moment's.
    reached: usize,
    /// Steps reached before this moment.
    reached_before: usize,
}

impl Walk<'_> {
    fn moment<C: Conditions>(&mut self, records: &[Record<C>]) -> ControlFlow<()> {
        let modes = self.funnel.modes;
        if modes.order && self.reached > 0 && records.iter().any(|record| record.conditions.is_empty()) {
            return ControlFlow::Break(());
        }
        // Within a moment no time passes: under `strict_increase` a chain takes one event of it,
        // and one event alone cannot be two steps either.
        if modes.increase || records.len() == 1 {
            return self.one_step_a_chain(records);
        }
        if modes.deduplication {
            self.each_step_one_event(records)
        } else {
            self.each_step_any_event(records)
        }
    }

    fn moment_is_over(&mut self) {
        for (step, start) in self.scratch.reached_now.drain(..) {
            let known = &mut self.scratch.starts[step];
            *known = if step < self.reached_before { start.max(*known) } else { start };
        }
        self.reached_before = self.reached;
    }

    /// What the modes say of an event that meets a step: stop, pass over it, or (`true`) try it.
    fn may_try(&self, step: usize) -> ControlFlow<(), bool> {
        let modes = self.funnel.modes;
        if step == 0 {
            return ControlFlow::Continue(true);
        }
        if modes.deduplication && step < self.reached {
            return ControlFlow::Break(());
        }
        if step > self.reached {
            if modes.order && self.reached > 0 && !modes.reentry {
                return ControlFlow::Break(());
            }
            return ControlFlow::Continue(false);
        }
        ControlFlow::Continue(true)
    }

    /// The start of the latest chain from before that can take `step` at `time`; `time` for step 0.
    fn enter(&self, step: usize, time: i64) -> Option<i64> {
        if step == 0 {
            return Some(time);
        }
        if step > self.reached_before {
            return None;
        }
        let start = self.scratch.starts[step - 1];
        (time <= start.saturating_add(self.funnel.window)).then_some(start)
    }

    /// A chain that started at `start` reached `step`.
    fn reach(&mut self, step: usize, start: i64) -> ControlFlow<()> {
        self.scratch.reached_now.push((step, start));
        self.reached = self.reached.max(step + 1);
        if step > 0 && self.reached == self.funnel.steps {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn one_step_a_chain<C: Conditions>(&mut self, records: &[Record<C>]) -> ControlFlow<()> {
        let time = records[0].time;
        let mut next = lowest(records, 0);
        while let Some(step) = next {
            for _ in records.iter().filter(|record| record.conditions.meets(step)) {
                if self.may_try(step)?
                    && let Some(start) = self.enter(step, time)
                {
                    self.reach(step, start)?;
                }
            }
            next = lowest(records, step + 1);
        }
        ControlFlow::Continue(())
    }

    /// Under `strict_deduplication` a step after the first has one event, or the walk stops.
    fn each_step_one_event<C: Conditions>(&mut self, records: &[Record<C>]) -> ControlFlow<()> {
        let time = records[0].time;
        self.scratch.event_of.clear();
        self.scratch.event_of.resize(self.funnel.steps, None);
        let mut next = lowest(records, 0);
        while let Some(step) = next {
            for (event, record) in records.iter().enumerate() {
                if !record.conditions.meets(step) || !self.may_try(step)? {
                    continue;
                }
                let first = self.first_step_with(records, step, event);
                if let Some(start) = self.enter(first, time) {
                    self.scratch.event_of[step] = Some(event);
                    self.reach(step, start)?;
                }
            }
            next = lowest(records, step + 1);
        }
        ControlFlow::Continue(())
    }

    /// The earliest step from which a chain can come to `step` at `event` within this moment, an
    /// event a step.
    fn first_step_with<C: Conditions>(&mut self, records: &[Record<C>], step: usize, event: usize) -> usize {
        let OnceScratch { visited: taken, event_of, .. } = &mut *self.scratch;
        taken.clear();
        taken.resize(records.len(), false);
        taken[event] = true;
        for before in (1..step).rev() {
            match event_of[before] {
                Some(earlier) if !taken[earlier] => taken[earlier] = true,
                _ => return before + 1,
            }
        }
        let free = |(index, record): (usize, &Record<C>)| !taken[index] && record.conditions.meets(0);
        usize::from(step > 0 && !records.iter().enumerate().any(free))
    }

    /// Steps are matched to events in a window of steps that slides forward: a step is added, and
    /// as long as it finds no event the earliest step gives up its own.
    fn each_step_any_event<C: Conditions>(&mut self, records: &[Record<C>]) -> ControlFlow<()> {
        let time = records[0].time;
        self.scratch.stands_for.clear();
        self.scratch.stands_for.resize(records.len(), None);
        let mut first = 0;
        let mut expected = 0;
        let mut next = lowest(records, 0);
        while let Some(step) = next {
            if step > expected {
                self.scratch.stands_for.fill(None);
                first = step;
            }
            expected = step + 1;
            while !self.find_event(records, step) {
                let OnceScratch { stands_for, .. } = &mut *self.scratch;
                if let Some(of_first) = stands_for.iter_mut().find(|step| **step == Some(first)) {
                    *of_first = None;
                }
                first += 1;
            }
            if self.may_try(step)?
                && let Some(start) = self.enter(first, time)
            {
                self.reach(step, start)?;
            }
            next = lowest(records, step + 1);
        }
        ControlFlow::Continue(())
    }

    /// Finds an event for a step, moving other steps to other events where that helps.
    fn find_event<C: Conditions>(&mut self, records: &[Record<C>], step: usize) -> bool {
        let OnceScratch { stands_for, visited, .. } = &mut *self.scratch;
        visited.clear();
        visited.resize(records.len(), false);
        augment(records, stands_for, visited, step)
    }
}

/// One augmenting path of a bipartite matching. As deep as there are steps in it.
fn augment<C: Conditions>(
    records: &[Record<C>],
    stands_for: &mut [Option<usize>],
    visited: &mut [bool],
    step: usize,
) -> bool {
    let free =
        |(event, record): (usize, &Record<C>)| stands_for[event].is_none() && record.conditions.meets(step);
    if let Some(event) = records.iter().enumerate().position(free) {
        stands_for[event] = Some(step);
        return true;
    }
    for event in 0..records.len() {
        if visited[event] || !records[event].conditions.meets(step) {
            continue;
        }
        visited[event] = true;
        if let Some(other) = stands_for[event]
            && augment(records, stands_for, visited, other)
        {
            stands_for[event] = Some(step);
            return true;
        }
    }
    false
}
