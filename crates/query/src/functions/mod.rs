//! Behavioural SQL functions: funnels, retention, sequences, sessions.
//!
//! The names, the order of arguments and the results are ClickHouse's where ClickHouse has the
//! function; what a parametric call `f(parameters)(arguments)` takes becomes `f(parameters,
//! arguments)`. `FUNCTIONS.md` beside this crate is the user's page.
//!
//! `formula` is apart from these: scalar functions for custom properties, Mixpanel's names; and `made`: functions
//! that a plan makes for itself.
//!
//! A slice a function. In each, `mod.rs` says what the function means, `matcher.rs` is plain Rust
//! over the [`Record`](record::Record)s of one user, and `udaf.rs` adapts it. What the adapters
//! share:
//!
//! 1. `arguments`: types and literals are checked before anything runs.
//! 2. `masks`: the conditions of a batch become a bit mask a row.
//! 3. `per_user`: masks and times of all groups, kept flat, brought together by user at the end.
//! 4. `grouped` and `aggregate`: one implementation a function, DataFusion's interfaces on top.

mod aggregate;
mod arguments;
mod formula;
mod grouped;
pub(crate) mod made;
mod masks;
mod per_user;
mod percentile;
pub mod record;
pub mod retention;
pub(crate) mod sample;
pub mod sequence;
pub mod sessionize;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod time_bucket;
pub mod window_funnel;

use std::ops::Range;

use arrow::datatypes::DataType;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::prelude::SessionContext;

use self::aggregate::conditions_of;
pub(crate) use self::percentile::percentile_cont_exact_udaf;

/// Registers all functions of this module.
pub fn register(session: &SessionContext) {
    session.register_udaf(window_funnel::window_funnel_udaf());
    session.register_udaf(retention::retention_udaf());
    session.register_udaf(percentile_cont_exact_udaf());
    for function in sequence::sequence_udafs() {
        session.register_udaf(function);
    }
    session.register_udwf(sessionize::sessionize_udwf());
    session.register_udf(time_bucket::time_bucket_udf());
    session.register_udf(sample::in_sample_udf());
    for function in formula::formula_udfs() {
        session.register_udf(function);
    }
}

/// Which arguments of a call are conditions, if it calls one of these functions and rows that meet
/// none of the conditions change nothing.
pub(crate) fn conditions(call: &AggregateFunction, types: &[DataType]) -> Option<Range<usize>> {
    conditions_of::<window_funnel::WindowFunnel>(call, types)
        .or_else(|| conditions_of::<sequence::SequenceFunction>(call, types))
        .or_else(|| conditions_of::<retention::Retention>(call, types))
}
