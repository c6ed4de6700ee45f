//! Reports: definitions of questions, answered over one snapshot.
//!
//! 1. A definition ([`tallymark_report::Report`]) is read and checked.
//! 2. [`asked`]: what its expressions are made from: tables, calendar, cohorts, now.
//! 3. [`values`], [`filter`], [`segments`]: properties, filters and breakdowns become expressions
//!    of DataFusion over `events`.
//! 4. [`insights`] and [`cohort`]: the questions. What SQL can say runs as a plan, and over segments
//!    in memory where there is room; what needs a user's events in order runs on
//!    [`by_user`](crate::resident::by_user).
//! 5. [`result`]: the answer as one record batch.

mod asked;
mod cohort;
mod convert;
mod filter;
mod function;
mod insights;
mod result;
mod segments;
mod statistics;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use datafusion::prelude::{DataFrame, SessionContext};
use tallymark_event::Timestamp;
use tallymark_report::{Breakdown, Cohort, Filter, Insights, Question, Report};

use self::asked::Asked;
use crate::Result;
use crate::tables::DatasetTables;

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
/// A cohort has `user_id` (Utf8), ascending.
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
    cohorts: &BTreeMap<String, Cohort>,
    report: &Report,
    now: Timestamp,
) -> Result<RecordBatch> {
    let mut asked = Asked::new(state, tables, &report.scope, now.millis())?;
    match &report.question {
        Question::Insights(insights) => {
            let names = cohorts_of(&asked, report, insights)?;
            asked.work_out(names, cohorts).await?;
            let rows = insights::run(&asked, cohorts, &report.scope, insights).await?;
            result::insights(report, insights, &rows)
        }
        Question::Cohort(cohort) => {
            let members = asked.members_of(cohort, cohorts, &mut Vec::new()).await?;
            let members: BTreeSet<String> = members.into_iter().collect();
            result::users(report, &members)
        }
    }
}

/// The cohorts that a report looks at for each event.
fn cohorts_of(asked: &Asked, report: &Report, insights: &Insights) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut filters: Vec<&Filter> = report.scope.filter.iter().collect();
    let mut selectors = Vec::new();
    if let Some(sessions) = &report.scope.sessions {
        selectors.extend(sessions.start.iter().chain(&sessions.end));
    }
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
