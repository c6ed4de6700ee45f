//! `\h`

use std::fmt::Write as _;

use crate::terminal::Paint;

/// What can be typed at the prompt.
pub(super) fn text(paint: Paint) -> String {
    let rows = [
        ("\\d, \\dt", "tables"),
        ("\\d TABLE", "its columns and their types"),
        ("\\de", "event names, how often, from when to when"),
        ("\\dp", "properties, their columns and types"),
        ("\\report NAME", "answer a saved report, or a file with a definition"),
        ("\\memory", "which columns are in memory, and what they cost"),
        ("\\o FORMAT", "show answers as table, csv, json or ndjson"),
        ("\\limit N", "show at most so many rows of a table; 0 shows all"),
        ("\\timing", "tell how long an answer took, or don't"),
        ("\\h", "this"),
        ("\\q, Ctrl-D", "leave"),
        ("Ctrl-C", "stop a question that takes too long"),
    ];
    let mut text = String::from("Statements may go over several lines and end in ; as in\n");
    for example in [
        "SELECT event, count(*) AS n FROM events GROUP BY event ORDER BY n DESC;",
        "SELECT day, count(DISTINCT user_id) AS users\n  FROM events GROUP BY day ORDER BY day;",
    ] {
        text.push_str("\n  ");
        text.push_str(&paint.code(example));
    }
    text.push_str("\n\n");
    for (command, what) in rows {
        let _ = writeln!(text, "  {}{}{what}", paint.strong(command), " ".repeat(14 - command.len()));
    }
    text.push_str(
        "\nNames are taken as they are written, upper and lower case differ; those with blanks or signs\n\
         go in double quotes: \"Order Total\". Texts go in single quotes. All times are UTC.",
    );
    text
}
