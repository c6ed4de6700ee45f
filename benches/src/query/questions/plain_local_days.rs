//! Plain SQL: days of a time zone.

use arrow::array::timezone::Tz;

use super::Question;
use crate::hand::counts;
use crate::query::system::Dialect;

pub(crate) const QUESTION: Question = Question {
    name: "plain-local-days",
    asks: "SQL: events by civil day in Berlin",
    sql: |dialect, events, _| {
        let day = dialect.berlin_day("time");
        let text = match dialect {
            Dialect::Clickhouse => "toString(local_day)",
            Dialect::Duckdb => "CAST(local_day AS VARCHAR)",
            Dialect::Tallymark | Dialect::Datafusion => "substr(CAST(local_day AS VARCHAR), 1, 10)",
        };
        vec![format!(
            "SELECT {text}, events FROM \
             (SELECT {day} AS local_day, count(*) AS events FROM {events} GROUP BY local_day) AS days"
        )]
    },
    hand: |columns, _| match "Europe/Berlin".parse::<Tz>() {
        Ok(zone) => counts::by_civil_day(columns, zone),
        Err(_) => Vec::new(),
    },
};
