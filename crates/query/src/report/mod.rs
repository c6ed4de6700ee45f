//! Reports: definitions of questions, answered over one snapshot.
//!
//! 1. A definition ([`tallymark_report::Report`]) is read and checked.
//! 2. [`asked`]: what its expressions are made from: tables, calendar, cohorts, now.
//! 3. [`check`]: what only the dataset tells to be wrong in it, before anything runs.
//! 4. [`values`], [`filter`], [`matching`], [`segments`]: properties, filters and breakdowns become
//!    expressions of DataFusion over `events`.
//! 5. [`insights`], [`cohort`] and [`sessions`]: the questions. What SQL can say runs as a plan, and over segments
//!    in memory where there is room; what needs a user's events in order runs on
//!    [`by_user`](crate::resident::by_user).
//! 6. [`result`]: the answer as one record batch.

mod asked;
mod check;
mod chosen;
mod cohort;
mod computed;
mod convert;
mod correlation;
mod experiment;
mod filter;
mod flows;
mod frequency;
mod funnel;
mod groups;
mod impact;
mod insights;
mod lifecycle;
mod lookup;
mod matching;
mod merged;
mod result;
mod retention;
mod sample;
mod segments;
mod sessions;
mod split;
mod statistics;
mod stickiness;
mod table;
#[cfg(test)]
mod tests;
mod units;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use datafusion::prelude::{DataFrame, SessionContext};
use tallymark_event::Timestamp;
use tallymark_report::{
    Breakdown, CountOnce, Insights, Measure, Part, PerUser, Property, Question, Report, Scope,
};

use self::asked::Asked;
use crate::tables::DatasetTables;
use crate::{Result, definitions};

pub(crate) use self::table::register;
pub(crate) use self::values::text_as_sent;

/// The columns of a report's answer.
///
/// An insights report has `metric` (its letter, Utf8), `name` (Utf8), `time` (the start of the
/// bucket, Timestamp(ms) in the report's time zone; only with an interval), a Utf8 column for each
/// breakdown with the label of the segment, `$overall` where segments are not looked at (S-80),
/// `bin` (Utf8; only if a distribution is measured), `value` (Float64), `text` (Utf8; only if a
/// metric is a text, such as the first value as a string: its `value` is null), and with a comparison
/// `compared` and `change`, the relative change (S-77); where segments are compared with what is
/// measured without regard to them, `share` instead (S-79); of a sample `sample` (Float64, the share of users,
/// the same on all rows) (S-91). Rows are ordered by metric, then overall
/// before the segments in order of rank (B-31), then time.
///
/// A funnel has `time` (the start of the bucket; only with an interval), `alternative` (Utf8; only with
/// `compare`: what the event at the compared step is called, F-77), a Utf8 column for each breakdown, `time_to_convert` (Utf8; only with `time_buckets`: the range of seconds, or `Did not
/// convert`), all of them `$overall` where segments are not looked at, `step` (Int64, from 1), `event`
/// (Utf8), `count` (Int64: users, attempts or sessions that reached the step, F-25), `step_conversion`
/// (Float64: by the count of the required step before; null at step 1 and of nothing), `conversion`
/// (Float64: by the count of step 1), `average_time_s` and `median_time_s` (Float64, seconds since the
/// step before in the attempt; null at step 1), `average_time_from_start_s` and
/// `median_time_from_start_s` (since step 1; F-71, over all attempts), a Float64 column for each of
/// `measures` and of `times`, and with `significance` `confidence` (Float64, null of too few or of
/// everybody) and `significant` (Boolean). Rows are ordered: of a comparison one funnel after the other;
/// overall before the segments in order of
/// rank (count at step 1, B-31), then time, then step.
///
/// With `explain`, a funnel has `attempt` (Int64, from 1), `counts` (Boolean: whether it is counted),
/// `time` (Timestamp(ms) in the report's time zone), `event` (Utf8; null where no event ended it), `step`
/// (Int64, from 1; null where it ends), `what` (Utf8: which step it is, or why the attempt ended), in
/// order of attempts (F-35).
///
/// Retention has `row` (Utf8: `cohort`, or for averages over rows `average`, the one of R-21, and
/// `pooled`), `time` (Timestamp(ms) in the report's time zone, the start of the row's civil unit; null
/// for averages), a Utf8 column for each breakdown, `bucket` (Int64, from 0), `from` and `to` (Int64:
/// which units after the birth it is, the end not included), `size` (Int64: who was born; of averages the
/// sum over rows that are complete in the bucket), `retained` (Int64), `rate` (Float64: R-14 … R-17,
/// R-21; null of nobody), `value` (Float64: what is measured, R-30; of averages R-21 for rates and
/// property averages, R-22 for the others), `is_complete` (Boolean, R-20; for averages whether there is
/// such a row). There is a row for each unit of the range without regard to segments, and for each in
/// which somebody of a segment was born. Rows are ordered: overall before segments in order of rank, then
/// cohorts by time, then `average`, then `pooled`; each by bucket.
///
/// Frequency has `time` (the start of the period), `count` (Int64: hours or days, from 1 to 24, 7 or 31), `users`
/// (Int64), `share` (Float64: of those with at least 1; null of nobody). Lifecycle has `time`,
/// `status` (Utf8: `new`, `returning`, `resurrected`, `dormant`), `users` (Int64). Stickiness has
/// `time` (a day), `daily` and `period` (Int64), `stickiness` (Float64; null of nobody).
///
/// Flows have a Utf8 column for each breakdown (`$overall` first), then: as a graph `kind` (Utf8: `node`
/// or `edge`), `anchor` (Int64, from 1), `offset` (Int64: 0 is the anchor itself, negative before it),
/// `label` (Utf8: an event, `$other`, `$drop_off`), `to_anchor`, `to_offset`, `to_label` (of edges),
/// `count` (Int64: flows), `share` (Float64: of the flows that reached the anchor, for edges the one they
/// come from, for a drop-off at offset 0 the one before) (W-10 … W-13); as paths `rank` (Int64, from 1), `path` (List of Utf8), `steps` (Int64),
/// `count` (Int64), `share` (Float64) ; as a tree `node` (Int64), `parent` (Int64; null of roots), `depth`
/// (Int64, from 0), `label` (Utf8), `count` (Int64), `conversion` (Float64: of the parent's count)
/// (W-20).
///
/// A correlation has a row for each candidate, or with `all_cells` one for each of its numbers of times
/// and days: `event` (Utf8: the name, or the events of a property), `property` and `value` (Utf8; null of
/// events), `times` and `days` (Int64: done at least so often within so many days), `is_best` (Boolean),
/// `users` (Int64: all who were born), `true_positives`, `false_positives`, `false_negatives`,
/// `true_negatives` (Int64: users who did it or not, and reach the goal or not), `phi`, `precision`,
/// `false_omission`, `recall`, `fall_out` (Float64; null of nobody) (M-90). Rows are ordered by how far
/// the best phi of the candidate is from 0, then as candidates are said, or by users; then by times, then
/// days.
///
/// An experiment has a row for each metric, and formula after these, and group, the control first: `metric`
/// (Utf8: its letter), `name` (Utf8), `variant` (Utf8), `is_control` (Boolean), `exposed` (Int64: users, or
/// with `count_by` groups), `expected` (Float64: of all exposed, by the planned split), `users` (Int64: those
/// who have what is measured; of formulas all exposed), `total` (Float64: the sum over users; null of
/// formulas), `value` (Float64: the mean, or the formula of means; capped and adjusted if that is asked for),
/// `variance` (Float64, M-72; null of too few), and of variants, null of the control: `difference`, `lift` (of the control's
/// value), `standard_error`, `low` and `high` (the difference with the confidence), `z`, `p` (two-sided,
/// M-73), `sequential_p` (M-74) (all Float64), `is_significant` (Boolean, M-76), with
/// Bayesian inference `chance` (that the variant has more), `lift_median`, `lift_low` and `lift_high` (Float64,
/// M-75), with `pre_experiment_bias` `bias_p` (Float64); and `sample_ratio_p` (Float64, the same on all rows) (M-77). Null is what cannot be
/// told of so few users, or without any variance.
///
/// Impact has rows for each metric, of `adopters` first and then of `non_adopters` (`who`, Utf8): `metric` (Utf8:
/// its letter), `name` (Utf8), `who`, `row` (Utf8: `day`, one for each day around day 0; then `before` and `after`,
/// the means of the daily values before and after day 0, which is in neither), `day` (Int64: 0 is the day of the
/// launch; null of means), `time` (Timestamp(ms) in the report's time zone: the start of the day, of
/// non-adopters, who all have the same; else null), `users` (Int64: all who are included, with `count_by` groups), `observed` (Int64:
/// those of them whose days are all over, whom the other numbers are of), `events` (Int64, that day, or on
/// all days), `value` (Float64: events by user and day; null of nobody), and of adopters, null of the others:
/// `relative_delta` (Float64: how much more they do, of what non-adopters do; null of 0), in the row `after`
/// alone `counterfactual`, `delta`, `lift` (M-82) and `confidence` (M-83; null of fewer than two of either, and
/// without variance) (Float64); `adoption_rate` (Float64: adopters of all users, the same on all rows of a metric; null of
/// nobody) (M-80 … M-83).
///
/// A cohort, and the users behind a number (`users_of`), has `user_id` (Utf8), ascending; a cohort of
/// groups has `group_id` instead (C-21).
///
/// Sessions have `user_id` (Utf8), `start` and `end` (Timestamp(ms) in the report's time zone; of the
/// first and the last event), `duration_s` (Float64), `event_count` (Int64), `origin_start` and
/// `origin_end` (Utf8, names of the first and the last event), then a Utf8 column for each property
/// that is asked for. End and duration are null where a session from event to event has
/// no end. Rows are ordered by user, then start.
///
/// Of a report that names saved metrics or formulas, it is that of [`tallymark_report::Report::with_saved`].
///
/// # Errors
/// For a time zone that does not exist.
pub fn schema(report: &Report) -> Result<SchemaRef> {
    result::schema(report)
}

/// The answer of a report over the snapshot of a session, computed when the frame is executed; `now`
/// is the time it is asked at. The columns are those of [`schema`].
///
/// # Errors
/// [`crate::Error::Definition`] for what is wrong in the definition. What is wrong in SQL in it
/// comes when the frame is executed, as do errors of reading.
pub fn report(session: &SessionContext, report: Report, now: Timestamp) -> Result<DataFrame> {
    table::frame(session, report, now)
}

/// Answers a report with the columns at these places in its schema.
async fn answer(
    state: SessionState,
    tables: Arc<DatasetTables>,
    report: &Report,
    places: &[usize],
    now: Timestamp,
) -> Result<Vec<RecordBatch>> {
    let snapshot = Arc::clone(tables.snapshot());
    let cohorts = definitions::cohorts(&snapshot)?;
    let mut asked = Asked::new(state, tables, &report.scope, now.millis())?;
    asked.hidden_events = Arc::new(definitions::hidden_events(&snapshot)?);
    asked.merged = Arc::new(merged::Merged::of(&definitions::lexicon(&snapshot)?));
    asked.saved_events = Arc::new(definitions::events(&snapshot)?);
    let keys = cohorts.iter().filter_map(|(name, cohort)| Some((name.clone(), cohort.group_key.clone()?)));
    asked.group_cohorts = Arc::new(keys.collect());
    let (stored, without_sessions) = (Arc::clone(&asked.tables), Arc::clone(&asked.merged));
    let mut asked = Box::pin(asked.with_session_events(report, &cohorts)).await?;
    asked.check(report, &cohorts)?;
    asked.load_lookups(report, &cohorts).await?;
    asked.compute(report, &cohorts).await?;
    if let Question::Funnel(_)
    | Question::Retention(_)
    | Question::Frequency(_)
    | Question::Lifecycle(_)
    | Question::Stickiness(_)
    | Question::Flows(_)
    | Question::Correlation(_)
    | Question::Experiment(_)
    | Question::Impact(_) = &report.question
    {
        asked.work_out(cohorts_named(&asked, report)?, &cohorts).await?;
        asked.compute(report, &cohorts).await?;
    }
    let whole = match &report.question {
        Question::Insights(insights) => {
            let insights = &counted_once(insights);
            let names = cohorts_of(&asked, report, insights)?;
            asked.work_out(names, &cohorts).await?;
            asked.compute(report, &cohorts).await?;
            let (scope, insights) = sample::applied(&report.scope, insights);
            let (scope, insights) = (scope.as_ref(), insights.as_ref());
            if let Some(cell) = &insights.users_of {
                let users = insights::users::behind(&asked, &cohorts, scope, insights, cell).await?;
                result::users(report, &users)?
            } else {
                let rows = insights::run(&asked, &cohorts, scope, insights).await?;
                result::insights(report, insights, &rows)?
            }
        }
        Question::Funnel(funnel) => {
            if funnel.users_of.is_some() {
                result::users(report, &funnel::users(&asked, &report.scope, funnel, None).await?)?
            } else {
                funnel::run(&asked, &report.scope, funnel).await?
            }
        }
        Question::Retention(retention) => {
            if let Some(cell) = &retention.users_of {
                let users = retention::users(&asked, &report.scope, retention, cell).await?;
                result::users(report, &users)?
            } else {
                retention::answer(&asked, &report.scope, retention, None).await?
            }
        }
        Question::Frequency(frequency) => {
            if let Some(cell) = &frequency.users_of {
                let users = frequency::users(&asked, &report.scope, frequency, cell).await?;
                result::users(report, &users)?
            } else {
                frequency::answer(&asked, &report.scope, frequency).await?
            }
        }
        Question::Lifecycle(lifecycle) => {
            if let Some(cell) = &lifecycle.users_of {
                let users = lifecycle::users(&asked, &report.scope, lifecycle, cell).await?;
                result::users(report, &users)?
            } else {
                lifecycle::answer(&asked, &report.scope, lifecycle).await?
            }
        }
        Question::Stickiness(stickiness) => {
            if let Some(cell) = &stickiness.users_of {
                let users = stickiness::users(&asked, &report.scope, stickiness, cell).await?;
                result::users(report, &users)?
            } else {
                stickiness::answer(&asked, &report.scope, stickiness).await?
            }
        }
        Question::Flows(flows) => {
            if let Some(node) = &flows.users_of {
                result::users(report, &flows::users(&asked, &report.scope, flows, node).await?)?
            } else {
                flows::answer(&asked, &report.scope, flows).await?
            }
        }
        Question::Experiment(experiment) => {
            if let Some(of) = &experiment.users_of {
                let users = experiment::users(&asked, &report.scope, experiment, of).await?;
                result::users(report, &users)?
            } else {
                experiment::answer(&asked, &report.scope, experiment).await?
            }
        }
        Question::Impact(impact) => {
            if let Some(cell) = &impact.users_of {
                result::users(report, &impact::users(&asked, &report.scope, impact, cell).await?)?
            } else {
                impact::answer(&asked, &report.scope, impact).await?
            }
        }
        Question::Correlation(correlation) => {
            if let Some(cell) = &correlation.users_of {
                let users = correlation::users(&asked, &report.scope, correlation, cell).await?;
                result::users(report, &users)?
            } else {
                correlation::answer(&asked, &report.scope, correlation).await?
            }
        }
        Question::Cohort(cohort) => {
            let members = asked.members_of(cohort, &cohorts, &mut Vec::new()).await?;
            let members: BTreeSet<String> = members.iter().map(str::to_owned).collect();
            result::users(report, &members)?
        }
        Question::Sessions(list) => {
            let mut names = BTreeSet::new();
            cohorts_of_scope(&asked, report, &mut names)?;
            asked.work_out(names, &cohorts).await?;
            asked.compute(report, &cohorts).await?;
            // Sessions are made of stored events, whatever else is asked about.
            let asked = Asked { tables: stored, merged: without_sessions, ..asked };
            return sessions::list::sessions(&asked, &report.scope, list, places).await;
        }
    };
    Ok(vec![whole.project(places).map_err(asked::arrow_error)?])
}

/// of users of whom what led to them is asked, one event counts: their last, if not said.
fn counted_once(insights: &Insights) -> Insights {
    let mut insights = insights.clone();
    let is_attributed = insights.breakdowns.iter().any(|breakdown| {
        matches!(breakdown, Breakdown::Property { property: Property::Attributed { .. }, .. })
    });
    let of_formulas = insights.formulas.iter_mut().flat_map(|formula| &mut formula.metrics);
    for metric in insights.metrics.iter_mut().chain(of_formulas).filter(|_| is_attributed) {
        if metric.event.is_some() && metric.measure == Measure::UniqueUsers {
            metric.count_once.get_or_insert(CountOnce::Last);
        }
    }
    insights
}

/// The cohorts in what all reports may have: the filter of the whole, and what starts and ends a
/// session.
fn cohorts_of_scope(asked: &Asked, report: &Report, names: &mut BTreeSet<String>) -> Result<()> {
    let Scope { filter, sessions, .. } = &report.scope;
    filter.iter().try_for_each(|filter| asked.cohorts_of(filter, names))?;
    let selectors = sessions.iter().flat_map(|rule| rule.start.iter().chain(&rule.end));
    selectors.into_iter().try_for_each(|selector| asked.cohorts_of_events(selector, names))
}

/// The cohorts that insights look at for each event; the sizes of others are metrics.
fn cohorts_of(asked: &Asked, report: &Report, insights: &Insights) -> Result<BTreeSet<String>> {
    let insights = &insights.with_metrics_of_formulas();
    if insights.metrics.iter().any(|metric| metric.funnel.is_some() || metric.retention.is_some()) {
        return cohorts_named(asked, report);
    }
    let mut names = BTreeSet::new();
    cohorts_of_scope(asked, report, &mut names)?;
    for metric in &insights.metrics {
        let filters = metric.filter.iter().chain(&metric.profiles);
        filters.into_iter().try_for_each(|filter| asked.cohorts_of(filter, &mut names))?;
        metric.event.iter().try_for_each(|selector| asked.cohorts_of_events(selector, &mut names))?;
        match &metric.measure {
            Measure::OfProperty { of, .. }
            | Measure::OverUsers { per_user: PerUser::OfProperty { of, .. }, .. } => {
                asked.cohorts_of_property(of, &mut names)?;
            }
            _ => {}
        }
    }
    for breakdown in &insights.breakdowns {
        match breakdown {
            Breakdown::Cohorts { cohorts } => names.extend(cohorts.iter().cloned()),
            Breakdown::Property { property, .. } => asked.cohorts_of_property(property, &mut names)?,
        }
    }
    Ok(names)
}

/// All cohorts that a report names, saved events among what it says.
fn cohorts_named(asked: &Asked, report: &Report) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut found: Result<()> = Ok(());
    let mut each = |part: Part<'_>| match part {
        Part::Cohort(name) | Part::ProfileCohort(name) => {
            names.insert(name.to_owned());
            Ok(())
        }
        Part::Condition(sql) | Part::Value(sql) | Part::ProfileCondition(sql) | Part::ProfileValue(sql) => {
            asked.cohorts_of_sql(sql, &mut names)
        }
        Part::Event(name) => match asked.saved_events.get(name) {
            Some(saved) => asked.cohorts_of_events(saved, &mut names),
            None => Ok(()),
        },
        _ => Ok(()),
    };
    report.try_parts(&mut |part| {
        if found.is_ok() {
            found = each(part);
        }
        Ok(())
    })?;
    found.map(|()| names)
}
