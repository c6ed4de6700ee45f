//! Plain SQL: a count by two properties.

use super::Question;
use crate::hand::counts;

pub(crate) const QUESTION: Question = Question {
    name: "plain-two-properties",
    asks: "SQL: events by platform and country",
    sql: |_, events, _| {
        vec![format!("SELECT platform, country, count(*) FROM {events} GROUP BY platform, country")]
    },
    hand: |columns, _| counts::by_two(columns, &columns.platform, &columns.country),
};
