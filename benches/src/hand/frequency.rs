//! Loops over how often a user does something.

use serde_json::json;

use super::{Columns, Rows};

/// How many users did an event once, twice, …
pub(crate) fn histogram(columns: &Columns, event: &str) -> Rows {
    let event = columns.event.code(event);
    let partials = columns.parallel(|range| {
        let mut users: Vec<u64> = Vec::new();
        for rows in columns.users(range) {
            let events = &columns.event.of_row[rows];
            bump(&mut users, events.iter().filter(|code| usize::from(**code) == event).count());
        }
        users
    });
    let most = partials.iter().map(Vec::len).max().unwrap_or(0);
    (1..most)
        .map(|times| (times, partials.iter().filter_map(|users| users.get(times)).sum::<u64>()))
        .filter(|(_, users)| *users > 0)
        .map(|(times, users)| vec![json!(times), json!(users)])
        .collect()
}

/// The median number of an event of those users who did it, by day.
pub(crate) fn median_by_day(columns: &Columns, event: &str) -> Rows {
    let event = columns.event.code(event);
    let partials = columns.parallel(|range| {
        let mut users: Vec<Vec<u64>> = vec![Vec::new(); columns.days];
        let (mut last, mut times) = (None, 0);
        for row in range {
            if usize::from(columns.event.of_row[row]) != event {
                continue;
            }
            let key = (columns.user[row], columns.day[row]);
            if last != Some(key) {
                if let Some((_, day)) = last {
                    bump(&mut users[usize::from(day)], times);
                }
                (last, times) = (Some(key), 0);
            }
            times += 1;
        }
        if let Some((_, day)) = last {
            bump(&mut users[usize::from(day)], times);
        }
        users
    });
    let mut rows = Vec::new();
    for day in 0..columns.days {
        let mut users: Vec<u64> = Vec::new();
        for partial in &partials {
            users.resize(users.len().max(partial[day].len()), 0);
            users.iter_mut().zip(&partial[day]).for_each(|(sum, count)| *sum += count);
        }
        if let Some(median) = median(&users) {
            rows.push(vec![columns.day_value(day), json!(median)]);
        }
    }
    rows
}

fn bump(users: &mut Vec<u64>, times: usize) {
    if users.len() <= times {
        users.resize(times + 1, 0);
    }
    users[times] += 1;
}

/// The median of a number of times, given how many users did it each number of times.
fn median(users: &[u64]) -> Option<f64> {
    let total: u64 = users.iter().sum();
    let at = |rank: u64| {
        let mut seen = 0;
        users.iter().position(|count| {
            seen += count;
            seen > rank
        })
    };
    let (low, high) = (at(total.checked_sub(1)? / 2)?, at(total / 2)?);
    Some(f64::midpoint(low as f64, high as f64))
}

#[cfg(test)]
mod tests {
    use super::super::testing::columns;
    use super::*;

    #[test]
    fn users_are_counted_by_how_often_they_did_it() {
        let columns = columns(&[(0, 0, "a"), (0, 1, "a"), (1, 2, "a"), (1, 3, "b"), (2, 4, "b")], 2);
        assert_eq!(histogram(&columns, "a"), [[json!(1), json!(1)], [json!(2), json!(1)]]);
        assert_eq!(median_by_day(&columns, "a"), [[json!("1970-01-01"), json!(1.5)]]);
        assert_eq!(median(&[0, 1, 1, 1]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
