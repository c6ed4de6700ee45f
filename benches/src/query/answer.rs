//! Answers: rows in a form that can be compared between systems.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

/// Floats are equal if they differ by less than this share of the larger one: systems add in
/// different orders.
const TOLERANCE: f64 = 1e-9;

/// Rows sorted, values reduced to what JSON tells apart.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Number(f64),
    Text(String),
}

impl Answer {
    /// Sorts the rows, so that order never matters: a question that asks for the first rows in an
    /// order asks for the same rows everywhere.
    pub(crate) fn new(rows: Vec<Vec<Value>>) -> Self {
        let mut rows: Vec<Vec<Cell>> =
            rows.into_iter().map(|row| row.into_iter().map(Cell::from).collect()).collect();
        rows.sort_by(|a, b| {
            let cells = a.iter().zip(b).map(|(a, b)| a.order(b));
            cells.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
        Self { rows }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The first difference in words, or `None` if there is none.
    pub(crate) fn difference(&self, right: &Self) -> Option<String> {
        if self.rows.len() != right.rows.len() {
            let extra = self.rows.iter().zip(&right.rows).find(|(own, right)| !same_rows(own, right));
            let shown = extra.map(|(own, right)| format!("; {} instead of {}", show(own), show(right)));
            return Some(format!(
                "{} rows instead of {}{}",
                self.rows.len(),
                right.rows.len(),
                shown.unwrap_or_default()
            ));
        }
        let (own, right) = self.rows.iter().zip(&right.rows).find(|(own, right)| !same_rows(own, right))?;
        Some(format!("{} instead of {}", show(own), show(right)))
    }

    /// One number for all of it: FNV-1a of the rows, numbers to nine digits.
    pub(crate) fn checksum(&self) -> String {
        let mut sum = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |bytes: &[u8]| {
            for &byte in bytes {
                sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for row in &self.rows {
            for cell in row {
                match cell {
                    Cell::Null => add(b"~"),
                    Cell::Number(number) => add(format!("{number:.8e}").as_bytes()),
                    Cell::Text(text) => add(text.as_bytes()),
                }
                add(b"\t");
            }
            add(b"\n");
        }
        format!("{sum:016x}")
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Number(f64::from(u8::from(value))),
            Value::Number(number) => number.as_f64().map_or(Self::Null, Self::Number),
            Value::String(text) => Self::Text(text),
            Value::Array(_) | Value::Object(_) => Self::Text(value.to_string()),
        }
    }
}

impl Cell {
    fn order(&self, other: &Self) -> Ordering {
        let rank = |cell: &Self| match cell {
            Self::Null => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        };
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
            _ => self == other,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

fn same_rows(a: &[Cell], b: &[Cell]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
}

fn show(row: &[Cell]) -> String {
    let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
    format!("({})", cells.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(rows: &Value) -> Answer {
        Answer::new(serde_json::from_value(rows.clone()).unwrap())
    }

    #[test]
    fn order_of_rows_and_the_last_bits_of_floats_do_not_matter() {
        let one = answer(&json!([["a", 1, 0.3], ["b", 2, null]]));
        let two = answer(&json!([["b", 2.0, null], ["a", 1, 0.1 + 0.2]]));
        assert_eq!(one.difference(&two), None);
        assert_eq!(one.checksum(), two.checksum());
    }

    #[test]
    fn differences_are_named() {
        let right = answer(&json!([["a", 1], ["b", 2]]));
        let check = |rows: &Value| answer(rows).difference(&right);
        assert_eq!(check(&json!([["a", 1], ["b", 3]])).unwrap(), "(b, 3) instead of (b, 2)");
        assert_eq!(check(&json!([["a", 1]])).unwrap(), "1 rows instead of 2");
        assert_eq!(check(&json!([["a", 1], ["b", null]])).unwrap(), "(b, null) instead of (b, 2)");
        assert!(check(&json!([["a", 1], ["b", 2.000_001]])).is_some());
        assert_ne!(answer(&json!([["a", 1]])).checksum(), right.checksum());
    }
}
