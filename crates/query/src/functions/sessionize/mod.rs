//! `sessionize(time, timeout) OVER (PARTITION BY user_id ORDER BY time)`: the number of the session
//! each event belongs to, from 1 within its partition.
//!
//! A session ends before a gap longer than `timeout`; a gap equal to it continues the session.
//! Events at the same time are in the same session. With `ORDER BY time DESC` the latest session is
//! number 1. Rows without a time belong to no session: their number is null. Where times go both up
//! and down within a partition, the `ORDER BY` is missing, and the query fails rather than counts
//! nonsense.
//!
//! Source: the sessions of product analytics; ClickHouse has no such function.

mod matcher;
#[cfg(test)]
mod tests;
mod udwf;

use datafusion::logical_expr::WindowUDF;

pub use matcher::{NotInOrder, Sessions};

/// The SQL window function `sessionize`.
pub fn sessionize_udwf() -> WindowUDF {
    WindowUDF::new_from_impl(udwf::Sessionize::new())
}
