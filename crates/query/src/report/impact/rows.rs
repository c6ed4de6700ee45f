//! The answer.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::NaiveDate;
use tallymark_report::{Adoption, Calendar, Impact, Scope};

use super::compare::{Effect, confidence, relative_delta};
use super::days::later;
use super::observe::{Group, Tally};
use crate::Result;
use crate::report::asked::arrow_error;
use crate::report::insights::letter;
use crate::report::result::time_field;

/// The columns: see [`crate::report_schema`].
pub(in super::super) fn schema(scope: &Scope) -> Result<SchemaRef> {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let count = |name| Field::new(name, DataType::Int64, false);
    let number = |name| Field::new(name, DataType::Float64, true);
    let mut fields = vec![text("metric"), text("name"), text("who"), text("row")];
    fields.push(Field::new("day", DataType::Int64, true));
    fields.push(time_field(scope)?.with_nullable(true));
    fields.extend(["users", "observed", "events"].map(count));
    fields.extend(
        ["value", "relative_delta", "counterfactual", "delta", "lift", "confidence", "adoption_rate"]
            .map(number),
    );
    Ok(Arc::new(Schema::new(fields)))
}

/// What a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Of the days around day 0 this one, from 0.
    Day(usize),
    Before,
    After,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Day(_) => "day",
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// A day, or an average, of one group of a metric.
struct Row<'a> {
    metric: usize,
    who: Adoption,
    part: Part,
    group: &'a Group,
    events: u64,
    value: Option<f64>,
    /// Of adopters.
    relative_delta: Option<f64>,
    /// Of adopters, after.
    effect: Effect,
    confidence: Option<f64>,
    adoption_rate: Option<f64>,
}

/// `launched` is day 0 of non-adopters.
pub(super) fn batch(
    calendar: Calendar,
    scope: &Scope,
    impact: &Impact,
    launched: NaiveDate,
    tally: &Tally,
) -> Result<RecordBatch> {
    let before = impact.days_before as usize;
    let mut rows = Vec::new();
    for metric in 0..impact.metrics.len() {
        add_rows(metric, before, tally, &mut rows);
    }
    // Each adopter has days of their own.
    let day = |row: &Row<'_>| match row.part {
        Part::Day(at) => Some(at as i64 - before as i64),
        Part::Before | Part::After => None,
    };
    let time = |row: &Row<'_>| {
        let day = day(row).filter(|_| row.who == Adoption::NonAdopters)?;
        Some(calendar.start_of_day(later(launched, day)))
    };
    let times = rows.iter().map(time).collect::<TimestampMillisecondArray>();
    let texts = |of: &dyn Fn(&Row<'_>) -> String| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
    };
    let counts = |of: &dyn Fn(&Row<'_>) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row) as i64)).collect::<Int64Array>())
    };
    let numbers = |of: fn(&Row<'_>) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float64Array>())
    };
    let columns = vec![
        texts(&|row| letter(row.metric)),
        texts(&|row| impact.metrics[row.metric].label()),
        texts(&|row| row.who.name().to_owned()),
        texts(&|row| row.part.name().to_owned()),
        Arc::new(rows.iter().map(day).collect::<Int64Array>()),
        Arc::new(times.with_timezone(scope.zone()?.name())),
        counts(&|row| row.group.users),
        counts(&|row| row.group.observed),
        counts(&|row| row.events),
        numbers(|row| row.value),
        numbers(|row| row.relative_delta),
        numbers(|row| row.effect.counterfactual),
        numbers(|row| row.effect.delta),
        numbers(|row| row.effect.lift),
        numbers(|row| row.confidence),
        numbers(|row| row.adoption_rate),
    ];
    RecordBatch::try_new(schema(scope)?, columns).map_err(arrow_error)
}

/// The rows of a metric.
fn add_rows<'a>(metric: usize, before: usize, tally: &'a Tally, rows: &mut Vec<Row<'a>>) {
    let group = |who| tally.group(metric, who);
    let (adopters, others) = (group(Adoption::Adopters), group(Adoption::NonAdopters));
    let days = adopters.days.len();
    let events = |group: &Group, part: Part| -> u64 {
        match part {
            Part::Day(at) => group.days[at],
            Part::Before => group.days[..before].iter().sum(),
            Part::After => group.days[before + 1..].iter().sum(),
        }
    };
    // M-81: a day, or the mean of some.
    let value = |group: &Group, part: Part| {
        let days = match part {
            Part::Day(_) => 1,
            Part::Before => before,
            Part::After => days - 1 - before,
        };
        let of_days = group.observed as f64 * days as f64;
        (group.observed > 0).then(|| events(group, part) as f64 / of_days)
    };
    let both = |group: &Group| [Part::Before, Part::After].map(|part| value(group, part));
    let all = adopters.users + others.users;
    let adoption_rate = (all > 0).then(|| adopters.users as f64 / all as f64);
    let parts = (0..days).map(Part::Day).chain([Part::Before, Part::After]);
    for who in [Adoption::Adopters, Adoption::NonAdopters] {
        let is_adopters = who == Adoption::Adopters;
        for part in parts.clone() {
            let is_result = is_adopters && part == Part::After;
            rows.push(Row {
                metric,
                who,
                part,
                group: group(who),
                events: events(group(who), part),
                value: value(group(who), part),
                relative_delta: if is_adopters {
                    relative_delta(value(adopters, part), value(others, part))
                } else {
                    None
                },
                effect: if is_result { Effect::of(both(adopters), both(others)) } else { Effect::default() },
                confidence: if is_result { confidence(adopters, others) } else { None },
                adoption_rate,
            });
        }
    }
}
