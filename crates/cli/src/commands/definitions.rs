//! What commands on saved definitions share.

use std::io::{self, Read as _};

use anyhow::Context as _;

/// The text of a file; - is standard input.
pub(super) fn read_text(file: &str) -> anyhow::Result<String> {
    if file != "-" {
        return std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"));
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}
