//! Which rows of a segment a query wants.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::compute::{filter, or, prep_null_mask_filter};
use arrow::datatypes::TimestampMillisecondType;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};

use super::codes::{ListedCodes, WantedCodes};
use super::expr::{BoundExpr, SegmentExpr};
use super::inputs::{BoundSegment, Inputs, NOBODY, Rows, UserRuns};
use super::user_values::UserValues;

/// A conjunction of predicates over [`Inputs`].
#[derive(Debug, Clone, Default)]
pub(crate) struct RowFilter {
    predicates: Vec<SegmentExpr>,
}

impl RowFilter {
    pub(crate) fn try_new(
        state: &dyn Session,
        filters: impl IntoIterator<Item = Expr>,
        inputs: &Inputs,
        schema: &DFSchema,
    ) -> Result<Self> {
        let parts = filters.into_iter().flat_map(split_conjunction_owned);
        let predicates = parts.map(|part| SegmentExpr::try_new(state, part, inputs, schema));
        Ok(Self { predicates: predicates.collect::<Result<_>>()? })
    }

    /// How many users it names, if it lets no others pass: their rows are found without a scan.
    pub(crate) fn named_users(&self) -> Option<usize> {
        let counts = self.predicates.iter().filter_map(SegmentExpr::named_users).map(BTreeSet::len);
        counts.min()
    }

    /// Prepares it for one segment.
    pub(crate) fn bind(&self, segment: &BoundSegment) -> Result<BoundFilter> {
        let mut bound = BoundFilter { nothing: false, parts: Vec::new() };
        for predicate in &self.predicates {
            bound.add(predicate, segment)?;
        }
        bound.find_values(segment);
        // What is cheap to decide goes first and leaves fewer rows to the rest.
        bound.parts.sort_by_key(|part| match part {
            Part::Ranges(_) | Part::Table { codes: TableCodes::Listed(_), .. } => (0, part.rows_known()),
            Part::TimeOfUser(_) => (1, 0),
            Part::Times(_) => (2, 0),
            Part::Table { .. } => (3, 0),
            Part::ByUser(_) => (4, 0),
            Part::ByRow(_) => (5, 0),
        });
        Ok(bound)
    }
}

/// A filter prepared for one segment.
#[derive(Debug)]
pub(crate) struct BoundFilter {
    nothing: bool,
    parts: Vec<Part>,
}

/// Which entries of an expression over codes or minutes are accepted.
pub(crate) type Table = (BoundExpr, Vec<bool>);

#[derive(Debug)]
enum Part {
    /// The row is among these: ranges in ascending order, those of users that were found by name or
    /// are in a set, or those of values that were looked at.
    Ranges(Vec<Range<u32>>),
    /// The time is the one the expression has for the row's user.
    TimeOfUser(SegmentExpr),
    /// The time of day, in milliseconds, lies in the range.
    Times(Range<u32>),
    /// The entry for the row's code or minute is true.
    Table { expr: BoundExpr, accepted: Vec<bool>, codes: TableCodes },
    /// The expression is true of the row's user.
    ByUser(SegmentExpr),
    /// The expression is true.
    ByRow(SegmentExpr),
}

/// How rows with accepted codes are found.
#[derive(Debug)]
enum TableCodes {
    /// They are listed.
    Listed(ListedCodes),
    /// Few rows of the segment have such a code of one byte.
    Rare(WantedCodes),
    /// Row by row.
    Any,
}

impl BoundFilter {
    /// Accepts the rows whose value of an expression has a true entry.
    pub(crate) fn of_table(expr: BoundExpr, accepted: Vec<bool>, segment: &BoundSegment) -> Self {
        Self { nothing: false, parts: vec![Part::table(expr, accepted, segment)] }
    }

    /// Whether every row of the segment passes.
    pub(crate) fn is_everything(&self) -> bool {
        !self.nothing && self.parts.is_empty()
    }

    /// Of how many rows of the segment one may pass, where that is known without looking at them.
    pub(crate) fn rows_for_one(&self, segment: &BoundSegment) -> usize {
        let passing = self.parts.first().map_or(usize::MAX, Part::rows_known);
        (segment.segment().row_count() / passing.max(1)).max(1)
    }

    /// How many of a range of rows pass, where those that do are known already.
    pub(crate) fn count_of_ranges(&self, rows: &Range<usize>) -> Option<usize> {
        let [Part::Ranges(users)] = &self.parts[..] else { return None };
        Some(within(users, rows).map(|rows| rows.len()).sum())
    }

    /// Replaces what is in `bits` by one for each of a range of rows: whether it passes. Only where
    /// codes of one byte decide alone: says whether they do.
    fn mark(&self, segment: &BoundSegment, rows: Range<usize>, bits: &mut Vec<u64>) -> bool {
        let [Part::Table { expr, accepted, codes }] = &self.parts[..] else { return false };
        let Some(all) = expr.byte_codes(segment) else { return false };
        if let (TableCodes::Listed(codes), Some(known)) = (codes, expr.rows_by_code(segment)) {
            codes.mark(known, all, rows, bits);
            return true;
        }
        let mut table = [0u64; 1 << 8];
        table.iter_mut().zip(accepted).for_each(|(entry, accepted)| *entry = u64::from(*accepted));
        let word = |codes: &[u8]| {
            (0..).zip(codes).fold(0, |word, (at, code)| word | table[usize::from(*code)] << at)
        };
        bits.clear();
        bits.extend(all[rows].chunks(64).map(word));
        true
    }

    /// How many rows of each of some users pass, and how many of nobody if the first user is among them:
    /// gives their positions, and [`NOBODY`]'s first, each with a number that may be 0. `bits` is
    /// scratch.
    pub(crate) fn count_by_user(
        &self,
        segment: &BoundSegment,
        users: Range<u32>,
        bits: &mut Vec<u64>,
        mut each: impl FnMut(u32, u32),
    ) -> Result<()> {
        let at = segment.segment().users_in(users.clone());
        let all = segment.segment().users();
        let starts = &segment.segment().starts()[at.start..=at.end];
        let first = if users.start == 0 { 0 } else { starts[0] as usize };
        let rows = first..starts[starts.len() - 1] as usize;
        if self.narrow(rows.clone()).is_empty() {
            return Ok(());
        }
        let mut of_each = |before: &dyn Fn(usize) -> u32| {
            let mut last = before(starts[0] as usize);
            each(NOBODY, last);
            for (user, end) in all[at.clone()].iter().zip(&starts[1..]) {
                let until = before(*end as usize);
                each(*user, until - last);
                last = until;
            }
        };
        if self.is_everything() {
            of_each(&|row| (row - first) as u32);
        } else if self.mark(segment, rows.clone(), bits) {
            // How many rows pass before each word of bits.
            bits.push(0);
            let words = bits.iter().scan(0, |all, word| {
                let before = *all;
                *all += word.count_ones();
                Some(before)
            });
            let words: Vec<u32> = words.collect();
            of_each(&|row| {
                let (word, bit) = ((row - first) / 64, (row - first) % 64);
                words[word] + (bits[word] & ((1 << bit) - 1)).count_ones()
            });
        } else {
            let runs = UserRuns::of(segment, &self.select(segment, Rows::Range(rows))?);
            runs.ordinals.into_iter().zip(runs.lengths).for_each(|(user, count)| each(user, count));
        }
        Ok(())
    }

    /// What can be looked up by code or minute, and the rest; `None` if no row passes.
    pub(crate) fn into_tables(self) -> Option<(Vec<Table>, Self)> {
        if self.nothing {
            return None;
        }
        let (mut tables, mut rest) = (Vec::new(), Vec::new());
        for part in self.parts {
            match part {
                Part::Table { expr, accepted, .. } => tables.push((expr, accepted)),
                other => rest.push(other),
            }
        }
        Some((tables, Self { nothing: false, parts: rest }))
    }

    fn add(&mut self, predicate: &SegmentExpr, segment: &BoundSegment) -> Result<()> {
        if let Some(times) = times_of(predicate, segment) {
            if times.start >= times.end {
                self.nothing = true;
            } else if times != (0..DAY_MS) {
                self.parts.push(Part::Times(times));
            }
            return Ok(());
        }
        if let Some(ids) = predicate.named_users() {
            let found = segment.rows_of_users(ids);
            let ordinals: Vec<u32> = found.iter().map(|(ordinal, _)| *ordinal).collect();
            let accepted = accepted(&predicate.of_users(segment, &ordinals)?);
            let rows = found.into_iter().zip(accepted).filter(|(_, accepted)| *accepted);
            let rows: Vec<Range<u32>> = rows.map(|((_, rows), _)| rows).collect();
            self.nothing |= rows.is_empty();
            self.parts.push(Part::Ranges(rows));
            return Ok(());
        }
        if let Some(set) = predicate.as_true_of_set() {
            let rows = set.rows_of(segment);
            self.nothing |= rows.is_empty();
            self.parts.push(Part::Ranges(rows));
            return Ok(());
        }
        if let Some(time) = predicate.time_of_user().filter(|_| !segment.segment().times().is_empty()) {
            self.parts.push(Part::TimeOfUser(time.clone()));
            return Ok(());
        }
        let expr = predicate.bind(segment)?;
        let Some(values) = expr.values() else {
            self.parts.push(match expr {
                BoundExpr::ByUser => Part::ByUser(predicate.clone()),
                _ => Part::ByRow(predicate.clone()),
            });
            return Ok(());
        };
        let accepted = accepted(values);
        if accepted.iter().all(|accepted| !accepted) {
            self.nothing = true;
        } else if accepted.contains(&false) {
            self.parts.push(Part::table(expr, accepted, segment));
        }
        Ok(())
    }

    /// Finds the rows that have wanted values where few have any, unless it is less work to look at the
    /// rows that are left by then.
    fn find_values(&mut self, segment: &BoundSegment) {
        let left = self.parts.iter().map(Part::rows_known).min().unwrap_or(usize::MAX);
        for part in &mut self.parts {
            let column = match &*part {
                Part::ByRow(predicate) => predicate.sparse_input(segment),
                Part::Table { expr, .. } => expr.sparse_codes(segment),
                _ => None,
            };
            let Some(column) = column.filter(|column| column.rows().len() <= left) else { continue };
            let wanted = match &*part {
                // If it fails, it may not for the rows that others leave.
                Part::ByRow(predicate) => predicate.of_sparse(column).ok().and_then(|values| {
                    let mut accepted = accepted(&values);
                    (accepted.pop() == Some(false)).then_some(accepted)
                }),
                Part::Table { accepted, .. } if accepted.last() == Some(&false) => part
                    .mask(segment, &Rows::List(column.rows().clone()))
                    .ok()
                    .map(|mask| mask.values().iter().collect()),
                _ => None,
            };
            let Some(wanted) = wanted else { continue };
            let rows = column.rows().values().iter().zip(wanted).filter(|(_, wanted)| *wanted);
            let rows: Vec<Range<u32>> = rows.map(|(row, _)| *row..*row + 1).collect();
            self.nothing |= rows.is_empty();
            *part = Part::Ranges(rows);
        }
    }

    /// What is left of a range of rows where those at either end cannot pass: found without looking
    /// at rows.
    pub(crate) fn narrow(&self, rows: Range<usize>) -> Range<usize> {
        let mut narrow = rows;
        for part in &self.parts {
            if let Part::Ranges(users) = part {
                let first = users.first().map_or(narrow.end, |first| first.start as usize);
                let last = users.last().map_or(narrow.start, |last| last.end as usize);
                narrow = narrow.start.max(first)..narrow.end.min(last);
            }
        }
        if self.nothing || narrow.start >= narrow.end { 0..0 } else { narrow }
    }

    /// Those of some rows that pass.
    pub(crate) fn select(&self, segment: &BoundSegment, rows: Rows) -> Result<Rows> {
        if self.nothing {
            return Ok(Rows::Range(0..0));
        }
        let mut rows = rows;
        for part in &self.parts {
            if rows.count() == 0 {
                break;
            }
            rows = part.select(segment, &rows)?;
        }
        Ok(rows)
    }

    /// For each of some rows whether it passes.
    pub(crate) fn mask(&self, segment: &BoundSegment, rows: &Rows) -> Result<BooleanArray> {
        if self.nothing {
            return Ok(BooleanArray::from(vec![false; rows.count()]));
        }
        let mut all: Option<BooleanArray> = None;
        for part in &self.parts {
            let mask = part.mask(segment, rows)?;
            all = Some(match all {
                Some(before) => arrow::compute::and(&before, &mask)?,
                None => mask,
            });
        }
        Ok(all.unwrap_or_else(|| BooleanArray::from(vec![true; rows.count()])))
    }
}

/// Those of some rows that pass any of these filters.
pub(crate) fn select_any(filters: &[BoundFilter], segment: &BoundSegment, rows: &Rows) -> Result<Rows> {
    let mut wanted = BooleanArray::from(vec![false; rows.count()]);
    for filter in filters {
        wanted = or(&wanted, &filter.mask(segment, rows)?)?;
    }
    choose(rows, &wanted)
}

/// Those of some rows for which the mask, without nulls, is true.
fn choose(rows: &Rows, mask: &BooleanArray) -> Result<Rows> {
    Ok(Rows::List(match rows {
        Rows::Range(rows) => {
            mask.values().set_indices_u32().map(|at| at + rows.start as u32).collect::<Vec<_>>().into()
        }
        Rows::List(rows) => filter(rows, mask)?.as_primitive().clone(),
    }))
}

impl Part {
    fn table(expr: BoundExpr, accepted: Vec<bool>, segment: &BoundSegment) -> Self {
        let known = expr.rows_by_code(segment);
        let listed =
            known.and_then(|known| ListedCodes::new(&accepted, known, segment.segment().row_count()));
        let rare = || {
            let codes = expr.byte_codes(segment)?;
            Some(WantedCodes::new(accepted.iter().copied(), codes, known)).filter(WantedCodes::are_rare)
        };
        let codes = match listed {
            Some(listed) => TableCodes::Listed(listed),
            None => rare().map_or(TableCodes::Any, TableCodes::Rare),
        };
        Self::Table { expr, accepted, codes }
    }

    /// How many rows of the segment pass, where that is known; as many as there can be where not.
    fn rows_known(&self) -> usize {
        match self {
            Self::Ranges(ranges) => ranges.iter().map(Range::len).sum(),
            Self::Table { codes: TableCodes::Listed(codes), .. } => codes.count,
            _ => usize::MAX,
        }
    }

    fn select(&self, segment: &BoundSegment, rows: &Rows) -> Result<Rows> {
        if let (Self::TimeOfUser(time), Rows::Range(range)) = (self, rows) {
            return Ok(Rows::List(rows_at_times(time, segment, range.clone())?.into()));
        }
        if let (Self::Ranges(users), Rows::Range(range)) = (self, rows) {
            let chosen: Vec<u32> = within(users, range).flatten().collect();
            return Ok(Rows::List(chosen.into()));
        }
        if let (Self::Table { expr, codes: TableCodes::Listed(codes), .. }, Rows::Range(range)) = (self, rows)
            && let (Some(known), Some(all)) = (expr.rows_by_code(segment), expr.byte_codes(segment))
        {
            return Ok(Rows::List(codes.rows(known, all, range.clone()).into()));
        }
        if let (Self::Table { expr, codes: TableCodes::Rare(rare), .. }, Rows::Range(range)) = (self, rows)
            && let Some(codes) = expr.byte_codes(segment)
        {
            let mut chosen = Vec::new();
            rare.find(&codes[range.clone()], |at, _| chosen.push((range.start + at) as u32));
            return Ok(Rows::List(chosen.into()));
        }
        let mut chosen: Vec<u32> = vec![0; rows.count()];
        let mut count = 0;
        // Written without a branch: the row is put down either way, and the place is taken if it
        // is wanted.
        let mut put = |row: u32, wanted: bool| {
            chosen[count] = row;
            count += usize::from(wanted);
        };
        match self {
            Self::Times(range) => {
                let times = segment.segment().times();
                match rows {
                    Rows::Range(rows) => {
                        for (row, time) in (rows.start as u32..).zip(&times[rows.clone()]) {
                            put(row, range.contains(time));
                        }
                    }
                    Rows::List(rows) => {
                        rows.values().iter().for_each(|row| put(*row, range.contains(&times[*row as usize])));
                    }
                }
            }
            Self::Table { expr, accepted, .. } => match rows {
                Rows::Range(range) => {
                    let mut row = range.start as u32;
                    expr.map(segment, accepted, rows, |wanted| {
                        put(row, wanted);
                        row += 1;
                    })?;
                }
                Rows::List(list) => {
                    let mut each = list.values().iter();
                    expr.map(segment, accepted, rows, |wanted| {
                        if let Some(row) = each.next() {
                            put(*row, wanted);
                        }
                    })?;
                }
            },
            Self::Ranges(_) | Self::TimeOfUser(_) | Self::ByUser(_) | Self::ByRow(_) => {
                return choose(rows, &self.mask(segment, rows)?);
            }
        }
        chosen.truncate(count);
        Ok(Rows::List(UInt32Array::from(chosen)))
    }

    /// Without nulls.
    fn mask(&self, segment: &BoundSegment, rows: &Rows) -> Result<BooleanArray> {
        Ok(match self {
            Self::Ranges(users) => {
                let mut mask = vec![false; rows.count()];
                match rows {
                    Rows::Range(range) => {
                        for user in within(users, range) {
                            mask[user.start as usize - range.start..user.end as usize - range.start]
                                .fill(true);
                        }
                    }
                    Rows::List(rows) => {
                        let mut rest = users.iter().peekable();
                        for (wanted, row) in mask.iter_mut().zip(rows.values()) {
                            while rest.next_if(|user| user.end <= *row).is_some() {}
                            *wanted = rest.peek().is_some_and(|user| user.start <= *row);
                        }
                    }
                }
                BooleanArray::from(mask)
            }
            Self::TimeOfUser(time) => {
                let runs = UserRuns::of(segment, rows);
                let wanted = times_of_users(time, segment, &runs.ordinals)?;
                let wanted = runs.spread(|run| wanted[run]);
                let (times, mut wanted) = (segment.segment().times(), wanted.into_iter());
                let mut is_it = |row: usize| wanted.next() == Some(Some(times[row]));
                let mask: Vec<bool> = match rows {
                    Rows::Range(rows) => rows.clone().map(is_it).collect(),
                    Rows::List(rows) => rows.values().iter().map(|row| is_it(*row as usize)).collect(),
                };
                BooleanArray::from(mask)
            }
            Self::ByUser(expr) => {
                let runs = UserRuns::of(segment, rows);
                let of_runs = accepted(&expr.of_users(segment, &runs.ordinals)?);
                BooleanArray::from(runs.spread(|run| of_runs[run]))
            }
            Self::Times(range) => {
                let times = segment.segment().times();
                let mask: Vec<bool> = match rows {
                    Rows::Range(rows) => {
                        times[rows.clone()].iter().map(|time| range.contains(time)).collect()
                    }
                    Rows::List(rows) => {
                        rows.values().iter().map(|row| range.contains(&times[*row as usize])).collect()
                    }
                };
                BooleanArray::from(mask)
            }
            Self::Table { expr, accepted, .. } => {
                let mut mask = Vec::with_capacity(rows.count());
                expr.map(segment, accepted, rows, |wanted| mask.push(wanted))?;
                BooleanArray::from(mask)
            }
            Self::ByRow(expr) => not_null(&expr.evaluate(segment, rows)?),
        })
    }
}

/// The time an expression has for each of some users, in milliseconds since the start of the segment's
/// day, if it is on that day.
fn times_of_users(time: &SegmentExpr, segment: &BoundSegment, ordinals: &[u32]) -> Result<Vec<Option<u32>>> {
    let times = time.of_users(segment, ordinals)?;
    let start = segment.segment().day().start().millis();
    let of_day = |time: i64| u32::try_from(time.checked_sub(start)?).ok().filter(|time| *time < DAY_MS);
    let times = times.as_primitive::<TimestampMillisecondType>();
    Ok(times.iter().map(|time| time.and_then(of_day)).collect())
}

/// Those of a range of rows that are at the time an expression has for their user, ascending.
fn rows_at_times(time: &SegmentExpr, segment: &BoundSegment, range: Range<usize>) -> Result<Vec<u32>> {
    let times = segment.segment().times();
    let mut chosen = Vec::new();
    let mut choose = |wanted: u32, rows: Range<usize>| {
        let before = times[rows.clone()].partition_point(|time| *time < wanted);
        let found = rows.skip(before).take_while(|row| times[*row] == wanted);
        chosen.extend(found.map(|row| row as u32));
    };
    let known = UserValues::of_expr(time.physical(), segment.directory());
    if let Some(known) = known.as_ref().and_then(|known| known.times()) {
        let (users, starts) = (segment.segment().users(), segment.segment().starts());
        let start = segment.segment().day().start().millis();
        let of_day = start..start + i64::from(DAY_MS);
        // Nobody has a first time.
        let first = starts.partition_point(|start| (*start as usize) <= range.start).saturating_sub(1);
        for (user, rows) in users.iter().zip(starts.windows(2)).skip(first) {
            let rows = range.start.max(rows[0] as usize)..range.end.min(rows[1] as usize);
            if rows.start >= range.end {
                break;
            }
            let user = *user as usize;
            if user < known.len() && known.is_valid(user) && of_day.contains(&known.value(user)) {
                choose((known.value(user) - start) as u32, rows);
            }
        }
        return Ok(chosen);
    }
    let runs = UserRuns::of(segment, &Rows::Range(range.clone()));
    let mut first = range.start;
    for (wanted, length) in times_of_users(time, segment, &runs.ordinals)?.into_iter().zip(&runs.lengths) {
        let rows = first..first + *length as usize;
        first = rows.end;
        if let Some(wanted) = wanted {
            choose(wanted, rows);
        }
    }
    Ok(chosen)
}

/// What of ascending ranges of rows lies within another.
fn within<'a>(users: &'a [Range<u32>], rows: &Range<usize>) -> impl Iterator<Item = Range<u32>> + 'a {
    let (start, end) = (rows.start as u32, rows.end as u32);
    let first = users.partition_point(|user| user.end <= start);
    let inside = users[first..].iter().take_while(move |user| user.start < end);
    inside.map(move |user| user.start.max(start)..user.end.min(end))
}

/// Null is not true.
fn not_null(values: &ArrayRef) -> BooleanArray {
    let Some(values) = values.as_boolean_opt() else {
        // A predicate that is NULL whatever the row has no type of its own.
        return BooleanArray::from(vec![false; values.len()]);
    };
    if values.null_count() == 0 { values.clone() } else { prep_null_mask_filter(values) }
}

fn accepted(values: &ArrayRef) -> Vec<bool> {
    not_null(values).values().iter().collect()
}

/// Milliseconds of a day.
const DAY_MS: u32 = 24 * 60 * 60 * 1000;

/// The times of this day that a comparison of the time with a constant accepts.
fn times_of(predicate: &SegmentExpr, segment: &BoundSegment) -> Option<Range<u32>> {
    let [input] = predicate.inputs() else { return None };
    let comparison = predicate.physical().downcast_ref::<BinaryExpr>()?;
    if !segment.is_time(*input) {
        return None;
    }
    let constant = |expr: &Arc<dyn PhysicalExpr>| match expr.downcast_ref::<Literal>().map(Literal::value) {
        Some(ScalarValue::TimestampMillisecond(Some(millis), _)) => Some(*millis),
        _ => None,
    };
    let (operator, millis) = if comparison.left().is::<Column>() {
        (*comparison.op(), constant(comparison.right())?)
    } else if comparison.right().is::<Column>() {
        (comparison.op().swap()?, constant(comparison.left())?)
    } else {
        return None;
    };
    let start = segment.segment().day().start().millis();
    let at = |millis: i64| millis.saturating_sub(start).clamp(0, i64::from(DAY_MS)) as u32;
    Some(match operator {
        Operator::Lt => 0..at(millis),
        Operator::LtEq => 0..at(millis.saturating_add(1)),
        Operator::Gt => at(millis.saturating_add(1))..DAY_MS,
        Operator::GtEq => at(millis)..DAY_MS,
        Operator::Eq => at(millis)..at(millis.saturating_add(1)),
        _ => return None,
    })
}
