//! Rows on their way out: six formats, one stream.
//!
//! 1. [`Target`]: standard output or a file; binary formats don't go to a terminal.
//! 2. [`text`]: columns a format has no word for become text.
//! 3. [`Table`] for people, [`RowWriter`] for programs, which keeps no more than one batch; on a
//!    terminal, reports have a form of their own ([`write_report`]).

mod report;
mod row_writer;
mod sink;
mod table;
mod text;

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use clap::ValueEnum;
use futures::{Stream, StreamExt as _};

use crate::terminal::Terminal;
use crate::text::{counted, duration};
use row_writer::RowWriter;

pub(crate) use report::write_report;
pub(crate) use sink::{Sink, Target};
pub(crate) use table::{Align, Table};

/// Rows a table shows on a terminal unless told otherwise.
const ROWS_ON_A_TERMINAL: usize = 50;
/// Rows a table shows elsewhere unless told otherwise: all have to be laid out together.
const ROWS_ELSEWHERE: usize = 10_000;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    Table,
    /// Comma-separated values with a header
    Csv,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    Ndjson,
    /// A Parquet file
    Parquet,
    /// An Arrow IPC stream
    Arrow,
}

impl Format {
    /// Whether this is nothing for a terminal.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

/// How a table is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableStyle {
    /// Rows shown; the others are counted.
    pub(crate) rows_max: usize,
    /// Columns of the terminal; `None` for as many as it takes.
    pub(crate) width: Option<usize>,
    /// What to type to see all rows.
    pub(crate) limit_advice: &'static str,
    /// Whether the time it took is told.
    pub(crate) timing: bool,
}

impl TableStyle {
    /// `limit_rows` as the user gave it: 0 is all, nothing is the default.
    pub(crate) fn new(terminal: Terminal, limit_rows: Option<usize>, to_stdout: bool) -> Self {
        let on_terminal = terminal.stdout && to_stdout;
        let rows_max = match limit_rows {
            Some(0) => usize::MAX,
            Some(rows) => rows,
            None if on_terminal => ROWS_ON_A_TERMINAL,
            None => ROWS_ELSEWHERE,
        };
        let width = if on_terminal { terminal.width() } else { None };
        Self { rows_max, width, limit_advice: "--limit-rows 0", timing: false }
    }
}

/// Writes a stream of rows to `target`.
///
/// # Errors
/// What the stream or the format says; a broken pipe is found in the chain
/// ([`crate::failure::is_broken_pipe`]). A file that was begun is removed.
pub(crate) async fn write_rows<E>(
    rows: impl Stream<Item = Result<RecordBatch, E>>,
    schema: SchemaRef,
    format: Format,
    style: TableStyle,
    target: &Target,
    terminal: Terminal,
) -> anyhow::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    target.check(format, terminal)?;
    let sink = target.open()?;
    let watch = sink.watch();
    let written = if format == Format::Table {
        write_table(rows, &schema, style, sink, terminal).await
    } else {
        write_streamed(rows, schema, format, sink).await
    };
    written.map_err(|error| target.abandon(error, &watch))
}

async fn write_table<E>(
    rows: impl Stream<Item = Result<RecordBatch, E>>,
    schema: &SchemaRef,
    style: TableStyle,
    mut sink: Sink,
    terminal: Terminal,
) -> anyhow::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let started = Instant::now();
    let mut table = Table::of_rows(schema, style.rows_max);
    let mut rows = std::pin::pin!(rows);
    while let Some(batch) = rows.next().await {
        table.push_batch(&text::for_table(&batch?)?)?;
    }
    table.write(&mut sink, style.width, terminal.out).context("cannot print")?;
    if table.is_plan() {
        return sink.flush().context("cannot print");
    }
    let footer = footer(&table, style.limit_advice, style.timing.then(|| started.elapsed()));
    writeln!(sink, "{}", terminal.out.faint(footer)).and_then(|()| sink.flush()).context("cannot print")
}

/// `12 rows`, and what is not to be seen of them.
fn footer(table: &Table, limit_advice: &str, elapsed: Option<Duration>) -> String {
    let mut text = counted(table.rows_total(), "row");
    let hidden = table.rows_total() - table.rows_shown();
    if hidden > 0 {
        text = format!(
            "{} of {text} shown, {hidden} more ({limit_advice} shows all)",
            table.rows_shown(),
            hidden = crate::text::count(hidden)
        );
    }
    if let Some(elapsed) = elapsed {
        text = format!("{text}, {}", duration(elapsed));
    }
    text
}

async fn write_streamed<E>(
    rows: impl Stream<Item = Result<RecordBatch, E>>,
    schema: SchemaRef,
    format: Format,
    sink: Sink,
) -> anyhow::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let schema = text::schema_for(format, &schema);
    let mut writer = RowWriter::try_new(format, &schema, sink)?;
    let mut rows = std::pin::pin!(rows);
    while let Some(batch) = rows.next().await {
        writer.write(&text::for_format(format, &schema, &batch?)?)?;
    }
    writer.finish()
}
