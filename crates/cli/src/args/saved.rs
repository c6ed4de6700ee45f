//! Arguments of the commands for what is saved by name.

use clap::{Args, Subcommand};

use super::ReportFormat;

/// `tallymark event`, `tallymark metric`, `tallymark formula`
#[derive(Debug, Args)]
pub(crate) struct SavedArgs {
    #[command(subcommand)]
    pub(crate) command: SavedCommand,
}

/// What to do with saved definitions of one kind.
#[derive(Debug, Subcommand)]
pub(crate) enum SavedCommand {
    /// Save a definition under a name, in place of what had the name
    Save {
        /// How it is called
        name: String,
        /// Its definition, a JSON file; - is standard input
        file: String,
    },
    /// List what is saved
    List {
        /// How it is printed
        #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
        output: ReportFormat,
    },
    /// Print the definition saved under a name, as JSON
    Show {
        /// How it is called
        name: String,
    },
    /// Forget a definition; the data stay
    Delete {
        /// How it is called
        name: String,
    },
}
