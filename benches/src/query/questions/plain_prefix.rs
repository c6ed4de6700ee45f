//! Plain SQL: a count under a pattern.

use super::Question;
use crate::hand::counts;

pub(crate) const QUESTION: Question = Question {
    name: "plain-prefix",
    asks: "SQL: events whose item starts with a text",
    sql: |_, events, _| vec![format!("SELECT count(*) FROM {events} WHERE item_id LIKE 'sku-001%'")],
    hand: |columns, _| counts::item_prefix(columns, "sku-001"),
};
