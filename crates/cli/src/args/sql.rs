//! Arguments of `tallymark sql`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::answer::seconds;
use crate::output::Format;

/// `tallymark sql`
#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// The question; - reads it from standard input; nothing opens a prompt
    #[arg(value_name = "TEXT", conflicts_with = "file", allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    /// Run a script of statements that end in ;
    #[arg(long, short, value_name = "SCRIPT")]
    pub(crate) file: Option<PathBuf>,
    /// How answers are written [default: table]
    ///
    /// Of a script, table shows every answer, the other formats only the last one.
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT", hide_default_value = true)]
    pub(crate) output: Format,
    /// Write the answer to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Ask the dataset as it was in a snapshot listed by `tallymark snapshots`
    #[arg(long, value_name = "N")]
    pub(crate) as_of_snapshot: Option<u64>,
    /// Rows a table shows, 0 for all; the others are counted [default: 50 on a terminal, else 10000]
    #[arg(long, value_name = "N")]
    pub(crate) limit_rows: Option<usize>,
    /// Stop a statement after this long [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Stop a statement whose answer has more rows [default: no limit]
    #[arg(long, value_name = "N")]
    pub(crate) max_rows: Option<u64>,
}
