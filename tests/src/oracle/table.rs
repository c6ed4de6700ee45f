//! An answer as a table, and its rows as lines of text.

use chrono::DateTime;
use serde_json::Value;

/// Rows under named columns. Instants are milliseconds since 1970 in columns called `time`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// A value for each column; null where there is none.
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// The rows with some of the columns, values with spaces between them; all columns if none is
    /// named. Two rows are equal if their lines are.
    pub fn lines(&self, columns: &[&str]) -> Vec<String> {
        let shown: Vec<usize> = match columns {
            [] => (0..self.columns.len()).collect(),
            names => names.iter().map(|name| self.place(name)).collect(),
        };
        let line = |row: &Vec<Value>| {
            let values = shown.iter().map(|at| spell(&self.columns[*at], &row[*at]));
            values.collect::<Vec<_>>().join(" ")
        };
        self.rows.iter().map(line).collect()
    }

    fn place(&self, name: &str) -> usize {
        let place = self.columns.iter().position(|column| column == name);
        place.unwrap_or_else(|| panic!("no column {name} in {:?}", self.columns))
    }
}

/// Times in UTC without the clock at midnight, numbers with nine significant digits, a list with
/// arrows between its items.
fn spell(column: &str, value: &Value) -> String {
    match value {
        Value::Number(number) if column == "time" => {
            let time = DateTime::from_timestamp_millis(number.as_i64().unwrap()).unwrap();
            let time = time.format("%Y-%m-%dT%H:%M").to_string();
            time.strip_suffix("T00:00").unwrap_or(&time).to_owned()
        }
        Value::Number(number) => {
            // Sums in another order differ far behind; what is halfway must round alike for all that.
            let digits = |number: f64, digits: usize| format!("{number:.digits$e}").parse::<f64>().unwrap();
            let rounded = digits(digits(number.as_f64().unwrap(), 11), 8);
            // No sign of zero.
            (rounded + 0.0).to_string()
        }
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(|item| spell("", item)).collect::<Vec<_>>().join(" → "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_has_the_columns_that_are_asked_for() {
        let columns = ["time", "path", "count", "share"].map(str::to_owned).to_vec();
        let row = vec![json!(1_704_067_200_000_i64), json!(["A", "B"]), json!(2), json!(2.0 / 3.0)];
        let table = Table { columns, rows: vec![row] };
        assert_eq!(table.lines(&["time", "share"]), ["2024-01-01 0.666666667"]);
        assert_eq!(table.lines(&[]), ["2024-01-01 A → B 2 0.666666667"]);
    }
}
