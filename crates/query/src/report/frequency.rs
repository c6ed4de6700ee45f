//! Frequency: in how many hours of a day, or on how many days, users do something.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int64Builder, RecordBatch, TimestampMillisecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::Timelike as _;
use tallymark_report::{Frequency, FrequencyCell, Instants, Scope, Unit};

use super::asked::{Asked, arrow_error};
use super::chosen::BehaviourScan;
use super::result::time_field;
use super::units::Units;
use crate::Result;
use crate::resident::by_user::{Matcher, UserEvents};

/// The event is counted.
const EVENT: usize = 0;
/// The event makes the user one who is.
const BIRTH: usize = 1;

/// The columns: see [`super::schema`].
pub(super) fn schema(scope: &Scope) -> Result<SchemaRef> {
    Ok(Arc::new(Schema::new(vec![
        time_field(scope)?,
        Field::new("count", DataType::Int64, false),
        Field::new("users", DataType::Int64, false),
        Field::new("share", DataType::Float64, true),
    ])))
}

pub(super) async fn answer(asked: &Asked, scope: &Scope, frequency: &Frequency) -> Result<RecordBatch> {
    let (scan, walk) = prepared(asked, scope, frequency).await?;
    let (starts, max) = (walk.starts.clone(), walk.max);
    let (partial, _) = scan.run(asked, walk).await?;
    let mut times = TimestampMillisecondBuilder::new();
    let (mut counts, mut users) = (Int64Builder::new(), Int64Builder::new());
    let mut shares = Float64Builder::new();
    for (period, start) in starts.iter().enumerate() {
        let exactly = partial.exactly.get(period).copied().unwrap_or_default();
        let all: u64 = exactly[1..].iter().sum();
        for count in 1..=max {
            let number =
                if frequency.cumulative { exactly[count..].iter().sum::<u64>() } else { exactly[count] };
            times.append_value(*start);
            counts.append_value(count as i64);
            users.append_value(number as i64);
            shares.append_option((all > 0).then(|| number as f64 / all as f64));
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.finish().with_timezone(scope.zone()?.name())),
        Arc::new(counts.finish()),
        Arc::new(users.finish()),
        Arc::new(shares.finish()),
    ];
    RecordBatch::try_new(schema(scope)?, columns).map_err(arrow_error)
}

/// The users behind a number (M-4).
pub(super) async fn users(
    asked: &Asked,
    scope: &Scope,
    frequency: &Frequency,
    cell: &FrequencyCell,
) -> Result<BTreeSet<String>> {
    let (scan, walk) = prepared(asked, scope, frequency).await?;
    let wanted = asked.unit_of_cell(&cell.time, frequency.period, &walk.starts)?;
    let (least, is_cumulative) = (cell.count as usize, frequency.cumulative);
    let is_it = move |user: &UserEvents<'_>, of_user: &mut Vec<InPeriod>| {
        let mut found = false;
        walk.each(user, of_user, |period, count| {
            let is_counted = if is_cumulative { count >= least } else { count == least };
            found |= period == wanted && is_counted;
        });
        found
    };
    scan.users(asked, is_it).await
}

/// What is looked at, and what becomes of it.
async fn prepared(asked: &Asked, scope: &Scope, frequency: &Frequency) -> Result<(BehaviourScan, Walk)> {
    let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
    let mut conditions = vec![asked.happened(&frequency.event, scope, &range, None).await?];
    if let Some(birth) = &frequency.birth {
        conditions.push(asked.happened(birth, scope, &range, None).await?);
    }
    let walk = Walk::new(asked, frequency, &range);
    let within = asked.within(&range);
    Ok((BehaviourScan { within, conditions, labels: Vec::new(), numbers: Vec::new() }, walk))
}

/// In which hours, or on which days, users did it.
struct Walk {
    /// Hours, or days.
    units: Units,
    /// The period of each, and which it is in it.
    places: Vec<(usize, u32)>,
    /// The periods.
    starts: Vec<i64>,
    /// How many of them a period can have.
    max: usize,
    has_birth: bool,
}

impl Walk {
    fn new(asked: &Asked, frequency: &Frequency, range: &Instants) -> Self {
        let calendar = asked.calendar;
        let unit = if frequency.period == Unit::Day { Unit::Hour } else { Unit::Day };
        let units = Units::new(calendar, unit, range.from, range.to);
        let mut starts: Vec<i64> = Vec::new();
        let mut places = Vec::with_capacity(units.count());
        for at in 0..units.count() {
            // An instant of it: what it is known by may lie before it.
            let inside = units.end(at).map_or(range.from, |end| end - 1);
            let start = calendar.bucket(inside, frequency.period);
            let known = starts.iter().rev().take(2).position(|known| *known == start);
            let period = if let Some(back) = known {
                starts.len() - 1 - back
            } else {
                starts.push(start);
                starts.len() - 1
            };
            let place = if unit == Unit::Hour {
                calendar.local(inside).hour()
            } else {
                let day = calendar.day(inside);
                u32::try_from((day - calendar.first_day(day, frequency.period)).num_days()).unwrap_or(0)
            };
            places.push((period, place));
        }
        let max = frequency.most() as usize;
        Self { units, places, starts, max, has_birth: frequency.birth.is_some() }
    }

    /// In how many hours or on how many days of each period one user who is counted did it; `of_user` is
    /// kept from one user to the next.
    fn each(&self, user: &UserEvents<'_>, of_user: &mut Vec<InPeriod>, mut each: impl FnMut(usize, usize)) {
        of_user.clear();
        let mut near = 0;
        for record in user.records {
            let Some(unit) = self.units.at(record.time, &mut near) else { continue };
            let (period, place) = self.places[unit];
            let (did, born) =
                (u32::from(record.meets(EVENT)) << place, !self.has_birth || record.meets(BIRTH));
            match of_user.iter_mut().rev().take(2).find(|(known, ..)| *known == period) {
                Some((_, places, is_born)) => {
                    *places |= did;
                    *is_born |= born;
                }
                None => of_user.push((period, did, born)),
            }
        }
        for (period, places, _) in of_user.iter().filter(|(.., born)| *born) {
            each(*period, places.count_ones().min(31) as usize);
        }
    }
}

/// Of one user: a period, in which of its hours or days, and whether they are counted.
type InPeriod = (usize, u32, bool);

#[derive(Debug, Default)]
struct Partial {
    /// By period: how many users did it in so many.
    exactly: Vec<[u64; 32]>,
    of_user: Vec<InPeriod>,
}

impl Matcher for Walk {
    type Partial = Partial;

    fn start(&self) -> Partial {
        Partial { exactly: vec![[0; 32]; self.starts.len()], of_user: Vec::new() }
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Partial) {
        let Partial { exactly, of_user } = partial;
        self.each(user, of_user, |period, count| exactly[period][count] += 1);
    }

    fn merge(&self, total: &mut Partial, later: Partial) {
        for (total, later) in total.exactly.iter_mut().zip(later.exactly) {
            for (total, later) in total.iter_mut().zip(later) {
                *total += later;
            }
        }
    }

    fn bytes(&self, partial: &Partial) -> usize {
        partial.exactly.len() * 32 * 8
    }
}
