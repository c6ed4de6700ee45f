//! `tallymark version`

use super::print;
use crate::failure::Outcome;

/// Prints the same as `--version`.
pub(super) fn run() -> anyhow::Result<Outcome> {
    print::text(concat!("tallymark ", env!("CARGO_PKG_VERSION"), "\n"))?;
    Ok(Outcome::Done)
}
