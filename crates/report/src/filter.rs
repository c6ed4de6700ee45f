//! Which events, or users, are wanted.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::text::{NoList, WordOr, Written, word_or};
use crate::{DefinitionError, Property, Unit};

/// A condition on an event and who did it.
///
/// Written as text it is a SQL expression: `"amount > 10 AND user.plan = 'pro'"`. Written as an
/// object it is one condition, `{"property": "plan", "equals": "pro"}`, or several:
/// `{"all": [...]}`, `{"any": [...]}`, `{"not": ...}`; a list is all of its members. Conditions that
/// one object of a list has to meet together are `{"list_contains": "cart", "where": [...]}`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(with = "Written<Self>")]
pub enum Filter {
    /// A SQL expression; anything but true drops the event (K-62).
    Sql(String),
    /// All of these, written as a list.
    List(Vec<Filter>),
    /// All of these (P-2); none is true.
    All {
        /// The conditions.
        all: Vec<Filter>,
    },
    /// Any of these (P-2); none is false.
    Any {
        /// The conditions.
        any: Vec<Filter>,
    },
    /// Not this.
    Not {
        /// The condition.
        not: Box<Filter>,
    },
    /// Whether the user is in any of some cohorts (C-10).
    InCohort {
        /// Names of saved cohorts, or definitions.
        in_cohort: Vec<CohortName>,
    },
    /// Whether the user is outside of any of some cohorts (C-10): only who is in all of them is not.
    NotInCohort {
        /// Names of saved cohorts.
        not_in_cohort: Vec<CohortName>,
    },
    /// Conditions on one object of a list.
    ListContains(Box<ListContains>),
    /// A condition on a property.
    Condition(Box<Condition>),
}

/// One object of a list meets all of it (P-33).
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListContains {
    /// The list of objects.
    #[serde(rename = "list_contains")]
    pub list: Property,
    /// What the object meets; properties are those of the object.
    #[serde(rename = "where")]
    pub filter: Filter,
    /// What is left of the list.
    #[serde(skip_serializing_if = "Include::is_all")]
    pub include: Include,
}

/// What a condition on a list leaves of it for breakdowns and measures (P-32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// The list as it is.
    #[default]
    AllItems,
    /// The items that meet the condition; of a list of objects, the objects.
    MatchingItems,
}

impl Include {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_all(&self) -> bool {
        *self == Self::AllItems
    }
}

/// The name of a saved cohort.
pub type CohortName = String;

/// A type that values are turned into first (D-27).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CastType {
    /// Text.
    String,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A date.
    Date,
}

/// Which items of a list have to meet a condition (P-30).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Items {
    /// At least one.
    #[default]
    Any,
    /// Every one, and there is one.
    All,
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text, or a date where one is compared.
    Text(String),
}

/// A number of units of time: `"7 days"` or `{"count": 7, "unit": "day"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[schemars(with = "Written<Self>")]
pub struct Period {
    /// How many.
    pub count: u32,
    /// Of what.
    pub unit: Unit,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeriodObject {
    /// How many.
    count: u32,
    /// Of what.
    unit: Unit,
}

impl WordOr<'_> for Period {
    const EXPECTED: &'static str = "a period such as \"7 days\"";
    type Object = PeriodObject;
    type List = NoList;

    fn of_word(word: &str) -> Result<Self, String> {
        let wrong = || format!("\"{word}\" is no period; write for example \"7 days\"");
        let (count, unit) = word.trim().split_once(' ').ok_or_else(wrong)?;
        Ok(Self { count: count.parse().map_err(|_| wrong())?, unit: Unit::named(unit).ok_or_else(wrong)? })
    }

    fn of_object(object: PeriodObject) -> Result<Self, String> {
        Ok(Self { count: object.count, unit: object.unit })
    }
}

impl Period {
    /// As it is written: `7 days`.
    pub(crate) fn label(self) -> String {
        format!("{} {}{}", self.count, self.unit, if self.count == 1 { "" } else { "s" })
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

/// A property, one operator, and what to compare with. Negative operators are exact complements,
/// true where there is no value (G-9).
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Condition {
    /// What is compared.
    pub property: Property,
    /// Turned into this first (D-27); without it a value of another type than the operator's is no
    /// match (P-5).
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub cast: Option<CastType>,
    /// For lists.
    pub items: Items,
    /// What is left of a list.
    #[serde(skip_serializing_if = "Include::is_all")]
    pub include: Include,
    /// Whether `contains`, `starts_with`, `ends_with` tell capital letters from small ones, and
    /// `equals` does; as the rules have it if not said (P-20).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_case: Option<bool>,
    /// How.
    #[serde(flatten)]
    pub operator: Operator,
}

/// The operators (P-10 to P-13). Several values of a positive one mean any of them, of a negative
/// one none of them (P-2).
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Equal to one of the values; text exactly (P-20).
    Equals(Vec<Scalar>),
    /// Equal to none of the values.
    DoesNotEqual(Vec<Scalar>),
    /// Contains one of the texts, whatever the case.
    Contains(Vec<String>),
    /// Contains none of the texts.
    DoesNotContain(Vec<String>),
    /// Begins with one of the texts, whatever the case.
    StartsWith(Vec<String>),
    /// Ends with one of the texts, whatever the case.
    EndsWith(Vec<String>),
    /// Has a value (D-26).
    IsSet(bool),
    /// Greater than a number.
    GreaterThan(f64),
    /// Less than a number.
    LessThan(f64),
    /// Not less than a number.
    AtLeast(f64),
    /// Not greater than a number.
    AtMost(f64),
    /// Within, both ends included (P-21).
    Between([f64; 2]),
    /// Not within.
    NotBetween([f64; 2]),
    /// On that civil day (P-23).
    WasOn(String),
    /// Not on that day.
    WasNotOn(String),
    /// From the first day to the last, both included.
    WasBetween([String; 2]),
    /// Not from the first day to the last.
    WasNotBetween([String; 2]),
    /// Before that day.
    WasBefore(String),
    /// On that day or later.
    WasSince(String),
    /// Within the last units of time up to now (G-8).
    WasInTheLast(Period),
    /// Not within them.
    WasNotInTheLast(Period),
    /// Before the last units of time.
    WasBeforeTheLast(Period),
    /// After now, up to the end of that many units.
    WasInTheNext(Period),
}

/// One value or several.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::Many(many) => many,
            Self::One(one) => vec![one],
        }
    }
}

/// Everything a filter may have as an object.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterObject {
    /// All of these hold.
    all: Option<Vec<Filter>>,
    /// Any of these holds.
    any: Option<Vec<Filter>>,
    /// This does not hold.
    not: Option<Box<Filter>>,
    /// The user is in one of these saved cohorts.
    in_cohort: Option<OneOrMany<CohortName>>,
    /// The user is not in one of these saved cohorts.
    not_in_cohort: Option<OneOrMany<CohortName>>,
    /// One object of this list meets `where`.
    list_contains: Option<Property>,
    /// With `list_contains`: conditions on the properties of one object.
    #[serde(rename = "where")]
    filter: Option<Box<Filter>>,
    /// What is compared, by exactly one operator.
    property: Option<Property>,
    /// Turned into this first.
    #[serde(rename = "as")]
    cast: Option<CastType>,
    /// For lists: whether any item or all have to meet the condition.
    items: Option<Items>,
    /// Whether breakdowns and measures have all items of the list, or the matching ones.
    include: Option<Include>,
    /// Whether capital letters are told from small ones.
    match_case: Option<bool>,
    /// Equal to one of the values.
    equals: Option<OneOrMany<Scalar>>,
    /// Equal to none of the values.
    does_not_equal: Option<OneOrMany<Scalar>>,
    /// Contains one of the texts.
    contains: Option<OneOrMany<String>>,
    /// Contains none of the texts.
    does_not_contain: Option<OneOrMany<String>>,
    /// Begins with one of the texts.
    starts_with: Option<OneOrMany<String>>,
    /// Ends with one of the texts.
    ends_with: Option<OneOrMany<String>>,
    /// Has a value, or has none.
    is_set: Option<bool>,
    /// Greater than the number.
    greater_than: Option<f64>,
    /// Less than the number.
    less_than: Option<f64>,
    /// Not less than the number.
    at_least: Option<f64>,
    /// Not greater than the number.
    at_most: Option<f64>,
    /// Within, both ends included.
    between: Option<[f64; 2]>,
    /// Not within.
    not_between: Option<[f64; 2]>,
    /// On that civil day.
    was_on: Option<String>,
    /// Not on that day.
    was_not_on: Option<String>,
    /// From the first day to the last, both included.
    was_between: Option<[String; 2]>,
    /// Not from the first day to the last.
    was_not_between: Option<[String; 2]>,
    /// Before that day.
    was_before: Option<String>,
    /// On that day or later.
    was_since: Option<String>,
    /// Within the last units of time up to now.
    was_in_the_last: Option<Period>,
    /// Not within them.
    was_not_in_the_last: Option<Period>,
    /// Before the last units of time.
    was_before_the_last: Option<Period>,
    /// After now, up to the end of that many units.
    was_in_the_next: Option<Period>,
}

impl WordOr<'_> for Filter {
    const EXPECTED: &'static str = "a filter: a SQL expression, a condition, or a list of filters";
    type Object = FilterObject;
    type List = Vec<Filter>;

    fn of_word(word: &str) -> Result<Self, String> {
        if word.trim().is_empty() {
            return Err("a SQL expression is expected".to_owned());
        }
        Ok(Self::Sql(word.to_owned()))
    }

    fn of_list(all: Vec<Filter>) -> Result<Self, String> {
        Ok(Self::List(all))
    }

    fn of_object(object: FilterObject) -> Result<Self, String> {
        let FilterObject { all, any, not, in_cohort, not_in_cohort, list_contains, property, .. } = &object;
        let (has_property, has_list) = (property.is_some(), list_contains.is_some());
        let kinds = [
            all.is_some(),
            any.is_some(),
            not.is_some(),
            in_cohort.is_some(),
            not_in_cohort.is_some(),
            has_list,
            has_property,
        ];
        if kinds.into_iter().filter(|is| *is).count() != 1 {
            return Err("a filter is one of property with an operator, all, any, not, in_cohort, \
                        not_in_cohort, list_contains with where"
                .to_owned());
        }
        if !has_property && (object.cast.is_some() || object.items.is_some() || object.match_case.is_some()) {
            return Err("as, items and match_case go with a property".to_owned());
        }
        if !has_property && !has_list && object.include.is_some() {
            return Err("include goes with a property or list_contains".to_owned());
        }
        if has_list != object.filter.is_some() {
            return Err("list_contains and where go together".to_owned());
        }
        let (cast, items, match_case) = (object.cast, object.items.unwrap_or_default(), object.match_case);
        let include = object.include.unwrap_or_default();
        let mut object = object;
        let property = object.property.take();
        let mut group = None;
        group = group.or(object.all.take().map(|all| Self::All { all }));
        group = group.or(object.any.take().map(|any| Self::Any { any }));
        group = group.or(object.not.take().map(|not| Self::Not { not }));
        let cohorts = object.in_cohort.take().map(OneOrMany::into_vec);
        group = group.or(cohorts.map(|in_cohort| Self::InCohort { in_cohort }));
        let cohorts = object.not_in_cohort.take().map(OneOrMany::into_vec);
        group = group.or(cohorts.map(|not_in_cohort| Self::NotInCohort { not_in_cohort }));
        let contains = object.list_contains.take().zip(object.filter.take());
        group = group.or(contains.map(|(list, filter)| {
            Self::ListContains(Box::new(ListContains { list, filter: *filter, include }))
        }));
        let mut operators = object.operators();
        let Some(property) = property else {
            if !operators.is_empty() {
                return Err("an operator goes with a property".to_owned());
            }
            return group.ok_or_else(|| "a filter says something".to_owned());
        };
        match (operators.pop(), operators.is_empty()) {
            (Some(operator), true) => Ok(Self::Condition(Box::new(Condition {
                property,
                cast,
                items,
                include,
                match_case,
                operator,
            }))),
            (None, _) => {
                Err("a property needs an operator, such as equals, contains, greater_than, is_set, \
                              was_in_the_last"
                    .to_owned())
            }
            (Some(_), false) => {
                Err("one operator a condition; several conditions go into all or any".to_owned())
            }
        }
    }
}

impl FilterObject {
    fn operators(self) -> Vec<Operator> {
        let many = |values: OneOrMany<Scalar>| values.into_vec();
        let texts = |values: OneOrMany<String>| values.into_vec();
        let mut found = Vec::new();
        found.extend(self.equals.map(many).map(Operator::Equals));
        found.extend(self.does_not_equal.map(many).map(Operator::DoesNotEqual));
        found.extend(self.contains.map(texts).map(Operator::Contains));
        found.extend(self.does_not_contain.map(texts).map(Operator::DoesNotContain));
        found.extend(self.starts_with.map(texts).map(Operator::StartsWith));
        found.extend(self.ends_with.map(texts).map(Operator::EndsWith));
        found.extend(self.is_set.map(Operator::IsSet));
        found.extend(self.greater_than.map(Operator::GreaterThan));
        found.extend(self.less_than.map(Operator::LessThan));
        found.extend(self.at_least.map(Operator::AtLeast));
        found.extend(self.at_most.map(Operator::AtMost));
        found.extend(self.between.map(Operator::Between));
        found.extend(self.not_between.map(Operator::NotBetween));
        found.extend(self.was_on.map(Operator::WasOn));
        found.extend(self.was_not_on.map(Operator::WasNotOn));
        found.extend(self.was_between.map(Operator::WasBetween));
        found.extend(self.was_not_between.map(Operator::WasNotBetween));
        found.extend(self.was_before.map(Operator::WasBefore));
        found.extend(self.was_since.map(Operator::WasSince));
        found.extend(self.was_in_the_last.map(Operator::WasInTheLast));
        found.extend(self.was_not_in_the_last.map(Operator::WasNotInTheLast));
        found.extend(self.was_before_the_last.map(Operator::WasBeforeTheLast));
        found.extend(self.was_in_the_next.map(Operator::WasInTheNext));
        found
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

impl Filter {
    /// What reading does not find: where `include` makes no sense (P-32), and what one object of a
    /// list cannot be asked (P-33). `may_include` says whether breakdowns or measures follow.
    pub(crate) fn check(&self, may_include: bool) -> Result<(), DefinitionError> {
        let each = |field: &str, filters: &[Self], may_include: bool| {
            filters.iter().enumerate().try_for_each(|(at, filter)| {
                filter.check(may_include).map_err(|error| error.within(&format!("{field}[{at}]")))
            })
        };
        let (include, list) = match self {
            Self::Sql(_) | Self::InCohort { .. } | Self::NotInCohort { .. } => return Ok(()),
            Self::List(all) => return each("", all, may_include),
            Self::All { all } => return each("all", all, may_include),
            // Which of them an item met, nobody could say.
            Self::Any { any } => return each("any", any, false),
            Self::Not { not } => return not.check(false).map_err(|error| error.within("not")),
            Self::ListContains(contains) => {
                contains.filter.check_of_object().map_err(|error| error.within("where"))?;
                (contains.include, &contains.list)
            }
            Self::Condition(condition) => (condition.include, &condition.property),
        };
        if include == Include::AllItems {
            return Ok(());
        }
        if !may_include {
            return Err(DefinitionError::new("include", "matching_items is not possible here")
                .hint("it goes with conditions that all have to hold, on the events a metric measures"));
        }
        if !matches!(list, Property::Event { .. }) {
            return Err(DefinitionError::new("include", "matching_items is for lists that events have"));
        }
        Ok(())
    }

    /// Whether it can be asked of a group by this key (C-21, U-35): of its own properties.
    pub(crate) fn check_of_group(&self, key: &str) -> Result<(), DefinitionError> {
        let each = |field: &str, filters: &[Self]| {
            filters.iter().enumerate().try_for_each(|(at, filter)| {
                filter.check_of_group(key).map_err(|error| error.within(&format!("{field}[{at}]")))
            })
        };
        let is_own = |property: &Property| match property {
            Property::Group { group_key, .. } => group_key == key,
            Property::Sql { .. } => true,
            _ => false,
        };
        let property = match self {
            Self::List(all) => return each("", all),
            Self::All { all } => return each("all", all),
            Self::Any { any } => return each("any", any),
            Self::Not { not } => return not.check_of_group(key).map_err(|error| error.within("not")),
            Self::Sql(_) | Self::InCohort { .. } | Self::NotInCohort { .. } => return Ok(()),
            Self::ListContains(contains) => &contains.list,
            Self::Condition(condition) => &condition.property,
        };
        if is_own(property) {
            return Ok(());
        }
        Err(DefinitionError::new("property", "of a group is one of its own")
            .hint(format!("it is written group.{key}.NAME")))
    }

    /// Whether it can be asked of one object (P-33).
    fn check_of_object(&self) -> Result<(), DefinitionError> {
        let each = |field: &str, filters: &[Self]| {
            filters.iter().enumerate().try_for_each(|(at, filter)| {
                filter.check_of_object().map_err(|error| error.within(&format!("{field}[{at}]")))
            })
        };
        match self {
            Self::List(all) => each("", all),
            Self::All { all } => each("all", all),
            Self::Any { any } => each("any", any),
            Self::Not { not } => not.check_of_object().map_err(|error| error.within("not")),
            Self::Condition(condition) if condition.include == Include::MatchingItems => {
                Err(DefinitionError::new("include", "goes beside list_contains"))
            }
            Self::Condition(condition) if matches!(condition.property, Property::Event { .. }) => Ok(()),
            Self::Condition(_) => {
                Err(DefinitionError::new("property", "in list_contains it is one of the objects in the list"))
            }
            Self::Sql(_) | Self::InCohort { .. } | Self::NotInCohort { .. } | Self::ListContains(_) => {
                Err(DefinitionError::new("", "in list_contains are conditions on properties of one object"))
            }
        }
    }
}
