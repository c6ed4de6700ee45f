//! Values of properties (D-20).

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

/// The largest integer up to which every integer is exact as a 64-bit float: 2^53.
pub const MAX_EXACT_INTEGER: i64 = 1 << 53;

/// A value of a property: the JSON types, with integers told from other numbers.
///
/// Strings are borrowed from the text they were read from where that text holds them unescaped.
/// Equality is that of the rules: numbers by value (D-23: `5` equals `5.0`), objects by key
/// whatever the order.
#[derive(Debug, Clone)]
pub enum PropertyValue<'a> {
    /// JSON `null`: "not set", yet kept for export (D-26).
    Null,
    /// `true` or `false` (D-21).
    Bool(bool),
    /// A number written as an integer that fits 64 bits.
    Int(i64),
    /// Any other number; always finite.
    Float(f64),
    /// A string, dates included (D-22).
    String(Cow<'a, str>),
    /// A list (D-24).
    List(Vec<PropertyValue<'a>>),
    /// An object (D-25). Keys are unique; of repeated keys in JSON text the last one counts.
    Object(Vec<(Cow<'a, str>, PropertyValue<'a>)>),
}

impl PropertyValue<'_> {
    /// The same value, owning its text.
    pub fn into_owned(self) -> PropertyValue<'static> {
        match self {
            Self::Null => PropertyValue::Null,
            Self::Bool(value) => PropertyValue::Bool(value),
            Self::Int(value) => PropertyValue::Int(value),
            Self::Float(value) => PropertyValue::Float(value),
            Self::String(text) => PropertyValue::String(Cow::Owned(text.into_owned())),
            Self::List(items) => {
                PropertyValue::List(items.into_iter().map(PropertyValue::into_owned).collect())
            }
            Self::Object(entries) => PropertyValue::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (Cow::Owned(key.into_owned()), value.into_owned()))
                    .collect(),
            ),
        }
    }

    /// How many levels of lists and objects there are: 0 for a scalar.
    pub fn depth(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(entries) => 1 + entries.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::String(_) => 0,
        }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is one (D-23: as f64).
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }
}

impl PartialEq for PropertyValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Int(int), Self::Float(float)) | (Self::Float(float), Self::Int(int)) => {
                *int as f64 == *float && *float as i64 == *int
            }
            (Self::String(a), Self::String(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, value)| b.iter().any(|(k, v)| k == key && v == value))
            }
            _ => false,
        }
    }
}

impl fmt::Display for PropertyValue<'_> {
    /// JSON text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for PropertyValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            // A whole number is written as one, whichever column it went through.
            Self::Float(value)
                if value.fract() == 0.0
                    && value.abs() <= MAX_EXACT_INTEGER as f64
                    && (*value != 0.0 || value.is_sign_positive()) =>
            {
                serializer.serialize_i64(*value as i64)
            }
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for PropertyValue<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = PropertyValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(PropertyValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(PropertyValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(PropertyValue::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(PropertyValue::Float(value as f64), PropertyValue::Int))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        if value.is_finite() {
            Ok(PropertyValue::Float(value))
        } else {
            Err(E::custom("number out of range"))
        }
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(PropertyValue::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(PropertyValue::String(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(PropertyValue::String(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(64));
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(PropertyValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Vec<(Cow<'de, str>, PropertyValue<'de>)> = Vec::new();
        while let Some(PropertyValue::String(key)) = map.next_key()? {
            entries.push((key, map.next_value()?));
        }
        keep_last_of_repeated_keys(&mut entries);
        Ok(PropertyValue::Object(entries))
    }
}

/// Drops all but the last entry of each key, keeping the place of the first.
fn keep_last_of_repeated_keys(entries: &mut Vec<(Cow<'_, str>, PropertyValue<'_>)>) {
    use std::collections::HashMap;
    let mut first_at: HashMap<Cow<'_, str>, usize> = HashMap::with_capacity(entries.len());
    let mut kept = Vec::with_capacity(entries.len());
    for (key, value) in entries.drain(..) {
        if let Some(&at) = first_at.get(&key) {
            let slot: &mut (Cow<'_, str>, PropertyValue<'_>) = &mut kept[at];
            slot.1 = value;
        } else {
            first_at.insert(key.clone(), kept.len());
            kept.push((key, value));
        }
    }
    *entries = kept;
}

impl From<bool> for PropertyValue<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for PropertyValue<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for PropertyValue<'_> {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<f64> for PropertyValue<'_> {
    /// NaN and infinities are not JSON: they become [`PropertyValue::Null`].
    fn from(value: f64) -> Self {
        if value.is_finite() { Self::Float(value) } else { Self::Null }
    }
}

impl<'a> From<&'a str> for PropertyValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for PropertyValue<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

impl<'a, T: Into<PropertyValue<'a>>> From<Vec<T>> for PropertyValue<'a> {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// Named values that own their text, in order; JSON sees them as an object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Properties(pub Vec<(String, PropertyValue<'static>)>);

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match PropertyValue::deserialize(deserializer)? {
            PropertyValue::Object(entries) => Ok(Self(
                entries.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            )),
            _ => Err(serde::de::Error::custom("expected an object of properties")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PropertyValue<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn d23_numbers_are_equal_by_value() {
        assert_eq!(read("5"), read("5.0"));
        assert_ne!(read("9007199254740993"), read("9007199254740992.0"));
        assert_eq!(read("18446744073709551615"), read("1.8446744073709552e19"));
        assert_eq!(read("-0.0").to_string(), "-0.0");
        assert_eq!(read("22.0").to_string(), "22");
    }

    #[test]
    fn of_repeated_keys_the_last_counts() {
        assert_eq!(read(r#"{"a":1,"b":2,"a":3}"#).to_string(), r#"{"a":3,"b":2}"#);
        assert_eq!(read(r#"{"a":1,"b":2}"#), read(r#"{"b":2,"a":1}"#));
    }

    #[test]
    fn a_number_out_of_range_is_an_error() {
        assert!(serde_json::from_str::<PropertyValue<'_>>("1e400").is_err());
    }

    #[test]
    fn depth_counts_levels() {
        assert_eq!(read("[]").depth(), 1);
        assert_eq!(read(r#"{"a":[{"b":1}]}"#).depth(), 3);
    }
}
