//! `tallymark snapshots`

use serde::Serialize;
use tallymark::Timestamp;

use super::{open_for_reading, print};
use crate::args::{Dataset, ReportFormat, SnapshotsArgs};
use crate::failure::Outcome;
use crate::output::{Align, Table};
use crate::terminal::Terminal;
use crate::text::count;

/// A snapshot for programs.
#[derive(Debug, Serialize)]
struct Entry {
    version: u64,
    created_at: String,
    is_newest: bool,
}

/// Lists what `--as-of-snapshot` may name.
pub(super) async fn run(
    args: &SnapshotsArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let engine = open_for_reading(dataset).await?;
    let mut snapshots = engine.snapshots().await?;
    snapshots.sort_by_key(|snapshot| snapshot.version);
    let newest = snapshots.last().map(|snapshot| snapshot.version);
    let entries: Vec<Entry> = snapshots
        .iter()
        .map(|snapshot| Entry {
            version: snapshot.version,
            created_at: created_at(snapshot.created_at),
            is_newest: newest == Some(snapshot.version),
        })
        .collect();
    if args.output == ReportFormat::Json {
        print::json(&entries)?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[("snapshot", Align::Right), ("made (UTC)", Align::Left), ("", Align::Left)]);
    for entry in &entries {
        let remark = if entry.is_newest { "newest" } else { "" };
        table.push([count(entry.version), entry.created_at.clone(), remark.to_owned()]);
    }
    print::table(&table, terminal)?;
    print::text(&format!(
        "{}\n",
        terminal.out.faint("older ones are gone; `tallymark sql --as-of-snapshot N` asks one of these")
    ))?;
    Ok(Outcome::Done)
}

fn created_at(time: Timestamp) -> String {
    time.to_string()
}
