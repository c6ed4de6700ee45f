//! Loops over the values of a property.

use serde_json::{Value, json};

use super::{Codes, Columns, Rows};

#[derive(Clone, Copy)]
struct Sum {
    count: u64,
    total: f64,
    min: f64,
    max: f64,
}

impl Sum {
    const EMPTY: Self = Self { count: 0, total: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    fn add(&mut self, value: f64) {
        self.count += 1;
        self.total += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.total += other.total;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Count, sum, average, least and largest of the values of one event's property, by another.
pub(crate) fn sums<T: Copy + Sync>(
    columns: &Columns,
    event: &str,
    by: &Codes<u8>,
    values: &[T],
    value: impl Fn(T) -> Option<f64> + Sync,
) -> Rows {
    let event = columns.event.code(event);
    let partials = columns.parallel(|range| {
        let mut sums = [Sum::EMPTY; 256];
        for row in range {
            if usize::from(columns.event.of_row[row]) == event
                && let Some(value) = value(values[row])
            {
                sums[usize::from(by.of_row[row])].add(value);
            }
        }
        sums
    });
    let mut total = [Sum::EMPTY; 256];
    for partial in &partials {
        total.iter_mut().zip(partial).for_each(|(total, sum)| total.merge(sum));
    }
    let groups = total.iter().enumerate().filter(|(_, sum)| sum.count > 0);
    groups
        .map(|(code, sum)| {
            let average = sum.total / sum.count as f64;
            vec![
                by.value(code),
                json!(sum.count),
                json!(sum.total),
                json!(average),
                json!(sum.min),
                json!(sum.max),
            ]
        })
        .collect()
}

/// Percentiles of the amounts of one event, by a property (G-11).
pub(crate) fn percentiles(columns: &Columns, event: &str, by: &Codes<u8>, shares: &[f64]) -> Rows {
    let event = columns.event.code(event);
    let partials = columns.parallel(|range| {
        let mut values = vec![Vec::new(); 256];
        for row in range {
            let amount = columns.amount[row];
            if usize::from(columns.event.of_row[row]) == event && !amount.is_nan() {
                values[usize::from(by.of_row[row])].push(amount);
            }
        }
        values
    });
    let mut rows = Vec::new();
    for code in 0..256 {
        let mut values: Vec<f64> = partials.iter().flat_map(|partial| &partial[code]).copied().collect();
        if values.is_empty() {
            continue;
        }
        let mut row = vec![by.value(code)];
        row.extend(shares.iter().map(|&share| Value::from(percentile(&mut values, share))));
        rows.push(row);
    }
    rows
}

/// Puts what it needs in place; the rest of the values stay in no order.
fn percentile(values: &mut [f64], share: f64) -> f64 {
    let rank = (values.len() - 1) as f64 * share;
    let (low, part) = (rank.floor() as usize, rank.fract());
    let (_, &mut below, rest) = values.select_nth_unstable_by(low, f64::total_cmp);
    let above = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(below);
    below + (above - below) * part
}

/// Different items of one event, by category.
pub(crate) fn distinct_items(columns: &Columns, event: &str) -> Rows {
    let event = columns.event.code(event);
    let items = columns.item.names.len();
    let partials = columns.parallel(|range| {
        let mut seen = vec![false; 256 * items];
        for row in range {
            let item = usize::from(columns.item.of_row[row]);
            if usize::from(columns.event.of_row[row]) == event && item < items {
                seen[usize::from(columns.category.of_row[row]) * items + item] = true;
            }
        }
        seen
    });
    let mut rows = Vec::new();
    for code in 0..256 {
        let count = (code * items..(code + 1) * items)
            .filter(|&cell| partials.iter().any(|partial| partial[cell]))
            .count();
        if count > 0 {
            rows.push(vec![columns.category.value(code), json!(count)]);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g11_percentiles_lie_between_neighbours() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert!((percentile(&mut values.clone(), 0.5) - 2.5).abs() < 1e-12);
        let mut ten: Vec<f64> = (1..=10).map(f64::from).collect();
        assert!((percentile(&mut ten, 0.9) - 9.1).abs() < 1e-12);
        assert!((percentile(&mut [7.0], 0.99) - 7.0).abs() < 1e-12);
    }
}
