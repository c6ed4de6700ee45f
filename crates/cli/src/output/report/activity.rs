//! Frequency, lifecycle and stickiness: a line for each unit of time.

use std::io::{self, Write};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use tallymark::report::{Frequency, Lifecycle, Unit};

use super::Page;
use super::bars::bar;
use super::series::Buckets;
use crate::output::{Align, Table};
use crate::text::{count, share, width};

/// A bar is not longer than this.
const CELLS_MAX: usize = 40;

fn buckets(rows: &RecordBatch, unit: Unit) -> io::Result<Buckets> {
    Buckets::read(rows.column(0), unit).map_err(io::Error::other)
}

fn integers(rows: &RecordBatch, column: usize) -> Vec<u64> {
    let numbers = rows.column(column).as_primitive::<Int64Type>();
    numbers.values().iter().map(|number| u64::try_from(*number).unwrap_or(0)).collect()
}

/// A table of numbers: a line a bucket.
fn write_table(
    heads: &[String],
    lines: &[Vec<String>],
    buckets: &Buckets,
    page: &Page,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut columns = vec![("time", Align::Left)];
    columns.extend(heads.iter().map(|head| (head.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    let shown = lines.len().min(page.style.rows_max);
    for (label, line) in buckets.labels.iter().zip(&lines[..shown]) {
        let cells: Vec<String> = [label].into_iter().chain(line).cloned().collect();
        table.push_row(&cells);
    }
    table.write(out, Some(page.width), page.paint)?;
    let notes = buckets.year.iter().map(|year| format!("all in {year}")).collect();
    page.footer(shown, lines.len(), "line", notes, out)
}

/// A column for each number of hours, or days, that somebody reached.
pub(super) fn frequency(
    frequency: &Frequency,
    rows: &RecordBatch,
    page: &Page,
    out: &mut impl Write,
) -> io::Result<()> {
    let (counts, users) = (integers(rows, 1), integers(rows, 2));
    let buckets = buckets(rows, frequency.period)?;
    let reached = counts.iter().zip(&users).filter(|(_, users)| **users > 0).map(|(count, _)| *count);
    let most = reached.max().unwrap_or(1);
    let sign = if frequency.cumulative { "≥ " } else { "" };
    let unit = if frequency.period == Unit::Day { "hour" } else { "day" };
    let head = |count: u64| format!("{sign}{count} {unit}{}", if count == 1 { "" } else { "s" });
    let heads: Vec<String> = (1..=most).map(head).collect();
    let mut lines = vec![vec![String::new(); heads.len()]; buckets.labels.len()];
    for (row, position) in buckets.positions.iter().enumerate() {
        if let Some(cell) = lines[*position].get_mut(counts[row] as usize - 1) {
            *cell = count(users[row]);
        }
    }
    write_table(&heads, &lines, &buckets, page, out)
}

/// A column a status.
pub(super) fn lifecycle(
    lifecycle: &Lifecycle,
    rows: &RecordBatch,
    page: &Page,
    out: &mut impl Write,
) -> io::Result<()> {
    let users = integers(rows, 2);
    let statuses = rows.column(1).as_string::<i32>();
    let buckets = buckets(rows, lifecycle.unit)?;
    let mut heads: Vec<String> = Vec::new();
    let mut lines = vec![Vec::new(); buckets.labels.len()];
    for (row, position) in buckets.positions.iter().enumerate() {
        let status = statuses.value(row);
        if !heads.iter().any(|head| head == status) {
            heads.push(status.to_owned());
        }
        lines[*position].push(count(users[row]));
    }
    write_table(&heads, &lines, &buckets, page, out)
}

/// A bar a day.
pub(super) fn stickiness(rows: &RecordBatch, page: &Page, out: &mut impl Write) -> io::Result<()> {
    let (daily, period) = (integers(rows, 1), integers(rows, 2));
    let ratios = rows.column(3).as_primitive::<Float64Type>();
    let buckets = buckets(rows, Unit::Day)?;
    let widest = |numbers: &[u64]| numbers.iter().map(|number| count(*number).len()).max().unwrap_or(0);
    let label_width = buckets.labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let (daily_width, period_width) = (widest(&daily), widest(&period));
    let taken = 2 + label_width + 2 + daily_width + " of ".len() + period_width + 2 + 7 + 1;
    let room = page.width.saturating_sub(taken).clamp(1, CELLS_MAX);
    let shown = rows.num_rows().min(page.style.rows_max);
    for row in 0..shown {
        let ratio = ratios.is_valid(row).then(|| ratios.value(row));
        let bar = ratio.filter(|ratio| *ratio > 0.0).map(|ratio| page.paint.code(bar(ratio, room)));
        let line = format!(
            "  {:label_width$}  {} of {:>period_width$}  {:>7} {}",
            buckets.labels[buckets.positions[row]],
            page.paint.strong(format!("{:>daily_width$}", count(daily[row]))),
            count(period[row]),
            ratio.map_or_else(|| "-".to_owned(), share),
            bar.unwrap_or_default(),
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    let notes = buckets.year.iter().map(|year| format!("all in {year}")).collect();
    page.footer(shown, rows.num_rows(), "day", notes, out)
}
