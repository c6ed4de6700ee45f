//! Insights: measures over time and segments (section 5).
//!
//! 1. [`measure`]: one metric → cells, measured where there were events; [`actors`] says who is
//!    counted.
//! 2. [`series`]: cells → one series for each segment, gaps filled, ranked, cut to the top.
//! 3. [`formula`]: series of formulas from those of metrics.
//! 4. Rolling means and running sums, [`compare`], and the rows (here).
//! 5. [`users`]: who is behind a number.
//!
//! Funnels and retention as metrics are answered by their own reports: [`behaviour`].

mod active;
pub(super) mod actors;
mod behaviour;
mod combinations;
mod compare;
pub(super) mod formula;
pub(super) mod measure;
mod profiles;
mod series;
mod sessions;
pub(super) mod users;

use tallymark_report::{Insights, Instants, Scope};

use self::formula::Formula;
use self::series::{Point, Series};
pub(super) use self::series::{chooses_ranges, ranges_among};
use super::asked::{Asked, Cohorts};
use crate::Result;

/// A row of the result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// The letter (S-2).
    pub(super) metric: String,
    pub(super) name: String,
    /// The start of the bucket.
    pub(super) time: Option<i64>,
    /// One label a breakdown; `None` for what is measured without regard to segments (S-80).
    pub(super) segments: Option<Vec<String>>,
    /// The value, or range of values, that is counted in a distribution (S-36).
    pub(super) bin: Option<String>,
    pub(super) value: Option<f64>,
    /// The value where it is a text.
    pub(super) text: Option<String>,
    /// The value it is compared with (S-76, S-79).
    pub(super) compared: Option<f64>,
}

/// Stands in the columns of breakdowns for the row without regard to segments.
pub(super) const OVERALL: &str = "$overall";
/// The segments beyond those shown.
pub(super) const OTHER: &str = "$other";

pub(super) async fn run(
    asked: &Asked,
    cohorts: &Cohorts,
    scope: &Scope,
    insights: &Insights,
) -> Result<Vec<Row>> {
    let whole = &insights.with_metrics_of_formulas();
    let formulas = formula::parsed(&insights.formulas, insights.metrics.len(), |formula, metrics| {
        formula.check(&whole.metrics[metrics])
    })?;
    let count = insights.metrics.len();
    let insights = whole;
    let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
    let shown = series::shown_segments(asked, scope, insights, &range).await?;
    let series = finished(asked, cohorts, scope, insights, count, &formulas, &range, &shown).await?;
    let before = match &insights.compare {
        Some(comparison) if !comparison.is_of_segments() => {
            let before = asked.calendar.compared(&range, comparison)?;
            Some(finished(asked, cohorts, scope, insights, count, &formulas, &before, &shown).await?)
        }
        _ => None,
    };
    let mut rows = Vec::new();
    for (at, one) in series.iter().enumerate() {
        let partner = match &insights.compare {
            // Comparable by position: the segments are the same.
            Some(comparison) if !comparison.is_of_segments() => {
                before.as_ref().and_then(|before| before.get(at))
            }
            Some(comparison) => compare::partner(&series, one, comparison),
            None => None,
        };
        for (index, point) in one.points.iter().enumerate() {
            let partner = partner.and_then(|partner| compare::point(partner, index, point));
            rows.push(Row {
                metric: one.metric.clone(),
                name: one.name.clone(),
                time: point.bucket,
                segments: one.segments.clone(),
                bin: point.bin.clone(),
                value: point.value,
                text: point.text.clone(),
                compared: partner.and_then(|partner| partner.value),
            });
        }
    }
    Ok(rows)
}

/// All series of a range, with formulas, rolled or summed up (S-35). The metrics after so many are those
/// of formulas, and have no series themselves.
#[expect(clippy::too_many_arguments, reason = "what is asked, and of which time")]
async fn finished(
    asked: &Asked,
    cohorts: &Cohorts,
    scope: &Scope,
    insights: &Insights,
    metric_count: usize,
    formulas: &[Formula],
    range: &Instants,
    shown: &series::Shown,
) -> Result<Vec<Series>> {
    let before = earlier(asked, insights, range);
    let mut series = series::measured(asked, cohorts, scope, insights, &before, range, shown).await?;
    let mut of_formulas = Vec::new();
    for (at, formula) in formulas.iter().enumerate() {
        let name = insights.formulas[at].label();
        let letter = letter(metric_count + at);
        of_formulas.extend(formula.series(&series, insights.metrics.len(), &letter, name));
    }
    let shown: Vec<String> = (0..metric_count).map(letter).collect();
    series.retain(|one| shown.contains(&one.metric));
    series.append(&mut of_formulas);
    for one in &mut series {
        if let Some(count) = insights.rolling {
            rolled(&mut one.points, count as usize);
        }
        one.points.retain(|point| point.bucket.is_none_or(|bucket| is_in(asked, insights, bucket, range)));
        if insights.cumulative {
            summed(&mut one.points);
        }
    }
    Ok(series)
}

/// Whether a bucket is one of the range.
fn is_in(asked: &Asked, insights: &Insights, bucket: i64, range: &Instants) -> bool {
    insights.interval.is_none_or(|unit| bucket >= asked.calendar.bucket(range.from, unit))
}

/// The range with the intervals that a rolling mean looks back at (S-73).
pub(super) fn earlier(asked: &Asked, insights: &Insights, range: &Instants) -> Instants {
    let (Some(unit), Some(count)) = (insights.interval, insights.rolling) else { return *range };
    let mut from = range.from;
    for _ in 1..count {
        from = asked.calendar.bucket(asked.calendar.bucket(from, unit) - 1, unit);
    }
    Instants { from, to: range.to, days: None }
}

/// S-73: the mean of so many values up to each; null ones are left out.
fn rolled(points: &mut [Point], count: usize) {
    if points.iter().any(|point| point.bin.is_some()) {
        return;
    }
    let values: Vec<Option<f64>> = points.iter().map(|point| point.value).collect();
    for (at, point) in points.iter_mut().enumerate() {
        let window = &values[(at + 1).saturating_sub(count)..=at];
        let known: Vec<f64> = window.iter().flatten().copied().collect();
        point.value = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
    }
}

/// S-74.
fn summed(points: &mut [Point]) {
    if points.iter().any(|point| point.bin.is_some()) {
        return;
    }
    let mut sum = 0.0;
    for point in points {
        sum += point.value.unwrap_or(0.0);
        point.value = Some(sum);
    }
}

/// A, B, …, Z, AA, AB, …
pub(super) fn letter(at: usize) -> String {
    let last = char::from(b'A' + (at % 26) as u8);
    if at < 26 { last.to_string() } else { format!("{}{last}", letter(at / 26 - 1)) }
}
