//! Funnels, retention, frequency, lifecycle, stickiness, flows, correlations, experiments and impact are answered as the oracle answers
//! them: the cases of the rules, and random questions of random histories, stored and read in the ways
//! of `insights.rs`.

use std::cell::Cell;
use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType};
use serde_json::Value;
use tallymark_report::{FlowForm, Question, Report};
use tallymark_tests::behaviours;
use tallymark_tests::cases::{BehaviourCase, behaviour_cases, records};
use tallymark_tests::histories::dense_history;
use tallymark_tests::oracle::insights::World;
use tallymark_tests::oracle::{Dataset, System, Table, experiment};

use crate::common::{NOW, for_each_case};
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

#[test]
fn correlations_of_the_rules() {
    check_cases(&["correlation"]);
}

#[test]
fn random_correlations() {
    ask_at_random(25, behaviours::scattered(dense_history()), behaviours::correlation());
}

#[test]
fn experiments_of_the_rules() {
    check_cases(&["experiment"]);
}

#[test]
fn random_experiments() {
    ask_at_random(25, behaviours::exposed(dense_history()), behaviours::experiment());
}

#[test]
fn impact_of_the_rules() {
    check_cases(&["impact"]);
}

#[test]
fn random_impact() {
    ask_at_random(25, behaviours::launched(dense_history()), behaviours::impact());
}

/// M-75: what is drawn is distributed as it is believed; the oracle knows how by quadrature.
#[test]
fn random_beliefs() {
    const TOLERANCE: f64 = 0.012;
    let definitions = proptest::collection::vec(behaviours::bayesian_experiment(), 3);
    let compared = Cell::new(0);
    let case = (behaviours::exposed(dense_history()), definitions);
    for_each_case(25, &case, |(records, definitions)| {
        let compared = &compared;
        async move {
            let none = BTreeMap::new();
            let engines =
                Engines::of(Stored::Imported, &records, &none, &serde_json::json!({}), &none, &[]).await;
            let dataset = Dataset::of(System::Simplified, &records, NOW.millis());
            for definition in definitions {
                let report = Report::from_value(definition.clone()).unwrap();
                let world = World::of(&dataset, BTreeMap::new()).seen_by(&report, NOW.millis());
                let beliefs = experiment::beliefs(&world, &report, NOW.millis());
                let Question::Experiment(asked) = &report.question else { panic!("no experiment") };
                let confidence = asked.confidence;
                let answer = table(&engines.answer(&report).await);
                assert_eq!(answer, table(&engines.answer(&report).await), "the same numbers are drawn");
                let place = |name: &str| answer.columns.iter().position(|column| column == name).unwrap();
                let rows = answer.rows.iter().filter(|row| row[place("is_control")] == false);
                let rows: Vec<_> = rows.collect();
                assert_eq!(rows.len(), beliefs.len());
                for (row, belief) in rows.into_iter().zip(beliefs) {
                    let number = |name: &str| row[place(name)].as_f64();
                    let Some(belief) = belief else {
                        assert_eq!(number("chance"), None, "{definition} {row:?}");
                        continue;
                    };
                    let close = |found: f64, expected: f64| {
                        assert!(
                            (found - expected).abs() < TOLERANCE,
                            "{definition}\n{row:?}\n{found} {expected}"
                        );
                    };
                    close(number("chance").unwrap(), belief.chance());
                    compared.set(compared.get() + 1);
                    if let Some(lift) = number("lift_median") {
                        let (low, high) = (number("lift_low").unwrap(), number("lift_high").unwrap());
                        close(belief.lift_up_to(lift), 0.5);
                        close(belief.lift_up_to(high) - belief.lift_up_to(low), confidence);
                        let is_a_difference = row[place("is_significant")].as_bool();
                        assert_eq!(is_a_difference, Some(low > 0.0 || high < 0.0));
                    }
                }
            }
        }
    });
    assert!(compared.get() > 10, "{}", compared.get());
}

/// S-26, S-27.
#[test]
fn random_metrics_of_behaviour() {
    ask_at_random(25, dense_history(), behaviours::metrics());
}
