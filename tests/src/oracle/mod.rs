//! What a dataset is after a history of records, told the long way round.
//!
//! In come the records as JSON, in order of arrival; [`Dataset::of`] reads them one after another, in
//! loops, and keeps everything in plain vectors and maps:
//!
//! 1. `json.rs`: JSON text → values, and when two values are equal (D-23).
//! 2. `record.rs`: which form a record has, what it says, whether it is refused (D-4 … D-14).
//! 3. `identity.rs`: who is who, worked out anew for every question (I-…).
//! 4. `profiles.rs`: profiles and what happens to them (U-…).
//! 5. `dataset.rs`: the whole, and the questions that are asked of it (D-9 … D-12, G-1, G-12).
//! 6. `insights/`: what insights reports answer, and what all reports rest on.
//! 7. `attempts/`, `funnel/`, `retention/`, `flows/`, `correlation.rs`, `experiment.rs`, `impact.rs`: what the other reports answer, as a [`Table`].

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "what the oracle is given was made by a test; a surprise is the test's mistake"
)]

mod attempts;
pub mod correlation;
mod dataset;
pub mod experiment;
pub mod flows;
pub mod funnel;
mod identity;
pub mod impact;
pub mod insights;
mod json;
mod profiles;
mod record;
pub mod retention;
mod table;

pub use dataset::{Dataset, EventRow};
pub use identity::{Identity, Op, System, Verdict};
pub use json::{canonical, read};
pub use profiles::{Change, Profile, Profiles};
pub use record::{FAILURE, FAILURE_NOTED, Record, Sent, read_record};
pub use table::Table;
