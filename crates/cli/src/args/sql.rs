//! Arguments of `tallymark sql`.

use std::path::PathBuf;

use clap::Args;

use super::AnswerArgs;

/// `tallymark sql`
#[derive(Debug, Args)]
#[command(mut_arg("output", |output| {
    output
        .help("How answers are written [default: table]")
        .long_help("How answers are written [default: table]\n\n\
                    Of a script, table shows every answer, the other formats only the last one.")
}))]
pub(crate) struct SqlArgs {
    /// The question; - reads it from standard input; nothing opens a prompt
    #[arg(value_name = "TEXT", conflicts_with = "file", allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    /// Run a script of statements that end in ;
    #[arg(long, short, value_name = "SCRIPT")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
