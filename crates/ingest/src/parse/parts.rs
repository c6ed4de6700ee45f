//! What a record says, before it is judged: which key means what.

use std::borrow::Cow;

use tallymark_event::{PropertyValue, Timestamp};

use super::WireForm;
use super::shape::{cut_name, keep_last_of_repeated};
use crate::NAME_CHARS_MAX;

/// A value and the field it was found in, for error messages.
#[derive(Debug)]
pub(crate) struct Slot<'a, V> {
    pub(crate) value: V,
    pub(crate) field: &'a str,
}

/// A time as sent.
#[derive(Debug)]
pub(crate) enum RawTime<'a> {
    /// To be read by D-6, and in the lenient form as a date.
    Value(PropertyValue<'a>),
    /// Already an instant, from a column that says its unit.
    Instant(Timestamp),
}

/// What `properties` was.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Whole {
    #[default]
    Missing,
    Null,
    Object,
    /// Anything else, described.
    Wrong(String),
}

/// The parts of one record. The fields of an event are named for their meaning, wherever in the
/// record they stood.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    /// `event`, if there is such a key.
    pub(crate) name: Option<PropertyValue<'a>>,
    pub(crate) whole: Whole,
    /// All top-level keys but `event` and `properties`; empty but in the lenient form.
    pub(crate) top_level: Vec<(Cow<'a, str>, PropertyValue<'a>)>,
    pub(crate) time: Option<Slot<'a, RawTime<'a>>>,
    pub(crate) distinct_id: Option<Slot<'a, PropertyValue<'a>>>,
    pub(crate) insert_id: Option<Slot<'a, PropertyValue<'a>>>,
    pub(crate) device_id: Option<Slot<'a, PropertyValue<'a>>>,
    pub(crate) user_id: Option<Slot<'a, PropertyValue<'a>>>,
    pub(crate) ip: Option<PropertyValue<'a>>,
    pub(crate) ignore: Option<PropertyValue<'a>>,
    /// Whether a spelling of time or id that is only used for want of a better is among the
    /// properties.
    pub(crate) has_other_spelling: bool,
    /// How many entries `properties` had.
    pub(crate) sent_count: usize,
    pub(crate) properties: Vec<(Cow<'a, str>, PropertyValue<'a>)>,
}

/// Whether a key of this name is an id.
#[inline]
pub(super) fn is_id(name: &str) -> bool {
    matches!(
        name,
        "distinct_id"
            | "$distinct_id"
            | "$insert_id"
            | "insert_id"
            | "$user_id"
            | "$device_id"
            | "$group_id"
            | "$identified_id"
            | "$anon_id"
    )
}

impl<'a> Parts<'a> {
    /// Nothing said yet; `memory` is used for the properties.
    pub(crate) fn new(memory: Vec<(Cow<'a, str>, PropertyValue<'a>)>) -> Self {
        let properties = if memory.capacity() == 0 { Vec::with_capacity(16) } else { memory };
        Self { properties, ..Self::default() }
    }

    /// Forgets what `properties` said.
    pub(super) fn clear_properties(&mut self) {
        self.properties.clear();
        self.sent_count = 0;
        self.has_other_spelling = false;
        (self.time, self.distinct_id, self.insert_id) = (None, None, None);
        (self.device_id, self.user_id, self.ip, self.ignore) = (None, None, None, None);
    }

    /// Takes an entry of `properties`.
    #[inline]
    pub(crate) fn put_property(&mut self, name: Cow<'a, str>, value: PropertyValue<'a>, form: WireForm) {
        self.sent_count += 1;
        // Nearly all names end here: those that mean something start with one of a few letters.
        if !matches!(name.as_bytes().first(), Some(b'$' | b't' | b'd' | b'i' | b'b')) {
            self.push(name, value);
            return;
        }
        let slot = |value, field| Some(Slot { value, field });
        match name.as_ref() {
            "time" => self.time = Some(slot_time(value, "properties.time")),
            "distinct_id" => self.distinct_id = slot(value, "properties.distinct_id"),
            "$insert_id" => self.insert_id = slot(value, "properties.$insert_id"),
            "$device_id" => self.device_id = slot(value, "properties.$device_id"),
            "$user_id" => self.user_id = slot(value, "properties.$user_id"),
            "ip" => self.ip = Some(value),
            "$ignore" => self.ignore = Some(value),
            "token" | "bucket" | "$bucket" => {}
            _ => {
                self.has_other_spelling |= form == WireForm::Lenient
                    && matches!(name.as_ref(), "$time" | "insert_id" | "$distinct_id");
                self.push(name, value);
            }
        }
    }

    #[inline]
    fn push(&mut self, name: Cow<'a, str>, value: PropertyValue<'a>) {
        let name = if name.len() <= NAME_CHARS_MAX { name } else { cut_name(name) };
        self.properties.push((name, value));
    }

    /// Settles what competes: the top level of the lenient form, other spellings, repeated names.
    pub(crate) fn settle(&mut self, form: WireForm) {
        if form == WireForm::Lenient {
            if !self.top_level.is_empty() {
                self.take_top_level();
            }
            if self.has_other_spelling {
                self.use_other_spellings();
            }
        }
        keep_last_of_repeated(&mut self.properties);
    }

    fn take_top_level(&mut self) {
        let flat = self.whole == Whole::Missing;
        let mut top_level = std::mem::take(&mut self.top_level);
        keep_last_of_repeated(&mut top_level);
        // `$time` before `time`, so that the better spelling wins.
        top_level.sort_by_key(|(name, _)| !matches!(name.as_ref(), "$time" | "$distinct_id" | "insert_id"));
        for (name, value) in top_level {
            let slot = |value, field| Some(Slot { value, field });
            match name.as_ref() {
                "time" => self.time = Some(slot_time(value, "time")),
                "$time" => self.time = Some(slot_time(value, "$time")),
                "distinct_id" => self.distinct_id = slot(value, "distinct_id"),
                "$distinct_id" => self.distinct_id = slot(value, "$distinct_id"),
                "insert_id" => self.insert_id = slot(value, "insert_id"),
                "$insert_id" => self.insert_id = slot(value, "$insert_id"),
                "$device_id" => self.device_id = slot(value, "$device_id"),
                "$user_id" => self.user_id = slot(value, "$user_id"),
                "ip" => self.ip = Some(value),
                "$ignore" => self.ignore = Some(value),
                "token" | "bucket" | "$bucket" | "$mp_metadata" => {}
                "user_properties" => self.top_level.push((name, value)),
                _ if flat => self.properties.push((cut_name(name), value)),
                _ => {}
            }
        }
    }

    fn use_other_spellings(&mut self) {
        if self.time.is_none() {
            let found = self.take_last("$time");
            self.time = found.map(|value| slot_time(value, "properties.$time"));
        }
        if self.distinct_id.is_none() {
            let found = self.take_last("$distinct_id");
            self.distinct_id = found.map(|value| Slot { value, field: "properties.$distinct_id" });
        }
        if self.insert_id.is_none() {
            let found = self.take_last("insert_id");
            self.insert_id = found.map(|value| Slot { value, field: "properties.insert_id" });
        }
    }

    /// Removes all properties of a name and gives the last one's value.
    fn take_last(&mut self, wanted: &str) -> Option<PropertyValue<'a>> {
        let mut found = None;
        self.properties.retain_mut(|(name, value)| {
            let keep = name != wanted;
            if !keep {
                found = Some(std::mem::replace(value, PropertyValue::Null));
            }
            keep
        });
        found
    }
}

fn slot_time<'a>(value: PropertyValue<'a>, field: &'static str) -> Slot<'a, RawTime<'a>> {
    Slot { value: RawTime::Value(value), field }
}
