//! How a command ends, and how a failure is told: what, because of what, and what to do next.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use crate::terminal::Paint;

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As asked.
    Done,
    /// It has said itself what went wrong.
    Refused,
    /// Stopped by Ctrl-C, with everything in order.
    Interrupted,
}

impl From<Outcome> for ExitCode {
    /// 0, 1, and 130 as shells have it for Ctrl-C.
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Refused => Self::FAILURE,
            Outcome::Interrupted => Self::from(130),
        }
    }
}

/// An error and what to do next.
#[derive(Debug)]
struct Advised {
    error: anyhow::Error,
    hint: String,
}

impl std::fmt::Display for Advised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Advised {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// `error`, with what to do next.
pub(crate) fn advised(error: impl Into<anyhow::Error>, hint: impl Into<String>) -> anyhow::Error {
    Advised { error: error.into(), hint: hint.into() }.into()
}

/// A failure of our own wording, with what to do next.
pub(crate) fn failure(message: impl std::fmt::Display, hint: impl Into<String>) -> anyhow::Error {
    advised(anyhow::anyhow!("{message}"), hint)
}

/// Whether this is only the reader of our output having seen enough.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// The whole chain, a line a cause, and the hint if there is one:
///
/// ```text
/// error: cannot open ./shop
///   because: permission denied
///   hint: …
/// ```
///
/// A cause whose text its effect already quotes is left out, and so are the words by which the
/// libraries below say where in them an error arose.
pub(crate) fn report(error: &anyhow::Error, paint: Paint) -> String {
    let mut text = format!("{} {error}", paint.error("error:"));
    let mut told = error.to_string();
    for cause in error.chain().skip(1) {
        let message = plain(&cause.to_string());
        if told.contains(&message) {
            continue;
        }
        let _ = write!(text, "\n  {} {}", paint.faint("because:"), indented(&message));
        told = message;
    }
    if let Some(Advised { hint, .. }) = error.downcast_ref() {
        let _ = write!(text, "\n  {} {}", paint.good("hint:"), indented(hint));
    }
    text
}

/// A message of the libraries below, without what only their makers need.
fn plain(message: &str) -> String {
    const WORDS: [&str; 9] = [
        "Arrow error: ",
        "Error during planning: ",
        "Execution error: ",
        "External error: ",
        "Object Store error: ",
        "Parquet error: ",
        "Parser error: ",
        "SQL error: ",
        "sql parser error: ",
    ];
    let mut rest = message;
    while let Some(shorter) = WORDS.iter().find_map(|words| rest.strip_prefix(words)) {
        rest = shorter;
    }
    // A wrong argument is called a bug of the query engine, with one line a signature before it.
    if let Some(at) = rest.find("No function matches the given name") {
        return rest[at..].replace('\t', "  ");
    }
    let quoted = rest.strip_prefix("ParserError(").and_then(|rest| rest.strip_suffix(')'));
    quoted.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| rest.to_owned())
}

/// Later lines of a message below its first.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_quoted_is_not_told_twice() {
        let cause = anyhow::anyhow!("disk full").context("cannot write: disk full").context("cannot import");
        let error = advised(cause, "free some space\nor use another disk");
        assert_eq!(
            report(&error, Paint(false)),
            "error: cannot import\n  because: cannot write: disk full\n  hint: free some space\n    or use another disk"
        );
    }

    #[test]
    fn causes_lose_the_words_of_libraries() {
        assert_eq!(plain("Error during planning: Arrow error: no such thing"), "no such thing");
        assert_eq!(plain(r#"SQL error: ParserError("found \"x\"")"#), "found \"x\"");
        assert_eq!(plain("disk full"), "disk full");
        let wrong_argument =
            "Internal error: 'sum' failed.\nThis was likely a bug. No function matches the given name";
        assert_eq!(plain(wrong_argument), "No function matches the given name");
    }

    #[test]
    fn a_broken_pipe_is_found_below_other_errors() {
        let pipe = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("cannot print");
        assert!(is_broken_pipe(&pipe));
        assert!(is_broken_pipe(&advised(pipe, "whatever")));
        assert!(!is_broken_pipe(&failure("cannot print", "try again")));
    }
}
