//! Funnels in SQL.

use super::system::Dialect;

/// The window of all funnels here.
pub(crate) const WEEK_MS: i64 = 7 * 86_400_000;

/// Texts that count users by the last step they reach, optionally by the least country of what counts.
/// The rule is that of [`crate::hand::funnel::levels`].
pub(crate) fn levels(dialect: Dialect, events: &str, steps: &[&str], by_country: bool) -> Vec<String> {
    match dialect {
        Dialect::Clickhouse => vec![window_funnel(dialect, events, steps, by_country)],
        Dialect::Tallymark => {
            // By country a user counts under the least of all their events: not what a report says.
            let report = (!by_country).then(|| report(steps));
            let sql = [
                window_funnel(dialect, events, steps, by_country),
                nested_windows(dialect, events, steps, by_country),
            ];
            report.into_iter().chain(sql).collect()
        }
        Dialect::Duckdb | Dialect::Datafusion => vec![nested_windows(dialect, events, steps, by_country)],
    }
}

/// As a report that counts as ClickHouse does.
fn report(steps: &[&str]) -> String {
    let definition = serde_json::json!({
        "range": "since 2000-01-01", "steps": steps, "window": "7 days", "clickhouse": []
    });
    format!(
        "SELECT step AS level, reached AS users FROM (SELECT step, \
         count - lead(count, 1, 0) OVER (ORDER BY step) AS reached FROM funnel('{definition}')) AS steps \
         WHERE reached > 0"
    )
}

fn quoted(steps: &[&str]) -> String {
    let quoted: Vec<String> = steps.iter().map(|step| format!("'{step}'")).collect();
    quoted.join(", ")
}

/// With the function made for it.
fn window_funnel(dialect: Dialect, events: &str, steps: &[&str], by_country: bool) -> String {
    let conditions: Vec<String> = steps.iter().map(|step| format!("event = '{step}'")).collect();
    let (conditions, names) = (conditions.join(", "), quoted(steps));
    let (country, least) = if by_country { ("country, ", ", min(country) AS country") } else { ("", "") };
    let level = match dialect {
        Dialect::Clickhouse => {
            format!("windowFunnel({WEEK_MS})(toUInt64(toUnixTimestamp64Milli(time)), {conditions})")
        }
        Dialect::Tallymark | Dialect::Duckdb | Dialect::Datafusion => {
            format!("window_funnel(INTERVAL '7 days', time, {conditions})")
        }
    };
    format!(
        "SELECT {country}level, count(*) FROM (SELECT user_id, {level} AS level{least} \
         FROM {events} WHERE event IN ({names}) GROUP BY user_id) AS users \
         WHERE level > 0 GROUP BY {country}level"
    )
}

/// One window a step: `s` is, for an event of a step done so far, the latest start of a chain that ends
/// there. The latest start is best for every later step.
fn nested_windows(dialect: Dialect, events: &str, steps: &[&str], by_country: bool) -> String {
    let carried = if by_country { "user_id, country, t, step" } else { "user_id, t, step" };
    let country = if by_country { "country, " } else { "" };
    let cases: Vec<String> =
        steps.iter().zip(1..).map(|(name, step)| format!("WHEN '{name}' THEN {step}")).collect();
    let (cases, names, t) = (cases.join(" "), quoted(steps), dialect.ms("time"));
    // Tables of a WITH: parsers refuse to go down some forty brackets.
    let mut tables = vec![
        format!(
            "s0 AS (SELECT user_id, {country}{t} AS t, CASE event {cases} END AS step \
             FROM {events} WHERE event IN ({names}))"
        ),
        format!("s1 AS (SELECT {carried}, CASE WHEN step = 1 THEN t END AS s FROM s0)"),
    ];
    for step in 2..=steps.len() {
        let before = step - 1;
        let start = format!(
            "max(CASE WHEN step = {before} THEN s END) OVER \
             (PARTITION BY user_id ORDER BY t, step ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        );
        tables.push(format!("c{step} AS (SELECT {carried}, s, {start} AS c FROM s{before})"));
        tables.push(format!(
            "s{step} AS (SELECT {carried}, CASE WHEN step < {step} THEN s \
             WHEN step = {step} AND t - c <= {WEEK_MS} THEN c END AS s FROM c{step})"
        ));
    }
    let least = if by_country { ", min(country) AS country" } else { "" };
    format!(
        "WITH {}, users AS \
         (SELECT user_id, max(CASE WHEN s IS NOT NULL THEN step END) AS level{least} FROM s{} GROUP BY user_id) \
         SELECT {country}level, count(*) FROM users WHERE level IS NOT NULL GROUP BY {country}level",
        tables.join(", "),
        steps.len()
    )
}
