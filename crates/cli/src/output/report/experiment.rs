//! Experiments: a table for each metric and formula, a line a group.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use tallymark::report::{Experiment, ExperimentMeasure, ExperimentTest};

use super::answer::Answer;
use super::{Page, percent};
use crate::output::{Align, Table};
use crate::text::{count, decimals, number, share};

/// Users are not divided as planned if it is less likely than this.
const UNLIKELY: f64 = 0.01;

pub(super) fn write(
    experiment: &Experiment,
    rows: &RecordBatch,
    page: &Page,
    out: &mut impl Write,
) -> io::Result<()> {
    let answer = Answer(rows);
    let measured = experiment.metrics.len() + experiment.formulas.len();
    let groups = rows.num_rows() / measured.max(1);
    let (p, p_name) = match experiment.test {
        ExperimentTest::Frequentist => ("p", "p"),
        ExperimentTest::Sequential => ("sequential_p", "sequential p"),
        ExperimentTest::Bayesian => ("chance", "chance to beat"),
    };
    let mut shown = 0;
    for at in 0..measured {
        if shown >= page.style.rows_max {
            break;
        }
        let of_metric = at * groups..(at + 1) * groups;
        let measure = experiment.metrics.get(at).map(|metric| &metric.measure);
        let is_share = measure == Some(&ExperimentMeasure::UniqueUsers) && experiment.cuped.is_none();
        let values = of_metric.clone().filter_map(|row| answer.number("value", row));
        let places = decimals(values).max(2);
        let value = |value: Option<f64>| match value {
            Some(value) if is_share => share(value),
            value => number(value, places),
        };
        writeln!(out, "{}", page.paint.strong(answer.text("name", of_metric.start).unwrap_or_default()))?;
        let mut table = Table::new(&[
            ("variant", Align::Left),
            ("exposed", Align::Right),
            ("value", Align::Right),
            ("lift", Align::Right),
            (p_name, Align::Right),
            ("", Align::Left),
        ]);
        for row in of_metric.take(page.style.rows_max - shown) {
            shown += 1;
            let is_compared = row % groups > 0;
            let of_variant = |text: String| if is_compared { text } else { String::new() };
            table.push([
                answer.text("variant", row).unwrap_or_default(),
                count(answer.count("exposed", row)),
                value(answer.number("value", row)),
                of_variant(percent(answer.number("lift", row))),
                of_variant(match answer.number(p, row) {
                    Some(chance) if experiment.test == ExperimentTest::Bayesian => share(chance),
                    p => probability(p),
                }),
                if answer.is_true("is_significant", row) { "significant".to_owned() } else { String::new() },
            ]);
        }
        table.write(out, Some(page.width), page.paint)?;
    }
    let mut notes = Vec::new();
    if let Some(p) = answer.number("sample_ratio_p", 0).filter(|p| *p < UNLIKELY) {
        let who = experiment.count_by.as_deref().map_or("users".to_owned(), |key| format!("groups by {key}"));
        notes.push(format!("{who} are not divided as planned (p {})", probability(Some(p))));
    }
    page.footer(shown, rows.num_rows(), "line", notes, out)
}

/// How likely something is by chance.
fn probability(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.0001 => "< 0.0001".to_owned(),
        p => number(p, 4),
    }
}
