//! Which value of an event, or of who did it, is meant.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::text::{NoList, WordOr, Written, word_or};

/// A property of the event, of its user, of a group, or computed from them.
///
/// Written as text: `"genre"` is a property of the event, `"user.plan"` one of the user's profile
/// (U-15), `"group.company_id.tier"` one of the profile of the group that the event's `company_id`
/// names (U-34). Written as an object it can say the rest: `{"event_property": "user.plan"}` is the
/// event's property of that very name, `{"sql": "price * quantity"}` an expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(with = "Written<Self>")]
pub enum Property {
    /// A property of the event; `a.b` reaches into an object unless a property has that name.
    Event {
        /// Its name.
        #[serde(rename = "event_property")]
        name: String,
    },
    /// A property of the user's profile, as it is now (U-15).
    User {
        /// Its name.
        #[serde(rename = "user_property")]
        name: String,
    },
    /// A property of a group's profile, as it is now.
    Group {
        /// The event's property that names the group (U-30).
        group_key: String,
        /// The name of the group's property.
        #[serde(rename = "group_property")]
        name: String,
    },
    /// A SQL expression over the columns of `events`, `user.NAME` and `group.KEY.NAME` (custom
    /// property, K-21).
    Sql {
        /// The expression.
        sql: String,
    },
    /// How many items the list has (D-25).
    ItemCount {
        /// The list.
        item_count: String,
    },
}

/// [`Property`] as an object.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PropertyObject {
    /// A property of the event, whatever its name looks like.
    event_property: Option<String>,
    /// A property of the user's profile, as it is now.
    user_property: Option<String>,
    /// The event's property that names the group; with `group_property`.
    group_key: Option<String>,
    /// A property of the group's profile.
    group_property: Option<String>,
    /// A SQL expression over the columns of `events`, `user.NAME` and `group.KEY.NAME`.
    sql: Option<String>,
    /// How many items this list has.
    item_count: Option<String>,
}

const KINDS: &str = "one of event_property, user_property, group_key with group_property, sql, item_count";

impl WordOr<'_> for Property {
    const EXPECTED: &'static str = "a property: its name, or an object";
    type Object = PropertyObject;
    type List = NoList;

    fn of_word(word: &str) -> Result<Self, String> {
        if let Some(name) = word.strip_prefix("user.") {
            return Ok(Self::User { name: name.to_owned() });
        }
        if let Some((group_key, name)) = word.strip_prefix("group.").and_then(|rest| rest.split_once('.')) {
            return Ok(Self::Group { group_key: group_key.to_owned(), name: name.to_owned() });
        }
        if word.is_empty() {
            return Err("a property has a name".to_owned());
        }
        Ok(Self::Event { name: word.to_owned() })
    }

    fn of_object(object: PropertyObject) -> Result<Self, String> {
        let PropertyObject { event_property, user_property, group_key, group_property, sql, item_count } =
            object;
        let mut found = Vec::new();
        found.extend(event_property.map(|name| Self::Event { name }));
        found.extend(user_property.map(|name| Self::User { name }));
        match (group_key, group_property) {
            (Some(group_key), Some(name)) => found.push(Self::Group { group_key, name }),
            (None, None) => {}
            _ => return Err("a group's property has both group_key and group_property".to_owned()),
        }
        found.extend(sql.map(|sql| Self::Sql { sql }));
        found.extend(item_count.map(|item_count| Self::ItemCount { item_count }));
        if found.len() > 1 {
            return Err(format!("a property is {KINDS}"));
        }
        found.pop().ok_or_else(|| format!("a property is {KINDS}"))
    }
}

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

impl Property {
    /// How it is called in results: what a person would write.
    pub fn label(&self) -> String {
        match self {
            Self::Event { name } => name.clone(),
            Self::User { name } => format!("user.{name}"),
            Self::Group { group_key, name } => format!("group.{group_key}.{name}"),
            Self::Sql { sql } => sql.clone(),
            Self::ItemCount { item_count } => format!("item_count({item_count})"),
        }
    }
}
