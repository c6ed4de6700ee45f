//! The suites: the whole product, through its own front door.
//!
//! One binary for all of them. `differential.rs` and `round_trip.rs` compare with the oracle of
//! `../src/oracle`; rule ids in names refer to `crates/query/SEMANTICS.md`.

mod adversarial;
mod architecture;
mod common;
mod differential;
mod interop;
mod lifecycle;
mod real_data;
mod round_trip;
mod rules;
mod slt;
