//! [`Ingestor`]: the one who writes events into a dataset.
//!
//! Small amounts go through [`Ingestor::append`]: the write-ahead log, then the memtable, which
//! queries see at once; a flush later makes files of it. Large ones go through
//! [`Ingestor::import`]: straight to files, a commit a chunk. Both end in [`Ingestor::seal`].

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arrow::array::Array as _;
use bytes::Bytes;
use futures::{TryStreamExt as _, stream};
use tallymark_event::{Clock, Day, Event, PropertyCatalog, Timestamp};
use tallymark_storage::{
    Append, Commit, DataFile, EventStore, FileSettings, MemBatch, MemChange, Merge, PeopleEntry, Replayed,
    Snapshot, Uncommitted, WriteGuard, merge_files,
};
use tallymark_users::{Identities, ProfileUpdate};
use tokio::sync::Mutex;
use tracing::{debug, info, warn};

use crate::blocked::LeftOut;
use crate::blocking::blocking;
use crate::lanes::{Gather, open_lanes};
use crate::partition::{Chunk, partition};
use crate::people::apply_people;
use crate::repeats::{StoredKeys, fingerprint};
use crate::spread::spread;
use crate::wal_payload::{Accepted, Payload};
use crate::write::{encode, mem_batch};
use crate::{
    AppendReport, BatchBuilder, BlockReader, Blocked, EventBatch, FrameOptions, Limits, ParseOptions, Record,
    RecordError, RejectedRecord, Rejection, Result, WireForm, check_event, parse_record,
};

/// How many files are uploaded at a time.
const UPLOADS: usize = 8;
/// Days whose repeats are looked for together: the fingerprints of their files are read at once.
const DAYS_TOGETHER: usize = 64;

/// How an [`Ingestor`] works.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// Sizes of records (D-30).
    pub limits: Limits,
    /// About how much memory an import may take.
    pub memory_bytes: usize,
    /// The memtable is flushed when it holds this much,
    pub flush_bytes: usize,
    /// or when its oldest record is this old.
    pub flush_age: Duration,
    /// Threads that parse.
    pub threads: usize,
}

impl Default for IngestConfig {
    /// Relaxed limits, 1 GiB for imports, flush at 64 MiB or after a minute, a thread a core.
    fn default() -> Self {
        Self {
            limits: Limits::relaxed(),
            memory_bytes: 1 << 30,
            flush_bytes: 64 << 20,
            flush_age: Duration::from_mins(1),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// Writes events into a dataset: one for each open store.
#[derive(Debug)]
pub struct Ingestor {
    pub(crate) store: EventStore,
    pub(crate) config: IngestConfig,
    pub(crate) clock: Arc<dyn Clock>,
    state: Mutex<State>,
    blocked: RwLock<Arc<Blocked>>,
}

/// What is acknowledged but in no file yet, and what is known of stored keys.
#[derive(Debug, Default)]
struct State {
    pending: Vec<Numbered>,
    pending_keys: HashSet<u64>,
    pending_since: Option<Timestamp>,
    stored_keys: StoredKeys,
    /// Of a reader: the commit that the log was last replayed onto, without what was replayed.
    commit: Option<Arc<Snapshot>>,
}

impl State {
    fn pending_bytes(&self) -> usize {
        self.pending.iter().map(|numbered| numbered.batch.bytes()).sum()
    }

    fn clear_pending(&mut self) {
        self.pending.clear();
        self.pending_keys.clear();
        self.pending_since = None;
    }
}

/// The records of one append, judged.
#[derive(Debug, Default)]
struct Appended {
    report: AppendReport,
    records: Vec<Accepted>,
    /// Whether `$merge` has no effect where they were sent (I-23).
    ignores_merges: bool,
    blocked: Arc<Blocked>,
    left_out: LeftOut,
}

impl Appended {
    fn accept(&mut self, record: Record<'_>) {
        match record {
            Record::Ignored => {
                self.report.ignored += 1;
                return;
            }
            Record::Event(event) => {
                let Some(event) = self.blocked.pass(event, &mut self.left_out) else { return };
                self.records.push(Accepted::Event(event.into_owned()));
            }
            Record::Profile(update) => self.records.push(Accepted::Update(update)),
            Record::EventAndProfile(event, update) => {
                // What it says of the user is no part of the event.
                let event = self.blocked.pass(event, &mut self.left_out);
                self.records.extend(event.map(|event| Accepted::Event(event.into_owned())));
                self.records.push(Accepted::Update(update));
            }
        }
        self.report.received += 1;
    }

    fn refuse(&mut self, rejection: &Rejection) {
        self.report.received += 1;
        self.report.refused.push(RejectedRecord::new("records", rejection));
    }
}

/// A batch whose people were applied, and its first sequence number.
#[derive(Debug, Clone)]
struct Numbered {
    batch: Arc<EventBatch>,
    first_sequence: i64,
}

/// What sealing a chunk did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sealed {
    pub(crate) duplicates: u64,
    pub(crate) snapshot: u64,
}

impl Ingestor {
    /// An ingestor into `store`, with the memtable empty: see [`Ingestor::replay`].
    pub fn new(store: EventStore, config: IngestConfig, clock: Arc<dyn Clock>) -> Self {
        Self { store, config, clock, state: Mutex::default(), blocked: RwLock::default() }
    }

    /// From now on this is not stored (M-24).
    pub fn block(&self, blocked: Blocked) {
        *self.blocked.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(blocked);
    }

    pub(crate) fn blocked(&self) -> Arc<Blocked> {
        Arc::clone(&self.blocked.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts acknowledged records that are in no file yet back into the memtable: to be called once
    /// after opening, by readers after each refresh.
    pub async fn replay(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        let mut entries = self.store.wal_entries().await?;
        let present = self.store.snapshot();
        // A reader's view has what was replayed before: it starts over from the commit alone.
        let snapshot = match state.commit.take() {
            Some(commit) if commit.manifest.version == present.manifest.version => commit,
            _ => Arc::clone(&present),
        };
        if !self.store.is_writable() {
            state.commit = Some(Arc::clone(&snapshot));
        }
        // The commit may be newer than the log as it was read, by a refresh beside this one.
        entries.retain(|entry| entry.number >= snapshot.manifest.wal_flushed);
        let last_wal = entries.last().map(|entry| entry.number);
        state.clear_pending();
        if last_wal.is_none() && present.last_wal.is_none() {
            return Ok(());
        }
        let mut identities = (*snapshot.identities).clone();
        let mut profiles = (*snapshot.profiles).clone();
        let mut people = Vec::new();
        let mut next_sequence = snapshot.next_sequence;
        for entry in &entries {
            let payload = Payload::decode(entry.number, &entry.payload)?;
            let mut batch = self.batch_of(&payload);
            people.extend(apply_people(&mut batch, payload.first_sequence, &mut identities, &mut profiles));
            next_sequence = payload.first_sequence + batch.records() as i64;
            state.pending_since.get_or_insert(payload.received_at);
            state.pending_keys.extend(keys_of(&batch));
            state.pending.push(Numbered { batch: Arc::new(batch), first_sequence: payload.first_sequence });
        }
        let mut catalog = (*snapshot.catalog).clone();
        let batches = match last_wal {
            Some(last_wal) => vec![memtable(&state.pending, &identities, &mut catalog, last_wal)?],
            None => Vec::new(),
        };
        info!(
            entries = entries.len(),
            records = next_sequence - snapshot.next_sequence,
            "replayed the write-ahead log"
        );
        self.store.publish_replayed(Replayed {
            batches,
            catalog: Arc::new(catalog),
            identities: Arc::new(identities),
            profiles: Arc::new(profiles),
            people,
            next_sequence,
            last_wal,
            version: snapshot.manifest.version,
        });
        Ok(())
    }

    /// Takes JSON text of records in, framed as in a file, each refused or accepted; durable and
    /// visible when this returns. `form` says which endpoint's rules apply.
    pub async fn append_json(&self, text: &[u8], form: WireForm) -> Result<AppendReport> {
        let options = self.parse_options(form);
        let frame =
            FrameOptions { record_bytes_max: options.limits.record_bytes_max, ..FrameOptions::default() };
        let mut blocks = BlockReader::new("records", text, frame);
        let mut appended = self.appended(form);
        while let Some(mut block) = blocks.next_block()? {
            for rejection in block.take_rejections() {
                appended.refuse(&rejection);
            }
            for record in block.records() {
                match parse_record(record.text, &options) {
                    Ok(record) => appended.accept(record),
                    Err(error) => appended.refuse(&Rejection::new(&record, error)),
                }
            }
        }
        appended.report.refused.sort_by_key(|refused| refused.index);
        self.append(appended, options.received_at).await
    }

    /// Takes events in, each refused or accepted; durable and visible when this returns.
    pub async fn append_events(&self, events: Vec<Event<'static>>) -> Result<AppendReport> {
        let options = self.parse_options(WireForm::Lenient);
        let mut appended = self.appended(WireForm::Lenient);
        for (event, index) in events.into_iter().zip(0..) {
            match check_event(event, &options) {
                Ok(record) => appended.accept(record),
                Err(RecordError { field, message }) => {
                    appended.report.received += 1;
                    appended.report.refused.push(RejectedRecord {
                        input: "events".to_owned(),
                        index,
                        line: None,
                        byte_offset: 0,
                        field,
                        message,
                    });
                }
            }
        }
        self.append(appended, options.received_at).await
    }

    /// Takes profile and group updates in; durable and visible when this returns.
    pub async fn append_updates(&self, updates: Vec<ProfileUpdate>) -> Result<AppendReport> {
        let mut appended = Appended::default();
        for update in updates {
            appended.accept(Record::Profile(update));
        }
        self.append(appended, self.clock.now()).await
    }

    fn appended(&self, form: WireForm) -> Appended {
        Appended { ignores_merges: form == WireForm::Track, blocked: self.blocked(), ..Appended::default() }
    }

    fn parse_options(&self, form: WireForm) -> ParseOptions {
        ParseOptions {
            form,
            limits: self.config.limits.clone(),
            identity: self.store.snapshot().manifest.settings.identity,
            ..ParseOptions::new(self.clock.now())
        }
    }

    async fn append(&self, appended: Appended, received_at: Timestamp) -> Result<AppendReport> {
        let Appended { mut report, records, ignores_merges, left_out, .. } = appended;
        report.blocked_events = left_out.events;
        report.blocked_properties = left_out.properties;
        report.duplicates = self.append_accepted(records, ignores_merges, received_at).await?;
        report.stored = report.received - report.refused.len() as u64 - report.duplicates;
        Ok(report)
    }

    /// Takes accepted records in; durable and visible when this returns. Returns how many events
    /// were repeats.
    async fn append_accepted(
        &self,
        records: Vec<Accepted>,
        ignores_merges: bool,
        received_at: Timestamp,
    ) -> Result<u64> {
        if records.is_empty() {
            return Ok(0);
        }
        let mut state = self.state.lock().await;
        let mut guard = self.store.write().await?;
        if state.pending_bytes() / 2 >= self.config.flush_bytes {
            // Earlier flushes failed. Memory is bounded: without one that succeeds nothing more is taken.
            self.flush_pending(&mut state, &mut guard).await?;
        }
        let snapshot = guard.snapshot();
        let payload = Payload { received_at, first_sequence: guard.next_sequence(), ignores_merges, records };
        let mut batch = self.batch_of(&payload);
        let keys = keys_of(&batch);
        if self.any_stored(&mut state, &snapshot, &batch, &keys).await? {
            // Replacing what is in files takes a commit: everything goes there, in order.
            self.flush_pending(&mut state, &mut guard).await?;
            return Ok(self.seal_locked(&mut state, &mut guard, vec![batch]).await?.duplicates);
        }
        let mut identities = (*snapshot.identities).clone();
        let mut profiles = (*snapshot.profiles).clone();
        let people = apply_people(&mut batch, payload.first_sequence, &mut identities, &mut profiles);
        let next_sequence = payload.first_sequence + batch.records() as i64;
        let repeats_pending = keys.iter().any(|key| state.pending_keys.contains(key));
        let numbered = Numbered { batch: Arc::new(batch), first_sequence: payload.first_sequence };

        let mut catalog = (*snapshot.catalog).clone();
        let last_wal = snapshot.last_wal.map_or(snapshot.manifest.wal_flushed, |last| last + 1);
        let rows_before: usize = snapshot.memtable.iter().map(|batch| batch.batch.num_rows()).sum();
        let events = numbered.batch.events();
        let (batches, rows_after) = if repeats_pending {
            let all: Vec<Numbered> = state.pending.iter().cloned().chain([numbered.clone()]).collect();
            let batch = memtable(&all, &identities, &mut catalog, last_wal)?;
            let rows = batch.batch.num_rows();
            (MemChange::Replace(vec![batch]), rows)
        } else {
            let batch = memtable(std::slice::from_ref(&numbered), &identities, &mut catalog, last_wal)?;
            let rows = batch.batch.num_rows();
            (MemChange::Add(vec![batch]), rows_before + rows)
        };
        let change = Append {
            batches,
            catalog: Arc::new(catalog),
            identities: Arc::new(identities),
            profiles: Arc::new(profiles),
            people,
            next_sequence,
        };
        guard.append(payload.encode(), change).await?;
        state.pending_since.get_or_insert(received_at);
        state.pending_keys.extend(keys);
        state.pending.push(numbered);
        if state.pending_bytes() >= self.config.flush_bytes
            && let Err(error) = self.flush_pending(&mut state, &mut guard).await
        {
            // The records are durable and visible, so that this append has not failed.
            warn!(error = %error, "cannot flush the memtable; its records are safe in the log");
        }
        Ok((rows_before + events - rows_after) as u64)
    }

    /// Makes files of the memtable.
    pub async fn flush(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        let mut guard = self.store.write().await?;
        self.flush_pending(&mut state, &mut guard).await
    }

    /// Makes files of the memtable if its oldest record is older than configured.
    pub async fn flush_if_due(&self) -> Result<()> {
        let age_max = self.config.flush_age.as_millis() as i64;
        let now = self.clock.now().millis();
        let since = self.state.lock().await.pending_since;
        if since.is_some_and(|since| now - since.millis() >= age_max) { self.flush().await } else { Ok(()) }
    }

    /// Commits batches, in this order.
    pub(crate) async fn seal(&self, batches: Vec<EventBatch>) -> Result<Sealed> {
        let mut state = self.state.lock().await;
        let mut guard = self.store.write().await?;
        self.flush_pending(&mut state, &mut guard).await?;
        self.seal_locked(&mut state, &mut guard, batches).await
    }

    async fn flush_pending(&self, state: &mut State, guard: &mut WriteGuard<'_>) -> Result<()> {
        if state.pending.is_empty() {
            return Ok(());
        }
        let put = self.store.uncommitted();
        let flushed = self.flush_pending_to(&put, state, guard).await;
        // Of a flush that failed; otherwise there are none.
        put.discard().await;
        flushed
    }

    async fn flush_pending_to(
        &self,
        put: &Uncommitted,
        state: &mut State,
        guard: &mut WriteGuard<'_>,
    ) -> Result<()> {
        let snapshot = guard.snapshot();
        let prepared = self.prepare(state.pending.clone(), &snapshot.identities, &snapshot.catalog).await?;
        put_all(put, &prepared.files).await?;
        let change = Commit {
            add: prepared.files.iter().map(|(_, file)| file.clone()).collect(),
            catalog: Arc::new(prepared.catalog),
            flushed_memtable: true,
            ..Commit::of(&snapshot)
        };
        guard.commit(change).await?;
        debug!(files = prepared.files.len(), "flushed the memtable");
        keep_keys(&mut state.stored_keys, prepared.keys, &prepared.files);
        state.clear_pending();
        Ok(())
    }

    async fn seal_locked(
        &self,
        state: &mut State,
        guard: &mut WriteGuard<'_>,
        batches: Vec<EventBatch>,
    ) -> Result<Sealed> {
        let put = self.store.uncommitted();
        let sealed = self.seal_to(&put, state, guard, batches).await;
        // What merges superseded, and everything if the commit failed.
        put.discard().await;
        sealed
    }

    async fn seal_to(
        &self,
        put: &Uncommitted,
        state: &mut State,
        guard: &mut WriteGuard<'_>,
        batches: Vec<EventBatch>,
    ) -> Result<Sealed> {
        let snapshot = guard.snapshot();
        let mut identities = (*snapshot.identities).clone();
        let mut profiles = (*snapshot.profiles).clone();
        let mut next_sequence = guard.next_sequence();
        let mut people: Vec<PeopleEntry> = Vec::new();
        let mut numbered = Vec::with_capacity(batches.len());
        for mut batch in batches {
            people.extend(apply_people(&mut batch, next_sequence, &mut identities, &mut profiles));
            let first_sequence = next_sequence;
            next_sequence += batch.records() as i64;
            numbered.push(Numbered { batch: Arc::new(batch), first_sequence });
        }
        let identities = Arc::new(identities);
        let prepared = self.prepare(numbered, &identities, &snapshot.catalog).await?;
        put_all(put, &prepared.files).await?;

        let catalog = Arc::new(prepared.catalog);
        let mut change = Commit {
            people,
            catalog: Arc::clone(&catalog),
            identities: Arc::clone(&identities),
            profiles: Arc::new(profiles),
            next_sequence,
            ..Commit::of(&snapshot)
        };
        let mut duplicates = prepared.duplicates;
        let mut by_day: BTreeMap<Day, Vec<DataFile>> = BTreeMap::new();
        for (_, file) in &prepared.files {
            by_day.entry(file.day).or_default().push(file.clone());
        }
        let days: Vec<(Day, Vec<DataFile>)> = by_day.into_iter().collect();
        for days in days.chunks(DAYS_TOGETHER) {
            let suspects = days.iter().flat_map(|(day, _)| suspects(&snapshot, *day, prepared.keys.get(day)));
            state.stored_keys.load(&self.store, &snapshot, suspects, self.config.threads).await?;
            let mut merges = Vec::new();
            for (day, new_files) in days {
                let repeated = self.files_with(state, &snapshot, *day, prepared.keys.get(day)).await?;
                if repeated.is_empty() {
                    change.add.extend(new_files.iter().cloned());
                    continue;
                }
                let inputs = repeated.iter().chain(new_files).cloned().collect();
                merges.push(self.merge_repeats(*day, inputs, &catalog, &identities));
                change.remove.extend(repeated.into_iter().map(|file| file.path));
            }
            for merged in spread(self.config.threads, merges).await? {
                put.take_over(&merged.put);
                duplicates += merged.duplicates;
                change.add.extend(merged.files);
            }
        }
        let committed = guard.commit(change).await?;
        keep_keys(&mut state.stored_keys, prepared.keys, &prepared.files);
        Ok(Sealed { duplicates, snapshot: committed.manifest.version })
    }

    /// Merges new files of a day with those that hold events which they repeat.
    fn merge_repeats(
        &self,
        day: Day,
        inputs: Vec<DataFile>,
        catalog: &Arc<PropertyCatalog>,
        identities: &Arc<Identities>,
    ) -> impl Future<Output = Result<Merged>> + Send + use<> {
        let (store, catalog, identities) = (self.store.clone(), Arc::clone(catalog), Arc::clone(identities));
        async move {
            let merge =
                Merge { day, files: &inputs, catalog: &catalog, identities: &identities, keep: &|_| true };
            let files = merge_files(&store, merge).await?;
            let put = store.uncommitted();
            put.adopt(&files);
            let rows = |files: &[DataFile]| files.iter().map(|file| file.rows).sum::<u64>();
            Ok(Merged { duplicates: rows(&inputs) - rows(&files), files, put })
        }
    }

    /// The files of a day that hold events with one of these fingerprints.
    async fn files_with(
        &self,
        state: &mut State,
        snapshot: &Snapshot,
        day: Day,
        keys: Option<&DayKeys>,
    ) -> Result<Vec<DataFile>> {
        let fingerprints = keys.map_or(&[][..], |keys| &keys.fingerprints);
        let mut found = Vec::new();
        for file in suspects(snapshot, day, keys) {
            let stored = state.stored_keys.of(&self.store, snapshot, file).await?;
            if fingerprints.iter().any(|key| stored.binary_search(key).is_ok()) {
                found.push(file.clone());
            }
        }
        Ok(found)
    }

    /// Whether any event of a batch is in a file already.
    async fn any_stored(
        &self,
        state: &mut State,
        snapshot: &Snapshot,
        batch: &EventBatch,
        keys: &[u64],
    ) -> Result<bool> {
        if keys.is_empty() || snapshot.manifest.files.is_empty() {
            return Ok(false);
        }
        let mut by_day: BTreeMap<Day, DayKeys> = BTreeMap::new();
        let keyed = (0..batch.events()).filter(|&row| batch.insert_ids.is_valid(row));
        for (row, &key) in keyed.zip(keys) {
            let time = Timestamp::from_millis(batch.times[row]);
            by_day.entry(time.day()).or_insert_with(|| DayKeys::new(time)).add(time, key);
        }
        for (day, keys) in &by_day {
            if !self.files_with(state, snapshot, *day, Some(keys)).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sorts and encodes batches, on a thread that may take its time.
    async fn prepare(
        &self,
        numbered: Vec<Numbered>,
        identities: &Arc<Identities>,
        catalog: &Arc<PropertyCatalog>,
    ) -> Result<Prepared> {
        let (identities, mut catalog) = (Arc::clone(identities), (**catalog).clone());
        let settings = self.store.config().file.clone();
        let work = move || {
            prepare(&numbered, &identities, &mut catalog, &settings)
                .map(|(files, keys, duplicates)| Prepared { files, keys, duplicates, catalog })
        };
        blocking(work).await
    }

    fn batch_of(&self, payload: &Payload) -> EventBatch {
        let system = self.store.snapshot().manifest.settings.identity;
        let mut builder =
            BatchBuilder::without_text(payload.received_at, system).ignoring_merges(payload.ignores_merges);
        for record in &payload.records {
            match record {
                Accepted::Event(event) => builder.push_event(event),
                Accepted::Update(update) => builder.push_update(update.clone()),
            }
        }
        builder.finish()
    }
}

/// The files of a day that may hold events with one of these fingerprints, by what the manifest says.
fn suspects<'s>(
    snapshot: &'s Snapshot,
    day: Day,
    keys: Option<&DayKeys>,
) -> impl Iterator<Item = &'s DataFile> + use<'s> {
    let times = keys.filter(|keys| !keys.fingerprints.is_empty()).map(|keys| (keys.min_time, keys.max_time));
    let files = if times.is_some() { snapshot.manifest.files_of(day) } else { &[] };
    files.iter().filter(move |file| {
        file.keyed_rows > 0 && times.is_some_and(|(min, max)| min <= file.max_time && file.min_time <= max)
    })
}

async fn put_all(put: &Uncommitted, files: &[(Bytes, DataFile)]) -> Result<()> {
    stream::iter(files.iter().map(Ok::<_, crate::Error>))
        .try_for_each_concurrent(
            UPLOADS,
            |(bytes, file)| async move { Ok(put.put(file, bytes.clone()).await?) },
        )
        .await
}

/// Files that took the place of others in which events were repeated.
struct Merged {
    files: Vec<DataFile>,
    put: Uncommitted,
    duplicates: u64,
}

/// A chunk ready to be committed.
struct Prepared {
    files: Vec<(Bytes, DataFile)>,
    keys: BTreeMap<Day, DayKeys>,
    duplicates: u64,
    catalog: PropertyCatalog,
}

/// The fingerprints of a day's events, and when they happened.
#[derive(Debug)]
struct DayKeys {
    fingerprints: Vec<u64>,
    min_time: Timestamp,
    max_time: Timestamp,
}

impl DayKeys {
    fn new(time: Timestamp) -> Self {
        Self { fingerprints: Vec::new(), min_time: time, max_time: time }
    }

    fn add(&mut self, time: Timestamp, key: u64) {
        self.fingerprints.push(key);
        self.min_time = self.min_time.min(time);
        self.max_time = self.max_time.max(time);
    }
}

type Encoded = (Vec<(Bytes, DataFile)>, BTreeMap<Day, DayKeys>, u64);

fn prepare(
    numbered: &[Numbered],
    identities: &Identities,
    catalog: &mut PropertyCatalog,
    settings: &FileSettings,
) -> Result<Encoded> {
    let chunk = chunk(numbered);
    let partitioned = partition(&chunk, identities);
    let sources = open_lanes(&chunk, catalog);
    let gather = Gather::new(&chunk, &partitioned, catalog, &sources);
    let files = encode(&gather, identities.version(), settings)?;
    let mut keys: BTreeMap<Day, DayKeys> = BTreeMap::new();
    for numbered in numbered {
        let batch = &numbered.batch;
        let keyed = (0..batch.events()).filter(|&row| batch.insert_ids.is_valid(row));
        for (row, key) in keyed.zip(keys_of(batch)) {
            let time = Timestamp::from_millis(batch.times[row]);
            keys.entry(time.day()).or_insert_with(|| DayKeys::new(time)).add(time, key);
        }
    }
    Ok((files, keys, partitioned.duplicates as u64))
}

/// One batch in memory of all these.
fn memtable(
    numbered: &[Numbered],
    identities: &Identities,
    catalog: &mut PropertyCatalog,
    last_wal: u64,
) -> Result<MemBatch> {
    let chunk = chunk(numbered);
    let partitioned = partition(&chunk, identities);
    let sources = open_lanes(&chunk, catalog);
    mem_batch(&Gather::new(&chunk, &partitioned, catalog, &sources), identities.version(), last_wal)
}

fn chunk(numbered: &[Numbered]) -> Chunk<'_> {
    Chunk::new(numbered.iter().map(|numbered| (&*numbered.batch, numbered.first_sequence)))
}

/// The fingerprints of the events that have an insert id, in order of rows.
fn keys_of(batch: &EventBatch) -> Vec<u64> {
    (0..batch.events())
        .filter(|&row| batch.insert_ids.is_valid(row))
        .map(|row| {
            let assigned_id = batch.assigned.value(batch.assigned_codes[row] as usize);
            fingerprint(batch.names.value(row), assigned_id, batch.times[row], batch.insert_ids.value(row))
        })
        .collect()
}

/// Remembers the keys of new files, where a day has one.
fn keep_keys(stored: &mut StoredKeys, keys: BTreeMap<Day, DayKeys>, files: &[(Bytes, DataFile)]) {
    let mut by_day: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
    for (_, file) in files {
        by_day.entry(file.day).or_default().push(file);
    }
    for (day, keys) in keys {
        if let Some([file]) = by_day.get(&day).map(Vec::as_slice) {
            stored.insert(&file.path, keys.fingerprints);
        }
    }
}
