//! The answer of a funnel as a record batch.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use hashbrown::HashMap;
use tallymark_report::{Aggregate, Funnel, Scope, StepMeasure, TimeMeasure};

use super::super::asked::arrow_error;
use super::super::insights::OVERALL;
use super::super::result::free_name;
use super::super::statistics::aggregate;
use super::question::Asking;
use super::significance::{confidence, is_significant};
use super::tally::{Tallies, Tally};
use crate::Result;

/// The column of the label of the time.
const TIME_TO_CONVERT: &str = "time_to_convert";
/// The column of the event at the step that is compared (F-77).
const ALTERNATIVE: &str = "alternative";

/// The columns: see [`super::super::schema`].
pub(in super::super) fn schema(scope: &Scope, funnel: &Funnel) -> Result<SchemaRef> {
    if funnel.explain.is_some() {
        return super::explain::schema(scope);
    }
    let zone = scope.zone()?;
    let mut fields = Vec::new();
    if funnel.interval.is_some() {
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some(zone.name().into()));
        fields.push(Field::new("time", time, false));
    }
    if funnel.compare.is_some() {
        fields.push(Field::new(ALTERNATIVE, DataType::Utf8, false));
    }
    for breakdown in &funnel.breakdowns {
        fields.push(Field::new(free_name(&breakdown.label(), &fields), DataType::Utf8, false));
    }
    if funnel.time_buckets.is_some() {
        fields.push(Field::new(free_name(TIME_TO_CONVERT, &fields), DataType::Utf8, false));
    }
    let mut add = |name: &str, data_type: DataType, is_nullable: bool| {
        let field = Field::new(free_name(name, &fields), data_type, is_nullable);
        fields.push(field);
    };
    add("step", DataType::Int64, false);
    add("event", DataType::Utf8, false);
    add("count", DataType::Int64, false);
    for name in [
        "step_conversion",
        "conversion",
        "average_time_s",
        "median_time_s",
        "average_time_from_start_s",
        "median_time_from_start_s",
    ] {
        add(name, DataType::Float64, true);
    }
    let measures = funnel.measures.iter().map(StepMeasure::label);
    for name in measures.chain(funnel.times.iter().map(TimeMeasure::label)) {
        add(&name, DataType::Float64, true);
    }
    if funnel.significance.is_some() {
        add("confidence", DataType::Float64, true);
        add("significant", DataType::Boolean, true);
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The answers to funnels that are compared, one after the other, each with what it is called (F-77).
pub(super) fn side_by_side(
    scope: &Scope,
    funnel: &Funnel,
    answers: Vec<(String, RecordBatch)>,
) -> Result<RecordBatch> {
    let schema = schema(scope, funnel)?;
    let place = usize::from(funnel.interval.is_some());
    let labelled = answers.into_iter().map(|(label, answer)| {
        let mut columns = answer.columns().to_vec();
        columns.insert(place, Arc::new(StringArray::from(vec![label; answer.num_rows()])));
        RecordBatch::try_new(Arc::clone(&schema), columns).map_err(arrow_error)
    });
    concat_batches(&schema, &labelled.collect::<Result<Vec<_>>>()?).map_err(arrow_error)
}

/// Columns that grow, in the order of the schema.
#[derive(Default)]
struct Columns {
    times: Vec<i64>,
    labels: Vec<Vec<String>>,
    steps: Vec<i64>,
    events: Vec<String>,
    counts: Vec<i64>,
    numbers: Vec<Vec<Option<f64>>>,
    confidence: Vec<Option<f64>>,
}

/// `segments` are those shown, without the label of the time, in order.
pub(super) fn batch(asking: &Asking<'_>, segments: &[Vec<String>], tallies: Tallies) -> Result<RecordBatch> {
    let Asking { scope, funnel, .. } = asking;
    let Tallies { mut overall, segments: mut found, time_labels, .. } = tallies;
    let label_count = funnel.breakdowns.len() + usize::from(funnel.time_buckets.is_some());
    let mut listed: Vec<Vec<String>> = Vec::new();
    if label_count > 0 {
        let ranks: HashMap<&[String], usize> =
            segments.iter().enumerate().map(|(rank, labels)| (labels.as_slice(), rank)).collect();
        let rank = |labels: &[String]| ranks.get(&labels[..funnel.breakdowns.len()]).copied();
        let place = |labels: &Vec<String>| {
            // What is beyond comes last.
            let time = labels.get(funnel.breakdowns.len()).and_then(|label| time_labels.get(label));
            (rank(labels).unwrap_or(usize::MAX), time.copied())
        };
        let started = |tallies: &[Tally]| tallies.iter().any(|tally| tally.started() > 0);
        let is_shown = |labels: &[String]| {
            let of_breakdowns = &labels[..funnel.breakdowns.len()];
            // Without breakdowns there is nothing that is not shown.
            rank(labels).is_some() || of_breakdowns.iter().all(|label| label == super::OTHER)
        };
        listed = found
            .iter()
            .filter(|(labels, tallies)| labels.len() == label_count && started(tallies) && is_shown(labels))
            .map(|(labels, _)| labels.clone())
            .collect();
        listed.sort_by_cached_key(|labels| (place(labels), labels.clone()));
    }
    // F-80, F-82: what segments are compared with, before it is taken.
    let significance = funnel.significance.as_ref();
    let control = significance.and_then(|significance| significance.control.as_ref());
    let counts = |tallies: &[Tally]| tallies.iter().map(|tally| tally.counts.clone()).collect::<Vec<_>>();
    let compared_with = match control {
        _ if significance.is_none() => Vec::new(),
        None => counts(&overall),
        Some(control) => found.get(control).map(|tallies| counts(tallies)).unwrap_or_default(),
    };
    let mut columns = Columns { labels: vec![Vec::new(); label_count], ..Columns::default() };
    let rows = std::iter::once(None).chain(listed.into_iter().map(Some));
    for labels in rows {
        let tallies = match &labels {
            None => std::mem::take(&mut overall),
            Some(labels) => found.remove(labels).unwrap_or_default(),
        };
        let mut tallies = tallies.into_iter();
        for bucket in 0..asking.buckets.len() {
            let tally = tallies.next().unwrap_or_default();
            let of_bucket = compared_with.get(bucket).map_or(&[][..], Vec::as_slice);
            let population = match (&labels, control) {
                (Some(_), None) => Some(of_bucket.to_vec()),
                (Some(labels), Some(control)) if labels != control => {
                    let both = |step| count(&tally, step) + of_bucket.get(step).copied().unwrap_or(0);
                    Some((0..funnel.steps.len()).map(both).collect())
                }
                _ => None,
            };
            columns.add(asking, labels.as_ref(), bucket, tally, population.as_deref());
        }
    }
    columns.finish(scope, funnel)
}

fn count(tally: &Tally, step: usize) -> u64 {
    tally.counts.get(step).copied().unwrap_or(0)
}

fn share(of: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| of as f64 / all as f64)
}

impl Columns {
    fn add(
        &mut self,
        asking: &Asking<'_>,
        labels: Option<&Vec<String>>,
        bucket: usize,
        mut tally: Tally,
        population: Option<&[u64]>,
    ) {
        let funnel = asking.funnel;
        // Milliseconds are exact in f64 for 280,000 years.
        let seconds = |of: Aggregate, times: Option<&mut Vec<i64>>| {
            let numbers = times.into_iter().flatten().map(|millis| *millis as f64).collect();
            let scale = if of == Aggregate::Variance { 1e6 } else { 1e3 };
            let value = aggregate(of, numbers)?;
            Some(if of == Aggregate::Count { value } else { value / scale })
        };
        let median = Aggregate::Percentile(50.0);
        // The required step before.
        let mut before = 0;
        for (step, (of_step, event)) in funnel.steps.iter().zip(funnel.step_labels()).enumerate() {
            self.times.push(asking.buckets[bucket]);
            for (at, column) in self.labels.iter_mut().enumerate() {
                column.push(labels.map_or_else(|| OVERALL.to_owned(), |labels| labels[at].clone()));
            }
            self.steps.push(step as i64 + 1);
            self.events.push(event);
            let reached = count(&tally, step);
            self.counts.push(reached as i64);
            let mut numbers = vec![None, share(reached, count(&tally, 0))];
            if step == 0 {
                numbers.extend([None; 4]);
            } else {
                numbers[0] = share(reached, count(&tally, before));
                for times in [&mut tally.from_previous, &mut tally.from_start] {
                    numbers.push(seconds(Aggregate::Average, times.get_mut(step)));
                    numbers.push(seconds(median, times.get_mut(step)));
                }
            }
            if !of_step.optional {
                before = step;
            }
            for (at, measure) in funnel.measures.iter().enumerate() {
                let values = tally.numbers.get_mut(at).map(|steps| std::mem::take(&mut steps[step]));
                numbers.push(aggregate(measure.aggregate, values.unwrap_or_default()));
            }
            for (at, time) in funnel.times.iter().enumerate() {
                let times = tally.times.get_mut(at).map(|steps| &mut steps[step]);
                // Of the step itself and those before there is no time.
                let is_later = step + 1 > time.from_step;
                numbers.push(if is_later { seconds(time.aggregate, times) } else { None });
            }
            self.numbers.resize_with(numbers.len(), Vec::new);
            self.numbers.iter_mut().zip(numbers).for_each(|(column, number)| column.push(number));
            let compared = population.filter(|_| step > 0).and_then(|population| {
                let of = |step: usize| population.get(step).copied().unwrap_or(0);
                confidence(tally.started(), reached, of(0), of(step))
            });
            self.confidence.push(compared);
        }
    }

    fn finish(self, scope: &Scope, funnel: &Funnel) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        if funnel.interval.is_some() {
            let times = TimestampMillisecondArray::from(self.times);
            columns.push(Arc::new(times.with_timezone(scope.zone()?.name())));
        }
        for labels in self.labels {
            columns.push(Arc::new(StringArray::from(labels)));
        }
        columns.push(Arc::new(Int64Array::from(self.steps)));
        columns.push(Arc::new(StringArray::from(self.events)));
        columns.push(Arc::new(Int64Array::from(self.counts)));
        for numbers in self.numbers {
            columns.push(Arc::new(Float64Array::from(numbers)));
        }
        if funnel.significance.is_some() {
            let significant: BooleanArray =
                self.confidence.iter().map(|confidence| confidence.map(is_significant)).collect();
            columns.push(Arc::new(Float64Array::from(self.confidence)));
            columns.push(Arc::new(significant));
        }
        RecordBatch::try_new(schema(scope, funnel)?, columns).map_err(arrow_error)
    }
}
