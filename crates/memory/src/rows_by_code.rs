//! The rows of each code of a column, so that who wants those of a few need not look at all.

use std::ops::Range;

/// Rows of a block: their numbers within it take two bytes.
const BLOCK_ROWS: usize = 1 << 16;
/// How many codes of one byte there are.
const CODES: usize = 1 << 8;

/// For each event name of a segment, by its code, the rows that have it: two bytes a row.
#[derive(Debug)]
pub struct RowsByCode {
    /// Block after block and code after code, the rows, ascending, counted from the block's first.
    rows: Vec<u16>,
    /// Where those of each code of each block begin among `rows`, and at last where all end.
    starts: Vec<u32>,
    /// How many codes there are.
    code_count: usize,
    /// How many rows each code has.
    counts: Vec<u32>,
}

impl RowsByCode {
    /// `codes` are those of all rows, each less than `code_count`; there are at most `u32::MAX` rows.
    pub(crate) fn new(codes: &[u8], code_count: usize) -> Self {
        let code_count = code_count.min(CODES);
        let mut all = Self {
            rows: vec![0; codes.len()],
            starts: Vec::with_capacity(codes.len().div_ceil(BLOCK_ROWS) * code_count + 1),
            code_count,
            counts: vec![0; code_count],
        };
        for (block, codes) in codes.chunks(BLOCK_ROWS).enumerate() {
            let mut counts = [0u32; CODES];
            for code in codes {
                counts[usize::from(*code)] += 1;
            }
            let mut next = [0u32; CODES];
            let mut start = (block * BLOCK_ROWS) as u32;
            for code in 0..code_count {
                all.starts.push(start);
                all.counts[code] += counts[code];
                next[code] = start;
                start += counts[code];
            }
            for (row, code) in codes.iter().enumerate() {
                let place = &mut next[usize::from(*code)];
                all.rows[*place as usize] = row as u16;
                *place += 1;
            }
        }
        all.starts.push(codes.len() as u32);
        all
    }

    /// How many bytes it takes for so many rows, about.
    pub(crate) fn bytes_of(rows: usize) -> usize {
        rows * size_of::<u16>()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<u16>()
            + (self.starts.capacity() + self.counts.capacity()) * size_of::<u32>()
    }

    /// How many rows have a code; none have one that there is not.
    pub fn count(&self, code: u8) -> usize {
        self.counts.get(usize::from(code)).map_or(0, |count| *count as usize)
    }

    /// Those of a range of rows that have a code, ascending: pieces of rows, each counted from the
    /// number that comes with it.
    pub fn within(&self, code: u8, range: Range<usize>) -> impl Iterator<Item = (u32, &[u16])> {
        let code = usize::from(code);
        let blocks = if code < self.code_count && range.start < range.end {
            range.start / BLOCK_ROWS..range.end.div_ceil(BLOCK_ROWS)
        } else {
            0..0
        };
        blocks.map(move |block| {
            let first = block * BLOCK_ROWS;
            let at = block * self.code_count + code;
            let mut rows = &self.rows[self.starts[at] as usize..self.starts[at + 1] as usize];
            if range.start > first {
                rows = &rows[rows.partition_point(|row| first + usize::from(*row) < range.start)..];
            }
            if range.end < first + BLOCK_ROWS {
                rows = &rows[..rows.partition_point(|row| first + usize::from(*row) < range.end)];
            }
            (first as u32, rows)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_code_are_those_that_have_it() {
        let codes: Vec<u8> = (0..200_000u64).map(|row| (row * row % 1_009 % 7) as u8).collect();
        let known = RowsByCode::new(&codes, 9);
        for code in 0..=9 {
            let expected: Vec<usize> = (0..codes.len()).filter(|row| codes[*row] == code).collect();
            assert_eq!(known.count(code), expected.len());
            for range in [0..200_000, 0..1, 5..5, 65_535..65_537, 70_000..131_072, 1_000..199_999] {
                let found: Vec<usize> = known
                    .within(code, range.clone())
                    .flat_map(|(first, rows)| rows.iter().map(move |row| first as usize + usize::from(*row)))
                    .collect();
                let expected: Vec<usize> =
                    expected.iter().copied().filter(|row| range.contains(row)).collect();
                assert_eq!(found, expected, "{code} {range:?}");
            }
        }
        let all = RowsByCode::new(&(0..=u8::MAX).collect::<Vec<_>>(), 256);
        assert_eq!(all.within(255, 0..256).map(|(_, rows)| rows).collect::<Vec<_>>(), [[255]]);
        assert_eq!(RowsByCode::new(&[], 0).within(0, 0..0).count(), 0);
    }
}
