//! Checks of a tracking plan (M-28): a few questions in SQL an event, not a look at every row.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use datafusion::prelude::SessionContext;
use serde::Serialize;
use tallymark_event::Timestamp;
use tallymark_query::plan::{PlanCheck, PlanProblem, plan_checks, sql_text};
use tallymark_report::TrackingPlan;

use crate::{Engine, Result, View};

/// Examples of each violation.
const EXAMPLES: usize = 3;
/// Checks of one query, at most.
const CHECKS_PER_QUERY: usize = 100;

/// Which events are checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanScope {
    /// Only those that happened then or later.
    pub since: Option<Timestamp>,
    /// Only those that arrived from this sequence on ([`View::next_sequence`]).
    pub from_sequence: Option<i64>,
}

/// How events compare with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PlanReport {
    /// How many were checked.
    pub events: u64,
    /// What is wrong, sorted by event and property.
    pub violations: Vec<PlanViolation>,
}

/// One thing that is wrong with events of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanViolation {
    /// The name.
    pub event: String,
    /// The property, unless it is the event itself.
    pub property: Option<String>,
    /// What is wrong.
    pub problem: PlanProblem,
    /// What the plan expects.
    pub expected: String,
    /// How many events it is wrong with.
    pub events: u64,
    /// The first of them.
    pub examples: Vec<PlanExample>,
}

/// An event that breaks the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanExample {
    /// Its insert id, if it has one.
    pub insert_id: Option<String>,
    /// Who did it, if anybody.
    pub user: Option<String>,
    /// When.
    pub time: Timestamp,
    /// The property's value, as text.
    pub value: Option<String>,
}

impl Engine {
    /// Checks events of the newest state against a plan.
    ///
    /// # Errors
    /// As [`Engine::sql`]; [`crate::ErrorKind::InvalidInput`] too for a pattern that is no regular
    /// expression.
    pub async fn check_plan(&self, plan: &TrackingPlan, scope: PlanScope) -> Result<PlanReport> {
        let view = self.view();
        let checker = Checker { view: &view, session_ctx: view.session()?, scope };
        let mut report = PlanReport::default();
        for (event, count) in checker.events().await? {
            report.events += count;
            let found = match plan.events.get(&event) {
                Some(schema) => {
                    checker.violations(&event, plan_checks(schema, &view.snapshot.catalog)).await?
                }
                None if plan.allow_other_events => Vec::new(),
                None => vec![checker.unknown(&event, count).await?],
            };
            report.violations.extend(found);
        }
        Ok(report)
    }
}

struct Checker<'a> {
    view: &'a View,
    session_ctx: SessionContext,
    scope: PlanScope,
}

impl Checker<'_> {
    /// The event names in question and how often they are there.
    async fn events(&self) -> Result<BTreeMap<String, u64>> {
        let query = format!("SELECT event, count(*) FROM events WHERE {} GROUP BY event", self.in_scope());
        let mut events = BTreeMap::new();
        for batch in self.ask(&query).await? {
            let names = text_column(&batch, 0)?;
            let counts = batch.column(1).as_primitive::<Int64Type>();
            events.extend(names.into_iter().flatten().zip(counts.values().iter().map(|count| *count as u64)));
        }
        Ok(events)
    }

    /// An event that is not in the plan.
    async fn unknown(&self, event: &str, count: u64) -> Result<PlanViolation> {
        Ok(PlanViolation {
            event: event.to_owned(),
            property: None,
            problem: PlanProblem::UnknownEvent,
            expected: "no such event".to_owned(),
            events: count,
            examples: self.examples(event, "true", "NULL").await?,
        })
    }

    /// What is wrong with the events of a name.
    async fn violations(&self, event: &str, checks: Vec<PlanCheck>) -> Result<Vec<PlanViolation>> {
        let mut violations = Vec::new();
        for checks in checks.chunks(CHECKS_PER_QUERY) {
            let counts = self.counts(event, checks).await?;
            for (check, count) in checks.iter().zip(counts).filter(|(_, count)| *count > 0) {
                violations.push(PlanViolation {
                    event: event.to_owned(),
                    property: Some(check.property.clone()),
                    problem: check.problem,
                    expected: check.expected.clone(),
                    events: count,
                    examples: self.examples(event, &check.condition, &check.value).await?,
                });
            }
        }
        Ok(violations)
    }

    /// How many events of a name fail each check.
    async fn counts(&self, event: &str, checks: &[PlanCheck]) -> Result<Vec<u64>> {
        let counts: Vec<String> = checks
            .iter()
            .enumerate()
            .map(|(at, check)| format!("count(*) FILTER (WHERE {}) AS check_{at}", check.condition))
            .collect();
        let query = format!("SELECT {} FROM events WHERE {}", counts.join(", "), self.of(event));
        let mut sums = vec![0; checks.len()];
        for batch in self.ask(&query).await? {
            for (sum, column) in sums.iter_mut().zip(batch.columns()) {
                *sum += column
                    .as_primitive::<Int64Type>()
                    .values()
                    .iter()
                    .map(|count| *count as u64)
                    .sum::<u64>();
            }
        }
        Ok(sums)
    }

    /// The first events of a name that meet a condition.
    async fn examples(&self, event: &str, condition: &str, value: &str) -> Result<Vec<PlanExample>> {
        let query = format!(
            "SELECT insert_id, coalesce(user_id, nullif(distinct_id, '')) AS person, time, {value} AS found \
             FROM events WHERE {} AND ({condition}) ORDER BY time, sequence LIMIT {EXAMPLES}",
            self.of(event)
        );
        let mut examples = Vec::new();
        for batch in self.ask(&query).await? {
            let times = batch.column(2).as_primitive::<TimestampMillisecondType>();
            let columns = (text_column(&batch, 0)?, text_column(&batch, 1)?, text_column(&batch, 3)?);
            for (row, ((insert_id, user), value)) in
                columns.0.into_iter().zip(columns.1).zip(columns.2).enumerate()
            {
                let time = Timestamp::from_millis(times.value(row));
                examples.push(PlanExample { insert_id, user, time, value });
            }
        }
        Ok(examples)
    }

    fn of(&self, event: &str) -> String {
        format!("event = {} AND {}", sql_text(event), self.in_scope())
    }

    fn in_scope(&self) -> String {
        let since = self.scope.since.map(|since| format!("time >= {}", sql_text(&since.to_string())));
        let arrived = self.scope.from_sequence.map(|from| format!("sequence >= {from}"));
        let conditions: Vec<String> = since.into_iter().chain(arrived).collect();
        if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") }
    }

    async fn ask(&self, query: &str) -> Result<Vec<RecordBatch>> {
        self.view.engine.sql_in(&self.session_ctx, query).await?.collect().await
    }
}

/// A column as text.
fn text_column(batch: &RecordBatch, at: usize) -> Result<Vec<Option<String>>> {
    let column = cast(batch.column(at), &DataType::Utf8).map_err(datafusion::error::DataFusionError::from)?;
    let column = column.as_string::<i32>();
    Ok((0..column.len()).map(|row| column.is_valid(row).then(|| column.value(row).to_owned())).collect())
}
