//! What is believed of groups after looking at them (M-75).
//!
//! Before, each group is taken for one user like all users together. After, a share is distributed as a
//! beta distribution says, another mean as Student's t, which is what a normal distribution of unknown
//! variance makes of it. Numbers are drawn from both groups, always the same ones.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rand_distr::{Beta, Distribution as _, StudentT};

use super::compare::Summary;
use super::formula;
use crate::report::insights::formula::Formula;

/// Numbers that are drawn from each group.
const DRAWS: usize = 50_000;
const SEED: u64 = 75;

/// What is believed of the mean of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Belief {
    Share { hits: f64, misses: f64 },
    Mean { freedom: f64, at: f64, scale: f64 },
}

/// How a variant differs from the control, as it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Believed {
    /// How likely the variant has more.
    pub(super) chance: Option<f64>,
    /// The median of the lift, and the shortest interval that has so much of it.
    pub(super) lift: Option<f64>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

impl Believed {
    /// `groups` are what all groups have of the metric, the control first, the variant among them.
    pub(super) fn between(groups: &[Summary], variant: usize, is_share: bool, mass: f64) -> Self {
        let draws = |group: usize| Some(Belief::of(groups, group, is_share)?.draws(group as u64));
        Self::of_draws(draws(0), draws(variant), mass)
    }

    /// The same of a formula, whose metrics are independent of each other: `metrics` are what all groups
    /// have of each, and whether it is a share.
    pub(super) fn of_formula(
        formula: &Formula,
        metrics: &[(&[Summary], bool)],
        variant: usize,
        mass: f64,
    ) -> Self {
        let draws = |group: usize| {
            let mut of_metrics = vec![Vec::new(); metrics.len()];
            for metric in formula::metrics(formula) {
                let (groups, is_share) = metrics[metric];
                // Other numbers than those of the other metrics.
                let stream = (metric as u64 + 1) << 32 | group as u64;
                of_metrics[metric] = Belief::of(groups, group, is_share)?.draws(stream);
            }
            let value = |at: usize| formula.value(&|metric| of_metrics[metric].get(at).copied());
            (0..DRAWS).map(value).collect()
        };
        Self::of_draws(draws(0), draws(variant), mass)
    }

    /// By numbers drawn from the control and from the variant; `None` where nothing is believed.
    fn of_draws(controls: Option<Vec<f64>>, variants: Option<Vec<f64>>, mass: f64) -> Self {
        let (Some(controls), Some(variants)) = (controls, variants) else { return Self::default() };
        let pairs = || controls.iter().zip(&variants);
        let more = pairs().filter(|(control, variant)| variant > control).count();
        let chance = Some(more as f64 / DRAWS as f64);
        let mut lifts: Vec<f64> = pairs().map(|(control, variant)| (variant - control) / control).collect();
        lifts.retain(|lift| lift.is_finite());
        if lifts.len() < DRAWS {
            // A control of nothing has no lift.
            return Self { chance, ..Self::default() };
        }
        lifts.sort_by(f64::total_cmp);
        let (low, high) = shortest(&lifts, mass);
        Self { chance, lift: Some(lifts[DRAWS / 2]), low: Some(low), high: Some(high) }
    }
}

impl Believed {
    /// Whether no lift is outside of the interval.
    pub(super) fn is_a_difference(self) -> Option<bool> {
        Some(self.low? > 0.0 || self.high? < 0.0)
    }
}

/// The shortest interval that has this part of sorted numbers.
fn shortest(sorted: &[f64], mass: f64) -> (f64, f64) {
    let inside = ((sorted.len() as f64 * mass).ceil() as usize).clamp(1, sorted.len());
    let ends = sorted.iter().zip(&sorted[inside - 1..]);
    let shortest = ends.min_by(|(a, b), (c, d)| (*b - *a).total_cmp(&(*d - *c)));
    shortest.map_or((f64::NAN, f64::NAN), |(low, high)| (*low, *high))
}

impl Belief {
    /// `None` of nobody, and where all users have the same, for nothing else is believed then.
    fn of(groups: &[Summary], group: usize, is_share: bool) -> Option<Self> {
        let users: f64 = groups.iter().map(|group| group.count as f64).sum();
        let pooled = groups.iter().map(|group| group.total).sum::<f64>() / users;
        let Summary { count, total, mean, squares, .. } = groups[group];
        let greatest = groups.iter().map(|group| group.greatest).fold(0.0, f64::max);
        let (count, mean) = (count as f64, mean?);
        if is_share {
            let (hits, misses) = (pooled + total, 1.0 - pooled + count - total);
            return (pooled > 0.0 && pooled < 1.0).then_some(Self::Share { hits, misses });
        }
        // All around the pooled mean.
        let around = |group: &Summary| {
            group.squares + group.count as f64 * (group.mean.unwrap_or(pooled) - pooled).powi(2)
        };
        let spread = groups.iter().map(around).sum::<f64>() / users;
        // One user at the pooled mean, with the pooled variance.
        let shape = 0.5 + count / 2.0;
        let rate = 0.5 * spread + 0.5 * squares + 0.5 * count / (1.0 + count) * (mean - pooled).powi(2);
        let at = (pooled + total) / (1.0 + count);
        let scale = (rate / (shape * (1.0 + count))).sqrt();
        // M-78.
        (rate > greatest * greatest * 1e-24).then_some(Self::Mean { freedom: 2.0 * shape, at, scale })
    }

    /// Always the same numbers, others for each stream.
    fn draws(self, stream: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        rng.set_stream(stream);
        match self {
            Self::Share { hits, misses } => match Beta::new(hits, misses) {
                Ok(beta) => beta.sample_iter(rng).take(DRAWS).collect(),
                Err(_) => Vec::new(),
            },
            Self::Mean { freedom, at, scale } => match StudentT::new(freedom) {
                Ok(t) => t.sample_iter(rng).take(DRAWS).map(|drawn: f64| at + scale * drawn).collect(),
                Err(_) => Vec::new(),
            },
        }
    }
}
