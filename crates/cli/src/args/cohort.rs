//! Arguments of `tallymark cohort`.

use clap::{Args, Subcommand};

use super::ReportFormat;

/// `tallymark cohort`
#[derive(Debug, Args)]
pub(crate) struct CohortArgs {
    #[command(subcommand)]
    pub(crate) command: CohortCommand,
}

/// What to do with cohorts.
#[derive(Debug, Subcommand)]
pub(crate) enum CohortCommand {
    /// Save a cohort, in place of the one of that name if there is one
    Save {
        /// How it is called in reports
        name: String,
        /// Its definition, a JSON file; - is standard input
        file: String,
    },
    /// List the saved cohorts
    List {
        /// How they are printed
        #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
        output: ReportFormat,
    },
    /// Print the definition of a cohort, as JSON
    Show {
        /// The cohort
        name: String,
    },
    /// Forget a cohort; users stay
    Delete {
        /// The cohort
        name: String,
    },
}
