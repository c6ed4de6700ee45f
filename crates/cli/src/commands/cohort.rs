//! `tallymark cohort`

use tallymark::{DefinitionKind, EngineConfig, Error};

use super::{definitions, open_existing_for_writing, open_for_reading, open_for_writing, report};
use crate::args::{CohortArgs, CohortCommand, Dataset, ReportFormat};
use crate::failure::{Outcome, advised};
use crate::output::{Align, Table};
use crate::terminal::Terminal;
use crate::text::minute;

const KIND: DefinitionKind = DefinitionKind::Cohort;

/// Saves, lists, shows or deletes cohorts.
pub(super) async fn run(args: &CohortArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    match &args.command {
        CohortCommand::Save { name, file } => save(name, file, dataset, terminal).await,
        CohortCommand::List { output } => list(*output, dataset, terminal).await,
        CohortCommand::Show { name } => show(name, dataset).await,
        CohortCommand::Delete { name } => delete(name, dataset, terminal).await,
    }
}

async fn save(name: &str, file: &str, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    let json = definitions::read_text(file)?;
    let engine = open_for_writing(dataset, "cohort save", EngineConfig::default()).await?;
    let saved = engine.save_definition(KIND, name, &json).await;
    engine.close().await?;
    saved.map_err(|error| advised(error, "`tallymark cohort --help` has examples"))?;
    report::print(&format!("{} cohort {}\n", terminal.out.good("Saved"), terminal.out.strong(name)))?;
    Ok(Outcome::Done)
}

async fn list(output: ReportFormat, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    let engine = open_for_reading(dataset).await?;
    let mut cohorts = engine.definitions();
    cohorts.retain(|saved| saved.kind == KIND);
    if output == ReportFormat::Json {
        report::print_json(&cohorts)?;
        return Ok(Outcome::Done);
    }
    let mut table =
        Table::new(&[("cohort", Align::Left), ("saved (UTC)", Align::Left), ("definition", Align::Left)]);
    for cohort in cohorts {
        table.push([cohort.name, minute(cohort.saved_at), cohort.json]);
    }
    report::print_table(&table, terminal)?;
    Ok(Outcome::Done)
}

async fn show(name: &str, dataset: &Dataset) -> anyhow::Result<Outcome> {
    let engine = open_for_reading(dataset).await?;
    let cohort = engine.definition(KIND, name).map_err(with_advice)?;
    let json: serde_json::Value = serde_json::from_str(&cohort.json)?;
    report::print_json(&json)?;
    Ok(Outcome::Done)
}

async fn delete(name: &str, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    let engine = open_existing_for_writing(dataset, "cohort delete").await?;
    let deleted = engine.delete_definition(KIND, name).await;
    engine.close().await?;
    deleted.map_err(with_advice)?;
    report::print(&format!("{} cohort {name}; its users are as they were\n", terminal.out.good("Deleted")))?;
    Ok(Outcome::Done)
}

fn with_advice(error: Error) -> anyhow::Error {
    match error {
        Error::NoDefinition { .. } => advised(error, "`tallymark cohort list` lists the saved ones"),
        Error::DefinitionInUse { .. } => advised(error, "change or delete what needs it first"),
        _ => error.into(),
    }
}
