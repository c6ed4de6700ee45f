//! The current properties of users and groups.
//!
//! 1. `operations.rs`: one record → the properties after it (U-1 … U-10).
//! 2. This file: whose profile that is, and what becomes of profiles when users are joined.

mod operations;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::sync::Arc;

use tallymark_event::{Properties, PropertyValue, Timestamp};

use crate::shared::SharedSortedMap;
use crate::{Identities, IdentitySystem, ProfileKey, ProfileOp, ProfileUpdate};

/// The current state of one profile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// Its properties, in the order they were first set; names are unique.
    pub properties: Properties,
    /// `$last_seen` (U-12).
    pub last_seen: Option<Timestamp>,
}

impl Profile {
    /// The value of a property, if it is on the profile.
    pub fn property(&self, name: &str) -> Option<&PropertyValue<'static>> {
        self.properties.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// All profiles of users and groups.
///
/// Cheap to clone (a clone shares what neither side changes), so every snapshot holds its own.
///
/// ```
/// use tallymark_event::{PropertyValue, Timestamp};
/// use tallymark_users::{Identities, ProfileKey, ProfileUpdate, Profiles};
///
/// let record = serde_json::from_str(r#"{"$distinct_id": "u1", "$set": {"plan": "pro"}}"#)?;
/// if let PropertyValue::Object(record) = record {
///     let update = ProfileUpdate::from_record(&record)?;
///     let mut profiles = Profiles::default();
///     profiles.apply(&update, Timestamp::from_millis(0), &Identities::default());
///
///     let profile = profiles.get(&ProfileKey::User("u1".to_owned())).unwrap();
///     assert_eq!(profile.property("plan"), Some(&"pro".into()));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    /// By canonical id.
    users: ProfileMap<Arc<str>>,
    /// Profiles of ids that are not canonical: left under a device that was linked since, or
    /// addressed with `$ignore_alias`.
    left_behind: ProfileMap<Arc<str>>,
    /// By group key and group id.
    groups: ProfileMap<(Arc<str>, Arc<str>)>,
    /// The version of identity that `users` are joined by.
    identity_version: u64,
}

/// A profile is copied when it is changed while another state holds it.
type ProfileMap<K> = SharedSortedMap<K, Arc<Profile>>;

impl Profiles {
    /// Applies the next update, in order of arrival (U-11). Ids are resolved now, not later (U-18).
    ///
    /// An update of the empty id, nobody's, has no effect (G-12).
    pub fn apply(&mut self, update: &ProfileUpdate, received_at: Timestamp, identities: &Identities) {
        self.merge(identities);
        match &update.key {
            ProfileKey::User(id) if id.is_empty() => {}
            ProfileKey::User(id) => {
                let canonical = identities.canonical(id);
                let (map, id) = if update.ignore_alias && canonical != id {
                    (&mut self.left_behind, id.as_str())
                } else {
                    (&mut self.users, canonical)
                };
                apply_to(map, |known| (**known).cmp(id), || id.into(), update, received_at);
            }
            ProfileKey::Group { key, id } => {
                let make_key = || (key.as_str().into(), id.as_str().into());
                apply_to(
                    &mut self.groups,
                    |known| compare_group(known, key, id),
                    make_key,
                    update,
                    received_at,
                );
            }
        }
    }

    /// Called after `identities` joined users, so that profiles of one user become one
    /// (U-18 under simplified, U-19 under original identity).
    ///
    /// Looks only at the users joined since the last call; [`Profiles::apply`] calls it too.
    pub fn merge(&mut self, identities: &Identities) {
        if self.identity_version == identities.version() {
            return;
        }
        for change in identities.successions_since(self.identity_version) {
            // What was addressed to this very id comes first, now that it is the canonical one.
            if let Some((id, profile)) = remove(&mut self.left_behind, &change.canonical) {
                join(&mut self.users, &id, &profile);
            }
            let Some((id, profile)) = remove(&mut self.users, &change.former) else { continue };
            match identities.system() {
                IdentitySystem::Simplified => join(&mut self.left_behind, &id, &profile),
                IdentitySystem::Original | IdentitySystem::None => {
                    join(&mut self.users, &change.canonical, &profile);
                }
            }
        }
        self.identity_version = identities.version();
    }

    /// The profile of a key, users by canonical id.
    pub fn get(&self, key: &ProfileKey) -> Option<&Profile> {
        match key {
            ProfileKey::User(id) => self.users.get(|known| (**known).cmp(id.as_str())),
            ProfileKey::Group { key, id } => self.groups.get(|known| compare_group(known, key, id)),
        }
        .map(|profile| &**profile)
    }

    /// All user profiles by canonical id, sorted by id.
    pub fn users(&self) -> impl Iterator<Item = (&str, &Profile)> + '_ {
        self.users.iter().map(|(id, profile)| (&**id, &**profile))
    }

    /// The profiles that are no actors of their own, sorted by id: left under a device that was
    /// linked to a user since (U-18), or addressed to a joined id with `$ignore_alias` (U-8).
    pub fn left_behind(&self) -> impl Iterator<Item = (&str, &Profile)> + '_ {
        self.left_behind.iter().map(|(id, profile)| (&**id, &**profile))
    }

    /// All group profiles, sorted by key and id: `(key, id, profile)`.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &str, &Profile)> + '_ {
        self.groups.iter().map(|((key, id), profile)| (&**key, &**id, &**profile))
    }

    /// Forgets the profiles of all these ids: those of a user, as [`Identities::remove_user`]
    /// returns them.
    pub fn remove_user(&mut self, ids: &[String]) {
        for id in ids {
            remove(&mut self.users, id);
            remove(&mut self.left_behind, id);
        }
    }
}

fn compare_group(known: &(Arc<str>, Arc<str>), key: &str, id: &str) -> Ordering {
    (&*known.0, &*known.1).cmp(&(key, id))
}

/// Applies a record to one profile, creating or deleting it as the record says.
fn apply_to<K: Clone>(
    profiles: &mut ProfileMap<K>,
    compare: impl Fn(&K) -> Ordering,
    make_key: impl FnOnce() -> K,
    update: &ProfileUpdate,
    received_at: Timestamp,
) {
    let ops = operations::in_order(&update.ops);
    if ops.first().is_some_and(|op| matches!(op, ProfileOp::Delete)) {
        profiles.remove(&compare);
    }
    if !ops.iter().any(|op| operations::creates(op)) && profiles.get(&compare).is_none() {
        return;
    }
    let profile = Arc::make_mut(profiles.get_or_insert(compare, || (make_key(), Arc::default())));
    for op in ops {
        operations::apply(&mut profile.properties, op);
    }
    if !update.ignore_time {
        profile.last_seen = Some(update.time.unwrap_or(received_at));
    }
}

fn remove(profiles: &mut ProfileMap<Arc<str>>, id: &str) -> Option<(Arc<str>, Arc<Profile>)> {
    profiles.remove(|known| (**known).cmp(id))
}

/// Adds a profile to that of an id; what is there already wins (U-19).
fn join(profiles: &mut ProfileMap<Arc<str>>, id: &Arc<str>, other: &Profile) {
    let profile = profiles.get_or_insert(|known| known.cmp(id), || (Arc::clone(id), Arc::default()));
    let profile = Arc::make_mut(profile);
    operations::fill(&mut profile.properties, &other.properties);
    profile.last_seen = profile.last_seen.or(other.last_seen);
}
