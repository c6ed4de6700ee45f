//! Who is new, who stays, who comes back, who stays away.

use super::Question;
use crate::hand::uniques;
use crate::query::system::Dialect;

pub(crate) const QUESTION: Question = Question {
    name: "lifecycle",
    asks: "new, returning, resurrected and dormant users by week",
    sql: |dialect, events, facts| {
        let week = dialect.week("day");
        let (before, after) = (
            dialect.lag("week", "PARTITION BY user_id ORDER BY week"),
            dialect.lead("week", 1, "PARTITION BY user_id ORDER BY week"),
        );
        let last = facts.last_week();
        let mut texts = vec![format!(
            "WITH weeks AS (SELECT DISTINCT user_id, {week} AS week FROM {events} WHERE user_id IS NOT NULL), \
             seen AS (SELECT week, {before} AS earlier, {after} AS later FROM weeks) \
             SELECT of_week, status, count(*) FROM ( \
             SELECT week AS of_week, CASE WHEN earlier IS NULL THEN 'new' WHEN earlier = week - 1 THEN 'returning' \
             ELSE 'resurrected' END AS status FROM seen \
             UNION ALL SELECT week + 1 AS of_week, 'dormant' AS status FROM seen \
             WHERE week < {last} AND (later IS NULL OR later > week + 1)) AS statuses GROUP BY of_week, status"
        )];
        if dialect == Dialect::Tallymark {
            let week = dialect.week("CAST(time AS DATE)");
            texts.push(format!(
                "SELECT {week} AS week, status, users FROM lifecycle('{{\"range\": {}, \
                 \"event\": \"$all_events\", \"unit\": \"week\"}}') WHERE users > 0",
                facts.range()
            ));
        }
        texts
    },
    hand: |columns, facts| uniques::lifecycle(columns, facts.last_week()),
};
