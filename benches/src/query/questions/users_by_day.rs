//! Users by day.

use super::Question;
use crate::hand::uniques;
use crate::query::system::Dialect;

pub(crate) const QUESTION: Question = Question {
    name: "users-by-day",
    asks: "unique users by day",
    sql: |dialect, events, _| {
        let users = dialect.count_distinct("user_id");
        let mut texts = vec![format!("SELECT day, {users} FROM {events} GROUP BY day")];
        if dialect != Dialect::Tallymark {
            texts.push(format!(
                "SELECT day, count(*) FROM (SELECT DISTINCT day, user_id FROM {events}) AS active GROUP BY day"
            ));
        }
        texts
    },
    hand: |columns, _| uniques::by_day(columns),
};
