//! Arguments of `tallymark cohort`.

use clap::{Args, Subcommand};

use super::{AnswerArgs, Overrides, SavedCommand};

/// `tallymark cohort`
#[derive(Debug, Args)]
pub(crate) struct CohortArgs {
    #[command(subcommand)]
    pub(crate) command: CohortCommand,
}

/// What to do with cohorts.
#[derive(Debug, Subcommand)]
pub(crate) enum CohortCommand {
    #[command(flatten)]
    Saved(SavedCommand),
    /// List the members of a cohort
    Members {
        /// The cohort: a saved one, or a JSON file with a definition; - is standard input
        #[arg(value_name = "NAME|FILE")]
        cohort: String,
        /// Show these properties of their profiles too, separated by commas
        #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
        columns: Vec<String>,
        /// The members at the end of this day, or at this time [default: now]
        #[arg(long, value_name = "DATE")]
        as_of: Option<String>,
        #[command(flatten)]
        answer: AnswerArgs,
    },
    /// Tell how many members a saved cohort has, or had over time
    Size {
        /// The cohort
        name: String,
        #[command(flatten)]
        overrides: Overrides,
        #[command(flatten)]
        answer: AnswerArgs,
    },
}
