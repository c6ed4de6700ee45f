//! Telling files of records from other JSON documents, such as settings or a summary, that lie in
//! the same directory.

use crate::parse::marks_record;

/// Whether a text that begins like this is one JSON object, and neither an event nor a profile
/// update: it has none of the keys that make a record one of these.
///
/// Several objects without such a key are records gone wrong, and better refused than passed over.
/// Looks at names and nesting only; what else is wrong with a text is found when it is read.
pub(super) fn is_other_document(prefix: &[u8]) -> bool {
    let mut levels: Vec<u8> = Vec::new();
    let mut objects = 0;
    let mut at = 0;
    while at < prefix.len() {
        match prefix[at] {
            open @ (b'{' | b'[') => {
                objects += usize::from(levels.is_empty());
                levels.push(open);
                if levels == [b'['] || objects > 1 {
                    return false;
                }
            }
            b'}' | b']' => {
                levels.pop();
            }
            b'"' => {
                let Some(end) = end_of_string(prefix, at + 1) else { break };
                let is_key = prefix[end + 1..].trim_ascii_start().first() == Some(&b':');
                let key = std::str::from_utf8(&prefix[at + 1..end]);
                if is_key && levels == [b'{'] && key.is_ok_and(marks_record) {
                    return false;
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    objects == 1
}

/// Where a string ends whose first character is at `at`.
fn end_of_string(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_other_document;

    #[test]
    fn documents_are_told_from_records() {
        let records = [
            r#"{"event":"A","time":1}"#,
            "{\"wrong\":1}\n{\"time\":1,\n  \"event\" : \"A\"}",
            r#"[{"x":"a \" } ] b"},{"event":"A"}]"#,
            r#"{"$distinct_id":"u","$set":{}}"#,
            r#"{"event":"A","properties":{"cut"#,
            // No object: whatever it is, it is read.
            "",
            "[]",
            "[1,2]",
            // Records gone wrong.
            r#"[{"id":1},{"id":2}]"#,
            "{\"id\":1}\n{\"id\":2}\n{\"i",
            "null",
            "event,time\nA,1\n",
        ];
        for text in records {
            assert!(!is_other_document(text.as_bytes()), "{text}");
        }
        let documents = [
            "{}",
            r#"{"rows": 5, "events": {"event": 3}, "list": [{"event": "A"}], "text": "event"}"#,
            r#"{"name":"tool","version":"1"}"#,
            r#"{"rows": 5, "list": ["cut off"#,
            r#"{"text": "it is \"event\": said"}"#,
        ];
        for text in documents {
            assert!(is_other_document(text.as_bytes()), "{text}");
        }
    }
}
