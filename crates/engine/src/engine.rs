//! [`Engine`]: a dataset, open.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{DataFrame, SessionContext};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tallymark_event::{Clock, Event};
use tallymark_ingest::{
    AppendReport, ImportOptions, ImportProgress, ImportReport, Ingestor, Input, WireForm, expand,
};
use tallymark_query::tables::TABLES;
use tallymark_query::{ExportOptions, ExportedLines, MemoryUsage, QueryRuntime, export};
use tallymark_report::Report;
use tallymark_storage::{Attachment, Commit, DataFile, EventStore, Location, Snapshot};
use tallymark_users::ProfileUpdate;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::answer::AnswerLimits;
use crate::background::{QueryThreads, flush_when_due};
use crate::definitions::blocked;
use crate::error::{chain, explain_missing_files};
use crate::{Answer, EngineConfig, Error, Result, SnapshotInfo, View};

/// A dataset, open for reading or for reading and writing. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: EventStore,
    pub(crate) ingestor: Arc<Ingestor>,
    pub(crate) clock: Arc<dyn Clock>,
    queries: QueryRuntime,
    answer_limits: AnswerLimits,
    threads: QueryThreads,
    flusher: Option<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(flusher) = &self.flusher {
            flusher.abort();
        }
    }
}

impl Engine {
    /// Opens the dataset at a path or URL (`./data`, `file:///…`, `memory:///name`, `s3://…`,
    /// `gs://…`, `az://…`) for reading and writing, and makes it if it is missing.
    ///
    /// What an earlier process acknowledged and did not make files of is there again.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Conflict`] while another process writes, naming it.
    pub async fn open(url: &str, config: EngineConfig) -> Result<Self> {
        Self::open_at(Location::parse(url)?, config).await
    }

    /// [`Engine::open`] for a dataset in a store made elsewhere ([`Location::with_store`]).
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn open_at(location: Location, config: EngineConfig) -> Result<Self> {
        let store = EventStore::create_or_open(location, config.storage(), Arc::clone(&config.clock)).await?;
        Self::start(store, &config).await
    }

    /// Opens the dataset at a path or URL for reading. See [`Engine::refresh`].
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] if there is none.
    pub async fn open_read_only(url: &str, config: EngineConfig) -> Result<Self> {
        let location = Location::parse(url)?;
        let store = EventStore::open(location, config.storage(), Arc::clone(&config.clock)).await?;
        Self::start(store, &config).await
    }

    async fn start(store: EventStore, config: &EngineConfig) -> Result<Self> {
        let ingestor = Arc::new(Ingestor::new(store.clone(), config.ingest(), Arc::clone(&config.clock)));
        ingestor.replay().await?;
        ingestor.block(blocked(&store.snapshot())?);
        let flusher = store.is_writable().then(|| flush_when_due(&ingestor, config.flush_age));
        let queries = QueryRuntime::try_new(config.query())?;
        let threads = QueryThreads::start(config.threads)?;
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                ingestor,
                clock: Arc::clone(&config.clock),
                queries,
                answer_limits: config.answer(),
                threads,
                flusher,
            }),
        })
    }

    /// Flushes, deletes what no retained snapshot needs, and lets go of the writer's lease.
    ///
    /// Dropping an engine instead loses nothing either: what is not flushed is in the log.
    ///
    /// # Errors
    /// When the last records cannot be made files; they stay in the log.
    pub async fn close(self) -> Result<()> {
        if self.inner.store.is_writable() {
            self.flush().await?;
            if let Err(failed) = self.clean_up().await {
                warn!(error = chain(&failed), "cannot clean up; the next writer will");
            }
        }
        Ok(self.inner.store.clone().close().await?)
    }

    // ---- writing

    /// Imports files, directories, patterns or streams of events and profile updates: JSON in any
    /// accepted form, CSV and Parquet, plain or compressed. Large amounts are welcome: memory stays
    /// bounded, and what is read is committed chunk by chunk.
    ///
    /// `progress` may be watched, and told to cancel, from anywhere.
    ///
    /// # Errors
    /// See [`Ingestor::import`].
    pub async fn import(
        &self,
        inputs: impl IntoIterator<Item = Input>,
        options: ImportOptions,
        progress: Arc<ImportProgress>,
    ) -> Result<ImportReport> {
        let found = expand(inputs)?;
        let mut report = self.inner.ingestor.import(found.files, options, progress).await?;
        report.warnings.extend(
            found
                .skipped
                .into_iter()
                .map(|skipped| format!("skipped {}: {}", skipped.path.display(), skipped.reason)),
        );
        Ok(report)
    }

    /// Imports one stream: [`Engine::import`] for a reader.
    ///
    /// # Errors
    /// See [`Ingestor::import`].
    pub async fn ingest(
        &self,
        name: &str,
        reader: impl Read + Send + 'static,
        options: ImportOptions,
    ) -> Result<ImportReport> {
        self.import([Input::from_reader(name, reader)], options, Arc::default()).await
    }

    /// Stores events: durable and visible to queries when this returns. Meant for one to some
    /// thousand at a time.
    ///
    /// # Errors
    /// When nothing was stored. Single events that break a rule are in the report instead.
    pub async fn append<'a>(&self, events: impl IntoIterator<Item = Event<'a>>) -> Result<AppendReport> {
        let events = events.into_iter().map(Event::into_owned).collect();
        Ok(self.inner.ingestor.append_events(events).await?)
    }

    /// Stores records given as JSON text of any accepted form: durable and visible when this
    /// returns. `form` says which endpoint's rules apply.
    ///
    /// # Errors
    /// When nothing was stored. Single records that break a rule are in the report instead.
    pub async fn append_json(&self, text: &[u8], form: WireForm) -> Result<AppendReport> {
        Ok(self.inner.ingestor.append_json(text, form).await?)
    }

    /// Applies updates of users' and groups' profiles, in this order; durable and visible when
    /// this returns.
    ///
    /// # Errors
    /// When nothing was stored.
    pub async fn update_profiles(&self, updates: Vec<ProfileUpdate>) -> Result<AppendReport> {
        Ok(self.inner.ingestor.append_updates(updates).await?)
    }

    /// Makes files of the memtable now.
    ///
    /// # Errors
    /// When they cannot be written; the records stay in the log.
    pub async fn flush(&self) -> Result<()> {
        Ok(self.inner.ingestor.flush().await?)
    }

    /// Has an existing Parquet dataset answer queries as table `name`, in place.
    ///
    /// # Errors
    /// When it cannot be read, lacks a column it is said to have, or the name is taken.
    pub async fn attach(&self, name: &str, attachment: Attachment) -> Result<()> {
        let invalid = |reason| Error::AttachmentName { name: name.to_owned(), reason };
        if name.is_empty() {
            return Err(invalid("a table needs a name"));
        }
        if TABLES.contains(&name) {
            return Err(invalid("the dataset has a table of this name"));
        }
        let state = self.session()?.state();
        tallymark_query::attached::table(name, &attachment, &state).await?;
        self.change_attachments(|attachments| {
            attachments.insert(name.to_owned(), attachment);
            Ok(())
        })
        .await
    }

    /// Forgets an attached dataset; its files are left alone.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] if nothing is attached under this name.
    pub async fn detach(&self, name: &str) -> Result<()> {
        self.change_attachments(|attachments| match attachments.remove(name) {
            Some(_) => Ok(()),
            None => Err(Error::NotAttached { name: name.to_owned() }),
        })
        .await
    }

    /// The names of what is attached.
    pub fn attachments(&self) -> Vec<String> {
        self.snapshot().manifest.attachments.keys().cloned().collect()
    }

    async fn change_attachments(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Attachment>) -> Result<()>,
    ) -> Result<()> {
        let mut guard = self.inner.store.write().await?;
        let snapshot = guard.snapshot();
        let mut attachments = snapshot.manifest.attachments.clone();
        change(&mut attachments)?;
        guard.commit(Commit { attachments: Some(attachments), ..Commit::of(&snapshot) }).await?;
        Ok(())
    }

    // ---- reading

    /// Answers SQL over the newest state: a statement, or a script whose last statement gives the
    /// answer.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for a wrong question, with what would be right;
    /// [`crate::ErrorKind::ResourcesExhausted`] beyond a limit, naming it.
    pub async fn sql(&self, text: &str) -> Result<Answer> {
        self.sql_in(&self.session()?, text).await
    }

    /// A session over the newest state: DataFusion's own, to register functions and tables in. It
    /// keeps seeing that state.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn session(&self) -> Result<SessionContext> {
        Ok(self.inner.queries.session(&self.inner.store.snapshot())?)
    }

    /// Answers SQL in a session of [`Engine::session`] or [`View::session`].
    ///
    /// # Errors
    /// As [`Engine::sql`].
    pub async fn sql_in(&self, session: &SessionContext, text: &str) -> Result<Answer> {
        let (of, text) = (session.clone(), text.to_owned());
        self.answer(session, async move { tallymark_query::sql(&of, &text).await }).await
    }

    /// Answers a report over the newest state; what its answer looks like is said by
    /// [`report_schema`](crate::report_schema).
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for what is wrong in the definition, and as [`Engine::sql`].
    ///
    /// ```
    /// use tallymark::{Engine, EngineConfig, Event, Timestamp};
    /// use tallymark::report::Report;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let engine = Engine::open("memory:///", EngineConfig::default()).await?;
    /// let time = Timestamp::from_millis(1_700_000_000_000);
    /// engine.append([Event::new("Play", time, "u1"), Event::new("Play", time, "u2")]).await?;
    /// let report = Report::parse(
    ///     r#"{
    ///         "report": "insights",
    ///         "range": "2023-11-01 to 2023-11-30",
    ///         "metrics": [{"event": "Play", "measure": "unique_users"}]
    ///     }"#,
    /// )?;
    /// let batches = engine.report(report).await?.collect().await?;
    /// assert_eq!(batches[0].num_rows(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn report(&self, report: Report) -> Result<Answer> {
        self.report_in(&self.session()?, report).await
    }

    /// Answers a report in a session of [`Engine::session`] or [`View::session`].
    ///
    /// # Errors
    /// As [`Engine::report`].
    pub async fn report_in(&self, session: &SessionContext, report: Report) -> Result<Answer> {
        let (of, now) = (session.clone(), self.now());
        self.answer(session, async move { tallymark_query::report(&of, report, now) }).await
    }

    /// Plans and starts a query on the query threads, within the limits.
    async fn answer(
        &self,
        session: &SessionContext,
        plan: impl Future<Output = tallymark_query::Result<DataFrame>> + Send + 'static,
    ) -> Result<Answer> {
        let snapshot = session.state_ref().read().config().get_extension::<Snapshot>();
        let (limits, started) = (self.inner.answer_limits, Instant::now());
        let mut planned = self.inner.threads.spawn(async move {
            let frame = plan.await?;
            Ok::<SendableRecordBatchStream, Error>(tallymark_query::start(frame).await?)
        });
        let joined = match limits.time {
            None => planned.await,
            Some(limit) => {
                let Ok(joined) = timeout(limit, &mut planned).await else {
                    planned.abort();
                    return Err(Error::QueryTime { limit });
                };
                joined
            }
        };
        let store = &self.inner.store;
        match tallymark_ingest::outcome(joined)? {
            Ok(stream) => {
                let of = (store.clone(), snapshot);
                Ok(Answer::run(stream, &self.inner.threads, limits, started.elapsed(), of))
            }
            Err(error) => Err(explain_missing_files(error, store, snapshot.as_deref()).await),
        }
    }

    /// The newest state, to be asked more than once.
    pub fn view(&self) -> View {
        View { engine: self.clone(), snapshot: self.inner.store.snapshot() }
    }

    /// A retained snapshot.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] if it is not retained (any more), naming those that are.
    pub async fn view_at(&self, version: u64) -> Result<View> {
        Ok(View { engine: self.clone(), snapshot: self.inner.store.snapshot_at(version).await? })
    }

    /// The retained snapshots, oldest first.
    ///
    /// # Errors
    /// When storage cannot be listed.
    pub async fn snapshots(&self) -> Result<Vec<SnapshotInfo>> {
        let versions = self.inner.store.retained_versions().await?;
        Ok(versions.into_iter().map(|(version, created_at)| SnapshotInfo { version, created_at }).collect())
    }

    /// Sees what other processes wrote since: for an engine opened read-only.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn refresh(&self) -> Result<()> {
        self.inner.store.refresh().await?;
        Ok(self.inner.ingestor.replay().await?)
    }

    /// Which columns are in memory and what they cost; `None` if none may be
    /// ([`EngineConfig::memory_budget_bytes`]).
    pub fn memory_usage(&self) -> Option<MemoryUsage> {
        self.inner.queries.memory_usage()
    }

    /// Brings users, times and event names into memory, and these columns of `events`, so that the
    /// first query need not wait for them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for a column `events` does not have, and whatever fails
    /// while reading.
    pub async fn preload(&self, columns: &[&str]) -> Result<()> {
        Ok(self.inner.queries.preload(&self.snapshot(), columns).await?)
    }

    /// The same for an attached dataset: users, times and event names. What of it cannot be in memory is
    /// left to its files.
    ///
    /// # Errors
    /// When nothing is attached under this name, or its files cannot be read.
    pub async fn preload_attached(&self, name: &str) -> Result<()> {
        Ok(self.inner.queries.preload_attached(&self.snapshot(), name).await?)
    }

    /// The data files of the newest state.
    pub fn live_files(&self) -> Vec<DataFile> {
        self.snapshot().manifest.files.clone()
    }

    /// The events of the newest state as NDJSON in Mixpanel's raw form, by time. Imported again,
    /// they are the same events.
    ///
    /// # Errors
    /// When queries cannot be set up; the stream ends with an error naming the days that failed.
    pub fn export(&self, options: &ExportOptions) -> Result<BoxStream<'static, Result<ExportedLines>>> {
        let snapshot = self.snapshot();
        let lines = export(&self.inner.queries.session(&snapshot)?, &snapshot, options);
        let store = self.inner.store.clone();
        let explained = lines.then(move |lines| {
            let (store, snapshot) = (store.clone(), Arc::clone(&snapshot));
            async move {
                match lines {
                    Ok(lines) => Ok(lines),
                    Err(error) => Err(explain_missing_files(error.into(), &store, Some(&snapshot)).await),
                }
            }
        });
        Ok(self.on_query_threads(explained))
    }

    /// Runs a stream on the query threads, a few items ahead.
    fn on_query_threads<T: Send + 'static>(
        &self,
        stream: impl Stream<Item = T> + Send + 'static,
    ) -> BoxStream<'static, T> {
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        self.inner.threads.spawn(async move {
            let mut stream = std::pin::pin!(stream);
            while let Some(item) = stream.next().await {
                if sender.send(item).await.is_err() {
                    return;
                }
            }
        });
        futures::stream::unfold(
            receiver,
            |mut receiver| async move { Some((receiver.recv().await?, receiver)) },
        )
        .boxed()
    }

    pub(crate) fn now(&self) -> tallymark_event::Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn queries(&self) -> &QueryRuntime {
        &self.inner.queries
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.store.snapshot()
    }
}
