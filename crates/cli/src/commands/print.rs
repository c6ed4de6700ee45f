//! What commands print that answer with a summary rather than rows.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use crate::output::Table;
use crate::terminal::Terminal;

/// Prints text that ends in a line break.
pub(super) fn text(content: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(content.as_bytes()).and_then(|()| out.flush()).context("cannot print")
}

/// Prints one JSON value.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut content = serde_json::to_string_pretty(value).context("cannot say the answer in JSON")?;
    content.push('\n');
    text(&content)
}

/// Prints a table that fits the terminal.
pub(super) fn table(table: &Table, terminal: Terminal) -> anyhow::Result<()> {
    let mut content = Vec::new();
    table.write(&mut content, terminal.width(), terminal.out).context("cannot print")?;
    text(&String::from_utf8_lossy(&content))
}
