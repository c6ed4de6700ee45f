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
const DAY_MS: i64 = 86_400_000;
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
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use tallymark::{Engine, EngineConfig, Event, PlanScope, Timestamp, TrackingPlan};
    ///
    /// let engine = Engine::open("memory:///plans", EngineConfig::default()).await?;
    /// let time = Timestamp::from_millis(1_700_000_000_000);
    /// engine.append([Event::new("Play", time, "u1").with("mins", "three")]).await?;
    /// let plan = r#"{"events": {"Play": {"properties": {"mins": {"type": "number"}}}}}"#;
    /// let plan = TrackingPlan::parse(plan).unwrap();
    /// let report = engine.check_plan(&plan, PlanScope::default()).await?;
    /// assert_eq!(report.violations[0].examples[0].value.as_deref(), Some("three"));
    /// # Ok::<(), tallymark::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`Engine::sql`]; [`crate::ErrorKind::InvalidInput`] too for a pattern that is no regular
    /// expression.
    pub async fn check_plan(&self, plan: &TrackingPlan, scope: PlanScope) -> Result<PlanReport> {
        let view = self.view();
        let checker = Checker { view: &view, session_ctx: view.session()?, scope };
        let mut report = PlanReport::default();
        for (event, found) in checker.events().await? {
            report.events += found.events;
            let found = match plan.events.get(&event) {
                Some(schema) => {
                    checker.violations(&event, plan_checks(schema, &view.snapshot.catalog)).await?
                }
                None if plan.allow_other_events => Vec::new(),
                None => vec![checker.unknown(&event, found).await?],
            };
            report.violations.extend(found);
        }
        Ok(report)
    }
}

/// Events that something is wrong with.
#[derive(Debug, Clone, Copy)]
struct Found {
    events: u64,
    /// The time of the first of them.
    first: Timestamp,
}

struct Checker<'a> {
    view: &'a View,
    session_ctx: SessionContext,
    scope: PlanScope,
}

impl Checker<'_> {
    /// The event names in question and what there is of them.
    async fn events(&self) -> Result<BTreeMap<String, Found>> {
        let query =
            format!("SELECT event, count(*), min(time) FROM events WHERE {} GROUP BY event", self.in_scope());
        let mut events = BTreeMap::new();
        for batch in self.ask(&query).await? {
            let names = text_column(&batch, 0)?;
            let found = (0..batch.num_rows()).map(|row| found(&batch, 1, row));
            events.extend(names.into_iter().flatten().zip(found));
        }
        Ok(events)
    }

    /// An event that is not in the plan.
    async fn unknown(&self, event: &str, found: Found) -> Result<PlanViolation> {
        Ok(PlanViolation {
            event: event.to_owned(),
            property: None,
            problem: PlanProblem::UnknownEvent,
            expected: "no such event".to_owned(),
            events: found.events,
            examples: self.examples(event, "true", "NULL", found).await?,
        })
    }

    /// What is wrong with the events of a name.
    async fn violations(&self, event: &str, checks: Vec<PlanCheck>) -> Result<Vec<PlanViolation>> {
        let mut violations = Vec::new();
        for checks in checks.chunks(CHECKS_PER_QUERY) {
            let found = self.failures(event, checks).await?;
            for (check, found) in checks.iter().zip(found).filter(|(_, found)| found.events > 0) {
                violations.push(PlanViolation {
                    event: event.to_owned(),
                    property: Some(check.property.clone()),
                    problem: check.problem,
                    expected: check.expected.clone(),
                    events: found.events,
                    examples: self.examples(event, &check.condition, &check.value, found).await?,
                });
            }
        }
        Ok(violations)
    }

    /// What there is of events of a name that fail each check.
    async fn failures(&self, event: &str, checks: &[PlanCheck]) -> Result<Vec<Found>> {
        let columns: Vec<String> = checks
            .iter()
            .enumerate()
            .map(|(at, PlanCheck { condition, .. })| {
                format!(
                    "count(*) FILTER (WHERE {condition}) AS check_{at}, \
                     min(time) FILTER (WHERE {condition}) AS first_{at}"
                )
            })
            .collect();
        let query = format!("SELECT {} FROM events WHERE {}", columns.join(", "), self.of(event));
        let batches = self.ask(&query).await?;
        let row = batches.iter().find(|batch| batch.num_rows() > 0);
        let of_check = |batch| (0..checks.len()).map(|at| found(batch, 2 * at, 0)).collect();
        Ok(row.map(of_check).unwrap_or_default())
    }

    /// The first events of a name that meet a condition. They are looked for on the first day that
    /// has any: reading columns that nothing else needs takes longer than all the rest.
    async fn examples(
        &self,
        event: &str,
        condition: &str,
        value: &str,
        found: Found,
    ) -> Result<Vec<PlanExample>> {
        let next_day = (i64::from(found.first.day().days()) + 1) * DAY_MS;
        let early = format!("({condition}) AND time < {}", instant(Timestamp::from_millis(next_day)));
        let examples = self.first_events(event, &early, value).await?;
        if examples.len() == EXAMPLES || examples.len() as u64 == found.events {
            return Ok(examples);
        }
        self.first_events(event, condition, value).await
    }

    async fn first_events(&self, event: &str, condition: &str, value: &str) -> Result<Vec<PlanExample>> {
        let query = format!(
            "SELECT insert_id, coalesce(user_id, nullif(distinct_id, '')) AS person, time, {value} AS found \
             FROM events WHERE {} AND ({condition}) ORDER BY time, sequence LIMIT {EXAMPLES}",
            self.of(event)
        );
        let mut examples = Vec::new();
        for batch in self.ask(&query).await? {
            let times = batch.column(2).as_primitive::<TimestampMillisecondType>();
            let [insert_ids, users, values] =
                [text_column(&batch, 0)?, text_column(&batch, 1)?, text_column(&batch, 3)?];
            let texts = insert_ids.into_iter().zip(users).zip(values);
            examples.extend(texts.enumerate().map(|(row, ((insert_id, user), value))| PlanExample {
                insert_id,
                user,
                time: Timestamp::from_millis(times.value(row)),
                value,
            }));
        }
        Ok(examples)
    }

    fn of(&self, event: &str) -> String {
        format!("event = {} AND {}", sql_text(event), self.in_scope())
    }

    fn in_scope(&self) -> String {
        let since = self.scope.since.map(|since| format!("time >= {}", instant(since)));
        let arrived = self.scope.from_sequence.map(|from| format!("sequence >= {from}"));
        let conditions: Vec<String> = since.into_iter().chain(arrived).collect();
        if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") }
    }

    async fn ask(&self, query: &str) -> Result<Vec<RecordBatch>> {
        self.view.engine.sql_in(&self.session_ctx, query).await?.collect().await
    }
}

/// A time as it has to be written in SQL.
fn instant(time: Timestamp) -> String {
    format!("arrow_cast({}, 'Timestamp(Millisecond, Some(\"UTC\"))')", time.millis())
}

/// A count and, in the next column, the time of the first.
fn found(batch: &RecordBatch, at: usize, row: usize) -> Found {
    let first = batch.column(at + 1).as_primitive::<TimestampMillisecondType>().value(row);
    Found {
        events: batch.column(at).as_primitive::<Int64Type>().value(row) as u64,
        first: Timestamp::from_millis(first),
    }
}

/// A column as text.
fn text_column(batch: &RecordBatch, at: usize) -> Result<Vec<Option<String>>> {
    let column = cast(batch.column(at), &DataType::Utf8).map_err(datafusion::error::DataFusionError::from)?;
    let column = column.as_string::<i32>();
    Ok((0..column.len()).map(|row| column.is_valid(row).then(|| column.value(row).to_owned())).collect())
}
