//! The attempts of actors → counts, times and numbers for each bucket and segment.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use tallymark_report::{CountOf, Instants};

use super::super::segments::Ranges;
use super::super::split::{Segments, Split, at_place};
use super::attempts::{Attempts, Events, NO_SESSION, NOT_HELD, Taken};
use super::between::{Known, OfNumbers};
use super::question::{ManyConditions, Shape};
use crate::functions::{record, window_funnel};
use crate::resident::by_user::{Matcher, UserEvents};

/// The attempt did not get to the step its time is asked of (F-72).
const DID_NOT_CONVERT: &str = "Did not convert";
/// A step that was not reached.
pub(super) const NOT_REACHED: u32 = u32::MAX;

/// What is to be found out.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Counts alone.
    pub(super) counts_only: bool,
    /// The whole range as one bucket.
    pub(super) whole_range: bool,
    /// What ranges are chosen from: how long attempts took (F-72), and their numbers (F-75).
    pub(super) to_choose_from: bool,
    /// How the numbers of attempts are called, for those that breakdowns go by.
    pub(super) number_labels: Arc<[OfNumbers]>,
    /// Ranges of seconds that attempts are split by.
    pub(super) time_ranges: Option<Arc<Option<Ranges>>>,
    /// The segments that are shown; the rest is one.
    pub(super) other: Option<Arc<HashSet<Vec<String>>>>,
    /// Instead of numbers, who is behind one.
    pub(super) users_of: Option<Cell>,
}

/// A number of a funnel.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// From 0.
    pub(super) step: usize,
    pub(super) dropped_off: bool,
    pub(super) bucket: Option<usize>,
    pub(super) segments: Option<Vec<String>>,
}

/// What was found, for one bucket of one segment. Times are milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Of each step, how many reached it; none if nobody started.
    pub(super) counts: Vec<u64>,
    pub(super) from_previous: Vec<Vec<i64>>,
    pub(super) from_start: Vec<Vec<i64>>,
    /// For each of `times`, for each step.
    pub(super) times: Vec<Vec<Vec<i64>>>,
    /// For each of `measures`, for each step.
    pub(super) numbers: Vec<Vec<Vec<f64>>>,
}

impl Tally {
    /// How many started.
    pub(super) fn started(&self) -> u64 {
        self.counts.first().copied().unwrap_or(0)
    }

    fn merge(&mut self, later: Self) {
        fn each<T>(total: &mut Vec<Vec<T>>, later: Vec<Vec<T>>) {
            total.resize_with(total.len().max(later.len()), Vec::new);
            total.iter_mut().zip(later).for_each(|(total, later)| total.extend(later));
        }
        self.counts.resize(self.counts.len().max(later.counts.len()), 0);
        self.counts.iter_mut().zip(later.counts).for_each(|(total, later)| *total += later);
        each(&mut self.from_previous, later.from_previous);
        each(&mut self.from_start, later.from_start);
        self.times.resize_with(self.times.len().max(later.times.len()), Vec::new);
        self.times.iter_mut().zip(later.times).for_each(|(total, later)| each(total, later));
        self.numbers.resize_with(self.numbers.len().max(later.numbers.len()), Vec::new);
        self.numbers.iter_mut().zip(later.numbers).for_each(|(total, later)| each(total, later));
    }

    fn bytes(&self) -> usize {
        let times = self.from_previous.iter().chain(&self.from_start).chain(self.times.iter().flatten());
        let numbers = self.numbers.iter().flatten();
        let values = times.map(Vec::capacity).sum::<usize>() + numbers.map(Vec::capacity).sum::<usize>();
        (self.counts.capacity() + values) * 8 + size_of::<Self>()
    }
}

/// What all actors come to.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    /// Without regard to segments, a bucket each.
    pub(super) overall: Vec<Tally>,
    /// By their labels, that of the time last where attempts are split by time.
    pub(super) segments: HashMap<Vec<String>, Vec<Tally>>,
    /// The shortest time that has such a label.
    pub(super) time_labels: HashMap<String, i64>,
    /// What there is to choose ranges from: milliseconds, and numbers by their places.
    pub(super) split_times: Vec<i64>,
    pub(super) numbers: Vec<Vec<f64>>,
    pub(super) actors: Vec<String>,
}

/// Walks through actors.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) shape: Arc<Shape>,
    pub(super) wanted: Wanted,
    pub(super) split: Split,
}

impl Walk {
    pub(super) fn new(shape: Arc<Shape>, wanted: Wanted) -> Self {
        let split = Split::shown(shape.breakdowns.len(), wanted.other.clone());
        Self { shape, wanted, split }
    }
}

/// What some actors come to.
#[derive(Debug, Default)]
pub(super) struct Partial {
    pub(super) overall: Vec<Tally>,
    pub(super) segments: Segments,
    pub(super) of_segments: Vec<Vec<Tally>>,
    time_labels: HashMap<String, i64>,
    split_times: Vec<i64>,
    numbers: Vec<Vec<f64>>,
    pub(super) actors: Vec<u32>,
    pub(super) scratch: Scratch,
}

/// What is used again for each actor.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) attempts: Attempts,
    pub(super) records: Vec<record::Record<u64>>,
    pub(super) levels: window_funnel::Scratch,
    sessions: Vec<u32>,
    held: Vec<u32>,
    pub(super) met: Met,
    /// Several values held together.
    held_together: HashMap<Vec<u32>, u32>,
    /// Of each attempt, the event of each step.
    reached: Vec<u32>,
    /// Of each attempt, whether it passes the filter.
    passes: Vec<bool>,
    pub(super) known: Known,
    /// The segments of an attempt.
    pub(super) found: Vec<usize>,
    /// Segments and attempts.
    of_segments: Vec<(usize, usize)>,
}

/// The conditions of events that are told by labels.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Those before are conditions of the scan; all of them if there are no others.
    first: usize,
    /// Event i meets `conditions[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    conditions: Vec<u32>,
}

impl Met {
    pub(super) fn read(&mut self, user: &UserEvents<'_>, many: Option<ManyConditions>) {
        let Some(ManyConditions { label, first }) = many else {
            self.first = usize::MAX;
            return;
        };
        self.first = first;
        self.starts.clear();
        self.conditions.clear();
        self.starts.push(0);
        for record in user.records {
            let numbers = user
                .labels(label, record)
                .iter()
                .filter_map(|number| user.text(label, *number).parse::<u32>().ok());
            self.conditions.extend(numbers);
            self.starts.push(self.conditions.len() as u32);
        }
    }

    fn meets(&self, at: usize, condition: usize) -> bool {
        let of_event = self.starts[at] as usize..self.starts[at + 1] as usize;
        self.conditions[of_event].iter().any(|met| *met as usize == condition - self.first)
    }
}

/// The position of the first event that is not before an instant.
fn position(user: &UserEvents<'_>, time: i64) -> usize {
    user.records.partition_point(|record| record.time < time)
}

/// The events of a range.
pub(super) fn in_range(user: &UserEvents<'_>, range: &Instants) -> Range<usize> {
    position(user, range.from)..position(user, range.to)
}

/// What stands for the held values of each event of a user (F-40): for the codes of these `labels`
/// together, of which `together` numbers the combinations.
pub(in crate::report) fn hold(
    user: &UserEvents<'_>,
    labels: Range<usize>,
    held: &mut Vec<u32>,
    together: &mut HashMap<Vec<u32>, u32>,
) {
    held.clear();
    if labels.is_empty() {
        return;
    }
    let code = |label: usize, record| user.labels(label, record).first().copied();
    held.extend(user.records.iter().map(|record| {
        if labels.len() == 1 {
            return code(labels.start, record).unwrap_or(NOT_HELD);
        }
        let codes: Option<Vec<u32>> = labels.clone().map(|label| code(label, record)).collect();
        let next = together.len() as u32;
        codes.map_or(NOT_HELD, |codes| *together.entry(codes).or_insert(next))
    }));
}

/// The events of an actor as attempts look at them.
pub(super) struct View<'a> {
    pub(super) user: &'a UserEvents<'a>,
    pub(super) sessions: &'a [u32],
    pub(super) held: &'a [u32],
    pub(super) met: &'a Met,
}

impl Events for View<'_> {
    fn len(&self) -> usize {
        self.user.records.len()
    }

    fn time(&self, at: usize) -> i64 {
        self.user.records[at].time
    }

    fn meets(&self, at: usize, condition: usize) -> bool {
        if condition < self.met.first {
            self.user.records[at].meets(condition)
        } else {
            self.met.meets(at, condition)
        }
    }

    fn may_meet(&self, at: usize, conditions: u64) -> bool {
        self.met.first != usize::MAX || self.user.records[at].conditions & conditions != 0
    }

    fn session(&self, at: usize) -> u32 {
        self.sessions.get(at).copied().unwrap_or(0)
    }

    fn held(&self, at: usize) -> u32 {
        self.held.get(at).copied().unwrap_or(0)
    }
}

impl Matcher for Walk {
    type Partial = Partial;

    fn start(&self) -> Partial {
        Partial::default()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Partial) {
        self.actor(user, partial);
    }

    fn merge(&self, total: &mut Partial, later: Partial) {
        merge_buckets(&mut total.overall, later.overall);
        for (segment, tallies) in total.segments.merge(later.segments).into_iter().zip(later.of_segments) {
            merge_buckets(at_place(&mut total.of_segments, segment), tallies);
        }
        for (label, time) in later.time_labels {
            let known = total.time_labels.entry(label).or_insert(time);
            *known = time.min(*known);
        }
        total.split_times.extend(later.split_times);
        total.numbers.resize_with(total.numbers.len().max(later.numbers.len()), Vec::new);
        total.numbers.iter_mut().zip(later.numbers).for_each(|(total, later)| total.extend(later));
        total.actors.extend(later.actors);
    }

    fn bytes(&self, partial: &Partial) -> usize {
        let tallies = partial.overall.iter().chain(partial.of_segments.iter().flatten());
        let tallies = tallies.map(Tally::bytes).sum::<usize>() + partial.segments.bytes();
        let numbers = partial.numbers.iter().map(Vec::capacity).sum::<usize>();
        tallies + (partial.split_times.capacity() + numbers) * 8 + partial.actors.capacity() * 4
    }
}

fn merge_buckets(total: &mut Vec<Tally>, later: Vec<Tally>) {
    total.resize_with(total.len().max(later.len()), Tally::default);
    total.iter_mut().zip(later).for_each(|(total, later)| total.merge(later));
}

impl Partial {
    /// `id` names an actor.
    pub(super) fn finish(self, id: impl Fn(u32) -> String) -> Tallies {
        Tallies {
            overall: self.overall,
            segments: self.segments.labels().cloned().zip(self.of_segments).collect(),
            time_labels: self.time_labels,
            split_times: self.split_times,
            numbers: self.numbers,
            actors: self.actors.into_iter().map(id).collect(),
        }
    }
}

impl Walk {
    /// Adds what one actor did.
    pub(super) fn actor(&self, user: &UserEvents<'_>, partial: &mut Partial) {
        let mut scratch = std::mem::take(&mut partial.scratch);
        match &self.shape.clickhouse {
            Some(funnel) => self.level(funnel, user, &mut scratch, partial),
            None => self.each_funnel(user, &mut scratch, |view, bucket, scratch| {
                self.add(view, bucket, scratch, partial);
            }),
        }
        partial.scratch = scratch;
    }

    /// Finds the attempts of an actor: those of the range, or of one bucket after the other.
    pub(super) fn each_funnel(
        &self,
        user: &UserEvents<'_>,
        scratch: &mut Scratch,
        mut each: impl FnMut(&View<'_>, Option<usize>, &mut Scratch),
    ) {
        let shape = &*self.shape;
        let mut sessions = std::mem::take(&mut scratch.sessions);
        let mut held = std::mem::take(&mut scratch.held);
        if let Some(walk) = &shape.sessions {
            walk.numbers(user, NO_SESSION, &mut sessions);
        }
        hold(user, self.shape.held.clone(), &mut held, &mut scratch.held_together);
        let mut met = std::mem::take(&mut scratch.met);
        met.read(user, shape.many);
        let view = View { user, sessions: &sessions, held: &held, met: &met };
        let entries = in_range(user, &shape.range);
        if self.is_independent() {
            let mut at = entries.start;
            while let Some(entry) = (at..entries.end).find(|at| shape.steps.is_entry(&view, *at)) {
                // F-76: a funnel of its own for each bucket.
                let bucket = self.bucket(view.time(entry));
                let is_in = |at: &usize| self.bucket(view.time(*at)) == bucket;
                let from = (at..entry).find(is_in).unwrap_or(entry);
                let to = (entry..entries.end).find(|at| !is_in(at)).unwrap_or(entries.end);
                self.attempts(&view, from, from..to, &mut scratch.attempts);
                each(&view, Some(bucket), scratch);
                at = to.max(at + 1);
            }
        } else {
            self.attempts(&view, entries.start, entries, &mut scratch.attempts);
            each(&view, None, scratch);
        }
        scratch.sessions = sessions;
        scratch.held = held;
        scratch.met = met;
    }

    /// Whether each bucket has a funnel of its own.
    fn is_independent(&self) -> bool {
        let of_range = self.wanted.whole_range
            || self.wanted.users_of.as_ref().is_some_and(|cell| cell.bucket.is_none());
        self.shape.is_independent && !of_range
    }

    fn attempts(&self, view: &View<'_>, first: usize, entries: Range<usize>, into: &mut Attempts) {
        match self.shape.count {
            CountOf::Sessions => self.shape.steps.of_sessions(view, first, entries, into),
            CountOf::UniqueUsers | CountOf::Totals => self.shape.steps.attempts(view, first, entries, into),
        }
    }

    fn bucket(&self, time: i64) -> usize {
        let begins = &self.shape.bucket_begins;
        let after = begins.partition_point(|(begin, _)| *begin <= time);
        begins.get(after.saturating_sub(1)).map_or(0, |(_, bucket)| *bucket)
    }

    /// Adds the event of each step of the definition, in any order of each that was done (F-16).
    pub(super) fn reached(&self, taken: &[Taken], into: &mut Vec<u32>) {
        let first = into.len();
        into.resize(first + self.shape.step_count, NOT_REACHED);
        for (at, one) in taken.iter().enumerate() {
            let in_order = self.shape.reached_with[one.step as usize];
            if let Some(step) = if self.shape.is_any_order { Some(at) } else { in_order } {
                into[first + step] = one.at;
            }
        }
    }

    /// Adds attempts; without a `bucket`, where each starts.
    fn add(&self, view: &View<'_>, bucket: Option<usize>, scratch: &mut Scratch, partial: &mut Partial) {
        let shape = &*self.shape;
        let Scratch { attempts, reached, passes, known, found, of_segments, .. } = scratch;
        if attempts.len() == 0 {
            return;
        }
        reached.clear();
        passes.clear();
        for attempt in attempts.iter() {
            let taken = attempts.taken(attempt);
            let first = reached.len();
            self.reached(taken, reached);
            passes.push(self.passes(view, taken, &reached[first..], known));
        }
        let of = |at: usize| One {
            reached: &reached[at * shape.step_count..(at + 1) * shape.step_count],
            passes: passes[at],
            bucket: bucket.unwrap_or_else(|| {
                let start = attempts.start(attempts.get(at));
                if self.wanted.whole_range { 0 } else { self.bucket(view.time(start)) }
            }),
        };
        if self.wanted.to_choose_from {
            partial.numbers.resize_with(shape.between.len(), Vec::new);
            for at in (0..attempts.len()).filter(|at| passes[*at]) {
                let one = of(at);
                partial.split_times.extend(self.split_time(view, &one));
                let taken = attempts.taken(attempts.get(at));
                for (between, numbers) in shape.between.iter().zip(&mut partial.numbers) {
                    numbers.extend(between.of(view, taken, one.reached).value());
                }
            }
            return;
        }
        // F-23, F-32: the one among some attempts that counts for its actor.
        let counted = |among: &mut dyn Iterator<Item = usize>| match shape.count {
            CountOf::UniqueUsers => shape.steps.counted(attempts, among),
            CountOf::Totals | CountOf::Sessions => None,
        };
        let counts_all = shape.count != CountOf::UniqueUsers;
        let cell = self.wanted.users_of.as_ref();
        let best = counted(&mut (0..attempts.len()));
        let is_asked = |one: &One<'_>| cell.is_some_and(|cell| is_in_cell(cell, one));
        if cell.is_none_or(|cell| cell.segments.is_none()) {
            let mut is_found = false;
            for at in 0..attempts.len() {
                let one = of(at);
                if !one.passes {
                    continue;
                }
                let is_counted = counts_all || best == Some(at);
                if cell.is_some() {
                    is_found |= is_counted && is_asked(&one);
                } else {
                    self.count(view, &one, is_counted, at_place(&mut partial.overall, one.bucket));
                }
            }
            if is_found {
                partial.actors.push(view.user.user);
            }
        }
        let is_split = !shape.breakdowns.is_empty() || self.wanted.time_ranges.is_some();
        if !is_split || cell.is_some_and(|cell| cell.segments.is_none()) {
            return;
        }
        of_segments.clear();
        for at in 0..attempts.len() {
            let attempt = attempts.get(at);
            let (taken, reached) = (attempts.taken(attempt), of(at).reached);
            self.segments_of(view, taken, reached, known, &mut partial.segments, found);
            of_segments.extend(found.iter().map(|segment| (*segment, at)));
        }
        of_segments.sort_unstable();
        let mut is_found = false;
        for group in of_segments.chunk_by(|a, b| a.0 == b.0) {
            let best = counted(&mut group.iter().map(|(_, at)| *at));
            let segment = group[0].0;
            for (_, at) in group {
                let (one, is_counted) = (of(*at), counts_all || best == Some(*at));
                if !one.passes {
                    continue;
                }
                if let Some(cell) = cell {
                    let is_segment = cell.segments.as_ref() == partial.segments.get(segment);
                    is_found |= is_segment && is_counted && is_in_cell(cell, &one);
                    continue;
                }
                let segment = match &self.wanted.time_ranges {
                    Some(ranges) => self.timed(view, &one, ranges.as_ref().as_ref(), segment, partial),
                    None => segment,
                };
                let tallies = at_place(&mut partial.of_segments, segment);
                self.count(view, &one, is_counted, at_place(tallies, one.bucket));
            }
        }
        if is_found {
            partial.actors.push(view.user.user);
        }
    }

    /// Adds an attempt to a tally.
    fn count(&self, view: &View<'_>, one: &One<'_>, is_counted: bool, tally: &mut Tally) {
        let steps = self.shape.step_count;
        if is_counted {
            tally.counts.resize(steps, 0);
            for (step, at) in one.reached.iter().enumerate() {
                tally.counts[step] += u64::from(*at != NOT_REACHED);
            }
        }
        if self.wanted.counts_only {
            return;
        }
        let time = |step: usize| {
            let at = one.reached[step];
            (at != NOT_REACHED).then(|| view.time(at as usize))
        };
        tally.from_previous.resize_with(steps, Vec::new);
        tally.from_start.resize_with(steps, Vec::new);
        let mut previous = time(0);
        for step in 1..steps {
            let (Some(now), Some(before), Some(start)) = (time(step), previous, time(0)) else { continue };
            // F-71: never less than nothing.
            tally.from_previous[step].push((now - before).max(0));
            tally.from_start[step].push((now - start).max(0));
            previous = Some(now);
        }
        tally.times.resize_with(self.shape.times_from.len(), || vec![Vec::new(); steps]);
        for (from, times) in self.shape.times_from.iter().zip(&mut tally.times) {
            let Some(start) = time(*from) else { continue };
            for (step, times) in times.iter_mut().enumerate().skip(from + 1) {
                times.extend(time(step).map(|now| (now - start).max(0)));
            }
        }
        tally.numbers.resize_with(self.shape.measure_count, || vec![Vec::new(); steps]);
        for (measure, numbers) in tally.numbers.iter_mut().enumerate() {
            for (step, at) in one.reached.iter().enumerate() {
                if let Some(record) = view.user.records.get(*at as usize) {
                    numbers[step].extend(view.user.number(measure, record));
                }
            }
        }
    }

    /// How long an attempt took from the one step to the other (F-72).
    fn split_time(&self, view: &View<'_>, one: &One<'_>) -> Option<i64> {
        let (from, to) = self.shape.split_steps;
        let (from, to) = (one.reached[from], one.reached[to]);
        if from == NOT_REACHED || to == NOT_REACHED {
            return None;
        }
        Some((view.time(to as usize) - view.time(from as usize)).max(0))
    }

    /// The segment with the label of the time.
    fn timed(
        &self,
        view: &View<'_>,
        one: &One<'_>,
        ranges: Option<&Ranges>,
        segment: usize,
        partial: &mut Partial,
    ) -> usize {
        let time = self.split_time(view, one);
        let label = match time {
            Some(time) => Ranges::label_in(ranges, time as f64 / 1000.0),
            None => DID_NOT_CONVERT.to_owned(),
        };
        let order = time.unwrap_or(i64::MAX);
        let known = partial.time_labels.entry(label.clone()).or_insert(order);
        *known = order.min(*known);
        let mut labels = partial.segments.get(segment).cloned().unwrap_or_default();
        labels.push(label);
        partial.segments.number(labels)
    }
}

/// An attempt.
struct One<'a> {
    /// Of each step, its event.
    reached: &'a [u32],
    passes: bool,
    bucket: usize,
}

fn is_in_cell(cell: &Cell, one: &One<'_>) -> bool {
    let reaches = |step: usize| one.reached[step] != NOT_REACHED;
    cell.bucket.is_none_or(|bucket| bucket == one.bucket)
        && reaches(cell.step)
        && !(cell.dropped_off && (cell.step + 1..one.reached.len()).any(reaches))
}
