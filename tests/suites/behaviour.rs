//! Funnels, retention, frequency, lifecycle, stickiness and flows are answered as the oracle answers
//! them: the cases of the rules, and random questions of random histories, stored and read in the ways
//! of `insights.rs`.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType};
use serde_json::Value;
use tallymark_report::{FlowForm, Question, Report};
use tallymark_tests::behaviours;
use tallymark_tests::cases::{BehaviourCase, behaviour_cases, records};
use tallymark_tests::histories::dense_history;
use tallymark_tests::oracle::Table;

use crate::insights::{Engines, Stored, as_of, ask_at_random};

/// The rows of an answer.
pub(crate) fn table(batches: &[RecordBatch]) -> Table {
    let mut table = Table::default();
    for batch in batches {
        let fields = batch.schema_ref().fields();
        table.columns = fields.iter().map(|field| field.name().clone()).collect();
        for row in 0..batch.num_rows() {
            table.rows.push(batch.columns().iter().map(|column| value(column, row)).collect());
        }
    }
    table
}

/// Lines in an order of their own where the rules give none.
pub(crate) fn in_order(report: &Report, mut lines: Vec<String>) -> Vec<String> {
    let has_no_order = match &report.question {
        // F-72 says the order of times, and not that of other labels of the same time.
        Question::Funnel(funnel) => funnel.time_buckets.is_some() && !funnel.breakdowns.is_empty(),
        Question::Flows(flows) => flows.form == FlowForm::Graph,
        _ => false,
    };
    if has_no_order {
        lines.sort_unstable();
    }
    lines
}

/// A value; of a type that no answer has, nothing is equal to it.
fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => Value::from(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::from(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::from(column.as_boolean().value(row)),
        DataType::Utf8 => Value::from(column.as_string::<i32>().value(row)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Value::from(column.as_primitive::<TimestampMillisecondType>().value(row))
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|item| value(&items, item)).collect()
        }
        other => Value::from(format!("a value of type {other}")),
    }
}

/// The cases of some reports are answered as the rules say.
fn check_cases(kinds: &[&str]) {
    let cases = behaviour_cases().into_iter();
    let cases = cases.filter(|case| kinds.contains(&case.report().question.kind()));
    let mut by_stored: BTreeMap<&str, Vec<BehaviourCase>> = BTreeMap::new();
    for case in cases {
        by_stored.entry(case.stored).or_default().push(case);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut differences = Vec::new();
    for (stored, cases) in by_stored {
        let (records, none) = (records(stored), BTreeMap::new());
        let engines = runtime.block_on(Engines::of(
            Stored::HalfInMemtable,
            &records,
            &none,
            &serde_json::json!({}),
            &none,
            &[],
        ));
        for case in cases {
            let report = as_of(case.report(), BehaviourCase::AS_OF);
            let lines = |batches: &[RecordBatch]| match table(batches) {
                answer if answer.rows.is_empty() => Vec::new(),
                answer => in_order(&report, case.lines(&answer)),
            };
            let expected = case.expected.iter().map(|line| (*line).to_owned()).collect();
            let expected = in_order(&report, expected);
            if let Some(difference) = runtime.block_on(engines.difference(&report, &expected, lines)) {
                differences.push(format!("{} {difference}\n{stored}\n{}", case.name, case.definition));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn funnels_of_the_rules() {
    check_cases(&["funnel"]);
}

#[test]
fn random_funnels() {
    ask_at_random(40, dense_history(), behaviours::funnel());
}

#[test]
fn retention_of_the_rules() {
    check_cases(&["retention"]);
}

#[test]
fn random_retention() {
    ask_at_random(25, dense_history(), behaviours::retention());
}

#[test]
fn activity_of_the_rules() {
    check_cases(&["frequency", "lifecycle", "stickiness"]);
}

#[test]
fn random_activity() {
    ask_at_random(25, dense_history(), behaviours::activity());
}

#[test]
fn flows_of_the_rules() {
    check_cases(&["flows"]);
}

#[test]
fn random_flows() {
    ask_at_random(25, dense_history(), behaviours::flows());
}

/// S-26, S-27.
#[test]
fn random_metrics_of_behaviour() {
    ask_at_random(25, dense_history(), behaviours::metrics());
}
