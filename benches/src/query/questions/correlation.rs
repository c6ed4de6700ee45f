//! What goes with a purchase.

use super::Question;
use crate::hand::order;
use crate::query::system::Dialect;

/// The events that may go with it, at least so many times in so many days.
const CANDIDATES: [&str; 4] = ["View Item", "Search", "Add to Cart", "Watch Video"];
const CELLS: [(usize, i64); 4] = [(1, 1), (3, 1), (1, 7), (3, 7)];

pub(crate) const QUESTION: Question = Question {
    name: "correlation",
    asks: "of 4 events, who does each 1 and 3 times in 1 and 7 days, and who of them buys",
    sql: |dialect, events, facts| {
        let names = CANDIDATES.map(|name| format!("'{name}'")).join(", ");
        let birth = dialect.ms("min(time)");
        let since = |days: i64| format!("{} <= birth + {}", dialect.ms("time"), days * 86_400_000);
        let mut texts = vec![format!(
            "SELECT event, {} FROM (SELECT done.user_id AS user_id, done.event AS event, born.goal AS goal, \
             sum(CASE WHEN {} THEN 1 ELSE 0 END) AS times_1, sum(CASE WHEN {} THEN 1 ELSE 0 END) AS times_7 \
             FROM (SELECT user_id, event, time FROM {events} WHERE event IN ({names})) AS done \
             JOIN (SELECT user_id, {birth} AS birth, max(CASE WHEN event = 'Purchase' THEN 1 ELSE 0 END) AS goal \
             FROM {events} GROUP BY user_id) AS born ON done.user_id = born.user_id \
             GROUP BY done.user_id, done.event, born.goal) AS users GROUP BY event",
            cells(|times, days, goal| format!(
                "sum(CASE WHEN times_{days} >= {times} AND goal = {goal} THEN 1 ELSE 0 END)"
            )),
            since(1),
            since(7),
        )];
        match dialect {
            Dialect::Clickhouse => texts.push(format!(
                "SELECT event, {} FROM (SELECT user_id, event, goal, arrayCount(t -> t <= birth + 86400000, times) AS times_1, \
                 arrayCount(t -> t <= birth + 604800000, times) AS times_7 FROM \
                 (SELECT user_id, {birth} AS birth, max(event = 'Purchase') AS goal, \
                 [{}] AS all_times FROM {events} GROUP BY user_id) \
                 ARRAY JOIN [{names}] AS event, all_times AS times WHERE notEmpty(times)) GROUP BY event",
                cells(|times, days, goal| format!("countIf(times_{days} >= {times} AND goal = {goal})")),
                CANDIDATES.map(|name| format!("groupArrayIf({}, event = '{name}')", dialect.ms("time"))).join(", "),
            )),
            Dialect::Tallymark => texts.push(format!(
                "SELECT event, {} FROM correlation('{{\"range\": {}, \"goal\": \"Purchase\", \"all_cells\": true, \
                 \"candidates\": [{}]}}') GROUP BY event",
                cells(|times, days, goal| {
                    let part = if goal == 1 { "true_positives" } else { "false_positives" };
                    format!("sum(CASE WHEN times = {times} AND days = {days} THEN {part} END)")
                }),
                facts.range(),
                CANDIDATES.map(|name| format!("\"{name}\"")).join(", "),
            )),
            Dialect::Duckdb | Dialect::Datafusion => {}
        }
        texts
    },
    hand: |columns, _| order::correlation(columns, &CANDIDATES, "Purchase", &CELLS),
};

/// Two columns for each number of times and days: with and without the goal.
fn cells(column: impl Fn(usize, i64, u8) -> String) -> String {
    let both = |(times, days)| [column(times, days, 1), column(times, days, 0)];
    CELLS.into_iter().flat_map(both).collect::<Vec<_>>().join(", ")
}
