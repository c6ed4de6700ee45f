//! Runs large datasets through Tallymark and its peers, and says how they compare.
//!
//! `generate` writes made-up events, `import` times loading a file of them into a dataset, `query` times
//! questions, `table` shows kept figures. The bench runner is one of the two places that read the environment and print (the other is the cli).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

mod generate;
mod hand;
mod import;
mod input;
mod machine;
mod python;
mod query;
mod report;
mod spread;
mod systems;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    about = "Runs large datasets through Tallymark and its peers, and says how they compare",
    version,
    after_help = "Examples:\n  \
        tallymark-benches generate --events 2000000 --out events.ndjson\n  \
        tallymark-benches import --events 2000000\n  \
        tallymark-benches query --events 2000000\n\n\
        Build it with --release, and the tallymark command too: cargo build --release"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(generate::Options),
    Import(import::Options),
    Query(query::Options),
    Table(query::results::TableOptions),
    #[command(hide = true)]
    Answer(query::answering::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Generate(options) => generate::run(&options),
        Command::Import(options) => import::run(&options),
        Command::Query(options) => query::run(&options),
        Command::Table(options) => query::results::print_tables(&options),
        Command::Answer(options) => query::answering::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
