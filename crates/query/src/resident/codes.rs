//! Rows whose code is one of some.

use std::ops::Range;

use tallymark_memory::RowsByCode;

/// Rows looked at together: where none has a wanted code, they cost little.
const BLOCK: usize = 16;
/// Up to so many codes are compared with; more are looked up.
const FEW: usize = 4;
/// Of so many rows at most, one is wanted: else most blocks have one.
const RARE: usize = 32;
/// Rows that are looked at to know how rare wanted codes are.
const SAMPLE: usize = 1024;

/// Which codes of one byte are wanted.
#[derive(Debug, Clone)]
pub(crate) struct WantedCodes {
    /// All of them, some repeated, if there are few and their rows are rare.
    rare: Option<[u8; FEW]>,
    wanted: Box<[bool; 256]>,
}

impl WantedCodes {
    /// The codes of these places; `codes` are those of all rows, `known` the rows of each, if they are
    /// known.
    pub(crate) fn new(
        wanted: impl IntoIterator<Item = bool>,
        codes: &[u8],
        known: Option<&RowsByCode>,
    ) -> Self {
        let mut table = Box::new([false; 256]);
        table.iter_mut().zip(wanted).for_each(|(known, wanted)| *known = wanted);
        let chosen: Vec<u8> =
            (0..=u8::MAX).zip(&*table).filter(|(_, wanted)| **wanted).map(|(code, _)| code).collect();
        let is_rare = || {
            if let Some(known) = known {
                let wanted: usize = chosen.iter().map(|code| known.count(*code)).sum();
                return wanted * RARE <= codes.len();
            }
            let sample = codes.iter().step_by(codes.len() / SAMPLE + 1);
            let wanted = sample.clone().filter(|code| table[usize::from(**code)]).count();
            wanted * RARE <= sample.count()
        };
        let rare = chosen.first().filter(|_| chosen.len() <= FEW && is_rare()).map(|first| {
            let mut rare = [*first; FEW];
            rare.iter_mut().zip(&chosen).for_each(|(known, code)| *known = *code);
            rare
        });
        Self { rare, wanted: table }
    }

    /// Calls `each` with the places of wanted codes and those codes, in order.
    pub(crate) fn find(&self, codes: &[u8], mut each: impl FnMut(usize, u8)) {
        let mut look = |from: usize, codes: &[u8]| {
            for (at, code) in (from..).zip(codes) {
                if self.wanted[usize::from(*code)] {
                    each(at, *code);
                }
            }
        };
        let Some([a, b, c, d]) = self.rare else {
            look(0, codes);
            return;
        };
        let (blocks, rest) = codes.as_chunks::<BLOCK>();
        for (block, at) in blocks.iter().zip((0..).step_by(BLOCK)) {
            // Written so that it becomes comparisons of the whole block.
            let found = block.iter().fold(0u8, |found, code| {
                found
                    | u8::from(*code == a)
                    | u8::from(*code == b)
                    | u8::from(*code == c)
                    | u8::from(*code == d)
            });
            if found != 0 {
                look(at, block);
            }
        }
        look(codes.len() - rest.len(), rest);
    }

    /// Whether most blocks have none.
    pub(crate) fn are_rare(&self) -> bool {
        self.rare.is_some()
    }
}

/// Some codes of which it is known which rows have them.
#[derive(Debug)]
pub(crate) struct ListedCodes {
    codes: Vec<u8>,
    /// How many rows have one of them.
    pub(crate) count: usize,
}

impl ListedCodes {
    /// The codes of these places, if few rows have them.
    pub(crate) fn new(wanted: &[bool], known: &RowsByCode, row_count: usize) -> Option<Self> {
        let codes: Vec<u8> =
            (0..=u8::MAX).zip(wanted).filter(|(_, wanted)| **wanted).map(|(code, _)| code).collect();
        let count = codes.iter().map(|code| known.count(*code)).sum();
        (count <= row_count / 2).then_some(Self { codes, count })
    }

    /// Those of a range of rows that have one of them, ascending; `all` are the codes of all rows.
    pub(crate) fn rows(&self, known: &RowsByCode, all: &[u8], range: Range<usize>) -> Vec<u32> {
        if let [code] = self.codes[..] {
            let mut rows = Vec::new();
            for (first, some) in known.within(code, range) {
                rows.extend(some.iter().map(|row| first + u32::from(*row)));
            }
            return rows;
        }
        let (mut bits, start) = (Vec::new(), range.start as u32);
        self.mark(known, all, range, &mut bits);
        let mut rows = Vec::new();
        for (word, first) in bits.into_iter().zip((start..).step_by(64)) {
            let mut rest = word;
            while rest != 0 {
                rows.push(first + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
        rows
    }

    /// A bit for each row of a range: whether it has one of them. `codes` are those of all rows.
    pub(crate) fn mark(&self, known: &RowsByCode, codes: &[u8], range: Range<usize>, bits: &mut Vec<u64>) {
        bits.clear();
        if self.codes.len() <= FEW && self.count * BLOCK > codes.len() {
            mark_each(&codes[range], &self.codes, bits);
            return;
        }
        bits.resize(range.len().div_ceil(64), 0);
        for code in &self.codes {
            for (first, rows) in known.within(*code, range.clone()) {
                for row in rows {
                    let at = first as usize + usize::from(*row) - range.start;
                    bits[at / 64] |= 1 << (at % 64);
                }
            }
        }
    }
}

/// Adds a bit for each code: whether it is one of these. Eight are compared at a time.
fn mark_each(codes: &[u8], wanted: &[u8], bits: &mut Vec<u64>) {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const LOW: u64 = ONES * 0x7f;
    let wanted: Vec<u64> = wanted.iter().map(|code| u64::from(*code) * ONES).collect();
    let eight = |codes: [u8; 8]| {
        let codes = u64::from_le_bytes(codes);
        let different = wanted.iter().fold(u64::MAX, |different, wanted| {
            let differs = codes ^ wanted;
            // The highest bit of each byte that has any.
            different & (((differs & LOW) + LOW) | differs)
        });
        // The highest bits of the others, one next to the other.
        ((!different & !LOW) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    };
    let (words, rest) = codes.as_chunks::<64>();
    for word in words {
        let (parts, _) = word.as_chunks::<8>();
        bits.push((0..).step_by(8).zip(parts).fold(0, |word, (at, part)| word | eight(*part) << at));
    }
    if !rest.is_empty() {
        let is_wanted = |code: &u8| wanted.iter().any(|wanted| *wanted == u64::from(*code) * ONES);
        bits.push((0..).zip(rest).fold(0, |word, (at, code)| word | u64::from(is_wanted(code)) << at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_codes_and_others_are_found_alike() {
        let often: Vec<u8> = (0..1000u32).map(|at| (at * at % 251 / (1 + at % 7)) as u8).collect();
        let seldom: Vec<u8> = (0..1000u32).map(|at| if at % 77 == 5 { 3 } else { 9 }).collect();
        let mut rare = 0;
        for wanted in
            [vec![], vec![3], vec![0, 250], vec![1, 2, 3, 4], vec![1, 2, 3, 4, 5, 6], (0..=255).collect()]
        {
            let is_wanted = |code: u8| wanted.contains(&code);
            for codes in [&often[..], &seldom, &seldom[..15], &seldom[..16], &often[..33], &[]] {
                let expected: Vec<(usize, u8)> =
                    codes.iter().copied().enumerate().filter(|(_, code)| is_wanted(*code)).collect();
                let mut found = Vec::new();
                let known = WantedCodes::new((0..=u8::MAX).map(is_wanted), codes, None);
                rare += u32::from(known.are_rare());
                known.find(codes, |at, code| found.push((at, code)));
                assert_eq!(found, expected, "{wanted:?}");
                let mut bits = Vec::new();
                mark_each(codes, &wanted, &mut bits);
                assert_eq!(bits.len(), codes.len().div_ceil(64));
                let marked = (0..codes.len()).filter(|at| bits[at / 64] >> (at % 64) & 1 == 1);
                assert_eq!(marked.count(), expected.len(), "{wanted:?}");
                assert!(expected.iter().all(|(at, _)| bits[at / 64] >> (at % 64) & 1 == 1), "{wanted:?}");
            }
        }
        assert!((5..30).contains(&rare), "{rare}");
    }
}
