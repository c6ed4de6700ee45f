//! Events back as they came: JSON lines in the form of Mixpanel's raw export, every value as
//! it was sent.
//!
//! 1. A part at a time, so that no sort is larger than a day: a day, or as many small days in a row
//!    as can be sorted together at little cost.
//! 2. Each part's rows are read with the lanes it has, sorted by (`time`, `sequence`) (G-1).
//!    `feed.rs` reads those of one user instead.
//! 3. `line.rs` writes each row: `{"event": …, "properties": {"time": …, "distinct_id": …, …}}`.

mod feed;
mod line;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMillisecondType;
use bytes::Bytes;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::{DataFrame, SessionContext, ident};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tallymark_event::columns::{DAY, EVENT, SEQUENCE, TIME};
use tallymark_event::{Day, LaneId, Timestamp};
use tallymark_storage::Snapshot;

pub use self::feed::{FeedOptions, feed};
use self::line::LineWriter;
use crate::error::{Error, Result};
use crate::events_table::EventsTable;

/// Rows of days that are read together, at most: planning costs milliseconds, whatever the rows.
const ROWS_TOGETHER: u64 = 64 << 10;

/// Which events to export, and under which ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportOptions {
    /// The first UTC day; `None` for the first there is.
    pub from: Option<Day>,
    /// The last UTC day, inclusive; `None` for the last there is.
    pub to: Option<Day>,
    /// The names of the events; `None` for all.
    pub events: Option<Vec<String>>,
    /// `distinct_id` is the canonical user, and the id as sent, where it is another one, goes to
    /// `$distinct_id_before_identity` (I-11). Otherwise `distinct_id` is the id as sent, and what
    /// is exported imports as what it was.
    pub canonical: bool,
}

/// Some lines of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedLines {
    /// Whole JSON objects, each followed by `\n`; UTF-8.
    pub bytes: Bytes,
    /// How many there are.
    pub rows: usize,
}

/// The events of a snapshot as JSON lines, in the order of (`time`, ingestion).
///
/// - `time` is in milliseconds; instants within 1,159 days of 1970-01-01 are in seconds with a
///   fraction instead, since D-6 reads small numbers as seconds.
/// - `distinct_id`, `$insert_id` and `$device_id` are as sent; an event sent without `$insert_id`
///   has none (D-11), or null, where a property `insert_id` would be taken for it. The other properties follow in the order of the catalog, with the values and
///   types they were sent with, explicit nulls too (D-26).
/// - Repeats replaced under D-9 are not there (D-12).
///
/// Nothing is read until the stream is polled.
///
/// # Errors
/// The stream ends with [`Error::Export`] naming the days.
pub fn export(
    session_ctx: &SessionContext,
    snapshot: &Arc<Snapshot>,
    options: &ExportOptions,
) -> BoxStream<'static, Result<ExportedLines>> {
    let (session_ctx, snapshot, options) = (session_ctx.clone(), Arc::clone(snapshot), options.clone());
    let parts = parts_of(&snapshot, &options);
    stream::iter(parts)
        .then(move |part| {
            let (session_ctx, snapshot, options) =
                (session_ctx.clone(), Arc::clone(&snapshot), options.clone());
            async move { export_part(&session_ctx, &snapshot, &options, part).await }
        })
        .try_flatten()
        .boxed()
}

/// The events of a snapshot as a table, for other formats such as Parquet: the columns of `events`,
/// rows in no particular order. [`ExportOptions::canonical`] makes no difference, as both ids are
/// columns.
///
/// # Errors
/// [`Error::Plan`], which no option causes.
pub fn export_rows(
    session_ctx: &SessionContext,
    snapshot: &Arc<Snapshot>,
    options: &ExportOptions,
) -> Result<DataFrame> {
    let day = |day: Day| lit(ScalarValue::Date32(Some(day.days())));
    let filters = [
        options.from.map(|from| ident(DAY).gt_eq(day(from))),
        options.to.map(|to| ident(DAY).lt_eq(day(to))),
        options.events.as_ref().map(|events| one_of(events)),
    ];
    let table = EventsTable::new(Arc::clone(snapshot));
    let rows = session_ctx.read_table(Arc::new(table));
    let rows = rows.and_then(|rows| filters.into_iter().flatten().try_fold(rows, DataFrame::filter));
    rows.map_err(|source| Error::Plan { source })
}

fn one_of(events: &[String]) -> Expr {
    ident(EVENT).in_list(events.iter().map(lit).collect(), false)
}

/// Days that are read together; both are part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    from: Day,
    to: Day,
}

/// The days to export, ascending.
fn parts_of(snapshot: &Snapshot, options: &ExportOptions) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rows_of_last = 0;
    for (day, rows) in rows_by_day(snapshot, options) {
        match parts.last_mut() {
            Some(part) if rows_of_last + rows <= ROWS_TOGETHER => {
                part.to = day;
                rows_of_last += rows;
            }
            _ => {
                parts.push(Part { from: day, to: day });
                rows_of_last = rows;
            }
        }
    }
    parts
}

/// How many rows the days have that are to be exported.
fn rows_by_day(snapshot: &Snapshot, options: &ExportOptions) -> BTreeMap<Day, u64> {
    let mut rows_by_day: BTreeMap<Day, u64> = BTreeMap::new();
    let mut add = |day: Day, rows: u64| {
        if options.from.is_none_or(|from| day >= from) && options.to.is_none_or(|to| day <= to) {
            *rows_by_day.entry(day).or_default() += rows;
        }
    };
    for file in &snapshot.manifest.files {
        add(file.day, file.rows);
    }
    for batch in snapshot.memtable.iter() {
        let times = batch
            .batch
            .column_by_name(TIME)
            .and_then(|times| times.as_primitive_opt::<TimestampMillisecondType>());
        for ms in times.iter().flat_map(|times| times.values()) {
            add(Timestamp::from_millis(*ms).day(), 1);
        }
    }
    rows_by_day
}

async fn export_part(
    session_ctx: &SessionContext,
    snapshot: &Arc<Snapshot>,
    options: &ExportOptions,
    part: Part,
) -> Result<BoxStream<'static, Result<ExportedLines>>> {
    let failed = move |source| Error::Export { from: part.from, to: part.to, source };
    let lanes = lanes_of(snapshot, part);
    let writer = LineWriter::new(snapshot, &lanes, options.canonical);
    let rows = rows_of(session_ctx, snapshot, options, part, &lanes).map_err(failed)?;
    let batches = rows.execute_stream().await.map_err(failed)?;
    let lines = batches.map(move |batch| {
        let batch = batch.map_err(failed)?;
        let bytes = writer.write(&batch).map_err(failed)?;
        Ok(ExportedLines { bytes: Bytes::from(bytes), rows: batch.num_rows() })
    });
    Ok(lines.boxed())
}

/// The lanes the rows of a part may have values in, property by property in catalog order.
fn lanes_of(snapshot: &Snapshot, part: Part) -> Vec<LaneId> {
    let files = &snapshot.manifest.files;
    let from = files.partition_point(|file| file.day < part.from);
    let to = files.partition_point(|file| file.day <= part.to);
    let in_files = files[from..to].iter().flat_map(|file| &file.lanes);
    let in_memory = snapshot.memtable.iter().flat_map(|batch| batch.lanes.iter().copied());
    let lanes: BTreeSet<LaneId> = in_files.map(|count| count.lane).chain(in_memory).collect();
    let mut lanes: Vec<LaneId> = lanes.into_iter().collect();
    lanes.sort_by_key(|lane| snapshot.catalog.lane(*lane).property);
    lanes
}

fn rows_of(
    session_ctx: &SessionContext,
    snapshot: &Arc<Snapshot>,
    options: &ExportOptions,
    part: Part,
    lanes: &[LaneId],
) -> Result<DataFrame, DataFusionError> {
    let day = |day: Day| lit(ScalarValue::Date32(Some(day.days())));
    let table = EventsTable::of_lanes(Arc::clone(snapshot), lanes);
    let mut rows = session_ctx
        .read_table(Arc::new(table))?
        .filter(ident(DAY).gt_eq(day(part.from)).and(ident(DAY).lt_eq(day(part.to))))?;
    if let Some(events) = &options.events {
        rows = rows.filter(one_of(events))?;
    }
    rows.sort(vec![ident(TIME).sort(true, false), ident(SEQUENCE).sort(true, false)])
}

#[cfg(test)]
mod tests;

pub(crate) use line::write_value;
