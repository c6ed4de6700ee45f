//! `tallymark cohort`

use std::path::Path;

use serde_json::json;
use tallymark::report::Report;
use tallymark::{DefinitionKind, Engine};

use super::definitions::{self, Definition};
use super::{open_for_reading_with, report};
use crate::args::{AnswerArgs, CohortArgs, CohortCommand, Dataset, Overrides};
use crate::asker::Asker;
use crate::failure::{Outcome, advised};
use crate::output::{TableStyle, Target, write_rows};
use crate::prompt::{sql_literal, sql_name};
use crate::terminal::Terminal;

const KIND: DefinitionKind = DefinitionKind::Cohort;

/// Saves, lists, shows or deletes cohorts, or tells who or how many are in one.
pub(super) async fn run(args: &CohortArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    match &args.command {
        CohortCommand::Saved(command) => definitions::run(KIND, command, dataset, terminal).await,
        CohortCommand::Members { cohort, columns, as_of, answer } => {
            let as_of = Overrides { as_of: as_of.clone(), ..Overrides::default() };
            members(cohort, columns, &as_of, answer, dataset, terminal).await
        }
        CohortCommand::Size { name, overrides, answer } => {
            size(name, overrides, answer, dataset, terminal).await
        }
    }
}

/// The members with some of their properties: SQL, so that profiles can be joined.
async fn members(
    cohort: &str,
    columns: &[String],
    as_of: &Overrides,
    args: &AnswerArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let target = Target::new(args.out.clone());
    target.check(args.output, terminal)?;
    let engine = open_for_reading_with(dataset, args.limits()).await?;
    let report = definition(&engine, cohort)?.report(as_of)?;
    let query = members_query(&report, columns);
    let mut asker = Asker::new(engine, args.as_of_snapshot).await.map_err(report::with_advice)?;
    let answer = asker.sql(&query).await.map_err(|error| {
        if columns.is_empty() {
            return error.into();
        }
        advised(error, "`tallymark sql 'DESCRIBE users'` lists the properties of profiles")
    })?;
    let (schema, style) = (answer.schema(), TableStyle::new(terminal, args.limit_rows, args.out.is_none()));
    let written = write_rows(answer, schema, args.output, style, &target, terminal).await;
    written.map_err(report::with_limit_named)?;
    Ok(Outcome::Done)
}

/// The cohort that is saved under a name, else the one that a file defines.
fn definition(engine: &Engine, cohort: &str) -> anyhow::Result<Definition> {
    let is_saved = engine.definitions().iter().any(|saved| saved.kind == KIND && saved.name == cohort);
    if is_saved {
        let condition = json!({ "report": "cohort", "all": [{ "in_cohort": cohort }] });
        return Ok(Definition::made(condition, format!("cohort {cohort:?}")));
    }
    if cohort == "-" || Path::new(cohort).is_file() {
        return Definition::read_cohort(cohort);
    }
    Definition::saved(engine, KIND, cohort)
}

fn members_query(report: &Report, columns: &[String]) -> String {
    let definition = sql_literal(&report.to_value().to_string());
    let members = format!("SELECT user_id FROM cohort({definition})");
    if columns.is_empty() {
        return format!("{members} ORDER BY user_id");
    }
    let wanted = columns.iter().filter(|name| *name != "user_id");
    let shown: Vec<String> = std::iter::once("members.user_id".to_owned())
        .chain(wanted.map(|name| format!("users.{}", sql_name(name))))
        .collect();
    format!(
        "SELECT {} FROM ({members}) AS members \
         LEFT JOIN users ON users.user_id = members.user_id ORDER BY members.user_id",
        shown.join(", ")
    )
}

/// The size is a metric like any other.
async fn size(
    name: &str,
    overrides: &Overrides,
    args: &AnswerArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let engine = open_for_reading_with(dataset, args.limits()).await?;
    Definition::saved(&engine, KIND, name)?;
    let definition = json!({ "report": "insights", "metrics": [{ "cohort": name }] });
    let definition = Definition::made(definition, format!("the size of cohort {name:?}"));
    report::answer(engine, definition.report(overrides)?, args, terminal).await
}
