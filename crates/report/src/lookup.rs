//! Lookup tables: what is known of the values of a property (section 2.5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::read;
use crate::{DefinitionError, Property, Result};

/// What is saved of a lookup table besides its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The properties the table is for (U-42): of events, or of users' profiles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property>,
    /// The name of the column that values of the properties are found in (U-40).
    pub key: String,
    /// The names of the other columns.
    pub columns: Vec<String>,
}

impl Lookup {
    /// Reads what is saved.
    ///
    /// # Errors
    /// As for [`crate::Report::parse`].
    pub fn from_value(value: Value) -> Result<Self> {
        let Value::Object(fields) = value else {
            return Err(DefinitionError::new("", "a lookup table is a JSON object"));
        };
        let lookup: Self = read(fields)?;
        for (at, property) in lookup.properties.iter().enumerate() {
            let path = format!("properties[{at}]");
            check_key(property).map_err(|problem| DefinitionError::new(path, problem))?;
        }
        Ok(lookup)
    }
}

/// U-42: not what tells users apart, and no property of a group.
pub(crate) fn check_key(property: &Property) -> Result<(), String> {
    match property {
        Property::Event { name }
            if ["distinct_id", "user_id", "device_id", "insert_id"].contains(&name.as_str()) =>
        {
            Err(format!("{name} says who did it: it has no lookup table"))
        }
        Property::Event { .. } | Property::User { .. } => Ok(()),
        other => Err(format!("{} cannot be looked up: properties of events and of users can", other.label())),
    }
}
