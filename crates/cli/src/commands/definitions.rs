//! Definitions: reading them, and what can be done with saved ones, whatever they are of.

use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;
use tallymark::report::Report;
use tallymark::{DefinitionError, DefinitionKind, Engine, EngineConfig, Error};

use super::{open_existing_for_writing, open_for_reading, open_for_writing, print};
use crate::args::{Dataset, Overrides, ReportFormat, SavedCommand};
use crate::failure::{Outcome, advised};
use crate::output::{Align, Table};
use crate::terminal::Terminal;
use crate::text::minute;

/// The text of a file; - is standard input.
pub(crate) fn read_text(file: &str) -> anyhow::Result<String> {
    if file != "-" {
        return std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"));
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}

/// A definition, and what to call it in errors.
#[derive(Debug)]
pub(crate) struct Definition {
    json: Value,
    called: String,
}

impl Definition {
    /// Reads a file; - is standard input.
    pub(crate) fn read(file: &str) -> anyhow::Result<Self> {
        let called = if file == "-" { "the definition on standard input" } else { file };
        let text = read_text(file).map_err(|error| {
            advised(error, "a saved report is named by --saved NAME; `report list` lists them")
        })?;
        let json = serde_json::from_str(&text).map_err(|error| {
            let problem = DefinitionError::new("", format!("this is not JSON: {error}"));
            wrong(called, problem)
        })?;
        Ok(Self { json, called: called.to_owned() })
    }

    /// The same for a cohort, which is saved without saying that it is one.
    pub(crate) fn read_cohort(file: &str) -> anyhow::Result<Self> {
        let mut read = Self::read(file)?;
        if let Value::Object(fields) = &mut read.json {
            fields.entry("report").or_insert_with(|| "cohort".into());
        }
        Ok(read)
    }

    /// One that is saved.
    pub(crate) fn saved(engine: &Engine, kind: DefinitionKind, name: &str) -> anyhow::Result<Self> {
        let saved = engine.definition(kind, name).map_err(|error| with_advice(error, kind))?;
        Ok(Self { json: serde_json::from_str(&saved.json)?, called: format!("{kind} {name:?}") })
    }

    /// The report that is saved under a name, else the one that a file defines.
    pub(crate) fn named(engine: &Engine, name: &str) -> anyhow::Result<Self> {
        let kind = DefinitionKind::Report;
        let is_saved = engine.definitions().iter().any(|saved| saved.kind == kind && saved.name == name);
        if !is_saved && Path::new(name).is_file() {
            Self::read(name)
        } else {
            Self::saved(engine, kind, name)
        }
    }

    /// One of our own making.
    pub(crate) fn made(json: Value, called: impl Into<String>) -> Self {
        Self { json, called: called.into() }
    }

    /// The same, but for the users behind one of its numbers: `cell` is JSON that says which.
    pub(crate) fn with_users_of(mut self, cell: Option<&str>) -> anyhow::Result<Self> {
        let Some(cell) = cell else { return Ok(self) };
        let cell: Value = serde_json::from_str(cell).map_err(|error| {
            let error = anyhow::anyhow!("--users: this is not JSON: {error}");
            advised(error, "it says which number, such as --users '{\"step\": 2}' for a funnel")
        })?;
        if let Value::Object(fields) = &mut self.json {
            fields.insert("users_of".to_owned(), cell);
        }
        Ok(self)
    }

    /// The report it is, with something else said in some places.
    pub(crate) fn report(self, overrides: &Overrides) -> anyhow::Result<Report> {
        let Self { mut json, called } = self;
        overrides.apply(&mut json);
        Report::from_value(json).map_err(|error| wrong(&called, error))
    }
}

/// What is wrong with a definition, where, and what would be right.
fn wrong(called: &str, error: DefinitionError) -> anyhow::Error {
    let hint = error.hint.clone();
    let hint =
        hint.unwrap_or_else(|| "`tallymark report --schema` prints what a definition may say".to_owned());
    let problem = DefinitionError { hint: None, ..error };
    advised(anyhow::Error::new(problem).context(format!("cannot answer {called}")), hint)
}

/// Saves, lists, shows or deletes definitions of one kind.
pub(super) async fn run(
    kind: DefinitionKind,
    command: &SavedCommand,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    match command {
        SavedCommand::Save { name, file } => save(kind, name, file, dataset, terminal).await,
        SavedCommand::List { output } => list(kind, *output, dataset, terminal).await,
        SavedCommand::Show { name } => show(kind, name, dataset).await,
        SavedCommand::Delete { name } => delete(kind, name, dataset, terminal).await,
    }
}

async fn save(
    kind: DefinitionKind,
    name: &str,
    file: &str,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let json = read_text(file)?;
    let engine = open_for_writing(dataset, &format!("{kind} save"), EngineConfig::default()).await?;
    save_text(engine, kind, name, &json).await?;
    print::text(&format!("{} {kind} {}\n", terminal.out.good("Saved"), terminal.out.strong(name)))?;
    Ok(Outcome::Done)
}

/// Saves a definition, and closes the dataset.
pub(super) async fn save_text(
    engine: Engine,
    kind: DefinitionKind,
    name: &str,
    json: &str,
) -> anyhow::Result<()> {
    let saved = engine.save_definition(kind, name, json).await;
    engine.close().await?;
    saved.map_err(|error| advised(error, format!("`tallymark {kind} --help` has examples")))?;
    Ok(())
}

/// Lists those of a kind.
pub(super) async fn list(
    kind: DefinitionKind,
    output: ReportFormat,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let engine = open_for_reading(dataset).await?;
    let mut saved = engine.definitions();
    saved.retain(|saved| saved.kind == kind);
    if output == ReportFormat::Json {
        print::json(&saved)?;
        return Ok(Outcome::Done);
    }
    let mut table =
        Table::new(&[(kind.name(), Align::Left), ("saved (UTC)", Align::Left), ("definition", Align::Left)]);
    for one in saved {
        table.push([one.name, minute(one.saved_at), one.json]);
    }
    print::table(&table, terminal)?;
    Ok(Outcome::Done)
}

async fn show(kind: DefinitionKind, name: &str, dataset: &Dataset) -> anyhow::Result<Outcome> {
    let engine = open_for_reading(dataset).await?;
    print::json(&Definition::saved(&engine, kind, name)?.json)?;
    Ok(Outcome::Done)
}

/// Deletes one of them.
pub(super) async fn delete(
    kind: DefinitionKind,
    name: &str,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let engine = open_existing_for_writing(dataset, &format!("{kind} delete")).await?;
    let deleted = engine.delete_definition(kind, name).await;
    engine.close().await?;
    deleted.map_err(|error| with_advice(error, kind))?;
    let remark = match kind {
        DefinitionKind::Cohort => "; its users are as they were",
        DefinitionKind::Event => "; stored events are as they were",
        _ => "",
    };
    print::text(&format!("{} {kind} {name}{remark}\n", terminal.out.good("Deleted")))?;
    Ok(Outcome::Done)
}

fn with_advice(error: Error, kind: DefinitionKind) -> anyhow::Error {
    match error {
        Error::NoDefinition { .. } => advised(error, format!("`tallymark {kind} list` lists the saved ones")),
        Error::DefinitionInUse { .. } => advised(error, "change or delete what needs it first"),
        _ => error.into(),
    }
}
