//! Where a statement of a script ends.

/// What is at some place of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    /// In `'…'`.
    Literal,
    /// In `"…"`.
    Name,
    /// After `--`.
    LineComment,
    /// In `/* … */`, so deep.
    BlockComment(usize),
    /// In `$$ … $$`.
    Dollars,
}

/// A text cut into statements.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Script<'a> {
    /// Statements that ended in `;`, without it; those of blanks and comments only are left out.
    pub(crate) complete: Vec<&'a str>,
    /// What comes after the last `;`.
    pub(crate) rest: &'a str,
    /// Whether `rest` says anything, or has an open quote or comment.
    pub(crate) is_open: bool,
}

impl<'a> Script<'a> {
    /// Cuts `text` at each `;` that is not in a literal, name or comment.
    pub(crate) fn split(text: &'a str) -> Self {
        let mut complete = Vec::new();
        let (mut start, mut says_something) = (0, false);
        let mut scan = Scan { text, at: 0, place: Place::Code };
        while let Some((at, piece, place)) = scan.next() {
            if place == Place::Code && piece == ";" {
                if says_something {
                    complete.push(text[start..at].trim());
                }
                start = at + 1;
                says_something = false;
            } else {
                let is_comment = matches!(place, Place::LineComment | Place::BlockComment(_));
                says_something |= !is_comment && !piece.chars().all(char::is_whitespace);
            }
        }
        let ended = matches!(scan.place, Place::Code | Place::LineComment);
        Self { complete, rest: text[start..].trim(), is_open: says_something || !ended }
    }

    /// All statements, the last of which needs no `;`.
    pub(crate) fn statements(self) -> Vec<&'a str> {
        let mut statements = self.complete;
        if self.is_open {
            statements.push(self.rest);
        }
        statements
    }
}

/// The quote character that is open at the end of `text`, if one is: `'` or `"`, and where it
/// opened.
pub(crate) fn open_quote(text: &str) -> Option<(char, usize)> {
    let mut scan = Scan { text, at: 0, place: Place::Code };
    let mut opened = 0;
    let mut before = Place::Code;
    while let Some((at, _, place)) = scan.next() {
        if place != before && matches!(place, Place::Literal | Place::Name) {
            opened = at;
        }
        before = scan.place;
    }
    match scan.place {
        Place::Literal => Some(('\'', opened)),
        Place::Name => Some(('"', opened)),
        Place::Code | Place::LineComment | Place::BlockComment(_) | Place::Dollars => None,
    }
}

/// Walks a text piece by piece; a piece is one character or one two-character mark.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    place: Place,
}

impl<'a> Scan<'a> {
    /// The next piece, where it starts, and what it belongs to: a quote or comment mark belongs to
    /// what it opens or closes.
    fn next(&mut self) -> Option<(usize, &'a str, Place)> {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?;
        let mark = ["--", "/*", "*/", "$$"].into_iter().find(|mark| rest.starts_with(mark));
        let (piece_bytes, belongs, after) = match (self.place, mark, first) {
            (Place::Code, Some("--"), _) => (2, Place::LineComment, Place::LineComment),
            (Place::Code, Some("/*"), _) => (2, Place::BlockComment(1), Place::BlockComment(1)),
            (Place::Code, Some("$$"), _) => (2, Place::Dollars, Place::Dollars),
            (Place::Code, _, '\'') => (1, Place::Literal, Place::Literal),
            (Place::Code, _, '"') => (1, Place::Name, Place::Name),
            (Place::Literal, _, '\'') => (1, Place::Literal, Place::Code),
            (Place::Name, _, '"') => (1, Place::Name, Place::Code),
            (Place::LineComment, _, '\n') => (1, Place::LineComment, Place::Code),
            (Place::BlockComment(depth), Some("/*"), _) => (2, self.place, Place::BlockComment(depth + 1)),
            (Place::BlockComment(1), Some("*/"), _) => (2, self.place, Place::Code),
            (Place::BlockComment(depth), Some("*/"), _) => (2, self.place, Place::BlockComment(depth - 1)),
            (Place::Dollars, Some("$$"), _) => (2, Place::Dollars, Place::Code),
            (place, _, first) => (first.len_utf8(), place, place),
        };
        let at = self.at;
        self.at += piece_bytes;
        self.place = after;
        Some((at, &rest[..piece_bytes], belongs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes_and_comments() {
        for (text, statements) in [
            ("SELECT 1", vec!["SELECT 1"]),
            ("SELECT 1;", vec!["SELECT 1"]),
            ("SELECT 1; SELECT 2 ;\n", vec!["SELECT 1", "SELECT 2"]),
            ("SELECT ';', \";\" -- ;\n, 1; SELECT 2", vec!["SELECT ';', \";\" -- ;\n, 1", "SELECT 2"]),
            (
                "SELECT 'it''s;'; /* ; /* ; */ ; */ SELECT 2",
                vec!["SELECT 'it''s;'", "/* ; /* ; */ ; */ SELECT 2"],
            ),
            ("SELECT $$a;b$$; SELECT 2", vec!["SELECT $$a;b$$", "SELECT 2"]),
            (";;  -- nothing\n;", vec![]),
            ("", vec![]),
            ("SELECT 'ünï;' ;", vec!["SELECT 'ünï;'"]),
        ] {
            assert_eq!(Script::split(text).statements(), statements, "{text}");
        }
    }

    #[test]
    fn what_is_open_needs_more() {
        for (text, is_open) in [
            ("SELECT 1;", false),
            ("SELECT 1", true),
            ("SELECT 1; -- done", false),
            ("SELECT ';", true),
            ("/* ", true),
            ("  ", false),
        ] {
            assert_eq!(Script::split(text).is_open, is_open, "{text}");
        }
    }

    #[test]
    fn open_quotes_are_found() {
        assert_eq!(open_quote("SELECT 'a' || 'b"), Some(('\'', 14)));
        assert_eq!(open_quote("SELECT \"Order To"), Some(('"', 7)));
        assert_eq!(open_quote("SELECT 'a'"), None);
        assert_eq!(open_quote("-- it's"), None);
    }
}
