//! Means and their errors, and how sure it is that two differ.

use statrs::distribution::{ChiSquared, ContinuousCDF as _, Normal};
use tallymark_report::Correction;

use crate::report::statistics::settled;

/// How a variance is estimated (M-72).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// That of the sample, by one less than there are.
    Sample,
    /// That of a share.
    Share,
    /// The mean.
    Poisson,
}

/// What a group has of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) total: f64,
    /// Null of nobody.
    pub(super) mean: Option<f64>,
    /// Null of too few to tell.
    pub(super) variance: Option<f64>,
    /// The sum of the squares of how far values are from the mean.
    pub(super) squares: f64,
    /// How far from 0 the farthest is.
    pub(super) greatest: f64,
}

impl Summary {
    pub(super) fn of(values: &[f64], spread: Spread) -> Self {
        let count = values.len() as u64;
        let greatest = values.iter().fold(0.0_f64, |greatest, value| greatest.max(value.abs()));
        let total = settled(values.iter().sum(), greatest * values.len() as f64);
        if values.is_empty() {
            return Self { count, total, ..Self::default() };
        }
        let mean = total / count as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let variance = match spread {
            Spread::Share => Some(mean * (1.0 - mean)),
            Spread::Poisson => Some(mean),
            Spread::Sample => (count > 1).then(|| squares / (count - 1) as f64),
        };
        let variance = variance.map(|variance| settled(variance, greatest * greatest * 1e-12));
        Self { count, total, mean: Some(mean), variance, squares, greatest }
    }
}

/// Chances below 1e-15 are none.
const CHANCE: f64 = 1e-3;

/// How a variant differs from the control.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Difference {
    pub(super) amount: Option<f64>,
    /// Of the control; null of 0.
    pub(super) lift: Option<f64>,
    pub(super) standard_error: Option<f64>,
    pub(super) z: Option<f64>,
    /// Two-sided (M-73).
    pub(super) p: Option<f64>,
    /// M-74.
    pub(super) sequential_p: Option<f64>,
    /// Where the difference lies with that confidence.
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

impl Difference {
    pub(super) fn between(
        control: &Summary,
        variant: &Summary,
        confidence: f64,
        expected_effect: f64,
    ) -> Self {
        let (Some(of_control), Some(of_variant)) = (control.mean, variant.mean) else {
            return Self::default();
        };
        let size = of_control.abs().max(of_variant.abs());
        let difference = settled(of_variant - of_control, size);
        let mut found = Self {
            amount: Some(difference),
            lift: (of_control != 0.0).then(|| difference / of_control),
            ..Self::default()
        };
        let (Some(in_control), Some(in_variant)) = (control.variance, variant.variance) else {
            return found;
        };
        let squared = in_control / control.count as f64 + in_variant / variant.count as f64;
        // A negative number has no root: means of sessions that CUPED has moved below 0 do not come here.
        let error = settled(squared.max(0.0).sqrt(), size * 1e3);
        found.standard_error = Some(error);
        if let Ok(normal) = Normal::new(0.0, 1.0) {
            let reach = normal.inverse_cdf(f64::midpoint(1.0, confidence)) * error;
            found.low = Some(difference - reach);
            found.high = Some(difference + reach);
        }
        if error > 0.0 {
            let z = difference / error;
            found.z = Some(z);
            found.p = Some(settled(libm::erfc(z.abs() / std::f64::consts::SQRT_2), CHANCE));
            found.sequential_p = Some(sequential_p(difference, error, expected_effect * of_control));
        }
        found
    }
}

/// The mixture sequential probability ratio test: the chance under no difference of ever seeing as much
/// (M-74). `expected` is the difference that is expected, whose square is the variance of the mixture.
fn sequential_p(difference: f64, error: f64, expected: f64) -> f64 {
    let (variance, mixed) = (error * error, expected * expected);
    let both = variance + mixed;
    let log_ratio = 0.5 * (variance / both).ln() + mixed * difference * difference / (2.0 * variance * both);
    settled((-log_ratio).exp().min(1.0), CHANCE)
}

/// Which of these are significant at `1 - confidence` (M-76); null of none.
pub(super) fn significant(p: &[Option<f64>], confidence: f64, correction: Correction) -> Vec<Option<bool>> {
    let alpha = 1.0 - confidence;
    let limit = match correction {
        Correction::None => alpha,
        Correction::Bonferroni => alpha / p.len() as f64,
        Correction::BenjaminiHochberg => {
            let mut sorted: Vec<f64> = p.iter().copied().flatten().collect();
            sorted.sort_by(f64::total_cmp);
            let passes = |(at, of): &(usize, &f64)| **of <= alpha * (at + 1) as f64 / p.len() as f64;
            // All up to the largest that passes.
            sorted.iter().enumerate().rev().find(passes).map_or(-1.0, |(_, p)| *p)
        }
    };
    p.iter().map(|p| p.map(|p| p <= limit)).collect()
}

/// How likely numbers of users so far from those expected are (M-77); null of nobody, and of one group.
pub(super) fn sample_ratio_p(exposed: &[u64], expected: &[f64]) -> Option<f64> {
    if exposed.len() < 2 || expected.iter().any(|expected| *expected <= 0.0) {
        return None;
    }
    let squared = exposed
        .iter()
        .zip(expected)
        .map(|(exposed, expected)| (*exposed as f64 - expected).powi(2) / expected)
        .sum::<f64>();
    let distribution = ChiSquared::new((exposed.len() - 1) as f64).ok()?;
    Some(settled(distribution.sf(squared), CHANCE))
}
