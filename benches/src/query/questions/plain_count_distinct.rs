//! Plain SQL: different values of a property.

use super::Question;
use crate::hand::properties;

pub(crate) const QUESTION: Question = Question {
    name: "plain-count-distinct",
    asks: "SQL: different items viewed by category",
    sql: |dialect, events, _| {
        let items = dialect.count_distinct("item_id");
        vec![format!("SELECT category, {items} FROM {events} WHERE event = 'View Item' GROUP BY category")]
    },
    hand: |columns, _| properties::distinct_items(columns, "View Item"),
};
