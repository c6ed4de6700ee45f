//! proptest strategies that aim at the edges.
//!
//! Alphabets are small, so that names, ids and times meet again and again: that is where rules
//! bite. Shrinking goes towards plain names, small values, few records.

mod events;
mod history;
mod names;
mod values;

#[cfg(test)]
mod tests;

pub use events::{EventIds, event, event_ids, insert_id, repeat_of, time};
pub use history::{History, ProfileRecord, ProfileTarget, Record, history, profile_record};
pub use names::{any_name, event_name, is_consumed, property_name};
pub use values::{date_text, list, number, scalar, text, value};
