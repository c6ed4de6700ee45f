//! The file of refused records.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use tallymark::Rejection;

/// Writes each refused record as it was, next to its reason: one JSON object a line.
#[derive(Debug, Clone)]
pub(crate) struct Rejects {
    path: PathBuf,
    file: Arc<Mutex<Writer>>,
}

#[derive(Debug)]
struct Writer {
    file: BufWriter<File>,
    /// The first failure; nothing is written after it.
    failed: Option<io::Error>,
}

/// One line of the file.
#[derive(Debug, Serialize)]
struct Refused<'a> {
    reason: &'a str,
    field: &'a str,
    input: &'a str,
    index: u64,
    line: Option<u64>,
    byte_offset: u64,
    record: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_base64: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    record_truncated: bool,
}

impl Rejects {
    /// Begins the file, which replaces one of that name.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("cannot create the file of refused records {}", path.display()))?;
        let writer = Writer { file: BufWriter::new(file), failed: None };
        Ok(Self { path: path.to_owned(), file: Arc::new(Mutex::new(writer)) })
    }

    /// Adds a record. A failure is told by [`Rejects::finish`].
    pub(crate) fn add(&self, input: &str, rejection: &Rejection) {
        let Ok(mut writer) = self.file.lock() else { return };
        if writer.failed.is_none()
            && let Err(error) = write_line(&mut writer.file, input, rejection)
        {
            writer.failed = Some(error);
        }
    }

    /// Completes the file.
    ///
    /// # Errors
    /// When anything could not be written: the file lacks records then.
    pub(crate) fn finish(&self) -> anyhow::Result<()> {
        let Ok(mut writer) = self.file.lock() else { return Ok(()) };
        let written = writer.failed.take().map_or(Ok(()), Err).and_then(|()| writer.file.flush());
        written.with_context(|| format!("cannot write refused records to {}", self.path.display()))
    }
}

fn write_line(out: &mut impl Write, input: &str, rejection: &Rejection) -> io::Result<()> {
    // Inputs split into lines may leave their line break at the end.
    let raw = rejection.raw.strip_suffix(b"\n").unwrap_or(&rejection.raw);
    let record = String::from_utf8_lossy(raw);
    let is_exact = matches!(record, std::borrow::Cow::Borrowed(_));
    let line = Refused {
        reason: &rejection.message,
        field: &rejection.field,
        input,
        index: rejection.index,
        line: rejection.line,
        byte_offset: rejection.byte_offset,
        record: &record,
        record_base64: (!is_exact).then(|| BASE64_STANDARD.encode(raw)),
        record_truncated: rejection.raw_truncated,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(raw: &[u8], raw_truncated: bool) -> String {
        let rejection = Rejection {
            index: 3,
            line: Some(4),
            byte_offset: 812,
            field: "properties.time".to_owned(),
            message: "\"soon\" is no time".to_owned(),
            raw: raw.to_vec(),
            raw_truncated,
        };
        let mut out = Vec::new();
        write_line(&mut out, "a.ndjson", &rejection).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_refused_record_stands_next_to_its_reason() {
        insta::assert_snapshot!(line(b"{\"event\":\"A\"}\n", false), @r#"{"reason":"\"soon\" is no time","field":"properties.time","input":"a.ndjson","index":3,"line":4,"byte_offset":812,"record":"{\"event\":\"A\"}"}"#);
    }

    #[test]
    fn text_that_is_not_utf8_is_kept_byte_for_byte() {
        let line: serde_json::Value = serde_json::from_str(&line(b"{\"event\":\"\xFF\"}", true)).unwrap();
        let exact = BASE64_STANDARD.decode(line["record_base64"].as_str().unwrap()).unwrap();
        assert_eq!(exact, b"{\"event\":\"\xFF\"}");
        assert_eq!(line["record"], "{\"event\":\"\u{FFFD}\"}");
        assert_eq!(line["record_truncated"], true);
    }
}
