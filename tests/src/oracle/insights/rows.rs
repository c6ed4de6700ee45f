//! From measures to rows: segments in order, formulas, rolling means, running sums, comparison.

use std::collections::BTreeSet;

use tallymark_report::{Cohort, Comparison, Insights, Question, Report, Scope};

use super::breakdown::Segment;
use super::civil::{Bucket, Civil};
use super::formula::evaluate;
use super::measure::{Measured, Outcome, one};
use super::metric::{Counted, Line};
use super::range::{Range, compared, read_now, resolve};
use super::world::{View, World};
use crate::oracle::insights::cohort;

/// What stands for every breakdown in rows that are not of a segment (S-80).
pub const OVERALL: &str = "$overall";
/// What stands for every breakdown in the row of the segments not shown (B-30).
pub const OTHER: &str = "$other";

/// A row of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The letter of the metric (S-2); formulas go on with the letters.
    pub metric: String,
    /// The start of the bucket by its key (G-5), milliseconds since 1970; none without an interval.
    pub time: Option<i64>,
    /// A label for each breakdown.
    pub segments: Vec<String>,
    /// Of a distribution: the value or the range of values (S-36).
    pub bin: Option<String>,
    /// What was measured.
    pub value: Option<f64>,
    /// What was measured where it is a text.
    pub text: Option<String>,
    /// What was measured in the range or segment that is compared with (S-76, S-79).
    pub compared: Option<f64>,
}

/// A metric or formula of one line over time.
#[derive(Debug)]
struct Series {
    letter: usize,
    line: Line,
    points: Vec<(Option<i64>, Outcome)>,
}

/// The answer to a report, as of an instant unless the definition names another. Rows are in the
/// order of metrics, then the overall rows, then segments by rank, then what is beyond `top`; then of
/// time, then of value.
pub fn answer(world: &World, report: &Report, as_of: i64) -> Vec<Row> {
    let Question::Insights(insights) = &report.question else { panic!("a cohort has members") };
    let view = view(world, &report.scope, as_of);
    let range = resolve(view.civil, &report.scope.range, view.now);
    let counted = |time: Range| -> Vec<Counted<'_>> {
        let metrics = insights.metrics.iter();
        metrics.map(|metric| Counted::new(view, &report.scope, insights, metric, range, time)).collect()
    };
    let metrics = counted(range);
    let lines = lines(view.civil, insights, &metrics, range);
    let series = all_series(view.civil, insights, &metrics, &lines, range);
    let before = match &insights.compare {
        None | Some(Comparison::Segment(_) | Comparison::Overall) => None,
        Some(with) => {
            let range = compared(view.civil, range, with);
            Some(all_series(view.civil, insights, &counted(range), &lines, range))
        }
    };
    let mut rows = Vec::new();
    for (number, one) in series.iter().enumerate() {
        let partner = match &insights.compare {
            None => None,
            Some(Comparison::Overall) => Some(Line::Overall),
            Some(Comparison::Segment(_)) if one.line == Line::Overall => None,
            Some(Comparison::Segment(labels)) => Some(Line::Segment(labels.clone())),
            Some(_) => Some(one.line.clone()),
        };
        let partner = match &before {
            Some(before) => Some(&before[number]),
            None => partner.and_then(|line| {
                series.iter().find(|other| other.letter == one.letter && other.line == line)
            }),
        };
        for (at, (time, outcome)) in one.points.iter().enumerate() {
            // Point k is compared with point k.
            let partner = partner.and_then(|partner| partner.points.get(at));
            for measured in outcome {
                let same_bin =
                    partner.and_then(|(_, outcome)| outcome.iter().find(|other| other.bin == measured.bin));
                rows.push(Row {
                    metric: letter(one.letter),
                    time: *time,
                    segments: labels(&one.line, insights.breakdowns.len()),
                    bin: measured.bin.clone(),
                    value: measured.value,
                    text: measured.text.clone(),
                    compared: same_bin.and_then(|other| other.value),
                });
            }
        }
    }
    rows
}

/// The members of a cohort as of an instant, unless the scope names another.
pub fn members(world: &World, scope: &Scope, cohort: &Cohort, as_of: i64) -> BTreeSet<String> {
    cohort::members(view(world, scope, as_of), cohort)
}

/// What a scope makes of a world that is asked at an instant.
pub(in crate::oracle) fn view<'a>(world: &'a World, scope: &Scope, as_of: i64) -> View<'a> {
    let civil = Civil { zone: scope.zone().unwrap(), week_start: scope.week_start };
    let now = scope.as_of.as_ref().map_or(as_of, |instant| read_now(civil, instant));
    View { world, civil, now, measured: None }
}

/// What there is a row for: the overall, and with breakdowns the segments that any metric lists, by
/// rank of the first metric (B-32, S-80).
fn lines(civil: Civil, insights: &Insights, metrics: &[Counted<'_>], range: Range) -> Vec<Line> {
    let mut lines = vec![Line::Overall];
    if insights.breakdowns.is_empty() {
        return lines;
    }
    let buckets = buckets(civil, insights, range);
    let listed: BTreeSet<Segment> =
        metrics.iter().flat_map(|metric| metric.listed(range, &buckets)).collect();
    let mut ranked: Vec<(Option<f64>, Segment)> =
        listed.into_iter().map(|segment| (metrics[0].rank(range, &segment), segment)).collect();
    // Greatest first, none last; equal ones stay in the order of their labels.
    // A sum of nothing is minus zero.
    let key = |rank: Option<f64>| rank.map_or(f64::NEG_INFINITY, |rank| rank + 0.0);
    ranked.sort_by(|(a, _), (b, _)| key(*b).total_cmp(&key(*a)));
    let mut shown: Vec<Segment> = ranked.into_iter().map(|(_, segment)| segment).collect();
    let count = shown.len();
    let beyond = shown.split_off(insights.top.unwrap_or(count).min(count));
    // S-79: what others are compared with is shown whatever its rank.
    if let Some(Comparison::Segment(labels)) = &insights.compare {
        shown.extend(beyond.into_iter().filter(|segment| segment == labels));
    }
    let has_other = insights.other && shown.len() < count;
    lines.extend(shown.iter().cloned().map(Line::Segment));
    lines.extend(has_other.then_some(Line::Other(shown)));
    lines
}

fn buckets(civil: Civil, insights: &Insights, range: Range) -> Vec<Bucket> {
    match insights.interval {
        Some(unit) => civil.buckets(range.span, unit),
        None => vec![Bucket { key: range.span.from, span: range.span }],
    }
}

fn all_series(
    civil: Civil,
    insights: &Insights,
    metrics: &[Counted<'_>],
    lines: &[Line],
    range: Range,
) -> Vec<Series> {
    // The intervals before the range that rolling means look at (S-73).
    let earlier = match (insights.interval, insights.rolling) {
        (Some(unit), Some(rolling)) => civil.buckets_before(range.span.from, unit, rolling as usize - 1),
        _ => Vec::new(),
    };
    let all: Vec<Bucket> = earlier.iter().copied().chain(buckets(civil, insights, range)).collect();
    let mut found = Vec::new();
    for letter in 0..metrics.len() + insights.formulas.len() {
        for line in lines {
            let outcomes: Vec<Outcome> = match letter.checked_sub(metrics.len()) {
                None => all.iter().map(|bucket| metrics[letter].outcome(range, *bucket, line)).collect(),
                Some(formula) => {
                    let formula = &insights.formulas[formula].formula;
                    let value =
                        |bucket: &Bucket| evaluate(formula, &|l| value_of(metrics, l, range, *bucket, line));
                    all.iter().map(|bucket| one(value(bucket))).collect()
                }
            };
            let outcomes = match insights.rolling {
                Some(rolling) => rolled(&outcomes, rolling as usize).split_off(earlier.len()),
                None if insights.cumulative => summed(&outcomes),
                None => outcomes,
            };
            let times = all[earlier.len()..].iter().map(|bucket| insights.interval.map(|_| bucket.key));
            found.push(Series { letter, line: line.clone(), points: times.zip(outcomes).collect() });
        }
    }
    found
}

/// The number of a metric in a formula.
fn value_of(metrics: &[Counted<'_>], wanted: &str, range: Range, bucket: Bucket, line: &Line) -> Option<f64> {
    let number = (0..metrics.len()).find(|number| letter(*number) == wanted).unwrap();
    only(&metrics[number].outcome(range, bucket, line))
}

fn only(outcome: &Outcome) -> Option<f64> {
    match outcome.as_slice() {
        [Measured { bin: None, text: None, value }] => *value,
        _ => panic!("a distribution or a text is not one number"),
    }
}

/// S-73: nulls are skipped.
fn rolled(outcomes: &[Outcome], count: usize) -> Vec<Outcome> {
    let mean = |at: usize| {
        let window = &outcomes[(at + 1).saturating_sub(count)..=at];
        let values: Vec<f64> = window.iter().filter_map(only).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    (0..outcomes.len()).map(|at| one(mean(at))).collect()
}

/// S-74: nulls add nothing, and the sum of nothing is 0.
fn summed(outcomes: &[Outcome]) -> Vec<Outcome> {
    let sum = |at: usize| -> f64 { outcomes[..=at].iter().filter_map(only).sum() };
    (0..outcomes.len()).map(|at| one(Some(sum(at)))).collect()
}

fn labels(line: &Line, breakdowns: usize) -> Vec<String> {
    match line {
        Line::Overall => vec![OVERALL.to_owned(); breakdowns],
        Line::Segment(segment) => segment.clone(),
        Line::Other(_) => vec![OTHER.to_owned(); breakdowns],
    }
}

/// A, B, C …
fn letter(number: usize) -> String {
    char::from(b'A' + u8::try_from(number).unwrap()).to_string()
}
