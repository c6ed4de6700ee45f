//! A whole definition: what all reports share, and the question.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{closest, of_serde};
use crate::{
    Cohort, Correlation, DateRange, DefinitionError, Experiment, Filter, Flows, Formula, Frequency, Funnel,
    Impact, Insights, Instant, Lifecycle, Metric, Result, Retention, SessionList, SessionRule, Stickiness,
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
    /// How many get from step to step.
    Funnel(Funnel),
    /// Who comes back.
    Retention(Retention),
    /// On how many days users do something.
    Frequency(Frequency),
    /// Who is new, who stays, who comes back, who stays away.
    Lifecycle(Lifecycle),
    /// Which share of the users of a period is active on a day.
    Stickiness(Stickiness),
    /// What users do before and after something.
    Flows(Flows),
    /// Which events go with conversion, or with coming back.
    Correlation(Correlation),
    /// What difference the variants of an experiment make.
    Experiment(Experiment),
    /// How a launch changes how often people do something.
    Impact(Impact),
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

/// The names of the questions, as `report` says them.
pub const REPORT_KINDS: [&str; 12] = [
    "insights",
    "funnel",
    "retention",
    "frequency",
    "lifecycle",
    "stickiness",
    "flows",
    "correlation",
    "experiment",
    "impact",
    "cohort",
    "sessions",
];

impl Question {
    /// Its name, one of [`REPORT_KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Insights(_) => "insights",
            Self::Funnel(_) => "funnel",
            Self::Retention(_) => "retention",
            Self::Frequency(_) => "frequency",
            Self::Lifecycle(_) => "lifecycle",
            Self::Stickiness(_) => "stickiness",
            Self::Flows(_) => "flows",
            Self::Correlation(_) => "correlation",
            Self::Experiment(_) => "experiment",
            Self::Impact(_) => "impact",
            Self::Cohort(_) => "cohort",
            Self::Sessions(_) => "sessions",
        }
    }
}

impl Report {
    /// Reads a definition. The field `report` says which question it is: one of
    /// [`REPORT_KINDS`].
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
        let known = REPORT_KINDS.join(", ");
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
        if let Some(filter) = &scope.filter {
            // Only insights measure what is left of lists.
            filter.check(kind == "insights").map_err(|error| error.within("where"))?;
        }
        let question = match kind.as_str() {
            "insights" => Question::Insights(checked(fields, Insights::check)?),
            "funnel" => Question::Funnel(checked(fields, Funnel::check)?),
            "retention" => Question::Retention(checked(fields, Retention::check)?),
            "frequency" => Question::Frequency(checked(fields, Frequency::check)?),
            "lifecycle" => Question::Lifecycle(checked(fields, Lifecycle::check)?),
            "stickiness" => Question::Stickiness(read(fields)?),
            "flows" => Question::Flows(checked(fields, Flows::check)?),
            "correlation" => Question::Correlation(checked(fields, Correlation::check)?),
            "experiment" => Question::Experiment(checked(fields, Experiment::check)?),
            "impact" => Question::Impact(checked(fields, Impact::check)?),
            "cohort" => Question::Cohort(checked(fields, Cohort::check)?),
            "sessions" => Question::Sessions(read(fields)?),
            other => {
                let error = DefinitionError::new("report", format!("\"{other}\" is no report"));
                return Err(match closest(other, REPORT_KINDS) {
                    Some(kind) => error.hint(format!("did you mean \"{kind}\"?")),
                    None => error.hint(format!("it is one of {known}")),
                });
            }
        };
        computed::check(&scope, &question)?;
        Ok(Self { scope, question })
    }

    /// The same with saved metrics and formulas in the places where they are named (S-90).
    ///
    /// # Errors
    /// For a name that is not saved, and for settings that a saved metric does not go with.
    pub fn with_saved(
        mut self,
        metrics: &BTreeMap<String, Metric>,
        formulas: &BTreeMap<String, Formula>,
    ) -> Result<Self> {
        let (own, of_report) = match &mut self.question {
            Question::Insights(Insights { metrics, formulas, .. }) => (&mut metrics[..], formulas),
            Question::Experiment(Experiment { formulas, .. }) => (&mut [][..], formulas),
            _ => return Ok(self),
        };
        for (at, formula) in of_report.iter_mut().enumerate() {
            if let Some(name) = formula.saved.take() {
                let found = of_saved("formula", &format!("formulas[{at}].saved"), &name, formulas)?;
                let called = formula.name.take().or_else(|| found.name.clone()).unwrap_or(name);
                *formula = Formula { name: Some(called), ..found.clone() };
            }
        }
        let own = own.iter_mut().enumerate().map(|(at, metric)| (format!("metrics[{at}]"), metric));
        let of_formulas = of_report.iter_mut().enumerate().flat_map(|(formula, of)| {
            let of_it = of.metrics.iter_mut().enumerate();
            of_it.map(move |(at, metric)| (format!("formulas[{formula}].metrics[{at}]"), metric))
        });
        for (place, metric) in own.chain(of_formulas) {
            if let Some(name) = metric.saved.take() {
                let found = of_saved("metric", &format!("{place}.saved"), &name, metrics)?;
                let called = metric.name.take().or_else(|| found.name.clone()).unwrap_or(name);
                *metric = Metric { name: Some(called), ..found.clone() };
            }
        }
        match &self.question {
            Question::Insights(insights) => insights.check()?,
            Question::Experiment(experiment) => experiment.check()?,
            _ => {}
        }
        computed::check(&self.scope, &self.question)?;
        Ok(self)
    }

    /// The definition as JSON that reads back as the same.
    pub fn to_value(&self) -> Value {
        let question = match &self.question {
            Question::Insights(insights) => serde_json::to_value(insights),
            Question::Funnel(funnel) => serde_json::to_value(funnel),
            Question::Retention(retention) => serde_json::to_value(retention),
            Question::Frequency(frequency) => serde_json::to_value(frequency),
            Question::Lifecycle(lifecycle) => serde_json::to_value(lifecycle),
            Question::Stickiness(stickiness) => serde_json::to_value(stickiness),
            Question::Flows(flows) => serde_json::to_value(flows),
            Question::Correlation(correlation) => serde_json::to_value(correlation),
            Question::Experiment(experiment) => serde_json::to_value(experiment),
            Question::Impact(impact) => serde_json::to_value(impact),
            Question::Cohort(cohort) => serde_json::to_value(cohort),
            Question::Sessions(sessions) => serde_json::to_value(sessions),
        };
        let mut fields = Map::new();
        fields.insert("report".to_owned(), self.question.kind().into());
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
            ("funnel", generator.root_schema_for::<Funnel>()),
            ("retention", generator.root_schema_for::<Retention>()),
            ("frequency", generator.root_schema_for::<Frequency>()),
            ("lifecycle", generator.root_schema_for::<Lifecycle>()),
            ("stickiness", generator.root_schema_for::<Stickiness>()),
            ("flows", generator.root_schema_for::<Flows>()),
            ("correlation", generator.root_schema_for::<Correlation>()),
            ("experiment", generator.root_schema_for::<Experiment>()),
            ("impact", generator.root_schema_for::<Impact>()),
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

fn checked<T: DeserializeOwned>(fields: Map<String, Value>, check: impl Fn(&T) -> Result<()>) -> Result<T> {
    let question = read(fields)?;
    check(&question)?;
    Ok(question)
}

pub(crate) fn read<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T> {
    read_value(Value::Object(fields))
}

pub(crate) fn read_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| of_serde(&error))
}

/// What is saved under a name.
fn of_saved<'a, T>(kind: &str, path: &str, name: &str, saved: &'a BTreeMap<String, T>) -> Result<&'a T> {
    saved.get(name).ok_or_else(|| {
        let error = DefinitionError::new(path, format!("there is no {kind} \"{name}\""));
        match closest(name, saved.keys().map(String::as_str)) {
            Some(known) => error.hint(format!("did you mean \"{known}\"?")),
            None => error.hint("save one first"),
        }
    })
}
