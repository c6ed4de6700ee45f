//! `window_funnel(window, [mode, …] time, condition, …)`: how many steps of a funnel a user reached.
//!
//! The function is ClickHouse's `windowFunnel(window, [mode, …])(time, condition, …)`. A chain
//! starts with an event that meets the first condition; each later step is met at the same time or
//! later, and not later than `window` after the start (inclusive). The result is the length of the
//! longest chain found, 0 if no event meets the first condition.
//!
//! A user's events are walked in time order, simultaneous ones by the number of the condition they
//! meet, so one event may be several steps in a row. Of each step the walk remembers the chain that
//! reached it *last*; a later start replaces an earlier one. Modes make it stricter, see [`Modes`].
//!
//! Differences to ClickHouse: conditions that are null are not met (ClickHouse leaves the whole row
//! out); any number of conditions; any timestamp, date or integer as time; the order of rows never
//! matters (there, simultaneous events under `strict_once` with `strict_deduplication` are taken as
//! they come; here by [`Record::time_order`]); `strict_once` is not exponential; the result is an
//! INTEGER, 0 rather than null where all rows are null; `strict` is accepted as the old name of
//! `strict_deduplication`.
//!
//! [`Record::time_order`]: super::record::Record::time_order

mod matcher;
mod once;
#[cfg(test)]
mod tests;
mod udaf;

use datafusion::logical_expr::AggregateUDF;

pub(super) use udaf::WindowFunnel;

pub use matcher::{Funnel, Scratch};

/// How strict a funnel is. Modes may be combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "five switches that may be set in any combination")]
pub struct Modes {
    /// `strict_order`: once a chain has started, the walk ends at an event that meets no condition,
    /// or one whose preceding step nobody reached.
    pub order: bool,
    /// `strict_deduplication`: the walk ends when a step after the first is met that was reached
    /// before.
    pub deduplication: bool,
    /// `strict_increase`: a step must be later than the step before it, not at the same time.
    pub increase: bool,
    /// `strict_once`: an event stands for one step of a chain only.
    pub once: bool,
    /// `allow_reentry`, with `strict_order`: an event whose preceding step nobody reached is passed
    /// over.
    pub reentry: bool,
}

/// The SQL function `window_funnel`, also `windowFunnel`.
pub fn window_funnel_udaf() -> AggregateUDF {
    super::aggregate::udaf(WindowFunnel)
}

#[cfg(test)]
pub(super) fn definition() -> impl crate::functions::aggregate::Definition {
    WindowFunnel
}
