//! The answer of a report for a person at a terminal; elsewhere, and for programs, it is rows like any
//! other.
//!
//! A [`funnel`] is a bar a step, [`retention`] a triangle, [`flows`] are bars a step, a [`correlation`] is a
//! line a candidate, an [`experiment`] and [`impact`] a table a metric; frequency,
//! lifecycle and stickiness ([`activity`]) a line a unit of time. Of insights:
//!
//! 1. [`series`]: rows become series, one for each metric, segment and bin, with a point a bucket.
//! 2. What was asked decides the form: [`over_time`] is a column a bucket, or a line of blocks where
//!    those are too many; [`bars`] are for the whole range; what is compared with another time is a
//!    [`Table`].

mod activity;
mod answer;
mod bars;
mod correlation;
mod experiment;
mod flows;
mod funnel;
mod impact;
mod over_time;
mod retention;
mod series;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Schema};
use futures::TryStreamExt as _;
use tallymark::Answer;
use tallymark::report::{Comparison, Insights, Question, Report};

use self::series::{Answered, Series};
use super::{Align, Format, Table, TableStyle, Target, write_rows};
use crate::terminal::{Paint, Terminal};
use crate::text::{counted, duration, number};

/// Writes the answer of a report to `target`: as a form for people if it is to be a table of a
/// certain width.
///
/// # Errors
/// As for [`write_rows`].
pub(crate) async fn write_report(
    answer: Answer,
    report: &Report,
    format: Format,
    style: TableStyle,
    target: &Target,
    terminal: Terminal,
) -> anyhow::Result<()> {
    let schema = answer.schema();
    let is_drawn = format == Format::Table && is_drawn(&report.question, &schema);
    let Some(width) = style.width.filter(|_| is_drawn) else {
        return write_rows(answer, schema, format, style, target, terminal).await;
    };
    let started = Instant::now();
    let batches: Vec<RecordBatch> = answer.try_collect().await?;
    let rows = concat_batches(&schema, &batches)?;
    let elapsed = style.timing.then(|| started.elapsed());
    let page = Page { style, width, elapsed, paint: terminal.out };
    let mut sink = target.open()?;
    let watch = sink.watch();
    let written = match &report.question {
        Question::Insights(insights) => {
            let answered = Answered::read(insights, &rows)?;
            Form { insights, page }.write(&answered, &mut sink)
        }
        other => written(other, &rows, &page, &mut sink),
    };
    let written = written.and_then(|()| sink.flush());
    written.context("cannot print").map_err(|error| target.abandon(error, &watch))
}

/// Writes what is not insights, if it has a form of its own.
fn written(
    question: &Question,
    rows: &RecordBatch,
    page: &Page,
    out: &mut impl Write,
) -> std::io::Result<()> {
    match question {
        Question::Funnel(funnel) => funnel::write(funnel, rows, page, out),
        Question::Retention(retention) => retention::write(retention, rows, page, out),
        Question::Frequency(frequency) => activity::frequency(frequency, rows, page, out),
        Question::Lifecycle(lifecycle) => activity::lifecycle(lifecycle, rows, page, out),
        Question::Stickiness(_) => activity::stickiness(rows, page, out),
        Question::Flows(flows) => flows::write(flows, rows, page, out),
        Question::Correlation(_) => correlation::write(rows, page, out),
        Question::Experiment(experiment) => experiment::write(experiment, rows, page, out),
        Question::Impact(impact) => impact::write(impact, rows, page, out),
        // `is_drawn` knows of them.
        Question::Insights(_) | Question::Cohort(_) | Question::Sessions(_) => Ok(()),
    }
}

/// Whether a report has a form of its own; users and sessions are rows.
fn is_drawn(question: &Question, schema: &Schema) -> bool {
    match question {
        Question::Insights(insights) => has_form(insights, schema),
        Question::Funnel(funnel) => funnel.users_of.is_none() && funnel.explain.is_none(),
        Question::Retention(retention) => retention.users_of.is_none(),
        Question::Frequency(frequency) => frequency.users_of.is_none(),
        Question::Lifecycle(lifecycle) => lifecycle.users_of.is_none(),
        Question::Stickiness(stickiness) => stickiness.users_of.is_none(),
        Question::Flows(flows) => flows.users_of.is_none(),
        Question::Experiment(experiment) => experiment.users_of.is_none(),
        Question::Impact(impact) => impact.users_of.is_none(),
        Question::Correlation(correlation) => correlation.users_of.is_none(),
        Question::Cohort(_) | Question::Sessions(_) => false,
    }
}

/// Texts, and segments that are compared among each other, are rows like any other.
fn has_form(insights: &Insights, schema: &Schema) -> bool {
    let is_of_segments = insights.compare.as_ref().is_some_and(Comparison::is_of_segments);
    let after = 2 * usize::from(insights.compare.is_some()) + usize::from(insights.sample.is_some());
    let last = schema.fields().len() - 1 - after;
    let is_number = *schema.field(last).data_type() == DataType::Float64;
    insights.users_of.is_none() && !is_of_segments && is_number
}

/// What a form is written on.
#[derive(Debug, Clone, Copy)]
struct Page {
    style: TableStyle,
    width: usize,
    elapsed: Option<Duration>,
    paint: Paint,
}

impl Page {
    /// The line below: how much there is, and what else is to be said.
    fn footer(
        &self,
        shown: usize,
        total: usize,
        noun: &str,
        more: Vec<String>,
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        let mut notes = vec![counted(total as u64, noun)];
        if shown < total {
            notes[0] = format!("{shown} of {} shown ({} shows all)", notes[0], self.style.limit_advice);
        }
        notes.extend(more);
        notes.extend(self.elapsed.map(duration));
        writeln!(out, "{}", self.paint.faint(notes.join(", ")))
    }
}

/// How the answer of an insights report is to look.
struct Form<'a> {
    insights: &'a Insights,
    page: Page,
}

impl Form<'_> {
    fn write(&self, answered: &Answered, out: &mut impl Write) -> std::io::Result<()> {
        let Page { style, width, paint, .. } = self.page;
        if let Some(name) = answered.only_metric() {
            writeln!(out, "{}", paint.strong(name))?;
        }
        let mut notes = Vec::new();
        let mut shown = answered.series.len();
        if self.insights.interval.is_some() {
            shown = shown.min(style.rows_max);
            notes.extend(over_time::write(answered, shown, width, paint, out)?);
        } else if self.insights.compare.is_some() {
            shown = shown.min(style.rows_max);
            compared(answered, shown).write(out, Some(width), paint)?;
        } else {
            shown = bars::write(self, answered, out)?;
        }
        notes.extend(answered.year.as_ref().map(|year| format!("all in {year}")));
        notes.extend(self.insights.sample.map(sampled));
        self.page.footer(shown, answered.series.len(), "line", notes, out)
    }
}

/// The columns that tell series apart: metric, if there are several, breakdowns, bin.
fn label_columns(answered: &Answered) -> Vec<&str> {
    let metric = answered.only_metric().is_none().then_some("metric");
    let bin = answered.has_bins.then_some("value");
    metric.into_iter().chain(answered.breakdowns.iter().map(String::as_str)).chain(bin).collect()
}

/// What a series has in these columns.
fn labels(answered: &Answered, series: &Series) -> Vec<String> {
    let metric = answered.only_metric().is_none().then(|| series.metric());
    let bin = answered.has_bins.then(|| series.bin.clone().unwrap_or_default());
    metric.into_iter().chain(series.segments.iter().cloned()).chain(bin).collect()
}

/// S-76 of a whole range: the value, the one before, and by how much it changed.
fn compared(answered: &Answered, shown: usize) -> Table {
    let mut columns: Vec<_> = label_columns(answered).into_iter().map(|name| (name, Align::Left)).collect();
    columns.extend(["now", "before", "change"].map(|name| (name, Align::Right)));
    let mut table = Table::new(&columns);
    for series in answered.series.iter().take(shown) {
        let point = series.points.first().copied().unwrap_or_default();
        let decimals = answered.decimals(series);
        let mut cells = labels(answered, series);
        cells.extend([
            number(point.value, decimals),
            number(point.compared, decimals),
            percent(point.change),
        ]);
        table.push_row(&cells);
    }
    table
}

/// P1: what is not of all users says so.
fn sampled(share: f64) -> String {
    // Not 7.000000000000001.
    let percent = (share * 1e8).round() / 1e6;
    format!("estimated from a sample of {percent} % of the users, without events of nobody")
}

/// A relative change: `+12.5 %`.
fn percent(change: Option<f64>) -> String {
    change.map_or_else(
        || number(None, 0),
        |change| {
            // Not −0.0 or +0.0.
            let percent = (change * 1000.0).round() / 10.0;
            if percent == 0.0 { "0.0 %".to_owned() } else { format!("{percent:+.1} %") }
        },
    )
}

#[cfg(test)]
mod tests;
