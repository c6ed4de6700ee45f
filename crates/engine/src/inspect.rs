//! What is in a dataset, from its manifest and memtable alone.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::Int64Type;
use serde::Serialize;
use tallymark_event::{LaneId, LaneKind, Timestamp, columns};
use tallymark_users::IdentitySystem;

use crate::{Engine, Result};

/// What is in a dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// Where it is.
    pub url: String,
    /// The newest snapshot.
    pub snapshot: u64,
    /// When it was committed.
    pub created_at: Timestamp,
    /// How ids become users.
    pub identity: IdentitySystem,
    /// Events, those in the memtable among them.
    pub events: u64,
    /// Distinct users of events, nobody not counted (G-12).
    pub users: u64,
    /// Profiles of users.
    pub user_profiles: u64,
    /// Profiles of groups.
    pub group_profiles: u64,
    /// UTC days with events.
    pub days: u64,
    /// The first event's time.
    pub first_time: Option<Timestamp>,
    /// The last event's time.
    pub last_time: Option<Timestamp>,
    /// Event names, most frequent first.
    pub event_names: Vec<EventSummary>,
    /// Properties, in the order they were first seen.
    pub properties: Vec<PropertySummary>,
    /// Data files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Events that are in the log and the memtable, and in no file yet.
    pub memtable_events: u64,
    /// Names of attached datasets.
    pub attachments: Vec<String>,
}

/// An event name.
#[derive(Debug, Clone, Serialize)]
pub struct EventSummary {
    /// The name.
    pub name: String,
    /// How many events have it.
    pub events: u64,
}

/// A property.
#[derive(Debug, Clone, Serialize)]
pub struct PropertySummary {
    /// The name.
    pub name: String,
    /// The part of all events that have it set (D-26), from 0 to 1.
    pub share: f64,
    /// Its columns, the one with the plain name first.
    pub lanes: Vec<LaneSummary>,
}

/// A typed column of a property.
#[derive(Debug, Clone, Serialize)]
pub struct LaneSummary {
    /// The column's name in SQL.
    pub column: String,
    /// The type in the words of the rules (D-20).
    pub r#type: &'static str,
    /// The Arrow type.
    pub arrow_type: String,
    /// How many events have a value in it.
    pub rows: u64,
}

impl Engine {
    /// How ids become users, as decided when the dataset was made.
    pub fn identity(&self) -> IdentitySystem {
        self.snapshot().manifest.settings.identity
    }

    /// What is in the dataset.
    ///
    /// # Errors
    /// When users cannot be counted.
    pub async fn inspect(&self) -> Result<Inspection> {
        let snapshot = self.snapshot();
        let manifest = &snapshot.manifest;
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        let mut lane_rows: BTreeMap<LaneId, u64> = BTreeMap::new();
        let mut days: Vec<_> = manifest.files.iter().map(|file| file.day).collect();
        let mut first_time = manifest.files.iter().map(|file| file.min_time).min();
        let mut last_time = manifest.files.iter().map(|file| file.max_time).max();
        for file in &manifest.files {
            for count in &file.events {
                *names.entry(count.name.clone()).or_default() += count.rows;
            }
            for count in &file.lanes {
                *lane_rows.entry(count.lane).or_default() += count.rows;
            }
        }
        let mut memtable_events = 0;
        for memory in snapshot.memtable.iter() {
            memtable_events += memory.batch.num_rows() as u64;
            if let Some(events) =
                memory.batch.column_by_name(columns::EVENT).and_then(|array| array.as_string_view_opt())
            {
                for name in events.iter().flatten() {
                    *names.entry(name.to_owned()).or_default() += 1;
                }
            }
            let lanes = memory.lanes.iter().zip(&memory.batch.columns()[columns::SYSTEM_COLUMN_COUNT..]);
            for (lane, array) in lanes {
                *lane_rows.entry(*lane).or_default() += (array.len() - array.null_count()) as u64;
            }
            for time in times(&memory.batch) {
                days.push(time.day());
                first_time = Some(first_time.map_or(time, |first| first.min(time)));
                last_time = Some(last_time.map_or(time, |last| last.max(time)));
            }
        }
        days.sort_unstable();
        days.dedup();
        let events = manifest.files.iter().map(|file| file.rows).sum::<u64>() + memtable_events;
        let mut event_names: Vec<EventSummary> =
            names.into_iter().map(|(name, events)| EventSummary { name, events }).collect();
        event_names.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.name.cmp(&b.name)));
        let properties = snapshot
            .catalog
            .properties()
            .iter()
            .map(|property| {
                let lanes: Vec<LaneSummary> = property
                    .lanes
                    .iter()
                    .filter(|lane| snapshot.catalog.lane(**lane).kind != LaneKind::Null)
                    .map(|id| {
                        let lane = snapshot.catalog.lane(*id);
                        LaneSummary {
                            column: lane.column.clone(),
                            r#type: lane.kind.type_name(),
                            arrow_type: lane.kind.data_type().to_string(),
                            rows: lane_rows.get(id).copied().unwrap_or(0),
                        }
                    })
                    .collect();
                let rows: u64 = lanes.iter().map(|lane| lane.rows).sum();
                let share = if events == 0 { 0.0 } else { rows as f64 / events as f64 };
                PropertySummary { name: property.name.clone(), share, lanes }
            })
            .collect();
        Ok(Inspection {
            url: snapshot.location.url().to_string(),
            snapshot: manifest.version,
            created_at: manifest.created_at,
            identity: manifest.settings.identity,
            events,
            users: self.count_users().await?,
            user_profiles: snapshot.profiles.users().count() as u64,
            group_profiles: snapshot.profiles.groups().count() as u64,
            days: days.len() as u64,
            first_time,
            last_time,
            event_names,
            properties,
            files: manifest.files.len() as u64,
            bytes: manifest.files.iter().map(|file| file.bytes).sum(),
            memtable_events,
            attachments: manifest.attachments.keys().cloned().collect(),
        })
    }

    async fn count_users(&self) -> Result<u64> {
        let batches =
            self.sql("SELECT count(DISTINCT user_id) AS users FROM events").await?.collect().await?;
        let counts = batches.iter().filter(|batch| batch.num_rows() > 0);
        Ok(counts.map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0) as u64).sum())
    }
}

fn times(batch: &arrow::array::RecordBatch) -> impl Iterator<Item = Timestamp> + '_ {
    use arrow::datatypes::TimestampMillisecondType;
    let times = batch
        .column_by_name(columns::TIME)
        .and_then(|array| array.as_primitive_opt::<TimestampMillisecondType>());
    times.into_iter().flat_map(|times| times.values().iter().map(|&ms| Timestamp::from_millis(ms)))
}
