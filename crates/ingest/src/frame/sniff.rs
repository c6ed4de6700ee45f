//! What kind of text a stream holds, told by its beginning.

use super::is_blank;

/// How much of a text is looked at.
pub(super) const LOOK_AHEAD_BYTES: usize = 64 << 10;
/// How many lines are looked at.
const LOOK_AHEAD_LINES: usize = 32;

/// How records are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Lines,
    Stream,
}

/// The length of the UTF-8 byte order mark at the start of `text`.
pub(crate) fn byte_order_mark(text: &[u8]) -> usize {
    if text.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 }
}

/// The name of the encoding of `text`, if its first bytes show that it is not UTF-8.
pub(crate) fn other_encoding(text: &[u8]) -> Option<&'static str> {
    match text {
        [0, 0, 0xFE, 0xFF, ..] | [0xFF, 0xFE, 0, 0, ..] => Some("UTF-32"),
        // Without a mark, an ASCII character beside a zero byte gives it away.
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, b' '..=b'~', ..] | [b' '..=b'~', 0, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// How the records of `text` are told apart; `None` while it holds only blanks and may go on.
pub(super) fn mode(text: &[u8], at_end: bool) -> Option<Mode> {
    let start = text.iter().position(|&byte| !is_blank(byte));
    match start.map(|start| text[start]) {
        None => at_end.then_some(Mode::Lines),
        Some(b'[') => Some(Mode::Stream),
        Some(b'{') if !has_whole_lines(text, at_end) => Some(Mode::Stream),
        Some(_) => Some(Mode::Lines),
    }
}

/// Whether the first line, or at least half of the first lines, are one object each. A last line
/// whose end is not in sight does not count.
fn has_whole_lines(text: &[u8], at_end: bool) -> bool {
    let whole_text = at_end && text.len() < LOOK_AHEAD_BYTES;
    let text = &text[..text.len().min(LOOK_AHEAD_BYTES)];
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    if !whole_text {
        lines.pop();
    }
    let lines = lines.into_iter().map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let (mut seen, mut whole) = (0, 0);
    for line in lines.take(LOOK_AHEAD_LINES) {
        seen += 1;
        whole += usize::from(is_one_object(line));
        if whole == 1 && seen == 1 {
            return true;
        }
    }
    seen > 0 && whole * 2 >= seen
}

/// Whether a line starts with `{` and ends with the brace that closes it.
fn is_one_object(line: &[u8]) -> bool {
    if line.first() != Some(&b'{') {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0u64, false, false);
    for (at, byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1 == line.len();
                }
            }
            _ => {}
        }
    }
    false
}
