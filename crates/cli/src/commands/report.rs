//! What commands print that answer with a report rather than rows.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use crate::output::Table;
use crate::terminal::Terminal;

/// Prints text that ends in a line break.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot print")
}

/// Prints one JSON object.
pub(super) fn print_json(report: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(report).context("cannot say the report in JSON")?;
    text.push('\n');
    print(&text)
}

/// Prints a table that fits the terminal.
pub(super) fn print_table(table: &Table, terminal: Terminal) -> anyhow::Result<()> {
    let mut text = Vec::new();
    table.write(&mut text, terminal.width(), terminal.out).context("cannot print")?;
    print(&String::from_utf8_lossy(&text))
}
