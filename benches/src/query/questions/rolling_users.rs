//! Users of the last seven days, day by day.

use super::Question;
use crate::hand::uniques;
use crate::query::system::Dialect;

pub(crate) const QUESTION: Question = Question {
    name: "rolling-users",
    asks: "unique users of the last 7 days, for each day",
    sql: |dialect, events, facts| {
        let mut texts = vec![changes(dialect, events)];
        if dialect == Dialect::Tallymark {
            texts.push(format!(
                "SELECT CAST(time AS DATE) AS day, CAST(value AS BIGINT) AS users FROM insights('{{\"range\": {}, \
                 \"interval\": \"day\", \"metrics\": [{{\"event\": \"$all_events\", \"measure\": \
                 \"weekly_active_users\"}}]}}')",
                facts.range()
            ));
        }
        if dialect == Dialect::Clickhouse {
            texts.push(format!(
                "SELECT arrayJoin(arrayDistinct(arrayFlatten(arrayMap(d -> arrayMap(i -> d + i, range(7)), days)))) AS day, \
                 count() FROM (SELECT groupUniqArray(day) AS days FROM {events} GROUP BY user_id) \
                 GROUP BY day HAVING day <= (SELECT max(day) FROM {events})"
            ));
        }
        texts
    },
    hand: |columns, _| uniques::rolling(columns, 7),
};

/// A day a user is there counts until the user's next such day, seven days at most: the running sum of
/// these beginnings and ends.
fn changes(dialect: Dialect, events: &str) -> String {
    let next = dialect.lead("day", 1, "PARTITION BY user_id ORDER BY day");
    let end = dialect.days_later("day", 7);
    format!(
        "WITH active AS (SELECT DISTINCT user_id, day FROM {events}), \
         spans AS (SELECT day, {next} AS next_day FROM active), \
         ends AS (SELECT least(coalesce(next_day, {end}), {end}) AS day FROM spans), \
         changes AS (SELECT day, count(*) AS users FROM spans GROUP BY day \
         UNION ALL SELECT day, 0 - count(*) AS users FROM ends GROUP BY day), \
         by_day AS (SELECT day, sum(users) AS users FROM changes GROUP BY day), \
         running AS (SELECT day, sum(users) OVER (ORDER BY day ROWS UNBOUNDED PRECEDING) AS users FROM by_day) \
         SELECT day, users FROM running WHERE day <= (SELECT max(day) FROM {events})"
    )
}
