//! Reports are answered as the oracle answers them: the cases of the rules, and random questions of
//! random histories; from columns in memory and from files, from one file a day, several, and the
//! memtable, on one thread and on two.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use proptest::prelude::*;
use serde_json::{Value, json};
use tallymark::{DefinitionKind, Engine, EngineConfig, Input, WireForm};
use tallymark_report::{EventSelector, Lexicon, Question, Report};
use tallymark_tests::cases::{self, Case, Fixture, behaviour_answer, line};
use tallymark_tests::definitions::{COHORTS, cohorts, definition, lexicon, saved_events};
use tallymark_tests::histories::history;
use tallymark_tests::lookups::{Lookup, of_histories};
use tallymark_tests::oracle::insights::{Row, World, answer};
use tallymark_tests::oracle::{Dataset, System};

use crate::behaviour::{in_order, table};
use crate::common::{NOW, chain, config, for_each_case, import, memory_url, ndjson, smaller};

/// How records are stored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stored {
    /// In one file a day.
    Imported,
    /// In several files a day.
    InParts,
    /// In files and in the memtable.
    HalfInMemtable,
}

/// Engines on one dataset: each has to give the same answers.
pub(crate) struct Engines(Vec<(&'static str, Engine)>);

impl Engines {
    pub(crate) async fn of(
        stored: Stored,
        records: &[Value],
        events: &BTreeMap<String, Value>,
        lexicon: &Value,
        cohorts: &BTreeMap<String, Value>,
        lookups: &[Lookup],
    ) -> Self {
        let url = memory_url();
        let writer = Engine::open(&url, config()).await.unwrap();
        match stored {
            Stored::Imported => drop(import(&writer, &ndjson(records)).await),
            Stored::InParts => {
                for part in records.chunks(records.len().div_ceil(3).max(1)) {
                    import(&writer, &ndjson(part)).await;
                }
            }
            Stored::HalfInMemtable => {
                let (files, memtable) = records.split_at(records.len() / 2);
                import(&writer, &ndjson(files)).await;
                writer.append_json(ndjson(memtable).as_bytes(), WireForm::Lenient).await.unwrap();
            }
        }
        let lexicon = lexicon.to_string();
        writer.save_definition(DefinitionKind::Lexicon, Lexicon::NAME, &lexicon).await.unwrap();
        for (name, event) in events {
            writer.save_definition(DefinitionKind::Event, name, &event.to_string()).await.unwrap();
        }
        for Lookup { name, csv, properties, .. } in lookups {
            let input = Input::from_reader(format!("{name}.csv"), csv.as_bytes());
            writer.save_lookup(name, input, properties).await.unwrap();
        }
        for (name, cohort) in cohorts {
            let saved = writer.save_definition(DefinitionKind::Cohort, name, &cohort.to_string()).await;
            saved.unwrap_or_else(|error| panic!("{name}: {}\n{cohort}", chain(&error)));
        }
        let from_files = EngineConfig { memory_budget_bytes: 0, threads: 1, ..config() };
        let reader = Engine::open_read_only(&url, from_files).await.unwrap();
        Self(vec![("from memory, on two threads", writer), ("from files, on one thread", reader)])
    }

    /// What the first of them answers.
    pub(crate) async fn answer(&self, report: &Report) -> Vec<RecordBatch> {
        self.0[0].1.report(report.clone()).await.unwrap().collect().await.unwrap()
    }

    /// What is different from the expected lines, if anything.
    pub(crate) async fn difference(
        &self,
        report: &Report,
        expected: &[String],
        lines: impl Fn(&[RecordBatch]) -> Vec<String>,
    ) -> Option<Difference> {
        for (way, engine) in &self.0 {
            let batches = match engine.report(report.clone()).await {
                Ok(answer) => answer.collect().await,
                Err(error) => Err(error),
            };
            let (found, error) = match batches {
                Ok(batches) => (lines(&batches), None),
                Err(error) => (Vec::new(), Some(chain(&error))),
            };
            if error.is_some() || found != expected {
                return Some(Difference { way, expected: expected.to_vec(), found, error });
            }
        }
        None
    }
}

/// An answer that is not the expected one.
pub(crate) struct Difference {
    way: &'static str,
    expected: Vec<String>,
    found: Vec<String>,
    error: Option<String>,
}

impl fmt::Display for Difference {
    /// The lines that differ, or all of them where only the order does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { way, expected, found, error } = self;
        if let Some(error) = error {
            return write!(f, "{way}: {error}\nexpected {expected:#?}");
        }
        let without = |of: &[String], other: &[String]| -> Vec<String> {
            of.iter().filter(|line| !other.contains(line)).cloned().collect()
        };
        let (missing, extra) = (without(expected, found), without(found, expected));
        if missing.is_empty() && extra.is_empty() {
            return write!(f, "{way}, another order\nexpected {expected:#?}\nfound {found:#?}");
        }
        write!(f, "{way}\nexpected {missing:#?}\nfound {extra:#?}")
    }
}

/// The rows of an answer to an insights report.
fn rows(report: &Report, batches: &[RecordBatch]) -> Vec<Row> {
    let Question::Insights(insights) = &report.question else { panic!("a cohort has members") };
    let mut rows = Vec::new();
    for batch in batches {
        let text = |name: &str, at: usize| {
            let column = batch.column_by_name(name)?.as_string::<i32>();
            column.is_valid(at).then(|| column.value(at).to_owned())
        };
        let number = |name: &str, at: usize| {
            let column = batch.column_by_name(name)?.as_primitive::<Float64Type>();
            column.is_valid(at).then(|| column.value(at))
        };
        let time = |at: usize| {
            let column = batch.column_by_name("time").filter(|_| insights.interval.is_some())?;
            Some(column.as_primitive::<TimestampMillisecondType>().value(at))
        };
        let first_segment = 2 + usize::from(insights.interval.is_some());
        for at in 0..batch.num_rows() {
            let segments = (0..insights.breakdowns.len())
                .map(|segment| batch.column(first_segment + segment).as_string::<i32>().value(at).to_owned());
            rows.push(Row {
                metric: text("metric", at).unwrap(),
                time: time(at),
                segments: segments.collect(),
                bin: text("bin", at),
                value: number("value", at),
                text: text("text", at),
                compared: number("compared", at),
            });
        }
    }
    rows
}

fn members(batches: &[RecordBatch]) -> Vec<String> {
    let ids = batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter());
    ids.map(|id| id.unwrap().to_owned()).collect()
}

/// The definition as of the instant that the fixture is asked at.
pub(crate) fn as_of(mut report: Report, millis: i64) -> Report {
    let instant = chrono::DateTime::from_timestamp_millis(millis).unwrap().to_rfc3339();
    report.scope.as_of.get_or_insert(tallymark_report::Instant(instant));
    report
}

#[test]
fn cases_of_the_rules() {
    let mut by_fixture: BTreeMap<usize, Vec<Case>> = BTreeMap::new();
    for case in cases::all() {
        by_fixture.entry(case.fixture as usize).or_default().push(case);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut differences = Vec::new();
    for cases in by_fixture.values() {
        let fixture = (cases[0].fixture)();
        let engines = Engines::of(
            Stored::HalfInMemtable,
            &fixture.records,
            &fixture.events,
            &fixture.lexicon,
            &fixture.cohorts,
            &fixture.lookups,
        );
        let engines = runtime.block_on(engines);
        for case in cases {
            let report = as_of(case.report(), fixture.as_of);
            let lines = |batches: &[RecordBatch]| match &report.question {
                Question::Insights(_) => case.lines(&rows(&report, batches)),
                Question::Cohort(_) => members(batches),
                other => panic!("{} has cases of its own", other.kind()),
            };
            let expected: Vec<String> = case.expected.iter().map(|line| (*line).to_owned()).collect();
            if let Some(difference) = runtime.block_on(engines.difference(&report, &expected, lines)) {
                differences.push(format!("{} {difference}\n{}", case.name, case.definition));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// M-4: the users behind numbers of what was attributed, or computed for a time.
#[tokio::test]
async fn m_4_users_behind_numbers_that_come_from_other_events() {
    let behind = async |fixture: Fixture, mut definition: Value, cell: Value| {
        let Fixture { records, events, lexicon, cohorts, .. } = &fixture;
        let engines = Engines::of(Stored::Imported, records, events, lexicon, cohorts, &[]).await;
        definition["users_of"] = cell;
        let report = as_of(fixture.report(&definition), fixture.as_of);
        let mut found = Vec::new();
        for (_, engine) in &engines.0 {
            found.push(members(&engine.report(report.clone()).await.unwrap().collect().await.unwrap()));
        }
        assert_eq!(found[0], found[1]);
        found.remove(0)
    };
    let orders = |measure: &str, model: &str| {
        json!({"metrics": [{"event": "Order", "measure": measure}], "top": 2, "other": true,
            "breakdowns": [{"property": {"attributed": "src", "model": model}}]})
    };
    let of = |label: &str| json!({"metric": "A", "segments": [label]});
    let touched = Fixture::touched;
    // Google 1.5, Direct, Facebook and LinkedIn 0.5 each.
    assert_eq!(behind(touched(), orders("total_events", "linear"), of("Google")).await, ["first", "third"]);
    assert_eq!(behind(touched(), orders("unique_users", "last"), of("Google")).await, ["third"]);
    assert_eq!(behind(touched(), orders("total_events", "linear"), of("$other")).await, ["first", "second"]);
    let bought = json!({"metrics": [{"event": "Buy"}], "breakdowns": [{"property": {"attributed": "src"}}]});
    assert_eq!(behind(touched(), bought.clone(), of("Facebook")).await, ["Jack"]);
    assert_eq!(behind(touched(), bought, of("Instagram")).await, [""; 0]);

    let by_plays = |interval: Option<&str>| {
        let mut definition = json!({"metrics": [{"event": "Play"}],
            "breakdowns": [{"property": {"per_user": "events", "event": "Play"}}]});
        if let Some(interval) = interval {
            definition["interval"] = interval.into();
        }
        definition
    };
    assert_eq!(behind(Fixture::alpha(), by_plays(None), of("2")).await, ["u2", "u3"]);
    let of_day = json!({"metric": "A", "segments": ["2"], "time": "2024-01-01"});
    assert_eq!(behind(Fixture::alpha(), by_plays(Some("day")), of_day).await, ["u1"]);

    // S-91: of a sample, those in it.
    let whole = json!({"metric": "A"});
    for metric in
        [json!({"event": "Play"}), json!({"cohort": "C2"}), json!({"event": "Play", "measure": "sessions"})]
    {
        let sampled = json!({"metrics": [metric], "sample": 0.5});
        assert_eq!(behind(Fixture::alpha(), sampled, whole.clone()).await, ["u2"]);
    }
}

/// What is stored and asked.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) stored: Stored,
    pub(crate) records: Vec<Value>,
    pub(crate) cohorts: BTreeMap<String, Value>,
    pub(crate) lexicon: Value,
    pub(crate) definition: Value,
}

impl Asked {
    /// What the oracle says; nothing if the definition cannot be read or says nothing.
    pub(crate) fn expected(&self) -> Option<(Report, Vec<String>)> {
        let report = Report::from_value(self.definition.clone()).ok()?;
        let mut cohorts = BTreeMap::new();
        for name in COHORTS {
            let mut definition = self.cohorts.get(*name)?.clone();
            definition.as_object_mut()?.insert("report".to_owned(), "cohort".into());
            let Question::Cohort(cohort) = Report::from_value(definition).ok()?.question else { return None };
            cohorts.insert((*name).to_owned(), cohort);
        }
        let lacks_an_operand = match &report.question {
            Question::Insights(insights) => insights.metrics.len() < 2 && !insights.formulas.is_empty(),
            Question::Cohort(_) | Question::Sessions(_) => return None,
            _ => false,
        };
        if lacks_an_operand {
            return None;
        }
        let answered = std::panic::catch_unwind(|| {
            let dataset = Dataset::of(System::Simplified, &self.records, NOW.millis());
            let read = |(name, event): (String, Value)| {
                let event = EventSelector::from_value(&name, event).unwrap();
                (name, event)
            };
            let saved_events = saved_events().into_iter().map(read).collect();
            let lexicon = Lexicon::from_value(self.lexicon.clone()).unwrap();
            let world = World::of(&dataset, cohorts).with_lookups(of_histories());
            let world = World { saved_events, ..world }
                .merged(&lexicon.merged_events(), &lexicon.merged_event_properties())
                .seen_by(&report, NOW.millis());
            match &report.question {
                Question::Insights(_) => answer(&world, &report, NOW.millis()).iter().map(line).collect(),
                _ => in_order(&report, behaviour_answer(&world, &report, NOW.millis()).lines(&[])),
            }
        });
        Some((report, answered.ok()?))
    }

    pub(crate) async fn difference(&self, engines: &Engines) -> Option<Difference> {
        let (report, expected) = self.expected()?;
        let lines = |batches: &[RecordBatch]| match &report.question {
            Question::Insights(_) => rows(&report, batches).iter().map(line).collect(),
            _ => in_order(&report, table(batches).lines(&[])),
        };
        engines.difference(&report, &expected, lines).await
    }

    /// The smallest question found that the engine answers wrongly in the same way.
    pub(crate) async fn made_small(mut self, mut engines: Engines, mut difference: Difference) -> String {
        let is_same = |one: &Difference, other: &Difference| one.error == other.error;
        let mut tries_left = 300;
        'smaller: loop {
            let of_definition = smaller(&self.definition).into_iter();
            let of_definition = of_definition.map(|definition| Self { definition, ..self.clone() });
            let of_records = smaller(&Value::Array(self.records.clone())).into_iter();
            let of_records = of_records.filter_map(|records| match records {
                Value::Array(records) => Some(Self { records, ..self.clone() }),
                _ => None,
            });
            let of_cohorts = smaller(&json!(self.cohorts)).into_iter();
            let of_cohorts = of_cohorts.filter_map(|cohorts| {
                Some(Self { cohorts: serde_json::from_value(cohorts).ok()?, ..self.clone() })
            });
            let candidates: Vec<Self> = of_definition.chain(of_records).chain(of_cohorts).collect();
            for candidate in candidates {
                if tries_left == 0 {
                    break 'smaller;
                }
                if candidate.expected().is_none() {
                    continue;
                }
                tries_left -= 1;
                let is_stored_alike = candidate.records == self.records && candidate.cohorts == self.cohorts;
                let others = if is_stored_alike { None } else { candidate.engines().await };
                let found = candidate.difference(others.as_ref().unwrap_or(&engines)).await;
                if let Some(found) = found
                    && is_same(&found, &difference)
                {
                    (self, difference) = (candidate, found);
                    engines = others.unwrap_or(engines);
                    continue 'smaller;
                }
            }
            break;
        }
        let Self { stored, records, cohorts, lexicon, definition } = self;
        format!("{definition}\n{lexicon}\n{}\n{}{stored:?} {difference}", json!(cohorts), ndjson(&records))
    }

    async fn engines(&self) -> Option<Engines> {
        let asked = self.clone();
        let engines = async move {
            let Self { stored, records, lexicon, cohorts, .. } = &asked;
            Engines::of(*stored, records, &saved_events(), lexicon, cohorts, &of_histories()).await
        };
        tokio::spawn(engines).await.ok()
    }
}

/// the names of session events mean nothing else, and sessions are not made of them.
#[tokio::test]
async fn x_10_session_events_are_no_stored_ones() {
    let event = |name: &str, minute: u32| json!({"event": name, "properties": {"distinct_id": "u1", "time": 1_704_099_600 + minute * 60}});
    let records = [event("$session_start", 0), event("A", 10), event("$session_start", 60)];
    let none = BTreeMap::new();
    let engines = Engines::of(Stored::HalfInMemtable, &records, &none, &json!({}), &none, &[]).await;
    let ask = |definition: Value| {
        let mut whole =
            json!({"report": "insights", "range": "2024-01-01 to 2024-01-01", "as_of": "2024-01-02"});
        whole.as_object_mut().unwrap().extend(definition.as_object().unwrap().clone());
        Report::from_value(whole).unwrap()
    };
    let metric = |event: &str, filter: &str| json!({"event": {"event": event, "where": filter}, "measure": "total_events"});
    let report = ask(json!({"metrics": [
        metric("$session_start", "true"), metric("$all_events", "true"),
        metric("$session_start", "\"$event_count\" = 2 AND event = '$session_start'"),
        metric("$all_events", "event = '$session_start'"),
    ]}));
    let expected = ["A: 2", "B: 3", "C: 1", "D: 2"].map(str::to_owned);
    let lines = |batches: &[RecordBatch]| rows(&report, batches).iter().map(line).collect();
    if let Some(difference) = engines.difference(&report, &expected, lines).await {
        panic!("{difference}");
    }

    let engine = &engines.0[0].1;
    let resident = || engine.memory_usage().unwrap().segments.len();
    let before = resident();
    let start = json!("$session_start");
    let circular = ask(json!({"metrics": [{"event": start}], "sessions": {"start": start, "end": "A"}}));
    let error = match engine.report(circular).await {
        Ok(answer) => answer.collect().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(chain(&error).contains("sessions: sessions are made of stored events"), "{}", chain(&error));
    assert_eq!(resident(), before);
    let saved = engine.save_definition(DefinitionKind::Event, "$session_end", "\"A\"").await;
    assert!(chain(&saved.unwrap_err()).contains("\"$session_end\" is made of sessions"));
}

#[test]
fn random_questions() {
    ask_at_random(25, history(), definition());
}

/// Asks random questions of random histories; the first that is answered wrongly is made small.
pub(crate) fn ask_at_random(
    cases: u32,
    histories: impl Strategy<Value = Vec<Value>>,
    definitions: impl Strategy<Value = Value>,
) {
    let stored = prop_oneof![Just(Stored::Imported), Just(Stored::InParts), Just(Stored::HalfInMemtable)];
    let lexicon = prop_oneof![4 => Just(json!({})), 1 => Just(lexicon())];
    let case = (histories, cohorts(), lexicon, proptest::collection::vec(definitions, 4), stored);
    // The first failure is made small here: step by step through the JSON, which gets further.
    let failure = RefCell::new(None);
    for_each_case(cases, &case, |(records, cohorts, lexicon, definitions, stored)| {
        let failure = &failure;
        async move {
            if failure.borrow().is_some() {
                return;
            }
            let lookups = of_histories();
            let engines = Engines::of(stored, &records, &saved_events(), &lexicon, &cohorts, &lookups).await;
            for definition in definitions {
                let (records, cohorts, lexicon) = (records.clone(), cohorts.clone(), lexicon.clone());
                let asked = Asked { stored, records, cohorts, lexicon, definition };
                assert!(asked.expected().is_some(), "the oracle has an answer to {}", asked.definition);
                if let Some(difference) = asked.difference(&engines).await {
                    eprintln!("making this small: {}\n{difference}", asked.definition);
                    let small = asked.made_small(engines, difference).await;
                    failure.replace(Some(small));
                    return;
                }
            }
        }
    });
    if let Some(failure) = failure.into_inner() {
        panic!("{failure}");
    }
}
