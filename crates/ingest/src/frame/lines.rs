//! A record a line.

use super::{Cursor, End, Found, Skipped, is_blank};

/// State between buffers: a line that is too long.
#[derive(Debug, Default)]
pub(super) struct Lines {
    skipping: Option<Skipped>,
}

impl Lines {
    /// Finds the lines that end in `buffer`.
    pub(super) fn scan(&mut self, buffer: &[u8], cursor: &mut Cursor, end: End, bytes_max: usize) -> Found {
        let mut found = Found::default();
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', buffer) {
            self.line(buffer, (start, newline), cursor, bytes_max, &mut found);
            start = newline + 1;
            cursor.next_line(start);
        }
        if end == End::Whole {
            self.line(buffer, (start, buffer.len()), cursor, bytes_max, &mut found);
            start = buffer.len();
        }
        found.consumed = start;
        if end == End::NotYet {
            found.consumed = self.pass_overlong(buffer, start, cursor, bytes_max);
        }
        found
    }

    /// Takes one whole line, or the rest of one that is being skipped.
    fn line(
        &mut self,
        buffer: &[u8],
        (start, end): (usize, usize),
        cursor: &mut Cursor,
        bytes_max: usize,
        found: &mut Found,
    ) {
        let line = &buffer[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(mut skipped) = self.skipping.take() {
            skipped.add(line);
            found.rejections.push(skipped.rejection(bytes_max));
            return;
        }
        let Some(blanks) = line.iter().position(|&byte| !is_blank(byte)) else { return };
        let start = start + blanks;
        let place = cursor.place(buffer, start);
        if line.len() - blanks > bytes_max {
            found.record(buffer, (start, start + line.len() - blanks), place, bytes_max);
        } else {
            let kept = line.iter().rposition(|&byte| !is_blank(byte)).map_or(0, |last| last + 1);
            found.record(buffer, (start, start + kept - blanks), place, bytes_max);
        }
    }

    /// Drops what there is of a last, unfinished line that is already too long; gives how much of
    /// the buffer is done with.
    fn pass_overlong(&mut self, buffer: &[u8], start: usize, cursor: &mut Cursor, bytes_max: usize) -> usize {
        // A final `\r` may turn out to belong to the line's end.
        let rest = &buffer[start..];
        let sure = rest.len() - usize::from(rest.ends_with(b"\r"));
        if self.skipping.is_none() {
            let blanks = rest.iter().position(|&byte| !is_blank(byte)).unwrap_or(sure).min(sure);
            if sure - blanks <= bytes_max {
                return start + blanks;
            }
            self.skipping = Some(Skipped::new(cursor.place(buffer, start + blanks)));
            if let Some(skipped) = &mut self.skipping {
                skipped.add(&rest[blanks..sure]);
            }
        } else if let Some(skipped) = &mut self.skipping {
            skipped.add(&rest[..sure]);
        }
        start + sure
    }
}
