//! `tallymark user`

use std::fmt::Write as _;

use serde_json::Value;
use tallymark::{Error, Timestamp, User, UserOptions};

use super::{open_for_reading, print};
use crate::args::{Dataset, ReportFormat, UserArgs};
use crate::failure::{Outcome, advised};
use crate::output::{Align, Table};
use crate::terminal::{Paint, Terminal};
use crate::text::{count, counted, minute};

/// Shows one user.
pub(super) async fn run(args: &UserArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    let engine = open_for_reading(dataset).await?;
    let options = UserOptions {
        days: Some(args.days).filter(|days| *days > 0),
        hide: args.hide.clone(),
        limit: args.limit,
    };
    let user = engine.user(&args.id, &options).await.map_err(|error| match error {
        Error::NoUser { .. } => advised(error, "`tallymark users --all` lists everybody"),
        _ => error.into(),
    })?;
    if args.output == ReportFormat::Json {
        print::json(&user)?;
        return Ok(Outcome::Done);
    }
    print::text(&overview(&user, terminal.out))?;
    print_profile(&user, terminal)?;
    print_events(&user, terminal)?;
    print_feed(&user, args, terminal)?;
    Ok(Outcome::Done)
}

fn overview(user: &User, paint: Paint) -> String {
    let time = |time: Option<Timestamp>| {
        time.map_or_else(|| "never".to_owned(), |time| format!("{} UTC", minute(time)))
    };
    let events: u64 = user.events.iter().map(|of_name| of_name.events).sum();
    let mut text = format!("user {}\n", paint.strong(&user.user_id));
    for (name, value) in [
        ("ids", user.ids.join(", ")),
        ("first event", time(user.first_event_time)),
        ("last event", time(user.last_event_time)),
        ("events", count(events)),
    ] {
        let _ = writeln!(text, "  {name:<11}  {value}");
    }
    text
}

fn print_profile(user: &User, terminal: Terminal) -> anyhow::Result<()> {
    let Some(profile) = &user.profile else {
        return print::text("\nno profile\n");
    };
    let mut table = Table::new(&[("property", Align::Left), ("value", Align::Left)]);
    for (name, value) in &profile.0 {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        table.push([name.clone(), text]);
    }
    if let Some(seen) = user.profile_last_seen {
        table.push(["$last_seen".to_owned(), seen.to_string()]);
    }
    print::text(&format!("\n{}\n", terminal.out.strong("profile")))?;
    print::table(&table, terminal)
}

fn print_events(user: &User, terminal: Terminal) -> anyhow::Result<()> {
    if user.events.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        ("event", Align::Left),
        ("events", Align::Right),
        ("first (UTC)", Align::Left),
        ("last (UTC)", Align::Left),
    ]);
    for of_name in &user.events {
        table.push([
            of_name.event.clone(),
            count(of_name.events),
            minute(of_name.first),
            minute(of_name.last),
        ]);
    }
    print::text(&format!("\n{}\n", terminal.out.strong("events")))?;
    print::table(&table, terminal)
}

fn print_feed(user: &User, args: &UserArgs, terminal: Terminal) -> anyhow::Result<()> {
    if user.feed.is_empty() {
        return Ok(());
    }
    let mut table =
        Table::new(&[("time (UTC)", Align::Left), ("event", Align::Left), ("properties", Align::Left)]);
    for event in &user.feed {
        let properties = event.properties.iter().map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        });
        table.push([event.time.to_string(), event.event.clone(), properties.collect::<Vec<_>>().join("  ")]);
    }
    let (paint, shown) = (terminal.out, user.feed.len());
    print::text(&format!("\n{}\n", paint.strong("newest events")))?;
    print::table(&table, terminal)?;
    let mut advice = Vec::new();
    if shown == args.limit {
        advice.push("--limit N shows more".to_owned());
    }
    if args.days > 0 {
        let days = counted(u64::from(args.days), "day");
        advice.push(format!("of {days} up to the last one; --days 0 is all"));
    }
    let advice = if advice.is_empty() { String::new() } else { format!(" ({})", advice.join("; ")) };
    print::text(&format!("{}\n", paint.faint(format!("{}{advice}", counted(shown as u64, "event")))))
}
