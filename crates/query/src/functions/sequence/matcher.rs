//! Matching a pattern against one user's events: plain Rust over records in time order.
//!
//! The search is depth first and lazy: `.*` and conditions on time let as few events pass as
//! possible, and give way to one more when the rest of the pattern does not match. Whether the rest
//! matches from an event depends on the event only, so what has failed once is never tried again:
//! the work is bounded by events times elements of the pattern.

use super::pattern::{Action, Pattern, TimeOrder};
use crate::functions::record::{Conditions, Record};

/// A pattern, ready to be matched.
#[derive(Debug, Clone)]
pub struct Sequence {
    pattern: Pattern,
    /// From each element on: whether the rest of the pattern matches no events at all.
    empty_from: Vec<bool>,
}

/// What matching works with: kept by the caller, so that nothing is allocated per user.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    choices: Vec<Choice>,
    /// Of each element and event: how far on the next event is from which the rest of the pattern,
    /// starting with this element, may still match; 0 for this event itself.
    skips: Vec<u32>,
    /// Times of the events that the conditions on the way met.
    chain: Vec<i64>,
    longest: Vec<i64>,
}

impl Scratch {
    /// Bytes held.
    pub fn size(&self) -> usize {
        self.choices.capacity() * size_of::<Choice>()
            + self.skips.capacity() * size_of::<u32>()
            + (self.chain.capacity() + self.longest.capacity()) * size_of::<i64>()
    }
}

/// An element that let events pass, and may let more pass.
#[derive(Debug, Clone, Copy)]
struct Choice {
    action: usize,
    /// The event at which it stopped.
    event: usize,
    /// The latest time at which it may stop.
    until: i64,
    /// How many conditions the way had met before.
    chain: usize,
}

/// How a search ended.
enum Found {
    /// At this event, the first that the match does not need.
    Match(usize),
    Nothing,
}

impl Sequence {
    /// Prepares a pattern.
    pub fn new(pattern: Pattern) -> Self {
        let mut empty_from = vec![true];
        for action in pattern.actions().iter().rev() {
            let empty = match action {
                Action::Star
                | Action::Time(TimeOrder::Less | TimeOrder::LessOrEqual, _)
                | Action::Time(TimeOrder::GreaterOrEqual, 0) => true,
                Action::Condition(_)
                | Action::Any
                | Action::Time(TimeOrder::Greater | TimeOrder::GreaterOrEqual | TimeOrder::Equal, _) => false,
            };
            empty_from.push(empty && empty_from[empty_from.len() - 1]);
        }
        empty_from.reverse();
        Self { pattern, empty_from }
    }

    /// The pattern.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Whether the events contain a match. Shape: as [`Self::count`].
    pub fn matches<C: Conditions>(&self, records: &[Record<C>], scratch: &mut Scratch) -> bool {
        self.start(records.len(), scratch);
        matches!(self.find(records, 0, scratch), Found::Match(_))
    }

    /// How many matches there are, each after the one before.
    ///
    /// Shape: the records of one user by time, only those that meet a condition.
    pub fn count<C: Conditions>(&self, records: &[Record<C>], scratch: &mut Scratch) -> usize {
        self.start(records.len(), scratch);
        let (mut count, mut from) = (0, 0);
        while from < records.len()
            && let Found::Match(end) = self.find(records, from, scratch)
        {
            count += 1;
            from = end.max(from + 1);
        }
        count
    }

    /// The times of the events that the conditions of the pattern met: of the first match, or else
    /// of the longest beginning of one. Shape: as [`Self::count`]; not longer than
    /// [`Pattern::condition_count`].
    pub fn events<'a, C: Conditions>(&self, records: &[Record<C>], scratch: &'a mut Scratch) -> &'a [i64] {
        self.start(records.len(), scratch);
        self.find(records, 0, scratch);
        &scratch.longest
    }

    fn start(&self, events: usize, scratch: &mut Scratch) {
        scratch.skips.clear();
        scratch.skips.resize(self.pattern.actions().len() * events, 0);
        scratch.longest.clear();
    }

    /// Finds the first match that starts at event `from` or later.
    fn find<C: Conditions>(&self, records: &[Record<C>], from: usize, scratch: &mut Scratch) -> Found {
        let actions = self.pattern.actions();
        scratch.choices.clear();
        scratch.chain.clear();
        let (mut action, mut event, mut base) = (0, from, from);
        loop {
            if action == actions.len() {
                return Found::Match(event);
            }
            if event == records.len() {
                // Any other way would need more events than are left.
                return if self.empty_from[action] { Found::Match(event) } else { Found::Nothing };
            }
            let goes_on = match actions[action] {
                Action::Condition(condition) if records[event].conditions.meets(condition) => {
                    scratch.chain.push(records[event].time);
                    if scratch.chain.len() > scratch.longest.len() {
                        scratch.longest.clone_from(&scratch.chain);
                    }
                    true
                }
                Action::Condition(_) => false,
                Action::Any => true,
                Action::Star => {
                    if self.pass(records, action, event, i64::MAX, scratch) {
                        event = scratch.choices[scratch.choices.len() - 1].event;
                        (action, base) = (action + 1, event);
                        continue;
                    }
                    false
                }
                Action::Time(order, ticks) => {
                    let (earliest, until) = stops(order, records[base].time.saturating_add(ticks));
                    let first = event + records[event..].partition_point(|record| record.time < earliest);
                    if self.pass(records, action, first, until, scratch) {
                        event = scratch.choices[scratch.choices.len() - 1].event;
                        (action, base) = (action + 1, event);
                        continue;
                    }
                    false
                }
            };
            if goes_on {
                (base, event, action) = (event, event + 1, action + 1);
                continue;
            }
            match self.next_choice(records, scratch) {
                Some(choice) => (action, event, base) = (choice.action + 1, choice.event, choice.event),
                None if self.empty_from[0] => return Found::Match(records.len()),
                None => return Found::Nothing,
            }
        }
    }

    /// Lets events pass from `event` to the first from which the rest may match.
    fn pass<C: Conditions>(
        &self,
        records: &[Record<C>],
        action: usize,
        event: usize,
        until: i64,
        scratch: &mut Scratch,
    ) -> bool {
        let event = self.next_open(records.len(), action + 1, event, scratch);
        if event >= records.len() || records[event].time > until {
            return false;
        }
        let chain = scratch.chain.len();
        scratch.choices.push(Choice { action, event, until, chain });
        true
    }

    /// The rest of the pattern does not match after the latest choice: lets one more event pass
    /// there, or at a choice before.
    fn next_choice<C: Conditions>(&self, records: &[Record<C>], scratch: &mut Scratch) -> Option<Choice> {
        while let Some(choice) = scratch.choices.pop() {
            let rest = choice.action + 1;
            if rest < self.pattern.actions().len() {
                scratch.skips[rest * records.len() + choice.event] = 1;
            }
            scratch.chain.truncate(choice.chain);
            if self.pass(records, choice.action, choice.event + 1, choice.until, scratch) {
                return scratch.choices.last().copied();
            }
        }
        None
    }

    /// The first event not before `event` from which the pattern, starting with `action`, has not
    /// failed yet; the number of events if there is none.
    fn next_open(&self, events: usize, action: usize, event: usize, scratch: &mut Scratch) -> usize {
        if action >= self.pattern.actions().len() || event >= events {
            return event;
        }
        let skips = &mut scratch.skips[action * events..(action + 1) * events];
        let mut open = event;
        while open < events && skips[open] != 0 {
            open += skips[open] as usize;
        }
        // Shorten the way for the next time.
        let mut at = event;
        while at < open && at < events {
            let next = at + skips[at] as usize;
            skips[at] = (open - at) as u32;
            at = next;
        }
        open
    }
}

/// The earliest and the latest time that compares so to a bound.
fn stops(order: TimeOrder, bound: i64) -> (i64, i64) {
    match order {
        TimeOrder::Less => (i64::MIN, bound.saturating_sub(1)),
        TimeOrder::LessOrEqual => (i64::MIN, bound),
        TimeOrder::Greater => (bound.saturating_add(1), i64::MAX),
        TimeOrder::GreaterOrEqual => (bound, i64::MAX),
        TimeOrder::Equal => (bound, bound),
    }
}
