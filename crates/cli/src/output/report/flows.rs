//! Flows: what comes before and after each anchor, step by step; or paths; or a tree.

use std::io::{self, Write};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use tallymark::report::{FlowForm, Flows};

use super::Page;
use super::bars::bar;
use crate::text::{clip, count, share, width};

/// A bar is not longer than this.
const CELLS_MAX: usize = 40;

/// The answer, whose columns are told by their order.
struct Answer<'a> {
    rows: &'a RecordBatch,
    /// The first column after the labels of segments.
    first: usize,
}

impl Answer<'_> {
    fn segment(&self, row: usize) -> Vec<String> {
        (0..self.first)
            .map(|column| self.rows.column(column).as_string::<i32>().value(row).to_owned())
            .collect()
    }

    fn text(&self, column: usize, row: usize) -> &str {
        self.rows.column(self.first + column).as_string::<i32>().value(row)
    }

    fn integer(&self, column: usize, row: usize) -> i64 {
        self.rows.column(self.first + column).as_primitive::<Int64Type>().value(row)
    }

    fn count(&self, column: usize, row: usize) -> u64 {
        u64::try_from(self.integer(column, row)).unwrap_or(0)
    }

    fn ratio(&self, column: usize, row: usize) -> Option<f64> {
        let ratios = self.rows.column(self.first + column).as_primitive::<Float64Type>();
        ratios.is_valid(row).then(|| ratios.value(row))
    }

    fn path(&self, column: usize, row: usize) -> String {
        let labels = self.rows.column(self.first + column).as_list::<i32>().value(row);
        labels.as_string::<i32>().iter().flatten().collect::<Vec<_>>().join(" → ")
    }
}

/// A line: what it is of, how many, which share.
struct Line {
    /// The title above the line, if it begins a part.
    title: Option<String>,
    text: String,
    count: u64,
    share: Option<f64>,
}

pub(super) fn write(flows: &Flows, rows: &RecordBatch, page: &Page, out: &mut impl Write) -> io::Result<()> {
    let answer = Answer { rows, first: flows.breakdowns.len() };
    let mut lines = Vec::new();
    let mut segment = Vec::new();
    let mut place = None;
    for row in 0..rows.num_rows() {
        if flows.form == FlowForm::Graph && answer.text(0, row) != "node" {
            continue;
        }
        let mut title = None;
        let of_row = answer.segment(row);
        if of_row != segment {
            title = Some(of_row.join(", "));
            segment = of_row;
            place = None;
        }
        let (text, at, ratio) = match flows.form {
            FlowForm::Graph => {
                let (anchor, offset) = (answer.integer(1, row), answer.integer(2, row));
                if place != Some((anchor, offset)) {
                    place = Some((anchor, offset));
                    let step = title_of(flows, anchor, offset);
                    title = Some(title.map_or(step.clone(), |segment| format!("{segment}\n{step}")));
                }
                (answer.text(3, row).to_owned(), 7, 8)
            }
            FlowForm::Paths => (answer.path(1, row), 3, 4),
            FlowForm::Tree => {
                let depth = usize::try_from(answer.integer(2, row)).unwrap_or(0);
                (format!("{}{}", "  ".repeat(depth), answer.text(3, row)), 4, 5)
            }
        };
        lines.push(Line { title, text, count: answer.count(at, row), share: answer.ratio(ratio, row) });
    }
    let shown = lines.len().min(page.style.rows_max);
    write_lines(flows.form, &lines[..shown], page, out)?;
    let noun = match flows.form {
        FlowForm::Graph | FlowForm::Tree => "node",
        FlowForm::Paths => "path",
    };
    page.footer(shown, lines.len(), noun, Vec::new(), out)
}

/// What a column of a graph shows.
fn title_of(flows: &Flows, anchor: i64, offset: i64) -> String {
    let at = usize::try_from(anchor - 1).unwrap_or(0);
    let name = flows.anchors.get(at).map(|anchor| anchor.event.label()).unwrap_or_default();
    match offset {
        0 => format!("at {name}"),
        1.. => format!("{offset} after {name}"),
        _ => format!("{} before {name}", -offset),
    }
}

/// Counts and shares with bars before what they are of; paths are long, and have none.
fn write_lines(form: FlowForm, lines: &[Line], page: &Page, out: &mut impl Write) -> io::Result<()> {
    let count_width = lines.iter().map(|line| count(line.count).len()).max().unwrap_or(0);
    let taken = 2 + count_width + 2 + 7 + 2;
    let widest = lines.iter().map(|line| width(&line.text)).max().unwrap_or(0);
    let text_width = widest.min(page.width.saturating_sub(taken).max(1));
    let bar_width = page.width.saturating_sub(taken + text_width + 2).min(CELLS_MAX);
    for line in lines {
        for title in line.title.iter().flat_map(|title| title.lines()) {
            writeln!(out, "{}", page.paint.strong(title))?;
        }
        let text = clip(&line.text, text_width);
        let bar = match line.share {
            Some(ratio) if form == FlowForm::Graph && bar_width > 0 && ratio > 0.0 => {
                page.paint.code(bar(ratio.min(1.0), bar_width))
            }
            _ => String::new(),
        };
        let written = format!(
            "  {}  {:>7}  {text}{}  {}",
            page.paint.strong(format!("{:>count_width$}", count(line.count))),
            line.share.map_or_else(|| "-".to_owned(), share),
            " ".repeat(text_width - width(&text)),
            bar,
        );
        writeln!(out, "{}", written.trim_end())?;
    }
    Ok(())
}
