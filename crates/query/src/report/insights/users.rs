//! The users behind a number of a report (M-4).

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray as _;
use arrow::compute::cast;
use chrono::Days;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use tallymark_report::{CellOf, DefinitionError, Insights, Instants, Measure, Metric, PerUser, Scope};

use super::super::asked::{Asked, Cohorts, arrow_error, column, plan_error};
use super::super::convert::TEXT;
use super::super::filter::utf8;
use super::super::sample;
use super::behaviour::is_of_behaviour;
use super::measure::{Question, USER, segment_column};
use super::{OTHER, OVERALL, active, behaviour, letter, profiles, series, sessions};
use crate::Result;
use tallymark_event::columns::USER_ID;

/// Who is counted in a cell, or whose events are.
pub(in super::super) async fn behind(
    asked: &Asked,
    cohorts: &Cohorts,
    scope: &Scope,
    insights: &Insights,
    cell: &CellOf,
) -> Result<BTreeSet<String>> {
    let wrong = |field: &str, problem: String| DefinitionError::new(format!("users_of.{field}"), problem);
    let at = (0..insights.metrics.len()).find(|at| letter(*at) == cell.metric.to_uppercase());
    let Some(at) = at else {
        let last = letter(insights.metrics.len().saturating_sub(1));
        let error = wrong("metric", format!("there is no metric {}; there are A to {last}", cell.metric));
        return Err(error.hint("a formula has no users of its own").into());
    };
    let metric = &insights.metrics[at];
    let whole = asked.calendar.resolve(&scope.range, asked.as_of)?;
    let range = match (&cell.time, insights.interval) {
        (Some(time), Some(unit)) => {
            let inside = asked.calendar.start_of(time).map_err(|error| error.within("users_of.time"))?;
            let (from, to) = (asked.calendar.bucket(inside, unit), asked.calendar.next_bucket(inside, unit));
            Instants { from: from.max(whole.from), to: to.min(whole.to), days: None }
        }
        _ => whole,
    };
    if let Some(cohort) = &metric.cohort {
        let members = asked.members_at(cohort, cohorts, range.to - 1).await?;
        return Ok(sample::among(insights, members.iter()).map(str::to_owned).collect());
    }
    if let Some(filter) = &metric.profiles {
        let of_profiles = asked.of_profiles(None);
        let plan = profiles::matching(&of_profiles, filter)?;
        return users_in(asked, plan.project([column(USER_ID)])).await;
    }
    if is_of_behaviour(metric) {
        // Ranks are those of the report (B-32).
        let is_other = !cell.segments.is_empty() && cell.segments.iter().all(|label| label == OTHER);
        let shown =
            if is_other { Some(series::shown_segments(asked, scope, insights, &whole).await?) } else { None };
        let told = shown.as_ref().map(series::Shown::segments);
        return behaviour::behind(asked, scope, insights, (metric, cell), told).await;
    }
    // Whatever is measured, these are who did it.
    let counted = Metric { measure: Measure::UniqueUsers, ..metric.clone() };
    let range = match active::days_of(&metric.measure) {
        Some(days) => {
            let last = asked.calendar.day(range.to - 1);
            let first = last.checked_sub_days(Days::new(u64::from(days) - 1)).unwrap_or(last);
            asked.calendar.days(first, last)
        }
        None => range,
    };
    let is_split = !cell.segments.is_empty() && cell.segments.iter().any(|label| label != OVERALL);
    // Ranges and ranks are those of the whole report (B-10, B-32).
    let shown =
        if is_split { Some(series::shown_segments(asked, scope, insights, &whole).await?) } else { None };
    let is_other = is_split && cell.segments.iter().all(|label| label == OTHER);
    let automatic = shown.as_ref().map_or_else(BTreeMap::new, |shown| shown.automatic(at));
    let question = Question {
        metric: &counted,
        filter: scope.filter.as_ref(),
        range,
        interval: None,
        breakdowns: if is_split { &insights.breakdowns } else { &[] },
        automatic,
        left_out: None,
        except: if is_other { shown.as_ref().map(series::Shown::segments) } else { None },
        report_interval: insights.interval,
    };
    if matches!(metric.measure, Measure::Sessions | Measure::OverUsers { per_user: PerUser::Sessions, .. }) {
        // a session is in the bucket it starts in, its events perhaps in a later one.
        let interval = insights.interval.filter(|_| cell.time.is_some());
        let question = Question { metric, range: whole, interval, ..question };
        let asked = &asked.within_time_of(&question);
        let bucket = interval.map(|unit| asked.calendar.bucket(range.from, unit));
        let segments = if is_split && !is_other { &cell.segments[..] } else { &[] };
        return sessions::behind(asked, scope, &question, bucket, segments).await;
    }
    let asked = &asked.within_time_of(&question);
    let (mut plan, _) = asked.prepared(&question).await?;
    if is_split && !is_other {
        plan = asked.in_segments(plan, &question)?;
        let labels = cell.segments.iter().enumerate();
        let is_it = labels.map(|(at, label)| column(&segment_column(at)).eq(utf8(label)));
        plan = plan
            .filter(is_it.reduce(Expr::and).unwrap_or_else(|| utf8("").is_not_null()))
            .map_err(plan_error)?;
    }
    users_in(asked, plan.aggregate([column(USER)], Vec::<Expr>::new())).await
}

/// The first column, each id once.
async fn users_in(
    asked: &Asked,
    plan: datafusion::common::Result<LogicalPlanBuilder>,
) -> Result<BTreeSet<String>> {
    let mut users = BTreeSet::new();
    for batch in asked.collect(plan.map_err(plan_error)?).await? {
        let ids = cast(batch.column(0), &TEXT).map_err(arrow_error)?;
        users.extend(ids.as_string_view().iter().flatten().map(str::to_owned));
    }
    Ok(users)
}
