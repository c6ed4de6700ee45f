//! Whether a segment converts differently (F-80 … F-82).

use statrs::distribution::{DiscreteCDF as _, Hypergeometric};

/// Fewer say nothing (F-81).
const SAMPLES_MIN: u64 = 30;
/// From here on it is significant (F-80).
const SIGNIFICANT: f64 = 0.95;

/// How sure it is that a segment, of which `converted` of `entered` convert, differs from the
/// population it is a part of. Null if there are too few, or if it is all of the population.
pub(super) fn confidence(entered: u64, converted: u64, of_entered: u64, of_converted: u64) -> Option<f64> {
    if entered < SAMPLES_MIN || entered >= of_entered {
        return None;
    }
    let fewer = match Hypergeometric::new(of_entered, of_converted.min(of_entered), entered) {
        Ok(_) if converted == 0 => 0.0,
        Ok(distribution) => distribution.cdf(converted - 1),
        Err(_) => return None,
    };
    // F-80: p is 1 − max(P(X < k), P(X ≥ k)).
    Some(fewer.max(1.0 - fewer))
}

pub(super) fn is_significant(confidence: f64) -> bool {
    confidence > SIGNIFICANT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_80_the_examples_of_the_rules() {
        let close = |confidence: Option<f64>, expected: f64| {
            assert!(confidence.is_some_and(|is| (is - expected).abs() < 5e-7), "{confidence:?} {expected}");
        };
        close(confidence(40, 28, 100, 50), 0.998_992);
        close(confidence(100, 30, 1000, 200), 0.992_123);
        assert!(is_significant(0.96) && !is_significant(0.95));
    }

    #[test]
    fn f_81_too_few_and_everybody_are_not_compared() {
        assert_eq!(confidence(29, 20, 100, 50), None);
        assert_eq!(confidence(100, 50, 100, 50), None);
    }
}
