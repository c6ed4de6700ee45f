//! Users of one event by day and country.

use super::Question;
use crate::hand::uniques;

pub(crate) const QUESTION: Question = Question {
    name: "users-by-country",
    asks: "unique users of one event by day and country",
    sql: |dialect, events, _| {
        let users = dialect.count_distinct("user_id");
        vec![format!(
            "SELECT day, country, {users} FROM {events} WHERE event = 'View Item' GROUP BY day, country"
        )]
    },
    hand: |columns, _| uniques::by_day_and_country(columns, "View Item"),
};
