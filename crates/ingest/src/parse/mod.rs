//! One record's text → a validated [`Record`].
//!
//! 1. `text.rs`, `json.rs`: JSON text → [`Parts`]: what the record says, each special property in its
//!    slot, all text borrowed where it stands unescaped.
//! 2. `parts.rs`: which key means what, where repeated keys and spellings compete.
//! 3. `validate.rs`: the rules (D-2 … D-14, N-25) → a [`Record`] or the first problem.
//!
//! # Forms
//!
//! A record with the key `event` is an event; one without it that has `$distinct_id`,
//! `$group_key`, `$group_id` or an operation such as `$set` is a profile or group update (lenient
//! form only). Of an event:
//!
//! - `properties` hold the properties, and among them `time`, `distinct_id` and `$insert_id`:
//!   Mixpanel's form, `/track`, `/import` and raw export alike (N-4).
//! - Lenient only: `time`, `distinct_id` and `insert_id`, with or without `$`, and `$device_id`,
//!   `$user_id`, `ip`, `token` and `$ignore` may stand at the top level as well, and win there. In
//!   `properties` the spellings `$time`, `insert_id` and `$distinct_id` are used when nothing else
//!   says it, and are ordinary properties otherwise.
//! - Lenient only: `user_properties` are a `$set` on the profile of the event's user; nobody's
//!   event sets none.
//! - Lenient only, without `properties`: every other top-level key is a property, except
//!   `$mp_metadata`. With `properties`, other top-level keys are ignored (N-4).
//!
//! Not among the properties of an [`Event`]: `time`, `distinct_id`, `$insert_id`, `$device_id`, `token`,
//! `ip`, `$ignore`, `bucket` and `$bucket` (D-40), and a `$user_id` that is an id: it is
//! [`Event::user_id`].
//!
//! # Times
//!
//! D-6: numbers, and strings of numbers. The lenient form takes dates too, as D-22 spells them, a
//! blank for the `T` allowed; without a zone they are UTC.
//!
//! # JSON
//!
//! Read by our own reader (`text.rs`), which takes a third less time than serde_json or sonic-rs on
//! our sample data, rounds every decimal fraction correctly (serde_json as commonly built may be off
//! by one unit in the last place), and can say which field is at fault. The tests hold it to
//! serde_json's answers. Of repeated keys the last counts. Integers beyond 64 bits
//! become floats, except as ids, where different people must stay different; a number that no
//! float can hold (1e400) is refused.

mod event;
mod json;
mod parts;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod validate;

use std::borrow::Cow;

use tallymark_event::{Event, PropertyValue, Timestamp};
use tallymark_users::{IdentitySystem, ProfileUpdate};

use crate::{Limits, RecordError};

pub use event::check_event;
pub(crate) use parts::{Parts, RawTime, Slot};
pub(crate) use shape::fit;
pub(crate) use validate::{bounded, event_record, marks_record, quoted, shown};

/// What one record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Record<'a> {
    /// An event.
    Event(Event<'a>),
    /// A valid event that asked to be dropped with `$ignore` (D-14).
    Ignored,
    /// A profile or group update (N-32, N-33).
    Profile(ProfileUpdate),
    /// An event whose `user_properties` act as `$set` on its user.
    EventAndProfile(Event<'a>, ProfileUpdate),
}

/// Which endpoint's rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WireForm {
    /// Files and library calls: every form, told apart record by record. D-5 and D-7 as on
    /// `/import`, but only the name and the time of an event are required, and any insert id of
    /// characters will do.
    #[default]
    Lenient,
    /// Mixpanel's `/track`: events only; what can be repaired is (D-4, D-5, D-7).
    Track,
    /// Mixpanel's `/import`, strict: events only, all that N-25 requires.
    Import,
}

/// How records are read.
#[derive(Debug, Clone)]
pub struct ParseOptions {
    /// Which endpoint's rules apply.
    pub form: WireForm,
    /// Sizes (D-30).
    pub limits: Limits,
    /// When the records arrived: "now" of D-7, the time of an event on `/track` without one.
    pub received_at: Timestamp,
    /// Decides whose profile `user_properties` are set on (I-2).
    pub identity: IdentitySystem,
    /// The sender's address, where an id may be derived from it (D-4, N-2 `ip=1`).
    pub sender_ip: Option<String>,
    /// On `/track`: refuse events older than this many days (D-7); `None` refuses none.
    pub track_max_age_days: Option<u32>,
}

impl ParseOptions {
    /// Lenient form, relaxed limits, simplified identity.
    pub fn new(received_at: Timestamp) -> Self {
        Self {
            form: WireForm::Lenient,
            limits: Limits::relaxed(),
            received_at,
            identity: IdentitySystem::Simplified,
            sender_ip: None,
            track_max_age_days: None,
        }
    }
}

/// Memory for properties that [`parse_record_into`] may use, and get back, between records of one
/// text.
#[derive(Debug, Default)]
pub struct Scratch<'a> {
    properties: Vec<(Cow<'a, str>, PropertyValue<'a>)>,
}

impl<'a> Scratch<'a> {
    /// Gives the memory of an event that is no longer needed back for the next one.
    pub fn recycle(&mut self, event: Event<'a>) {
        let mut properties = event.properties;
        properties.clear();
        self.properties = properties;
    }
}

/// Reads one record: JSON text of one object, blanks around it allowed.
///
/// ```
/// use tallymark_event::Timestamp;
/// use tallymark_ingest::{ParseOptions, Record, parse_record};
///
/// let options = ParseOptions::new(Timestamp::from_millis(1_700_000_100_000));
/// let text = br#"{"event":"Buy","time":1700000000,"distinct_id":"u1","properties":{"price":9.5}}"#;
/// let Record::Event(event) = parse_record(text, &options).unwrap() else { panic!() };
/// assert_eq!((event.name.as_ref(), event.distinct_id.as_ref()), ("Buy", "u1"));
///
/// let error = parse_record(br#"{"event":"Buy"}"#, &options).unwrap_err();
/// assert_eq!(error.field, "time");
/// ```
///
/// # Errors
/// The first problem of the record, in the order of N-25.
pub fn parse_record<'a>(text: &'a [u8], options: &ParseOptions) -> Result<Record<'a>, RecordError> {
    parse_record_into(&mut Scratch::default(), text, options)
}

/// [`parse_record`] with memory that is used again.
pub fn parse_record_into<'a>(
    scratch: &mut Scratch<'a>,
    text: &'a [u8],
    options: &ParseOptions,
) -> Result<Record<'a>, RecordError> {
    let most = options.limits.record_bytes_max;
    if text.len() > most {
        return Err(too_long(text.len() as u64, most));
    }
    let text = std::str::from_utf8(text).map_err(|error| json::not_utf8(text, error))?;
    let mut parts = Parts::new(std::mem::take(&mut scratch.properties));
    json::read(text, &mut parts, options)?;
    validate::record(&mut parts, options)
}

/// The refusal of a record of `bytes` bytes where `most` are allowed.
pub(crate) fn too_long(bytes: u64, most: usize) -> RecordError {
    RecordError::new("", format!("the record has {bytes} bytes; at most {most} are allowed"))
}
