//! Parts of the path of data for themselves, with their rates: `cargo bench -p tallymark-benches`.
//!
//! Inputs are generated with seed 1 (or, for files, a day of them imported), so that runs compare.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot start has nothing else to say")]

mod ingest;
mod storage;

fn main() {
    divan::main();
}
