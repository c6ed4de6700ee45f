//! The events of one user → flows (W-3 … W-8, W-17): plain code over numbers.

use std::ops::Range;

use tallymark_report::CountOf;

use super::super::funnel::attempts::{Attempts, End, Events, Limit, NO_SESSION, NOT_HELD, Steps};
use super::super::sessions::SessionWalk;

/// How many steps are shown around an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) before: usize,
    pub(super) after: usize,
}

/// Which flows there are, and what is shown of them.
#[derive(Debug)]
pub(super) struct Walk {
    /// The anchors.
    pub(super) steps: Steps,
    pub(super) shown: Vec<Shown>,
    /// The condition that steps of paths meet.
    pub(super) path: usize,
    /// The label that says how an event is called.
    pub(super) event_label: usize,
    /// The labels of what is held constant.
    pub(super) held: Range<usize>,
    pub(super) sessions: Option<SessionWalk>,
    pub(super) count: CountOf,
    pub(super) collapse: bool,
    /// Whether all flows are wanted where users are counted: each counts in the segments that are new
    /// with it (F-50).
    pub(super) every_flow: bool,
}

/// The events of a user, with how they are called.
pub(super) trait Labelled: Events {
    /// What stands for the label of an event.
    fn label(&self, at: usize) -> u32;
}

/// What is shown around an anchor that was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Leg {
    /// The steps before, the nearest first.
    pub(super) before: Vec<u32>,
    /// Whether the step before those shown is the anchor before.
    pub(super) from_previous: bool,
    /// The steps after.
    pub(super) after: Vec<u32>,
    pub(super) then: Then,
    /// All steps after that are shown here or before the next anchor.
    pub(super) path: Vec<u32>,
}

/// What comes after the steps shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Then {
    /// More steps.
    #[default]
    More,
    /// The next anchor.
    Anchor,
    /// Nothing, where another one would have been shown (W-12).
    DropOff,
}

/// A flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    /// The event it starts with: the first anchor.
    pub(super) start: usize,
    /// Of each anchor that was reached.
    pub(super) legs: Vec<Leg>,
    /// Its last event, with what belongs to its last shown step.
    last: usize,
}

/// Which events a flow shows.
#[derive(Debug, Clone, Copy)]
struct View {
    session: Option<u32>,
    held: Option<u32>,
}

impl Walk {
    /// The flows that count, by their start.
    pub(super) fn flows(&self, events: &impl Labelled, attempts: &mut Attempts, flows: &mut Vec<Flow>) {
        flows.clear();
        let only_first = self.count == CountOf::UniqueUsers && !self.every_flow;
        if self.count == CountOf::Sessions {
            self.steps.of_sessions(events, 0, 0..events.len(), attempts);
        } else if self.steps.steps.len() == 1 {
            self.around_one(events, only_first, flows);
            return;
        } else {
            self.steps.attempts(events, 0, 0..events.len(), attempts);
        }
        for attempt in attempts.iter().take(if only_first { 1 } else { usize::MAX }) {
            let anchors: Vec<usize> = attempts.taken(attempt).iter().map(|taken| taken.at as usize).collect();
            let start = anchors[0];
            let view = View {
                session: (self.count == CountOf::Sessions).then(|| events.session(start)),
                held: self.steps.holds.then(|| events.held(start)),
            };
            let end = match attempt.end() {
                End::Converted => events.len(),
                End::Excluded(at) | End::Interrupted(at) => at as usize,
                End::TimedOut => self.window_end(events, start),
            };
            flows.push(self.flow(events, view, &anchors, end));
        }
    }

    /// Flows around a single anchor: the next one starts after the last shown step (W-5).
    fn around_one(&self, events: &impl Labelled, only_first: bool, flows: &mut Vec<Flow>) {
        let holds = self.steps.holds;
        let starts =
            |at: &usize| self.steps.is_entry(events, *at) && !(holds && events.held(*at) == NOT_HELD);
        if !holds {
            self.one_after_the_other(events, None, only_first, flows);
            return;
        }
        // F-41: flows of different values run in parallel.
        let mut values: Vec<u32> = (0..events.len()).filter(starts).map(|at| events.held(at)).collect();
        if only_first {
            values.truncate(1);
        }
        values.sort_unstable();
        values.dedup();
        for value in values {
            self.one_after_the_other(events, Some(value), only_first, flows);
        }
        flows.sort_by_key(|flow| flow.start);
    }

    fn one_after_the_other(
        &self,
        events: &impl Labelled,
        held: Option<u32>,
        only_first: bool,
        flows: &mut Vec<Flow>,
    ) {
        let mut at = 0;
        while at < events.len() {
            if self.steps.is_entry(events, at) && held.is_none_or(|held| events.held(at) == held) {
                let flow = self.flow(events, View { session: None, held }, &[at], events.len());
                at = flow.last;
                flows.push(flow);
                if only_first {
                    return;
                }
            }
            at += 1;
        }
    }

    /// The first event after the window of a flow (W-6).
    fn window_end(&self, events: &impl Labelled, start: usize) -> usize {
        let later = start + 1..events.len();
        let is_over = |at: &usize| match self.steps.limit {
            Limit::Millis(millis) => events.time(*at) > events.time(start).saturating_add(millis),
            Limit::Sessions(count) => {
                let session = events.session(*at);
                session != NO_SESSION && session >= events.session(start).saturating_add(count)
            }
        };
        later.clone().find(is_over).unwrap_or(later.end)
    }

    /// What is shown of a flow that reached these anchors, and had until `end` to reach the next.
    fn flow(&self, events: &impl Labelled, view: View, anchors: &[usize], end: usize) -> Flow {
        let mut legs: Vec<Leg> = Vec::with_capacity(anchors.len());
        let is_shown = |at: &usize| {
            events.meets(*at, self.path)
                && !anchors.contains(at)
                && view.session.is_none_or(|session| events.session(*at) == session)
                && view.held.is_none_or(|held| events.held(*at) == held)
        };
        let mut last = anchors[0];
        let mut before =
            self.take(events, anchors[0], (0..anchors[0]).rev().filter(is_shown), self.shown[0].before);
        let mut from_previous = false;
        // Within the grace an anchor may come before the one before it: steps come after both.
        let mut latest = 0;
        for (anchor, at) in anchors.iter().enumerate() {
            latest = latest.max(*at);
            let Shown { after, .. } = self.shown[anchor];
            let mut leg = Leg { before: std::mem::take(&mut before.labels), from_previous, ..Leg::default() };
            if let Some(next) = anchors.get(anchor + 1) {
                // W-8.
                let between = latest + 1..(*next).max(latest + 1);
                let mut steps = self.take(events, *at, between.filter(is_shown), usize::MAX).labels;
                if self.collapse && steps.last() == Some(&events.label(*next)) {
                    steps.pop();
                }
                let wanted = self.shown[anchor + 1].before;
                before.labels = steps.iter().rev().take(wanted).copied().collect();
                from_previous = steps.len() <= wanted;
                leg.after = steps.iter().take(after).copied().collect();
                leg.then = if steps.len() <= after { Then::Anchor } else { Then::More };
                let hidden = after..steps.len().saturating_sub(wanted).max(after);
                leg.path = (0..steps.len()).filter(|at| !hidden.contains(at)).map(|at| steps[at]).collect();
            } else {
                let end = if anchors.len() == self.shown.len() { events.len() } else { end };
                let steps = self.take(events, *at, (latest + 1..end.max(latest + 1)).filter(is_shown), after);
                last = steps.last;
                if steps.labels.len() < after {
                    leg.then = Then::DropOff;
                    last = events.len();
                }
                leg.path.clone_from(&steps.labels);
                leg.after = steps.labels;
            }
            legs.push(leg);
        }
        Flow { start: anchors[0], legs, last }
    }

    /// The labels of the first so many steps away from an event.
    fn take(
        &self,
        events: &impl Labelled,
        from: usize,
        away: impl Iterator<Item = usize>,
        count: usize,
    ) -> Line {
        let mut taken = Line { labels: Vec::new(), last: from };
        let mut last = events.label(from);
        for at in away {
            let label = events.label(at);
            if !(self.collapse && label == last) {
                if taken.labels.len() == count {
                    break;
                }
                taken.labels.push(label);
                last = label;
            }
            taken.last = at;
        }
        taken
    }
}

/// Steps one after the other.
#[derive(Debug)]
struct Line {
    labels: Vec<u32>,
    /// The last event of the last step.
    last: usize,
}
