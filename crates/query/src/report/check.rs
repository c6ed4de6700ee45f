//! What is wrong in a definition that only the dataset tells, before anything runs: SQL, days, and
//! names of saved cohorts, each with its place in the definition.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{Expr, ExprSchemable as _};
use tallymark_event::columns::USER_ID;
use tallymark_report::{
    Breakdown, Cohort, DateRange, DefinitionError, EventSelector, Funnel, Part, Question, Report,
};

use super::asked::{Asked, Cohorts};
use crate::{Error, Result};

type Checked<T = ()> = tallymark_report::Result<T>;

/// Something saved that a definition names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Saved {
    Cohort(String),
    Event(String),
}

/// What is named and not yet looked at.
#[derive(Debug, Default)]
struct Named(BTreeSet<Saved>);

enum Definition<'a> {
    Cohort(&'a Cohort),
    Event(&'a EventSelector),
}

impl Asked {
    /// Whether a report, and the saved cohorts and events it names, can be asked of this dataset.
    pub(super) fn check(&self, report: &Report, cohorts: &Cohorts) -> Result<()> {
        let mut named = Named::default();
        let group_key = match &report.question {
            Question::Cohort(cohort) => cohort.group_key.as_deref(),
            _ => None,
        };
        report.try_parts(&mut |part| self.check_part(part, group_key, cohorts, &mut named))?;
        self.check_of_attempts(report)?;
        let mut checked = BTreeSet::new();
        // What is named may name more.
        while let Some(one) = named.0.pop_first() {
            if checked.insert(one.clone()) {
                let (of, place) = match &one {
                    Saved::Cohort(name) => {
                        (cohorts.get(name).map(Definition::Cohort), format!("cohort \"{name}\""))
                    }
                    Saved::Event(name) => {
                        (self.saved_events.get(name).map(Definition::Event), format!("event \"{name}\""))
                    }
                };
                let group_key = match &of {
                    Some(Definition::Cohort(cohort)) => cohort.group_key.as_deref(),
                    _ => None,
                };
                let mut each = |part: Part<'_>| self.check_part(part, group_key, cohorts, &mut named);
                let found = match of {
                    Some(Definition::Cohort(cohort)) => cohort.try_parts(&mut each),
                    // The names in a saved event are those of stored ones.
                    Some(Definition::Event(event)) => event.try_parts(&mut |part| match part {
                        Part::Event(_) => Ok(()),
                        other => each(other),
                    }),
                    None => Ok(()),
                };
                found.map_err(|error| error.within(&place))?;
            }
        }
        Ok(())
    }

    /// As ClickHouse counts there are users without steps: which of the groups of their events would be
    /// meant?
    fn check_of_attempts(&self, report: &Report) -> Checked {
        let funnels: Vec<Funnel> = match &report.question {
            Question::Funnel(funnel) => vec![funnel.clone()],
            Question::Insights(insights) => {
                let metrics = insights.with_metrics_of_formulas().metrics;
                metrics.iter().filter_map(|metric| insights.funnel_of(metric)).collect()
            }
            _ => Vec::new(),
        };
        for funnel in funnels.iter().filter(|funnel| funnel.clickhouse.is_some()) {
            for (at, breakdown) in funnel.breakdowns.iter().enumerate() {
                let Breakdown::Cohorts { cohorts } = breakdown else { continue };
                if let Some(name) = cohorts.iter().find(|name| self.group_cohorts.contains_key(*name)) {
                    let problem = format!("{} is a cohort of groups", quoted(name));
                    let error = DefinitionError::new(format!("breakdowns[{at}]"), problem);
                    return Err(error.hint("with clickhouse, a funnel is split by cohorts of users"));
                }
            }
        }
        Ok(())
    }

    /// `group_key` is by which key those are groups whose profiles are asked about.
    fn check_part(
        &self,
        part: Part<'_>,
        group_key: Option<&str>,
        cohorts: &Cohorts,
        named: &mut Named,
    ) -> Checked {
        match part {
            Part::Condition(sql) => self.check_condition(sql, cohorts, named).map(drop),
            Part::Value(sql) => self.check_sql(sql).map(drop),
            Part::ProfileCondition(sql) => {
                let expr = self.of_profiles(group_key).check_condition(sql, cohorts, named)?;
                check_of_profile(sql, &expr)
            }
            Part::ProfileValue(sql) => check_of_profile(sql, &self.of_profiles(group_key).check_sql(sql)?),
            Part::ProfileCohort(name) => {
                check_cohort(name, cohorts, named)?;
                let key = cohorts.get(name).and_then(|cohort| cohort.group_key.as_deref());
                if key == group_key {
                    return Ok(());
                }
                let of = |key: Option<&str>| key.map_or("users".to_owned(), |key| format!("groups by {key}"));
                let problem = format!("cohort {} is of {}, not of {}", quoted(name), of(key), of(group_key));
                Err(DefinitionError::new("", problem))
            }
            Part::Day(day) => self.calendar.day_of(day).map(drop),
            // Of the past it may not have begun (C-20).
            Part::Range(DateRange::Since(since)) => self.calendar.start_of(since).map(drop),
            Part::Range(range) => {
                let whole = self.calendar.resolve(range, self.as_of);
                whole.map(drop).map_err(|error| DefinitionError { path: String::new(), ..error })
            }
            Part::Cohort(name) => check_cohort(name, cohorts, named),
            Part::Event(name) => {
                if self.saved_events.contains_key(name) {
                    named.0.insert(Saved::Event(name.to_owned()));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A SQL expression that is true or false, and the cohorts it names.
    fn check_condition(&self, sql: &str, cohorts: &Cohorts, named: &mut Named) -> Checked<Expr> {
        let mut in_sql = BTreeSet::new();
        self.cohorts_of_sql(sql, &mut in_sql).map_err(|error| said(error, sql))?;
        in_sql.iter().try_for_each(|name| check_cohort(name, cohorts, named))?;
        let expr = self.check_sql(sql)?;
        let data_type = self.events_schema().ok().and_then(|schema| expr.get_type(&schema).ok());
        match data_type {
            Some(other) if !matches!(other, DataType::Boolean | DataType::Null) => {
                let problem = format!("{} is no condition: it is neither true nor false", quoted(sql));
                Err(DefinitionError::new("", problem).hint("compare it with something"))
            }
            _ => Ok(expr),
        }
    }

    /// A SQL expression that can be planned.
    fn check_sql(&self, sql: &str) -> Checked<Expr> {
        let planned = self.sql(sql).and_then(|expr| {
            let schema = self.events_schema()?;
            // Types that do not go together show here.
            let physical = self.state.create_physical_expr(expr.clone(), &schema);
            physical.map(|_| expr).map_err(crate::statement::explained)
        });
        planned.map_err(|error| said(error, sql))
    }
}

/// Profiles have properties of their own only.
fn check_of_profile(sql: &str, expr: &Expr) -> Checked {
    let columns = expr.column_refs();
    match columns.into_iter().find(|column| column.name != USER_ID) {
        None => Ok(()),
        Some(column) => {
            let problem = format!("{} in {} is of events", quoted(&column.name), quoted(sql));
            Err(DefinitionError::new("", problem)
                .hint(format!("a property of profiles is written user.{}", column.name)))
        }
    }
}

fn check_cohort(name: &str, cohorts: &Cohorts, named: &mut Named) -> Checked {
    if cohorts.contains_key(name) {
        named.0.insert(Saved::Cohort(name.to_owned()));
        return Ok(());
    }
    Err(no_cohort(name, cohorts))
}

/// There is no such cohort.
pub(super) fn no_cohort(name: &str, cohorts: &Cohorts) -> DefinitionError {
    let error = DefinitionError::new("", format!("there is no cohort {}", quoted(name)));
    match crate::suggest::closest(name, cohorts.keys().map(String::as_str)).first() {
        Some(hint) => error.hint(format!("did you mean {}?", quoted(hint))),
        None => error.hint("save one first"),
    }
}

/// What is wrong in a SQL expression.
fn said(error: Error, sql: &str) -> DefinitionError {
    let plain = |source: &DataFusionError| {
        let message = source.find_root().message().lines().map(str::trim).collect::<Vec<_>>().join(" ");
        // A parser quotes itself.
        let inner = message.strip_prefix("ParserError(\"").and_then(|rest| rest.strip_suffix("\")"));
        inner.map_or_else(|| message.clone(), |inner| inner.replace("\\\"", "\""))
    };
    match error {
        Error::Definition(error) => error,
        Error::UnknownColumn { name, suggestions } => {
            let problem = format!("there is no column {} in {}", quoted(&name), quoted(sql));
            let error = DefinitionError::new("", problem);
            match suggestions.iter().map(|name| quoted(name)).collect::<Vec<_>>() {
                names if names.is_empty() => error.hint(
                    "event properties go by their names, those of profiles by user.NAME and group.KEY.NAME",
                ),
                names => error.hint(format!("did you mean {}?", names.join(" or "))),
            }
        }
        Error::Parse { source } => {
            DefinitionError::new("", format!("{} is no SQL expression: {}", quoted(sql), plain(&source)))
        }
        Error::Plan { source } => DefinitionError::new("", format!("{}: {}", quoted(sql), plain(&source))),
        other => DefinitionError::new("", format!("{}: {other}", quoted(sql))),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
