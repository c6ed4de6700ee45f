//! The events of users, user by user and in order of time: what behavioural reports run on.
//!
//! A report says which rows it wants ([`UserScan`]: conditions, and what is to be known of each row)
//! and what it makes of one user's rows (a [`Matcher`]: plain Rust). The rest is done here:
//!
//! 1. Users are divided into ranges, so many that a range's rows fit the second-level cache.
//! 2. For each segment, conditions are evaluated over the range's rows (on dictionary values once,
//!    where that is enough); rows that meet none are left behind.
//! 3. What is left becomes small records, which are put in order of user by counting. Segments come
//!    in order of day and have their rows in order of time, and so have the records of each user.
//! 4. The matcher sees one user after the other and adds to a partial result; partial results of
//!    ranges are merged in order of users. Two runs give the same bytes (P1).

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::Expr;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use indexmap::IndexSet;
use tallymark_memory::Layout;

use super::expr::{BoundExpr, SegmentExpr};
use super::filter::{BoundFilter, RowFilter};
use super::inputs::{BoundSegment, Inputs, Rows};
use super::segments::LOADS_AT_ONCE;
use crate::events_table::EventsTable;

/// Rows that conditions are evaluated for in one go.
const BLOCK_ROWS: usize = 16 << 10;
/// Rows of the users of a range, roughly.
const RANGE_ROWS: usize = 256 << 10;
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
    labels: &'a [Labels],
    numbers: &'a [Vec<Option<f64>>],
}

impl UserEvents<'_> {
    /// The labels of an event: expression `index` of [`UserScan::labels`], as numbers that stand for
    /// them within one range of users.
    pub(crate) fn labels(&self, index: usize, record: &Record) -> &[u32] {
        let Labels { starts, codes, .. } = &self.labels[index];
        let at = record.at as usize;
        &codes[starts[at] as usize..starts[at + 1] as usize]
    }

    /// The text of a label.
    pub(crate) fn text(&self, index: usize, label: u32) -> &str {
        self.labels[index].texts.get_index(label as usize).map_or("", String::as_str)
    }

    /// The number an event has: expression `index` of [`UserScan::with_numbers`].
    pub(crate) fn number(&self, index: usize, record: &Record) -> Option<f64> {
        self.numbers[index][record.at as usize]
    }
}

/// Events of users that are looked at as those of somebody else, such as a group.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    events: Vec<GatheredEvent>,
}

#[derive(Debug)]
struct GatheredEvent {
    time: i64,
    /// In which order events of one instant arrived.
    sequence: f64,
    conditions: u64,
    labels: Vec<Vec<String>>,
    numbers: Vec<Option<f64>>,
}

impl Gathered {
    /// Adds an event of a user.
    pub(crate) fn push(&mut self, user: &UserEvents<'_>, record: &Record, sequence: Option<f64>) {
        let labels = (0..user.labels.len()).map(|index| {
            user.labels(index, record).iter().map(|label| user.text(index, *label).to_owned()).collect()
        });
        self.events.push(GatheredEvent {
            time: record.time,
            sequence: sequence.unwrap_or(0.0),
            conditions: record.conditions,
            labels: labels.collect(),
            numbers: (0..user.numbers.len()).map(|index| user.number(index, record)).collect(),
        });
    }

    /// Adds the events of others.
    pub(crate) fn append(&mut self, mut later: Self) {
        self.events.append(&mut later.events);
    }

    pub(crate) fn bytes(&self) -> usize {
        let of = |event: &GatheredEvent| {
            let texts = event.labels.iter().flatten().map(|text| text.capacity() + 24).sum::<usize>();
            size_of::<GatheredEvent>() + texts + event.labels.len() * 24 + event.numbers.len() * 16
        };
        self.events.iter().map(of).sum()
    }

    /// Shows them in order (G-1), as those of `actor`.
    pub(crate) fn in_order(mut self, actor: u32, show: impl FnOnce(&UserEvents<'_>)) {
        let Some(first) = self.events.first() else { return };
        let mut labels: Vec<Labels> = first.labels.iter().map(|_| Labels::new()).collect();
        let mut numbers = vec![Vec::new(); first.numbers.len()];
        self.events.sort_by(|a, b| {
            (a.time, a.sequence).partial_cmp(&(b.time, b.sequence)).unwrap_or(Ordering::Equal)
        });
        let mut records = Vec::with_capacity(self.events.len());
        for (at, event) in self.events.iter().enumerate() {
            records.push(Record { time: event.time, conditions: event.conditions, at: at as u32 });
            for (labels, texts) in labels.iter_mut().zip(&event.labels) {
                texts.iter().for_each(|text| labels.push(text));
                labels.starts.push(labels.codes.len() as u32);
            }
            numbers.iter_mut().zip(&event.numbers).for_each(|(numbers, number)| numbers.push(*number));
        }
        show(&UserEvents { user: actor, records: &records, labels: &labels, numbers: &numbers });
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

/// Which events are wanted, and what is to be known of each.
#[derive(Debug)]
pub(crate) struct UserScan {
    inputs: Arc<Inputs>,
    conditions: Vec<RowFilter>,
    labels: Vec<SegmentExpr>,
    numbers: Vec<SegmentExpr>,
    threads: usize,
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
        Ok(Self { inputs: Arc::new(inputs), conditions, labels, numbers, threads })
    }

    pub(crate) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Shows a matcher all users of a layout.
    pub(crate) async fn run<M: Matcher>(
        self,
        layout: Arc<Layout>,
        matcher: M,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<M::Partial> {
        let threads = self.threads;
        let bound: Vec<_> = (0..layout.segments().len())
            .map(|at| {
                let (scan, layout) = (&self, &layout);
                async move { Bound::try_new(scan, scan.inputs.bind(layout, at).await?) }.boxed()
            })
            .collect();
        let segments: Vec<Bound> = stream::iter(bound).buffered(LOADS_AT_ONCE).try_collect().await?;
        let ranges = ranges(&layout);
        let work = Arc::new(Work { scan: self, segments, matcher });
        let reservation = MemoryConsumer::new("UserScan").register(pool);
        let mut partials = stream::iter(ranges)
            .map(|range| {
                let work = Arc::clone(&work);
                let reservation = MemoryConsumer::new("UserScan range").register(pool);
                SpawnedTask::spawn(async move { work.range(range, reservation).await })
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

/// Ranges of users that have about so many rows each, by the number of all rows alone.
fn ranges(layout: &Layout) -> Vec<Range<u32>> {
    let users = layout.users().len() as u32;
    let rows: usize = layout.segments().iter().map(|segment| segment.row_count()).sum();
    let count = (rows / RANGE_ROWS).max(1) as u64;
    let bound = |at: u64| (u64::from(users) * at / count) as u32;
    (0..count).map(|at| bound(at)..bound(at + 1)).filter(|range| !range.is_empty()).collect()
}

/// A segment prepared for a scan.
#[derive(Debug)]
struct Bound {
    segment: BoundSegment,
    conditions: Vec<BoundFilter>,
    labels: Vec<BoundExpr>,
    numbers: Vec<BoundExpr>,
}

impl Bound {
    fn try_new(scan: &UserScan, segment: BoundSegment) -> Result<Self> {
        let conditions =
            scan.conditions.iter().map(|condition| condition.bind(&segment)).collect::<Result<_>>()?;
        let bind =
            |exprs: &[SegmentExpr]| exprs.iter().map(|expr| expr.bind(&segment)).collect::<Result<_>>();
        let (labels, numbers) = (bind(&scan.labels)?, bind(&scan.numbers)?);
        Ok(Self { segment, conditions, labels, numbers })
    }
}

/// The labels of wanted rows, in the order they were met: row i has the codes
/// `starts[i]..starts[i + 1]`, positions in `texts`.
#[derive(Debug)]
struct Labels {
    starts: Vec<u32>,
    codes: Vec<u32>,
    texts: IndexSet<String>,
}

struct Work<M> {
    scan: UserScan,
    segments: Vec<Bound>,
    matcher: M,
}

/// The wanted rows of a range of users, in the order they were met.
struct Met {
    /// Of each row, how far its user is from the first of the range.
    users: Vec<u32>,
    times: Vec<i64>,
    conditions: Vec<u64>,
    labels: Vec<Labels>,
    numbers: Vec<Vec<Option<f64>>>,
}

impl Met {
    fn bytes(&self) -> usize {
        let of = |labels: &Labels| {
            (labels.starts.capacity() + labels.codes.capacity()) * 4 + labels.texts.len() * 64
        };
        // Once as they were met, once in order.
        self.users.capacity() * (4 + 8 + 8 + 24 + 16 * self.numbers.len())
            + self.labels.iter().map(of).sum::<usize>()
    }
}

impl<M: Matcher> Work<M> {
    async fn range(&self, users: Range<u32>, reservation: MemoryReservation) -> Result<M::Partial> {
        let mut met = Met {
            users: Vec::new(),
            times: Vec::new(),
            conditions: Vec::new(),
            labels: self.scan.labels.iter().map(|_| Labels::new()).collect(),
            numbers: vec![Vec::new(); self.scan.numbers.len()],
        };
        for bound in &self.segments {
            let segment = bound.segment.segment();
            let at = segment.users_in(users.clone());
            let (first, last) = (segment.starts()[at.start] as usize, segment.starts()[at.end] as usize);
            for start in (first..last).step_by(BLOCK_ROWS) {
                self.block(bound, users.start, start..(start + BLOCK_ROWS).min(last), &mut met)?;
            }
            reservation.try_resize(met.bytes())?;
            tokio::task::yield_now().await;
        }
        let mut partial = self.matcher.start();
        let (records, starts) = in_order(&met, users.len());
        for (user, rows) in users.zip(starts.windows(2)) {
            let records = &records[rows[0] as usize..rows[1] as usize];
            if !records.is_empty() {
                let (labels, numbers) = (&met.labels[..], &met.numbers[..]);
                self.matcher.user(&UserEvents { user, records, labels, numbers }, &mut partial);
            }
        }
        reservation.try_resize(self.matcher.bytes(&partial))?;
        Ok(partial)
    }

    /// Adds the wanted rows of a block.
    fn block(&self, bound: &Bound, first_user: u32, block: Range<usize>, met: &mut Met) -> Result<()> {
        let rows = Rows::Range(block.clone());
        let mut conditions = vec![0u64; block.len()];
        for (at, condition) in bound.conditions.iter().enumerate() {
            if condition.is_everything() {
                for conditions in &mut conditions {
                    *conditions |= 1 << at;
                }
                continue;
            }
            let mask = condition.mask(&bound.segment, &rows)?;
            mask.values().set_indices().for_each(|row| conditions[row] |= 1 << at);
        }
        let wanted: Vec<u32> = (block.start as u32..)
            .zip(&conditions)
            .filter(|(_, conditions)| **conditions != 0)
            .map(|(row, _)| row)
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let segment = bound.segment.segment();
        let (day, times) = (segment.day().start().millis(), segment.times());
        met.times.extend(wanted.iter().map(|row| day + i64::from(times[*row as usize])));
        met.conditions.extend(conditions.iter().filter(|conditions| **conditions != 0));
        let rows = if wanted.len() == block.len() { rows } else { Rows::List(UInt32Array::from(wanted)) };
        let mut ordinals = Vec::new();
        bound.segment.ordinals(&rows, &mut ordinals);
        met.users.extend(ordinals.iter().map(|user| user - first_user));
        for ((label, bound_label), labels) in self.scan.labels.iter().zip(&bound.labels).zip(&mut met.labels)
        {
            labels.extend(&bound_label.evaluate(label, &bound.segment, &rows)?)?;
        }
        for ((number, bound_number), numbers) in
            self.scan.numbers.iter().zip(&bound.numbers).zip(&mut met.numbers)
        {
            let values = cast(&bound_number.evaluate(number, &bound.segment, &rows)?, &DataType::Float64)?;
            numbers.extend(values.as_primitive::<Float64Type>());
        }
        Ok(())
    }
}

impl Labels {
    fn new() -> Self {
        Self { starts: vec![0], codes: Vec::new(), texts: IndexSet::new() }
    }

    /// Adds the rows of an array of texts, or of lists of texts.
    fn extend(&mut self, values: &ArrayRef) -> Result<()> {
        if let DataType::List(_) = values.data_type() {
            let lists = values.as_list::<i32>();
            let items = cast(lists.values(), &DataType::Utf8View)?;
            let items = items.as_string_view();
            for row in 0..lists.len() {
                let offsets = lists.value_offsets();
                let of_row = offsets[row] as usize..offsets[row + 1] as usize;
                if lists.is_valid(row) {
                    of_row.filter(|item| items.is_valid(*item)).for_each(|item| self.push(items.value(item)));
                }
                self.starts.push(self.codes.len() as u32);
            }
            return Ok(());
        }
        let values = cast(values, &DataType::Utf8View)?;
        for text in values.as_string_view() {
            if let Some(text) = text {
                self.push(text);
            }
            self.starts.push(self.codes.len() as u32);
        }
        Ok(())
    }

    fn push(&mut self, text: &str) {
        let known = match self.codes.last() {
            // Neighbours are often alike.
            Some(last) if self.texts.get_index(*last as usize).is_some_and(|known| known == text) => {
                Some(*last as usize)
            }
            _ => self.texts.get_index_of(text),
        };
        let code = known.unwrap_or_else(|| self.texts.insert_full(text.to_owned()).0);
        self.codes.push(code as u32);
    }
}

/// The records user by user, and where those of each user start. Those of a user keep their order.
fn in_order(met: &Met, user_count: usize) -> (Vec<Record>, Vec<u32>) {
    let mut starts = vec![0u32; user_count + 1];
    for user in &met.users {
        starts[*user as usize + 1] += 1;
    }
    for user in 0..user_count {
        starts[user + 1] += starts[user];
    }
    let mut next = starts.clone();
    let mut records = vec![Record { time: 0, conditions: 0, at: 0 }; met.users.len()];
    for (at, user) in met.users.iter().enumerate() {
        let place = &mut next[*user as usize];
        records[*place as usize] =
            Record { time: met.times[at], conditions: met.conditions[at], at: at as u32 };
        *place += 1;
    }
    (records, starts)
}
