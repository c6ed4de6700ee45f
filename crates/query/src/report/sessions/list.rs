//! Sessions as rows.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder as _, ArrayRef, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use chrono_tz::Tz;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use tallymark_event::columns::USER_ID;
use tallymark_memory::UserDirectory;
use tallymark_report::{Instants, Property, Scope, SessionList};

use super::super::asked::{Asked, arrow_error, plan_error};
use super::{CHOSEN, Session, SessionWalk};
use crate::resident::by_user::{Matcher, UserEvents, UserScan};
use crate::{Error, Result};

/// The columns: see [`super::super::schema`].
pub(in super::super) fn schema(scope: &Scope, list: &SessionList) -> Result<SchemaRef> {
    let zone: Tz = scope.zone()?;
    let time = || DataType::Timestamp(TimeUnit::Millisecond, Some(zone.name().into()));
    let mut fields = vec![
        Field::new(USER_ID, DataType::Utf8, false),
        Field::new("start", time(), false),
        Field::new("end", time(), true),
        Field::new("duration_s", DataType::Float64, true),
        Field::new("event_count", DataType::Int64, false),
        Field::new("origin_start", DataType::Utf8, false),
        Field::new("origin_end", DataType::Utf8, false),
    ];
    for property in &list.properties {
        fields.push(Field::new(
            super::super::result::free_name(&property.label(), &fields),
            DataType::Utf8,
            true,
        ));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The sessions that start in the range of a report, by user, then time.
pub(in super::super) async fn sessions(
    asked: &Asked,
    scope: &Scope,
    list: &SessionList,
) -> Result<RecordBatch> {
    let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
    let chosen = match &scope.filter {
        Some(filter) => asked.within(&range).and(asked.filter(filter)?),
        None => asked.within(&range),
    };
    let scan = asked.session_scan(scope, &range, chosen)?;
    let text = |property: &Property| -> Result<Expr> {
        let text = asked.values(property)?.scalar_text();
        Ok(text.unwrap_or_else(|| lit(ScalarValue::Utf8View(None))))
    };
    let mut labels = vec![asked.event_name()];
    labels.extend(list.properties.iter().map(text).collect::<Result<Vec<_>>>()?);
    let walk = asked.session_walk(scope, labels.len());
    labels.extend(scan.id);
    let events = asked.events();
    let failed = |source| Error::Run { source };
    let users = UserScan::try_new(&asked.state, &events, scan.conditions, labels).map_err(plan_error)?;
    let layout = events.layout_of(&asked.state, &[scan.within], users.inputs()).await.map_err(failed)?;
    let schema = schema(scope, list)?;
    let rows = Rows {
        walk,
        range,
        zone: scope.zone()?,
        property_count: list.properties.len(),
        users: Arc::clone(layout.users()),
        schema: Arc::clone(&schema),
    };
    let pool = &asked.state.runtime_env().memory_pool;
    let sessions = users.run(layout, rows, pool).await.map_err(failed)?;
    concat_batches(&schema, &sessions.done).map_err(arrow_error)
}

struct Rows {
    walk: SessionWalk,
    range: Instants,
    zone: Tz,
    property_count: usize,
    users: Arc<UserDirectory>,
    schema: SchemaRef,
}

/// The rows of some users.
#[derive(Default)]
struct Partial {
    /// Those of users before.
    done: Vec<RecordBatch>,
    rows: Growing,
}

/// Rows that grow.
#[derive(Default)]
struct Growing {
    users: StringBuilder,
    starts: TimestampMillisecondBuilder,
    ends: TimestampMillisecondBuilder,
    durations: Float64Builder,
    counts: Int64Builder,
    first: StringBuilder,
    last: StringBuilder,
    properties: Vec<StringBuilder>,
}

impl Rows {
    fn add(&self, user: &UserEvents<'_>, session: &Session<'_>, rows: &mut Growing) {
        let (start, end) = (session.start(), session.end());
        //
        let is_in = (self.range.from..self.range.to).contains(&start);
        if !is_in || !session.records.iter().any(|record| record.meets(CHOSEN)) {
            return;
        }
        let (Some(first), Some(last)) = (session.records.first(), session.records.last()) else { return };
        let label = |at: usize, record| user.labels(at, record).first().map(|label| user.text(at, *label));
        rows.users.append_value(self.users.ids().value(user.user as usize));
        rows.starts.append_value(start);
        rows.ends.append_option(session.is_closed.then_some(end));
        rows.durations.append_option(session.is_closed.then_some((end - start) as f64 / 1000.0));
        rows.counts.append_value(session.records.len() as i64);
        rows.first.append_option(label(0, first));
        rows.last.append_option(label(0, last));
        for (at, property) in rows.properties.iter_mut().enumerate() {
            //
            let looked_at = if self.walk.inherits_from_first() { 1 } else { session.records.len() };
            let mut values = session.records[..looked_at].iter().map(|record| label(at + 1, record));
            property.append_option(values.find_map(|value| value));
        }
    }
}

impl Rows {
    fn finish(&self, mut rows: Growing) -> std::result::Result<RecordBatch, ArrowError> {
        let zone = self.zone.name();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(rows.users.finish()),
            Arc::new(rows.starts.finish().with_timezone(zone)),
            Arc::new(rows.ends.finish().with_timezone(zone)),
            Arc::new(rows.durations.finish()),
            Arc::new(rows.counts.finish()),
            Arc::new(rows.first.finish()),
            Arc::new(rows.last.finish()),
        ];
        columns.extend(rows.properties.iter_mut().map(|property| Arc::new(property.finish()) as ArrayRef));
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

impl Matcher for Rows {
    type Partial = Partial;

    fn start(&self) -> Partial {
        let properties = (0..self.property_count).map(|_| StringBuilder::new()).collect();
        Partial { done: Vec::new(), rows: Growing { properties, ..Growing::default() } }
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Partial) {
        self.walk.sessions(user, |session| self.add(user, session, &mut partial.rows));
    }

    fn merge(&self, total: &mut Partial, later: Partial) {
        // Columns of the schema, made here: they fit.
        total.done.extend(self.finish(later.rows));
    }

    fn bytes(&self, partial: &Partial) -> usize {
        let done: usize = partial.done.iter().map(RecordBatch::get_array_memory_size).sum();
        done + partial.rows.starts.len() * (8 * 4 + 64)
    }
}
