//! One metric → what was measured, for each segment and bucket.
//!
//! The plan is one DataFusion can run over segments in memory: a scan with all filters, what the
//! events are grouped by as expressions, lists taken apart where there are any, and one or two
//! aggregations.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimestampMillisecondType};
use datafusion::common::{Column, ScalarValue};
use datafusion::functions_aggregate::expr_fn as aggregate;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::prelude::DataFrame;
use tallymark_event::columns::{SEQUENCE, TIME, USER_ID};
use tallymark_report::{
    Aggregate, Breakdown, CastType, CountOnce, Filter, Instants, Measure, Metric, PerUser, Property, Unit,
};

use super::super::asked::{Asked, arrow_error, column, instant, plan_error};
use super::super::computed::Window;
use super::super::computed::attribution::{self, CREDIT};
use super::super::convert::TEXT;
use super::super::segments::{Ranges, Segment};
use crate::Result;
use crate::functions::made::call;
use crate::functions::{percentile_cont_exact_udaf, time_bucket};
use crate::steps::Steps;

pub(super) const BUCKET: &str = "bucket";
pub(in super::super) const USER: &str = "user";
pub(super) const VALUE: &str = "value";
/// Of two aggregations, what the first one gives.
const INNER: &str = "inner";

pub(super) fn segment_column(at: usize) -> String {
    format!("segment_{at}")
}

/// What is to be measured in one go.
#[derive(Debug, Clone)]
pub(in super::super) struct Question<'a> {
    pub(in super::super) metric: &'a Metric,
    /// The filter of the whole report.
    pub(in super::super) filter: Option<&'a Filter>,
    pub(super) range: Instants,
    pub(super) interval: Option<Unit>,
    pub(super) breakdowns: &'a [Breakdown],
    /// See [`Asked::segments`].
    pub(super) automatic: BTreeMap<usize, Option<Ranges>>,
    /// Only events with a combination of labels that is none of these, all in one segment (B-30).
    pub(super) except: Option<&'a [Vec<String>]>,
    /// Of the range this is left out: what lies before the range of the report in its first bucket,
    /// which is clipped (G-5), where buckets before are wanted too (S-73).
    pub(super) left_out: Option<(i64, i64)>,
    /// The interval of the report, also where the whole range is measured: what users do in a bucket
    /// is asked for the buckets of the report.
    pub(super) report_interval: Option<Unit>,
}

impl Question<'_> {
    /// Whether credit is counted instead of events.
    fn is_credited(&self) -> bool {
        self.breakdowns.iter().any(|breakdown| {
            matches!(breakdown, Breakdown::Property { property: Property::Attributed { .. }, .. })
        })
    }
}

/// Something that was measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    /// The labels, one a breakdown.
    pub(super) segments: Vec<String>,
    /// The start of the bucket.
    pub(super) bucket: Option<i64>,
    /// The value that so many have, where a distribution is measured.
    pub(super) of: Option<f64>,
    /// The same, or what was measured, where it is a text.
    pub(super) text: Option<String>,
    pub(super) value: Option<f64>,
}

impl Asked {
    /// The same for a question: what users do in a time is that of its time.
    pub(super) fn within_time_of(&self, question: &Question<'_>) -> Cow<'_, Self> {
        if !self.computed.iter().any(|(property, _)| matches!(property, Property::PerUser { .. })) {
            return Cow::Borrowed(self);
        }
        let Question { range, report_interval, left_out, .. } = *question;
        let window = Some(Window { range, interval: report_interval, left_out });
        Cow::Owned(Self { window, ..self.clone() })
    }

    /// Everything measured where there were events; what is missing had none.
    pub(super) async fn measured(&self, question: &Question<'_>) -> Result<Vec<Cell>> {
        let (plan, keys) = self.prepared(question).await?;
        let segment_count = if question.except.is_some() { 0 } else { question.breakdowns.len() };
        let segments = self.showing(question).segments(question.breakdowns, &question.automatic)?;
        let plan = match (question.except, question.metric.count_once) {
            (Some(shown), Some(once)) if counts_once(question.metric) => {
                // Whose only segment is not shown.
                let users = of_users_once(plan, once, keys.clone(), &segments)?;
                // Users were unique before lists of labels were taken apart, and DataFusion takes them for
                // unique still: grouped by them alone, all but one label of each would be lost.
                let user =
                    call("user", TEXT, vec![column(USER)], |args| Ok(cast(&args[0], &TEXT)?)).alias(USER);
                let mut of_user = keys.clone();
                of_user.extend(credited_columns(&segments));
                let projected: Vec<Expr> = of_user.iter().cloned().chain([user]).collect();
                of_user.push(column(USER));
                users
                    .filter(is_other(segments.len(), shown))
                    .and_then(|plan| plan.project(projected))
                    .and_then(|plan| plan.aggregate(of_user, Vec::<Expr>::new()))
                    .and_then(|plan| plan.aggregate(keys, [counted(&segments).alias(VALUE)]))
                    .map_err(plan_error)?
            }
            _ => aggregated(plan, question.metric, keys, &segments)?,
        };
        let mut cells = read_cells(&self.collect(plan).await?, segment_count)?;
        if question.is_credited() {
            for cell in &mut cells {
                cell.value = cell.value.map(attribution::rounded);
            }
        }
        Ok(cells)
    }

    pub(in super::super) async fn collect(&self, plan: LogicalPlanBuilder) -> Result<Vec<RecordBatch>> {
        let plan = plan.build().map_err(plan_error)?;
        let run = async {
            let frame = DataFrame::new(self.state.clone(), plan);
            let Some(steps) = Steps::of(&self.state) else { return frame.collect().await };
            let (context, plan) = (Arc::new(frame.task_ctx()), frame.create_physical_plan().await?);
            steps.add(Arc::clone(&plan));
            datafusion::physical_plan::collect(plan, context).await
        };
        run.await.map_err(|source| crate::Error::Run { source })
    }

    /// The events of a metric: all its filters.
    pub(super) async fn chosen(&self, question: &Question<'_>) -> Result<Expr> {
        let Question { metric, filter, range, .. } = question;
        let Some(selector) = &metric.event else { return Ok(lit(false)) };
        let mut chosen = self.within(range).and(self.selects(selector)?);
        if let Some((from, to)) = question.left_out {
            chosen = chosen.and(column(TIME).lt(instant(from)).or(column(TIME).gt_eq(instant(to))));
        }
        for filter in metric.filter.iter().chain(*filter) {
            chosen = chosen.and(self.filter(filter)?);
        }
        if let Some(first_time) = selector.first_time {
            chosen = chosen.and(self.is_first(metric, first_time).await?);
        }
        Ok(chosen)
    }

    /// The events of a question with what is needed of each, and the keys they are grouped by.
    pub(super) async fn prepared(&self, question: &Question<'_>) -> Result<(LogicalPlanBuilder, Vec<Expr>)> {
        let Question { metric, interval, breakdowns, automatic, except, .. } = question;
        let measure = &metric.measure;
        let showing = self.showing(question);
        let segments = showing.segments(breakdowns, automatic)?;
        let actor = self.counted(metric).await?;
        let mut chosen = self.chosen(question).await?;
        let of_actors = is_of_actors(measure);
        if of_actors && !actor.is_list {
            chosen = chosen.and(actor.label.clone().is_not_null());
        } else if !of_actors {
            chosen = chosen.and(self.is_attributed(metric)?);
        }
        let value = showing.value(measure)?;

        // What is needed of each event.
        let mut projected: Vec<Expr> = Vec::new();
        if let Some(unit) = interval {
            projected.push(time_bucket::of(*unit, column(TIME), self.calendar).alias(BUCKET));
        }
        for (at, segment) in segments.iter().enumerate() {
            projected.push(segment.label.clone().alias(segment_column(at)));
        }
        if of_actors {
            projected.push(actor.label.clone().alias(USER));
        }
        if let Some(value) = &value {
            projected.push(value.label.clone().alias(VALUE));
        }
        if needs_order(metric) || except.is_some() {
            projected.push(column(TIME));
            projected.push(self.order().alias(SEQUENCE));
        }
        if projected.is_empty() {
            projected.push(lit(1i64).alias("one"));
        }
        let mut plan =
            self.scan()?.filter(chosen).and_then(|plan| plan.project(projected)).map_err(plan_error)?;
        // B-4 looks at the first event, with all its labels.
        let segments_later = counts_once(metric);
        if !segments_later {
            plan = apart(plan, &segments)?;
        }
        if of_actors && actor.is_list {
            plan = plan
                .unnest_column(USER)
                .and_then(|plan| plan.filter(column(USER).is_not_null()))
                .map_err(plan_error)?;
        }
        if let Some(except) = except.filter(|_| !segments_later) {
            plan = beyond(plan, except, &segments, interval.is_some(), of_actors, value.is_some())?;
        }
        if value.is_some() && !segments_later && segments.iter().any(|segment| segment.is_credited) {
            // of a value, its share.
            let share = |of_plan: Column| {
                let share = (of_plan.name == VALUE).then(|| column(VALUE) * column(CREDIT));
                share.map_or(Expr::Column(of_plan), |share| share.alias(VALUE))
            };
            let shares: Vec<Expr> = plan.schema().columns().into_iter().map(share).collect();
            plan = plan.project(shares).map_err(plan_error)?;
        }
        if value.as_ref().is_some_and(|value| value.is_list) {
            plan = plan.unnest_column(VALUE).map_err(plan_error)?;
        }

        let mut keys: Vec<Expr> = interval.iter().map(|_| column(BUCKET)).collect();
        if except.is_none() {
            keys.extend((0..segments.len()).map(|at| column(&segment_column(at))));
        }
        Ok((plan, keys))
    }

    /// Users and their segments, from what [`Asked::prepared`] gives.
    pub(super) fn in_segments(
        &self,
        plan: LogicalPlanBuilder,
        question: &Question<'_>,
    ) -> Result<LogicalPlanBuilder> {
        match question.metric.count_once {
            Some(once) => {
                let segments = self.showing(question).segments(question.breakdowns, &question.automatic)?;
                of_users_once(plan, once, Vec::new(), &segments)
            }
            None => Ok(plan),
        }
    }

    /// What is aggregated: a number, a text, or text that stands for a value.
    pub(in super::super) fn value(&self, measure: &Measure) -> Result<Option<Segment>> {
        let (aggregate, of, to) = match measure {
            Measure::OfProperty { aggregate, of, cast }
            | Measure::OverUsers { per_user: PerUser::OfProperty { aggregate, of, cast }, .. } => {
                (*aggregate, of, *cast)
            }
            _ => return Ok(None),
        };
        let sent = self.shown_values(of)?;
        let values = sent.clone().cast_if(to, self.calendar);
        let is_text = to == Some(CastType::String);
        if aggregate != Aggregate::Distinct && !is_text {
            let number = values.number.unwrap_or_else(|| lit(ScalarValue::Float64(None)));
            return Ok(Some(Segment { label: number, is_list: false, is_credited: false }));
        }
        // A literal NULL is one value to an optimizer that counts different constants.
        let nothing = || {
            call("nothing", TEXT, vec![column(USER_ID)], |args| {
                Ok(arrow::array::new_null_array(&TEXT, args[0].len()))
            })
        };
        let (scalar, tag) = match aggregate {
            Aggregate::Distinct => (values.tagged(), "tagged"),
            _ => (values.text.clone(), ""),
        };
        let scalar = scalar.unwrap_or_else(nothing);
        // A list has no one value that could be the first.
        if sent.lists.is_empty() || aggregate == Aggregate::First {
            return Ok(Some(Segment { label: scalar, is_list: false, is_credited: false }));
        }
        let label = self.items_as_text(&sent, scalar, to, tag)?;
        Ok(Some(Segment { label, is_list: true, is_credited: false }))
    }
}

/// Whether users are counted, so that events of nobody do not (G-12, B-6).
fn is_of_actors(measure: &Measure) -> bool {
    match measure {
        Measure::TotalEvents | Measure::OfProperty { .. } => false,
        Measure::UniqueUsers
        | Measure::DailyActiveUsers
        | Measure::WeeklyActiveUsers
        | Measure::MonthlyActiveUsers
        | Measure::CumulativeUniqueUsers
        | Measure::Sessions
        | Measure::OverUsers { .. } => true,
    }
}

/// Whether each user is counted in one segment only (B-4).
fn counts_once(metric: &Metric) -> bool {
    metric.count_once.is_some() && metric.measure == Measure::UniqueUsers
}

fn needs_order(metric: &Metric) -> bool {
    metric.count_once.is_some()
        || matches!(metric.measure, Measure::OfProperty { aggregate: Aggregate::First, .. })
}

/// Lists of labels, taken apart.
pub(super) fn apart(mut plan: LogicalPlanBuilder, segments: &[Segment]) -> Result<LogicalPlanBuilder> {
    for (at, _) in segments.iter().enumerate().filter(|(_, segment)| segment.is_list) {
        plan = plan.unnest_column(segment_column(at).as_str()).map_err(plan_error)?;
        // An event in no segment, such as one of nobody among cohorts, is in none.
        plan = plan.filter(column(&segment_column(at)).is_not_null()).map_err(plan_error)?;
    }
    for (at, _) in segments.iter().enumerate().filter(|(_, segment)| segment.is_credited) {
        plan = attribution::told_apart(plan, &segment_column(at))?;
    }
    Ok(plan)
}

/// The attributed label and its credit: of one event, each label has credit of its own.
fn credited_columns(segments: &[Segment]) -> Vec<Expr> {
    let credited = segments.iter().enumerate().filter(|(_, segment)| segment.is_credited);
    credited.flat_map(|(at, _)| [column(&segment_column(at)), column(CREDIT)]).collect()
}

/// How many, or how much of them where they have credit.
fn counted(segments: &[Segment]) -> Expr {
    if segments.iter().any(|segment| segment.is_credited) {
        aggregate::sum(column(CREDIT))
    } else {
        aggregate::count(lit(1i64))
    }
}

/// Whether the labels are none of the combinations that are shown.
pub(super) fn is_other(segment_count: usize, shown: &[Vec<String>]) -> Expr {
    let labels: Vec<Expr> = (0..segment_count).map(|at| column(&segment_column(at))).collect();
    let shown: hashbrown::HashSet<Vec<String>> = shown.iter().cloned().collect();
    call("is_other", DataType::Boolean, labels, move |args| {
        let columns = args.iter().map(|labels| cast(labels, &TEXT)).collect::<Result<Vec<_>, _>>()?;
        let rows = columns.first().map_or(0, Array::len);
        let is_beyond = (0..rows).map(|row| {
            let labels: Vec<String> =
                columns.iter().map(|labels| labels.as_string_view().value(row).to_owned()).collect();
            Some(!shown.contains(&labels))
        });
        Ok(Arc::new(is_beyond.collect::<BooleanArray>()))
    })
}

/// The events that fall in a segment which is not one of those shown; each once.
fn beyond(
    plan: LogicalPlanBuilder,
    shown: &[Vec<String>],
    segments: &[Segment],
    has_bucket: bool,
    has_user: bool,
    has_value: bool,
) -> Result<LogicalPlanBuilder> {
    let mut kept = vec![column(TIME), column(SEQUENCE)];
    kept.extend(has_bucket.then(|| column(BUCKET)));
    kept.extend(has_user.then(|| column(USER)));
    kept.extend(has_value.then(|| column(VALUE)));
    kept.extend(credited_columns(segments));
    plan.filter(is_other(segments.len(), shown))
        .and_then(|plan| plan.project(kept))
        .and_then(LogicalPlanBuilder::distinct)
        .map_err(plan_error)
}

/// The aggregation of a metric over events with their keys, user and value.
fn aggregated(
    plan: LogicalPlanBuilder,
    metric: &Metric,
    keys: Vec<Expr>,
    segments: &[Segment],
) -> Result<LogicalPlanBuilder> {
    let count = || aggregate::count(lit(1i64));
    let with = |keys: &[Expr], more: Expr| keys.iter().cloned().chain([more]).collect::<Vec<_>>();
    let planned = match &metric.measure {
        Measure::TotalEvents => plan.aggregate(keys, [counted(segments).alias(VALUE)]),
        Measure::UniqueUsers => match metric.count_once {
            Some(once) if !segments.is_empty() => return first_segments(plan, once, &keys, segments),
            _ => plan.aggregate(keys, [aggregate::count_distinct(column(USER)).alias(VALUE)]),
        },
        Measure::CumulativeUniqueUsers => {
            let (buckets, segments): (Vec<Expr>, Vec<Expr>) =
                keys.into_iter().partition(|key| *key == column(BUCKET));
            if buckets.is_empty() {
                plan.aggregate(segments, [aggregate::count_distinct(column(USER)).alias(VALUE)])
            } else {
                plan.aggregate(with(&segments, column(USER)), [aggregate::min(column(BUCKET)).alias(BUCKET)])
                    .and_then(|plan| {
                        let keys = [column(BUCKET)].into_iter().chain(segments).collect::<Vec<_>>();
                        plan.aggregate(keys, [count().alias(VALUE)])
                    })
            }
        }
        Measure::OfProperty { aggregate: of, .. } => over_property(plan, *of, keys),
        Measure::OverUsers { aggregate: of, per_user } => {
            // S-31: who has no number is left out.
            let of_user = match per_user {
                PerUser::OfProperty { aggregate, .. } => over_column(*aggregate),
                _ => count(),
            };
            let per_user =
                plan.aggregate(with(&keys, column(USER)), [of_user.alias(INNER)]).and_then(|plan| {
                    let value = datafusion::logical_expr::cast(column(INNER), DataType::Float64);
                    plan.project(keys.iter().cloned().chain([value.alias(VALUE)]).collect::<Vec<_>>())
                });
            per_user.and_then(|plan| over_property(plan, *of, keys))
        }
        // These are made elsewhere.
        Measure::DailyActiveUsers
        | Measure::WeeklyActiveUsers
        | Measure::MonthlyActiveUsers
        | Measure::Sessions => Ok(plan),
    };
    planned.map_err(plan_error)
}

/// An aggregate over values: of events, or of users, one row each.
pub(super) fn over_property(
    plan: LogicalPlanBuilder,
    of: Aggregate,
    keys: Vec<Expr>,
) -> datafusion::common::Result<LogicalPlanBuilder> {
    let number = || column(VALUE);
    let of_values = || keys.iter().cloned().chain([number()]).collect::<Vec<_>>();
    let count = || aggregate::count(lit(1i64)).alias(INNER);
    match of {
        Aggregate::Distribution => {
            plan.filter(number().is_not_null()).and_then(|plan| plan.aggregate(of_values(), [count()]))
        }
        Aggregate::MostFrequent => {
            let sort = vec![
                Sort { expr: column(INNER), asc: false, nulls_first: false },
                Sort { expr: number(), asc: true, nulls_first: false },
            ];
            let most = aggregate::first_value(number(), sort).alias(VALUE);
            plan.filter(number().is_not_null())
                .and_then(|plan| plan.aggregate(of_values(), [count()]))
                .and_then(|plan| plan.aggregate(keys, [most]))
        }
        other => plan.aggregate(keys, [over_column(other).alias(VALUE)]),
    }
}

/// B-4: each user in the segments of their first, or last, event.
fn first_segments(
    plan: LogicalPlanBuilder,
    once: CountOnce,
    keys: &[Expr],
    segments: &[Segment],
) -> Result<LogicalPlanBuilder> {
    let buckets: Vec<Expr> = keys.iter().filter(|key| **key == column(BUCKET)).cloned().collect();
    let plan = of_users_once(plan, once, buckets, segments)?;
    plan.aggregate(keys.to_vec(), [counted(segments).alias(VALUE)]).map_err(plan_error)
}

/// Each user with the segments of their first, or last, event in each bucket.
fn of_users_once(
    plan: LogicalPlanBuilder,
    once: CountOnce,
    buckets: Vec<Expr>,
    segments: &[Segment],
) -> Result<LogicalPlanBuilder> {
    let asc = once == CountOnce::First;
    let order = || [TIME, SEQUENCE].map(|name| Sort { expr: column(name), asc, nulls_first: false }).to_vec();
    let first = (0..segments.len()).map(|at| {
        let name = segment_column(at);
        aggregate::first_value(column(&name), order()).alias(name)
    });
    let users = buckets.into_iter().chain([column(USER)]).collect::<Vec<_>>();
    let plan = plan.aggregate(users, first.collect::<Vec<_>>()).map_err(plan_error)?;
    apart(plan, segments)
}

/// An aggregate over numbers or texts, or for `Distinct` over texts that stand for values.
pub(in super::super) fn over_column(aggregate: Aggregate) -> Expr {
    let number = || column(VALUE);
    match aggregate {
        Aggregate::Sum => aggregate::sum(number()),
        Aggregate::Average => aggregate::avg(number()),
        Aggregate::Min => aggregate::min(number()),
        Aggregate::Max => aggregate::max(number()),
        Aggregate::Percentile(percent) => {
            percentile_cont_exact_udaf().call(vec![number(), lit(percent / 100.0)])
        }
        Aggregate::Distinct => aggregate::count_distinct(number()),
        Aggregate::First => {
            let order =
                [TIME, SEQUENCE].map(|name| Sort { expr: column(name), asc: true, nulls_first: false });
            aggregate::first_value(number(), order.to_vec())
        }
        Aggregate::Variance => aggregate::var_pop(number()),
        // The last two are made of two aggregations.
        Aggregate::Count | Aggregate::MostFrequent | Aggregate::Distribution => aggregate::count(number()),
    }
}

/// The batches of an aggregation as cells.
pub(super) fn read_cells(batches: &[RecordBatch], segment_count: usize) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for batch in batches {
        cells_of(batch, segment_count, &mut cells)?;
    }
    Ok(cells)
}

fn cells_of(batch: &RecordBatch, segment_count: usize, cells: &mut Vec<Cell>) -> Result<()> {
    let schema = batch.schema();
    let buckets = batch.column_by_name(BUCKET).map(AsArray::as_primitive::<TimestampMillisecondType>);
    let segments = (0..segment_count)
        .filter_map(|at| batch.column_by_name(&segment_column(at)))
        .map(|labels| cast(labels, &TEXT).map_err(arrow_error))
        .collect::<Result<Vec<_>>>()?;
    let numbers = |name: &str| {
        let numbers = schema.index_of(name).ok().map(|at| cast(batch.column(at), &DataType::Float64));
        numbers.transpose().map_err(arrow_error)
    };
    let texts = batch.column_by_name(VALUE).filter(|values| values.data_type().is_string());
    let texts = texts.map(|texts| cast(texts, &TEXT)).transpose().map_err(arrow_error)?;
    let values = if texts.is_some() { None } else { numbers(VALUE)? };
    let inner = numbers(INNER)?;
    // Of a distribution, the value and how many have it.
    let (of, values) = match inner {
        Some(counts) => (values, Some(counts)),
        None => (None, values),
    };
    let at = |numbers: &Option<arrow::array::ArrayRef>, row: usize| {
        let numbers = numbers.as_ref()?.as_primitive::<Float64Type>();
        numbers.is_valid(row).then(|| numbers.value(row))
    };
    for row in 0..batch.num_rows() {
        cells.push(Cell {
            segments: segments.iter().map(|labels| labels.as_string_view().value(row).to_owned()).collect(),
            bucket: buckets.filter(|buckets| buckets.is_valid(row)).map(|buckets| buckets.value(row)),
            of: at(&of, row),
            text: texts
                .as_ref()
                .map(AsArray::as_string_view)
                .and_then(|texts| texts.is_valid(row).then(|| texts.value(row).to_owned())),
            value: at(&values, row),
        });
    }
    Ok(())
}
