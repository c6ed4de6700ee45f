//! Records found by their braces, wherever lines end.

use super::{Cursor, End, Found, Place, Skipped, is_blank};
use crate::Rejection;

/// State between buffers.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Arrays open around the records.
    arrays: u64,
    /// Where the outermost of them was opened.
    opened: Place,
    record: Option<Open>,
    /// Up to where the buffer is scanned.
    scanned: usize,
}

/// A record whose end is not found yet.
#[derive(Debug)]
struct Open {
    /// Where it starts in the buffer; 0 once its beginning was dropped.
    start: usize,
    place: Place,
    inside: Inside,
    /// What is kept of it, if it is too long.
    skipped: Option<Skipped>,
}

/// What the scanner is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// An object with this many levels of braces and brackets open.
    Object { depth: u64 },
    /// A string, in an object or (depth 0) on its own.
    String { depth: u64 },
    /// The same, right after a backslash.
    Escape { depth: u64 },
    /// Anything else: up to the next blank, comma, brace, bracket or quote.
    Word,
}

impl Stream {
    /// Finds the records that end in `buffer`.
    pub(super) fn scan(&mut self, buffer: &[u8], cursor: &mut Cursor, end: End, bytes_max: usize) -> Found {
        let mut found = Found::default();
        let mut at = self.scanned;
        while at < buffer.len() {
            match &mut self.record {
                None => at = self.between(buffer, at, cursor),
                Some(open) => {
                    let (next, ended) = open.inside.scan(buffer, at);
                    at = next;
                    if ended && let Some(open) = self.record.take() {
                        open.end(buffer, at, bytes_max, &mut found);
                    }
                }
            }
        }
        if end == End::Whole {
            self.end(buffer, cursor, bytes_max, &mut found);
        }
        found.consumed = match &mut self.record {
            Some(open) if end == End::NotYet => open.keep(buffer, bytes_max),
            _ => buffer.len(),
        };
        self.scanned = buffer.len() - found.consumed;
        found
    }

    /// Between records, at byte `at`: gives where to go on.
    fn between(&mut self, buffer: &[u8], at: usize, cursor: &mut Cursor) -> usize {
        let inside = match buffer[at] {
            b',' => return at + 1,
            byte if is_blank(byte) => return at + 1,
            b'[' => {
                if self.arrays == 0 {
                    self.opened = cursor.locate(buffer, at);
                }
                self.arrays += 1;
                return at + 1;
            }
            b']' if self.arrays > 0 => {
                self.arrays -= 1;
                return at + 1;
            }
            b'{' => Inside::Object { depth: 1 },
            b'"' => Inside::String { depth: 0 },
            _ => Inside::Word,
        };
        self.record = Some(Open { start: at, place: cursor.place(buffer, at), inside, skipped: None });
        at + 1
    }

    /// The text is over: what is open ends here.
    fn end(&mut self, buffer: &[u8], cursor: &mut Cursor, bytes_max: usize, found: &mut Found) {
        if let Some(open) = self.record.take() {
            // Parsing says what is missing; a word may just as well be whole.
            let whole = open.inside == Inside::Word;
            open.end(buffer, buffer.len(), bytes_max, found);
            if !whole {
                return;
            }
        }
        if self.arrays > 0 {
            let place = cursor.place(buffer, buffer.len());
            found.rejections.push(Rejection {
                index: place.index,
                line: Some(place.line),
                byte_offset: place.byte_offset,
                field: String::new(),
                message: format!(
                    "the input ends inside the list that starts on line {} (byte {}); a ']' is missing, and perhaps \
                     records before it",
                    self.opened.line, self.opened.byte_offset
                ),
                raw: Vec::new(),
                raw_truncated: false,
            });
        }
    }
}

impl Open {
    /// The record ends before byte `end` of `buffer`.
    fn end(self, buffer: &[u8], end: usize, bytes_max: usize, found: &mut Found) {
        match self.skipped {
            Some(mut skipped) => {
                skipped.add(&buffer[self.start..end]);
                found.rejections.push(skipped.rejection(bytes_max));
            }
            None if end - self.start > bytes_max => {
                found.record(buffer, (self.start, end), self.place, bytes_max);
            }
            None => {
                // Blanks at the end of a cut-off record are not part of it.
                let kept = buffer[self.start..end]
                    .iter()
                    .rposition(|&byte| !is_blank(byte))
                    .map_or(0, |last| last + 1);
                found.record(buffer, (self.start, self.start + kept), self.place, bytes_max);
            }
        }
    }

    /// Keeps the unfinished record for the next buffer, unless it is too long already; gives how
    /// much of the buffer is done with.
    fn keep(&mut self, buffer: &[u8], bytes_max: usize) -> usize {
        if self.skipped.is_none() && buffer.len() - self.start <= bytes_max {
            return std::mem::take(&mut self.start);
        }
        let place = self.place;
        self.skipped.get_or_insert_with(|| Skipped::new(place)).add(&buffer[self.start..]);
        self.start = 0;
        buffer.len()
    }
}

impl Inside {
    /// Scans on from byte `at`: gives where it stopped, and whether the record ended there.
    fn scan(&mut self, buffer: &[u8], at: usize) -> (usize, bool) {
        let rest = &buffer[at..];
        match *self {
            Self::Object { depth } => match rest.iter().position(|&byte| is_structural(byte)) {
                None => (buffer.len(), false),
                Some(found) => {
                    let next = at + found + 1;
                    match rest[found] {
                        b'"' => *self = Self::String { depth },
                        b'{' | b'[' => *self = Self::Object { depth: depth + 1 },
                        _ if depth == 1 => return (next, true),
                        _ => *self = Self::Object { depth: depth - 1 },
                    }
                    (next, false)
                }
            },
            Self::String { depth } => match memchr::memchr2(b'"', b'\\', rest) {
                None => (buffer.len(), false),
                Some(found) if rest[found] == b'\\' => {
                    *self = Self::Escape { depth };
                    (at + found + 1, false)
                }
                Some(found) if depth == 0 => (at + found + 1, true),
                Some(found) => {
                    *self = Self::Object { depth };
                    (at + found + 1, false)
                }
            },
            Self::Escape { depth } => {
                *self = Self::String { depth };
                (at + 1, false)
            }
            Self::Word => {
                match rest.iter().position(|&byte| is_blank(byte) || byte == b',' || is_structural(byte)) {
                    None => (buffer.len(), false),
                    Some(found) => (at + found, true),
                }
            }
        }
    }
}

fn is_structural(byte: u8) -> bool {
    matches!(byte, b'{' | b'}' | b'[' | b']' | b'"')
}
