//! A row a record: lines of CSV, where a quoted field may hold line ends.

use super::{Cursor, End, Found, Place, Skipped, is_blank};

/// Delimiters recognised, in order of preference.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// State between buffers.
#[derive(Debug)]
pub(super) struct Rows {
    delimiter: u8,
    field: Field,
    /// Where the row that is not over yet starts in the buffer.
    start: usize,
    /// Up to where the buffer is scanned.
    scanned: usize,
    skipped: Option<Skipped>,
}

/// Where in a row the scanner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// Before the first byte of a field.
    Start,
    Plain,
    Quoted,
    /// After a quote in a quoted field, which closes it unless another follows.
    AfterQuote,
}

impl Rows {
    /// For text that starts with its header.
    pub(super) fn new(text: &[u8]) -> Self {
        Self { delimiter: delimiter(text), field: Field::Start, start: 0, scanned: 0, skipped: None }
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Finds the rows that end in `buffer`.
    pub(super) fn scan(&mut self, buffer: &[u8], cursor: &mut Cursor, end: End, bytes_max: usize) -> Found {
        let mut found = Found::default();
        let mut at = self.scanned;
        while at < buffer.len() {
            let rest = &buffer[at..];
            let (next, field) = match self.field {
                Field::Quoted => match memchr::memchr(b'"', rest) {
                    Some(quote) => (at + quote + 1, Field::AfterQuote),
                    None => (buffer.len(), Field::Quoted),
                },
                Field::Start | Field::AfterQuote if rest[0] == b'"' => (at + 1, Field::Quoted),
                Field::Start | Field::AfterQuote | Field::Plain => {
                    match memchr::memchr2(self.delimiter, b'\n', rest) {
                        Some(stop) => {
                            if rest[stop] == b'\n' {
                                self.row(buffer, at + stop, cursor, bytes_max, &mut found);
                                self.start = at + stop + 1;
                            }
                            (at + stop + 1, Field::Start)
                        }
                        None => (buffer.len(), Field::Plain),
                    }
                }
            };
            (at, self.field) = (next, field);
        }
        if end == End::Whole {
            self.row(buffer, buffer.len(), cursor, bytes_max, &mut found);
            self.start = buffer.len();
        }
        found.consumed = self.start;
        if end == End::NotYet {
            found.consumed = self.pass_overlong(buffer, cursor, bytes_max);
        }
        self.scanned = buffer.len() - found.consumed;
        self.start = 0;
        found
    }

    /// Takes the row that ends before byte `end`.
    fn row(&mut self, buffer: &[u8], end: usize, cursor: &mut Cursor, bytes_max: usize, found: &mut Found) {
        let row = &buffer[self.start..end];
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        if let Some(mut skipped) = self.skipped.take() {
            skipped.add(row);
            found.rejections.push(skipped.rejection(bytes_max));
        } else if !row.iter().all(|&byte| is_blank(byte)) {
            let place = cursor.place(buffer, self.start);
            found.record(buffer, (self.start, self.start + row.len()), place, bytes_max);
        }
    }

    /// Drops what there is of an unfinished row that is already too long; gives how much of the
    /// buffer is done with.
    fn pass_overlong(&mut self, buffer: &[u8], cursor: &mut Cursor, bytes_max: usize) -> usize {
        // A final `\r` may turn out to belong to the row's end.
        let rest = &buffer[self.start..];
        let sure = rest.len() - usize::from(rest.ends_with(b"\r"));
        if self.skipped.is_none() && sure <= bytes_max {
            return self.start;
        }
        let place = match &self.skipped {
            Some(_) => Place::default(),
            None => cursor.place(buffer, self.start),
        };
        self.skipped.get_or_insert_with(|| Skipped::new(place)).add(&rest[..sure]);
        self.start + sure
    }
}

/// The delimiter a header has most of outside quotes; a comma if it has none.
fn delimiter(text: &[u8]) -> u8 {
    let mut counts = [0usize; DELIMITERS.len()];
    let mut in_quotes = false;
    for &byte in text {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\n' if !in_quotes => break,
            _ if in_quotes => {}
            _ => {
                if let Some(at) = DELIMITERS.iter().position(|&delimiter| delimiter == byte) {
                    counts[at] += 1;
                }
            }
        }
    }
    // Of equal counts the first one.
    let most = (0..DELIMITERS.len()).rev().max_by_key(|&at| counts[at]).unwrap_or(0);
    DELIMITERS[most]
}
