//! The commands, one file each.

mod attach;
mod check_plan;
mod cohort;
mod compact;
pub(crate) mod definitions;
mod delete_user;
mod demo;
mod export;
mod import;
mod inspect;
mod lexicon;
mod lookup;
pub(crate) mod memory;
mod print;
mod report;
mod snapshots;
mod sql;
mod user;
mod users;
mod version;

use tallymark::{DefinitionKind, Engine, EngineConfig, ErrorKind, IdentitySystem, closest};

use crate::args::{Command, Dataset, Invocation};
use crate::failure::{Outcome, advised, failure};
use crate::terminal::{Terminal, note};

/// Does what was asked.
pub(crate) async fn run(invocation: Invocation, terminal: Terminal) -> anyhow::Result<Outcome> {
    let Invocation { dataset, command } = &invocation;
    match command {
        Command::Import(args) => import::run(args, dataset, terminal).await,
        Command::Attach(args) => attach::attach(args, dataset, terminal).await,
        Command::Detach(args) => attach::detach(args, dataset, terminal).await,
        Command::Sql(args) => sql::run(args, dataset, terminal).await,
        Command::Report(args) => report::run(args, dataset, terminal).await,
        Command::Cohort(args) => cohort::run(args, dataset, terminal).await,
        Command::Event(args) => {
            definitions::run(DefinitionKind::Event, &args.command, dataset, terminal).await
        }
        Command::Metric(args) => {
            definitions::run(DefinitionKind::Metric, &args.command, dataset, terminal).await
        }
        Command::Formula(args) => {
            definitions::run(DefinitionKind::Formula, &args.command, dataset, terminal).await
        }
        Command::Lookup(args) => lookup::run(args, dataset, terminal).await,
        Command::Users(args) => users::run(args, dataset, terminal).await,
        Command::User(args) => user::run(args, dataset, terminal).await,
        Command::Lexicon(args) => lexicon::run(args, dataset, terminal).await,
        Command::CheckPlan(args) => check_plan::run(args, dataset, terminal).await,
        Command::Inspect(args) => inspect::run(args, dataset, terminal).await,
        Command::Export(args) => export::run(args, dataset, terminal).await,
        Command::Compact(args) => compact::run(args, dataset, terminal).await,
        Command::DeleteUser(args) => delete_user::run(args, dataset, terminal).await,
        Command::Snapshots(args) => snapshots::run(args, dataset, terminal).await,
        Command::Demo => demo::run(dataset, terminal).await,
        Command::Version => version::run(),
    }
}

/// Opens a dataset to write to it; makes it when missing.
async fn open_for_writing(dataset: &Dataset, command: &str, config: EngineConfig) -> anyhow::Result<Engine> {
    let holder = format!("`tallymark {command}`, process {}", std::process::id());
    Engine::open(&dataset.url, EngineConfig { holder, ..config }).await.map_err(|error| match error.kind() {
        ErrorKind::Conflict => {
            advised(error, "wait until it is done, or stop it; sql, inspect and export work all the while")
        }
        _ => error.into(),
    })
}

/// Opens a dataset to change it, which makes no sense when it is missing.
async fn open_existing_for_writing(dataset: &Dataset, command: &str) -> anyhow::Result<Engine> {
    open_for_reading(dataset).await?;
    open_for_writing(dataset, command, EngineConfig::default()).await
}

/// Opens a dataset to ask it questions.
async fn open_for_reading(dataset: &Dataset) -> anyhow::Result<Engine> {
    open_for_reading_with(dataset, EngineConfig::default()).await
}

async fn open_for_reading_with(dataset: &Dataset, config: EngineConfig) -> anyhow::Result<Engine> {
    Engine::open_read_only(&dataset.url, config).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => no_dataset(dataset),
        _ => error.into(),
    })
}

fn no_dataset(dataset: &Dataset) -> anyhow::Error {
    let flag = dataset.flag();
    failure(
        format!("there is no dataset at {}", dataset.url),
        format!(
            "make one with `tallymark import{flag} FILE`, try `tallymark demo`, \
             or name another place with --dataset URL"
        ),
    )
}

/// As `--identity` spells it.
fn identity_name(system: IdentitySystem) -> &'static str {
    match system {
        IdentitySystem::Simplified => "simplified",
        IdentitySystem::Original => "original",
        IdentitySystem::None => "none",
    }
}

/// Warns that the data has nothing of this kind and name yet, and says which name was probably meant.
fn warn_of_unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>, terminal: Terminal) {
    let meant = closest(name, known).map(|known| format!("; did you mean {known:?}?")).unwrap_or_default();
    let warning = terminal.err.warning("warning:");
    note(format!("{warning} there is no {kind} {name:?} in the data yet{meant}"));
}
