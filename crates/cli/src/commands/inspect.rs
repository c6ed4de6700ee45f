//! `tallymark inspect`

use std::fmt::Write as _;

use tallymark::{DataFile, Inspection, PropertySummary};

use super::{identity_name, memory, open_for_reading, print};
use crate::args::{Dataset, InspectArgs, ReportFormat};
use crate::failure::Outcome;
use crate::output::{Align, Table};
use crate::terminal::{Paint, Terminal};
use crate::text::{bytes, count, counted, minute, share};

/// Event names, and properties, listed before the rest is only counted.
const NAMES_SHOWN: usize = 200;

/// Says what is in the dataset.
pub(super) async fn run(
    args: &InspectArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let engine = open_for_reading(dataset).await?;
    if args.files {
        let files = engine.live_files();
        match args.output {
            ReportFormat::Json => print::json(&files)?,
            ReportFormat::Table => print_files(&files, terminal)?,
        }
        return Ok(Outcome::Done);
    }
    if args.memory {
        let columns: Vec<&str> = args.columns.iter().map(String::as_str).collect();
        engine.preload(&columns).await?;
        let mut unread = Vec::new();
        for name in engine.attachments() {
            if let Err(error) = engine.preload_attached(&name).await {
                unread.push(format!("{name} is not in memory: {:#}\n", anyhow::Error::from(error)));
            }
        }
        let Some(usage) = engine.memory_usage() else { return Ok(Outcome::Done) };
        match args.output {
            ReportFormat::Json => print::json(&usage)?,
            ReportFormat::Table => {
                memory::print(&usage, terminal)?;
                unread.iter().try_for_each(|text| print::text(text))?;
            }
        }
        return Ok(Outcome::Done);
    }
    let inspection = engine.inspect().await?;
    match args.output {
        ReportFormat::Json => print::json(&inspection)?,
        ReportFormat::Table => {
            print::text(&overview(&inspection, dataset, terminal.out))?;
            print::text("\n")?;
            print_catalog(&inspection, NAMES_SHOWN, terminal)?;
        }
    }
    Ok(Outcome::Done)
}

/// Prints the event names and the properties, at most `most` of each.
pub(super) fn print_catalog(inspection: &Inspection, most: usize, terminal: Terminal) -> anyhow::Result<()> {
    let paint = terminal.out;
    if inspection.events == 0 {
        return print::text("There are no events yet: `tallymark import FILE` brings some\n");
    }
    print::text(&format!("{}\n", paint.strong(counted(inspection.event_names.len() as u64, "event name"))))?;
    let mut events = Table::new(&[("event", Align::Left), ("events", Align::Right), ("share", Align::Right)]);
    for event in inspection.event_names.iter().take(most) {
        let part = event.events as f64 / inspection.events as f64;
        events.push([event.name.clone(), count(event.events), share(part)]);
    }
    print::table(&events, terminal)?;
    print_rest(inspection.event_names.len(), most, "event_catalog", paint)?;

    let noun = if inspection.properties.len() == 1 { "property" } else { "properties" };
    let heading = format!("{} {noun}", count(inspection.properties.len() as u64));
    print::text(&format!("\n{}\n", paint.strong(heading)))?;
    let mut properties = Table::new(&[
        ("property", Align::Left),
        ("column", Align::Left),
        ("type", Align::Left),
        ("Arrow type", Align::Left),
        ("events", Align::Right),
        ("share", Align::Right),
    ]);
    for property in inspection.properties.iter().take(most) {
        push_property(&mut properties, property, inspection.events);
    }
    print::table(&properties, terminal)?;
    print_rest(inspection.properties.len(), most, "property_catalog", paint)
}

/// A line a lane.
fn push_property(table: &mut Table, property: &PropertySummary, events: u64) {
    for (index, lane) in property.lanes.iter().enumerate() {
        let name = if index == 0 { property.name.clone() } else { String::new() };
        let part = if events == 0 { 0.0 } else { lane.rows as f64 / events as f64 };
        let column = crate::prompt::sql_name(&lane.column).into_owned();
        table.push([
            name,
            column,
            lane.r#type.to_owned(),
            lane.arrow_type.replace(", field: 'element'", ""),
            count(lane.rows),
            share(part),
        ]);
    }
}

fn print_rest(total: usize, shown: usize, table: &str, paint: Paint) -> anyhow::Result<()> {
    if total <= shown {
        return Ok(());
    }
    print::text(&format!(
        "{}\n",
        paint.faint(format!("and {} more, in the table {table}", count((total - shown) as u64)))
    ))
}

fn overview(inspection: &Inspection, dataset: &Dataset, paint: Paint) -> String {
    let span = match (inspection.first_time, inspection.last_time) {
        (Some(first), Some(last)) => format!("{} – {} UTC", minute(first), minute(last)),
        _ => String::new(),
    };
    let per_event = match inspection.events - inspection.memtable_events {
        0 => String::new(),
        events => format!(", {:.1} bytes an event", inspection.bytes as f64 / events as f64),
    };
    let mut lines = vec![
        ("events", count(inspection.events), span),
        ("users", count(inspection.users), String::new()),
        ("days", count(inspection.days), String::new()),
        (
            "profiles",
            count(inspection.user_profiles + inspection.group_profiles),
            match inspection.group_profiles {
                0 => String::new(),
                groups => format!("{} of them of groups", count(groups)),
            },
        ),
        ("files", count(inspection.files), format!("{}{per_event}", bytes(inspection.bytes))),
    ];
    if inspection.memtable_events > 0 {
        lines.push((
            "in the log",
            count(inspection.memtable_events),
            "events that are in no file yet".to_owned(),
        ));
    }
    if !inspection.attachments.is_empty() {
        lines.push((
            "attached",
            count(inspection.attachments.len() as u64),
            inspection.attachments.join(", "),
        ));
    }
    let wide = lines.iter().map(|(_, number, _)| number.len()).max().unwrap_or(1);
    let mut text = format!(
        "{}  {}\n",
        paint.strong(&dataset.url),
        paint.faint(format!(
            "snapshot {} of {} UTC, identity {}",
            inspection.snapshot,
            minute(inspection.created_at),
            identity_name(inspection.identity)
        )),
    );
    for (name, number, remark) in lines {
        let remark = if remark.is_empty() { String::new() } else { paint.faint(format!("  {remark}")) };
        let _ = writeln!(text, "  {name:<10}  {number:>wide$}{remark}");
    }
    text
}

fn print_files(files: &[DataFile], terminal: Terminal) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("file", Align::Left),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("users", Align::Right),
        ("first (UTC)", Align::Left),
        ("last (UTC)", Align::Left),
    ]);
    for file in files {
        table.push([
            file.path.clone(),
            count(file.rows),
            bytes(file.bytes),
            count(file.distinct_users),
            file.min_time.to_string(),
            file.max_time.to_string(),
        ]);
    }
    print::table(&table, terminal)?;
    let (rows, size) = files.iter().fold((0, 0), |(rows, size), file| (rows + file.rows, size + file.bytes));
    print::text(&format!(
        "{}\n",
        terminal.out.faint(format!(
            "{}, {}, {}",
            counted(files.len() as u64, "file"),
            counted(rows, "row"),
            bytes(size)
        ))
    ))
}
