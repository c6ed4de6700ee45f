//! What difference the variants of an experiment make.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::attempt::no_first_time;
use crate::measure::{measure_named, sum_or_average};
use crate::text::{NoList, WordOr, Written, word_or};
use crate::{
    Aggregate, DefinitionError, EventSelector, Filter, Formula, Measure, Metric, Period, Property, Result,
    Unit, window_ms,
};

/// A report of what the variants of an experiment do to some metrics, compared with the control (M-70 …
/// M-77).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Only exposures whose property `Experiment name` is this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// The event a user is exposed with (M-70); `$experiment_started` if not said.
    #[serde(default = "started")]
    pub exposure: EventSelector,
    /// The property of exposures that names the variant; `Variant name` if not said.
    #[serde(default = "variant_name")]
    pub variant: Property,
    /// Instead, the property of exposures that names the variants of many experiments at once: an object
    /// from experiments to variants, or a list of texts `experiment:variant` (M-70).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiments: Option<Property>,
    /// What is exposed in place of users: the values of this event property, such as `company_id`
    /// (M-71, U-30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_by: Option<String>,
    /// The variant that others are compared with.
    pub control: String,
    /// These others; all there are if not said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<String>,
    /// What is measured of those exposed; lettered A, B, C … in order. None where formulas have metrics of
    /// their own.
    #[serde(default)]
    pub metrics: Vec<ExperimentMetric>,
    /// Arithmetic over what metrics have (M-72). Metrics of their own are of events, and measured as
    /// metrics of experiments can be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<Formula>,
    /// By which test a difference is significant.
    #[serde(default)]
    pub test: ExperimentTest,
    /// How sure one wants to be that a significant difference is one, between 0 and 1.
    #[serde(default = "ninety_five")]
    pub confidence: f64,
    /// What is done about several comparisons at once (M-76).
    #[serde(default)]
    pub correction: Correction,
    /// The relative difference that is expected, for the sequential test (M-74).
    #[serde(default = "a_tenth")]
    pub expected_effect: f64,
    /// Numbers of users below this percentile, and above 100 less it, are taken for those at it (M-77).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winsorize: Option<f64>,
    /// Less variance by what users did in this time before their exposure (CUPED, M-77).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuped: Option<Period>,
    /// Whether the two weeks before the exposure are compared too (M-77).
    #[serde(default)]
    pub pre_experiment_bias: bool,
    /// How users were to be divided: a weight for the control and each variant; evenly if not said (M-77).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub split: BTreeMap<String, f64>,
    /// Instead of the numbers, the users behind one of them (M-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_of: Option<VariantOf>,
}

/// Who was exposed to a variant, or who of these has something of a metric, or nothing:
/// `{"variant": "on", "metric": "A"}`, `{"variant": "on", "without": "A"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantOf {
    /// The variant, or the control.
    pub variant: String,
    /// The letter of the metric; all who were exposed if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Instead, the letter of the metric they have nothing of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<String>,
}

fn started() -> EventSelector {
    EventSelector::named(Experiment::EXPOSURE)
}

fn variant_name() -> Property {
    Property::Event { name: "Variant name".to_owned() }
}

fn ninety_five() -> f64 {
    0.95
}

fn a_tenth() -> f64 {
    0.1
}

/// One metric of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentMetric {
    /// What users do.
    pub event: EventSelector,
    /// What is measured of it, for each user exposed.
    #[serde(default)]
    pub measure: ExperimentMeasure,
    /// What to call it in results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ExperimentMetric {
    /// What a metric of a formula is of those exposed, who are users if they are not `count_by`.
    fn of_metric(metric: &Metric, count_by: Option<&str>) -> Result<Self> {
        let wrong = |field: &str, problem: &str| Err(DefinitionError::new(field, problem));
        let Some(event) = &metric.event else {
            return wrong("", "metrics of an experiment are of events");
        };
        if metric.count_by.is_some() && metric.count_by.as_deref() != count_by {
            return wrong("count_by", "is said by the experiment");
        }
        if metric.count_once.is_some() {
            return wrong("count_once", "goes with breakdowns, and an experiment has none");
        }
        let measure = match &metric.measure {
            Measure::UniqueUsers => ExperimentMeasure::UniqueUsers,
            Measure::TotalEvents => ExperimentMeasure::TotalEvents,
            Measure::Sessions => ExperimentMeasure::Sessions,
            Measure::OfProperty { cast: Some(_), .. } => {
                return wrong("measure.as", "of those exposed numbers are measured as they are");
            }
            Measure::OfProperty { aggregate, of, cast: None } => {
                let aggregate = sum_or_average(*aggregate);
                let aggregate =
                    aggregate.map_err(|problem| DefinitionError::new("measure.aggregate", problem))?;
                ExperimentMeasure::OfProperty { aggregate, of: of.clone() }
            }
            _ => {
                let error = DefinitionError::new("measure", "cannot be measured of who is exposed");
                let known = "unique_users, total_events, sessions, and the sum or average of a property can";
                return Err(error.hint(known));
            }
        };
        // S-51: it is as if each of the events said it.
        let mut event = event.clone();
        if let Some(filter) = &metric.filter {
            filter.check(false).map_err(|error| error.within("where"))?;
            for choice in &mut event.any_of {
                let own = choice.filter.take().into_iter();
                choice.filter = Some(Filter::List(own.chain([filter.clone()]).collect()));
            }
        }
        Ok(Self { event, measure, name: metric.name.clone() })
    }

    /// How it is called in results.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| match &self.measure {
            ExperimentMeasure::OfProperty { aggregate, of } => {
                format!("{} of {} of {}", aggregate.name(), of.label(), self.event.label())
            }
            _ => self.event.label(),
        })
    }
}

/// What is measured of a user exposed (M-71).
///
/// Written as a word, or as an object: `{"aggregate": "sum", "of": "amount"}`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(with = "Written<Self>")]
pub enum ExperimentMeasure {
    /// Whether they do it: which share of those exposed.
    #[default]
    UniqueUsers,
    /// How many events.
    TotalEvents,
    /// How many sessions with such an event.
    Sessions,
    /// The sum, or the average, of a property.
    #[serde(untagged)]
    OfProperty {
        /// `sum`, or `average` of those who have a number.
        aggregate: Aggregate,
        /// Of what.
        of: Property,
    },
}

const MEASURES: [(&str, ExperimentMeasure); 3] = [
    ("unique_users", ExperimentMeasure::UniqueUsers),
    ("total_events", ExperimentMeasure::TotalEvents),
    ("sessions", ExperimentMeasure::Sessions),
];

/// [`ExperimentMeasure`] as an object.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExperimentMeasureObject {
    /// `sum` or `average`.
    aggregate: Aggregate,
    /// Of what.
    of: Property,
}

impl WordOr<'_> for ExperimentMeasure {
    const EXPECTED: &'static str =
        "a measure: unique_users, total_events, sessions, or an object with aggregate";
    type Object = ExperimentMeasureObject;
    type List = NoList;

    fn words() -> Vec<&'static str> {
        MEASURES.iter().map(|(word, _)| *word).collect()
    }

    fn of_word(word: &str) -> Result<Self, String> {
        measure_named(word, &MEASURES)
    }

    fn of_object(object: ExperimentMeasureObject) -> Result<Self, String> {
        Ok(Self::OfProperty { aggregate: sum_or_average(object.aggregate)?, of: object.of })
    }
}

impl<'de> Deserialize<'de> for ExperimentMeasure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

/// By which test a difference is significant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentTest {
    /// One look, when the experiment is over (M-73).
    #[default]
    Frequentist,
    /// As many looks as one likes (M-74).
    Sequential,
    /// What is believed after looking (M-75).
    Bayesian,
}

/// What is done about several comparisons at once (M-76).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Nothing: each is a test by itself.
    #[default]
    None,
    /// The chance of any false one is kept small.
    Bonferroni,
    /// The share of false ones among those significant is kept small.
    BenjaminiHochberg,
}

impl Experiment {
    /// The event of exposures.
    pub const EXPOSURE: &'static str = "$experiment_started";
    /// The property of exposures that names the experiment.
    pub const NAME: &'static str = "Experiment name";
    /// Metrics that can be asked for, and formulas.
    pub const METRICS_MAX: usize = 50;
    /// How long an exposure counts (M-70).
    pub const DAYS: u32 = 90;
    /// How long before an exposure bias is looked for (M-77).
    pub const BIAS_DAYS: u32 = 14;

    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |path: &str, problem: &str| Err(DefinitionError::new(path, problem));
        no_first_time(&self.exposure)
            .and_then(|()| self.exposure.check(false))
            .map_err(|error| error.within("exposure"))?;
        if self.experiments.is_some() {
            if self.experiment.is_none() {
                return Err(DefinitionError::new("experiment", "is missing: which of the experiments?"));
            }
            if self.variant != variant_name() {
                return wrong("variant", "is said by experiments: leave it out");
            }
        }
        if self.experiment.is_none() && self.exposure == started() {
            return Err(DefinitionError::new("experiment", "is missing")
                .hint("it is the name of the experiment; or say which events exposures are"));
        }
        if self.control.is_empty() {
            return wrong("control", "it is the name of a variant");
        }
        for (at, variant) in self.variants.iter().enumerate() {
            if *variant == self.control || self.variants[..at].contains(variant) {
                return wrong(&format!("variants[{at}]"), "each is said once, the control not among them");
            }
        }
        if self.metrics.is_empty() && !Formula::are_enough(&self.formulas) {
            return wrong("metrics", &format!("1 to {} metrics", Self::METRICS_MAX));
        }
        if self.formulas.len() > Self::METRICS_MAX {
            return wrong("formulas", &format!("at most {}", Self::METRICS_MAX));
        }
        for (at, formula) in self.formulas.iter().enumerate() {
            formula.check().map_err(|error| error.within(&format!("formulas[{at}]")))?;
        }
        let all = self.all_metrics()?;
        if all.len() > Self::METRICS_MAX {
            let problem = format!("1 to {} metrics, those of formulas among them", Self::METRICS_MAX);
            return wrong("metrics", &problem);
        }
        for (place, metric) in all {
            metric.event.check(false).map_err(|error| error.within(&format!("{place}.event")))?;
            if self.count_by.is_some() && metric.measure == ExperimentMeasure::Sessions {
                return wrong(&format!("{place}.measure"), "sessions are those of users, not of count_by");
            }
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return wrong("confidence", "between 0 and 1, such as 0.95");
        }
        if self.test == ExperimentTest::Bayesian && self.correction != Correction::None {
            return wrong("correction", "is of the other tests: Bayesian inference has none");
        }
        if !(self.expected_effect > 0.0 && self.expected_effect.is_finite()) {
            return wrong("expected_effect", "more than 0; 0.1 is ten percent");
        }
        if self.winsorize.is_some_and(|percent| !(percent > 0.0 && percent < 50.0)) {
            return wrong("winsorize", "a percentile between 0 and 50, such as 1");
        }
        if let Some(period) = self.cuped {
            let millis = window_ms(period).filter(|_| period.unit >= Unit::Day);
            if !millis.is_some_and(|millis| millis > 0 && millis <= i64::from(Self::DAYS) * 86_400_000) {
                return wrong("cuped", "1 to 90 days, such as \"2 weeks\"");
            }
        }
        if self.users_of.as_ref().is_some_and(|of| of.metric.is_some() && of.without.is_some()) {
            return wrong("users_of.without", "say either metric or without");
        }
        if let Some(of) = &self.users_of
            && of.variant != self.control
            && !self.variants.is_empty()
            && !self.variants.contains(&of.variant)
        {
            return wrong("users_of.variant", "is none of the variants");
        }
        self.check_split()
    }

    /// The same with the metrics of its formulas after its own.
    ///
    /// # Errors
    /// Where a metric of a formula is none of an experiment.
    pub fn with_metrics_of_formulas(&self) -> Result<Self> {
        let metrics = self.all_metrics()?.into_iter().map(|(_, metric)| metric).collect();
        Ok(Self { metrics, ..self.clone() })
    }

    /// All its metrics and those of its formulas, each with its place.
    fn all_metrics(&self) -> Result<Vec<(String, ExperimentMetric)>> {
        let own = self.metrics.iter().enumerate();
        let mut all: Vec<(String, ExperimentMetric)> =
            own.map(|(at, metric)| (format!("metrics[{at}]"), metric.clone())).collect();
        for (formula, of) in self.formulas.iter().enumerate() {
            // What a saved one is, is said where it is saved.
            for (at, metric) in of.metrics.iter().enumerate().filter(|(_, metric)| metric.saved.is_none()) {
                let place = format!("formulas[{formula}].metrics[{at}]");
                let metric = ExperimentMetric::of_metric(metric, self.count_by.as_deref());
                let metric = metric.map_err(|error| error.within(&place))?;
                all.push((place, metric));
            }
        }
        Ok(all)
    }

    fn check_split(&self) -> Result<()> {
        if self.split.is_empty() {
            return Ok(());
        }
        for (name, weight) in &self.split {
            let path = format!("split.{name}");
            if !(*weight > 0.0 && weight.is_finite()) {
                return Err(DefinitionError::new(path, "a weight more than 0"));
            }
            if !self.variants.is_empty() && *name != self.control && !self.variants.contains(name) {
                return Err(DefinitionError::new(path, "is none of the variants"));
            }
        }
        for name in [&self.control].into_iter().chain(&self.variants) {
            if !self.split.contains_key(name) {
                return Err(DefinitionError::new("split", format!("has no weight for \"{name}\"")));
            }
        }
        if self.split.len() < 2 {
            return Err(DefinitionError::new("split", "has weights for the control and each variant"));
        }
        Ok(())
    }
}
