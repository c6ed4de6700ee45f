//! Arguments that commands answering with rows have in common.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tallymark::EngineConfig;

use crate::output::Format;

/// How an answer is written, and how much of it may be waited for.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// How the answer is written [default: table]
    ///
    /// On a terminal, table is a form for people: bars, a column a bucket, or a line of blocks.
    /// Elsewhere it has the rows as they are, like the other formats.
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
    /// Stop after this long [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Stop if the answer has more rows [default: no limit]
    #[arg(long, value_name = "N")]
    pub(crate) max_rows: Option<u64>,
}

impl AnswerArgs {
    /// The limits, for the engine.
    pub(crate) fn limits(&self) -> EngineConfig {
        EngineConfig {
            query_time_max: self.timeout,
            answer_rows_max: self.max_rows,
            ..EngineConfig::default()
        }
    }
}

/// Reads a length of time.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a number of seconds, such as 30 or 0.5".to_owned())
}

/// What is said instead of what a definition says, for a quick look.
#[derive(Debug, Default, Args)]
pub(crate) struct Overrides {
    /// The time it is about, such as "last 30 days" or "2024-01-01 to 2024-03-31"
    #[arg(long, value_name = "RANGE", help_heading = "Instead of what the definition says")]
    pub(crate) range: Option<String>,
    /// Measure each minute, hour, day, week, month, quarter or year
    #[arg(long, value_name = "UNIT", help_heading = "Instead of what the definition says")]
    pub(crate) interval: Option<String>,
    /// The zone that decides what a day is, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", help_heading = "Instead of what the definition says")]
    pub(crate) time_zone: Option<String>,
    /// Take the end of this day, or this time, for now
    #[arg(long, value_name = "DATE", help_heading = "Instead of what the definition says")]
    pub(crate) as_of: Option<String>,
}

impl Overrides {
    /// Puts them into a definition. What is no object is left for the reader to refuse.
    pub(crate) fn apply(&self, definition: &mut Value) {
        let Value::Object(fields) = definition else { return };
        let named = [
            ("range", &self.range),
            ("interval", &self.interval),
            ("time_zone", &self.time_zone),
            ("as_of", &self.as_of),
        ];
        for (field, value) in named {
            let Some(text) = value else { continue };
            // A range may be an object, such as {"since": "2024-01-01"}.
            let object = serde_json::from_str(text).ok().filter(Value::is_object);
            fields.insert(field.to_owned(), object.unwrap_or_else(|| text.as_str().into()));
        }
    }
}
