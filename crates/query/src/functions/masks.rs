//! Which conditions the rows of a batch meet, a bit each.

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::datatypes::UInt64Type;
use arrow::util::bit_iterator::BitIndexIterator;
use datafusion::common::Result;

use super::arguments::booleans;

/// A mask a row, kept between batches to be filled again.
#[derive(Debug, Clone, Default)]
pub(super) struct Masks {
    words: usize,
    bits: Vec<u64>,
}

/// How many words hold this many conditions.
pub(super) fn words_for(conditions: usize) -> usize {
    conditions.div_ceil(64).max(1)
}

/// The words of masks that are given in place of conditions.
fn as_masks(arrays: &[ArrayRef]) -> Option<Vec<&UInt64Array>> {
    let words: Option<Vec<_>> = arrays.iter().map(|array| array.as_primitive_opt::<UInt64Type>()).collect();
    words.filter(|words| !words.is_empty())
}

impl Masks {
    /// Reads the conditions of `rows` rows: bit `i` is set where `conditions[i]` is true; null
    /// counts as false.
    ///
    /// Who knows the masks already gives them in place of the conditions, a UInt64 array without
    /// nulls for each word.
    pub(super) fn fill(&mut self, conditions: &[ArrayRef], rows: usize) -> Result<()> {
        self.bits.clear();
        if let Some(words) = as_masks(conditions) {
            self.words = words.len();
            match &words[..] {
                [only] => self.bits.extend_from_slice(only.values()),
                _ => (0..rows).for_each(|row| self.bits.extend(words.iter().map(|word| word.value(row)))),
            }
            return Ok(());
        }
        self.words = words_for(conditions.len());
        self.bits.resize(rows * self.words, 0);
        for (index, condition) in conditions.iter().enumerate() {
            let condition = booleans(condition)?;
            let met = match condition.nulls() {
                Some(nulls) => condition.values() & nulls.inner(),
                None => condition.values().clone(),
            };
            let (word, bit) = (index / 64, 1_u64 << (index % 64));
            for row in BitIndexIterator::new(met.values(), met.offset(), met.len()) {
                self.bits[row * self.words + word] |= bit;
            }
        }
        Ok(())
    }

    /// The words of one row.
    #[inline]
    pub(super) fn row(&self, row: usize) -> &[u64] {
        &self.bits[row * self.words..(row + 1) * self.words]
    }

    /// The words of all rows.
    pub(super) fn all(&self) -> &[u64] {
        &self.bits
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        self.bits.capacity() * size_of::<u64>()
    }
}
