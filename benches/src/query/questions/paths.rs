//! What users do after an event.

use super::Question;
use crate::hand::order;
use crate::query::system::Dialect;

pub(crate) const QUESTION: Question = Question {
    name: "paths",
    asks: "the 3 events after one event, the 20 most frequent paths",
    sql: |dialect, events, _| {
        let next = |rows| dialect.lead("event", rows, "PARTITION BY user_id ORDER BY time, sequence");
        let (one, two, three) = (next(1), next(2), next(3));
        let mut texts = vec![format!(
            "SELECT one, two, three, count(*) AS times FROM \
             (SELECT event, {one} AS one, {two} AS two, {three} AS three FROM {events}) AS paths \
             WHERE event = 'Add to Cart' AND three IS NOT NULL GROUP BY one, two, three \
             ORDER BY times DESC, one, two, three LIMIT 20"
        )];
        if dialect == Dialect::Clickhouse {
            texts.push(format!(
                "SELECT e[i + 1] AS one, e[i + 2] AS two, e[i + 3] AS three, count() AS times FROM \
                 (SELECT e, arrayJoin(arrayFilter(i -> e[i] = 'Add to Cart' AND i + 3 <= length(e), arrayEnumerate(e))) AS i \
                 FROM (SELECT arrayMap(x -> x.3, arraySort(groupArray((time, sequence, event)))) AS e \
                 FROM {events} GROUP BY user_id)) GROUP BY one, two, three \
                 ORDER BY times DESC, one, two, three LIMIT 20"
            ));
        }
        texts
    },
    hand: |columns, _| order::paths(columns, "Add to Cart", 20),
};
