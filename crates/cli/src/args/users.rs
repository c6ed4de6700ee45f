//! Arguments of `tallymark users` and `tallymark user`.

use std::path::PathBuf;

use clap::Args;

use super::ReportFormat;
use crate::output::Format;

/// `tallymark users`
#[derive(Debug, Args)]
pub(crate) struct UsersArgs {
    /// Only users whose profile meets this: a SQL expression over its properties
    #[arg(long = "where", value_name = "SQL")]
    pub(crate) filter: Option<String>,
    /// Sort by this property [default: user_id]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) sort: Option<String>,
    /// The greatest first
    #[arg(long)]
    pub(crate) desc: bool,
    /// Show only these properties, separated by commas [default: all]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Users shown, 0 for all; the others are counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: u64,
    /// Users with events but no profile too
    #[arg(long)]
    pub(crate) all: bool,
    /// How users are written
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Write them to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `tallymark user`
#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    /// Any id of the user
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Show single events of so many days up to the user's last one; 0 is all
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(crate) days: u32,
    /// No single events of this name; may be given again
    #[arg(long, value_name = "EVENT")]
    pub(crate) hide: Vec<String>,
    /// Single events shown, the newest
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    /// How the user is printed
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ReportFormat,
}
