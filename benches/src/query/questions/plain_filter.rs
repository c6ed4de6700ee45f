//! Plain SQL: a count under two filters.

use super::Question;
use crate::hand::counts;

pub(crate) const QUESTION: Question = Question {
    name: "plain-filter",
    asks: "SQL: events of one country and platform",
    sql: |_, events, _| {
        vec![format!("SELECT count(*) FROM {events} WHERE country = 'DE' AND platform = 'ios'")]
    },
    hand: |columns, _| counts::matching(columns, "DE", "ios"),
};
