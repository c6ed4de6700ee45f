//! `generate`: made-up events to a file.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use clap::{Args, ValueEnum};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tallymark_event::{Day, Event, PropertyValue, columns};
use tallymark_testkit::{EventGenerator, GeneratorConfig, PROPERTIES, PropertyShape};

const BATCH_ROWS: usize = 65_536;

/// Write made-up events to a file
///
/// Sessions of users, a few of whom do most of it: 21 event names in Markov chains, some 50 properties,
/// many sparse, some of mixed type, lists, dates, objects. One user in five is first seen as a device.
/// The same options give the same file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tallymark-benches generate --events 2000000 --out events.ndjson\n  \
    tallymark-benches generate --events 1e6 --days 90 --seed 7 --format parquet --out events.parquet\n  \
    tallymark-benches generate --events 1000 --out - | head -1")]
pub(crate) struct Options {
    #[command(flatten)]
    pub events: EventOptions,
    /// What to write: ndjson in Mixpanel's form (about 210 bytes an event), or one flat Parquet file,
    /// sorted by time, with a column for each property (objects and mixed types as JSON text)
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    pub format: Format,
    /// Where to; `-` for standard output (ndjson only)
    #[arg(long, value_name = "PATH")]
    pub out: PathBuf,
    /// Threads that format ndjson
    #[arg(long, default_value_t = default_threads())]
    pub threads: NonZeroUsize,
}

/// Which events.
#[derive(Debug, Clone, Args)]
pub(crate) struct EventOptions {
    /// How many events; 2e6 and 2_000_000 are fine
    #[arg(long, value_parser = parse_count, default_value = "2000000", value_name = "N")]
    pub events: u64,
    /// Over how many days
    #[arg(long, default_value_t = 30, value_name = "N")]
    pub days: u32,
    /// The first of these days
    #[arg(long, default_value = "2024-01-01", value_name = "DATE")]
    pub first_day: Day,
    /// Decides everything else
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// How many users to draw from (default: one for each 50 events)
    #[arg(long, value_parser = parse_count, value_name = "N")]
    pub users: Option<u64>,
}

impl EventOptions {
    /// What a command line needs to say the same.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { events, days, first_day, seed, users } = self;
        let mut arguments = vec![
            format!("--events={events}"),
            format!("--days={days}"),
            format!("--first-day={first_day}"),
            format!("--seed={seed}"),
        ];
        arguments.extend(users.map(|users| format!("--users={users}")));
        arguments
    }

    pub(crate) fn generator(&self) -> EventGenerator {
        EventGenerator::new(GeneratorConfig {
            seed: self.seed,
            events: self.events,
            days: self.days,
            first_day: self.first_day,
            users: self.users,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Ndjson,
    Parquet,
}

pub(crate) fn default_threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn parse_count(text: &str) -> Result<u64, String> {
    let plain = text.replace('_', "");
    if let Ok(count) = plain.parse() {
        return Ok(count);
    }
    match plain.parse::<f64>() {
        Ok(count) if count >= 0.0 && count.fract() == 0.0 && count < 1e15 => Ok(count as u64),
        _ => Err("expected a whole number such as 2000000, 2_000_000 or 2e6".to_owned()),
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let generator = options.events.generator();
    let started = Instant::now();
    let to_stdout = options.out.as_os_str() == "-";
    match options.format {
        Format::Ndjson if to_stdout => {
            let written = generator.write_ndjson(&mut std::io::stdout().lock(), options.threads);
            match written {
                // Whoever listened has heard enough, as `head` does.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                written => written.context("cannot write to standard output")?,
            };
        }
        Format::Ndjson => write_ndjson(&generator, options)?,
        Format::Parquet => {
            anyhow::ensure!(!to_stdout, "parquet needs a file: give --out a path");
            write_parquet(&generator, options)?;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{} events in {seconds:.1} s, {:.0} a second",
        options.events.events,
        options.events.events as f64 / seconds
    );
    Ok(())
}

fn write_ndjson(generator: &EventGenerator, options: &Options) -> Result<()> {
    let failed = || format!("cannot write {}", options.out.display());
    let mut file = File::create(&options.out).with_context(failed)?;
    generator.write_ndjson(&mut file, options.threads).with_context(failed)?;
    Ok(())
}

fn write_parquet(generator: &EventGenerator, options: &Options) -> Result<()> {
    let failed = || format!("cannot write {}", options.out.display());
    let mut file = BufWriter::new(File::create(&options.out).with_context(failed)?);
    let schema = schema();
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer =
        ArrowWriter::try_new(&mut file, Arc::clone(&schema), Some(properties)).with_context(failed)?;
    let mut events = generator.events();
    loop {
        let batch: Vec<Event<'static>> = events.by_ref().take(BATCH_ROWS).collect();
        if batch.is_empty() {
            break;
        }
        writer.write(&record_batch(&schema, &batch)?).with_context(failed)?;
    }
    writer.close().with_context(failed)?;
    file.flush().with_context(failed)
}

/// The ids under the names they have in JSON, then one column for each property.
fn schema() -> SchemaRef {
    let text = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
    let mut fields: Vec<FieldRef> = vec![
        Arc::new(Field::new("event", DataType::Utf8, false)),
        Arc::new(Field::new("time", columns::timestamp_type(), false)),
        Arc::new(Field::new("distinct_id", DataType::Utf8, false)),
        text("$device_id"),
        text("$user_id"),
        text("$insert_id"),
    ];
    for (name, shape) in PROPERTIES {
        let data_type = match shape {
            PropertyShape::Text | PropertyShape::Date | PropertyShape::Object | PropertyShape::Mixed => {
                DataType::Utf8
            }
            PropertyShape::Int => DataType::Int64,
            PropertyShape::Float => DataType::Float64,
            PropertyShape::Bool => DataType::Boolean,
            PropertyShape::Texts => DataType::new_list(DataType::Utf8, true),
            PropertyShape::Ints => DataType::new_list(DataType::Int64, true),
        };
        fields.push(Arc::new(Field::new(*name, data_type, true)));
    }
    Arc::new(Schema::new(fields))
}

fn record_batch(schema: &SchemaRef, events: &[Event<'static>]) -> Result<RecordBatch> {
    let text = |value: for<'e> fn(&'e Event<'static>) -> Option<&'e str>| -> ArrayRef {
        let mut column = StringBuilder::new();
        for event in events {
            column.append_option(value(event));
        }
        Arc::new(column.finish())
    };
    let mut time = TimestampMillisecondBuilder::new().with_data_type(columns::timestamp_type());
    for event in events {
        time.append_value(event.time.millis());
    }
    let mut arrays: Vec<ArrayRef> = vec![
        text(|event| Some(&event.name)),
        Arc::new(time.finish()),
        text(|event| Some(&event.distinct_id)),
        text(|event| event.device_id.as_deref()),
        text(|event| event.user_id.as_deref()),
        text(|event| event.insert_id.as_deref()),
    ];
    for (name, shape) in PROPERTIES {
        let values = events.iter().map(|event| event.property(name));
        arrays.push(property_column(*shape, values));
    }
    RecordBatch::try_new(Arc::clone(schema), arrays).context("cannot build a batch of events")
}

/// A column of one property's values; null where there is none.
fn property_column<'e>(
    shape: PropertyShape,
    values: impl Iterator<Item = Option<&'e PropertyValue<'static>>>,
) -> ArrayRef {
    let set = values.map(|value| value.filter(|value| !matches!(value, PropertyValue::Null)));
    match shape {
        PropertyShape::Text | PropertyShape::Date => {
            let mut column = StringBuilder::new();
            set.for_each(|value| column.append_option(value.and_then(PropertyValue::as_str)));
            Arc::new(column.finish())
        }
        PropertyShape::Object | PropertyShape::Mixed => {
            let mut column = StringBuilder::new();
            set.for_each(|value| column.append_option(value.map(ToString::to_string)));
            Arc::new(column.finish())
        }
        PropertyShape::Int => {
            let mut column = Int64Builder::new();
            set.for_each(|value| column.append_option(value.and_then(integer)));
            Arc::new(column.finish())
        }
        PropertyShape::Float => {
            let mut column = Float64Builder::new();
            set.for_each(|value| column.append_option(value.and_then(PropertyValue::as_f64)));
            Arc::new(column.finish())
        }
        PropertyShape::Bool => {
            let mut column = BooleanBuilder::new();
            set.for_each(|value| {
                column.append_option(match value {
                    Some(PropertyValue::Bool(value)) => Some(*value),
                    _ => None,
                });
            });
            Arc::new(column.finish())
        }
        PropertyShape::Texts => {
            let mut column = ListBuilder::new(StringBuilder::new());
            set.for_each(|value| {
                let items = items(value);
                items.into_iter().flatten().for_each(|item| column.values().append_option(item.as_str()));
                column.append(items.is_some());
            });
            Arc::new(column.finish())
        }
        PropertyShape::Ints => {
            let mut column = ListBuilder::new(Int64Builder::new());
            set.for_each(|value| {
                let items = items(value);
                items.into_iter().flatten().for_each(|item| column.values().append_option(integer(item)));
                column.append(items.is_some());
            });
            Arc::new(column.finish())
        }
    }
}

fn integer(value: &PropertyValue<'_>) -> Option<i64> {
    match value {
        PropertyValue::Int(value) => Some(*value),
        _ => None,
    }
}

fn items<'e>(value: Option<&'e PropertyValue<'static>>) -> Option<&'e [PropertyValue<'static>]> {
    match value {
        Some(PropertyValue::List(items)) => Some(items),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    #[test]
    fn counts_may_be_written_for_people() {
        assert_eq!(parse_count("2e6"), Ok(2_000_000));
        assert_eq!(parse_count("2_000_000"), Ok(2_000_000));
        assert!(parse_count("2.5").is_err() && parse_count("-1").is_err() && parse_count("many").is_err());
    }

    #[test]
    fn a_batch_holds_every_value() {
        let options =
            EventOptions { events: 3_000, days: 2, first_day: Day::from_days(19_723), seed: 1, users: None };
        let events: Vec<Event<'static>> = options.generator().events().collect();
        let batch = record_batch(&schema(), &events).unwrap();
        assert_eq!(batch.num_rows(), 3_000);
        for (name, _) in PROPERTIES {
            let sent = events
                .iter()
                .filter(|event| {
                    event.property(name).is_some_and(|value| !matches!(value, PropertyValue::Null))
                })
                .count();
            let column = batch.column_by_name(name).unwrap();
            assert_eq!(column.len() - column.null_count(), sent, "{name}");
        }
    }

    #[test]
    fn a_parquet_file_has_all_events() {
        let path = std::env::temp_dir().join(format!("tallymark-benches-{}.parquet", std::process::id()));
        let options = Options {
            events: EventOptions {
                events: 100,
                days: 2,
                first_day: Day::from_days(19_723),
                seed: 1,
                users: None,
            },
            format: Format::Parquet,
            out: path.clone(),
            threads: NonZeroUsize::MIN,
        };
        run(&options).unwrap();
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap().build().unwrap();
        let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(rows, 100);
    }
}
