//! Updates of profiles: what is sent to `/engage` and `/groups` (section 2.1).

mod record;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tallymark_event::{Properties, Timestamp};

pub use self::record::UpdateError;

/// Whose profile an update is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileKey {
    /// A user, by any of their ids (U-18).
    User(String),
    /// A group (U-30, U-34).
    Group {
        /// The property that is the group key, such as `company_id`.
        key: String,
        /// The group's value of it, as text (U-36).
        id: String,
    },
}

/// One operation of an update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileOp {
    /// `$delete` (U-8).
    Delete,
    /// `$unset` (U-7).
    Unset(Vec<String>),
    /// `$set` (U-1).
    Set(Properties),
    /// `$set_once` (U-2).
    SetOnce(Properties),
    /// `$add` (U-3).
    Add(Properties),
    /// `$append` (U-4).
    Append(Properties),
    /// `$union` (U-5).
    Union(Properties),
    /// `$remove` (U-6).
    Remove(Properties),
}

/// One profile record: some operations on one profile, applied together in the order of U-10.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileUpdate {
    /// Whose profile.
    pub key: ProfileKey,
    /// `$time`, if sent: becomes `$last_seen` (U-12).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// `$ignore_time`: leave `$last_seen` alone (U-12).
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_time: bool,
    /// `$ignore_alias`: do not resolve the id (U-8).
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_alias: bool,
    /// The operations, in any order.
    pub ops: Vec<ProfileOp>,
}

impl ProfileUpdate {
    /// Operations on a profile, now.
    pub fn new(key: ProfileKey, ops: Vec<ProfileOp>) -> Self {
        Self { key, time: None, ignore_time: false, ignore_alias: false, ops }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
