//! How many, how much, how often: over time, split by what.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::closest;
use crate::filter::CohortName;
use crate::report::read_value;
use crate::text::{NoList, WordOr, Written, word_or};
use crate::{
    CastType, DateUnit, DefinitionError, EventSelector, Filter, Funnel, Instant, Measure, Property, Result,
    Retention, StepMeasure, TimeMeasure, Unit,
};

/// A report of measures over a range of time (section 5 of the rules).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Insights {
    /// What is measured; lettered A, B, C … in order (S-2). None where formulas have metrics of their own.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Arithmetic over metrics (S-70).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formulas: Vec<Formula>,
    /// The measure of each such unit of time; of the whole range if not said (S-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Unit>,
    /// Split by these (B-2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breakdowns: Vec<Breakdown>,
    /// Only so many segments, those first in rank (B-31).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// Whether the segments beyond `top` are one, `$other` (B-30).
    #[serde(default)]
    pub other: bool,
    /// Mean of so many intervals up to each (S-73).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling: Option<u32>,
    /// Running sum from the start of the range (S-74).
    #[serde(default)]
    pub cumulative: bool,
    /// What the numbers are compared with: the same some time before (S-76), a segment, or
    /// "overall" (S-79).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<Comparison>,
    /// Look only at such a share of the users, above 0 and up to 1, the same ones whenever it is asked; what grows
    /// with users, such as counts and sums, is told as of all (S-91). All users if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1.0))]
    pub sample: Option<f64>,
    /// Instead of the numbers, the users behind one of them (M-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_of: Option<CellOf>,
}

/// One number of an insights report: `{"metric": "A", "time": "2024-01-31", "segments": ["rock"]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellOf {
    /// The letter of the metric.
    pub metric: String,
    /// An instant, or a day, in the bucket; of the whole range if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Instant>,
    /// The labels of the segment, one a breakdown; without regard to segments if not said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
}

/// One measure of one kind of thing: of events, of the profiles of users, the size of a cohort, of a funnel
/// or of retention; or a saved one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// What to call it; its letter and what it measures if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The metric that is saved under this name (S-90), which says the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<String>,
    /// Of these events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventSelector>,
    /// Of the profiles that pass this filter on `user.` properties (S-24); `{"all": []}` is all.
    /// Measured are `unique_users` (how many) and aggregates of `user.` properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Filter>,
    /// How many members a cohort has at the end of each bucket (S-25, C-20).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<CohortName>,
    /// Of a funnel (S-26), for each interval (F-76) and segment of this report: a definition of one without
    /// interval and breakdowns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funnel: Option<Box<Funnel>>,
    /// At which step of the funnel, from 1; the last if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// Of retention (S-27), of those born in each interval, for each segment of this report: a definition of
    /// one without breakdowns, which says what is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Box<Retention>>,
    /// In which bucket of the retention, from 0; 1 if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u32>,
    /// Which column of the funnel's answer: `conversion` if not said, `count`, `step_conversion`,
    /// `median_time_s`, … or the name of one of its `measures` or `times`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What is measured; `unique_users` if not said (S-1).
    #[serde(default = "unique_users")]
    pub measure: Measure,
    /// Only events that pass (P-1), besides the filters of the single events.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// What is counted as a user: the values of this event property, such as `company_id` (U-30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_by: Option<String>,
    /// With breakdowns, each user only in the segment of their first or last event (B-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_once: Option<CountOnce>,
}

fn unique_users() -> Measure {
    Measure::UniqueUsers
}

/// Which event decides a user's only segment (B-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountOnce {
    /// Their first in the bucket, or range.
    First,
    /// Their last.
    Last,
}

/// Arithmetic over metrics: `+ - * / ( )`, numbers, letters of metrics (S-70); or a saved one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Formula {
    /// What to call it; the formula itself if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Such as `A / B * 100`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub formula: String,
    /// What its letters stand for, if not the metrics of the report: measured for it alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// The formula that is saved under this name (S-90), which says the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<String>,
}

impl Formula {
    /// Reads a formula as it is saved under a name (S-90): with metrics of its own.
    ///
    /// # Errors
    /// As for [`crate::Report::parse`].
    pub fn from_value(value: Value) -> Result<Self> {
        if !value.is_object() {
            return Err(DefinitionError::new("", "a formula is a JSON object"));
        }
        let formula: Self = read_value(value)?;
        if formula.saved.is_some() {
            return Err(DefinitionError::new("saved", "a saved formula names no other"));
        }
        formula.check()?;
        if formula.metrics.is_empty() {
            return Err(DefinitionError::new("metrics", "a saved formula has metrics of its own"));
        }
        Ok(formula)
    }

    /// How it is called in results.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.formula)
    }

    /// Whether a report may have these formulas and no metrics.
    pub(crate) fn are_enough(formulas: &[Self]) -> bool {
        !formulas.is_empty()
            && formulas.iter().all(|formula| formula.saved.is_some() || !formula.metrics.is_empty())
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.saved.is_some() && !(self.formula.is_empty() && self.metrics.is_empty()) {
            let field = if self.formula.is_empty() { "metrics" } else { "formula" };
            return Err(DefinitionError::new(field, "is said by the saved formula"));
        }
        if self.saved.is_none() && self.formula.trim().is_empty() {
            return Err(DefinitionError::new("formula", "is missing").hint("such as \"A / B\""));
        }
        let mut metrics = self.metrics.iter().enumerate();
        metrics.try_for_each(|(at, metric)| {
            metric.check().map_err(|error| error.within(&format!("metrics[{at}]")))
        })
    }
}

/// Something to split by: a property, written by its name or as an object, or cohorts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(with = "Written<Self>")]
pub enum Breakdown {
    /// By the value of a property.
    Property {
        /// Which.
        property: Property,
        /// Turned into this first (D-27).
        #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
        cast: Option<CastType>,
        /// How numbers and texts are put together; as they are if not said.
        #[serde(skip_serializing_if = "Option::is_none")]
        buckets: Option<Buckets>,
        /// For dates: the civil unit they are put together by, or the hour of the day or day of the
        /// week (B-15, D-52).
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<DateUnit>,
    },
    /// Each cohort once with those in it and once with those not in it (B-23).
    Cohorts {
        /// Names of saved cohorts.
        cohorts: Vec<CohortName>,
    },
}

/// How values are put together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Buckets {
    /// Ranges of numbers, chosen from the values (B-10).
    Auto,
    /// Ranges of one size, below the first and from the last on (B-11).
    Even(EvenBuckets),
    /// Ranges between these numbers, below the first and from the last on (B-11).
    At(Vec<f64>),
    /// Named sets of texts; the first that has the value (B-13).
    Groups(Vec<ValueGroup>),
}

/// A named set of texts (B-13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueGroup {
    /// The label of the segment.
    pub name: String,
    /// The texts that belong to it.
    pub values: Vec<String>,
}

/// Ranges of one size (B-11).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvenBuckets {
    /// Where the first range starts.
    pub from: f64,
    /// Where the last one ends.
    pub to: f64,
    /// How wide each is.
    pub size: f64,
}

/// What numbers are compared with: the same some time before (S-76), or another segment (S-79).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// A unit before, by the calendar (S-76).
    Previous(Unit),
    /// So many days before; 364 is a year with the same weekdays (S-78).
    DaysBefore(u32),
    /// From that day on, as long as the range is.
    From(Instant),
    /// Up to the end of that day, as long as the range is.
    To(Instant),
    /// The segment with these labels, one a breakdown (S-79).
    Segment(Vec<String>),
    /// What is measured without regard to segments (S-79).
    Overall,
}

impl Comparison {
    /// Whether segments are compared among each other, rather than with another time.
    pub fn is_of_segments(&self) -> bool {
        matches!(self, Self::Segment(_) | Self::Overall)
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BreakdownObject {
    /// Split by its value.
    property: Option<Property>,
    /// Turned into this first.
    #[serde(rename = "as")]
    cast: Option<CastType>,
    /// How numbers and texts are put together.
    buckets: Option<Buckets>,
    /// For dates: the civil unit they are put together by, or hour_of_day or day_of_week.
    unit: Option<DateUnit>,
    /// Split by who is in these saved cohorts and who is not.
    cohorts: Option<Vec<CohortName>>,
}

impl WordOr<'_> for Breakdown {
    const EXPECTED: &'static str = "a breakdown: the name of a property, or an object";
    type Object = BreakdownObject;
    type List = NoList;

    fn of_word(word: &str) -> Result<Self, String> {
        let property = Property::of_word(word)?;
        Ok(Self::Property { property, cast: None, buckets: None, unit: None })
    }

    fn of_object(object: BreakdownObject) -> Result<Self, String> {
        match object {
            BreakdownObject { property: Some(property), cast, buckets, unit, cohorts: None } => {
                Ok(Self::Property { property, cast, buckets, unit })
            }
            BreakdownObject {
                property: None,
                cast: None,
                buckets: None,
                unit: None,
                cohorts: Some(cohorts),
            } if !cohorts.is_empty() => Ok(Self::Cohorts { cohorts }),
            _ => Err("a breakdown is property, with perhaps as, buckets and unit, or cohorts".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Breakdown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

impl Breakdown {
    /// How its column is called in results.
    pub fn label(&self) -> String {
        match self {
            Self::Property { property, .. } => property.label(),
            Self::Cohorts { cohorts } => format!("cohort({})", cohorts.join(", ")),
        }
    }
}

impl Insights {
    pub(crate) fn check(&self) -> Result<()> {
        if self.metrics.is_empty() && !Formula::are_enough(&self.formulas) {
            return Err(DefinitionError::new("metrics", "at least one metric"));
        }
        for (at, formula) in self.formulas.iter().enumerate() {
            let own = formula.check().and_then(|()| {
                let mut metrics = formula.metrics.iter().enumerate();
                metrics.try_for_each(|(at, metric)| {
                    self.check_behaviour(metric).map_err(|error| error.within(&format!("metrics[{at}]")))
                })
            });
            own.map_err(|error| error.within(&format!("formulas[{at}]")))?;
        }
        for (at, metric) in self.metrics.iter().enumerate() {
            metric
                .check()
                .and_then(|()| self.check_behaviour(metric))
                .map_err(|error| error.within(&format!("metrics[{at}]")))?;
        }
        check_breakdowns(&self.breakdowns, self.top, self.other)?;
        let needs_interval = |field: &str| {
            Err(DefinitionError::new(field, "goes over intervals")
                .hint("say for example \"interval\": \"day\""))
        };
        match self.rolling {
            Some(_) if self.interval.is_none() => return needs_interval("rolling"),
            Some(0) => return Err(DefinitionError::new("rolling", "at least one interval")),
            // S-75.
            Some(_) if self.cumulative => {
                return Err(DefinitionError::new("rolling", "is not possible together with cumulative"));
            }
            _ => {}
        }
        if self.cumulative && self.interval.is_none() {
            return needs_interval("cumulative");
        }
        let text = self.metrics.iter().position(|metric| metric.measure.is_text());
        for (field, is_there) in [("rolling", self.rolling.is_some()), ("cumulative", self.cumulative)] {
            if let Some(at) = text.filter(|_| is_there) {
                let problem = format!("is of numbers, and metrics[{at}] is a text");
                return Err(DefinitionError::new(field, problem));
            }
        }
        match &self.compare {
            Some(Comparison::Segment(_) | Comparison::Overall) if self.breakdowns.is_empty() => {
                return Err(DefinitionError::new("compare", "of segments goes with breakdowns"));
            }
            Some(Comparison::Segment(labels)) if labels.len() != self.breakdowns.len() => {
                let problem = format!("{} labels, one for each of the breakdowns", self.breakdowns.len());
                return Err(DefinitionError::new("compare.segment", problem));
            }
            _ => {}
        }
        self.check_sample()?;
        self.users_of.iter().try_for_each(|cell| cell.check(self).map_err(|error| error.within("users_of")))
    }
}

impl Insights {
    /// S-91.
    fn check_sample(&self) -> Result<()> {
        let Some(share) = self.sample else { return Ok(()) };
        if !(share > 0.0 && share <= 1.0) {
            return Err(DefinitionError::new("sample", "a share of users, above 0 and up to 1")
                .hint("0.1 is every tenth user"));
        }
        for (place, metric) in self.all_metrics() {
            let fields = [
                ("count_by", metric.count_by.is_some(), "groups have users in the sample and others"),
                ("funnel", metric.funnel.is_some(), "a funnel is of all users"),
                ("retention", metric.retention.is_some(), "retention is of all users"),
            ];
            if let Some((field, _, problem)) = fields.into_iter().find(|(_, is_there, _)| *is_there) {
                let problem = format!("is not possible with sample: {problem}");
                return Err(DefinitionError::new(format!("{place}.{field}"), problem));
            }
        }
        Ok(())
    }

    /// The same with the metrics of its formulas after its own.
    #[must_use]
    pub fn with_metrics_of_formulas(&self) -> Self {
        let mut whole = self.clone();
        whole.metrics.extend(self.formulas.iter().flat_map(|formula| formula.metrics.iter().cloned()));
        whole
    }

    /// All its metrics and those of its formulas, each with its place.
    pub(crate) fn all_metrics(&self) -> Vec<(String, &Metric)> {
        let own = self.metrics.iter().enumerate().map(|(at, metric)| (format!("metrics[{at}]"), metric));
        let of_formulas = self.formulas.iter().enumerate().flat_map(|(formula, of)| {
            let metrics = of.metrics.iter().enumerate();
            metrics.map(move |(at, metric)| (format!("formulas[{formula}].metrics[{at}]"), metric))
        });
        own.chain(of_formulas).collect()
    }

    /// The funnel of a metric, for the intervals and segments of this report (S-26).
    pub fn funnel_of(&self, metric: &Metric) -> Option<Funnel> {
        let funnel = metric.funnel.as_deref()?.clone();
        Some(Funnel { interval: self.interval, breakdowns: self.breakdowns.clone(), ..funnel })
    }

    /// The retention of a metric, for the segments of this report (S-27), with the bucket that is measured.
    pub fn retention_of(&self, metric: &Metric) -> Option<Retention> {
        let mut retention = metric.retention.as_deref()?.clone();
        if retention.brackets.is_empty() {
            retention.buckets = Some(metric.bucket().saturating_add(1));
        }
        Some(Retention { breakdowns: self.breakdowns.clone(), ..retention })
    }

    /// Funnels and retention as part of this report.
    fn check_behaviour(&self, metric: &Metric) -> Result<()> {
        let (field, checked) = match (self.funnel_of(metric), self.retention_of(metric)) {
            (Some(funnel), _) => ("funnel", funnel.check()),
            (None, Some(retention)) => ("retention", self.check_retention(&retention)),
            (None, None) => return Ok(()),
        };
        checked.map_err(|error| error.within(field))
    }

    fn check_retention(&self, retention: &Retention) -> Result<()> {
        retention.check()?;
        if self.interval.is_some_and(|interval| interval < retention.unit) {
            return Err(DefinitionError::new("unit", "is longer than the interval of the report"));
        }
        Ok(())
    }
}

impl CellOf {
    fn check(&self, insights: &Insights) -> Result<()> {
        check_cell(self.time.is_some(), &self.segments, insights.interval, &insights.breakdowns)
    }
}

/// Checks breakdowns and how many segments of them are shown.
pub(crate) fn check_breakdowns(breakdowns: &[Breakdown], top: Option<usize>, other: bool) -> Result<()> {
    for (at, breakdown) in breakdowns.iter().enumerate() {
        breakdown.check().map_err(|error| error.within(&format!("breakdowns[{at}]")))?;
    }
    if other && top.is_none() {
        return Err(DefinitionError::new("other", "is what is beyond top; say how many are shown in top"));
    }
    if top == Some(0) {
        return Err(DefinitionError::new("top", "at least one segment"));
    }
    Ok(())
}

/// Checks which number of a report is meant.
pub(crate) fn check_cell(
    has_time: bool,
    segments: &[String],
    interval: Option<Unit>,
    breakdowns: &[Breakdown],
) -> Result<()> {
    if !segments.is_empty() && segments.len() != breakdowns.len() {
        let problem = format!("{} labels, one for each of the breakdowns", breakdowns.len());
        return Err(DefinitionError::new("segments", problem));
    }
    if has_time && interval.is_none() {
        return Err(DefinitionError::new("time", "goes with an interval"));
    }
    Ok(())
}

impl Metric {
    /// Reads a metric as it is saved under a name (S-90).
    ///
    /// # Errors
    /// As for [`crate::Report::parse`].
    pub fn from_value(value: Value) -> Result<Self> {
        if !value.is_object() {
            return Err(DefinitionError::new("", "a metric is a JSON object"));
        }
        let metric: Self = read_value(value)?;
        if metric.saved.is_some() {
            return Err(DefinitionError::new("saved", "a saved metric names no other"));
        }
        metric.check()?;
        Ok(metric)
    }

    fn check(&self) -> Result<()> {
        let sources = [
            self.event.is_some(),
            self.profiles.is_some(),
            self.cohort.is_some(),
            self.funnel.is_some(),
            self.retention.is_some(),
            self.saved.is_some(),
        ];
        if sources.into_iter().filter(|is| *is).count() != 1 {
            let problem = "a metric is of exactly one of event, profiles, cohort, funnel, retention, saved";
            return Err(DefinitionError::new("", problem));
        }
        if self.saved.is_some() && self.measure != Measure::UniqueUsers {
            return Err(DefinitionError::new("measure", "is said by the saved metric"));
        }
        self.event.iter().try_for_each(|event| event.check(true).map_err(|error| error.within("event")))?;
        self.profiles
            .iter()
            .try_for_each(|filter| filter.check(false).map_err(|error| error.within("profiles")))?;
        self.filter
            .iter()
            .try_for_each(|filter| filter.check(true).map_err(|error| error.within("where")))?;
        if self.event.is_none() {
            for (field, is_there) in [
                ("where", self.filter.is_some()),
                ("count_by", self.count_by.is_some()),
                ("count_once", self.count_once.is_some()),
            ] {
                if is_there {
                    let problem =
                        if self.saved.is_some() { "is said by the saved metric" } else { "goes with events" };
                    return Err(DefinitionError::new(field, problem));
                }
            }
        }
        if self.profiles.is_some()
            && !matches!(
                &self.measure,
                Measure::UniqueUsers
                    | Measure::OfProperty { of: Property::User { .. } | Property::Sql { .. }, .. }
            )
        {
            return Err(DefinitionError::new("measure", "cannot be measured of profiles")
                .hint("it is unique_users or an aggregate of a user. property"));
        }
        if self.cohort.is_some() && self.measure != Measure::UniqueUsers {
            return Err(DefinitionError::new("measure", "of a cohort its size is measured: leave it out"));
        }
        for (field, is_there, of) in [
            ("step", self.step.is_some(), "funnel"),
            ("value", self.value.is_some(), "funnel"),
            ("bucket", self.bucket.is_some(), "retention"),
        ] {
            let is_of = if of == "funnel" { self.funnel.is_some() } else { self.retention.is_some() };
            if is_there && !is_of {
                return Err(DefinitionError::new(field, format!("goes with a {of}")));
            }
        }
        if let Some(funnel) = &self.funnel {
            self.check_funnel(funnel)?;
        }
        if let Some(retention) = &self.retention {
            self.check_retention(retention)?;
        }
        Ok(())
    }

    /// What of a funnel the report says, and what makes no number of it.
    fn check_funnel(&self, funnel: &Funnel) -> Result<()> {
        funnel.check().map_err(|error| error.within("funnel"))?;
        self.says_no_measure("\"value\" says what is measured of a funnel")?;
        for (field, is_there, why) in [
            ("interval", funnel.interval.is_some(), OF_THE_REPORT),
            ("breakdowns", !funnel.breakdowns.is_empty(), OF_THE_REPORT),
            ("top", funnel.top.is_some(), OF_THE_REPORT),
            ("other", funnel.other, OF_THE_REPORT),
            ("time_buckets", funnel.time_buckets.is_some(), OF_A_FUNNEL),
            ("significance", funnel.significance.is_some(), OF_A_FUNNEL),
            ("users_of", funnel.users_of.is_some(), OF_A_FUNNEL),
            ("explain", funnel.explain.is_some(), OF_A_FUNNEL),
            ("compare", funnel.compare.is_some(), OF_A_FUNNEL),
        ] {
            if is_there {
                return Err(DefinitionError::new(format!("funnel.{field}"), why));
            }
        }
        let count = funnel.steps.len();
        if self.step.is_some_and(|step| step == 0 || step > count) {
            return Err(DefinitionError::new("step", format!("the funnel has steps 1 to {count}")));
        }
        let names = funnel_values(funnel);
        match &self.value {
            Some(value) if !names.contains(value) => {
                let error = DefinitionError::new("value", format!("a funnel has no \"{value}\""));
                Err(match closest(value, names.iter().map(String::as_str)) {
                    Some(known) => error.hint(format!("did you mean \"{known}\"?")),
                    None => error.hint(format!("it has {}", names.join(", "))),
                })
            }
            _ => Ok(()),
        }
    }

    fn check_retention(&self, retention: &Retention) -> Result<()> {
        retention.check().map_err(|error| error.within("retention"))?;
        self.says_no_measure("\"retention\" says what is measured of it, in its own \"measure\"")?;
        for (field, is_there) in [
            ("breakdowns", !retention.breakdowns.is_empty()),
            ("top", retention.top.is_some()),
            ("other", retention.other),
        ] {
            if is_there {
                return Err(DefinitionError::new(format!("retention.{field}"), OF_THE_REPORT));
            }
        }
        if retention.users_of.is_some() {
            let problem = "is for a report of retention, not for a metric";
            return Err(DefinitionError::new("retention.users_of", problem));
        }
        if retention.buckets.is_some() {
            return Err(DefinitionError::new("retention.buckets", "\"bucket\" says which one is measured"));
        }
        let count = retention.brackets.len();
        if count > 0 && self.bucket() as usize >= count {
            return Err(DefinitionError::new("bucket", format!("there are 0 to {}", count - 1)));
        }
        if self.bucket() >= 100_000 {
            return Err(DefinitionError::new("bucket", "less than 100000"));
        }
        Ok(())
    }

    fn says_no_measure(&self, otherwise: &str) -> Result<()> {
        if self.measure == Measure::UniqueUsers {
            return Ok(());
        }
        Err(DefinitionError::new("measure", "is of events").hint(otherwise))
    }

    /// The bucket of retention that is measured.
    pub fn bucket(&self) -> u32 {
        self.bucket.unwrap_or(1)
    }

    /// Of a funnel, the position of what is measured among the numbers of its answer: of `count`, what
    /// follows it, its measures and times.
    pub fn value_position(&self) -> usize {
        let value = self.value.as_deref().unwrap_or(CONVERSION);
        let names = self.funnel.as_deref().map(funnel_values).unwrap_or_default();
        names.iter().position(|name| name == value).unwrap_or_default()
    }

    /// Whether who reached a step of a funnel is counted: nobody is 0 (S-65).
    pub fn counts_steps(&self) -> bool {
        self.funnel.is_some() && self.value.as_deref() == Some(COUNT)
    }
}

/// Why a field of a funnel or of retention is none of a metric.
const OF_THE_REPORT: &str = "is that of the report: say it there";
const OF_A_FUNNEL: &str = "is for a report of a funnel, not for a metric";
/// How many reached the step.
const COUNT: &str = "count";
/// Which share of those of the first step (S-1).
const CONVERSION: &str = "conversion";

/// The numbers a funnel has of each step, in the order of its answer.
fn funnel_values(funnel: &Funnel) -> Vec<String> {
    let fixed = [
        COUNT,
        "step_conversion",
        CONVERSION,
        "average_time_s",
        "median_time_s",
        "average_time_from_start_s",
        "median_time_from_start_s",
    ];
    let measures = funnel.measures.iter().map(StepMeasure::label);
    fixed
        .into_iter()
        .map(str::to_owned)
        .chain(measures)
        .chain(funnel.times.iter().map(TimeMeasure::label))
        .collect()
}

impl Breakdown {
    fn check(&self) -> Result<()> {
        let Self::Property { buckets: Some(buckets), cast, unit, .. } = self else { return Ok(()) };
        if unit.is_some() {
            return Err(DefinitionError::new("unit", "is for dates, buckets for numbers and texts"));
        }
        if matches!(buckets, Buckets::Groups(_)) && cast.is_some_and(|cast| cast != CastType::String) {
            return Err(DefinitionError::new("buckets.groups", "are of texts"));
        }
        buckets.check()
    }
}

impl Buckets {
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Even(EvenBuckets { from, to, size })
                if !(from < to && *size > 0.0 && (to - from) / size <= 100_000.0) =>
            {
                Err(DefinitionError::new(
                    "buckets.even",
                    "from is less than to, and size greater than 0 and not too small",
                ))
            }
            Self::At(at) if at.is_empty() || !at.is_sorted_by(|a, b| a < b) => {
                Err(DefinitionError::new("buckets.at", "numbers that grow, at least one"))
            }
            Self::Groups(groups) if groups.is_empty() => {
                Err(DefinitionError::new("buckets.groups", "at least one"))
            }
            _ => Ok(()),
        }
    }
}
