//! Arguments of `tallymark check-plan`.

use clap::{Args, ValueEnum};
use tallymark::Day;

/// `tallymark check-plan`
#[derive(Debug, Args)]
pub(crate) struct CheckPlanArgs {
    /// The plan, a JSON file; - is standard input; what is no file is the name of a saved plan
    #[arg(value_name = "PLAN")]
    pub(crate) plan: String,
    /// Only events of this UTC day and later
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) since: Option<Day>,
    /// Keep the plan in the dataset under this name
    #[arg(long, value_name = "NAME")]
    pub(crate) save: Option<String>,
    /// How the violations are printed
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: PlanFormat,
}

/// How violations are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people
    Table,
    /// For programs: one JSON object
    Json,
    /// One line an example
    Csv,
}
