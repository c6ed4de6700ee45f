//! A table for people.
//!
//! On a terminal it fits: first the widest columns are clipped, then columns are left out of the
//! middle, and a last line says so. Elsewhere everything is shown.

use std::io::{self, Write};

use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::terminal::Paint;
use crate::text::{clip, width};

/// A column is not clipped below this on the way to fit a terminal.
const COLUMN_WIDTH_MIN: usize = 16;

/// What a null looks like.
const NULL: &str = "NULL";

/// Where the cells of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

#[derive(Debug)]
struct Column {
    name: String,
    align: Align,
}

/// Rows of text under column names.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    /// Lines of cells: a value with line breaks takes several.
    lines: Vec<Vec<String>>,
    rows_shown: u64,
    rows_total: u64,
    rows_max: usize,
    /// Whether this is the answer to EXPLAIN, which is text rather than a table.
    is_plan: bool,
}

impl Table {
    /// A table of our own making.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Self {
        let columns =
            columns.iter().map(|(name, align)| Column { name: (*name).to_owned(), align: *align }).collect();
        Self {
            columns,
            lines: Vec::new(),
            rows_shown: 0,
            rows_total: 0,
            rows_max: usize::MAX,
            is_plan: false,
        }
    }

    /// A table for the rows of a query: keeps `rows_max`, counts the others.
    pub(crate) fn of_rows(schema: &Schema, rows_max: usize) -> Self {
        let is_plan = schema.fields().len() == 2
            && schema.field(0).name() == "plan_type"
            && schema.field(1).name() == "plan";
        let columns = schema
            .fields()
            .iter()
            .map(|field| Column { name: clean(field.name()).join(" "), align: align(field.data_type()) })
            .collect();
        Self { columns, lines: Vec::new(), rows_shown: 0, rows_total: 0, rows_max, is_plan }
    }

    /// Whether this is the answer to EXPLAIN.
    pub(crate) fn is_plan(&self) -> bool {
        self.is_plan
    }

    /// Rows that were kept.
    pub(crate) fn rows_shown(&self) -> u64 {
        self.rows_shown
    }

    /// Rows there were.
    pub(crate) fn rows_total(&self) -> u64 {
        self.rows_total
    }

    /// Adds a row.
    pub(crate) fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.push_cells(&cells.map(|cell| clean(&cell)));
        self.rows_shown += 1;
        self.rows_total += 1;
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn push_row(&mut self, cells: &[String]) {
        self.push_cells(&cells.iter().map(|cell| clean(cell)).collect::<Vec<_>>());
        self.rows_shown += 1;
        self.rows_total += 1;
    }

    /// How many terminal cells it takes if nothing is clipped.
    pub(crate) fn width(&self) -> usize {
        1 + self.widths().iter().map(|width| width + 3).sum::<usize>()
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| width(&column.name)).collect();
        for line in &self.lines {
            for (widest, cell) in widths.iter_mut().zip(line) {
                *widest = (*widest).max(width(cell));
            }
        }
        widths
    }

    /// Adds the rows of a batch, as far as there is room.
    pub(crate) fn push_batch(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.rows_total += batch.num_rows() as u64;
        let room = self.rows_max.saturating_sub(self.rows_shown as usize).min(batch.num_rows());
        if room == 0 {
            return Ok(());
        }
        let formatters = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options(column.data_type())))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..room {
            let cells = formatters
                .iter()
                .map(|formatter| formatter.value(row).try_to_string().map(|text| clean(&text)))
                .collect::<Result<Vec<_>, _>>()?;
            self.push_cells(&cells);
            self.rows_shown += 1;
        }
        Ok(())
    }

    fn push_cells(&mut self, cells: &[Vec<String>]) {
        let height = cells.iter().map(Vec::len).max().unwrap_or(1).max(1);
        for line in 0..height {
            self.lines.push(cells.iter().map(|cell| cell.get(line).cloned().unwrap_or_default()).collect());
        }
    }

    /// Draws the table, at most `width` terminal cells wide if that can be had.
    pub(crate) fn write(&self, out: &mut impl Write, width: Option<usize>, paint: Paint) -> io::Result<()> {
        if self.is_plan {
            return self.write_plan(out, paint);
        }
        let layout = Layout::new(self, width);
        layout.write_rule(out, ["┌", "┬", "┐"], paint)?;
        layout.write_line(
            out,
            &self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
            paint,
            true,
        )?;
        layout.write_rule(out, ["├", "┼", "┤"], paint)?;
        for line in &self.lines {
            layout.write_line(out, &line.iter().map(String::as_str).collect::<Vec<_>>(), paint, false)?;
        }
        layout.write_rule(out, ["└", "┴", "┘"], paint)?;
        if layout.left_out > 0 {
            let note = format!(
                "{} of {} columns shown; name the ones you need, or use --output json",
                self.columns.len() - layout.left_out,
                self.columns.len()
            );
            writeln!(out, "{}", paint.faint(note))?;
        }
        Ok(())
    }

    fn write_plan(&self, out: &mut impl Write, paint: Paint) -> io::Result<()> {
        for line in &self.lines {
            if let [kind, text] = line.as_slice() {
                if !kind.is_empty() {
                    writeln!(out, "{}", paint.strong(kind))?;
                }
                writeln!(out, "  {text}")?;
            }
        }
        Ok(())
    }
}

/// Which columns are drawn, and how wide.
struct Layout {
    /// Index, alignment and width of each drawn column; `None` stands for those left out.
    columns: Vec<Option<(usize, Align, usize)>>,
    left_out: usize,
}

impl Layout {
    fn new(table: &Table, limit: Option<usize>) -> Self {
        let mut widths = table.widths();
        let limit = limit.unwrap_or(usize::MAX);
        shrink(&mut widths, limit);
        let mut columns: Vec<_> = widths
            .iter()
            .zip(&table.columns)
            .enumerate()
            .map(|(index, (width, column))| Some((index, column.align, *width)))
            .collect();
        let mut left_out = 0;
        let drawn = |columns: &[Option<(usize, Align, usize)>]| {
            1 + columns.iter().map(|column| 3 + column.map_or(1, |(_, _, width)| width)).sum::<usize>()
        };
        while drawn(&columns) > limit && columns.iter().flatten().count() > 1 {
            left_out += 1;
            let gap = columns.iter().position(Option::is_none);
            match gap {
                // The gap eats its neighbours, right of it and left of it in turn.
                Some(gap) if gap + 1 < columns.len() && (left_out % 2 == 0 || gap == 0) => {
                    columns.remove(gap + 1);
                }
                Some(gap) => {
                    columns.remove(gap - 1);
                }
                None => {
                    let middle = columns.len() / 2;
                    columns[middle] = None;
                }
            }
        }
        Self { columns, left_out }
    }

    fn write_rule(
        &self,
        out: &mut impl Write,
        [left, cross, right]: [&str; 3],
        paint: Paint,
    ) -> io::Result<()> {
        let spans: Vec<String> = self
            .columns
            .iter()
            .map(|column| "─".repeat(2 + column.map_or(1, |(_, _, width)| width)))
            .collect();
        writeln!(out, "{}", paint.faint(format!("{left}{}{right}", spans.join(cross))))
    }

    fn write_line(&self, out: &mut impl Write, cells: &[&str], paint: Paint, header: bool) -> io::Result<()> {
        let bar = paint.faint("│");
        write!(out, "{bar}")?;
        for column in &self.columns {
            let Some((index, align, wide)) = column else {
                write!(out, " {} {bar}", paint.faint("…"))?;
                continue;
            };
            let text = clip(cells[*index], *wide);
            let blanks = " ".repeat(wide - width(&text));
            let shown = match (header, text.as_str()) {
                (true, _) => paint.strong(&text),
                (false, NULL) => paint.faint(&text),
                (false, _) => text,
            };
            match align {
                Align::Left => write!(out, " {shown}{blanks} {bar}")?,
                Align::Right => write!(out, " {blanks}{shown} {bar}")?,
            }
        }
        writeln!(out)
    }
}

/// Takes width from the widest columns until all fit into `limit`, or none is wider than
/// [`COLUMN_WIDTH_MIN`].
fn shrink(widths: &mut [usize], limit: usize) {
    let frame = 1 + 3 * widths.len();
    let mut total = frame + widths.iter().sum::<usize>();
    while total > limit {
        let Some(widest) = widths.iter_mut().max() else { return };
        if *widest <= COLUMN_WIDTH_MIN {
            return;
        }
        *widest -= 1;
        total -= 1;
    }
}

fn align(data_type: &DataType) -> Align {
    if data_type.is_numeric() || matches!(data_type, DataType::Duration(_)) {
        Align::Right
    } else {
        Align::Left
    }
}

/// How values are spelled: instants of UTC without their zone, other instants with it.
fn options(data_type: &DataType) -> FormatOptions<'static> {
    let options =
        FormatOptions::default().with_null(NULL).with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    match data_type {
        DataType::Timestamp(_, Some(zone)) if matches!(&**zone, "UTC" | "+00:00" | "Z") => {
            options.with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        }
        _ => options.with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z")),
    }
}

/// The lines of a text, without what would move a terminal's cursor.
fn clean(text: &str) -> Vec<String> {
    text.trim_end_matches('\n')
        .split('\n')
        .map(|line| {
            line.trim_end_matches('\r')
                .chars()
                .map(|c| match c {
                    '\t' => ' ',
                    c if c.is_control() => '\u{FFFD}',
                    c => c,
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMillisecondArray};

    use super::*;

    fn rendered(table: &Table, width: Option<usize>) -> String {
        let mut text = Vec::new();
        table.write(&mut text, width, Paint(false)).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn rows() -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([
            (
                "event",
                Arc::new(StringArray::from(vec![Some("purchase"), Some("注文"), None])) as ArrayRef,
                true,
            ),
            ("count", Arc::new(Int64Array::from(vec![1, 20, 300])), false),
            (
                "last",
                Arc::new(TimestampMillisecondArray::from(vec![0, 1, 86_400_000]).with_timezone("UTC")),
                false,
            ),
        ])
        .unwrap()
    }

    #[test]
    fn numbers_stand_right_and_text_left() {
        let batch = rows();
        let mut table = Table::of_rows(&batch.schema(), usize::MAX);
        table.push_batch(&batch).unwrap();
        insta::assert_snapshot!(rendered(&table, None), @r"
        ┌──────────┬───────┬─────────────────────────┐
        │ event    │ count │ last                    │
        ├──────────┼───────┼─────────────────────────┤
        │ purchase │     1 │ 1970-01-01 00:00:00     │
        │ 注文     │    20 │ 1970-01-01 00:00:00.001 │
        │ NULL     │   300 │ 1970-01-02 00:00:00     │
        └──────────┴───────┴─────────────────────────┘
        ");
    }

    #[test]
    fn rows_beyond_the_limit_are_counted() {
        let batch = rows();
        let mut table = Table::of_rows(&batch.schema(), 4);
        table.push_batch(&batch).unwrap();
        table.push_batch(&batch).unwrap();
        table.push_batch(&batch).unwrap();
        assert_eq!((table.rows_shown(), table.rows_total()), (4, 9));
    }

    #[test]
    fn a_narrow_terminal_clips_then_leaves_out() {
        let mut table = Table::new(&[
            ("one", Align::Left),
            ("two", Align::Left),
            ("three", Align::Left),
            ("four", Align::Right),
        ]);
        table.push(["a".repeat(30), "b".repeat(40), "c".repeat(20), "4".to_owned()]);
        insta::assert_snapshot!(rendered(&table, Some(70)), @r"
        ┌────────────────────┬────────────────────┬───────────────────┬──────┐
        │ one                │ two                │ three             │ four │
        ├────────────────────┼────────────────────┼───────────────────┼──────┤
        │ aaaaaaaaaaaaaaaaa… │ bbbbbbbbbbbbbbbbb… │ cccccccccccccccc… │    4 │
        └────────────────────┴────────────────────┴───────────────────┴──────┘
        ");
        insta::assert_snapshot!(rendered(&table, Some(40)), @r"
        ┌──────────────────┬───┐
        │ one              │ … │
        ├──────────────────┼───┤
        │ aaaaaaaaaaaaaaa… │ … │
        └──────────────────┴───┘
        1 of 4 columns shown; name the ones you need, or use --output json
        ");
        for width in 0..120 {
            let text = rendered(&table, Some(width));
            let widest = text.lines().filter(|line| line.starts_with('│')).map(crate::text::width).max();
            assert!(widest.unwrap() <= width.max(40), "{width}: {text}");
        }
    }

    #[test]
    fn text_cannot_move_the_cursor() {
        let mut table = Table::new(&[("value", Align::Left)]);
        table.push(["two\r\nlines\tand \x1b[31mred".to_owned()]);
        insta::assert_snapshot!(rendered(&table, None), @r"
        ┌────────────────────┐
        │ value              │
        ├────────────────────┤
        │ two                │
        │ lines and �[31mred │
        └────────────────────┘
        ");
    }
}
