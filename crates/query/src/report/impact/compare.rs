//! What adopters do, against what would have been expected of them.

use super::observe::Group;
use crate::report::statistics::settled;

/// What adopters have of a metric after day 0, beside what was expected (M-82).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Effect {
    /// What they would have, did they still differ from the others as they did before.
    pub(super) counterfactual: Option<f64>,
    pub(super) delta: Option<f64>,
    /// Of the counterfactual.
    pub(super) lift: Option<f64>,
}

impl Effect {
    /// Each as before, and after.
    pub(super) fn of(adopters: [Option<f64>; 2], others: [Option<f64>; 2]) -> Self {
        let [before, after] = adopters;
        let [others_before, others_after] = others;
        let (Some(relative), Some(after), Some(others_after)) =
            (relative_delta(before, others_before), after, others_after)
        else {
            return Self::default();
        };
        let expected = others_after * (1.0 + relative);
        let delta = settled(after - expected, after.max(expected));
        Self {
            counterfactual: Some(expected),
            delta: Some(delta),
            lift: (expected != 0.0).then(|| delta / expected),
        }
    }
}

/// How much more adopters do than others, of what these do (M-82); null of 0, and of nobody.
pub(super) fn relative_delta(adopters: Option<f64>, others: Option<f64>) -> Option<f64> {
    let (adopters, others) = (adopters?, others?);
    (others != 0.0).then(|| settled(adopters - others, adopters.max(others)) / others)
}

/// How sure it is that adopters change otherwise than others (M-83); null of fewer than two of either, and
/// without any variance.
pub(super) fn confidence(adopters: &Group, others: &Group) -> Option<f64> {
    // All in units of one by the product of the numbers of days: it does not change the score.
    let (of_adopters, of_others) = (mean(adopters)?, mean(others)?);
    let mean = settled(of_adopters - of_others, of_adopters.abs().max(of_others.abs()));
    let variance = variance(adopters)? + variance(others)?;
    let score = mean.abs() / variance.sqrt();
    (variance > 0.0).then(|| 0.5 * libm::erfc(-score / std::f64::consts::SQRT_2))
}

fn mean(group: &Group) -> Option<f64> {
    (group.observed > 0).then(|| group.changes.sum as f64 / group.observed as f64)
}

/// The variance of the mean, by one less than there are.
fn variance(group: &Group) -> Option<f64> {
    if group.observed < 2 {
        return None;
    }
    let count = i128::from(group.observed);
    let (sum, squares) = (group.changes.sum, group.changes.squares);
    // Whole numbers, so that no difference is 0 and 0 none; unless they are very large.
    let exact = count.checked_mul(squares).zip(sum.checked_mul(sum)).map(|(all, own)| (all - own) as f64);
    let sum = sum as f64;
    let above = exact.unwrap_or_else(|| (count as f64 * squares as f64 - sum * sum).max(0.0));
    let count = count as f64;
    Some(above / (count * count * (count - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(changes: &[i128]) -> Group {
        let mut group = Group { observed: changes.len() as u64, ..Group::default() };
        for change in changes {
            group.changes.add(*change);
        }
        group
    }

    #[test]
    fn m_82_the_example_of_the_rules() {
        let effect = Effect::of([Some(3.0), Some(4.0)], [Some(2.0), Some(2.2)]);
        let close = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 1e-12;
        assert!(close(relative_delta(Some(3.0), Some(2.0)), 0.5));
        assert!(close(effect.counterfactual, 3.3));
        assert!(close(effect.delta, 0.7));
        assert!(close(effect.lift, 0.7 / 3.3));
    }

    #[test]
    fn m_82_m_83_null_of_nothing() {
        assert_eq!(Effect::of([Some(3.0), Some(4.0)], [Some(0.0), Some(2.0)]), Effect::default());
        assert_eq!(Effect::of([None, None], [Some(1.0), Some(2.0)]), Effect::default());
        assert_eq!(Effect::of([Some(0.0), Some(4.0)], [Some(1.0), Some(2.0)]).lift, None);
        assert_eq!(confidence(&of(&[1]), &of(&[1, 2])), None);
        assert_eq!(confidence(&of(&[1, 2]), &of(&[])), None);
        assert_eq!(confidence(&of(&[7, 7, 7]), &of(&[1, 1])), None);
    }

    /// However large numbers are, what has no variance has none, and what has one is told.
    #[test]
    fn m_83_whole_numbers_are_exact() {
        let large = 1 << 55;
        assert_eq!(confidence(&of(&[large; 3]), &of(&[large - 1; 2])), None);
        let found = confidence(&of(&[large, large + 1, large + 2]), &of(&[large, large + 1, large + 2]));
        assert_eq!(found, Some(0.5));
        // Beyond what is exact.
        let found = confidence(&of(&[0, 1 << 62, 1 << 62]), &of(&[0, 0, 1 << 62])).unwrap();
        let expected = confidence(&of(&[0, 1, 1]), &of(&[0, 0, 1])).unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
}
