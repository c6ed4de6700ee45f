//! What a cohort of users did.

use super::Question;
use crate::hand::uniques;

pub(crate) const QUESTION: Question = Question {
    name: "cohort-events",
    asks: "events by day of the users who did one event at least twice",
    sql: |_, events, _| {
        vec![format!(
            "SELECT day, count(*) FROM {events} WHERE user_id IN \
             (SELECT user_id FROM {events} WHERE event = 'Purchase' GROUP BY user_id HAVING count(*) >= 2) \
             GROUP BY day"
        )]
    },
    hand: |columns, _| uniques::of_cohort(columns, "Purchase", 2),
};
