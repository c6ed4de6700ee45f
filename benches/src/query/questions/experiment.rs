//! What comes after an exposure.

use super::Question;
use crate::hand::order;
use crate::query::system::Dialect;

pub(crate) const QUESTION: Question = Question {
    name: "experiment",
    asks: "by the platform of each user's last cart: users, those of them who buy, and how often",
    sql: |dialect, events, facts| {
        let cart = "CASE WHEN event = 'Add to Cart' THEN platform END";
        let variant = dialect.last_known(cart, "PARTITION BY user_id ORDER BY time, sequence");
        let users =
            |event: &str| dialect.count_distinct(&format!("CASE WHEN event = '{event}' THEN user_id END"));
        let mut texts = vec![format!(
            "SELECT variant, {}, {}, sum(CASE WHEN event = 'Purchase' THEN 1 ELSE 0 END) FROM \
             (SELECT user_id, event, {variant} AS variant FROM {events} WHERE event IN ('Add to Cart', 'Purchase')) \
             AS attributed WHERE variant IS NOT NULL GROUP BY variant",
            users("Add to Cart"),
            users("Purchase"),
        )];
        match dialect {
            Dialect::Clickhouse => texts.push(format!(
                "SELECT v, uniqExactIf(user_id, e = 'Add to Cart'), uniqExactIf(user_id, e = 'Purchase'), \
                 countIf(e = 'Purchase') FROM \
                 (SELECT user_id, arraySort(groupArray((time, sequence, event, platform))) AS all_rows, \
                 arrayMap(x -> x.3, all_rows) AS names, indexOf(names, 'Add to Cart') AS i, \
                 arrayFill((p, e) -> e = 'Add to Cart', arrayMap(x -> x.4, all_rows), names) AS platforms \
                 FROM {events} WHERE event IN ('Add to Cart', 'Purchase') GROUP BY user_id) \
                 ARRAY JOIN arraySlice(names, i) AS e, arraySlice(platforms, i) AS v WHERE i > 0 GROUP BY v"
            )),
            Dialect::Tallymark => texts.push(format!(
                "SELECT variant, exposed, CAST(sum(CASE WHEN metric = 'A' THEN total END) AS BIGINT) AS users, \
                 CAST(sum(CASE WHEN metric = 'B' THEN total END) AS BIGINT) AS times FROM experiment('{{\"range\": {}, \
                 \"exposure\": \"Add to Cart\", \"variant\": \"platform\", \"control\": \"web\", \"metrics\": \
                 [{{\"event\": \"Purchase\"}}, {{\"event\": \"Purchase\", \"measure\": \"total_events\"}}]}}') \
                 GROUP BY variant, exposed",
                facts.range()
            )),
            Dialect::Duckdb | Dialect::Datafusion => {}
        }
        texts
    },
    hand: |columns, _| order::experiment(columns, "Add to Cart", "Purchase"),
};
