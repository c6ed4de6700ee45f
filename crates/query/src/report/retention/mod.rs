//! Retention: who comes back (section 7).
//!
//! 1. [`Prepared`]: which events are births and returns, what is known of each, where rows and
//!    buckets lie.
//! 2. [`walk`]: the events of one actor → the rows they are in, and when they came back.
//! 3. [`tally`]: what is counted, by row and segment. Users are walked through where their events
//!    lie in memory; groups, whose events are those of many users, in [`groups`].
//! 4. [`rows`]: the columns of the answer, with the averages over rows.

mod groups;
mod rows;
mod tally;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use tallymark_memory::UserDirectory;
use tallymark_report::{
    Alignment, Criterion, DefinitionError, EventSelector, Instants, Measure, Retention, RetentionCell,
    RetentionMeasure, Scope, Unit,
};

pub(super) use self::rows::schema;
use self::tally::Tally;
use self::walk::{Buckets, Happened, Outcome, Walk};
use super::asked::{Asked, EVER, plan_error};
use super::chosen::{BehaviourScan, metric_of};
use super::insights::{OTHER, OVERALL, ranges_among};
use super::segments::Segment;
use super::split::{Segments, Split, at_place};
use super::units::Units;
use crate::Result;
use crate::resident::by_user::{Matcher, Record, UserEvents};

/// Rows of an answer; more are refused.
const ANSWER_ROWS_MAX: usize = 20_000_000;

/// The event is one users are born with.
const BIRTH: usize = 0;
/// The event is one users come back with.
const RETURN: usize = 1;
/// The event is one whose first ever may be a birth: see [`Prepared::ever`].
const FIRST_EVER: usize = 2;

/// The answer; if that is said, for the segments that are `told`, and for all others as one (S-27).
pub(super) async fn answer(
    asked: &Asked,
    scope: &Scope,
    retention: &Retention,
    told: Option<&[Vec<String>]>,
) -> Result<RecordBatch> {
    let prepared = Prepared::try_new(asked, scope, retention).await?;
    let rows = (prepared.row_count + 2).saturating_mul(prepared.buckets().count());
    if rows > ANSWER_ROWS_MAX {
        let problem = format!(
            "{} rows of {} buckets are more than can be told",
            prepared.row_count,
            prepared.buckets().count()
        );
        return Err(DefinitionError::new("buckets", problem).hint("say fewer").into());
    }
    let split = Split::by(&retention.breakdowns);
    let tallies = prepared.tallies(asked, split).await?;
    let (overall, mut ranked) = tallies.ranked();
    let top = retention.top.unwrap_or(usize::MAX);
    let has_other = told.is_some() || (retention.other && ranked.len() > top);
    match told {
        Some(told) => ranked.retain(|(labels, _)| told.contains(labels)),
        None => ranked.truncate(top),
    }
    let other = if has_other {
        let shown: Vec<Vec<String>> = ranked.iter().map(|(labels, _)| labels.clone()).collect();
        prepared.tallies(asked, Split::beyond(&retention.breakdowns, &shown)).await?.ranked().1
    } else {
        Vec::new()
    };
    let segments = ranked.into_iter().chain(other).collect();
    rows::batch(scope, retention, &prepared, overall, segments, asked.as_of)
}

/// The users behind a number (M-4).
pub(super) async fn users(
    asked: &Asked,
    scope: &Scope,
    retention: &Retention,
    cell: &RetentionCell,
) -> Result<BTreeSet<String>> {
    let prepared = Prepared::try_new(asked, scope, retention).await?;
    let starts = prepared.walk.units.starts();
    let row =
        asked.unit_of_cell(&cell.time, retention.unit, &starts[..prepared.row_count.min(starts.len())])?;
    let count = prepared.buckets().count();
    if let Some(bucket) = cell.bucket.filter(|bucket| *bucket as usize >= count) {
        let problem = format!("there is no bucket {bucket}; there are 0 to {}", count - 1);
        return Err(DefinitionError::new("users_of.bucket", problem).into());
    }
    let is_split = cell.segments.iter().any(|label| label != OVERALL);
    let split = if !is_split {
        Split::default()
    } else if cell.segments.iter().all(|label| label == OTHER) {
        // Ranks are those of the whole report (B-32).
        let (_, ranked) = prepared.tallies(asked, Split::by(&retention.breakdowns)).await?.ranked();
        let top = retention.top.unwrap_or(usize::MAX).min(ranked.len());
        let shown: Vec<Vec<String>> = ranked[..top].iter().map(|(labels, _)| labels.clone()).collect();
        Split::beyond(&retention.breakdowns, &shown)
    } else {
        Split::by(&retention.breakdowns)
    };
    let wanted = Wanted {
        rows: (0..prepared.row_count).map(|at| at == row).collect(),
        bucket: cell.bucket.map(|bucket| bucket as usize),
        dropped_off: cell.dropped_off,
        segment: is_split.then(|| cell.segments.clone()),
    };
    prepared.users(asked, split, wanted).await
}

/// Who is retained in a bucket, of the rows complete at it that begin at certain times (S-27, M-4); in a
/// segment, if that is said, where what is none of those `told` is another.
pub(super) async fn retained(
    asked: &Asked,
    scope: &Scope,
    retention: &Retention,
    (bucket, begins): (usize, impl Fn(i64) -> bool),
    segment: Option<Vec<String>>,
    told: Option<&[Vec<String>]>,
) -> Result<BTreeSet<String>> {
    let prepared = Prepared::try_new(asked, scope, retention).await?;
    let split = match (&segment, told) {
        (None, _) => Split::default(),
        (Some(_), None) => Split::by(&retention.breakdowns),
        (Some(_), Some(told)) => Split::beyond(&retention.breakdowns, told),
    };
    let starts = prepared.walk.units.starts().iter().take(prepared.row_count).enumerate();
    let is_complete = |row| rows::is_complete(&prepared, row, bucket, asked.as_of);
    let rows = starts.map(|(row, start)| begins(*start) && is_complete(row)).collect();
    let wanted = Wanted { rows, bucket: Some(bucket), dropped_off: false, segment };
    prepared.users(asked, split, wanted).await
}

/// What is measured of a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    /// Nothing: only who is retained.
    None,
    /// It counts.
    One,
    /// Its number.
    Number,
}

/// What a report needs.
pub(super) struct Prepared {
    walk: Arc<Walk>,
    /// How many units the range has; the first are those of [`Walk::units`].
    row_count: usize,
    /// All time that is looked at.
    within: Expr,
    birth: Expr,
    back: Expr,
    /// The events of which a user's first ever is a birth, if it is not said by `birth`.
    ever: Option<Expr>,
    labels: Vec<Expr>,
    numbers: Vec<Expr>,
    amount: Amount,
    /// Who is counted, as they are born and as they come back, if not users (U-30).
    count_by: Option<(Segment, Segment)>,
}

impl Prepared {
    async fn try_new(asked: &Asked, scope: &Scope, retention: &Retention) -> Result<Self> {
        let range = asked.calendar.resolve(&scope.range, asked.as_of)?;
        // births are in the range, returns at any time since.
        let since = Instants { from: range.from, to: i64::MAX, days: None };
        let count_by = retention.count_by.as_deref();
        let back = asked.happened(&retention.return_event, scope, &since, count_by).await?;
        let (units, row_count) = units(asked, retention, &range);
        let buckets = if retention.brackets.is_empty() {
            Buckets::of_units(retention.buckets.map_or(row_count + 1, |count| count as usize))
        } else {
            Buckets::brackets(&retention.brackets)
        };
        let (amount, numbers) = match &retention.measure {
            RetentionMeasure::Rate | RetentionMeasure::UniqueUsers => (Amount::None, Vec::new()),
            RetentionMeasure::TotalEvents => (Amount::One, Vec::new()),
            RetentionMeasure::OfProperty { aggregate, of } => {
                let value = asked.value(&Measure::OfProperty {
                    aggregate: *aggregate,
                    of: of.clone(),
                    cast: None,
                })?;
                let number = value.map_or_else(|| lit(ScalarValue::Float64(None)), |value| value.label);
                (Amount::Number, vec![number])
            }
        };
        let walk = Walk {
            criterion: retention.criterion,
            alignment: retention.alignment,
            unit: retention.unit,
            units,
            buckets,
            birth_counts: retention.criterion == Criterion::Streak
                && is_same_event(&retention.birth, &retention.return_event),
            needs_amounts: amount != Amount::None,
        };
        let ever = match retention.birth.first_time {
            Some(first_time)
                if walk.is_by_units() && count_by.is_none() && retention.breakdowns.is_empty() =>
            {
                Some(asked.first_of(&metric_of(&retention.birth, None), first_time)?)
            }
            _ => None,
        };
        let birth = match &ever {
            // Who is first is found on the way.
            Some(_) => EventSelector { first_time: None, ..retention.birth.clone() },
            None => retention.birth.clone(),
        };
        let birth = asked.happened(&birth, scope, &range, count_by).await?;
        // B-10.
        let births = asked.scan()?.filter(birth.clone()).map_err(plan_error)?;
        let automatic = ranges_among(asked, asked, &retention.breakdowns, &births).await?;
        let segments = asked.segments(&retention.breakdowns, &automatic)?;
        let groups = match count_by {
            Some(_) => Some((
                asked.counted(&metric_of(&retention.birth, count_by)).await?,
                asked.counted(&metric_of(&retention.return_event, count_by)).await?,
            )),
            None => None,
        };
        Ok(Self {
            walk: Arc::new(walk),
            row_count,
            // Who was there before the range is not new in it.
            within: asked.within(if ever.is_some() { &EVER } else { &since }),
            birth,
            back,
            ever,
            labels: segments.into_iter().map(|segment| segment.label).collect(),
            numbers,
            amount,
            count_by: groups,
        })
    }

    fn buckets(&self) -> &Buckets {
        &self.walk.buckets
    }

    /// What is counted, in all rows and segments.
    async fn tallies(&self, asked: &Asked, split: Split) -> Result<Tallies> {
        let counted = Counted { walk: Arc::clone(&self.walk), amount: self.amount, split };
        if self.count_by.is_some() {
            let mut tallies = Tallies::default();
            for events in groups::events(asked, self).await?.values() {
                counted.add_group(events, &mut tallies);
            }
            return Ok(tallies);
        }
        Ok(self.run(asked, counted).await?.0)
    }

    /// The ids of who is wanted.
    async fn users(&self, asked: &Asked, split: Split, wanted: Wanted) -> Result<BTreeSet<String>> {
        let behind = Behind { walk: Arc::clone(&self.walk), split, wanted };
        if self.count_by.is_some() {
            let groups = groups::events(asked, self).await?;
            let mut found = BTreeSet::new();
            let mut segments = Segments::default();
            for (group, events) in groups {
                if behind.is_group(&events, &mut segments) {
                    found.insert(group);
                }
            }
            return Ok(found);
        }
        let (behind, directory) = self.run(asked, behind).await?;
        let id = |user: &u32| directory.ids().value(*user as usize).to_owned();
        Ok(behind.users.iter().map(id).collect())
    }

    /// Shows a matcher all users.
    async fn run<M: Matcher>(&self, asked: &Asked, matcher: M) -> Result<(M::Partial, Arc<UserDirectory>)> {
        let scan = BehaviourScan {
            within: self.within.clone(),
            conditions: [&self.birth, &self.back].into_iter().chain(&self.ever).cloned().collect(),
            labels: self.labels.clone(),
            numbers: self.numbers.clone(),
        };
        scan.run_with(asked, matcher, |scan| match self.walk.bounds() {
            Some(bounds) => {
                let scan = scan.with_units(bounds, BIRTH, RETURN);
                if self.ever.is_some() { scan.first_ever(FIRST_EVER) } else { scan }
            }
            None => scan,
        })
        .await
    }
}

/// Which units rows are, and what comes after; and how many rows there are.
fn units(asked: &Asked, retention: &Retention, range: &Instants) -> (Units, usize) {
    // Rolling buckets are counted without units.
    let to = match retention.alignment {
        Alignment::Rolling => range.to,
        Alignment::Calendar => {
            let rows = Units::new(asked.calendar, retention.unit, range.from, range.to).count() as i64;
            let buckets = if retention.brackets.is_empty() {
                retention.buckets.map_or(rows + 1, i64::from)
            } else {
                retention.brackets.iter().map(|size| i64::from(*size)).sum()
            };
            let last = range.to.saturating_add((buckets + 2).saturating_mul(longest_ms(retention.unit)));
            range.to.max(last.min(asked.as_of.saturating_add(1)))
        }
    };
    let units = Units::new(asked.calendar, retention.unit, range.from, to);
    let last = units.at(range.to - 1, &mut 0).map_or(0, |unit| unit + 1);
    (units, last)
}

/// What no unit is longer than.
fn longest_ms(unit: Unit) -> i64 {
    const DAY_MS: i64 = 86_400_000;
    match unit {
        Unit::Minute | Unit::Hour => DAY_MS / 12,
        Unit::Day => 2 * DAY_MS,
        Unit::Week => 8 * DAY_MS,
        Unit::Month => 32 * DAY_MS,
        Unit::Quarter => 93 * DAY_MS,
        Unit::Year => 367 * DAY_MS,
    }
}

/// Whether the same events are meant, whatever they are called.
fn is_same_event(one: &EventSelector, other: &EventSelector) -> bool {
    let has_all = |one: &EventSelector, other: &EventSelector| {
        one.any_of.iter().all(|choice| other.any_of.contains(choice))
    };
    has_all(one, other) && has_all(other, one)
}

impl Happened for Record {
    fn time(&self) -> i64 {
        self.time
    }

    fn is_birth(&self) -> bool {
        self.meets(BIRTH)
    }

    fn is_return(&self) -> bool {
        self.meets(RETURN)
    }
}

/// What is added up.
#[derive(Debug, Default)]
struct Tallies {
    /// By row.
    overall: Vec<Tally>,
    segments: Segments,
    /// Of each segment, by row.
    of_segments: Vec<Vec<Tally>>,
    outcome: Outcome,
    found: Vec<usize>,
}

/// A segment and its rows.
type OfSegment = (Vec<String>, Vec<Tally>);

impl Tallies {
    /// The rows of everybody, and of each segment in order of rank: by births (B-31).
    fn ranked(self) -> (Vec<Tally>, Vec<OfSegment>) {
        let mut ranked: Vec<OfSegment> = self.segments.labels().cloned().zip(self.of_segments).collect();
        let births = |rows: &[Tally]| rows.iter().map(|row| row.size).sum::<u64>();
        ranked.sort_by(|(a, of_a), (b, of_b)| births(of_b).cmp(&births(of_a)).then_with(|| a.cmp(b)));
        (self.overall, ranked)
    }
}

/// Counts.
struct Counted {
    walk: Arc<Walk>,
    amount: Amount,
    split: Split,
}

impl Counted {
    fn add(&self, row: usize, outcome: &Outcome, overall: &mut Vec<Tally>) {
        at_place(overall, row).add(outcome, self.walk.criterion, self.walk.buckets.count());
    }

    fn add_group(&self, events: &[groups::GroupEvent], tallies: &mut Tallies) {
        let Tallies { overall, segments, of_segments, outcome, found } = tallies;
        let amount = |event: &groups::GroupEvent| event.amount;
        self.walk.rows(events, amount, outcome, |row, birth, outcome| {
            self.add(row, outcome, overall);
            birth.segments(&self.split, segments, found);
            for segment in found.iter() {
                self.add(row, outcome, at_place(of_segments, *segment));
            }
        });
    }
}

impl Matcher for Counted {
    type Partial = Tallies;

    fn start(&self) -> Tallies {
        Tallies::default()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Tallies) {
        let Tallies { overall, segments, of_segments, outcome, found } = partial;
        let amount = |record: &Record| match self.amount {
            Amount::None => 0.0,
            Amount::One => 1.0,
            Amount::Number => user.number(0, record).unwrap_or(0.0),
        };
        self.walk.rows_of_user(user, amount, outcome, |row, birth, outcome| {
            self.add(row, outcome, overall);
            segments.of_event(&self.split, user, birth, found);
            for segment in found.iter() {
                self.add(row, outcome, at_place(of_segments, *segment));
            }
        });
    }

    fn merge(&self, total: &mut Tallies, later: Tallies) {
        tally::merge(&mut total.overall, &later.overall);
        let numbers = total.segments.merge(later.segments);
        for (number, rows) in numbers.into_iter().zip(&later.of_segments) {
            tally::merge(at_place(&mut total.of_segments, number), rows);
        }
    }

    fn bytes(&self, partial: &Tallies) -> usize {
        let rows = partial.overall.iter().chain(partial.of_segments.iter().flatten());
        rows.map(Tally::bytes).sum::<usize>() + partial.segments.bytes()
    }
}

/// Who is wanted.
struct Wanted {
    /// Of each row, whether it is one of them.
    rows: Vec<bool>,
    /// Everybody who was born if not said.
    bucket: Option<usize>,
    dropped_off: bool,
    segment: Option<Vec<String>>,
}

/// Finds the users behind a number.
struct Behind {
    walk: Arc<Walk>,
    split: Split,
    wanted: Wanted,
}

#[derive(Debug, Default)]
struct Found {
    users: Vec<u32>,
    segments: Segments,
    outcome: Outcome,
    in_segments: Vec<usize>,
}

impl Behind {
    fn fits(&self, row: usize, outcome: &Outcome) -> bool {
        let Wanted { rows, bucket, dropped_off, .. } = &self.wanted;
        let is_retained = |bucket| outcome.is_retained(self.walk.criterion, bucket);
        rows.get(row) == Some(&true) && bucket.is_none_or(|bucket| is_retained(bucket) != *dropped_off)
    }

    fn has_segment(&self, segments: &Segments, found: &[usize]) -> bool {
        let Some(wanted) = &self.wanted.segment else { return true };
        found.iter().any(|at| segments.get(*at) == Some(wanted))
    }

    fn is_group(&self, events: &[groups::GroupEvent], segments: &mut Segments) -> bool {
        let (mut is_it, mut found) = (false, Vec::new());
        self.walk.rows(
            events,
            |_| 0.0,
            &mut Outcome::default(),
            |row, birth, outcome| {
                if self.fits(row, outcome) {
                    birth.segments(&self.split, segments, &mut found);
                    is_it |= self.has_segment(segments, &found);
                }
            },
        );
        is_it
    }
}

impl Matcher for Behind {
    type Partial = Found;

    fn start(&self) -> Found {
        Found::default()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Found) {
        let Found { users, segments, outcome, in_segments: found } = partial;
        self.walk.rows_of_user(
            user,
            |_| 0.0,
            outcome,
            |row, birth, outcome| {
                if self.fits(row, outcome) {
                    segments.of_event(&self.split, user, birth, found);
                    if self.has_segment(segments, found) {
                        users.push(user.user);
                    }
                }
            },
        );
    }

    fn merge(&self, total: &mut Found, later: Found) {
        total.users.extend(later.users);
    }

    fn bytes(&self, partial: &Found) -> usize {
        partial.users.capacity() * 4 + partial.segments.bytes()
    }
}
