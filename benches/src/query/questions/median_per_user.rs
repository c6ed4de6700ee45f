//! The median of an event per user.

use super::Question;
use crate::hand::frequency;

pub(crate) const QUESTION: Question = Question {
    name: "median-per-user",
    asks: "median number of one event per user who did it, by day",
    sql: |dialect, events, _| {
        let median = dialect.percentile("times", 0.5);
        vec![format!(
            "SELECT day, {median} FROM (SELECT day, user_id, count(*) AS times FROM {events} \
             WHERE event = 'View Item' GROUP BY day, user_id) AS users GROUP BY day"
        )]
    },
    hand: |columns, _| frequency::median_by_day(columns, "View Item"),
};
