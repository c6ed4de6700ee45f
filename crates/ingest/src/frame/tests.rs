use std::io;

use proptest::prelude::*;

use super::*;

/// A reader that gives its text in pieces of the given sizes, over and over, and may fail at the
/// end.
struct Pieces<'t> {
    text: &'t [u8],
    sizes: Vec<usize>,
    turn: usize,
    failure: Option<io::Error>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].max(1).min(buffer.len()).min(self.text.len());
        self.turn += 1;
        if size == 0 && !buffer.is_empty() {
            return self.failure.take().map_or(Ok(0), Err);
        }
        buffer[..size].copy_from_slice(&self.text[..size]);
        self.text = &self.text[size..];
        Ok(size)
    }
}

/// A record or a refusal, with its place.
#[derive(Debug, Clone, PartialEq)]
struct Framed {
    index: u64,
    line: u64,
    byte_offset: u64,
    text: String,
    refused: Option<String>,
}

fn collect(mut blocks: BlockReader<impl Read>) -> (Vec<Framed>, Result<()>) {
    let mut all = Vec::new();
    loop {
        let block = match blocks.next_block() {
            Ok(Some(block)) => block,
            Ok(None) => break (all, Ok(())),
            Err(error) => break (all, Err(error)),
        };
        assert!(block.records().len() + block.rejections().len() > 0, "an empty block");
        let records = block.records().map(|record| Framed {
            index: record.index,
            line: record.line.unwrap(),
            byte_offset: record.byte_offset,
            text: String::from_utf8_lossy(record.text).into_owned(),
            refused: None,
        });
        let refused = block.rejections().iter().map(|rejection| Framed {
            index: rejection.index,
            line: rejection.line.unwrap(),
            byte_offset: rejection.byte_offset,
            text: String::from_utf8_lossy(&rejection.raw).into_owned(),
            refused: Some(rejection.message.clone()),
        });
        let from = all.len();
        all.extend(records.chain(refused));
        all[from..].sort_by_key(|framed| framed.index);
    }
}

fn options(block_bytes: usize, record_bytes_max: usize) -> FrameOptions {
    FrameOptions { block_bytes, record_bytes_max }
}

fn frame(text: &[u8]) -> Vec<Framed> {
    let (framed, outcome) = collect(BlockReader::new("test", text, FrameOptions::default()));
    outcome.unwrap();
    assert!(framed.iter().map(|framed| framed.index).eq(0..framed.len() as u64), "{framed:?}");
    framed
}

/// Frames `text` and compares `line byte text`, `!` before what is refused, a line each.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found: Vec<String> = frame(text.as_bytes())
        .into_iter()
        .map(|framed| {
            let refused = if framed.refused.is_some() { "!" } else { "" };
            format!("{refused}{} {} {}", framed.line, framed.byte_offset, framed.text)
        })
        .collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn lines_are_records() {
    check("{\"a\":1}\n{\"b\":2}\n", &["1 0 {\"a\":1}", "2 8 {\"b\":2}"]);
    check("{\"a\":1}\n{\"b\":2}", &["1 0 {\"a\":1}", "2 8 {\"b\":2}"]);
    check("{\"a\":1}\r\n\r\n  \n \t{\"b\":2} \r\n", &["1 0 {\"a\":1}", "4 16 {\"b\":2}"]);
    check("\u{feff}{\"a\":1}\n{}", &["1 3 {\"a\":1}", "2 11 {}"]);
    check("\n\n{}\n", &["3 2 {}"]);
    check("", &[]);
    check(" \r\n\t\n", &[]);
    check("\u{feff}", &[]);
}

#[test]
fn a_bad_line_leaves_the_next_one_alone() {
    check(
        "{\"a\":1}\n{\"b\":\n{\"c\":\"}\n]]\n{\"d\":4}\n",
        &["1 0 {\"a\":1}", "2 8 {\"b\":", "3 14 {\"c\":\"}", "4 22 ]]", "5 25 {\"d\":4}"],
    );
    // Even the first one, as long as most lines are objects.
    check("{\"a\":\n{\"b\":2}\n{\"c\":3}\n", &["1 0 {\"a\":", "2 6 {\"b\":2}", "3 14 {\"c\":3}"]);
    check("nonsense\n{\"b\":2}\n", &["1 0 nonsense", "2 9 {\"b\":2}"]);
}

#[test]
fn arrays_and_pretty_printing_are_streams() {
    check("[{\"a\":1},{\"b\":2}]", &["1 1 {\"a\":1}", "1 9 {\"b\":2}"]);
    check(
        "[\n  {\n    \"a\": [1, {\"x\": \"]}\\\"\"}]\n  },\n  {}\n]\n",
        &["2 4 {\n    \"a\": [1, {\"x\": \"]}\\\"\"}]\n  }", "5 41 {}"],
    );
    check("{\n \"a\": 1\n}\n{\n \"b\": 2\n}", &["1 0 {\n \"a\": 1\n}", "4 12 {\n \"b\": 2\n}"]);
    check("{\"a\":1}{\"b\":2}  {\"c\":3}", &["1 0 {\"a\":1}", "1 7 {\"b\":2}", "1 16 {\"c\":3}"]);
    check("[{}]\n[{}]\n[]", &["1 1 {}", "2 6 {}"]);
    check("[[{\"a\":1}],[{}, {}]]", &["1 2 {\"a\":1}", "1 12 {}", "1 16 {}"]);
    check("[]", &[]);
    check("\u{feff} [ {} ]", &["1 6 {}"]);
}

#[test]
fn what_stands_between_records_is_a_record_to_be_refused() {
    check(
        "[{\"a\":1}, oops, {\"b\":2} ] ] {\"c\":3}",
        &["1 1 {\"a\":1}", "1 10 oops", "1 16 {\"b\":2}", "1 26 ]", "1 28 {\"c\":3}"],
    );
    check("[1, \"two ] \\\" \", null]", &["1 1 1", "1 4 \"two ] \\\" \"", "1 17 null"]);
    check("[{}:{}]", &["1 1 {}", "1 3 :", "1 4 {}"]);
}

#[test]
fn a_list_that_never_ends_is_reported() {
    let framed = frame(b"\n[{\"a\":1},\n{\"b\":2}");
    assert_eq!(framed.len(), 3);
    assert_eq!(
        framed[2].refused.as_deref(),
        Some(
            "the input ends inside the list that starts on line 2 (byte 1); a ']' is missing, and perhaps records before it"
        )
    );
    assert_eq!((framed[2].line, framed[2].byte_offset), (3, 18));
    // A record cut off in the middle says so itself.
    check("[{\"a\":1},{\"b\":", &["1 1 {\"a\":1}", "1 9 {\"b\":"]);
    check("[{\"a\":1},{\"b\":\"x\\", &["1 1 {\"a\":1}", "1 9 {\"b\":\"x\\"]);
    check("[nul", &["1 1 nul", "!1 4 "]);
}

#[test]
fn records_at_the_limit_are_taken_and_longer_ones_reported() {
    let text = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    let (fits, exceeds) = (text(100), text(101));
    for join in ["\n", "\r\n", "\n\n  "] {
        let lines = [fits.as_str(), &exceeds, &fits].join(join);
        let (framed, outcome) = collect(BlockReader::new("t", lines.as_bytes(), options(4 << 20, 100)));
        outcome.unwrap();
        assert_eq!(framed.len(), 3);
        assert_eq!((&framed[0].refused, &framed[2].refused), (&None, &None));
        assert_eq!(framed[1].refused.as_deref(), Some("the record has 101 bytes; at most 100 are allowed"));
        assert_eq!(framed[1].text, exceeds);
    }
    let array = format!("[{fits},{exceeds},{fits}]");
    let (framed, _) = collect(BlockReader::new("t", array.as_bytes(), options(4 << 20, 100)));
    assert_eq!(
        framed
            .iter()
            .filter(|framed| framed.refused.is_some())
            .map(|framed| framed.index)
            .collect::<Vec<_>>(),
        [1]
    );
}

/// Ten million bytes in one record, with a limit of one: nothing but its beginning is kept.
#[test]
fn an_endless_record_takes_no_memory() {
    struct Endless {
        left: u64,
    }
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = (buffer.len() as u64).min(self.left) as usize;
            buffer[..size].fill(b'x');
            self.left -= size as u64;
            Ok(size)
        }
    }
    for start in ["{\"a\":\"", "[{\"a\":\"", "{\"a\":\n\""] {
        let text =
            start.as_bytes().chain(Endless { left: 200_000_000 }).chain(b"\"}\n{\"b\":2}\n".as_slice());
        let mut blocks = BlockReader::new("t", text, options(64 << 10, 10_000));
        let mut framed = Vec::new();
        while let Some(block) = blocks.next_block().unwrap() {
            assert!(blocks.buffer.capacity() < 300_000, "{} bytes", blocks.buffer.capacity());
            framed.extend(block.rejections().to_vec());
            assert!(block.text().len() < 300_000);
        }
        let overlong = &framed[0];
        assert_eq!(overlong.raw.len(), OVERLONG_RAW_BYTES);
        assert!(overlong.raw_truncated);
        assert!(overlong.message.contains("bytes; at most 10000"), "{}", overlong.message);
    }
}

#[test]
fn other_encodings_are_named() {
    let utf16 = |text: &str, mark: bool, little: bool| -> Vec<u8> {
        let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    };
    for (mark, little) in [(true, true), (true, false), (false, true), (false, false)] {
        let text = utf16("{\"event\":\"E\"}\n", mark, little);
        let (framed, outcome) = collect(BlockReader::new("x.json", text.as_slice(), FrameOptions::default()));
        assert!(framed.is_empty());
        assert_eq!(outcome.unwrap_err().to_string(), "x.json is UTF-16 text: convert it to UTF-8");
    }
    let (_, outcome) =
        collect(BlockReader::new("x", b"\xFF\xFE\0\0{\0\0\0".as_slice(), FrameOptions::default()));
    assert!(outcome.unwrap_err().to_string().contains("UTF-32"));
    // Zero bytes alone are no encoding.
    check("\0\0\0\n{}\n", &["1 0 \0\0\0", "2 4 {}"]);
}

#[test]
fn what_came_before_a_failure_is_handed_out() {
    for (text, whole) in
        [("{\"a\":1}\n{\"b\":2}\n{\"c\":", 2), ("[{\"a\":1},{\"b\":2},{\"c\":3}", 3), ("", 0), ("{\"a\":", 0)]
    {
        let failure = Some(io::Error::other("the disk is gone"));
        let pieces = Pieces { text: text.as_bytes(), sizes: vec![7], turn: 0, failure };
        let (framed, outcome) = collect(BlockReader::new("t", pieces, FrameOptions::default()));
        assert_eq!(framed.len(), whole, "{text}");
        assert!(framed.iter().all(|framed| framed.refused.is_none()));
        assert!(matches!(outcome, Err(Error::Read { .. })), "{outcome:?}");
    }
}

#[test]
fn rows_of_tables_may_hold_line_ends_in_quotes() {
    let text = "a;b\r\n1;\"x\r\ny\"\"\n;\"\r\n\r\n5\" pipe;2\r\n\"q\"z;\"3";
    let mut blocks = BlockReader::rows("t", text.as_bytes(), FrameOptions::default());
    let block = blocks.next_block().unwrap().unwrap();
    assert_eq!(blocks.delimiter(), b';');
    let rows: Vec<_> =
        block.records().map(|row| (row.line.unwrap(), str::from_utf8(row.text).unwrap())).collect();
    assert_eq!(rows, [(1, "a;b"), (2, "1;\"x\r\ny\"\"\n;\""), (6, "5\" pipe;2"), (7, "\"q\"z;\"3")]);
    for (header, delimiter) in [("a\tb,c\td\n", b'\t'), ("\"a;b;c\",d", b','), ("a", b','), ("a|b", b'|')] {
        let mut blocks = BlockReader::rows("t", header.as_bytes(), FrameOptions::default());
        blocks.next_block().unwrap();
        assert_eq!(blocks.delimiter(), delimiter, "{header}");
    }
}

/// One record as a writer may spell it, on one line.
fn object() -> impl Strategy<Value = String> {
    prop::collection::vec(
        (
            "[a-z{}\\[\\],:]{0,4}",
            prop_oneof![
                "[0-9]{1,3}",
                "\"([a-z{}\\[\\], é]|\\\\[\"\\\\nu]){0,6}\"",
                Just("[1,[]]".to_owned()),
                Just("{\"k\":{}}".to_owned())
            ],
        ),
        0..5,
    )
    .prop_map(|entries| {
        let entries: Vec<_> = entries.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", entries.join(","))
    })
}

/// Ways to write records one after another; `true` for those whose records may be pretty-printed.
const STYLES: [(&str, &str, &str); 9] = [
    ("", "\n", "\n"),
    ("", "\n", ""),
    ("\u{feff}", "\r\n", "\r\n\r\n"),
    ("\n\n", "\n \n\t", ""),
    ("[", ",", "]"),
    ("[\n  ", ",\n  ", "\n]\n"),
    ("\u{feff} [", "\n, ", "]"),
    ("[[", "],[", "]]"),
    ("[", "]\n[", "]"),
];

fn pretty(record: &str) -> String {
    // Line ends where JSON allows them.
    let (mut text, mut in_string, mut escaped) = (String::new(), false, false);
    for char in record.chars() {
        text.push(char);
        match char {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '{' | '[' | ',' | ':' if !in_string => text.push_str("\n  "),
            _ => {}
        }
    }
    text
}

proptest! {
    /// However records are written one after another, and however the stream is cut, the same
    /// records come out, at the same places.
    #[test]
    fn any_style_and_any_chunks_give_the_same_records(
        records in prop::collection::vec(object(), 0..12),
        style in 0..STYLES.len(),
        is_pretty in any::<bool>(),
        sizes in prop::collection::vec(1usize..40, 1..6),
        block_bytes in 1usize..200,
        record_bytes_max in 10usize..120,
    ) {
        let (open, between, close) = STYLES[style];
        let is_pretty = is_pretty && style >= 4;
        let records: Vec<String> = records.iter().map(|record| if is_pretty { pretty(record) } else { record.clone() }).collect();
        let mut text = open.to_owned();
        let mut expected = Vec::new();
        for (index, record) in records.iter().enumerate() {
            if index > 0 {
                text.push_str(between);
            }
            expected.push(Framed {
                index: index as u64,
                line: 1 + text.matches('\n').count() as u64,
                byte_offset: text.len() as u64,
                text: record.clone(),
                refused: (record.len() > record_bytes_max).then(|| format!("the record has {} bytes; at most {record_bytes_max} are allowed", record.len())),
            });
            text.push_str(record);
        }
        text.push_str(close);
        let pieces = Pieces { text: text.as_bytes(), sizes, turn: 0, failure: None };
        let (framed, outcome) = collect(BlockReader::new("t", pieces, options(block_bytes, record_bytes_max)));
        prop_assert!(outcome.is_ok());
        prop_assert_eq!(framed, expected, "{:?}", text);
    }

    /// On any text at all: no panic, and what comes out does not depend on how the stream is cut.
    #[test]
    fn any_text_is_framed_the_same_however_it_is_cut(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", "\"", "\\", ",", ":", "\n", "\r", " ", "1", "true", "\0", "é", "{}", "{\"a\":1}\n", "\u{feff}", "x,y\n",
        ]), 0..80),
        sizes in prop::collection::vec(1usize..20, 1..6),
        block_bytes in 1usize..60,
        record_bytes_max in 1usize..40,
        is_table in any::<bool>(),
    ) {
        let text = tokens.concat();
        let read = |reader: &mut dyn Read, options| {
            collect(if is_table { BlockReader::rows("t", reader, options) } else { BlockReader::new("t", reader, options) })
        };
        let mut pieces = Pieces { text: text.as_bytes(), sizes, turn: 0, failure: None };
        let (cut, _) = read(&mut pieces, options(block_bytes, record_bytes_max));
        let (whole, _) = read(&mut text.as_bytes(), options(4 << 20, record_bytes_max));
        prop_assert_eq!(&cut, &whole);
        prop_assert!(cut.iter().map(|framed| framed.index).eq(0..cut.len() as u64));
        for framed in &cut {
            let start = framed.byte_offset as usize;
            prop_assert!(text.as_bytes()[start..].starts_with(framed.text.as_bytes()));
            prop_assert_eq!(framed.line, 1 + text[..start].matches('\n').count() as u64);
        }
    }
}
