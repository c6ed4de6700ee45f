//! Texts that occur often, each kept once.

use std::collections::HashMap;
use std::sync::Arc;

/// Texts by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    by_number: Vec<Arc<str>>,
    bytes: usize,
}

impl Texts {
    /// The number of a text.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.by_number.len() as u32;
        let text: Arc<str> = text.into();
        self.bytes += text.len();
        self.by_number.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// The text of a number given out by [`Self::number`].
    pub(super) fn text(&self, number: u32) -> &str {
        &self.by_number[number as usize]
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        // A text has two counters, a pointer in the list, and a pointer and number in the map.
        self.bytes + self.by_number.capacity() * 32 + self.numbers.capacity() * 32
    }
}
