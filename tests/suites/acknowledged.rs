//! Operations on a dataset, and what must be in it after each: shared by the suites that kill
//! writers and break stores.
//!
//! 1. [`operation`]: a seed and a number → what is written. The same process or another one can make
//!    the same operation again, with the same insert ids.
//! 2. [`Expected`]: the operations acknowledged so far → what a reader must find, kept in plain maps
//!    that share nothing with the product.
//! 3. [`stored`]: a dataset → what a reader does find, straight from its files and memtable;
//!    [`contents_by_sql`]: the same through the whole engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use futures::TryStreamExt as _;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tallymark::{Engine, Event, ProfileKey, ProfileOp, ProfileUpdate, PropertyValue, Timestamp};
use tallymark_event::{Properties, columns};
use tallymark_ingest::{IngestConfig, Ingestor};
use tallymark_storage::{EventStore, Location, Projection, StorageConfig};

/// 2024-05-01T22:00:00Z: two hours before midnight, so that operations touch several days.
const START_MS: i64 = 1_714_600_800_000;
const HOUR_MS: i64 = 3_600_000;
/// How far back an operation looks for events to send again.
const LOOK_BACK: u64 = 40;
const USERS: u64 = 6;
const DEVICES: u64 = 9;

/// What is written at once.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// One append of events.
    Append(Vec<Event<'static>>),
    /// One append of profile updates.
    Update(Vec<ProfileUpdate>),
    /// An import of files, each of which is a commit where memory is small.
    Import(Vec<Vec<Record>>),
    /// The removal of a user.
    Delete(String),
}

/// A line of an imported file.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    Event(Event<'static>),
    Update(ProfileUpdate),
}

/// Which operations come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Append,
    Link,
    Repeat,
    Update,
    Import,
    Visit,
    Delete,
}

fn random(seed: u64, number: u64, purpose: u64) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    for (chunk, value) in bytes.chunks_exact_mut(8).zip([seed, number, purpose, 0]) {
        chunk.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

fn kind(seed: u64, number: u64) -> Kind {
    match random(seed, number, 0).random_range(0..100) {
        0..38 => Kind::Append,
        38..48 => Kind::Link,
        48..62 => Kind::Repeat,
        62..72 => Kind::Update,
        72..90 => Kind::Import,
        90..96 => Kind::Visit,
        _ => Kind::Delete,
    }
}

/// Operation `number` of the history that `seed` makes.
pub(crate) fn operation(seed: u64, number: u64) -> Operation {
    let mut random = random(seed, number, 1);
    match kind(seed, number) {
        Kind::Append => Operation::Append(fresh(seed, number)),
        Kind::Link => {
            let device = random.random_range(0..DEVICES);
            let user = user_of(device);
            let mut event = event(&mut random, number, 0, &user);
            event.device_id = Some(device_id(device).into());
            event.user_id = Some(user.into());
            Operation::Append(vec![event])
        }
        Kind::Repeat => {
            let mut events = repeats(seed, number, &mut random);
            events.push(event(&mut random, number, 0, "u0"));
            Operation::Append(events)
        }
        Kind::Update => {
            let count = random.random_range(1..4);
            Operation::Update((0..count).map(|_| update(&any_user(&mut random), number)).collect())
        }
        Kind::Import => Operation::Import(files(seed, number, &mut random)),
        Kind::Visit => {
            let visitor = visitor(number);
            let event = |index| Record::Event(event(&mut random, number, index, &visitor));
            let mut records: Vec<Record> = (0..3).map(event).collect();
            records.push(Record::Update(update(&visitor, number)));
            Operation::Import(vec![records])
        }
        Kind::Delete => {
            let visits = (number.saturating_sub(2 * LOOK_BACK)..number)
                .rev()
                .filter(|&earlier| kind(seed, earlier) == Kind::Visit);
            // Nobody to delete is a case too.
            Operation::Delete(visitor(visits.into_iter().next().unwrap_or(number)))
        }
    }
}

fn files(seed: u64, number: u64, random: &mut ChaCha8Rng) -> Vec<Vec<Record>> {
    let mut records: Vec<Record> = fresh(seed, number).into_iter().map(Record::Event).collect();
    records.extend(repeats(seed, number, random).into_iter().map(Record::Event));
    if random.random_bool(0.5) {
        records.push(Record::Update(update(&any_user(random), number)));
    }
    let per_file = records.len().div_ceil(random.random_range(1..4));
    records.chunks(per_file).map(<[_]>::to_vec).collect()
}

/// The events that no earlier operation sent; empty unless it is an append or an import.
fn fresh(seed: u64, number: u64) -> Vec<Event<'static>> {
    let mut random = random(seed, number, 2);
    let count = match kind(seed, number) {
        Kind::Append => random.random_range(1..8),
        Kind::Import => random.random_range(2..20),
        Kind::Link | Kind::Repeat | Kind::Update | Kind::Visit | Kind::Delete => 0,
    };
    (0..count)
        .map(|index| {
            let id = if random.random_bool(0.2) {
                format!("$device:{}", device_id(random.random_range(0..DEVICES)))
            } else {
                any_user(&mut random)
            };
            event(&mut random, number, index, &id)
        })
        .collect()
}

/// Events of an earlier operation with the same key and other content (D-9).
fn repeats(seed: u64, number: u64, random: &mut ChaCha8Rng) -> Vec<Event<'static>> {
    let earlier: Vec<u64> = (number.saturating_sub(LOOK_BACK)..number)
        .filter(|&earlier| matches!(kind(seed, earlier), Kind::Append | Kind::Import))
        .collect();
    let Some(&chosen) = earlier.choose(random) else { return Vec::new() };
    let repeated = fresh(seed, chosen).into_iter().filter(|_| random.random_bool(0.6));
    repeated.map(|event| revised(event, number)).collect()
}

fn event(random: &mut ChaCha8Rng, number: u64, index: u64, id: &str) -> Event<'static> {
    let name = ["View", "Buy", "Share"].choose(random).copied().unwrap_or("View");
    let time = Timestamp::from_millis(START_MS + random.random_range(0..28 * HOUR_MS));
    let event = Event::new(name, time, id.to_owned()).with_insert_id(format!("{number}-{index}"));
    revised(event, number)
}

/// The event as operation `number` sends it.
fn revised(event: Event<'static>, number: u64) -> Event<'static> {
    let event = event.with("revision", number as i64).with("text", format!("as of {number}"));
    // Lanes open and close over time: a property of its own for some, of changing type for all.
    let event = event.with(format!("only {}", number % 25), true);
    if number.is_multiple_of(2) { event.with("mixed", number as i64) } else { event.with("mixed", "text") }
}

fn any_user(random: &mut ChaCha8Rng) -> String {
    format!("u{}", random.random_range(0..USERS))
}

fn device_id(device: u64) -> String {
    format!("d{device}")
}

/// A device is only ever linked to one user.
fn user_of(device: u64) -> String {
    format!("u{}", device % USERS)
}

fn visitor(number: u64) -> String {
    format!("visitor {number}")
}

fn update(user: &str, number: u64) -> ProfileUpdate {
    let one = |name: &str, value: i64| Properties(vec![(name.to_owned(), PropertyValue::from(value))]);
    let ops = vec![
        ProfileOp::Set(one("last", number as i64)),
        ProfileOp::Add(one("added", 1)),
        ProfileOp::Append(one("appended", number as i64)),
    ];
    ProfileUpdate::new(ProfileKey::User(user.to_owned()), ops)
}

/// A file as it would be imported.
pub(crate) fn ndjson(records: &[Record]) -> String {
    records.iter().fold(String::new(), |mut text, record| {
        match record {
            Record::Event(event) => text.push_str(&tallymark_testkit::json::event_line(event)),
            Record::Update(update) => text.push_str(&update_line(update)),
        }
        text.push('\n');
        text
    })
}

fn update_line(update: &ProfileUpdate) -> String {
    let ProfileKey::User(id) = &update.key else { panic!("only users are updated") };
    let mut line = format!("{{\"$distinct_id\": {}", serde_json::to_string(id).unwrap());
    for op in &update.ops {
        let (name, properties) = match op {
            ProfileOp::Set(properties) => ("$set", properties),
            ProfileOp::Add(properties) => ("$add", properties),
            ProfileOp::Append(properties) => ("$append", properties),
            other => panic!("{other:?} is not used here"),
        };
        write!(line, ", \"{name}\": {}", serde_json::to_string(properties).unwrap()).unwrap();
    }
    line + "}"
}

/// What a reader finds: events by insert id, profiles by user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) events: BTreeMap<String, Row>,
    pub(crate) profiles: BTreeMap<String, Tally>,
}

/// What must be right about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) event: String,
    pub(crate) time_ms: i64,
    pub(crate) distinct_id: String,
    pub(crate) user_id: Option<String>,
    pub(crate) revision: i64,
    pub(crate) text: String,
}

/// A profile that tells how many updates it got, which, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) last: i64,
    pub(crate) added: i64,
    pub(crate) appended: Vec<i64>,
}

impl Contents {
    /// The first few differences, for a person.
    pub(crate) fn difference(&self, found: &Self) -> String {
        let mut text = format!(
            "expected {} events and {} profiles, found {} and {}",
            self.events.len(),
            self.profiles.len(),
            found.events.len(),
            found.profiles.len()
        );
        let events: BTreeSet<&String> = self.events.keys().chain(found.events.keys()).collect();
        let differing = events.into_iter().filter(|id| self.events.get(*id) != found.events.get(*id));
        for id in differing.take(5) {
            let (expected, found) = (self.events.get(id), found.events.get(id));
            write!(text, "\nevent {id}: expected {expected:?}\n  found {found:?}").unwrap();
        }
        let users: BTreeSet<&String> = self.profiles.keys().chain(found.profiles.keys()).collect();
        let differing = users.into_iter().filter(|id| self.profiles.get(*id) != found.profiles.get(*id));
        for id in differing.take(3) {
            let (expected, found) = (self.profiles.get(id), found.profiles.get(id));
            write!(text, "\nprofile {id}: expected {expected:?}\n  found {found:?}").unwrap();
        }
        text
    }
}

/// What must be in the dataset.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    events: BTreeMap<String, Event<'static>>,
    links: BTreeMap<String, String>,
    profiles: BTreeMap<String, Tally>,
}

impl Expected {
    /// The states an operation leads through, the last one being that after it. A reader may find
    /// any of them, and nothing between.
    pub(crate) fn steps(&self, operation: &Operation) -> Vec<Self> {
        let Operation::Import(files) = operation else { return vec![self.after(operation)] };
        let mut steps: Vec<Self> = Vec::new();
        for records in files {
            let mut next = steps.last().unwrap_or(self).clone();
            for record in records {
                next.record(record);
            }
            steps.push(next);
        }
        steps
    }

    /// The state after an operation.
    pub(crate) fn after(&self, operation: &Operation) -> Self {
        let mut next = self.clone();
        next.apply(operation);
        next
    }

    /// Takes an operation in.
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Append(events) => events.iter().for_each(|event| self.event(event)),
            Operation::Update(updates) => updates.iter().for_each(|update| self.update(update)),
            Operation::Import(files) => files.iter().flatten().for_each(|record| self.record(record)),
            Operation::Delete(user) => {
                self.events.retain(|_, event| event.distinct_id != *user);
                self.profiles.remove(user);
            }
        }
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::Event(event) => self.event(event),
            Record::Update(update) => self.update(update),
        }
    }

    fn event(&mut self, event: &Event<'static>) {
        if let (Some(device), Some(user)) = (&event.device_id, &event.user_id) {
            self.links.insert(format!("$device:{device}"), user.to_string());
        }
        self.events.insert(event.insert_id.clone().unwrap().into_owned(), event.clone());
    }

    fn update(&mut self, update: &ProfileUpdate) {
        let ProfileKey::User(user) = &update.key else { panic!("only users are updated") };
        let tally = self.profiles.entry(user.clone()).or_default();
        for op in &update.ops {
            let value = |properties: &Properties| match properties.0[..] {
                [(_, PropertyValue::Int(value))] => value,
                ref other => panic!("{other:?} is not used here"),
            };
            match op {
                ProfileOp::Set(properties) => tally.last = value(properties),
                ProfileOp::Add(properties) => tally.added += value(properties),
                ProfileOp::Append(properties) => tally.appended.push(value(properties)),
                other => panic!("{other:?} is not used here"),
            }
        }
    }

    /// What a reader finds then.
    pub(crate) fn contents(&self) -> Contents {
        let events = self.events.iter().map(|(insert_id, event)| {
            let sent = event.distinct_id.to_string();
            let (Some(PropertyValue::Int(revision)), Some(PropertyValue::String(text))) =
                (event.property("revision"), event.property("text"))
            else {
                panic!("{event:?} was not made here")
            };
            let row = Row {
                event: event.name.to_string(),
                time_ms: event.time.millis(),
                user_id: Some(self.links.get(&sent).cloned().unwrap_or_else(|| sent.clone())),
                distinct_id: sent,
                revision: *revision,
                text: text.to_string(),
            };
            (insert_id.clone(), row)
        });
        Contents { events: events.collect(), profiles: self.profiles.clone() }
    }
}

/// Opens a dataset for reading, what is in its log included.
pub(crate) async fn open(location: Location) -> Result<EventStore> {
    let clock = Arc::new(tallymark::SystemClock);
    let store = EventStore::open(location, StorageConfig::default(), Arc::clone(&clock) as _).await?;
    let config = IngestConfig { threads: 1, ..IngestConfig::default() };
    Ingestor::new(store.clone(), config, clock).replay().await?;
    Ok(store)
}

/// Opens a dataset for reading and gives what is in it: nothing where the first writer ended before
/// the dataset was there.
///
/// # Errors
/// Whatever keeps it from being read, and as [`contents_of`].
pub(crate) async fn stored(location: Location) -> Result<Contents> {
    match open(location).await {
        Err(error) if is_no_dataset(&error) => Ok(Contents::default()),
        store => contents_of(&store?).await,
    }
}

/// Whether there is no dataset yet.
pub(crate) fn is_no_dataset(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(tallymark_storage::Error::NoDataset { .. }))
}

/// What is in the present view of a store.
///
/// # Errors
/// Whatever keeps a file from being read, and what can never be right: an event that is there twice, a
/// sequence number given twice, a file with other rows than the manifest says.
pub(crate) async fn contents_of(store: &EventStore) -> Result<Contents> {
    let snapshot = store.snapshot();
    let mut contents = Contents::default();
    let mut sequences = BTreeSet::new();
    let lane = |name: &str| {
        let property = snapshot.catalog.property(name)?;
        Some(snapshot.catalog.lane(*property.lanes.first()?).column.clone())
    };
    // Before the first event there are no properties, and no rows to look for them in.
    let lanes = (lane("revision").unwrap_or_default(), lane("text").unwrap_or_default());
    let mut add = |batch: &RecordBatch| add_rows(&mut contents.events, &mut sequences, batch, &lanes);
    for file in &snapshot.manifest.files {
        let mut rows = 0;
        let mut batches = store.read_data_file(&snapshot, file, &Projection::All).await?;
        while let Some(batch) = batches.try_next().await? {
            rows += batch.num_rows() as u64;
            add(&batch).with_context(|| format!("in {}", file.path))?;
        }
        ensure!(rows == file.rows, "{} has {rows} rows, its manifest says {}", file.path, file.rows);
    }
    // One that holds no rows has no columns of properties either.
    for memory in snapshot.memtable.iter().filter(|memory| memory.batch.num_rows() > 0) {
        add(&memory.batch).context("in the memtable")?;
    }
    for row in contents.events.values_mut() {
        row.user_id = row.user_id.as_deref().map(|stored| snapshot.identities.canonical(stored).to_owned());
    }
    for (user, profile) in snapshot.profiles.users() {
        let number = |name: &str| match profile.property(name) {
            Some(PropertyValue::Int(value)) => Ok(*value),
            other => anyhow::bail!("{name} of {user} is {other:?}"),
        };
        let Some(PropertyValue::List(items)) = profile.property("appended") else {
            anyhow::bail!("{user} has no list: {profile:?}")
        };
        let appended = items.iter().map(|item| item.as_f64().unwrap_or(f64::NAN) as i64).collect();
        let tally = Tally { last: number("last")?, added: number("added")?, appended };
        contents.profiles.insert(user.to_owned(), tally);
    }
    Ok(contents)
}

fn add_rows(
    rows: &mut BTreeMap<String, Row>,
    sequences: &mut BTreeSet<i64>,
    batch: &RecordBatch,
    (revision, text): &(String, String),
) -> Result<()> {
    let column = |name: &str| batch.column_by_name(name).with_context(|| format!("no column {name}"));
    let texts = |name: &str| Ok::<_, anyhow::Error>(column(name)?.as_string_view());
    let insert_ids = texts(columns::INSERT_ID)?;
    let names = texts(columns::EVENT)?;
    let distinct_ids = texts(columns::DISTINCT_ID)?;
    let user_ids = texts(columns::USER_ID)?;
    let times = column(columns::TIME)?.as_primitive::<TimestampMillisecondType>();
    let sequence = column(columns::SEQUENCE)?.as_primitive::<Int64Type>();
    let revisions = column(revision)?.as_primitive::<Int64Type>();
    let texts = texts(text)?;
    for at in 0..batch.num_rows() {
        let row = Row {
            event: names.value(at).to_owned(),
            time_ms: times.value(at),
            distinct_id: distinct_ids.value(at).to_owned(),
            user_id: user_ids.is_valid(at).then(|| user_ids.value(at).to_owned()),
            revision: revisions.value(at),
            text: texts.value(at).to_owned(),
        };
        ensure!(sequences.insert(sequence.value(at)), "sequence {} is there twice", sequence.value(at));
        if let Some(other) = rows.insert(insert_ids.value(at).to_owned(), row) {
            anyhow::bail!("event {} is there twice; once as {other:?}", insert_ids.value(at));
        }
    }
    Ok(())
}

/// What is in the present view of an engine.
///
/// # Errors
/// Whatever a query fails with, and an event that is there twice.
pub(crate) async fn contents_by_sql(engine: &Engine) -> Result<Contents> {
    let mut contents = Contents::default();
    let rows = if has_column(engine, "events", "revision").await? {
        let every = "SELECT insert_id, event, time, distinct_id, user_id, revision, text FROM events";
        engine.sql(every).await?.collect().await?
    } else {
        engine.sql("SELECT insert_id FROM events").await?.collect().await?
    };
    for batch in &rows {
        let text = |at: usize| batch.column(at).as_string_view();
        for at in 0..batch.num_rows() {
            let row = Row {
                event: text(1).value(at).to_owned(),
                time_ms: batch.column(2).as_primitive::<TimestampMillisecondType>().value(at),
                distinct_id: text(3).value(at).to_owned(),
                user_id: text(4).is_valid(at).then(|| text(4).value(at).to_owned()),
                revision: batch.column(5).as_primitive::<Int64Type>().value(at),
                text: text(6).value(at).to_owned(),
            };
            if let Some(other) = contents.events.insert(text(0).value(at).to_owned(), row) {
                anyhow::bail!("event {} is there twice; once as {other:?}", text(0).value(at));
            }
        }
    }
    if !has_column(engine, "users", "added").await? {
        return Ok(contents);
    }
    let users = engine.sql("SELECT user_id, last, added, appended FROM users").await?.collect().await?;
    for batch in &users {
        let number = |column: usize, at| batch.column(column).as_primitive::<Int64Type>().value(at);
        for at in 0..batch.num_rows() {
            let appended = batch.column(3).as_list::<i32>().value(at);
            let appended = appended.as_primitive::<Int64Type>().values().to_vec();
            let tally = Tally { last: number(1, at), added: number(2, at), appended };
            contents.profiles.insert(batch.column(0).as_string_view().value(at).to_owned(), tally);
        }
    }
    Ok(contents)
}

/// Properties have columns from the first one on.
async fn has_column(engine: &Engine, table: &str, column: &str) -> Result<bool> {
    let nothing = engine.sql(&format!("SELECT * FROM {table} WHERE false")).await?;
    Ok(nothing.schema().column_with_name(column).is_some())
}
