//! `tallymark compact`

use tallymark::CompactOptions;

use super::{open_existing_for_writing, print};
use crate::args::{CompactArgs, Dataset, ReportFormat};
use crate::failure::Outcome;
use crate::terminal::Terminal;
use crate::text::{bytes, count, counted};

/// Merges small files and says what it brought.
pub(super) async fn run(
    args: &CompactArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let engine = open_existing_for_writing(dataset, "compact").await?;
    let compacted = engine.compact(&CompactOptions { all: args.all }).await;
    let closed = engine.close().await;
    let compacted = compacted?;
    closed?;
    if args.output == ReportFormat::Json {
        print::json(&compacted)?;
        return Ok(Outcome::Done);
    }
    let paint = terminal.out;
    let merged = if compacted.days == 0 {
        format!("{} to merge: no day has files that are worth it\n", paint.good("Nothing"))
    } else {
        format!(
            "{} {}: {} files → {}, {} → {}\n",
            paint.good("Merged"),
            paint.strong(counted(compacted.days, "day")),
            count(compacted.files_before),
            count(compacted.files_after),
            bytes(compacted.bytes_before),
            bytes(compacted.bytes_after),
        )
    };
    print::text(&format!(
        "{merged}{} {} that no snapshot needs any more ({})\n",
        paint.good("Deleted"),
        counted(compacted.deleted_objects, "file"),
        bytes(compacted.deleted_bytes),
    ))?;
    Ok(Outcome::Done)
}
