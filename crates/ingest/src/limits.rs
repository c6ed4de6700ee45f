//! How large a record and its parts may be (section 1.3 of the rules, D-30).

/// Limits of one record. Every `…_max` is inclusive: a record at the limit is taken.
///
/// What happens beyond a limit follows the table of section 1.3: names and strings are *cut*
/// there, at a character boundary; everything else *refuses* the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a record's JSON text. Beyond: refused, and skipped in bounded memory.
    pub record_bytes_max: usize,
    /// Properties of an event, counted as sent in `properties`. Beyond: refused.
    pub properties_max: usize,
    /// Keys of one nested object. Beyond: refused.
    pub object_keys_max: usize,
    /// Items of one list. Beyond: refused.
    pub list_items_max: usize,
    /// Levels of lists and objects in a property's value, a scalar having none. Beyond: refused.
    pub depth_max: usize,
    /// Bytes of compact JSON of one list or object of an event. Beyond: refused.
    pub nested_bytes_max: usize,
    /// Bytes of compact JSON of one list or object of a profile. Beyond: refused.
    pub profile_nested_bytes_max: usize,
    /// Bytes of a string. Beyond: cut.
    pub string_bytes_max: usize,
    /// Characters (Unicode scalar values) of a string. Beyond: cut.
    pub string_chars_max: usize,
}

/// Characters of an event's or a property's name, whatever the limits; longer ones are cut (D-2).
pub const NAME_CHARS_MAX: usize = 255;

/// The deepest nesting any limits can allow; more is cut down to it, so that no record can
/// exhaust the stack.
pub const DEPTH_CEILING: usize = 96;

impl Limits {
    /// Our own limits: 1 MiB a record, 16 levels, strings cut at 64 KiB, all else unlimited.
    pub const fn relaxed() -> Self {
        Self {
            record_bytes_max: 1 << 20,
            properties_max: usize::MAX,
            object_keys_max: usize::MAX,
            list_items_max: usize::MAX,
            depth_max: 16,
            nested_bytes_max: usize::MAX,
            profile_nested_bytes_max: usize::MAX,
            string_bytes_max: 64 << 10,
            string_chars_max: usize::MAX,
        }
    }

    /// Mixpanel's limits (D-30), as far as one record can break them: the 2,000 properties of a
    /// profile depend on what it already has, the average size of lists of objects on other
    /// events, and the size of a batch on its request.
    pub const fn mixpanel() -> Self {
        Self {
            record_bytes_max: (1 << 20) - 1,
            properties_max: 254,
            object_keys_max: 254,
            list_items_max: 254,
            depth_max: 3,
            nested_bytes_max: 8 << 10,
            profile_nested_bytes_max: 256 << 10,
            string_bytes_max: usize::MAX,
            string_chars_max: 255,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::relaxed()
    }
}
