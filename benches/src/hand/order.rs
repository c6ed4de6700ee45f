//! Loops for which the order of a user's events matters.

use std::ops::Range;

use serde_json::{Value, json};

use super::{Columns, Rows};

/// Sessions that end after `timeout` ms without an event, by day of their start: how many, and how many
/// milliseconds they last on average.
pub(crate) fn sessions(columns: &Columns, timeout: i64) -> Rows {
    let partials = columns.parallel(|range| {
        let mut days = vec![(0_u64, 0_i64); columns.days];
        let mut end = |start_row: usize, last_row: usize| {
            let (count, length) = &mut days[usize::from(columns.day[start_row])];
            *count += 1;
            *length += columns.time[last_row] - columns.time[start_row];
        };
        let mut start = range.start;
        for row in range.start + 1..range.end {
            let goes_on = columns.user[row] == columns.user[row - 1]
                && columns.time[row] - columns.time[row - 1] <= timeout;
            if !goes_on {
                end(start, row - 1);
                start = row;
            }
        }
        if !range.is_empty() {
            end(start, range.end - 1);
        }
        days
    });
    let mut rows = Vec::new();
    for day in 0..columns.days {
        let count: u64 = partials.iter().map(|days| days[day].0).sum();
        let length: i64 = partials.iter().map(|days| days[day].1).sum();
        if count > 0 {
            rows.push(vec![columns.day_value(day), json!(count), json!(length as f64 / count as f64)]);
        }
    }
    rows
}

/// The three events after each anchor, the most frequent ones.
pub(crate) fn paths(columns: &Columns, anchor: &str, limit: usize) -> Rows {
    let anchor = columns.event.code(anchor);
    most_frequent(columns, limit, |range, count| {
        for row in range.start..range.end.saturating_sub(3) {
            if usize::from(columns.event.of_row[row]) == anchor && columns.user[row] == columns.user[row + 3]
            {
                count(row);
            }
        }
    })
}

/// The three events after each user's first anchor, the most frequent ones.
pub(crate) fn first_paths(columns: &Columns, anchor: &str, limit: usize) -> Rows {
    let anchor = columns.event.code(anchor);
    most_frequent(columns, limit, |range, count| {
        for rows in columns.users(range) {
            let first = rows.clone().find(|row| usize::from(columns.event.of_row[*row]) == anchor);
            if let Some(first) = first.filter(|first| first + 3 < rows.end) {
                count(first);
            }
        }
    })
}

/// The paths of three events after the rows that `find` counts.
fn most_frequent(
    columns: &Columns,
    limit: usize,
    find: impl Fn(Range<usize>, &mut dyn FnMut(usize)) + Sync,
) -> Rows {
    let names = columns.event.names.len();
    let counts = super::add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; names * names * names];
        find(range, &mut |row| {
            let next = |rows: usize| usize::from(columns.event.of_row[row + rows]);
            counts[(next(1) * names + next(2)) * names + next(3)] += 1;
        });
        counts
    }));
    let name = |code: usize| columns.event.names[code].as_str();
    let mut paths: Vec<(u64, [&str; 3])> = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(at, &count)| (count, [name(at / names / names), name(at / names % names), name(at % names)]))
        .collect();
    paths.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let row = |(count, [one, two, three]): (u64, [&str; 3])| {
        vec![json!(one), json!(two), json!(three), json!(count)]
    };
    paths.into_iter().take(limit).map(row).collect()
}

/// Of each candidate: who of its users do it at least so many times in so many days from their first event
/// on, with the goal and without it, a pair of numbers for each of the cells.
pub(crate) fn correlation(
    columns: &Columns,
    candidates: &[&str],
    goal: &str,
    cells: &[(usize, i64)],
) -> Rows {
    const DAY_MS: i64 = 24 * 60 * 60_000;
    let goal = columns.event.code(goal);
    let codes: Vec<usize> = candidates.iter().map(|name| columns.event.code(name)).collect();
    let counts = super::add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; codes.len() * cells.len() * 2];
        let mut times = vec![0_usize; codes.len() * cells.len()];
        for rows in columns.users(range) {
            times.fill(0);
            let (birth, mut has_goal) = (columns.time[rows.start], false);
            for row in rows {
                let event = usize::from(columns.event.of_row[row]);
                has_goal |= event == goal;
                if let Some(candidate) = codes.iter().position(|code| *code == event) {
                    for (cell, (_, days)) in cells.iter().enumerate() {
                        let is_in_time = columns.time[row] - birth <= days * DAY_MS;
                        times[candidate * cells.len() + cell] += usize::from(is_in_time);
                    }
                }
            }
            for (at, times) in times.iter().enumerate() {
                if *times >= cells[at % cells.len()].0 {
                    counts[at * 2 + usize::from(!has_goal)] += 1;
                }
            }
        }
        counts
    }));
    let of_candidate = counts.chunks(cells.len() * 2);
    let row = |(name, counts): (&&str, &[u64])| {
        std::iter::once(json!(name)).chain(counts.iter().map(|count| json!(count))).collect()
    };
    candidates.iter().zip(of_candidate).map(row).collect()
}

/// By the platform of a user's last exposure: how many users were exposed, how many of them have a later
/// event, and how many events there are.
pub(crate) fn experiment(columns: &Columns, exposure: &str, event: &str) -> Rows {
    let (exposure, event) = (columns.event.code(exposure), columns.event.code(event));
    let variants = columns.platform.names.len();
    let counts = super::add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; variants * 3];
        for rows in columns.users(range) {
            let (mut exposed, mut converted) = (0_u64, 0_u64);
            let mut variant = None;
            for row in rows {
                let code = usize::from(columns.event.of_row[row]);
                if code == exposure {
                    let platform = usize::from(columns.platform.of_row[row]);
                    variant = Some(platform).filter(|platform| *platform < variants);
                    exposed |= variant.map_or(0, |variant| 1 << variant);
                } else if code == event
                    && let Some(variant) = variant
                {
                    converted |= 1 << variant;
                    counts[variant * 3 + 2] += 1;
                }
            }
            for variant in 0..variants {
                counts[variant * 3] += exposed >> variant & 1;
                counts[variant * 3 + 1] += converted >> variant & 1;
            }
        }
        counts
    }));
    let row = |(variant, counts): (usize, &[u64])| {
        vec![columns.platform.value(variant), json!(counts[0]), json!(counts[1]), json!(counts[2])]
    };
    counts.chunks(3).enumerate().map(row).collect()
}

/// A user's last events.
pub(crate) fn feed(columns: &Columns, id: &str, limit: usize) -> Rows {
    let Some(&user) = columns.ids.get(id) else { return Vec::new() };
    let start = columns.user.partition_point(|&other| other < user);
    let end = columns.user.partition_point(|&other| other <= user);
    (start.max(end.saturating_sub(limit))..end)
        .rev()
        .map(|row| {
            let code = |code: u8| usize::from(code);
            vec![
                Value::from(columns.time[row]),
                columns.event.value(code(columns.event.of_row[row])),
                columns.platform.value(code(columns.platform.of_row[row])),
                columns.country.value(code(columns.country.of_row[row])),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::columns;
    use super::*;

    #[test]
    fn sessions_end_after_a_pause_longer_than_the_timeout() {
        let columns = columns(&[(0, 0, "a"), (0, 10, "a"), (0, 21, "a"), (1, 22, "a")], 1);
        assert_eq!(sessions(&columns, 10), [[json!("1970-01-01"), json!(3), json!(10.0 / 3.0)]]);
    }

    #[test]
    fn paths_stay_with_one_user() {
        let events =
            [(0, 0, "a"), (0, 1, "b"), (0, 2, "a"), (0, 3, "b"), (1, 4, "a"), (1, 5, "b"), (1, 6, "b")];
        assert_eq!(paths(&columns(&events, 2), "a", 5), [[json!("b"), json!("a"), json!("b"), json!(1)]]);
    }

    #[test]
    fn only_the_first_of_a_user_begins_a_first_path() {
        let events = [
            (0, 0, "a"),
            (0, 1, "a"),
            (0, 2, "b"),
            (0, 3, "b"),
            (0, 4, "b"),
            (1, 4, "a"),
            (1, 5, "b"),
            (1, 6, "b"),
        ];
        assert_eq!(
            first_paths(&columns(&events, 2), "a", 5),
            [[json!("a"), json!("b"), json!("b"), json!(1)]]
        );
    }

    #[test]
    fn what_goes_with_a_goal_is_counted_from_the_first_event_on() {
        let day = 24 * 60 * 60_000;
        let events =
            [(0, 0, "x"), (0, day, "a"), (0, day + 1, "a"), (1, 5, "a"), (1, 6, "goal"), (2, 7, "x")];
        let found = correlation(&columns(&events, 2), &["a", "b"], "goal", &[(1, 1), (2, 2)]);
        let row = |name: &str, counts: [u64; 4]| {
            let counts = counts.map(|count| json!(count));
            [vec![json!(name)], counts.to_vec()].concat()
        };
        assert_eq!(found, [row("a", [1, 1, 0, 1]), row("b", [0, 0, 0, 0])]);
    }

    #[test]
    fn events_are_those_of_the_last_exposure() {
        let mut columns =
            columns(&[(0, 0, "b"), (0, 1, "a"), (0, 2, "b"), (0, 3, "a"), (0, 4, "b"), (0, 5, "b")], 2);
        columns.platform.names = vec!["web".to_owned(), "ios".to_owned()];
        columns.platform.of_row = vec![0, 0, 1, 1, 0, 0];
        let row = |name: &str, counts: [u64; 3]| {
            vec![json!(name), json!(counts[0]), json!(counts[1]), json!(counts[2])]
        };
        assert_eq!(experiment(&columns, "a", "b"), [row("web", [1, 1, 1]), row("ios", [1, 1, 2])]);
    }
}
