//! Civil units of time as a table, for events in order of time: a look-up each, and no calendar.

use chrono::Datelike as _;
use tallymark_report::{Calendar, Unit};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The units that instants from one to another lie in, numbered without gaps.
///
/// Where the clock goes back over midnight a day comes twice; so the table is one of pieces.
#[derive(Debug)]
pub(super) struct Units {
    /// Where each piece begins, ascending.
    begins: Vec<i64>,
    /// The unit of each piece.
    of_pieces: Vec<u32>,
    /// By which instant each unit is known (G-5).
    starts: Vec<i64>,
    /// Where each unit ends, not included.
    ends: Vec<i64>,
    /// Up to where the table goes.
    to: i64,
    /// How many begin in a millisecond, on average.
    pieces_per_ms: f64,
}

impl Units {
    /// The units from that of `from`, up to the end of that of the instant before `to`.
    pub(super) fn new(calendar: Calendar, unit: Unit, from: i64, to: i64) -> Self {
        let to = to.max(from + 1);
        let to = to.max(calendar.next_bucket(to - 1, unit));
        let mut table = Self {
            begins: Vec::new(),
            of_pieces: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
            to,
            pieces_per_ms: 0.0,
        };
        let key = |piece: i64| match unit {
            Unit::Minute | Unit::Hour => piece,
            _ => {
                let day = chrono::NaiveDate::from_num_days_from_ce_opt(piece as i32).unwrap_or_default();
                i64::from(calendar.first_day(day, unit).num_days_from_ce())
            }
        };
        // Units may come again, but not long after.
        let mut known: Vec<i64> = Vec::new();
        for (begin, piece) in pieces(calendar, unit, from, to) {
            let key = key(piece);
            let before = known.iter().rev().take(4).position(|known| *known == key);
            let at = if let Some(back) = before {
                known.len() - 1 - back
            } else {
                known.push(key);
                table.starts.push(calendar.bucket(begin, unit));
                table.ends.push(to);
                known.len() - 1
            };
            if let Some(last) = table.of_pieces.last() {
                if *last == at as u32 {
                    continue;
                }
                table.ends[*last as usize] = begin;
            }
            table.begins.push(begin);
            table.of_pieces.push(at as u32);
        }
        if let Some(last) = table.of_pieces.last() {
            table.ends[*last as usize] = to;
        }
        let first = table.begins.first().copied().unwrap_or(to);
        table.pieces_per_ms = table.begins.len() as f64 / (to - first).max(1) as f64;
        table
    }

    pub(super) fn count(&self) -> usize {
        self.starts.len()
    }

    /// The instants units are known by (G-5).
    pub(super) fn starts(&self) -> &[i64] {
        &self.starts
    }

    /// Where another unit begins, ascending: of those that come again, each time.
    pub(super) fn begins(&self) -> &[i64] {
        &self.begins
    }

    /// Whether none comes again.
    pub(super) fn are_in_order(&self) -> bool {
        self.begins.len() == self.count()
    }

    /// Where each unit begins, and where the last ends; `None` if one comes again.
    pub(super) fn bounds(&self) -> Option<Vec<i64>> {
        self.are_in_order().then(|| self.begins.iter().copied().chain([self.to]).collect())
    }

    /// Where a unit ends; `None` for one beyond the table.
    pub(super) fn end(&self, unit: usize) -> Option<i64> {
        self.ends.get(unit).copied()
    }

    /// The unit of an instant. `near` is where the last one was found.
    pub(super) fn at(&self, time: i64, near: &mut usize) -> Option<usize> {
        let piece = self.piece(time, near)?;
        Some(self.of_pieces[piece] as usize)
    }

    fn piece(&self, time: i64, near: &mut usize) -> Option<usize> {
        let (first, last) = (*self.begins.first()?, self.begins.len() - 1);
        if time < first || time >= self.to {
            return None;
        }
        let mut piece = (*near).min(last);
        if self.begins[piece] > time || self.begins.get(piece + 1).is_some_and(|next| *next <= time) {
            // Pieces are about equally long: what is left of a guess is a step or two.
            piece = (((time - first) as f64 * self.pieces_per_ms) as usize).min(last);
            while self.begins[piece] > time {
                piece -= 1;
            }
            while self.begins.get(piece + 1).is_some_and(|next| *next <= time) {
                piece += 1;
            }
            *near = piece;
        }
        Some(piece)
    }
}

/// Units of one user's events as they came, ascending and each once.
pub(super) fn in_order(units: &mut Vec<usize>) {
    // Only where the clock goes back over midnight are they not.
    if !units.is_sorted() {
        units.sort_unstable();
        units.dedup();
    }
}

/// Where days, or hours, begin: the first at `from`. With each, which it is: the number of the day, or
/// the start of the hour.
fn pieces(calendar: Calendar, unit: Unit, from: i64, to: i64) -> Vec<(i64, i64)> {
    let is_hours = matches!(unit, Unit::Minute | Unit::Hour);
    let (step, key): (i64, Box<dyn Fn(i64) -> i64>) = if is_hours {
        (HOUR_MS, Box::new(|time| calendar.bucket(time, Unit::Hour)))
    } else {
        (DAY_MS, Box::new(|time| i64::from(calendar.day(time).num_days_from_ce())))
    };
    let offset = |time: i64| calendar.local(time).and_utc().timestamp_millis() - time;
    let mut found: Vec<(i64, i64)> = Vec::new();
    let mut add = |time: i64| {
        let key = key(time);
        if found.last().is_none_or(|(_, last)| *last != key) {
            found.push((time, key));
        }
    };
    let mut block = from;
    while block < to {
        let end = (block - block.rem_euclid(DAY_MS) + DAY_MS).min(to);
        add(block);
        let at_start = offset(block);
        if at_start == offset(end - 1) {
            let local = block + at_start;
            let mut next = block - local.rem_euclid(step) + step;
            while next < end {
                add(next);
                next += step;
            }
        } else {
            // The clock changes: at a whole minute.
            let mut next = block - block.rem_euclid(MINUTE_MS) + MINUTE_MS;
            while next < end {
                add(next);
                next += MINUTE_MS;
            }
        }
        block = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use tallymark_report::{Instants, WeekStart};

    use super::*;

    fn calendar(zone: &str) -> Calendar {
        Calendar { zone: zone.parse().unwrap(), week_start: WeekStart::Monday }
    }

    fn millis(text: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    /// G-5, G-6: the table says what the calendar says, at every quarter of an hour.
    #[test]
    fn units_are_those_of_the_calendar() {
        let changes = [
            ("Europe/Berlin", "2024-03-28T00:00:00Z"),
            ("America/New_York", "2024-11-01T00:00:00Z"),
            ("America/Sao_Paulo", "2018-11-02T00:00:00Z"),
            ("Australia/Lord_Howe", "2024-04-05T00:00:00Z"),
            // Goes back from 00:01 to 23:01 of the day before.
            ("America/St_Johns", "2010-11-05T00:00:00Z"),
            ("Pacific/Apia", "2011-12-28T00:00:00Z"),
            ("UTC", "2024-02-27T00:00:00Z"),
        ];
        for (zone, from) in changes {
            let calendar = calendar(zone);
            let from = millis(from) + 5;
            let to = from + 6 * DAY_MS;
            for unit in [Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Quarter, Unit::Year] {
                let units = Units::new(calendar, unit, from, to);
                let mut near = 0;
                let mut last = 0;
                for time in (from..to).step_by(5 * MINUTE_MS as usize) {
                    let at = units.at(time, &mut near).unwrap();
                    assert_eq!(units.starts()[at], calendar.bucket(time, unit), "{zone} {unit} {time}");
                    assert!(at <= last + 1, "{zone} {unit} {time}");
                    last = last.max(at);
                    assert!(time < units.end(at).unwrap());
                }
                let mut buckets = calendar.buckets(&Instants { from, to, days: None }, unit);
                buckets.dedup();
                if zone != "America/St_Johns" {
                    assert!(units.starts().starts_with(&buckets), "{zone} {unit}");
                }
                assert_eq!(units.at(from - 1, &mut near), None);
                let is_back = zone == "America/St_Johns" && unit == Unit::Day;
                assert_eq!(units.bounds().is_none(), is_back, "{zone} {unit}");
                if let Some(bounds) = units.bounds() {
                    let at = |time: i64| bounds.partition_point(|bound| *bound <= time) - 1;
                    assert!(
                        (from..to)
                            .step_by(HOUR_MS as usize)
                            .all(|time| units.at(time, &mut near) == Some(at(time)))
                    );
                    assert_eq!(bounds.last().copied(), units.end(units.count() - 1));
                }
                assert_eq!(units.at(units.end(units.count() - 1).unwrap(), &mut near), None);
            }
        }
    }

    /// the last unit is there in full.
    #[test]
    fn units_end_where_the_next_begins() {
        let berlin = calendar("Europe/Berlin");
        let from = millis("2024-03-30T10:00:00Z");
        let units = Units::new(berlin, Unit::Day, from, millis("2024-03-31T10:00:00Z"));
        assert_eq!(units.count(), 2);
        // 23 hours.
        assert_eq!(units.end(1).unwrap() - units.end(0).unwrap(), 23 * HOUR_MS);
        let months = Units::new(berlin, Unit::Month, from, from + 1);
        assert_eq!(months.end(0), Some(millis("2024-03-31T22:00:00Z")));
        assert_eq!(months.end(1), None);
    }
}
