//! The behavioural functions answer as ClickHouse's do: chdb from PyPI is asked the same.
//!
//! Small groups of random events, full of ties, nulls, and events that meet none, one or many of the
//! conditions, go to both; every function, mode and pattern must give every group the same. What is
//! meant to differ (`crates/query/FUNCTIONS.md`) is part of the question: [`Call::ours`] and
//! [`Call::theirs`] say the same in the two languages.
//!
//! The suite compares [`SAMPLE`] groups. A million take some minutes:
//! `cargo test -p tallymark-tests --test suites clickhouse::a_million -- --ignored --nocapture`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, RecordBatch, StringArray, UInt8Array, UInt32Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field};
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::common::{chain, engine};
use crate::interop::python;

/// Groups of one round.
const SAMPLE: u32 = 20_000;
/// Conditions an event may meet.
const CONDITIONS: usize = 4;
/// Calls asked at once.
const CALLS_A_QUERY: usize = 40;

/// The same call in both languages.
struct Call {
    ours: String,
    theirs: String,
    /// What the answer is compared as.
    answer: DataType,
    /// Which rows ClickHouse is given, in which order.
    rows: Rows,
}

/// How ClickHouse sees the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Null conditions as not met, simultaneous events in our order.
    Plain,
    /// The same, in the order of events with the same text.
    Texts,
    /// As they are.
    Nulls,
}

impl Rows {
    fn query(self, answers: &str) -> String {
        let met = |name: &str| format!("ifNull({name}, 0) AS {name}");
        let names: Vec<String> = (1..=CONDITIONS).map(|number| format!("c{number}")).collect();
        let mets: String = names.iter().map(|name| format!(", {}", met(name))).collect();
        let order: String = names.iter().map(|name| format!(", {name} DESC")).collect();
        let rows = match self {
            Self::Plain => format!("(SELECT g, t, e, b{mets} FROM {{rows}} ORDER BY g, t{order})"),
            Self::Texts => {
                format!("(SELECT g, t, e, {}{mets} FROM {{rows}} ORDER BY g, t, e, b DESC{order})", met("b"))
            }
            Self::Nulls => format!("(SELECT * FROM {{rows}} ORDER BY g, t{order})"),
        };
        format!(
            "SELECT g{answers} FROM {rows} GROUP BY g ORDER BY g \
             SETTINGS max_threads = 1, query_plan_remove_redundant_sorting = 0, \
             allow_experimental_funnel_functions = 1"
        )
    }
}

fn conditions(count: usize) -> (String, String) {
    let ours = (1..=count).map(|number| format!(", c{number} = 1")).collect();
    let theirs = (1..=count).map(|number| format!(", c{number}")).collect();
    (ours, theirs)
}

fn funnels() -> Vec<Call> {
    let mut calls = Vec::new();
    let modes = ["strict_deduplication", "strict_order", "strict_increase", "strict_once", "allow_reentry"];
    for chosen in 0..1_u32 << modes.len() {
        let chosen: Vec<&str> = modes
            .iter()
            .enumerate()
            .filter(|(bit, _)| chosen >> bit & 1 == 1)
            .map(|(_, mode)| *mode)
            .collect();
        if chosen.contains(&"allow_reentry") && !chosen.contains(&"strict_order") {
            continue;
        }
        let modes: String = chosen.iter().map(|mode| format!(", '{mode}'")).collect();
        for (window, count) in [(0, CONDITIONS), (3, CONDITIONS), (1000, CONDITIONS), (4, 2)] {
            let (ours, theirs) = conditions(count);
            calls.push(Call {
                ours: format!("window_funnel({window}{modes}, t{ours})"),
                theirs: format!("ifNull(windowFunnel({window}{modes})(t{theirs}), 0)"),
                answer: DataType::Int64,
                rows: Rows::Plain,
            });
        }
        let (ours, theirs) = conditions(3);
        calls.push(Call {
            ours: format!("window_funnel(5{modes}, t{ours}) FILTER (WHERE c1 + c2 + c3 IS NOT NULL)"),
            theirs: format!("ifNull(windowFunnel(5{modes})(t{theirs}), 0)"),
            answer: DataType::Int64,
            rows: Rows::Nulls,
        });
    }
    let (ours, theirs) = conditions(1);
    calls.push(Call {
        ours: format!("window_funnel(5, t{ours})"),
        theirs: format!("ifNull(windowFunnel(5)(t{theirs}), 0)"),
        answer: DataType::Int64,
        rows: Rows::Plain,
    });
    calls
}

fn retentions() -> Vec<Call> {
    let answer = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    let call = |count: usize, rows: Rows, filter: &str| {
        let (ours, theirs) = conditions(count);
        Call {
            ours: format!("retention({}){filter}", &ours[2..]),
            theirs: format!("retention({})", &theirs[2..]),
            answer: answer.clone(),
            rows,
        }
    };
    let mut calls: Vec<Call> = (2..=CONDITIONS).map(|count| call(count, Rows::Plain, "")).collect();
    calls.push(call(3, Rows::Nulls, " FILTER (WHERE c1 + c2 + c3 IS NOT NULL)"));
    calls
}

/// Patterns that say something, then as many made up.
///
/// None ends in an element that matches no events (`.*`, `(?t<=1)`, `(?t>=0)`): when such a pattern
/// comes to the last event, ClickHouse reads on behind its end, and the answer depends on what the
/// memory there holds.
fn patterns(random: &mut ChaCha8Rng) -> Vec<String> {
    let mut patterns: Vec<String> = [
        "(?1)",
        "(?1)(?2)",
        "(?1).*(?2)",
        "(?1).*(?2).*(?3)",
        "(?1).(?3)",
        "(?1).*(?1)",
        "(?2).*(?2)(?1)",
        "(?1)(?t<=2)(?2)",
        "(?1)(?t<2)(?2)",
        "(?1)(?t>1)(?2)",
        "(?1)(?t>=3)(?2)",
        "(?1)(?t==2)(?2)",
        "(?1)(?t==0)(?2)",
        "(?1).*(?t>3)(?2)",
        "(?1)(?t>2).*(?2)(?3)",
        "(?1)(?t>=2)",
        "(?1)(?t==2)",
        "(?1).*(?2)(?t<=1)(?3)",
        ".(?1).",
        "(?t>2)(?1)",
        "(?1).*(?2)(?t>=1)(?1)(?t<3)(?2)",
        "(?4)(?4)",
        "(?1)(?t<=5).*(?2)(?t<=5).*(?3)",
        "(?1)(?2)(?3)(?4)",
    ]
    .map(str::to_owned)
    .to_vec();
    for _ in 0..24 {
        let (mut pattern, mut after_time) = (String::new(), false);
        for _ in 0..random.random_range(1..=6) {
            let kind = random.random_range(0..10);
            after_time = match kind {
                8.. if !after_time => {
                    let order = ["<", "<=", ">", ">=", "=="].choose(random).unwrap();
                    pattern.push_str(&format!("(?t{order}{})", random.random_range(0..5)));
                    true
                }
                5 => {
                    pattern.push('.');
                    false
                }
                6 | 7 => {
                    pattern.push_str(".*");
                    false
                }
                _ => {
                    pattern.push_str(&format!("(?{})", random.random_range(1..=CONDITIONS)));
                    false
                }
            };
        }
        pattern.push_str(["(?1)", ".", "(?2)"].choose(random).unwrap());
        patterns.push(pattern);
    }
    patterns
}

fn sequences(random: &mut ChaCha8Rng) -> Vec<Call> {
    let times = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    let functions = [
        ("sequence_match", "sequenceMatch", DataType::Int64),
        ("sequence_count", "sequenceCount", DataType::Int64),
        ("sequence_match_events", "sequenceMatchEvents", times),
    ];
    let (ours, theirs) = conditions(CONDITIONS);
    let mut calls = Vec::new();
    for (index, pattern) in patterns(random).into_iter().enumerate() {
        // What changes nothing at the end of a pattern, see above.
        let tail = if index % 3 == 0 { ".*" } else { "" };
        for (name, clickhouse_name, answer) in &functions {
            let call = format!("{clickhouse_name}('{pattern}')(t{theirs})");
            let theirs = if answer.is_nested() { call } else { format!("ifNull({call}, 0)") };
            let ours = format!("{name}('{pattern}{tail}', t{ours})");
            calls.push(Call { ours, theirs, answer: answer.clone(), rows: Rows::Plain });
        }
    }
    calls
}

fn next_nodes() -> Vec<Call> {
    let mut calls = Vec::new();
    for (direction, base) in [
        ("forward", "head"),
        ("forward", "first_match"),
        ("forward", "last_match"),
        ("backward", "tail"),
        ("backward", "first_match"),
        ("backward", "last_match"),
    ] {
        for count in 0..=3 {
            if count == 0 && base.ends_with("match") {
                continue;
            }
            let (ours, theirs) = conditions(count);
            calls.push(Call {
                ours: format!("sequence_next_node('{direction}', '{base}', t, e, b = 1{ours})"),
                theirs: format!("sequenceNextNode('{direction}', '{base}')(t, e, b{theirs})"),
                answer: DataType::Utf8,
                rows: Rows::Texts,
            });
        }
    }
    calls
}

/// Groups 1 to [`SAMPLE`]: `g`, time `t`, text `e`, base condition `b`, conditions `c1` and so on.
fn rows(random: &mut ChaCha8Rng) -> RecordBatch {
    let (mut groups, mut times, mut texts, mut bases) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut met: Vec<Vec<Option<u8>>> = vec![Vec::new(); CONDITIONS];
    for group in 1..=SAMPLE {
        let mut time = random.random_range(0..100_000);
        let pace = random.random_range(1..=4);
        for _ in 0..random.random_range(1..=14) {
            time += random.random_range(0..=pace);
            groups.push(group);
            times.push((!random.random_bool(0.02)).then_some(time));
            let text = ["a", "b", "c", "A", "ä", ""].choose(random).unwrap();
            texts.push((!random.random_bool(0.02)).then_some(*text));
            bases.push((!random.random_bool(0.02)).then_some(u8::from(random.random_bool(0.7))));
            let (only, kind) = (random.random_range(0..CONDITIONS), random.random_range(0..10));
            for (condition, met) in met.iter_mut().enumerate() {
                let meets = match kind {
                    0..2 => false,
                    2..7 => condition == only,
                    _ => random.random_bool(0.5),
                };
                met.push((!random.random_bool(0.02)).then_some(u8::from(meets)));
            }
        }
    }
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("g".to_owned(), Arc::new(UInt32Array::from(groups))),
        ("t".to_owned(), Arc::new(UInt32Array::from(times))),
        ("e".to_owned(), Arc::new(StringArray::from(texts))),
        ("b".to_owned(), Arc::new(UInt8Array::from(bases))),
    ];
    for (condition, met) in met.into_iter().enumerate() {
        columns.push((format!("c{}", condition + 1), Arc::new(UInt8Array::from(met))));
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

fn select(calls: &[&Call], text: fn(&Call) -> &str) -> String {
    calls.iter().enumerate().map(|(index, call)| format!(", {} AS a{index}", text(call))).collect()
}

/// What ClickHouse answers to each question about the rows.
fn ask_clickhouse(rows: &RecordBatch, questions: &[String]) -> Vec<RecordBatch> {
    let directory = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(directory.path().join("rows.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    let questions_json = serde_json::to_vec(questions).unwrap();
    std::io::Write::write_all(
        &mut std::fs::File::create(directory.path().join("questions.json")).unwrap(),
        &questions_json,
    )
    .unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/suites/clickhouse.py");
    let output = Command::new(python()).arg(script).arg(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (0..questions.len())
        .map(|number| read(&directory.path().join(format!("answer-{number}.parquet"))))
        .collect()
}

fn read(path: &Path) -> RecordBatch {
    let file = std::fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// Compares one round of random groups; how many answers were compared.
async fn compare(seed: u64) -> usize {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let rows = rows(&mut random);
    let mut calls = funnels();
    calls.extend(retentions());
    calls.extend(sequences(&mut random));
    calls.extend(next_nodes());

    let mut questions: Vec<(Rows, Vec<&Call>)> = Vec::new();
    for kind in [Rows::Plain, Rows::Texts, Rows::Nulls] {
        let calls: Vec<&Call> = calls.iter().filter(|call| call.rows == kind).collect();
        questions.extend(calls.chunks(CALLS_A_QUERY).map(|calls| (kind, calls.to_vec())));
    }
    let texts: Vec<String> =
        questions.iter().map(|(kind, calls)| kind.query(&select(calls, |call| &call.theirs))).collect();
    let theirs = ask_clickhouse(&rows, &texts);

    // Here the rows come in any order, in many batches, to several threads.
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    order.shuffle(&mut random);
    let shuffled = take_record_batch(&rows, &UInt32Array::from(order)).unwrap();
    let pieces: Vec<RecordBatch> = (0..shuffled.num_rows())
        .step_by(3000)
        .map(|start| shuffled.slice(start, 3000.min(shuffled.num_rows() - start)))
        .collect();
    let partitions = pieces.chunks(pieces.len().div_ceil(3)).map(<[RecordBatch]>::to_vec).collect();
    let engine = engine().await;
    let session = engine.session().unwrap();
    let table = MemTable::try_new(rows.schema(), partitions).unwrap();
    session.register_table("random_rows", Arc::new(table)).unwrap();

    let mut compared = 0;
    for ((_, calls), theirs) in questions.iter().zip(&theirs) {
        let question =
            format!("SELECT g{} FROM random_rows GROUP BY g ORDER BY g", select(calls, |call| &call.ours));
        let answer = match engine.sql_in(&session, &question).await {
            Ok(answer) => answer.collect().await.unwrap(),
            Err(error) => panic!("{question}\n{}", chain(&error)),
        };
        let ours = concat_batches(&answer[0].schema(), &answer).unwrap();
        assert_eq!(ours.num_rows(), theirs.num_rows());
        for (index, call) in calls.iter().enumerate() {
            let (ours, theirs) = (ours.column(index + 1), theirs.column(index + 1));
            compare_answers(seed, call, &rows, ours, theirs);
            compared += ours.len();
        }
    }
    compared
}

fn compare_answers(seed: u64, call: &Call, rows: &RecordBatch, ours: &ArrayRef, theirs: &ArrayRef) {
    let ours = cast(&ours, &call.answer).unwrap();
    let theirs = cast(&theirs, &call.answer).unwrap();
    if *ours == *theirs {
        return;
    }
    let differs = |group: &usize| *ours.slice(*group, 1) != *theirs.slice(*group, 1);
    let count = (0..ours.len()).filter(differs).count();
    let group = (0..ours.len()).find(|group| differs(group)).unwrap();
    let groups = rows.column(0).as_any().downcast_ref::<UInt32Array>().unwrap();
    let of_group = |index: &usize| groups.value(*index) as usize == group + 1;
    let places: UInt32Array = (0..rows.num_rows()).filter(of_group).map(|index| index as u32).collect();
    let rows = take_record_batch(rows, &places).unwrap();
    panic!(
        "seed {seed}: {count} of {} groups differ, the first is\n{}\n{}: {:?}\n{}: {:?}",
        ours.len(),
        pretty_format_batches(&[rows]).unwrap(),
        call.ours,
        ours.slice(group, 1),
        call.theirs,
        theirs.slice(group, 1),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_groups_gets_the_same_answers() {
    let compared = compare(0).await;
    assert!(compared > 250 * SAMPLE as usize, "{compared}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a million groups take some minutes"]
async fn a_million_groups_get_the_same_answers() {
    let mut compared = 0;
    for seed in 1..=u64::from(1_000_000 / SAMPLE) {
        compared += compare(seed).await;
        eprintln!("{} groups, {compared} answers: all the same", seed * u64::from(SAMPLE));
    }
}
