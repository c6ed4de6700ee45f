//! `retention(condition, …)`: which of the conditions a user met, if they met the first.
//!
//! The function is ClickHouse's: a list of as many numbers as there are conditions, 1 or 0. The first
//! says whether any row meets the first condition; number *n* whether any row meets the first and any
//! row, the same or another, condition *n*. Time plays no part.
//!
//! Differences to ClickHouse: a condition that is null is not met (ClickHouse leaves the whole row
//! out); any number of conditions; one condition is enough.

mod matcher;
#[cfg(test)]
mod tests;
mod udaf;

use datafusion::logical_expr::AggregateUDF;

pub(super) use udaf::Retention;

pub use matcher::retained;

/// The SQL function `retention`.
pub fn retention_udaf() -> AggregateUDF {
    super::aggregate::udaf(Retention)
}

#[cfg(test)]
pub(super) fn definition() -> impl crate::functions::aggregate::Definition {
    Retention
}
