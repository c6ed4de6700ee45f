//! The rules for one record (D-2 … D-14, N-25): [`Parts`] → [`Record`] or the first problem.

use std::borrow::Cow;

use tallymark_event::{DateValue, Event, Properties, PropertyValue, Timestamp, parse_date};
use tallymark_users::{IdentitySystem, ProfileKey, ProfileOp, ProfileUpdate, assign};
use xxhash_rust::xxh3::xxh3_128;

use super::parts::{Parts, RawTime, Slot, Whole};
use super::shape::{check_shape, cut_name};
use super::{ParseOptions, Record, WireForm};
use crate::{Limits, RecordError};

/// Characters of an offending value that are shown.
const SHOWN_CHARS: usize = 80;
/// 1971-01-01T00:00:00Z: nothing older is imported (D-7).
const EARLIEST_IMPORT: Timestamp = Timestamp::from_millis(31_536_000_000);
/// 0001-01-01T00:00:00Z: before it there are no dates.
const EARLIEST: Timestamp = Timestamp::from_millis(-62_135_596_800_000);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Longest `$insert_id` on `/import` (D-13).
const INSERT_ID_BYTES_MAX: usize = 36;

const TIME_WANTED: &str = "expected Unix time in seconds or milliseconds, such as 1700000000";
const ID_WANTED: &str = "expected a string such as \"user-42\"";

/// Ids that stand for no one (D-5), in lower case.
const FORBIDDEN_IDS: [&str; 17] = [
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
];

/// Judges a record read from JSON.
pub(super) fn record<'a>(parts: &mut Parts<'a>, options: &ParseOptions) -> Result<Record<'a>, RecordError> {
    if parts.name.is_none() {
        if options.form == WireForm::Lenient && parts.top_level.iter().any(|(key, _)| marks_profile(key)) {
            return profile(&parts.top_level, options);
        }
        return Err(RecordError::new(
            "event",
            "missing; an event needs a name, such as {\"event\": \"Sign up\", …}, and a profile update an \
             operation, such as {\"$distinct_id\": \"u1\", \"$set\": {…}}",
        ));
    }
    match &parts.whole {
        Whole::Wrong(found) => {
            return Err(RecordError::new("properties", format!("must be a JSON object, not {found}")));
        }
        Whole::Missing | Whole::Null if options.form != WireForm::Lenient => {
            return Err(RecordError::new("properties", "missing; must be a JSON object"));
        }
        Whole::Missing | Whole::Null | Whole::Object => {}
    }
    parts.settle(options.form);
    event_record(parts, options)
}

/// Judges an event whose parts are settled, from whatever format.
pub(crate) fn event_record<'a>(
    parts: &mut Parts<'a>,
    options: &ParseOptions,
) -> Result<Record<'a>, RecordError> {
    let name = event_name(parts.name.take())?;
    let time = time(parts.time.take(), options)?;
    let device_id = other_id(parts.device_id.take())?;
    let user_id = other_id(parts.user_id.take())?;
    let device_id = device_id.ok();
    let user_id = match user_id {
        Ok(id) => Some(id),
        Err(no_id) => {
            // Kept as the ordinary property it is then.
            parts.properties.extend(no_id.map(|value| (Cow::Borrowed("$user_id"), value)));
            None
        }
    };
    let distinct_id = match distinct_id(parts.distinct_id.take(), options)? {
        Some(id) => id,
        // What the ids assign the event to stands for it (I-2).
        None if user_id.is_some() || device_id.is_some() => Cow::Borrowed(""),
        None if options.identity == IdentitySystem::Original && name == "$identify" => {
            identified_id(&parts.properties).unwrap_or_default()
        }
        None => id_of_address(parts.ip.as_ref(), options),
    };
    let insert_id = insert_id(parts.insert_id.take(), options)?;
    let user_properties = match parts.top_level.pop() {
        Some((_, value)) => user_properties(value, &options.limits)?,
        None => None,
    };
    // Other values were held to their depth while they were read.
    let unchecked = parts.whole != Whole::Object || limits_shapes(&options.limits);
    if unchecked {
        check_properties(parts, &options.limits)?;
    }
    let ignored = match &parts.ignore {
        Some(PropertyValue::Bool(ignore)) => *ignore,
        Some(PropertyValue::String(text)) => !text.is_empty(),
        _ => false,
    };
    if ignored {
        return Ok(Record::Ignored);
    }
    let properties = std::mem::take(&mut parts.properties);
    let event = Event { name, time, distinct_id, device_id, user_id, insert_id, properties };
    Ok(match user_properties.and_then(|set| set_on_user(&event, set, options)) {
        Some(update) => Record::EventAndProfile(event, update),
        None => Record::Event(event),
    })
}

/// Whether a record that has this key is an event, or a profile or group update.
pub(crate) fn marks_record(key: &str) -> bool {
    key == "event" || marks_profile(key)
}

/// Whether a record without `event` that has this key is a profile or group update.
fn marks_profile(key: &str) -> bool {
    matches!(
        key,
        "$distinct_id"
            | "$group_key"
            | "$group_id"
            | "$set"
            | "$set_once"
            | "$add"
            | "$append"
            | "$union"
            | "$remove"
            | "$unset"
            | "$delete"
    )
}

fn profile<'a>(
    entries: &[(Cow<'a, str>, PropertyValue<'a>)],
    options: &ParseOptions,
) -> Result<Record<'a>, RecordError> {
    let limits = &options.limits;
    for (operation, value) in entries {
        let PropertyValue::Object(set) = value else { continue };
        for (name, value) in set {
            let field = || format!("{}.{}", bounded(operation), bounded(name));
            check_shape(field, value, limits, limits.profile_nested_bytes_max)?;
        }
    }
    ProfileUpdate::from_record(entries)
        .map(Record::Profile)
        .map_err(|error| RecordError::new(error.field, error.message))
}

fn event_name(name: Option<PropertyValue<'_>>) -> Result<Cow<'_, str>, RecordError> {
    match name {
        None | Some(PropertyValue::Null) => {
            Err(RecordError::new("event", "missing; every event needs a name"))
        }
        Some(PropertyValue::String(name)) if name.is_empty() => {
            Err(RecordError::new("event", "empty; every event needs a name"))
        }
        Some(PropertyValue::String(name)) => Ok(cut_name(name)),
        Some(other) => {
            Err(RecordError::new("event", format!("{} is not a name; expected a string", shown(&other))))
        }
    }
}

/// The instant of an event (D-6, D-7).
fn time(slot: Option<Slot<'_, RawTime<'_>>>, options: &ParseOptions) -> Result<Timestamp, RecordError> {
    let (slot, default_field) = match options.form {
        WireForm::Lenient => (slot, "time"),
        WireForm::Track | WireForm::Import => (slot, "properties.time"),
    };
    let absent = || match options.form {
        WireForm::Track => Ok(options.received_at),
        WireForm::Lenient => Err(RecordError::new(
            default_field,
            format!(
                "missing; {TIME_WANTED}, or a date such as \"2024-01-31T12:00:00Z\", at the top level or in \
                 properties"
            ),
        )),
        WireForm::Import => Err(RecordError::new(default_field, format!("missing; {TIME_WANTED}"))),
    };
    let Some(Slot { value, field }) = slot else { return absent() };
    let time = match &value {
        RawTime::Instant(time) => Some(*time),
        RawTime::Value(PropertyValue::Null) => return absent(),
        RawTime::Value(PropertyValue::Int(number)) => Timestamp::from_unix_integer(*number),
        RawTime::Value(PropertyValue::Float(number)) => Timestamp::from_unix_number(*number),
        RawTime::Value(PropertyValue::String(text)) => {
            number_in(text).or_else(|| (options.form == WireForm::Lenient).then(|| date_in(text)).flatten())
        }
        RawTime::Value(PropertyValue::Bool(_) | PropertyValue::List(_) | PropertyValue::Object(_)) => None,
    };
    let Some(time) = time.filter(|time| *time >= EARLIEST) else {
        let what = match &value {
            RawTime::Instant(time) => time.to_string(),
            RawTime::Value(value) => shown(value),
        };
        let or_date = match options.form {
            WireForm::Lenient => ", or a date such as \"2024-01-31T12:00:00Z\"",
            WireForm::Track | WireForm::Import => "",
        };
        return Err(RecordError::new(field, format!("{what} is not a time; {TIME_WANTED}{or_date}")));
    };
    within_bounds(time, options).map_err(|message| RecordError::new(field, message))
}

/// D-7.
fn within_bounds(time: Timestamp, options: &ParseOptions) -> Result<Timestamp, String> {
    let now = options.received_at;
    if time > now {
        let ahead_ms = time.millis().saturating_sub(now.millis());
        if options.form == WireForm::Track || ahead_ms <= HOUR_MS {
            return Ok(now);
        }
        return Err(format!(
            "{time} lies more than an hour in the future (it is {now}); numbers below 100000000000 are read as \
             seconds, others as milliseconds"
        ));
    }
    match options.form {
        WireForm::Track => {
            let age_ms = now.millis().saturating_sub(time.millis());
            match options.track_max_age_days {
                Some(days) if age_ms > i64::from(days) * DAY_MS => Err(format!(
                    "{time} is more than {days} days ago (it is {now}); use the import for old events"
                )),
                _ => Ok(time),
            }
        }
        WireForm::Lenient | WireForm::Import if time < EARLIEST_IMPORT => Err(format!(
            "{time} is before 1971-01-01; numbers below 100000000000 are read as seconds, others as milliseconds"
        )),
        WireForm::Lenient | WireForm::Import => Ok(time),
    }
}

/// A number spelled as a string (D-6).
fn number_in(text: &str) -> Option<Timestamp> {
    let text = text.trim_ascii();
    if let Ok(number) = text.parse::<i64>() {
        return Timestamp::from_unix_integer(number);
    }
    // Rust also reads words such as "inf" and "NaN".
    let numeric =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    if numeric { text.parse::<f64>().ok().and_then(Timestamp::from_unix_number) } else { None }
}

/// A date spelled as D-22 has it, a blank for the `T` allowed.
fn date_in(text: &str) -> Option<Timestamp> {
    let text = text.trim_ascii();
    let with_t;
    let text = if text.as_bytes().get(10) == Some(&b' ') {
        with_t = format!("{}T{}", &text[..10], &text[11..]);
        &with_t
    } else {
        text
    };
    Some(match parse_date(text)? {
        DateValue::Civil(day) => day.start(),
        DateValue::Instant(time) => time,
    })
}

/// The `distinct_id` as sent (D-4, D-5); `None` where none was sent and none is required.
fn distinct_id<'a>(
    slot: Option<Slot<'a, PropertyValue<'a>>>,
    options: &ParseOptions,
) -> Result<Option<Cow<'a, str>>, RecordError> {
    let absent = || match options.form {
        WireForm::Import => Err(RecordError::new(
            "properties.distinct_id",
            format!("missing; {ID_WANTED}, or \"\" for an event of nobody"),
        )),
        WireForm::Lenient | WireForm::Track => Ok(None),
    };
    let Some(Slot { value, field }) = slot else { return absent() };
    match id_text(value) {
        Ok(None) => absent(),
        Ok(Some(id)) if !is_forbidden_id(&id) => Ok(Some(id)),
        _ if options.form == WireForm::Track => Ok(Some(Cow::Borrowed(""))),
        Ok(Some(id)) => Err(RecordError::new(
            field,
            format!(
                "{} stands for no one in particular; send a real id, or \"\" for an event of nobody",
                quoted(&id)
            ),
        )),
        Err(problem) => Err(RecordError::new(field, format!("{problem}; {ID_WANTED}"))),
    }
}

/// What the `distinct_id` of an `$identify` event is by default (I-21).
fn identified_id<'a>(properties: &[(Cow<'a, str>, PropertyValue<'a>)]) -> Option<Cow<'a, str>> {
    properties.iter().find_map(|(name, value)| match value {
        PropertyValue::String(id) if name == "$identified_id" => Some(id.clone()),
        _ => None,
    })
}

/// The id of an event sent without any: a stable hash of the sender's address, else nobody (D-4).
fn id_of_address<'a>(ip: Option<&PropertyValue<'a>>, options: &ParseOptions) -> Cow<'a, str> {
    let address = match ip {
        // `ip = 1` asks for the sender's own, `ip = 0` for none (D-40).
        None | Some(PropertyValue::Null | PropertyValue::Bool(true) | PropertyValue::Int(1)) => {
            options.sender_ip.as_deref()
        }
        Some(PropertyValue::String(text)) => match text.as_ref() {
            "0" => None,
            "1" => options.sender_ip.as_deref(),
            address => Some(address),
        },
        Some(_) => None,
    };
    match address {
        Some(address) if !address.is_empty() => Cow::Owned(format!("{:032x}", xxh3_128(address.as_bytes()))),
        _ => Cow::Borrowed(""),
    }
}

/// `$device_id` or `$user_id`: text, or what was sent instead, which is no id (empty, null, a list).
fn other_id<'a>(
    slot: Option<Slot<'a, PropertyValue<'a>>>,
) -> Result<Result<Cow<'a, str>, Option<PropertyValue<'a>>>, RecordError> {
    let Some(Slot { value, field }) = slot else { return Ok(Err(None)) };
    match value {
        PropertyValue::String(text) if !text.is_empty() => Ok(Ok(text)),
        PropertyValue::Int(_) | PropertyValue::Float(_) => match id_text(value) {
            Ok(Some(id)) => Ok(Ok(id)),
            Ok(None) => Ok(Err(None)),
            Err(problem) => Err(RecordError::new(field, format!("{problem}; {ID_WANTED}"))),
        },
        other => Ok(Err(Some(other))),
    }
}

/// The sender's id of the event (D-5, D-11, D-13).
fn insert_id<'a>(
    slot: Option<Slot<'a, PropertyValue<'a>>>,
    options: &ParseOptions,
) -> Result<Option<Cow<'a, str>>, RecordError> {
    const WANTED: &str = "expected 1 to 36 of A-Z a-z 0-9 -";
    let absent = || match options.form {
        WireForm::Import => Err(RecordError::new("properties.$insert_id", format!("missing; {WANTED}"))),
        WireForm::Lenient | WireForm::Track => Ok(None),
    };
    let Some(Slot { value, field }) = slot else { return absent() };
    let id = match id_text(value) {
        Ok(None) => return absent(),
        Ok(Some(id)) => id,
        // What cannot be an id is as good as none there.
        Err(_) if options.form == WireForm::Track => return Ok(None),
        Err(problem) => return Err(RecordError::new(field, format!("{problem}; expected a string"))),
    };
    if options.form == WireForm::Import && !is_well_formed_insert_id(&id) {
        return Err(RecordError::new(field, format!("{} is not well-formed; {WANTED}", quoted(&id))));
    }
    if id.is_empty() {
        return Ok(None);
    }
    match (is_forbidden_id(&id), options.form) {
        (false, _) => Ok(Some(id)),
        (true, WireForm::Track) => Ok(None),
        (true, WireForm::Lenient | WireForm::Import) => Err(RecordError::new(
            field,
            format!("{} cannot tell one event from another; send a unique id, or none", quoted(&id)),
        )),
    }
}

fn is_well_formed_insert_id(id: &str) -> bool {
    (1..=INSERT_ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// An id as text (D-4: 42 is "42"); null is none; an error says what it was instead.
fn id_text(value: PropertyValue<'_>) -> Result<Option<Cow<'_, str>>, String> {
    Ok(Some(match value {
        PropertyValue::Null => return Ok(None),
        PropertyValue::String(text) => text,
        PropertyValue::Int(number) => Cow::Owned(number.to_string()),
        PropertyValue::Float(number) if number.abs() < tallymark_event::MAX_EXACT_INTEGER as f64 => {
            Cow::Owned(value.to_string())
        }
        PropertyValue::Float(_) => return Err(format!("{} has lost digits as a number", shown(&value))),
        PropertyValue::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        PropertyValue::List(ref items) if items.is_empty() => Cow::Borrowed("[]"),
        PropertyValue::Object(ref entries) if entries.is_empty() => Cow::Borrowed("{}"),
        PropertyValue::List(_) | PropertyValue::Object(_) => {
            return Err(format!("{} is not an id", shown(&value)));
        }
    }))
}

/// D-5, in any letter case.
fn is_forbidden_id(id: &str) -> bool {
    // The longest forbidden word but for the zero UUID has 9 letters.
    match id.len() {
        1..=9 | 36 => FORBIDDEN_IDS.iter().any(|forbidden| id.eq_ignore_ascii_case(forbidden)),
        _ => false,
    }
}

fn user_properties(value: PropertyValue<'_>, limits: &Limits) -> Result<Option<Properties>, RecordError> {
    match value {
        PropertyValue::Null => Ok(None),
        PropertyValue::Object(entries) => {
            for (name, value) in &entries {
                let field = || format!("user_properties.{}", bounded(name));
                check_shape(field, value, limits, limits.profile_nested_bytes_max)?;
            }
            let owned = |(name, value): (Cow<'_, str>, PropertyValue<'_>)| {
                (cut_name(name).into_owned(), value.into_owned())
            };
            Ok(Some(Properties(entries.into_iter().map(owned).collect())))
        }
        other => {
            Err(RecordError::new("user_properties", format!("must be a JSON object, not {}", shown(&other))))
        }
    }
}

/// `user_properties` as a `$set` on the user the event is taken under, unless that is nobody.
fn set_on_user(event: &Event<'_>, set: Properties, options: &ParseOptions) -> Option<ProfileUpdate> {
    if set.0.is_empty() {
        return None;
    }
    let user_id = event.user_id.as_deref();
    let assigned = assign(options.identity, &event.distinct_id, event.device_id.as_deref(), user_id);
    (!assigned.id.is_empty()).then(|| ProfileUpdate {
        key: ProfileKey::User(assigned.id.into_owned()),
        time: Some(event.time),
        ignore_time: false,
        ignore_alias: false,
        ops: vec![ProfileOp::Set(set)],
    })
}

/// Whether more than the depth of values is limited.
fn limits_shapes(limits: &Limits) -> bool {
    let limited =
        [limits.properties_max, limits.object_keys_max, limits.list_items_max, limits.nested_bytes_max];
    limited.iter().any(|&most| most != usize::MAX)
}

fn check_properties(parts: &Parts<'_>, limits: &Limits) -> Result<(), RecordError> {
    let count = parts.sent_count.max(parts.properties.len());
    if count > limits.properties_max {
        let message = format!("{count} properties; at most {} are allowed", limits.properties_max);
        return Err(RecordError::new("properties", message));
    }
    let prefix = if parts.whole == Whole::Object { "properties." } else { "" };
    parts.properties.iter().try_for_each(|(name, value)| {
        check_shape(|| format!("{prefix}{}", bounded(name)), value, limits, limits.nested_bytes_max)
    })
}

/// An offending value as JSON, cut to what fits a message.
pub(crate) fn shown(value: &PropertyValue<'_>) -> String {
    match value {
        PropertyValue::String(text) => quoted(text),
        other => bounded(&other.to_string()),
    }
}

/// An offending string, quoted and cut to what fits a message.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", bounded(text))
}

/// The beginning of a text, fit for a message.
pub(crate) fn bounded(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
