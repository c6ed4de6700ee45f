//! Large amounts: inputs → blocks → batches → a commit a chunk.
//!
//! One thread reads, decompresses and frames, several parse, and the importing thread puts batches
//! back in order and commits whenever a chunk is full. What is in flight is counted by permits, so
//! that memory is bounded whatever the size of the input.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tallymark_event::Event;
use tokio::runtime::Handle;
use tracing::info;

use crate::blocked::LeftOut;
use crate::blocking::blocking;
use crate::source::{InputFile, InputKind};
use crate::{
    BatchBuilder, Block, BlockReader, Blocked, ColumnMapping, Error, EventBatch, FrameOptions,
    ImportProgress, ImportReport, Ingestor, ParseOptions, REJECTIONS_SHOWN, Record, RejectedRecord,
    Rejection, Result, Scratch, WireForm, parse_record_into,
};

/// The part of the memory allowed that a chunk may take: the rest is for blocks in flight and for
/// encoding.
const CHUNK_SHARE: usize = 3;
/// Most events of a chunk: rows are numbered with 32 bits, and sorted in one piece.
const CHUNK_EVENTS: usize = 8 << 20;
/// Rows of CSV and Parquet in a batch.
const BATCH_ROWS: usize = 16 << 10;

/// How an import reads its inputs.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Stop at the first record that is refused, instead of reporting it and going on.
    pub strict: bool,
    /// Which endpoint's rules apply.
    pub form: WireForm,
    /// Which columns of CSV and Parquet are what.
    pub mapping: ColumnMapping,
}

/// A block on its way to be parsed; `number` counts through all inputs.
struct Work {
    number: u64,
    input: usize,
    content: Content,
}

enum Content {
    Block(Block),
    /// Rows of CSV and Parquet come parsed.
    Parsed(Box<Parsed>),
    /// The input cannot be read on.
    Failed(Error),
}

struct Done {
    number: u64,
    input: usize,
    content: Result<Parsed>,
}

/// A parsed block.
struct Parsed {
    batch: EventBatch,
    rejections: Vec<Rejection>,
    ignored: u64,
    left_out: LeftOut,
    /// Records accepted; an event with `user_properties` is one.
    accepted: u64,
    events: u64,
}

impl Ingestor {
    /// Reads inputs to their end and commits their records, a chunk at a time, in order.
    ///
    /// Bad records are reported and left out, or end the import if it is strict. An input that
    /// cannot be read on ends the import after what was read of it is committed.
    ///
    /// # Errors
    /// [`Error::Refused`] in a strict import, [`Error::CutShort`] for an input that cannot be read
    /// on; both say how much is stored. [`Error::Storage`] when nothing more can be committed.
    pub async fn import(
        self: &Arc<Self>,
        inputs: Vec<InputFile>,
        options: ImportOptions,
        progress: Arc<ImportProgress>,
    ) -> Result<ImportReport> {
        let (ingestor, runtime) = (Arc::clone(self), Handle::current());
        let work = move || Import::new(&ingestor, &inputs, &options, &progress, runtime).run();
        blocking(work).await
    }
}

/// What all threads of an import share.
struct Import<'a> {
    ingestor: &'a Ingestor,
    inputs: &'a [InputFile],
    options: &'a ImportOptions,
    progress: &'a ImportProgress,
    runtime: Handle,
    parse: ParseOptions,
    blocked: Arc<Blocked>,
    /// Tells the reader to stop early.
    stop: AtomicBool,
}

impl<'a> Import<'a> {
    fn new(
        ingestor: &'a Ingestor,
        inputs: &'a [InputFile],
        options: &'a ImportOptions,
        progress: &'a ImportProgress,
        runtime: Handle,
    ) -> Self {
        let parse = ParseOptions {
            form: options.form,
            limits: ingestor.config.limits.clone(),
            identity: ingestor.store.snapshot().manifest.settings.identity,
            ..ParseOptions::new(ingestor.clock.now())
        };
        let (blocked, stop) = (ingestor.blocked(), AtomicBool::new(false));
        Self { ingestor, inputs, options, progress, runtime, parse, blocked, stop }
    }

    fn run(&self) -> Result<ImportReport> {
        let started = Instant::now();
        if let Some(bytes) = self.inputs.iter().map(InputFile::bytes).sum() {
            self.progress.set_total(bytes);
        }
        let threads = self.ingestor.config.threads.max(1);
        let (work_in, work_out) = sync_channel::<Work>(threads);
        let (done_in, done_out) = channel::<Done>();
        let (permits_in, permits_out) = sync_channel::<()>(3 * threads + 2);
        let work_out = Mutex::new(work_out);
        let mut report = std::thread::scope(|scope| {
            scope.spawn(move || self.read(&work_in, &permits_in));
            for _ in 0..threads {
                let done_in = done_in.clone();
                scope.spawn(|| self.parse_blocks(&work_out, done_in));
            }
            drop(done_in);
            self.collect(&done_out, &permits_out)
        })?;
        report.inputs = self.inputs.len() as u64;
        report.bytes_read = self.progress.bytes_read();
        report.cancelled = self.progress.is_cancelled();
        report.elapsed_ms = started.elapsed().as_millis() as u64;
        info!(received = report.received, stored = report.stored, elapsed_ms = report.elapsed_ms, "imported");
        Ok(report)
    }

    // ---- the reading thread

    fn read(&self, work: &SyncSender<Work>, permits: &SyncSender<()>) {
        let mut number = 0;
        for input in 0..self.inputs.len() {
            let mut send = |content| {
                let sent = permits.send(()).is_ok() && work.send(Work { number, input, content }).is_ok();
                number += 1;
                sent && !self.is_stopped()
            };
            if let Err(error) = self.read_input(&self.inputs[input], &mut send) {
                send(Content::Failed(error));
                return;
            }
            if self.is_stopped() {
                return;
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed) || self.progress.is_cancelled()
    }

    fn read_input(&self, input: &InputFile, send: &mut dyn FnMut(Content) -> bool) -> Result<()> {
        if input.kind() != InputKind::Json {
            return self.read_rows(input, send);
        }
        let reader = input.open(self.progress.read_counter())?;
        let frame =
            FrameOptions { record_bytes_max: self.parse.limits.record_bytes_max, ..FrameOptions::default() };
        let mut blocks = BlockReader::new(input.name(), reader, frame);
        while let Some(block) = blocks.next_block()? {
            if !send(Content::Block(block)) {
                break;
            }
        }
        Ok(())
    }

    /// CSV and Parquet: rows come parsed and are gathered into batches here.
    fn read_rows(&self, input: &InputFile, send: &mut dyn FnMut(Content) -> bool) -> Result<()> {
        let empty = || self.rows(BatchBuilder::without_text(self.parse.received_at, self.parse.identity));
        let mut rows = empty();
        let mut stopped = false;
        let outcome =
            input.read_rows(&self.options.mapping, &self.parse, self.progress.read_counter(), &mut |row| {
                rows.push(row);
                // A strict import stores what precedes the first bad record, and nothing after it.
                let is_refused = self.options.strict && !rows.rejections.is_empty();
                if is_refused || rows.len() >= BATCH_ROWS {
                    let full = std::mem::replace(&mut rows, empty());
                    stopped = !send(Content::Parsed(Box::new(full.finish()))) || is_refused;
                }
                !stopped
            });
        if !stopped {
            send(Content::Parsed(Box::new(rows.finish())));
        }
        outcome
    }

    fn rows(&self, builder: BatchBuilder) -> Rows<'_> {
        Rows {
            builder: builder.ignoring_merges(self.parse.form == WireForm::Track),
            blocked: &self.blocked,
            rejections: Vec::new(),
            ignored: 0,
            left_out: LeftOut::default(),
            accepted: 0,
            events: 0,
        }
    }

    // ---- the parsing threads

    #[expect(clippy::needless_pass_by_value, reason = "the collector ends when the last sender is dropped")]
    fn parse_blocks(&self, work: &Mutex<Receiver<Work>>, done: Sender<Done>) {
        loop {
            // A poisoned lock means another thread panicked: the scope will say so.
            let Some(Work { number, input, content }) = work.lock().ok().and_then(|work| work.recv().ok())
            else {
                return;
            };
            let content = match content {
                Content::Block(block) => Ok(self.parse_block(block)),
                Content::Parsed(parsed) => Ok(*parsed),
                Content::Failed(error) => Err(error),
            };
            if done.send(Done { number, input, content }).is_err() {
                return;
            }
        }
    }

    fn parse_block(&self, mut block: Block) -> Parsed {
        let mut unframed = block.take_rejections().into_iter().peekable();
        let (received_at, identity) = (self.parse.received_at, self.parse.identity);
        let mut rows = self.rows(BatchBuilder::new(block.text().clone(), received_at, identity));
        let mut scratch = Scratch::default();
        for record in block.records() {
            while let Some(rejection) = unframed.next_if(|rejection| rejection.index < record.index) {
                rows.push(Err(rejection));
            }
            // A strict import stores what precedes the first bad record, and nothing after it.
            if self.options.strict && !rows.rejections.is_empty() {
                return rows.finish();
            }
            match parse_record_into(&mut scratch, record.text, &self.parse) {
                Ok(Record::Event(event)) => {
                    if let Some(event) = rows.push_event(event) {
                        scratch.recycle(event);
                    }
                }
                Ok(other) => rows.push(Ok(other)),
                Err(error) => rows.push(Err(Rejection::new(&record, error))),
            }
        }
        for rejection in unframed {
            rows.push(Err(rejection));
        }
        rows.finish()
    }

    // ---- the committing thread

    fn collect(&self, done: &Receiver<Done>, permits: &Receiver<()>) -> Result<ImportReport> {
        let mut chunk = ChunkInProgress::new(self);
        let mut early: BTreeMap<u64, Done> = BTreeMap::new();
        let mut next = 0;
        let mut outcome = Ok(());
        while let Ok(block) = done.recv() {
            early.insert(block.number, block);
            while let Some(block) = early.remove(&next) {
                next += 1;
                if outcome.is_ok() {
                    outcome = chunk.add(block);
                    self.stop.fetch_or(outcome.is_err(), Relaxed);
                }
                // The reader may have left already.
                let _ = permits.recv();
            }
        }
        match outcome {
            Ok(()) => {
                chunk.seal()?;
                Ok(chunk.report)
            }
            Err(Error::Refused { input, rejection, .. }) => {
                chunk.seal()?;
                Err(Error::Refused { input, rejection, stored: chunk.report.stored })
            }
            Err(error @ (Error::Storage { .. } | Error::Columns { .. })) => Err(error),
            Err(error) => {
                chunk.seal()?;
                let stored = chunk.report.stored;
                Err(if stored == 0 { error } else { Error::CutShort { stored, source: Box::new(error) } })
            }
        }
    }
}

/// Records on their way into a batch.
struct Rows<'b> {
    builder: BatchBuilder,
    blocked: &'b Blocked,
    rejections: Vec<Rejection>,
    ignored: u64,
    left_out: LeftOut,
    accepted: u64,
    events: u64,
}

impl Rows<'_> {
    fn len(&self) -> usize {
        self.builder.records() + self.rejections.len()
    }

    fn push(&mut self, record: Result<Record<'_>, Rejection>) {
        match record {
            Ok(Record::Event(event)) => drop(self.push_event(event)),
            Ok(Record::EventAndProfile(event, update)) => {
                if self.push_event(event).is_none() {
                    // What it says of the user is no part of the event.
                    self.accepted += 1;
                }
                self.builder.push_update(update);
            }
            Ok(Record::Profile(update)) => {
                self.accepted += 1;
                self.builder.push_update(update);
            }
            Ok(Record::Ignored) => self.ignored += 1,
            Err(rejection) => self.rejections.push(rejection),
        }
    }

    /// Gives the event back, unless it is blocked.
    fn push_event<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        let event = self.blocked.pass(event, &mut self.left_out)?;
        self.accepted += 1;
        self.events += 1;
        self.builder.push_event(&event);
        Some(event)
    }

    fn finish(self) -> Parsed {
        Parsed {
            batch: self.builder.finish(),
            rejections: self.rejections,
            ignored: self.ignored,
            left_out: self.left_out,
            accepted: self.accepted,
            events: self.events,
        }
    }
}

/// Batches that are not committed yet, and what is reported so far.
struct ChunkInProgress<'a> {
    import: &'a Import<'a>,
    report: ImportReport,
    batches: Vec<EventBatch>,
    bytes: usize,
    rows: usize,
    accepted: u64,
    accepted_events: u64,
}

impl<'a> ChunkInProgress<'a> {
    fn new(import: &'a Import<'a>) -> Self {
        let report = ImportReport::default();
        Self { import, report, batches: Vec::new(), bytes: 0, rows: 0, accepted: 0, accepted_events: 0 }
    }

    fn add(&mut self, block: Done) -> Result<()> {
        let parsed = block.content?;
        let (import, input) = (self.import, self.import.inputs[block.input].name());
        self.report.received += parsed.accepted;
        self.report.ignored += parsed.ignored;
        self.report.blocked_events += parsed.left_out.events;
        self.report.blocked_properties += parsed.left_out.properties;
        import.progress.add_records(parsed.accepted + parsed.rejections.len() as u64);
        self.accepted += parsed.accepted;
        self.accepted_events += parsed.events;
        self.bytes += parsed.batch.bytes();
        self.rows += parsed.batch.events();
        if parsed.batch.records() > 0 {
            self.batches.push(parsed.batch);
        }
        for rejection in parsed.rejections {
            self.report.received += 1;
            self.report.refused += 1;
            import.progress.reject(input, &rejection);
            if import.options.strict {
                let rejection = Box::new(rejection);
                return Err(Error::Refused { input: input.to_owned(), rejection, stored: 0 });
            }
            if self.report.rejections.len() < REJECTIONS_SHOWN {
                self.report.rejections.push(RejectedRecord::new(input, &rejection));
            }
        }
        let is_full =
            self.bytes >= import.ingestor.config.memory_bytes / CHUNK_SHARE || self.rows >= CHUNK_EVENTS;
        if is_full { self.seal() } else { Ok(()) }
    }

    fn seal(&mut self) -> Result<()> {
        if self.batches.is_empty() {
            self.report.snapshot = self.import.ingestor.store.snapshot().manifest.version;
            return Ok(());
        }
        let batches = std::mem::take(&mut self.batches);
        let sealed = self.import.runtime.block_on(self.import.ingestor.seal(batches))?;
        let (accepted, events) =
            (std::mem::take(&mut self.accepted), std::mem::take(&mut self.accepted_events));
        self.report.snapshot = sealed.snapshot;
        self.report.duplicates += sealed.duplicates;
        self.report.stored += accepted - sealed.duplicates;
        self.report.events += events - sealed.duplicates;
        self.report.profile_updates += accepted - events;
        self.import.progress.add_stored(accepted - sealed.duplicates);
        (self.bytes, self.rows) = (0, 0);
        Ok(())
    }
}
