//! Loops that count users.

use serde_json::json;

use super::{Columns, Rows, add_up};

/// Users by day: a user's rows are in order of days, so neighbours tell.
pub(crate) fn by_day(columns: &Columns) -> Rows {
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; columns.days];
        let mut last = None;
        for (&user, &day) in columns.user[range.clone()].iter().zip(&columns.day[range]) {
            if last != Some((user, day)) {
                counts[usize::from(day)] += 1;
                last = Some((user, day));
            }
        }
        counts
    }));
    counts.iter().enumerate().map(|(day, &count)| vec![columns.day_value(day), json!(count)]).collect()
}

/// Users of one event by day and country.
pub(crate) fn by_day_and_country(columns: &Columns, event: &str) -> Rows {
    let (event, days) = (columns.event.code(event), columns.days);
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; 256 * days];
        let mut last_user = vec![u32::MAX; 256 * days];
        for row in range {
            if usize::from(columns.event.of_row[row]) == event {
                let cell = usize::from(columns.country.of_row[row]) * days + usize::from(columns.day[row]);
                if last_user[cell] != columns.user[row] {
                    last_user[cell] = columns.user[row];
                    counts[cell] += 1;
                }
            }
        }
        counts
    }));
    let cells = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    cells
        .map(|(at, &count)| {
            vec![columns.day_value(at % days), columns.country.value(at / days), json!(count)]
        })
        .collect()
}

/// Users of the last `length` days, day by day: a day a user is there counts until the user's next
/// such day, `length` days at most.
pub(crate) fn rolling(columns: &Columns, length: usize) -> Rows {
    let days = columns.days;
    let partials = columns.parallel(|range| {
        let mut starts = vec![0_u64; days + length + 1];
        let mut ends = vec![0_u64; days + length + 1];
        let mut last: Option<(u32, usize)> = None;
        for (&user, &day) in columns.user[range.clone()].iter().zip(&columns.day[range]) {
            let day = usize::from(day);
            match last {
                Some((same, before)) if same == user => {
                    if before == day {
                        continue;
                    }
                    ends[day.min(before + length)] += 1;
                }
                Some((_, before)) => ends[before + length] += 1,
                None => {}
            }
            starts[day] += 1;
            last = Some((user, day));
        }
        if let Some((_, before)) = last {
            ends[before + length] += 1;
        }
        starts.extend(ends);
        starts
    });
    let changes = add_up(partials);
    let (starts, ends) = changes.split_at(days + length + 1);
    let mut users = 0;
    (0..days)
        .map(|day| {
            users = users + starts[day] - ends[day];
            vec![columns.day_value(day), json!(users)]
        })
        .collect()
}

/// Users by first day and day.
pub(crate) fn retention(columns: &Columns) -> Rows {
    let days = columns.days;
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; days * days];
        let (mut of_user, mut first, mut last) = (u32::MAX, 0, usize::MAX);
        for (&user, &day) in columns.user[range.clone()].iter().zip(&columns.day[range]) {
            let day = usize::from(day);
            if user != of_user {
                (of_user, first, last) = (user, day, usize::MAX);
            }
            if day != last {
                counts[first * days + day] += 1;
                last = day;
            }
        }
        counts
    }));
    let cells = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    cells
        .map(|(at, &count)| vec![columns.day_value(at / days), columns.day_value(at % days), json!(count)])
        .collect()
}

/// New, returning, resurrected and dormant users by week, up to the last one.
pub(crate) fn lifecycle(columns: &Columns, last_week: i32) -> Rows {
    let week_of = |day: u8| (columns.first_day + i32::from(day) + 3).div_euclid(7);
    let first_week = week_of(0);
    let weeks = (last_week - first_week + 1).max(1) as usize;
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; weeks * STATUSES.len()];
        let mut count = |week: i32, status: usize| {
            if week <= last_week {
                counts[(week - first_week) as usize * STATUSES.len() + status] += 1;
            }
        };
        for rows in columns.users(range) {
            let mut before: Option<i32> = None;
            for &day in &columns.day[rows] {
                let week = week_of(day);
                match before {
                    Some(known) if known == week => continue,
                    None => count(week, NEW),
                    Some(known) if known == week - 1 => count(week, RETURNING),
                    Some(known) => {
                        count(known + 1, DORMANT);
                        count(week, RESURRECTED);
                    }
                }
                before = Some(week);
            }
            if let Some(last) = before {
                count(last + 1, DORMANT);
            }
        }
        counts
    }));
    let cells = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    cells
        .map(|(at, &count)| {
            let week = first_week + (at / STATUSES.len()) as i32;
            vec![json!(week), json!(STATUSES[at % STATUSES.len()]), json!(count)]
        })
        .collect()
}

const STATUSES: [&str; 4] = ["new", "returning", "resurrected", "dormant"];
const NEW: usize = 0;
const RETURNING: usize = 1;
const RESURRECTED: usize = 2;
const DORMANT: usize = 3;

/// Events by day of those users who did one at least so often.
pub(crate) fn of_cohort(columns: &Columns, event: &str, times: usize) -> Rows {
    let event = columns.event.code(event);
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; columns.days];
        for rows in columns.users(range) {
            let events = &columns.event.of_row[rows.clone()];
            if events.iter().filter(|code| usize::from(**code) == event).count() >= times {
                columns.day[rows].iter().for_each(|day| counts[usize::from(*day)] += 1);
            }
        }
        counts
    }));
    let cells = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    cells.map(|(day, &count)| vec![columns.day_value(day), json!(count)]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::columns;
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn rolling_users_are_counted_once_a_window() {
        let columns =
            columns(&[(0, 0, "a"), (0, 1, "a"), (0, DAY, "a"), (1, 2 * DAY, "a"), (2, 4 * DAY, "a")], 2);
        let users: Vec<u64> = rolling(&columns, 2).iter().map(|row| row[1].as_u64().unwrap()).collect();
        assert_eq!(users, [1, 1, 2, 1, 1]);
    }

    #[test]
    fn users_come_stay_and_go_by_week() {
        // 1 January 1970 was a Thursday: its week is number 0.
        let day = |day: i64| day * DAY;
        let events =
            [(0, day(0), "a"), (0, day(5), "a"), (0, day(20), "a"), (1, day(1), "a"), (1, day(2), "a")];
        let rows = lifecycle(&columns(&events, 2), 3);
        let row = |week: i32, status: &str, count: u64| vec![json!(week), json!(status), json!(count)];
        assert_eq!(
            rows,
            [
                row(0, "new", 2),
                row(1, "returning", 1),
                row(1, "dormant", 1),
                row(2, "dormant", 1),
                row(3, "resurrected", 1),
            ]
        );
    }

    #[test]
    fn the_triangle_starts_at_the_first_day() {
        let columns = columns(&[(0, 0, "a"), (0, DAY, "a"), (1, DAY, "b"), (1, DAY + 1, "b")], 1);
        let rows = retention(&columns);
        let cells: Vec<(&str, &str, u64)> = rows
            .iter()
            .map(|row| (row[0].as_str().unwrap(), row[1].as_str().unwrap(), row[2].as_u64().unwrap()))
            .collect();
        assert_eq!(
            cells,
            [
                ("1970-01-01", "1970-01-01", 1),
                ("1970-01-01", "1970-01-02", 1),
                ("1970-01-02", "1970-01-02", 1)
            ]
        );
    }
}
