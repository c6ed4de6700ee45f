//! What is said about a record that is refused.

use std::fmt;

use crate::RecordText;

/// Bytes kept of a record that was too long to be read.
pub const OVERLONG_RAW_BYTES: usize = 4 << 10;

/// Why one record is refused: the first problem found in it (N-25).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// Where: `event`, `properties.time`, `properties.cart`; empty where the record as a whole is
    /// at fault, such as text that is not JSON (N-26).
    pub field: String,
    /// What was wrong, with the offending value (bounded), and what would be right.
    pub message: String,
}

impl RecordError {
    /// An error at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

impl std::error::Error for RecordError {}

/// A record that was refused: where it stood, why, and its text as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The record's number in its input, from 0.
    pub index: u64,
    /// The line it starts on, from 1; `None` for formats without lines.
    pub line: Option<u64>,
    /// Where it starts in the decompressed text; 0 for formats without text.
    pub byte_offset: u64,
    /// See [`RecordError::field`].
    pub field: String,
    /// See [`RecordError::message`].
    pub message: String,
    /// The record's text: all of it up to the record limit, else its first
    /// [`OVERLONG_RAW_BYTES`]. For Parquet the row as JSON.
    pub raw: Vec<u8>,
    /// Whether `raw` is only the beginning.
    pub raw_truncated: bool,
}

impl Rejection {
    /// The refusal of a framed record.
    pub fn new(record: &RecordText<'_>, error: RecordError) -> Self {
        Self {
            index: record.index,
            line: record.line,
            byte_offset: record.byte_offset,
            field: error.field,
            message: error.message,
            raw: record.text.to_vec(),
            raw_truncated: false,
        }
    }
}

impl fmt::Display for Rejection {
    /// `record 3 (line 4, byte 812): properties.time: …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}", self.index)?;
        match self.line {
            Some(line) => write!(f, " (line {line}, byte {}): ", self.byte_offset)?,
            None => f.write_str(": ")?,
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}
