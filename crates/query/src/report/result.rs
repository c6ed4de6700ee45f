//! Answers as record batches.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tallymark_event::columns::USER_ID;
use tallymark_report::{Comparison, Insights, Question, Report, Scope};

use super::asked::arrow_error;
use super::insights::{OVERALL, Row};
use crate::Result;

pub(super) fn schema(report: &Report) -> Result<SchemaRef> {
    let insights = match &report.question {
        Question::Insights(insights) if insights.users_of.is_none() => insights,
        Question::Sessions(list) => return super::sessions::list::schema(&report.scope, list),
        Question::Cohort(cohort) if cohort.group_key.is_some() => {
            return Ok(Arc::new(Schema::new(vec![Field::new("group_id", DataType::Utf8, false)])));
        }
        Question::Retention(retention) if retention.users_of.is_none() => {
            return super::retention::schema(&report.scope, retention);
        }
        Question::Experiment(experiment) if experiment.users_of.is_none() => {
            return Ok(super::experiment::schema(experiment));
        }
        Question::Impact(impact) if impact.users_of.is_none() => return super::impact::schema(&report.scope),
        Question::Correlation(correlation) if correlation.users_of.is_none() => {
            return Ok(super::correlation::schema());
        }
        Question::Flows(flows) if flows.users_of.is_none() => return Ok(super::flows::schema(flows)),
        Question::Frequency(frequency) if frequency.users_of.is_none() => {
            return super::frequency::schema(&report.scope);
        }
        Question::Lifecycle(lifecycle) if lifecycle.users_of.is_none() => {
            return super::lifecycle::schema(&report.scope);
        }
        Question::Stickiness(stickiness) if stickiness.users_of.is_none() => {
            return super::stickiness::schema(&report.scope);
        }
        Question::Funnel(funnel) if funnel.users_of.is_none() => {
            return super::funnel::schema(&report.scope, funnel);
        }
        Question::Insights(_)
        | Question::Funnel(_)
        | Question::Retention(_)
        | Question::Frequency(_)
        | Question::Lifecycle(_)
        | Question::Stickiness(_)
        | Question::Flows(_)
        | Question::Experiment(_)
        | Question::Impact(_)
        | Question::Correlation(_)
        | Question::Cohort(_) => {
            return Ok(Arc::new(Schema::new(vec![Field::new(USER_ID, DataType::Utf8, false)])));
        }
    };
    let zone = report.scope.zone()?;
    let mut fields =
        vec![Field::new("metric", DataType::Utf8, false), Field::new("name", DataType::Utf8, false)];
    if insights.interval.is_some() {
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some(zone.name().into()));
        fields.push(Field::new("time", time, false));
    }
    for breakdown in &insights.breakdowns {
        let name = free_name(&breakdown.label(), &fields);
        fields.push(Field::new(name, DataType::Utf8, false));
    }
    if has_bins(insights) {
        fields.push(Field::new(free_name("bin", &fields), DataType::Utf8, true));
    }
    fields.push(Field::new(free_name("value", &fields), DataType::Float64, true));
    if has_texts(insights) {
        fields.push(Field::new(free_name("text", &fields), DataType::Utf8, true));
    }
    if let Some(with) = &insights.compare {
        let name = if *with == Comparison::Overall { "share" } else { "change" };
        fields.push(Field::new(free_name("compared", &fields), DataType::Float64, true));
        fields.push(Field::new(free_name(name, &fields), DataType::Float64, true));
    }
    if insights.sample.is_some() {
        fields.push(Field::new(free_name("sample", &fields), DataType::Float64, false));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The start of a bucket.
pub(super) fn time_field(scope: &Scope) -> Result<Field> {
    let zone = scope.zone()?;
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some(zone.name().into()));
    Ok(Field::new("time", time, false))
}

/// A name no field has.
pub(super) fn free_name(name: &str, fields: &[Field]) -> String {
    let is_free = |name: &String| fields.iter().all(|field| field.name() != name);
    let numbered = (2u32..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

fn has_bins(insights: &Insights) -> bool {
    insights.metrics.iter().any(|metric| metric.measure.is_distribution())
}

fn has_texts(insights: &Insights) -> bool {
    insights.metrics.iter().any(|metric| metric.measure.is_text())
}

pub(super) fn insights(report: &Report, insights: &Insights, rows: &[Row]) -> Result<RecordBatch> {
    let texts = |of: &dyn Fn(&Row) -> Option<String>| {
        Arc::new(rows.iter().map(of).collect::<StringArray>()) as ArrayRef
    };
    let numbers = |of: &dyn Fn(&Row) -> Option<f64>| {
        Arc::new(rows.iter().map(of).collect::<Float64Array>()) as ArrayRef
    };
    let mut columns = vec![texts(&|row| Some(row.metric.clone())), texts(&|row| Some(row.name.clone()))];
    if insights.interval.is_some() {
        let times = rows.iter().map(|row| row.time).collect::<TimestampMillisecondArray>();
        columns.push(Arc::new(times.with_timezone(report.scope.zone()?.name())));
    }
    for at in 0..insights.breakdowns.len() {
        let label = |row: &Row| match &row.segments {
            Some(segments) => segments[at].clone(),
            None => OVERALL.to_owned(),
        };
        columns.push(texts(&|row| Some(label(row))));
    }
    if has_bins(insights) {
        columns.push(texts(&|row| row.bin.clone()));
    }
    columns.push(numbers(&|row| row.value));
    if has_texts(insights) {
        columns.push(texts(&|row| row.text.clone()));
    }
    if let Some(with) = &insights.compare {
        columns.push(numbers(&|row| row.compared));
        columns.push(numbers(if *with == Comparison::Overall { &share } else { &change }));
    }
    if let Some(share) = insights.sample {
        columns.push(numbers(&|_| Some(share)));
    }
    RecordBatch::try_new(schema(report)?, columns).map_err(arrow_error)
}

/// S-77: null of nothing, and of 0.
fn change(row: &Row) -> Option<f64> {
    let (value, compared) = (row.value?, row.compared?);
    (compared != 0.0).then(|| (value - compared) / compared)
}

/// S-79: null of nothing, and of 0.
fn share(row: &Row) -> Option<f64> {
    let (value, compared) = (row.value?, row.compared?);
    (compared != 0.0).then(|| value / compared)
}

pub(super) fn users(report: &Report, users: &BTreeSet<String>) -> Result<RecordBatch> {
    let ids: StringArray = users.iter().map(|id| Some(id.as_str())).collect();
    RecordBatch::try_new(schema(report)?, vec![Arc::new(ids)]).map_err(arrow_error)
}
