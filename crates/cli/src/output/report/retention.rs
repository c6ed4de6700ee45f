//! Retention: a line for each unit of births, a column a bucket, the darker the more came back.

use std::io::{self, Write};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Float64Type, Int64Type};
use tallymark::report::{Aggregate, Retention, RetentionMeasure};

use super::Page;
use super::series::Buckets;
use crate::text::{count, decimals, number, width};

/// A line: the actors of a unit of births, or an average over such.
struct Line {
    labels: Vec<String>,
    name: String,
    size: Option<u64>,
    cells: Vec<Cell>,
}

/// What came of them in a bucket.
struct Cell {
    units: (i64, i64),
    retained: i64,
    rate: Option<f64>,
    value: Option<f64>,
    is_complete: bool,
}

/// Columns are told by their order: one gives way if a breakdown has its name.
fn read(retention: &Retention, rows: &RecordBatch) -> io::Result<(Vec<Line>, Option<String>)> {
    let first = 2 + retention.breakdowns.len();
    let integers = |column: usize| rows.column(first + column).as_primitive::<Int64Type>();
    let kinds = rows.column(0).as_string::<i32>();
    let is_cohort = kinds.iter().map(|kind| Some(kind == Some("cohort"))).collect();
    let cohorts = filter_record_batch(rows, &is_cohort).map_err(io::Error::other)?;
    let buckets = Buckets::read(cohorts.column(1), retention.unit).map_err(io::Error::other)?;
    let mut positions = buckets.positions.iter();
    let mut lines: Vec<Line> = Vec::new();
    for row in 0..rows.num_rows() {
        let kind = kinds.value(row);
        let position = if kind == "cohort" { positions.next() } else { None };
        if integers(0).value(row) == 0 {
            let label = |column: usize| rows.column(column).as_string::<i32>().value(row).to_owned();
            lines.push(Line {
                labels: (2..first).map(label).collect(),
                name: position.map_or_else(|| kind.to_owned(), |at| buckets.labels[*at].clone()),
                size: position.map(|_| u64::try_from(integers(3).value(row)).unwrap_or(0)),
                cells: Vec::new(),
            });
        }
        let number = |column: usize| {
            let numbers = rows.column(first + column).as_primitive::<Float64Type>();
            numbers.is_valid(row).then(|| numbers.value(row))
        };
        if let Some(line) = lines.last_mut() {
            line.cells.push(Cell {
                units: (integers(1).value(row), integers(2).value(row)),
                retained: integers(4).value(row),
                rate: number(5),
                value: number(6),
                is_complete: rows.column(first + 7).as_boolean().value(row),
            });
        }
    }
    Ok((lines, buckets.year))
}

/// What is left of a line after its name and size.
struct Columns {
    name_width: usize,
    size_width: usize,
    cell_width: usize,
    /// How many buckets there is room for.
    shown: usize,
    decimals: usize,
    is_rate: bool,
}

impl Columns {
    fn of(retention: &Retention, lines: &[Line], page: &Page) -> Self {
        let is_rate = retention.measure == RetentionMeasure::Rate;
        let cells = || lines.iter().flat_map(|line| &line.cells);
        let decimals = if is_rate { 1 } else { decimals(cells().filter_map(|cell| cell.value)) };
        let name_width = lines.iter().map(|line| width(&line.name)).max().unwrap_or(0);
        let size_width = lines.iter().filter_map(|line| line.size).map(|size| count(size).len()).max();
        let mut columns = Self {
            name_width,
            size_width: size_width.unwrap_or(0).max("users".len()),
            cell_width: 0,
            shown: 0,
            decimals,
            is_rate,
        };
        let of_cells = cells().map(|cell| width(&columns.cell(cell))).max().unwrap_or(0);
        let of_heads = cells().map(|cell| head(cell).len()).max().unwrap_or(0);
        columns.cell_width = of_cells.max(of_heads);
        let room = page.width.saturating_sub(2 + columns.name_width + 2 + columns.size_width);
        let bucket_count = lines.first().map_or(0, |line| line.cells.len());
        columns.shown = (room / (columns.cell_width + 1)).clamp(1, bucket_count.max(1)).min(bucket_count);
        columns
    }

    /// `▒ 42.1*`: how dark, how much, and a star if it may still grow. Nothing where nobody came
    /// back yet.
    fn cell(&self, cell: &Cell) -> String {
        if !cell.is_complete && cell.retained == 0 {
            return String::new();
        }
        let text = if self.is_rate {
            number(cell.value.map(|rate| rate * 100.0), self.decimals)
        } else {
            number(cell.value, self.decimals)
        };
        format!("{} {text}{}", shade(cell.rate), if cell.is_complete { ' ' } else { '*' })
    }
}

fn shade(rate: Option<f64>) -> char {
    match rate.unwrap_or(0.0) {
        rate if rate <= 0.0 => ' ',
        rate if rate < 0.25 => '░',
        rate if rate < 0.5 => '▒',
        rate if rate < 0.75 => '▓',
        _ => '█',
    }
}

/// Which units after the birth a bucket is.
fn head(cell: &Cell) -> String {
    match cell.units {
        (from, to) if to == from + 1 => from.to_string(),
        (from, to) => format!("{from}-{}", to - 1),
    }
}

pub(super) fn write(
    retention: &Retention,
    rows: &RecordBatch,
    page: &Page,
    out: &mut impl Write,
) -> io::Result<()> {
    let (lines, year) = read(retention, rows)?;
    let columns = Columns::of(retention, &lines, page);
    let Columns { name_width, size_width, cell_width, shown, .. } = columns;
    let shown_lines = lines.len().min(page.style.rows_max);
    let mut labels: Option<&[String]> = None;
    for line in &lines[..shown_lines] {
        if labels != Some(&line.labels) {
            labels = Some(&line.labels);
            if !line.labels.is_empty() {
                writeln!(out, "{}", page.paint.strong(line.labels.join(", ")))?;
            }
            let heads = line.cells[..shown].iter().map(|cell| format!(" {:>cell_width$}", head(cell) + " "));
            let unit = retention.unit.name();
            let padding = " ".repeat(name_width.saturating_sub(width(unit)));
            let text = format!("  {unit}{padding}  {:>size_width$}{}", "users", heads.collect::<String>());
            writeln!(out, "{}", page.paint.faint(text.trim_end()))?;
        }
        let padding = " ".repeat(name_width - width(&line.name));
        let size = line.size.map(count).unwrap_or_default();
        let mut cells = String::new();
        for text in line.cells[..shown].iter().map(|cell| columns.cell(cell)) {
            cells.push_str(&" ".repeat(1 + cell_width - width(&text)));
            cells.push_str(&text);
        }
        let start =
            format!("  {}{padding}  {}", line.name, page.paint.strong(format!("{size:>size_width$}")));
        writeln!(out, "{}", format!("{start}{cells}").trim_end())?;
    }
    let mut notes = vec![what(&retention.measure).to_owned()];
    if lines.iter().any(|line| line.cells.iter().any(|cell| !cell.is_complete)) {
        notes.push("* may still change".to_owned());
    }
    notes.extend(year.map(|year| format!("all in {year}")));
    let bucket_count = lines.first().map_or(0, |line| line.cells.len());
    if shown < bucket_count {
        notes.push(format!("{shown} of {bucket_count} buckets fit"));
    }
    page.footer(shown_lines, lines.len(), "line", notes, out)
}

fn what(measure: &RetentionMeasure) -> &'static str {
    match measure {
        RetentionMeasure::Rate => "% retained",
        RetentionMeasure::UniqueUsers => "users retained",
        RetentionMeasure::TotalEvents => "events",
        RetentionMeasure::OfProperty { aggregate: Aggregate::Average, .. } => "average per user",
        RetentionMeasure::OfProperty { .. } => "sums",
    }
}
