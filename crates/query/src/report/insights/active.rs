//! Daily, weekly and monthly active users (S-40).

use std::collections::BTreeMap;

use arrow::array::AsArray as _;
use arrow::compute::cast;
use arrow::datatypes::TimestampMillisecondType;
use chrono::{Datelike as _, Days, NaiveDate};
use datafusion::functions_aggregate::expr_fn as aggregate;
use datafusion::logical_expr::Expr;
use tallymark_report::{Measure, Unit};

use super::super::asked::{Asked, arrow_error, column, plan_error};
use super::super::convert::TEXT;
use super::measure::{BUCKET, Cell, Question, USER};
use crate::Result;

/// How many days back an active user is one (S-12), if that is measured.
pub(super) fn days_of(measure: &Measure) -> Option<u32> {
    match measure {
        Measure::DailyActiveUsers => Some(1),
        Measure::WeeklyActiveUsers => Some(7),
        // S-41.
        Measure::MonthlyActiveUsers => Some(30),
        _ => None,
    }
}

/// For each bucket, the different users of so many civil days up to its last.
pub(super) async fn measured(asked: &Asked, question: &Question<'_>, days: u32) -> Result<Vec<Cell>> {
    let calendar = asked.calendar;
    let range = question.range;
    let ends: Vec<(Option<i64>, NaiveDate)> = match question.interval {
        Some(unit) => {
            let buckets = calendar.buckets(&range, unit);
            let next = |at: usize| buckets.get(at + 1).copied().unwrap_or(range.to).min(range.to);
            (0..buckets.len()).map(|at| (Some(buckets[at]), calendar.day(next(at) - 1))).collect()
        }
        None => vec![(None, calendar.day(range.to - 1))],
    };
    let (Some((_, first)), Some((_, last))) = (ends.first(), ends.last()) else { return Ok(Vec::new()) };
    let from = first.checked_sub_days(Days::new(u64::from(days) - 1)).unwrap_or(*first);
    let looked_at = calendar.days(from, *last);
    let by_day = Question { range: looked_at, left_out: None, interval: Some(Unit::Day), ..question.clone() };
    let (plan, keys) = asked.prepared(&by_day).await?;
    let segments: Vec<Expr> = keys.into_iter().filter(|key| *key != column(BUCKET)).collect();
    let segment_count = segments.len();
    let of_user: Vec<Expr> = segments.into_iter().chain([column(USER)]).collect();
    let of_day: Vec<Expr> = of_user.iter().cloned().chain([column(BUCKET)]).collect();
    let plan = plan
        .aggregate(of_day, Vec::<Expr>::new())
        .and_then(|plan| plan.aggregate(of_user, [aggregate::array_agg(column(BUCKET))]))
        .map_err(plan_error)?;

    let mut counts: BTreeMap<Vec<String>, Vec<u64>> = BTreeMap::new();
    for batch in asked.collect(plan).await? {
        let labels = (0..segment_count)
            .map(|at| cast(batch.column(at), &TEXT).map_err(arrow_error))
            .collect::<Result<Vec<_>>>()?;
        let active = batch.column(segment_count + 1).as_list::<i32>();
        for row in 0..batch.num_rows() {
            let times = active.value(row);
            let times = times.as_primitive::<TimestampMillisecondType>();
            let mut active: Vec<i32> =
                times.iter().flatten().map(|time| calendar.day(time).num_days_from_ce()).collect();
            active.sort_unstable();
            let segments: Vec<String> =
                labels.iter().map(|labels| labels.as_string_view().value(row).to_owned()).collect();
            let counts = counts.entry(segments).or_insert_with(|| vec![0; ends.len()]);
            for ((_, end), count) in ends.iter().zip(counts) {
                let end = end.num_days_from_ce();
                let before = active.partition_point(|day| *day <= end);
                let is_active = before > 0 && active[before - 1] > end - days as i32;
                *count += u64::from(is_active);
            }
        }
    }
    let cells = counts.into_iter().flat_map(|(segments, counts)| {
        let of_end = |((bucket, _), count): (&(Option<i64>, NaiveDate), u64)| Cell {
            segments: segments.clone(),
            bucket: *bucket,
            of: None,
            text: None,
            value: Some(count as f64),
        };
        ends.iter().zip(counts).map(of_end).collect::<Vec<_>>()
    });
    Ok(cells.collect())
}
