//! Plain SQL: the most frequent values of a property.

use super::Question;
use crate::hand::counts;

pub(crate) const QUESTION: Question = Question {
    name: "plain-top",
    asks: "SQL: the 10 most frequent of 20,000 items",
    sql: |_, events, _| {
        vec![format!(
            "SELECT item_id, count(*) AS times FROM {events} WHERE item_id IS NOT NULL \
             GROUP BY item_id ORDER BY times DESC, item_id LIMIT 10"
        )]
    },
    hand: |columns, _| counts::top_items(columns, 10),
};
