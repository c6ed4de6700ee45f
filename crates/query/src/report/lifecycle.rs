//! Lifecycle: who is new, who stays, who comes back, who stays away.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder, TimestampMillisecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tallymark_report::{Instants, Lifecycle, LifecycleCell, LifecycleStatus, Scope, Unit};

use super::asked::{Asked, arrow_error};
use super::chosen::BehaviourScan;
use super::result::time_field;
use super::units::{Units, in_order};
use crate::Result;
use crate::resident::by_user::{Matcher, UserEvents};

/// What actors are in a unit, in the order of rows.
const STATUSES: [&str; 4] = ["new", "returning", "resurrected", "dormant"];
const NEW: usize = 0;
const RETURNING: usize = 1;
const RESURRECTED: usize = 2;
const DORMANT: usize = 3;

/// The columns: see [`super::schema`].
pub(super) fn schema(scope: &Scope) -> Result<SchemaRef> {
    Ok(Arc::new(Schema::new(vec![
        time_field(scope)?,
        Field::new("status", DataType::Utf8, false),
        Field::new("users", DataType::Int64, false),
    ])))
}

pub(super) async fn answer(asked: &Asked, scope: &Scope, lifecycle: &Lifecycle) -> Result<RecordBatch> {
    let (scan, walk) = prepared(asked, scope, lifecycle).await?;
    let starts = walk.starts().to_vec();
    let (partial, _) = scan.run(asked, walk).await?;
    let mut times = TimestampMillisecondBuilder::new();
    let (mut statuses, mut users) = (StringBuilder::new(), Int64Builder::new());
    for (start, counts) in starts.iter().zip(&partial.counts) {
        for (status, count) in STATUSES.iter().zip(counts) {
            times.append_value(*start);
            statuses.append_value(status);
            users.append_value(*count as i64);
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.finish().with_timezone(scope.zone()?.name())),
        Arc::new(statuses.finish()),
        Arc::new(users.finish()),
    ];
    RecordBatch::try_new(schema(scope)?, columns).map_err(arrow_error)
}

/// The users behind a number (M-4).
pub(super) async fn users(
    asked: &Asked,
    scope: &Scope,
    lifecycle: &Lifecycle,
    cell: &LifecycleCell,
) -> Result<BTreeSet<String>> {
    let (scan, walk) = prepared(asked, scope, lifecycle).await?;
    let at = asked.unit_of_cell(&cell.time, lifecycle.unit, walk.starts())?;
    let wanted = match cell.status {
        LifecycleStatus::New => NEW,
        LifecycleStatus::Returning => RETURNING,
        LifecycleStatus::Resurrected => RESURRECTED,
        LifecycleStatus::Dormant => DORMANT,
    };
    let is_it = move |user: &UserEvents<'_>, active: &mut Vec<usize>| {
        let mut found = false;
        walk.each(user, active, |unit, status| found |= (unit, status) == (at, wanted));
        found
    };
    scan.users(asked, is_it).await
}

/// What is looked at, and what becomes of it.
async fn prepared(asked: &Asked, scope: &Scope, lifecycle: &Lifecycle) -> Result<(BehaviourScan, Walk)> {
    let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
    let before = Instants { from: i64::MIN / 2, to: range.to, days: None };
    let active = asked.happened(&lifecycle.event, scope, &before, None).await?;
    let (calendar, unit) = (asked.calendar, lifecycle.unit);
    // With the unit before the first.
    let from = match unit {
        Unit::Minute | Unit::Hour => range.from - 3 * 3_600_000,
        _ => calendar.bucket(calendar.bucket(range.from, unit) - 1, unit),
    };
    let units = Units::new(calendar, unit, from, range.to);
    let mut near = 0;
    let first = units.at(range.from, &mut near).unwrap_or(0);
    let last = units.at(range.to - 1, &mut near).unwrap_or(first);
    let walk = Walk { units, first, last, from: range.from };
    let within = asked.within(&before);
    let scan = BehaviourScan { within, conditions: vec![active], labels: Vec::new(), numbers: Vec::new() };
    Ok((scan, walk))
}

/// What users are in each unit.
struct Walk {
    units: Units,
    /// The first and the last unit of the range.
    first: usize,
    last: usize,
    /// Where the range begins: perhaps within the first unit, which is clipped (G-5).
    from: i64,
}

#[derive(Debug, Default)]
struct Partial {
    /// By unit of the range, then by status.
    counts: Vec<[u64; 4]>,
    /// The units one user was active in, from the one before the range on.
    active: Vec<usize>,
}

impl Walk {
    /// The units of the range.
    fn starts(&self) -> &[i64] {
        &self.units.starts()[self.first..=self.last]
    }

    /// What one user is, by unit of the range and status; `active` is kept from one user to the next.
    fn each(&self, user: &UserEvents<'_>, active: &mut Vec<usize>, mut each: impl FnMut(usize, usize)) {
        active.clear();
        let mut was_before = false;
        let mut near = 0;
        for record in user.records {
            let unit = self.units.at(record.time, &mut near);
            let is_before = record.time < self.from;
            match unit {
                Some(unit) if !is_before || unit + 1 == self.first => {
                    if active.last() != Some(&unit) {
                        active.push(unit);
                    }
                }
                _ => was_before = true,
            }
        }
        in_order(active);
        let dormant = |unit: usize, each: &mut dyn FnMut(usize, usize)| {
            if (self.first..=self.last).contains(&unit) {
                each(unit - self.first, DORMANT);
            }
        };
        let mut last = None;
        for unit in active.iter() {
            if *unit >= self.first {
                let status = match last {
                    Some(last) if last + 1 == *unit => RETURNING,
                    _ if was_before => RESURRECTED,
                    _ => NEW,
                };
                each(*unit - self.first, status);
            }
            if let Some(last) = last.filter(|last| last + 1 < *unit) {
                dormant(last + 1, &mut each);
            }
            was_before = true;
            last = Some(*unit);
        }
        if let Some(last) = last {
            dormant(last + 1, &mut each);
        }
    }
}

impl Matcher for Walk {
    type Partial = Partial;

    fn start(&self) -> Partial {
        Partial { counts: vec![[0; 4]; self.last + 1 - self.first], active: Vec::new() }
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Partial) {
        let Partial { counts, active } = partial;
        self.each(user, active, |unit, status| counts[unit][status] += 1);
    }

    fn merge(&self, total: &mut Partial, later: Partial) {
        for (total, later) in total.counts.iter_mut().zip(later.counts) {
            for (total, later) in total.iter_mut().zip(later) {
                *total += later;
            }
        }
    }

    fn bytes(&self, partial: &Partial) -> usize {
        partial.counts.len() * 32
    }
}
