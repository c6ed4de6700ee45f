//! Aggregates over numbers that are all at hand.

use tallymark_report::Aggregate;

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
            numbers.sort_by(f64::total_cmp);
            // G-11.
            let rank = (count - 1.0) * percent / 100.0;
            let (below, above) = (numbers[rank.floor() as usize], numbers[rank.ceil() as usize]);
            Some(below + (above - below) * rank.fract())
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
