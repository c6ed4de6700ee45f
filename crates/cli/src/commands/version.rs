//! `tallymark version`

use super::report;
use crate::failure::Outcome;

/// Prints the same as `--version`.
pub(super) fn run() -> anyhow::Result<Outcome> {
    report::print(concat!("tallymark ", env!("CARGO_PKG_VERSION"), "\n"))?;
    Ok(Outcome::Done)
}
