//! A stream of text → blocks of whole records.
//!
//! Two ways to tell where a record ends, chosen by content:
//!
//! - **Lines** (NDJSON): a record a line. Whatever is wrong with one line, the next is unharmed.
//! - **Stream**: arrays of records (nested or several after one another), pretty-printed or
//!   concatenated objects. Records are found by their braces and strings; commas and blanks
//!   between them are not insisted on; anything else there is a record of its own, which parsing
//!   then refuses.
//!
//! Tables have a third one (`rows.rs`): a row is a line, but for line ends inside quoted fields.
//!
//! Text that starts with `[` is a stream; text that starts with `{` is lines if its first line, or at
//! least half of its first lines, are one whole object each, else a stream; all other text is lines.
//!
//! A byte order mark is skipped. Blank lines are no records. A record that is too long is skipped
//! in bounded memory and reported, and so is an array that never ends. What a stream holds at one
//! time is a block and one record.

mod lines;
mod rows;
mod sniff;
mod stream;
#[cfg(test)]
mod tests;

use std::io::Read;

use arrow::buffer::Buffer;

use crate::parse::too_long;
use crate::{Error, OVERLONG_RAW_BYTES, Rejection, Result};

pub(crate) use sniff::{byte_order_mark, other_encoding};

/// How a stream is cut into blocks.
#[derive(Debug, Clone)]
pub struct FrameOptions {
    /// Roughly how many bytes a block holds.
    pub block_bytes: usize,
    /// The longest record; longer ones are skipped in bounded memory and reported. A line's
    /// length counts blanks after the record, not before it.
    pub record_bytes_max: usize,
}

impl Default for FrameOptions {
    /// Blocks of 4 MiB, records up to 1 MiB.
    fn default() -> Self {
        Self { block_bytes: 4 << 20, record_bytes_max: 1 << 20 }
    }
}

/// Some whole records of a stream, in order.
#[derive(Debug, Default)]
pub struct Block {
    /// The text the records point into.
    text: Buffer,
    spans: Vec<Span>,
    rejections: Vec<Rejection>,
}

/// Where a record lies in its block and in its input.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    place: Place,
}

/// Where a record starts in its input.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    index: u64,
    line: u64,
    byte_offset: u64,
}

/// One record's text and where it stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordText<'a> {
    /// The text, without blanks around it.
    pub text: &'a [u8],
    /// The record's number in its input, from 0. Refused records are counted too.
    pub index: u64,
    /// The line it starts on, from 1; `None` for formats without lines.
    pub line: Option<u64>,
    /// Where it starts in the decompressed text.
    pub byte_offset: u64,
}

impl Block {
    /// The records, in order of index.
    pub fn records(&self) -> impl ExactSizeIterator<Item = RecordText<'_>> + '_ {
        self.spans.iter().map(|span| RecordText {
            text: &self.text[span.start..span.end],
            index: span.place.index,
            line: Some(span.place.line),
            byte_offset: span.place.byte_offset,
        })
    }

    /// What was refused before it could be parsed, in order of index.
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    /// [`Block::rejections`], moved out.
    pub fn take_rejections(&mut self) -> Vec<Rejection> {
        std::mem::take(&mut self.rejections)
    }

    /// The text all records point into, shared: columns built from them keep it.
    pub fn text(&self) -> &Buffer {
        &self.text
    }
}

/// Cuts a stream of JSON text into [`Block`]s.
///
/// ```
/// use tallymark_ingest::{BlockReader, FrameOptions};
///
/// let text: &[u8] = b"[{\"event\":\"a\"},\n {\"event\":\"b\"}]";
/// let mut blocks = BlockReader::new("example", text, FrameOptions::default());
/// let block = blocks.next_block()?.unwrap();
/// let lines: Vec<_> = block.records().map(|record| record.line).collect();
/// assert_eq!(lines, [Some(1), Some(2)]);
/// # Ok::<(), tallymark_ingest::Error>(())
/// ```
#[derive(Debug)]
pub struct BlockReader<R> {
    name: String,
    reader: R,
    options: FrameOptions,
    form: TextForm,
    /// Text read and not yet handed out; what is scanned of it is the framer's business.
    buffer: Vec<u8>,
    framer: Option<Framer>,
    cursor: Cursor,
    at_end: bool,
    /// Why reading stopped, kept until what was read before is handed out.
    failure: Option<Error>,
    delimiter: u8,
}

/// Where the start of the buffer stands in the input.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    byte_offset: u64,
    /// The line of byte `counted_to` of the buffer.
    line: u64,
    counted_to: usize,
    /// The index of the next record.
    index: u64,
}

impl Cursor {
    /// Where byte `at` of `buffer` stands, which is not before any byte asked for earlier.
    fn locate(&mut self, buffer: &[u8], at: usize) -> Place {
        self.count_lines(buffer, at);
        Place { index: self.index, line: self.line, byte_offset: self.byte_offset + at as u64 }
    }

    /// The same for the start of a record, which gets the next index.
    fn place(&mut self, buffer: &[u8], start: usize) -> Place {
        let place = self.locate(buffer, start);
        self.index += 1;
        place
    }

    /// A line that starts at byte `start` of the buffer is next, all before it counted.
    fn next_line(&mut self, start: usize) {
        self.line += 1;
        self.counted_to = start;
    }

    fn count_lines(&mut self, buffer: &[u8], to: usize) {
        self.line += memchr::memchr_iter(b'\n', &buffer[self.counted_to..to]).count() as u64;
        self.counted_to = to;
    }

    /// Accounts for the removal of the first `bytes` bytes of `buffer`.
    fn advance(&mut self, buffer: &[u8], bytes: usize) {
        if bytes > self.counted_to {
            self.count_lines(buffer, bytes);
        }
        self.byte_offset += bytes as u64;
        self.counted_to -= bytes;
    }
}

/// What kind of text is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextForm {
    Json,
    Csv,
}

#[derive(Debug)]
enum Framer {
    Lines(lines::Lines),
    Stream(stream::Stream),
    Rows(rows::Rows),
}

/// What a framer found in a buffer.
#[derive(Debug, Default)]
struct Found {
    spans: Vec<Span>,
    rejections: Vec<Rejection>,
    /// How much of the buffer is done with.
    consumed: usize,
}

impl Found {
    /// Takes the record at `start..end` of `buffer`, or refuses it if it is too long.
    fn record(&mut self, buffer: &[u8], (start, end): (usize, usize), place: Place, bytes_max: usize) {
        if end - start > bytes_max {
            let mut skipped = Skipped::new(place);
            skipped.add(&buffer[start..end]);
            self.rejections.push(skipped.rejection(bytes_max));
        } else {
            self.spans.push(Span { start, end, place });
        }
    }
}

/// A record that is too long: what is kept of it while the rest passes by.
#[derive(Debug, Default)]
struct Skipped {
    place: Place,
    raw: Vec<u8>,
    bytes: u64,
}

impl Skipped {
    fn new(place: Place) -> Self {
        Self { place, ..Self::default() }
    }

    fn add(&mut self, text: &[u8]) {
        let room = OVERLONG_RAW_BYTES.saturating_sub(self.raw.len()).min(text.len());
        self.raw.extend_from_slice(&text[..room]);
        self.bytes += text.len() as u64;
    }

    fn rejection(self, bytes_max: usize) -> Rejection {
        let error = too_long(self.bytes, bytes_max);
        Rejection {
            index: self.place.index,
            line: Some(self.place.line),
            byte_offset: self.place.byte_offset,
            field: error.field,
            message: error.message,
            raw_truncated: self.bytes > self.raw.len() as u64,
            raw: self.raw,
        }
    }
}

impl<R: Read> BlockReader<R> {
    /// A reader of decompressed text; `name` says in errors which input it is.
    pub fn new(name: impl Into<String>, reader: R, options: FrameOptions) -> Self {
        Self::with_form(name.into(), reader, options, TextForm::Json)
    }

    /// A reader of CSV text. Its header is a record like any other.
    pub(crate) fn rows(name: impl Into<String>, reader: R, options: FrameOptions) -> Self {
        Self::with_form(name.into(), reader, options, TextForm::Csv)
    }

    fn with_form(name: String, reader: R, options: FrameOptions, form: TextForm) -> Self {
        Self {
            name,
            reader,
            options,
            form,
            buffer: Vec::new(),
            framer: None,
            cursor: Cursor { byte_offset: 0, line: 1, counted_to: 0, index: 0 },
            at_end: false,
            failure: None,
            delimiter: b',',
        }
    }

    /// What separates the fields of rows, once the first block is read.
    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The next block; `None` at the end. Never an empty block: it holds records or rejections.
    ///
    /// # Errors
    /// [`Error::Read`] when the stream cannot be read on, [`Error::Encoding`] when it is not
    /// UTF-8 but UTF-16 or UTF-32. Every record that was whole before that point is handed out
    /// first; a record cut off by the failure is not.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        loop {
            if self.at_end && self.buffer.is_empty() && self.framer.is_none() {
                return self.failure.take().map_or(Ok(None), Err);
            }
            self.fill();
            let failed = self.failure.is_some();
            let Some(framer) = &mut self.framer else {
                self.choose_framer()?;
                continue;
            };
            let (cursor, options) = (&mut self.cursor, &self.options);
            let end = match (self.at_end, failed) {
                (false, _) => End::NotYet,
                (true, false) => End::Whole,
                (true, true) => End::CutOff,
            };
            let found = match framer {
                Framer::Lines(lines) => lines.scan(&self.buffer, cursor, end, options.record_bytes_max),
                Framer::Stream(stream) => stream.scan(&self.buffer, cursor, end, options.record_bytes_max),
                Framer::Rows(rows) => rows.scan(&self.buffer, cursor, end, options.record_bytes_max),
            };
            let block = self.hand_out(found);
            if self.at_end {
                self.buffer = Vec::new();
                self.framer = None;
            }
            if !block.spans.is_empty() || !block.rejections.is_empty() {
                return Ok(Some(block));
            }
        }
    }

    /// Reads until a block is there, the end, or a failure.
    fn fill(&mut self) {
        if self.at_end {
            return;
        }
        // How a text is framed must not depend on the size of blocks.
        let wanted = if self.framer.is_none() {
            self.options.block_bytes.max(sniff::LOOK_AHEAD_BYTES)
        } else {
            self.options.block_bytes.max(1)
        };
        self.buffer.reserve(wanted);
        match self.reader.by_ref().take(wanted as u64).read_to_end(&mut self.buffer) {
            Ok(read) => self.at_end = read < wanted,
            Err(source) => {
                self.at_end = true;
                self.failure = Some(Error::Read { name: self.name.clone(), source });
            }
        }
    }

    fn choose_framer(&mut self) -> Result<()> {
        let bom = byte_order_mark(&self.buffer);
        if let Some(encoding) = other_encoding(&self.buffer) {
            (self.at_end, self.failure) = (true, None);
            self.buffer = Vec::new();
            return Err(Error::Encoding { name: self.name.clone(), encoding });
        }
        let text = &self.buffer[bom..];
        let mode = sniff::mode(text, self.at_end);
        // Blanks are dropped until there is something to go by.
        let dropped = if mode.is_some() { bom } else { self.buffer.len() };
        self.cursor.advance(&self.buffer, dropped);
        self.buffer.drain(..dropped);
        self.framer = mode.map(|mode| match (self.form, mode) {
            (TextForm::Csv, _) => Framer::Rows(rows::Rows::new(&self.buffer)),
            (TextForm::Json, sniff::Mode::Lines) => Framer::Lines(lines::Lines::default()),
            (TextForm::Json, sniff::Mode::Stream) => Framer::Stream(stream::Stream::default()),
        });
        if let Some(Framer::Rows(rows)) = &self.framer {
            self.delimiter = rows.delimiter();
        }
        Ok(())
    }

    /// Moves what was found into a block, and keeps the unfinished rest.
    fn hand_out(&mut self, found: Found) -> Block {
        self.cursor.advance(&self.buffer, found.consumed);
        let rest = self.buffer.split_off(found.consumed);
        let text = std::mem::replace(&mut self.buffer, rest);
        // What was skipped needs no memory until the block is dropped.
        let text = if found.spans.is_empty() { Vec::new() } else { text };
        Block { text: Buffer::from_vec(text), spans: found.spans, rejections: found.rejections }
    }
}

/// Whether more text will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    /// The text ends with the buffer.
    Whole,
    /// Reading failed: what is unfinished is no record.
    CutOff,
}

/// The blanks of JSON.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
