//! Funnels and retention as metrics (S-26, S-27): answered by their own reports, told bucket by bucket.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMillisecondType};
use chrono::{DateTime, SecondsFormat};
use tallymark_report::{
    Aggregate, CellOf, DateRange, Funnel, Insights, Instant, Instants, Metric, Retention, RetentionMeasure,
    Scope, StepOf,
};

use super::super::asked::{Asked, arrow_error};
use super::super::{funnel, retention};
use super::OVERALL;
use super::measure::Cell;
use crate::Result;

/// What a metric is in each segment.
#[derive(Debug, Default)]
pub(super) struct OfSegments {
    /// Without regard to segments.
    pub(super) overall: Vec<Cell>,
    pub(super) segments: BTreeMap<Vec<String>, Vec<Cell>>,
    /// How many entered it, or were born, in the whole time (B-31).
    pub(super) entered: BTreeMap<Vec<String>, f64>,
}

/// Whether a metric is one of these.
pub(super) fn is_of_behaviour(metric: &Metric) -> bool {
    metric.funnel.is_some() || metric.retention.is_some()
}

/// What a metric is in a range, after what it is in the intervals before (S-73), which know nothing of
/// what the report's range clips (G-5). All segments but those that are `told` are one, if that is said.
pub(super) async fn measured(
    asked: &Asked,
    scope: &Scope,
    insights: &Insights,
    metric: &Metric,
    before: &Instants,
    range: &Instants,
    told: Option<&[Vec<String>]>,
) -> Result<OfSegments> {
    let mut found = OfSegments::default();
    if let Some(unit) = insights.interval.filter(|_| before.from < range.from) {
        let to = asked.calendar.bucket(range.from, unit);
        let earlier = Instants { from: before.from, to, days: None };
        found.add(asked, scope, insights, metric, &earlier, told).await?;
    }
    found.add(asked, scope, insights, metric, range, told).await?;
    Ok(found)
}

/// Who is behind a number of such a metric (M-4): reached the step that is measured, or is retained in the
/// bucket. Segments that are not `told` are one, if that is said.
pub(super) async fn behind(
    asked: &Asked,
    scope: &Scope,
    insights: &Insights,
    (metric, cell): (&Metric, &CellOf),
    told: Option<&[Vec<String>]>,
) -> Result<BTreeSet<String>> {
    if let Some(funnel) = insights.funnel_of(metric) {
        let step = StepOf {
            step: metric.step.unwrap_or(funnel.steps.len()),
            dropped_off: false,
            time: cell.time.clone(),
            segments: cell.segments.clone(),
        };
        let funnel = Funnel { users_of: Some(step), ..funnel };
        return Box::pin(funnel::users(asked, scope, &funnel, told)).await;
    }
    let Some(retention) = insights.retention_of(metric) else { return Ok(BTreeSet::new()) };
    let calendar = asked.calendar;
    let interval = match (&cell.time, insights.interval) {
        (Some(time), Some(unit)) => {
            let inside = calendar.start_of(time).map_err(|error| error.within("users_of.time"))?;
            Some((unit, calendar.bucket(inside, unit)))
        }
        _ => None,
    };
    let begins = |start: i64| interval.is_none_or(|(unit, bucket)| calendar.bucket(start, unit) == bucket);
    let segment = cell.segments.iter().any(|label| label != OVERALL).then(|| cell.segments.clone());
    let rows = (metric.bucket() as usize, begins);
    Box::pin(retention::retained(asked, scope, &retention, rows, segment, told)).await
}

/// The instants of a range as a definition says them; the end is not included (G-4).
fn range_of(range: &Instants) -> DateRange {
    let instant = |millis: i64| {
        let time = DateTime::from_timestamp_millis(millis).unwrap_or_default();
        Instant(time.to_rfc3339_opts(SecondsFormat::Millis, true))
    };
    DateRange::Between(instant(range.from), instant(range.to))
}

impl OfSegments {
    async fn add(
        &mut self,
        asked: &Asked,
        scope: &Scope,
        insights: &Insights,
        metric: &Metric,
        range: &Instants,
        told: Option<&[Vec<String>]>,
    ) -> Result<()> {
        let scope = Scope { range: range_of(range), ..scope.clone() };
        if let Some(funnel) = insights.funnel_of(metric) {
            let answer = match told {
                None => Box::pin(funnel::run(asked, &scope, &funnel)).await?,
                Some(told) => Box::pin(funnel::of_segments(asked, &scope, &funnel, told)).await?,
            };
            return self.add_funnel(metric, &funnel, &answer);
        }
        if let Some(of) = insights.retention_of(metric) {
            let answer = Box::pin(retention::answer(asked, &scope, &of, told)).await?;
            self.add_retention(asked, insights, metric, &of, &answer);
        }
        Ok(())
    }

    fn add_funnel(&mut self, metric: &Metric, funnel: &Funnel, answer: &RecordBatch) -> Result<()> {
        let steps = funnel.steps.len();
        let wanted = metric.step.unwrap_or(steps) as i64;
        let first_label = usize::from(funnel.interval.is_some());
        let step_column = first_label + funnel.breakdowns.len();
        let (step, count) = (step_column, step_column + 2);
        let times = funnel.interval.map(|_| answer.column(0).as_primitive::<TimestampMillisecondType>());
        let values = cast(answer.column(count + metric.value_position()), &DataType::Float64);
        let values = values.map_err(arrow_error)?;
        let values = values.as_primitive::<Float64Type>();
        let step = answer.column(step).as_primitive::<Int64Type>();
        let counts = answer.column(count).as_primitive::<Int64Type>();
        let labels = Labels::of(answer, first_label, funnel.breakdowns.len());
        // What there is without regard to segments comes first; it has each step of each bucket once.
        let buckets = times.map_or(1, |times| times.values().iter().collect::<BTreeSet<_>>().len());
        let overall_rows = buckets * steps;
        for row in 0..answer.num_rows() {
            let is_overall = row < overall_rows;
            if !is_overall && step.value(row) == 1 {
                *self.entered.entry(labels.row(row)).or_default() += counts.value(row) as f64;
            }
            if step.value(row) != wanted {
                continue;
            }
            let value = values.is_valid(row).then(|| values.value(row));
            let bucket = times.map(|times| times.value(row));
            self.put(bucket, (!is_overall).then(|| labels.row(row)), value);
        }
        Ok(())
    }

    ///
    fn add_retention(
        &mut self,
        asked: &Asked,
        insights: &Insights,
        metric: &Metric,
        of: &Retention,
        answer: &RecordBatch,
    ) {
        let kinds = answer.column(0).as_string::<i32>();
        let times = answer.column(1).as_primitive::<TimestampMillisecondType>();
        let labels = Labels::of(answer, 2, of.breakdowns.len());
        let numbers = |at: usize| answer.column(2 + of.breakdowns.len() + at).as_primitive::<Int64Type>();
        let (buckets, sizes, retained) = (numbers(0), numbers(3), numbers(4));
        let values = answer.column(2 + of.breakdowns.len() + 6).as_primitive::<Float64Type>();
        let is_complete = answer.column(2 + of.breakdowns.len() + 7).as_boolean();
        let bucket_of = |time: i64| insights.interval.map(|unit| asked.calendar.bucket(time, unit));
        let mut sums: BTreeMap<Option<Vec<String>>, BTreeMap<Option<i64>, Sums>> = BTreeMap::new();
        // Rows without regard to segments come first, and end with their averages.
        let mut is_overall = true;
        for row in 0..answer.num_rows() {
            let is_row = kinds.value(row) == "cohort";
            if !is_row {
                is_overall = false;
            }
            if !is_row || buckets.value(row) != i64::from(metric.bucket()) {
                continue;
            }
            let segment = (!is_overall).then(|| labels.row(row));
            if let Some(labels) = &segment {
                *self.entered.entry(labels.clone()).or_default() += sizes.value(row) as f64;
            }
            let sums = sums.entry(segment).or_default().entry(bucket_of(times.value(row))).or_default();
            // what is not complete is not known.
            if is_complete.value(row) {
                sums.is_known = true;
                sums.size += sizes.value(row) as f64;
                sums.retained += retained.value(row) as f64;
                if values.is_valid(row) {
                    sums.value += values.value(row);
                    sums.weighted += values.value(row) * sizes.value(row) as f64;
                }
            }
        }
        let known: Vec<Option<i64>> = sums
            .get(&None)
            .into_iter()
            .flatten()
            .filter_map(|(bucket, sums)| sums.is_known.then_some(*bucket))
            .collect();
        for (segment, mut of_buckets) in sums {
            // In a segment nobody may be born while it is known how many come back.
            for bucket in &known {
                of_buckets.entry(*bucket).or_default().is_known = true;
            }
            for (bucket, sums) in of_buckets {
                self.put(bucket, segment.clone(), sums.value(&of.measure));
            }
        }
    }

    fn put(&mut self, bucket: Option<i64>, segment: Option<Vec<String>>, value: Option<f64>) {
        let cell = |segments: Vec<String>| Cell { segments, bucket, of: None, text: None, value };
        match segment {
            None => self.overall.push(cell(Vec::new())),
            Some(labels) => self.segments.entry(labels.clone()).or_default().push(cell(labels)),
        }
    }
}

/// The labels of breakdowns in an answer.
struct Labels<'a> {
    answer: &'a RecordBatch,
    first: usize,
    count: usize,
}

impl<'a> Labels<'a> {
    fn of(answer: &'a RecordBatch, first: usize, count: usize) -> Self {
        Self { answer, first, count }
    }

    fn row(&self, row: usize) -> Vec<String> {
        let columns = self.first..self.first + self.count;
        columns.map(|at| self.answer.column(at).as_string::<i32>().value(row).to_owned()).collect()
    }
}

/// The rows of retention that begin in a bucket, put together.
#[derive(Debug, Default)]
struct Sums {
    /// Whether some of them is complete.
    is_known: bool,
    size: f64,
    retained: f64,
    value: f64,
    /// Of values per user, each times its users.
    weighted: f64,
}

impl Sums {
    fn value(&self, measure: &RetentionMeasure) -> Option<f64> {
        let per_user = |of: f64| (self.size > 0.0).then(|| of / self.size);
        match measure {
            _ if !self.is_known => None,
            RetentionMeasure::Rate => per_user(self.retained),
            RetentionMeasure::UniqueUsers => Some(self.retained),
            RetentionMeasure::OfProperty { aggregate: Aggregate::Average, .. } => per_user(self.weighted),
            RetentionMeasure::TotalEvents | RetentionMeasure::OfProperty { .. } => Some(self.value),
        }
    }
}
