//! Whole small histories: what a dataset is sent, in order of arrival.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tallymark_event::{Event, PropertyValue, Timestamp};

use super::{event, event_ids, insert_id, repeat_of, time, value};
use crate::json::{event_line, object_line};

/// One record as sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// An event.
    Event(Event<'static>),
    /// An update of a user's or a group's profile.
    Profile(ProfileRecord),
}

impl Record {
    /// The line a client would send.
    pub fn to_line(&self) -> String {
        match self {
            Self::Event(event) => event_line(event),
            Self::Profile(profile) => profile.to_line(),
        }
    }
}

/// Whose profile a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileTarget {
    /// `$distinct_id`.
    User(String),
    /// `$group_key` and `$group_id`.
    Group {
        /// The property that is the key.
        key: String,
        /// The group.
        id: String,
    },
}

/// A profile update (section 2.1 of the rules).
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileRecord {
    /// Whose profile.
    pub target: ProfileTarget,
    /// `$time`.
    pub time: Option<Timestamp>,
    /// `$ignore_time` (U-12).
    pub ignore_time: bool,
    /// `$ignore_alias` (U-8).
    pub ignore_alias: bool,
    /// Operation (`$set`, …) and what it is given; names unique, in any order (U-10).
    pub operations: Vec<(&'static str, PropertyValue<'static>)>,
}

impl ProfileRecord {
    /// The line a client would send.
    pub fn to_line(&self) -> String {
        let mut entries: Vec<(&str, PropertyValue<'_>)> = Vec::new();
        match &self.target {
            ProfileTarget::User(id) => entries.push(("$distinct_id", id.as_str().into())),
            ProfileTarget::Group { key, id } => {
                entries.push(("$group_key", key.as_str().into()));
                entries.push(("$group_id", id.as_str().into()));
            }
        }
        entries.extend(self.time.map(|time| ("$time", PropertyValue::Int(time.millis()))));
        entries.extend(self.ignore_time.then_some(("$ignore_time", PropertyValue::Bool(true))));
        entries.extend(self.ignore_alias.then_some(("$ignore_alias", PropertyValue::Bool(true))));
        entries.extend(self.operations.iter().cloned());
        object_line(&entries)
    }
}

/// Profile names are few, so that operations meet.
fn profile_property() -> impl Strategy<Value = Cow<'static, str>> {
    select(vec!["plan", "n", "tags", "Plan", "a b", "$email"]).prop_map(Cow::Borrowed)
}

fn properties_of(
    value: impl Strategy<Value = PropertyValue<'static>>,
) -> impl Strategy<Value = PropertyValue<'static>> {
    vec((profile_property(), value), 1..4).prop_map(|entries| {
        let mut kept: Vec<(Cow<'static, str>, PropertyValue<'static>)> = Vec::new();
        for (name, value) in entries {
            if kept.iter().all(|(known, _)| *known != name) {
                kept.push((name, value));
            }
        }
        PropertyValue::Object(kept)
    })
}

fn small_value() -> impl Strategy<Value = PropertyValue<'static>> {
    prop_oneof![
        select(vec![PropertyValue::from("a"), "b".into(), "1".into(), 1.into(), 2.into(), true.into()]),
        vec(select(vec!["a", "b", "c"]), 0..3).prop_map(PropertyValue::from),
        value(),
    ]
}

/// A profile update with one to three operations, some of them of a type that does not fit (U-9).
pub fn profile_record() -> impl Strategy<Value = ProfileRecord> {
    let target = prop_oneof![
        4 => select(vec!["u1", "u2", "U1", "$device:d1", "$device:d2"]).prop_map(|id| ProfileTarget::User(id.to_owned())),
        1 => select(vec!["acme", "b"])
            .prop_map(|id| ProfileTarget::Group { key: "company_id".to_owned(), id: id.to_owned() }),
    ];
    let number = prop_oneof![(-5_i64..5).prop_map(PropertyValue::Int), super::number()];
    let lists = properties_of(vec(select(vec!["a", "b"]), 0..3).prop_map(PropertyValue::from));
    let names = vec(profile_property(), 0..3)
        .prop_map(|names| PropertyValue::List(names.into_iter().map(PropertyValue::String).collect()));
    let operation = prop_oneof![
        4 => properties_of(small_value()).prop_map(|given| ("$set", given)),
        2 => properties_of(small_value()).prop_map(|given| ("$set_once", given)),
        2 => properties_of(number).prop_map(|given| ("$add", given)),
        2 => properties_of(small_value()).prop_map(|given| ("$append", given)),
        2 => lists.prop_map(|given| ("$union", given)),
        1 => properties_of(small_value()).prop_map(|given| ("$remove", given)),
        1 => names.prop_map(|given| ("$unset", given)),
        1 => Just(("$delete", PropertyValue::from(""))),
    ];
    let seldom = || proptest::bool::weighted(0.1);
    (target, proptest::option::of(time()), seldom(), seldom(), vec(operation, 1..4)).prop_map(
        |(target, time, ignore_time, ignore_alias, operations)| {
            let mut kept: Vec<(&'static str, PropertyValue<'static>)> = Vec::new();
            for (name, given) in operations {
                if kept.iter().all(|(known, _)| *known != name) {
                    kept.push((name, given));
                }
            }
            ProfileRecord { target, time, ignore_time, ignore_alias, operations: kept }
        },
    )
}

/// Ids in the form `$identify` asks of an anonymous id (I-26), and two that are not.
const ANONYMOUS_IDS: [&str; 4] = [
    "0b0e8b9c-1c1d-4c3a-9f5e-0a1b2c3d4e5f",
    "6F9619FF-8B86-4D01-B42D-00CF4FC964FF",
    "6f9619ff-8b86-1d01-b42d-00cf4fc964ff",
    "visitor",
];

/// An event that means something to original identity (I-21 … I-23): `$identify`,
/// `$create_alias` or `$merge`, over few ids so that chains and refusals come up.
fn identity_event() -> impl Strategy<Value = Event<'static>> {
    let id = || prop_oneof![select(vec!["u1", "u2", "u3"]), select(ANONYMOUS_IDS.to_vec())];
    let identify = (id(), select(ANONYMOUS_IDS.to_vec()), time()).prop_map(|(user, anonymous, time)| {
        Event::new("$identify", time, user).with("$identified_id", user).with("$anon_id", anonymous)
    });
    let alias = (id(), id(), time())
        .prop_map(|(user, alias, time)| Event::new("$create_alias", time, user).with("alias", alias));
    let merge = (id(), id(), time()).prop_map(|(first, second, time)| {
        Event::new("$merge", time, first).with("$distinct_ids", vec![first, second])
    });
    (prop_oneof![2 => identify, 1 => alias, 1 => merge], insert_id()).prop_map(|(mut event, insert_id)| {
        event.insert_id = insert_id.map(Cow::Owned);
        event
    })
}

/// What a dataset is sent, in order of arrival, and how it is cut into batches.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The records.
    pub records: Vec<Record>,
    /// Where batches end: positions in `records`, ascending, the last one its length.
    pub batch_ends: Vec<usize>,
}

impl History {
    /// The records in the batches they are sent in; none is empty.
    pub fn batches(&self) -> impl Iterator<Item = &[Record]> {
        let starts = std::iter::once(0).chain(self.batch_ends.iter().copied());
        starts.zip(&self.batch_ends).map(|(start, &end)| &self.records[start..end])
    }

    /// The events alone, in order of arrival.
    pub fn events(&self) -> impl Iterator<Item = &Event<'static>> {
        self.records.iter().filter_map(|record| match record {
            Record::Event(event) => Some(event),
            Record::Profile(_) => None,
        })
    }

    /// All records as NDJSON.
    pub fn to_ndjson(&self) -> String {
        self.records.iter().flat_map(|record| [record.to_line(), "\n".to_owned()]).collect()
    }
}

/// A history of up to `records_max` records (at least one may come out fewer than asked): events,
/// repeats of earlier events with other properties, the same event for another user, profile
/// updates, identity operations; cut into batches anywhere.
pub fn history(records_max: usize) -> impl Strategy<Value = History> {
    /// A record, or how to make one from an earlier event.
    #[derive(Debug, Clone)]
    enum Draft {
        Record(Record),
        Repeat(Index, Event<'static>),
        ForAnother(Index, super::EventIds),
    }
    let repeat = event().prop_flat_map(|event| (any::<Index>(), repeat_of(&event)));
    let draft = prop_oneof![
        6 => event().prop_map(|event| Draft::Record(Record::Event(event))),
        2 => repeat.prop_map(|(which, with)| Draft::Repeat(which, with)),
        1 => (any::<Index>(), event_ids()).prop_map(|(which, ids)| Draft::ForAnother(which, ids)),
        2 => profile_record().prop_map(|profile| Draft::Record(Record::Profile(profile))),
        1 => identity_event().prop_map(|event| Draft::Record(Record::Event(event))),
    ];
    (vec(draft, 0..=records_max), vec(any::<Index>(), 0..5)).prop_map(|(drafts, cuts)| {
        let mut records: Vec<Record> = Vec::with_capacity(drafts.len());
        let mut events: Vec<Event<'static>> = Vec::new();
        for draft in drafts {
            let record = match draft {
                Draft::Record(record) => record,
                Draft::Repeat(which, with) if !events.is_empty() => {
                    let first = which.get(&events);
                    Record::Event(Event { properties: with.properties, ..first.clone() })
                }
                Draft::ForAnother(which, ids) if !events.is_empty() => Record::Event(Event {
                    distinct_id: Cow::Owned(ids.distinct_id),
                    device_id: ids.device_id.map(Cow::Owned),
                    user_id: ids.user_id.map(Cow::Owned),
                    ..which.get(&events).clone()
                }),
                Draft::Repeat(_, event) => Record::Event(event),
                Draft::ForAnother(..) => continue,
            };
            if let Record::Event(event) = &record {
                events.push(event.clone());
            }
            records.push(record);
        }
        let mut batch_ends: Vec<usize> = cuts.iter().map(|cut| cut.index(records.len() + 1)).collect();
        batch_ends.push(records.len());
        batch_ends.sort_unstable();
        batch_ends.dedup();
        batch_ends.retain(|&end| end > 0);
        History { records, batch_ends }
    })
}
