//! One part of the rows: which groups they are of, and what was counted for each.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use tallymark_memory::Layout;
use tokio::sync::OnceCell;

use super::super::filter::BoundFilter;
use super::super::inputs::{BoundSegment, NOBODY, Rows, user_ids};
use super::accumulate::{Accumulator, Aggregate, Block, BoundAggregate, RowGroups};
use super::groups::{BoundKey, Groups, NumberedKeys};
use super::plan::Plan;

/// Rows looked at in one go: what they need fits the second-level cache.
const BLOCK_ROWS: usize = 16 << 10;
/// Users of a morsel, while groups are few.
const MORSEL_USERS: u32 = 16 << 10;
/// Bits to tell which users of a morsel were seen in which group.
const SEEN_BITS: u32 = 1 << 23;

/// What a part is of.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// Rows of segments, wherever users begin and end.
    Rows(Vec<(usize, Range<usize>)>),
    /// All rows of users, and nobody's with the first of them.
    Users(Range<u32>),
}

/// What a part gives: all its groups.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) group_count: usize,
    /// One array a key.
    pub(super) keys: Vec<ArrayRef>,
    /// For each aggregate, the arrays of its state, or of its result if the part is the only one
    /// with these groups.
    pub(super) aggregates: Vec<Vec<ArrayRef>>,
    /// How many rows passed the filter.
    pub(super) rows: usize,
}

/// A segment prepared for a query; what parts share.
#[derive(Debug)]
pub(super) struct Prepared {
    segment: BoundSegment,
    filter: BoundFilter,
    keys: Vec<BoundKey>,
    aggregates: Vec<BoundAggregate>,
}

impl Prepared {
    fn try_new(plan: &Plan, segment: BoundSegment) -> Result<Self> {
        Ok(Self {
            filter: plan.filter.bind(&segment)?,
            keys: plan.keys.iter().map(|key| key.bind(&segment)).collect::<Result<_>>()?,
            aggregates: plan
                .aggregates
                .iter()
                .map(|aggregate| aggregate.bind(&segment))
                .collect::<Result<_>>()?,
            segment,
        })
    }
}

/// All segments of a query, each prepared when a part first needs it.
#[derive(Debug)]
pub(super) struct PreparedSegments {
    pub(super) plan: Arc<Plan>,
    pub(super) layout: Arc<Layout>,
    segments: Vec<OnceCell<Prepared>>,
}

impl PreparedSegments {
    pub(super) fn new(plan: Arc<Plan>, layout: Arc<Layout>) -> Self {
        let segments = layout.segments().iter().map(|_| OnceCell::new()).collect();
        Self { plan, layout, segments }
    }

    async fn get(&self, at: usize) -> Result<&Prepared> {
        let prepare = async || Prepared::try_new(&self.plan, self.plan.inputs.bind(&self.layout, at).await?);
        self.segments[at].get_or_try_init(prepare).await
    }

    /// What had to be read for those prepared.
    pub(super) fn loaded_bytes(&self) -> u64 {
        self.segments.iter().filter_map(OnceCell::get).map(|prepared| prepared.segment.loaded_bytes).sum()
    }
}

/// The work on one part.
pub(super) struct PartWork<'a> {
    plan: &'a Plan,
    groups: Groups,
    accumulators: Vec<Accumulator>,
    rows: usize,
    users: Vec<u32>,
    row_groups: Vec<usize>,
    /// The users of the morsel.
    morsel: Range<u32>,
    reservation: MemoryReservation,
}

/// Runs one part. `last` says that nobody else has the same groups.
pub(super) async fn run(
    segments: &PreparedSegments,
    part: Part,
    last: bool,
    reservation: MemoryReservation,
) -> Result<Partial> {
    let plan = &segments.plan;
    let mut work = PartWork {
        plan,
        groups: Groups::try_new(&plan.keys)?,
        accumulators: plan.aggregates.iter().map(Aggregate::accumulator).collect::<Result<_>>()?,
        rows: 0,
        users: Vec::new(),
        row_groups: Vec::new(),
        morsel: 0..0,
        reservation,
    };
    match part {
        Part::Rows(slices) => {
            for (at, rows) in slices {
                let prepared = segments.get(at).await?;
                let keys = work.groups.number(&prepared.keys)?;
                work.slice(prepared, &keys, rows)?;
                work.pause().await?;
            }
        }
        Part::Users(users) => work.users(segments, users).await?,
    }
    work.finish(segments, last)
}

impl<'a> PartWork<'a> {
    async fn users(&mut self, segments: &'a PreparedSegments, users: Range<u32>) -> Result<()> {
        let mut all = Vec::with_capacity(segments.segments.len());
        for at in 0..segments.segments.len() {
            let prepared = segments.get(at).await?;
            all.push((prepared, self.groups.number(&prepared.keys)?));
        }
        let mut start = users.start;
        loop {
            let end = start.saturating_add(self.morsel_users()).min(users.end);
            self.begin_morsel(start..end);
            for (prepared, keys) in &all {
                let segment = prepared.segment.segment();
                let at = segment.users_in(start..end);
                let (first, last) = (segment.starts()[at.start] as usize, segment.starts()[at.end] as usize);
                let first = if start == 0 { 0 } else { first };
                self.slice(prepared, keys, first..last)?;
            }
            self.pause().await?;
            start = end;
            if start >= users.end {
                return Ok(());
            }
        }
    }

    /// Few enough users that their marks in all groups fit the cache.
    fn morsel_users(&self) -> u32 {
        if self.plan.groups_by_user() {
            return u32::MAX;
        }
        let groups = self.groups.count().max(1) as u32;
        (SEEN_BITS / groups).clamp(64, MORSEL_USERS)
    }

    fn begin_morsel(&mut self, morsel: Range<u32>) {
        for accumulator in &mut self.accumulators {
            if let Accumulator::Users(counts) = accumulator {
                counts.begin_morsel(morsel.len());
            }
        }
        self.morsel = morsel;
    }

    /// Lets others run, and this be cancelled; accounts for what is held.
    async fn pause(&mut self) -> Result<()> {
        let held: usize = self.accumulators.iter().map(Accumulator::size).sum();
        self.reservation.try_resize(held + self.groups.size())?;
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Adds the rows of a range that pass the filter.
    fn slice(&mut self, prepared: &Prepared, keys: &NumberedKeys<'_>, range: Range<usize>) -> Result<()> {
        if range.is_empty() || prepared.filter.is_nothing() {
            return Ok(());
        }
        if prepared.filter.is_everything()
            && self.plan.aggregates.iter().all(Aggregate::is_plain_count)
            && !self.plan.groups_by_user()
            && let Some(group) = self.groups.single(keys)
        {
            self.count_all(prepared, group, range);
            return Ok(());
        }
        for start in range.clone().step_by(BLOCK_ROWS) {
            let block = start..(start + BLOCK_ROWS).min(range.end);
            let rows = prepared.filter.select(&prepared.segment, block)?;
            if rows.count() > 0 {
                self.block(prepared, keys, &rows)?;
            }
        }
        Ok(())
    }

    /// All rows are of one group and are just counted: no row is looked at.
    fn count_all(&mut self, prepared: &Prepared, group: usize, range: Range<usize>) {
        let group_count = self.groups.count();
        self.rows += range.len();
        for accumulator in &mut self.accumulators {
            match accumulator {
                Accumulator::Rows(counts) => {
                    counts.resize(group_count, 0);
                    counts[group] += range.len() as i64;
                }
                Accumulator::Users(counts) => {
                    let segment = prepared.segment.segment();
                    let users = segment.users_in(self.morsel.clone());
                    let users = segment.users()[users].iter().map(|user| user - self.morsel.start);
                    counts.see_all(group, group_count, users);
                }
                Accumulator::Function(_) => {}
            }
        }
    }

    fn block(&mut self, prepared: &Prepared, keys: &NumberedKeys<'_>, rows: &Rows) -> Result<()> {
        self.rows += rows.count();
        self.users.clear();
        if self.plan.needs_users() {
            match rows {
                Rows::Range(range) => prepared.segment.segment().ordinals(range.clone(), &mut self.users),
                Rows::List(rows) => prepared.segment.ordinals(rows.values(), &mut self.users),
            }
            let first = self.morsel.start;
            self.users.iter_mut().filter(|user| **user != NOBODY).for_each(|user| *user -= first);
        }
        let groups = if self.plan.groups_by_user() { None } else { self.groups.single(keys) };
        let groups = if let Some(group) = groups {
            RowGroups::One(group)
        } else {
            let nobody = self.morsel.len() as u32;
            let groups_by_user = self.plan.groups_by_user();
            if groups_by_user {
                self.users.iter_mut().filter(|user| **user == NOBODY).for_each(|user| *user = nobody);
            }
            self.groups.of_rows(keys, &prepared.segment, rows, &self.users, &mut self.row_groups)?;
            if groups_by_user {
                self.users.iter_mut().filter(|user| **user == nobody).for_each(|user| *user = NOBODY);
            }
            RowGroups::Each(&self.row_groups)
        };
        let block = Block {
            segment: &prepared.segment,
            rows,
            groups,
            group_count: self.groups.count(),
            users: &self.users,
        };
        for ((aggregate, bound), accumulator) in
            self.plan.aggregates.iter().zip(&prepared.aggregates).zip(&mut self.accumulators)
        {
            aggregate.update(bound, accumulator, &block)?;
        }
        Ok(())
    }

    fn finish(mut self, segments: &PreparedSegments, last: bool) -> Result<Partial> {
        let group_count = self.groups.count();
        let mut aggregates = Vec::with_capacity(self.accumulators.len());
        for (aggregate, accumulator) in self.plan.aggregates.iter().zip(&mut self.accumulators) {
            aggregate.make_room(accumulator, group_count)?;
            aggregates.push(if last {
                vec![accumulator.finish(group_count)?]
            } else {
                accumulator.state(group_count)?
            });
        }
        let (first, nobody) = (self.morsel.start, self.morsel.len() as u32);
        let keys = self.groups.key_columns(|numbers| {
            let ordinals: Vec<u32> = numbers
                .iter()
                .map(|number| if *number == nobody { NOBODY } else { first + number })
                .collect();
            user_ids(segments.layout.users(), &ordinals)
        })?;
        Ok(Partial { group_count, keys, aggregates, rows: self.rows })
    }
}

/// Divides the rows of a layout into parts: by what the layout is alone.
pub(super) fn divide(plan: &Plan, layout: &Layout) -> Vec<Part> {
    let rows: usize = layout.segments().iter().map(|segment| segment.row_count()).sum();
    if rows == 0 {
        return Vec::new();
    }
    if plan.needs_users() {
        let users = layout.users().len() as u32;
        let per_part = if plan.groups_by_user() { PER_USER_ROWS } else { PART_ROWS };
        let parts = rows.div_ceil(per_part).clamp(1, (users as usize).max(1)) as u32;
        let bound = |part: u32| (u64::from(users) * u64::from(part) / u64::from(parts)) as u32;
        return (0..parts).map(|part| Part::Users(bound(part)..bound(part + 1))).collect();
    }
    let per_part = rows.div_ceil(rows.div_ceil(PART_ROWS).clamp(1, PARTS_MAX));
    let mut parts = vec![Vec::new()];
    let mut room = per_part;
    for (at, segment) in layout.segments().iter().enumerate() {
        let mut start = 0;
        while start < segment.row_count() {
            if room == 0 {
                parts.push(Vec::new());
                room = per_part;
            }
            let end = (start + room).min(segment.row_count());
            room -= end - start;
            if let Some(part) = parts.last_mut() {
                part.push((at, start..end));
            }
            start = end;
        }
    }
    parts.into_iter().map(Part::Rows).collect()
}

/// Rows of a part, about.
const PART_ROWS: usize = 1 << 20;
/// Parts are put together one after the other: there should not be too many.
const PARTS_MAX: usize = 32;
/// Rows of a part of users that are groups themselves, about.
const PER_USER_ROWS: usize = 1 << 18;
