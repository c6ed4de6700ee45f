//! `tallymark lexicon`

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::{
    ArrayRef, AsArray as _, BooleanArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use tallymark::{Engine, EngineConfig, Lexicon, LexiconEntry, LexiconKind};

use super::{
    definitions, open_existing_for_writing, open_for_reading, open_for_writing, print, warn_of_unknown,
};
use crate::args::{Dataset, LexiconArgs, LexiconCommand, LexiconListArgs, LexiconSetArgs};
use crate::failure::{Outcome, advised, failure};
use crate::output::{TableStyle, Target, write_rows};
use crate::terminal::{Paint, Terminal};
use crate::text::counted;

/// Lists or changes what is said of events and properties.
pub(super) async fn run(
    args: &LexiconArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    match &args.command {
        None => list(&args.list, dataset, terminal).await,
        Some(LexiconCommand::Set(args)) => set(args, dataset, terminal).await,
        Some(LexiconCommand::Import { file, replace }) => import(file, *replace, dataset, terminal.out).await,
        Some(LexiconCommand::Export { file }) => export(file.as_deref(), dataset).await,
    }
}

async fn list(args: &LexiconListArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    let engine = open_for_reading(dataset).await?;
    let lexicon = engine.lexicon()?;
    let mut items = Vec::new();
    for kind in LexiconKind::ALL {
        if args.kind.is_none_or(|wanted| wanted.kind() == kind) {
            items.extend(items_of(kind, &lexicon, seen(kind, &engine).await?));
        }
    }
    items.retain(|item| args.tag.as_ref().is_none_or(|tag| item.entry.tags.contains(tag)));
    let rows = rows(&items)?;
    let schema = rows.schema();
    let style = TableStyle::new(terminal, Some(0), true);
    let stream = futures::stream::iter([Ok::<_, tallymark::Error>(rows)]);
    write_rows(stream, schema, args.output, style, &Target::Stdout, terminal).await?;
    Ok(Outcome::Done)
}

/// Changes one entry.
async fn set(args: &LexiconSetArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    let kind = args.kind.kind();
    if kind == LexiconKind::Event && args.expected_type.is_some() {
        return Err(failure("an event has no type", "--type goes with event-property and user-property"));
    }
    let engine = open_existing_for_writing(dataset, "lexicon set").await?;
    let changed = engine
        .change_lexicon(|lexicon| {
            let entry = lexicon.entries_mut(kind).entry(args.name.clone()).or_default();
            change(entry, args);
        })
        .await;
    let seen = seen(kind, &engine).await;
    engine.close().await?;
    changed?;
    let (paint, what) = (terminal.out, kind.name());
    print::text(&format!("{} {what} {}\n", paint.good("Noted"), paint.strong(&args.name)))?;
    let seen = seen?;
    if !seen.contains_key(&args.name) {
        warn_of_unknown(what, &args.name, seen.keys().map(String::as_str), terminal);
    }
    Ok(Outcome::Done)
}

fn change(entry: &mut LexiconEntry, args: &LexiconSetArgs) {
    if args.clear {
        *entry = LexiconEntry::default();
    }
    let said = |text: &Option<String>, now: &mut Option<String>| {
        if let Some(text) = text {
            *now = Some(text.clone()).filter(|text| !text.is_empty());
        }
    };
    said(&args.display_name, &mut entry.display_name);
    said(&args.description, &mut entry.description);
    said(&args.owner, &mut entry.owner);
    said(&args.merged_into, &mut entry.merged_into);
    if !args.tags.is_empty() {
        entry.tags = args.tags.iter().filter(|tag| !tag.is_empty()).cloned().collect();
    }
    if args.hidden || args.visible {
        entry.hidden = args.hidden;
    }
    if args.blocked || args.stored {
        entry.blocked = args.blocked;
    }
    if let Some(expected) = args.expected_type {
        entry.expected_type = Some(expected.property_type());
    }
}

async fn import(file: &str, replace: bool, dataset: &Dataset, paint: Paint) -> anyhow::Result<Outcome> {
    let text = definitions::read_text(file)?;
    let read = serde_json::from_str(&text).with_context(|| format!("{file} is not JSON"))?;
    let read = Lexicon::from_value(read).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("{file} is no lexicon"));
        advised(error, "`tallymark lexicon export` shows how one is written")
    })?;
    let engine = open_for_writing(dataset, "lexicon import", EngineConfig::default()).await?;
    let mut count = 0;
    let changed = engine
        .change_lexicon(|lexicon| {
            if replace {
                *lexicon = Lexicon::default();
            }
            count = lexicon.merge(&read);
        })
        .await;
    engine.close().await?;
    changed?;
    let names = counted(count as u64, "name");
    print::text(&format!("{} what is said of {names}\n", paint.good("Took over")))?;
    Ok(Outcome::Done)
}

async fn export(file: Option<&Path>, dataset: &Dataset) -> anyhow::Result<Outcome> {
    let lexicon = open_for_reading(dataset).await?.lexicon()?;
    let text = serde_json::to_string_pretty(&lexicon)?;
    let mut sink = Target::new(file.map(Path::to_owned)).open()?;
    writeln!(sink, "{text}").and_then(|()| sink.flush()).context("cannot write")?;
    Ok(Outcome::Done)
}

/// An event or a property, by what is said of it and what is in the data.
struct Item {
    kind: LexiconKind,
    name: String,
    entry: LexiconEntry,
    seen: Seen,
}

/// What is in the data of an event or a property.
#[derive(Default)]
struct Seen {
    rows: i64,
    types: String,
}

/// All there are of a kind, most frequent first.
fn items_of(kind: LexiconKind, lexicon: &Lexicon, mut seen: BTreeMap<String, Seen>) -> Vec<Item> {
    let said = lexicon.entries(kind);
    for name in said.keys() {
        seen.entry(name.clone()).or_default();
    }
    let item = |(name, seen): (String, Seen)| {
        let entry = said.get(&name).cloned().unwrap_or_default();
        Item { kind, name, entry, seen }
    };
    let mut items: Vec<Item> = seen.into_iter().map(item).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.seen.rows));
    items
}

/// The names of a kind in the data.
async fn seen(kind: LexiconKind, engine: &Engine) -> anyhow::Result<BTreeMap<String, Seen>> {
    let source = match kind {
        LexiconKind::Event => None,
        LexiconKind::EventProperty => Some("events"),
        LexiconKind::UserProperty => Some("users"),
    };
    let query = match source {
        None => "SELECT event, arrow_cast(rows, 'Int64'), '' FROM event_catalog".to_owned(),
        Some(source) => format!(
            "SELECT property, arrow_cast(sum(rows), 'Int64'), string_agg(DISTINCT type, ', ' ORDER BY type) \
             FROM property_catalog WHERE source = '{source}' GROUP BY property"
        ),
    };
    let mut seen = BTreeMap::new();
    for batch in engine.sql(&query).await?.collect().await? {
        let names = cast(batch.column(0), &DataType::Utf8)?;
        let rows = batch.column(1).as_primitive::<Int64Type>();
        let types = cast(batch.column(2), &DataType::Utf8)?;
        for row in 0..batch.num_rows() {
            let types = types.as_string::<i32>().value(row).to_owned();
            let found = Seen { rows: rows.value(row), types };
            seen.insert(names.as_string::<i32>().value(row).to_owned(), found);
        }
    }
    Ok(seen)
}

fn rows(items: &[Item]) -> anyhow::Result<RecordBatch> {
    let text = |of: &dyn for<'a> Fn(&'a Item) -> Option<&'a str>| -> ArrayRef {
        Arc::new(items.iter().map(of).collect::<StringArray>())
    };
    let mut tags = ListBuilder::new(StringBuilder::new());
    for item in items {
        item.entry.tags.iter().for_each(|tag| tags.values().append_value(tag));
        tags.append(true);
    }
    let columns: [(&str, ArrayRef); 11] = [
        ("kind", text(&|item| Some(item.kind.name()))),
        ("name", text(&|item| Some(&item.name))),
        ("rows", Arc::new(items.iter().map(|item| item.seen.rows).collect::<Int64Array>())),
        ("display_name", text(&|item| item.entry.display_name.as_deref())),
        ("description", text(&|item| item.entry.description.as_deref())),
        ("tags", Arc::new(tags.finish())),
        ("owner", text(&|item| item.entry.owner.as_deref())),
        ("hidden", Arc::new(items.iter().map(|item| Some(item.entry.hidden)).collect::<BooleanArray>())),
        ("blocked", Arc::new(items.iter().map(|item| Some(item.entry.blocked)).collect::<BooleanArray>())),
        ("type", text(&|item| item.entry.expected_type.map(tallymark::PropertyType::name))),
        ("types_seen", text(&|item| Some(item.seen.types.as_str()).filter(|types| !types.is_empty()))),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))?)
}
