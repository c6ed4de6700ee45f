//! How many get from step to step.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::attempt::{CountOf, Exclusion, Window};
use crate::text::{WordOr, Written, word_or};
use crate::{
    Aggregate, Breakdown, Buckets, DefinitionError, EventChoice, EventSelector, FirstTime, Instant, Property,
    Result, Unit,
};

/// A report of steps that users take one after the other (section 6 of the rules).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Funnel {
    /// The steps, at least two (F-1).
    pub steps: Vec<FunnelStep>,
    /// How long an attempt may take from its first step (F-5); 7 days if not said.
    #[serde(default = "window")]
    pub window: Window,
    /// In which order (F-10, F-15).
    #[serde(default)]
    pub order: StepOrder,
    /// Whether a running attempt starts again with another first step (F-20, F-30).
    #[serde(default)]
    pub reentry: Reentry,
    /// What is counted (F-22 … F-24).
    #[serde(default)]
    pub count: CountOf,
    /// What is counted as a user: the values of this event property, such as `company_id` (U-30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_by: Option<String>,
    /// Steps whose times differ by no more seconds than this may come in either order (F-13); 2 if
    /// not said, 0 to have none of it.
    #[serde(default = "grace_seconds")]
    pub grace_seconds: f64,
    /// Properties of the event that have the same value in all steps (F-40).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hold_constant: Vec<Property>,
    /// Events that end an attempt if they happen between steps (F-45).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Exclusion>,
    /// Split by these (F-50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breakdowns: Vec<Breakdown>,
    /// Which step gives the value that an attempt is split and filtered by (F-51, F-60).
    #[serde(default)]
    pub attribution: Attribution,
    /// Only so many segments, those with most at the first step (B-31).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// Whether the segments beyond `top` are one, `$other` (F-54).
    #[serde(default)]
    pub other: bool,
    /// Split by how long it took from one step to another (F-72).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_buckets: Option<TimeBuckets>,
    /// A funnel of each such unit of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Unit>,
    /// Whether the funnels of the units know of each other (F-76).
    #[serde(default)]
    pub interval_attempts: IntervalAttempts,
    /// Aggregates of properties of the event of each step (F-73).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<StepMeasure>,
    /// Aggregates of how long it took to get to each step (F-71), besides mean and median.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<TimeMeasure>,
    /// The same with other events at a step: a funnel each (F-77).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<StepComparison>,
    /// Whether segments convert differently: `{}` compares with everybody (F-80).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub significance: Option<Significance>,
    /// Count as ClickHouse's `windowFunnel` does, in these modes, if any (F-34).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clickhouse: Option<Vec<ClickhouseMode>>,
    /// Instead of the numbers, the users behind one of them (M-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_of: Option<StepOf>,
    /// Instead of the numbers, the attempts of this user, step by step, and why each ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<String>,
}

/// How strict `windowFunnel` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClickhouseMode {
    /// No event but those of the steps, in order, comes in between.
    StrictOrder,
    /// No step after the first is done again.
    StrictDeduplication,
    /// Each step is later than the one before.
    StrictIncrease,
    /// An event is one step only.
    StrictOnce,
    /// With `strict_order`: events of steps that nobody has come to are passed over.
    AllowReentry,
}

fn window() -> Window {
    Window::days(7)
}

fn grace_seconds() -> f64 {
    2.0
}

/// A step: an event like any other, with more to say if need be.
///
/// Written as an event is: `"Play"`, `["Play", "Stream"]`, `{"event": "Buy", "where": "amount > 3",
/// "optional": true}`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(with = "Written<Self>")]
pub struct FunnelStep {
    /// Which events.
    #[serde(flatten)]
    pub event: EventSelector,
    /// With any order: after all steps before it, and before all after it (F-15).
    #[serde(skip_serializing_if = "is_false")]
    pub anchored: bool,
    /// Whether the next step may be taken without it (F-18).
    #[serde(skip_serializing_if = "is_false")]
    pub optional: bool,
    /// How often it has to be done (F-19).
    #[serde(skip_serializing_if = "is_one")]
    pub times: u32,
    /// How long it may take from the step before, besides the window of the whole (F-9).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Window>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_one(value: &u32) -> bool {
    *value == 1
}

/// In which order steps are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOrder {
    /// One after the other, with anything in between (F-10).
    #[default]
    Specific,
    /// Any, but for steps that are anchored (F-15).
    Any,
    /// One after the other, with no other event in between (F-17).
    Strict,
}

/// Whether a running attempt starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reentry {
    /// It goes on until it is over (F-20).
    #[default]
    Default,
    /// All first steps are looked at, so that as many as possible convert (F-30).
    Optimized,
}

/// Which step gives the value of a property for the whole attempt (F-51).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// The first that has one.
    FirstStepDefined,
    /// The last that has one.
    LastStepDefined,
    /// That step; the first is 1.
    Step(usize),
}

impl Default for Attribution {
    fn default() -> Self {
        Self::Step(1)
    }
}

/// Whether funnels of units of time know of each other (F-76).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalAttempts {
    /// Each is a funnel of its own, and may have every user.
    #[default]
    Independent,
    /// They are parts of one funnel: an attempt is where it starts.
    Shared,
}

/// How long attempts took from one step to another (F-72).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeBuckets {
    /// From this step; the first is 1.
    #[serde(default = "first_step")]
    pub from_step: usize,
    /// To this one; the last if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_step: Option<usize>,
    /// Ranges of seconds: `"auto"`, or as for numbers.
    pub buckets: Buckets,
}

fn first_step() -> usize {
    1
}

/// An aggregate of a property of the events of a step, over all attempts (F-73).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepMeasure {
    /// sum, average, min, max, median, percentiles such as p90, count, variance.
    pub aggregate: Aggregate,
    /// Of what.
    pub of: Property,
}

impl StepMeasure {
    /// How its column is called in results.
    pub fn label(&self) -> String {
        format!("{}({})", self.aggregate.name(), self.of.label())
    }
}

/// An aggregate of the seconds from one step to each later one, over all attempts (F-71).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeMeasure {
    /// average, min, max, median, percentiles such as p90, sum, count, variance.
    pub aggregate: Aggregate,
    /// From this step; the first is 1.
    #[serde(default = "first_step")]
    pub from_step: usize,
}

impl TimeMeasure {
    /// How its column is called in results.
    pub fn label(&self) -> String {
        format!("{}(seconds from step {})", self.aggregate.name(), self.from_step)
    }
}

/// Other events at a step (F-77).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepComparison {
    /// The step; the first is 1. All else that is said of it stays.
    pub step: usize,
    /// The events that take the place of its own, one after the other.
    pub with: Vec<EventSelector>,
}

/// What segments are compared with (F-80).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Significance {
    /// The labels of a segment, one a breakdown (F-82); everybody if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Vec<String>>,
}

/// One number of a funnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepOf {
    /// Who reached this step; the first is 1.
    pub step: usize,
    /// Of them only those who did not reach the next.
    #[serde(default)]
    pub dropped_off: bool,
    /// An instant, or a day, in the unit of time; of the whole range if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Instant>,
    /// The labels of the segment, one a breakdown; without regard to segments if not said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
}

/// [`FunnelStep`] as an object.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepObject {
    /// One name, or `$all_events`.
    event: Option<String>,
    /// Several, any of which will do.
    any_of: Option<Vec<EventChoice>>,
    /// Only events of `event` that pass.
    #[serde(rename = "where")]
    filter: Option<crate::Filter>,
    /// What to call it in results.
    name: Option<String>,
    /// Only each user's first such event ever.
    first_time: Option<FirstTime>,
    /// With any order: after all steps before it, and before all after it.
    #[serde(default)]
    anchored: bool,
    /// Whether the next step may be taken without it.
    #[serde(default)]
    optional: bool,
    /// How often it has to be done.
    times: Option<u32>,
    /// How long it may take from the step before.
    within: Option<Window>,
}

impl From<EventSelector> for FunnelStep {
    fn from(event: EventSelector) -> Self {
        Self { event, anchored: false, optional: false, times: 1, within: None }
    }
}

impl WordOr<'_> for FunnelStep {
    const EXPECTED: &'static str = "a step: the name of an event, a list of names, or an object";
    type Object = StepObject;
    type List = Vec<EventChoice>;

    fn of_word(word: &str) -> Result<Self, String> {
        EventSelector::of_word(word).map(Self::from)
    }

    fn of_object(object: StepObject) -> Result<Self, String> {
        let StepObject { event, any_of, filter, name, first_time, anchored, optional, times, within } =
            object;
        let event = EventSelector::of_parts(event, any_of, filter, name, first_time)?;
        Ok(Self { event, anchored, optional, times: times.unwrap_or(1), within })
    }

    fn of_list(list: Vec<EventChoice>) -> Result<Self, String> {
        EventSelector::of_list(list).map(Self::from)
    }
}

impl<'de> Deserialize<'de> for FunnelStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

/// Whether an aggregate makes one number of many.
fn of_numbers(aggregate: Aggregate) -> Result<()> {
    match aggregate {
        Aggregate::Distinct | Aggregate::MostFrequent | Aggregate::First | Aggregate::Distribution => {
            let problem = format!("{} is not taken of the numbers of a step", aggregate.name());
            Err(DefinitionError::new("aggregate", problem))
        }
        _ => Ok(()),
    }
}

impl Funnel {
    /// How steps are called in results.
    pub fn step_labels(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.event.label()).collect()
    }

    /// The funnels that are compared (F-77), each with what its event is called: that of the definition,
    /// and those with other events. Empty if none are.
    pub fn compared(&self) -> Vec<(String, Self)> {
        let Some(StepComparison { step, with }) = &self.compare else { return Vec::new() };
        let Some(own) = step.checked_sub(1).and_then(|at| self.steps.get(at)) else { return Vec::new() };
        let with = std::iter::once(&own.event).chain(with).map(|event| {
            let mut funnel = Self { compare: None, ..self.clone() };
            funnel.steps[step - 1].event = event.clone();
            (event.label(), funnel)
        });
        with.collect()
    }

    fn check_comparison(&self, compare: &StepComparison) -> Result<()> {
        let StepComparison { step, with } = compare;
        if *step == 0 || *step > self.steps.len() {
            let problem = format!("there are steps 1 to {}", self.steps.len());
            return Err(DefinitionError::new("compare.step", problem));
        }
        if with.is_empty() {
            return Err(DefinitionError::new("compare.with", "at least one other event"));
        }
        if self.users_of.is_some() || self.explain.is_some() {
            let problem = "is of numbers: without users_of and explain; say the event in its step";
            return Err(DefinitionError::new("compare", problem));
        }
        let mut labels = vec![self.steps[step - 1].event.label()];
        for (at, event) in with.iter().enumerate() {
            let within = |error: DefinitionError| error.within(&format!("compare.with[{at}]"));
            event.check(false).map_err(within)?;
            if labels.contains(&event.label()) {
                let problem = format!("\"{}\" is compared already", event.label());
                return Err(within(DefinitionError::new("", problem).hint("give it another name")));
            }
            labels.push(event.label());
        }
        Ok(())
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.steps.len() < 2 {
            return Err(DefinitionError::new("steps", "at least two steps"));
        }
        for (at, step) in self.steps.iter().enumerate() {
            self.check_step(at, step).map_err(|error| error.within(&format!("steps[{at}]")))?;
        }
        if !(self.grace_seconds >= 0.0 && self.grace_seconds <= 86_400.0) {
            return Err(DefinitionError::new("grace_seconds", "0 to 86400 seconds"));
        }
        if self.count == CountOf::Sessions && self.count_by.is_some() {
            return Err(DefinitionError::new("count_by", "sessions are those of users: leave it out"));
        }
        if self.window.millis().is_none() && self.count_by.is_some() {
            return Err(DefinitionError::new("window", "sessions are those of users, not of count_by"));
        }
        if self.order == StepOrder::Strict && self.reentry == Reentry::Optimized {
            return Err(DefinitionError::new(
                "reentry",
                "goes with a specific or any order, not with strict",
            ));
        }
        Exclusion::check(&self.exclude, self.steps.len())?;
        crate::insights::check_breakdowns(&self.breakdowns, self.top, self.other)?;
        let is_step = |field: &str, step: usize| {
            if (1..=self.steps.len()).contains(&step) {
                return Ok(());
            }
            Err(DefinitionError::new(field, format!("there are steps 1 to {}", self.steps.len())))
        };
        if let Attribution::Step(step) = self.attribution {
            is_step("attribution.step", step)?;
        }
        if let Some(TimeBuckets { from_step, to_step, buckets }) = &self.time_buckets {
            is_step("time_buckets.from_step", *from_step)?;
            let to_step = to_step.unwrap_or(self.steps.len());
            is_step("time_buckets.to_step", to_step)?;
            if *from_step >= to_step {
                return Err(DefinitionError::new("time_buckets.to_step", "a step after from_step"));
            }
            if matches!(buckets, Buckets::Groups(_)) {
                return Err(DefinitionError::new("time_buckets.buckets", "times are numbers of seconds"));
            }
            buckets.check().map_err(|error| error.within("time_buckets"))?;
        }
        for (at, measure) in self.measures.iter().enumerate() {
            of_numbers(measure.aggregate).map_err(|error| error.within(&format!("measures[{at}]")))?;
        }
        for (at, time) in self.times.iter().enumerate() {
            of_numbers(time.aggregate).map_err(|error| error.within(&format!("times[{at}]")))?;
            is_step(&format!("times[{at}].from_step"), time.from_step)?;
        }
        if let Some(compare) = &self.compare {
            self.check_comparison(compare)?;
        }
        if let Some(Significance { control }) = &self.significance {
            if self.breakdowns.is_empty() {
                return Err(DefinitionError::new("significance", "is that of segments: say breakdowns"));
            }
            if control.as_ref().is_some_and(|control| control.len() != self.breakdowns.len()) {
                let problem = format!("{} labels, one for each of the breakdowns", self.breakdowns.len());
                return Err(DefinitionError::new("significance.control", problem));
            }
        }
        if self.clickhouse.is_some() {
            self.check_clickhouse()?;
        }
        if self.explain.is_some() && (self.users_of.is_some() || self.count_by.is_some()) {
            return Err(DefinitionError::new("explain", "tells of a user: leave out users_of and count_by"));
        }
        if let Some(StepOf { step, time, segments, .. }) = &self.users_of {
            is_step("users_of.step", *step)?;
            crate::insights::check_cell(time.is_some(), segments, self.interval, &self.breakdowns)
                .map_err(|error| error.within("users_of"))?;
        }
        Ok(())
    }

    /// What `windowFunnel` does not know is not asked of it.
    fn check_clickhouse(&self) -> Result<()> {
        let of_users = |breakdown: &Breakdown| {
            matches!(
                breakdown,
                Breakdown::Cohorts { .. } | Breakdown::Property { property: Property::User { .. }, .. }
            )
        };
        let is_plain = |step: &FunnelStep| !step.optional && step.times == 1 && step.within.is_none();
        for (field, is_there) in [
            ("steps", !self.steps.iter().all(is_plain)),
            ("order", self.order != StepOrder::Specific),
            ("reentry", self.reentry != Reentry::Default),
            ("count", self.count != CountOf::UniqueUsers),
            ("window", self.window.millis().is_none()),
            ("hold_constant", !self.hold_constant.is_empty()),
            ("exclude", !self.exclude.is_empty()),
            ("time_buckets", self.time_buckets.is_some()),
            ("interval", self.interval.is_some()),
            ("measures", !self.measures.is_empty()),
            ("times", !self.times.is_empty()),
            ("explain", self.explain.is_some()),
        ] {
            if is_there {
                let problem = "is not what windowFunnel knows; leave it out, or clickhouse";
                return Err(DefinitionError::new(field, problem));
            }
        }
        match self.breakdowns.iter().position(|breakdown| !of_users(breakdown)) {
            Some(at) => Err(DefinitionError::new(
                format!("breakdowns[{at}]"),
                "with clickhouse, a property of users, or cohorts",
            )),
            None => Ok(()),
        }
    }

    fn check_step(&self, at: usize, step: &FunnelStep) -> Result<()> {
        let FunnelStep { event, anchored, optional, times, within } = step;
        event.check(false)?;
        let in_order = self.order != StepOrder::Any;
        let is_end = at == 0 || at + 1 == self.steps.len();
        if *anchored && in_order {
            return Err(DefinitionError::new("anchored", "goes with \"order\": \"any\""));
        }
        if *optional && (is_end || self.order != StepOrder::Specific) {
            return Err(DefinitionError::new(
                "optional",
                "a step between the first and the last, in specific order",
            ));
        }
        if *times == 0 || *times > 1000 {
            return Err(DefinitionError::new("times", "1 to 1000"));
        }
        if *times > 1 && (!in_order || *optional) {
            return Err(DefinitionError::new("times", "goes with steps in order that are not optional"));
        }
        match within {
            Some(_) if at == 0 || !in_order => {
                Err(DefinitionError::new("within", "is the time from the step before, with steps in order"))
            }
            Some(within) if within.millis().is_none() => {
                Err(DefinitionError::new("within", "a length of time, not a number of sessions"))
            }
            _ => Ok(()),
        }
    }
}
