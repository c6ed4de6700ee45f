//! The rows of a funnel.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tallymark_report::{
    Aggregate, Breakdown, Buckets, CountOf, Funnel, Instant, IntervalAttempts, Question, Report, Scope,
    StepMeasure, StepOf, TimeBuckets, TimeMeasure, Window,
};

use super::attribution::{Whose, is_of_attempts};
use super::significance::{Counts, confidence};
use crate::oracle::Table;
use crate::oracle::attempts::{
    Attempt, Course, Limit, Rules, StepRule, Stream, all_attempts, marks, picked, streams,
};
use crate::oracle::insights::breakdown::{Segment, Splitter, segments_by};
use crate::oracle::insights::civil::{Bucket, Span};
use crate::oracle::insights::measure::{Measured, of_values, percentile};
use crate::oracle::insights::metric::Line;
use crate::oracle::insights::property::value;
use crate::oracle::insights::range::{Said, read, resolve};
use crate::oracle::insights::ranges::Ranges;
use crate::oracle::insights::rows::view;
use crate::oracle::insights::selector::occurrences;
use crate::oracle::insights::world::{Event, Subject, View, World};
use crate::oracle::insights::{OTHER, OVERALL};

/// What attempts that did not get from the one step to the other are called (F-72).
const NO_TIME: &str = "Did not convert";

/// Everything a funnel is asked of.
struct Asked<'a> {
    view: View<'a>,
    scope: &'a Scope,
    funnel: &'a Funnel,
    streams: Vec<Stream<'a>>,
    /// For each step and exclusion, each stream, each event.
    steps: Vec<Vec<Vec<bool>>>,
    excluded: Vec<Vec<Vec<bool>>>,
}

/// An attempt, and in which segments it is.
struct Tried {
    actor: usize,
    attempt: Attempt,
    /// Whether the filter of the report keeps it (F-60).
    is_kept: bool,
    segments: BTreeSet<Segment>,
}

/// How attempts are split.
struct Splitters<'a> {
    by_property: Vec<Splitter<'a>>,
    by_time: Option<Ranges>,
}

/// A bucket, and the attempts among which those of it are.
struct Part<'a> {
    bucket: Option<Bucket>,
    tried: &'a [Tried],
    /// Only those that start here.
    starts: Option<Span>,
}

/// The answer to a funnel, as of an instant unless the definition names another.
pub fn answer(world: &World, report: &Report, as_of: i64) -> Table {
    let Question::Funnel(funnel) = &report.question else {
        panic!("a {} is no funnel", report.question.kind())
    };
    let view = view(world, &report.scope, as_of);
    let Some(compare) = &funnel.compare else { return Asked::new(view, &report.scope, funnel).table(None) };
    // F-77.
    let own = &funnel.steps[compare.step - 1].event;
    let place = usize::from(funnel.interval.is_some());
    let mut table = Table::default();
    for event in std::iter::once(own).chain(&compare.with) {
        let mut alternative = funnel.clone();
        alternative.steps[compare.step - 1].event = event.clone();
        let mut answer = Asked::new(view, &report.scope, &alternative).table(None);
        answer.columns.insert(place, "alternative".to_owned());
        answer.rows.iter_mut().for_each(|row| row.insert(place, Value::from(event.label())));
        table.columns = answer.columns;
        table.rows.extend(answer.rows);
    }
    table
}

/// The rows of all segments but some, as one (S-26).
pub fn of_others(world: &World, report: &Report, as_of: i64, but: &[Segment]) -> Table {
    let Question::Funnel(funnel) = &report.question else {
        panic!("a {} is no funnel", report.question.kind())
    };
    let asked = Asked::new(view(world, &report.scope, as_of), &report.scope, funnel);
    asked.table(Some(vec![Line::Other(but.to_vec())]))
}

/// The actors behind a number of a funnel (M-4).
pub fn behind(world: &World, report: &Report, as_of: i64) -> BTreeSet<String> {
    let Question::Funnel(funnel) = &report.question else {
        panic!("a {} is no funnel", report.question.kind())
    };
    let asked = Asked::new(view(world, &report.scope, as_of), &report.scope, funnel);
    asked.behind(funnel.users_of.as_ref().unwrap())
}

impl<'a> Asked<'a> {
    fn new(view: View<'a>, scope: &'a Scope, funnel: &'a Funnel) -> Self {
        let key = funnel.count_by.as_deref();
        let streams = streams(view, scope, key);
        let steps = funnel.steps.iter().map(|step| marks(view, &streams, &step.event, key)).collect();
        let excluded = funnel.exclude.iter().map(|one| marks(view, &streams, &one.event, key)).collect();
        Self { view, scope, funnel, streams, steps, excluded }
    }

    /// Of these lines, if they are said.
    fn table(&self, told: Option<Vec<Line>>) -> Table {
        let range = resolve(self.view.civil, &self.scope.range, self.view.now).span;
        let (whole, splitters) = self.whole(range);
        let of_parts = self.of_parts(range, &splitters);
        let parts = self.parts(&whole, &of_parts);
        let mut table = Table { columns: self.columns(), rows: Vec::new() };
        for line in told.unwrap_or_else(|| self.lines(&whole, &parts)) {
            for part in &parts {
                self.add_rows(&mut table, &line, part);
            }
        }
        table
    }

    /// The attempts of the whole range, and how attempts are split.
    fn whole(&self, range: Span) -> (Vec<Tried>, Splitters<'a>) {
        let mut whole = self.tried(range);
        let splitters = self.splitters(&whole, range);
        self.split(&mut whole, &splitters);
        (whole, splitters)
    }

    /// For each bucket the attempts of a funnel of its own (F-76).
    fn of_parts(&self, range: Span, splitters: &Splitters<'_>) -> Vec<(Bucket, Vec<Tried>)> {
        let Some(unit) = self.funnel.interval else { return Vec::new() };
        let of_bucket = |bucket: Bucket| {
            let mut tried = match self.funnel.interval_attempts {
                IntervalAttempts::Independent => self.tried(bucket.span),
                IntervalAttempts::Shared => Vec::new(),
            };
            self.split(&mut tried, splitters);
            (bucket, tried)
        };
        self.view.civil.buckets(range, unit).into_iter().map(of_bucket).collect()
    }

    fn parts<'p>(&self, whole: &'p [Tried], of_parts: &'p [(Bucket, Vec<Tried>)]) -> Vec<Part<'p>> {
        if self.funnel.interval.is_none() {
            return vec![Part { bucket: None, tried: whole, starts: None }];
        }
        let part = |(bucket, tried): &'p (Bucket, Vec<Tried>)| match self.funnel.interval_attempts {
            IntervalAttempts::Independent => Part { bucket: Some(*bucket), tried, starts: None },
            IntervalAttempts::Shared => {
                Part { bucket: Some(*bucket), tried: whole, starts: Some(bucket.span) }
            }
        };
        of_parts.iter().map(part).collect()
    }

    /// All attempts that count as totals, whose entries are in a span.
    fn tried(&self, entries: Span) -> Vec<Tried> {
        let funnel = self.funnel;
        let by_session = funnel.count == CountOf::Sessions;
        let step = |step: &tallymark_report::FunnelStep| StepRule {
            anchored: step.anchored,
            optional: step.optional,
            times: step.times,
            within_ms: step.within.and_then(Window::millis),
        };
        let limit = match funnel.window.millis() {
            _ if by_session => Limit::Sessions(1),
            Some(millis) => Limit::Millis(millis),
            None => Limit::Sessions(funnel.window.count as usize),
        };
        let rules = Rules {
            steps: funnel.steps.iter().map(step).collect(),
            order: funnel.order,
            limit,
            grace_ms: funnel.grace_seconds * 1000.0,
            exclusions: funnel.exclude.iter().map(|exclusion| exclusion.after_step).collect(),
            entries,
            looked_at: Span { from: entries.from, to: self.view.now + 1 },
        };
        let mut tried = Vec::new();
        for (actor, stream) in self.streams.iter().enumerate() {
            let course = Course {
                rules: &rules,
                stream,
                steps: self.steps.iter().map(|marks| marks[actor].clone()).collect(),
                excluded: self.excluded.iter().map(|marks| marks[actor].clone()).collect(),
                held: stream.events.iter().map(|event| self.held(event)).collect(),
            };
            for attempt in all_attempts(&course, funnel.reentry, by_session) {
                let whose = Whose { stream, attempt: &attempt };
                let mut filters = self.scope.filter.iter();
                let is_kept = filters.all(|filter| whose.is_kept(self.view, funnel.attribution, filter));
                tried.push(Tried { actor, attempt, is_kept, segments: BTreeSet::new() });
            }
        }
        tried
    }

    /// The values of the held properties (F-40).
    fn held(&self, event: &Event) -> Option<Vec<Value>> {
        let properties = self.funnel.hold_constant.iter();
        properties.map(|property| value(self.view, property, Subject::of_event(event))).collect()
    }

    fn whose<'t>(&'t self, tried: &'t Tried) -> Whose<'t> {
        Whose { stream: &self.streams[tried.actor], attempt: &tried.attempt }
    }

    /// B-10.
    fn splitters(&self, whole: &[Tried], range: Span) -> Splitters<'a> {
        let kept: Vec<Whose<'_>> =
            whole.iter().filter(|tried| tried.is_kept).map(|tried| self.whose(tried)).collect();
        let key = self.funnel.count_by.as_deref();
        let steps = self.funnel.steps.iter().flat_map(|step| occurrences(self.view, &step.event, key));
        let steps = steps.filter(|one| range.contains(one.event.time));
        let subjects: Vec<Subject<'_>> = steps.map(|one| Subject::of_event(one.event)).collect();
        let by_property = self.funnel.breakdowns.iter().map(|breakdown| match breakdown {
            Breakdown::Property { property, .. } if is_of_attempts(property) => {
                let numbers = kept.iter().filter_map(|whose| whose.number(self.view, property).ok());
                Splitter::of_values(self.view, breakdown, numbers.collect())
            }
            _ => Splitter::of(self.view, breakdown, &subjects),
        });
        let by_time = self.funnel.time_buckets.as_ref().map(|buckets| match &buckets.buckets {
            Buckets::Auto => {
                let (from, to) = self.steps_of(buckets);
                let seconds: Vec<f64> = kept.iter().filter_map(|whose| whose.seconds(from, to)).collect();
                Ranges::auto(&seconds)
            }
            Buckets::Even(even) => Ranges::even(*even),
            Buckets::At(at) => Ranges::Borders(at.clone()),
            Buckets::Groups(_) => panic!("times are numbers"),
        });
        Splitters { by_property: by_property.collect(), by_time }
    }

    fn steps_of(&self, buckets: &TimeBuckets) -> (usize, usize) {
        (buckets.from_step - 1, buckets.to_step.unwrap_or(self.funnel.steps.len()) - 1)
    }

    fn split(&self, tried: &mut [Tried], splitters: &Splitters<'_>) {
        for one in tried {
            let whose = self.whose(one);
            let mut labels: Vec<BTreeSet<String>> = Vec::new();
            for (splitter, breakdown) in splitters.by_property.iter().zip(&self.funnel.breakdowns) {
                labels.push(whose.labels(self.view, self.funnel.attribution, breakdown, splitter));
            }
            if let (Some(ranges), Some(buckets)) = (&splitters.by_time, &self.funnel.time_buckets) {
                let (from, to) = self.steps_of(buckets);
                let seconds = whose.seconds(from, to);
                let label = seconds.map_or(NO_TIME.to_owned(), |seconds| ranges.label(seconds));
                labels.push(BTreeSet::from([label]));
            }
            one.segments = segments_by(&labels);
        }
    }

    fn label_count(&self) -> usize {
        self.funnel.breakdowns.len() + usize::from(self.funnel.time_buckets.is_some())
    }

    /// The attempts of a line and bucket that filters keep, all of them.
    fn all_of<'p>(&self, line: &Line, part: &Part<'p>) -> Vec<&'p Tried> {
        let of_line = of_line(line, part.tried);
        of_line.into_iter().filter(|tried| tried.is_kept && part.has(&self.streams, tried)).collect()
    }

    /// Those that count: of unique users one of each (F-23, F-50); then the filters (F-60).
    fn counted<'p>(&self, line: &Line, part: &Part<'p>) -> Vec<&'p Tried> {
        if self.funnel.count != CountOf::UniqueUsers {
            return self.all_of(line, part);
        }
        let mut counted = match line {
            Line::Overall => self.chosen(part.tried.iter().collect()),
            Line::Segment(_) | Line::Other(_) => {
                let in_line: Vec<&Tried> = self.chosen_by_property(part, line);
                self.chosen(in_line)
            }
        };
        counted.retain(|tried| tried.is_kept && part.has(&self.streams, tried));
        counted
    }

    /// Of each actor the attempt that counts (F-23, F-32).
    fn chosen<'p>(&self, tried: Vec<&'p Tried>) -> Vec<&'p Tried> {
        let mut of_actors: BTreeMap<usize, Vec<&Tried>> = BTreeMap::new();
        for one in tried {
            of_actors.entry(one.actor).or_default().push(one);
        }
        let mut chosen = Vec::new();
        for own in of_actors.into_values() {
            let attempts: Vec<&Attempt> = own.iter().map(|tried| &tried.attempt).collect();
            let picked = picked(&attempts, self.funnel.reentry).unwrap();
            chosen.extend(own.into_iter().find(|tried| std::ptr::eq(&raw const tried.attempt, picked)));
        }
        chosen
    }

    /// The attempts of a line of those that count in some segment of properties: how long they took does
    /// not matter to which count (F-72). In the order they start.
    fn chosen_by_property<'p>(&self, part: &Part<'p>, line: &Line) -> Vec<&'p Tried> {
        let properties = self.funnel.breakdowns.len();
        let of_property = |tried: &&Tried, by_property: &[String]| {
            tried.segments.iter().any(|segment| segment[..properties] == *by_property)
        };
        let all = part.tried.iter().flat_map(|tried| &tried.segments);
        let all: BTreeSet<&[String]> = all.map(|segment| &segment[..properties]).collect();
        let mut found: Vec<&Tried> = Vec::new();
        for by_property in all {
            let own = part.tried.iter().filter(|tried| of_property(tried, by_property)).collect();
            for chosen in self.chosen(own) {
                let mut segments = chosen.segments.iter();
                if segments.any(|segment| segment[..properties] == *by_property && line.has(segment)) {
                    found.push(chosen);
                }
            }
        }
        found.sort_by_key(|tried| (tried.actor, tried.attempt.start));
        found
    }

    /// How many reached a step, counted from 0.
    fn count(&self, line: &Line, part: &Part<'_>, step: usize) -> u64 {
        reached(&self.counted(line, part), step).len() as u64
    }

    /// The overall, and the segments by rank (B-31, S-80).
    fn lines(&self, whole: &[Tried], parts: &[Part<'_>]) -> Vec<Line> {
        let mut lines = vec![Line::Overall];
        if self.label_count() == 0 {
            return lines;
        }
        let all = parts.iter().flat_map(|part| part.tried).flat_map(|tried| &tried.segments);
        let all: BTreeSet<&Segment> = all.collect();
        let whole = Part { bucket: None, tried: whole, starts: None };
        let mut ranked: Vec<(u64, &Segment)> = Vec::new();
        for segment in all {
            let line = Line::Segment(segment.clone());
            if parts.iter().any(|part| self.count(&line, part, 0) > 0) {
                ranked.push((self.count(&line, &whole, 0), segment));
            }
        }
        // Ranges of time by time (F-72), the rest by rank; equal ones stay in the order of their labels.
        ranked.sort_by(|(a_count, a), (b_count, b)| {
            let times = self.seconds_in(parts, a).total_cmp(&self.seconds_in(parts, b));
            times.then(b_count.cmp(a_count))
        });
        let mut shown: Vec<Segment> = ranked.into_iter().map(|(_, segment)| segment.clone()).collect();
        let top = self.funnel.top.unwrap_or(shown.len());
        let has_other = self.funnel.other && shown.len() > top;
        shown.truncate(top);
        lines.extend(shown.iter().cloned().map(Line::Segment));
        lines.extend(has_other.then_some(Line::Other(shown)));
        lines
    }

    /// The least time that attempts of a segment took; what did not convert comes last.
    fn seconds_in(&self, parts: &[Part<'_>], segment: &Segment) -> f64 {
        let Some(buckets) = &self.funnel.time_buckets else { return 0.0 };
        let (from, to) = self.steps_of(buckets);
        let label = segment.last();
        let all = parts.iter().flat_map(|part| part.tried);
        let own = all.filter(|tried| tried.segments.iter().any(|segment| segment.last() == label));
        own.filter_map(|tried| self.whose(tried).seconds(from, to)).fold(f64::INFINITY, f64::min)
    }

    fn columns(&self) -> Vec<String> {
        let funnel = self.funnel;
        let mut columns: Vec<String> = Vec::new();
        columns.extend(funnel.interval.map(|_| "time".to_owned()));
        columns.extend(funnel.breakdowns.iter().map(Breakdown::label));
        columns.extend(funnel.time_buckets.as_ref().map(|_| "time_to_convert".to_owned()));
        let fixed = [
            "step",
            "event",
            "count",
            "step_conversion",
            "conversion",
            "average_time_s",
            "median_time_s",
            "average_time_from_start_s",
            "median_time_from_start_s",
        ];
        columns.extend(fixed.map(str::to_owned));
        columns.extend(funnel.measures.iter().map(StepMeasure::label));
        columns.extend(funnel.times.iter().map(TimeMeasure::label));
        if funnel.significance.is_some() {
            columns.extend(["confidence", "significant"].map(str::to_owned));
        }
        columns
    }

    fn add_rows(&self, table: &mut Table, line: &Line, part: &Part<'_>) {
        let funnel = self.funnel;
        let labels = match line {
            Line::Overall => vec![OVERALL.to_owned(); self.label_count()],
            Line::Segment(segment) => segment.clone(),
            Line::Other(_) => vec![OTHER.to_owned(); self.label_count()],
        };
        let all = self.all_of(line, part);
        let counts: Vec<u64> = (0..funnel.steps.len()).map(|step| self.count(line, part, step)).collect();
        for step in 0..funnel.steps.len() {
            let whose: Vec<Whose<'_>> =
                reached(&all, step).into_iter().map(|tried| self.whose(tried)).collect();
            let mut row: Vec<Value> = Vec::new();
            row.extend(part.bucket.map(|bucket| Value::from(bucket.key)));
            row.extend(labels.iter().cloned().map(Value::from));
            row.push(Value::from(step + 1));
            row.push(Value::from(funnel.steps[step].event.label()));
            row.push(Value::from(counts[step]));
            // F-18: relative to the required step before.
            let required = (0..step).rev().find(|before| !funnel.steps[*before].optional);
            row.push(Value::from(required.and_then(|before| ratio(counts[step], counts[before]))));
            row.push(Value::from(ratio(counts[step], counts[0])));
            let since_last: Vec<f64> = whose.iter().filter_map(|whose| since_last(*whose, step)).collect();
            let since_start: Vec<f64> =
                whose.iter().filter(|_| step > 0).filter_map(|whose| whose.seconds(0, step)).collect();
            for seconds in [since_last, since_start] {
                row.push(aggregated(Aggregate::Average, &seconds));
                row.push(median(seconds));
            }
            for measure in &funnel.measures {
                let values =
                    whose.iter().filter_map(|whose| value(self.view, &measure.of, whose.event(step)?));
                row.push(of_list(measure.aggregate, &values.collect::<Vec<_>>()));
            }
            for time in &funnel.times {
                let from = time.from_step - 1;
                let seconds: Vec<f64> = whose.iter().filter_map(|whose| whose.seconds(from, step)).collect();
                row.push(if step > from { aggregated(time.aggregate, &seconds) } else { Value::Null });
            }
            if funnel.significance.is_some() {
                let confidence = self.confidence(line, part, step);
                row.push(Value::from(confidence));
                row.push(Value::from(confidence.map(|confidence| confidence > 0.95)));
            }
            table.rows.push(row);
        }
    }

    /// F-80, F-82.
    fn confidence(&self, line: &Line, part: &Part<'_>, step: usize) -> Option<f64> {
        let significance = self.funnel.significance.as_ref()?;
        let counts = |line: &Line| Counts {
            entries: self.count(line, part, 0),
            conversions: self.count(line, part, step),
        };
        if *line == Line::Overall || step == 0 {
            return None;
        }
        let own = counts(line);
        let Some(control) = &significance.control else { return confidence(counts(&Line::Overall), own) };
        let control_line = Line::Segment(control.clone());
        if *line == control_line {
            return None;
        }
        let control = counts(&control_line);
        let both = Counts {
            entries: control.entries + own.entries,
            conversions: control.conversions + own.conversions,
        };
        confidence(both, own)
    }

    fn behind(&self, cell: &StepOf) -> BTreeSet<String> {
        let range = resolve(self.view.civil, &self.scope.range, self.view.now).span;
        let (whole, splitters) = self.whole(range);
        let of_parts = self.of_parts(range, &splitters);
        let parts = self.parts(&whole, &of_parts);
        let part = match &cell.time {
            None => Part { bucket: None, tried: &whole, starts: None },
            Some(time) => {
                let key = self.view.civil.key(self.instant(time), self.funnel.interval.unwrap());
                let part = parts.into_iter().find(|part| part.bucket.is_some_and(|bucket| bucket.key == key));
                part.unwrap_or(Part { bucket: None, tried: &[], starts: None })
            }
        };
        let line =
            if cell.segments.is_empty() { Line::Overall } else { Line::Segment(cell.segments.clone()) };
        let counted = self.counted(&line, &part);
        let reached = reached(&counted, cell.step - 1);
        let is_behind = |tried: &&&Tried| !cell.dropped_off || tried.attempt.furthest() == cell.step;
        let behind = reached.iter().filter(is_behind).map(|tried| self.streams[tried.actor].actor.clone());
        behind.collect()
    }

    fn instant(&self, instant: &Instant) -> i64 {
        match read(self.view.civil, &instant.0) {
            Said::Day(day) => self.view.civil.start_of(day),
            Said::Time(time) => time,
        }
    }
}

impl Part<'_> {
    fn has(&self, streams: &[Stream<'_>], tried: &Tried) -> bool {
        let start = streams[tried.actor].events[tried.attempt.start].time;
        self.starts.is_none_or(|span| span.contains(start))
    }
}

fn of_line<'t>(line: &Line, tried: &'t [Tried]) -> Vec<&'t Tried> {
    let is_in =
        |tried: &&Tried| *line == Line::Overall || tried.segments.iter().any(|segment| line.has(segment));
    tried.iter().filter(is_in).collect()
}

fn reached<'t>(tried: &[&'t Tried], step: usize) -> Vec<&'t Tried> {
    tried.iter().copied().filter(|tried| tried.attempt.reached[step].is_some()).collect()
}

/// The seconds since the last step reached before.
fn since_last(whose: Whose<'_>, step: usize) -> Option<f64> {
    let before = (0..step).rev().find(|before| whose.attempt.reached[*before].is_some())?;
    whose.seconds(before, step)
}

/// Null of nothing (G-13).
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn aggregated(aggregate: Aggregate, numbers: &[f64]) -> Value {
    of_list(aggregate, &numbers.iter().copied().map(Value::from).collect::<Vec<_>>())
}

fn of_list(aggregate: Aggregate, values: &[Value]) -> Value {
    match of_values(aggregate, values).as_slice() {
        [Measured { bin: None, value, text: None }] => Value::from(*value),
        _ => panic!("{} is not one number", aggregate.name()),
    }
}

fn median(mut numbers: Vec<f64>) -> Value {
    numbers.sort_by(f64::total_cmp);
    Value::from(percentile(&numbers, 50.0))
}
