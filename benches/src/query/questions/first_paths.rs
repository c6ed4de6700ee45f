//! What users do after their first event of a kind.

use super::Question;
use crate::hand::order;
use crate::query::system::Dialect;

pub(crate) const QUESTION: Question = Question {
    name: "first-paths",
    asks: "the 3 events after each user's first event of a kind, the 20 most frequent paths",
    sql: |dialect, events, facts| {
        let next = |rows| dialect.lead("event", rows, "PARTITION BY user_id ORDER BY time, sequence");
        let (one, two, three) = (next(1), next(2), next(3));
        let mut texts = vec![format!(
            "SELECT one, two, three, count(*) AS times FROM \
             (SELECT event, one, two, three, \
             row_number() OVER (PARTITION BY user_id, event ORDER BY time, sequence) AS place FROM \
             (SELECT user_id, time, sequence, event, {one} AS one, {two} AS two, {three} AS three FROM {events}) \
             AS paths WHERE event = 'Add to Cart') AS firsts \
             WHERE place = 1 AND three IS NOT NULL GROUP BY one, two, three \
             ORDER BY times DESC, one, two, three LIMIT 20"
        )];
        match dialect {
            Dialect::Clickhouse => texts.push(format!(
                "SELECT e[i + 1] AS one, e[i + 2] AS two, e[i + 3] AS three, count() AS times FROM \
                 (SELECT arrayMap(x -> x.3, arraySort(groupArray((time, sequence, event)))) AS e, \
                 indexOf(e, 'Add to Cart') AS i FROM {events} GROUP BY user_id) \
                 WHERE i > 0 AND i + 3 <= length(e) GROUP BY one, two, three \
                 ORDER BY times DESC, one, two, three LIMIT 20"
            )),
            Dialect::Tallymark => texts.push(format!(
                "SELECT path[2] AS one, path[3] AS two, path[4] AS three, \
                 count AS times FROM flows('{{\"range\": {}, \"anchors\": [\"Add to Cart\"], \"form\": \"paths\", \
                 \"paths\": 20000}}') WHERE steps = 4 ORDER BY times DESC, one, two, three LIMIT 20",
                facts.range()
            )),
            Dialect::Duckdb | Dialect::Datafusion => {}
        }
        texts
    },
    hand: |columns, _| order::first_paths(columns, "Add to Cart", 20),
};
