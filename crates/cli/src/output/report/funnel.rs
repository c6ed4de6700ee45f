//! Funnels: a bar a step, a block a segment; over time a line a bucket.

use std::io::{self, Write};
use std::time::Duration;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use tallymark::report::Funnel;

use super::Page;
use super::bars::bar;
use super::series::Buckets;
use crate::output::{Align, Table};
use crate::text::{clip, count, duration, share, width};

/// A bar is not longer than this.
const CELLS_MAX: usize = 40;

/// The row of a step.
struct Step {
    labels: Vec<String>,
    event: String,
    count: u64,
    /// Of those of the step before, and of the first step.
    from_before: Option<f64>,
    conversion: Option<f64>,
    /// Seconds since the step before.
    median_time: Option<f64>,
}

/// Columns are told by their order: one gives way if a breakdown has its name.
fn read(funnel: &Funnel, rows: &RecordBatch) -> Vec<Step> {
    let first_label = usize::from(funnel.interval.is_some());
    let label_count = usize::from(funnel.compare.is_some())
        + funnel.breakdowns.len()
        + usize::from(funnel.time_buckets.is_some());
    let first = first_label + label_count;
    let text = |column: usize, row: usize| rows.column(column).as_string::<i32>().value(row).to_owned();
    let number = |column: usize, row: usize| {
        let numbers = rows.column(first + column).as_primitive::<Float64Type>();
        numbers.is_valid(row).then(|| numbers.value(row))
    };
    let step = |row: usize| Step {
        labels: (first_label..first).map(|column| text(column, row)).collect(),
        event: text(first + 1, row),
        count: u64::try_from(rows.column(first + 2).as_primitive::<Int64Type>().value(row)).unwrap_or(0),
        from_before: number(3, row),
        conversion: number(4, row),
        median_time: number(6, row),
    };
    (0..rows.num_rows()).map(step).collect()
}

pub(super) fn write(
    funnel: &Funnel,
    rows: &RecordBatch,
    page: &Page,
    out: &mut impl Write,
) -> io::Result<()> {
    let steps = read(funnel, rows);
    let blocks: Vec<&[Step]> = steps.chunks(funnel.steps.len().max(1)).collect();
    if let Some(unit) = funnel.interval {
        let buckets = Buckets::read(rows.column(0), unit).map_err(io::Error::other)?;
        return over_time(funnel, &buckets, rows, &blocks, page, out);
    }
    let shown = blocks.len().min((page.style.rows_max / funnel.steps.len().max(1)).max(1));
    let widest = |of: &dyn Fn(&Step) -> usize| steps.iter().map(of).max().unwrap_or(0);
    let event_width = widest(&|step| width(&step.event)).min(page.width / 3);
    let count_width = widest(&|step| count(step.count).len());
    let number_width = funnel.steps.len().to_string().len();
    for block in &blocks[..shown] {
        if block.first().is_some_and(|step| !step.labels.is_empty()) {
            writeln!(out, "{}", page.paint.strong(block[0].labels.join(", ")))?;
        }
        let greatest = block.first().map_or(0, |step| step.count).max(1);
        for (at, step) in block.iter().enumerate() {
            let note = note(step);
            let taken = 2 + number_width + 2 + event_width + 2 + count_width + 2 + 7 + 1;
            let room = page.width.saturating_sub(taken + 1 + width(&longest_note(block)));
            let event = clip(&step.event, event_width);
            let bar_width = room.clamp(1, CELLS_MAX);
            let bar = if step.count > 0 {
                bar(step.count as f64 / greatest as f64, bar_width)
            } else {
                String::new()
            };
            let padding = " ".repeat(bar_width.saturating_sub(width(&bar)) + 1);
            let line = format!(
                "  {:number_width$}  {event}{}  {}  {:>7} {}{padding}{}",
                at + 1,
                " ".repeat(event_width - width(&event)),
                page.paint.strong(format!("{:>count_width$}", count(step.count))),
                step.conversion.map_or_else(|| "-".to_owned(), share),
                page.paint.code(&bar),
                if note.is_empty() { String::new() } else { page.paint.faint(&note) },
            );
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    let is_split = !funnel.breakdowns.is_empty() || funnel.time_buckets.is_some();
    let noun = if is_split { "segment" } else { "funnel" };
    page.footer(shown, blocks.len(), noun, Vec::new(), out)
}

fn longest_note(block: &[Step]) -> String {
    block.iter().map(note).max_by_key(|note| width(note)).unwrap_or_default()
}

/// What else is to be said of a step.
fn note(step: &Step) -> String {
    let Some(conversion) = step.from_before else { return String::new() };
    let note = format!("{} of the step before", share(conversion));
    match step.median_time {
        Some(seconds) => format!("{note}, {}", time(seconds)),
        None => note,
    }
}

/// A length of time, as short as it can be said.
fn time(seconds: f64) -> String {
    let (hours, days) = (seconds / 3600.0, seconds / 86_400.0);
    match seconds {
        _ if days >= 2.0 => format!("{days:.1} d"),
        _ if hours >= 2.0 => format!("{hours:.1} h"),
        _ => duration(Duration::from_secs_f64(seconds.max(0.0))),
    }
}

/// A line a bucket and segment: how many reached each step, and the share of those who converted.
fn over_time(
    funnel: &Funnel,
    buckets: &Buckets,
    rows: &RecordBatch,
    blocks: &[&[Step]],
    page: &Page,
    out: &mut impl Write,
) -> io::Result<()> {
    let schema = rows.schema();
    let label_count = blocks.first().and_then(|block| block.first()).map_or(0, |step| step.labels.len());
    let mut events: Vec<String> = funnel.step_labels();
    if let Some(compare) = &funnel.compare {
        // It is another one in each line.
        events[compare.step - 1] = format!("step {}", compare.step);
    }
    let mut columns = vec![("time", Align::Left)];
    columns.extend((1..=label_count).map(|at| (schema.field(at).name().as_str(), Align::Left)));
    columns.extend(events.iter().map(|event| (event.as_str(), Align::Right)));
    columns.push(("conversion", Align::Right));
    let mut table = Table::new(&columns);
    let shown = blocks.len().min(page.style.rows_max);
    for (at, block) in blocks[..shown].iter().enumerate() {
        let position = buckets.positions.get(at * events.len()).copied().unwrap_or(0);
        let mut cells = vec![buckets.labels.get(position).cloned().unwrap_or_default()];
        cells.extend(block.iter().take(1).flat_map(|step| step.labels.iter().cloned()));
        cells.extend(block.iter().map(|step| count(step.count)));
        let conversion = block.last().and_then(|step| step.conversion);
        cells.push(conversion.map_or_else(|| "-".to_owned(), share));
        table.push_row(&cells);
    }
    table.write(out, Some(page.width), page.paint)?;
    let notes = buckets.year.iter().map(|year| format!("all in {year}")).collect();
    page.footer(shown, blocks.len(), "line", notes, out)
}
