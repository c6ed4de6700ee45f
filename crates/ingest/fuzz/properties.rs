//! What holds for any input at all: shared by the fuzz targets and the test that runs their corpus.

use std::io::{Cursor, Read};
use std::sync::Arc;

use tallymark_event::{Event, Timestamp};
use tallymark_ingest::{
    BlockReader, ColumnMapping, FrameOptions, Input, InputKind, Limits, NAME_CHARS_MAX, ParseOptions, Record,
    WireForm, expand, parse_record,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_100_000);

/// Parses `data` as one record, under every form and both limits.
///
/// # Panics
/// When an accepted event does not keep to the rules, or comes back different from its own JSON.
pub fn parse(data: &[u8]) {
    for form in [WireForm::Lenient, WireForm::Track, WireForm::Import] {
        for limits in [Limits::relaxed(), Limits::mixpanel()] {
            let options = ParseOptions { form, limits, ..ParseOptions::new(NOW) };
            match parse_record(data, &options) {
                Ok(Record::Event(event) | Record::EventAndProfile(event, _)) => check_event(&event, &options),
                Ok(Record::Ignored | Record::Profile(_)) => {}
                Err(error) => assert!(!error.message.is_empty() && error.message.len() < 2_000, "{error}"),
            }
        }
    }
}

fn check_event(event: &Event<'_>, options: &ParseOptions) {
    assert!(!event.name.is_empty() && event.name.chars().count() <= NAME_CHARS_MAX);
    assert!(event.time <= options.received_at);
    assert_ne!(event.insert_id.as_deref(), Some(""));
    for (at, (name, value)) in event.properties.iter().enumerate() {
        assert!(name.chars().count() <= NAME_CHARS_MAX);
        assert!(event.properties[..at].iter().all(|(earlier, _)| earlier != name), "{name} is repeated");
        assert!(value.depth() <= options.limits.depth_max);
        let lenient = ParseOptions::new(NOW);
        let text = format!(r#"{{"event":"E","time":1700000000,"properties":{{"x":{value}}}}}"#);
        match parse_record(text.as_bytes(), &lenient) {
            Ok(Record::Event(read)) => assert_eq!(read.property("x"), Some(value), "{text}"),
            // Spelled out it may take more room than it did.
            other => assert!(text.len() > lenient.limits.record_bytes_max, "{text}: {other:?}"),
        }
    }
}

/// Frames `data` whole and in small pieces.
///
/// # Panics
/// When pieces give other records than the whole, or a record does not stand where it is said to.
pub fn frame(data: &[u8]) {
    let record_bytes_max = 48;
    let whole =
        collect(BlockReader::new("whole", data, FrameOptions { block_bytes: 1 << 20, record_bytes_max }));
    let pieces = Pieces { data, turn: 0 };
    let cut = collect(BlockReader::new("cut", pieces, FrameOptions { block_bytes: 16, record_bytes_max }));
    assert_eq!(whole, cut);
    for (index, framed) in whole.iter().enumerate() {
        assert_eq!(framed.index, index as u64);
        assert!(data[framed.byte_offset as usize..].starts_with(&framed.text));
    }
}

/// Reads `data` as an input of unknown kind, as a table if it is one.
///
/// # Panics
/// When the rows of a table are not numbered through.
pub fn read(data: &[u8]) {
    let Ok(found) = expand([Input::from_reader("fuzz.csv", Cursor::new(data.to_vec()))]) else { return };
    let file = &found.files[0];
    match file.kind() {
        InputKind::Json => {
            if let Ok(reader) = file.open(Arc::default()) {
                collect(BlockReader::new("fuzz", reader, FrameOptions::default()));
            }
        }
        InputKind::Csv | InputKind::Parquet => {
            let (mut rows, mapping) =
                (0, ColumnMapping { event_name: Some("E".to_owned()), ..ColumnMapping::default() });
            let _ = file.read_rows(&mapping, &ParseOptions::new(NOW), Arc::default(), &mut |row| {
                if let Err(rejection) = row {
                    assert_eq!(rejection.index, rows);
                }
                rows += 1;
                true
            });
        }
    }
}

#[derive(Debug, PartialEq)]
struct Framed {
    index: u64,
    line: Option<u64>,
    byte_offset: u64,
    text: Vec<u8>,
    refused: bool,
}

fn collect(mut blocks: BlockReader<impl Read>) -> Vec<Framed> {
    let mut all = Vec::new();
    // An encoding that is not read is an error, and the same one however it is cut.
    while let Ok(Some(block)) = blocks.next_block() {
        all.extend(block.records().map(|record| Framed {
            index: record.index,
            line: record.line,
            byte_offset: record.byte_offset,
            text: record.text.to_vec(),
            refused: false,
        }));
        all.extend(block.rejections().iter().map(|rejection| Framed {
            index: rejection.index,
            line: rejection.line,
            byte_offset: rejection.byte_offset,
            text: rejection.raw.clone(),
            refused: true,
        }));
    }
    all.sort_by_key(|framed| framed.index);
    all
}

/// Gives one to seven bytes at a time.
struct Pieces<'d> {
    data: &'d [u8],
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.turn += 1;
        let size = (1 + self.turn % 7).min(buffer.len()).min(self.data.len());
        buffer[..size].copy_from_slice(&self.data[..size]);
        self.data = &self.data[size..];
        Ok(size)
    }
}
