//! JSON text → [`Parts`], in one pass and without a tree in between.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tallymark_event::PropertyValue;

use super::parts::{Parts, Whole, is_id};
use super::shape::{cut, keep_last_of_repeated, limit_exceeded_depth};
use super::{ParseOptions, WireForm, bounded};
use crate::{DEPTH_CEILING, Limits, RecordError};

/// Bytes of text shown around a syntax error.
const EXCERPT_BYTES: usize = 40;

/// Reads the text of one record into `parts`.
pub(super) fn read<'a>(
    text: &'a str,
    parts: Parts<'a>,
    options: &ParseOptions,
) -> Result<Parts<'a>, RecordError> {
    let context = Context::new(options);
    let mut deserializer = sonic_rs::Deserializer::from_str(text);
    read_with(&mut deserializer, &context, parts)
        .and_then(|parts| deserializer.end().map(|()| parts))
        .map_err(|error| context.explain(text, error.offset(), &error))
}

/// What is wrong with text that is not UTF-8.
pub(super) fn not_utf8(text: &[u8], error: std::str::Utf8Error) -> RecordError {
    let at = error.valid_up_to();
    let bytes: Vec<String> = text[at..].iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    RecordError::new(
        "",
        format!("not valid UTF-8 at byte {at} of the record ({}); JSON must be UTF-8", bytes.join(" ")),
    )
}

/// Reads one record from any deserialiser.
pub(super) fn read_with<'a, D: Deserializer<'a>>(
    deserializer: D,
    context: &Context<'_>,
    parts: Parts<'a>,
) -> Result<Parts<'a>, D::Error> {
    deserializer.deserialize_any(RecordVisitor { context, parts })
}

/// What all visitors of one record share.
pub(super) struct Context<'o> {
    limits: &'o Limits,
    form: WireForm,
    /// Our own reason to stop, told before the deserialiser is made to fail.
    failure: RefCell<Option<String>>,
    /// Where in the record a value failed, innermost first.
    path: RefCell<Vec<String>>,
}

impl<'o> Context<'o> {
    pub(super) fn new(options: &'o ParseOptions) -> Self {
        Self {
            limits: &options.limits,
            form: options.form,
            failure: RefCell::default(),
            path: RefCell::default(),
        }
    }

    fn fail<E: serde::de::Error>(&self, message: String) -> E {
        *self.failure.borrow_mut() = Some(message);
        E::custom("stopped")
    }

    /// Notes that what failed lies inside `segment`.
    #[cold]
    fn inside<E>(&self, segment: &str, error: E) -> E {
        self.path.borrow_mut().push(bounded(segment));
        error
    }

    /// Turns the failure of a deserialiser at `offset` into ours.
    pub(super) fn explain(&self, text: &str, offset: usize, error: &impl fmt::Display) -> RecordError {
        let path = self.path();
        if let Some(message) = self.failure.take() {
            return RecordError::new(path, message);
        }
        // Some deserialisers append an excerpt of several lines.
        let reason = error.to_string();
        let reason = reason.lines().next().unwrap_or_default();
        let reason = reason.split(" at line ").next().unwrap_or_default().trim_end_matches('.');
        let inside = if path.is_empty() { String::new() } else { format!(" (in {path})") };
        let at = offset.min(text.len());
        if text[floor_boundary(text, at)..].trim_start().is_empty() && reason.contains("EOF") {
            return RecordError::new("", format!("not valid JSON: the text ends inside the record{inside}"));
        }
        let out_of_range = reason.contains("finite") || reason.contains("out of range");
        let field = if out_of_range { path } else { String::new() };
        let what = if out_of_range {
            "a number beyond what a 64-bit float can hold (about ±1.8e308)".to_owned()
        } else {
            format!("not valid JSON at byte {at}{inside}: {}", lower_first(reason))
        };
        RecordError::new(field, format!("{what}, near {}", excerpt(text, at)))
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.path.take().iter().rev() {
            if !path.is_empty() && !segment.starts_with('[') {
                path.push('.');
            }
            path.push_str(segment);
        }
        path
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The text around byte `at`, quoted.
fn excerpt(text: &str, at: usize) -> String {
    let start = floor_boundary(text, at.saturating_sub(EXCERPT_BYTES / 2));
    let end = floor_boundary(text, (at + EXCERPT_BYTES / 2).min(text.len()));
    format!("{:?}", &text[start..end])
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The whole record.
struct RecordVisitor<'c, 'o, 'a> {
    context: &'c Context<'o>,
    parts: Parts<'a>,
}

impl<'de> Visitor<'de> for RecordVisitor<'_, '_, 'de> {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { context, mut parts } = self;
        while let Some(key) = map.next_key_seed(KeySeed)? {
            match key.as_ref() {
                "event" => {
                    let value = map
                        .next_value_seed(ValueSeed::new(context, 0, false))
                        .map_err(|error| context.inside("event", error))?;
                    parts.name = Some(value);
                }
                "properties" => {
                    map.next_value_seed(PropertiesSeed { context, parts: &mut parts })
                        .map_err(|error| context.inside("properties", error))?;
                }
                // One level more than a property may have: the values of `$set` are properties.
                name => {
                    let value = map
                        .next_value_seed(ValueSeed::new(context, 1, is_id(name)))
                        .map_err(|error| context.inside(name, error))?;
                    if context.form == WireForm::Lenient {
                        parts.top_level.push((key, value));
                    }
                }
            }
        }
        Ok(parts)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Err(self.not_an_object("null"))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Err(self.not_an_object(&value.to_string()))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Err(self.not_an_object(&value.to_string()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Err(self.not_an_object(&value.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Err(self.not_an_object(&value.to_string()))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Err(self.not_an_object(&format!("the string {:?}", bounded(text))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // Only for what follows to be judged as JSON first.
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Err(self.not_an_object("a list"))
    }
}

impl RecordVisitor<'_, '_, '_> {
    fn not_an_object<E: serde::de::Error>(&self, found: &str) -> E {
        self.context.fail(format!("a record must be a JSON object such as {{\"event\": …}}, not {found}"))
    }
}

/// The value of `properties`: an object whose entries go to their places in [`Parts`].
struct PropertiesSeed<'p, 'c, 'o, 'a> {
    context: &'c Context<'o>,
    parts: &'p mut Parts<'a>,
}

impl<'de> DeserializeSeed<'de> for PropertiesSeed<'_, '_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl PropertiesSeed<'_, '_, '_, '_> {
    fn whole(self, whole: Whole) {
        self.parts.clear_properties();
        self.parts.whole = whole;
    }
}

impl<'de> Visitor<'de> for PropertiesSeed<'_, '_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of properties")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { context, parts } = self;
        // A repeated `properties` replaces what the first one said.
        parts.clear_properties();
        parts.whole = Whole::Object;
        while let Some(name) = map.next_key_seed(KeySeed)? {
            let seed = ValueSeed::new(context, 0, is_id(&name));
            match map.next_value_seed(seed) {
                Ok(value) => parts.put_property(name, value, context.form),
                Err(error) => return Err(context.inside(&name, error)),
            }
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.whole(Whole::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.whole(Whole::Wrong(value.to_string()));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.whole(Whole::Wrong(value.to_string()));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.whole(Whole::Wrong(value.to_string()));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.whole(Whole::Wrong(value.to_string()));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.whole(Whole::Wrong(format!("the string {:?}", bounded(text))));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(ValueSeed::new(self.context, 0, false))?.is_some() {}
        self.whole(Whole::Wrong("a list".to_owned()));
        Ok(())
    }
}

/// A key, borrowed where possible.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// A value, no deeper and with no longer strings than the limits say.
#[derive(Clone, Copy)]
struct ValueSeed<'c, 'o> {
    context: &'c Context<'o>,
    /// How many more levels of lists and objects may be entered.
    levels: usize,
    /// Whether this is an id, where an integer must not lose digits.
    id: bool,
}

impl<'c, 'o> ValueSeed<'c, 'o> {
    fn new(context: &'c Context<'o>, more_levels: usize, id: bool) -> Self {
        Self { context, levels: context.limits.depth_max.min(DEPTH_CEILING) + more_levels, id }
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, id: false, ..self }),
            None => Err(self.context.fail(limit_exceeded_depth(self.context.limits))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = PropertyValue<'de>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, '_> {
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
        Ok(match i64::try_from(value) {
            Ok(value) => PropertyValue::Int(value),
            Err(_) if self.id => PropertyValue::String(Cow::Owned(value.to_string())),
            Err(_) => PropertyValue::Float(value as f64),
        })
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        if value.is_finite() {
            Ok(PropertyValue::Float(value))
        } else {
            Err(E::custom("number out of range"))
        }
    }

    #[inline]
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(PropertyValue::String(Cow::Borrowed(cut(text, self.context.limits))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(PropertyValue::String(Cow::Owned(cut(text, self.context.limits).to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let seed = self.deeper::<A::Error>()?;
        let mut items = Vec::new();
        loop {
            match seq.next_element_seed(seed) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => return Ok(PropertyValue::List(items)),
                Err(error) => return Err(self.context.inside(&format!("[{}]", items.len()), error)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let outer = self.deeper::<A::Error>()?;
        let mut entries: Vec<(Cow<'de, str>, PropertyValue<'de>)> = Vec::new();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            match map.next_value_seed(outer) {
                Ok(value) => entries.push((key, value)),
                Err(error) => return Err(self.context.inside(&key, error)),
            }
        }
        keep_last_of_repeated(&mut entries);
        Ok(PropertyValue::Object(entries))
    }
}
