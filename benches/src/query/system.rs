//! Who answers, where each keeps the events, and how each spells what SQL leaves open.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A system that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum System {
    Tallymark,
    Clickhouse,
    ClickhouseParquet,
    Duckdb,
    DuckdbParquet,
    Datafusion,
    Hand,
}

impl System {
    pub(crate) const ALL: [Self; 7] = [
        Self::Tallymark,
        Self::Clickhouse,
        Self::ClickhouseParquet,
        Self::Duckdb,
        Self::DuckdbParquet,
        Self::Datafusion,
        Self::Hand,
    ];

    /// The script of a peer and what it is told to do.
    pub(crate) fn script(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Tallymark | Self::Hand => None,
            Self::Clickhouse => Some(("query_clickhouse.py", "serve")),
            Self::ClickhouseParquet => Some(("query_clickhouse.py", "serve-parquet")),
            Self::Duckdb => Some(("query_duckdb.py", "serve")),
            Self::DuckdbParquet => Some(("query_duckdb.py", "serve-parquet")),
            Self::Datafusion => Some(("query_datafusion.py", "serve")),
        }
    }

    /// The tables it may answer from; the best one for a question counts.
    pub(crate) fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Tallymark | Self::Duckdb | Self::Datafusion => &["events"],
            Self::Clickhouse => &["by_user", "by_event", "by_event_user"],
            Self::ClickhouseParquet | Self::DuckdbParquet => &["parquet"],
            Self::Hand => &["arrays"],
        }
    }

    /// What it speaks; the hand loops speak nothing.
    pub(crate) fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Tallymark => Some(Dialect::Tallymark),
            Self::Clickhouse | Self::ClickhouseParquet => Some(Dialect::Clickhouse),
            Self::Duckdb | Self::DuckdbParquet => Some(Dialect::Duckdb),
            Self::Datafusion => Some(Dialect::Datafusion),
            Self::Hand => None,
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tallymark => "tallymark",
            Self::Clickhouse => "clickhouse",
            Self::ClickhouseParquet => "clickhouse-parquet",
            Self::Duckdb => "duckdb",
            Self::DuckdbParquet => "duckdb-parquet",
            Self::Datafusion => "datafusion",
            Self::Hand => "hand",
        })
    }
}

/// A spelling of SQL. Questions are written once with these pieces; where a system has something
/// better, they say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Tallymark,
    Clickhouse,
    Duckdb,
    Datafusion,
}

impl Dialect {
    /// Milliseconds since 1970 of an instant.
    pub(crate) fn ms(self, instant: &str) -> String {
        match self {
            Self::Tallymark | Self::Datafusion => format!("CAST({instant} AS BIGINT)"),
            Self::Clickhouse => format!("toUnixTimestamp64Milli({instant})"),
            Self::Duckdb => format!("epoch_ms({instant})"),
        }
    }

    /// Number of different values.
    pub(crate) fn count_distinct(self, value: &str) -> String {
        match self {
            Self::Clickhouse => format!("uniqExact({value})"),
            Self::Tallymark | Self::Duckdb | Self::Datafusion => format!("count(DISTINCT {value})"),
        }
    }

    /// The share-th value in order, between neighbours by straight line (G-11).
    pub(crate) fn percentile(self, value: &str, share: f64) -> String {
        match self {
            Self::Clickhouse => format!("quantileExactInclusive({share})({value})"),
            Self::Duckdb => format!("quantile_cont({value}, {share})"),
            Self::Tallymark | Self::Datafusion => {
                format!("percentile_cont({share}) WITHIN GROUP (ORDER BY CAST({value} AS DOUBLE))")
            }
        }
    }

    /// The value some rows on in a window's order.
    pub(crate) fn lead(self, value: &str, rows: u32, window: &str) -> String {
        match self {
            Self::Clickhouse => {
                format!(
                    "leadInFrame(toNullable({value}), {rows}) OVER ({window} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
                )
            }
            Self::Tallymark | Self::Duckdb | Self::Datafusion => {
                format!("lead({value}, {rows}) OVER ({window})")
            }
        }
    }

    /// The last value there was up to a row in a window's order, nulls passed over.
    pub(crate) fn last_known(self, value: &str, window: &str) -> String {
        match self {
            Self::Clickhouse => {
                format!("anyLast({value}) OVER ({window} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)")
            }
            Self::Duckdb => {
                format!("last_value({value} IGNORE NULLS) OVER ({window} ROWS UNBOUNDED PRECEDING)")
            }
            Self::Tallymark | Self::Datafusion => {
                format!("last_value({value}) IGNORE NULLS OVER ({window} ROWS UNBOUNDED PRECEDING)")
            }
        }
    }

    /// The value of the row before in a window's order.
    pub(crate) fn lag(self, value: &str, window: &str) -> String {
        match self {
            Self::Clickhouse => {
                format!(
                    "lagInFrame(toNullable({value}), 1) OVER ({window} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
                )
            }
            Self::Tallymark | Self::Duckdb | Self::Datafusion => format!("lag({value}, 1) OVER ({window})"),
        }
    }

    /// The number of the week of a day; weeks begin on Monday.
    pub(crate) fn week(self, day: &str) -> String {
        match self {
            Self::Clickhouse => format!("intDiv(toInt32({day}) + 3, 7)"),
            Self::Duckdb => format!("(({day} - DATE '1970-01-01') + 3) // 7"),
            Self::Tallymark | Self::Datafusion => format!("(CAST({day} AS INT) + 3) / 7"),
        }
    }

    /// A day some days later.
    pub(crate) fn days_later(self, day: &str, days: u32) -> String {
        match self {
            Self::Clickhouse => format!("({day} + {days})"),
            Self::Tallymark | Self::Duckdb | Self::Datafusion => {
                format!("CAST({day} + INTERVAL '{days} days' AS DATE)")
            }
        }
    }

    /// The civil day of an instant in Berlin, as text or date.
    pub(crate) fn berlin_day(self, instant: &str) -> String {
        match self {
            Self::Clickhouse => format!("toDate({instant}, 'Europe/Berlin')"),
            Self::Duckdb => format!("CAST({instant} AT TIME ZONE 'Europe/Berlin' AS DATE)"),
            Self::Tallymark | Self::Datafusion => {
                format!("date_trunc('day', {instant} AT TIME ZONE 'Europe/Berlin')")
            }
        }
    }

    /// An instant written in UTC.
    pub(crate) fn instant(self, text: &str) -> String {
        match self {
            Self::Clickhouse => format!("toDateTime64('{text}', 3, 'UTC')"),
            Self::Duckdb => format!("TIMESTAMPTZ '{text}+00'"),
            Self::Tallymark | Self::Datafusion => format!("TIMESTAMP '{text}Z'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_everywhere() {
        for system in System::ALL {
            assert_eq!(system.to_possible_value().unwrap().get_name(), system.to_string());
            assert_eq!(serde_json::to_value(system).unwrap(), system.to_string());
        }
    }
}
