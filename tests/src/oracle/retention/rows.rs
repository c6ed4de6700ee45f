//! The rows of a retention report.

use std::collections::BTreeSet;

use serde_json::Value;
use tallymark_report::{
    Aggregate, Breakdown, Instant, Question, Report, Retention, RetentionCell, RetentionMeasure, Scope,
};

use super::births::{Birth, Bracket, Cohort, all_births, brackets, cohorts};
use crate::oracle::Table;
use crate::oracle::insights::breakdown::{Segment, Splitter, segments};
use crate::oracle::insights::metric::Line;
use crate::oracle::insights::property::value;
use crate::oracle::insights::range::{Said, read, resolve};
use crate::oracle::insights::rows::view;
use crate::oracle::insights::value::number_of;
use crate::oracle::insights::world::{Subject, View, World};
use crate::oracle::insights::{OTHER, OVERALL};

/// Everything a report is asked of.
struct Asked<'a> {
    view: View<'a>,
    retention: &'a Retention,
    cohorts: Vec<Cohort<'a>>,
    brackets: Vec<Bracket>,
}

/// A cell of a row of a cohort.
#[derive(Debug, Clone, Copy)]
struct Cell {
    size: usize,
    retained: usize,
    /// Events, or the sum of a property.
    total: f64,
    is_complete: bool,
}

/// The answer to a retention report, as of an instant unless the definition names another.
pub fn answer(world: &World, report: &Report, as_of: i64) -> Table {
    let Question::Retention(retention) = &report.question else { panic!("no retention") };
    let asked = Asked::new(view(world, &report.scope, as_of), &report.scope, retention);
    let mut table = Table { columns: asked.columns(), rows: Vec::new() };
    for line in asked.lines() {
        asked.add_rows(&mut table, &line);
    }
    table
}

/// The rows without regard to segments, and of all segments but some, as one (S-27).
pub fn of_others(world: &World, report: &Report, as_of: i64, but: &[Segment]) -> Table {
    let Question::Retention(retention) = &report.question else { panic!("no retention") };
    let asked = Asked::new(view(world, &report.scope, as_of), &report.scope, retention);
    let mut table = Table { columns: asked.columns(), rows: Vec::new() };
    for line in [Line::Overall, Line::Other(but.to_vec())] {
        asked.add_rows(&mut table, &line);
    }
    table
}

/// The actors behind a number of the report (M-4).
pub fn behind(world: &World, report: &Report, as_of: i64) -> BTreeSet<String> {
    let Question::Retention(retention) = &report.question else { panic!("no retention") };
    let asked = Asked::new(view(world, &report.scope, as_of), &report.scope, retention);
    asked.behind(retention.users_of.as_ref().unwrap())
}

/// The instant that a cell says, or the start of the day.
pub(super) fn instant_of(view: View<'_>, time: &Instant) -> i64 {
    match read(view.civil, &time.0) {
        Said::Day(day) => view.civil.start_of(day),
        Said::Time(time) => time,
    }
}

impl<'a> Asked<'a> {
    fn new(view: View<'a>, scope: &'a Scope, retention: &'a Retention) -> Self {
        let range = resolve(view.civil, &scope.range, view.now).span;
        let buckets = view.civil.buckets(range, retention.unit);
        let brackets = brackets(retention, buckets.len());
        let mut cohorts = cohorts(view, scope, retention, buckets, &brackets);
        // R-32, B-10.
        let subjects = all_births(view, scope, retention, range);
        let splitters: Vec<Splitter<'_>> =
            retention.breakdowns.iter().map(|breakdown| Splitter::of(view, breakdown, &subjects)).collect();
        for birth in cohorts.iter_mut().flat_map(|cohort| &mut cohort.births) {
            birth.segments = segments(view, &splitters, Subject::of_event(birth.event));
        }
        Self { view, retention, cohorts, brackets }
    }

    fn columns(&self) -> Vec<String> {
        let labels = self.retention.breakdowns.iter().map(Breakdown::label);
        let first = ["row", "time"].map(str::to_owned).into_iter();
        let rest = ["bucket", "from", "to", "size", "retained", "rate", "value", "is_complete"];
        first.chain(labels).chain(rest.map(str::to_owned)).collect()
    }

    /// The overall, and the segments by how many were born in them (B-31).
    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::Overall];
        if self.retention.breakdowns.is_empty() {
            return lines;
        }
        let births = || self.cohorts.iter().flat_map(|cohort| &cohort.births);
        let all: BTreeSet<Segment> = births().flat_map(|birth| birth.segments.clone()).collect();
        let count = |segment: &Segment| births().filter(|birth| birth.segments.contains(segment)).count();
        let mut shown: Vec<Segment> = all.into_iter().collect();
        // Equal ones stay in the order of their labels.
        shown.sort_by_key(|segment| std::cmp::Reverse(count(segment)));
        let top = self.retention.top.unwrap_or(shown.len());
        let has_other = self.retention.other && shown.len() > top;
        shown.truncate(top);
        lines.extend(shown.iter().cloned().map(Line::Segment));
        lines.extend(has_other.then_some(Line::Other(shown)));
        lines
    }

    /// Who was born in a cohort, of a line.
    fn births<'c>(cohort: &'c Cohort<'a>, line: &Line) -> Vec<&'c Birth<'a>> {
        let is_in = |birth: &&Birth<'_>| {
            *line == Line::Overall || birth.segments.iter().any(|segment| line.has(segment))
        };
        cohort.births.iter().filter(is_in).collect()
    }

    fn add_rows(&self, table: &mut Table, line: &Line) {
        let mut cells: Vec<Vec<Cell>> = vec![Vec::new(); self.brackets.len()];
        for cohort in &self.cohorts {
            let births = Self::births(cohort, line);
            if *line != Line::Overall && births.is_empty() {
                continue;
            }
            for (bucket, cells) in cells.iter_mut().enumerate() {
                let cell = self.cell(cohort, &births, bucket);
                cells.push(cell);
                let rate = (cell.size > 0).then(|| cell.retained as f64 / cell.size as f64);
                let measured = match &self.retention.measure {
                    RetentionMeasure::Rate => rate,
                    RetentionMeasure::UniqueUsers => Some(cell.retained as f64),
                    RetentionMeasure::OfProperty { aggregate: Aggregate::Average, .. } => {
                        (cell.size > 0).then(|| cell.total / cell.size as f64)
                    }
                    RetentionMeasure::TotalEvents | RetentionMeasure::OfProperty { .. } => Some(cell.total),
                };
                let time = Value::from(cohort.bucket.key);
                self.add_row(table, line, "cohort", time, bucket, cell, [rate, measured]);
            }
        }
        for (row, is_pooled) in [("average", false), ("pooled", true)] {
            for (bucket, cells) in cells.iter().enumerate() {
                let complete: Vec<Cell> = cells.iter().filter(|cell| cell.is_complete).copied().collect();
                let all = Cell {
                    size: complete.iter().map(|cell| cell.size).sum(),
                    retained: complete.iter().map(|cell| cell.retained).sum(),
                    total: complete.iter().map(|cell| cell.total).sum(),
                    is_complete: !complete.is_empty(),
                };
                let averages = self.averages(&complete, is_pooled);
                self.add_row(table, line, row, Value::Null, bucket, all, averages);
            }
        }
    }

    /// The rate and the value of an average over rows.
    fn averages(&self, complete: &[Cell], is_pooled: bool) -> [Option<f64>; 2] {
        let sum = |of: &dyn Fn(&Cell) -> f64| complete.iter().map(of).sum::<f64>();
        let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let size = |cell: &Cell| cell.size as f64;
        let of_rates = |of: &dyn Fn(&Cell) -> f64| {
            if is_pooled {
                ratio(sum(of), sum(&size))
            } else {
                ratio(sum(&|cell| of(cell) * size(cell)), sum(&|cell| size(cell) * size(cell)))
            }
        };
        let absolute = |of: &dyn Fn(&Cell) -> f64| ratio(sum(&|cell| of(cell) * size(cell)), sum(&size));
        let (retained, total) = (|cell: &Cell| cell.retained as f64, |cell: &Cell| cell.total);
        let measured = match &self.retention.measure {
            RetentionMeasure::Rate => of_rates(&retained),
            RetentionMeasure::UniqueUsers => absolute(&retained),
            RetentionMeasure::OfProperty { aggregate: Aggregate::Average, .. } => of_rates(&total),
            RetentionMeasure::TotalEvents | RetentionMeasure::OfProperty { .. } => absolute(&total),
        };
        [of_rates(&retained), measured]
    }

    fn cell(&self, cohort: &Cohort<'_>, births: &[&Birth<'a>], bucket: usize) -> Cell {
        let counted = |birth: &&Birth<'a>| birth.counted(self.retention, bucket);
        let all: Vec<_> = births.iter().map(counted).collect();
        let events = || all.iter().flatten().copied();
        let total = match &self.retention.measure {
            RetentionMeasure::OfProperty { of, .. } => {
                let numbers =
                    events().filter_map(|event| number_of(&value(self.view, of, Subject::of_event(event))?));
                numbers.sum()
            }
            _ => events().count() as f64,
        };
        Cell {
            size: births.len(),
            retained: births.iter().filter(|birth| birth.is_retained(self.retention, bucket)).count(),
            total,
            is_complete: cohort.is_complete(self.view, self.retention, self.brackets[bucket]),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a row")]
    fn add_row(
        &self,
        table: &mut Table,
        line: &Line,
        row: &str,
        time: Value,
        bucket: usize,
        cell: Cell,
        numbers: [Option<f64>; 2],
    ) {
        let count = self.retention.breakdowns.len();
        let labels = match line {
            Line::Overall => vec![OVERALL.to_owned(); count],
            Line::Segment(segment) => segment.clone(),
            Line::Other(_) => vec![OTHER.to_owned(); count],
        };
        let Bracket { from, to } = self.brackets[bucket];
        let mut values = vec![Value::from(row), time];
        values.extend(labels.into_iter().map(Value::from));
        values.extend([bucket, from as usize, to as usize, cell.size, cell.retained].map(Value::from));
        values.extend(numbers.map(Value::from));
        values.push(Value::from(cell.is_complete));
        table.rows.push(values);
    }

    fn behind(&self, cell: &RetentionCell) -> BTreeSet<String> {
        let key = self.view.civil.key(instant_of(self.view, &cell.time), self.retention.unit);
        let line =
            if cell.segments.is_empty() { Line::Overall } else { Line::Segment(cell.segments.clone()) };
        let is_behind = |birth: &&Birth<'_>| {
            let is_retained = |bucket: u32| birth.is_retained(self.retention, bucket as usize);
            cell.bucket.is_none_or(|bucket| is_retained(bucket) != cell.dropped_off)
        };
        let cohorts = self.cohorts.iter().filter(|cohort| cohort.bucket.key == key);
        let births = cohorts.flat_map(|cohort| Self::births(cohort, &line));
        births.filter(is_behind).map(|birth| birth.actor.clone()).collect()
    }
}
