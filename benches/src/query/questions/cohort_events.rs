//! What a cohort of users did.

use super::Question;
use crate::hand::uniques;
use crate::query::dataset::BUYERS;
use crate::query::system::Dialect;

pub(crate) const QUESTION: Question = Question {
    name: "cohort-events",
    asks: "events by day of the users who did one event at least twice",
    sql: |dialect, events, facts| {
        let mut texts = vec![format!(
            "SELECT day, count(*) FROM {events} WHERE user_id IN \
             (SELECT user_id FROM {events} WHERE event = 'Purchase' GROUP BY user_id HAVING count(*) >= 2) \
             GROUP BY day"
        )];
        if dialect == Dialect::Tallymark {
            texts.push(format!(
                "SELECT CAST(time AS DATE) AS day, CAST(value AS BIGINT) FROM insights('{{\"range\": {}, \
                 \"interval\": \"day\", \"metrics\": [{{\"event\": \"$all_events\", \"measure\": \
                 \"total_events\", \"where\": {{\"in_cohort\": \"{BUYERS}\"}}}}]}}')",
                facts.range()
            ));
        }
        texts
    },
    hand: |columns, _| uniques::of_cohort(columns, "Purchase", 2),
};
