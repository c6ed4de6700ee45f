//! Profiles of users and groups (section 2.1).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::identity::Identity;
use super::json::canonical;

/// A profile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// The properties, values in their canonical spelling.
    pub properties: BTreeMap<String, Value>,
    /// `$last_seen`, in milliseconds (U-12).
    pub last_seen: Option<i64>,
}

/// All profiles, by the very id they were kept under when they were last written to.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    users: BTreeMap<String, Profile>,
    groups: BTreeMap<(String, String), Profile>,
    /// What users' profiles were after each record (U-20).
    history: Vec<Change>,
}

/// A record of a user's profile, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The id the profile is kept under.
    pub id: String,
    /// When it was sent, or else arrived.
    pub start: i64,
    /// The properties it names; none for all of them.
    pub names: Option<Vec<String>>,
    /// The properties afterwards.
    pub properties: BTreeMap<String, Value>,
}

impl Profiles {
    /// The changes of users' profiles, in the order of arrival.
    pub fn history(&self) -> &[Change] {
        &self.history
    }

    /// The profiles of users by canonical id. One left under a device that was linked since is no
    /// actor of its own (U-18).
    pub fn users(&self, identity: &Identity) -> BTreeMap<String, Profile> {
        self.users
            .iter()
            .filter(|(id, _)| identity.canonical(id) == **id)
            .map(|(id, p)| (id.clone(), p.clone()))
            .collect()
    }

    /// The profiles of groups by key and id.
    pub fn groups(&self) -> &BTreeMap<(String, String), Profile> {
        &self.groups
    }

    /// Applies a record as sent (U-10: in the order of the rules, not of the record).
    pub fn update(&mut self, record: &Map<String, Value>, received_at_ms: i64, identity: &Identity) {
        let flag = |name: &str| record.get(name) == Some(&Value::Bool(true));
        let text = |name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
        let time = (!flag("$ignore_time"))
            .then(|| record.get("$time").and_then(Value::as_i64).unwrap_or(received_at_ms));
        if let Some(id) = text("$distinct_id") {
            let id = if flag("$ignore_alias") { id } else { identity.canonical(&id) };
            apply(&mut self.users, id.clone(), record, time);
            let start = record.get("$time").and_then(Value::as_i64).unwrap_or(received_at_ms);
            let properties =
                self.users.get(&id).map(|profile| profile.properties.clone()).unwrap_or_default();
            self.history.push(Change { id, start, names: named(record), properties });
        } else if let (Some(key), Some(id)) = (text("$group_key"), text("$group_id")) {
            apply(&mut self.groups, (key, id), record, time);
        }
    }

    /// Called after ids were joined: under original identity the profiles of those that are not
    /// canonical any more fill up the one that is, in the order their ids were first seen (U-19).
    pub fn join(&mut self, before: &Identity, after: &Identity) {
        for id in after.seen() {
            let canonical = after.canonical(&id);
            if before.canonical(&id) != id || canonical == id {
                continue;
            }
            let Some(old) = self.users.remove(&id) else { continue };
            let new = self.users.entry(canonical).or_default();
            for (name, value) in old.properties {
                new.properties.entry(name).or_insert(value);
            }
            new.last_seen = new.last_seen.or(old.last_seen);
        }
    }
}

/// The properties that a record names; none if it deletes the profile.
fn named(record: &Map<String, Value>) -> Option<Vec<String>> {
    if record.contains_key("$delete") {
        return None;
    }
    let mut names = Vec::new();
    for given in record.values() {
        match given {
            Value::Object(properties) => names.extend(properties.keys().cloned()),
            Value::Array(unset) => names.extend(unset.iter().filter_map(Value::as_str).map(str::to_owned)),
            _ => {}
        }
    }
    Some(names)
}

fn apply<K: Ord + Clone>(
    profiles: &mut BTreeMap<K, Profile>,
    key: K,
    record: &Map<String, Value>,
    time: Option<i64>,
) {
    if record.contains_key("$delete") {
        profiles.remove(&key);
    }
    let creates =
        ["$set", "$set_once", "$add", "$append", "$union"].iter().any(|op| record.contains_key(*op));
    if !creates && !profiles.contains_key(&key) {
        return;
    }
    let profile = profiles.entry(key).or_default();
    profile.last_seen = time.or(profile.last_seen);
    let properties = &mut profile.properties;
    for name in record.get("$unset").and_then(Value::as_array).into_iter().flatten() {
        properties.remove(name.as_str().unwrap());
    }
    for operation in ["$set", "$set_once", "$add", "$append", "$union", "$remove"] {
        for (name, given) in record.get(operation).and_then(Value::as_object).into_iter().flatten() {
            let given = canonical(given);
            let old = properties.get(name).cloned();
            if let Some(new) = changed(operation, old, given) {
                properties.insert(name.clone(), canonical(&new));
            }
        }
    }
}

/// The value of a property after an operation; none where the operation does not fit (U-9).
fn changed(operation: &str, old: Option<Value>, given: Value) -> Option<Value> {
    match (operation, old, given) {
        ("$set", _, given) | ("$set_once", None, given) => Some(given),
        ("$add", None, given) => given.is_number().then_some(given),
        ("$add", Some(Value::Number(old)), Value::Number(given)) => match (old.as_i64(), given.as_i64()) {
            (Some(a), Some(b)) if a.checked_add(b).is_some() => Some(Value::from(a + b)),
            _ => {
                let sum = old.as_f64().unwrap() + given.as_f64().unwrap();
                sum.is_finite().then(|| Value::from(sum))
            }
        },
        ("$append", None, given) => Some(Value::Array(vec![given])),
        ("$append", Some(Value::Array(mut items)), given) => {
            items.push(given);
            Some(Value::Array(items))
        }
        ("$union", None, Value::Array(given)) => {
            changed("$union", Some(Value::Array(Vec::new())), Value::Array(given))
        }
        ("$union", Some(Value::Array(mut items)), Value::Array(given)) => {
            for item in given {
                if !items.contains(&item) {
                    items.push(item);
                }
            }
            Some(Value::Array(items))
        }
        ("$remove", Some(Value::Array(mut items)), given) => {
            items.retain(|item| *item != given);
            Some(Value::Array(items))
        }
        _ => None,
    }
}
