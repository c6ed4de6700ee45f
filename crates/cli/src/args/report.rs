//! Arguments of `tallymark report`.

use clap::{Args, Subcommand};

use super::{AnswerArgs, Overrides, ReportFormat};

/// `tallymark report`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ReportCommand>,
    /// The definition, a JSON file; - is standard input
    #[arg(value_name = "FILE", required_unless_present_any = ["saved", "schema"])]
    pub(crate) file: Option<String>,
    /// Answer the report that was saved under this name
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(crate) saved: Option<String>,
    /// Print the JSON Schema of definitions: everything one may say
    #[arg(long, conflicts_with_all = ["file", "saved"])]
    pub(crate) schema: bool,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}

/// What to do with saved reports.
#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// Save a report, in place of the one of that name if there is one
    Save {
        /// How it is called
        name: String,
        /// Its definition, a JSON file; - is standard input
        file: String,
    },
    /// List the saved reports
    List {
        /// How they are printed
        #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
        output: ReportFormat,
    },
    /// Print the definition of a report, as JSON
    Show {
        /// The report
        name: String,
    },
    /// Forget a report
    Delete {
        /// The report
        name: String,
    },
}
