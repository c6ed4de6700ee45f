//! Arguments of `tallymark export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tallymark::Day;

/// `tallymark export`
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The first UTC day
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) from: Option<Day>,
    /// The last UTC day, which is included
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) to: Option<Day>,
    /// Only events of this name; may be given again
    #[arg(long = "event", value_name = "NAME")]
    pub(crate) events: Vec<String>,
    /// How events are written
    #[arg(long, value_enum, default_value = "ndjson", value_name = "FORMAT")]
    pub(crate) format: ExportFormat,
    /// Write to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write the canonical user as distinct_id, not the id as it was sent
    #[arg(long)]
    pub(crate) canonical: bool,
}

/// How exported events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A JSON object a line, in Mixpanel's raw form; importing it again gives the same events
    Ndjson,
    /// A Parquet file with a column for each lane of each property
    Parquet,
}
