//! `tallymark lookup`

use tallymark::{DefinitionKind, EngineConfig, Input};

use super::definitions::{self, Definition};
use super::{open_for_reading_with, open_for_writing, print, report};
use crate::args::{AnswerArgs, Dataset, LookupArgs, LookupCommand};
use crate::asker::Asker;
use crate::failure::{Outcome, advised};
use crate::output::Target;
use crate::prompt::sql_name;
use crate::terminal::Terminal;
use crate::text::counted;

const KIND: DefinitionKind = DefinitionKind::Lookup;

/// Saves, lists, shows or deletes lookup tables.
pub(super) async fn run(args: &LookupArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    match &args.command {
        LookupCommand::Save { name, file, properties } => {
            save(name, file, properties, dataset, terminal).await
        }
        LookupCommand::List { output } => definitions::list(KIND, *output, dataset, terminal).await,
        LookupCommand::Show { name, answer } => show(name, answer, dataset, terminal).await,
        LookupCommand::Delete { name } => definitions::delete(KIND, name, dataset, terminal).await,
    }
}

async fn save(
    name: &str,
    file: &str,
    properties: &[String],
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let engine = open_for_writing(dataset, "lookup save", EngineConfig::default()).await?;
    let properties: Vec<&str> = properties.iter().map(String::as_str).collect();
    let saved = engine.save_lookup(name, Input::from_argument(file), &properties).await;
    engine.close().await?;
    let saved = saved.map_err(|error| advised(error, "`tallymark lookup --help` has examples"))?;
    print::text(&format!(
        "{} {KIND} {}: {}, key {}, columns {}\n",
        terminal.out.good("Saved"),
        terminal.out.strong(name),
        counted(saved.rows, "row"),
        saved.lookup.key,
        saved.lookup.columns.join(", ")
    ))?;
    Ok(Outcome::Done)
}

/// The rows: SQL over the table.
async fn show(
    name: &str,
    args: &AnswerArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    Target::new(args.out.clone()).check(args.output, terminal)?;
    let engine = open_for_reading_with(dataset, args.limits()).await?;
    Definition::saved(&engine, KIND, name)?;
    let query = format!("SELECT * FROM lookup.{}", sql_name(name));
    let mut asker = Asker::new(engine, args.as_of_snapshot).await.map_err(report::with_advice)?;
    report::write_answer(asker.sql(&query).await?, args, terminal).await
}
