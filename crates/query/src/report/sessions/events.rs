//! Starts and ends of sessions as events (X-10 … X-13).
//!
//! A report that names them is asked of a snapshot that has them: rows of a memtable of its own, after
//! all others. So every plan and every walk over users meets them where they belong, and what is in
//! memory of the stored events is used as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMillisecondArray, UInt64Array, new_null_array,
};
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{DataType, Int64Type, Schema};
use datafusion::logical_expr::{Expr, lit};
use hashbrown::{HashMap, HashSet};
use tallymark_event::columns::{SEQUENCE, system_fields};
use tallymark_event::{LaneId, LaneKind, PropertyCatalog, ValueKinds};
use tallymark_memory::UserDirectory;
use tallymark_report::{
    DefinitionError, Part, Question, Report, SESSION_END, SESSION_START, Scope, SessionList, is_of_sessions,
};
use tallymark_storage::{Manifest, MemBatch, Snapshot};

use super::super::asked::EVER;
use super::super::asked::{Asked, COHORT, Cohorts, arrow_error, column, plan_error};
use super::super::cohorts_of_scope;
use super::super::merged::{Merged, STORED_END, STORED_START};
use super::{Session, SessionScan, SessionWalk};
use crate::functions::made::call;
use crate::resident::by_user::{CONDITIONS_MAX, Matcher, Record, UserEvents, UserScan};
use crate::{Error, Result};

/// How long a session is, in seconds.
const DURATION: &str = "$duration_s";
/// How many events a session has.
const EVENT_COUNT: &str = "$event_count";
/// The name of its first event.
const ORIGIN_START: &str = "$origin_start";
/// The name of its last event.
const ORIGIN_END: &str = "$origin_end";

/// Properties of events that one walk over them can inherit: the other conditions are of sessions.
const INHERITED_AT_ONCE: usize = CONDITIONS_MAX - 4;

impl Asked {
    /// The same with starts and ends of sessions among the events, if a report names them, or
    /// something saved that it names.
    pub(in super::super) async fn with_session_events(
        self,
        report: &Report,
        cohorts: &Cohorts,
    ) -> Result<Self> {
        let named = Named::by(&self, report, cohorts);
        if !named.session_events {
            return Ok(self);
        }
        // What sessions are is asked of stored events alone.
        let scope = Scope { filter: None, ..report.scope.clone() };
        let of_rule = Report { scope, question: Question::Sessions(SessionList::default()) };
        if Named::by(&self, &of_rule, cohorts).session_events {
            let error = DefinitionError::new("sessions", "sessions are made of stored events");
            return Err(error.hint(format!("{SESSION_START} and {SESSION_END} are made of sessions")).into());
        }
        let mut stored = self.clone();
        stored.check(&of_rule, cohorts)?;
        stored.load_lookups(&of_rule, cohorts).await?;
        stored.compute(&of_rule, cohorts).await?;
        let mut names = BTreeSet::new();
        cohorts_of_scope(&stored, &of_rule, &mut names)?;
        stored.work_out(names, cohorts).await?;
        stored.compute(&of_rule, cohorts).await?;

        let made = SessionEvents::of(&stored, &of_rule, &named).await?;
        let snapshot = made.among(self.tables.snapshot(), &stored).await?;
        let merged = self.merged.with_session_events();
        Ok(Self {
            tables: Arc::new(self.tables.of_derived(Arc::new(snapshot))),
            merged: Arc::new(merged),
            ..self
        })
    }
}

/// Something saved that a definition names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Saved {
    Cohort(String),
    Event(String),
}

/// What a report names, itself and by what is saved.
#[derive(Debug, Default)]
struct Named {
    /// Whether session events are among it.
    session_events: bool,
    /// Definitions as they are written: a property that is asked for stands in one of them.
    texts: Vec<String>,
    /// Saved definitions to be looked at.
    saved: BTreeSet<Saved>,
}

impl Named {
    fn by(asked: &Asked, report: &Report, cohorts: &Cohorts) -> Self {
        let mut named = Self { texts: vec![report.to_value().to_string()], ..Self::default() };
        let mut see = |part: Part<'_>| {
            named.see(part, cohorts);
            Ok(())
        };
        // Seeing does not fail.
        let _ = report.try_parts(&mut see);
        if let Question::Flows(flows) = &report.question {
            named.session_events |= flows.show_only.iter().any(|name| is_of_sessions(name));
        }
        let mut seen = BTreeSet::new();
        while let Some(saved) = named.saved.pop_first() {
            if !seen.insert(saved.clone()) {
                continue;
            }
            let mut see = |part: Part<'_>| {
                named.see(part, cohorts);
                Ok(())
            };
            let text = match &saved {
                Saved::Cohort(name) => cohorts.get(name).map(|cohort| {
                    let _ = cohort.try_parts(&mut see);
                    serde_json::to_string(cohort)
                }),
                Saved::Event(name) => asked.saved_events.get(name).map(|event| {
                    let _ = event.try_parts(&mut see);
                    serde_json::to_string(event)
                }),
            };
            named.texts.extend(text.and_then(std::result::Result::ok));
        }
        named
    }

    fn see(&mut self, part: Part<'_>, cohorts: &Cohorts) {
        match part {
            Part::Event(name) => {
                self.session_events |= is_of_sessions(name);
                self.saved.insert(Saved::Event(name.to_owned()));
            }
            Part::Cohort(name) | Part::ProfileCohort(name) => {
                self.saved.insert(Saved::Cohort(name.to_owned()));
            }
            // Which cohorts SQL names, it says once it has the columns it may name besides.
            Part::Condition(sql)
            | Part::Value(sql)
            | Part::ProfileCondition(sql)
            | Part::ProfileValue(sql)
                if sql.contains(COHORT) =>
            {
                self.saved.extend(cohorts.keys().cloned().map(Saved::Cohort));
            }
            _ => {}
        }
    }

    /// Whether a property may be asked for.
    fn may_mean(&self, property: &str) -> bool {
        let is_plain = property.chars().all(|c| !c.is_control() && c != '"' && c != '\\' && c != '\'');
        !is_plain || self.texts.iter().any(|text| text.contains(property))
    }
}

/// The properties of a catalog that may be asked for: the lanes of each, with those of all that are read
/// under its name (M-22).
fn inherited(catalog: &PropertyCatalog, merged: &Merged, named: &Named) -> Vec<Vec<LaneId>> {
    let own = [DURATION, EVENT_COUNT, ORIGIN_START, ORIGIN_END];
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for property in catalog.properties() {
        by_name.entry(merged.property(&property.name)).or_default().push(&property.name);
    }
    let mut found = Vec::new();
    for (read, stored) in by_name {
        // A property of theirs is what it is of every session.
        if own.contains(&read) || !stored.iter().chain([&read]).any(|name| named.may_mean(name)) {
            continue;
        }
        let lanes = stored.iter().filter_map(|name| catalog.property(name)).flat_map(|it| &it.lanes);
        let lanes: Vec<LaneId> =
            lanes.copied().filter(|lane| catalog.lane(*lane).kind != LaneKind::Null).collect();
        if !lanes.is_empty() {
            found.push(lanes);
        }
    }
    found
}

/// All sessions there are by now, by user, then time.
#[derive(Debug, Default)]
struct SessionEvents {
    /// The user of each.
    users: Vec<u32>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    ///
    is_closed: Vec<bool>,
    counts: Vec<u32>,
    /// Names of the first and of the last event, if they are asked for.
    origins: Vec<[Option<Arc<str>>; 2]>,
    /// Sequences of the first and of the last event.
    sequences: Vec<[i64; 2]>,
    /// Of each inherited property, the sequence of the event that each session has it from.
    from: Vec<Vec<Option<i64>>>,
    lanes: Vec<Vec<LaneId>>,
    directory: Option<Arc<UserDirectory>>,
}

impl SessionEvents {
    async fn of(stored: &Asked, of_rule: &Report, named: &Named) -> Result<Self> {
        let catalog = stored.catalog();
        let inherited = inherited(catalog, &stored.merged, named);
        let has_origins = named.may_mean(ORIGIN_START) || named.may_mean(ORIGIN_END);
        let mut all: Option<Self> = None;
        // Mostly there are a few, or none: one walk.
        let chunks = inherited.chunks(INHERITED_AT_ONCE);
        let chunks: Vec<&[Vec<LaneId>]> = if inherited.is_empty() { vec![&[]] } else { chunks.collect() };
        for chunk in chunks {
            let SessionScan { mut conditions, id, within } =
                stored.session_scan_within(&of_rule.scope, stored.within(&EVER), lit(false))?;
            let takes_part = conditions[super::TAKES_PART].clone();
            let inherited_from = conditions.len();
            for lanes in chunk {
                let is_set = |lane: &LaneId| column(&catalog.lane(*lane).column).is_not_null();
                let is_set = lanes.iter().map(is_set).reduce(Expr::or);
                conditions.push(takes_part.clone().and(is_set.unwrap_or_else(|| lit(false))));
            }
            let mut labels = Vec::new();
            let name_label = has_origins.then(|| {
                labels.push(stored.event_name());
                labels.len() - 1
            });
            let walk = stored.session_walk(&of_rule.scope, labels.len());
            labels.extend(id);
            let events = stored.events();
            let failed = |source| Error::Run { source };
            let users =
                UserScan::with_numbers(&stored.state, &events, conditions, labels, vec![column(SEQUENCE)])
                    .map_err(plan_error)?;
            let layout = events.layout_of(&stored.state, &[within], users.inputs()).await.map_err(failed)?;
            let directory = Arc::clone(layout.users());
            let inherited = inherited_from..inherited_from + chunk.len();
            let matcher = Collect { walk, name_label, inherited };
            let pool = &stored.state.runtime_env().memory_pool;
            let mut found = users.run(layout, matcher, pool).await.map_err(failed)?.sessions;
            found.lanes = chunk.to_vec();
            found.directory = Some(directory);
            match &mut all {
                // The same sessions in the same order.
                Some(all) => {
                    all.from.append(&mut found.from);
                    all.lanes.append(&mut found.lanes);
                }
                None => all = Some(found),
            }
        }
        Ok(all.unwrap_or_default())
    }

    /// The snapshot with a start and, where it is known, an end of each session among its events.
    async fn among(self, snapshot: &Arc<Snapshot>, stored: &Asked) -> Result<Snapshot> {
        let mut catalog = snapshot.catalog.as_ref().clone();
        // A start for each session; an end after it if there is one.
        let mut sessions: Vec<usize> = Vec::new();
        let mut is_end: Vec<bool> = Vec::new();
        for (session, is_closed) in self.is_closed.iter().enumerate() {
            sessions.push(session);
            is_end.push(false);
            if *is_closed {
                sessions.push(session);
                is_end.push(true);
            }
        }
        let mut columns = self.system_columns(&sessions, &is_end);
        let mut lanes = Vec::new();
        for (name, column) in self.own_properties(&sessions) {
            let (kind, kinds) = if column.data_type() == &DataType::Float64 {
                let kind = LaneKind::Float64;
                (kind, ValueKinds { first: Some(kind), floats: true, ..ValueKinds::default() })
            } else {
                let kind = LaneKind::String;
                (kind, ValueKinds { first: Some(kind), strings: true, ..ValueKinds::default() })
            };
            let property = catalog.open_lanes(name, &kinds);
            if let Some(lane) = catalog.find(property, kind) {
                lanes.push(lane);
                columns.push(column);
            }
        }
        for (lane, column) in self.inherited_columns(stored, &sessions).await? {
            lanes.push(lane);
            columns.push(column);
        }
        let mut fields = system_fields().to_vec();
        fields.extend(lanes.iter().map(|lane| catalog.lane(*lane).field()));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(arrow_error)?;
        let rows = MemBatch {
            batch,
            lanes,
            identity_version: snapshot.identities.version(),
            last_wal: snapshot.last_wal.unwrap_or_default(),
        };
        // As if it were an earlier view: what is resident of the snapshot itself stays.
        let version = snapshot.manifest.version.saturating_sub(1);
        Ok(Snapshot {
            manifest: Arc::new(Manifest { version, ..snapshot.manifest.as_ref().clone() }),
            catalog: Arc::new(catalog),
            memtable: snapshot.memtable.iter().cloned().chain([rows]).collect(),
            last_wal: None,
            ..snapshot.as_ref().clone()
        })
    }

    fn system_columns(&self, sessions: &[usize], is_end: &[bool]) -> Vec<ArrayRef> {
        let rows = || sessions.iter().copied().zip(is_end.iter().copied());
        let ids = self.directory.as_ref().map(|directory| directory.ids());
        let id = |session: usize| ids.map_or("", |ids| ids.value(self.users[session] as usize));
        let users: StringViewArray = sessions.iter().map(|session| Some(id(*session))).collect();
        let name = |(_, is_end): (usize, bool)| Some(if is_end { STORED_END } else { STORED_START });
        let names: StringViewArray = rows().map(name).collect();
        let time =
            |(session, is_end): (usize, bool)| if is_end { self.ends[session] } else { self.starts[session] };
        let times: TimestampMillisecondArray = rows().map(|row| Some(time(row))).collect();
        let times: ArrayRef = Arc::new(times.with_timezone("UTC"));
        // Rows of one sequence come in the order of their sources, and these are the last: a start comes
        // after whatever came before the first event, an end just after the last.
        let sequence = |(session, is_end): (usize, bool)| {
            let [first, last] = self.sequences[session];
            if is_end { last } else { first.saturating_sub(1) }
        };
        let sequences: Int64Array = rows().map(|row| Some(sequence(row))).collect();
        let nothing = || new_null_array(&DataType::Utf8View, sessions.len());
        vec![
            Arc::new(names),
            Arc::clone(&times),
            Arc::new(users.clone()),
            Arc::new(users),
            nothing(),
            nothing(),
            times,
            Arc::new(sequences),
        ]
    }

    ///
    fn own_properties(&self, sessions: &[usize]) -> Vec<(&'static str, ArrayRef)> {
        let duration = |session: &usize| {
            let millis = self.ends[*session] - self.starts[*session];
            self.is_closed[*session].then_some(millis as f64 / 1000.0)
        };
        let durations: Float64Array = sessions.iter().map(duration).collect();
        let counts: Float64Array =
            sessions.iter().map(|session| Some(f64::from(self.counts[*session]))).collect();
        let origins = |which: usize| -> ArrayRef {
            let origin = |session: &usize| self.origins.get(*session).and_then(|of| of[which].as_deref());
            Arc::new(sessions.iter().map(origin).collect::<StringViewArray>())
        };
        vec![
            (DURATION, Arc::new(durations)),
            (EVENT_COUNT, Arc::new(counts)),
            (ORIGIN_START, origins(0)),
            (ORIGIN_END, origins(1)),
        ]
    }

    /// what sessions have from their events, from the rows those are stored in.
    async fn inherited_columns(&self, stored: &Asked, sessions: &[usize]) -> Result<Vec<(LaneId, ArrayRef)>> {
        let wanted: HashSet<i64> = self.from.iter().flatten().flatten().copied().collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let is_wanted = call("inherited_from", DataType::Boolean, vec![column(SEQUENCE)], move |args| {
            let sequences = cast(&args[0], &DataType::Int64)?;
            let sequences = sequences.as_primitive::<Int64Type>().iter();
            let is_wanted = sequences.map(|sequence| sequence.map(|sequence| wanted.contains(&sequence)));
            Ok(Arc::new(is_wanted.collect::<BooleanArray>()))
        });
        let catalog = stored.catalog();
        let columns = self.lanes.iter().flatten().map(|lane| column(&catalog.lane(*lane).column));
        let plan = stored
            .scan()?
            .filter(stored.within(&EVER).and(is_wanted))
            .and_then(|plan| plan.project([column(SEQUENCE)].into_iter().chain(columns)))
            .map_err(plan_error)?;
        let schema = Arc::new(plan.schema().as_arrow().clone());
        let batches = stored.collect(plan).await?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        let rows = concat_batches(&schema, &batches).map_err(arrow_error)?;
        let sequences = cast(rows.column(0), &DataType::Int64).map_err(arrow_error)?;
        let places: HashMap<i64, u64> =
            sequences.as_primitive::<Int64Type>().values().iter().copied().zip(0..).collect();
        let mut inherited = Vec::new();
        let mut columns = rows.columns()[1..].iter();
        for (lanes, from) in self.lanes.iter().zip(&self.from) {
            let place = |session: &usize| from[*session].and_then(|sequence| places.get(&sequence).copied());
            let places: UInt64Array = sessions.iter().map(place).collect();
            for (lane, values) in lanes.iter().zip(columns.by_ref()) {
                let values = cast(values, &catalog.lane(*lane).kind.data_type()).map_err(arrow_error)?;
                inherited.push((*lane, take(&values, &places, None).map_err(arrow_error)?));
            }
        }
        Ok(inherited)
    }

    fn append(&mut self, mut later: Self) {
        self.users.append(&mut later.users);
        self.starts.append(&mut later.starts);
        self.ends.append(&mut later.ends);
        self.is_closed.append(&mut later.is_closed);
        self.counts.append(&mut later.counts);
        self.origins.append(&mut later.origins);
        self.sequences.append(&mut later.sequences);
        for (all, later) in self.from.iter_mut().zip(&mut later.from) {
            all.append(later);
        }
    }
}

/// Collects sessions.
struct Collect {
    walk: SessionWalk,
    /// The label of the name of an event, if it matters.
    name_label: Option<usize>,
    /// The conditions that say whether an event has each of the inherited properties.
    inherited: Range<usize>,
}

/// Those of some users.
struct Found {
    sessions: SessionEvents,
    /// The texts of labels.
    names: HashMap<u32, Arc<str>>,
}

impl Collect {
    fn add(&self, user: &UserEvents<'_>, session: &Session<'_>, found: &mut Found) {
        let Found { sessions, names } = found;
        sessions.users.push(user.user);
        sessions.starts.push(session.start());
        sessions.ends.push(session.end());
        sessions.is_closed.push(session.is_closed);
        sessions.counts.push(u32::try_from(session.event_count).unwrap_or(u32::MAX));
        if let Some(at) = self.name_label {
            let mut name = |record: &Record| {
                let label = *user.labels(at, record).first()?;
                Some(Arc::clone(names.entry(label).or_insert_with(|| user.text(at, label).into())))
            };
            sessions.origins.push([name(session.first()), name(session.last())]);
        }
        let sequence = |record: &Record| user.number(0, record).map(|sequence| sequence as i64);
        sessions
            .sequences
            .push([session.first(), session.last()].map(|record| sequence(record).unwrap_or(0)));
        //
        let looked_at = if self.walk.inherits_from_first() { 1 } else { usize::MAX };
        for (condition, from) in self.inherited.clone().zip(&mut sessions.from) {
            let mut events = session.events().take(looked_at);
            from.push(events.find(|record| record.meets(condition)).and_then(sequence));
        }
    }
}

impl Matcher for Collect {
    type Partial = Found;

    fn start(&self) -> Found {
        let from = vec![Vec::new(); self.inherited.len()];
        Found { sessions: SessionEvents { from, ..SessionEvents::default() }, names: HashMap::new() }
    }

    fn user(&self, user: &UserEvents<'_>, found: &mut Found) {
        self.walk.sessions(user, |session| self.add(user, session, found));
    }

    fn merge(&self, total: &mut Found, later: Found) {
        total.sessions.append(later.sessions);
    }

    fn bytes(&self, found: &Found) -> usize {
        let of_each = size_of::<u32>() * 2 + size_of::<i64>() * 4 + 1 + self.inherited.len() * 16;
        let origins = found.sessions.origins.len() * size_of::<[Option<Arc<str>>; 2]>();
        found.sessions.users.len() * of_each + origins
    }
}
