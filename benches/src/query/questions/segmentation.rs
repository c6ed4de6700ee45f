//! One event by day and a property.

use super::Question;
use crate::hand::counts;

pub(crate) const QUESTION: Question = Question {
    name: "segmentation",
    asks: "totals of one event by day and a property",
    sql: |_, events, _| {
        vec![format!(
            "SELECT day, category, count(*) FROM {events} WHERE event = 'View Item' GROUP BY day, category"
        )]
    },
    hand: |columns, _| counts::of_event(columns, "View Item", &columns.category),
};
