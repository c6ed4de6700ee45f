//! What difference variants make (M-70 … M-78), the long way round: every user and variant by itself, and
//! the distributions worked out from their series.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tallymark_report::{
    Aggregate, Breakdown, Correction, EventSelector, Experiment, ExperimentMeasure, ExperimentTest, Filter,
    Formula, Period, Question, Report, Unit,
};

use super::Table;
use super::insights::breakdown::{NOT_SET, Splitter};
use super::insights::filter::passes;
use super::insights::formula::{Arithmetic, evaluate};
use super::insights::measure::percentile;
use super::insights::property::value;
use super::insights::range::resolve;
use super::insights::rows::view;
use super::insights::selector::{Occurrence, occurrences};
use super::insights::sessions::{Session, sessions};
use super::insights::value::number_of;
use super::insights::world::{Event, Subject, View, World};

const DAY: i64 = 24 * 3_600_000;

/// What somebody who was exposed to a variant has of a metric.
#[derive(Debug, Clone, Copy)]
struct Observed {
    value: Option<f64>,
    /// Whether there is anything that is measured.
    is_any: bool,
    covariate: f64,
    before: Option<f64>,
}

/// What is measured: a metric of the experiment, or of a formula of it (S-90).
struct Metric {
    event: EventSelector,
    filter: Option<Filter>,
    measure: ExperimentMeasure,
}

/// Those of the experiment, then those of each formula.
fn metrics(experiment: &Experiment) -> Vec<Metric> {
    let own = experiment.metrics.iter().map(|metric| Metric {
        event: metric.event.clone(),
        filter: None,
        measure: metric.measure.clone(),
    });
    let of_formulas = experiment.formulas.iter().flat_map(|formula| &formula.metrics).map(|metric| Metric {
        event: metric.event.clone().unwrap(),
        filter: metric.filter.clone(),
        measure: serde_json::from_value(json!(metric.measure)).unwrap(),
    });
    own.chain(of_formulas).collect()
}

/// A formula, and for which metrics its letters stand.
struct Lettered<'a> {
    formula: &'a Formula,
    /// What A is.
    first: usize,
    count: usize,
}

impl Lettered<'_> {
    /// The metrics that it names.
    fn named(&self) -> Vec<usize> {
        let text = self.formula.formula.to_uppercase();
        let is_named = |at: &usize| text.contains(char::from(b'A' + u8::try_from(*at).unwrap()));
        (0..self.count).filter(is_named).map(|at| self.first + at).collect()
    }

    fn metric(&self, letter: &str) -> usize {
        self.first + number(letter)
    }
}

fn lettered(experiment: &Experiment) -> Vec<Lettered<'_>> {
    let mut own_from = experiment.metrics.len();
    let one = |formula| {
        let Formula { metrics, .. }: &Formula = formula;
        own_from += metrics.len();
        if metrics.is_empty() {
            return Lettered { formula, first: 0, count: experiment.metrics.len() };
        }
        Lettered { formula, first: own_from - metrics.len(), count: metrics.len() }
    };
    experiment.formulas.iter().map(one).collect()
}

/// The events of a metric, each with whose it is and the session it is in.
struct Hits<'a> {
    measure: ExperimentMeasure,
    events: Vec<(Occurrence<'a>, Option<usize>)>,
}

impl Hits<'_> {
    /// What the events of a user, or group, that pass come to, and whether there is any.
    fn measured(
        &self,
        view: View<'_>,
        actor: &str,
        is_counted: &dyn Fn(&Event) -> bool,
    ) -> (Option<f64>, bool) {
        let own: Vec<(&Event, Option<usize>)> = self
            .events
            .iter()
            .filter(|(one, _)| one.actors.iter().any(|of| of == actor) && is_counted(one.event))
            .map(|(one, session)| (one.event, *session))
            .collect();
        match &self.measure {
            ExperimentMeasure::UniqueUsers => (Some(if own.is_empty() { 0.0 } else { 1.0 }), !own.is_empty()),
            ExperimentMeasure::TotalEvents => (Some(own.len() as f64), !own.is_empty()),
            ExperimentMeasure::Sessions => {
                let sessions: BTreeSet<usize> = own.iter().filter_map(|(_, session)| *session).collect();
                (Some(sessions.len() as f64), !sessions.is_empty())
            }
            ExperimentMeasure::OfProperty { aggregate, of } => {
                let number = |event: &Event| number_of(&value(view, of, Subject::of_event(event))?);
                let numbers: Vec<f64> = own.iter().filter_map(|(event, _)| number(event)).collect();
                let sum = numbers.iter().sum::<f64>();
                let value = match aggregate {
                    Aggregate::Average if numbers.is_empty() => None,
                    Aggregate::Average => Some(sum / numbers.len() as f64),
                    // A sum of nothing is minus zero.
                    _ => Some(sum + 0.0),
                };
                (value, !numbers.is_empty())
            }
        }
    }
}

/// A user, or group, who was exposed to a variant, and what they have of each metric.
struct Exposed {
    actor: String,
    variant: String,
    metrics: Vec<Observed>,
}

/// The control, or a variant: what it is called, how many are exposed, and by metric what each of these
/// has.
type Group = (String, (usize, Vec<Vec<Observed>>));

fn asked(report: &Report) -> &Experiment {
    let Question::Experiment(experiment) = &report.question else { panic!("no experiment") };
    experiment
}

/// The answer.
pub fn answer(world: &World, report: &Report, as_of: i64) -> Table {
    table(asked(report), &groups(world, report, as_of))
}

/// What is believed of each variant, metric by metric (M-75); none where nothing is.
pub fn beliefs(world: &World, report: &Report, as_of: i64) -> Vec<Option<Belief>> {
    let experiment = asked(report);
    let groups = groups(world, report, as_of);
    let mut found = Vec::new();
    for (at, metric) in experiment.metrics.iter().enumerate() {
        let values = adjusted(experiment, at, &groups);
        let is_share = metric.measure == ExperimentMeasure::UniqueUsers && experiment.cuped.is_none();
        for group in 1..groups.len() {
            let control = Posterior::of(&values, 0, is_share);
            let variant = Posterior::of(&values, group, is_share);
            found.push(control.zip(variant).map(|(control, variant)| Belief { control, variant }));
        }
    }
    for formula in lettered(experiment) {
        let of_group = |group: usize| Posterior::of_formula(experiment, &formula, &groups, group);
        for group in 1..groups.len() {
            found
                .push(of_group(0).zip(of_group(group)).map(|(control, variant)| Belief { control, variant }));
        }
    }
    found
}

/// How a variant is believed to differ from the control.
#[derive(Debug)]
pub struct Belief {
    control: Posterior,
    variant: Posterior,
}

impl Belief {
    /// That the variant has more.
    pub fn chance(&self) -> f64 {
        self.control.mean_of(&|control| 1.0 - self.variant.below(control))
    }

    /// That the lift is not more than this.
    pub fn lift_up_to(&self, lift: f64) -> f64 {
        self.control.mean_of(&|control| {
            let below = self.variant.below(control * (1.0 + lift));
            if control > 0.0 { below } else { 1.0 - below }
        })
    }
}

/// Where a mean is believed to be: how likely it lies at each of many places, ascending.
#[derive(Debug)]
struct Posterior {
    places: Vec<f64>,
    weights: Vec<f64>,
    /// The sum of the weights up to each place, half of its own included.
    below: Vec<f64>,
}

impl Posterior {
    fn of(values: &[Vec<f64>], group: usize, is_share: bool) -> Option<Self> {
        let all: Vec<f64> = values.iter().flatten().copied().collect();
        let own = &values[group];
        let (count, sum) = (own.len() as f64, own.iter().sum::<f64>());
        if own.is_empty() {
            return None;
        }
        let pooled = all.iter().sum::<f64>() / all.len() as f64;
        if is_share {
            if pooled <= 0.0 || pooled >= 1.0 {
                return None;
            }
            // The log odds of a share that is distributed as a beta distribution says.
            let (a, b) = (pooled + sum, 1.0 - pooled + count - sum);
            let (from, to) = (-40.0 / a.min(1.0), 40.0 / b.min(1.0));
            let share = |y: f64| 1.0 / (1.0 + (-y).exp());
            let weight = |y: f64| (-a * (1.0 + (-y).exp()).ln() - b * (1.0 + y.exp()).ln()).exp();
            return Some(Self::at(from, to, &share, &weight));
        }
        let mean = sum / count;
        let squares =
            |values: &[f64], around: f64| values.iter().map(|value| (value - around).powi(2)).sum::<f64>();
        // The normal-inverse-gamma distribution after one more user at the pooled mean.
        let beta = squares(&all, pooled) / all.len() as f64 / 2.0
            + squares(own, mean) / 2.0
            + count / (count + 1.0) * (mean - pooled).powi(2) / 2.0;
        let (alpha, kappa) = (0.5 + count / 2.0, 1.0 + count);
        let greatest = all.iter().map(|value| value.abs()).fold(0.0, f64::max);
        if beta <= 1e-24 * greatest * greatest {
            return None;
        }
        // Student's t at the tangent of an angle.
        let freedom = 2.0 * alpha;
        let (at, scale) = ((pooled + sum) / kappa, (beta / alpha / kappa).sqrt());
        let place = |angle: f64| at + scale * freedom.sqrt() * angle.tan();
        let weight = |angle: f64| angle.cos().powf(freedom - 1.0);
        let quarter = std::f64::consts::FRAC_PI_2;
        Some(Self::at(-quarter, quarter, &place, &weight))
    }

    fn at(from: f64, to: f64, place: &dyn Fn(f64) -> f64, weight: &dyn Fn(f64) -> f64) -> Self {
        const STEPS: u32 = 8000;
        let middles = (0..STEPS).map(|step| from + (to - from) * (f64::from(step) + 0.5) / f64::from(STEPS));
        let middles: Vec<f64> = middles.collect();
        let total: f64 = middles.iter().map(|at| weight(*at)).sum();
        let weights: Vec<f64> = middles.iter().map(|at| weight(*at) / total).collect();
        let mut sum = 0.0;
        let below = weights.iter().map(|weight| {
            sum += weight;
            sum - weight / 2.0
        });
        Self { places: middles.iter().map(|at| place(*at)).collect(), below: below.collect(), weights }
    }

    /// Of what metrics have that are independent of each other: at combinations that are spread evenly over
    /// all there are, by multiples of numbers that have nothing to do with each other.
    fn of_formula(
        experiment: &Experiment,
        formula: &Lettered<'_>,
        groups: &[Group],
        group: usize,
    ) -> Option<Self> {
        const COMBINATIONS: u32 = 40_000;
        let (named, metrics) = (formula.named(), metrics(experiment));
        // The number g with g^(n + 1) = g + 1, for n metrics.
        let power = 1.0 / (named.len() as f64 + 1.0);
        let g = (0..100).fold(1.0, |g: f64, _| (g + 1.0).powf(power));
        let mut combinations: Vec<Vec<f64>> = vec![Vec::new(); COMBINATIONS as usize];
        let mut step = 1.0;
        for at in &named {
            let values = adjusted(experiment, *at, groups);
            let measure = &metrics[*at].measure;
            let is_share = *measure == ExperimentMeasure::UniqueUsers && experiment.cuped.is_none();
            let posterior = Self::of(&values, group, is_share)?;
            step /= g;
            for (number, places) in (0..COMBINATIONS).zip(&mut combinations) {
                places.push(posterior.place_at((0.5 + f64::from(number) * step).fract()));
            }
        }
        let value = |places: &Vec<f64>| {
            let place =
                |letter: &str| Some(places[named.iter().position(|at| *at == formula.metric(letter))?]);
            evaluate::<f64>(&formula.formula.formula, &place)
        };
        let mut places: Vec<f64> = combinations.iter().filter_map(value).collect();
        if places.is_empty() {
            return None;
        }
        places.sort_by(f64::total_cmp);
        let one = 1.0 / places.len() as f64;
        let below = (0..places.len()).map(|at| (at as f64 + 0.5) * one).collect();
        Some(Self { weights: vec![one; places.len()], places, below })
    }

    /// The place that as much lies below of.
    fn place_at(&self, below: f64) -> f64 {
        self.places[self.below.partition_point(|known| *known < below).min(self.places.len() - 1)]
    }

    fn mean_of(&self, of: &dyn Fn(f64) -> f64) -> f64 {
        self.places.iter().zip(&self.weights).map(|(place, weight)| of(*place) * weight).sum()
    }

    /// That it is less.
    fn below(&self, place: f64) -> f64 {
        let at = self.places.partition_point(|known| *known < place);
        match (at.checked_sub(1), self.places.get(at)) {
            (None, _) => 0.0,
            (_, None) => 1.0,
            (Some(before), Some(after)) => {
                let (low, high) = (self.places[before], *after);
                let part = if high > low { (place - low) / (high - low) } else { 0.5 };
                self.below[before] + (self.below[at] - self.below[before]) * part
            }
        }
    }
}

/// The users behind a number (M-4).
pub fn behind(world: &World, report: &Report, as_of: i64) -> BTreeSet<String> {
    let Some(of) = &asked(report).users_of else { panic!("whose users?") };
    let (with, without) = (of.metric.as_deref().map(number), of.without.as_deref().map(number));
    let exposed = exposed(world, report, as_of).into_iter().filter(|one| one.variant == of.variant);
    exposed
        .filter(|one| with.is_none_or(|metric| one.metrics[metric].is_any))
        .filter(|one| without.is_none_or(|metric| !one.metrics[metric].is_any))
        .map(|one| one.actor)
        .collect()
}

/// Which metric has this letter.
fn number(letter: &str) -> usize {
    let [letter] = letter.as_bytes() else { panic!("{letter} is no letter") };
    usize::from(letter.to_ascii_uppercase() - b'A')
}

/// Everybody who was exposed, once for each variant.
fn exposed(world: &World, report: &Report, as_of: i64) -> Vec<Exposed> {
    let experiment = asked(report);
    let view = view(world, &report.scope, as_of);
    let key = experiment.count_by.as_deref();
    let range = resolve(view.civil, &report.scope.range, view.now).span;
    let kept = |event: &Event| {
        event.time < range.to
            && report.scope.filter.iter().all(|filter| passes(view, filter, Subject::of_event(event)))
    };
    let exposures = exposures(view, experiment, &|event| kept(event) && range.contains(event.time));
    let sessions: Vec<Session<'_>> = sessions(view, &report.scope.sessions.clone().unwrap_or_default());
    let hits: Vec<Hits<'_>> = metrics(experiment)
        .into_iter()
        .map(|Metric { mut event, filter, measure }| {
            // S-51: a first time is one of events that pass, or has to pass itself; as if the event said it.
            for choice in &mut event.any_of {
                let all = choice.filter.take().into_iter().chain(filter.clone());
                choice.filter = Some(Filter::All { all: all.collect() });
            }
            let events = occurrences(view, &event, key).into_iter().filter(|one| kept(one.event));
            let session = |event: &Event| sessions.iter().position(|session| session.contains(event));
            Hits { measure, events: events.map(|one| (one.clone(), session(one.event))).collect() }
        })
        .collect();

    let mut found = Vec::new();
    let actors: BTreeSet<&String> = exposures.iter().flat_map(|(one, _)| &one.actors).collect();
    for actor in actors {
        let own: Vec<(&Event, &String)> = exposures
            .iter()
            .filter(|(one, _)| one.actors.contains(actor))
            .map(|(one, variant)| (one.event, variant))
            .collect();
        let first = own[0].0;
        // The variant an event belongs to (M-70).
        let under = |event: &Event| {
            let (exposure, variant) = own.iter().rev().find(|(exposure, _)| exposure.place <= event.place)?;
            (event.time - exposure.time <= 90 * DAY).then_some(*variant)
        };
        let variants: BTreeSet<&String> = own.iter().map(|(_, variant)| *variant).collect();
        for variant in variants {
            let of_metric = |hits: &Hits<'_>| {
                let before = |days: i64| {
                    let is_before =
                        |event: &Event| event.place < first.place && event.time >= first.time - days * DAY;
                    hits.measured(view, actor, &is_before).0
                };
                let (value, is_any) = hits.measured(view, actor, &|event| under(event) == Some(variant));
                Observed {
                    value,
                    is_any,
                    covariate: experiment.cuped.and_then(|period| before(days(period))).unwrap_or(0.0),
                    before: before(14),
                }
            };
            found.push(Exposed {
                actor: actor.clone(),
                variant: variant.clone(),
                metrics: hits.iter().map(of_metric).collect(),
            });
        }
    }
    found
}

fn groups(world: &World, report: &Report, as_of: i64) -> Vec<Group> {
    let experiment = asked(report);
    let nobody = || (0, vec![Vec::new(); metrics(experiment).len()]);
    let mut groups: BTreeMap<String, (usize, Vec<Vec<Observed>>)> = BTreeMap::new();
    for one in exposed(world, report, as_of) {
        let (exposed, metrics) = groups.entry(one.variant).or_insert_with(nobody);
        *exposed += 1;
        metrics.iter_mut().zip(one.metrics).for_each(|(metric, of)| metric.push(of));
    }
    let names: Vec<String> = if !experiment.variants.is_empty() {
        experiment.variants.clone()
    } else if !experiment.split.is_empty() {
        experiment.split.keys().cloned().collect()
    } else {
        groups.keys().cloned().collect()
    };
    let others = names.into_iter().filter(|name| *name != experiment.control);
    let compared = [experiment.control.clone()].into_iter().chain(others);
    compared.map(|name| (name.clone(), groups.get(&name).cloned().unwrap_or_else(nobody))).collect()
}

fn days(period: Period) -> i64 {
    let of_unit = match period.unit {
        Unit::Day => 1,
        Unit::Week => 7,
        Unit::Month => 30,
        other => panic!("no {other}s before an exposure"),
    };
    i64::from(period.count) * of_unit
}

fn exposures<'a>(
    view: View<'a>,
    experiment: &Experiment,
    is_kept: &dyn Fn(&Event) -> bool,
) -> Vec<(Occurrence<'a>, String)> {
    let in_object = experiment.experiments.as_ref();
    let named: Option<Filter> =
        experiment.experiment.as_ref().filter(|_| in_object.is_none()).map(|name| {
            serde_json::from_value(json!({"property": "Experiment name", "equals": name})).unwrap()
        });
    let breakdown =
        Breakdown::Property { property: experiment.variant.clone(), cast: None, buckets: None, unit: None };
    let splitter = Splitter::of(view, &breakdown, &[]);
    let variants = |subject: Subject<'_>| match in_object {
        None => splitter.labels(view, subject),
        // M-70: many experiments at once.
        Some(many) => {
            let name = experiment.experiment.as_deref().unwrap();
            match value(view, many, subject) {
                Some(Value::Object(variants)) => {
                    let variant = variants.get(name).filter(|variant| !variant.is_null());
                    splitter.labels_of(view, variant.cloned())
                }
                Some(Value::Array(texts)) => {
                    let texts = texts.iter().filter_map(|text| variant_in(text, name));
                    texts.flat_map(|variant| splitter.labels_of(view, Some(variant))).collect()
                }
                Some(text) => variant_in(&text, name)
                    .map(|variant| splitter.labels_of(view, Some(variant)))
                    .unwrap_or_default(),
                None => BTreeSet::new(),
            }
        }
    };
    let mut found = Vec::new();
    for one in occurrences(view, &experiment.exposure, experiment.count_by.as_deref()) {
        let subject = Subject::of_event(one.event);
        let labels: Vec<String> = variants(subject).into_iter().collect();
        if let [variant] = &labels[..]
            && variant != NOT_SET
            && is_kept(one.event)
            && named.iter().all(|filter| passes(view, filter, subject))
        {
            found.push((one, variant.clone()));
        }
    }
    found
}

/// The variant in `experiment:variant`.
fn variant_in(text: &Value, experiment: &str) -> Option<Value> {
    Some(Value::from(text.as_str()?.strip_prefix(experiment)?.strip_prefix(':')?))
}

/// 0 where it is nothing beside numbers of that size.
fn or_zero(number: f64, size: f64) -> f64 {
    if number.abs() <= 1e-12 * size { 0.0 } else { number }
}

/// Number, sum, mean and variance.
#[derive(Debug, Clone, Copy)]
struct Moments {
    count: usize,
    sum: f64,
    mean: Option<f64>,
    variance: Option<f64>,
}

fn moments(values: &[f64], measure: &ExperimentMeasure, is_adjusted: bool) -> Moments {
    let count = values.len() as f64;
    let greatest = values.iter().map(|value| value.abs()).fold(0.0, f64::max);
    let sum = or_zero(values.iter().sum::<f64>() + 0.0, greatest * count);
    if values.is_empty() {
        return Moments { count: 0, sum, mean: None, variance: None };
    }
    let mean = sum / count;
    let of_sample = || {
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        (values.len() >= 2).then(|| squares / (count - 1.0))
    };
    // M-72.
    let variance = match measure {
        _ if is_adjusted => of_sample(),
        ExperimentMeasure::UniqueUsers => Some(mean * (1.0 - mean)),
        ExperimentMeasure::Sessions => Some(mean),
        _ => of_sample(),
    };
    let variance = variance.map(|variance| or_zero(variance, 1e-12 * greatest * greatest));
    Moments { count: values.len(), sum, mean: Some(mean), variance }
}

/// A number, and how it changes with what each metric has.
#[derive(Debug, Clone)]
struct Changing {
    number: f64,
    with: Vec<f64>,
}

impl Changing {
    fn map(self, of: impl Fn(f64) -> f64) -> Self {
        Self { number: of(self.number), with: self.with.into_iter().map(of).collect() }
    }

    /// The change of a product, or of a quotient, by those of its parts.
    fn both(a: &Self, b: &Self, of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let at = |changes: &Self, metric: usize| changes.with.get(metric).copied().unwrap_or(0.0);
        (0..a.with.len().max(b.with.len())).map(|metric| of(at(a, metric), at(b, metric))).collect()
    }
}

fn sum_of(a: f64, b: f64) -> f64 {
    or_zero(a + b, f64::max(a.abs(), b.abs()))
}

impl Arithmetic for Changing {
    fn of_number(number: f64) -> Self {
        Self { number, with: Vec::new() }
    }

    fn negative(self) -> Self {
        self.map(|number| -number)
    }

    fn plus(self, other: Self) -> Self {
        Self { number: sum_of(self.number, other.number), with: Self::both(&self, &other, sum_of) }
    }

    fn times(self, other: Self) -> Self {
        let change = |of_self: f64, of_other: f64| sum_of(of_self * other.number, of_other * self.number);
        Self { number: self.number * other.number, with: Self::both(&self, &other, change) }
    }

    fn over(self, other: Self) -> Option<Self> {
        if other.number == 0.0 {
            return None;
        }
        let quotient = self.number / other.number;
        // (a / b)' = a' / b - a / b * b' / b
        let change =
            |of_self: f64, of_other: f64| sum_of(of_self / other.number, -quotient * of_other / other.number);
        Some(Self { number: quotient, with: Self::both(&self, &other, change) })
    }
}

/// What a formula comes to in a group of so many, by what each metric does (M-72): the variance is so
/// that by the number of the group it is that of the mean.
fn of_formula(formula: &Lettered<'_>, exposed: usize, metrics: &[Moments]) -> Moments {
    let found = evaluate::<Changing>(&formula.formula.formula, &|letter| {
        let at = formula.metric(letter);
        let mut with = vec![0.0; metrics.len()];
        with[at] = 1.0;
        Some(Changing { number: metrics[at].mean?, with })
    });
    let variance = found.as_ref().and_then(|found| {
        let mut of_mean = 0.0;
        for at in formula.named() {
            of_mean += found.with[at].powi(2) * metrics[at].variance? / metrics[at].count as f64;
        }
        Some(of_mean * exposed as f64)
    });
    Moments { count: exposed, sum: 0.0, mean: found.map(|found| found.number), variance }
}

/// How a group differs from the control.
#[derive(Debug, Clone, Copy, Default)]
struct Test {
    difference: Option<f64>,
    lift: Option<f64>,
    error: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    z: Option<f64>,
    p: Option<f64>,
    sequential_p: Option<f64>,
}

fn test(control: Moments, variant: Moments, experiment: &Experiment) -> Test {
    let (Some(a), Some(b)) = (control.mean, variant.mean) else { return Test::default() };
    let size = f64::max(a.abs(), b.abs());
    let difference = or_zero(b - a, size);
    let lift = if a == 0.0 { None } else { Some(difference / a) };
    let mut found = Test { difference: Some(difference), lift, ..Test::default() };
    if let (Some(of_a), Some(of_b)) = (control.variance, variant.variance) {
        let error = (of_a / control.count as f64 + of_b / variant.count as f64).sqrt();
        let error = or_zero(error, 1000.0 * size);
        found.error = Some(error);
        let reach = two_sided(1.0 - experiment.confidence) * error;
        (found.low, found.high) = (Some(difference - reach), Some(difference + reach));
        if error > 0.0 {
            let z = difference / error;
            let v = error.powi(2);
            let tau = (experiment.expected_effect * a).powi(2);
            let ratio = (v / (v + tau)).sqrt() * (tau * difference.powi(2) / (2.0 * v * (v + tau))).exp();
            found.z = Some(z);
            found.p = Some(chance(erfc(z.abs() / 2.0_f64.sqrt())));
            found.sequential_p = Some(chance(f64::min(1.0, 1.0 / ratio)));
        }
    }
    found
}

/// A chance below 1e-15 is none.
fn chance(p: f64) -> f64 {
    if p <= 1e-15 { 0.0 } else { p }
}

/// The complementary error function of a number that is not negative.
fn erfc(x: f64) -> f64 {
    if x < 2.0 {
        // The series of erf.
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term.abs() > 1e-18 * sum.abs() {
            n += 1.0;
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return 1.0 - 2.0 / std::f64::consts::PI.sqrt() * sum;
    }
    // The continued fraction, from far inside.
    let mut below = x;
    for k in (1..400).rev() {
        below = x + f64::from(k) / 2.0 / below;
    }
    (-x * x).exp() / std::f64::consts::PI.sqrt() / below
}

/// How many errors lie to each side of what has that chance to lie outside.
fn two_sided(outside: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if erfc(middle / 2.0_f64.sqrt()) > outside {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The chance of so great a χ² of so many degrees of freedom.
fn chi_squared(x: f64, degrees: usize) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let half = x / 2.0;
    // From 1 or 2 degrees on, two at a time.
    let (mut chance, mut degree, mut step) = if degrees % 2 == 1 {
        (erfc(half.sqrt()), 1, (-half).exp() * half.sqrt() * 2.0 / std::f64::consts::PI.sqrt())
    } else {
        ((-half).exp(), 2, (-half).exp() * half)
    };
    while degree < degrees {
        chance += step;
        degree += 2;
        step *= half / (degree as f64 / 2.0);
    }
    chance
}

/// M-77.
fn cuped(all: &mut [Vec<(f64, f64)>]) {
    let pooled: Vec<(f64, f64)> = all.iter().flatten().copied().collect();
    let count = pooled.len() as f64;
    let mean_y = pooled.iter().map(|(y, _)| y).sum::<f64>() / count;
    let mean_x = pooled.iter().map(|(_, x)| x).sum::<f64>() / count;
    let together: f64 = pooled.iter().map(|(y, x)| (y - mean_y) * (x - mean_x)).sum();
    let of_x: f64 = pooled.iter().map(|(_, x)| (x - mean_x) * (x - mean_x)).sum();
    if pooled.is_empty() || of_x <= 1e-18 * pooled.iter().map(|(_, x)| x * x).sum::<f64>() {
        return;
    }
    for (y, x) in all.iter_mut().flatten() {
        *y -= together / of_x * (*x - mean_x);
    }
}

/// What each group has of a metric, winsorized and adjusted.
fn adjusted(experiment: &Experiment, at: usize, groups: &[Group]) -> Vec<Vec<f64>> {
    let pairs = |(_, (_, metrics)): &Group| -> Vec<(f64, f64)> {
        metrics[at].iter().filter_map(|of| Some((of.value?, of.covariate))).collect()
    };
    let mut observed: Vec<Vec<(f64, f64)>> = groups.iter().map(pairs).collect();
    if let Some(percent) = experiment.winsorize
        && metrics(experiment)[at].measure != ExperimentMeasure::UniqueUsers
    {
        let mut sorted: Vec<f64> = observed.iter().flatten().map(|(y, _)| *y).collect();
        sorted.sort_by(f64::total_cmp);
        if !sorted.is_empty() {
            let low = percentile(&sorted, percent).unwrap();
            let high = percentile(&sorted, 100.0 - percent).unwrap();
            observed.iter_mut().flatten().for_each(|(y, _)| *y = y.clamp(low, high));
        }
    }
    if experiment.cuped.is_some() {
        cuped(&mut observed);
    }
    observed.into_iter().map(|pairs| pairs.into_iter().map(|(y, _)| y).collect()).collect()
}

fn table(experiment: &Experiment, groups: &[Group]) -> Table {
    let mut columns = vec![
        "metric",
        "name",
        "variant",
        "is_control",
        "exposed",
        "expected",
        "users",
        "total",
        "value",
        "variance",
        "difference",
        "lift",
        "standard_error",
        "low",
        "high",
        "z",
        "p",
        "sequential_p",
        "is_significant",
    ];
    if experiment.pre_experiment_bias {
        columns.push("bias_p");
    }
    columns.push("sample_ratio_p");

    let exposed: Vec<f64> = groups.iter().map(|(_, (exposed, _))| *exposed as f64).collect();
    let weights: Vec<f64> =
        groups.iter().map(|(name, _)| experiment.split.get(name).copied().unwrap_or(1.0)).collect();
    let (all, weight) = (exposed.iter().sum::<f64>(), weights.iter().sum::<f64>());
    let expected: Vec<f64> = weights.iter().map(|of| all * of / weight).collect();
    let sample_ratio_p = (groups.len() > 1 && all > 0.0).then(|| {
        let x = exposed.iter().zip(&expected).map(|(is, should)| (is - should).powi(2) / should).sum();
        chance(chi_squared(x, groups.len() - 1))
    });

    let mut rows: Vec<(Option<Test>, Vec<Value>, Vec<Value>)> = Vec::new();
    // By metric, then group: what it comes to, and came to before.
    let mut measured: Vec<[Vec<Moments>; 2]> = Vec::new();
    let mut names = Vec::new();
    for (at, metric) in metrics(experiment).iter().enumerate() {
        let found: Vec<Moments> = adjusted(experiment, at, groups)
            .iter()
            .map(|values| moments(values, &metric.measure, experiment.cuped.is_some()))
            .collect();
        let before: Vec<Moments> = groups
            .iter()
            .map(|(_, (_, metrics))| {
                let values: Vec<f64> = metrics[at].iter().filter_map(|of| of.before).collect();
                moments(&values, &metric.measure, false)
            })
            .collect();
        measured.push([found, before]);
    }
    for metric in &experiment.metrics {
        names.push(metric.name.clone().unwrap_or_else(|| match &metric.measure {
            ExperimentMeasure::OfProperty { aggregate, of } => {
                format!("{} of {} of {}", aggregate.name(), of.label(), metric.event.label())
            }
            _ => metric.event.label(),
        }));
    }
    let metrics = measured.clone();
    // Metrics of formulas have no rows.
    let own_count = experiment.metrics.len();
    measured.truncate(own_count);
    for formula in lettered(experiment) {
        let of = |when: usize| {
            let of_group = |group: usize| {
                let of_metrics: Vec<Moments> = metrics.iter().map(|metric| metric[when][group]).collect();
                of_formula(&formula, groups[group].1.0, &of_metrics)
            };
            (0..groups.len()).map(of_group).collect::<Vec<Moments>>()
        };
        measured.push([of(0), of(1)]);
        let Formula { name, formula, .. } = formula.formula;
        names.push(name.clone().unwrap_or_else(|| formula.clone()));
    }
    for (at, [found, before]) in measured.iter().enumerate() {
        let is_formula = at >= own_count;
        for (group, (variant, _)) in groups.iter().enumerate() {
            let compared = (group > 0).then(|| test(found[0], found[group], experiment));
            let mut front = vec![
                Value::from(char::from(b'A' + u8::try_from(at).unwrap()).to_string()),
                Value::from(names[at].clone()),
                Value::from(variant.clone()),
                Value::from(group == 0),
                Value::from(exposed[group]),
                Value::from(expected[group]),
                Value::from(found[group].count),
                if is_formula { Value::Null } else { Value::from(found[group].sum) },
                Value::from(found[group].mean),
                Value::from(found[group].variance),
            ];
            let numbers = compared.unwrap_or_default();
            front.extend(
                [
                    numbers.difference,
                    numbers.lift,
                    numbers.error,
                    numbers.low,
                    numbers.high,
                    numbers.z,
                    numbers.p,
                    numbers.sequential_p,
                ]
                .map(Value::from),
            );
            let mut back = Vec::new();
            if experiment.pre_experiment_bias {
                let bias = (group > 0).then(|| test(before[0], before[group], experiment).p);
                back.push(Value::from(bias.flatten()));
            }
            back.push(Value::from(sample_ratio_p));
            rows.push((compared, front, back));
        }
    }
    let p = |test: &Test| match experiment.test {
        ExperimentTest::Frequentist => test.p,
        ExperimentTest::Sequential => test.sequential_p,
        ExperimentTest::Bayesian => panic!("beliefs are drawn"),
    };
    let compared: Vec<Option<f64>> = rows.iter().filter_map(|(test, ..)| test.as_ref().map(p)).collect();
    let rows = rows.into_iter().map(|(test, front, back)| {
        let is_significant = test.as_ref().and_then(p).map(|p| {
            let alpha = 1.0 - experiment.confidence;
            let comparisons = compared.len() as f64;
            match experiment.correction {
                Correction::None => p <= alpha,
                Correction::Bonferroni => p <= alpha / comparisons,
                // Somebody with as much or more is not beyond the line.
                Correction::BenjaminiHochberg => compared.iter().flatten().any(|other| {
                    let rank = compared.iter().flatten().filter(|one| *one <= other).count() as f64;
                    p <= *other && *other <= alpha * rank / comparisons
                }),
            }
        });
        [front, vec![Value::from(is_significant)], back].concat()
    });
    Table { columns: columns.into_iter().map(str::to_owned).collect(), rows: rows.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn the_distributions_are_those_of_tables() {
        close(erfc(0.0), 1.0);
        close(erfc(0.5), 0.479_500_122_186_953_5);
        close(erfc(2.0), 0.004_677_734_981_047_266);
        close(erfc(3.0), 2.209_049_699_858_544e-5);
        close(two_sided(0.05), 1.959_963_984_540_054);
        close(chi_squared(4.0, 1), 0.045_500_263_896_358_42);
        close(chi_squared(4.0, 2), 0.135_335_283_236_612_7);
        close(chi_squared(4.0, 3), 0.261_464_129_949_110_5);
        close(chi_squared(4.0, 4), 0.406_005_849_709_838);
    }
}
