//! The events of one actor → the attempts they made (F-10 … F-47): plain code over numbers.

use std::ops::Range;

/// What an attempt goes through.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "the steps, of which the rest speaks")]
pub(in crate::report) struct Steps {
    /// The steps, those to be repeated as often as they are (F-19).
    pub(in crate::report) steps: Vec<Step>,
    /// Steps that may be taken in any order, put together; each alone in specific order (F-16).
    pub(in crate::report) blocks: Vec<Range<usize>>,
    pub(in crate::report) limit: Limit,
    /// Milliseconds (F-14).
    pub(in crate::report) grace: i64,
    pub(in crate::report) exclusions: Vec<Excluded>,
    /// The condition any event meets, in strict order (F-17).
    pub(in crate::report) strict: Option<usize>,
    /// Whether values are held (F-40).
    pub(in crate::report) holds: bool,
    /// F-30.
    pub(in crate::report) optimized: bool,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::report) struct Step {
    /// Which condition its events meet.
    pub(in crate::report) condition: usize,
    /// F-18.
    pub(in crate::report) is_optional: bool,
    /// Milliseconds since the event of the step before (F-9), the last of those with a lower number.
    pub(in crate::report) within: Option<(i64, usize)>,
}

/// How long an attempt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Limit {
    /// Milliseconds, the end included (F-5, F-6).
    Millis(i64),
    /// Sessions of the actor (F-7).
    Sessions(u32),
}

/// What ends an attempt.
#[derive(Debug, Clone, Copy)]
pub(in crate::report) struct Excluded {
    pub(in crate::report) condition: usize,
    /// While the last step taken, or in any order the number of those taken, is one of these; the
    /// first is 1.
    pub(in crate::report) from: usize,
    pub(in crate::report) to: usize,
}

/// The session of an event that belongs to none.
pub(in crate::report) const NO_SESSION: u32 = u32::MAX;
/// What is held constant of an event that lacks it.
pub(in crate::report) const NOT_HELD: u32 = u32::MAX;

/// The events of an actor, in order (G-1).
pub(in crate::report) trait Events {
    fn len(&self) -> usize;
    /// Milliseconds.
    fn time(&self, at: usize) -> i64;
    fn meets(&self, at: usize, condition: usize) -> bool;
    /// Whether an event may meet any of the conditions whose bits are set; most that meet none can be
    /// passed over without a closer look.
    fn may_meet(&self, _at: usize, _conditions: u64) -> bool {
        true
    }
    /// The number of the session, growing; [`NO_SESSION`] outside of all.
    fn session(&self, at: usize) -> u32;
    /// What stands for the held values; [`NOT_HELD`] if one is missing (F-40).
    fn held(&self, at: usize) -> u32;
}

/// A step that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) struct Taken {
    pub(in crate::report) step: u32,
    /// Which event.
    pub(in crate::report) at: u32,
}

/// Steps taken one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) struct Attempt {
    first: u32,
    len: u32,
    end: End,
}

/// Why an attempt is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum End {
    /// All steps are taken.
    Converted,
    /// There was no more time, or nothing more happened.
    TimedOut,
    /// That event is excluded.
    Excluded(u32),
    /// That event came in between, in strict order.
    Interrupted(u32),
}

/// The attempts of one actor. Kept and used again for the next.
#[derive(Debug, Default)]
pub(in crate::report) struct Attempts {
    taken: Vec<Taken>,
    all: Vec<Attempt>,
    /// Of each event, whether it is taken (F-12).
    used: Vec<bool>,
    /// The values held, each once.
    values: Vec<u32>,
    chosen: Vec<Attempt>,
}

impl Attempts {
    pub(in crate::report) fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.all.iter()
    }

    pub(in crate::report) fn len(&self) -> usize {
        self.all.len()
    }

    pub(in crate::report) fn get(&self, at: usize) -> &Attempt {
        &self.all[at]
    }

    /// The steps of an attempt, in the order they were taken; there is one.
    pub(in crate::report) fn taken(&self, attempt: &Attempt) -> &[Taken] {
        &self.taken[attempt.first as usize..(attempt.first + attempt.len) as usize]
    }

    /// The event an attempt starts with.
    pub(in crate::report) fn start(&self, attempt: &Attempt) -> usize {
        self.taken[attempt.first as usize].at as usize
    }

    fn clear(&mut self, events: usize) {
        self.taken.clear();
        self.all.clear();
        self.used.clear();
        self.used.resize(events, false);
    }

    fn mark(&mut self, attempt: &Attempt, is_used: bool) {
        for at in attempt.first..attempt.first + attempt.len {
            self.used[self.taken[at as usize].at as usize] = is_used;
        }
    }

    /// The last event of an attempt.
    fn last(&self, attempt: &Attempt) -> usize {
        self.taken(attempt).iter().map(|taken| taken.at as usize).max().unwrap_or(0)
    }

    /// Forgets steps that belong to no attempt.
    fn forget(&mut self, attempt: &Attempt) {
        self.taken.truncate(attempt.first as usize);
    }
}

impl Attempt {
    pub(in crate::report) fn is_converted(&self) -> bool {
        self.end == End::Converted
    }

    /// Why it is over.
    pub(in crate::report) fn end(&self) -> End {
        self.end
    }
}

/// Which events may start an attempt, and whether others of a value are looked at alone.
#[derive(Debug, Clone, Copy)]
struct Stream {
    held: Option<u32>,
    /// The event the report's range begins with: none before it is taken (F-2).
    first: usize,
    /// The session that attempts do not leave (F-24).
    session: Option<u32>,
}

impl Steps {
    /// Whether an event may start an attempt (F-15).
    pub(in crate::report) fn is_entry(&self, events: &impl Events, at: usize) -> bool {
        let leading = self.blocks[0].clone();
        self.steps[leading].iter().any(|step| events.meets(at, step.condition))
    }

    /// All attempts that count as totals (F-22), by their start. They start in `entries`, and take no
    /// event before `first` (F-2).
    pub(in crate::report) fn attempts(
        &self,
        events: &impl Events,
        first: usize,
        entries: Range<usize>,
        into: &mut Attempts,
    ) {
        into.clear(events.len());
        if !self.holds {
            self.stream(events, Stream { held: None, first, session: None }, entries, into);
            return;
        }
        // F-41: attempts of different values run in parallel.
        let mut values = std::mem::take(&mut into.values);
        values.clear();
        for at in entries.clone() {
            let held = events.held(at);
            if held != NOT_HELD && self.is_entry(events, at) {
                values.push(held);
            }
        }
        values.sort_unstable();
        values.dedup();
        for held in &values {
            let stream = Stream { held: Some(*held), first, session: None };
            self.stream(events, stream, entries.clone(), into);
        }
        if values.len() > 1 {
            let taken = &into.taken;
            into.all.sort_by_key(|attempt| taken[attempt.first as usize].at);
        }
        into.values = values;
    }

    /// One attempt for each session with an entry among `entries` (F-24).
    pub(in crate::report) fn of_sessions(
        &self,
        events: &impl Events,
        first: usize,
        entries: Range<usize>,
        into: &mut Attempts,
    ) {
        let Self { holds, optimized, .. } = *self;
        into.clear(events.len());
        let mut of_session = Attempts::default();
        let mut at = entries.start;
        while at < entries.end {
            let session = events.session(at);
            let starts =
                session != NO_SESSION && self.is_entry(events, at) && (!holds || events.held(at) != NOT_HELD);
            if !starts {
                at += 1;
                continue;
            }
            let next = (at..events.len()).find(|at| {
                let other = events.session(*at);
                other != NO_SESSION && other > session
            });
            let next = next.unwrap_or(events.len());
            if optimized {
                let steps = Self { limit: Limit::Sessions(1), ..self.clone() };
                steps.attempts(events, first, at..next.min(entries.end), &mut of_session);
                if let Some(best) = self.counted(&of_session, 0..of_session.len()) {
                    let (first, best) = (into.taken.len() as u32, of_session.get(best));
                    into.taken.extend_from_slice(of_session.taken(best));
                    into.all.push(Attempt { first, ..*best });
                }
            } else {
                let held = holds.then(|| events.held(at));
                let stream = Stream { held, first, session: Some(session) };
                let attempt = self.run(events, stream, at, into);
                into.all.push(attempt);
            }
            at = next;
        }
    }

    fn stream(&self, events: &impl Events, stream: Stream, entries: Range<usize>, into: &mut Attempts) {
        if self.optimized {
            self.conversions_first(events, stream, entries, into);
            return;
        }
        let mut at = entries.start;
        while let Some(attempt) = self.next(events, stream, at..entries.end, into) {
            into.mark(&attempt, true);
            into.all.push(attempt);
            at = self.after(events, &attempt, into);
        }
    }

    /// The first attempt that starts in a range.
    fn next(
        &self,
        events: &impl Events,
        stream: Stream,
        mut entries: Range<usize>,
        into: &mut Attempts,
    ) -> Option<Attempt> {
        let at = entries.find(|at| self.starts(events, stream, *at, into))?;
        Some(self.run(events, stream, at, into))
    }

    fn starts(&self, events: &impl Events, stream: Stream, at: usize, into: &Attempts) -> bool {
        self.is_entry(events, at)
            && !into.used[at]
            && stream.held.is_none_or(|held| events.held(at) == held)
            && (matches!(self.limit, Limit::Millis(_)) || events.session(at) != NO_SESSION)
    }

    /// Where the search for the next attempt goes on (F-21).
    fn after(&self, events: &impl Events, attempt: &Attempt, of: &Attempts) -> usize {
        match attempt.end {
            End::Converted => of.last(attempt) + 1,
            End::Excluded(at) => at as usize + 1,
            End::Interrupted(at) => at as usize,
            End::TimedOut => {
                let start = of.start(attempt);
                let later = start + 1..events.len();
                let is_over = |at: &usize| match self.limit {
                    Limit::Millis(millis) => events.time(*at) > events.time(start).saturating_add(millis),
                    Limit::Sessions(count) => {
                        let session = events.session(*at);
                        session != NO_SESSION && session >= events.session(start).saturating_add(count)
                    }
                };
                later.clone().find(is_over).unwrap_or(later.end)
            }
        }
    }

    /// The attempt that starts with an event; its steps are added to those of `into`.
    fn run(&self, events: &impl Events, stream: Stream, entry: usize, into: &mut Attempts) -> Attempt {
        let first = into.taken.len() as u32;
        let mut leading = self.blocks[0].clone();
        let step = leading.find(|step| events.meets(entry, self.steps[*step].condition));
        into.taken.push(Taken { step: step.unwrap_or(0) as u32, at: entry as u32 });
        let mut wait =
            Wait { block: 0, starts_block: false, latest: events.time(entry), entry, last_at: entry };
        let mut latest = wait.latest;
        let end = loop {
            let taken = &into.taken[first as usize..];
            let block = self.blocks[wait.block].clone();
            let next = if block.len() == 1 {
                // Optional steps passed over are behind.
                taken.last().map_or(0, |last| last.step as usize + 1)
            } else if block.clone().all(|step| taken.iter().any(|one| one.step as usize == step)) {
                block.end
            } else {
                block.start
            };
            wait.starts_block = next > block.start;
            if wait.starts_block {
                while self.blocks.get(wait.block).is_some_and(|block| block.start < next) {
                    wait.block += 1;
                }
                if wait.block == self.blocks.len() {
                    break End::Converted;
                }
                wait.latest = latest;
            }
            match self.wait(events, stream, wait, taken, &into.used) {
                Ok(taken) => {
                    into.taken.push(taken);
                    wait.last_at = wait.last_at.max(taken.at as usize);
                    latest = latest.max(events.time(taken.at as usize));
                }
                Err(over) => break over,
            }
        };
        Attempt { first, len: into.taken.len() as u32 - first, end }
    }

    /// The event that is taken next.
    fn wait(
        &self,
        events: &impl Events,
        stream: Stream,
        wait: Wait,
        taken: &[Taken],
        used: &[bool],
    ) -> Result<Taken, End> {
        let Some(last) = taken.last().copied() else { return Err(End::TimedOut) };
        let (last, last_step) = (last.at as usize, last.step as usize);
        let start_time = events.time(wait.entry);
        let start_session = events.session(wait.entry);
        let progress = if self.blocks.len() == self.steps.len() { last_step + 1 } else { taken.len() };
        let mut from = last + 1;
        if wait.starts_block && self.grace > 0 {
            // F-14: as early as the grace allows.
            while from > stream.first && events.time(from - 1) >= wait.latest - self.grace {
                from -= 1;
            }
        }
        let wanted = self.wanted(wait.block);
        for (at, is_used) in used.iter().enumerate().skip(from) {
            let session = events.session(at);
            let is_out = match (stream.session, self.limit) {
                (Some(only), _) => {
                    if session != NO_SESSION && session > only {
                        return Err(End::TimedOut);
                    }
                    session != only
                }
                (None, Limit::Millis(millis)) => {
                    if events.time(at) > start_time.saturating_add(millis) {
                        return Err(End::TimedOut);
                    }
                    false
                }
                (None, Limit::Sessions(count)) => {
                    if session != NO_SESSION && session >= start_session.saturating_add(count) {
                        return Err(End::TimedOut);
                    }
                    session == NO_SESSION || session < start_session
                }
            };
            if is_out || !events.may_meet(at, wanted) {
                continue;
            }
            let is_free = !is_used && (at > wait.last_at || !taken.iter().any(|one| one.at as usize == at));
            if is_free
                && stream.held.is_none_or(|held| events.held(at) == held)
                && let Some(step) = self.step_at(events, at, wait.block, taken)
            {
                return Ok(Taken { step: step as u32, at: at as u32 });
            }
            if at > last
                && let Some(end) = self.ends(events, at, progress)
            {
                return Err(end);
            }
        }
        Err(End::TimedOut)
    }

    /// The bits of the conditions that matter while a block is waited for.
    fn wanted(&self, block: usize) -> u64 {
        let bit = |condition: usize| if condition < 64 { 1u64 << condition } else { u64::MAX };
        let block = self.blocks[block].clone();
        let mut wanted = 0;
        for (at, step) in self.steps.iter().enumerate().skip(block.start) {
            wanted |= bit(step.condition);
            if at + 1 >= block.end && !step.is_optional {
                break;
            }
        }
        let ending = self.exclusions.iter().map(|one| one.condition).chain(self.strict);
        ending.fold(wanted, |wanted, condition| wanted | bit(condition))
    }

    /// The lowest step that is open and that an event meets (F-16, F-18).
    fn step_at(&self, events: &impl Events, at: usize, block: usize, taken: &[Taken]) -> Option<usize> {
        let meets = |step: usize| {
            let Step { condition, within, .. } = self.steps[step];
            events.meets(at, condition)
                && within.is_none_or(|(within, since)| {
                    let before = taken.iter().rev().find(|one| (one.step as usize) < since);
                    let before = before.map_or(i64::MIN, |one| events.time(one.at as usize));
                    events.time(at) <= before.saturating_add(within)
                })
        };
        let steps = self.blocks[block].clone();
        if steps.len() > 1 {
            return steps
                .into_iter()
                .find(|step| meets(*step) && !taken.iter().any(|one| one.step as usize == *step));
        }
        for step in steps.start..self.steps.len() {
            if meets(step) {
                return Some(step);
            }
            if !self.steps[step].is_optional {
                return None;
            }
        }
        None
    }

    /// Whether an event after the last step ends an attempt that has so many steps (F-46, F-17).
    fn ends(&self, events: &impl Events, at: usize, count: usize) -> Option<End> {
        let excluded =
            |one: &Excluded| (one.from..=one.to).contains(&count) && events.meets(at, one.condition);
        if self.exclusions.iter().any(excluded) {
            return Some(End::Excluded(at as u32));
        }
        let strict = self.strict?;
        events.meets(at, strict).then_some(End::Interrupted(at as u32))
    }

    /// F-32.
    fn conversions_first(
        &self,
        events: &impl Events,
        stream: Stream,
        entries: Range<usize>,
        into: &mut Attempts,
    ) {
        let mut chosen = std::mem::take(&mut into.chosen);
        chosen.clear();
        let mut from = entries.start;
        while let Some(best) = self.earliest_end(events, stream, from..entries.end, into) {
            into.mark(&best, true);
            from = into.last(&best) + 1;
            chosen.push(best);
        }
        let mut gap = entries.start;
        for at in 0..=chosen.len() {
            let next = chosen.get(at);
            let until = next.map_or(entries.end, |next| into.start(next));
            self.gap(events, stream, gap..until, next, into);
            if let Some(next) = next {
                gap = into.last(next) + 1;
                into.all.push(*next);
            }
        }
        into.chosen = chosen;
    }

    /// Of the full chains that start in a range, the one that ends earliest; of several the one that
    /// starts latest.
    fn earliest_end(
        &self,
        events: &impl Events,
        stream: Stream,
        entries: Range<usize>,
        into: &mut Attempts,
    ) -> Option<Attempt> {
        let mut best: Option<(usize, Attempt)> = None;
        for at in entries {
            // Its end is not before its start.
            if best.is_some_and(|(end, _)| at > end) {
                break;
            }
            if !self.starts(events, stream, at, into) {
                continue;
            }
            let attempt = self.run(events, stream, at, into);
            if !attempt.is_converted() {
                into.forget(&attempt);
                continue;
            }
            let end = into.last(&attempt);
            if best.is_none_or(|(before, _)| end <= before) {
                best = Some((end, attempt));
            }
        }
        best.map(|(_, best)| best)
    }

    /// The attempts between two conversions that count as drop-offs (F-32, 2).
    fn gap(
        &self,
        events: &impl Events,
        stream: Stream,
        entries: Range<usize>,
        next: Option<&Attempt>,
        into: &mut Attempts,
    ) {
        // Each gap starts afresh: only what conversions took is used.
        let mut run = Vec::new();
        let mut at = entries.start;
        while at < entries.end
            && let Some(attempt) = self.next(events, stream, at..entries.end, into)
        {
            into.mark(&attempt, true);
            run.push(attempt);
            at = self.after(events, &attempt, into);
            let counts = match (next, attempt.end) {
                (None, _) => true,
                (Some(_), End::Converted) => false,
                (Some(next), End::Excluded(by) | End::Interrupted(by)) => (by as usize) < into.last(next),
                (Some(next), End::TimedOut) => {
                    let (start, end) = (into.start(&attempt), into.last(next));
                    match self.limit {
                        Limit::Millis(millis) => events.time(start).saturating_add(millis) < events.time(end),
                        Limit::Sessions(count) => {
                            events.session(start).saturating_add(count) <= events.session(end)
                        }
                    }
                }
            };
            if counts {
                into.all.push(attempt);
            }
        }
        for attempt in run {
            into.mark(&attempt, false);
        }
    }
}

impl Steps {
    /// The attempt that counts for its actor among some, by their positions: the first (F-23), or under
    /// optimized re-entry the first conversion, else the one that got furthest, of several the first
    /// (F-32, 3).
    pub(in crate::report) fn counted(
        &self,
        attempts: &Attempts,
        mut among: impl Iterator<Item = usize>,
    ) -> Option<usize> {
        let mut best = among.next()?;
        if self.optimized {
            for at in among {
                let (attempt, so_far) = (attempts.get(at), attempts.get(best));
                if so_far.is_converted() {
                    break;
                }
                if attempt.is_converted() || attempt.len > so_far.len {
                    best = at;
                }
            }
        }
        Some(best)
    }
}

/// What an attempt waits for.
#[derive(Debug, Clone, Copy)]
struct Wait {
    block: usize,
    /// Whether the grace applies: it is the first event of a block (F-16).
    starts_block: bool,
    /// The latest time among the steps of the blocks before.
    latest: i64,
    /// The event the attempt starts with.
    entry: usize,
    /// The last of its events.
    last_at: usize,
}
