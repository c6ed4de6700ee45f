//! What events should look like (M-28).

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::closest;
use crate::report::read;
use crate::text::{WordOr, word_or};
use crate::{DefinitionError, Result};

/// Which events there should be and what they should carry. What breaks it is reported, not refused.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackingPlan {
    /// A schema for each event, by name.
    pub events: BTreeMap<String, EventSchema>,
    /// Whether events that are not in the plan are fine.
    #[serde(default)]
    pub allow_other_events: bool,
}

/// The JSON Schema of an event's properties, as far as we know JSON Schema.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventSchema {
    /// The dialect; not looked at.
    #[serde(default, rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Always `object`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ObjectType>,
    /// Properties every such event has to have; null is as good as none (D-26).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub required: BTreeSet<String>,
    /// What properties have to be where they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, PropertySchema>,
    /// Whether other properties are fine.
    #[serde(default = "yes", rename = "additionalProperties")]
    pub additional_properties: bool,
}

fn yes() -> bool {
    true
}

/// The one type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectType {
    /// An object.
    Object,
}

/// The JSON Schema of a property, as far as we know JSON Schema.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PropertySchema {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// One type or several.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub types: Option<SchemaTypes>,
    /// The values there may be: texts, numbers, true, false.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<Value>>,
    /// The smallest number there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// The greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// A regular expression that texts have to match somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Texts have to be dates (D-22).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<SchemaFormat>,
}

/// One type or several of which any will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SchemaTypes {
    /// This one.
    One(SchemaType),
    /// Any of these.
    Several(Vec<SchemaType>),
}

/// The types of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaType {
    /// Text, dates too.
    String,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A list.
    Array,
    /// An object.
    Object,
    /// Explicitly nothing.
    Null,
}

/// What texts may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SchemaFormat {
    /// `2024-02-29`.
    Date,
    /// `2024-02-29T12:00:00`, with or without fraction and `Z`.
    DateTime,
}

impl SchemaType {
    const ALL: [Self; 7] =
        [Self::String, Self::Number, Self::Integer, Self::Boolean, Self::Array, Self::Object, Self::Null];

    /// Its name in JSON Schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
            Self::Null => "null",
        }
    }
}

impl WordOr<'_> for SchemaTypes {
    const EXPECTED: &'static str = "a type such as \"string\", or a list of types";
    type Object = IgnoredAny;
    type List = Vec<SchemaType>;

    fn of_word(word: &str) -> Result<Self, String> {
        SchemaType::ALL.into_iter().find(|known| known.name() == word).map(Self::One).ok_or_else(|| {
            let names = SchemaType::ALL.map(SchemaType::name);
            match closest(word, names) {
                Some(known) => format!("\"{word}\" is no type; did you mean \"{known}\"?"),
                None => format!("\"{word}\" is no type; it is one of {}", names.join(", ")),
            }
        })
    }

    fn of_object(_: IgnoredAny) -> Result<Self, String> {
        Err(format!("{} is expected", Self::EXPECTED))
    }

    fn of_list(several: Vec<SchemaType>) -> Result<Self, String> {
        if several.is_empty() { Err("at least one type".to_owned()) } else { Ok(Self::Several(several)) }
    }
}

impl<'de> Deserialize<'de> for SchemaTypes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

impl SchemaTypes {
    /// All of them.
    pub fn as_slice(&self) -> &[SchemaType] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

impl PropertySchema {
    /// Whether a value of this type is right; any is if no type is said.
    pub fn takes(&self, found: SchemaType) -> bool {
        self.types.as_ref().is_none_or(|types| types.as_slice().contains(&found))
    }
}

impl TrackingPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// As for [`crate::Report::parse`]. What JSON Schema has and we don't know is an error too: it
    /// is better not to be checked knowingly.
    pub fn from_value(value: Value) -> Result<Self> {
        let Value::Object(fields) = value else {
            return Err(DefinitionError::new("", "a tracking plan is a JSON object"));
        };
        let plan: Self = read(fields)?;
        for (event, schema) in &plan.events {
            for (name, property) in &schema.properties {
                let place = || format!("events.{event}.properties.{name}");
                let values = property.allowed.iter().flatten();
                if values.clone().any(|value| value.is_array() || value.is_object()) {
                    return Err(DefinitionError::new(place(), "enum has texts, numbers, true, false"));
                }
                if property.allowed.is_some() && values.count() == 0 {
                    return Err(DefinitionError::new(place(), "enum has at least one value"));
                }
            }
        }
        Ok(plan)
    }

    /// Reads a plan from text.
    ///
    /// # Errors
    /// As for [`TrackingPlan::from_value`].
    pub fn parse(text: &str) -> Result<Self> {
        let value = serde_json::from_str(text)
            .map_err(|error| DefinitionError::new("", format!("this is not JSON: {error}")))?;
        Self::from_value(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m28_a_plan_that_cannot_be_checked_is_refused() {
        let error = |text: &str| TrackingPlan::parse(text).unwrap_err().to_string();
        let property = |schema: &str| {
            error(&format!(r#"{{"events": {{"Play": {{"properties": {{"p": {schema}}}}}}}}}"#))
        };
        let errors = [
            error("[]"),
            error(r#"{"evnts": {}}"#),
            error(r#"{"events": {"Play": {"type": "array"}}}"#),
            property(r#"{"type": "text"}"#),
            property(r#"{"type": []}"#),
            property(r#"{"minLength": 3}"#),
            property(r#"{"enum": [["a"]]}"#),
            property(r#"{"enum": []}"#),
        ];
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn m28_a_plan_reads_back_as_the_same() {
        let text = r#"{"events": {"Play": {
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
            "required": ["genre"], "additionalProperties": false,
            "properties": {
                "genre": {"type": "string", "enum": ["pop", "jazz"]},
                "mins": {"type": ["number", "null"], "minimum": 0, "maximum": 600},
                "song": {"pattern": "^s-"}, "released": {"type": "string", "format": "date"}
            }
        }}}"#;
        let plan = TrackingPlan::parse(text).unwrap();
        assert_eq!(TrackingPlan::from_value(serde_json::to_value(&plan).unwrap()).unwrap(), plan);
        assert!(plan.events["Play"].properties["mins"].takes(SchemaType::Null));
        assert!(!plan.events["Play"].properties["mins"].takes(SchemaType::String));
    }
}
