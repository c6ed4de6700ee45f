//! Cells → series: which segments are shown, in which order, and what is where nothing happened.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::functions_aggregate::expr_fn as aggregate;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use tallymark_report::{
    Aggregate, Breakdown, Buckets, CastType, Comparison, Filter, Insights, Instants, Measure, Metric,
    PerUser, Property, RetentionMeasure, Scope, Unit,
};

use super::super::asked::{Asked, Cohorts, arrow_error, column, plan_error};
use super::super::convert::number_text;
use super::super::sample;
use super::super::segments::{Ranges, shown};
use super::behaviour::is_of_behaviour;
use super::measure::{Cell, Question, VALUE};
use super::{OTHER, active, behaviour, letter, profiles, sessions};
use crate::Result;

/// The values of one metric in one segment.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) metric: String,
    pub(super) name: String,
    /// `None` for what is measured without regard to segments.
    pub(super) segments: Option<Vec<String>>,
    /// Whether the metric is split at all.
    pub(super) has_breakdown: bool,
    pub(super) points: Vec<Point>,
}

/// A value of a series: of a bucket, and of a bin of it where a distribution is measured.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// Which bucket, counted.
    pub(super) position: usize,
    pub(super) bucket: Option<i64>,
    pub(super) bin: Option<String>,
    pub(super) value: Option<f64>,
    /// The value where it is a text.
    pub(super) text: Option<String>,
}

/// The segments that are shown, in order of rank, and whether there are others.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    segments: Vec<Vec<String>>,
    has_other: bool,
    /// For each metric, the ranges chosen for its breakdowns (B-10).
    automatic: Vec<BTreeMap<usize, Option<Ranges>>>,
}

impl Shown {
    pub(super) fn segments(&self) -> &[Vec<String>] {
        &self.segments
    }

    /// The ranges chosen for the breakdowns of a metric.
    pub(super) fn automatic(&self, metric: usize) -> BTreeMap<usize, Option<Ranges>> {
        self.automatic.get(metric).cloned().unwrap_or_default()
    }
}

/// Ranks the segments by the first metric (B-31, B-32).
pub(super) async fn shown_segments(
    asked: &Asked,
    scope: &Scope,
    insights: &Insights,
    range: &Instants,
) -> Result<Shown> {
    if insights.breakdowns.is_empty() {
        return Ok(Shown::default());
    }
    let mut automatic = Vec::with_capacity(insights.metrics.len());
    for metric in &insights.metrics {
        if is_of_behaviour(metric) {
            // Chosen where it is answered.
            automatic.push(BTreeMap::new());
            continue;
        }
        automatic.push(
            chosen_ranges(
                asked,
                scope.filter.as_ref(),
                &insights.breakdowns,
                metric,
                range,
                insights.interval,
            )
            .await?,
        );
    }
    // Segments of any metric are listed; the first one ranks them.
    let mut listed: BTreeSet<Vec<String>> = BTreeSet::new();
    let mut ranks: BTreeMap<Vec<String>, Option<f64>> = BTreeMap::new();
    for (at, metric) in insights.metrics.iter().enumerate() {
        let ranked = Metric { measure: rank_of(&metric.measure), ..metric.clone() };
        let mut found = Vec::new();
        if is_of_behaviour(metric) {
            let of_segments = behaviour::measured(asked, scope, insights, metric, range, range, None).await?;
            let entered = of_segments.entered.into_iter().filter(|(_, count)| *count > 0.0);
            let cell =
                |(segments, count)| Cell { segments, bucket: None, of: None, text: None, value: Some(count) };
            found = entered.map(cell).collect();
            listed.extend(found.iter().map(|cell| cell.segments.clone()));
        } else if let Some(filter) = &metric.profiles {
            let breakdowns = &insights.breakdowns;
            found = profiles::measured(asked, &ranked, filter, breakdowns, &automatic[at], None).await?;
            listed.extend(found.iter().map(|cell| cell.segments.clone()));
        } else if metric.event.is_some() {
            let question = Question {
                metric: &ranked,
                filter: scope.filter.as_ref(),
                range: *range,
                interval: None,
                breakdowns: &insights.breakdowns,
                automatic: automatic[at].clone(),
                except: None,
                left_out: None,
                report_interval: insights.interval,
            };
            found = cells(asked, scope, &question).await?;
            // Those counted: users of days before the range (S-40), and who counts once in each
            // bucket, in other segments than in the range (B-4).
            let as_measured = Question { metric, interval: insights.interval, ..question };
            if active::days_of(&metric.measure).is_some() {
                let mut counted = cells(asked, scope, &as_measured).await?;
                counted.retain(|cell| cell.value.is_some_and(|value| value > 0.0));
                listed.extend(counted.into_iter().map(|cell| cell.segments));
            } else {
                listed.extend(found.iter().map(|cell| cell.segments.clone()));
                if metric.count_once.is_some() && insights.interval.is_some() {
                    let counted = cells(asked, scope, &as_measured).await?;
                    listed.extend(counted.into_iter().map(|cell| cell.segments));
                }
            }
        }
        if at == 0 {
            ranks = found.into_iter().map(|cell| (cell.segments, cell.value)).collect();
        }
    }
    let mut ranks: BTreeMap<Vec<String>, Option<f64>> =
        listed.into_iter().map(|segments| (segments.clone(), ranks.remove(&segments).flatten())).collect();
    // What the first metric does not have ranks as nothing of it does.
    let of_nothing = insights
        .metrics
        .first()
        .is_some_and(|metric| rank_of(&metric.measure).aggregate().is_zero_of_nothing());
    if of_nothing {
        for rank in ranks.values_mut() {
            *rank = rank.or(Some(0.0));
        }
    }
    let lowest_first =
        insights.metrics.first().is_some_and(|metric| metric.measure.aggregate() == Aggregate::Min);
    let mut segments: Vec<(Vec<String>, Option<f64>)> = ranks.into_iter().collect();
    segments.sort_by(|(a_key, a), (b_key, b)| {
        let by_rank = match (a, b) {
            (Some(a), Some(b)) if lowest_first => a.total_cmp(b),
            (Some(a), Some(b)) => b.total_cmp(a),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => std::cmp::Ordering::Equal,
        };
        by_rank.then_with(|| a_key.cmp(b_key))
    });
    let mut segments: Vec<Vec<String>> = segments.into_iter().map(|(segments, _)| segments).collect();
    let beyond = segments.split_off(insights.top.unwrap_or(usize::MAX).min(segments.len()));
    let count = segments.len() + beyond.len();
    // S-79: what others are compared with is shown whatever its rank.
    if let Some(Comparison::Segment(labels)) = &insights.compare {
        segments.extend(beyond.into_iter().filter(|segment| segment == labels));
    }
    let has_other = insights.other && segments.len() < count;
    Ok(Shown { segments, has_other, automatic })
}

/// What segments are ranked by (B-31).
fn rank_of(measure: &Measure) -> Measure {
    match measure {
        Measure::DailyActiveUsers
        | Measure::WeeklyActiveUsers
        | Measure::MonthlyActiveUsers
        | Measure::CumulativeUniqueUsers => Measure::UniqueUsers,
        Measure::OfProperty { aggregate, of, cast } => match aggregate {
            Aggregate::Sum | Aggregate::Min | Aggregate::Max | Aggregate::Distinct => measure.clone(),
            _ => Measure::OfProperty { aggregate: Aggregate::Count, of: of.clone(), cast: *cast },
        },
        Measure::OverUsers { aggregate, per_user } => match aggregate {
            Aggregate::Sum | Aggregate::Min | Aggregate::Max => measure.clone(),
            _ => Measure::OverUsers { aggregate: Aggregate::Count, per_user: per_user.clone() },
        },
        Measure::TotalEvents | Measure::UniqueUsers | Measure::Sessions => measure.clone(),
    }
}

/// The ranges of breakdowns that choose them from the values (B-10), items of lists among them; raw
/// values where there are few.
async fn chosen_ranges(
    asked: &Asked,
    filter: Option<&Filter>,
    breakdowns: &[Breakdown],
    metric: &Metric,
    range: &Instants,
    interval: Option<Unit>,
) -> Result<BTreeMap<usize, Option<Ranges>>> {
    let question = Question {
        metric,
        filter,
        range: *range,
        interval: None,
        breakdowns: &[],
        automatic: BTreeMap::new(),
        except: None,
        left_out: None,
        report_interval: interval,
    };
    let asked = &asked.within_time_of(&question);
    let showing = match metric.profiles {
        Some(_) => asked.of_profiles(None),
        None => asked.showing(&question),
    };
    if !breakdowns.iter().any(chooses_ranges) {
        return Ok(BTreeMap::new());
    }
    let plan = match &metric.profiles {
        Some(filter) => profiles::matching(&showing, filter)?,
        None => asked.scan()?.filter(asked.chosen(&question).await?).map_err(plan_error)?,
    };
    ranges_among(asked, &showing, breakdowns, &plan).await
}

/// Whether a breakdown chooses its ranges from the values (B-10).
pub(in super::super) fn chooses_ranges(breakdown: &Breakdown) -> bool {
    matches!(breakdown, Breakdown::Property { buckets: Some(Buckets::Auto), .. })
}

/// The ranges that breakdowns choose from the values of these events, or profiles (B-10).
pub(in super::super) async fn ranges_among(
    asked: &Asked,
    showing: &Asked,
    breakdowns: &[Breakdown],
    among: &LogicalPlanBuilder,
) -> Result<BTreeMap<usize, Option<Ranges>>> {
    let mut chosen = BTreeMap::new();
    for (at, breakdown) in breakdowns.iter().enumerate() {
        let Some(numbers) = showing.numbers_to_group(breakdown)? else { continue };
        let value = || column(VALUE);
        let plan = among
            .clone()
            .project([numbers.alias(VALUE)])
            .and_then(|plan| plan.unnest_column(VALUE))
            .and_then(|plan| {
                let of =
                    [aggregate::min(value()), aggregate::max(value()), aggregate::count_distinct(value())];
                plan.aggregate(Vec::<Expr>::new(), of)
            })
            .map_err(plan_error)?;
        let batches = asked.collect(plan).await?;
        let number = |column: usize| -> Result<Option<f64>> {
            let Some(batch) = batches.first().filter(|batch| batch.num_rows() > 0) else { return Ok(None) };
            let numbers = arrow::compute::cast(batch.column(column), &arrow::datatypes::DataType::Float64);
            let numbers = numbers.map_err(arrow_error)?;
            let numbers = arrow::array::AsArray::as_primitive::<arrow::datatypes::Float64Type>(&numbers);
            Ok(numbers.iter().next().flatten())
        };
        let ranges = match (number(0)?, number(1)?, number(2)?) {
            (Some(min), Some(max), Some(distinct)) if distinct > 10.0 => Some(Ranges::automatic(min, max)),
            _ => None,
        };
        chosen.insert(at, ranges);
    }
    Ok(chosen)
}

/// All series of all metrics over `before`, a range that ends with `range` and may begin earlier.
pub(super) async fn measured(
    asked: &Asked,
    cohorts: &Cohorts,
    scope: &Scope,
    insights: &Insights,
    before: &Instants,
    range: &Instants,
    shown: &Shown,
) -> Result<Vec<Series>> {
    let buckets: Vec<Option<i64>> = match insights.interval {
        Some(unit) => asked.calendar.buckets(before, unit).into_iter().map(Some).collect(),
        None => vec![None],
    };
    let left_out = match insights.interval {
        Some(unit) if before.from < range.from => Some((asked.calendar.bucket(range.from, unit), range.from)),
        _ => None,
    };
    let mut all = Vec::new();
    for (at, metric) in insights.metrics.iter().enumerate() {
        let name = metric.name.clone().unwrap_or_else(|| description(metric));
        let make = |segments: Option<Vec<String>>, has_breakdown: bool, cells: &[Cell]| Series {
            metric: letter(at),
            name: name.clone(),
            segments,
            has_breakdown,
            points: points(insights, metric, &buckets, cells),
        };
        if let Some(cohort) = &metric.cohort {
            let cells = cohort_sizes(asked, cohorts, cohort, insights, before).await?;
            all.push(make(None, false, &cells));
            continue;
        }
        let has_breakdown = !insights.breakdowns.is_empty();
        if is_of_behaviour(metric) {
            let told = shown.has_other.then_some(shown.segments());
            let found = behaviour::measured(asked, scope, insights, metric, before, range, told).await?;
            all.push(make(None, has_breakdown, &found.overall));
            let other = shown.has_other.then(|| vec![OTHER.to_owned(); insights.breakdowns.len()]);
            for segments in shown.segments.iter().chain(&other) {
                let cells = found.segments.get(segments).map(Vec::as_slice).unwrap_or_default();
                all.push(make(Some(segments.clone()), true, cells));
            }
            continue;
        }
        let automatic = shown.automatic(at);
        if let Some(filter) = &metric.profiles {
            // No time axis (S-24): the same now in every bucket.
            let always = |cells: Vec<&Cell>| -> Vec<Cell> {
                let of = |bucket: &Option<i64>| {
                    cells.iter().map(|cell| Cell { bucket: *bucket, ..(*cell).clone() }).collect::<Vec<_>>()
                };
                buckets.iter().flat_map(of).collect()
            };
            let overall = profiles::measured(asked, metric, filter, &[], &automatic, None).await?;
            all.push(make(None, has_breakdown, &always(overall.iter().collect())));
            if has_breakdown {
                let breakdowns = &insights.breakdowns;
                let split = profiles::measured(asked, metric, filter, breakdowns, &automatic, None).await?;
                for segments in &shown.segments {
                    let of_segment = split.iter().filter(|cell| cell.segments == *segments).collect();
                    all.push(make(Some(segments.clone()), true, &always(of_segment)));
                }
                if shown.has_other {
                    let except = Some(shown.segments());
                    let other =
                        profiles::measured(asked, metric, filter, breakdowns, &automatic, except).await?;
                    let segments = vec![OTHER.to_owned(); breakdowns.len()];
                    all.push(make(Some(segments), true, &always(other.iter().collect())));
                }
            }
            continue;
        }
        let overall = Question {
            metric,
            filter: scope.filter.as_ref(),
            range: Instants { from: before.from, to: range.to, days: range.days },
            interval: insights.interval,
            breakdowns: &[],
            automatic: BTreeMap::new(),
            except: None,
            left_out,
            report_interval: insights.interval,
        };
        all.push(make(None, has_breakdown, &cells(asked, scope, &overall).await?));
        if !has_breakdown {
            continue;
        }
        let split = Question { breakdowns: &insights.breakdowns, automatic, ..overall };
        let mut by_segment: BTreeMap<Vec<String>, Vec<Cell>> = BTreeMap::new();
        for cell in cells(asked, scope, &split).await? {
            by_segment.entry(cell.segments.clone()).or_default().push(cell);
        }
        for segments in &shown.segments {
            let cells = by_segment.get(segments).map(Vec::as_slice).unwrap_or_default();
            all.push(make(Some(segments.clone()), true, cells));
        }
        if shown.has_other {
            let other = Question { except: Some(&shown.segments), ..split };
            let segments = vec![OTHER.to_owned(); insights.breakdowns.len()];
            all.push(make(Some(segments), true, &cells(asked, scope, &other).await?));
        }
    }
    Ok(all)
}

/// What a metric measures, by whichever way it is measured.
async fn cells(asked: &Asked, scope: &Scope, question: &Question<'_>) -> Result<Vec<Cell>> {
    let asked = &asked.within_time_of(question);
    match &question.metric.measure {
        Measure::Sessions | Measure::OverUsers { per_user: PerUser::Sessions, .. } => {
            sessions::measured(asked, scope, question).await
        }
        measure => match active::days_of(measure) {
            Some(days) => active::measured(asked, question, days).await,
            None => asked.measured(question).await,
        },
    }
}

/// C-20: the members as of the end of each bucket.
async fn cohort_sizes(
    asked: &Asked,
    cohorts: &Cohorts,
    name: &str,
    insights: &Insights,
    range: &Instants,
) -> Result<Vec<Cell>> {
    let ends: Vec<(Option<i64>, i64)> = match insights.interval {
        Some(unit) => {
            let buckets = asked.calendar.buckets(range, unit);
            // The last bucket is clipped to the range (G-5).
            let after = |at: usize| buckets.get(at + 1).copied().unwrap_or(range.to).min(range.to);
            buckets.iter().enumerate().map(|(at, bucket)| (Some(*bucket), after(at) - 1)).collect()
        }
        None => vec![(None, range.to - 1)],
    };
    let mut sizes = Vec::with_capacity(ends.len());
    for (bucket, end) in ends {
        let members = asked.members_at(name, cohorts, end).await?;
        let size = match insights.sample {
            Some(_) => sample::among(insights, members.iter()).count(),
            None => members.len(),
        };
        sizes.push(Cell { segments: Vec::new(), bucket, of: None, text: None, value: Some(size as f64) });
    }
    Ok(sizes)
}

/// The points of a series: one a bucket, or one for each bin of a distribution.
fn points(insights: &Insights, metric: &Metric, buckets: &[Option<i64>], cells: &[Cell]) -> Vec<Point> {
    let mut by_bucket: BTreeMap<Option<i64>, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        by_bucket.entry(cell.bucket).or_default().push(cell);
    }
    let found = |bucket: &Option<i64>| by_bucket.get(bucket).map(Vec::as_slice).unwrap_or_default();
    if metric.measure.is_distribution() {
        let bins = buckets.iter().enumerate().flat_map(|(position, bucket)| {
            let bins = binned(found(bucket));
            bins.into_iter().map(move |(bin, count)| Point {
                position,
                bucket: *bucket,
                bin: Some(bin),
                value: sample::scaled(insights, metric, Some(count)),
                text: None,
            })
        });
        return bins.collect();
    }
    let is_zero = if is_of_behaviour(metric) {
        // Of retention it may not be known yet.
        metric.counts_steps()
    } else {
        metric.measure.aggregate().is_zero_of_nothing()
    };
    let of_nothing = is_zero.then_some(0.0);
    let mut seen = 0.0;
    let point = |(position, bucket): (usize, &Option<i64>)| {
        let mut value = found(bucket).first().and_then(|cell| cell.value).or(of_nothing);
        if metric.measure == Measure::CumulativeUniqueUsers {
            // Those seen for the first time, and all before.
            seen += value.unwrap_or(0.0);
            value = Some(seen);
        }
        let value = sample::scaled(insights, metric, value);
        let text = found(bucket).first().and_then(|cell| cell.text.clone());
        Point { position, bucket: *bucket, bin: None, value, text }
    };
    buckets.iter().enumerate().map(point).collect()
}

/// S-36: values, or ranges of them, and how many there are; of texts each by itself.
fn binned(cells: &[&Cell]) -> Vec<(String, f64)> {
    let texts = cells.iter().filter_map(|cell| Some((cell.text.as_ref()?, cell.value.unwrap_or(0.0))));
    let mut texts: Vec<(&String, f64)> = texts.collect();
    if !texts.is_empty() {
        texts.sort_by_key(|(text, _)| *text);
        return texts.into_iter().map(|(text, count)| (shown(text).to_owned(), count)).collect();
    }
    let mut counts: Vec<(f64, f64)> =
        cells.iter().filter_map(|cell| Some((cell.of?, cell.value.unwrap_or(0.0)))).collect();
    counts.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let ranges = match counts[..] {
        [(min, _), .., (max, _)] if counts.len() > 10 => Some(Ranges::automatic(min, max)),
        _ => None,
    };
    let mut bins: Vec<(String, f64)> = Vec::new();
    for (value, count) in counts {
        let bin = ranges.as_ref().map_or_else(|| number_text(value), |ranges| ranges.label(value));
        match bins.last_mut() {
            Some((last, sum)) if *last == bin => *sum += count,
            _ => bins.push((bin, count)),
        }
    }
    bins
}

/// What a metric is called if it has no name.
fn description(metric: &Metric) -> String {
    let measure = match &metric.measure {
        Measure::TotalEvents => "total events".to_owned(),
        Measure::UniqueUsers => "unique users".to_owned(),
        Measure::DailyActiveUsers => "daily active users".to_owned(),
        Measure::WeeklyActiveUsers => "weekly active users".to_owned(),
        Measure::MonthlyActiveUsers => "monthly active users".to_owned(),
        Measure::CumulativeUniqueUsers => "cumulative unique users".to_owned(),
        Measure::Sessions => "sessions".to_owned(),
        Measure::OfProperty { aggregate, of, cast } => of_property(*aggregate, of, *cast),
        Measure::OverUsers { aggregate, per_user } => {
            let of_user = match per_user {
                PerUser::Events => "events".to_owned(),
                PerUser::Sessions => "sessions".to_owned(),
                PerUser::OfProperty { aggregate, of, cast } => of_property(*aggregate, of, *cast),
            };
            format!("{} of {of_user} per user", aggregate.name())
        }
    };
    if let Some(funnel) = &metric.funnel {
        let steps = funnel.step_labels();
        let value = metric.value.as_deref().unwrap_or("conversion");
        let at = metric.step.map(|step| format!(" at step {step}")).unwrap_or_default();
        return format!("{}: {value}{at}", steps.join(" → "));
    }
    if let Some(retention) = &metric.retention {
        let measured = match &retention.measure {
            RetentionMeasure::Rate => "retention".to_owned(),
            RetentionMeasure::UniqueUsers => "retained users".to_owned(),
            RetentionMeasure::TotalEvents => "events of retained users".to_owned(),
            RetentionMeasure::OfProperty { aggregate, of } => of_property(*aggregate, of, None),
        };
        let (birth, back) = (retention.birth.label(), retention.return_event.label());
        return format!("{birth} → {back}: {measured} in bucket {}", metric.bucket());
    }
    let what = match (&metric.event, &metric.cohort) {
        (Some(event), _) => event.label(),
        (None, Some(cohort)) => return format!("size of {cohort}"),
        (None, None) => "profiles".to_owned(),
    };
    format!("{what}: {measure}")
}

fn of_property(aggregate: Aggregate, of: &Property, to: Option<CastType>) -> String {
    let to = match to {
        None => "",
        Some(CastType::String) => " as string",
        Some(CastType::Number) => " as number",
        Some(CastType::Boolean) => " as boolean",
        Some(CastType::Date) => " as date",
    };
    format!("{} of {}{to}", aggregate.name(), of.label())
}
