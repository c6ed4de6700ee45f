//! What was typed at the prompt.

use clap::ValueEnum as _;

use super::names::sql_literal;
use crate::output::Format;

/// One line, or several that belong together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Blanks.
    Nothing,
    /// SQL.
    Statements,
    /// `\d` and its like: a query whose answer is always a table.
    Query(String),
    /// `\report NAME` or `\report FILE`
    Report(String),
    /// `\o FORMAT`
    Output(Format),
    /// `\limit N`
    LimitRows(usize),
    /// `\timing`
    Timing,
    /// `\memory`
    Memory,
    /// `\h`
    Help,
    /// `\q`
    Quit,
    /// Something else with a backslash: what to say about it.
    Unknown(String),
}

const TABLES: &str = "\
SELECT table_name AS \"table\", count(*) AS columns FROM information_schema.columns \
WHERE table_schema <> 'information_schema' GROUP BY table_name ORDER BY table_name";

const EVENTS: &str = "SELECT * FROM event_catalog ORDER BY rows DESC, event";

const PROPERTIES: &str = "SELECT * FROM property_catalog";

impl Line {
    /// Reads what was typed.
    pub(super) fn read(text: &str) -> Self {
        let trimmed = text.trim();
        let bare = trimmed.trim_end_matches(';').trim_end();
        match bare.to_lowercase().as_str() {
            "" => return Self::Nothing,
            "quit" | "exit" => return Self::Quit,
            "help" => return Self::Help,
            _ => {}
        }
        let Some(command) = bare.strip_prefix('\\') else { return Self::Statements };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        match name {
            "q" => Self::Quit,
            "h" | "?" => Self::Help,
            "timing" => Self::Timing,
            "memory" => Self::Memory,
            "report" if rest.is_empty() => {
                Self::Unknown("\\report takes a saved report's name, or a file with a definition".to_owned())
            }
            "report" => Self::Report(rest.to_owned()),
            "d" if !rest.is_empty() => Self::Query(describe(rest)),
            "d" | "dt" => Self::Query(TABLES.to_owned()),
            "de" => Self::Query(EVENTS.to_owned()),
            "dp" => Self::Query(PROPERTIES.to_owned()),
            "o" => Format::from_str(rest, true).map_or_else(
                |_| Self::Unknown("\\o takes table, csv, json or ndjson".to_owned()),
                Self::Output,
            ),
            "limit" => rest.parse().map_or_else(
                |_| Self::Unknown("\\limit takes a number; 0 shows all rows".to_owned()),
                Self::LimitRows,
            ),
            _ => Self::Unknown(format!("there is no \\{name}; \\h lists what there is")),
        }
    }
}

/// The columns of a table, whose name may be quoted.
fn describe(table: &str) -> String {
    let name = table
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
        .map(|name| name.replace("\"\"", "\""));
    let name = sql_literal(name.as_deref().unwrap_or(table));
    format!(
        "SELECT column_name AS \"column\", data_type AS type FROM information_schema.columns \
         WHERE table_name = {name} ORDER BY ordinal_position"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        for (text, line) in [
            ("", Line::Nothing),
            (" ;", Line::Nothing),
            ("exit;", Line::Quit),
            ("\\q", Line::Quit),
            ("HELP", Line::Help),
            ("\\o json", Line::Output(Format::Json)),
            ("\\o CSV", Line::Output(Format::Csv)),
            ("\\limit 0", Line::LimitRows(0)),
            ("\\report my plays.json", Line::Report("my plays.json".to_owned())),
            ("\\timing", Line::Timing),
            ("\\d", Line::Query(TABLES.to_owned())),
            ("\\dt;", Line::Query(TABLES.to_owned())),
            ("SELECT '\\d';", Line::Statements),
            ("\\x", Line::Unknown("there is no \\x; \\h lists what there is".to_owned())),
        ] {
            assert_eq!(Line::read(text), line, "{text}");
        }
    }

    #[test]
    fn quoted_names_are_described() {
        assert!(describe("\"it's\"").contains("table_name = 'it''s'"));
        assert!(describe("events").contains("table_name = 'events'"));
    }
}
