//! The people log: identity operations and profile updates in order of ingestion (U-11, U-20, I-9).

use serde::{Deserialize, Serialize};
use tallymark_event::Timestamp;
use tallymark_users::{IdentityOp, ProfileUpdate};

/// One accepted change of who is who, or of a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct PeopleEntry {
    /// Its place in the order of ingestion.
    pub sequence: i64,
    /// When it reached us.
    pub received_at: Timestamp,
    /// What changes.
    pub change: PeopleChange,
}

/// What a [`PeopleEntry`] changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeopleChange {
    /// Which ids are one user.
    Identity(IdentityOp),
    /// A profile's properties.
    Profile(ProfileUpdate),
}
