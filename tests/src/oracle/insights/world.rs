//! What a report is asked of, and the things every part of it needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tallymark_report::{Cohort, EventSelector, Report, SESSION_END, SESSION_START, SessionRule, Unit};

use super::civil::{Civil, Span};
use super::cohort::members;
use super::property::groups;
use super::rows::view;
use super::sessions::{Session, sessions};
use crate::lookups::Lookup;
use crate::oracle::{Change, Dataset};

/// A stored event as of now.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place among all events.
    pub place: usize,
    /// Its name.
    pub name: String,
    /// Who did it; none for nobody's (G-12).
    pub user: Option<String>,
    /// Milliseconds since 1970.
    pub time: i64,
    /// Its properties, values in their canonical spelling.
    pub properties: Map<String, Value>,
}

impl Event {
    /// Whether it is the start or the end of a session.
    pub(in crate::oracle) fn is_of_sessions(&self) -> bool {
        [SESSION_START, SESSION_END].contains(&self.name.as_str())
    }
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
    /// The lookup tables.
    pub lookups: Vec<Lookup>,
    /// The changes of users' profiles, in the order of arrival.
    pub changes: Vec<Change>,
}

impl World {
    /// What a dataset holds, and these cohorts.
    pub fn of(dataset: &Dataset, cohorts: BTreeMap<String, Cohort>) -> Self {
        let events = dataset.events.iter().enumerate().map(|(place, row)| Event {
            place,
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
            lookups: Vec::new(),
            changes: dataset.profiles.history().to_vec(),
        }
    }

    /// The same with lookup tables.
    #[must_use]
    pub fn with_lookups(self, lookups: Vec<Lookup>) -> Self {
        Self { lookups, ..self }
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

impl World {
    /// The same as a report sees it: with the starts and ends of its sessions among the events, if it, or
    /// anything saved that it names, names them.
    #[must_use]
    pub fn seen_by(self, report: &Report, as_of: i64) -> Self {
        let mut said = vec![report.to_value(), serde_json::json!(self.saved_events)];
        let mut names = BTreeSet::new();
        let mut at = 0;
        while at < said.len() {
            let mut named = Vec::new();
            cohorts_in(&said[at], &mut named);
            let new = named.into_iter().filter(|name| names.insert(name.clone()));
            let definitions: Vec<Value> = new
                .filter_map(|name| self.cohorts.get(&name))
                .map(|cohort| serde_json::json!(cohort))
                .collect();
            said.extend(definitions);
            at += 1;
        }
        if !said.iter().any(|said| said.to_string().contains("\"$session_")) {
            return self;
        }
        let view = view(&self, &report.scope, as_of);
        let rule = report.scope.sessions.clone().unwrap_or_default();
        let sessions = sessions(view, &rule);
        let mut events = Vec::new();
        for event in &self.events {
            let is = |place: usize| place == event.place;
            let starts = sessions.iter().find(|session| is(session.events[0].place));
            let ends = sessions.iter().find(|session| is(session.events[session.events.len() - 1].place));
            events.extend(starts.map(|session| session_event(&rule, session, SESSION_START)));
            events.push(event.clone());
            let ends = ends.filter(|session| session.is_closed);
            events.extend(ends.map(|session| session_event(&rule, session, SESSION_END)));
        }
        for (place, event) in events.iter_mut().enumerate() {
            event.place = place;
        }
        Self { events, ..self }
    }
}

///
fn session_event(rule: &SessionRule, session: &Session<'_>, name: &str) -> Event {
    let (first, last) = (session.events[0], session.events[session.events.len() - 1]);
    let is_by_timeout = rule.start.is_none() && rule.id.is_none();
    let inherited_from = if is_by_timeout { session.events.as_slice() } else { &session.events[..1] };
    let mut properties = Map::new();
    for (property, value) in inherited_from.iter().flat_map(|event| &event.properties) {
        if !value.is_null() && !properties.contains_key(property) {
            properties.insert(property.clone(), value.clone());
        }
    }
    let millis = last.time - first.time;
    let seconds =
        if millis % 1000 == 0 { Value::from(millis / 1000) } else { Value::from(millis as f64 / 1000.0) };
    properties.insert("$duration_s".to_owned(), if session.is_closed { seconds } else { Value::Null });
    properties.insert("$event_count".to_owned(), Value::from(session.events.len()));
    properties.insert("$origin_start".to_owned(), Value::from(first.name.clone()));
    properties.insert("$origin_end".to_owned(), Value::from(last.name.clone()));
    let time = if name == SESSION_START { first.time } else { last.time };
    Event { place: 0, name: name.to_owned(), user: Some(session.user.to_owned()), time, properties }
}

/// A world seen at an instant from a time zone.
#[derive(Debug, Clone, Copy)]
pub(in crate::oracle) struct View<'a> {
    pub(in crate::oracle) world: &'a World,
    pub(in crate::oracle) civil: Civil,
    /// What is now (G-2).
    pub(in crate::oracle) now: i64,
    /// The range that is measured, and the unit of its buckets.
    pub(in crate::oracle) measured: Option<(Span, Option<Unit>)>,
}

impl<'a> View<'a> {
    /// The events there are by now (G-2).
    pub(in crate::oracle) fn events(self) -> impl Iterator<Item = &'a Event> {
        self.world.events.iter().filter(move |event| event.time <= self.now)
    }

    /// Everybody with an event by now, or a profile (C-2).
    pub(in crate::oracle) fn universe(self) -> BTreeSet<String> {
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
    pub(in crate::oracle) fn members(self, cohort: &str) -> BTreeSet<String> {
        match self.world.cohorts.get(cohort) {
            Some(definition) => members(self, definition),
            None => panic!("no cohort {cohort}"),
        }
    }
}

/// What a property is asked of: an event, (without one) a user's profile, or an object in a list.
#[derive(Debug, Clone, Copy)]
pub(in crate::oracle) struct Subject<'a> {
    pub(in crate::oracle) event: Option<&'a Event>,
    pub(in crate::oracle) user: Option<&'a str>,
    pub(in crate::oracle) object: Option<&'a Map<String, Value>>,
    /// When a profile is looked at as it was.
    pub(in crate::oracle) at: Option<i64>,
    /// A group, by key and id.
    pub(in crate::oracle) group: Option<(&'a str, &'a str)>,
}

impl<'a> Subject<'a> {
    pub(in crate::oracle) fn of_event(event: &'a Event) -> Self {
        Self {
            event: Some(event),
            user: event.user.as_deref(),
            object: None,
            at: Some(event.time),
            group: None,
        }
    }

    pub(in crate::oracle) fn of_user(user: &'a str) -> Self {
        Self { event: None, user: Some(user), object: None, at: None, group: None }
    }

    pub(in crate::oracle) fn of_object(object: &'a Map<String, Value>) -> Self {
        Self { event: None, user: None, object: Some(object), at: None, group: None }
    }

    pub(in crate::oracle) fn of_group(key: &'a str, id: &'a str) -> Self {
        Self { event: None, user: None, object: None, at: None, group: Some((key, id)) }
    }
}

/// The names of the cohorts that a definition names.
fn cohorts_in(said: &Value, found: &mut Vec<String>) {
    match said {
        Value::Array(items) => items.iter().for_each(|item| cohorts_in(item, found)),
        Value::Object(fields) => {
            for (field, value) in fields {
                if ["in_cohort", "not_in_cohort", "cohorts", "cohort"].contains(&field.as_str()) {
                    let names = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    found.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                cohorts_in(value, found);
            }
        }
        _ => {}
    }
}
