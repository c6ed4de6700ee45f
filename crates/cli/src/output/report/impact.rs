//! Impact: a table a metric, a line for adopters and one for the others, with what became of it below.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use tallymark::report::Impact;

use super::answer::Answer;
use super::over_time::{BLOCKS_MIN, drawn};
use super::{Page, percent};
use crate::output::{Align, Table};
use crate::text::{count, decimals, number, share, width};

/// Lines of a metric.
const GROUPS: usize = 2;

pub(super) fn write(
    impact: &Impact,
    rows: &RecordBatch,
    page: &Page,
    out: &mut impl Write,
) -> io::Result<()> {
    let answer = Answer(rows);
    let days = (impact.days_before + 1 + impact.days_after) as usize;
    // Of each group the days, and the two averages.
    let of_group = days + 2;
    let metrics = rows.num_rows() / (GROUPS * of_group);
    let shown = metrics.min(page.style.rows_max.div_ceil(GROUPS));
    for metric in 0..shown {
        let first = metric * GROUPS * of_group;
        let starts = [first, first + of_group];
        writeln!(out, "{}", page.paint.strong(answer.text("name", first).unwrap_or_default()))?;
        table(&answer, impact, starts, page.width).write(out, Some(page.width), page.paint)?;
        writeln!(out, "{}", result(&answer, first + of_group - 1))?;
    }
    let noun = noun(impact);
    let mut notes = vec![format!("events by {noun} and day")];
    if shown > 0 {
        notes.push("each line from 0 to its own maximum".to_owned());
    }
    let waiting = (0..shown * GROUPS).map(|group| group * of_group);
    let has_days_to_come = |row: usize| answer.count("users", row) > answer.count("observed", row);
    if waiting.into_iter().any(has_days_to_come) {
        notes.push(format!("only of {noun}s whose days are all over"));
    }
    page.footer(shown, metrics, "metric", notes, out)
}

/// Who takes the launch up, or does not.
fn noun(impact: &Impact) -> &'static str {
    if impact.count_by.is_some() { "group" } else { "user" }
}

/// Adopters and the others. `starts` are their first rows.
fn table(answer: &Answer<'_>, impact: &Impact, starts: [usize; GROUPS], limit: usize) -> Table {
    let (before, after) = (impact.days_before, impact.days_after);
    let days = (before + 1 + after) as usize;
    let head = format!("{}s", noun(impact));
    let value = |row: usize| answer.number("value", row);
    let places =
        decimals(starts.iter().flat_map(|start| [days, days + 1].map(|at| start + at)).filter_map(value));
    let span = format!("day -{before} … {after}");
    let header = [
        ("", Align::Left),
        (head.as_str(), Align::Right),
        (span.as_str(), Align::Left),
        ("before", Align::Right),
        ("after", Align::Right),
        ("change", Align::Right),
    ];
    let rows = |blocks: &dyn Fn(&[Option<f64>]) -> String| {
        let mut table = Table::new(&header);
        for (start, name) in starts.into_iter().zip(["adopters", "non-adopters"]) {
            let points: Vec<Option<f64>> = (start..start + days).map(value).collect();
            let (before, after) = (value(start + days), value(start + days + 1));
            let change = before.zip(after).filter(|(before, _)| *before > 0.0);
            table.push([
                name.to_owned(),
                users(answer, start),
                blocks(&points),
                number(before, places.max(2)),
                number(after, places.max(2)),
                percent(change.map(|(before, after)| after / before - 1.0)),
            ]);
        }
        table
    };
    let room = limit.saturating_sub(rows(&|_| String::new()).width() - width(&span)).max(BLOCKS_MIN);
    let days_a_block = days.div_ceil(room).max(1);
    rows(&|points| drawn(points, days_a_block))
}

/// How many there are, and of how many the days are over if these are not all.
fn users(answer: &Answer<'_>, row: usize) -> String {
    let (users, observed) = (answer.count("users", row), answer.count("observed", row));
    if users == observed { count(users) } else { format!("{} of {}", count(observed), count(users)) }
}

/// What it comes to; `row` is the average after of adopters.
fn result(answer: &Answer<'_>, row: usize) -> String {
    let told = |name: &str| answer.number(name, row);
    let mut parts = Vec::new();
    if let (Some(delta), Some(expected)) = (told("delta"), told("counterfactual")) {
        let places = decimals([delta, expected]).max(2);
        let (amount, of) = (number(Some(delta.abs()), places), number(Some(expected), places));
        parts.push(match told("lift") {
            _ if delta == 0.0 => format!("adopters do as much as expected, {of}"),
            lift => {
                let more = if delta > 0.0 { "more" } else { "less" };
                let lift = lift.map(|lift| format!(" ({})", percent(Some(lift)))).unwrap_or_default();
                format!("adopters do {amount} {more} than expected, {of}{lift}")
            }
        });
    } else {
        parts.push("what was to be expected is not known".to_owned());
    }
    parts.extend(told("confidence").map(|confidence| format!("confidence {}", sure(confidence))));
    parts.extend(told("adoption_rate").map(|rate| format!("adoption rate {}", share(rate))));
    parts.join(", ")
}

/// Nothing is quite certain.
fn sure(confidence: f64) -> String {
    if confidence > 0.999 { "> 99.9 %".to_owned() } else { share(confidence) }
}
