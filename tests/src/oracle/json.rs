//! JSON text ⇄ values.
//!
//! A reader of our own, because a float must come out exactly as written: serde_json as built here
//! may be off by one unit in the last place.

use serde_json::{Map, Number, Value};

/// Reads one JSON value. Numbers without fraction and exponent that fit 64 bits are integers, all
/// others the nearest float; of repeated keys the last counts.
///
/// # Panics
/// If the text is no JSON.
pub fn read(text: &str) -> Value {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value();
    reader.blanks();
    assert_eq!(reader.at, text.len(), "more than one value in {text}");
    value
}

/// The value in the one spelling that all equal values share (D-23): whole numbers are integers
/// where 64 bits allow, keys are sorted.
pub fn canonical(value: &Value) -> Value {
    const I64_BORDER: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Value::Number(number) if number.as_i64().is_none() => {
            let float = number.as_f64().unwrap();
            if float.fract() == 0.0 && (-I64_BORDER..I64_BORDER).contains(&float) {
                Value::from(float as i64)
            } else {
                Value::from(float)
            }
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Object(entries) => {
            let mut entries: Vec<_> =
                entries.iter().map(|(key, value)| (key.clone(), canonical(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        other => other.clone(),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, wanted: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    fn expect(&mut self, wanted: &str) {
        assert!(self.take(wanted), "expected {wanted} at byte {} of {}", self.at, self.text);
    }

    fn value(&mut self) -> Value {
        self.blanks();
        match self.rest().chars().next() {
            Some('{') => self.object(),
            Some('[') => self.list(),
            Some('"') => Value::String(self.string()),
            Some('t') => self.word("true", Value::Bool(true)),
            Some('f') => self.word("false", Value::Bool(false)),
            Some('n') => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Value {
        self.expect(word);
        value
    }

    fn object(&mut self) -> Value {
        self.expect("{");
        let mut entries = Map::new();
        while !self.take("}") {
            if !entries.is_empty() {
                self.expect(",");
            }
            self.blanks();
            let key = self.string();
            self.expect(":");
            let value = self.value();
            entries.insert(key, value);
        }
        Value::Object(entries)
    }

    fn list(&mut self) -> Value {
        self.expect("[");
        let mut items = Vec::new();
        while !self.take("]") {
            if !items.is_empty() {
                self.expect(",");
            }
            items.push(self.value());
        }
        Value::Array(items)
    }

    fn string(&mut self) -> String {
        let bytes = self.rest().as_bytes();
        let mut end = 1;
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let text = serde_json::from_str(&self.rest()[..=end]).unwrap();
        self.at += end + 1;
        text
    }

    fn number(&mut self) -> Value {
        let length = self
            .rest()
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')))
            .unwrap_or(self.rest().len());
        let text = &self.text[self.at..self.at + length];
        self.at += length;
        if let Ok(integer) = text.parse::<i64>() {
            return Value::from(integer);
        }
        let float: f64 = text.parse().unwrap();
        Value::Number(Number::from_f64(float).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_read_as_written() {
        assert_eq!(
            read(r#" {"a": [1, -2.5, true, null, "x\"\u00e9"], "a b": {}} "#),
            json!({"a": [1, -2.5, true, null, "x\"é"], "a b": {}})
        );
        assert_eq!(read(r#"{"a":1,"a":2}"#), json!({"a": 2}));
        assert_eq!(read("0.1").as_f64(), Some(0.1));
        assert_eq!(read("2.2250738585072014e-308").as_f64(), Some(f64::MIN_POSITIVE));
    }

    #[test]
    fn d23_equal_numbers_have_one_spelling() {
        assert_eq!(canonical(&json!([5.0, {"b": 1, "a": -0.0}])), canonical(&json!([5, {"a": 0, "b": 1.0}])));
        assert_ne!(canonical(&json!(9_007_199_254_740_993_i64)), canonical(&json!(9_007_199_254_740_992.0)));
        assert_eq!(
            canonical(&json!(18_446_744_073_709_551_615_u64)),
            canonical(&json!(1.844_674_407_370_955_2e19))
        );
    }
}
