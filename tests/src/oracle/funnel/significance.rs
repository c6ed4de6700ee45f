//! Whether a segment converts differently by chance (F-80, F-81).

/// Fewer entries than this tell nothing.
const SAMPLES_MIN: u64 = 30;

/// Entries and conversions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) entries: u64,
    pub(super) conversions: u64,
}

/// The confidence that a segment of a whole differs from it.
pub(super) fn confidence(whole: Counts, segment: Counts) -> Option<f64> {
    if segment.entries < SAMPLES_MIN || segment == whole {
        return None;
    }
    let chance = |conversions| of_exactly(whole, segment.entries, conversions);
    let below: f64 = (0..segment.conversions).map(chance).sum();
    let from_there: f64 = (segment.conversions..=segment.entries).map(chance).sum();
    Some(below.max(from_there))
}

/// The chance that so many of a sample are conversions: C(K, x) · C(N−K, n−x) / C(N, n).
fn of_exactly(whole: Counts, sample: u64, conversions: u64) -> f64 {
    let others = whole.entries.checked_sub(whole.conversions);
    let Some((others, rest)) = others.zip(sample.checked_sub(conversions)) else { return 0.0 };
    if conversions > whole.conversions || rest > others || sample > whole.entries {
        return 0.0;
    }
    let ways = ln_choose(whole.conversions, conversions) + ln_choose(others, rest);
    (ways - ln_choose(whole.entries, sample)).exp()
}

/// The logarithm of n over k.
fn ln_choose(n: u64, k: u64) -> f64 {
    (0..k).map(|i| ((n - i) as f64).ln() - ((i + 1) as f64).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confidence_of(whole: (u64, u64), segment: (u64, u64)) -> Option<f64> {
        let counts = |(entries, conversions)| Counts { entries, conversions };
        confidence(counts(whole), counts(segment)).map(|confidence| (confidence * 1e6).round() / 1e6)
    }

    #[test]
    fn f_80_worked_examples() {
        assert_eq!(confidence_of((100, 50), (40, 28)), Some(0.998_992));
        assert_eq!(confidence_of((1000, 200), (100, 30)), Some(0.992_123));
        assert_eq!(confidence_of((100, 50), (100, 50)), None);
    }

    #[test]
    fn f_81_too_few() {
        assert_eq!(confidence_of((100, 50), (29, 20)), None);
        assert!(confidence_of((100, 50), (30, 20)).is_some());
    }
}
