//! What is in memory, as a table.

use std::collections::BTreeMap;

use tallymark::{ColumnUsage, Encoding, MemoryUsage};

use super::print;
use crate::output::{Align, Table};
use crate::terminal::Terminal;
use crate::text::{bytes, count, counted};

/// A column in all segments together.
#[derive(Default)]
struct Total {
    rows: u64,
    bytes: u64,
    values_max: u64,
    key_bytes_max: u8,
    sparse_values: u64,
    is_plain: bool,
}

impl Total {
    fn add(&mut self, rows: u64, column: &ColumnUsage) {
        self.rows += rows;
        self.bytes += column.bytes;
        match column.encoding {
            Encoding::Plain => self.is_plain = true,
            Encoding::Sparse { values } => self.sparse_values += values,
            Encoding::Dictionary { key_bytes, values } => {
                self.values_max = self.values_max.max(values);
                self.key_bytes_max = self.key_bytes_max.max(key_bytes);
            }
        }
    }

    fn encoding(&self) -> String {
        if self.sparse_values > 0 && !self.is_plain {
            return format!("the {} there are", counted(self.sparse_values, "value"));
        }
        if self.key_bytes_max == 0 || self.is_plain {
            return "plain".to_owned();
        }
        let values = counted(self.values_max, "value");
        format!("{}-byte codes, up to {values} a day", self.key_bytes_max)
    }
}

/// Prints which columns are in memory and what they cost, of the dataset and of all that is attached.
pub(crate) fn print(usage: &MemoryUsage, terminal: Terminal) -> anyhow::Result<()> {
    let attached = usage.attached.iter().filter(|attached| !attached.usage.segments.is_empty());
    let mut days = 0;
    if !usage.segments.is_empty() {
        days += usage.segments.len() as u64;
        print::table(&table("in memory", usage), terminal)?;
    }
    for attached in attached {
        days += attached.usage.segments.len() as u64;
        print::table(&table(&format!("in memory of {}", attached.name), &attached.usage), terminal)?;
    }
    if days == 0 {
        return print::text("Nothing is in memory yet: the first question brings what it needs\n");
    }
    print::text(&format!(
        "{}\n",
        terminal.out.faint(format!(
            "{} of {} in {}; {} read from storage, {} given up for room",
            bytes(usage.used_bytes),
            bytes(usage.budget_bytes),
            counted(days, "day"),
            bytes(usage.loaded_bytes),
            counted(usage.evictions, "column"),
        ))
    ))
}

/// What is in memory of one dataset.
fn table(title: &str, usage: &MemoryUsage) -> Table {
    let rows: u64 = usage.segments.iter().map(|segment| segment.rows).sum();
    let sum = |part: fn(&tallymark::SegmentUsage) -> u64| usage.segments.iter().map(part).sum::<u64>();
    let mut columns: BTreeMap<&str, Total> = BTreeMap::new();
    for segment in &usage.segments {
        for column in &segment.columns {
            columns.entry(&column.column).or_default().add(segment.rows, column);
        }
    }
    let mut table = Table::new(&[
        (title, Align::Left),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("bytes a row", Align::Right),
        ("held as", Align::Left),
    ]);
    let mut push = |name: &str, rows: u64, size: u64, held: String| {
        let per_row = if rows == 0 { 0.0 } else { size as f64 / rows as f64 };
        table.push([name.to_owned(), count(rows), bytes(size), format!("{per_row:.2}"), held]);
    };
    // Users and times are there once somebody asked for them.
    if usage.users > 0 {
        push("ids of users", usage.users, usage.directory_bytes, "sorted, each once".to_owned());
    }
    let (users, times) = (sum(|segment| segment.user_bytes), sum(|segment| segment.time_bytes));
    if users > 0 {
        push("users", rows, users, "runs of rows".to_owned());
    }
    if times > 0 {
        push("time", times / 4, times, "4-byte milliseconds of the day".to_owned());
    }
    let order = sum(|segment| segment.order_bytes);
    if order > 0 {
        push("order of files", rows, order, "runs of rows".to_owned());
    }
    let rows_by_event = sum(|segment| segment.rows_by_event_bytes);
    if rows_by_event > 0 {
        push("rows of each event", rows_by_event / 2, rows_by_event, "2-byte row numbers".to_owned());
    }
    for (name, total) in &columns {
        push(name, total.rows, total.bytes, total.encoding());
    }
    for column in &usage.profile_columns {
        push(&format!("user.{}", column.property), usage.users, column.bytes, "by user".to_owned());
    }
    table
}
