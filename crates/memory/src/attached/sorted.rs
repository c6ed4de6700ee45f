//! The rows of a file → days, each in (user, time) order.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, StringViewArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::TimestampMillisecondType;
use arrow::error::ArrowError;
use hashbrown::HashMap;
use rayon::prelude::*;
use tallymark_event::{Day, Timestamp};
use tallymark_storage::DataFile;

use crate::text::copied;

/// Where the days lie so mixed that each row group is read for more than so many of them, columns are
/// decoded as a whole for all.
const READS_MAX: usize = 2;

/// The rows of a file by day, those of each in order.
#[derive(Debug)]
pub(super) struct Sorted {
    days: Vec<SortedDay>,
    /// Rows that lie in no day, for they have no time, or one that no calendar has.
    pub(super) untimed_rows: u64,
    /// Whether each day has all row groups as its own.
    pub(super) is_shared: bool,
}

/// The rows of a day, ordered by (user, time, row of the file), nobody's first.
#[derive(Debug)]
pub(super) struct SortedDay {
    day: Day,
    pub(super) nobody: usize,
    /// Its users, ascending.
    pub(super) ids: StringViewArray,
    /// Where the rows of each start, and where those of the last one end.
    pub(super) starts: Vec<u32>,
    /// Milliseconds since the start of the day.
    pub(super) times: Vec<u32>,
    pub(super) groups: Arc<[usize]>,
    /// Which rows of these groups they are; `None` where all, in their order.
    pub(super) rows: Option<UInt32Array>,
}

/// What orders a row: its day and user, its time in the day and its number in the file.
type Key = (u64, u64);

const MS_PER_DAY: i64 = 86_400_000;

impl Sorted {
    /// `times` are Timestamp(ms, UTC), `users` Utf8View, one array for each row group.
    pub(super) fn new(
        times: &[ArrayRef],
        users: &[ArrayRef],
        group_rows: &[usize],
    ) -> Result<Self, ArrowError> {
        let total: usize = group_rows.iter().sum();
        if u32::try_from(total).is_err() {
            return Err(ArrowError::InvalidArgumentError(format!("{total} rows of one file are too many")));
        }
        let (ids, ranks) = ranks(users)?;
        let mut keys: Vec<Key> = Vec::with_capacity(total);
        let mut row = 0u64;
        for times in times {
            let Some(array) = times.as_primitive_opt::<TimestampMillisecondType>() else {
                return Err(ArrowError::CastError(format!("times are {}", times.data_type())));
            };
            for time in array {
                let day = time.and_then(|time| Some((time, day_of(time)?)));
                if let Some((time, day)) = day {
                    let of_day = time.rem_euclid(MS_PER_DAY) as u64;
                    keys.push((ordered(day) << 32 | u64::from(ranks[row as usize]), of_day << 32 | row));
                }
                row += 1;
            }
        }
        if row as usize != total || ranks.len() != total {
            return Err(ArrowError::InvalidArgumentError(
                "times and users are not of the same rows".to_owned(),
            ));
        }
        if !keys.is_sorted() {
            keys.par_sort_unstable();
        }
        let untimed_rows = (total - keys.len()) as u64;
        let mut firsts = Vec::with_capacity(group_rows.len() + 1);
        firsts.push(0);
        for rows in group_rows {
            firsts.push(firsts[firsts.len() - 1] + *rows as u32);
        }
        let days: Vec<&[Key]> = keys.chunk_by(|a, b| a.0 >> 32 == b.0 >> 32).collect();
        let groups: Vec<Vec<usize>> = days.par_iter().map(|day| groups(day, &firsts)).collect();
        let reads: usize = groups.iter().map(Vec::len).sum();
        let is_shared = reads > group_rows.len() * READS_MAX;
        let all: Arc<[usize]> = (0..group_rows.len()).collect();
        let days = days
            .par_iter()
            .zip(groups)
            .map(|(keys, groups)| {
                let groups = if is_shared { Arc::clone(&all) } else { groups.into() };
                SortedDay::new(keys, &ids, groups, &firsts)
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { days, untimed_rows, is_shared })
    }

    pub(super) fn day(&self, day: Day) -> Option<&SortedDay> {
        let at = self.days.binary_search_by_key(&day, |known| known.day).ok()?;
        Some(&self.days[at])
    }

    /// The days as data files that are called by that name.
    pub(super) fn data_files(&self, path: &str) -> Vec<DataFile> {
        self.days.iter().map(|day| day.data_file(path)).collect()
    }
}

/// The day of a time, if a calendar has it.
fn day_of(time: i64) -> Option<Day> {
    i32::try_from(time.div_euclid(MS_PER_DAY)).ok()?;
    let day = Timestamp::from_millis(time).day();
    day.date().map(|_| day)
}

/// A number that orders as days do.
fn ordered(day: Day) -> u64 {
    u64::from(day.days().cast_unsigned() ^ (1 << 31))
}

fn day_at(ordered: u64) -> Day {
    Day::from_days(((ordered as u32) ^ (1 << 31)).cast_signed())
}

/// All users in order, and for each row the rank of its user, from 1; 0 for nobody.
fn ranks(users: &[ArrayRef]) -> Result<(StringViewArray, Vec<u32>), ArrowError> {
    let mut codes: HashMap<&str, u32> = HashMap::new();
    let mut found: Vec<&str> = Vec::new();
    let mut rows: Vec<u32> = Vec::with_capacity(users.iter().map(Array::len).sum());
    for users in users {
        let Some(users) = users.as_string_view_opt() else {
            return Err(ArrowError::CastError(format!("users are {}", users.data_type())));
        };
        let mut last: Option<(&str, u32)> = None;
        for user in users {
            let code = match (user, last) {
                (None, _) => 0,
                (Some(user), Some((known, code))) if known == user => code,
                (Some(user), _) => {
                    let code = *codes.entry(user).or_insert_with(|| {
                        found.push(user);
                        found.len() as u32
                    });
                    last = Some((user, code));
                    code
                }
            };
            rows.push(code);
        }
    }
    let mut order: Vec<u32> = (0..found.len() as u32).collect();
    order.par_sort_unstable_by_key(|code| found[*code as usize]);
    let mut ranks: Vec<u32> = vec![0; found.len() + 1];
    for (code, rank) in order.iter().zip(1..) {
        ranks[*code as usize + 1] = rank;
    }
    let sorted: Vec<&str> = order.iter().map(|code| found[*code as usize]).collect();
    for row in &mut rows {
        *row = ranks[*row as usize];
    }
    Ok((copied(&sorted), rows))
}

/// The number of a key's row.
fn row_of(key: &Key) -> u32 {
    key.1 as u32
}

/// The row group a row lies in; `firsts` are the first row of each, and one more.
fn group_of(row: u32, firsts: &[u32]) -> usize {
    firsts.partition_point(|first| *first <= row) - 1
}

/// The row groups that have some of these rows, ascending.
fn groups(keys: &[Key], firsts: &[u32]) -> Vec<usize> {
    let mut has = vec![false; firsts.len() - 1];
    let mut last = 0..0;
    for row in keys.iter().map(row_of) {
        if !last.contains(&row) {
            let group = group_of(row, firsts);
            has[group] = true;
            last = firsts[group]..firsts[group + 1];
        }
    }
    (0..has.len()).filter(|group| has[*group]).collect()
}

impl SortedDay {
    fn new(
        keys: &[Key],
        ids: &StringViewArray,
        groups: Arc<[usize]>,
        firsts: &[u32],
    ) -> Result<Self, ArrowError> {
        let rank = |key: &Key| key.0 as u32;
        let nobody = keys.iter().take_while(|key| rank(key) == 0).count();
        let (mut users, mut starts): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        for (at, key) in keys.iter().enumerate().skip(nobody) {
            // Ranks begin at 1, ids at 0.
            let user = rank(key) - 1;
            if users.last() != Some(&user) {
                users.push(user);
                starts.push(at as u32);
            }
        }
        starts.push(keys.len() as u32);
        // How many rows before a group are in groups that are not read.
        let mut skipped = vec![0u32; firsts.len()];
        let mut read = 0;
        for group in groups.iter() {
            skipped[*group] = firsts[*group] - read;
            read += firsts[*group + 1] - firsts[*group];
        }
        let mut last = (0..0, 0);
        let rows = keys.iter().map(row_of).map(|row| {
            if !last.0.contains(&row) {
                let group = group_of(row, firsts);
                last = (firsts[group]..firsts[group + 1], skipped[group]);
            }
            row - last.1
        });
        let rows: Vec<u32> = rows.collect();
        let in_place = rows.len() == read as usize && rows.iter().zip(0..).all(|(row, at)| *row == at);
        Ok(Self {
            day: day_at(keys[0].0 >> 32),
            nobody,
            ids: take(ids, &UInt32Array::from(users), None)?.as_string_view().clone(),
            starts,
            times: keys.iter().map(|key| (key.1 >> 32) as u32).collect(),
            groups,
            rows: (!in_place).then(|| rows.into()),
        })
    }

    fn data_file(&self, path: &str) -> DataFile {
        let time = |ms: Option<&u32>| {
            Timestamp::from_millis(self.day.start().millis() + ms.map_or(0, |ms| i64::from(*ms)))
        };
        let user = |at: usize| (at < self.ids.len()).then(|| self.ids.value(at).to_owned());
        DataFile {
            path: path.to_owned(),
            day: self.day,
            rows: self.times.len() as u64,
            bytes: 0,
            min_time: time(self.times.iter().min()),
            max_time: time(self.times.iter().max()),
            min_user: user(0),
            max_user: user(self.ids.len().wrapping_sub(1)),
            nobody_rows: self.nobody as u64,
            distinct_users: self.ids.len() as u64,
            keyed_rows: 0,
            events: Vec::new(),
            lanes: Vec::new(),
            min_sequence: 0,
            max_sequence: 0,
            identity_version: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::TimestampMillisecondArray;
    use proptest::prelude::*;

    use super::*;

    type Row = (Option<i64>, Option<&'static str>);

    fn sorted(groups: &[Vec<Row>]) -> Sorted {
        let times: Vec<ArrayRef> = groups
            .iter()
            .map(|group| {
                let times: TimestampMillisecondArray = group.iter().map(|row| row.0).collect();
                Arc::new(times.with_timezone("UTC")) as ArrayRef
            })
            .collect();
        let users: Vec<ArrayRef> = groups
            .iter()
            .map(|group| Arc::new(group.iter().map(|row| row.1).collect::<StringViewArray>()) as ArrayRef)
            .collect();
        let rows: Vec<usize> = groups.iter().map(Vec::len).collect();
        Sorted::new(&times, &users, &rows).unwrap()
    }

    fn row() -> impl Strategy<Value = Row> {
        let user = prop::option::weighted(
            0.8,
            prop::sample::select(vec!["", "U", "u", "u\u{0}", "ä", "a long one of seventeen"]),
        );
        let time = (-3i64..3, 0i64..3).prop_map(|(day, ms)| day * MS_PER_DAY + ms);
        (prop::option::weighted(0.9, time), user)
    }

    proptest! {
        #[test]
        fn rows_are_ordered_by_day_user_time_and_place(
            groups in prop::collection::vec(prop::collection::vec(row(), 1..12), 0..5),
        ) {
            let all: Vec<Row> = groups.concat();
            let mut expected: Vec<(Day, Option<&str>, i64, usize)> = all
                .iter()
                .enumerate()
                .filter_map(|(at, (time, user))| {
                    let time = (*time)?;
                    Some((Timestamp::from_millis(time).day(), *user, time, at))
                })
                .collect();
            expected.sort_unstable();
            let found = sorted(&groups);
            prop_assert_eq!(found.untimed_rows as usize, all.len() - expected.len());
            prop_assert_eq!(found.days.iter().map(|day| day.times.len()).sum::<usize>(), expected.len());
            prop_assert!(found.days.is_sorted_by(|a, b| a.day < b.day));

            let mut rows = Vec::new();
            for day in &found.days {
                let own: Vec<usize> = day.groups.iter().flat_map(|group| {
                    let first = groups[..*group].iter().map(Vec::len).sum::<usize>();
                    first..first + groups[*group].len()
                }).collect();
                for (at, time) in day.times.iter().enumerate() {
                    let place = day.rows.as_ref().map_or(at, |rows| rows.value(at) as usize);
                    let user = (at >= day.nobody).then(|| {
                        day.ids.value(day.starts.partition_point(|start| *start as usize <= at) - 1)
                    });
                    rows.push((day.day, user, day.day.start().millis() + i64::from(*time), own[place]));
                }
                prop_assert!(day.starts.is_sorted_by(|a, b| a < b));
                prop_assert!(day.ids.iter().is_sorted_by(|a, b| a < b));
            }
            prop_assert_eq!(rows, expected);
        }
    }

    #[test]
    fn a_file_in_order_stays_as_it_is_and_days_in_order_have_groups_of_their_own() {
        let day = |day: i64| vec![(Some(day * MS_PER_DAY), None), (Some(day * MS_PER_DAY), Some("u"))];
        let found = sorted(&[day(0), day(1), day(2)]);
        assert!(!found.is_shared);
        let places: Vec<_> = found.days.iter().map(|day| (day.groups.to_vec(), day.rows.is_none())).collect();
        assert_eq!(places, [(vec![0], true), (vec![1], true), (vec![2], true)]);
        let mixed: Vec<Row> = (0..4).map(|day| (Some(day * MS_PER_DAY), None)).collect();
        assert!(sorted(&[mixed.clone(), mixed]).is_shared);
    }

    #[test]
    fn a_time_no_calendar_has_lies_in_no_day() {
        let found = sorted(&[vec![(Some(i64::MAX), None), (Some(i64::MIN), None), (Some(0), None)]]);
        assert_eq!((found.untimed_rows, found.days.len()), (2, 1));
    }
}
