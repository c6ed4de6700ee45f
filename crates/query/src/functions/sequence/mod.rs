//! `sequence_match`, `sequence_count`, `sequence_match_events`: patterns over a user's events, and
//! `sequence_next_node`: what came after a chain.
//!
//! The functions are ClickHouse's `sequenceMatch(pattern)(time, condition, …)`, `sequenceCount`,
//! `sequenceMatchEvents` and `sequenceNextNode(direction, base)(time, event, base_condition,
//! condition, …)`.
//!
//! A pattern ([`Pattern`]) is matched against the events that meet at least one condition, in time
//! order, anywhere in them: `(?1)` is an event that meets condition 1, `.` any event, `.*` any number
//! of events, as few as will do. `(?t>=3600)` and its kind (`<`, `<=`, `>`, `>=`, `==`) let any number
//! of events pass and say how much later than the event before it the next one is; after `.*` time
//! counts from the event at which `.*` ended.
//!
//! - `sequence_match`: whether there is a match.
//! - `sequence_count`: how many there are, each starting after the one before. An empty match counts
//!   at each event.
//! - `sequence_match_events`: the times of the events that the conditions of the pattern met, of the
//!   first match, or without a match of the longest beginning of one found (the first such).
//!
//! Differences to ClickHouse: simultaneous events are taken in [`Record::time_order`], where
//! ClickHouse's order is undefined; conditions that are null are not met (ClickHouse leaves the whole
//! row out); no limit on steps of matching, and the time it takes is bounded by events times length
//! of the pattern; any number of conditions; any timestamp, date or integer as time, the numbers in a
//! pattern being seconds, days, or the integer's unit; `sequence_match` gives a BOOLEAN.
//!
//! [`Record::time_order`]: super::record::Record::time_order

mod matcher;
pub mod next_node;
mod pattern;
#[cfg(test)]
mod tests;
mod udaf;

use datafusion::logical_expr::AggregateUDF;

pub(super) use udaf::SequenceFunction;

pub use matcher::{Scratch, Sequence};
pub use pattern::{Action, Pattern, PatternError, TimeOrder};

/// The SQL functions of this module, each also in ClickHouse's spelling.
pub fn sequence_udafs() -> Vec<AggregateUDF> {
    use super::aggregate::udaf;
    vec![
        udaf(SequenceFunction::Match),
        udaf(SequenceFunction::Count),
        udaf(SequenceFunction::Events),
        next_node::sequence_next_node_udaf(),
    ]
}
