//! `tallymark export`

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context as _;
use futures::StreamExt as _;
use tallymark::{Engine, ExportOptions};

use super::open_for_reading;
use crate::args::{Dataset, ExportArgs, ExportFormat};
use crate::failure::{Outcome, failure};
use crate::output::{Format, TableStyle, Target, write_rows};
use crate::terminal::Terminal;

/// Writes the events that were asked for.
pub(super) async fn run(args: &ExportArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(failure(
            format!("--from {from} is after --to {to}"),
            "swap them; both days are included",
        ));
    }
    let target = Target::new(args.out.clone());
    if args.format == ExportFormat::Parquet {
        target.check(Format::Parquet, terminal)?;
    }
    let engine = open_for_reading(dataset).await?;
    match args.format {
        ExportFormat::Ndjson => write_lines(args, &engine, &target).await?,
        ExportFormat::Parquet => {
            let answer = engine.sql(&query(args)).await?;
            let schema = answer.schema();
            let style = TableStyle::new(terminal, None, false);
            write_rows(answer, schema, Format::Parquet, style, &target, terminal).await?;
        }
    }
    Ok(Outcome::Done)
}

async fn write_lines(args: &ExportArgs, engine: &Engine, target: &Target) -> anyhow::Result<()> {
    let options = ExportOptions {
        from: args.from,
        to: args.to,
        events: (!args.events.is_empty()).then(|| args.events.clone()),
        canonical: args.canonical,
    };
    let mut lines = engine.export(&options)?;
    let mut sink = target.open()?;
    let watch = sink.watch();
    let written: anyhow::Result<()> = async {
        while let Some(chunk) = lines.next().await {
            sink.write_all(&chunk?.bytes).context("cannot write events")?;
        }
        sink.flush().context("cannot write events")
    }
    .await;
    written.map_err(|error| target.abandon(error, &watch))
}

/// The rows of `events` that were asked for, in the order of files: by day, user, time.
fn query(args: &ExportArgs) -> String {
    let mut text = "SELECT * ".to_owned();
    if args.canonical {
        text.push_str("REPLACE (coalesce(user_id, distinct_id) AS distinct_id) ");
    }
    text.push_str("FROM events");
    let mut conditions = Vec::new();
    conditions.extend(args.from.map(|day| format!("day >= DATE '{day}'")));
    conditions.extend(args.to.map(|day| format!("day <= DATE '{day}'")));
    if !args.events.is_empty() {
        let names: Vec<String> =
            args.events.iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
        conditions.push(format!("event IN ({})", names.join(", ")));
    }
    if !conditions.is_empty() {
        let _ = write!(text, " WHERE {}", conditions.join(" AND "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_becomes_sql() {
        let args = ExportArgs {
            from: "2024-03-01".parse().ok(),
            to: "2024-03-31".parse().ok(),
            events: vec!["it's".to_owned(), "b".to_owned()],
            format: ExportFormat::Parquet,
            out: None,
            canonical: false,
        };
        assert_eq!(
            query(&args),
            "SELECT * FROM events WHERE day >= DATE '2024-03-01' AND day <= DATE '2024-03-31' \
             AND event IN ('it''s', 'b')"
        );
    }
}
