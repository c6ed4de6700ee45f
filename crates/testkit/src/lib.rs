//! What tests and benchmarks need and the product does not: made-up events, hostile input, and
//! stores that fail.
//!
//! - [`EventGenerator`]: seeded sessions of any number of events, as [`tallymark_event::Event`]s or
//!   NDJSON; looks like real traffic, so that a benchmark measures something real.
//! - [`strategies`]: proptest strategies that aim at the edges instead: odd names, mixed types, ties,
//!   midnight, repeats, nobody's events, linked devices.
//! - [`json`]: an event as the line a client would send.
//! - [`FaultyStore`]: an object store whose calls fail, stall or tear by a seeded plan, and which can
//!   crash; it lists its calls too.
//!
//! Everything is decided by seeds: no clock, no environment, no global state.

mod generator;
pub mod json;
mod store;
pub mod strategies;

pub use generator::{EventGenerator, GeneratorConfig, PROPERTIES, PropertyShape, Written};
pub use store::{
    Call, Effect, Fault, FaultPlan, FaultRates, FaultyStore, InjectedFault, Operation, is_injected,
};
pub use tallymark_event::FixedClock;
