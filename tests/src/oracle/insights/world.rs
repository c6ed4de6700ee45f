//! What a report is asked of, and the things every part of it needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tallymark_report::{Cohort, EventSelector};

use super::civil::Civil;
use super::cohort::members;
use super::property::groups;
use crate::oracle::Dataset;

/// A stored event as of now.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Who did it; none for nobody's (G-12).
    pub user: Option<String>,
    /// Milliseconds since 1970.
    pub time: i64,
    /// Its properties, values in their canonical spelling.
    pub properties: Map<String, Value>,
}

/// Events, profiles, saved cohorts.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// In the order of G-1.
    pub events: Vec<Event>,
    /// The properties of users' profiles, by canonical id.
    pub users: BTreeMap<String, BTreeMap<String, Value>>,
    /// The properties of groups' profiles, by key and id.
    pub groups: BTreeMap<(String, String), BTreeMap<String, Value>>,
    /// The user of every id that was joined to another.
    pub ids: BTreeMap<String, String>,
    /// The saved cohorts.
    pub cohorts: BTreeMap<String, Cohort>,
    /// The saved events.
    pub saved_events: BTreeMap<String, EventSelector>,
}

impl World {
    /// What a dataset holds, and these cohorts.
    pub fn of(dataset: &Dataset, cohorts: BTreeMap<String, Cohort>) -> Self {
        let events = dataset.events.iter().map(|row| Event {
            name: row.sent.event.clone(),
            user: dataset.user(row),
            time: row.sent.time_ms,
            properties: row.sent.properties.clone(),
        });
        let users = dataset.user_profiles().into_iter().map(|(id, profile)| (id, profile.properties));
        let groups = dataset.profiles.groups().iter();
        Self {
            events: events.collect(),
            users: users.collect(),
            groups: groups.map(|(key, profile)| (key.clone(), profile.properties.clone())).collect(),
            ids: dataset.identity.mappings(),
            cohorts,
            saved_events: BTreeMap::new(),
        }
    }
}

impl World {
    /// The same with some events, and properties of events, read under the names of others (M-22).
    #[must_use]
    pub fn merged(
        mut self,
        events: &BTreeMap<String, String>,
        properties: &BTreeMap<String, String>,
    ) -> Self {
        for event in &mut self.events {
            if let Some(target) = events.get(&event.name) {
                event.name.clone_from(target);
            }
            for (name, target) in properties {
                let value = event.properties.shift_remove(name);
                // The target's own value wins.
                let own = event.properties.get(target).is_some_and(|own| !own.is_null());
                if let Some(value) = value.filter(|_| !own) {
                    event.properties.insert(target.clone(), value);
                }
            }
        }
        self
    }
}

/// A world seen at an instant from a time zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) world: &'a World,
    pub(super) civil: Civil,
    /// What is now (G-2).
    pub(super) now: i64,
}

impl<'a> View<'a> {
    /// The events there are by now (G-2).
    pub(super) fn events(self) -> impl Iterator<Item = &'a Event> {
        self.world.events.iter().filter(move |event| event.time <= self.now)
    }

    /// Everybody with an event by now, or a profile (C-2).
    pub(super) fn universe(self) -> BTreeSet<String> {
        let active = self.events().filter_map(|event| event.user.clone());
        active.chain(self.world.users.keys().cloned()).collect()
    }

    /// Every group by a key with an event by now, or a profile (C-2, C-21).
    pub(super) fn groups(self, key: &str) -> BTreeSet<String> {
        let active = self.events().flat_map(|event| groups(Subject::of_event(event), key));
        let profiles = self.world.groups.keys().filter(|(of, _)| of == key).map(|(_, id)| id.clone());
        active.chain(profiles).collect()
    }

    /// The members of a saved cohort as of now (C-15).
    pub(super) fn members(self, cohort: &str) -> BTreeSet<String> {
        match self.world.cohorts.get(cohort) {
            Some(definition) => members(self, definition),
            None => panic!("no cohort {cohort}"),
        }
    }
}

/// What a property is asked of: an event, (without one) a user's profile, or an object in a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) event: Option<&'a Event>,
    pub(super) user: Option<&'a str>,
    pub(super) object: Option<&'a Map<String, Value>>,
    /// A group, by key and id.
    pub(super) group: Option<(&'a str, &'a str)>,
}

impl<'a> Subject<'a> {
    pub(super) fn of_event(event: &'a Event) -> Self {
        Self { event: Some(event), user: event.user.as_deref(), object: None, group: None }
    }

    pub(super) fn of_user(user: &'a str) -> Self {
        Self { event: None, user: Some(user), object: None, group: None }
    }

    pub(super) fn of_object(object: &'a Map<String, Value>) -> Self {
        Self { event: None, user: None, object: Some(object), group: None }
    }

    pub(super) fn of_group(key: &'a str, id: &'a str) -> Self {
        Self { event: None, user: None, object: None, group: Some((key, id)) }
    }
}
