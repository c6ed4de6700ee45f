//! Lines of NDJSON → events → columns.

use std::hint::black_box;

use arrow::buffer::Buffer;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tallymark_event::{Event, Timestamp};
use tallymark_ingest::{BatchBuilder, ParseOptions, Record, Scratch, parse_record_into};
use tallymark_testkit::{EventGenerator, GeneratorConfig};
use tallymark_users::IdentitySystem;

const EVENTS: u64 = 20_000;

fn text() -> Vec<u8> {
    let generator = EventGenerator::new(GeneratorConfig { events: EVENTS, ..GeneratorConfig::default() });
    let mut text = Vec::new();
    generator.write_ndjson(&mut text, std::num::NonZeroUsize::MIN).unwrap();
    text
}

fn options() -> ParseOptions {
    ParseOptions::new(Timestamp::from_millis(1_800_000_000_000))
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// A record's text to an event that points into it.
#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    let (text, options) = (text(), options());
    bencher.counter(ItemsCount::new(EVENTS)).counter(BytesCount::new(text.len())).bench_local(|| {
        let mut scratch = Scratch::default();
        for line in lines(&text) {
            let Ok(Record::Event(event)) = parse_record_into(&mut scratch, line, &options) else {
                unreachable!("generated lines are events")
            };
            scratch.recycle(black_box(event));
        }
    });
}

/// Parsed events to the columns of a batch.
#[divan::bench]
fn batch(bencher: Bencher<'_, '_>) {
    let (text, options) = (text(), options());
    // The events point into the text, and so does the batch.
    let buffer = Buffer::from_vec(text);
    let events: Vec<Event<'_>> = lines(&buffer)
        .map(|line| match parse_record_into(&mut Scratch::default(), line, &options) {
            Ok(Record::Event(event)) => event,
            _ => unreachable!("generated lines are events"),
        })
        .collect();
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let mut builder = BatchBuilder::new(buffer.clone(), options.received_at, IdentitySystem::Simplified);
        for event in &events {
            builder.push_event(event);
        }
        builder.finish().events()
    });
}
