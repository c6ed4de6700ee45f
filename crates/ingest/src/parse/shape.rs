//! Sizes of values: cutting strings, repeated keys, and what refuses a record (section 1.3).

use std::borrow::Cow;

use hashbrown::HashMap;
use tallymark_event::PropertyValue;

use crate::{Limits, NAME_CHARS_MAX, RecordError};

/// Up to this many entries a few bits tell that no name is repeated.
const FEW_ENTRIES: usize = 64;

/// `text` within the limits of strings, cut at a character.
#[inline]
pub(super) fn cut<'t>(text: &'t str, limits: &Limits) -> &'t str {
    // A text has no more characters than bytes.
    if text.len() <= limits.string_bytes_max && text.len() <= limits.string_chars_max {
        return text;
    }
    cut_slow(text, limits.string_bytes_max, limits.string_chars_max)
}

#[cold]
fn cut_slow(text: &str, bytes_max: usize, chars_max: usize) -> &str {
    let within_chars = text.char_indices().nth(chars_max).map_or(text.len(), |(at, _)| at);
    let mut end = within_chars.min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A value with all its strings within the limits.
pub(crate) fn fit<'a>(value: PropertyValue<'a>, limits: &Limits) -> PropertyValue<'a> {
    match value {
        PropertyValue::String(Cow::Borrowed(text)) => PropertyValue::String(Cow::Borrowed(cut(text, limits))),
        PropertyValue::String(Cow::Owned(mut text)) => {
            let kept = cut(&text, limits).len();
            text.truncate(kept);
            PropertyValue::String(Cow::Owned(text))
        }
        PropertyValue::List(items) => {
            PropertyValue::List(items.into_iter().map(|item| fit(item, limits)).collect())
        }
        PropertyValue::Object(entries) => {
            PropertyValue::Object(entries.into_iter().map(|(key, value)| (key, fit(value, limits))).collect())
        }
        other => other,
    }
}

/// A name of an event or a property, cut where it is too long (D-2).
pub(super) fn cut_name(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.len() <= NAME_CHARS_MAX {
        return name;
    }
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(cut_slow(name, usize::MAX, NAME_CHARS_MAX)),
        Cow::Owned(name) => Cow::Owned(cut_slow(&name, usize::MAX, NAME_CHARS_MAX).to_owned()),
    }
}

/// Of entries with the same name keeps the last value, in the place of the first.
pub(super) fn keep_last_of_repeated<'a>(entries: &mut Vec<(Cow<'a, str>, PropertyValue<'a>)>) {
    if entries.len() < 2 || (entries.len() <= FEW_ENTRIES && surely_distinct(entries)) {
        return;
    }
    let mut first_at: HashMap<Cow<'a, str>, usize> = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(Cow<'a, str>, PropertyValue<'a>)> = Vec::with_capacity(entries.len());
    for (name, value) in entries.drain(..) {
        if let Some(&at) = first_at.get(&name) {
            kept[at].1 = value;
        } else {
            first_at.insert(name.clone(), kept.len());
            kept.push((name, value));
        }
    }
    *entries = kept;
}

/// Whether no name is repeated; names that look alike in a few bits are compared.
fn surely_distinct(entries: &[(Cow<'_, str>, PropertyValue<'_>)]) -> bool {
    let mut seen = [0u64; 4];
    for (at, (name, _)) in entries.iter().enumerate() {
        let bytes = name.as_bytes();
        let byte = |at: usize| bytes.get(at).copied().map_or(0, u32::from);
        let last = byte(bytes.len().wrapping_sub(1));
        let mixed = (byte(0) ^ last << 8 ^ byte(bytes.len() / 2) << 16 ^ (bytes.len() as u32) << 24)
            .wrapping_mul(0x9E37_79B1);
        let bit = (mixed >> 24) as usize;
        let word = &mut seen[bit / 64];
        if *word >> (bit % 64) & 1 == 1 && entries[..at].iter().any(|(known, _)| known == name) {
            return false;
        }
        *word |= 1 << (bit % 64);
    }
    true
}

/// What is said about a value that is nested too deep.
pub(super) fn limit_exceeded_depth(limits: &Limits) -> String {
    format!("nested too deep; at most {} levels of lists and objects are allowed", limits.depth_max)
}

/// Refuses a value of a property or profile that passes the limits of lists and objects.
pub(super) fn check_shape(
    field: impl FnOnce() -> String,
    value: &PropertyValue<'_>,
    limits: &Limits,
    nested_bytes_max: usize,
) -> Result<(), RecordError> {
    if !matches!(value, PropertyValue::List(_) | PropertyValue::Object(_)) {
        return Ok(());
    }
    let broken = broken_limit(value, limits, limits.depth_max).or_else(|| {
        let bytes = if nested_bytes_max == usize::MAX { 0 } else { value.to_string().len() };
        (bytes > nested_bytes_max)
            .then(|| format!("the value takes {bytes} bytes of JSON; at most {nested_bytes_max} are allowed"))
    });
    broken.map_or(Ok(()), |message| Err(RecordError::new(field(), message)))
}

fn broken_limit(value: &PropertyValue<'_>, limits: &Limits, levels: usize) -> Option<String> {
    match value {
        PropertyValue::List(_) | PropertyValue::Object(_) if levels == 0 => {
            Some(limit_exceeded_depth(limits))
        }
        PropertyValue::List(items) if items.len() > limits.list_items_max => {
            Some(format!("a list of {} items; at most {} are allowed", items.len(), limits.list_items_max))
        }
        PropertyValue::List(items) => items.iter().find_map(|item| broken_limit(item, limits, levels - 1)),
        PropertyValue::Object(entries) if entries.len() > limits.object_keys_max => Some(format!(
            "an object of {} keys; at most {} are allowed",
            entries.len(),
            limits.object_keys_max
        )),
        PropertyValue::Object(entries) => {
            entries.iter().find_map(|(_, value)| broken_limit(value, limits, levels - 1))
        }
        PropertyValue::Null
        | PropertyValue::Bool(_)
        | PropertyValue::Int(_)
        | PropertyValue::Float(_)
        | PropertyValue::String(_) => None,
    }
}
