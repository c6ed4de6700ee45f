//! What stands at the other end of the standard streams, and how text may look there.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};

use rustyline::DefaultEditor;

/// Columns assumed where a terminal doesn't say how wide it is.
const WIDTH_ASSUMED: usize = 100;

/// The standard streams of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// Somebody types into standard input.
    pub(crate) stdin: bool,
    /// Somebody reads standard output.
    pub(crate) stdout: bool,
    /// Somebody reads standard error.
    pub(crate) stderr: bool,
    /// How text on standard output may look.
    pub(crate) out: Paint,
    /// How text on standard error may look.
    pub(crate) err: Paint,
}

impl Terminal {
    /// Asks the streams. Colours are off where the variable `NO_COLOR` is set to anything
    /// (<https://no-color.org>) or `TERM` is `dumb`.
    pub(crate) fn detect() -> Self {
        let set = |value: Option<OsString>| value.is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = !set(std::env::var_os("NO_COLOR")) && !dumb;
        let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            stdin: io::stdin().is_terminal(),
            stdout,
            stderr,
            out: Paint(stdout && colours),
            err: Paint(stderr && colours),
        }
    }

    /// How many columns standard output shows; `None` where nobody watches and lines may be of any
    /// length.
    pub(crate) fn width(self) -> Option<usize> {
        if !self.stdout {
            return None;
        }
        let columns = DefaultEditor::new().ok().and_then(|mut editor| editor.dimensions());
        Some(columns.map_or(WIDTH_ASSUMED, |(columns, _)| usize::from(columns)).max(20))
    }
}

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// What matters most: numbers, headings.
    pub(crate) fn strong(self, text: impl AsRef<str>) -> String {
        self.wrap("1", text.as_ref())
    }

    /// What may be skipped: units, notes.
    pub(crate) fn faint(self, text: impl AsRef<str>) -> String {
        self.wrap("2", text.as_ref())
    }

    /// Something to type: commands, SQL.
    pub(crate) fn code(self, text: impl AsRef<str>) -> String {
        self.wrap("36", text.as_ref())
    }

    /// It went well.
    pub(crate) fn good(self, text: impl AsRef<str>) -> String {
        self.wrap("32", text.as_ref())
    }

    /// Worth a look.
    pub(crate) fn warning(self, text: impl AsRef<str>) -> String {
        self.wrap("1;33", text.as_ref())
    }

    /// It failed.
    pub(crate) fn error(self, text: impl AsRef<str>) -> String {
        self.wrap("1;31", text.as_ref())
    }

    fn wrap(self, style: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Writes a line to standard error. There is nobody to tell when that fails.
pub(crate) fn note(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
}
