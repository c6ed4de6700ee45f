//! Plain SQL: a range of time.

use tallymark_event::Day;

use super::Question;
use crate::hand::counts;
use crate::query::dataset::Facts;

pub(crate) const QUESTION: Question = Question {
    name: "plain-week",
    asks: "SQL: events by country in a week that starts at noon",
    sql: |dialect, events, facts| {
        let (from, to) = week(facts);
        let text = |ms: i64| {
            let day = Day::from_days(ms.div_euclid(86_400_000) as i32);
            dialect.instant(&format!("{day} 12:00:00"))
        };
        let (from, to) = (text(from), text(to));
        vec![format!(
            "SELECT country, count(*) FROM {events} WHERE time >= {from} AND time < {to} GROUP BY country"
        )]
    },
    hand: |columns, facts| {
        let (from, to) = week(facts);
        counts::between(columns, from, to)
    },
};

/// Noon of a third of the days to noon a week later.
fn week(facts: &Facts) -> (i64, i64) {
    let first = Day::from_days(facts.first_day + facts.days as i32 / 3);
    let noon = first.start().millis() + 12 * 3_600_000;
    (noon, noon + 7 * 86_400_000)
}
