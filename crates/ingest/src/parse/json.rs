//! JSON text → [`Parts`], in one pass and without a tree in between.

use std::borrow::Cow;

use tallymark_event::PropertyValue;

use super::parts::{Parts, Whole, is_id};
use super::shape::{cut, keep_last_of_repeated, limit_exceeded_depth};
use super::text::{Flaw, Text};
use super::{ParseOptions, WireForm, bounded, shown};
use crate::{DEPTH_CEILING, Limits, RecordError};

/// Bytes of text shown on either side of a syntax error.
const EXCERPT_BYTES: usize = 20;

/// Reads the text of one record into `parts`.
pub(super) fn read<'a>(
    text: &'a str,
    parts: &mut Parts<'a>,
    options: &ParseOptions,
) -> Result<(), RecordError> {
    let mut reader = Reader {
        text: Text::new(text),
        limits: &options.limits,
        depth_max: options.limits.depth_max.min(DEPTH_CEILING),
        form: options.form,
        path: Vec::new(),
    };
    let outcome = reader.record(parts).and_then(|()| Ok(reader.text.end()?));
    outcome.map_err(|failure| reader.explain(text, failure))
}

/// What is wrong with text that is not UTF-8.
pub(super) fn not_utf8(text: &[u8], error: std::str::Utf8Error) -> RecordError {
    let at = error.valid_up_to();
    let bytes: Vec<String> = text[at..].iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    RecordError::new(
        "",
        format!("not valid UTF-8 at byte {at} of the record ({}); JSON must be UTF-8", bytes.join(" ")),
    )
}

/// Why reading stopped.
#[derive(Debug)]
enum Failure {
    /// The text is not JSON.
    Flaw(Flaw),
    /// Lists and objects nested too deep.
    TooDeep,
    /// JSON, but no object: what it is.
    NoRecord(String),
}

impl From<Flaw> for Failure {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

type Read<T> = Result<T, Failure>;

struct Reader<'a, 'o> {
    text: Text<'a>,
    limits: &'o Limits,
    depth_max: usize,
    form: WireForm,
    /// Inside what reading failed, innermost first; empty while all is well.
    path: Vec<String>,
}

impl<'a> Reader<'a, '_> {
    fn record(&mut self, parts: &mut Parts<'a>) -> Read<()> {
        match self.text.peek()? {
            b'{' => {}
            b'[' => return Err(Failure::NoRecord("a list".to_owned())),
            _ => {
                let value = self.value(0, false)?;
                self.text.end()?;
                return Err(Failure::NoRecord(shown(&value)));
            }
        }
        self.object(|reader, key| {
            match key.as_ref() {
                "event" => parts.name = Some(reader.value(reader.depth_max, false)?),
                "properties" => reader.properties(parts)?,
                // One level more than a property may have: the values of `$set` are properties.
                name => {
                    let value = reader.value(reader.depth_max + 1, is_id(name))?;
                    if reader.form == WireForm::Lenient {
                        parts.top_level.push((key, value));
                    }
                }
            }
            Ok(())
        })
    }

    /// The value of `properties`.
    fn properties(&mut self, parts: &mut Parts<'a>) -> Read<()> {
        // A repeated `properties` replaces what the first one said.
        parts.clear_properties();
        match self.text.peek()? {
            b'{' => parts.whole = Whole::Object,
            b'[' => {
                self.value(self.depth_max, false)?;
                parts.whole = Whole::Wrong("a list".to_owned());
                return Ok(());
            }
            _ => {
                parts.whole = match self.value(0, false)? {
                    PropertyValue::Null => Whole::Null,
                    other => Whole::Wrong(shown(&other)),
                };
                return Ok(());
            }
        }
        self.object(|reader, name| {
            let value = reader.value(reader.depth_max, is_id(&name))?;
            parts.put_property(name, value, reader.form);
            Ok(())
        })
    }

    /// An object, whose opening brace is next: `entry` reads the value of each key.
    #[inline]
    fn object(&mut self, mut entry: impl FnMut(&mut Self, Cow<'a, str>) -> Read<()>) -> Read<()> {
        self.text.at += 1;
        if self.text.peek()? == b'}' {
            self.text.at += 1;
            return Ok(());
        }
        loop {
            if self.text.peek()? != b'"' {
                return Err(Flaw::Expected("a key in double quotes").into());
            }
            let key_at = self.text.at;
            let key = self.text.string()?;
            self.text.pass(b':', "':' after a key")?;
            if let Err(failure) = entry(self, key) {
                return Err(self.inside_entry(key_at, failure));
            }
            if !self.text.another(b'}')? {
                return Ok(());
            }
        }
    }

    /// Any value, of at most `levels` levels of lists and objects. An id keeps all its digits.
    #[inline]
    fn value(&mut self, levels: usize, id: bool) -> Read<PropertyValue<'a>> {
        Ok(match self.text.peek()? {
            b'"' => PropertyValue::String(match self.text.string()? {
                Cow::Borrowed(text) => Cow::Borrowed(cut(text, self.limits)),
                Cow::Owned(mut text) => {
                    let kept = cut(&text, self.limits).len();
                    text.truncate(kept);
                    Cow::Owned(text)
                }
            }),
            b'-' | b'0'..=b'9' => self.text.number(id)?,
            b'[' | b'{' if levels == 0 => return Err(Failure::TooDeep),
            b'[' => self.list(levels - 1)?,
            b'{' => self.nested_object(levels - 1)?,
            _ => self.text.word()?,
        })
    }

    fn list(&mut self, levels: usize) -> Read<PropertyValue<'a>> {
        self.text.at += 1;
        let mut items = Vec::new();
        if self.text.peek()? == b']' {
            self.text.at += 1;
            return Ok(PropertyValue::List(items));
        }
        loop {
            match self.value(levels, false) {
                Ok(item) => items.push(item),
                Err(failure) => return Err(self.inside_item(items.len(), failure)),
            }
            if !self.text.another(b']')? {
                return Ok(PropertyValue::List(items));
            }
        }
    }

    fn nested_object(&mut self, levels: usize) -> Read<PropertyValue<'a>> {
        let mut entries = Vec::new();
        self.object(|reader, key| {
            entries.push((key, reader.value(levels, false)?));
            Ok(())
        })?;
        keep_last_of_repeated(&mut entries);
        Ok(PropertyValue::Object(entries))
    }

    #[cold]
    fn inside_item(&mut self, index: usize, failure: Failure) -> Failure {
        self.path.push(format!("[{index}]"));
        failure
    }

    /// Notes the key at byte `key_at`, read before, whose value failed.
    #[cold]
    fn inside_entry(&mut self, key_at: usize, failure: Failure) -> Failure {
        let failed_at = std::mem::replace(&mut self.text.at, key_at);
        let key = self.text.string().unwrap_or_default();
        self.text.at = failed_at;
        self.path.push(bounded(&key));
        failure
    }

    fn explain(&self, text: &str, failure: Failure) -> RecordError {
        let mut path = String::new();
        for segment in self.path.iter().rev() {
            if !path.is_empty() && !segment.starts_with('[') {
                path.push('.');
            }
            path.push_str(segment);
        }
        let inside = if path.is_empty() { String::new() } else { format!(" (in {path})") };
        let at = self.text.at;
        let flaw = match failure {
            Failure::TooDeep => return RecordError::new(path, limit_exceeded_depth(self.limits)),
            Failure::NoRecord(found) => {
                return RecordError::new(
                    "",
                    format!("a record must be a JSON object such as {{\"event\": …}}, not {found}"),
                );
            }
            Failure::Flaw(flaw) => flaw,
        };
        let reason = match flaw {
            Flaw::OutOfRange(start) => {
                let number = bounded(&text[start..at]);
                return RecordError::new(
                    path,
                    format!("{number} is beyond what a 64-bit float can hold (about ±1.8e308)"),
                );
            }
            Flaw::Ends => {
                return RecordError::new(
                    "",
                    format!("not valid JSON: the text ends inside the record{inside}"),
                );
            }
            Flaw::Expected(what) => format!("expected {what}"),
            Flaw::ControlCharacter => "a control character in a string must be escaped".to_owned(),
            Flaw::Escape => {
                "no such escape; expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX".to_owned()
            }
            Flaw::Surrogate => "half a surrogate pair stands for no character".to_owned(),
            Flaw::LeadingZero => "a number may not start with a needless zero".to_owned(),
        };
        RecordError::new(
            "",
            format!("not valid JSON at byte {at}{inside}: {reason}, near {}", excerpt(text, at)),
        )
    }
}

/// The text around byte `at`, quoted.
fn excerpt(text: &str, at: usize) -> String {
    let start = text.floor_char_boundary(at.saturating_sub(EXCERPT_BYTES));
    let end = text.floor_char_boundary(at + EXCERPT_BYTES);
    format!("{:?}", &text[start..end])
}
