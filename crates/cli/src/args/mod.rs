//! What can be typed: commands, their arguments, and help that teaches.

mod answer;
mod cohort;
mod export;
mod help;
mod import;
mod lexicon;
mod lookup;
mod maintain;
mod plan;
mod report;
mod saved;
mod sql;
mod users;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub(crate) use answer::{AnswerArgs, Overrides};
pub(crate) use cohort::{CohortArgs, CohortCommand};
pub(crate) use export::{ExportArgs, ExportFormat};
pub(crate) use import::{AttachArgs, DetachArgs, IdentityChoice, ImportArgs};
pub(crate) use lexicon::{LexiconArgs, LexiconCommand, LexiconListArgs, LexiconSetArgs};
pub(crate) use lookup::{LookupArgs, LookupCommand};
pub(crate) use maintain::{CompactArgs, DeleteUserArgs, InspectArgs, SnapshotsArgs};
pub(crate) use plan::{CheckPlanArgs, PlanFormat};
pub(crate) use report::ReportArgs;
pub(crate) use saved::{SavedArgs, SavedCommand};
pub(crate) use sql::SqlArgs;
pub(crate) use users::{UserArgs, UsersArgs};

/// Where a dataset is unless said otherwise.
pub(crate) const DATASET_DEFAULT: &str = "./tallymark-data";

/// Product analytics over open Parquet: events in, SQL out
#[derive(Debug, Parser)]
#[command(name = "tallymark", version, max_term_width = 100, subcommand_required = true)]
pub(crate) struct Cli {
    /// The dataset: a directory, or a URL (file, memory, s3, gs, az)
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TALLYMARK_DATASET",
        default_value = DATASET_DEFAULT,
        help_heading = "Global options"
    )]
    dataset: String,
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read events and profiles from files into the dataset
    #[command(after_help = help::IMPORT)]
    Import(ImportArgs),
    /// Query Parquet files that are elsewhere, in place
    #[command(after_help = help::ATTACH)]
    Attach(AttachArgs),
    /// Forget attached files; the files stay
    #[command(after_help = help::DETACH)]
    Detach(DetachArgs),
    /// Ask in SQL: one question, a script, or a prompt
    #[command(after_help = help::SQL)]
    Sql(SqlArgs),
    /// Answer a report: how many, how much, how often, over time and split by what
    #[command(after_help = help::REPORT)]
    Report(ReportArgs),
    /// Save sets of users under a name, to filter and split by
    #[command(after_help = help::COHORT)]
    Cohort(CohortArgs),
    /// Save events under one name, to be named wherever an event is
    #[command(after_help = help::EVENT)]
    Event(SavedArgs),
    /// Save what is measured under a name, for reports
    #[command(after_help = help::METRIC)]
    Metric(SavedArgs),
    /// Save arithmetic over what is measured, to be used in reports
    #[command(after_help = help::FORMULA)]
    Formula(SavedArgs),
    /// Save tables that say more of the values of a property
    #[command(after_help = help::LOOKUP)]
    Lookup(LookupArgs),
    /// List users by their profiles
    #[command(after_help = help::USERS)]
    Users(UsersArgs),
    /// Show one user: profile, ids, and what they did
    #[command(after_help = help::USER)]
    User(UserArgs),
    /// Say what events and properties mean, and hide those that don't matter
    #[command(after_help = help::LEXICON)]
    Lexicon(LexiconArgs),
    /// Find events that are not as a tracking plan has them
    #[command(after_help = help::CHECK_PLAN)]
    CheckPlan(CheckPlanArgs),
    /// Show what is in the dataset: events, properties, files
    #[command(after_help = help::INSPECT)]
    Inspect(InspectArgs),
    /// Write events back out, as NDJSON or Parquet
    #[command(after_help = help::EXPORT)]
    Export(ExportArgs),
    /// Merge small files, and delete what no snapshot needs
    #[command(after_help = help::COMPACT)]
    Compact(CompactArgs),
    /// Erase a user: events, profile and links
    #[command(after_help = help::DELETE_USER)]
    DeleteUser(DeleteUserArgs),
    /// List the snapshots that can still be queried
    #[command(after_help = help::SNAPSHOTS)]
    Snapshots(SnapshotsArgs),
    /// See it work: import the bundled data and ask it questions
    #[command(after_help = help::DEMO)]
    Demo,
    /// Print the version
    #[command(after_help = help::VERSION)]
    Version,
}

/// What was typed.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// The dataset.
    pub(crate) dataset: Dataset,
    /// What to do with it.
    pub(crate) command: Command,
}

/// The dataset and how it came to be that one.
#[derive(Debug, Clone)]
pub(crate) struct Dataset {
    /// A path or URL.
    pub(crate) url: String,
    /// Whether it was named on the command line, not by the environment or by default.
    pub(crate) is_named: bool,
}

impl Dataset {
    /// The flag a further command needs to mean this dataset, with a blank before it.
    pub(crate) fn flag(&self) -> String {
        if self.is_named { format!(" --dataset {}", quoted(&self.url)) } else { String::new() }
    }
}

/// `text` as a shell reads it back.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// How a command that answers with a report prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Table,
    /// For programs: one JSON object
    Json,
}

/// Reads the command line; prints help or what is wrong with it and ends the process where there
/// is nothing to do.
pub(crate) fn parse() -> Invocation {
    let matches = command().get_matches();
    let is_named = is_dataset_named(&matches);
    match Cli::from_arg_matches(&matches) {
        Ok(Cli { dataset, command }) => Invocation { dataset: Dataset { url: dataset, is_named }, command },
        Err(error) => error.exit(),
    }
}

fn command() -> clap::Command {
    help::grouped(Cli::command())
}

fn is_dataset_named(matches: &ArgMatches) -> bool {
    let mut deepest = matches;
    while let Some((_, matches)) = deepest.subcommand() {
        deepest = matches;
    }
    deepest.value_source("dataset") == Some(clap::parser::ValueSource::CommandLine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_dataset_is_named_on_either_side_of_the_command() {
        for (line, named) in [
            (["tallymark", "--dataset", "x", "demo"].as_slice(), true),
            (&["tallymark", "demo", "--dataset", "x"], true),
            (&["tallymark", "cohort", "list", "--dataset", "x"], true),
            (&["tallymark", "demo"], false),
        ] {
            assert_eq!(is_dataset_named(&command().get_matches_from(line)), named, "{line:?}");
        }
    }

    #[test]
    fn quoting_is_read_back_by_a_shell() {
        assert_eq!(quoted("./shop-1"), "./shop-1");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
