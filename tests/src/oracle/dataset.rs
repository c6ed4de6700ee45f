//! The dataset after a history, and what can be asked of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::identity::{Identity, System, Verdict};
use super::profiles::{Profile, Profiles};
use super::record::{FAILURE, FAILURE_NOTED, Record, Sent, read_record};

/// A stored event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// As sent; `properties` with a note where the ids were refused (I-8).
    pub sent: Sent,
    /// The id it was taken under, before any merge (D-10).
    pub assigned: String,
    /// Its place in the order of arrival: that of the first of its repeats (D-9).
    pub order: usize,
}

/// What is stored after a history of records.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The events, in the order of time and then of arrival (G-1).
    pub events: Vec<EventRow>,
    /// Who is who.
    pub identity: Identity,
    /// The profiles.
    pub profiles: Profiles,
    /// Records received; those ignored not counted.
    pub received: u64,
    /// Events that repeated one before.
    pub duplicates: u64,
    /// Records refused.
    pub refused: u64,
}

impl Dataset {
    /// Reads records in order of arrival; all of them arrived at one instant.
    pub fn of(system: System, records: &[Value], received_at_ms: i64) -> Self {
        let mut dataset = Self {
            events: Vec::new(),
            identity: Identity::new(system),
            profiles: Profiles::default(),
            received: 0,
            duplicates: 0,
            refused: 0,
        };
        for (order, record) in records.iter().enumerate() {
            dataset.received += 1;
            match read_record(record) {
                Record::Ignored => dataset.received -= 1,
                Record::Refused(_) => dataset.refused += 1,
                Record::Update(update) => dataset.profiles.update(&update, received_at_ms, &dataset.identity),
                Record::Event(sent, set) => dataset.add(sent, set, order, received_at_ms),
            }
        }
        dataset.events.sort_by_key(|row| (row.sent.time_ms, row.order));
        dataset
    }

    fn add(&mut self, mut sent: Sent, set: Option<Map<String, Value>>, order: usize, received_at_ms: i64) {
        let assigned = self.identity.assigned(&sent);
        if let Some(op) = self.identity.asked_by(&sent) {
            let before = self.identity.clone();
            match self.identity.offer(op) {
                Verdict::Joined if self.identity.system == System::Original => {
                    self.profiles.join(&before, &self.identity);
                }
                Verdict::Joined | Verdict::Unchanged => {}
                Verdict::Refused => {
                    sent.properties.insert(FAILURE.to_owned(), Value::from(FAILURE_NOTED));
                }
            }
        }
        if let Some(set) = set.filter(|_| !assigned.is_empty()) {
            let update = json!({"$distinct_id": assigned, "$set": set, "$time": sent.time_ms});
            self.profiles.update(update.as_object().unwrap(), received_at_ms, &self.identity);
        }
        // What was sent without an id stands under the one it was taken under.
        if sent.distinct_id.is_empty() {
            sent.distinct_id.clone_from(&assigned);
        }
        let mut row = EventRow { sent, assigned, order };
        let repeated =
            self.events.iter().position(|old| row.sent.insert_id.is_some() && key(old) == key(&row));
        if let Some(at) = repeated {
            row.order = self.events[at].order;
            self.events[at] = row;
            self.duplicates += 1;
        } else {
            self.events.push(row);
        }
    }

    /// The user of an event as of now; none for nobody's (G-12).
    pub fn user(&self, row: &EventRow) -> Option<String> {
        (!row.assigned.is_empty()).then(|| self.identity.canonical(&row.assigned))
    }

    /// The users of some events.
    pub fn users<'a>(&self, rows: impl IntoIterator<Item = &'a EventRow>) -> BTreeSet<String> {
        rows.into_iter().filter_map(|row| self.user(row)).collect()
    }

    /// Events and users by name.
    pub fn by_event(&self) -> BTreeMap<String, (u64, u64)> {
        self.grouped(|row| Some(row.sent.event.clone()))
    }

    /// Events and users by UTC day, counted from 1970-01-01.
    pub fn by_day(&self) -> BTreeMap<i64, (u64, u64)> {
        self.grouped(|row| Some(row.sent.time_ms.div_euclid(86_400_000)))
    }

    /// Events and users by group; events without one are left out.
    pub fn grouped<K: Ord>(&self, group: impl Fn(&EventRow) -> Option<K>) -> BTreeMap<K, (u64, u64)> {
        let mut groups: BTreeMap<K, Vec<&EventRow>> = BTreeMap::new();
        for row in &self.events {
            if let Some(group) = group(row) {
                groups.entry(group).or_default().push(row);
            }
        }
        groups
            .into_iter()
            .map(|(key, rows)| (key, (rows.len() as u64, self.users(rows).len() as u64)))
            .collect()
    }

    /// How many events have a value of which JSON type, by property and type (D-20). Lists and
    /// objects are one type here, and dates are strings: which of them is which column depends on
    /// what was stored before.
    pub fn value_counts(&self) -> BTreeMap<(String, &'static str), u64> {
        let mut counts = BTreeMap::new();
        for row in &self.events {
            for (name, value) in &row.sent.properties {
                let kind = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) | Value::Object(_) => "nested",
                };
                *counts.entry((name.clone(), kind)).or_default() += 1;
            }
        }
        counts
    }

    /// The profiles of users, by canonical id.
    pub fn user_profiles(&self) -> BTreeMap<String, Profile> {
        self.profiles.users(&self.identity)
    }

    /// The events as an export gives them, each in its canonical spelling (D-12, D-26).
    pub fn exported(&self) -> Vec<Value> {
        let line = |row: &EventRow| {
            let mut properties = row.sent.properties.clone();
            properties.insert("time".to_owned(), Value::from(row.sent.time_ms));
            properties.insert("distinct_id".to_owned(), Value::from(row.sent.distinct_id.as_str()));
            for (name, id) in [("$insert_id", &row.sent.insert_id), ("$device_id", &row.sent.device_id)] {
                if let Some(id) = id {
                    properties.insert(name.to_owned(), Value::from(id.as_str()));
                }
            }
            super::canonical(&json!({"event": row.sent.event, "properties": properties}))
        };
        self.events.iter().map(line).collect()
    }
}

/// D-9, D-10.
fn key(row: &EventRow) -> (&str, &str, i64, Option<&str>) {
    (&row.sent.event, &row.assigned, row.sent.time_ms, row.sent.insert_id.as_deref())
}
