//! The names of a dataset, as completion needs them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow::array::Array as _;
use arrow::array::cast::AsArray as _;
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::complete::KEYWORDS;
use crate::asker::Asker;

/// Names read once, when the prompt opens.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Columns by table.
    pub(super) tables: BTreeMap<String, Vec<String>>,
    /// Event names.
    pub(super) events: Vec<String>,
    /// Functions.
    pub(super) functions: Vec<String>,
    properties: usize,
}

impl Names {
    /// Reads them. What cannot be read is not completed, that is all.
    pub(crate) async fn read(asker: &mut Asker) -> Self {
        let mut names = Self::default();
        let columns = texts(
            asker,
            "SELECT table_name, column_name FROM information_schema.columns \
             WHERE table_schema <> 'information_schema' ORDER BY ordinal_position",
        );
        for [table, column] in columns.await {
            names.tables.entry(table).or_default().push(column);
        }
        names.events = only(texts(asker, "SELECT event FROM event_catalog ORDER BY event").await);
        names.functions = only(
            texts(
                asker,
                "SELECT DISTINCT routine_name FROM information_schema.routines ORDER BY routine_name",
            )
            .await,
        );
        names.properties =
            texts::<1>(asker, "SELECT DISTINCT property FROM property_catalog WHERE source = 'events'")
                .await
                .len();
        names
    }

    /// How many event names there are.
    pub(crate) fn event_count(&self) -> usize {
        self.events.len()
    }

    /// How many properties events have.
    pub(crate) fn property_count(&self) -> usize {
        self.properties
    }
}

fn only(rows: Vec<[String; 1]>) -> Vec<String> {
    rows.into_iter().map(|[name]| name).collect()
}

/// The first `N` columns of an answer as text.
async fn texts<const N: usize>(asker: &mut Asker, query: &str) -> Vec<[String; N]> {
    let Ok(answer) = asker.sql(query).await else { return Vec::new() };
    let Ok(batches) = answer.collect().await else { return Vec::new() };
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().take(N).filter_map(|column| cast(column, &DataType::Utf8).ok()).collect();
        if columns.len() < N {
            continue;
        }
        for row in 0..batch.num_rows() {
            rows.push(std::array::from_fn(|index| {
                let column = columns[index].as_string::<i32>();
                if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
            }));
        }
    }
    rows
}

/// Keywords that may be names as they are.
const NAMES_TOO: [&str; 4] = ["DATE", "FIRST", "LAST", "ROWS"];

/// A name as it has to be written in SQL: in double quotes unless it is a plain word.
pub(crate) fn sql_name(name: &str) -> Cow<'_, str> {
    let mut chars = name.chars();
    let is_word = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    let upper = name.to_ascii_uppercase();
    let is_keyword = KEYWORDS.contains(&upper.as_str()) && !NAMES_TOO.contains(&upper.as_str());
    if is_word && !is_keyword { name.into() } else { format!("\"{}\"", name.replace('"', "\"\"")).into() }
}

/// A text as it has to be written in SQL.
pub(crate) fn sql_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_need_no_quotes() {
        assert_eq!(sql_name("platform"), "platform");
        assert_eq!(sql_name("Plan"), "Plan");
        assert_eq!(sql_name("Order Total"), "\"Order Total\"");
        assert_eq!(sql_name("$browser"), "\"$browser\"");
        assert_eq!(sql_name("order"), "\"order\"");
        assert_eq!(sql_name("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(sql_name("rows"), "rows");
        assert_eq!(sql_name("2x"), "\"2x\"");
    }
}
