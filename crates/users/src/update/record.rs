//! Reading a profile record as it is sent (N-32, N-33).

use std::borrow::Cow;

use tallymark_event::{Properties, PropertyValue, Timestamp};

use super::{ProfileKey, ProfileOp, ProfileUpdate};

/// What is wrong with a profile record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct UpdateError {
    /// The field of the record, such as `$set`; `operation` if there is none at all.
    pub field: String,
    /// What it was and what would be right.
    pub message: String,
}

type Entries<'r, 'a> = &'r [(Cow<'a, str>, PropertyValue<'a>)];

impl ProfileUpdate {
    /// Reads a record as sent to `/engage` or `/groups`, given as the entries of its JSON object.
    ///
    /// Needs `$distinct_id`, or `$group_key` and `$group_id` (numbers count as their text), and
    /// one operation at least. Optional are `$time` (D-6), `$ignore_time` and `$ignore_alias`
    /// (`true`, `1`, `"true"` or `"1"`); `null` is the same as not sent. All else is ignored: the
    /// `$token` is the server's to check, `$ip` too, and unknown operations are no error beside
    /// known ones (U-10).
    ///
    /// # Errors
    /// [`UpdateError`] for the first field that is missing or of the wrong shape.
    pub fn from_record(entries: &[(Cow<'_, str>, PropertyValue<'_>)]) -> Result<Self, UpdateError> {
        let update = Self {
            key: key(entries)?,
            time: time(entries)?,
            ignore_time: flag(entries, "$ignore_time")?,
            ignore_alias: flag(entries, "$ignore_alias")?,
            ops: ops(entries)?,
        };
        if update.ops.is_empty() {
            return Err(error(
                "operation",
                "there is none; use one or more of $set, $set_once, $add, $append, $union, $remove, $unset, $delete",
            ));
        }
        Ok(update)
    }
}

fn key(entries: Entries<'_, '_>) -> Result<ProfileKey, UpdateError> {
    let distinct_id = get(entries, "$distinct_id");
    let (group_key, group_id) = (get(entries, "$group_key"), get(entries, "$group_id"));
    match (distinct_id, group_key, group_id) {
        (Some(id), None, None) => Ok(ProfileKey::User(identifier("$distinct_id", id)?)),
        (None, Some(key), Some(id)) => {
            Ok(ProfileKey::Group { key: identifier("$group_key", key)?, id: identifier("$group_id", id)? })
        }
        (None, None, None) => Err(error(
            "$distinct_id",
            "is missing; name the user by `$distinct_id`, or a group by `$group_key` and `$group_id`",
        )),
        (None, None, Some(_)) => Err(error("$group_key", "is missing; `$group_id` needs it to name a group")),
        (None, Some(_), None) => Err(error("$group_id", "is missing; `$group_key` needs it to name a group")),
        (Some(_), ..) => Err(error(
            "$distinct_id",
            "is sent together with `$group_key` or `$group_id`; a record is about a user or about a group",
        )),
    }
}

fn identifier(field: &str, value: &PropertyValue<'_>) -> Result<String, UpdateError> {
    match value {
        PropertyValue::String(text) if text.is_empty() => {
            Err(error(field, "is empty; only an id that is not can have a profile"))
        }
        PropertyValue::String(text) => Ok(text.to_string()),
        PropertyValue::Int(_) | PropertyValue::Float(_) => Ok(value.to_string()),
        PropertyValue::Null | PropertyValue::Bool(_) | PropertyValue::List(_) | PropertyValue::Object(_) => {
            Err(wrong(field, value, "a string or a number"))
        }
    }
}

fn time(entries: Entries<'_, '_>) -> Result<Option<Timestamp>, UpdateError> {
    let Some(value) = get(entries, "$time") else { return Ok(None) };
    let time = match value {
        PropertyValue::Int(int) => Timestamp::from_unix_integer(*int),
        PropertyValue::Float(float) => Timestamp::from_unix_number(*float),
        PropertyValue::String(text) => match text.parse() {
            Ok(int) => Timestamp::from_unix_integer(int),
            Err(_) => text.parse().ok().and_then(Timestamp::from_unix_number),
        },
        PropertyValue::Null | PropertyValue::Bool(_) | PropertyValue::List(_) | PropertyValue::Object(_) => {
            None
        }
    };
    time.map(Some).ok_or_else(|| wrong("$time", value, "Unix seconds or milliseconds"))
}

fn flag(entries: Entries<'_, '_>, field: &str) -> Result<bool, UpdateError> {
    match get(entries, field) {
        None => Ok(false),
        Some(PropertyValue::Bool(value)) => Ok(*value),
        Some(PropertyValue::String(text)) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
        Some(PropertyValue::String(text)) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
        Some(value) if value.as_f64() == Some(1.0) => Ok(true),
        Some(value) if value.as_f64() == Some(0.0) => Ok(false),
        Some(value) => Err(wrong(field, value, "true or false")),
    }
}

fn ops(entries: Entries<'_, '_>) -> Result<Vec<ProfileOp>, UpdateError> {
    let mut ops = Vec::new();
    for (name, value) in entries {
        let properties = || properties(name, value);
        ops.push(match &**name {
            // Its value is ignored: SDKs send "", null or the id (U-8).
            "$delete" => ProfileOp::Delete,
            "$unset" => ProfileOp::Unset(names(name, value)?),
            "$set" => ProfileOp::Set(properties()?),
            "$set_once" => ProfileOp::SetOnce(properties()?),
            "$add" => ProfileOp::Add(properties()?),
            "$append" => ProfileOp::Append(properties()?),
            "$union" => ProfileOp::Union(properties()?),
            "$remove" => ProfileOp::Remove(properties()?),
            _ => continue,
        });
    }
    Ok(ops)
}

fn properties(field: &str, value: &PropertyValue<'_>) -> Result<Properties, UpdateError> {
    match value {
        PropertyValue::Object(entries) => Ok(Properties(
            entries.iter().map(|(name, value)| (name.to_string(), value.clone().into_owned())).collect(),
        )),
        _ => Err(wrong(field, value, r#"an object of properties such as {"plan": "pro"}"#)),
    }
}

fn names(field: &str, value: &PropertyValue<'_>) -> Result<Vec<String>, UpdateError> {
    const RIGHT: &str = r#"a list of property names such as ["plan", "seats"]"#;
    match value {
        PropertyValue::String(name) => Ok(vec![name.to_string()]),
        PropertyValue::List(names) => names
            .iter()
            .map(|name| {
                name.as_str().map(str::to_owned).ok_or_else(|| {
                    error(field, &format!("has an item that is {}; use {RIGHT}", described(name)))
                })
            })
            .collect(),
        _ => Err(wrong(field, value, RIGHT)),
    }
}

/// The value of a field, unless it is null.
fn get<'r, 'a>(entries: Entries<'r, 'a>, field: &str) -> Option<&'r PropertyValue<'a>> {
    let (_, value) = entries.iter().find(|(name, _)| name == field)?;
    (!matches!(value, PropertyValue::Null)).then_some(value)
}

fn wrong(field: &str, value: &PropertyValue<'_>, right: &str) -> UpdateError {
    error(field, &format!("is {}; use {right}", described(value)))
}

fn error(field: &str, message: &str) -> UpdateError {
    UpdateError { field: field.to_owned(), message: message.to_owned() }
}

/// A value in the words of an error: short ones are shown.
fn described(value: &PropertyValue<'_>) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    match value {
        PropertyValue::Null => "null".to_owned(),
        PropertyValue::Bool(value) => format!("the boolean {value}"),
        PropertyValue::Int(_) | PropertyValue::Float(_) => format!("the number {value}"),
        PropertyValue::String(text) if text.chars().count() > SHOWN_CHARS_MAX => "a long string".to_owned(),
        PropertyValue::String(_) => format!("the string {value}"),
        PropertyValue::List(_) => "a list".to_owned(),
        PropertyValue::Object(_) => "an object".to_owned(),
    }
}
