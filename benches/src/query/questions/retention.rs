//! The triangle of daily retention.

use super::Question;
use crate::hand::uniques;
use crate::query::system::Dialect;

pub(crate) const QUESTION: Question = Question {
    name: "retention",
    asks: "retention triangle: users by first day and day",
    sql: |dialect, events, _| {
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
        texts
    },
    hand: |columns, _| uniques::retention(columns),
};
