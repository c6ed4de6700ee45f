//! The `tallymark` command.
//!
//! A command line goes in; the engine does the work; tables, rows and reports come out on standard
//! output, and everything that is not the answer (progress, warnings, errors) on standard error. In
//! steps:
//!
//! 1. `args/`: the command line → [`args::Invocation`].
//! 2. `commands/`: one file a command; each opens the dataset and calls the engine.
//! 3. `output/`: rows → one of six formats, streamed.
//! 4. `failure.rs`: how it ended → exit code, and the error with all its causes.
//!
//! The environment is read here and nowhere below.

mod args;
mod asker;
mod commands;
mod failure;
mod interrupt;
mod output;
mod progress;
mod prompt;
mod rejects;
mod statements;
mod terminal;
mod text;

use std::process::ExitCode;

use failure::Outcome;
use terminal::{Terminal, note};

fn main() -> ExitCode {
    let invocation = args::parse();
    let terminal = Terminal::detect();
    start_log();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(commands::run(invocation, terminal)));
    match outcome {
        Ok(outcome) => outcome.into(),
        // Whoever read our output has seen enough.
        Err(error) if failure::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            note(failure::report(&error, terminal.err));
            Outcome::Refused.into()
        }
    }
}

/// Writes the log to standard error if `TALLYMARK_LOG` says what of it, such as `debug` or
/// `tallymark_storage=trace`.
fn start_log() {
    let Some(directives) = std::env::var_os("TALLYMARK_LOG") else { return };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(directives.to_string_lossy()))
        .with_writer(std::io::stderr)
        .init();
}
