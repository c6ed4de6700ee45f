//! A tracking plan (M-28) as conditions in SQL: which events break it.
//!
//! Values are looked at where they are, in the typed lanes of their property, so that a check of a
//! type is a look at which lane has a value.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use tallymark_event::{DateShape, LaneKind, PropertyCatalog};
use tallymark_report::{EventSchema, PropertySchema, SchemaFormat, SchemaType, SchemaTypes};

/// What is wrong with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanProblem {
    /// The plan does not have it.
    UnknownEvent,
    /// It lacks a property.
    MissingProperty,
    /// It has a property of another type.
    WrongType,
    /// It has a property with a value that is not expected.
    UnexpectedValue,
    /// It has a property that the plan does not have.
    UnknownProperty,
}

impl PlanProblem {
    /// Its name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownEvent => "unknown event",
            Self::MissingProperty => "missing property",
            Self::WrongType => "wrong type",
            Self::UnexpectedValue => "unexpected value",
            Self::UnknownProperty => "unknown property",
        }
    }
}

/// One way in which events of a name can break the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanCheck {
    /// The property.
    pub property: String,
    /// What would be wrong.
    pub problem: PlanProblem,
    /// What is expected, in words.
    pub expected: String,
    /// True for the events that break it: a SQL expression over `events`.
    pub condition: String,
    /// The property's value as text: a SQL expression over `events`.
    pub value: String,
}

/// All checks of the events of one name. What is not checked cannot be wrong: no property of the
/// catalog has such values.
pub fn plan_checks(schema: &EventSchema, catalog: &PropertyCatalog) -> Vec<PlanCheck> {
    let mut checks = Vec::new();
    let anything = PropertySchema::default();
    let planned = schema.properties.keys().chain(&schema.required).collect::<BTreeSet<_>>();
    for name in planned {
        let property = schema.properties.get(name).unwrap_or(&anything);
        let lanes = lanes_of(name, catalog);
        let value = value(&lanes);
        let mut add = |problem, expected: String, condition: String| {
            let (property, value) = (name.clone(), value.clone());
            checks.push(PlanCheck { property, problem, expected, condition, value });
        };
        // SQL does not tell null from nothing.
        let may_be_null = property.types.is_some() && property.takes(SchemaType::Null);
        if schema.required.contains(name) && !may_be_null {
            add(PlanProblem::MissingProperty, "a value".to_owned(), format!("NOT ({})", any_set(&lanes)));
        }
        if let Some(condition) = any(lanes.iter().map(|lane| lane.of_wrong_type(property))) {
            add(PlanProblem::WrongType, types(property), condition);
        }
        if let Some(condition) = any(lanes.iter().map(|lane| lane.of_unexpected_value(property))) {
            add(PlanProblem::UnexpectedValue, values(property), condition);
        }
    }
    if !schema.additional_properties {
        for property in catalog.properties() {
            let name = &property.name;
            let lanes = lanes_of(name, catalog);
            if schema.properties.contains_key(name) || schema.required.contains(name) || lanes.is_empty() {
                continue;
            }
            checks.push(PlanCheck {
                property: name.clone(),
                problem: PlanProblem::UnknownProperty,
                expected: "no such property".to_owned(),
                condition: any_set(&lanes),
                value: value(&lanes),
            });
        }
    }
    checks
}

/// A name as it has to be written in SQL.
pub fn sql_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as it has to be written in SQL.
pub fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A typed column of a property, named as in SQL.
struct Column {
    name: String,
    kind: LaneKind,
}

fn lanes_of(property: &str, catalog: &PropertyCatalog) -> Vec<Column> {
    let lanes = catalog.property(property).into_iter().flat_map(|property| &property.lanes);
    lanes
        .map(|id| catalog.lane(*id))
        .filter(|lane| lane.kind != LaneKind::Null)
        .map(|lane| Column { name: sql_name(&lane.column), kind: lane.kind })
        .collect()
}

fn any_set(lanes: &[Column]) -> String {
    any(lanes.iter().map(|lane| Some(lane.is_set()))).unwrap_or_else(|| "false".to_owned())
}

/// The first value there is, as text.
fn value(lanes: &[Column]) -> String {
    let texts: Vec<String> = lanes.iter().map(Column::text).collect();
    match texts.as_slice() {
        [] => "NULL".to_owned(),
        [only] => only.clone(),
        several => format!("coalesce({})", several.join(", ")),
    }
}

fn any(conditions: impl Iterator<Item = Option<String>>) -> Option<String> {
    let conditions: Vec<String> = conditions.flatten().collect();
    (!conditions.is_empty()).then(|| conditions.join(" OR "))
}

impl Column {
    fn is_set(&self) -> String {
        format!("{} IS NOT NULL", self.name)
    }

    /// Its values as they were sent, but for lists.
    fn text(&self) -> String {
        let name = &self.name;
        let shaped = |format: &str| format!("to_char({name}, '{format}')");
        match self.kind {
            LaneKind::String | LaneKind::Json => name.clone(),
            LaneKind::Date(DateShape::Date) => shaped("%Y-%m-%d"),
            LaneKind::Date(DateShape::Seconds) => shaped("%Y-%m-%dT%H:%M:%S"),
            LaneKind::Date(DateShape::SecondsZ) => shaped("%Y-%m-%dT%H:%M:%SZ"),
            LaneKind::Date(DateShape::Millis) => shaped("%Y-%m-%dT%H:%M:%S%.3f"),
            LaneKind::Date(DateShape::MillisZ) => shaped("%Y-%m-%dT%H:%M:%S%.3fZ"),
            LaneKind::ListBool | LaneKind::ListInt64 | LaneKind::ListFloat64 | LaneKind::ListString => {
                format!("'[' || array_to_string({name}, ', ') || ']'")
            }
            LaneKind::Bool | LaneKind::Int64 | LaneKind::Float64 | LaneKind::Null => {
                format!("CAST({name} AS VARCHAR)")
            }
        }
    }

    /// True for values of another type than the property may have; `None` if there can be none.
    fn of_wrong_type(&self, property: &PropertySchema) -> Option<String> {
        let name = &self.name;
        let takes = |found| property.takes(found);
        match self.kind {
            _ if property.types.is_none() => None,
            LaneKind::Bool if takes(SchemaType::Boolean) => None,
            LaneKind::Int64 if takes(SchemaType::Number) || takes(SchemaType::Integer) => None,
            LaneKind::Float64 if takes(SchemaType::Number) => None,
            LaneKind::Float64 if takes(SchemaType::Integer) => Some(format!("{name} <> trunc({name})")),
            LaneKind::String | LaneKind::Date(_) if takes(SchemaType::String) => None,
            kind if kind.is_list() && takes(SchemaType::Array) => None,
            LaneKind::Json => match (takes(SchemaType::Array), takes(SchemaType::Object)) {
                (true, true) => None,
                (true, false) => Some(format!("{name} NOT LIKE '[%'")),
                (false, true) => Some(format!("{name} NOT LIKE '{{%'")),
                (false, false) => Some(self.is_set()),
            },
            _ => Some(self.is_set()),
        }
    }

    /// True for values of a right type that are not expected; `None` if there can be none.
    fn of_unexpected_value(&self, property: &PropertySchema) -> Option<String> {
        if self.of_wrong_type(property).is_some_and(|wrong| wrong == self.is_set()) {
            return None;
        }
        let name = &self.name;
        let mut wrong = Vec::new();
        if let Some(allowed) = &property.allowed {
            wrong.push(self.outside_of(allowed));
        }
        if matches!(self.kind, LaneKind::Int64 | LaneKind::Float64) {
            wrong.extend(property.minimum.map(|least| format!("{name} < {least:?}")));
            wrong.extend(property.maximum.map(|most| format!("{name} > {most:?}")));
        }
        if matches!(self.kind, LaneKind::String | LaneKind::Date(_)) {
            let pattern = property.pattern.as_ref();
            wrong.extend(pattern.map(|p| format!("NOT regexp_like({}, {})", self.text(), sql_text(p))));
            let format = property.format.map(|format| match format {
                SchemaFormat::Date => r"^\d{4}-\d\d-\d\d$",
                SchemaFormat::DateTime => r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?$",
            });
            wrong.extend(format.map(|p| format!("NOT regexp_like({}, {})", self.text(), sql_text(p))));
        }
        any(wrong.into_iter().map(Some))
    }

    /// True for values that are none of these.
    fn outside_of(&self, allowed: &[Value]) -> String {
        let of_kind = |value: &&Value| match self.kind {
            LaneKind::Bool => value.is_boolean(),
            LaneKind::Int64 | LaneKind::Float64 => value.is_number(),
            LaneKind::String | LaneKind::Date(_) => value.is_string(),
            _ => false,
        };
        let written = |value: &Value| match value {
            Value::String(text) => sql_text(text),
            other => other.to_string(),
        };
        let allowed: Vec<String> = allowed.iter().filter(of_kind).map(written).collect();
        if allowed.is_empty() {
            return self.is_set();
        }
        format!("{} NOT IN ({})", self.text_or_name(), allowed.join(", "))
    }

    fn text_or_name(&self) -> String {
        if matches!(self.kind, LaneKind::Date(_)) { self.text() } else { self.name.clone() }
    }
}

/// The types a property may have, in words.
fn types(property: &PropertySchema) -> String {
    let types = property.types.iter().flat_map(SchemaTypes::as_slice);
    types.map(|found| SchemaType::name(*found)).collect::<Vec<_>>().join(" or ")
}

/// The values a property may have, in words.
fn values(property: &PropertySchema) -> String {
    let PropertySchema { allowed, minimum, maximum, pattern, format, .. } = property;
    let mut text = String::new();
    let mut say = |word: &str, what: String| {
        let _ = write!(text, "{}{word}{what}", if text.is_empty() { "" } else { ", " });
    };
    if let Some(allowed) = allowed {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        say("one of ", allowed.join(", "));
    }
    if let Some(least) = minimum {
        say("at least ", least.to_string());
    }
    if let Some(most) = maximum {
        say("at most ", most.to_string());
    }
    if let Some(pattern) = pattern {
        say("like ", pattern.clone());
    }
    match format {
        Some(SchemaFormat::Date) => say("a date", String::new()),
        Some(SchemaFormat::DateTime) => say("a date with time", String::new()),
        None => {}
    }
    text
}
