//! Arguments of `tallymark lookup`.

use clap::{Args, Subcommand};

use super::{AnswerArgs, ReportFormat};

/// `tallymark lookup`
#[derive(Debug, Args)]
pub(crate) struct LookupArgs {
    #[command(subcommand)]
    pub(crate) command: LookupCommand,
}

/// What to do with lookup tables.
#[derive(Debug, Subcommand)]
pub(crate) enum LookupCommand {
    /// Save a table, in place of the one of that name if there is one
    Save {
        /// How it is called in reports, and in SQL after `lookup.`
        name: String,
        /// A CSV or Parquet file, its first column the key; - is standard input
        file: String,
        /// A property whose values are keys of the table, such as song_id or user.company; may be given
        /// again
        #[arg(long = "property", value_name = "PROPERTY")]
        properties: Vec<String>,
    },
    /// List the saved tables
    List {
        /// How they are printed
        #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
        output: ReportFormat,
    },
    /// Print the rows of a table
    Show {
        /// The table
        name: String,
        #[command(flatten)]
        answer: AnswerArgs,
    },
    /// Forget a table
    Delete {
        /// The table
        name: String,
    },
}
