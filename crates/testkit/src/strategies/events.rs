//! Single events.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tallymark_event::{Event, PropertyValue, Timestamp};

use super::{event_name, property_name, value};

const MS_PER_DAY: i64 = 86_400_000;
/// 2024-02-28: the next midnights lead into a leap day and into March.
const FIRST_DAY: i64 = 19_781;

/// Times within four days: at midnight, a millisecond to either side, on a few instants that come
/// again and again, and anywhere.
pub fn time() -> impl Strategy<Value = Timestamp> {
    let day = FIRST_DAY..FIRST_DAY + 4;
    prop_oneof![
        3 => (day.clone(), -1_i64..=1).prop_map(|(day, ms)| day * MS_PER_DAY + ms),
        4 => (0_i64..3).prop_map(|step| FIRST_DAY * MS_PER_DAY + 43_200_000 + step * 1_000),
        2 => (day, 0..MS_PER_DAY).prop_map(|(day, ms)| day * MS_PER_DAY + ms),
    ]
    .prop_map(Timestamp::from_millis)
}

/// Who an event says it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventIds {
    /// `distinct_id`.
    pub distinct_id: String,
    /// `$device_id`.
    pub device_id: Option<String>,
    /// `$user_id`.
    pub user_id: Option<String>,
}

/// Ids of three devices and three users in every combination the rules tell apart: device before
/// sign-up, both (I-4), the user alone, only a `distinct_id` of either kind (I-3), a second user on
/// a device (I-8), a device named like a user (I-10), nobody (D-4).
pub fn event_ids() -> impl Strategy<Value = EventIds> {
    let device = || select(vec!["d1", "d2", "u1"]).prop_map(str::to_owned);
    let user = || select(vec!["u1", "u2", "U1"]).prop_map(str::to_owned);
    let ids = |distinct_id, device_id, user_id| EventIds { distinct_id, device_id, user_id };
    prop_oneof![
        3 => user().prop_map(move |user| ids(user, None, None)),
        1 => device().prop_map(move |device| ids(format!("$device:{device}"), None, None)),
        2 => device().prop_map(move |device| ids(format!("$device:{device}"), Some(device), None)),
        2 => (device(), user()).prop_map(move |(device, user)| ids(user.clone(), Some(device), Some(user))),
        1 => user().prop_map(move |user| ids(user.clone(), None, Some(user))),
        1 => (device(), user(), user()).prop_map(move |(device, sent, user)| ids(sent, Some(device), Some(user))),
        1 => Just(ids(String::new(), None, None)),
        1 => any::<String>().prop_map(move |id| ids(id, None, None)),
    ]
    .prop_filter("a forbidden id is another matter (D-5)", |ids| !is_forbidden(&ids.distinct_id))
}

/// The ids that D-5 forbids.
fn is_forbidden(id: &str) -> bool {
    const FORBIDDEN: [&str; 17] = [
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
    FORBIDDEN.contains(&id.to_lowercase().as_str())
}

/// Insert ids few enough to repeat, or none (D-11).
pub fn insert_id() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        2 => Just(None),
        4 => select(vec!["i1", "i2", "I1"]).prop_map(|id| Some(id.to_owned())),
        1 => option::of("[A-Za-z0-9-]{1,36}"),
    ]
}

/// Any event with up to six properties, names unique.
pub fn event() -> impl Strategy<Value = Event<'static>> {
    let properties = vec((property_name(), value()), 0..6);
    (event_name(), time(), event_ids(), insert_id(), properties).prop_map(
        |(name, time, ids, insert_id, properties)| {
            let mut event = Event::new(name, time, ids.distinct_id);
            event.device_id = ids.device_id.map(Cow::Owned);
            event.user_id = ids.user_id.map(Cow::Owned);
            event.insert_id = insert_id.map(Cow::Owned);
            properties.into_iter().fold(event, |event, (name, value)| event.with(name, value))
        },
    )
}

/// The event sent again under the same key (D-9), with other properties.
pub fn repeat_of(event: &Event<'static>) -> impl Strategy<Value = Event<'static>> + use<> {
    let event = event.clone();
    (vec((property_name(), value()), 0..3), 0_i64..1_000).prop_map(move |(properties, mark)| {
        let repeat = Event { properties: Vec::new(), ..event.clone() };
        let repeat = properties.into_iter().fold(repeat, |event, (name, value)| event.with(name, value));
        repeat.with("repeat", PropertyValue::Int(mark))
    })
}
