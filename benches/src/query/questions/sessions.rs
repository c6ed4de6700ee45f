//! Sessions by day.

use super::Question;
use crate::hand::order;
use crate::query::system::Dialect;

const TIMEOUT_MS: i64 = 30 * 60_000;

pub(crate) const QUESTION: Question = Question {
    name: "sessions",
    asks: "sessions by day with a timeout of 30 minutes, and their mean length",
    sql: |dialect, events, _| {
        let mut texts = vec![windows(dialect, events)];
        if dialect == Dialect::Tallymark {
            texts.push(format!(
                "WITH numbered AS (SELECT user_id, time, \
                 sessionize(time, INTERVAL '30 minutes') OVER (PARTITION BY user_id ORDER BY time) AS session \
                 FROM {events}), \
                 sessions AS (SELECT min(time) AS starts, max(time) AS ends \
                 FROM numbered GROUP BY user_id, session) \
                 SELECT CAST(starts AS DATE) AS day, count(*), avg(CAST(ends AS BIGINT) - CAST(starts AS BIGINT)) \
                 FROM sessions GROUP BY day"
            ));
        }
        if dialect == Dialect::Tallymark {
            texts.push(
                "SELECT CAST(start AS DATE) AS day, count(*), avg(duration_s * 1000) FROM sessions('{\"range\": \
                 \"since 2000-01-01\", \"sessions\": {\"timeout_seconds\": 1800, \"midnight_cut\": false}}') GROUP BY day"
                    .to_owned(),
            );
        }
        if dialect == Dialect::Clickhouse {
            texts.push(format!(
                "SELECT toDate(s[1]) AS day, count(), avg(toUnixTimestamp64Milli(s[-1]) - toUnixTimestamp64Milli(s[1])) \
                 FROM (SELECT arrayJoin(arraySplit((t, gap) -> gap > {TIMEOUT_MS}, times, \
                 arrayDifference(arrayMap(t -> toUnixTimestamp64Milli(t), times)))) AS s \
                 FROM (SELECT arraySort(groupArray(time)) AS times FROM {events} GROUP BY user_id)) GROUP BY day"
            ));
        }
        texts
    },
    hand: |columns, _| order::sessions(columns, TIMEOUT_MS),
};

/// A session starts after a pause, and ends before the next one starts or with the user's last event:
/// the second window runs over starts alone.
fn windows(dialect: Dialect, events: &str) -> String {
    let by_user = "PARTITION BY user_id ORDER BY t";
    let before = dialect.lag("t", by_user);
    let next = dialect.lead("t_before", 1, by_user);
    let t = dialect.ms("time");
    format!(
        "WITH times AS (SELECT user_id, day, {t} AS t FROM {events}), \
         gaps AS (SELECT user_id, day, t, {before} AS t_before, max(t) OVER (PARTITION BY user_id) AS t_last FROM times), \
         starts AS (SELECT * FROM gaps WHERE t_before IS NULL OR t - t_before > {TIMEOUT_MS}), \
         sessions AS (SELECT day, t, coalesce({next}, t_last) AS t_end FROM starts) \
         SELECT day, count(*), avg(t_end - t) FROM sessions GROUP BY day"
    )
}
