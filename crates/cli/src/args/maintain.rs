//! Arguments of the commands that look after a dataset.

use clap::Args;

use super::ReportFormat;

/// `tallymark inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// List exactly the files the newest snapshot consists of
    #[arg(long)]
    pub(crate) files: bool,
    /// Bring users, times and event names into memory, of attached datasets too, and tell what they cost
    /// there
    #[arg(long, conflicts_with = "files")]
    pub(crate) memory: bool,
    /// With --memory: also this column of `events` (may be repeated)
    #[arg(long = "column", value_name = "COLUMN", requires = "memory")]
    pub(crate) columns: Vec<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ReportFormat,
}

/// `tallymark compact`
#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    /// Rewrite also the days of users who were merged since, not only days of several files
    #[arg(long)]
    pub(crate) all: bool,
    /// How the summary is printed
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ReportFormat,
}

/// `tallymark delete-user`
#[derive(Debug, Args)]
pub(crate) struct DeleteUserArgs {
    /// Any id of the user
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    pub(crate) id: String,
    /// Don't ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// How the proof is printed
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ReportFormat,
}

/// `tallymark snapshots`
#[derive(Debug, Args)]
pub(crate) struct SnapshotsArgs {
    /// How they are printed
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ReportFormat,
}
