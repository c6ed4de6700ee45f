//! The wanted rows of a range of users, put in order of user.

use std::ops::Range;

use arrow::array::{AsArray as _, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;

use super::super::inputs::Rows;
use super::labels::Labels;
use super::masks::{ByteMasks, FewRows};
use super::units::{Marks, MetUnits, UserRows};
use super::{Bound, DAY_MS, Once, Record, UserScan};

/// Rows that conditions are evaluated for in one go.
const BLOCK_ROWS: usize = 16 << 10;

/// What was found for a range of users, in the order it was met; used again for the next range.
#[derive(Debug)]
pub(super) struct Gathered {
    users: Range<u32>,
    /// Instead of those of users, the events of nobody are looked at.
    is_nobody: bool,
    /// What each segment that has wanted rows gave.
    pieces: Vec<Piece>,
    /// Neighbouring wanted rows of one user.
    runs: Vec<Run>,
    /// How many rows there are.
    count: usize,
    /// Of pieces whose rows are not all wanted, or are not all alike.
    listed: Listed,
    labels: Vec<Labels>,
    /// Of each expression, the number of each row.
    numbers: Vec<Vec<Option<f64>>>,
    /// Segments that were looked at.
    segment_count: usize,
    /// Where the rows of users after the last range begin, for each segment.
    cursors: Vec<usize>,
    block_masks: Vec<u64>,
    records: Vec<Record>,
    starts: Vec<u32>,
    next: Vec<u32>,
    /// Of whom no more is wanted: see [`UserScan::once_ever`].
    is_done: Vec<bool>,
    marks: Marks,
}

#[derive(Debug)]
struct Piece {
    segment: usize,
    runs: Range<usize>,
    rows: PieceRows,
}

#[derive(Debug)]
enum PieceRows {
    /// All from this one on, which all have this mask.
    From { first: u32, mask: u64 },
    /// Those from this place on in [`Gathered::listed`].
    Listed { at: usize },
}

/// Rows and their masks.
#[derive(Debug, Default)]
struct Listed {
    /// So many are in use; what is behind them is left over.
    len: usize,
    rows: Vec<u32>,
    masks: Vec<u64>,
}

impl Listed {
    /// For so many more [`Listed::put`].
    fn make_room(&mut self, count: usize) {
        let len = self.len + count;
        if self.rows.len() < len {
            self.rows.resize(len, 0);
            self.masks.resize(len, 0);
        }
    }

    /// Adds a row if it is wanted: it is put down either way, and its place is taken if it is, so
    /// that there is no branch.
    fn put(&mut self, row: u32, mask: u64, wanted: bool) {
        self.rows[self.len] = row;
        self.masks[self.len] = mask;
        self.len += usize::from(wanted);
    }

    /// Adds a wanted row.
    fn add(&mut self, row: u32, mask: u64) {
        self.make_room(1);
        self.put(row, mask, true);
    }

    fn of(&self, range: Range<usize>) -> impl Iterator<Item = (&u32, &u64)> {
        self.rows[range.clone()].iter().zip(&self.masks[range])
    }
}

#[derive(Debug, Clone, Copy)]
struct Run {
    /// How far the user is from the first of the range.
    user: u32,
    rows: u32,
}

impl Gathered {
    pub(super) fn new(labels: Vec<Labels>, number_count: usize) -> Self {
        Self {
            users: 0..0,
            is_nobody: false,
            pieces: Vec::new(),
            runs: Vec::new(),
            count: 0,
            listed: Listed::default(),
            labels,
            numbers: vec![Vec::new(); number_count],
            segment_count: 0,
            cursors: Vec::new(),
            block_masks: Vec::new(),
            records: Vec::new(),
            starts: Vec::new(),
            next: Vec::new(),
            is_done: Vec::new(),
            marks: Marks::default(),
        }
    }

    /// Begins with other users.
    pub(super) fn begin(&mut self, scan: &UserScan, users: Range<u32>) {
        if self.users.end != users.start {
            self.cursors.clear();
        }
        self.users = users;
        self.is_nobody = false;
        self.pieces.clear();
        self.runs.clear();
        self.count = 0;
        self.listed.len = 0;
        self.labels.iter_mut().for_each(Labels::clear);
        self.numbers.iter_mut().for_each(Vec::clear);
        self.segment_count = 0;
        self.is_done.clear();
        self.is_done.resize(self.users.len(), false);
        self.marks.begin(scan.in_units.as_ref(), self.users.len());
    }

    /// Begins with the events of nobody, as those of one user (G-12).
    pub(super) fn begin_nobody(&mut self, scan: &UserScan) {
        self.begin(scan, 0..1);
        self.is_nobody = true;
    }

    pub(super) fn bytes(&self) -> usize {
        self.pieces.capacity() * size_of::<Piece>()
            + self.runs.capacity() * size_of::<Run>()
            + (self.listed.rows.capacity() + self.starts.capacity() + self.next.capacity()) * size_of::<u32>()
            + (self.listed.masks.capacity() + self.block_masks.capacity() + self.cursors.capacity())
                * size_of::<u64>()
            + self.records.capacity() * size_of::<Record>()
            + self.marks.bytes()
            + self.labels.iter().map(Labels::bytes).sum::<usize>()
            + self.numbers.iter().map(|numbers| numbers.capacity() * 16).sum::<usize>()
    }

    /// Adds the wanted rows of the next segment. Says how many were looked at.
    pub(super) fn add(&mut self, scan: &UserScan, bound: &Bound) -> Result<usize> {
        let segment = bound.segment.segment();
        let index = self.segment_count;
        self.segment_count += 1;
        let of_nobody = [0, segment.nobody_rows() as u32];
        let (users, starts): (&[u32], &[u32]) = if self.is_nobody {
            (&[0], &of_nobody)
        } else {
            let at = self.users_at(index, segment.users());
            (&segment.users()[at.clone()], &segment.starts()[at.start..=at.end])
        };
        let (first, last) = (starts[0] as usize, starts[starts.len() - 1] as usize);
        if first == last {
            return Ok(0);
        }
        let runs_before = self.runs.len();
        let once = scan.once.as_ref().map(|once| OnceADay::new(once, segment.day().start().millis()));
        let mask = bound.masks.constant();
        let rows = if let Some(in_units) = &scan.in_units {
            let at = self.listed.len;
            let (runs, listed) = (&mut self.runs, &mut self.listed);
            let first_user = self.users.start;
            UserRows { bound, users, first_user, starts }.mark(
                in_units,
                &mut self.marks,
                &mut self.block_masks,
                |user, row| {
                    listed.add(row, in_units.first());
                    match runs[runs_before..].last_mut() {
                        Some(run) if run.user == user => run.rows += 1,
                        _ => runs.push(Run { user, rows: 1 }),
                    }
                },
            )?;
            PieceRows::Listed { at }
        } else if let (Some(mask), None) = (mask, &once) {
            let first_user = self.users.start;
            let runs = users.iter().zip(starts.windows(2));
            let runs = runs.map(|(user, rows)| Run { user: user - first_user, rows: rows[1] - rows[0] });
            self.runs.extend(runs);
            PieceRows::From { first: first as u32, mask }
        } else {
            let at = self.listed.len;
            self.listed.make_room(last - first);
            let few = match &once {
                Some(_) => bound.masks.of_few(&bound.segment, first..last)?,
                None => None,
            };
            match (once, few, bound.masks.of_bytes(&bound.segment)) {
                (Some(once), Some(few), _) => self.add_few(users, starts, segment.times(), &once, &few),
                (None, _, Some((codes, masks))) => self.add_coded(codes, masks, users, starts),
                (Some(once), _, Some((codes, masks))) if once.is_ever && masks.wanted.are_rare() => {
                    self.add_coded(codes, masks, users, starts);
                }
                (once, ..) => self.add_masked(bound, users, starts, once.as_ref())?,
            }
            PieceRows::Listed { at }
        };
        let runs = runs_before..self.runs.len();
        if runs.is_empty() {
            return Ok(last - first);
        }
        let listed = match rows {
            PieceRows::From { .. } => None,
            PieceRows::Listed { at } => Some(at),
        };
        self.count += listed.map_or(last - first, |at| self.listed.len - at);
        if !(self.labels.is_empty() && self.numbers.is_empty()) {
            let rows = match listed {
                None => Rows::Range(first..last),
                Some(at) => Rows::List(UInt32Array::from(self.listed.rows[at..self.listed.len].to_vec())),
            };
            let labels = scan.labels.iter().zip(&bound.labels).zip(&mut self.labels);
            for ((of, bound_label), labels) in labels {
                labels.add(of, bound_label, &bound.segment, &rows)?;
            }
            let numbers = scan.numbers.iter().zip(&bound.numbers).zip(&mut self.numbers);
            for ((of, bound_number), numbers) in numbers {
                let values = cast(&bound_number.evaluate(of, &bound.segment, &rows)?, &DataType::Float64)?;
                numbers.extend(values.as_primitive::<Float64Type>());
            }
        }
        self.pieces.push(Piece { segment: index, runs, rows });
        Ok(last - first)
    }

    /// The places of the range's users among those of a segment.
    fn users_at(&mut self, segment: usize, users: &[u32]) -> Range<usize> {
        if segment == self.cursors.len() {
            self.cursors.push(users.partition_point(|user| *user < self.users.start));
        }
        let first = self.cursors[segment];
        let rest = &users[first..users.len().min(first + self.users.len())];
        let end = first + rest.partition_point(|user| *user < self.users.end);
        self.cursors[segment] = end;
        first..end
    }

    /// Adds the rows that say something new, where few rows meet what not all do: others need not be
    /// looked at.
    fn add_few(&mut self, users: &[u32], starts: &[u32], times: &[u32], once: &OnceADay, few: &FewRows) {
        let mut more = few.more.iter().peekable();
        // Whether a day of rows that all meet the same has one that says something new, its first.
        let is_plain = once.cuts.is_empty() && few.all != 0;
        for (user, rows) in users.iter().zip(starts.windows(2)) {
            let is_done = &mut self.is_done[(user - self.users.start) as usize];
            if *is_done {
                continue;
            }
            let (mut row, end) = (rows[0], rows[1]);
            // Those of users who are done.
            while more.next_if(|(marked, _)| *marked < row).is_some() {}
            if is_plain && more.peek().is_none_or(|(marked, _)| *marked >= end) {
                self.listed.put(row, few.all, true);
                *is_done = once.is_ever;
                self.runs.push(Run { user: user - self.users.start, rows: 1 });
                continue;
            }
            let before = self.listed.len;
            let mut cuts = once.cuts.iter();
            while row < end {
                // Mostly a day is not cut.
                let piece_end = cuts.next().map_or(end, |cut| {
                    row + times[row as usize..end as usize].partition_point(|time| time < cut) as u32
                });
                let mut seen = Seen::default();
                let first = row;
                while row < piece_end {
                    // What is new is a first row, or meets more.
                    if row > first {
                        match more.peek().filter(|(marked, _)| *marked < piece_end) {
                            Some((marked, _)) => row = *marked,
                            None => break,
                        }
                    }
                    let marked = more.next_if(|(marked, _)| *marked == row).map(|(_, mask)| mask);
                    let mask = few.all | marked.copied().unwrap_or_default();
                    self.listed.put(row, mask, seen.has_new(mask));
                    row += 1;
                }
                row = piece_end;
            }
            let rows = (self.listed.len - before) as u32;
            if rows > 0 {
                *is_done = once.is_ever;
                self.runs.push(Run { user: user - self.users.start, rows });
            }
        }
    }

    /// Adds the rows whose codes have a mask.
    fn add_coded(
        &mut self,
        codes: &[u8],
        ByteMasks { wanted, masks }: &ByteMasks,
        users: &[u32],
        starts: &[u32],
    ) {
        let first_user = self.users.start;
        if wanted.are_rare() {
            let first = starts[0] as usize;
            let (listed, runs) = (&mut self.listed, &mut self.runs);
            let mut at = 0;
            let mut run = Run { user: 0, rows: 0 };
            wanted.find(&codes[first..starts[users.len()] as usize], |place, code| {
                let row = (first + place) as u32;
                if row >= starts[at + 1] {
                    runs.extend((run.rows > 0).then_some(run));
                    while row >= starts[at + 1] {
                        at += 1;
                    }
                    run.rows = 0;
                }
                run = Run { user: users[at] - first_user, rows: run.rows + 1 };
                listed.put(row, masks[usize::from(code)], true);
            });
            runs.extend((run.rows > 0).then_some(run));
            return;
        }
        for (user, rows) in users.iter().zip(starts.windows(2)) {
            let before = self.listed.len;
            for (row, code) in (rows[0]..).zip(&codes[rows[0] as usize..rows[1] as usize]) {
                let mask = masks[usize::from(*code)];
                self.listed.put(row, mask, mask != 0);
            }
            let rows = (self.listed.len - before) as u32;
            if rows > 0 {
                self.runs.push(Run { user: user - first_user, rows });
            }
        }
    }

    /// Adds the rows that meet a condition, or those of them that say something new.
    fn add_masked(
        &mut self,
        bound: &Bound,
        users: &[u32],
        starts: &[u32],
        once: Option<&OnceADay>,
    ) -> Result<()> {
        let (first, last) = (starts[0] as usize, starts[starts.len() - 1] as usize);
        let times = bound.segment.segment().times();
        let mut at = 0;
        // How many wanted rows the user has: those of one whom two blocks share are one run.
        let mut user_rows = 0u32;
        let mut seen = Seen::default();
        let mut cut_count = 0;
        for block in (first..last).step_by(BLOCK_ROWS) {
            let block = block..(block + BLOCK_ROWS).min(last);
            bound.masks.of_rows(&bound.segment, block.clone(), &mut self.block_masks)?;
            let mut row = block.start;
            while row < block.end {
                let end = block.end.min(starts[at + 1] as usize);
                let masks = &self.block_masks[row - block.start..end - block.start];
                for (row, mask) in (row as u32..).zip(masks) {
                    let wanted = match once {
                        Some(once) if *mask != 0 => {
                            let time = times[row as usize];
                            while once.cuts.get(cut_count).is_some_and(|cut| *cut <= time) {
                                cut_count += 1;
                                seen = Seen::default();
                            }
                            seen.has_new(*mask)
                        }
                        _ => *mask != 0,
                    };
                    self.listed.put(row, *mask, wanted);
                    user_rows += u32::from(wanted);
                }
                row = end;
                if row == starts[at + 1] as usize {
                    if user_rows > 0 {
                        self.runs.push(Run { user: users[at] - self.users.start, rows: user_rows });
                    }
                    user_rows = 0;
                    (seen, cut_count) = (Seen::default(), 0);
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// All records, user by user; those of a user in the order they were met.
    pub(super) fn in_order(&mut self, segments: &[Bound]) -> InOrder<'_> {
        self.starts.clear();
        self.starts.resize(self.users.len() + 1, 0);
        for run in &self.runs {
            self.starts[run.user as usize + 1] += run.rows;
        }
        for user in 0..self.users.len() {
            self.starts[user + 1] += self.starts[user];
        }
        self.next.clear();
        self.next.extend_from_slice(&self.starts);
        if self.records.len() < self.count {
            self.records.resize(self.count, Record { time: 0, conditions: 0, at: 0 });
        }
        let mut at = 0u32;
        for piece in &self.pieces {
            let segment = segments[piece.segment].segment.segment();
            let (day, times) = (segment.day().start().millis(), segment.times());
            let mut from = match piece.rows {
                PieceRows::From { first, .. } => first as usize,
                PieceRows::Listed { at } => at,
            };
            for run in &self.runs[piece.runs.clone()] {
                let next = &mut self.next[run.user as usize];
                let rows = run.rows as usize;
                let records = &mut self.records[*next as usize..*next as usize + rows];
                match piece.rows {
                    PieceRows::From { mask, .. } => {
                        for ((record, time), at) in
                            records.iter_mut().zip(&times[from..from + rows]).zip(at..)
                        {
                            *record = Record { time: day + i64::from(*time), conditions: mask, at };
                        }
                    }
                    PieceRows::Listed { .. } => {
                        let listed = self.listed.of(from..from + rows);
                        for ((record, (row, mask)), at) in records.iter_mut().zip(listed).zip(at..) {
                            let time = day + i64::from(times[*row as usize]);
                            *record = Record { time, conditions: *mask, at };
                        }
                    }
                }
                from += rows;
                at += run.rows;
                *next += run.rows;
            }
        }
        InOrder {
            records: &self.records,
            starts: &self.starts,
            marks: &self.marks,
            labels: &self.labels,
            numbers: &self.numbers,
        }
    }
}

/// The records of a range of users.
pub(super) struct InOrder<'a> {
    records: &'a [Record],
    starts: &'a [u32],
    marks: &'a Marks,
    pub(super) labels: &'a [Labels],
    pub(super) numbers: &'a [Vec<Option<f64>>],
}

impl<'a> InOrder<'a> {
    /// Those of each user of the range.
    pub(super) fn users(&self) -> impl Iterator<Item = &'a [Record]> + use<'a> {
        let records = self.records;
        self.starts.windows(2).map(move |rows| &records[rows[0] as usize..rows[1] as usize])
    }

    /// In which units one of them met what is told of.
    pub(super) fn met(&self, user: usize) -> MetUnits<'a> {
        self.marks.of_user(user)
    }
}

/// What is asked of the rows of one day: see [`UserScan::once_between`].
struct OnceADay {
    /// Instants within the day, in milliseconds since its start, but for those at its start.
    cuts: Vec<u32>,
    is_ever: bool,
}

impl OnceADay {
    fn new(once: &Once, day_start: i64) -> Self {
        let first = once.instants.partition_point(|instant| *instant <= day_start);
        let of_day = once.instants[first..].iter().map(|instant| instant - day_start);
        let cuts = of_day.take_while(|time| *time < DAY_MS).map(|time| time as u32).collect();
        Self { cuts, is_ever: once.is_ever }
    }
}

/// What rows of a user met since the last cut.
#[derive(Default)]
struct Seen(u64);

impl Seen {
    /// Whether a row says something that none before it did.
    fn has_new(&mut self, mask: u64) -> bool {
        let has_new = mask & !self.0 != 0;
        self.0 |= mask;
        has_new
    }
}
