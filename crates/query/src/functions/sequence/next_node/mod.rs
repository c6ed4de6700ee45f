//! `sequence_next_node(direction, base, time, event, base_condition, condition, …)`: what came after
//! a chain of events, or before it.
//!
//! The function is ClickHouse's `sequenceNextNode(direction, base)(time, event, base_condition,
//! condition, …)`. All of a user's events count, in time order. One of them is the base ([`Base`]); it
//! must meet `base_condition`. From there on the events in a row, or with `backward` those before it
//! in reverse, must meet condition 1, 2 and so on, the base condition 1. The result is the `event` of
//! the one that follows; null if there is no base, no such chain or nothing follows. Without
//! conditions the result is the base itself.
//!
//! Rows without a time or an event are left out, as in ClickHouse.
//!
//! Differences to ClickHouse: simultaneous events are ordered by their `event` as there, but then by
//! [`Record::time_order`], not as they come; conditions that are null are not met (ClickHouse leaves
//! the whole row out); any number of conditions; any timestamp, date or integer as time; no setting
//! has to be turned on.
//!
//! [`Record::time_order`]: crate::functions::record::Record::time_order

mod matcher;
mod texts;
mod udaf;

use datafusion::logical_expr::AggregateUDF;

pub use matcher::{Base, Direction, NextNode};

/// The SQL function `sequence_next_node`, also `sequenceNextNode`.
pub fn sequence_next_node_udaf() -> AggregateUDF {
    crate::functions::aggregate::udaf(udaf::SequenceNextNode)
}

#[cfg(test)]
pub(in crate::functions) fn definition() -> impl crate::functions::aggregate::Definition {
    udaf::SequenceNextNode
}
