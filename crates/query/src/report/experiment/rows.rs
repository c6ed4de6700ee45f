//! The answer.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tallymark_report::{Experiment, ExperimentMeasure, ExperimentTest};

use super::believe::Believed;
use super::compare::{Difference, Spread, Summary, sample_ratio_p, significant};
use super::observe::{Group, Observations};
use super::{adjust, formula};
use crate::Result;
use crate::report::asked::arrow_error;
use crate::report::insights::formula::Formula;
use crate::report::insights::letter;

/// The columns: see [`crate::report_schema`].
pub(in super::super) fn schema(experiment: &Experiment) -> SchemaRef {
    let number = |name| Field::new(name, DataType::Float64, true);
    let mut fields = vec![
        Field::new("metric", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("variant", DataType::Utf8, false),
        Field::new("is_control", DataType::Boolean, false),
        Field::new("exposed", DataType::Int64, false),
        number("expected"),
        Field::new("users", DataType::Int64, false),
    ];
    fields.extend(
        [
            "total",
            "value",
            "variance",
            "difference",
            "lift",
            "standard_error",
            "low",
            "high",
            "z",
            "p",
            "sequential_p",
        ]
        .map(number),
    );
    fields.push(Field::new("is_significant", DataType::Boolean, true));
    if experiment.test == ExperimentTest::Bayesian {
        fields.extend(["chance", "lift_median", "lift_low", "lift_high"].map(number));
    }
    if experiment.pre_experiment_bias {
        fields.push(number("bias_p"));
    }
    fields.push(number("sample_ratio_p"));
    Arc::new(Schema::new(fields))
}

/// One metric, or formula, of one group; of variants how it differs from the control.
struct Row<'a> {
    /// Which, the formulas after the metrics.
    metric: usize,
    group: &'a Group,
    expected: Option<f64>,
    /// Null of formulas.
    total: Option<f64>,
    summary: Summary,
    difference: Option<Difference>,
    believed: Option<Believed>,
    bias_p: Option<f64>,
    is_significant: Option<bool>,
}

/// What all groups have of a metric, or of a formula.
struct Measured {
    summaries: Vec<Summary>,
    /// What they had before their exposure.
    before: Vec<Summary>,
    is_share: bool,
}

/// The first so many metrics have rows, and the formulas; `groups` begin with the control.
pub(super) fn batch(
    experiment: &Experiment,
    own_count: usize,
    formulas: &[Formula],
    groups: &[Group],
) -> Result<RecordBatch> {
    let exposed: Vec<u64> = groups.iter().map(|group| group.exposed).collect();
    let expected = expected(experiment, groups);
    let sample_ratio_p = sample_ratio_p(&exposed, &expected);
    let metrics: Vec<Measured> =
        (0..experiment.metrics.len()).map(|metric| of_metric(experiment, groups, metric)).collect();
    let of_formulas = formulas.iter().map(|formula| of_formula(formula, groups, &metrics));
    let of_formulas: Vec<Measured> = of_formulas.collect();
    let of_metrics: Vec<(&[Summary], bool)> =
        metrics.iter().map(|metric| (&metric.summaries[..], metric.is_share)).collect();
    let confidence = experiment.confidence;
    let between = |control: &Summary, variant: &Summary| {
        Difference::between(control, variant, confidence, experiment.expected_effect)
    };
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (metric, of) in metrics[..own_count].iter().chain(&of_formulas).enumerate() {
        let formula = metric.checked_sub(own_count).map(|at| &formulas[at]);
        let believed = |at: usize| match formula {
            None => Believed::between(&of.summaries, at, of.is_share, confidence),
            Some(formula) => Believed::of_formula(formula, &of_metrics, at, confidence),
        };
        let is_bayesian = experiment.test == ExperimentTest::Bayesian;
        rows.extend((0..groups.len()).map(|at| Row {
            metric,
            group: &groups[at],
            expected: Some(expected[at]),
            total: if formula.is_some() { None } else { Some(of.summaries[at].total) },
            summary: of.summaries[at],
            difference: (at > 0).then(|| between(&of.summaries[0], &of.summaries[at])),
            believed: (at > 0 && is_bayesian).then(|| believed(at)),
            bias_p: if at > 0 { between(&of.before[0], &of.before[at]).p } else { None },
            is_significant: None,
        }));
    }
    let p = |row: &Row<'_>| {
        row.difference.and_then(|difference| match experiment.test {
            ExperimentTest::Frequentist => difference.p,
            ExperimentTest::Sequential => difference.sequential_p,
            ExperimentTest::Bayesian => None,
        })
    };
    let compared: Vec<Option<f64>> = rows.iter().filter(|row| row.difference.is_some()).map(p).collect();
    let found = significant(&compared, experiment.confidence, experiment.correction);
    for (row, is_significant) in rows.iter_mut().filter(|row| row.difference.is_some()).zip(found) {
        row.is_significant = is_significant.or_else(|| row.believed.and_then(Believed::is_a_difference));
    }
    let texts = |of: &dyn Fn(&Row<'_>) -> String| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
    };
    let counts = |of: &dyn Fn(&Row<'_>) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row) as i64)).collect::<Int64Array>())
    };
    let flags = |of: &dyn Fn(&Row<'_>) -> Option<bool>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<BooleanArray>())
    };
    let numbers = |of: &dyn Fn(&Row<'_>) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float64Array>())
    };
    let differences = |of: fn(&Difference) -> Option<f64>| -> ArrayRef {
        numbers(&|row| row.difference.as_ref().and_then(of))
    };
    let mut columns = vec![
        texts(&|row| letter(row.metric)),
        texts(&|row| match row.metric.checked_sub(own_count) {
            None => experiment.metrics[row.metric].label(),
            Some(formula) => experiment.formulas[formula].label().to_owned(),
        }),
        texts(&|row| row.group.variant.clone()),
        flags(&|row| Some(row.difference.is_none())),
        counts(&|row| row.group.exposed),
        numbers(&|row| row.expected),
        counts(&|row| row.summary.count),
        numbers(&|row| row.total),
        numbers(&|row| row.summary.mean),
        numbers(&|row| row.summary.variance),
        differences(|of| of.amount),
        differences(|of| of.lift),
        differences(|of| of.standard_error),
        differences(|of| of.low),
        differences(|of| of.high),
        differences(|of| of.z),
        differences(|of| of.p),
        differences(|of| of.sequential_p),
        flags(&|row| row.is_significant),
    ];
    if experiment.test == ExperimentTest::Bayesian {
        let believed = |of: fn(&Believed) -> Option<f64>| numbers(&|row| row.believed.as_ref().and_then(of));
        columns.extend([
            believed(|of| of.chance),
            believed(|of| of.lift),
            believed(|of| of.low),
            believed(|of| of.high),
        ]);
    }
    if experiment.pre_experiment_bias {
        columns.push(numbers(&|row| row.bias_p));
    }
    columns.push(numbers(&|_| sample_ratio_p));
    RecordBatch::try_new(schema(experiment), columns).map_err(arrow_error)
}

/// What all groups have of a metric.
fn of_metric(experiment: &Experiment, groups: &[Group], metric: usize) -> Measured {
    let mut observed: Vec<Observations> = groups.iter().map(|group| group.metrics[metric].clone()).collect();
    let measure = &experiment.metrics[metric].measure;
    let spread = match measure {
        ExperimentMeasure::UniqueUsers => Spread::Share,
        ExperimentMeasure::Sessions => Spread::Poisson,
        ExperimentMeasure::TotalEvents | ExperimentMeasure::OfProperty { .. } => Spread::Sample,
    };
    let before: Vec<Summary> = observed.iter().map(|of| Summary::of(&of.before, spread)).collect();
    if let Some(percent) = experiment.winsorize.filter(|_| *measure != ExperimentMeasure::UniqueUsers) {
        adjust::winsorize(&mut observed, percent);
    }
    let spread = if experiment.cuped.is_some() {
        adjust::cuped(&mut observed);
        // What is adjusted is no share and no count any more.
        Spread::Sample
    } else {
        spread
    };
    let summaries: Vec<Summary> = observed.iter().map(|of| Summary::of(&of.values, spread)).collect();
    Measured { summaries, before, is_share: spread == Spread::Share }
}

/// What all groups have of a formula, by what they have of each of the metrics.
fn of_formula(formula: &Formula, groups: &[Group], metrics: &[Measured]) -> Measured {
    let of = |summaries: fn(&Measured) -> &Vec<Summary>| {
        let of_group = |(at, group): (usize, &Group)| {
            formula::of_group(formula, group.exposed, &|metric| summaries(&metrics[metric])[at])
        };
        groups.iter().enumerate().map(of_group).collect()
    };
    Measured { summaries: of(|of| &of.summaries), before: of(|of| &of.before), is_share: false }
}

/// How many users each group was to have, of all that are exposed.
fn expected(experiment: &Experiment, groups: &[Group]) -> Vec<f64> {
    let weight = |group: &Group| experiment.split.get(&group.variant).copied().unwrap_or(1.0);
    let weights: f64 = groups.iter().map(weight).sum();
    let exposed: u64 = groups.iter().map(|group| group.exposed).sum();
    groups.iter().map(|group| exposed as f64 * weight(group) / weights).collect()
}
