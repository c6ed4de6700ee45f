//! Aggregates over numbers that are all at hand.

use tallymark_report::Aggregate;

/// 0 for what is nothing but rounding, beside numbers of this size (M-78).
pub(super) fn settled(number: f64, size: f64) -> f64 {
    if number.abs() <= size.abs() * 1e-12 { 0.0 } else { number }
}

/// An aggregate of numbers; null of none, but for sums and counts (S-32).
pub(super) fn aggregate(of: Aggregate, mut numbers: Vec<f64>) -> Option<f64> {
    let count = numbers.len() as f64;
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / count;
    match of {
        Aggregate::Sum => Some(numbers.iter().sum()),
        Aggregate::Count => Some(count),
        _ if numbers.is_empty() => None,
        Aggregate::Average => Some(mean(&numbers)),
        Aggregate::Min => numbers.into_iter().min_by(f64::total_cmp),
        Aggregate::Max => numbers.into_iter().max_by(f64::total_cmp),
        Aggregate::First => numbers.first().copied(),
        Aggregate::Variance => {
            let mean = mean(&numbers);
            Some(numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count)
        }
        Aggregate::Percentile(percent) => {
            // G-11. Of many numbers only those around the rank have to be in their places.
            let rank = (count - 1.0) * percent / 100.0;
            let (_, below, rest) = numbers.select_nth_unstable_by(rank.floor() as usize, f64::total_cmp);
            let below = *below;
            let between = rank.fract() > 0.0;
            let above = rest.iter().copied().min_by(f64::total_cmp).filter(|_| between);
            Some(above.map_or(below, |above| below + (above - below) * rank.fract()))
        }
        Aggregate::Distinct => {
            let distinct = distribution(numbers);
            Some(distinct.len() as f64)
        }
        Aggregate::MostFrequent | Aggregate::Distribution => {
            let counts = distribution(numbers);
            // Of equally frequent ones the first, which is the smallest.
            let most = counts.iter().map(|(_, count)| *count).fold(0.0, f64::max);
            counts.into_iter().find(|(_, count)| *count >= most).map(|(value, _)| value)
        }
    }
}

/// How many there are of each number, ascending.
pub(super) fn distribution(mut numbers: Vec<f64>) -> Vec<(f64, f64)> {
    numbers.sort_by(f64::total_cmp);
    let mut counts: Vec<(f64, f64)> = Vec::new();
    for number in numbers {
        match counts.last_mut() {
            Some((last, count)) if last.total_cmp(&number).is_eq() => *count += 1.0,
            _ => counts.push((number, 1.0)),
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g_11_percentiles_lie_between_neighbours() {
        let percentile = |percent: f64, numbers: &[f64]| {
            let mut turned = numbers.to_vec();
            turned.reverse();
            let found = aggregate(Aggregate::Percentile(percent), numbers.to_vec());
            assert_eq!(aggregate(Aggregate::Percentile(percent), turned), found);
            found
        };
        let close = |found: Option<f64>, expected: f64| {
            assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{found:?} {expected}");
        };
        close(percentile(50.0, &[4.0, 1.0, 3.0, 2.0]), 2.5);
        close(percentile(90.0, &(1..=10).map(f64::from).collect::<Vec<_>>()), 9.1);
        close(percentile(25.0, &[20.0, 10.0, 30.0]), 15.0);
        close(percentile(100.0, &[20.0, 10.0, 30.0]), 30.0);
        close(percentile(0.0, &[20.0]), 20.0);
        assert_eq!(percentile(50.0, &[]), None);
    }
}
