//! Arguments of `tallymark report`.

use clap::Args;

use super::{AnswerArgs, Overrides, SavedCommand};

/// `tallymark report`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SavedCommand>,
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
