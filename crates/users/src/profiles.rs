//! The current properties of users and groups.

use tallymark_event::{Properties, Timestamp};

use crate::{Identities, ProfileKey, ProfileUpdate};

/// The current state of one profile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// Its properties, in the order they were first set.
    pub properties: Properties,
    /// `$last_seen` (U-12).
    pub last_seen: Option<Timestamp>,
}

/// All profiles of users and groups.
#[derive(Debug, Clone, Default)]
pub struct Profiles {}

impl Profiles {
    /// Applies the next update, in order of arrival (U-11). Ids are resolved now, not later (U-18).
    pub fn apply(&mut self, update: &ProfileUpdate, received_at: Timestamp, identities: &Identities) {
        unimplemented!("{update:?} {received_at} {identities:?}")
    }

    /// Called after `identities` joined users, so that profiles of one user become one
    /// (U-18 under simplified, U-19 under original identity).
    pub fn merge(&mut self, identities: &Identities) {
        unimplemented!("{identities:?}")
    }

    /// The profile of a key, users by canonical id.
    pub fn get(&self, key: &ProfileKey) -> Option<&Profile> {
        unimplemented!("{key:?}")
    }

    /// All user profiles by canonical id, sorted by id.
    pub fn users(&self) -> impl Iterator<Item = (&str, &Profile)> + '_ {
        std::iter::empty()
    }

    /// All group profiles, sorted by key and id.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &str, &Profile)> + '_ {
        std::iter::empty()
    }
}
