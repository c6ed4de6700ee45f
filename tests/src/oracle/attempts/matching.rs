//! One attempt. Events are meant by their place in the actor's stream.

use std::collections::BTreeSet;

use serde_json::Value;
use tallymark_report::StepOrder;

use super::stream::Stream;
use crate::oracle::insights::civil::Span;

/// What is asked of every attempt.
#[derive(Debug, Clone)]
pub(in crate::oracle) struct Rules {
    pub(in crate::oracle) steps: Vec<StepRule>,
    pub(in crate::oracle) order: StepOrder,
    pub(in crate::oracle) limit: Limit,
    pub(in crate::oracle) grace_ms: f64,
    /// For each exclusion, the step after which alone it excludes.
    pub(in crate::oracle) exclusions: Vec<Option<usize>>,
    /// Where attempts start (F-2).
    pub(in crate::oracle) entries: Span,
    /// Where steps and exclusions are looked for (F-2, W-7).
    pub(in crate::oracle) looked_at: Span,
}

/// What is asked of a step.
#[derive(Debug, Clone)]
pub(in crate::oracle) struct StepRule {
    pub(in crate::oracle) anchored: bool,
    pub(in crate::oracle) optional: bool,
    pub(in crate::oracle) times: u32,
    pub(in crate::oracle) within_ms: Option<i64>,
}

impl StepRule {
    /// Nothing but the event.
    pub(in crate::oracle) fn plain() -> Self {
        Self { anchored: false, optional: false, times: 1, within_ms: None }
    }
}

/// How long an attempt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oracle) enum Limit {
    Millis(i64),
    Sessions(usize),
}

/// A stream and what its events are.
#[derive(Debug, Clone)]
pub(in crate::oracle) struct Course<'a> {
    pub(in crate::oracle) rules: &'a Rules,
    pub(in crate::oracle) stream: &'a Stream<'a>,
    /// For each step, which events are one.
    pub(in crate::oracle) steps: Vec<Vec<bool>>,
    /// For each exclusion.
    pub(in crate::oracle) excluded: Vec<Vec<bool>>,
    /// For each event the values of the held properties; none if one is not set (F-40).
    pub(in crate::oracle) held: Vec<Option<Vec<Value>>>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oracle) enum End {
    Converted,
    TimedOut,
    /// By the event at this place, which may or may not start the next attempt.
    Excluded {
        place: usize,
        may_start: bool,
    },
}

/// An attempt.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::oracle) struct Attempt {
    pub(in crate::oracle) start: usize,
    /// The events it used, in the order they were taken.
    pub(in crate::oracle) taken: Vec<usize>,
    /// The event of each step that was reached; in any order, of the first one completed, the second,
    /// and so on (F-16).
    pub(in crate::oracle) reached: Vec<Option<usize>>,
    pub(in crate::oracle) end: End,
    /// Whether it is a conversion that optimized re-entry chose (F-32).
    pub(in crate::oracle) is_chosen: bool,
}

impl Attempt {
    /// Its latest event in order of G-1.
    pub(in crate::oracle) fn latest(&self) -> usize {
        *self.taken.iter().max().unwrap()
    }

    /// The number of the furthest step reached; 0 if none was.
    pub(in crate::oracle) fn furthest(&self) -> usize {
        self.reached.iter().rposition(Option::is_some).map_or(0, |step| step + 1)
    }
}

impl Course<'_> {
    pub(in crate::oracle) fn time(&self, place: usize) -> i64 {
        self.stream.events[place].time
    }

    /// Whether the window of an attempt that starts here is over at a place (F-6, F-7).
    pub(in crate::oracle) fn is_over(&self, start: usize, place: usize) -> bool {
        match self.rules.limit {
            Limit::Millis(millis) => self.time(place) > self.time(start) + millis,
            Limit::Sessions(count) => {
                let first = self.stream.session[start].unwrap();
                self.stream.session[place].is_some_and(|session| session >= first + count)
            }
        }
    }

    /// The places an attempt that starts here looks at, in order.
    fn looked_at(&self, start: usize) -> Vec<usize> {
        let is_in_session = |place: usize| match self.rules.limit {
            Limit::Millis(_) => true,
            Limit::Sessions(_) => {
                let (first, session) = (self.stream.session[start].unwrap(), self.stream.session[place]);
                session.is_some_and(|session| session >= first)
            }
        };
        (0..self.stream.events.len())
            .filter(|place| self.rules.looked_at.contains(self.time(*place)))
            .filter(|place| !self.is_over(start, *place) && is_in_session(*place))
            .collect()
    }

    /// The steps in the blocks they are done in (F-15, F-16).
    pub(in crate::oracle) fn blocks(&self) -> Vec<Vec<usize>> {
        let mut blocks: Vec<Vec<usize>> = Vec::new();
        let is_free = |step: usize| self.rules.order == StepOrder::Any && !self.rules.steps[step].anchored;
        for step in 0..self.rules.steps.len() {
            match blocks.last_mut() {
                Some(block) if is_free(step) && is_free(block[0]) => block.push(step),
                _ => blocks.push(vec![step]),
            }
        }
        blocks
    }

    /// What an attempt from here reaches, of events that are not used.
    pub(in crate::oracle) fn attempt(&self, start: usize, used: &BTreeSet<usize>) -> Attempt {
        let mut run = Run {
            course: self,
            used,
            places: self.looked_at(start),
            taken: vec![start],
            reached: vec![None; self.rules.steps.len()],
        };
        let end = match self.rules.order {
            StepOrder::Any => run.in_any_order(),
            StepOrder::Specific | StepOrder::Strict => run.in_order(),
        };
        Attempt { start, taken: run.taken, reached: run.reached, end, is_chosen: false }
    }
}

/// An attempt under way.
struct Run<'a> {
    course: &'a Course<'a>,
    used: &'a BTreeSet<usize>,
    places: Vec<usize>,
    taken: Vec<usize>,
    reached: Vec<Option<usize>>,
}

impl Run<'_> {
    fn is_strict(&self) -> bool {
        self.course.rules.order == StepOrder::Strict
    }

    fn last(&self) -> usize {
        *self.taken.last().unwrap()
    }

    /// The earliest event that can still be taken, has the held values, and will do.
    fn earliest(&self, will_do: impl Fn(usize) -> bool) -> Option<usize> {
        let held = &self.course.held[self.taken[0]];
        let is_free = |place: usize| !self.used.contains(&place) && !self.taken.contains(&place);
        self.places
            .iter()
            .copied()
            .find(|place| is_free(*place) && self.course.held[*place] == *held && will_do(*place))
    }

    /// F-14: not much earlier than the latest of the steps; without grace, later in order.
    fn is_late_enough(&self, place: usize) -> bool {
        if self.is_strict() || self.course.rules.grace_ms == 0.0 {
            return self.taken.iter().all(|taken| place > *taken);
        }
        let latest = self.taken.iter().map(|taken| self.course.time(*taken)).max().unwrap();
        self.course.time(place) as f64 >= latest as f64 - self.course.rules.grace_ms
    }

    /// The first event that ends the attempt after so many steps, between two events or up to the end
    /// of the window (F-46, F-47, F-17).
    fn ended(&self, steps: usize, next: Option<usize>) -> Option<End> {
        let is_between = |place: &usize| *place > self.last() && next.is_none_or(|next| *place < next);
        self.places.iter().copied().filter(is_between).find_map(|place| {
            let holds = |after: &Option<usize>| after.is_none_or(|after| after == steps);
            let mut exclusions = self.course.rules.exclusions.iter().zip(&self.course.excluded);
            let is_excluded = exclusions.any(|(after, marks)| holds(after) && marks[place]);
            // Session events are none of all events (P-40).
            let is_between = self.is_strict() && !self.course.stream.events[place].is_of_sessions();
            (is_excluded || is_between).then_some(End::Excluded { place, may_start: !is_excluded })
        })
    }

    /// F-10 … F-14, F-17 … F-19.
    fn in_order(&mut self) -> End {
        let rules = self.course.rules;
        // A repeated step is so many steps (F-19).
        let mut parts: Vec<usize> = Vec::new();
        for (step, rule) in rules.steps.iter().enumerate() {
            parts.extend((0..rule.times).map(|_| step));
        }
        let mut part = 0;
        loop {
            if parts.get(part + 1) != Some(&parts[part]) {
                self.reached[parts[part]] = Some(self.last());
            }
            // The optional ones that follow, and the required one after them (F-18).
            let mut next: Vec<usize> = Vec::new();
            for (candidate, step) in parts.iter().enumerate().skip(part + 1) {
                next.push(candidate);
                if !rules.steps[*step].optional {
                    break;
                }
            }
            if next.is_empty() {
                return End::Converted;
            }
            let met = |place: usize| next.iter().copied().find(|part| self.is_step(parts[*part], place));
            let found = self.earliest(|place| self.is_late_enough(place) && met(place).is_some());
            let steps = self.reached.iter().rposition(Option::is_some).map_or(0, |step| step + 1);
            if let Some(end) = self.ended(steps, found) {
                return end;
            }
            let Some(place) = found else { return End::TimedOut };
            part = met(place).unwrap();
            self.taken.push(place);
        }
    }

    /// Whether an event is a step, and in time for it (F-9).
    fn is_step(&self, step: usize, place: usize) -> bool {
        let before = self.reached.iter().rev().find_map(|reached| *reached);
        let is_in_time = match (self.course.rules.steps[step].within_ms, before) {
            (Some(within), Some(before)) => self.course.time(place) <= self.course.time(before) + within,
            _ => true,
        };
        self.course.steps[step][place] && is_in_time
    }

    /// F-15, F-16.
    fn in_any_order(&mut self) -> End {
        for mut open in self.course.blocks() {
            let is_leading = self.reached[0].is_none();
            let mut last_of_block = None;
            if is_leading {
                let start = self.last();
                self.complete(&mut open, start);
                last_of_block = Some(start);
            }
            while !open.is_empty() {
                let is_open = |place: usize| open.iter().any(|step| self.course.steps[*step][place]);
                let found = self.earliest(|place| {
                    is_open(place)
                        && match last_of_block {
                            Some(last) => place > last,
                            None => self.is_late_enough(place),
                        }
                });
                let steps = self.reached.iter().flatten().count();
                if let Some(end) = self.ended(steps, found) {
                    return end;
                }
                let Some(place) = found else { return End::TimedOut };
                self.taken.push(place);
                self.complete(&mut open, place);
                last_of_block = Some(place);
            }
        }
        End::Converted
    }

    /// The lowest of the open steps that an event is.
    fn complete(&mut self, open: &mut Vec<usize>, place: usize) {
        let which = open.iter().position(|step| self.course.steps[*step][place]).unwrap();
        open.remove(which);
        let completed = self.reached.iter().flatten().count();
        self.reached[completed] = Some(place);
    }
}
