//! The events of users, user by user and in order of time: what behavioural reports run on.
//!
//! A report says which rows it wants ([`UserScan`]: conditions, and what is to be known of each row)
//! and what it makes of one user's rows (a [`Matcher`]: plain Rust). The rest is done here:
//!
//! 1. Users are divided into ranges, so many that what a range's rows take fits the second-level
//!    cache; neighbouring ranges are a share, the work of one thread and one partial result.
//! 2. [`masks`]: for each segment, conditions are evaluated over the range's rows, all at once where
//!    they look at codes of dictionaries; rows that meet none are left behind.
//! 3. [`gather`]: what is left becomes small records, which are put in order of user by counting.
//!    Segments come in order of day and have their rows in order of time, and so have the records
//!    of each user. [`labels`]: what else is to be known of each. [`units`]: where it is enough to know in
//!    which units of time something happened, a bit for each in place of records.
//! 4. The matcher sees one user after the other and adds to a partial result; partial results of
//!    shares are merged in order of users. What a share is depends on the rows alone: two runs give
//!    the same bytes (P1).

mod collected;
mod counts;
mod gather;
mod labels;
mod masks;
#[cfg(test)]
mod tests;
mod units;

use std::ops::Range;
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::Expr;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tallymark_memory::Layout;

pub(crate) use self::collected::Collected;
pub(crate) use self::counts::UserCounts;
use self::gather::Gathered;
use self::labels::{BoundLabel, KnownTexts, Labels};
use self::masks::Masks;
use self::units::InUnits;
pub(crate) use self::units::MetUnits;
use super::expr::{BoundExpr, SegmentExpr};
use super::filter::RowFilter;
use super::inputs::{BoundSegment, Inputs, NOBODY};
use super::listed;
use super::segments::LOADS_AT_ONCE;
use crate::events_table::EventsTable;
use crate::steps::{RunningStep, Step};

/// Rows of the users of a range, roughly, if there are not many segments.
const RANGE_ROWS: usize = 32 << 10;
/// Rows that a range has of each segment, roughly and at least: looking into a segment costs
/// something too.
const SEGMENT_ROWS: usize = 1 << 10;
/// Ranges that one partial result is made of.
const SHARE_RANGES: usize = 8;
/// How many times as many rows a range has where most say nothing new: it is as much work as others
/// then, and looking into segments is a smaller part of it.
const ONCE_ROWS: usize = 8;
/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Rows that are looked at without letting others run.
const YIELD_ROWS: usize = 64 << 10;
/// Conditions a scan can have.
pub(crate) const CONDITIONS_MAX: usize = 64;

/// One event of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Milliseconds since 1970 in UTC.
    pub(crate) time: i64,
    /// Bit i is set if condition i is met.
    pub(crate) conditions: u64,
    /// Where the row is among those of [`UserEvents::labels`] and [`UserEvents::number`].
    at: u32,
}

impl Record {
    pub(crate) fn meets(&self, condition: usize) -> bool {
        self.conditions >> condition & 1 == 1
    }
}

/// The wanted events of one user, in order (G-1).
#[derive(Debug)]
pub(crate) struct UserEvents<'a> {
    /// The user's number in the layout.
    pub(crate) user: u32,
    pub(crate) records: &'a [Record],
    /// Empty but with [`UserScan::with_units`].
    pub(crate) met: MetUnits<'a>,
    labels: &'a [Labels],
    numbers: &'a [Vec<Option<f64>>],
}

impl UserEvents<'_> {
    /// The labels of an event: expression `index` of [`UserScan::labels`], as numbers that stand for
    /// them within one partial result.
    pub(crate) fn labels(&self, index: usize, record: &Record) -> &[u32] {
        self.labels[index].of_row(record.at)
    }

    /// The text of a label.
    pub(crate) fn text(&self, index: usize, label: u32) -> &str {
        self.labels[index].text(label)
    }

    /// The number an event has: expression `index` of [`UserScan::with_numbers`].
    pub(crate) fn number(&self, index: usize, record: &Record) -> Option<f64> {
        self.numbers[index][record.at as usize]
    }
}

/// What a report makes of the events of users.
pub(crate) trait Matcher: Send + Sync + 'static {
    /// What is added up.
    type Partial: Send + 'static;

    /// Nothing yet.
    fn start(&self) -> Self::Partial;

    /// Adds what one user did. `user` has at least one record.
    fn user(&self, user: &UserEvents<'_>, partial: &mut Self::Partial);

    /// Adds the result of the users after those of `total`.
    fn merge(&self, total: &mut Self::Partial, later: Self::Partial);

    /// Bytes that a result keeps.
    fn bytes(&self, partial: &Self::Partial) -> usize;
}

/// Of which rows only those are wanted that say something new.
#[derive(Debug)]
struct Once {
    /// Between which it is asked what is new, ascending.
    instants: Vec<i64>,
    /// After the first wanted row of a user nothing is new.
    is_ever: bool,
}

/// Which events are wanted, and what is to be known of each.
#[derive(Debug)]
pub(crate) struct UserScan {
    inputs: Arc<Inputs>,
    conditions: Vec<RowFilter>,
    labels: Vec<SegmentExpr>,
    numbers: Vec<SegmentExpr>,
    /// See [`UserScan::once_between`].
    once: Option<Once>,
    /// See [`UserScan::with_units`].
    in_units: Option<InUnits>,
    threads: usize,
    range_rows: usize,
    /// See [`UserScan::and_nobody`].
    and_nobody: bool,
    step: Option<Step>,
}

impl UserScan {
    /// Rows that meet any of the conditions are wanted. Labels are texts, or lists of texts; null is
    /// no label.
    pub(crate) fn try_new(
        state: &SessionState,
        table: &EventsTable,
        conditions: Vec<Expr>,
        labels: Vec<Expr>,
    ) -> Result<Self> {
        Self::with_numbers(state, table, conditions, labels, Vec::new())
    }

    /// Like [`UserScan::try_new`], with numbers: Float64, or what can be cast to it.
    pub(crate) fn with_numbers(
        state: &SessionState,
        table: &EventsTable,
        conditions: Vec<Expr>,
        labels: Vec<Expr>,
        numbers: Vec<Expr>,
    ) -> Result<Self> {
        if conditions.len() > CONDITIONS_MAX {
            return Err(DataFusionError::Plan(format!(
                "{} conditions, at most {CONDITIONS_MAX} are possible",
                conditions.len()
            )));
        }
        let user = Expr::Column(datafusion::common::Column::from_name(tallymark_event::columns::USER_ID));
        let time = Expr::Column(datafusion::common::Column::from_name(tallymark_event::columns::TIME));
        let all = conditions.iter().chain(&labels).chain(&numbers).chain([&user, &time]);
        let inputs = Inputs::of_exprs(table, all);
        let step = Step::of(state, "UserScan", || {
            let lists = [("conditions", &conditions), ("labels", &labels), ("numbers", &numbers)];
            let lists = lists.into_iter().filter(|(_, exprs)| !exprs.is_empty());
            let texts: Vec<String> =
                lists.map(|(of, exprs)| format!("{of}=[{}]", listed(exprs, ", "))).collect();
            texts.join(", ")
        });
        let schema = inputs.df_schema()?;
        let conditions = conditions
            .into_iter()
            .map(|condition| RowFilter::try_new(state, [condition], &inputs, &schema))
            .collect::<Result<_>>()?;
        let segment_exprs = |exprs: Vec<Expr>| -> Result<Vec<SegmentExpr>> {
            exprs.into_iter().map(|expr| SegmentExpr::try_new(state, expr, &inputs, &schema)).collect()
        };
        let (labels, numbers) = (segment_exprs(labels)?, segment_exprs(numbers)?);
        let threads = state.config().target_partitions().max(1);
        let inputs = Arc::new(inputs);
        Ok(Self {
            inputs,
            conditions,
            labels,
            numbers,
            once: None,
            in_units: None,
            threads,
            range_rows: RANGE_ROWS,
            and_nobody: false,
            step,
        })
    }

    /// Of a user's rows of one UTC day between two of these instants, ascending, only those are wanted
    /// that meet a condition none before them meets: of one condition, the first. An instant belongs
    /// to what comes after it. Labels are not looked at: who needs those of all rows must not ask
    /// for this.
    pub(crate) fn once_between(mut self, instants: Vec<i64>) -> Self {
        self.once = Some(Once { instants, is_ever: false });
        self
    }

    /// Of each user only the first wanted row is asked for: others may be left out.
    pub(crate) fn once_ever(mut self) -> Self {
        self.once = Some(Once { instants: Vec::new(), is_ever: true });
        self
    }

    /// A unit of time begins at each of these instants, ascending. Of a user's rows in each unit only the
    /// first that meets condition `first` is wanted; and [`UserEvents::met`] tells in which units `next`
    /// was met. What is before the first instant is left out.
    pub(crate) fn with_units(mut self, begins: Vec<i64>, first: usize, next: usize) -> Self {
        self.in_units = Some(InUnits::new(begins, first, next));
        self
    }

    /// With [`UserScan::with_units`]: an event meets the first condition there only at the time of the user's
    /// first event ever that meets this one.
    pub(crate) fn first_ever(mut self, condition: usize) -> Self {
        if let Some(units) = &mut self.in_units {
            units.first_ever(condition);
        }
        self
    }

    /// The events of nobody (G-12) are shown too, after all others: as those of user [`NOBODY`]. Who
    /// puts events of several users together needs them.
    pub(crate) fn and_nobody(mut self) -> Self {
        self.and_nobody = true;
        self
    }

    pub(crate) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Shows a matcher all users of a layout. Fails where that takes more memory than the pool has.
    pub(crate) async fn run<M: Matcher>(
        mut self,
        layout: Arc<Layout>,
        matcher: M,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<M::Partial> {
        let threads = self.threads;
        let step = self.step.take().map(Step::start);
        let (segments, _held) = bound_segments(&self.inputs, &layout, pool).await?;
        if let Some(step) = &step {
            tell(step, &layout, &segments);
        }
        let mut known = vec![KnownTexts::default(); self.labels.len()];
        let segments =
            segments.into_iter().filter_map(|segment| Bound::try_new(&self, segment, &mut known).transpose());
        let segments = segments.collect::<Result<Vec<_>>>()?;
        // Of rows alone, whatever threads there are: P1.
        let (rows_times, share_ranges) = if self.once.is_some() || self.in_units.is_some() {
            (ONCE_ROWS, SHARE_RANGES / ONCE_ROWS)
        } else {
            (1, SHARE_RANGES)
        };
        let ranges = ranges(&layout, self.range_rows * rows_times, SEGMENT_ROWS * rows_times);
        let work = Arc::new(Work {
            scan: self,
            known: known.into_iter().map(Arc::new).collect(),
            segments,
            matcher,
        });
        let reservation = MemoryConsumer::new("UserScan").register(pool);
        let mut shares: Vec<Share> =
            ranges.chunks(share_ranges).map(|ranges| Share::Users(ranges.to_vec())).collect();
        shares.extend(work.scan.and_nobody.then_some(Share::Nobody));
        let mut partials = stream::iter(shares)
            .map(|share| {
                let work = Arc::clone(&work);
                let reservation = MemoryConsumer::new("UserScan share").register(pool);
                SpawnedTask::spawn(async move { work.share(share, reservation).await })
            })
            .buffered(threads);
        let mut total = work.matcher.start();
        while let Some(partial) = partials.next().await {
            let partial = partial.map_err(|stopped| DataFusionError::ExecutionJoin(Box::new(stopped)))??;
            work.matcher.merge(&mut total, partial);
            reservation.try_resize(work.matcher.bytes(&total))?;
        }
        Ok(total)
    }
}

/// Tells what is looked at.
fn tell(step: &RunningStep, layout: &Layout, segments: &[BoundSegment]) {
    step.count("segments", segments.len());
    step.count("rows", segments.iter().map(|segment| segment.segment().row_count()).sum());
    let loaded: u64 = segments.iter().map(|segment| segment.loaded_bytes).sum();
    step.count("bytes_loaded", (loaded + layout.loaded_bytes()) as usize);
}

/// All segments of a layout with the columns asked for. What is held of that beyond the budget of
/// resident columns is the query's own.
async fn bound_segments(
    inputs: &Arc<Inputs>,
    layout: &Arc<Layout>,
    pool: &Arc<dyn MemoryPool>,
) -> Result<(Vec<BoundSegment>, MemoryReservation)> {
    let loads: Vec<_> =
        (0..layout.segments().len()).map(|at| async move { inputs.bind(layout, at).await }.boxed()).collect();
    let beyond = MemoryConsumer::new("UserScan columns").register(pool);
    let mut segments: Vec<BoundSegment> = Vec::with_capacity(loads.len());
    let mut held_bytes = 0usize;
    let mut loading = stream::iter(loads).buffered(LOADS_AT_ONCE);
    while let Some(segment) = loading.try_next().await? {
        held_bytes += segment.bytes();
        beyond.try_resize(held_bytes.saturating_sub(layout.budget_bytes()))?;
        segments.push(segment);
    }
    drop(loading);
    Ok((segments, beyond))
}

/// Ranges of users that have about so many rows each, and of a segment not much less than so many, by
/// the number of all rows and segments alone.
fn ranges(layout: &Layout, range_rows: usize, segment_rows: usize) -> Vec<Range<u32>> {
    let users = layout.users().len() as u32;
    let rows: usize = layout.segments().iter().map(|segment| segment.row_count()).sum();
    let of_each = segment_rows.min(range_rows);
    let count = (rows / range_rows.max(layout.segments().len() * of_each)).max(1) as u64;
    let bound = |at: u64| (u64::from(users) * at / count) as u32;
    (0..count).map(|at| bound(at)..bound(at + 1)).filter(|range| !range.is_empty()).collect()
}

/// A segment prepared for a scan.
#[derive(Debug)]
struct Bound {
    segment: BoundSegment,
    masks: Masks,
    labels: Vec<BoundLabel>,
    numbers: Vec<BoundExpr>,
}

impl Bound {
    /// `None` if no row of the segment is wanted.
    fn try_new(scan: &UserScan, segment: BoundSegment, known: &mut [KnownTexts]) -> Result<Option<Self>> {
        let conditions = scan.conditions.iter().map(|condition| condition.bind(&segment));
        let masks = Masks::new(conditions.collect::<Result<Vec<_>>>()?, &segment);
        if masks.constant() == Some(0) {
            return Ok(None);
        }
        let labels = scan.labels.iter().zip(known);
        let labels = labels.map(|(label, known)| BoundLabel::try_new(label, &segment, known));
        let labels = labels.collect::<Result<_>>()?;
        let numbers = scan.numbers.iter().map(|number| number.bind(&segment)).collect::<Result<_>>()?;
        Ok(Some(Self { segment, masks, labels, numbers }))
    }
}

/// What one partial result is of.
enum Share {
    /// Ranges of users, one after the other.
    Users(Vec<Range<u32>>),
    /// The events of nobody.
    Nobody,
}

struct Work<M> {
    scan: UserScan,
    segments: Vec<Bound>,
    /// Of each label, the texts that were met when segments were prepared.
    known: Vec<Arc<KnownTexts>>,
    matcher: M,
}

impl<M: Matcher> Work<M> {
    async fn share(&self, share: Share, reservation: MemoryReservation) -> Result<M::Partial> {
        let mut partial = self.matcher.start();
        let labels = self.scan.labels.iter().zip(&self.known);
        let labels = labels.map(|(label, known)| Labels::try_new(label, Arc::clone(known)));
        let mut gathered = Gathered::new(labels.collect::<Result<_>>()?, self.scan.numbers.len());
        let ranges = match share {
            Share::Users(ranges) => ranges.into_iter().map(Some).collect(),
            Share::Nobody => vec![None],
        };
        for users in ranges {
            match &users {
                Some(users) => gathered.begin(&self.scan, users.clone()),
                None => gathered.begin_nobody(&self.scan),
            }
            let first = users.map_or(NOBODY, |users| users.start);
            let mut rows = 0;
            for bound in &self.segments {
                rows += gathered.add(&self.scan, bound)?;
                if rows >= YIELD_ROWS {
                    reservation.try_resize(gathered.bytes())?;
                    tokio::task::yield_now().await;
                    rows = 0;
                }
            }
            let in_order = gathered.in_order(&self.segments);
            for (at, records) in in_order.users().enumerate() {
                let user = first.saturating_add(at as u32);
                if !records.is_empty() {
                    let (labels, numbers) = (in_order.labels, in_order.numbers);
                    let met = in_order.met(at);
                    self.matcher.user(&UserEvents { user, records, met, labels, numbers }, &mut partial);
                }
            }
            reservation.try_resize(gathered.bytes() + self.matcher.bytes(&partial))?;
            tokio::task::yield_now().await;
        }
        Ok(partial)
    }
}
