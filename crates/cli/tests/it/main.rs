//! The `tallymark` binary, run as a user runs it.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod cohort;
mod help;
mod import;
mod lexicon;
mod lookup;
mod maintain;
mod plan;
mod report;
mod saved;
mod sql;
mod support;
mod users;
