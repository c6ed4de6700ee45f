//! Reports: definitions of questions, answered over one snapshot.
//!
//! 1. A definition ([`tallymark_report::Report`]) is read and checked.
//! 2. [`asked`]: what its expressions are made from: tables, calendar, cohorts, now.
//! 3. [`values`], [`filter`], [`segments`]: properties, filters and breakdowns become expressions
//!    of DataFusion over `events`.
//! 4. [`insights`], [`cohort`] and [`sessions`]: the questions. What SQL can say runs as a plan, and over segments
//!    in memory where there is room; what needs a user's events in order runs on
//!    [`by_user`](crate::resident::by_user).
//! 5. [`result`]: the answer as one record batch.

mod asked;
mod cohort;
mod computed;
mod convert;
mod filter;
mod function;
mod insights;
mod lookup;
mod result;
mod segments;
mod sessions;
mod statistics;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use datafusion::prelude::{DataFrame, SessionContext};
use tallymark_event::Timestamp;
use tallymark_report::{Breakdown, CountOnce, Filter, Insights, Measure, Property, Question, Report};

use self::asked::Asked;
use crate::tables::DatasetTables;
use crate::{Result, definitions};

pub(crate) use self::table::register;

/// The columns of a report's answer.
///
/// An insights report has `metric` (its letter, Utf8), `name` (Utf8), `time` (the start of the
/// bucket, Timestamp(ms) in the report's time zone; only with an interval), a Utf8 column for each
/// breakdown with the label of the segment, `$overall` where segments are not looked at (S-80),
/// `bin` (Utf8; only if a distribution is measured), `value` (Float64), and with a comparison
/// `compared` and `change`, the relative change (S-77). Rows are ordered by metric, then overall
/// before the segments in order of rank (B-31), then time.
///
/// A cohort, and the users behind a number (`users_of`), has `user_id` (Utf8), ascending.
///
/// Sessions have `user_id` (Utf8), `start` and `end` (Timestamp(ms) in the report's time zone; of the
/// first and the last event), `duration_s` (Float64), `event_count` (Int64), `origin_start` and
/// `origin_end` (Utf8, names of the first and the last event), then a Utf8 column for each property
/// that is asked for. End and duration are null where a session from event to event has
/// no end. Rows are ordered by user, then start.
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

/// Answers a report.
async fn answer(
    state: SessionState,
    tables: Arc<DatasetTables>,
    report: &Report,
    now: Timestamp,
) -> Result<RecordBatch> {
    let snapshot = Arc::clone(tables.snapshot());
    let cohorts = definitions::cohorts(&snapshot)?;
    let mut asked = Asked::new(state, tables, &report.scope, now.millis())?;
    asked.hidden_events = Arc::new(definitions::hidden_events(&snapshot)?);
    asked.load_lookups(report, &cohorts).await?;
    asked.compute(report, &cohorts).await?;
    match &report.question {
        Question::Insights(insights) => {
            let insights = &counted_once(insights);
            let names = cohorts_of(&asked, report, insights)?;
            asked.work_out(names, &cohorts).await?;
            asked.compute(report, &cohorts).await?;
            if let Some(cell) = &insights.users_of {
                let users = insights::users::behind(&asked, &cohorts, &report.scope, insights, cell).await?;
                return result::users(report, &users);
            }
            let rows = insights::run(&asked, &cohorts, &report.scope, insights).await?;
            result::insights(report, insights, &rows)
        }
        Question::Cohort(cohort) => {
            let members = asked.members_of(cohort, &cohorts, &mut Vec::new()).await?;
            let members: BTreeSet<String> = members.into_iter().collect();
            result::users(report, &members)
        }
        Question::Sessions(list) => {
            let mut names = BTreeSet::new();
            for filter in filters_of_scope(report) {
                asked.cohorts_of(filter, &mut names)?;
            }
            asked.work_out(names, &cohorts).await?;
            asked.compute(report, &cohorts).await?;
            sessions::list::sessions(&asked, &report.scope, list).await
        }
    }
}

/// of users of whom what led to them is asked, one event counts: their last, if not said.
fn counted_once(insights: &Insights) -> Insights {
    let mut insights = insights.clone();
    let is_attributed = insights.breakdowns.iter().any(|breakdown| {
        matches!(breakdown, Breakdown::Property { property: Property::Attributed { .. }, .. })
    });
    for metric in insights.metrics.iter_mut().filter(|_| is_attributed) {
        if metric.measure == Measure::UniqueUsers {
            metric.count_once.get_or_insert(CountOnce::Last);
        }
    }
    insights
}

/// The filters that all reports may have: of the whole, and of what starts and ends a session.
fn filters_of_scope(report: &Report) -> Vec<&Filter> {
    let sessions = report.scope.sessions.iter();
    let selectors = sessions.flat_map(|rule| rule.start.iter().chain(&rule.end));
    let choices = selectors.flat_map(|selector| &selector.any_of);
    report.scope.filter.iter().chain(choices.filter_map(|choice| choice.filter.as_ref())).collect()
}

/// The cohorts that a report looks at for each event.
fn cohorts_of(asked: &Asked, report: &Report, insights: &Insights) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut filters = filters_of_scope(report);
    let mut selectors = Vec::new();
    for metric in &insights.metrics {
        filters.extend(metric.filter.iter().chain(&metric.profiles));
        selectors.extend(&metric.event);
    }
    let choices = selectors.into_iter().flat_map(|selector| &selector.any_of);
    filters.extend(choices.filter_map(|choice| choice.filter.as_ref()));
    for filter in filters {
        asked.cohorts_of(filter, &mut names)?;
    }
    for breakdown in &insights.breakdowns {
        match breakdown {
            Breakdown::Cohorts { cohorts } => names.extend(cohorts.iter().cloned()),
            Breakdown::Property { property, .. } => asked.cohorts_of_property(property, &mut names)?,
        }
    }
    Ok(names)
}
