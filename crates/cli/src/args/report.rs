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
    /// Instead of numbers, the users behind one of them: JSON that says which, as `users_of` does in a
    /// definition
    #[arg(long, value_name = "CELL", conflicts_with = "schema")]
    pub(crate) users: Option<String>,
    /// Save these users as a cohort instead of writing them; one of this name is replaced
    #[arg(long, value_name = "NAME", requires = "users")]
    pub(crate) save_cohort: Option<String>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
