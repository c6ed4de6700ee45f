//! How many users did an event how often.

use super::Question;
use crate::hand::frequency;

pub(crate) const QUESTION: Question = Question {
    name: "frequency",
    asks: "how many users did one event once, twice, …",
    sql: |_, events, _| {
        vec![format!(
            "SELECT times, count(*) FROM \
             (SELECT user_id, count(*) AS times FROM {events} WHERE event = 'View Item' GROUP BY user_id) AS users \
             GROUP BY times"
        )]
    },
    hand: |columns, _| frequency::histogram(columns, "View Item"),
};
