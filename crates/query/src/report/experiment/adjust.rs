//! Observations with less noise (M-77).

use tallymark_report::Aggregate;

use super::observe::Observations;
use crate::report::statistics::aggregate;

/// Values beyond the percentile, or beyond 100 less it, of all groups together become those at it.
pub(super) fn winsorize(groups: &mut [Observations], percent: f64) {
    let pooled: Vec<f64> = groups.iter().flat_map(|group| group.values.iter().copied()).collect();
    let at = |percent: f64| aggregate(Aggregate::Percentile(percent), pooled.clone());
    let (Some(low), Some(high)) = (at(percent), at(100.0 - percent)) else { return };
    for value in groups.iter_mut().flat_map(|group| &mut group.values) {
        *value = value.max(low).min(high);
    }
}

/// CUPED: takes off what the covariates of all groups together explain.
pub(super) fn cuped(groups: &mut [Observations]) {
    let pairs = |groups: &[Observations]| -> Vec<(f64, f64)> {
        let of = |group: &Observations| -> Vec<(f64, f64)> {
            group.values.iter().copied().zip(group.covariates.iter().copied()).collect()
        };
        groups.iter().flat_map(of).collect()
    };
    let pairs = pairs(groups);
    let count = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (mean_y, mean_x) = (mean(|(y, _)| *y), mean(|(_, x)| *x));
    let covariance = pairs.iter().map(|(y, x)| (y - mean_y) * (x - mean_x)).sum::<f64>();
    let variance = pairs.iter().map(|(_, x)| (x - mean_x).powi(2)).sum::<f64>();
    let squares = pairs.iter().map(|(_, x)| x * x).sum::<f64>();
    // All alike, but for rounding, explain nothing.
    if pairs.is_empty() || variance <= squares * 1e-18 {
        return;
    }
    let theta = covariance / variance;
    for group in groups {
        for (value, covariate) in group.values.iter_mut().zip(&group.covariates) {
            *value -= theta * (covariate - mean_x);
        }
    }
}
