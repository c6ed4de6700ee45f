//! Arithmetic over what metrics have (M-72).

use tallymark_report::{DefinitionError, Experiment};

use super::compare::Summary;
use crate::report::insights::formula::{self, Formula, Operation};
use crate::report::statistics::settled;

/// The formulas of an experiment; the metrics of their own come after those of the experiment.
pub(super) fn parsed(experiment: &Experiment) -> Result<Vec<Formula>, DefinitionError> {
    formula::parsed(&experiment.formulas, experiment.metrics.len(), |formula, _| {
        if metrics(formula).is_empty() {
            let error = DefinitionError::new("", "names no metric");
            return Err(error.hint("metrics are A, B, C … in order"));
        }
        Ok(())
    })
}

/// The metrics that a formula names, each once.
pub(super) fn metrics(formula: &Formula) -> Vec<usize> {
    let mut found = Vec::new();
    formula.metrics(&mut found);
    found.sort_unstable();
    found.dedup();
    found
}

/// What a group of so many has of a formula, where it has these of the metrics: the variance is that of
/// the mean times the number of the group, for metrics that are independent of each other.
pub(super) fn of_group(formula: &Formula, exposed: u64, group: &impl Fn(usize) -> Summary) -> Summary {
    let nothing = Summary { count: exposed, ..Summary::default() };
    let Some((mean, _)) = with_slope(formula, usize::MAX, group) else { return nothing };
    let mut squared = Some(0.0);
    for metric in metrics(formula) {
        let Summary { count, variance, .. } = group(metric);
        let of_metric = with_slope(formula, metric, group).zip(variance);
        let of_metric = of_metric.map(|((_, slope), variance)| slope * slope * variance / count as f64);
        squared = squared.zip(of_metric).map(|(sum, of_metric)| sum + of_metric);
    }
    Summary { mean: Some(mean), variance: squared.map(|squared| squared * exposed as f64), ..nothing }
}

/// The value of a formula at the means of metrics, and how it changes with that of one of them; `None`
/// where a mean is null, or something is divided by 0. What is 0 but for rounding is (M-78).
fn with_slope(formula: &Formula, by: usize, group: &impl Fn(usize) -> Summary) -> Option<(f64, f64)> {
    Some(match formula {
        Formula::Number(number) => (*number, 0.0),
        Formula::Metric(at) => (group(*at).mean?, if *at == by { 1.0 } else { 0.0 }),
        Formula::Negative(inner) => {
            let (value, slope) = with_slope(inner, by, group)?;
            (-value, -slope)
        }
        Formula::Pair(left, operation, right) => {
            let (a, by_a) = with_slope(left, by, group)?;
            let (b, by_b) = with_slope(right, by, group)?;
            match operation {
                Operation::Plus => (sum(a, b), sum(by_a, by_b)),
                Operation::Minus => (sum(a, -b), sum(by_a, -by_b)),
                Operation::Times => (a * b, sum(by_a * b, a * by_b)),
                Operation::Over if b == 0.0 => return None,
                Operation::Over => (a / b, sum(by_a / b, -(a / b * by_b / b))),
            }
        }
    })
}

fn sum(a: f64, b: f64) -> f64 {
    settled(a + b, a.abs().max(b.abs()))
}
