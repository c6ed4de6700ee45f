//! Rows whose code is one of some.

/// Rows looked at together: where none has a wanted code, they cost little.
const BLOCK: usize = 16;
/// Up to so many codes are compared with; more are looked up.
const FEW: usize = 4;

/// Which codes of one byte are wanted.
#[derive(Debug, Clone)]
pub(crate) struct WantedCodes {
    /// All of them, some repeated, if there are few.
    few: Option<[u8; FEW]>,
    wanted: Box<[bool; 256]>,
}

impl WantedCodes {
    /// The codes of these places.
    pub(crate) fn new(wanted: impl IntoIterator<Item = bool>) -> Self {
        let mut table = Box::new([false; 256]);
        table.iter_mut().zip(wanted).for_each(|(known, wanted)| *known = wanted);
        let codes: Vec<u8> =
            (0..=u8::MAX).zip(&*table).filter(|(_, wanted)| **wanted).map(|(code, _)| code).collect();
        let few = codes.first().filter(|_| codes.len() <= FEW).map(|first| {
            let mut few = [*first; FEW];
            few.iter_mut().zip(&codes).for_each(|(few, code)| *few = *code);
            few
        });
        Self { few, wanted: table }
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
        let Some([a, b, c, d]) = self.few else {
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

    /// Whether there are so few that most blocks are passed over.
    pub(crate) fn are_few(&self) -> bool {
        self.few.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_codes_and_many_are_found_alike() {
        let codes: Vec<u8> = (0..1000u32).map(|at| (at * at % 251 / (1 + at % 7)) as u8).collect();
        for wanted in
            [vec![], vec![3], vec![0, 250], vec![1, 2, 3, 4], vec![1, 2, 3, 4, 5, 6], (0..=255).collect()]
        {
            let is_wanted = |code: u8| wanted.contains(&code);
            for codes in [&codes[..], &codes[..15], &codes[..16], &codes[..33], &[]] {
                let expected: Vec<(usize, u8)> =
                    codes.iter().copied().enumerate().filter(|(_, code)| is_wanted(*code)).collect();
                let mut found = Vec::new();
                WantedCodes::new((0..=u8::MAX).map(is_wanted)).find(codes, |at, code| found.push((at, code)));
                assert_eq!(found, expected, "{wanted:?}");
            }
        }
    }
}
