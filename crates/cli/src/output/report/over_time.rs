//! Measures over time: a column a bucket, or a line of blocks.

use std::io::{self, Write};

use super::series::{Answered, Point};
use super::{label_columns, labels, percent};
use crate::output::{Align, Table};
use crate::terminal::Paint;
use crate::text::{number, width};

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A line of blocks is not shorter than this.
pub(super) const BLOCKS_MIN: usize = 8;

/// A line of the answer: labels, what it shows, its numbers, and the same as text.
struct Line {
    labels: Vec<String>,
    numbers: Vec<Option<f64>>,
    cells: Vec<String>,
    /// Whether it is drawn: relative changes are not.
    is_drawn: bool,
    decimals: usize,
}

/// Writes the first `shown` series; returns what to remark.
pub(super) fn write(
    answered: &Answered,
    shown: usize,
    limit: usize,
    paint: Paint,
    out: &mut impl Write,
) -> io::Result<Option<String>> {
    let is_compared = answered.series.iter().flat_map(|series| &series.points).any(is_compared);
    let mut columns = label_columns(answered);
    columns.extend(is_compared.then_some(""));
    let lines = lines(answered, shown, is_compared);
    let grid = grid(&columns, &lines, &answered.buckets);
    if grid.width() <= limit {
        grid.write(out, Some(limit), paint)?;
        return Ok(None);
    }
    let (table, buckets_a_block) = blocks(&columns, &lines, &answered.buckets, limit);
    table.write(out, Some(limit), paint)?;
    Ok(Some(match buckets_a_block {
        1 => "each line of blocks from 0 to its own maximum".to_owned(),
        count => format!("a block is the mean of {count}, each line from 0 to its own maximum"),
    }))
}

fn is_compared(point: &Point) -> bool {
    point.compared.is_some() || point.change.is_some()
}

fn lines(answered: &Answered, shown: usize, is_compared: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for series in answered.series.iter().take(shown) {
        let decimals = answered.decimals(series);
        let mut line =
            |kind: &str, of: &dyn Fn(&Point) -> Option<f64>, say: &dyn Fn(Option<f64>) -> String| {
                let mut labels = labels(answered, series);
                labels.extend(is_compared.then(|| kind.to_owned()));
                let numbers: Vec<Option<f64>> = series.points.iter().map(of).collect();
                let cells = numbers.iter().map(|number| say(*number)).collect();
                lines.push(Line { labels, numbers, cells, is_drawn: kind != "change", decimals });
            };
        line("now", &|point| point.value, &|value| number(value, decimals));
        if is_compared {
            line("before", &|point| point.compared, &|value| number(value, decimals));
            line("change", &|point| point.change, &percent);
        }
    }
    lines
}

/// All numbers.
fn grid(columns: &[&str], lines: &[Line], buckets: &[String]) -> Table {
    let mut header: Vec<(&str, Align)> = columns.iter().map(|name| (*name, Align::Left)).collect();
    header.extend(buckets.iter().map(|bucket| (bucket.as_str(), Align::Right)));
    let mut table = Table::new(&header);
    for line in lines {
        table.push_row(&[line.labels.as_slice(), &line.cells].concat());
    }
    table
}

/// Blocks as wide as there is room, with what one wants to know exactly. Returns how many buckets
/// are in one block, too.
fn blocks(columns: &[&str], lines: &[Line], buckets: &[String], limit: usize) -> (Table, usize) {
    let span = match buckets {
        [] => String::new(),
        [only] => only.clone(),
        [first, .., last] => format!("{first} … {last}"),
    };
    let mut header: Vec<(&str, Align)> = columns.iter().map(|name| (*name, Align::Left)).collect();
    header.push((&span, Align::Left));
    header.extend(["first", "last", "min", "max"].map(|name| (name, Align::Right)));
    let rows = |blocks: &dyn Fn(&Line) -> String| {
        let mut table = Table::new(&header);
        for line in lines {
            let mut cells = line.labels.clone();
            cells.push(if line.is_drawn { blocks(line) } else { String::new() });
            cells.extend(summary(line));
            table.push_row(&cells);
        }
        table
    };
    let taken = rows(&|_| String::new()).width() - width(&span);
    let room = limit.saturating_sub(taken).max(BLOCKS_MIN);
    let buckets_a_block = buckets.len().div_ceil(room).max(1);
    (rows(&|line| drawn(&line.numbers, buckets_a_block)), buckets_a_block)
}

/// First, last, least and greatest, as they are said in the line.
fn summary(line: &Line) -> [String; 4] {
    let said =
        |at: Option<usize>| at.map_or_else(|| number(None, line.decimals), |at| line.cells[at].clone());
    let known = || line.numbers.iter().enumerate().filter_map(|(at, number)| Some((at, (*number)?)));
    let least = known().min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(at, _)| at);
    let greatest = known().max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(at, _)| at);
    [
        said((!line.cells.is_empty()).then_some(0)),
        said(line.cells.len().checked_sub(1)),
        said(least),
        said(greatest),
    ]
}

/// Numbers as blocks from 0, or the least if that is less, to the greatest; what is not known is a
/// gap.
pub(super) fn drawn(numbers: &[Option<f64>], numbers_a_block: usize) -> String {
    let means: Vec<Option<f64>> = numbers
        .chunks(numbers_a_block)
        .map(|chunk| {
            let known: Vec<f64> =
                chunk.iter().flatten().copied().filter(|number| number.is_finite()).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        })
        .collect();
    let least = means.iter().flatten().copied().fold(0.0, f64::min);
    let greatest = means.iter().flatten().copied().fold(0.0, f64::max);
    means.into_iter().map(|mean| mean.map_or(' ', |mean| block(mean, least, greatest))).collect()
}

fn block(number: f64, least: f64, greatest: f64) -> char {
    if greatest <= least {
        return BLOCKS[0];
    }
    // What is there is seen: only the least has the lowest block.
    let share = (number - least) / (greatest - least);
    BLOCKS[((share * 7.0).ceil() as usize).min(7)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_go_from_zero_to_the_greatest() {
        let known = |numbers: &[f64]| numbers.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(drawn(&known(&[0.0, 1.0, 50.0, 100.0]), 1), "▁▂▅█");
        assert_eq!(drawn(&known(&[0.0, 0.0]), 1), "▁▁");
        assert_eq!(drawn(&known(&[7.0, 7.0]), 1), "██");
        assert_eq!(drawn(&known(&[-5.0, 0.0, 5.0]), 1), "▁▅█");
        assert_eq!(drawn(&known(&[0.0, 2.0, 2.0, 2.0, 4.0]), 2), "▃▅█");
        assert_eq!(drawn(&[None, Some(3.0), None], 1), " █ ");
        assert_eq!(drawn(&[None], 1), " ");
    }
}
