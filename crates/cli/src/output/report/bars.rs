//! Measures of a whole range: horizontal bars, a block a metric.

use std::io::{self, Write};

use tallymark::report::Breakdown;

use super::Form;
use super::series::{Answered, Series};
use crate::terminal::Paint;
use crate::text::{clip, number, width};

/// Eighths of a cell.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A bar is not longer than this.
const CELLS_MAX: usize = 60;

/// One line: what stands before the bar.
struct Line<'a> {
    labels: Vec<&'a str>,
    value: String,
    /// What the bar shows; nothing for what is measured without regard to segments, beside which no
    /// segment would be seen.
    number: Option<f64>,
}

/// Writes as many series as are wanted; returns how many those are.
pub(super) fn write(form: &Form<'_>, answered: &Answered, out: &mut impl Write) -> io::Result<usize> {
    let names = answered.metrics();
    if answered.breakdowns.is_empty() && !answered.has_bins {
        return metrics_only(form, answered, out);
    }
    let mut left = form.page.style.rows_max;
    for name in &names {
        if left == 0 {
            break;
        }
        if names.len() > 1 {
            writeln!(out, "{}", form.page.paint.strong(name))?;
        }
        let mut series: Vec<&Series> =
            answered.series.iter().filter(|series| series.metric() == *name).collect();
        if !has_order(form, answered) {
            let number =
                |series: &Series| (series.is_overall(), series.points[0].value.unwrap_or(f64::NEG_INFINITY));
            series.sort_by(|a, b| {
                let (a, b) = (number(a), number(b));
                b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
            });
        }
        series.truncate(left);
        left -= series.len();
        let lines: Vec<Line<'_>> = series.iter().map(|series| line(answered, series)).collect();
        write_lines(&lines, form.page.width, form.page.paint, out)?;
    }
    Ok(form.page.style.rows_max - left)
}

/// Numbers of different metrics are not comparable: no bars.
fn metrics_only(form: &Form<'_>, answered: &Answered, out: &mut impl Write) -> io::Result<usize> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let names: Vec<String> = answered.series.iter().map(Series::metric).collect();
    for (series, name) in answered.series.iter().zip(&names).take(form.page.style.rows_max) {
        let labels = if names.len() > 1 { vec![name.as_str()] } else { Vec::new() };
        lines.push(Line { number: None, labels, ..line(answered, series) });
    }
    write_lines(&lines, form.page.width, form.page.paint, out)?;
    Ok(lines.len())
}

/// Whether segments have an order of their own, as ranges of numbers have.
fn has_order(form: &Form<'_>, answered: &Answered) -> bool {
    let ordered = |breakdown: &Breakdown| matches!(breakdown, Breakdown::Property { buckets, unit, .. } if buckets.is_some() || unit.is_some());
    answered.has_bins || form.insights.breakdowns.iter().any(ordered)
}

fn line<'a>(answered: &Answered, series: &'a Series) -> Line<'a> {
    let value = series.points[0].value;
    Line {
        labels: series.segments.iter().chain(&series.bin).map(String::as_str).collect(),
        value: number(value, answered.decimals(series)),
        number: value.filter(|number| number.is_finite() && !series.is_overall()),
    }
}

fn write_lines(lines: &[Line<'_>], limit: usize, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    let columns = lines.iter().map(|line| line.labels.len()).max().unwrap_or(0);
    let widest = |of: &dyn Fn(&Line<'_>) -> usize| lines.iter().map(of).max().unwrap_or(0);
    // Labels have at most half of the line.
    let label_max = limit / 2 / columns.max(1);
    let label_widths: Vec<usize> = (0..columns)
        .map(|at| widest(&|line| line.labels.get(at).map_or(0, |label| width(label))).min(label_max))
        .collect();
    let value_width = widest(&|line| width(&line.value));
    let taken = label_widths.iter().map(|width| width + 2).sum::<usize>() + 2 + value_width + 1;
    let room = limit.saturating_sub(taken).clamp(1, CELLS_MAX);
    let greatest = lines.iter().filter_map(|line| line.number).map(f64::abs).fold(0.0, f64::max);
    for line in lines {
        write!(out, "  ")?;
        for (at, label_width) in label_widths.iter().enumerate() {
            let label = clip(line.labels.get(at).copied().unwrap_or_default(), *label_width);
            write!(out, "{label}{}", " ".repeat(label_width + 2 - width(&label)))?;
        }
        write!(out, "{}{}", " ".repeat(value_width - width(&line.value)), paint.strong(&line.value))?;
        match line.number {
            Some(number) if greatest > 0.0 && number != 0.0 => {
                writeln!(out, " {}", paint.code(bar(number.abs() / greatest, room)))?;
            }
            _ => writeln!(out)?,
        }
    }
    Ok(())
}

/// A bar of that share of `cells`; what is there is seen.
pub(super) fn bar(share: f64, cells: usize) -> String {
    let eighths = ((share * cells as f64 * 8.0).round() as usize).max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(0.4, 4), "█▋");
        assert_eq!(bar(0.000_1, 4), "▏");
    }
}
