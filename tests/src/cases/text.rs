//! A row as a line of text.

use chrono::DateTime;

use crate::oracle::insights::Row;

/// `A 2024-01-01 [rock, free] {bin}: 2.5 vs 2`, or `"text"` in place of the number, without the parts a row does not have. Times are in
/// UTC, the clock is left out at midnight. Two rows are equal if their lines are.
pub fn line(row: &Row) -> String {
    let mut line = row.metric.clone();
    if let Some(time) = row.time {
        let time = DateTime::from_timestamp_millis(time).unwrap().format("%Y-%m-%dT%H:%M").to_string();
        line = format!("{line} {}", time.strip_suffix("T00:00").unwrap_or(&time));
    }
    if !row.segments.is_empty() {
        line = format!("{line} [{}]", row.segments.join(", "));
    }
    if let Some(bin) = &row.bin {
        line = format!("{line} {{{bin}}}");
    }
    line = match &row.text {
        Some(text) => format!("{line}: {text:?}"),
        None => format!("{line}: {}", row.value.map_or("null".to_owned(), number)),
    };
    if let Some(compared) = row.compared {
        line = format!("{line} vs {}", number(compared));
    }
    line
}

/// Nine significant digits.
fn number(number: f64) -> String {
    let rounded: f64 = format!("{number:.8e}").parse().unwrap();
    // No sign of zero.
    (rounded + 0.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_the_row_has() {
        let row = Row {
            metric: "A".to_owned(),
            time: Some(1_704_067_200_000),
            segments: vec!["rock".to_owned()],
            bin: None,
            value: Some(7.0 / 3.0),
            text: None,
            compared: Some(-0.0),
        };
        assert_eq!(line(&row), "A 2024-01-01 [rock]: 2.33333333 vs 0");
    }
}
