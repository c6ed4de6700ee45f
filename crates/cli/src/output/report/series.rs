//! Rows of an answer as series.

use std::collections::BTreeMap;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use tallymark::report::{Insights, Unit};

use crate::text::decimals;

/// What stands for what is measured without regard to segments.
const OVERALL: &str = "$overall";

/// An answer, read.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) breakdowns: Vec<String>,
    pub(super) has_bins: bool,
    /// The starts of the buckets, as people read them; none without an interval.
    pub(super) buckets: Vec<String>,
    /// The year of all buckets, where they do not say it.
    pub(super) year: Option<String>,
    /// In order of the answer.
    pub(super) series: Vec<Series>,
}

/// The points of one metric, segment and bin.
#[derive(Debug)]
pub(super) struct Series {
    letter: String,
    name: String,
    /// One label a breakdown.
    pub(super) segments: Vec<String>,
    pub(super) bin: Option<String>,
    /// One a bucket, or just one.
    pub(super) points: Vec<Point>,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Point {
    pub(super) value: Option<f64>,
    pub(super) compared: Option<f64>,
    pub(super) change: Option<f64>,
}

impl Series {
    /// Its metric, told from the others.
    pub(super) fn metric(&self) -> String {
        format!("{} {}", self.letter, self.name)
    }

    /// Whether segments were not looked at.
    pub(super) fn is_overall(&self) -> bool {
        !self.segments.is_empty() && self.segments.iter().all(|segment| segment == OVERALL)
    }
}

impl Answered {
    /// Reads the rows that [`tallymark::report_schema`] describes. A column gives way if a breakdown
    /// has its name, so that they are told by their order.
    pub(super) fn read(insights: &Insights, rows: &RecordBatch) -> Result<Self, ArrowError> {
        let has_time = usize::from(insights.interval.is_some());
        let first_breakdown = 2 + has_time;
        let first_after = first_breakdown + insights.breakdowns.len();
        let has_compared = insights.compare.is_some();
        let after = 2 * usize::from(has_compared) + usize::from(insights.sample.is_some());
        let first_value = rows.num_columns() - 1 - after;
        let has_bins = first_value > first_after;

        let texts = |at: usize| -> &StringArray { rows.column(at).as_string::<i32>() };
        let numbers = |at: usize, row: usize| {
            let column = rows.column(at).as_primitive::<Float64Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        let Buckets { labels: buckets, year, positions } = match insights.interval {
            Some(unit) => Buckets::read(rows.column(2), unit)?,
            None => Buckets { labels: Vec::new(), year: None, positions: vec![0; rows.num_rows()] },
        };
        let mut series: Vec<Series> = Vec::new();
        let mut known = BTreeMap::new();
        for (row, position) in positions.into_iter().enumerate() {
            let segments: Vec<String> =
                (first_breakdown..first_after).map(|at| texts(at).value(row).to_owned()).collect();
            let bin = (has_bins && texts(first_after).is_valid(row))
                .then(|| texts(first_after).value(row).to_owned());
            let (letter, name) = (texts(0).value(row).to_owned(), texts(1).value(row).to_owned());
            let key = (letter.clone(), segments.clone(), bin.clone());
            let at = *known.entry(key).or_insert_with(|| {
                let points = vec![Point::default(); buckets.len().max(1)];
                series.push(Series { letter, name, segments, bin, points });
                series.len() - 1
            });
            series[at].points[position] = Point {
                value: numbers(first_value, row),
                compared: has_compared.then(|| numbers(first_value + 1, row)).flatten(),
                change: has_compared.then(|| numbers(first_value + 2, row)).flatten(),
            };
        }
        let schema = rows.schema();
        let breakdowns =
            schema.fields()[first_breakdown..first_after].iter().map(|field| field.name().clone());
        let breakdowns = breakdowns.collect();
        Ok(Self { breakdowns, has_bins, buckets, year, series })
    }

    /// The name of the metric, if there is only one.
    pub(super) fn only_metric(&self) -> Option<&str> {
        let first = self.series.first()?;
        self.series.iter().all(|series| series.letter == first.letter).then_some(&first.name)
    }

    /// The metrics, each once.
    pub(super) fn metrics(&self) -> Vec<String> {
        let mut names: Vec<String> = self.series.iter().map(Series::metric).collect();
        names.dedup();
        names
    }

    /// How many decimals the numbers of a series need: as many as all of its metric.
    pub(super) fn decimals(&self, series: &Series) -> usize {
        let same = self.series.iter().filter(|other| other.letter == series.letter);
        decimals(
            same.flat_map(|other| &other.points).flat_map(|point| [point.value, point.compared]).flatten(),
        )
    }
}

/// The buckets of an answer.
pub(super) struct Buckets {
    /// In order of time.
    pub(super) labels: Vec<String>,
    /// The year of all of them, where they do not say it.
    pub(super) year: Option<String>,
    /// Which one each row is of.
    pub(super) positions: Vec<usize>,
}

impl Buckets {
    /// Reads a column of times.
    pub(super) fn read(column: &ArrayRef, unit: Unit) -> Result<Self, ArrowError> {
        let times = column.as_primitive::<TimestampMillisecondType>();
        let first_rows: BTreeMap<i64, usize> =
            (0..column.len()).rev().map(|row| (times.value(row), row)).collect();
        let said = |format: &'static str| -> Result<Vec<String>, ArrowError> {
            let options = FormatOptions::default().with_timestamp_tz_format(Some(format));
            let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
            first_rows.values().map(|row| formatter.value(*row).try_to_string()).collect()
        };
        let mut years = said("%Y")?;
        let one_year = years.len() > 1 && years.iter().all(|year| *year == years[0]);
        let year = (one_year && unit <= Unit::Week).then(|| years[0].clone());
        let mut labels = match (unit, one_year) {
            (Unit::Year, _) => std::mem::take(&mut years),
            (Unit::Quarter, _) => said("%Y-%m")?.iter().map(|month| quarter(month)).collect(),
            (Unit::Month, _) => said("%Y-%m")?,
            (Unit::Week | Unit::Day, true) => said("%m-%d")?,
            (Unit::Week | Unit::Day, false) => said("%Y-%m-%d")?,
            (Unit::Hour | Unit::Minute, true) => said("%m-%d %H:%M")?,
            (Unit::Hour | Unit::Minute, false) => said("%Y-%m-%d %H:%M")?,
        };
        // Where clocks go back, two hours have one name.
        if labels.windows(2).any(|pair| pair[0] == pair[1]) {
            labels = said("%m-%d %H:%M%:z")?;
        }
        let positions: BTreeMap<i64, usize> =
            first_rows.into_keys().enumerate().map(|(position, time)| (time, position)).collect();
        let positions = (0..column.len()).map(|row| positions[&times.value(row)]).collect();
        Ok(Self { labels, year, positions })
    }
}

/// `2024-04` → `2024-Q2`.
fn quarter(month: &str) -> String {
    let (year, month) = month.split_once('-').unwrap_or((month, ""));
    let month: u32 = month.parse().unwrap_or(1);
    format!("{year}-Q{}", month.div_ceil(3))
}
