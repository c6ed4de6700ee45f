//! Funnels and retention as metrics: what their own reports answer (S-26, S-27).
//!
//! A funnel is one of each bucket (F-76). Of retention it is the rows that begin in a bucket, put together
//! without those that are not complete.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use tallymark_report::{
    Aggregate, DateRange, Insights, Instant, Metric, Question, Report, RetentionMeasure, Scope,
};

use super::OTHER;
use super::breakdown::Segment;
use super::civil::{Bucket, Civil, Span};
use super::metric::Line;
use super::range::Range;
use super::world::View;
use crate::oracle::{Table, funnel, retention};

/// What a metric is in each line and bucket.
pub(super) struct Behaviour<'a> {
    view: View<'a>,
    insights: Insights,
    metric: Metric,
    /// The report that answers it.
    report: Report,
    told: Told,
    /// Of all segments but those that are shown.
    others: OnceCell<Told>,
}

/// What an answer tells.
#[derive(Default)]
struct Told {
    /// By the labels, none overall, and the start of the bucket.
    values: BTreeMap<(Option<Segment>, Option<i64>), Option<f64>>,
    /// How many entered, or were born, in the whole range: of segments anybody did in.
    entered: BTreeMap<Segment, f64>,
    /// What there is where nobody entered.
    nothing: Option<f64>,
}

fn spelled(millis: i64) -> Instant {
    let time = DateTime::from_timestamp_millis(millis).unwrap();
    Instant(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn number(table: &Table, row: usize, column: &str) -> Option<f64> {
    let at = table.columns.iter().position(|name| name == column).unwrap();
    table.rows[row][at].as_f64()
}

impl<'a> Behaviour<'a> {
    pub(super) fn of(
        view: View<'a>,
        scope: &Scope,
        insights: &Insights,
        metric: &Metric,
        time: Range,
    ) -> Option<Self> {
        let Span { from, to } = time.span;
        let range = DateRange::Between(spelled(from), spelled(to));
        let as_of = Some(spelled(view.now));
        let scope = Scope { range, as_of, ..scope.clone() };
        let funnel = insights.funnel_of(metric).map(Question::Funnel);
        let question = funnel.or_else(|| insights.retention_of(metric).map(Question::Retention))?;
        let report = Report { scope, question };
        let (insights, metric, told, others) =
            (insights.clone(), metric.clone(), Told::default(), OnceCell::new());
        let mut found = Self { view, insights, metric, report, told, others };
        found.told = found.told_of(None);
        Some(found)
    }

    /// What is told, or what is told of others than some segments.
    fn told_of(&self, but: Option<&[Segment]>) -> Told {
        let Self { view, insights, metric, report, .. } = self;
        let mut told = Told::default();
        match &report.question {
            Question::Funnel(of) => {
                let table = match but {
                    None => funnel::answer(view.world, report, view.now),
                    Some(but) => funnel::of_others(view.world, report, view.now, but),
                };
                told.take_funnel(insights, metric, of.steps.len(), &table);
            }
            Question::Retention(of) => {
                let table = match but {
                    None => retention::answer(view.world, report, view.now),
                    Some(but) => retention::of_others(view.world, report, view.now, but),
                };
                told.take_retention(view.civil, insights, metric, &of.measure, &table);
            }
            other => panic!("a {} is no metric", other.kind()),
        }
        told
    }

    pub(super) fn entered(&self) -> &BTreeMap<Segment, f64> {
        &self.told.entered
    }

    pub(super) fn value(&self, bucket: Bucket, line: &Line) -> Option<f64> {
        let (told, labels) = match line {
            Line::Overall => (&self.told, None),
            Line::Segment(labels) => (&self.told, Some(labels.clone())),
            Line::Other(shown) => {
                let others = self.others.get_or_init(|| self.told_of(Some(shown)));
                (others, Some(vec![OTHER.to_owned(); self.insights.breakdowns.len()]))
            }
        };
        let bucket = self.insights.interval.map(|_| bucket.key);
        told.values.get(&(labels, bucket)).copied().unwrap_or(told.nothing)
    }
}

impl Told {
    fn take_funnel(&mut self, insights: &Insights, metric: &Metric, steps: usize, table: &Table) {
        let value = metric.value.as_deref().unwrap_or("conversion");
        self.nothing = (value == "count").then_some(0.0);
        let first = usize::from(insights.interval.is_some());
        let split = insights.breakdowns.len();
        for row in 0..table.rows.len() {
            let labels = labels(table, row, first, split);
            let step = number(table, row, "step").unwrap() as usize;
            if let (1, Some(labels)) = (step, &labels) {
                *self.entered.entry(labels.clone()).or_default() += number(table, row, "count").unwrap();
            }
            if step == metric.step.unwrap_or(steps) {
                let bucket = insights.interval.map(|_| table.rows[row][0].as_i64().unwrap());
                self.values.insert((labels, bucket), number(table, row, value));
            }
        }
        self.entered.retain(|_, count| *count > 0.0);
    }

    fn take_retention(
        &mut self,
        civil: Civil,
        insights: &Insights,
        metric: &Metric,
        measure: &RetentionMeasure,
        table: &Table,
    ) {
        let split = insights.breakdowns.len();
        let mut rows: BTreeMap<(Option<Segment>, Option<i64>), Vec<usize>> = BTreeMap::new();
        let mut complete: Vec<Option<i64>> = Vec::new();
        for row in 0..table.rows.len() {
            let bucket = number(table, row, "bucket").unwrap() as u32;
            if table.rows[row][0] != "cohort" || bucket != metric.bucket.unwrap_or(1) {
                continue;
            }
            let start = table.rows[row][1].as_i64().unwrap();
            let bucket = insights.interval.map(|unit| civil.key(start, unit));
            let labels = labels(table, row, 2, split);
            if let Some(labels) = &labels {
                *self.entered.entry(labels.clone()).or_default() += number(table, row, "size").unwrap();
            }
            let at = table.columns.iter().position(|name| name == "is_complete").unwrap();
            if table.rows[row][at] == true {
                complete.push(bucket);
                rows.entry((labels, bucket)).or_default().push(row);
            }
        }
        self.entered.retain(|_, size| *size > 0.0);
        let sum = |rows: &[usize], of: &dyn Fn(usize) -> Option<f64>| -> f64 {
            rows.iter().filter_map(|row| of(*row)).sum()
        };
        let mut lines: Vec<Option<Segment>> = self.entered.keys().cloned().map(Some).collect();
        lines.push(None);
        for line in lines {
            for bucket in &complete {
                let rows = rows.get(&(line.clone(), *bucket)).cloned().unwrap_or_default();
                let size = sum(&rows, &|row| number(table, row, "size"));
                let per_user = |of: f64| (size > 0.0).then(|| of / size);
                let value = match measure {
                    RetentionMeasure::Rate => per_user(sum(&rows, &|row| number(table, row, "retained"))),
                    RetentionMeasure::OfProperty { aggregate: Aggregate::Average, .. } => {
                        let weighted = |row| Some(number(table, row, "value")? * number(table, row, "size")?);
                        per_user(sum(&rows, &weighted))
                    }
                    _ => Some(sum(&rows, &|row| number(table, row, "value")) + 0.0),
                };
                self.values.insert((line.clone(), *bucket), value);
            }
        }
    }
}

/// None without regard to segments.
fn labels(table: &Table, row: usize, first: usize, count: usize) -> Option<Segment> {
    let labels: Segment = table.rows[row][first..first + count]
        .iter()
        .map(|label| label.as_str().unwrap().to_owned())
        .collect();
    labels.iter().any(|label| label != super::OVERALL).then_some(labels)
}
