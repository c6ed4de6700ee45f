//! The aggregates of a query, and what they have counted so far.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, UInt64Array, new_empty_array};
use arrow::datatypes::Int64Type;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::GroupsAccumulatorAdapter;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::super::expr::{BoundExpr, SegmentExpr};
use super::super::filter::{BoundFilter, RowFilter, select_any};
use super::super::inputs::{BoundSegment, NOBODY, Rows};
use super::extreme::Extremes;

/// One aggregate of a query.
#[derive(Debug)]
pub(super) struct Aggregate {
    pub(super) kind: AggregateKind,
    /// `FILTER (WHERE …)`.
    pub(super) filter: Option<RowFilter>,
}

#[derive(Debug)]
pub(super) enum AggregateKind {
    /// `count(*)`.
    Rows,
    /// `count(DISTINCT user_id)`.
    Users,
    /// `min` or `max` of text.
    Extreme { of: SegmentExpr, is_greatest: bool },
    /// Any other: DataFusion's own.
    Function {
        function: Arc<AggregateFunctionExpr>,
        args: Vec<SegmentExpr>,
        /// Which rows change anything; all if `None`.
        relevant: Option<Conditions>,
    },
}

/// The conditions among a function's arguments: rows that meet none of them change nothing.
#[derive(Debug)]
pub(super) struct Conditions {
    /// Their places among the arguments.
    pub(super) places: Range<usize>,
    /// Each of them.
    pub(super) filters: Vec<RowFilter>,
}

impl Aggregate {
    pub(super) fn accumulator(&self) -> Result<Accumulator> {
        Ok(match &self.kind {
            AggregateKind::Rows => Accumulator::Rows(Vec::new()),
            AggregateKind::Users => Accumulator::Users(UserCounts::default()),
            AggregateKind::Extreme { is_greatest, .. } => Accumulator::Extreme(Extremes::new(*is_greatest)),
            AggregateKind::Function { function, .. } => Accumulator::Function(groups_accumulator(function)?),
        })
    }

    /// Lets an accumulator that perhaps no row has reached know how many groups there are.
    pub(super) fn make_room(&self, accumulator: &mut Accumulator, group_count: usize) -> Result<()> {
        let (args, accumulator) = match (&self.kind, accumulator) {
            (AggregateKind::Function { args, .. }, Accumulator::Function(accumulator)) => (args, accumulator),
            (_, Accumulator::Extreme(extremes)) => {
                extremes.make_room(group_count);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let nothing =
            args.iter().map(|arg| Ok(new_empty_array(&arg.data_type()?))).collect::<Result<Vec<_>>>()?;
        // Without a filter, accumulators take it that every group has a row.
        let none = BooleanArray::from(Vec::<bool>::new());
        accumulator.update_batch(&nothing, &[], Some(&none), group_count)
    }

    pub(super) fn bind(&self, segment: &BoundSegment) -> Result<BoundAggregate> {
        let filter = self.filter.as_ref().map(|filter| filter.bind(segment)).transpose()?;
        let (args, relevant) = match &self.kind {
            AggregateKind::Rows | AggregateKind::Users => (&[][..], None),
            AggregateKind::Extreme { of, .. } => (std::slice::from_ref(of), None),
            AggregateKind::Function { args, relevant, .. } => (&args[..], relevant.as_ref()),
        };
        let args = args.iter().map(|arg| arg.bind(segment)).collect::<Result<Vec<_>>>()?;
        let relevant = relevant.map(|conditions| conditions.bind(segment, &args)).transpose()?;
        Ok(BoundAggregate { filter, args, relevant })
    }

    /// Adds rows of a segment it was prepared for.
    pub(super) fn update(
        &self,
        bound: &BoundAggregate,
        accumulator: &mut Accumulator,
        block: &Block<'_>,
    ) -> Result<()> {
        if let (Some(relevant), RowGroups::Users { first, .. }) = (&bound.relevant, block.groups) {
            return self.update_relevant(relevant, bound, accumulator, block, first);
        }
        let mask = match &bound.filter {
            Some(filter) => Some(filter.mask(block.segment, block.rows)?),
            None => None,
        };
        match (&self.kind, accumulator) {
            (AggregateKind::Rows, Accumulator::Rows(counts)) => {
                counts.resize(block.group_count, 0);
                count_rows(counts, block, mask.as_ref());
                Ok(())
            }
            (AggregateKind::Users, Accumulator::Users(counts)) => {
                counts.update(block, mask.as_ref());
                Ok(())
            }
            (AggregateKind::Extreme { of, .. }, Accumulator::Extreme(extremes)) => {
                extremes.update(of, &bound.args[0], block, mask.as_ref())
            }
            (AggregateKind::Function { args, .. }, Accumulator::Function(accumulator)) => {
                let args = args.iter().zip(&bound.args);
                let args = args.map(|(arg, bound)| block.argument(arg, bound));
                let args = args.collect::<Result<Vec<_>>>()?;
                let groups: Cow<'_, [usize]> = match block.groups {
                    RowGroups::Each(groups) => groups.into(),
                    RowGroups::One(group) => vec![group; block.rows.count()].into(),
                    RowGroups::Users { users, first } => {
                        users.iter().map(|user| first + *user as usize).collect()
                    }
                };
                accumulator.update_batch(&args, &groups, mask.as_ref(), block.group_count)
            }
            _ => internal_err!("an accumulator is of its aggregate's kind"),
        }
    }

    /// Adds only the rows that change something.
    fn update_relevant(
        &self,
        relevant: &BoundConditions,
        bound: &BoundAggregate,
        accumulator: &mut Accumulator,
        block: &Block<'_>,
        first_group: usize,
    ) -> Result<()> {
        let mut rows = relevant.select(block.segment, block.rows)?;
        if let Some(filter) = &bound.filter {
            rows = filter.select(block.segment, rows)?;
        }
        let (AggregateKind::Function { args, .. }, Accumulator::Function(accumulator)) =
            (&self.kind, accumulator)
        else {
            return internal_err!("an accumulator is of its aggregate's kind");
        };
        if rows.count() == 0 {
            return Ok(());
        }
        let evaluated = args.iter().zip(&bound.args).enumerate().map(|(at, (arg, bound))| match bound {
            // Literals were read when the function was made.
            BoundExpr::Constant(value) if at < relevant.places.start => Ok(Arc::clone(value)),
            _ => bound.evaluate(arg, block.segment, &rows),
        });
        let args = match &relevant.rows {
            RelevantRows::ByCode(masks) => {
                let others = evaluated.take(relevant.places.start).collect::<Result<Vec<_>>>()?;
                others.into_iter().chain(masks.of_rows(block.segment, &rows)?).collect()
            }
            RelevantRows::ByFilter(_) => evaluated.collect::<Result<Vec<_>>>()?,
        };
        let mut numbers = Vec::new();
        let users = if rows.count() == block.users.len() {
            block.users
        } else {
            block.morsel.numbers(block.segment, &rows, &mut numbers);
            &numbers
        };
        let groups: Vec<usize> = users.iter().map(|user| first_group + *user as usize).collect();
        accumulator.update_batch(&args, &groups, None, block.group_count)
    }

    /// Whether it looks at nothing but which user a row is of.
    pub(super) fn is_plain_count(&self) -> bool {
        self.filter.is_none() && matches!(self.kind, AggregateKind::Rows | AggregateKind::Users)
    }

    /// Whether it counts all rows.
    pub(super) fn is_count_of_rows(&self) -> bool {
        self.filter.is_none() && matches!(self.kind, AggregateKind::Rows)
    }

    /// Whether it looks only at rows that pass some filter of its own, if users are the groups.
    pub(super) fn is_selective(&self) -> bool {
        matches!(&self.kind, AggregateKind::Function { relevant: Some(_), .. })
    }
}

/// The function's own accumulator for many groups, or one made of many for a single one.
fn groups_accumulator(function: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>> {
    if function.groups_accumulator_supported() {
        return function.create_groups_accumulator();
    }
    let function = Arc::clone(function);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || function.create_accumulator())))
}

/// An aggregate prepared for one segment.
#[derive(Debug)]
pub(super) struct BoundAggregate {
    filter: Option<BoundFilter>,
    args: Vec<BoundExpr>,
    relevant: Option<BoundConditions>,
}

/// Conditions prepared for one segment.
#[derive(Debug)]
struct BoundConditions {
    places: Range<usize>,
    rows: RelevantRows,
}

/// How the rows that meet a condition are found.
#[derive(Debug)]
enum RelevantRows {
    /// All conditions look at the same dictionary's codes and nothing else.
    ByCode(MaskTable),
    /// Any of these accepts them.
    ByFilter(Vec<BoundFilter>),
}

impl Conditions {
    fn bind(&self, segment: &BoundSegment, args: &[BoundExpr]) -> Result<BoundConditions> {
        let masks = if self.places.end == args.len() {
            MaskTable::of(segment, &args[self.places.clone()])
        } else {
            None
        };
        let rows = match masks {
            Some(masks) => RelevantRows::ByCode(masks),
            None => RelevantRows::ByFilter(
                self.filters.iter().map(|filter| filter.bind(segment)).collect::<Result<_>>()?,
            ),
        };
        Ok(BoundConditions { places: self.places.clone(), rows })
    }
}

impl BoundConditions {
    /// Those of some rows that meet a condition.
    fn select(&self, segment: &BoundSegment, rows: &Rows) -> Result<Rows> {
        match &self.rows {
            RelevantRows::ByCode(masks) => masks.any.select(segment, rows.clone()),
            RelevantRows::ByFilter(filters) => select_any(filters, segment, rows),
        }
    }
}

/// Which conditions a row meets, by its code in a dictionary.
#[derive(Debug)]
struct MaskTable {
    /// One of the conditions: they all have the same codes.
    codes: BoundExpr,
    /// For each word of the masks, its value for each code, and last for null.
    words: Vec<Vec<u64>>,
    /// Accepts the codes that meet any.
    any: BoundFilter,
}

impl MaskTable {
    fn of(segment: &BoundSegment, conditions: &[BoundExpr]) -> Option<Self> {
        let mut codes = None;
        let mut words: Vec<Vec<u64>> = Vec::new();
        for (at, condition) in conditions.iter().enumerate() {
            let BoundExpr::Coded { input, values } = condition else { return None };
            let met = values.as_boolean_opt()?;
            let (known, _) = codes.get_or_insert((*input, values));
            if known != input {
                return None;
            }
            if at % 64 == 0 {
                words.push(vec![0; met.len()]);
            }
            let word = words.last_mut()?;
            for (mask, met) in word.iter_mut().zip(met) {
                *mask |= u64::from(met == Some(true)) << (at % 64);
            }
        }
        let (input, values) = codes?;
        let codes = BoundExpr::Coded { input, values: Arc::clone(values) };
        let meets_any = |code: usize| words.iter().any(|word| word[code] != 0);
        let any = BoundFilter::of_table(codes.clone(), (0..values.len()).map(meets_any).collect(), segment);
        Some(Self { codes, words, any })
    }

    fn of_rows(&self, segment: &BoundSegment, rows: &Rows) -> Result<Vec<ArrayRef>> {
        let word = |table: &Vec<u64>| {
            let mut masks = Vec::with_capacity(rows.count());
            self.codes.map(segment, table, rows, |mask| masks.push(mask))?;
            Ok(Arc::new(UInt64Array::from(masks)) as ArrayRef)
        };
        self.words.iter().map(word).collect()
    }
}

/// Consecutive users, numbered from 0; nobody's number comes after theirs.
#[derive(Debug, Clone)]
pub(super) struct Morsel(pub(super) Range<u32>);

impl Morsel {
    pub(super) fn nobody(&self) -> u32 {
        self.0.len() as u32
    }

    /// The number of the user of each row.
    pub(super) fn numbers(&self, segment: &BoundSegment, rows: &Rows, out: &mut Vec<u32>) {
        segment.ordinals(rows, out);
        let (first, nobody) = (self.0.start, self.nobody());
        for user in out {
            *user = if *user == NOBODY { nobody } else { *user - first };
        }
    }
}

/// The groups of some rows.
#[derive(Clone, Copy)]
pub(super) enum RowGroups<'a> {
    /// All rows are of this one.
    One(usize),
    /// A group for each row.
    Each(&'a [usize]),
    /// Users are the groups: their number for each row, or nothing if no aggregate asks, counted from
    /// the first group.
    Users { users: &'a [u32], first: usize },
}

/// Rows with what is known of them.
pub(super) struct Block<'a> {
    pub(super) segment: &'a BoundSegment,
    pub(super) rows: &'a Rows,
    pub(super) groups: RowGroups<'a>,
    /// How many groups there are so far.
    pub(super) group_count: usize,
    /// The number of the user of each row; empty if no aggregate asks.
    pub(super) users: &'a [u32],
    pub(super) morsel: &'a Morsel,
    /// The inputs that were looked at, with their values: several aggregates may be of the same.
    pub(super) read: RefCell<Vec<(usize, ArrayRef)>>,
}

impl Block<'_> {
    /// The values of an argument of an aggregate.
    fn argument(&self, arg: &SegmentExpr, bound: &BoundExpr) -> Result<ArrayRef> {
        let Some(input) = arg.as_input() else { return bound.evaluate(arg, self.segment, self.rows) };
        if let Some((_, values)) = self.read.borrow().iter().find(|(known, _)| *known == input) {
            return Ok(Arc::clone(values));
        }
        let values = bound.evaluate(arg, self.segment, self.rows)?;
        self.read.borrow_mut().push((input, Arc::clone(&values)));
        Ok(values)
    }
}

fn count_rows(counts: &mut [i64], block: &Block<'_>, mask: Option<&BooleanArray>) {
    match (block.groups, mask) {
        (RowGroups::One(group), None) => counts[group] += block.rows.count() as i64,
        (RowGroups::One(group), Some(mask)) => counts[group] += mask.true_count() as i64,
        (RowGroups::Each(groups), None) => groups.iter().for_each(|group| counts[*group] += 1),
        (RowGroups::Each(groups), Some(mask)) => {
            groups.iter().zip(mask.values()).for_each(|(group, wanted)| counts[*group] += i64::from(wanted));
        }
        (RowGroups::Users { users, first }, None) => {
            for user in users {
                counts[first + *user as usize] += 1;
            }
        }
        (RowGroups::Users { users, first }, Some(mask)) => {
            let counts = &mut counts[first..];
            users
                .iter()
                .zip(mask.values())
                .for_each(|(user, wanted)| counts[*user as usize] += i64::from(wanted));
        }
    }
}

/// What an aggregate has counted, per group.
pub(super) enum Accumulator {
    Rows(Vec<i64>),
    Users(UserCounts),
    Extreme(Extremes),
    Function(Box<dyn GroupsAccumulator>),
}

impl Accumulator {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Rows(counts) => counts.capacity() * size_of::<i64>(),
            Self::Users(counts) => counts.size(),
            Self::Extreme(extremes) => extremes.size(),
            Self::Function(accumulator) => accumulator.size(),
        }
    }

    /// What another accumulator of the same aggregate needs to go on from here.
    pub(super) fn state(&mut self, group_count: usize) -> Result<Vec<ArrayRef>> {
        match self {
            Self::Rows(counts) => Ok(vec![counts_array(std::mem::take(counts), group_count)]),
            Self::Users(counts) => Ok(vec![counts_array(std::mem::take(&mut counts.counts), group_count)]),
            Self::Extreme(extremes) => Ok(vec![extremes.finish(group_count)]),
            Self::Function(accumulator) => accumulator.state(EmitTo::All),
        }
    }

    /// Goes on from states that [`Accumulator::state`] gave, of groups disjoint in users.
    pub(super) fn merge(&mut self, states: &[ArrayRef], groups: &[usize], group_count: usize) -> Result<()> {
        match self {
            Self::Rows(counts) => add_counts(counts, states, groups, group_count),
            Self::Users(counts) => add_counts(&mut counts.counts, states, groups, group_count),
            Self::Extreme(extremes) => extremes.merge(states, groups, group_count),
            Self::Function(accumulator) => accumulator.merge_batch(states, groups, group_count),
        }
    }

    /// The result per group.
    pub(super) fn finish(&mut self, group_count: usize) -> Result<ArrayRef> {
        match self {
            Self::Rows(counts) => Ok(counts_array(std::mem::take(counts), group_count)),
            Self::Users(counts) => Ok(counts_array(std::mem::take(&mut counts.counts), group_count)),
            Self::Extreme(extremes) => Ok(extremes.finish(group_count)),
            Self::Function(accumulator) => accumulator.evaluate(EmitTo::All),
        }
    }
}

fn counts_array(mut counts: Vec<i64>, group_count: usize) -> ArrayRef {
    counts.resize(group_count, 0);
    Arc::new(Int64Array::from(counts))
}

fn add_counts(
    counts: &mut Vec<i64>,
    states: &[ArrayRef],
    groups: &[usize],
    group_count: usize,
) -> Result<()> {
    counts.resize(group_count, 0);
    let Some(more) = states.first().and_then(|state| state.as_primitive_opt::<Int64Type>()) else {
        return internal_err!("the state of a count is an integer");
    };
    groups.iter().zip(more.values()).for_each(|(group, count)| counts[*group] += count);
    Ok(())
}

/// Different users per group, counted morsel by morsel of users.
#[derive(Default)]
pub(super) struct UserCounts {
    counts: Vec<i64>,
    /// For each group a bit for each user of the morsel.
    seen: Vec<u64>,
    words_per_group: usize,
    nobody: u32,
}

impl UserCounts {
    fn size(&self) -> usize {
        self.counts.capacity() * size_of::<i64>() + self.seen.capacity() * size_of::<u64>()
    }

    /// Begins with other users.
    pub(super) fn begin_morsel(&mut self, morsel: &Morsel) {
        self.nobody = morsel.nobody();
        self.words_per_group = morsel.0.len().div_ceil(64);
        self.seen.clear();
    }

    fn make_room(&mut self, group_count: usize) {
        self.counts.resize(group_count.max(self.counts.len()), 0);
        let words = self.counts.len() * self.words_per_group;
        if words > self.seen.len() {
            self.seen.resize(words, 0);
        }
    }

    fn see(&mut self, group: usize, user: u32) {
        let word = &mut self.seen[group * self.words_per_group + (user / 64) as usize];
        let bit = 1 << (user % 64);
        self.counts[group] += i64::from(*word & bit == 0);
        *word |= bit;
    }

    fn update(&mut self, block: &Block<'_>, mask: Option<&BooleanArray>) {
        self.make_room(block.group_count);
        // Neighbours are mostly of one user, and often of one group.
        let mut last = (usize::MAX, self.nobody);
        let mut see = |group: usize, user: u32| {
            if (group, user) != last && user != self.nobody {
                self.see(group, user);
                last = (group, user);
            }
        };
        match (block.groups, mask) {
            (RowGroups::One(group), None) => block.users.iter().for_each(|user| see(group, *user)),
            (RowGroups::Each(groups), None) => {
                groups.iter().zip(block.users).for_each(|(group, user)| see(*group, *user));
            }
            (groups, mask) => {
                for (row, user) in block.users.iter().enumerate() {
                    if mask.is_none_or(|mask| mask.value(row)) {
                        let group = match groups {
                            RowGroups::One(group) => group,
                            RowGroups::Each(groups) => groups[row],
                            RowGroups::Users { first, .. } => first + *user as usize,
                        };
                        see(group, *user);
                    }
                }
            }
        }
    }

    /// Counts users who all have rows of this group.
    pub(super) fn see_all(&mut self, group: usize, group_count: usize, users: impl Iterator<Item = u32>) {
        self.make_room(group_count);
        users.for_each(|user| self.see(group, user));
    }
}
