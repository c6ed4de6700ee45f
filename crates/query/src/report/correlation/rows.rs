//! The answer.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tallymark_report::Correlation;

use super::tally::{Confusion, Confusions, Tally};
use super::{Counted, DAYS, TIMES};
use crate::Result;
use crate::report::asked::arrow_error;

/// The columns: see [`crate::report_schema`].
pub(in super::super) fn schema() -> SchemaRef {
    let count = |name| Field::new(name, DataType::Int64, false);
    let number = |name| Field::new(name, DataType::Float64, true);
    Arc::new(Schema::new(vec![
        Field::new("event", DataType::Utf8, false),
        Field::new("property", DataType::Utf8, true),
        Field::new("value", DataType::Utf8, true),
        count("times"),
        count("days"),
        Field::new("is_best", DataType::Boolean, false),
        count("users"),
        count("true_positives"),
        count("false_positives"),
        count("false_negatives"),
        count("true_negatives"),
        number("phi"),
        number("precision"),
        number("false_omission"),
        number("recall"),
        number("fall_out"),
    ]))
}

/// One number of times and days of a candidate.
struct Cell {
    candidate: usize,
    times: usize,
    days: usize,
    is_best: bool,
    confusion: Confusion,
}

pub(super) fn batch(
    correlation: &Correlation,
    candidates: &[Counted],
    properties: &[Option<String>],
    tally: Tally,
) -> Result<RecordBatch> {
    let confusions = Confusions::of(tally);
    let mut best: Vec<Cell> =
        (0..candidates.len()).map(|candidate| best_of(&confusions, candidate)).collect();
    best.sort_by(|a, b| by_strength(&b.confusion, &a.confusion));
    let cells: Vec<Cell> = if correlation.all_cells {
        best.iter().flat_map(|best| all(&confusions, best)).collect()
    } else {
        best
    };
    let counts = |of: &dyn Fn(&Cell) -> u64| -> ArrayRef {
        Arc::new(cells.iter().map(|cell| Some(of(cell) as i64)).collect::<Int64Array>())
    };
    let numbers = |of: &dyn Fn(Confusion) -> Option<f64>| -> ArrayRef {
        Arc::new(cells.iter().map(|cell| of(cell.confusion)).collect::<Float64Array>())
    };
    let texts = |of: &dyn Fn(&Counted) -> Option<String>| -> ArrayRef {
        Arc::new(cells.iter().map(|cell| of(&candidates[cell.candidate])).collect::<StringArray>())
    };
    let property = |candidate: &Counted| properties[candidate.source].clone();
    let columns = vec![
        texts(&|candidate| candidate.event.clone().or_else(|| candidate.label.clone())),
        texts(&property),
        texts(&|candidate| property(candidate).and_then(|_| candidate.label.clone())),
        counts(&|cell| cell.times as u64),
        counts(&|cell| cell.days as u64),
        Arc::new(cells.iter().map(|cell| Some(cell.is_best)).collect::<BooleanArray>()),
        counts(&|cell| cell.confusion.users()),
        counts(&|cell| cell.confusion.true_positives),
        counts(&|cell| cell.confusion.false_positives),
        counts(&|cell| cell.confusion.false_negatives),
        counts(&|cell| cell.confusion.true_negatives),
        numbers(&Confusion::phi),
        numbers(&Confusion::precision),
        numbers(&Confusion::false_omission),
        numbers(&Confusion::recall),
        numbers(&Confusion::fall_out),
    ];
    RecordBatch::try_new(schema(), columns).map_err(arrow_error)
}

/// The strongest; of several the one of fewest times, and of these of fewest days.
fn best_of(confusions: &Confusions, candidate: usize) -> Cell {
    let cell = |times, days| Cell {
        candidate,
        times,
        days,
        is_best: true,
        confusion: confusions.at(candidate, times, days),
    };
    let mut best = cell(1, 1);
    for (times, days) in places() {
        let other = cell(times, days);
        if by_strength(&other.confusion, &best.confusion).is_gt() {
            best = other;
        }
    }
    best
}

/// All of a candidate.
fn all(confusions: &Confusions, best: &Cell) -> Vec<Cell> {
    let cell = |(times, days)| Cell {
        candidate: best.candidate,
        times,
        days,
        is_best: (times, days) == (best.times, best.days),
        confusion: confusions.at(best.candidate, times, days),
    };
    places().map(cell).collect()
}

fn places() -> impl Iterator<Item = (usize, usize)> {
    (1..=TIMES).flat_map(|times| (1..=DAYS).map(move |days| (times, days)))
}

/// By how far phi is from 0, to twelve decimals; none is less than any.
fn by_strength(a: &Confusion, b: &Confusion) -> Ordering {
    let strength = |confusion: &Confusion| confusion.phi().map_or(-1.0, |phi| (phi.abs() * 1e12).round());
    strength(a).total_cmp(&strength(b))
}
