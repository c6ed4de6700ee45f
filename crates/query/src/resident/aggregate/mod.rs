//! Aggregates over segments, in place of a scan and DataFusion's hash aggregation.
//!
//! 1. [`rule`]: an optimizer rule finds an aggregation straight over `events` and puts a table of
//!    its result there.
//! 2. [`table`]: that table; decides, when the query is planned, between segments and Parquet.
//! 3. [`plan`]: the query's expressions, ready to run over segments.
//! 4. [`part`]: one part of the rows → its groups and what was counted for each.
//! 5. [`exec`]: parts in parallel, put together in a fixed order.
//!
//! The work is divided by what the data is, never by how many threads there are, and parts are put
//! together in order: sums of floats come out alike every time (P1).
//!
//! - Groups are found by numbers of key values ([`groups`]), numbered once per segment.
//! - Different users are counted by their ordinals: no id is hashed, or looked at.
//! - All other aggregates are DataFusion's own accumulators ([`accumulate`]), so that types,
//!   overflow and nulls are exactly as without segments.

mod accumulate;
mod exec;
mod extreme;
mod groups;
mod part;
mod plan;
mod rule;
mod table;

pub(crate) use rule::AggregateSegments;
