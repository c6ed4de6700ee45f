//! Rows whose code is one of some.

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
    /// The codes of these places; `codes` are those of all rows.
    pub(crate) fn new(wanted: impl IntoIterator<Item = bool>, codes: &[u8]) -> Self {
        let mut table = Box::new([false; 256]);
        table.iter_mut().zip(wanted).for_each(|(known, wanted)| *known = wanted);
        let chosen: Vec<u8> =
            (0..=u8::MAX).zip(&*table).filter(|(_, wanted)| **wanted).map(|(code, _)| code).collect();
        let is_rare = || {
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
                let known = WantedCodes::new((0..=u8::MAX).map(is_wanted), codes);
                rare += u32::from(known.are_rare());
                known.find(codes, |at, code| found.push((at, code)));
                assert_eq!(found, expected, "{wanted:?}");
            }
        }
        assert!((5..30).contains(&rare), "{rare}");
    }
}
