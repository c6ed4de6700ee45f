//! One user's last events.

use super::Question;
use crate::hand::order;

pub(crate) const QUESTION: Question = Question {
    name: "feed",
    asks: "the last 100 events of the busiest user",
    sql: |dialect, events, facts| {
        let (time, user) = (dialect.ms("time"), &facts.busiest_user);
        vec![format!(
            "SELECT {time} AS ms, event, platform, country FROM {events} WHERE user_id = '{user}' \
             ORDER BY time DESC, sequence DESC LIMIT 100"
        )]
    },
    hand: |columns, facts| order::feed(columns, &facts.busiest_user, 100),
};
