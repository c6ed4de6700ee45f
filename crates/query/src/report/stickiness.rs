//! Stickiness: actors of a day by those of the days up to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int64Builder, RecordBatch, TimestampMillisecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::Days;
use tallymark_report::{Scope, Stickiness, StickinessCell, StickinessUsers, Unit};

use super::asked::{Asked, arrow_error};
use super::chosen::BehaviourScan;
use super::result::time_field;
use super::units::{Units, in_order};
use crate::Result;
use crate::resident::by_user::{Matcher, UserEvents};

/// The columns: see [`super::schema`].
pub(super) fn schema(scope: &Scope) -> Result<SchemaRef> {
    Ok(Arc::new(Schema::new(vec![
        time_field(scope)?,
        Field::new("daily", DataType::Int64, false),
        Field::new("period", DataType::Int64, false),
        Field::new("stickiness", DataType::Float64, true),
    ])))
}

pub(super) async fn answer(asked: &Asked, scope: &Scope, stickiness: &Stickiness) -> Result<RecordBatch> {
    let (scan, walk) = prepared(asked, scope, stickiness).await?;
    let (first, last) = (walk.first, walk.last);
    let starts = walk.starts().to_vec();
    let (partial, _) = scan.run(asked, walk).await?;
    let mut times = TimestampMillisecondBuilder::new();
    let (mut daily, mut periods) = (Int64Builder::new(), Int64Builder::new());
    let mut ratios = Float64Builder::new();
    let mut in_period = 0i64;
    for unit in 0..=last {
        in_period += partial.period[unit];
        let Some(start) = unit.checked_sub(first).and_then(|at| starts.get(at)) else { continue };
        times.append_value(*start);
        daily.append_value(partial.daily[unit]);
        periods.append_value(in_period);
        ratios.append_option((in_period > 0).then(|| partial.daily[unit] as f64 / in_period as f64));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.finish().with_timezone(scope.zone()?.name())),
        Arc::new(daily.finish()),
        Arc::new(periods.finish()),
        Arc::new(ratios.finish()),
    ];
    RecordBatch::try_new(schema(scope)?, columns).map_err(arrow_error)
}

/// The users behind a number (M-4).
pub(super) async fn users(
    asked: &Asked,
    scope: &Scope,
    stickiness: &Stickiness,
    cell: &StickinessCell,
) -> Result<BTreeSet<String>> {
    let (scan, walk) = prepared(asked, scope, stickiness).await?;
    let last = walk.first + asked.unit_of_cell(&cell.time, Unit::Day, walk.starts())?;
    let days = match cell.of {
        StickinessUsers::Daily => 1,
        StickinessUsers::Period => walk.days,
    };
    let is_it = move |user: &UserEvents<'_>, active: &mut Vec<usize>| {
        walk.active(user, active);
        active.iter().any(|day| (*day..day + days).contains(&last))
    };
    scan.users(asked, is_it).await
}

/// What is looked at, and what becomes of it.
async fn prepared(asked: &Asked, scope: &Scope, stickiness: &Stickiness) -> Result<(BehaviourScan, Walk)> {
    let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
    let calendar = asked.calendar;
    // S-40: whole civil days, and those before the range.
    let (first, last) = (calendar.day(range.from), calendar.day(range.to - 1));
    let days = stickiness.over.days();
    let earliest = first.checked_sub_days(Days::new(u64::from(days) - 1)).unwrap_or(first);
    let looked_at = calendar.days(earliest, last);
    let active = asked.happened(&stickiness.event, scope, &looked_at, None).await?;
    let units = Units::new(calendar, Unit::Day, looked_at.from, looked_at.to);
    let mut near = 0;
    let first = units.at(range.from, &mut near).unwrap_or(0);
    let last = units.at(range.to - 1, &mut near).unwrap_or(first);
    // A day that does not exist in the zone is none of them.
    let walk = Walk { units, first, last, days: days as usize };
    let within = asked.within(&looked_at);
    let scan = BehaviourScan { within, conditions: vec![active], labels: Vec::new(), numbers: Vec::new() };
    Ok((scan, walk))
}

/// On which days users are active.
struct Walk {
    units: Units,
    /// The first and the last day of the range.
    first: usize,
    last: usize,
    /// How many a period has.
    days: usize,
}

impl Walk {
    /// The days of the range.
    fn starts(&self) -> &[i64] {
        &self.units.starts()[self.first..=self.last]
    }

    /// The days of one user, ascending, each once.
    fn active(&self, user: &UserEvents<'_>, active: &mut Vec<usize>) {
        active.clear();
        let mut near = 0;
        for record in user.records {
            let unit = self.units.at(record.time, &mut near);
            active.extend(unit.filter(|unit| active.last() != Some(unit)));
        }
        in_order(active);
    }
}

#[derive(Debug)]
struct Partial {
    /// By day: who is active on it.
    daily: Vec<i64>,
    /// By day: how many more than on the day before were active in the days up to it.
    period: Vec<i64>,
    /// The days of one user.
    active: Vec<usize>,
}

impl Matcher for Walk {
    type Partial = Partial;

    fn start(&self) -> Partial {
        let none = vec![0; self.units.count() + 1];
        Partial { daily: none.clone(), period: none, active: Vec::new() }
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Partial) {
        let Partial { daily, period, active } = partial;
        self.active(user, active);
        let mut counted_to = 0;
        for day in active.iter() {
            daily[*day] += 1;
            let (from, to) = (counted_to.max(*day), day + self.days);
            if from < period.len() {
                period[from] += 1;
            }
            if to < period.len() {
                period[to] -= 1;
            }
            counted_to = to;
        }
    }

    fn merge(&self, total: &mut Partial, later: Partial) {
        let pairs = [(&mut total.daily, later.daily), (&mut total.period, later.period)];
        for (total, later) in pairs {
            for (total, later) in total.iter_mut().zip(later) {
                *total += later;
            }
        }
    }

    fn bytes(&self, partial: &Partial) -> usize {
        (partial.daily.len() + partial.period.len()) * 8
    }
}
