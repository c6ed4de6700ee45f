//! Sets of users.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::filter::CohortName;
use crate::report::read;
use crate::{
    Aggregate, DateRange, DefinitionError, EventSelector, Filter, Instant, Property, Result, Scope, Unit,
};

/// A set of users, or of groups, by what they did and what they are (C-1). Of everyone with an event
/// or a profile (C-2), those are members who meet the conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cohort {
    /// The members are groups: the values of this event property, such as `company_id` (U-30, C-21).
    /// Users if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_key: Option<String>,
    /// Whose conditions all hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<CohortCondition>>,
    /// Of whose conditions any holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<CohortCondition>>,
}

/// One condition of a cohort (C-3): exactly one of `did`, `where`, `in_cohort`, `not_in_cohort`,
/// `users`, `groups`, `all`, `any`, `not`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CohortCondition {
    /// The user did this; how often is said by `times`, at least once if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did: Option<Did>,
    /// The user did not do this: the same as `times` equal to 0 (C-7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did_not: Option<Did>,
    /// The profile meets this (C-16). Only `user.` properties, `user_history` and cohorts can be named;
    /// of groups only properties of their own, and cohorts of the same kind.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// With `where`: what `user_history` names is as it was then (C-3 e); now if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Instant>,
    /// With `where`: what `user_history` names is as it was at any time in this range (C-3 e).
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub range: Option<DateRange>,
    /// The user is in another saved cohort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_cohort: Option<CohortName>,
    /// The user is not in another saved cohort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_in_cohort: Option<CohortName>,
    /// The user is one of these, by any of their ids (C-17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
    /// The group is one of these; in cohorts of groups (C-21).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// All of these hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<CohortCondition>>,
    /// Any of these holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<CohortCondition>>,
    /// This does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<CohortCondition>>,
}

/// What a user did (C-4): an event, when, and how often or how much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Did {
    /// Which events; with `first_time` only if the user's first ever lies in the time (C-3 g).
    pub event: EventSelector,
    /// When; at any time if not said (C-6).
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub range: Option<DateRange>,
    /// How often, or what an aggregate has to be; at least once if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
    /// And later did this (C-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<EventSelector>,
    /// And after the first did not do this (C-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then_not: Option<EventSelector>,
}

/// A comparison of how often something was done, or of an aggregate over it (C-4).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Compared is this aggregate of `of` instead of the number of events: sum, average, min, max,
    /// median, distinct (C-8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Aggregate>,
    /// The property the aggregate is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Property>,
    /// Compared is the number of different civil units of time with such an event (C-5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Unit>,
    /// ≥.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// ≤.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// >.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greater_than: Option<f64>,
    /// <.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub less_than: Option<f64>,
    /// =.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equal_to: Option<f64>,
    /// ≠.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_equal_to: Option<f64>,
    /// Within, both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<[f64; 2]>,
}

impl Cohort {
    /// Reads a cohort as it is saved: `{"all": [...]}` or `{"any": [...]}`, with or without the
    /// `"report": "cohort"` that makes it a report. What reports share, such as the time zone, is
    /// not its own: it takes that from the report that names it.
    ///
    /// # Errors
    /// As for [`crate::Report::parse`].
    pub fn from_value(value: Value) -> Result<Self> {
        let Value::Object(mut fields) = value else {
            return Err(DefinitionError::new("", "a cohort is a JSON object"));
        };
        match fields.shift_remove("report") {
            Some(Value::String(kind)) if kind == "cohort" => {}
            Some(_) => return Err(DefinitionError::new("report", "only a \"cohort\" is one")),
            None => {}
        }
        if let Some(shared) = Scope::FIELDS.into_iter().find(|field| fields.contains_key(*field)) {
            let error = DefinitionError::new(shared, "a saved cohort has none of its own");
            return Err(error.hint("the report that names the cohort says it"));
        }
        let cohort: Self = read(fields)?;
        cohort.check()?;
        Ok(cohort)
    }

    /// The conditions, and whether all have to hold.
    pub fn conditions(&self) -> (&[CohortCondition], bool) {
        match (&self.all, &self.any) {
            (_, Some(any)) => (any, false),
            (all, None) => (all.as_deref().unwrap_or_default(), true),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let (field, conditions) = match (&self.all, &self.any) {
            (Some(all), None) => ("all", all),
            (None, Some(any)) => ("any", any),
            _ => return Err(DefinitionError::new("", "a cohort has either all or any")),
        };
        check_all(field, conditions, self.group_key.as_deref())?;
        crate::computed::check_cohort(self)
    }
}

fn check_all(field: &str, conditions: &[CohortCondition], group_key: Option<&str>) -> Result<()> {
    if conditions.is_empty() {
        return Err(DefinitionError::new(field, "at least one condition"));
    }
    for (at, condition) in conditions.iter().enumerate() {
        condition.check(group_key).map_err(|error| error.within(&format!("{field}[{at}]")))?;
    }
    Ok(())
}

impl CohortCondition {
    fn check(&self, group_key: Option<&str>) -> Result<()> {
        let Self { did, did_not, filter, at, range, in_cohort, not_in_cohort, users, groups, all, any, not } =
            self;
        if (at.is_some() || range.is_some()) && filter.is_none() {
            let field = if at.is_some() { "at" } else { "in" };
            return Err(DefinitionError::new(field, "goes with where; the time of did stands within it"));
        }
        if at.is_some() && range.is_some() {
            return Err(DefinitionError::new("at", "goes without in"));
        }
        if let Some(filter) = filter {
            crate::computed::check_profile(filter, at.is_some() || range.is_some())?;
        }
        let kinds = [
            did.is_some(),
            did_not.is_some(),
            filter.is_some(),
            in_cohort.is_some(),
            not_in_cohort.is_some(),
            users.is_some(),
            groups.is_some(),
            all.is_some(),
            any.is_some(),
            not.is_some(),
        ];
        if kinds.into_iter().filter(|is| *is).count() != 1 {
            return Err(DefinitionError::new(
                "",
                "a condition is exactly one of did, did_not, where, in_cohort, not_in_cohort, users, groups, all, any, not",
            ));
        }
        if users.is_some() && group_key.is_some() {
            return Err(DefinitionError::new("users", "a cohort with a group_key has groups"));
        }
        if groups.is_some() && group_key.is_none() {
            return Err(DefinitionError::new("groups", "only a cohort with a group_key has groups"));
        }
        if let (Some(filter), Some(key)) = (filter, group_key) {
            filter.check_of_group(key).map_err(|error| error.within("where"))?;
        }
        filter.iter().try_for_each(|filter| filter.check(false).map_err(|error| error.within("where")))?;
        for (field, did) in [("did", did), ("did_not", did_not)] {
            let selectors =
                did.iter().flat_map(|did| did.then.iter().chain(&did.then_not).chain([&did.event]));
            let is_sequence = did.as_ref().is_some_and(|did| did.then.is_some() || did.then_not.is_some());
            let has_first = selectors.into_iter().any(|selector| selector.first_time.is_some());
            if group_key.is_some() && is_sequence && has_first {
                let problem = "first_time is not possible in sequences of groups";
                return Err(DefinitionError::new(field, problem));
            }
        }
        if let Some(did) = did {
            did.check().map_err(|error| error.within("did"))?;
        }
        if let Some(did_not) = did_not {
            did_not.check().map_err(|error| error.within("did_not"))?;
        }
        if let Some(did_not) = did_not
            && (did_not.times.is_some() || did_not.then.is_some() || did_not.then_not.is_some())
        {
            return Err(DefinitionError::new(
                "did_not",
                "is the same as never: it has no times, then, then_not",
            ));
        }
        for (field, conditions) in [("all", all), ("any", any)] {
            if let Some(conditions) = conditions {
                check_all(field, conditions, group_key)?;
            }
        }
        not.iter().try_for_each(|not| not.check(group_key).map_err(|error| error.within("not")))
    }
}

impl Did {
    fn check(&self) -> Result<()> {
        let selectors = [
            ("event", Some(&self.event)),
            ("then", self.then.as_ref()),
            ("then_not", self.then_not.as_ref()),
        ];
        for (field, selector) in selectors {
            selector.iter().try_for_each(|event| event.check(false).map_err(|error| error.within(field)))?;
        }
        if self.then.is_some() && self.then_not.is_some() {
            return Err(DefinitionError::new("then_not", "goes without then: write two conditions"));
        }
        if self.times.is_some() && (self.then.is_some() || self.then_not.is_some()) {
            return Err(DefinitionError::new(
                "times",
                "goes without then and then_not: write two conditions",
            ));
        }
        self.times.iter().try_for_each(|times| times.check().map_err(|error| error.within("times")))
    }
}

impl Times {
    fn check(&self) -> Result<()> {
        let Self {
            aggregate,
            of,
            distinct,
            at_least,
            at_most,
            greater_than,
            less_than,
            equal_to,
            not_equal_to,
            between,
        } = self;
        let single = [at_least, at_most, greater_than, less_than, equal_to, not_equal_to];
        let count =
            single.into_iter().filter(|value| value.is_some()).count() + usize::from(between.is_some());
        if count != 1 {
            return Err(DefinitionError::new("", "exactly one comparison")
                .hint("at_least, at_most, greater_than, less_than, equal_to, not_equal_to, between"));
        }
        match (aggregate, of, distinct) {
            (None, None, _) => Ok(()),
            (Some(aggregate), Some(_), None) => match aggregate {
                Aggregate::Sum
                | Aggregate::Average
                | Aggregate::Min
                | Aggregate::Max
                | Aggregate::Percentile(_)
                | Aggregate::Distinct => Ok(()),
                other => Err(DefinitionError::new(
                    "aggregate",
                    format!("one of sum, average, min, max, median, distinct, not {}", other.name()),
                )),
            },
            _ => Err(DefinitionError::new("", "aggregate and of go together, and without distinct")),
        }
    }

    /// Whether a number passes; no number never does (C-8).
    #[expect(clippy::float_cmp, reason = "the rules compare numbers as they are")]
    pub fn accepts(&self, number: Option<f64>) -> bool {
        let Some(number) = number else { return false };
        self.at_least.is_none_or(|bound| number >= bound)
            && self.at_most.is_none_or(|bound| number <= bound)
            && self.greater_than.is_none_or(|bound| number > bound)
            && self.less_than.is_none_or(|bound| number < bound)
            && self.equal_to.is_none_or(|bound| number == bound)
            && self.not_equal_to.is_none_or(|bound| number != bound)
            && self.between.is_none_or(|[from, to]| (from..=to).contains(&number))
    }
}
