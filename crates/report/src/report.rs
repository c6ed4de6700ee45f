//! A whole definition: what all reports share, and the question.

use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{closest, of_serde};
use crate::{
    Cohort, DateRange, DefinitionError, Filter, Insights, Instant, Result, SessionList, SessionRule,
    WeekStart, computed,
};

/// What all reports share.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Version of this form of definition; 1 if not said, and there is no other yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Which time; the last 30 days if not said (S-63).
    #[serde(default)]
    pub range: DateRange,
    /// IANA name of the zone that decides what a day is (G-3); UTC if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The day weeks begin with; Monday if not said (G-5).
    #[serde(default)]
    pub week_start: WeekStart,
    /// What is now, for relative ranges; events later than that do not exist (G-2). The clock's now
    /// if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Instant>,
    /// Only events that pass (P-1).
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// What a session is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionRule>,
}

impl Scope {
    pub(crate) const FIELDS: [&'static str; 7] =
        ["version", "range", "time_zone", "week_start", "as_of", "where", "sessions"];

    /// The time zone.
    ///
    /// # Errors
    /// If the IANA database of time zones does not have the name.
    pub fn zone(&self) -> Result<Tz> {
        let Some(name) = &self.time_zone else { return Ok(Tz::UTC) };
        name.parse().map_err(|_| {
            let error = DefinitionError::new("time_zone", format!("\"{name}\" is no time zone"));
            match closest(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())) {
                Some(known) => error.hint(format!("did you mean \"{known}\"?")),
                None => error.hint("it is a name such as \"Europe/Berlin\""),
            }
        })
    }

    fn check(&self) -> Result<()> {
        if self.version.is_some_and(|version| version != 1) {
            return Err(DefinitionError::new("version", "this program knows version 1"));
        }
        if let Some(sessions) = &self.sessions {
            sessions.check().map_err(|error| error.within("sessions"))?;
        }
        self.zone().map(drop)
    }
}

/// The questions there are.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// How many, how much, how often.
    Insights(Insights),
    /// Who belongs to a set of users.
    Cohort(Cohort),
    /// Which sessions there were.
    Sessions(SessionList),
}

/// A definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What all reports share.
    pub scope: Scope,
    /// What is asked.
    pub question: Question,
}

const KINDS: [&str; 3] = ["insights", "cohort", "sessions"];

impl Report {
    /// Reads a definition. The field `report` says which question it is: `insights`, `cohort`, `sessions`.
    ///
    /// # Errors
    /// If the text is no JSON, or not a definition: with the path of what is wrong, and what would
    /// be right where that can be guessed.
    pub fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| DefinitionError::new("", format!("this is not JSON: {error}")))?;
        Self::from_value(value)
    }

    /// The same from JSON that is read already.
    ///
    /// # Errors
    /// As for [`Report::parse`].
    pub fn from_value(value: Value) -> Result<Self> {
        let Value::Object(mut fields) = value else {
            return Err(DefinitionError::new("", "a definition is a JSON object"));
        };
        let known = KINDS.join(", ");
        let kind = match fields.shift_remove("report") {
            Some(Value::String(kind)) => kind,
            Some(_) => return Err(DefinitionError::new("report", format!("one of {known}"))),
            None => {
                return Err(
                    DefinitionError::new("report", "is missing").hint(format!("it is one of {known}"))
                );
            }
        };
        let mut scope = Map::new();
        for field in Scope::FIELDS {
            scope.extend(fields.shift_remove(field).map(|value| (field.to_owned(), value)));
        }
        let scope: Scope = read(scope)?;
        scope.check()?;
        let question = match kind.as_str() {
            "insights" => {
                let insights: Insights = read(fields)?;
                insights.check()?;
                Question::Insights(insights)
            }
            "cohort" => {
                let cohort: Cohort = read(fields)?;
                cohort.check()?;
                Question::Cohort(cohort)
            }
            "sessions" => Question::Sessions(read(fields)?),
            other => {
                let error = DefinitionError::new("report", format!("\"{other}\" is no report"));
                return Err(match closest(other, KINDS) {
                    Some(kind) => error.hint(format!("did you mean \"{kind}\"?")),
                    None => error.hint(format!("it is one of {known}")),
                });
            }
        };
        computed::check(&scope, &question)?;
        Ok(Self { scope, question })
    }

    /// The definition as JSON that reads back as the same.
    pub fn to_value(&self) -> Value {
        let (kind, question) = match &self.question {
            Question::Insights(insights) => ("insights", serde_json::to_value(insights)),
            Question::Cohort(cohort) => ("cohort", serde_json::to_value(cohort)),
            Question::Sessions(sessions) => ("sessions", serde_json::to_value(sessions)),
        };
        let mut fields = Map::new();
        fields.insert("report".to_owned(), kind.into());
        for part in [serde_json::to_value(&self.scope), question].into_iter().flatten() {
            if let Value::Object(part) = part {
                fields.extend(part);
            }
        }
        Value::Object(fields)
    }

    /// The JSON Schema of a definition: one schema for each `report`.
    pub fn json_schema() -> Value {
        let mut generator = SchemaGenerator::default();
        let kinds = [
            ("insights", generator.root_schema_for::<Insights>()),
            ("cohort", generator.root_schema_for::<Cohort>()),
            ("sessions", generator.root_schema_for::<SessionList>()),
        ];
        let scope = generator.root_schema_for::<Scope>();
        let definitions = generator.take_definitions(true);
        let one_of: Vec<Value> =
            kinds.into_iter().map(|(kind, schema)| with_scope(kind, schema, &scope)).collect();
        serde_json::json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Tallymark report",
            "oneOf": one_of,
            "$defs": definitions,
        })
    }
}

/// A question's schema with the fields all reports share.
fn with_scope(kind: &str, question: Schema, scope: &Schema) -> Value {
    let mut schema = question.to_value();
    let mut properties = Map::new();
    properties.insert("report".to_owned(), serde_json::json!({ "const": kind }));
    for part in [schema.get("properties"), scope.as_value().get("properties")].into_iter().flatten() {
        properties.extend(part.as_object().cloned().unwrap_or_default());
    }
    let mut required = vec![Value::from("report")];
    required.extend(schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default());
    if let Value::Object(fields) = &mut schema {
        fields.shift_remove("$schema");
        fields.shift_remove("$defs");
        fields.insert("title".to_owned(), kind.into());
        fields.insert("properties".to_owned(), Value::Object(properties));
        fields.insert("required".to_owned(), Value::Array(required));
    }
    schema
}

pub(crate) fn read<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| of_serde(&error))
}
