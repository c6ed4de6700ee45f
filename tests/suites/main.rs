//! The suites: the whole product, through its own front door.
//!
//! One binary for all of them. `differential.rs` and `round_trip.rs` compare with the oracle of
//! `../src/oracle`; rule ids in names refer to `crates/query/SEMANTICS.md`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    clippy::print_stderr,
    reason = "all of this binary is test code: a failed expectation is a failed test"
)]

mod acknowledged;
mod adversarial;
mod architecture;
mod behaviour;
mod clickhouse;
mod common;
mod concurrency;
mod crash;
mod differential;
mod faults;
mod filters;
mod insights;
mod interop;
mod lifecycle;
mod lookups;
mod memory;
mod merged;
mod real_behaviour;
mod real_data;
mod round_trip;
mod rules;
mod slt;
