//! A loop that finds how far users come.

use serde_json::json;

use super::{Columns, Rows, add_up};

/// How many users come to each step at most, and no further: the largest k for which there are events
/// of steps 1 … k in order of time, ties in favour, the last at most `window` ms after the first.
/// Split by the country of the user's least value if wanted.
pub(crate) fn levels(columns: &Columns, steps: &[&str], window: i64, by_country: bool) -> Rows {
    let mut step_of = [0_u8; 256];
    for (name, step) in steps.iter().zip(1..) {
        if let Some(slot) = step_of.get_mut(columns.event.code(name)) {
            *slot = step;
        }
    }
    // Codes of countries by name, so that the least is found without comparing text.
    let mut by_name: Vec<usize> = (0..columns.country.names.len()).collect();
    by_name.sort_unstable_by_key(|&code| &columns.country.names[code]);
    let mut rank = [u8::MAX; 256];
    for (place, &code) in (0..).zip(&by_name) {
        rank[code] = place;
    }

    let width = steps.len() + 1;
    let counts = add_up(columns.parallel(|range| {
        let mut counts = vec![0_u64; width * 256];
        let mut starts = vec![i64::MIN; width];
        let mut ties: Vec<u8> = Vec::new();
        for rows in columns.users(range) {
            starts.fill(i64::MIN);
            ties.clear();
            let (mut level, mut tied_at, mut country) = (0, i64::MIN, u8::MAX);
            for row in rows {
                let step = step_of[usize::from(columns.event.of_row[row])];
                if step == 0 {
                    continue;
                }
                let time = columns.time[row];
                if time != tied_at {
                    level = take(&mut ties, tied_at, window, &mut starts, level);
                    tied_at = time;
                }
                ties.push(step);
                if by_country {
                    country = country.min(rank[usize::from(columns.country.of_row[row])]);
                }
            }
            level = take(&mut ties, tied_at, window, &mut starts, level);
            counts[level * 256 + usize::from(country)] += 1;
        }
        counts
    }));
    let cells = counts.iter().enumerate().skip(256).filter(|(_, count)| **count > 0);
    cells
        .map(|(at, &count)| {
            let level = json!(at / 256);
            if by_country {
                let code = by_name.get(at % 256).copied().unwrap_or(usize::MAX);
                vec![columns.country.value(code), level, json!(count)]
            } else {
                vec![level, json!(count)]
            }
        })
        .collect()
}

/// Takes the steps of one instant in their order; `starts[k]` is the latest start of a chain to step k.
fn take(ties: &mut Vec<u8>, time: i64, window: i64, starts: &mut [i64], mut level: usize) -> usize {
    if ties.len() > 1 {
        ties.sort_unstable();
    }
    for step in ties.drain(..) {
        let step = usize::from(step);
        let start = if step == 1 { time } else { starts[step - 1] };
        if start != i64::MIN && time - start <= window {
            starts[step] = start;
            level = level.max(step);
        }
    }
    level
}

#[cfg(test)]
mod tests {
    use super::super::testing::columns;
    use super::*;

    #[test]
    fn ties_count_and_the_window_includes_its_end() {
        let events = [
            (0, 0, "b"),
            (0, 0, "a"), // before b, at its instant
            (0, 10, "c"),
            (1, 0, "a"),
            (1, 5, "a"),
            (1, 6, "b"),
            (1, 16, "c"), // too late for the second a, too
            (2, 1, "b"),
        ];
        let columns = columns(&events, 2);
        let rows = levels(&columns, &["a", "b", "c"], 10, false);
        assert_eq!(rows, [[json!(2), json!(1)], [json!(3), json!(1)]]);
        let rows = levels(&columns, &["a", "b", "c"], 11, true);
        assert_eq!(rows, [[json!("DE"), json!(3), json!(2)]]);
    }
}
