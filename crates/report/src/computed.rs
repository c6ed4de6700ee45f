//! Properties that events have from other events of the same user (sections 5.8, 5.9), and where
//! they can stand.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::named;
use crate::text::{NoList, WordOr, Written, word_or};
use crate::{
    Breakdown, Cohort, DefinitionError, EventSelector, Filter, Funnel, Insights, Measure, Metric, PerUser,
    Period, Property, Question, Result, Retention, Scope, Unit,
};

const DAY_MS: i64 = 24 * 3_600_000;

/// How the credit for an event is given to what led to it.
///
/// Written as a word, or with weights of one's own for the first touch, those between together, and
/// the last: `{"first": 50, "middle": 10, "last": 40}`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(with = "Written<Self>")]
pub enum AttributionModel {
    /// All to the first touch.
    First,
    /// All to the last touch.
    #[default]
    Last,
    /// The same to each touch.
    Linear,
    /// All to each different value.
    Participation,
    /// Half as much for each seven days before the event.
    TimeDecay,
    /// 40 % to the first, 40 % to the last, the rest to those between.
    UShaped,
    /// 20 % to the first, 60 % to the last, the rest to those between.
    JShaped,
    /// 60 % to the first, 20 % to the last, the rest to those between.
    InverseJShaped,
    /// In this proportion.
    #[serde(untagged)]
    Weights {
        /// To the first touch.
        first: f64,
        /// To those between together.
        middle: f64,
        /// To the last touch.
        last: f64,
    },
}

const MODELS: [(&str, AttributionModel); 8] = [
    ("first", AttributionModel::First),
    ("last", AttributionModel::Last),
    ("linear", AttributionModel::Linear),
    ("participation", AttributionModel::Participation),
    ("time_decay", AttributionModel::TimeDecay),
    ("u_shaped", AttributionModel::UShaped),
    ("j_shaped", AttributionModel::JShaped),
    ("inverse_j_shaped", AttributionModel::InverseJShaped),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeightsObject {
    /// To the first touch.
    first: f64,
    /// To those between together.
    middle: f64,
    /// To the last touch.
    last: f64,
}

impl WordOr<'_> for AttributionModel {
    const EXPECTED: &'static str = "a model of attribution: a word such as last, or weights";
    type Object = WeightsObject;
    type List = NoList;

    fn words() -> Vec<&'static str> {
        MODELS.iter().map(|(word, _)| *word).collect()
    }

    fn of_word(word: &str) -> Result<Self, String> {
        named(word, &MODELS, "model", ", and weights for first, middle, last")
    }

    fn of_object(object: WeightsObject) -> Result<Self, String> {
        let WeightsObject { first, middle, last } = object;
        let weights = [first, middle, last];
        if weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0)
            || weights.iter().sum::<f64>() <= 0.0
        {
            return Err("weights are not less than 0, and not all 0".to_owned());
        }
        Ok(Self::Weights { first, middle, last })
    }
}

impl<'de> Deserialize<'de> for AttributionModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

impl AttributionModel {
    /// As it is written, for labels.
    pub(crate) fn name(self) -> &'static str {
        MODELS.iter().find(|(_, model)| *model == self).map_or("weighted", |(word, _)| word)
    }
}

impl Property {
    /// How far back a borrowed value may lie if nothing is said (K-50).
    pub const BORROWED_WITHIN: Period = Period { count: 7, unit: Unit::Day };
    /// How far back touchpoints may lie if nothing is said.
    pub const ATTRIBUTED_WITHIN: Period = Period { count: 30, unit: Unit::Day };

    /// Whether its values come from other events of the user, or from what the user's profile was.
    pub fn is_computed(&self) -> bool {
        match self {
            Self::PerUser { .. }
            | Self::SecondsToNext { .. }
            | Self::Borrowed { .. }
            | Self::Attributed { .. }
            | Self::UserHistory { .. } => true,
            Self::Event { .. }
            | Self::User { .. }
            | Self::Group { .. }
            | Self::Sql { .. }
            | Self::ItemCount { .. }
            | Self::Lookup { .. } => false,
        }
    }

    /// The properties made from other events in something that is serialised, with their places.
    pub fn computed_in(value: &Value) -> Vec<(String, Self)> {
        let mut found = Vec::new();
        each_object(value, "", &mut |path, object| {
            // Nothing else is written like one of them.
            if let Ok(property) = Self::deserialize(object)
                && property.is_computed()
            {
                found.push((path.to_owned(), property));
            }
        });
        found
    }

    /// The lookup properties in something that is serialised, with their places.
    pub fn lookups_in(value: &Value) -> Vec<(String, Self)> {
        let mut found = Vec::new();
        each_object(value, "", &mut |path, object| {
            if object.get("column").is_some()
                && let Ok(property @ Self::Lookup { .. }) = Self::deserialize(object)
            {
                found.push((path.to_owned(), property));
            }
        });
        found
    }
}

/// A window of time back from an event, in milliseconds: units have fixed lengths (G-7).
pub(crate) fn check_window(field: &str, period: Period) -> Result<(), String> {
    match window_ms(period) {
        Some(window) if window > 0 => Ok(()),
        Some(_) => Err(format!("{field} is a time longer than nothing")),
        None => Err(format!("{field} is counted in minutes, hours, days, weeks or months of 30 days")),
    }
}

/// How long a window back from an event is, in milliseconds; a month is 30 days (G-7). `None` for
/// units that have no fixed length.
pub fn window_ms(period: Period) -> Option<i64> {
    let unit = match period.unit {
        Unit::Minute => 60_000,
        Unit::Hour => 3_600_000,
        Unit::Day => DAY_MS,
        Unit::Week => 7 * DAY_MS,
        Unit::Month => 30 * DAY_MS,
        Unit::Quarter | Unit::Year => return None,
    };
    Some(i64::from(period.count) * unit)
}

/// What the parts of a computed property may not be made of.
pub(crate) fn check_parts(of: Option<&Property>, events: Option<&EventSelector>) -> Result<(), String> {
    let nested = of.is_some_and(Property::is_computed) || events.is_some_and(|events| has(events, &|_| true));
    if nested {
        return Err("a property that comes from other events is not made from another such".to_owned());
    }
    if events.is_some_and(|events| events.first_time.is_some()) {
        return Err("first_time is not possible here".to_owned());
    }
    Ok(())
}

/// Per user are counts and aggregates of events; sessions are not.
pub(crate) fn check_per_user(per_user: &PerUser) -> Result<(), String> {
    match per_user {
        PerUser::Sessions => {
            Err("per_user of a property is events, or an aggregate of a property".to_owned())
        }
        PerUser::OfProperty { of, .. } => check_parts(Some(of), None),
        PerUser::Events => Ok(()),
    }
}

/// Where properties that come from other events cannot stand.
pub(crate) fn check(scope: &Scope, question: &Question) -> Result<()> {
    let per_user = |property: &Property| matches!(property, Property::PerUser { .. });
    match question {
        Question::Insights(insights) => check_insights(scope, insights),
        Question::Funnel(funnel) => check_funnel(scope, funnel),
        Question::Retention(retention) => check_retention(scope, retention),
        Question::Frequency(frequency) => check_behaviour(scope, frequency),
        Question::Lifecycle(lifecycle) => check_behaviour(scope, lifecycle),
        Question::Stickiness(stickiness) => check_behaviour(scope, stickiness),
        Question::Flows(flows) => check_behaviour(scope, flows),
        Question::Correlation(correlation) => check_behaviour(scope, correlation),
        Question::Experiment(experiment) => check_behaviour(scope, experiment),
        Question::Impact(impact) => check_behaviour(scope, impact),
        Question::Cohort(_) => refuse(scope, &per_user, OF_A_TIME),
        Question::Sessions(list) => {
            refuse(scope, &per_user, OF_A_TIME)?;
            refuse(list, &Property::is_computed, "is not a property of sessions")
        }
    }
}

/// What is computed for a time, and credit for what led to an event, are of insights.
fn check_behaviour(scope: &Scope, question: &impl Serialize) -> Result<()> {
    let per_user = |property: &Property| matches!(property, Property::PerUser { .. });
    let attributed = |property: &Property| matches!(property, Property::Attributed { .. });
    refuse(scope, &per_user, OF_A_TIME)?;
    refuse(question, &per_user, OF_A_TIME)?;
    refuse(scope, &attributed, "is of insights and funnels")?;
    refuse(question, &attributed, "is of insights and funnels")
}

const OF_A_TIME: &str = "is computed for the time of an insights report";

/// A number of an attempt splits and filters attempts (F-75), and so does what led to their first event
/// . Neither is known of a single event.
fn check_funnel(scope: &Scope, funnel: &Funnel) -> Result<()> {
    let is_either =
        |property: &Property| matches!(property, Property::PerUser { .. } | Property::Attributed { .. });
    // What stands where it may is looked at, and taken away.
    let (mut scope, mut funnel) = (scope.clone(), funnel.clone());
    let steps = funnel.steps.len();
    let (is_clickhouse, by_groups) = (funnel.clickhouse.is_some(), funnel.count_by.is_some());
    let check = |property: &mut Property, is_split: bool| {
        let wrong = |problem: &str| Err(DefinitionError::new("property", problem));
        match property {
            _ if !is_either(property) || is_clickhouse => return Ok(()),
            Property::PerUser { between_steps: Some([from, to]), within: None, .. }
                if *from == 0 || *from >= *to || *to > steps =>
            {
                let problem = format!("a step and a later one; there are steps 1 to {steps}");
                return Err(DefinitionError::new("property.between_steps", problem));
            }
            Property::PerUser { between_steps: Some(_), within: None, .. } => {}
            Property::PerUser { .. } => {
                return wrong("is computed between two steps: say \"between_steps\": [1, 2], and no within");
            }
            _ if by_groups => return wrong("leads to events of users: it goes without count_by"),
            Property::Attributed { model, .. }
                if is_split
                    && !matches!(
                        model,
                        AttributionModel::First | AttributionModel::Last | AttributionModel::Participation
                    ) =>
            {
                return wrong("attempts are not shared out: the models are first, last and participation");
            }
            _ => {}
        }
        *property = Property::Event { name: String::new() };
        Ok(())
    };
    for (at, breakdown) in funnel.breakdowns.iter_mut().enumerate() {
        if let Breakdown::Property { property, cast, buckets, unit } = breakdown {
            let within = |error: DefinitionError| error.within(&format!("breakdowns[{at}]"));
            let is_plain = cast.is_none() && buckets.is_none() && unit.is_none();
            if matches!(property, Property::Attributed { .. }) && !is_plain {
                return Err(within(DefinitionError::new("property", ATTRIBUTED_AS_IT_IS)));
            }
            check(property, true).map_err(within)?;
        }
    }
    if let Some(filter) = &mut scope.filter {
        each_condition(filter, &mut |property| check(property, false))
            .map_err(|error| error.within("where"))?;
    }
    refuse(&scope, &is_either, OF_ATTEMPTS)?;
    refuse(&funnel, &is_either, OF_ATTEMPTS)
}

const OF_ATTEMPTS: &str = "is known of whole attempts: breakdowns and where can ask for it, not clickhouse";
const ATTRIBUTED_AS_IT_IS: &str = "an attributed property is split by as it is: without as, buckets, unit";

/// Every property that a condition of a filter is on.
fn each_condition(filter: &mut Filter, see: &mut dyn FnMut(&mut Property) -> Result<()>) -> Result<()> {
    let each = |field: &str, filters: &mut [Filter], see: &mut dyn FnMut(&mut Property) -> Result<()>| {
        filters.iter_mut().enumerate().try_for_each(|(at, filter)| {
            each_condition(filter, see).map_err(|error| error.within(&format!("{field}[{at}]")))
        })
    };
    match filter {
        Filter::List(all) => each("", all, see),
        Filter::All { all } => each("all", all, see),
        Filter::Any { any } => each("any", any, see),
        Filter::Not { not } => each_condition(not, see).map_err(|error| error.within("not")),
        Filter::Condition(condition) => see(&mut condition.property),
        Filter::Sql(_) | Filter::InCohort { .. } | Filter::NotInCohort { .. } | Filter::ListContains(_) => {
            Ok(())
        }
    }
}

const AFTER_BIRTH: &str = "is computed after the birth: breakdowns and birth can ask for it";
const OWN_TIME: &str = "between_steps is of funnels, within of retention: here the time is the report's";

/// What users do after their birth splits births, and says which count.
fn check_retention(scope: &Scope, retention: &Retention) -> Result<()> {
    let per_user = |property: &Property| matches!(property, Property::PerUser { .. });
    let attributed = |property: &Property| matches!(property, Property::Attributed { .. });
    refuse(scope, &per_user, AFTER_BIRTH)?;
    let rest = Retention {
        birth: EventSelector::named(crate::ALL_EVENTS),
        breakdowns: Vec::new(),
        ..retention.clone()
    };
    refuse(&rest, &per_user, AFTER_BIRTH)?;
    if retention.count_by.is_some() {
        refuse(retention, &per_user, "goes without count_by")?;
    }
    let has_no_time = |property: &Property| {
        matches!(property, Property::PerUser { between_steps, within, .. }
            if between_steps.is_some() || within.is_none())
    };
    refuse(retention, &has_no_time, "is computed after the birth: say \"within\": \"7 days\"")?;
    refuse(scope, &attributed, "is of insights and funnels")?;
    refuse(retention, &attributed, "is of insights and funnels")
}

/// What is computed for a time is not known where users are chosen.
pub(crate) fn check_cohort(cohort: &Cohort) -> Result<()> {
    refuse(cohort, &|property| matches!(property, Property::PerUser { .. }), OF_A_TIME)?;
    let of_cohorts = |property: &Property| serde_json::to_value(property).is_ok_and(|it| names_a_cohort(&it));
    refuse(cohort, &of_cohorts, "depends on cohorts, which is not possible within one")
}

/// Of a profile it is known what it was, and not what happened.
pub(crate) fn check_profile(filter: &Filter, has_time: bool) -> Result<()> {
    let of_events =
        |property: &Property| property.is_computed() && !matches!(property, Property::UserHistory { .. });
    refuse(filter, &of_events, "comes from events, and this is about the profile")
        .map_err(|error| error.within("where"))?;
    if has_time && !has(filter, &Property::is_computed) {
        let error = DefinitionError::new("where", "names nothing that has a history");
        return Err(error.hint("write {\"user_history\": \"plan\"} for what \"user.plan\" was"));
    }
    Ok(())
}

fn check_insights(scope: &Scope, insights: &Insights) -> Result<()> {
    if let Some(sessions) = &scope.sessions {
        refuse(sessions, &Property::is_computed, "does not say what a session is")
            .map_err(|error| error.within("sessions"))?;
    }
    for (at, breakdown) in insights.breakdowns.iter().enumerate() {
        let within = |error: DefinitionError| error.within(&format!("breakdowns[{at}]"));
        if let Breakdown::Property { property: Property::Attributed { .. }, cast, buckets, unit } = breakdown
            && (cast.is_some() || buckets.is_some() || unit.is_some())
        {
            return Err(within(DefinitionError::new("property", ATTRIBUTED_AS_IT_IS)));
        }
    }
    for (place, metric) in insights.all_metrics() {
        if metric.saved.is_some() {
            // It is looked at once it is known what it is.
            continue;
        }
        if metric.funnel.is_none() && metric.retention.is_none() {
            check_metric(scope, insights, &place, metric)?;
            continue;
        }
        // What these reports know of filters is what there is of them here.
        if let Some(filter) = &scope.filter {
            filter.check(false).map_err(|error| error.within("where"))?;
        }
        let (field, checked) = match (insights.funnel_of(metric), insights.retention_of(metric)) {
            (Some(funnel), _) => ("funnel", check_funnel(scope, &funnel)),
            (None, Some(retention)) => ("retention", check_retention(scope, &retention)),
            (None, None) => continue,
        };
        checked.map_err(|error| {
            // These are the report's.
            let is_of_report =
                ["breakdowns", "where", "sessions"].iter().any(|of| error.path.starts_with(of));
            if is_of_report { error } else { error.within(&format!("{place}.{field}")) }
        })?;
    }
    Ok(())
}

/// A metric of events, of profiles, or of a cohort.
fn check_metric(scope: &Scope, insights: &Insights, place: &str, metric: &Metric) -> Result<()> {
    let per_user = |property: &Property| matches!(property, Property::PerUser { .. });
    let attributed = |property: &Property| matches!(property, Property::Attributed { .. });
    let within = |error: DefinitionError| error.within(place);
    let has_own_time = |property: &Property| {
        matches!(property, Property::PerUser { between_steps, within, .. }
            if between_steps.is_some() || within.is_some())
    };
    refuse(scope, &has_own_time, OWN_TIME)?;
    refuse(&insights.breakdowns, &has_own_time, OWN_TIME).map_err(|error| error.within("breakdowns"))?;
    refuse(metric, &has_own_time, OWN_TIME).map_err(within)?;
    if has(&scope.filter, &per_user) || has(&insights.breakdowns, &per_user) || has(metric, &per_user) {
        if matches!(
            metric.measure,
            Measure::DailyActiveUsers | Measure::WeeklyActiveUsers | Measure::MonthlyActiveUsers
        ) {
            let problem =
                "cannot be told by what users do in a bucket: active users are those of days before";
            return Err(within(DefinitionError::new("measure", problem)));
        }
        if metric.count_by.is_some() {
            let problem = "goes without properties that are computed per user";
            return Err(within(DefinitionError::new("count_by", problem)));
        }
        if metric.event.is_none() {
            let problem = "what is computed per user in a time is of metrics of events";
            return Err(within(DefinitionError::new("", problem)));
        }
    }
    let by_attribution = insights.breakdowns.iter().filter(|breakdown| has(*breakdown, &attributed)).count();
    if by_attribution == 0 {
        return Ok(());
    }
    if by_attribution > 1 {
        return Err(DefinitionError::new("breakdowns", "one of them may be an attributed property"));
    }
    if metric.event.is_none() || metric.count_by.is_some() {
        let problem = "what is attributed are events of users: without profiles, cohort, count_by";
        return Err(within(DefinitionError::new("", problem)));
    }
    match &metric.measure {
        Measure::TotalEvents
        | Measure::UniqueUsers
        | Measure::OfProperty { aggregate: crate::Aggregate::Sum, .. } => Ok(()),
        _ => {
            let error = DefinitionError::new("measure", "cannot be attributed");
            Err(within(error.hint("total_events, unique_users and sums of a property can")))
        }
    }
}

/// Whether such a property is somewhere in it.
fn has(part: &impl Serialize, is_it: &dyn Fn(&Property) -> bool) -> bool {
    place_of(part, is_it).is_some()
}

fn refuse(part: &impl Serialize, is_it: &dyn Fn(&Property) -> bool, problem: &str) -> Result<()> {
    match place_of(part, is_it) {
        Some(path) => Err(DefinitionError::new(path, problem)),
        None => Ok(()),
    }
}

fn place_of(part: &impl Serialize, is_it: &dyn Fn(&Property) -> bool) -> Option<String> {
    let value = serde_json::to_value(part).ok()?;
    let found = Property::computed_in(&value).into_iter().find(|(_, property)| is_it(property));
    found.map(|(path, _)| path)
}

fn names_a_cohort(value: &Value) -> bool {
    let mut found = false;
    each_object(value, "", &mut |_, object| {
        found |= object.get("in_cohort").is_some() || object.get("not_in_cohort").is_some();
    });
    found
}

/// Every object in JSON, the inner ones first, with its place.
fn each_object(value: &Value, path: &str, see: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let path = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
                each_object(value, &path, see);
            }
            see(path, value);
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                each_object(item, &format!("{path}[{at}]"), see);
            }
        }
        _ => {}
    }
}
