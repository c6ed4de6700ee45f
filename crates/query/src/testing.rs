//! Snapshots made by hand for the tests of this crate.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMillisecondArray};
use arrow::datatypes::{FieldRef, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tallymark_event::columns::system_fields;
use tallymark_event::{Day, Event, Lane, LaneId, PropertyCatalog, PropertyValue, Timestamp, ValueKinds};
use tallymark_report::DefinitionKind;
use tallymark_storage::{
    DataFileWriter, DatasetSettings, Definition, FileSettings, Location, Manifest, MemBatch, Snapshot,
};
use tallymark_users::{
    Identities, IdentityOp, IdentitySystem, ProfileKey, ProfileOp, ProfileUpdate, Profiles, assign,
};

use crate::{QueryConfig, QueryRuntime, sql};

/// A dataset that grows step by step; `snapshot` shows it as it is then.
pub(crate) struct TestDataset {
    pub(crate) store: Arc<dyn ObjectStore>,
    location: Location,
    manifest: Manifest,
    catalog: PropertyCatalog,
    memtable: Vec<MemBatch>,
    pub(crate) identities: Identities,
    profiles: Profiles,
    next_sequence: i64,
    pub(crate) row_group_rows: usize,
}

/// An event `name` of `user` at `time` (`2024-01-01T00:00:00Z`), with properties as JSON.
pub(crate) fn event(name: &str, user: &str, time: &str, properties: &str) -> Event<'static> {
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis();
    let mut event = Event::new(name.to_owned(), Timestamp::from_millis(time), user.to_owned());
    if let PropertyValue::Object(entries) = serde_json::from_str::<PropertyValue<'_>>(properties).unwrap() {
        for (key, value) in entries {
            match (key.as_ref(), value.as_str()) {
                ("$insert_id", Some(id)) => event.insert_id = Some(id.to_owned().into()),
                ("$device_id", Some(id)) => event.device_id = Some(id.to_owned().into()),
                _ => event.properties.push((key.into_owned().into(), value.into_owned())),
            }
        }
    }
    event
}

impl TestDataset {
    pub(crate) fn new() -> Self {
        Self::with_store(Arc::new(InMemory::new()))
    }

    pub(crate) fn with_store(store: Arc<dyn ObjectStore>) -> Self {
        let location = Location::with_store(Arc::clone(&store), Path::from("dataset"));
        let manifest = Manifest {
            format_version: 1,
            version: 1,
            created_at: Timestamp::from_millis(0),
            settings: DatasetSettings::default(),
            next_sequence: 0,
            wal_flushed: 0,
            fence: tallymark_storage::manifest::WalFence::default(),
            catalog: PropertyCatalog::default(),
            erased_before: 0,
            files: Vec::new(),
            people: Vec::new(),
            attachments: BTreeMap::new(),
            definitions: BTreeMap::new(),
        };
        Self {
            store,
            location,
            manifest,
            catalog: PropertyCatalog::default(),
            memtable: Vec::new(),
            identities: Identities::new(IdentitySystem::Simplified),
            profiles: Profiles::default(),
            next_sequence: 0,
            row_group_rows: 131_072,
        }
    }

    /// Writes events to files, one per day.
    pub(crate) async fn files(&mut self, events: &[Event<'static>]) -> &mut Self {
        let mut days: BTreeMap<Day, Vec<(i64, &Event<'static>)>> = BTreeMap::new();
        for event in events {
            days.entry(event.time.day()).or_default().push((self.next_sequence, event));
            self.next_sequence += 1;
        }
        for (day, rows) in days {
            let batch = self.batch(rows);
            let lanes: Vec<(LaneId, Lane)> =
                batch.lanes.iter().map(|id| (*id, self.catalog.lane(*id).clone())).collect();
            let settings = FileSettings { row_group_rows: self.row_group_rows, ..FileSettings::default() };
            let mut writer = DataFileWriter::try_new(day, &lanes, &self.catalog, &settings).unwrap();
            for offset in (0..batch.batch.num_rows()).step_by(self.row_group_rows) {
                let rows = self.row_group_rows.min(batch.batch.num_rows() - offset);
                writer
                    .write_row_group(rows, &mut |at| Ok(batch.batch.column(at).slice(offset, rows)))
                    .unwrap();
            }
            let (bytes, file) = writer.finish(batch.identity_version).unwrap();
            self.store.put(&self.location.path(&file.path), bytes.into()).await.unwrap();
            self.manifest.files.push(file);
        }
        self.manifest.files.sort_by(|a, b| (a.day, &a.path).cmp(&(b.day, &b.path)));
        self
    }

    /// Puts events into the memtable.
    pub(crate) fn memory(&mut self, events: &[Event<'static>]) -> &mut Self {
        let first = self.next_sequence;
        self.next_sequence += events.len() as i64;
        let batch = self.batch((first..).zip(events).collect());
        self.memtable.push(batch);
        self
    }

    /// Links a device to a user (I-4).
    pub(crate) fn link(&mut self, device: &str, user: &str) -> &mut Self {
        self.identities.apply(&IdentityOp::Link { device_id: device.to_owned(), user_id: user.to_owned() });
        self.profiles.merge(&self.identities);
        self
    }

    /// Sets properties of a profile.
    pub(crate) fn set(&mut self, key: ProfileKey, properties: &str) -> &mut Self {
        let update = ProfileUpdate {
            key,
            time: None,
            ignore_time: false,
            ignore_alias: false,
            ops: vec![ProfileOp::Set(serde_json::from_str(properties).unwrap())],
        };
        self.profiles.apply(&update, Timestamp::from_millis(1_704_067_200_000), &self.identities);
        self
    }

    /// Saves a definition under a name, unchecked.
    pub(crate) fn save(&mut self, kind: DefinitionKind, name: &str, json: &str) -> &mut Self {
        let json = serde_json::from_str(json).unwrap();
        let definition = Definition { saved_at: Timestamp::from_millis(0), json, file: None };
        self.manifest
            .definitions
            .entry(kind.name().to_owned())
            .or_default()
            .insert(name.to_owned(), definition);
        self
    }

    pub(crate) fn attach(&mut self, name: &str, attachment: tallymark_storage::Attachment) -> &mut Self {
        self.manifest.attachments.insert(name.to_owned(), attachment);
        self
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            location: self.location.clone(),
            manifest: Arc::new(Manifest { catalog: self.catalog.clone(), ..self.manifest.clone() }),
            catalog: Arc::new(self.catalog.clone()),
            memtable: self.memtable.clone().into(),
            pending: Vec::new().into(),
            identities: Arc::new(self.identities.clone()),
            profiles: Arc::new(self.profiles.clone()),
            next_sequence: self.next_sequence,
            last_wal: None,
        })
    }

    /// A session over the present state, answered from files.
    pub(crate) fn session(&self) -> SessionContext {
        self.session_within(0)
    }

    /// A session over the present state, answered from columns in memory.
    pub(crate) fn resident_session(&self) -> SessionContext {
        self.session_within(1 << 30)
    }

    fn session_within(&self, resident_bytes_max: usize) -> SessionContext {
        let config = QueryConfig { target_partitions: 2, resident_bytes_max, ..QueryConfig::default() };
        QueryRuntime::try_new(config).unwrap().session(&self.snapshot()).unwrap()
    }

    /// The answer to a script over the present state, as a table.
    pub(crate) async fn ask(&self, text: &str) -> String {
        answer(&self.session(), text).await
    }

    fn batch(&mut self, rows: Vec<(i64, &Event<'static>)>) -> MemBatch {
        let mut rows: Vec<(Option<String>, i64, &Event<'static>)> = rows
            .into_iter()
            .map(|(sequence, event)| {
                let assigned = assign(
                    self.identities.system(),
                    &event.distinct_id,
                    event.device_id.as_deref(),
                    event.user_id.as_deref(),
                );
                let user = self.identities.canonical(&assigned.id);
                ((!user.is_empty()).then(|| user.to_owned()), sequence, event)
            })
            .collect();
        rows.sort_by(|a, b| (&a.0, a.2.time, a.1).cmp(&(&b.0, b.2.time, b.1)));

        let sent: Vec<&Event<'static>> = rows.iter().map(|(_, _, event)| *event).collect();
        let lanes = self.open_lanes(&sent);
        let text = |value: &dyn Fn(&Event<'static>) -> Option<String>| -> ArrayRef {
            Arc::new(rows.iter().map(|(_, _, event)| value(event)).collect::<StringViewArray>())
        };
        let times = |value: &dyn Fn(&Event<'static>) -> i64| -> ArrayRef {
            let values = rows.iter().map(|(_, _, event)| value(event));
            Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC"))
        };
        let mut columns: Vec<ArrayRef> = vec![
            text(&|event| Some(event.name.to_string())),
            times(&|event| event.time.millis()),
            text(&|event| Some(event.distinct_id.to_string())),
            Arc::new(rows.iter().map(|(user, _, _)| user.clone()).collect::<StringViewArray>()),
            text(&|event| event.device_id.as_ref().map(ToString::to_string)),
            text(&|event| event.insert_id.as_ref().map(ToString::to_string)),
            times(&|event| event.time.millis()),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, sequence, _)| *sequence))),
        ];
        for id in &lanes {
            let lane = self.catalog.lane(*id);
            let name = &self.catalog.properties()[lane.property.0 as usize].name;
            let values = rows.iter().map(|(_, _, event)| {
                let value = event.property(name)?;
                (self.catalog.route(lane.property, value) == Some(*id)).then_some(value)
            });
            columns.push(tallymark_event::lane_array(lane.kind, values));
        }
        let fields: Vec<FieldRef> = system_fields()
            .into_iter()
            .chain(lanes.iter().map(|id| self.catalog.lane(*id).field()))
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        MemBatch { batch, lanes, identity_version: self.identities.version(), last_wal: 0 }
    }

    /// Opens the lanes these events need; the lanes they use, ascending.
    fn open_lanes(&mut self, events: &[&Event<'static>]) -> Vec<LaneId> {
        let mut kinds: Vec<(String, ValueKinds)> = Vec::new();
        for (name, value) in events.iter().flat_map(|event| &event.properties) {
            let at = kinds.iter().position(|(known, _)| known == name.as_ref()).unwrap_or_else(|| {
                kinds.push((name.to_string(), ValueKinds::default()));
                kinds.len() - 1
            });
            kinds[at].1.observe(value);
        }
        let mut used = std::collections::BTreeSet::new();
        for (name, kinds) in &kinds {
            let id = self.catalog.open_lanes(name, kinds);
            let values = events.iter().filter_map(|event| event.property(name));
            used.extend(values.filter_map(|value| self.catalog.route(id, value)));
        }
        used.into_iter().collect()
    }
}

/// The answer to a script, as a table.
pub(crate) async fn answer(session_ctx: &SessionContext, text: &str) -> String {
    let batches = sql(session_ctx, text).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

/// The lines of an answer's cells, without its frame: `a|b` per row.
pub(crate) async fn rows(session_ctx: &SessionContext, text: &str) -> Vec<String> {
    let table = answer(session_ctx, text).await;
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("|");
    table.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect()
}

/// An error and its causes, one per line.
pub(crate) async fn error(session_ctx: &SessionContext, text: &str) -> String {
    let error: Box<dyn std::error::Error + Send + Sync> = match sql(session_ctx, text).await {
        Ok(frame) => match frame.collect().await {
            Ok(batches) => return format!("no error: {}", pretty_format_batches(&batches).unwrap()),
            Err(error) => Box::new(error),
        },
        Err(error) => Box::new(error),
    };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}\n  because {source}");
        cause = source.source();
    }
    text
}
