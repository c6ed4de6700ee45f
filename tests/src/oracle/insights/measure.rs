//! What is measured of events that are already chosen (S-10 … S-36).

use std::collections::BTreeSet;

use serde_json::Value;
use tallymark_report::{Aggregate, Measure, PerUser};

use super::cohort::{aggregated, distinct};
use super::metric::Hit;
use super::property::value;
use super::ranges::Ranges;
use super::value::number_of;
use super::world::View;

/// One number, or a number for each value or range of values (S-36).
pub(in crate::oracle) type Outcome = Vec<(Option<String>, Option<f64>)>;

fn one(number: Option<f64>) -> Outcome {
    vec![(None, number)]
}

/// The measure of hits, in order of G-1.
pub(in crate::oracle) fn measured(view: View<'_>, measure: &Measure, hits: &[Hit<'_>]) -> Outcome {
    let actors: BTreeSet<&str> = hits.iter().flat_map(|hit| &hit.actors).map(String::as_str).collect();
    match measure {
        Measure::TotalEvents => one(Some(hits.len() as f64)),
        Measure::UniqueUsers
        | Measure::DailyActiveUsers
        | Measure::WeeklyActiveUsers
        | Measure::MonthlyActiveUsers
        | Measure::CumulativeUniqueUsers => one(Some(actors.len() as f64)),
        Measure::Sessions => one(Some(session_count(hits.iter()) as f64)),
        // S-28: of the first event, whether it has a number or not.
        Measure::OfProperty { aggregate: Aggregate::First, of } => {
            let first = hits.first().and_then(|hit| value(view, of, hit.subject()));
            one(first.as_ref().and_then(number_of))
        }
        Measure::OfProperty { aggregate, of } => of_values(
            *aggregate,
            &hits.iter().filter_map(|hit| value(view, of, hit.subject())).collect::<Vec<_>>(),
        ),
        Measure::OverUsers { aggregate, per_user } => {
            let numbers = actors.iter().filter_map(|actor| of_actor(view, per_user, hits, actor));
            let numbers: Vec<Value> = numbers.map(Value::from).collect();
            of_values(*aggregate, &numbers)
        }
    }
}

/// How many numbers, users or events a measure is made of (B-31).
pub(in crate::oracle) fn contributors(view: View<'_>, measure: &Measure, hits: &[Hit<'_>]) -> Option<f64> {
    let count = match measure {
        Measure::OfProperty { of, .. } => Measure::OfProperty { aggregate: Aggregate::Count, of: of.clone() },
        Measure::OverUsers { per_user, .. } => {
            Measure::OverUsers { aggregate: Aggregate::Count, per_user: per_user.clone() }
        }
        other => other.clone(),
    };
    measured(view, &count, hits)[0].1
}

///
fn session_count<'a>(hits: impl Iterator<Item = &'a Hit<'a>>) -> usize {
    hits.filter_map(|hit| hit.session).collect::<BTreeSet<usize>>().len()
}

/// The number an actor has; none if the actor is not counted (S-30, S-31).
fn of_actor(view: View<'_>, per_user: &PerUser, hits: &[Hit<'_>], actor: &str) -> Option<f64> {
    let theirs = hits.iter().filter(|hit| hit.actors.iter().any(|own| own == actor));
    match per_user {
        PerUser::Events => Some(theirs.count() as f64),
        PerUser::Sessions => Some(session_count(theirs) as f64).filter(|count| *count > 0.0),
        PerUser::OfProperty { aggregate, of } => {
            let values: Vec<Value> = theirs.filter_map(|hit| value(view, of, hit.subject())).collect();
            let has_number = values.iter().any(|value| number_of(value).is_some());
            if *aggregate == Aggregate::Distinct || has_number {
                aggregated(*aggregate, &values)
            } else {
                None
            }
        }
    }
}

/// An aggregate of values in order; all but the distinct count go over numbers (S-32).
pub(in crate::oracle) fn of_values(aggregate: Aggregate, values: &[Value]) -> Outcome {
    let numbers: Vec<f64> = values.iter().filter_map(number_of).collect();
    let mut sorted = numbers.clone();
    sorted.sort_by(f64::total_cmp);
    let average = || sorted.iter().sum::<f64>() / sorted.len() as f64;
    one(match aggregate {
        Aggregate::Distribution => return distribution(&sorted),
        Aggregate::Distinct => Some(distinct(values) as f64),
        Aggregate::Count => Some(numbers.len() as f64),
        Aggregate::Sum => Some(sorted.iter().sum()),
        Aggregate::First => panic!("the first event is not among the values"),
        Aggregate::Average | Aggregate::Variance if sorted.is_empty() => None,
        Aggregate::Average => Some(average()),
        Aggregate::Min => sorted.first().copied(),
        Aggregate::Max => sorted.last().copied(),
        Aggregate::Percentile(percent) => percentile(&sorted, percent),
        Aggregate::Variance => {
            let average = average();
            let squares = sorted.iter().map(|number| (number - average).powi(2));
            Some(squares.sum::<f64>() / sorted.len() as f64)
        }
        Aggregate::MostFrequent => {
            let count = |number: f64| sorted.iter().filter(|other| other.total_cmp(&number).is_eq()).count();
            // The smallest of the most frequent ones: the first of them.
            let most = sorted.iter().map(|number| count(*number)).max();
            sorted.iter().copied().find(|number| Some(count(*number)) == most)
        }
    })
}

/// G-11, of sorted numbers.
pub(in crate::oracle) fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = last as f64 * percent / 100.0;
    let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    Some(below + (above - below) * rank.fract())
}

/// S-36, of sorted numbers.
fn distribution(sorted: &[f64]) -> Outcome {
    let ranges = Ranges::auto(sorted);
    let mut counts: Vec<(String, f64)> = Vec::new();
    for number in sorted {
        let label = ranges.label(*number);
        match counts.last_mut() {
            Some((last, count)) if *last == label => *count += 1.0,
            _ => counts.push((label, 1.0)),
        }
    }
    counts.into_iter().map(|(label, count)| (Some(label), Some(count))).collect()
}

/// The rank of a segment: the greater, the earlier; none comes last (B-31).
pub(in crate::oracle) fn rank(view: View<'_>, measure: &Measure, hits: &[Hit<'_>]) -> Option<f64> {
    let aggregate = match measure {
        Measure::OfProperty { aggregate, .. } | Measure::OverUsers { aggregate, .. } => *aggregate,
        _ => Aggregate::Sum,
    };
    let number = || measured(view, measure, hits)[0].1;
    match aggregate {
        Aggregate::Sum | Aggregate::Max | Aggregate::Distinct => number(),
        // The lowest comes first.
        Aggregate::Min => number().map(|lowest| -lowest),
        _ => contributors(view, measure, hits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g_11_percentiles_are_on_the_line_between_neighbours() {
        let to_ten: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 50.0), Some(2.5));
        assert!((percentile(&to_ten, 90.0).unwrap() - 9.1).abs() < 1e-12);
        assert_eq!(percentile(&[10.0, 20.0, 30.0], 25.0), Some(15.0));
        assert_eq!(percentile(&[], 50.0), None);
        assert_eq!(percentile(&[7.0], 99.0), Some(7.0));
    }
}
