//! A stream of text → blocks of whole records.

use std::io::Read;

use crate::{Rejection, Result};

/// How a stream is cut into blocks.
#[derive(Debug, Clone)]
pub struct FrameOptions {
    /// Roughly how many bytes a block holds; at least one record whatever its size.
    pub block_bytes: usize,
    /// The longest record; longer ones are skipped in bounded memory and reported.
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
    text: Vec<u8>,
    spans: Vec<Span>,
    rejections: Vec<Rejection>,
}

/// Where a record lies in its block and in its input.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    index: u64,
    line: u64,
    byte_offset: u64,
}

/// One record's text and where it stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordText<'a> {
    /// The text, without blanks around it.
    pub text: &'a [u8],
    /// The record's number in its input, from 0.
    pub index: u64,
    /// The line it starts on, from 1.
    pub line: Option<u64>,
    /// Where it starts in the decompressed text.
    pub byte_offset: u64,
}

impl Block {
    /// The records, in order of index.
    pub fn records(&self) -> impl ExactSizeIterator<Item = RecordText<'_>> + '_ {
        self.spans.iter().map(|span| RecordText {
            text: &self.text[span.start..span.end],
            index: span.index,
            line: Some(span.line),
            byte_offset: span.byte_offset,
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

    /// How many bytes of text the block holds.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

/// Cuts a stream of JSON text into [`Block`]s.
#[derive(Debug)]
pub struct BlockReader<R> {
    name: String,
    reader: R,
    options: FrameOptions,
}

impl<R: Read> BlockReader<R> {
    /// A reader of decompressed text; `name` says in errors which input it is.
    pub fn new(name: impl Into<String>, reader: R, options: FrameOptions) -> Self {
        Self { name: name.into(), reader, options }
    }

    /// The next block; `None` at the end. Never an empty block: it holds records or rejections.
    ///
    /// # Errors
    /// When the stream cannot be read on. Everything before that point was delivered first.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        let _ = (&self.name, &mut self.reader, &self.options);
        unimplemented!()
    }
}
