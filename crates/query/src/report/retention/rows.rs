//! The columns of the answer: rows of births, and averages over them (R-20 … R-22).

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tallymark_report::{Aggregate, Alignment, Retention, RetentionMeasure, Scope};

use super::super::asked::arrow_error;
use super::super::insights::OVERALL;
use super::super::result::free_name;
use super::tally::{Row, Tally};
use super::walk::rolling_ms;
use super::{OfSegment, Prepared};
use crate::Result;

/// The columns: see [`super::super::schema`].
pub(in super::super) fn schema(scope: &Scope, retention: &Retention) -> Result<SchemaRef> {
    let zone = scope.zone()?;
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some(zone.name().into()));
    let fixed = [
        Field::new("bucket", DataType::Int64, false),
        Field::new("from", DataType::Int64, false),
        Field::new("to", DataType::Int64, false),
        Field::new("size", DataType::Int64, false),
        Field::new("retained", DataType::Int64, false),
        Field::new("rate", DataType::Float64, true),
        Field::new("value", DataType::Float64, true),
        Field::new("is_complete", DataType::Boolean, false),
    ];
    let mut fields = vec![Field::new("row", DataType::Utf8, false), Field::new("time", time, true)];
    for breakdown in &retention.breakdowns {
        let taken: Vec<Field> = fields.iter().chain(&fixed).cloned().collect();
        fields.push(Field::new(free_name(&breakdown.label(), &taken), DataType::Utf8, false));
    }
    fields.extend(fixed);
    Ok(Arc::new(Schema::new(fields)))
}

/// The answer; `segments` are in order of rank.
pub(super) fn batch(
    scope: &Scope,
    retention: &Retention,
    prepared: &Prepared,
    overall: Vec<Tally>,
    segments: Vec<OfSegment>,
    as_of: i64,
) -> Result<RecordBatch> {
    let mut columns = Columns::new(retention);
    let complete = Completeness { prepared, as_of };
    let everybody = vec![OVERALL.to_owned(); retention.breakdowns.len()];
    let mut rows = overall;
    rows.resize(prepared.row_count, Tally::default());
    columns.add(prepared, &complete, &everybody, rows, true);
    for (labels, rows) in segments {
        columns.add(prepared, &complete, &labels, rows, false);
    }
    columns.finish(scope, retention)
}

/// Whether all who were born in a row have had the time of a bucket.
pub(super) fn is_complete(prepared: &Prepared, row: usize, bucket: usize, as_of: i64) -> bool {
    Completeness { prepared, as_of }.is_complete(row, bucket)
}

///
struct Completeness<'a> {
    prepared: &'a Prepared,
    as_of: i64,
}

impl Completeness<'_> {
    fn is_complete(&self, row: usize, bucket: usize) -> bool {
        let walk = &self.prepared.walk;
        let (_, end) = walk.buckets.units(bucket);
        let over = match walk.alignment {
            Alignment::Rolling => {
                let end = i64::try_from(end).unwrap_or(i64::MAX).saturating_mul(rolling_ms(walk.unit));
                walk.units.end(row).map(|row_end| row_end.saturating_add(end))
            }
            Alignment::Calendar => usize::try_from(end)
                .ok()
                .and_then(|end| walk.units.end(row.checked_add(end)?.checked_sub(1)?)),
        };
        over.is_some_and(|over| over <= self.as_of)
    }
}

/// Sums over the complete rows, with sizes p, retained c and amounts v.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    any: bool,
    p: f64,
    p_p: f64,
    c: f64,
    c_p: f64,
    v: f64,
    v_p: f64,
}

struct Columns<'a> {
    measure: &'a RetentionMeasure,
    rows: StringBuilder,
    times: TimestampMillisecondBuilder,
    labels: Vec<StringBuilder>,
    buckets: [Int64Builder; 3],
    sizes: Int64Builder,
    retained: Int64Builder,
    rates: Float64Builder,
    values: Float64Builder,
    complete: BooleanBuilder,
}

/// G-13.
fn ratio(of: f64, by: f64) -> Option<f64> {
    (by != 0.0).then(|| of / by)
}

impl<'a> Columns<'a> {
    fn new(retention: &'a Retention) -> Self {
        Self {
            measure: &retention.measure,
            rows: StringBuilder::new(),
            times: TimestampMillisecondBuilder::new(),
            labels: retention.breakdowns.iter().map(|_| StringBuilder::new()).collect(),
            buckets: std::array::from_fn(|_| Int64Builder::new()),
            sizes: Int64Builder::new(),
            retained: Int64Builder::new(),
            rates: Float64Builder::new(),
            values: Float64Builder::new(),
            complete: BooleanBuilder::new(),
        }
    }

    /// The rows of a segment, then its averages.
    fn add(
        &mut self,
        prepared: &Prepared,
        complete: &Completeness<'_>,
        labels: &[String],
        rows: Vec<Tally>,
        all_rows: bool,
    ) {
        let buckets = prepared.buckets();
        let mut sums = vec![Sums::default(); buckets.count()];
        for (at, tally) in rows.into_iter().enumerate().filter(|(_, tally)| all_rows || tally.size > 0) {
            let row = tally.finish(prepared.walk.criterion, buckets.count());
            let time = prepared.walk.units.starts().get(at).copied();
            for (bucket, sums) in sums.iter_mut().enumerate() {
                let is_complete = complete.is_complete(at, bucket);
                self.key("cohort", time, labels, buckets.units(bucket), bucket);
                self.cohort(&row, bucket, is_complete);
                if is_complete {
                    sums.add(row.size as f64, row.retained[bucket] as f64, row.amounts[bucket]);
                }
            }
        }
        for (name, is_pooled) in [("average", false), ("pooled", true)] {
            for (bucket, sums) in sums.iter().enumerate() {
                self.key(name, None, labels, buckets.units(bucket), bucket);
                self.average(sums, is_pooled);
            }
        }
    }

    fn key(&mut self, name: &str, time: Option<i64>, labels: &[String], units: (u64, u64), bucket: usize) {
        self.rows.append_value(name);
        self.times.append_option(time);
        for (column, label) in self.labels.iter_mut().zip(labels) {
            column.append_value(label);
        }
        for (column, number) in self.buckets.iter_mut().zip([bucket as u64, units.0, units.1]) {
            column.append_value(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    fn cohort(&mut self, row: &Row, bucket: usize, is_complete: bool) {
        let (size, retained, amount) = (row.size as f64, row.retained[bucket], row.amounts[bucket]);
        let rate = ratio(retained as f64, size);
        self.sizes.append_value(row.size as i64);
        self.retained.append_value(retained as i64);
        self.rates.append_option(rate);
        self.values.append_option(match self.measure {
            RetentionMeasure::Rate => rate,
            RetentionMeasure::UniqueUsers => Some(retained as f64),
            //
            RetentionMeasure::OfProperty { aggregate: Aggregate::Average, .. } => ratio(amount, size),
            RetentionMeasure::TotalEvents | RetentionMeasure::OfProperty { .. } => Some(amount),
        });
        self.complete.append_value(is_complete);
    }

    fn average(&mut self, sums: &Sums, is_pooled: bool) {
        //
        let mean = |of: f64, of_p: f64| if is_pooled { ratio(of, sums.p) } else { ratio(of_p, sums.p_p) };
        let rate = mean(sums.c, sums.c_p);
        self.sizes.append_value(sums.p as i64);
        self.retained.append_value(sums.c as i64);
        self.rates.append_option(rate);
        self.values.append_option(match self.measure {
            RetentionMeasure::Rate => rate,
            RetentionMeasure::OfProperty { aggregate: Aggregate::Average, .. } => mean(sums.v, sums.v_p),
            //
            RetentionMeasure::UniqueUsers => ratio(sums.c_p, sums.p),
            RetentionMeasure::TotalEvents | RetentionMeasure::OfProperty { .. } => ratio(sums.v_p, sums.p),
        });
        self.complete.append_value(sums.any);
    }

    fn finish(mut self, scope: &Scope, retention: &Retention) -> Result<RecordBatch> {
        let times = self.times.finish().with_timezone(scope.zone()?.name());
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.rows.finish()), Arc::new(times)];
        columns.extend(self.labels.iter_mut().map(|labels| Arc::new(labels.finish()) as ArrayRef));
        columns.extend(self.buckets.iter_mut().map(|numbers| Arc::new(numbers.finish()) as ArrayRef));
        columns.push(Arc::new(self.sizes.finish()));
        columns.push(Arc::new(self.retained.finish()));
        columns.push(Arc::new(self.rates.finish()));
        columns.push(Arc::new(self.values.finish()));
        columns.push(Arc::new(self.complete.finish()));
        RecordBatch::try_new(schema(scope, retention)?, columns).map_err(arrow_error)
    }
}

impl Sums {
    fn add(&mut self, p: f64, c: f64, v: f64) {
        self.any = true;
        self.p += p;
        self.p_p += p * p;
        self.c += c;
        self.c_p += c * p;
        self.v += v;
        self.v_p += v * p;
    }
}
