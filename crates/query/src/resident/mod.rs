//! Queries over segments: the events in memory, by day and user.
//!
//! 1. [`Inputs`](inputs::Inputs): the columns a query reads; one segment with them is a
//!    [`BoundSegment`](inputs::BoundSegment).
//! 2. [`expr`]: expressions, evaluated once where one value stands for many rows: those of a code, a
//!    minute, a day or a user.
//! 3. [`filter`]: which rows a query wants. Users it names are found by their numbers; [`among`]: sets
//!    of users, asked about by number; [`user_values`]: what is known of each user, by number.
//! 4. [`scan`]: rows as DataFusion's batches; [`aggregate`]: aggregates in place of them;
//!    [`by_user`]: the events of each user in order, for reports on behaviour.
//! 5. [`join_users`]: what profiles say as columns of events.
//!
//! Whether a query runs here or over Parquet is decided when it is planned, by what its columns
//! take ([`EventsTable::segments`](crate::EventsTable)).

mod aggregate;
pub(crate) mod among;
pub(crate) mod by_user;
mod codes;
pub(crate) mod expr;
pub(crate) mod filter;
pub(crate) mod inputs;
mod join_users;
pub(crate) mod scan;
pub(crate) mod segments;
mod source;
pub(crate) mod user_values;

use arrow::array::RecordBatch;
use datafusion::logical_expr::Expr;

pub(crate) use aggregate::AggregateSegments;
pub(crate) use join_users::JoinUsers;

/// Expressions in SQL's words, for EXPLAIN.
pub(crate) fn listed(exprs: &[Expr], separator: &str) -> String {
    exprs.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

/// A large batch in pieces of the session's size.
pub(crate) fn slices(batch: RecordBatch, rows: usize) -> impl Iterator<Item = RecordBatch> {
    let starts = (0..batch.num_rows()).step_by(rows.max(1));
    starts.map(move |start| batch.slice(start, rows.min(batch.num_rows() - start)))
}

#[cfg(test)]
mod tests;
