//! Sessions as rows.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder as _, ArrayRef, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions,
    StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use chrono_tz::Tz;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use tallymark_event::columns::USER_ID;
use tallymark_memory::UserDirectory;
use tallymark_report::{Instants, Scope, SessionList};

use super::super::asked::{Asked, arrow_error, plan_error};
use super::{CHOSEN, Session, SessionWalk};
use crate::resident::by_user::{Matcher, UserEvents, UserScan};
use crate::{Error, Result};

/// Where columns of properties begin among the columns.
const PROPERTIES_FROM: usize = 7;

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

/// What a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    User,
    Start,
    End,
    Duration,
    EventCount,
    /// The label of the first event.
    First {
        label: usize,
    },
    /// Of the last one.
    Last {
        label: usize,
    },
    /// The first of its events' that is set.
    Property {
        label: usize,
    },
}

/// Some columns of the sessions that start in the range of a report, by user, then time: those at
/// these places in [`schema`].
pub(in super::super) async fn sessions(
    asked: &Asked,
    scope: &Scope,
    list: &SessionList,
    places: &[usize],
) -> Result<Vec<RecordBatch>> {
    let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
    let chosen = match &scope.filter {
        Some(filter) => asked.within(&range).and(asked.filter(filter)?),
        None => asked.within(&range),
    };
    let scan = asked.session_scan(scope, &range, chosen)?;
    // Only what is asked for is looked at.
    let mut labels: Vec<Expr> = Vec::new();
    let mut label_of = |label: Expr| {
        let known = labels.iter().position(|known| *known == label);
        known.unwrap_or_else(|| {
            labels.push(label);
            labels.len() - 1
        })
    };
    let said = places.iter().map(|place| {
        Ok(match place {
            0 => Said::User,
            1 => Said::Start,
            2 => Said::End,
            3 => Said::Duration,
            4 => Said::EventCount,
            5 => Said::First { label: label_of(asked.event_name()) },
            6 => Said::Last { label: label_of(asked.event_name()) },
            property => {
                let text = asked.values(&list.properties[property - PROPERTIES_FROM])?.scalar_text();
                Said::Property { label: label_of(text.unwrap_or_else(|| lit(ScalarValue::Utf8View(None)))) }
            }
        })
    });
    let said = said.collect::<Result<Vec<_>>>()?;
    let walk = asked.session_walk(scope, labels.len());
    labels.extend(scan.id);
    let events = asked.events();
    let failed = |source| Error::Run { source };
    let users = UserScan::try_new(&asked.state, &events, scan.conditions, labels).map_err(plan_error)?;
    let layout = events.layout_of(&asked.state, &[scan.within], users.inputs()).await.map_err(failed)?;
    let schema = Arc::new(schema(scope, list)?.project(places).map_err(arrow_error)?);
    let users_of_layout = Arc::clone(layout.users());
    let rows = Rows { walk, range, said, users: users_of_layout, schema };
    let pool = &asked.state.runtime_env().memory_pool;
    Ok(users.run(layout, rows, pool).await.map_err(failed)?.done)
}

struct Rows {
    walk: SessionWalk,
    range: Instants,
    /// What each column says.
    said: Vec<Said>,
    users: Arc<UserDirectory>,
    schema: SchemaRef,
}

/// The rows of some users.
struct Partial {
    /// Those of users before.
    done: Vec<RecordBatch>,
    columns: Vec<Growing>,
    rows: usize,
}

/// A column that grows.
enum Growing {
    Text(StringBuilder),
    Time(TimestampMillisecondBuilder),
    Float(Float64Builder),
    Count(Int64Builder),
}

impl Growing {
    fn finish(self, data_type: &DataType) -> ArrayRef {
        match self {
            Self::Text(mut texts) => Arc::new(texts.finish()),
            Self::Time(mut times) => Arc::new(times.finish().with_data_type(data_type.clone())),
            Self::Float(mut numbers) => Arc::new(numbers.finish()),
            Self::Count(mut counts) => Arc::new(counts.finish()),
        }
    }
}

impl Rows {
    fn add(&self, user: &UserEvents<'_>, session: &Session<'_>, partial: &mut Partial) {
        let (start, end) = (session.start(), session.end());
        //
        let is_in = (self.range.from..self.range.to).contains(&start);
        if !is_in || !session.events().any(|record| record.meets(CHOSEN)) {
            return;
        }
        partial.rows += 1;
        let end = session.is_closed.then_some(end);
        let label = |at: usize, record| user.labels(at, record).first().map(|label| user.text(at, *label));
        for (said, column) in self.said.iter().zip(&mut partial.columns) {
            match (said, column) {
                (Said::User, Growing::Text(texts)) => {
                    texts.append_value(self.users.ids().value(user.user as usize));
                }
                (Said::First { label: at }, Growing::Text(texts)) => {
                    texts.append_option(label(*at, session.first()));
                }
                (Said::Last { label: at }, Growing::Text(texts)) => {
                    texts.append_option(label(*at, session.last()));
                }
                (Said::Property { label: at }, Growing::Text(texts)) => {
                    //
                    let looked_at = if self.walk.inherits_from_first() { 1 } else { usize::MAX };
                    let mut values = session.events().take(looked_at).map(|record| label(*at, record));
                    texts.append_option(values.find_map(|value| value));
                }
                (Said::Start, Growing::Time(times)) => times.append_value(start),
                (Said::End, Growing::Time(times)) => times.append_option(end),
                (Said::Duration, Growing::Float(numbers)) => {
                    numbers.append_option(end.map(|end| (end - start) as f64 / 1000.0));
                }
                (Said::EventCount, Growing::Count(counts)) => {
                    counts.append_value(session.event_count as i64);
                }
                // Columns are made for what they say.
                _ => {}
            }
        }
    }

    fn finish(&self, Partial { columns, rows, .. }: Partial) -> std::result::Result<RecordBatch, ArrowError> {
        let fields = self.schema.fields().iter().zip(columns);
        let columns = fields.map(|(field, column)| column.finish(field.data_type())).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

impl Matcher for Rows {
    type Partial = Partial;

    fn start(&self) -> Partial {
        let column = |said: &Said| match said {
            Said::User | Said::First { .. } | Said::Last { .. } | Said::Property { .. } => {
                Growing::Text(StringBuilder::new())
            }
            Said::Start | Said::End => Growing::Time(TimestampMillisecondBuilder::new()),
            Said::Duration => Growing::Float(Float64Builder::new()),
            Said::EventCount => Growing::Count(Int64Builder::new()),
        };
        Partial { done: Vec::new(), columns: self.said.iter().map(column).collect(), rows: 0 }
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Partial) {
        self.walk.sessions(user, |session| self.add(user, session, partial));
    }

    fn merge(&self, total: &mut Partial, later: Partial) {
        // Columns of the schema, made here: they fit.
        total.done.extend(self.finish(later));
    }

    fn bytes(&self, partial: &Partial) -> usize {
        let done: usize = partial.done.iter().map(RecordBatch::get_array_memory_size).sum();
        let of_column = |column: &Growing| match column {
            Growing::Text(texts) => texts.values_slice().len() + texts.len() * 4,
            Growing::Time(_) | Growing::Float(_) | Growing::Count(_) => partial.rows * 8,
        };
        done + partial.columns.iter().map(of_column).sum::<usize>()
    }
}
