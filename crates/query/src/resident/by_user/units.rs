//! In which units of time users met a condition: a bit each, where a record would say no more.

use std::ops::Range;

use datafusion::common::Result;

use super::masks::FewRows;
use super::{Bound, DAY_MS};

/// See [`super::UserScan::with_units`].
#[derive(Debug)]
pub(super) struct InUnits {
    /// Where units begin, ascending; what is before the first is in none.
    begins: Vec<i64>,
    /// The bit of the condition whose first event in each unit is wanted.
    first: u64,
    /// That of the condition of which it is told in which units it is met.
    next: u64,
    /// See [`super::UserScan::first_ever`].
    ever: u64,
}

/// The units of the rows of one day.
#[derive(Debug)]
struct UnitsOfDay {
    /// Whether the first of them began before the day.
    goes_on: bool,
    /// The units, ascending, and where each ends, in milliseconds since the start of the day; the last
    /// goes on.
    units: Vec<(Option<usize>, u32)>,
}

impl InUnits {
    pub(super) fn new(begins: Vec<i64>, first: usize, next: usize) -> Self {
        Self { begins, first: 1 << first, next: 1 << next, ever: 0 }
    }

    pub(super) fn first_ever(&mut self, condition: usize) {
        self.ever = 1 << condition;
    }

    /// The mask of events that are shown: they meet the first condition.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    fn of_day(&self, start: i64) -> UnitsOfDay {
        let mut begun = self.begins.partition_point(|begin| *begin <= start);
        let goes_on = begun.checked_sub(1).is_some_and(|unit| self.begins[unit] < start);
        let mut units = Vec::new();
        loop {
            let unit = begun.checked_sub(1);
            let Some(end) = self.begins.get(begun).map(|end| end - start).filter(|end| *end < DAY_MS) else {
                units.push((unit, u32::MAX));
                return UnitsOfDay { goes_on, units };
            };
            units.push((unit, end as u32));
            begun += 1;
        }
    }
}

impl UnitsOfDay {
    /// The word and the bit of the unit of the whole day, no bit if it is in none; `None` if units begin on
    /// it.
    fn single(&self) -> Option<(usize, u64)> {
        match self.units[..] {
            [(Some(unit), _)] => Some((unit / 64, 1 << (unit % 64))),
            [(None, _)] => Some((0, 0)),
            _ => None,
        }
    }

    /// The units of some rows of one user, and which they are: calls `each` with those that have any.
    fn each(&self, times: &[u32], rows: Range<u32>, mut each: impl FnMut(Option<usize>, Range<u32>)) {
        let mut rows = rows;
        for (unit, end) in &self.units {
            let count = if *end == u32::MAX {
                rows.len()
            } else {
                times[rows.start as usize..rows.end as usize].partition_point(|time| time < end)
            };
            let of_unit = rows.start..rows.start + count as u32;
            rows.start = of_unit.end;
            if !of_unit.is_empty() {
                each(*unit, of_unit);
            }
        }
    }
}

/// In which units the users of a range met the conditions of an [`InUnits`].
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Words of bits of a user.
    words: usize,
    /// The first condition.
    first: Vec<u64>,
    /// The next.
    next: Vec<u64>,
    /// The next behind the first.
    behind: Vec<u64>,
    /// Whether the user met the condition of [`super::UserScan::first_ever`] on an earlier day.
    is_known: Vec<bool>,
}

/// In which units a user met the condition that is told of: see [`super::UserScan::with_units`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MetUnits<'a> {
    met: &'a [u64],
    behind: &'a [u64],
}

impl Marks {
    pub(super) fn begin(&mut self, in_units: Option<&InUnits>, users: usize) {
        self.words = in_units.map_or(0, |units| units.begins.len().div_ceil(64));
        for bits in [&mut self.first, &mut self.next, &mut self.behind] {
            bits.clear();
            bits.resize(users * self.words, 0);
        }
        self.is_known.clear();
        self.is_known.resize(if self.words == 0 { 0 } else { users }, false);
    }

    pub(super) fn bytes(&self) -> usize {
        (self.first.capacity() + self.next.capacity() + self.behind.capacity()) * size_of::<u64>()
            + self.is_known.capacity()
    }

    /// Of the user at a place of the range.
    pub(super) fn of_user(&self, user: usize) -> MetUnits<'_> {
        let words = user * self.words..(user + 1) * self.words;
        MetUnits { met: &self.next[words.clone()], behind: &self.behind[words] }
    }

    /// Notes what a user did in a unit, later than all that was noted before. Says whether `first` is the
    /// first event of its kind in the unit.
    fn note(&mut self, user: usize, unit: usize, first: bool, next: bool, behind: bool) -> bool {
        let (word, bit) = (user * self.words + unit / 64, 1 << (unit % 64));
        let was_first = self.first[word] & bit != 0;
        if next {
            self.next[word] |= bit;
            if behind || was_first {
                self.behind[word] |= bit;
            }
        }
        if first {
            self.first[word] |= bit;
        }
        first && !was_first
    }
}

impl MetUnits<'_> {
    /// Whether the condition was met in a unit behind the first event of the other one there.
    pub(crate) fn is_behind(&self, unit: usize) -> bool {
        self.behind[unit / 64] >> (unit % 64) & 1 == 1
    }

    /// The units after this one it was met in, ascending.
    pub(crate) fn after(&self, unit: usize) -> impl Iterator<Item = usize> {
        let (word, bit) = (unit / 64, unit % 64);
        // Shifted twice: 64 at once is too much.
        let mut rest = self.met[word] & (u64::MAX << bit << 1);
        let mut at = word;
        std::iter::from_fn(move || {
            while rest == 0 {
                at += 1;
                rest = *self.met.get(at)?;
            }
            let unit = at * 64 + rest.trailing_zeros() as usize;
            rest &= rest - 1;
            Some(unit)
        })
    }

    /// The last unit after this one it was met in.
    pub(crate) fn last_after(&self, unit: usize) -> Option<usize> {
        let word = self.met.iter().rposition(|word| *word != 0)?;
        Some(word * 64 + 63 - self.met[word].leading_zeros() as usize).filter(|last| *last > unit)
    }
}

/// The rows of some users in one segment.
pub(super) struct UserRows<'a> {
    pub(super) bound: &'a Bound,
    pub(super) users: &'a [u32],
    /// The first user of the range.
    pub(super) first_user: u32,
    /// Where the rows of each start, and those of the last end.
    pub(super) starts: &'a [u32],
}

impl UserRows<'_> {
    /// Marks what users did; calls `wanted` with each user's place in the range and row that met the first condition first in
    /// a unit. `masks` is scratch.
    pub(super) fn mark(
        &self,
        in_units: &InUnits,
        marks: &mut Marks,
        masks: &mut Vec<u64>,
        mut wanted: impl FnMut(u32, u32),
    ) -> Result<()> {
        let segment = &self.bound.segment;
        let rows = self.starts[0] as usize..self.starts[self.users.len()] as usize;
        let units = in_units.of_day(segment.segment().day().start().millis());
        if let Some(few) = self.bound.masks.of_few(segment, rows.clone())? {
            self.mark_few(in_units, &units, &few, marks, wanted);
            return Ok(());
        }
        if let Some((codes, of_codes)) = self.bound.masks.of_bytes(segment) {
            if of_codes.wanted.are_rare() {
                let mut few = FewRows { all: 0, more: Vec::new() };
                of_codes.wanted.find(&codes[rows.clone()], |at, code| {
                    few.more.push(((rows.start + at) as u32, of_codes.masks[usize::from(code)]));
                });
                self.mark_few(in_units, &units, &few, marks, wanted);
            } else {
                let mask = |row: u32| of_codes.masks[usize::from(codes[row as usize])];
                self.mark_each(in_units, &units, mask, marks, &mut wanted);
            }
            return Ok(());
        }
        self.bound.masks.of_rows(segment, rows.clone(), masks)?;
        let mask = |row: u32| masks[row as usize - rows.start];
        self.mark_each(in_units, &units, mask, marks, &mut wanted);
        Ok(())
    }

    /// Every row has its own mask.
    fn mark_each(
        &self,
        InUnits { first, next, ever, .. }: &InUnits,
        units: &UnitsOfDay,
        mask: impl Fn(u32) -> u64,
        marks: &mut Marks,
        wanted: &mut impl FnMut(u32, u32),
    ) {
        let times = self.bound.segment.segment().times();
        for (user, rows) in self.users.iter().zip(self.starts.windows(2)) {
            let place = user - self.first_user;
            let was_known = marks.is_known[place as usize];
            let mut ever_at = None;
            units.each(times, rows[0]..rows[1], |unit, rows| {
                let (mut first_row, mut seen, mut behind) = (None, 0, 0);
                for row in rows {
                    let mask = mask(row);
                    behind |= if first_row.is_some() { mask } else { 0 };
                    if mask & ever != 0 {
                        ever_at.get_or_insert(times[row as usize]);
                    }
                    let may_be_first = *ever == 0 || !was_known && ever_at == Some(times[row as usize]);
                    if mask & first != 0 && first_row.is_none() && may_be_first {
                        first_row = Some(row);
                    }
                    seen |= mask;
                }
                let Some(unit) = unit else { return };
                let is_first = first_row.is_some();
                if marks.note(place as usize, unit, is_first, seen & next != 0, behind & next != 0)
                    && let Some(row) = first_row
                {
                    wanted(place, row);
                }
            });
            marks.is_known[place as usize] |= ever_at.is_some();
        }
    }

    /// Most rows meet the same: others need not be looked at.
    fn mark_few(
        &self,
        InUnits { first, next, ever, .. }: &InUnits,
        units: &UnitsOfDay,
        few: &FewRows,
        marks: &mut Marks,
        mut wanted: impl FnMut(u32, u32),
    ) {
        let times = self.bound.segment.segment().times();
        let [all_first, all_next, all_ever] = [first, next, ever].map(|bit| few.all & bit != 0);
        let mut more = &few.more[..];
        let single = units.single().map(|(word, bit)| (word, if all_next { bit } else { 0 }));
        for (user, rows) in self.users.iter().zip(self.starts.windows(2)) {
            let place = user - self.first_user;
            let was_known = marks.is_known[place as usize];
            let all_first = all_first && !was_known;
            if let Some((word, bit)) = single
                && !all_first
                && more.first().is_none_or(|(row, _)| *row >= rows[1])
            {
                let at = place as usize * marks.words + word;
                marks.next[at] |= bit;
                if units.goes_on {
                    marks.behind[at] |= marks.first[at] & bit;
                }
                marks.is_known[place as usize] |= all_ever;
                continue;
            }
            while let Some(((row, _), rest)) = more.split_first()
                && *row < rows[0]
            {
                more = rest;
            }
            let (of_user, rest) = more.split_at(more.iter().take_while(|(row, _)| *row < rows[1]).count());
            more = rest;
            let ever_row = if all_ever {
                Some(rows[0])
            } else {
                of_user.iter().find(|(_, mask)| mask & ever != 0).map(|(row, _)| *row)
            };
            let ever_at = ever_row.map(|row| times[row as usize]).filter(|_| !was_known);
            let may_be_first = |row: u32| *ever == 0 || ever_at == Some(times[row as usize]);
            units.each(times, rows[0]..rows[1], |unit, rows| {
                let Some(unit) = unit else { return };
                let here = of_user.iter().filter(|(row, _)| rows.contains(row));
                let first_row = if all_first {
                    // All others of the unit come later.
                    Some(rows.start).filter(|row| may_be_first(*row))
                } else {
                    let first = |(row, mask): &&(u32, u64)| mask & first != 0 && may_be_first(*row);
                    here.clone().find(first).map(|(row, _)| *row)
                };
                let is_next = all_next || here.clone().any(|(_, mask)| mask & next != 0);
                let is_behind = first_row.is_some_and(|first| {
                    let later = |(row, mask): &(u32, u64)| *row > first && mask & next != 0;
                    if all_next { first + 1 < rows.end } else { here.clone().any(later) }
                });
                if marks.note(place as usize, unit, first_row.is_some(), is_next, is_behind)
                    && let Some(row) = first_row
                {
                    wanted(place, row);
                }
            });
            marks.is_known[place as usize] |= ever_row.is_some();
        }
    }
}
