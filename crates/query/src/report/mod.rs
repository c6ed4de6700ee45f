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
mod cohort;
mod convert;
mod filter;
mod function;
mod insights;
mod matching;
mod merged;
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
use tallymark_report::{Breakdown, Insights, Measure, PerUser, Question, Report, Scope};

use self::asked::Asked;
use crate::tables::DatasetTables;
use crate::{Result, definitions};

pub(crate) use self::table::register;

/// The columns of a report's answer.
///
/// An insights report has `metric` (its letter, Utf8), `name` (Utf8), `time` (the start of the
/// bucket, Timestamp(ms) in the report's time zone; only with an interval), a Utf8 column for each
/// breakdown with the label of the segment, `$overall` where segments are not looked at (S-80),
/// `bin` (Utf8; only if a distribution is measured), `value` (Float64), `text` (Utf8; only if a
/// metric is a text, such as the first value as a string: its `value` is null), and with a comparison
/// `compared` and `change`, the relative change (S-77); where segments are compared with what is
/// measured without regard to them, `share` instead (S-79). Rows are ordered by metric, then overall
/// before the segments in order of rank (B-31), then time.
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
/// Of a report that names saved metrics, it is that of [`tallymark_report::Report::with_saved`].
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
    asked.merged = Arc::new(merged::Merged::of(&definitions::lexicon(&snapshot)?));
    asked.saved_events = Arc::new(definitions::events(&snapshot)?);
    let keys = cohorts.iter().filter_map(|(name, cohort)| Some((name.clone(), cohort.group_key.clone()?)));
    asked.group_cohorts = Arc::new(keys.collect());
    asked.check(report, &cohorts)?;
    match &report.question {
        Question::Insights(insights) => {
            let names = cohorts_of(&asked, report, insights)?;
            asked.work_out(names, &cohorts).await?;
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
            cohorts_of_scope(&asked, report, &mut names)?;
            asked.work_out(names, &cohorts).await?;
            sessions::list::sessions(&asked, &report.scope, list).await
        }
    }
}

/// The cohorts in what all reports may have: the filter of the whole, and what starts and ends a
/// session.
fn cohorts_of_scope(asked: &Asked, report: &Report, names: &mut BTreeSet<String>) -> Result<()> {
    let Scope { filter, sessions, .. } = &report.scope;
    filter.iter().try_for_each(|filter| asked.cohorts_of(filter, names))?;
    let selectors = sessions.iter().flat_map(|rule| rule.start.iter().chain(&rule.end));
    selectors.into_iter().try_for_each(|selector| asked.cohorts_of_events(selector, names))
}

/// The cohorts that a report looks at for each event.
fn cohorts_of(asked: &Asked, report: &Report, insights: &Insights) -> Result<BTreeSet<String>> {
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
