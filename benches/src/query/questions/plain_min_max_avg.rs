//! Plain SQL: least, largest and average.

use super::Question;
use crate::hand::properties;

pub(crate) const QUESTION: Question = Question {
    name: "plain-min-max-avg",
    asks: "SQL: count, sum, average, least and largest loading time by page",
    sql: |_, events, _| {
        vec![format!(
            "SELECT page, count(load_ms), sum(load_ms), avg(load_ms), min(load_ms), max(load_ms) \
             FROM {events} WHERE event = 'Page View' GROUP BY page"
        )]
    },
    hand: |columns, _| {
        let load_ms = |ms: i32| (ms >= 0).then(|| f64::from(ms));
        properties::sums(columns, "Page View", &columns.page, &columns.load_ms, load_ms)
    },
};
