//! Completion of names and keywords, and whether a statement is finished.

use std::borrow::Cow;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::HistoryHinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper, Hinter};

use super::names::{Names, sql_name};
use crate::statements::{Script, open_quote};
use crate::terminal::Paint;

/// Words completed as keywords, and quoted where they are names.
pub(super) const KEYWORDS: [&str; 71] = [
    "ALL",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CREATE",
    "CROSS",
    "CUBE",
    "DATE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXCLUDE",
    "EXISTS",
    "EXPLAIN",
    "EXTRACT",
    "FALSE",
    "FILTER",
    "FIRST",
    "FROM",
    "FULL",
    "GROUP",
    "GROUPING",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "QUALIFY",
    "RIGHT",
    "ROLLUP",
    "ROWS",
    "SELECT",
    "SET",
    "SHOW",
    "TABLE",
    "THEN",
    "TIMESTAMP",
    "TRUE",
    "UNION",
    "UNNEST",
    "USING",
    "VIEW",
    "WHEN",
    "WHERE",
    "WITH",
];

/// What the prompt knows while a line is typed.
#[derive(Helper, Hinter)]
pub(super) struct PromptHelper {
    names: Names,
    paint: Paint,
    #[rustyline(Hinter)]
    hinter: HistoryHinter,
}

impl PromptHelper {
    pub(super) fn new(names: Names, paint: Paint) -> Self {
        Self { names, paint, hinter: HistoryHinter::new() }
    }
}

impl Completer for PromptHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(complete(&self.names, &line[..pos]))
    }
}

impl Validator for PromptHelper {
    /// A statement goes on until its `;`; commands of the prompt are one line.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let word = text.trim().to_lowercase();
        let is_command = word.starts_with('\\') || matches!(word.as_str(), "quit" | "exit" | "help");
        Ok(if is_command || !Script::split(text).is_open {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Highlighter for PromptHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        self.paint.code(prompt).into()
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        self.paint.faint(hint).into()
    }

    fn highlight_char(&self, _line: &str, _pos: usize, _kind: CmdKind) -> bool {
        false
    }
}

/// Where the word at the end of `text` starts, and what may stand in its place.
fn complete(names: &Names, text: &str) -> (usize, Vec<Pair>) {
    match open_quote(text) {
        // Texts compared are event names more often than not.
        Some(('\'', start)) => {
            let found = matching(&names.events, &text[start + 1..]);
            (start, found.map(|name| pair(name, format!("'{}'", name.replace('\'', "''")))).collect())
        }
        Some((_, start)) => {
            let found =
                matching(names.tables.keys().chain(names.tables.values().flatten()), &text[start + 1..]);
            let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            (start, unique(found.map(|name| pair(name, quoted(name))).collect()))
        }
        None => complete_word(names, text),
    }
}

fn complete_word(names: &Names, text: &str) -> (usize, Vec<Pair>) {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let start =
        text.rfind(|c| !is_part(c)).map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    let (before, word) = text.split_at(start);
    let named = |name: &String| pair(name, sql_name(name).into_owned());
    if before.trim_start().starts_with('\\') {
        return (start, matching(names.tables.keys(), word).map(named).collect());
    }
    if let Some(columns) = before.strip_suffix('.').and_then(|before| names.tables.get(last_word(before))) {
        return (start, matching(columns, word).map(named).collect());
    }
    let is_table = ["FROM", "JOIN", "DESCRIBE", "TABLE"].contains(&last_word(before).to_uppercase().as_str());
    let mut found: Vec<Pair> = matching(names.tables.keys(), word).map(named).collect();
    if !is_table && !word.is_empty() {
        found.extend(matching(names.tables.values().flatten(), word).map(named));
        found.extend(matching(&names.functions, word).map(|name| pair(name, format!("{name}("))));
        found.extend(
            KEYWORDS.iter().filter(|name| starts_with(name, word)).map(|name| pair(name, format!("{name} "))),
        );
    }
    (start, unique(found))
}

/// The word before trailing blanks.
fn last_word(text: &str) -> &str {
    text.trim_end().rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn matching<'a>(names: impl IntoIterator<Item = &'a String>, word: &str) -> impl Iterator<Item = &'a String> {
    names.into_iter().filter(move |name| starts_with(name, word))
}

/// Whether `name` begins like `word`, in any letter case, a leading `$` left out or not.
fn starts_with(name: &str, word: &str) -> bool {
    let begins = |name: &str| {
        let mut letters = name.chars().flat_map(char::to_lowercase);
        word.chars().flat_map(char::to_lowercase).all(|c| letters.next() == Some(c))
    };
    begins(name) || name.strip_prefix('$').is_some_and(begins)
}

fn pair(display: &str, replacement: String) -> Pair {
    Pair { display: display.to_owned(), replacement }
}

fn unique(mut pairs: Vec<Pair>) -> Vec<Pair> {
    let mut seen = std::collections::HashSet::new();
    pairs.retain(|pair| seen.insert(pair.replacement.clone()));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        names.tables.insert("events".to_owned(), own(&["event", "time", "Order Total", "$browser"]));
        names.tables.insert("event_catalog".to_owned(), own(&["event", "rows"]));
        names.events = own(&["Order Placed", "Order Cancelled"]);
        names.functions = own(&["date_trunc"]);
        names
    }

    fn check(text: &str, expected_start: usize, expected: &[&str]) {
        let (start, found) = complete(&names(), text);
        let found: Vec<_> = found.iter().map(|pair| pair.replacement.as_str()).collect();
        assert_eq!((start, found.as_slice()), (expected_start, expected), "{text}");
    }

    #[test]
    fn what_fits_the_place_is_offered() {
        check("SELECT * FROM ", 14, &["event_catalog", "events"]);
        check("SELECT * FROM events WHERE ord", 27, &["\"Order Total\"", "ORDER "]);
        check("SELECT bro", 7, &["\"$browser\""]);
        check("SELECT event_catalog.r", 21, &["rows"]);
        check("SELECT date_t", 7, &["date_trunc("]);
        check("sel", 0, &["SELECT "]);
        check("SELECT count(*) FROM events WHERE event = 'order c", 42, &["'Order Cancelled'"]);
        check("SELECT \"ord", 7, &["\"Order Total\""]);
        check("\\d ev", 3, &["event_catalog", "events"]);
        check("", 0, &["event_catalog", "events"]);
        check("SELECT 'ünï', ti", 16, &["time", "TIMESTAMP "]);
    }

    #[test]
    fn keywords_are_sorted_and_upper_case() {
        assert!(KEYWORDS.is_sorted());
        assert!(KEYWORDS.iter().all(|word| word.chars().all(|c| c.is_ascii_uppercase())));
    }
}
