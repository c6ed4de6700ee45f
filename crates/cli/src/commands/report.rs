//! `tallymark report`

use std::collections::BTreeSet;

use arrow::array::AsArray as _;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde_json::json;
use tallymark::report::{ALL_EVENTS, Part, Report, SESSION_END, SESSION_START};
use tallymark::{Answer, DefinitionKind, Engine, EngineConfig, Error, ErrorKind};

use super::definitions::{self, Definition};
use super::{open_for_reading_with, open_for_writing, print, warn_of_unknown};
use crate::args::{AnswerArgs, Dataset, ReportArgs};
use crate::asker::Asker;
use crate::failure::{Outcome, advised};
use crate::output::{TableStyle, Target, write_report, write_rows};
use crate::terminal::Terminal;
use crate::text::count;

const KIND: DefinitionKind = DefinitionKind::Report;

/// Answers a report; saves, lists, shows or deletes reports.
pub(super) async fn run(args: &ReportArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    match &args.command {
        Some(command) => definitions::run(KIND, command, dataset, terminal).await,
        None if args.schema => {
            print::json(&Report::json_schema())?;
            Ok(Outcome::Done)
        }
        None => ask(args, dataset, terminal).await,
    }
}

async fn ask(args: &ReportArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    Target::new(args.answer.out.clone()).check(args.answer.output, terminal)?;
    let report = |definition: Definition| -> anyhow::Result<Report> {
        definition.with_users_of(args.users.as_deref())?.report(&args.overrides)
    };
    // A wrong definition is wrong over any dataset.
    let read = args.file.as_deref().map(|file| report(Definition::read(file)?)).transpose()?;
    let engine = open_for_reading_with(dataset, args.answer.limits()).await?;
    let report = match (read, &args.saved) {
        (Some(report), _) => report,
        (None, saved) => report(Definition::saved(&engine, KIND, saved.as_deref().unwrap_or_default())?)?,
    };
    match &args.save_cohort {
        None => answer(engine, report, &args.answer, terminal).await,
        Some(name) => {
            let users = users_of(engine, report, &args.answer).await?;
            save_cohort(users, name, dataset, terminal).await
        }
    }
}

/// The users that a report tells.
async fn users_of(engine: Engine, report: Report, args: &AnswerArgs) -> anyhow::Result<Vec<String>> {
    let asker = Asker::new(engine, args.as_of_snapshot).await.map_err(with_advice)?;
    let failed = |error: Error| with_limit_named(error.into());
    let batches = asker.report(report).await.map_err(failed)?.collect().await.map_err(failed)?;
    let mut users = Vec::new();
    for batch in &batches {
        let ids = cast(batch.column(0), &DataType::Utf8)?;
        users.extend(ids.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    Ok(users)
}

async fn save_cohort(
    users: Vec<String>,
    name: &str,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let engine = open_for_writing(dataset, "report --save-cohort", EngineConfig::default()).await?;
    let count = count(users.len() as u64);
    let cohort = json!({ "any": [{ "users": users }] });
    definitions::save_text(engine, DefinitionKind::Cohort, name, &cohort.to_string()).await?;
    let (saved, name) = (terminal.out.good("Saved"), terminal.out.strong(name));
    print::text(&format!("{saved} cohort {name}: {count} users\n"))?;
    Ok(Outcome::Done)
}

/// Answers a report over a dataset and writes the answer.
pub(super) async fn answer(
    engine: Engine,
    report: Report,
    args: &AnswerArgs,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let target = Target::new(args.out.clone());
    target.check(args.output, terminal)?;
    let style = TableStyle::new(terminal, args.limit_rows, args.out.is_none());
    let mut asker = Asker::new(engine, args.as_of_snapshot).await.map_err(with_advice)?;
    let answer = asker.report(report.clone()).await.map_err(|error| with_limit_named(error.into()))?;
    let written = write_report(answer, &report, args.output, style, &target, terminal).await;
    written.map_err(with_limit_named)?;
    warn_of_unknown_events(&mut asker, &report, terminal).await?;
    Ok(Outcome::Done)
}

/// Warns of events of a report that the dataset has none of: of a name that is misspelt the answer is 0.
async fn warn_of_unknown_events(
    asker: &mut Asker,
    report: &Report,
    terminal: Terminal,
) -> anyhow::Result<()> {
    let mut named = BTreeSet::new();
    report.try_parts(&mut |part| {
        if let Part::Event(name) = part {
            named.insert(name);
        }
        Ok(())
    })?;
    for own in [ALL_EVENTS, SESSION_START, SESSION_END] {
        named.remove(own);
    }
    if named.is_empty() {
        return Ok(());
    }
    let names = "SELECT event FROM event_catalog UNION SELECT merged_into FROM event_catalog";
    let saved = asker.engine().definitions().into_iter();
    let saved = saved.filter(|saved| saved.kind == DefinitionKind::Event).map(|saved| saved.name);
    let mut known: BTreeSet<String> = saved.collect();
    for batch in asker.sql(names).await?.collect().await? {
        let names = cast(batch.column(0), &DataType::Utf8)?;
        known.extend(names.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    for name in named.into_iter().filter(|name| !known.contains(*name)) {
        warn_of_unknown("event", name, known.iter().map(String::as_str), terminal);
    }
    Ok(())
}

/// Writes the rows of an answer to SQL.
pub(super) async fn write_answer(
    answer: Answer,
    args: &AnswerArgs,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let target = Target::new(args.out.clone());
    let (schema, style) = (answer.schema(), TableStyle::new(terminal, args.limit_rows, args.out.is_none()));
    let written = write_rows(answer, schema, args.output, style, &target, terminal).await;
    written.map_err(with_limit_named)?;
    Ok(Outcome::Done)
}

/// A dataset that cannot be asked as it was, with what to do.
pub(super) fn with_advice(error: Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::NotFound => advised(error, "`tallymark snapshots` lists those that are retained"),
        _ => error.into(),
    }
}

/// An error, with the flag that set the limit if one was reached.
pub(super) fn with_limit_named(error: anyhow::Error) -> anyhow::Error {
    let flag = error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(Error::QueryTime { .. }) => Some("--timeout"),
        Some(Error::AnswerRows { .. }) => Some("--max-rows"),
        _ => None,
    });
    match flag {
        Some(flag) => advised(error, format!("ask for less, or raise {flag}")),
        None => error,
    }
}
