//! The words of identity: what is sent and what comes of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// How ids are resolved to users: one setting per dataset (section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySystem {
    /// Devices link to users (I-1 … I-11).
    #[default]
    Simplified,
    /// `$identify`, `$create_alias` and `$merge` build clusters (I-20 … I-26).
    Original,
    /// Every `distinct_id` is a user.
    None,
}

/// One operation on identities, in the order of ingestion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum IdentityOp {
    /// An event carried both ids (I-4).
    Link {
        /// The device, without `$device:`.
        device_id: String,
        /// The user.
        user_id: String,
    },
    /// `$identify` (I-21).
    Identify {
        /// The user's id.
        identified_id: String,
        /// The anonymous id.
        anon_id: String,
    },
    /// `$create_alias` (I-22).
    Alias {
        /// The id the alias is added to.
        distinct_id: String,
        /// The alias.
        alias: String,
    },
    /// `$merge` (I-23).
    Merge {
        /// One id.
        first: String,
        /// The other.
        second: String,
    },
    /// Stands in a log for an operation on a user since removed, and for the removal: it only
    /// counts, so that the operations after it keep their versions.
    Erased,
}

impl IdentityOp {
    /// The ids it is about, as assigned to events (devices as `$device:…`).
    pub fn ids(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let ids = match self {
            Self::Link { device_id, user_id } => {
                Some([Cow::Owned(format!("$device:{device_id}")), Cow::Borrowed(&**user_id)])
            }
            Self::Identify { identified_id: one, anon_id: other }
            | Self::Alias { distinct_id: one, alias: other }
            | Self::Merge { first: one, second: other } => {
                Some([Cow::Borrowed(&**one), Cow::Borrowed(&**other)])
            }
            Self::Erased => None,
        };
        ids.into_iter().flatten()
    }
}

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityOutcome {
    /// It took effect: ids came together that were apart, or, of ids that were together already,
    /// one became the identified id or an alias of another.
    Joined,
    /// It said nothing new, or is not of the system in force (I-7).
    Unchanged,
    /// The rules refuse it; the event keeps this text as `$identity_failure_reason` (I-8).
    Refused(&'static str),
}

/// One row of the mapping table (I-30).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapping {
    /// An id as assigned to events (devices as `$device:…`).
    pub id: String,
    /// The canonical id of its user.
    pub user_id: String,
}
