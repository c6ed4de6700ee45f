//! Correlation: a line for each candidate, with the number of times and days that tells most.

use std::io::{self, Write};

use arrow::array::RecordBatch;

use super::Page;
use super::answer::Answer;
use crate::output::{Align, Table};
use crate::text::{count, number, share};

impl Answer<'_> {
    /// The event, or the value of a property.
    fn candidate(&self, row: usize) -> String {
        let event = self.text("event", row).unwrap_or_default();
        match (self.text("property", row), self.text("value", row)) {
            (Some(property), Some(value)) if event == tallymark::report::ALL_EVENTS => {
                format!("{property} = {value}")
            }
            (Some(property), Some(value)) => format!("{event}, {property} = {value}"),
            _ => event,
        }
    }
}

pub(super) fn write(rows: &RecordBatch, page: &Page, out: &mut impl Write) -> io::Result<()> {
    let answer = Answer(rows);
    let best: Vec<usize> = (0..rows.num_rows()).filter(|row| answer.is_true("is_best", *row)).collect();
    let mut table = Table::new(&[
        ("done", Align::Left),
        ("times", Align::Right),
        ("days", Align::Right),
        ("users", Align::Right),
        ("phi", Align::Right),
        ("reach it", Align::Right),
        ("others do", Align::Right),
    ]);
    let shown = best.len().min(page.style.rows_max);
    let part = |ratio: Option<f64>| ratio.map_or_else(|| number(None, 0), share);
    for row in &best[..shown] {
        table.push([
            answer.candidate(*row),
            format!("≥ {}", count(answer.count("times", *row))),
            format!("≤ {}", count(answer.count("days", *row))),
            count(answer.count("true_positives", *row) + answer.count("false_positives", *row)),
            number(answer.number("phi", *row), 3),
            part(answer.number("precision", *row)),
            part(answer.number("false_omission", *row)),
        ]);
    }
    table.write(out, Some(page.width), page.paint)?;
    let mut notes = Vec::new();
    if let Some(row) = best.first() {
        let users = answer.count("users", *row);
        let reach = answer.count("true_positives", *row) + answer.count("false_negatives", *row);
        notes.push(format!("{} of {} users reach the goal", count(reach), count(users)));
    }
    if rows.num_rows() > best.len() {
        notes.push("all cells are in other formats".to_owned());
    }
    page.footer(shown, best.len(), "candidate", notes, out)
}
