//! What is measured of events that are already chosen (S-10 … S-36).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tallymark_report::{Aggregate, CastType, Measure, PerUser};

use super::breakdown::EMPTY_STRING;
use super::cohort::{aggregated, distinct};
use super::metric::Hit;
use super::property::value;
use super::ranges::Ranges;
use super::value::{cast_whole, number_of};
use super::world::View;

/// One number or text, or a number for each value or range of values (S-36).
pub(in crate::oracle) type Outcome = Vec<Measured>;

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::oracle) struct Measured {
    /// Of a distribution the value, or range of values.
    pub(in crate::oracle) bin: Option<String>,
    pub(in crate::oracle) value: Option<f64>,
    /// The value, where it is a text.
    pub(in crate::oracle) text: Option<String>,
}

pub(super) fn one(value: Option<f64>) -> Outcome {
    vec![Measured { value, ..Measured::default() }]
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
        // S-28: of the first event, whether it has a value or not.
        Measure::OfProperty { aggregate: Aggregate::First, of, cast } => {
            let first = hits.first().and_then(|hit| cast_whole(value(view, of, hit.subject()), *cast));
            match cast {
                Some(CastType::String) => {
                    let text = first.and_then(|first| first.as_str().map(str::to_owned));
                    vec![Measured { text, ..Measured::default() }]
                }
                _ => one(first.as_ref().and_then(number_of)),
            }
        }
        Measure::OfProperty { aggregate, of, cast } => {
            let values = hits.iter().filter_map(|hit| cast_whole(value(view, of, hit.subject()), *cast));
            let values: Vec<Value> = values.collect();
            match (aggregate, cast) {
                (Aggregate::Distinct, _) | (_, None | Some(CastType::Number)) => {
                    of_values(*aggregate, &values)
                }
                _ => of_texts(*aggregate, &values),
            }
        }
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
        Measure::OfProperty { of, cast, .. } => {
            Measure::OfProperty { aggregate: Aggregate::Count, of: of.clone(), cast: *cast }
        }
        Measure::OverUsers { per_user, .. } => {
            Measure::OverUsers { aggregate: Aggregate::Count, per_user: per_user.clone() }
        }
        other => other.clone(),
    };
    measured(view, &count, hits)[0].value
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
        PerUser::OfProperty { aggregate, of, cast } => {
            let values = theirs.filter_map(|hit| cast_whole(value(view, of, hit.subject()), *cast));
            let values: Vec<Value> = values.collect();
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
    let measured = |(label, count)| Measured { bin: Some(label), value: Some(count), text: None };
    counts.into_iter().map(measured).collect()
}

/// Of values that are texts: each is one, and of a list each different item.
fn of_texts(aggregate: Aggregate, values: &[Value]) -> Outcome {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for value in values {
        let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let different: BTreeSet<&str> = items.iter().filter_map(Value::as_str).collect();
        for text in different {
            *counts.entry(text).or_default() += 1.0;
        }
    }
    match aggregate {
        Aggregate::Count => one(Some(counts.values().sum())),
        Aggregate::MostFrequent => {
            let most = counts.values().copied().fold(0.0, f64::max);
            let text = counts.iter().find(|(_, count)| **count >= most).map(|(text, _)| (*text).to_owned());
            vec![Measured { text, ..Measured::default() }]
        }
        Aggregate::Distribution => {
            let label = |text: &str| if text.is_empty() { EMPTY_STRING } else { text }.to_owned();
            let measured = |(text, count): (&str, f64)| Measured {
                bin: Some(label(text)),
                value: Some(count),
                text: None,
            };
            counts.into_iter().map(measured).collect()
        }
        other => panic!("{} is not of texts", other.name()),
    }
}

/// The rank of a segment: the greater, the earlier; none comes last (B-31).
pub(in crate::oracle) fn rank(view: View<'_>, measure: &Measure, hits: &[Hit<'_>]) -> Option<f64> {
    let aggregate = match measure {
        Measure::OfProperty { aggregate, .. } | Measure::OverUsers { aggregate, .. } => *aggregate,
        _ => Aggregate::Sum,
    };
    let number = || measured(view, measure, hits)[0].value;
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
