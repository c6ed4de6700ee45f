//! `tallymark cohort`

use std::path::Path;

use serde_json::{Value, json};
use tallymark::report::{Question, Report};
use tallymark::{DefinitionKind, Engine};

use super::definitions::{self, Definition};
use super::{open_for_reading_with, report};
use crate::args::{AnswerArgs, CohortArgs, CohortCommand, Dataset, Overrides};
use crate::asker::Asker;
use crate::failure::{Outcome, advised};
use crate::output::Target;
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
    Target::new(args.out.clone()).check(args.output, terminal)?;
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
    report::write_answer(answer, args, terminal).await
}

/// The cohort that is saved under a name, else the one that a file defines.
fn definition(engine: &Engine, cohort: &str) -> anyhow::Result<Definition> {
    let mut definitions = engine.definitions().into_iter();
    let saved = definitions.find(|saved| saved.kind == KIND && saved.name == cohort);
    if let Some(saved) = saved {
        let mut condition = json!({ "report": "cohort", "all": [{ "in_cohort": cohort }] });
        let saved: Value = serde_json::from_str(&saved.json)?;
        if let Some(key) = saved.get("group_key") {
            condition["group_key"] = key.clone();
        }
        return Ok(Definition::made(condition, format!("cohort {cohort:?}")));
    }
    if cohort == "-" || Path::new(cohort).is_file() {
        return Definition::read_cohort(cohort);
    }
    Definition::saved(engine, KIND, cohort)
}

fn members_query(report: &Report, columns: &[String]) -> String {
    let definition = sql_literal(&report.to_value().to_string());
    let group_key = match &report.question {
        Question::Cohort(cohort) => cohort.group_key.as_deref(),
        _ => None,
    };
    let (profiles, id) = if group_key.is_some() { ("groups", "group_id") } else { ("users", "user_id") };
    let members = format!("SELECT {id} FROM cohort({definition})");
    if columns.is_empty() {
        return format!("{members} ORDER BY {id}");
    }
    let wanted = columns.iter().filter(|name| *name != id);
    let shown: Vec<String> = std::iter::once(format!("members.{id}"))
        .chain(wanted.map(|name| format!("{profiles}.{}", sql_name(name))))
        .collect();
    let of_key = group_key.map(|key| format!(" AND groups.group_key = {}", sql_literal(key)));
    format!(
        "SELECT {} FROM ({members}) AS members LEFT JOIN {profiles} \
         ON {profiles}.{id} = members.{id}{} ORDER BY members.{id}",
        shown.join(", "),
        of_key.unwrap_or_default()
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
