//! One user's events, newest first (M-2).

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMillisecondType;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::{DataFrame, SessionContext, ident};
use tallymark_event::Timestamp;
use tallymark_event::columns::{EVENT, SEQUENCE, TIME, USER_ID};
use tallymark_storage::Snapshot;

use super::line::LineWriter;
use super::{Part, lanes_of};
use crate::error::{Error, Result};
use crate::events_table::EventsTable;

/// Which events of a user are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedOptions {
    /// The canonical user.
    pub user_id: String,
    /// Only events that happened then or later,
    pub from: Timestamp,
    /// and then or earlier.
    pub to: Timestamp,
    /// But none of these names.
    pub hidden: Vec<String>,
    /// The most that are wanted.
    pub limit: usize,
}

/// The events of a user, newest first: when, and the line [`super::export`] writes for each, under
/// the id it was sent with.
///
/// # Errors
/// [`Error::Run`].
pub async fn feed(
    session_ctx: &SessionContext,
    snapshot: &Arc<Snapshot>,
    options: &FeedOptions,
) -> Result<Vec<(Timestamp, String)>> {
    let run = |source| Error::Run { source };
    let lanes = lanes_of(snapshot, Part { from: options.from.day(), to: options.to.day() });
    let writer = LineWriter::new(snapshot, &lanes, false);
    let table = EventsTable::of_lanes(Arc::clone(snapshot), &lanes);
    let batches = rows(session_ctx, table, options).map_err(run)?.collect().await.map_err(run)?;
    let mut events = Vec::new();
    for batch in batches {
        let lines = writer.write(&batch).map_err(run)?;
        let lines = String::from_utf8_lossy(&lines);
        let times = batch.column_by_name(TIME).and_then(|times| times.as_primitive_opt());
        let times =
            times.map(|times: &arrow::array::PrimitiveArray<TimestampMillisecondType>| times.values());
        let times = times.into_iter().flatten().map(|ms| Timestamp::from_millis(*ms));
        events.extend(times.zip(lines.lines().map(str::to_owned)));
    }
    Ok(events)
}

fn rows(
    session_ctx: &SessionContext,
    table: EventsTable,
    options: &FeedOptions,
) -> Result<DataFrame, DataFusionError> {
    let instant =
        |time: Timestamp| lit(ScalarValue::TimestampMillisecond(Some(time.millis()), Some("UTC".into())));
    let mut wanted: Expr = ident(USER_ID)
        .eq(lit(options.user_id.as_str()))
        .and(ident(TIME).gt_eq(instant(options.from)))
        .and(ident(TIME).lt_eq(instant(options.to)));
    if !options.hidden.is_empty() {
        wanted = wanted.and(ident(EVENT).in_list(options.hidden.iter().map(lit).collect(), true));
    }
    let rows = session_ctx
        .read_table(Arc::new(table))?
        .filter(wanted)?
        .sort(vec![ident(TIME).sort(false, false), ident(SEQUENCE).sort(false, false)])?
        .limit(0, Some(options.limit))?;
    // One user's rows are few: filtering while Parquet is decoded pays.
    let (mut state, plan) = rows.into_parts();
    state.config_mut().options_mut().execution.parquet.pushdown_filters = true;
    Ok(DataFrame::new(state, plan))
}
