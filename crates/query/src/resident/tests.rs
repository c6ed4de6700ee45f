//! Whatever is asked, memory and files give the same answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use tallymark_event::Event;
use tallymark_users::ProfileKey;

use crate::testing::{TestDataset, answer, event, rows};

/// Numbers that look random and are always the same.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one_of<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[self.below(values.len() as u64) as usize]
    }
}

/// Events of five days around a change of clocks, with equal times, nobody's, devices, and values
/// of every kind, some of several under one name.
fn events(draw: &mut Draw, count: usize) -> Vec<Event<'static>> {
    let names = ["Play", "Buy", "Share", "Play again", "Ünïcode", "Quit"];
    let mut all = Vec::new();
    for _ in 0..count {
        let day = 29 + draw.below(3);
        let minute = draw.below(24 * 60);
        let second = draw.one_of(&["00", "00", "59"]);
        let time = format!("2024-03-{day}T{:02}:{:02}:{second}Z", minute / 60, minute % 60);
        let user = match draw.below(12) {
            0 => String::new(),
            1 => format!("$device:d{}", draw.below(4)),
            _ => format!("user-{}", draw.below(9) * draw.below(4)),
        };
        let plan =
            draw.one_of(&[r#""plan": "free","#, r#""plan": "pro","#, r#""plan": "","#, r#""plan": 7,"#, ""]);
        let seats = ["", r#""seats": 3,"#, r#""seats": -40,"#, r#""seats": "many","#][draw.below(4) as usize];
        let flag = ["", r#""flag": true,"#, r#""flag": false,"#][draw.below(3) as usize];
        let tags = ["", r#""tags": ["a", "b"],"#, r#""tags": [],"#][draw.below(3) as usize];
        let since = ["", r#""since": "2024-02-29","#, r#""since": "1969-12-31","#][draw.below(3) as usize];
        let price = draw.below(4000) as f64 / 4.0;
        // Few rows have these.
        let rare = match draw.below(60) {
            0..4 => format!(
                "\"refund\": {},\"coupon\": \"{}\",",
                draw.below(40) as f64 / 4.0 - 3.0,
                draw.one_of(&["spring", "summer", ""])
            ),
            4..8 => format!("\"left\": {}, \"due\": \"2024-04-0{}\",", draw.below(3), 1 + draw.below(4)),
            8 => r#""rated": true, "seen": ["x", "y"],"#.to_owned(),
            9 => r#""rated": false, "seen": [],"#.to_owned(),
            _ => String::new(),
        };
        let properties = format!("{{{plan}{seats}{flag}{tags}{since}{rare}\"price\": {price}}}");
        all.push(event(draw.one_of(&names), &user, &time, &properties));
    }
    all
}

/// Several files a day, rows in memory, ids joined before and after they were written.
pub(super) async fn dataset() -> TestDataset {
    let mut draw = Draw(7);
    let mut dataset = TestDataset::new();
    dataset.row_group_rows = 64;
    // The first values decide which lane has the plain name.
    let first =
        r#"{"plan": "free", "seats": 1, "flag": true, "tags": ["a"], "since": "2024-02-29", "price": 0.25}"#;
    dataset.files(&[event("Play", "user-1", "2024-03-29T00:00:00Z", first)]).await;
    dataset.files(&events(&mut draw, 500)).await;
    dataset.link("d1", "user-3").link("d2", "newcomer");
    dataset.files(&events(&mut draw, 300)).await;
    dataset.memory(&events(&mut draw, 60));
    dataset.link("d3", "user-1");
    dataset.memory(&events(&mut draw, 40));
    dataset
}

/// Questions in every form the plans over segments know, and some they do not.
const QUESTIONS: &[&str] = &[
    // Aggregates without groups.
    "SELECT count(*) FROM events",
    "SELECT count(*), count(DISTINCT user_id), sum(seats), avg(price), min(price), max(seats) FROM events",
    "SELECT count(*) FROM events WHERE event = 'Nothing'",
    "SELECT sum(seats), count(DISTINCT user_id), min(plan) FROM events WHERE event = 'Nothing'",
    "SELECT count(*), count(DISTINCT user_id) FROM events WHERE day = '1999-01-01'",
    "SELECT count(*) FROM events WHERE user_id IS NULL",
    "SELECT count(user_id), count(plan), count(1), count(NULL) FROM events",
    "SELECT count(DISTINCT plan), count(DISTINCT seats), count(DISTINCT flag) FROM events",
    "SELECT min(time), max(time), min(event), max(user_id) FROM events",
    "SELECT median(price), stddev(price) > 0, bool_and(flag), bit_or(seats) FROM events",
    "SELECT count(*) FILTER (WHERE plan = 'pro'), count(DISTINCT user_id) FILTER (WHERE price > 500), sum(price) FILTER (WHERE event = 'Buy' AND flag) FROM events",
    "SELECT count(*) FILTER (WHERE false), count(DISTINCT user_id) FILTER (WHERE event = 'Nothing') FROM events",
    // Groups of one key.
    "SELECT event, count(*) FROM events GROUP BY event",
    "SELECT plan, count(*), count(DISTINCT user_id), sum(price) FROM events GROUP BY plan",
    "SELECT seats, count(*), min(price) FROM events GROUP BY seats",
    "SELECT flag, count(*), count(DISTINCT user_id) FROM events GROUP BY flag",
    "SELECT since, avg(seats) FROM events GROUP BY since",
    "SELECT price, count(*) FROM events WHERE price < 100 GROUP BY price",
    "SELECT day, count(*), count(DISTINCT user_id) FROM events GROUP BY day",
    "SELECT user_id, count(*) FROM events GROUP BY user_id",
    "SELECT user_id, count(*), count(DISTINCT day), min(time), max(plan), sum(price) FROM events GROUP BY user_id",
    "SELECT user_id, count(*) FROM events WHERE event = 'Buy' AND price > 700 GROUP BY user_id",
    "SELECT user_id, count(*) FILTER (WHERE event = 'Buy') FROM events GROUP BY user_id",
    "SELECT user_id, count(DISTINCT user_id), count(*) FROM events GROUP BY user_id",
    "SELECT distinct_id, count(*) FROM events GROUP BY distinct_id",
    "SELECT device_id, count(*) FROM events GROUP BY device_id",
    "SELECT tags, count(*) FROM events GROUP BY tags",
    // Several keys.
    "SELECT event, plan, count(*), count(DISTINCT user_id) FROM events GROUP BY event, plan",
    "SELECT day, event, plan, flag, count(*), sum(price) FROM events GROUP BY day, event, plan, flag",
    "SELECT user_id, event, count(*), max(price) FROM events GROUP BY user_id, event",
    "SELECT user_id, day, count(*) FROM events GROUP BY user_id, day",
    "SELECT seats, since, price, count(*) FROM events GROUP BY seats, since, price",
    "SELECT event, plan, count(*) FROM events GROUP BY ROLLUP (event, plan)",
    // Per user within what all rows of a segment have, and what is made of that.
    "SELECT day, user_id, count(*) FROM events WHERE event = 'Buy' GROUP BY day, user_id",
    "SELECT user_id, day, day < '2024-03-30', count(*) FROM events WHERE event IN ('Buy', 'Quit', 'Nothing') GROUP BY 1, 2, 3",
    "SELECT day, user_id, count(*) FROM events WHERE event NOT IN ('Buy', 'Quit') GROUP BY day, user_id",
    "SELECT day, user_id, count(*) FROM events WHERE event = 'Buy' AND price > 500 AND time > '2024-03-29T10:00:00Z' GROUP BY day, user_id",
    "SELECT n, count(*) FROM (SELECT day, user_id, count(*) AS n FROM events WHERE event IN ('Buy', 'Quit') GROUP BY 1, 2) GROUP BY n",
    "SELECT day, median(n), max(n) FROM (SELECT day, user_id, count(*) AS n FROM events GROUP BY 1, 2) GROUP BY day",
    "SELECT day, avg(total), count(*) FROM (SELECT day, user_id, sum(price) AS total FROM events WHERE flag GROUP BY 1, 2) GROUP BY day",
    "SELECT max(n), sum(n) FROM (SELECT user_id, count(*) AS n FROM events WHERE event = 'Play' GROUP BY user_id)",
    "SELECT day, max(n) FROM (SELECT day, event, user_id, count(*) AS n FROM events GROUP BY 1, 2, 3) GROUP BY day",
    "SELECT count(*) FROM (SELECT DISTINCT user_id, day FROM events WHERE event <> 'Play')",
    "SELECT user_id, day, count(DISTINCT user_id), max(plan), count(*) FILTER (WHERE flag) FROM events GROUP BY user_id, day",
    "SELECT day, user_id, window_funnel(86400, time, event = 'Play', event = 'Buy') FROM events GROUP BY day, user_id",
    "SELECT user_id, count(*) AS a, count(1) + 1 AS b FROM events WHERE event = 'Share' GROUP BY user_id",
    // Columns of few values.
    "SELECT sum(refund), count(refund), min(due), bool_or(rated), max(\"left\") FROM events",
    "SELECT event, day, sum(refund), count(\"left\"), avg(refund) FROM events GROUP BY event, day",
    "SELECT event, sum(refund), max(due) FROM events WHERE event IN ('Buy', 'Quit') AND price > 300 GROUP BY event",
    "SELECT count(*), count(DISTINCT user_id), sum(price) FROM events WHERE refund > 1",
    "SELECT user_id, count(*), sum(refund) FROM events WHERE refund > 0 AND event = 'Buy' GROUP BY user_id",
    "SELECT user_id, day, count(*) FROM events WHERE refund IS NOT NULL GROUP BY user_id, day",
    "SELECT count(*), sum(price) FROM events WHERE refund IS NULL AND flag",
    "SELECT count(*) FROM events WHERE refund > 1000",
    "SELECT count(*), sum(refund) FROM events WHERE refund > 1 AND \"left\" IS NULL AND user_id IN ('user-1', 'user-4')",
    "SELECT count(*) FROM events WHERE coalesce(refund, 2) > 1",
    "SELECT count(*) FROM events WHERE 6 / (\"left\" + 1) > 2 AND \"left\" > 0",
    "SELECT count(*) FILTER (WHERE rated), count(*) FILTER (WHERE refund < 0) FROM events",
    "SELECT refund, count(*) FROM events GROUP BY refund",
    "SELECT seen, rated, count(*) FROM events GROUP BY 1, 2",
    "SELECT user_id, time, refund, due, seen FROM events WHERE refund > 0 OR due > '2024-04-02' ORDER BY user_id, time, refund, due",
    "SELECT user_id, time, \"left\" FROM events WHERE \"left\" = 1 ORDER BY user_id, time",
    "SELECT median(refund), approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY refund) < 10 FROM events WHERE event = 'Buy'",
    "SELECT coupon, count(*), count(DISTINCT user_id), sum(price) FROM events GROUP BY coupon",
    "SELECT coupon, day, min(coupon), max(refund) FROM events WHERE event IN ('Buy', 'Play') GROUP BY coupon, day",
    "SELECT user_id, count(*) FROM events WHERE coupon = 'spring' GROUP BY user_id",
    "SELECT count(*), count(coupon), count(*) FILTER (WHERE coupon <> 'spring') FROM events WHERE flag",
    "SELECT count(*) FROM events WHERE coupon LIKE 's%' AND refund > 1 AND event = 'Buy'",
    "SELECT count(*), min(price) FROM events WHERE coupon IS NULL AND event = 'Buy'",
    "SELECT count(*) FROM events WHERE coupon = 'nothing' OR coupon = plan",
    "SELECT user_id, time, coupon, upper(coupon) FROM events WHERE coupon <> '' AND time > '2024-03-30' ORDER BY user_id, time, coupon",
    // The least and greatest texts.
    "SELECT min(event), max(plan), min(upper(plan)), max(user_id), min(distinct_id), max('x'), min(coalesce(plan, 'free')) FROM events",
    "SELECT user_id, min(plan), max(event), min(device_id) FILTER (WHERE flag) FROM events GROUP BY user_id",
    "SELECT day, user_id, min(plan), max(plan) FROM events WHERE event IN ('Buy', 'Play') GROUP BY day, user_id",
    "SELECT event, min(user_id), max(insert_id), min(plan) FILTER (WHERE price > 990) FROM events GROUP BY event",
    "SELECT flag, max(plan || event), min(CAST(day AS VARCHAR)) FROM events WHERE price < 600 GROUP BY flag",
    // Keys that are expressions.
    "SELECT upper(plan), count(*) FROM events GROUP BY 1",
    "SELECT coalesce(plan, 'none') AS plan, count(DISTINCT user_id) FROM events GROUP BY 1",
    "SELECT date_trunc('day', time), count(*), count(DISTINCT user_id) FROM events GROUP BY 1",
    "SELECT date_trunc('day', time AT TIME ZONE 'Europe/Berlin'), count(*), count(DISTINCT user_id) FROM events GROUP BY 1",
    "SELECT date_trunc('week', time AT TIME ZONE 'Asia/Kathmandu'), count(*) FROM events GROUP BY 1",
    "SELECT date_trunc('hour', time), count(DISTINCT user_id) FROM events GROUP BY 1",
    "SELECT date_trunc('second', time), count(*) FROM events GROUP BY 1",
    "SELECT date_part('hour', time AT TIME ZONE 'America/St_Johns'), count(*) FROM events GROUP BY 1",
    "SELECT extract(minute FROM time), extract(dow FROM time), count(*) FROM events GROUP BY 1, 2",
    "SELECT extract(second FROM time), count(*) FROM events GROUP BY 1",
    "SELECT time::date, count(*) FROM events GROUP BY 1",
    "SELECT day, date_trunc('month', time), count(DISTINCT user_id) FROM events GROUP BY 1, 2",
    "SELECT price > 500, count(*) FROM events GROUP BY 1",
    "SELECT seats % 2, count(*) FROM events GROUP BY 1",
    "SELECT CASE WHEN event = 'Buy' THEN plan ELSE event END, count(*) FROM events GROUP BY 1",
    "SELECT length(user_id), count(*) FROM events GROUP BY 1",
    "SELECT 'all', count(*) FROM events GROUP BY 1",
    // Functions that look only at rows that meet a condition.
    "SELECT user_id, window_funnel(86400, time, event = 'Play', event = 'Buy', event = 'Quit') FROM events GROUP BY user_id",
    "SELECT level, count(*) FROM (SELECT user_id, window_funnel(INTERVAL '1 hour', 'strict_increase', time, event = 'Play', event = 'Buy' AND plan = 'pro') AS level FROM events WHERE flag GROUP BY user_id) GROUP BY level",
    "SELECT user_id, window_funnel(86400, 'strict_order', time, event = 'Play', event = 'Buy') FROM events GROUP BY user_id",
    "SELECT user_id, window_funnel(86400, time, event = 'Play', price > 900) FILTER (WHERE plan IS NOT NULL), count(*) FROM events GROUP BY user_id",
    "SELECT user_id, window_funnel(86400, time, event = 'Nothing', event = 'Buy') FROM events GROUP BY user_id",
    "SELECT plan, window_funnel(86400, time, event = 'Play', event = 'Buy') FROM events GROUP BY plan",
    "SELECT user_id, retention(event = 'Play', day = '2024-03-30', day = '2024-03-31') FROM events GROUP BY user_id",
    "SELECT user_id, sequence_match('(?1).*(?2)', time, event = 'Play', flag), sequence_count('(?1)(?2)', time, event = 'Buy', event = 'Quit') FROM events GROUP BY user_id",
    // Filters.
    "SELECT count(*), count(DISTINCT user_id) FROM events WHERE event IN ('Buy', 'Play') AND plan IS NULL",
    "SELECT count(*) FROM events WHERE event LIKE 'Play%' OR plan = 'pro'",
    "SELECT count(*) FROM events WHERE NOT (plan = 'pro')",
    "SELECT count(*) FROM events WHERE plan IS DISTINCT FROM 'pro'",
    "SELECT count(*) FROM events WHERE seats > 0 AND price <= 500.25 AND flag",
    "SELECT count(*) FROM events WHERE flag IS NOT TRUE",
    "SELECT count(*) FROM events WHERE time >= '2024-03-30T12:00:00Z' AND time < '2024-03-31T01:30:00Z'",
    "SELECT count(*) FROM events WHERE time > '2024-03-30T12:00:59Z'",
    "SELECT count(*) FROM events WHERE time <= '2024-03-30T12:00:59Z'",
    "SELECT count(*) FROM events WHERE time = '2024-03-30T12:00:00Z' OR time BETWEEN '2024-03-31' AND '2024-04-01'",
    "SELECT count(*) FROM events WHERE date_part('hour', time AT TIME ZONE 'Europe/Berlin') = 3",
    "SELECT count(*) FROM events WHERE day BETWEEN '2024-03-30' AND '2024-03-30' AND event <> 'Quit'",
    "SELECT count(*) FROM events WHERE user_id = 'user-1'",
    "SELECT count(*) FROM events WHERE user_id = '$device:d1'",
    "SELECT user_id, event, time FROM events WHERE user_id IN ('user-3', 'newcomer')",
    // What reads nothing but the user.
    "SELECT count(*), sum(price) FROM events WHERE length(user_id) > 6",
    "SELECT count(*) FROM events WHERE user_id LIKE 'user-1%' AND event = 'Buy' AND price > 20",
    "SELECT count(*), count(DISTINCT user_id) FROM events WHERE user_id IN ('user-1', 'user-2', 'user-3', 'user-4', 'newcomer', 'who') AND price < 500",
    "SELECT day, count(*) FROM events WHERE user_id = 'user-1' OR user_id = 'user-3' GROUP BY day",
    "SELECT user_id, count(*) FROM events WHERE user_id IN ('user-3', 'user-1') AND time > '2024-03-30' GROUP BY user_id",
    "SELECT count(*) FROM events WHERE user_id = 'user-1' AND user_id = 'user-2'",
    "SELECT count(*) FROM events WHERE user_id <> 'user-1'",
    "SELECT count(*) FROM events WHERE user_id IS NULL OR user_id = 'user-1'",
    "SELECT count(*) FROM events WHERE user_id IN ('user-1', 'user-2') IS NOT TRUE",
    "SELECT plan, count(*) FROM events WHERE coalesce(user_id, '') = '' GROUP BY plan",
    "SELECT count(*) FROM events WHERE user_id || day = 'user-12024-03-30' OR day = '2024-03-29'",
    "SELECT right(user_id, 1), count(*), sum(price), count(DISTINCT user_id) FROM events GROUP BY 1",
    "SELECT coalesce(user_id, 'nobody'), plan, count(*) FROM events WHERE price > 100 GROUP BY 1, 2",
    "SELECT user_id LIKE '%3', user_id, count(*) FROM events GROUP BY 1, 2",
    "SELECT count(*) FILTER (WHERE user_id LIKE '%3'), count(*) FILTER (WHERE user_id = 'user-1'), sum(length(user_id)), max(upper(user_id)) FROM events",
    "SELECT user_id, window_funnel(86400, time, event = 'Play', user_id LIKE '%1' AND event = 'Buy', user_id = 'user-3') FROM events GROUP BY user_id",
    "SELECT event, time, user_id, price FROM events WHERE user_id = 'user-1' AND event <> 'Quit' ORDER BY time DESC, price LIMIT 20",
    "SELECT event, time, price FROM events WHERE user_id LIKE '%r-1' AND price > 300",
    "SELECT count(*) FROM events WHERE array_has(tags, 'a')",
    "SELECT count(*) FROM events WHERE since < '2000-01-01'",
    "SELECT count(*) FROM events WHERE true AND NULL",
    "SELECT count(*) FROM events WHERE user_id IN (SELECT user_id FROM events WHERE event = 'Quit')",
    "SELECT count(*) FROM events e WHERE EXISTS (SELECT 1 FROM events q WHERE q.user_id = e.user_id AND q.event = 'Quit' AND q.time > e.time)",
    // Through projections, aliases and other queries.
    "SELECT p, count(*) FROM (SELECT plan AS p, event AS e FROM events WHERE price > 10) t WHERE e = 'Buy' GROUP BY p",
    "SELECT d, count(DISTINCT u) FROM (SELECT date_trunc('day', time) AS d, user_id AS u FROM events) GROUP BY d",
    "WITH per_user AS (SELECT user_id, count(*) AS n FROM events GROUP BY user_id) SELECT n, count(*) FROM per_user GROUP BY n",
    "SELECT a.event, a.n, b.n FROM (SELECT event, count(*) AS n FROM events GROUP BY event) a JOIN (SELECT event, count(DISTINCT user_id) AS n FROM events WHERE flag GROUP BY event) b ON a.event = b.event",
    "SELECT a.event, count(*) FROM events a GROUP BY a.event HAVING count(*) > 100",
    "SELECT DISTINCT event, plan FROM events",
    "SELECT DISTINCT user_id FROM events WHERE event = 'Buy'",
    "SELECT event, count(*) AS n FROM events GROUP BY event ORDER BY n DESC, event LIMIT 3",
    "SELECT event FROM events WHERE plan = 'pro' UNION SELECT plan FROM events",
    "SELECT count(*) + 1, sum(price) / count(*) FROM events",
    "SELECT event, array_agg(user_id ORDER BY time, user_id, price) FROM events WHERE price > 990 GROUP BY event",
    // Rows.
    "SELECT user_id, time, event, plan, seats, price, flag, since, tags, distinct_id FROM events",
    "SELECT * FROM events",
    "SELECT 1 FROM events WHERE plan = 'pro'",
    "SELECT price * 2, upper(event) FROM events WHERE seats IS NOT NULL AND \"seats@string\" IS NULL",
    "SELECT count(*) FROM (SELECT event FROM events WHERE plan = 'pro' LIMIT 7)",
    "SELECT time, user_id, sequence FROM events ORDER BY time DESC, sequence LIMIT 20",
    "SELECT user_id, event, lag(event) OVER (PARTITION BY user_id ORDER BY time, sequence) FROM events",
];

async fn sorted(session_ctx: &SessionContext, question: &str) -> Vec<String> {
    let mut lines = rows(session_ctx, question).await;
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn memory_and_files_give_the_same_answers() {
    let dataset = dataset().await;
    let (files, memory) = (dataset.session(), dataset.resident_session());
    let mut asked = Vec::new();
    for question in QUESTIONS {
        let expected = sorted(&files, question).await;
        assert_eq!(sorted(&memory, question).await, expected, "{question}");
        asked.push((question, expected));
    }
    // By now it is known which rows each event name has.
    for (question, expected) in asked {
        assert_eq!(sorted(&memory, question).await, expected, "{question}");
    }
}

/// Joins of events with users that need no join, and some that do.
const WITH_USERS: &[(&str, bool)] = &[
    (
        "SELECT u.plan, count(*), count(DISTINCT e.user_id), sum(e.price) FROM events e JOIN users u ON e.user_id = u.user_id GROUP BY u.plan",
        false,
    ),
    (
        "SELECT u.plan, count(*), count(DISTINCT e.user_id) FROM events e LEFT JOIN users u USING (user_id) GROUP BY u.plan",
        false,
    ),
    (
        "SELECT e.event, u.seats, count(*) FROM users u JOIN events e ON u.user_id = e.user_id WHERE u.plan = 'pro' AND e.price > 300 GROUP BY e.event, u.seats",
        false,
    ),
    (
        "SELECT e.plan, u.plan, count(*) FROM users u RIGHT JOIN events e ON u.user_id = e.user_id GROUP BY e.plan, u.plan",
        false,
    ),
    (
        "SELECT event, count(*) FROM events WHERE user_id IN (SELECT user_id FROM users WHERE plan = 'pro' OR seats > 3) GROUP BY event",
        false,
    ),
    (
        "SELECT count(*) FROM events e WHERE EXISTS (SELECT 1 FROM users u WHERE u.user_id = e.user_id AND u.seats < e.price)",
        false,
    ),
    (
        "SELECT e.user_id, u.user_id, e.time, u.plan, u.last_seen FROM events e LEFT JOIN users u ON e.user_id = u.user_id",
        false,
    ),
    ("SELECT * EXCLUDE (first_event_time) FROM users JOIN events USING (user_id)", false),
    (
        "SELECT p, count(*) FROM (SELECT user_id AS u, event AS e FROM events WHERE flag) x JOIN (SELECT upper(plan) AS p, user_id AS id FROM users) y ON y.id = x.u AND y.p <> x.e GROUP BY p",
        false,
    ),
    (
        "SELECT a.plan, b.plan, count(*) FROM events e JOIN users a ON e.user_id = a.user_id LEFT JOIN users b ON b.user_id = e.user_id GROUP BY a.plan, b.plan",
        false,
    ),
    (
        "SELECT u.plan, count(*) FROM events e LEFT JOIN users u ON e.user_id = u.user_id AND u.plan = 'pro' GROUP BY u.plan",
        true,
    ),
    (
        "SELECT u.user_id, count(e.event) FROM users u LEFT JOIN events e ON e.user_id = u.user_id GROUP BY u.user_id",
        true,
    ),
    ("SELECT count(*) FROM events WHERE user_id NOT IN (SELECT user_id FROM users)", true),
    ("SELECT u.plan, count(*) FROM events e JOIN users u ON e.distinct_id = u.user_id GROUP BY u.plan", true),
    (
        "SELECT u.user_id, min(e.time - u.first_event_time) FROM events e JOIN users u USING (user_id) GROUP BY u.user_id",
        true,
    ),
    ("SELECT count(*) FROM events e FULL JOIN users u ON e.user_id = u.user_id", true),
];

#[tokio::test]
async fn what_profiles_say_of_the_user_of_an_event_takes_no_join() {
    let mut dataset = dataset().await;
    for (user, properties) in [
        ("newcomer", r#"{"plan": "pro", "seats": 400}"#),
        ("user-0", r#"{"plan": "free"}"#),
        ("user-1", r#"{"plan": "pro", "seats": 2}"#),
        ("user-2", r#"{"seats": 5}"#),
        ("user-3", r#"{"plan": 12, "seats": 900}"#),
        ("user-9", "{}"),
        ("did nothing", r#"{"plan": "pro"}"#),
        ("zzz", r#"{"plan": "late"}"#),
    ] {
        dataset.set(ProfileKey::User(user.to_owned()), properties);
    }
    let (files, memory) = (dataset.session(), dataset.resident_session());
    for (question, joins) in WITH_USERS {
        let plan = plan(&memory, question).await;
        assert_eq!(plan.contains("HashJoinExec"), *joins, "{question}\n{plan}");
        assert_eq!(sorted(&memory, question).await, sorted(&files, question).await, "{question}");
    }
}

#[tokio::test]
async fn a_dataset_without_events_is_answered_too() {
    let dataset = TestDataset::new();
    let (files, memory) = (dataset.session(), dataset.resident_session());
    for question in [
        "SELECT count(*), count(DISTINCT user_id), max(time) FROM events",
        "SELECT count(*), count(DISTINCT user_id) FROM events WHERE event = 'Buy'",
        "SELECT event, count(*) FROM events GROUP BY event",
        "SELECT user_id, count(*) FROM events GROUP BY user_id",
        "SELECT * FROM events",
    ] {
        assert_eq!(sorted(&memory, question).await, sorted(&files, question).await, "{question}");
    }
}

#[tokio::test]
async fn only_nobody_did_anything() {
    let mut dataset = TestDataset::new();
    dataset.files(&[event("Spend", "", "2024-01-01T00:00:00Z", r#"{"cost": 3}"#)]).await;
    let (files, memory) = (dataset.session(), dataset.resident_session());
    for question in [
        "SELECT count(*), count(DISTINCT user_id), sum(cost) FROM events",
        "SELECT user_id, count(*), sum(cost) FROM events GROUP BY user_id",
        "SELECT event, count(DISTINCT user_id) FROM events GROUP BY event",
    ] {
        assert_eq!(sorted(&memory, question).await, sorted(&files, question).await, "{question}");
    }
}

/// The rows of one day have a value each, those of the next day none: whoever is only there on the
/// second day has no value, whatever the accumulators saw first.
#[tokio::test]
async fn users_without_a_value_have_none() {
    let mut dataset = TestDataset::new();
    dataset.files(&[event("Visit", "u2", "2024-03-30T23:30:00Z", r#"{"mins": 18.5}"#)]).await;
    dataset.files(&[event("Visit", "u1", "2024-03-31T01:00:00Z", "{}")]).await;
    let (files, memory) = (dataset.session(), dataset.resident_session());
    for question in [
        "SELECT user_id, min(mins), max(mins), sum(mins), avg(mins), count(mins) FROM events GROUP BY user_id",
        "SELECT median(of_user) FROM (SELECT user_id, min(mins) AS of_user FROM events GROUP BY user_id)",
    ] {
        assert_eq!(sorted(&memory, question).await, sorted(&files, question).await, "{question}");
    }
}

/// The plan of a question without what differs from run to run.
async fn plan(session_ctx: &SessionContext, question: &str) -> String {
    answer(session_ctx, &format!("EXPLAIN FORMAT indent {question}")).await
}

#[tokio::test]
async fn aggregates_run_over_segments() {
    let session_ctx = dataset().await.resident_session();
    for question in [
        "SELECT count(*), count(DISTINCT user_id) FROM events WHERE event = 'Buy'",
        "SELECT date_trunc('day', time AT TIME ZONE 'Europe/Berlin'), plan, count(DISTINCT user_id) FROM events GROUP BY 1, 2",
        "SELECT user_id, count(*) FROM events GROUP BY user_id",
        "SELECT DISTINCT event FROM events",
        "SELECT e, sum(p) FILTER (WHERE f) FROM (SELECT event AS e, price AS p, flag AS f FROM events) GROUP BY e",
    ] {
        let plan = plan(&session_ctx, question).await;
        assert!(plan.contains("SegmentAggregateExec"), "{question}\n{plan}");
        assert!(!plan.contains("AggregateExec: mode"), "{question}\n{plan}");
    }
}

#[tokio::test]
async fn columns_without_room_are_read_from_files() {
    let dataset = dataset().await;
    let config = crate::QueryConfig { resident_bytes_max: 1000, ..crate::QueryConfig::default() };
    let small = crate::QueryRuntime::try_new(config).unwrap().session(&dataset.snapshot()).unwrap();
    let files = dataset.session();
    for question in QUESTIONS {
        let plan = plan(&small, question).await;
        // Nothing needs no room.
        assert!(!plan.contains("Segment") || plan.contains("days=0"), "{question}\n{plan}");
        assert_eq!(sorted(&small, question).await, sorted(&files, question).await, "{question}");
    }
}

#[tokio::test]
async fn the_same_question_gives_the_same_bytes() {
    let dataset = dataset().await;
    let question = "SELECT plan, seats, sum(price * 0.1), avg(price / 3) FROM events GROUP BY plan, seats";
    let once = answer(&dataset.resident_session(), question).await;
    for _ in 0..5 {
        assert_eq!(answer(&dataset.resident_session(), question).await, once);
    }
}

/// What EXPLAIN ANALYZE says of a metric, all operators taken together; of large numbers the first
/// digits.
fn metric(plan: &str, name: &str) -> u64 {
    let name = format!("{name}=");
    let values = plan.split(name.as_str()).skip(1);
    values
        .filter_map(|rest| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse::<u64>().ok()
        })
        .sum()
}

#[tokio::test]
async fn explain_analyze_tells_what_was_read() {
    let dataset = dataset().await;
    for question in [
        "SELECT count(DISTINCT user_id) FROM events WHERE event = 'Buy'",
        "SELECT event, count(*) FROM events GROUP BY event",
        "SELECT user_id, count(*) FROM events GROUP BY user_id",
        "SELECT user_id, window_funnel(86400, time, event = 'Play', event = 'Buy') FROM events GROUP BY user_id",
    ] {
        let session_ctx = dataset.resident_session();
        let question = format!("EXPLAIN ANALYZE {question}");
        let cold = answer(&session_ctx, &question).await;
        assert_eq!(metric(&cold, "segments"), 3, "{cold}");
        assert!(metric(&cold, "bytes_loaded") > 0 && metric(&cold, "rows_selected") > 0, "{cold}");
        let warm = answer(&session_ctx, &question).await;
        assert_eq!((metric(&warm, "segments"), metric(&warm, "bytes_loaded")), (3, 0), "{warm}");
    }
}

#[tokio::test]
async fn few_users_are_looked_up_in_files_until_their_columns_are_in_memory() {
    let dataset = dataset().await;
    let files = dataset.session();
    let lookups = [
        ("SELECT event, time, plan FROM events WHERE user_id = 'user-1' ORDER BY time DESC LIMIT 5", 1),
        ("SELECT event, time, plan FROM events WHERE user_id IN ('user-1', 'user-3')", 2),
        (
            "SELECT event, count(plan), min(time) FROM events WHERE user_id IN ('user-1', 'user-2', 'user-3', 'who') AND event <> 'Quit' GROUP BY event",
            4,
        ),
    ];
    for (question, _) in lookups {
        let memory = dataset.resident_session();
        let plan = plan(&memory, question).await;
        assert!(plan.contains("DataSourceExec") && !plan.contains("Segment"), "{question}\n{plan}");
        // So few rows are soon worth loading.
        for _ in 0..3 {
            assert_eq!(sorted(&memory, question).await, sorted(&files, question).await, "{question}");
        }
    }
    let memory = dataset.resident_session();
    rows(&memory, "SELECT count(DISTINCT user_id), count(event), count(plan), max(time) FROM events").await;
    for (question, users) in lookups {
        let plan = plan(&memory, question).await;
        assert!(plan.contains("Segment") && plan.contains(&format!("users={users}")), "{question}\n{plan}");
        assert_eq!(sorted(&memory, question).await, sorted(&files, question).await, "{question}");
    }
}

#[tokio::test]
async fn what_reads_only_the_user_is_evaluated_once_per_user_and_day() {
    let session_ctx = dataset().await.resident_session();
    let evaluated = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&evaluated);
    let implementation = move |args: &[ColumnarValue]| {
        if let ColumnarValue::Array(users) = &args[0] {
            counter.fetch_add(users.len(), Ordering::Relaxed);
        }
        Ok(args[0].clone())
    };
    let text = DataType::Utf8View;
    let same = create_udf("same", vec![text.clone()], text, Volatility::Immutable, Arc::new(implementation));
    session_ctx.register_udf(same);
    // Nobody is evaluated too, once a day.
    let users = "SELECT count(*) FROM (SELECT DISTINCT user_id, day FROM events)";
    let users: usize =
        rows(&session_ctx, users).await[0].trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    for question in [
        "SELECT count(*) FROM events WHERE same(user_id) LIKE '%1'",
        "SELECT event, time FROM events WHERE same(user_id) LIKE '%1'",
        "SELECT event, count(*) FILTER (WHERE same(user_id) LIKE '%1') FROM events GROUP BY event",
        "SELECT same(user_id), count(*), count(DISTINCT user_id) FROM events GROUP BY 1",
        "SELECT max(same(user_id)), sum(price) FROM events",
    ] {
        // Each output partition has a block of its own of a day, and users of it may be in both.
        let partitions = session_ctx.state().config().target_partitions();
        evaluated.store(0, Ordering::Relaxed);
        rows(&session_ctx, question).await;
        let count = evaluated.load(Ordering::Relaxed);
        assert!((1..=users + partitions).contains(&count), "{question}: {count} for {users} users");
    }
}

#[tokio::test]
async fn a_column_to_load_that_does_not_exist_is_told_by_name() {
    let dataset = dataset().await;
    let config = crate::QueryConfig { resident_bytes_max: 1 << 20, ..crate::QueryConfig::default() };
    let runtime = crate::QueryRuntime::try_new(config).unwrap();
    let error = runtime.preload(&dataset.snapshot(), &["user_id", "plam"]).await.unwrap_err();
    assert!(error.to_string().starts_with("there is no column \"plam\"; did you mean \"plan\"?"), "{error}");
    runtime.preload(&dataset.snapshot(), &["user_id", "day", "time", "event", "plan"]).await.unwrap();
}

/// Counts calls, and lets none return before it is opened.
#[derive(Default)]
struct Gate {
    calls: AtomicUsize,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn work_stops_soon_after_the_stream_of_its_answer_is_dropped() {
    /// Blocks of one day, so that each part has some.
    const ROWS: usize = 10 * (16 << 10);
    let mut dataset = TestDataset::new();
    let plain = event("Play", "user", "2024-03-29T00:00:00Z", r#"{"price": 1.5}"#);
    let all: Vec<Event<'static>> = (0..ROWS)
        .map(|row| {
            let mut event = plain.clone();
            event.distinct_id = format!("user-{:05}", row % 5000).into();
            event
        })
        .collect();
    dataset.files(&all).await;
    for question in [
        "SELECT count(*) FROM events WHERE pass(price)",
        "SELECT count(DISTINCT user_id) FROM events WHERE pass(price)",
        "SELECT user_id, count(*) FROM events WHERE pass(price) GROUP BY user_id",
        "SELECT event, time FROM events WHERE pass(price)",
        "SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY time) FROM events WHERE pass(price)",
    ] {
        let session_ctx = dataset.resident_session();
        let gate = Arc::new(Gate::default());
        let of_calls = Arc::clone(&gate);
        let implementation = move |_: &[ColumnarValue]| {
            of_calls.pass();
            Ok(ColumnarValue::Scalar(ScalarValue::Boolean(Some(false))))
        };
        let (takes, gives) = (vec![DataType::Float64], DataType::Boolean);
        let pass = create_udf("pass", takes, gives, Volatility::Immutable, Arc::new(implementation));
        session_ctx.register_udf(pass);

        let mut answer = session_ctx.sql(question).await.unwrap().execute_stream().await.unwrap();
        let reader = tokio::spawn(async move { while answer.next().await.is_some() {} });
        while gate.calls.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        reader.abort();
        // Where parts run on their own the stream is dropped now; where the reader itself waits at the
        // gate, when it comes back.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let calls = gate.calls.load(Ordering::SeqCst);
        gate.open();
        assert!(reader.await.unwrap_err().is_cancelled(), "{question}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(gate.calls.load(Ordering::SeqCst), calls, "{question}");
        assert!(calls < ROWS / (16 << 10), "{question}");
    }
}
