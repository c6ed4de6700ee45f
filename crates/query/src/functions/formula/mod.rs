//! Functions for custom properties: what Mixpanel's formula language has and SQL has not (5.8).
//!
//! A custom property is an SQL expression. What SQL has under another name, or with another meaning
//! under the same name, keeps SQL's meaning: `FUNCTIONS.md` beside this crate says what to write
//! then. "Undefined" is null.
//!
//! `definition` adapts a function to DataFusion: arguments are checked when the query is planned,
//! and an argument that is one value for all rows is looked at once. `if` and `ifs` become `CASE`
//! there, so that only the branch taken is evaluated.

mod choose;
mod dates;
mod definition;
mod lists;
mod logic;
mod regex;
#[cfg(test)]
mod tests;
mod text;
mod types;
mod url;

use datafusion::logical_expr::ScalarUDF;

/// The functions, to be registered.
pub(super) fn formula_udfs() -> Vec<ScalarUDF> {
    let definitions = [
        text::HAS_PREFIX,
        text::HAS_SUFFIX,
        text::MID,
        text::SPLIT,
        text::LEN,
        url::PARSE_URL,
        regex::REGEX_MATCH,
        regex::REGEX_EXTRACT,
        regex::REGEX_REPLACE,
        dates::DATEDIF,
        lists::SUM_ITEMS,
        logic::DEFINED,
        types::NUMBER,
        types::BOOLEAN,
        types::STRING,
    ];
    definitions.into_iter().map(definition::udf).chain(choose::choose_udfs()).collect()
}
