//! Events by name and day.

use super::Question;
use crate::hand::counts;

pub(crate) const QUESTION: Question = Question {
    name: "events-by-day",
    asks: "events by name and day",
    sql: |_, events, _| vec![format!("SELECT event, day, count(*) FROM {events} GROUP BY event, day")],
    hand: |columns, _| counts::events_by_day(columns),
};
