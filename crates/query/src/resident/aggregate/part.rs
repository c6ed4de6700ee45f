//! One part of the rows: which groups they are of, and what was counted for each.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::Count;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tallymark_memory::Layout;
use tokio::sync::OnceCell;

use super::super::filter::BoundFilter;
use super::super::inputs::{BoundSegment, NOBODY, Rows, user_ids};
use super::super::segments::LOADS_AT_ONCE;
use super::accumulate::{Accumulator, Aggregate, AggregateKind, Block, BoundAggregate, Morsel, RowGroups};
use super::groups::{BoundKey, Groups, KeyPlace, NumberedKeys};
use super::plan::Plan;

/// Rows that pass and are looked at in one go: what they need fits the second-level cache.
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
    /// One array for each key that is shown.
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
    counters: Counters,
}

/// What is told in EXPLAIN ANALYZE of all parts together.
#[derive(Debug, Clone)]
pub(super) struct Counters {
    /// Segments that were prepared.
    pub(super) segments: Count,
    /// What had to be read for them.
    pub(super) loaded: Count,
}

impl PreparedSegments {
    pub(super) fn new(plan: Arc<Plan>, layout: Arc<Layout>, counters: Counters) -> Self {
        let segments = layout.segments().iter().map(|_| OnceCell::new()).collect();
        counters.loaded.add(layout.loaded_bytes() as usize);
        Self { plan, layout, segments, counters }
    }

    async fn get(&self, at: usize) -> Result<&Prepared> {
        let prepare = || async {
            let segment = self.plan.inputs.bind(&self.layout, at).await?;
            self.counters.segments.add(1);
            self.counters.loaded.add(segment.loaded_bytes as usize);
            Prepared::try_new(&self.plan, segment)
        };
        self.segments[at].get_or_try_init(prepare).await
    }

    /// All of them, several at a time.
    async fn all(&self) -> Result<Vec<&Prepared>> {
        let all: Vec<_> = (0..self.segments.len()).map(|at| self.get(at).boxed()).collect();
        stream::iter(all).buffered(LOADS_AT_ONCE).try_collect().await
    }

    /// Prepares all, so that parts find them.
    pub(super) async fn prepare(&self) -> Result<()> {
        self.all().await.map(|_| ())
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
    morsel: Morsel,
    /// Where groups have places: see [`Places`].
    places: Option<Places>,
    /// Where the groups of the segment at hand begin.
    first_group: usize,
    /// A bit for each of some rows.
    bits: Vec<u64>,
    reservation: MemoryReservation,
}

/// The places of groups that are users, within what the other keys are: nothing of a row needs to be
/// looked up. Where all rows of each segment have the same of the other keys, such as the day.
struct Places {
    /// The numbers of the other keys of each combination.
    others: Vec<Vec<u32>>,
    /// How many places each has: one for each user of the part, and last nobody's.
    each: usize,
    /// Which groups there are.
    present: Vec<bool>,
}

impl Places {
    /// Places, and where those of each segment begin.
    fn of_segments(
        plan: &Plan,
        segments: &[(&Prepared, NumberedKeys<'_>)],
        user_count: usize,
    ) -> Option<(Self, Vec<usize>)> {
        let (each, mut others) = (user_count + 1, Vec::new());
        let mut firsts = Vec::with_capacity(segments.len());
        for (_, keys) in segments {
            let numbers = keys.constants()?;
            let at = others.iter().position(|known| *known == numbers).unwrap_or_else(|| {
                others.push(numbers);
                others.len() - 1
            });
            firsts.push(at * each);
        }
        let count = others.len() * each;
        let counts_users = plan.aggregates.iter().any(|of| matches!(of.kind, AggregateKind::Users));
        if others.len() > 1 && (counts_users || count > PLACES_MAX) {
            return None;
        }
        Some((Self { others, each, present: vec![false; count] }, firsts))
    }
}

/// Of more places most would be empty.
const PLACES_MAX: usize = 2 * PER_USER_ROWS;

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
        morsel: Morsel(0..0),
        places: None,
        first_group: 0,
        bits: Vec::new(),
        reservation,
    };
    match part {
        Part::Rows(slices) => {
            for (at, rows) in slices {
                let prepared = segments.get(at).await?;
                let keys = work.groups.number(&prepared.keys)?;
                work.slice(prepared, &keys, rows).await?;
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
        for prepared in segments.all().await? {
            all.push((prepared, self.groups.number(&prepared.keys)?));
        }
        let mut firsts = vec![0; all.len()];
        if self.plan.groups_by_user()
            && let Some((places, of_segments)) = Places::of_segments(self.plan, &all, users.len())
        {
            // Else an accumulator may take it that all users have the values of its first rows.
            for (aggregate, accumulator) in self.plan.aggregates.iter().zip(&mut self.accumulators) {
                aggregate.make_room(accumulator, places.present.len())?;
            }
            (self.places, firsts) = (Some(places), of_segments);
        }
        let mut start = users.start;
        loop {
            let end = start.saturating_add(self.morsel_users()).min(users.end);
            self.begin_morsel(Morsel(start..end));
            for ((prepared, keys), first_group) in all.iter().zip(&firsts) {
                self.first_group = *first_group;
                let segment = prepared.segment.segment();
                let at = segment.users_in(start..end);
                let (first, last) = (segment.starts()[at.start] as usize, segment.starts()[at.end] as usize);
                let first = if start == 0 { 0 } else { first };
                self.slice(prepared, keys, first..last).await?;
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

    fn begin_morsel(&mut self, morsel: Morsel) {
        for accumulator in &mut self.accumulators {
            if let Accumulator::Users(counts) = accumulator {
                counts.begin_morsel(&morsel);
            }
        }
        self.morsel = morsel;
    }

    /// Lets others run, and this be cancelled; accounts for what is held.
    async fn pause(&mut self) -> Result<()> {
        let held: usize = self.accumulators.iter().map(Accumulator::size).sum();
        let places = self.places.as_ref().map_or(0, |places| places.present.capacity());
        self.reservation.try_resize(held + self.groups.size() + places)?;
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Adds the rows of a range that pass the filter. Lets others run, and this be cancelled, every
    /// so many rows.
    async fn slice(
        &mut self,
        prepared: &Prepared,
        keys: &NumberedKeys<'_>,
        range: Range<usize>,
    ) -> Result<()> {
        let range = prepared.filter.narrow(range);
        if range.is_empty() {
            return Ok(());
        }
        let counts_rows = self.plan.aggregates.iter().all(Aggregate::is_count_of_rows);
        if self.places.is_some() {
            if counts_rows {
                return self.count_by_user(prepared);
            }
            if prepared.filter.is_everything() {
                self.mark_all(prepared, &range);
            }
        } else if !self.plan.groups_by_user() {
            if prepared.filter.is_everything()
                && self.plan.aggregates.iter().all(Aggregate::is_plain_count)
                && let Some(group) = self.groups.single(keys)
            {
                self.count_all(prepared, group, range);
                return Ok(());
            }
            if counts_rows && let Some(count) = prepared.filter.count_of_ranges(&range) {
                if count == 0 {
                    return Ok(());
                }
                if let Some(group) = self.groups.single(keys) {
                    self.count_rows(group, count);
                    return Ok(());
                }
            }
        }
        let block_rows = BLOCK_ROWS.saturating_mul(prepared.filter.rows_for_one(&prepared.segment));
        for start in range.clone().step_by(block_rows) {
            let block = start..start.saturating_add(block_rows).min(range.end);
            let rows = prepared.filter.select(&prepared.segment, Rows::Range(block))?;
            if rows.count() > 0 {
                self.block(prepared, keys, &rows)?;
            }
            if range.end - start > block_rows {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// All rows are of one group and are just counted: no row is looked at.
    fn count_all(&mut self, prepared: &Prepared, group: usize, range: Range<usize>) {
        let group_count = self.groups.count();
        self.count_rows(group, range.len());
        for accumulator in &mut self.accumulators {
            if let Accumulator::Users(counts) = accumulator {
                let segment = prepared.segment.segment();
                let users = segment.users_in(self.morsel.0.clone());
                let users = segment.users()[users].iter().map(|user| user - self.morsel.0.start);
                counts.see_all(group, group_count, users);
            }
        }
    }

    /// So many rows are of one group.
    fn count_rows(&mut self, group: usize, count: usize) {
        let group_count = self.groups.count();
        self.rows += count;
        for accumulator in &mut self.accumulators {
            if let Accumulator::Rows(counts) = accumulator {
                counts.resize(group_count, 0);
                counts[group] += count as i64;
            }
        }
    }

    /// Counts the rows of each user of the morsel that pass.
    fn count_by_user(&mut self, prepared: &Prepared) -> Result<()> {
        let Some(places) = &mut self.places else { return Ok(()) };
        let of_segment = self.first_group..self.first_group + places.each;
        let present = &mut places.present[of_segment.clone()];
        let mut counts: Vec<&mut [i64]> = Vec::with_capacity(self.accumulators.len());
        for accumulator in &mut self.accumulators {
            if let Accumulator::Rows(of_groups) = accumulator {
                of_groups.resize(places.others.len() * places.each, 0);
                counts.push(&mut of_groups[of_segment.clone()]);
            }
        }
        let (users, nobody) = (self.morsel.0.clone(), self.morsel.nobody());
        let mut rows = 0;
        prepared.filter.count_by_user(&prepared.segment, users.clone(), &mut self.bits, |user, count| {
            let number = if user == NOBODY { nobody } else { user - users.start } as usize;
            rows += count as usize;
            present[number] |= count > 0;
            for counts in &mut counts {
                counts[number] += i64::from(count);
            }
        })?;
        self.rows += rows;
        Ok(())
    }

    /// All users of the morsel with rows in a range, and nobody if it has some.
    fn mark_all(&mut self, prepared: &Prepared, range: &Range<usize>) {
        let Some(places) = &mut self.places else { return };
        let present = &mut places.present[self.first_group..];
        let segment = prepared.segment.segment();
        for user in &segment.users()[segment.users_in(self.morsel.0.clone())] {
            present[(user - self.morsel.0.start) as usize] = true;
        }
        if range.start < segment.nobody_rows() {
            present[self.morsel.nobody() as usize] = true;
        }
    }

    fn block(&mut self, prepared: &Prepared, keys: &NumberedKeys<'_>, rows: &Rows) -> Result<()> {
        self.rows += rows.count();
        let users_are_groups = self.places.is_some();
        let marks = users_are_groups && !prepared.filter.is_everything();
        let selective = users_are_groups && self.plan.aggregates.iter().all(Aggregate::is_selective);
        self.users.clear();
        if self.plan.needs_users() && (marks || !selective) {
            self.morsel.numbers(&prepared.segment, rows, &mut self.users);
        }
        if let Some(places) = self.places.as_mut().filter(|_| marks) {
            let present = &mut places.present[self.first_group..];
            self.users.iter().for_each(|user| present[*user as usize] = true);
        }
        let groups = if users_are_groups {
            RowGroups::Users { users: &self.users, first: self.first_group }
        } else if let Some(group) = self.groups.single(keys) {
            RowGroups::One(group)
        } else {
            let users = (&self.users[..], self.morsel.nobody());
            self.groups.of_rows(keys, &prepared.segment, rows, users, &mut self.row_groups)?;
            RowGroups::Each(&self.row_groups)
        };
        let group_count = self.group_count();
        let block = Block {
            segment: &prepared.segment,
            rows,
            groups,
            group_count,
            users: &self.users,
            morsel: &self.morsel,
            read: RefCell::default(),
        };
        for ((aggregate, bound), accumulator) in
            self.plan.aggregates.iter().zip(&prepared.aggregates).zip(&mut self.accumulators)
        {
            aggregate.update(bound, accumulator, &block)?;
        }
        Ok(())
    }

    /// How many groups there are so far, or places for them.
    fn group_count(&self) -> usize {
        self.places.as_ref().map_or_else(|| self.groups.count(), |places| places.present.len())
    }

    fn finish(mut self, segments: &PreparedSegments, last: bool) -> Result<Partial> {
        let group_count = self.group_count();
        if group_count == 0 {
            // Some accumulators cannot say nothing.
            return Ok(Partial { group_count, keys: Vec::new(), aggregates: Vec::new(), rows: self.rows });
        }
        let mut aggregates = Vec::with_capacity(self.accumulators.len());
        for (aggregate, accumulator) in self.plan.aggregates.iter().zip(&mut self.accumulators) {
            aggregate.make_room(accumulator, group_count)?;
            aggregates.push(if last {
                vec![accumulator.finish(group_count)?]
            } else {
                accumulator.state(group_count)?
            });
        }
        let (first, nobody) = (self.morsel.0.start, self.morsel.nobody());
        let ids = |numbers: &[u32]| {
            let ordinal = |number: &u32| if *number == nobody { NOBODY } else { first + number };
            user_ids(segments.layout.users(), &numbers.iter().map(ordinal).collect::<Vec<_>>())
        };
        if let Some(Places { others, each, present }) = self.places {
            let present = BooleanArray::from(BooleanBuffer::collect_bool(present.len(), |at| present[at]));
            for state in aggregates.iter_mut().flatten() {
                *state = filter(state, &present)?;
            }
            let group_count = present.true_count();
            let groups = || present.values().set_indices_u32().map(|group| group as usize);
            let keys = self.groups.key_columns(&self.plan.shown_keys, ids, |key| match key {
                KeyPlace::User => groups().map(|group| (group % each) as u32).collect(),
                KeyPlace::Other(at) => groups().map(|group| others[group / each][at]).collect(),
            })?;
            return Ok(Partial { group_count, keys, aggregates, rows: self.rows });
        }
        let keys = self.groups.key_columns_of_all(&self.plan.shown_keys, ids)?;
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
