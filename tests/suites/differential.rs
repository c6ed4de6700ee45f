//! Whatever way a history takes into the dataset, the dataset is what the oracle says.
//!
//! Generated histories aim at the edges (ties, midnight, repeats with other contents, nobody's
//! events, links, mixed types, odd names). Each goes in several ways: one file or many, plain or
//! compressed, in any framing, in parts through every door there is, with flushes, compactions and
//! restarts between them. Every way must give the same answers, and the oracle's (T-1).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Cursor, Write as _};

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tallymark::{
    CompactOptions, Engine, EngineConfig, ImportOptions, Input, ProfileKey, ProfileOp, ProfileUpdate,
    Properties, PropertyValue, WireForm,
};
use tallymark_event::{DateValue, Event, parse_date};
use tallymark_testkit::strategies::{self, ProfileRecord, ProfileTarget, Record};
use tallymark_tests::oracle::{self, Dataset, Profile, System};

use crate::common::{NOW, ask, config_with, export_values, for_each_case, identity_of, memory_url, profiles};

/// A record and the line it is sent as.
#[derive(Clone)]
struct Sent {
    record: Record,
    /// Set on the user's profile by the event itself; makes it one of the product form.
    user_properties: Option<Vec<(Cow<'static, str>, PropertyValue<'static>)>>,
    line: String,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line)
    }
}

impl Sent {
    /// The event, if it can be given as a value: it carries nothing for the profile.
    fn plain_event(&self) -> Option<&Event<'static>> {
        match &self.record {
            Record::Event(event) if self.user_properties.is_none() => Some(event),
            _ => None,
        }
    }

    fn update(&self) -> Option<ProfileUpdate> {
        match &self.record {
            Record::Profile(profile) => Some(update_of(profile)),
            Record::Event(_) => None,
        }
    }
}

fn history() -> impl Strategy<Value = Vec<Sent>> {
    let set = prop_oneof![
        3 => Just(None),
        1 => proptest::collection::vec((proptest::sample::select(vec!["plan", "Plan", "n"]), strategies::value()), 1..3)
            .prop_map(|set| Some(set.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())),
    ];
    strategies::history(24).prop_flat_map(move |history| {
        let count = history.records.len();
        (Just(history.records), proptest::collection::vec(set.clone(), count)).prop_map(|(records, sets)| {
            records
                .into_iter()
                .zip(sets)
                .map(|(record, set)| match record {
                    Record::Event(event) => Sent {
                        line: if set.is_some() {
                            product_line(&event, set.as_deref())
                        } else {
                            Record::Event(event.clone()).to_line()
                        },
                        record: Record::Event(event),
                        user_properties: set,
                    },
                    Record::Profile(_) => Sent { line: record.to_line(), record, user_properties: None },
                })
                .collect()
        })
    })
}

/// The product form: time and ids beside the properties, user properties too.
fn product_line(
    event: &Event<'static>,
    set: Option<&[(Cow<'static, str>, PropertyValue<'static>)]>,
) -> String {
    let text = |text: &Cow<'static, str>| PropertyValue::String(text.clone());
    let mut properties: Vec<(Cow<'static, str>, PropertyValue<'static>)> = Vec::new();
    properties.extend(event.device_id.iter().map(|id| ("$device_id".into(), text(id))));
    properties.extend(event.user_id.iter().map(|id| ("$user_id".into(), text(id))));
    properties.extend(event.properties.iter().cloned());
    let mut top: Vec<(Cow<'static, str>, PropertyValue<'static>)> = vec![
        ("event".into(), text(&event.name)),
        ("time".into(), PropertyValue::Int(event.time.millis())),
        ("distinct_id".into(), text(&event.distinct_id)),
        ("properties".into(), PropertyValue::Object(properties)),
    ];
    top.extend(event.insert_id.iter().map(|id| ("insert_id".into(), text(id))));
    top.extend(set.map(|set| ("user_properties".into(), PropertyValue::Object(set.to_vec()))));
    PropertyValue::Object(top).to_string()
}

fn update_of(profile: &ProfileRecord) -> ProfileUpdate {
    let properties = |given: &PropertyValue<'static>| match given {
        PropertyValue::Object(entries) => {
            Properties(entries.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
        }
        other => panic!("{other} is no object"),
    };
    let names = |given: &PropertyValue<'static>| match given {
        PropertyValue::List(names) => names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        other => panic!("{other} is no list"),
    };
    let op = |(name, given): &(&'static str, PropertyValue<'static>)| match *name {
        "$set" => ProfileOp::Set(properties(given)),
        "$set_once" => ProfileOp::SetOnce(properties(given)),
        "$add" => ProfileOp::Add(properties(given)),
        "$append" => ProfileOp::Append(properties(given)),
        "$union" => ProfileOp::Union(properties(given)),
        "$remove" => ProfileOp::Remove(properties(given)),
        "$unset" => ProfileOp::Unset(names(given)),
        "$delete" => ProfileOp::Delete,
        other => panic!("{other} is no operation"),
    };
    ProfileUpdate {
        key: match &profile.target {
            ProfileTarget::User(id) => ProfileKey::User(id.clone()),
            ProfileTarget::Group { key, id } => ProfileKey::Group { key: key.clone(), id: id.clone() },
        },
        time: profile.time,
        ignore_time: profile.ignore_time,
        ignore_alias: profile.ignore_alias,
        ops: profile.operations.iter().map(op).collect(),
    }
}

/// What all doors together report.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    received: u64,
    stored: u64,
    duplicates: u64,
    refused: u64,
}

/// One way of a history into a dataset, decided by a seed.
struct Way {
    rng: ChaCha8Rng,
    url: String,
    config: EngineConfig,
    engine: Engine,
    counts: Counts,
    log: Vec<String>,
}

impl Way {
    async fn new(seed: u64, url: String, system: System) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let config = EngineConfig {
            // So little that every block is a chunk of its own, or as much as ever.
            import_memory_bytes: if rng.random_bool(0.5) { 4 << 10 } else { 64 << 20 },
            flush_bytes: if rng.random_bool(0.3) { 2_000 } else { 64 << 20 },
            ..config_with(identity_of(system))
        };
        let engine = Engine::open(&url, config.clone()).await.unwrap();
        Self { rng, url, config, engine, counts: Counts::default(), log: Vec::new() }
    }

    /// All of it, in parts.
    async fn send(&mut self, records: &[Sent]) {
        let mut rest = records;
        while !rest.is_empty() {
            let count = if self.rng.random_bool(0.2) {
                rest.len()
            } else {
                self.rng.random_range(1..=rest.len().min(8))
            };
            let (part, later) = rest.split_at(count);
            rest = later;
            self.send_part(part).await;
            self.between().await;
        }
    }

    async fn send_part(&mut self, part: &[Sent]) {
        let lines: Vec<&str> = part.iter().map(|sent| sent.line.as_str()).collect();
        let events: Option<Vec<_>> = part.iter().map(Sent::plain_event).collect();
        let updates: Option<Vec<_>> = part.iter().map(Sent::update).collect();
        let report = match (self.rng.random_range(0..4), events, updates) {
            (0, Some(events), _) => {
                self.log.push(format!("append {}", part.len()));
                self.engine.append(events.into_iter().cloned()).await.unwrap()
            }
            (0 | 1, _, Some(updates)) => {
                self.log.push(format!("update_profiles {}", part.len()));
                self.engine.update_profiles(updates).await.unwrap()
            }
            (0 | 1, ..) => {
                let text = self.framed(&lines);
                self.log.push(format!("append_json {}", part.len()));
                self.engine.append_json(text.as_bytes(), WireForm::Lenient).await.unwrap()
            }
            _ => return self.import(&lines).await,
        };
        self.count(report.received, report.stored, report.duplicates, report.refused.len() as u64);
    }

    fn count(&mut self, received: u64, stored: u64, duplicates: u64, refused: u64) {
        assert_eq!(received, stored + duplicates + refused, "{:?}", self.log);
        self.counts.received += received;
        self.counts.stored += stored;
        self.counts.duplicates += duplicates;
        self.counts.refused += refused;
    }

    async fn import(&mut self, lines: &[&str]) {
        let files = if self.rng.random_bool(0.5) { 1 } else { self.rng.random_range(1..=lines.len()) };
        let mut inputs = Vec::new();
        for (number, part) in lines.chunks(lines.len().div_ceil(files)).enumerate() {
            let text = self.framed(part).into_bytes();
            let bytes = match self.rng.random_range(0..3) {
                0 => text,
                1 => gzip(&text),
                _ => zstd::encode_all(text.as_slice(), 0).unwrap(),
            };
            inputs.push(Input::from_reader(format!("part {number}"), Cursor::new(bytes)));
        }
        self.log.push(format!("import {} in {} files", lines.len(), inputs.len()));
        let report =
            self.engine.import(inputs, ImportOptions::default(), std::sync::Arc::default()).await.unwrap();
        self.count(report.received, report.stored, report.duplicates, report.refused);
    }

    /// Records one after another as text: lines, an array, or one behind the other.
    fn framed(&mut self, lines: &[&str]) -> String {
        match self.rng.random_range(0..4) {
            0 => format!("[{}]", lines.join(",")),
            1 => format!("\u{feff}[\n  {}\n]\n", lines.join(",\n  ")),
            2 => lines.join(" "),
            _ => lines.iter().map(|line| format!("{line}\n")).collect(),
        }
    }

    async fn between(&mut self) {
        match self.rng.random_range(0..12) {
            0 | 1 => {
                self.log.push("flush".to_owned());
                self.engine.flush().await.unwrap();
            }
            2 => {
                let all = self.rng.random_bool(0.5);
                self.log.push(format!("compact, all: {all}"));
                self.engine.compact(&CompactOptions { all }).await.unwrap();
            }
            3 | 4 => self.reopen().await,
            _ => {}
        }
    }

    /// Ends and starts again: in order, or (where a lock ends with its holder) at once, so that
    /// the log has to be replayed.
    async fn reopen(&mut self) {
        let in_order = self.url.starts_with("memory:") || self.rng.random_bool(0.3);
        self.log.push(format!("reopen, in order: {in_order}"));
        let other = Engine::open(&memory_url(), self.config.clone()).await.unwrap();
        let engine = std::mem::replace(&mut self.engine, other);
        if in_order {
            engine.close().await.unwrap();
        } else {
            drop(engine);
        }
        self.engine = Engine::open(&self.url, self.config.clone()).await.unwrap();
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Everything the dataset answers is what the oracle says.
async fn check(engine: &Engine, expected: &Dataset, way: &str) {
    check_export(engine, expected, way).await;

    let counted = |rows: Vec<Vec<Value>>| -> BTreeMap<Key, (u64, u64)> {
        rows.into_iter()
            .map(|row| (Key::from(&row[0]), (row[1].as_u64().unwrap(), row[2].as_u64().unwrap())))
            .collect()
    };
    let by_event =
        ask(engine, "SELECT event, count(*), count(DISTINCT user_id) FROM events GROUP BY event").await;
    let expected_events =
        expected.by_event().into_iter().map(|(name, counts)| (Key::Text(name), counts)).collect();
    assert_eq!(counted(by_event), expected_events, "by event; {way}");

    let by_day = ask(
        engine,
        "SELECT arrow_cast(day, 'Int32'), count(*), count(DISTINCT user_id) FROM events GROUP BY day",
    )
    .await;
    let expected_days =
        expected.by_day().into_iter().map(|(day, counts)| (Key::Number(day), counts)).collect();
    assert_eq!(counted(by_day), expected_days, "by day; {way}");

    let users = ask(engine, "SELECT user_id FROM events ORDER BY time, sequence").await;
    let expected_users: Vec<Vec<Value>> =
        expected.events.iter().map(|row| vec![expected.user(row).map_or(Value::Null, Value::from)]).collect();
    assert_eq!(users, expected_users, "user of each event (G-1, G-12); {way}");

    check_catalog(engine, expected, way).await;
    check_people(engine, expected, way).await;
}

async fn check_export(engine: &Engine, expected: &Dataset, way: &str) {
    let (found, expected) = (export_values(engine).await, expected.exported());
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "event {at} of the export; {way}");
    }
    assert_eq!(found.len(), expected.len(), "events of the export; {way}");
}

/// A key of a group.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Text(String),
    Number(i64),
}

impl From<&Value> for Key {
    fn from(value: &Value) -> Self {
        value.as_i64().map_or_else(|| Self::Text(value.as_str().unwrap().to_owned()), Self::Number)
    }
}

async fn check_catalog(engine: &Engine, expected: &Dataset, way: &str) {
    let mut counts: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
    let catalog = ask(
        engine,
        "SELECT property, type, sum(rows) FROM property_catalog WHERE source = 'events' GROUP BY 1, 2",
    )
    .await;
    for row in catalog {
        let kind = match row[1].as_str().unwrap() {
            "string" | "date" => "string",
            "list" | "object" => "nested",
            "number" => "number",
            "boolean" => "boolean",
            "null" => "null",
            other => panic!("{other} is no type"),
        };
        *counts.entry((row[0].as_str().unwrap().to_owned(), kind)).or_default() += row[2].as_u64().unwrap();
    }
    counts.retain(|_, rows| *rows > 0);
    assert_eq!(counts, expected.value_counts(), "values by property and type (D-20); {way}");

    let inspection = engine.inspect().await.unwrap();
    let expected_counts = (
        expected.events.len() as u64,
        expected.users(&expected.events).len() as u64,
        expected.by_day().len() as u64,
    );
    assert_eq!((inspection.events, inspection.users, inspection.days), expected_counts, "inspect; {way}");
}

async fn check_people(engine: &Engine, expected: &Dataset, way: &str) {
    let identities = ask(engine, "SELECT id, user_id FROM identities").await;
    let identities: BTreeMap<String, String> = identities
        .into_iter()
        .map(|row| (row[0].as_str().unwrap().to_owned(), row[1].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(identities, expected.identity.mappings(), "identities; {way}");

    let users = dated_profiles(engine, "users", &["user_id"]).await;
    let expected_users: BTreeMap<Vec<String>, Profile> = expected
        .user_profiles()
        .into_iter()
        .map(|(id, profile)| (vec![id], without_nulls(profile)))
        .collect();
    assert_eq!(users, expected_users, "profiles of users; {way}");

    let groups = dated_profiles(engine, "groups", &["group_key", "group_id"]).await;
    let expected_groups: BTreeMap<Vec<String>, Profile> = expected
        .profiles
        .groups()
        .iter()
        .map(|((key, id), profile)| (vec![key.clone(), id.clone()], without_nulls(profile.clone())))
        .collect();
    assert_eq!(groups, expected_groups, "profiles of groups; {way}");
}

async fn dated_profiles(engine: &Engine, table: &str, keys: &[&str]) -> BTreeMap<Vec<String>, Profile> {
    let mut profiles = profiles(engine, table, keys).await;
    for profile in profiles.values_mut() {
        profile.properties.values_mut().for_each(|value| *value = dated(value.take()));
    }
    profiles
}

/// Explicit nulls are in no column.
fn without_nulls(mut profile: Profile) -> Profile {
    profile.properties.retain(|_, value| !value.is_null());
    profile.properties.values_mut().for_each(|value| *value = dated(value.take()));
    profile
}

/// Dates by the instant they mean: SQL spells them in its own way.
fn dated(value: Value) -> Value {
    match value.as_str().and_then(parse_date) {
        Some(DateValue::Civil(day)) => json!({"instant": day.start().millis()}),
        Some(DateValue::Instant(time)) => json!({"instant": time.millis()}),
        None => value,
    }
}

/// A history, the seeds of its ways, and whether they lead to a directory.
fn case() -> impl Strategy<Value = (Vec<Sent>, [u64; 2], bool)> {
    (history(), any::<[u64; 2]>(), proptest::bool::weighted(0.25))
}

fn every_way_is_the_oracles(system: System, cases: u32) {
    for_each_case(cases, &case(), |(history, seeds, on_disk)| async move {
        let records: Vec<Value> = history.iter().map(|sent| oracle::read(&sent.line)).collect();
        let expected = Dataset::of(system, &records, NOW.millis());
        for seed in seeds {
            let directory = tempfile::tempdir().unwrap();
            let url = if on_disk { directory.path().to_str().unwrap().to_owned() } else { memory_url() };
            let mut way = Way::new(seed, url, system).await;
            way.send(&history).await;
            let log = way.log.join(", ");
            check(&way.engine, &expected, &log).await;
            assert_eq!(
                way.counts,
                Counts {
                    received: expected.received,
                    stored: expected.received - expected.duplicates - expected.refused,
                    duplicates: expected.duplicates,
                    refused: expected.refused,
                },
                "{log}"
            );
            way.engine.compact(&CompactOptions { all: true }).await.unwrap();
            check_export(&way.engine, &expected, &format!("{log}, compact at the end")).await;
            way.engine.close().await.unwrap();
        }
    });
}

#[test]
fn simplified_identity() {
    every_way_is_the_oracles(System::Simplified, 100);
}

#[test]
fn original_identity() {
    every_way_is_the_oracles(System::Original, 60);
}

#[test]
fn no_identity() {
    every_way_is_the_oracles(System::None, 20);
}
