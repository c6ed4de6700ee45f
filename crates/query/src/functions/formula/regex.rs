//! `regex_match`, `regex_extract`, `regex_replace` (K-12).
//!
//! Patterns ignore case unless they say `(?-i)`, and match anywhere. They are those of the `regex`
//! crate, which takes linear time and so has neither look-around nor references to groups.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use regex::{Captures, Regex, RegexBuilder};

use super::definition::{Arguments, Definition, Takes, each_text, literal_integer, literal_text};

pub(super) const REGEX_MATCH: Definition = Definition {
    name: "regex_match",
    usage: "a text and a pattern",
    takes: &[Takes::Text, Takes::Text],
    required: 2,
    returns: |_| DataType::Boolean,
    nullable: true,
    check: Some(|literals| check_pattern("regex_match", literals).map(|_| ())),
    evaluate: |arguments| {
        let texts = arguments.texts(0);
        let matches = each_match(arguments, |row, regex| Some(regex.is_match(texts.at(row)?)));
        Ok(Arc::new(matches.collect::<BooleanArray>()))
    },
};

pub(super) const REGEX_EXTRACT: Definition = Definition {
    name: "regex_extract",
    usage: "a text, a pattern, and perhaps the number of a group",
    takes: &[Takes::Text, Takes::Text, Takes::Integer],
    required: 2,
    returns: |_| DataType::Utf8View,
    nullable: true,
    check: Some(check_extract),
    evaluate: |arguments| Ok(evaluate_extract(arguments)),
};

pub(super) const REGEX_REPLACE: Definition = Definition {
    name: "regex_replace",
    usage: "a text, a pattern, and what to put in place of each match",
    takes: &[Takes::Text, Takes::Text, Takes::Text],
    required: 3,
    returns: |_| DataType::Utf8View,
    nullable: true,
    check: Some(|literals| check_pattern("regex_replace", literals).map(|_| ())),
    evaluate: |arguments| Ok(evaluate_replace(arguments)),
};

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).case_insensitive(true).build()
}

fn check_pattern(function: &str, literals: &[Option<&ScalarValue>]) -> Result<Option<Regex>> {
    let Some(pattern) = literal_text(literals, 1) else { return Ok(None) };
    compile(pattern).map(Some).or_else(|error| {
        plan_err!(
            "{function}: the pattern {pattern:?} cannot be read (a literal sign is written '\\('): {error}"
        )
    })
}

fn check_extract(literals: &[Option<&ScalarValue>]) -> Result<()> {
    let Some(regex) = check_pattern("regex_extract", literals)? else { return Ok(()) };
    let Some(group) = literal_integer(literals, 2) else { return Ok(()) };
    let groups = regex.captures_len() - 1;
    if usize::try_from(group).is_ok_and(|group| group <= groups) {
        return Ok(());
    }
    plan_err!(
        "regex_extract: there is no group {group}; the pattern has {groups}, and 0 is all that it matches"
    )
}

/// Goes through the rows with the pattern of each, compiled once a distinct pattern. What is no pattern
/// gives null: literals were checked before.
fn each_match<'a, T>(
    arguments: &'a Arguments,
    mut found: impl FnMut(usize, &Regex) -> Option<T> + 'a,
) -> impl Iterator<Item = Option<T>> + 'a {
    let patterns = arguments.texts(1);
    let mut known: HashMap<&str, Option<Regex>> = HashMap::new();
    (0..arguments.rows).map(move |row| {
        let pattern = patterns.at(row)?;
        let regex = known.entry(pattern).or_insert_with(|| compile(pattern).ok());
        found(row, regex.as_ref()?)
    })
}

fn evaluate_extract(arguments: &Arguments) -> ArrayRef {
    let texts = arguments.texts(0);
    let groups = (arguments.len() == 3).then(|| arguments.integers(2));
    let mut extracted = each_match(arguments, |row, regex| {
        let (text, group) = (texts.at(row)?, groups.map_or(Some(0), |groups| groups.at(row))?);
        if group == 0 {
            return regex.find(text).map(|found| found.as_str());
        }
        regex.captures(text)?.get(usize::try_from(group).ok()?).map(|found| found.as_str())
    });
    each_text(arguments.rows, |_| extracted.next().flatten())
}

fn evaluate_replace(arguments: &Arguments) -> ArrayRef {
    let (texts, replacements) = (arguments.texts(0), arguments.texts(2));
    let mut replaced = each_match(arguments, |row, regex| {
        let (text, replacement) = (texts.at(row)?, replacements.at(row)?);
        Some(regex.replace_all(text, |groups: &Captures<'_>| filled_in(replacement, groups)))
    });
    each_text(arguments.rows, |_| replaced.next().flatten())
}

/// A replacement with its groups filled in: `$1`, `${1}`, `${name}`; `$$` is one `$`.
fn filled_in(replacement: &str, groups: &Captures<'_>) -> String {
    let mut filled = String::with_capacity(replacement.len());
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
        } else if digits > 0 {
            filled.push_str(group(groups, &after[..digits]));
            rest = &after[digits..];
        } else if let Some((name, after)) = braced {
            filled.push_str(group(groups, name));
            rest = after;
        } else {
            filled.push('$');
            rest = after;
        }
    }
    filled.push_str(rest);
    filled
}

/// What a group matched; empty if it took no part.
fn group<'a>(groups: &Captures<'a>, name: &str) -> &'a str {
    let found = match name.parse() {
        Ok(number) => groups.get(number),
        Err(_) => groups.name(name),
    };
    found.map_or("", |found| found.as_str())
}
