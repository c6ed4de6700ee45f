//! One record's text → a validated [`Record`].

use tallymark_event::{Event, Timestamp};
use tallymark_users::{IdentitySystem, ProfileUpdate};

use crate::{Limits, RecordError};

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
    /// `/import`, but only the name and the time of an event are required.
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
    properties: Vec<(std::borrow::Cow<'a, str>, tallymark_event::PropertyValue<'a>)>,
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
pub fn parse_record<'a>(text: &'a [u8], options: &ParseOptions) -> Result<Record<'a>, RecordError> {
    parse_record_into(&mut Scratch::default(), text, options)
}

/// [`parse_record`] with memory that is used again.
pub fn parse_record_into<'a>(
    scratch: &mut Scratch<'a>,
    text: &'a [u8],
    options: &ParseOptions,
) -> Result<Record<'a>, RecordError> {
    unimplemented!("{scratch:?} {text:?} {options:?}")
}
