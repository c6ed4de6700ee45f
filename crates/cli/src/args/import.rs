//! Arguments of the commands that bring data in.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tallymark::{ColumnMapping, IdentitySystem, Limits, TimeUnit};

use super::ReportFormat;

/// Which columns of CSV and Parquet mean what.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Columns of CSV and Parquet")]
pub(crate) struct MappingArgs {
    /// The column that names the event
    #[arg(long, value_name = "COLUMN")]
    pub(crate) event_column: Option<String>,
    /// The column that says when it happened
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time_column: Option<String>,
    /// The column that says who did it
    #[arg(long, value_name = "COLUMN")]
    pub(crate) user_column: Option<String>,
    /// The column with the sender's id of the event, by which repeats are recognised
    #[arg(long, value_name = "COLUMN")]
    pub(crate) insert_id_column: Option<String>,
    /// The name of every event, where no column names it
    #[arg(long, value_name = "NAME", conflicts_with = "event_column")]
    pub(crate) event_name: Option<String>,
    /// What numbers in the time column count since 1970 [default: seconds or milliseconds, by size]
    #[arg(long, value_name = "UNIT")]
    pub(crate) time_unit: Option<UnitChoice>,
}

impl MappingArgs {
    /// As the engine takes it.
    pub(crate) fn mapping(&self) -> ColumnMapping {
        ColumnMapping {
            event_column: self.event_column.clone(),
            time_column: self.time_column.clone(),
            user_column: self.user_column.clone(),
            insert_id_column: self.insert_id_column.clone(),
            event_name: self.event_name.clone(),
            time_unit: self.time_unit.map(UnitChoice::unit),
        }
    }
}

/// Units of time in columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnitChoice {
    /// Seconds
    S,
    /// Milliseconds
    Ms,
    /// Microseconds
    Us,
    /// Nanoseconds
    Ns,
}

impl UnitChoice {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
        }
    }

    fn unit(self) -> TimeUnit {
        match self {
            Self::S => TimeUnit::Seconds,
            Self::Ms => TimeUnit::Milliseconds,
            Self::Us => TimeUnit::Microseconds,
            Self::Ns => TimeUnit::Nanoseconds,
        }
    }
}

/// `tallymark import`
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Files, globs or directories to read; - is standard input
    ///
    /// NDJSON, JSON arrays and concatenated JSON, CSV with a header, Parquet; plain, gzip or zstd.
    /// What a file is shows in its content, not in its name.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Stop at the first record that is refused, and fail; what came before it is stored
    #[arg(long)]
    pub(crate) strict: bool,
    /// How large records and their parts may be
    #[arg(long, value_enum, default_value = "relaxed", value_name = "LIMITS")]
    pub(crate) limits: LimitsChoice,
    /// Keep refused records as they were, each with its reason, as NDJSON
    ///
    /// A line is {"reason","field","input","index","line","byte_offset","record"}: why, the field at
    /// fault, the input's name, the record's number in it from 0, its line from 1 (null where there
    /// are no lines), the byte it starts at, and its text. Text that is not UTF-8 is in
    /// "record_base64" too, byte for byte; "record_truncated" marks records too long to be kept.
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Check what is stored against a tracking plan, and fail if it is not as planned
    ///
    /// A JSON file or the name of a saved plan; see `tallymark check-plan --help`.
    #[arg(long, value_name = "PLAN")]
    pub(crate) plan: Option<String>,
    /// How ids become users; decided once, when the dataset is made [default: simplified]
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub(crate) identity: Option<IdentityChoice>,
    /// How the summary is printed
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ReportFormat,
    #[command(flatten)]
    pub(crate) mapping: MappingArgs,
}

/// Limits of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LimitsChoice {
    /// 1 MiB a record, 16 levels deep, strings of 64 KiB
    Relaxed,
    /// Those of Mixpanel
    Mixpanel,
}

impl LimitsChoice {
    /// As the engine takes it.
    pub(crate) fn limits(self) -> Limits {
        match self {
            Self::Relaxed => Limits::relaxed(),
            Self::Mixpanel => Limits::mixpanel(),
        }
    }
}

/// Systems of identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IdentityChoice {
    /// $device_id and $user_id on events link devices to users
    Simplified,
    /// $identify, $create_alias and $merge events build clusters of ids
    Original,
    /// Every distinct_id is a user
    None,
}

impl IdentityChoice {
    /// As the engine takes it.
    pub(crate) fn system(self) -> IdentitySystem {
        match self {
            Self::Simplified => IdentitySystem::Simplified,
            Self::Original => IdentitySystem::Original,
            Self::None => IdentitySystem::None,
        }
    }
}

/// `tallymark attach`
#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// The table's name in SQL
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// A Parquet file, or a directory of them, as path or URL
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// The column that names the event [default: every row is an event called NAME]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) event_column: Option<String>,
    /// The column that says when it happened
    #[arg(long, value_name = "COLUMN", default_value = "time")]
    pub(crate) time_column: String,
    /// The column that says who did it [default: nobody did]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) user_column: Option<String>,
    /// What an integer time column counts since 1970
    #[arg(long, value_name = "UNIT")]
    pub(crate) time_unit: Option<UnitChoice>,
}

/// `tallymark detach`
#[derive(Debug, Args)]
pub(crate) struct DetachArgs {
    /// The table's name in SQL
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}
