//! What an ingestion did.

use serde::Serialize;

use crate::Rejection;

/// How many refusals a report shows in full; all are counted, and all reach
/// [`crate::ImportProgress::on_reject`].
pub const REJECTIONS_SHOWN: usize = 20;

/// What an import did. `received = stored + duplicates + refused`, always.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ImportReport {
    /// Records read: events, and profile and group updates.
    pub received: u64,
    /// Records stored.
    pub stored: u64,
    /// Events that repeat another one's key and replaced its content (D-9).
    pub duplicates: u64,
    /// Records refused.
    pub refused: u64,
    /// Events their sender marked to be dropped (D-14); not counted as received.
    pub ignored: u64,
    /// Events that are blocked (M-24); not counted as received.
    pub blocked_events: u64,
    /// Values of properties that are blocked (M-24), of events that are stored without them.
    pub blocked_properties: u64,
    /// Of the stored records, the events.
    pub events: u64,
    /// Of the stored records, the profile and group updates. An event that carries
    /// `user_properties` is one record.
    pub profile_updates: u64,
    /// The first refusals, with the name of their input.
    pub rejections: Vec<RejectedRecord>,
    /// Bytes read, before decompression.
    pub bytes_read: u64,
    /// Inputs read.
    pub inputs: u64,
    /// What else one should know: files skipped, input cut short.
    pub warnings: Vec<String>,
    /// Whether the import was cancelled; what is reported is stored.
    pub cancelled: bool,
    /// The snapshot in which all of it is visible.
    pub snapshot: u64,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// A refusal and the input it came from.
#[derive(Debug, Clone, Serialize)]
pub struct RejectedRecord {
    /// The input's name.
    pub input: String,
    /// The record's number in its input, from 0.
    pub index: u64,
    /// Its line, from 1, where there are lines.
    pub line: Option<u64>,
    /// Where it starts in the decompressed text.
    pub byte_offset: u64,
    /// The field at fault.
    pub field: String,
    /// What was wrong and what would be right.
    pub message: String,
}

impl RejectedRecord {
    pub(crate) fn new(input: &str, rejection: &Rejection) -> Self {
        Self {
            input: input.to_owned(),
            index: rejection.index,
            line: rejection.line,
            byte_offset: rejection.byte_offset,
            field: rejection.field.clone(),
            message: rejection.message.clone(),
        }
    }
}

/// What an append did. Durable when this is returned.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AppendReport {
    /// Records given: events, and profile and group updates.
    pub received: u64,
    /// Records stored.
    pub stored: u64,
    /// Events that repeat another one's key and replaced its content (D-9).
    pub duplicates: u64,
    /// Events their sender marked to be dropped (D-14); not counted as received.
    pub ignored: u64,
    /// Events that are blocked (M-24); not counted as received.
    pub blocked_events: u64,
    /// Values of properties that are blocked (M-24), of events that are stored without them.
    pub blocked_properties: u64,
    /// What was refused: its index in the call, the field, and why.
    pub refused: Vec<RejectedRecord>,
}
