//! The triangle of daily retention.

use super::Question;
use crate::hand::uniques;
use crate::query::system::Dialect;

pub(crate) const QUESTION: Question = Question {
    name: "retention",
    asks: "retention triangle: users by first day and day",
    sql: |dialect, events, facts| {
        let mut texts = vec![format!(
            "SELECT first_day, day, count(*) FROM \
             (SELECT day, min(day) OVER (PARTITION BY user_id) AS first_day \
             FROM (SELECT DISTINCT user_id, day FROM {events}) AS active) AS days GROUP BY first_day, day"
        )];
        if dialect == Dialect::Clickhouse {
            texts.push(format!(
                "SELECT arrayMin(days) AS first_day, arrayJoin(days) AS day, count() FROM \
                 (SELECT groupUniqArray(day) AS days FROM {events} GROUP BY user_id) GROUP BY first_day, day"
            ));
        }
        if dialect == Dialect::Tallymark {
            // Everybody is there on their first day, whether they come back on it or not.
            texts.push(format!(
                "SELECT CAST(time AS DATE) AS first_day, \
                 CAST(CAST(CAST(CAST(time AS DATE) AS INT) + bucket AS INT) AS DATE) AS day, \
                 CASE WHEN bucket = 0 THEN size ELSE retained END AS users FROM retention('{{\"range\": {}, \
                 \"birth\": {{\"event\": \"$all_events\", \"first_time\": \"ever\"}}, \
                 \"alignment\": \"calendar\", \"criterion\": \"on\"}}') \
                 WHERE \"row\" = 'cohort' AND size > 0 AND (bucket = 0 OR retained > 0)",
                facts.range()
            ));
        }
        texts
    },
    hand: |columns, _| uniques::retention(columns),
};
