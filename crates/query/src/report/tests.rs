//! Sessions as rows, and the users behind numbers. What insights and cohorts answer is compared with
//! the oracle in the suites.

use std::fmt::Write as _;

use datafusion::prelude::SessionContext;
use tallymark_event::Timestamp;
use tallymark_report::{DefinitionKind, Lexicon, Report};
use tallymark_users::ProfileKey;

use crate::Error;
use crate::testing::{TestDataset, event, rows};

/// Events given as `user time name properties`, times of 2 January 2024 unless they have a date.
async fn dataset(events: &[(&str, &str, &str, &str)]) -> TestDataset {
    let mut dataset = TestDataset::new();
    let events = events.iter().map(|(user, time, name, properties)| {
        let time = if time.len() == 5 { format!("2024-01-02T{time}:00Z") } else { format!("{time}:00Z") };
        event(name, user, &time, properties)
    });
    dataset.files(&events.collect::<Vec<_>>()).await;
    dataset
}

/// The sessions of a definition: user, start, end, seconds, events, first and last name.
async fn sessions(dataset: &TestDataset, more: &str) -> Vec<String> {
    let definition = format!(r#"{{"range": "2024-01-01 to 2024-01-04", "as_of": "2024-01-05"{more}}}"#);
    let question = format!(
        "SELECT user_id || ' ' || to_char(start, '%d %H:%M') || ' ' || coalesce(to_char(\"end\", '%H:%M'), '-') \
         || ' ' || coalesce(CAST(CAST(duration_s AS BIGINT) AS TEXT), '-') || ' ' || event_count || ' ' \
         || origin_start || ' ' || origin_end FROM sessions('{definition}')"
    );
    rows(&dataset.resident_session(), &question).await
}

#[tokio::test]
async fn x_2_x_5_timeouts_and_midnight_end_sessions() {
    let dataset = dataset(&[
        ("u1", "13:00", "A", "{}"),
        ("u1", "13:10", "B", "{}"),
        ("u1", "13:50", "C", "{}"),
        ("u1", "14:10", "D", "{}"),
        ("u1", "14:25", "E", "{}"),
        ("u2", "2024-01-02T23:30", "A", "{}"),
        ("u2", "2024-01-02T23:50", "B", "{}"),
        ("u2", "2024-01-03T00:05", "C", "{}"),
        ("u2", "2024-01-03T00:10", "D", "{}"),
        ("", "13:05", "A", "{}"),
    ])
    .await;
    assert_eq!(
        sessions(&dataset, "").await,
        [
            "u1 02 13:00 13:10 600 2 A B",
            "u1 02 13:50 14:25 2100 3 C E",
            "u2 02 23:30 23:50 1200 2 A B",
            "u2 03 00:05 00:10 300 2 C D"
        ]
    );
    let uncut = sessions(&dataset, r#", "sessions": {"midnight_cut": false}"#).await;
    assert_eq!(uncut[2..], ["u2 02 23:30 00:10 2400 4 A D"]);
}

#[tokio::test]
async fn x_3_x_12_sessions_from_event_to_event() {
    let dataset = dataset(&[
        ("u1", "2024-01-01T23:15", "Login", "{}"),
        ("u1", "2024-01-01T23:45", "B", "{}"),
        ("u1", "2024-01-02T00:15", "Logout", "{}"),
        ("u2", "11:00", "Login", "{}"),
        ("u2", "11:15", "Login", "{}"),
        ("u2", "11:45", "Logout", "{}"),
        ("u2", "12:15", "Logout", "{}"),
    ])
    .await;
    assert_eq!(
        sessions(&dataset, r#", "sessions": {"start": "Login", "end": "Logout"}"#).await,
        ["u1 01 23:15 - - 2 Login B", "u2 02 11:00 11:45 2700 3 Login Logout"]
    );
}

#[tokio::test]
async fn x_4_sessions_by_id() {
    let dataset = dataset(&[
        ("u1", "11:00", "A", r#"{"id": 123}"#),
        ("u1", "11:15", "B", r#"{"id": 456}"#),
        ("u1", "11:20", "X", "{}"),
        ("u1", "11:45", "C", r#"{"id": 456}"#),
        ("u1", "12:15", "D", r#"{"id": 456}"#),
    ])
    .await;
    assert_eq!(
        sessions(&dataset, r#", "sessions": {"id": "id"}"#).await,
        ["u1 02 11:00 11:00 0 1 A A", "u1 02 11:15 12:15 3600 3 B D"]
    );
}

#[tokio::test]
async fn x_7_x_11_excluded_events_and_inherited_properties() {
    let dataset = dataset(&[
        ("u1", "10:00", "A", "{}"),
        ("u1", "10:20", "$campaign_delivery", "{}"),
        ("u1", "10:40", "B", r#"{"utm": "x"}"#),
        ("u2", "10:00", "A", "{}"),
        ("u2", "10:10", "B", r#"{"utm": "x"}"#),
    ])
    .await;
    let inherited = |rule: &str| {
        let mut question = "SELECT user_id || ' ' || coalesce(utm, '-') FROM sessions('".to_owned();
        let _ = write!(
            question,
            r#"{{"range": "2024-01-01 to 2024-01-04", "as_of": "2024-01-05", "properties": ["utm"]{rule}}}')"#
        );
        question
    };
    let session = dataset.resident_session();
    assert_eq!(rows(&session, &inherited("")).await, ["u1 -", "u1 x", "u2 x"]);
    let by_event = inherited(r#", "sessions": {"start": "A", "end": "Z"}"#);
    assert_eq!(rows(&session, &by_event).await, ["u1 -", "u2 -"]);
}

#[tokio::test]
async fn t_13_the_users_behind_a_number_are_as_many_as_it_says() {
    let dataset = dataset(&[
        ("u1", "2024-01-01T09:00", "Play", r#"{"genre": "rock"}"#),
        ("u1", "2024-01-02T09:00", "Play", r#"{"genre": "jazz"}"#),
        ("u2", "2024-01-02T10:00", "Play", r#"{"genre": "rock"}"#),
        ("u3", "2024-01-03T10:00", "Buy", "{}"),
        ("u0", "2024-01-01T11:00", "Watch", r#"{"mins": 0}"#),
        ("u1", "2024-01-01T11:00", "Watch", r#"{"mins": 10}"#),
        ("u2", "2024-01-01T11:00", "Watch", r#"{"mins": 20}"#),
        ("u3", "2024-01-01T11:00", "Watch", r#"{"mins": 30}"#),
        ("u4", "2024-01-01T11:00", "Watch", r#"{"mins": 40}"#),
        ("u5", "2024-01-01T11:00", "Watch", r#"{"mins": 50}"#),
        ("u6", "2024-01-01T11:00", "Watch", r#"{"mins": 60}"#),
        ("u7", "2024-01-01T11:00", "Watch", r#"{"mins": 70}"#),
        ("u8", "2024-01-01T11:00", "Watch", r#"{"mins": 80}"#),
        ("u9", "2024-01-01T11:00", "Watch", r#"{"mins": 90}"#),
        ("u10", "2024-01-01T11:00", "Watch", r#"{"mins": 100}"#),
        ("u11", "2024-01-02T11:00", "Watch", r#"{"mins": 5}"#),
        ("", "2024-01-02T10:00", "Play", r#"{"genre": "rock"}"#),
    ])
    .await;
    let session = dataset.resident_session();
    let metrics = r#"[{"event": "Play"}, {"event": "Play", "measure": "weekly_active_users"}]"#;
    let numbers = numbers_with_their_users(&session, metrics, r#"["genre"]"#, "genre", "").await;
    assert_eq!(numbers, 2 * 3 * 3);
    // Of what is beyond the top, and of ranges chosen from the values of all days.
    let top = r#", "top": 1, "other": true"#;
    assert_eq!(
        numbers_with_their_users(&session, r#"[{"event": "Play"}]"#, r#"["genre"]"#, "genre", top).await,
        9
    );
    let auto = r#"[{"property": "mins", "buckets": "auto"}]"#;
    assert_eq!(numbers_with_their_users(&session, r#"[{"event": "Watch"}]"#, auto, "mins", "").await, 3 * 12);
}

/// Asks for the users behind every number of a report by day; how many numbers there are.
async fn numbers_with_their_users(
    session: &SessionContext,
    metrics: &str,
    breakdowns: &str,
    column: &str,
    more: &str,
) -> usize {
    let report = |cell: &str| {
        format!(
            r#"{{"range": "2024-01-01 to 2024-01-03", "as_of": "2024-01-03", "interval": "day",
                "breakdowns": {breakdowns}, "metrics": {metrics}{more}{cell}}}"#
        )
    };
    let question = format!(
        "SELECT metric || '|' || to_char(time, '%Y-%m-%d') || '|' || {column} || '|' || CAST(value AS BIGINT) \
         FROM insights('{}')",
        report("")
    );
    let numbers = rows(session, &question).await;
    for number in &numbers {
        let parts: Vec<&str> = number.split('|').collect();
        let [metric, time, segment, count] = parts[..] else { unreachable!("{number}") };
        let segments =
            if segment == "$overall" { String::new() } else { format!(r#", "segments": ["{segment}"]"#) };
        let cell = format!(r#", "users_of": {{"metric": "{metric}", "time": "{time}"{segments}}}"#);
        let users = rows(session, &format!("SELECT user_id FROM insights('{}')", report(&cell))).await;
        assert_eq!(users.len().to_string(), count, "{number}: {users:?}");
    }
    numbers.len()
}

#[tokio::test]
async fn t_13_the_users_behind_a_number_of_activity_and_flows_are_as_many_as_it_says() {
    let dataset = dataset(&[
        ("u1", "2024-01-01T09:00", "Open", r#"{"genre": "rock"}"#),
        ("u1", "2024-01-01T09:01", "Play", "{}"),
        ("u1", "2024-01-03T09:00", "Open", r#"{"genre": "jazz"}"#),
        ("u1", "2024-01-03T09:01", "Buy", "{}"),
        ("u2", "2024-01-01T10:00", "Open", r#"{"genre": "rock"}"#),
        ("u2", "2024-01-01T10:01", "Play", "{}"),
        ("u2", "2024-01-02T10:00", "Buy", "{}"),
        ("u3", "2024-01-02T10:00", "Open", "{}"),
        ("u4", "2024-01-02T10:00", "Search", "{}"),
        ("u4", "2024-01-02T10:01", "Open", r#"{"genre": "rock"}"#),
        ("u4", "2024-01-02T10:02", "Search", "{}"),
        ("", "2024-01-02T10:00", "Open", r#"{"genre": "rock"}"#),
    ])
    .await;
    let session = dataset.resident_session();
    let day = r#"'{"time": "' || to_char(time, '%Y-%m-%d') || '"#;
    let lifecycle = format!(r#"users || '|' || {day}", "status": "' || status || '"}}'"#);
    assert_eq!(all_have_their_users(&session, "lifecycle", r#""unit": "day""#, &lifecycle).await, 4 * 3);
    let frequency = format!(r#"users || '|' || {day}", "count": ' || count || '}}'"#);
    for more in [r#""period": "week""#, r#""period": "month", "cumulative": false, "birth": "Buy""#] {
        all_have_their_users(&session, "frequency", more, &frequency).await;
    }
    for of in ["daily", "period"] {
        let number = format!(r#"{of} || '|' || {day}", "of": "{of}"}}'"#);
        assert_eq!(all_have_their_users(&session, "stickiness", r#""over": "week""#, &number).await, 3);
    }
    let node = r#"count || '|' || '{"anchor": ' || anchor || ', "offset": ' || "offset" || ', "label": "' || label || '"'
        || CASE WHEN genre = '$overall' THEN '' ELSE ', "segments": ["' || genre || '"]' END || '}'# WHERE kind = 'node'"#;
    let anchors = r#""rows": 1, "breakdowns": ["genre"],
        "anchors": [{"event": "Open", "before": 1, "after": 2}, {"event": "Buy", "before": 1, "after": 1}]"#;
    assert!(all_have_their_users(&session, "flows", anchors, node).await > 20);
    let segment = r#"CASE WHEN genre = '$overall' THEN '' ELSE ', "segments": ["' || genre || '"]' END"#;
    let end = r#"', "to": {"anchor": ' || to_anchor || ', "offset": ' || to_offset || ', "label": "' || to_label || '"}'"#;
    let edge = format!(
        r#"count || '|' || '{{"anchor": ' || anchor || ', "offset": ' || "offset" || ', "label": "' || label || '"' || {end}
            || {segment} || '}}'# WHERE kind = 'edge'"#
    );
    assert!(all_have_their_users(&session, "flows", anchors, &edge).await > 10);
    let paths = r#""anchors": ["Open"], "breakdowns": ["genre"], "form": "paths""#;
    let path = format!(
        r#"count || '|' || '{{"path": ["' || array_to_string(path, '", "') || '"]' || {segment} || '}}'"#
    );
    assert!(all_have_their_users(&session, "flows", paths, &path).await > 5);
    let more = r#""goal": "Buy", "all_cells": true, "candidates": ["Open", {"property": "genre"}]"#;
    for of in ["users", "true_positives", "false_positives", "false_negatives", "true_negatives"] {
        let number = format!(
            r#"{of} || '|' || '{{"event": "' || event || '", "times": ' || times || ', "days": ' || days
                || CASE WHEN value IS NULL THEN '' ELSE ', "property": "genre", "value": "' || value || '"' END
                || ', "of": "{of}"}}'"#
        );
        let some = " WHERE times <= 2 AND days IN (1, 2)";
        let found = all_have_their_users(&session, "correlation", more, &format!("{number}#{some}")).await;
        assert_eq!(found, 3 * 2 * 2);
    }
    // Of a rate the total is who did it, of an average `users` who have a number.
    let metrics = r#""exposure": "Open", "variant": "genre", "control": "rock", "metrics": [{"event": "Buy"},
        {"event": "Open", "measure": {"aggregate": "average", "of": {"sql": "length(genre)"}}}]"#;
    let variant = r#"'|' || '{"variant": "' || variant || '"'"#;
    let number = format!("exposed || {variant} || '}}'");
    assert_eq!(all_have_their_users(&session, "experiment", metrics, &number).await, 2 * 2);
    let did = "CASE metric WHEN 'A' THEN CAST(total AS BIGINT) ELSE users END";
    let number = format!(r#"{did} || {variant} || ', "metric": "' || metric || '"}}'"#);
    assert_eq!(all_have_their_users(&session, "experiment", metrics, &number).await, 2 * 2);
    let metrics = r#""launch": "Buy", "metrics": [{"event": "Open"}, {"event": "Play"}], "days_before": 1, "days_after": 1"#;
    for of in ["users", "observed"] {
        let number = format!(
            r#"{of} || '|' || '{{"who": "' || who || '", "metric": "' || metric || '", "of": "{of}"}}'# WHERE day = 0"#
        );
        assert_eq!(all_have_their_users(&session, "impact", metrics, &number).await, 2 * 2);
    }
}

/// Asks for the users behind every number of a report of 1 to 3 January; how many there are. `number` is
/// the number and the definition of its cell, in SQL, perhaps with `#` and which rows are meant.
async fn all_have_their_users(session: &SessionContext, kind: &str, more: &str, number: &str) -> usize {
    let report = |cell: &str| {
        format!(r#"{kind}('{{"range": "2024-01-01 to 2024-01-03", "as_of": "2024-01-03", {more}{cell}}}')"#)
    };
    let (number, some) = number.split_once('#').unwrap_or((number, ""));
    let numbers = rows(session, &format!("SELECT {number} FROM {}{some}", report(""))).await;
    for number in &numbers {
        let (count, cell) = number.split_once('|').unwrap();
        let cell = format!(r#", "users_of": {cell}"#);
        let users = rows(session, &format!("SELECT user_id FROM {}", report(&cell))).await;
        assert_eq!(users.len().to_string(), count, "{kind} {number}: {users:?}");
    }
    numbers.len()
}

#[tokio::test]
async fn m_4_profiles_behind_a_metric_of_profiles() {
    let mut dataset = dataset(&[("u1", "10:00", "Play", r#"{"plan": "free"}"#)]).await;
    dataset.set(ProfileKey::User("u1".to_owned()), r#"{"plan": "pro"}"#);
    dataset.set(ProfileKey::User("u2".to_owned()), r#"{"plan": "free"}"#);
    let users = |filter: &str| {
        format!(
            r#"SELECT user_id FROM insights('{{"metrics": [{{"profiles": {filter}}}], "users_of": {{"metric": "A"}}}}')"#
        )
    };
    let session = dataset.resident_session();
    assert_eq!(rows(&session, &users(r#"{"all": []}"#)).await, ["u1", "u2"]);
    assert_eq!(rows(&session, &users(r#"{"property": "user.plan", "equals": "pro"}"#)).await, ["u1"]);
    // Profiles have no properties of events.
    assert_eq!(rows(&session, &users(r#"{"property": "plan", "equals": "free"}"#)).await, [""; 0]);
}

/// What a funnel of 1 to 4 January answers: the columns given, put together with `;`.
async fn funnel(dataset: &TestDataset, columns: &str, more: &str) -> Vec<String> {
    let definition = format!(r#"{{"range": "2024-01-01 to 2024-01-04", "as_of": "2024-01-05", {more}}}"#);
    let columns = columns.replace(';', " || ' ' ||");
    let question = format!("SELECT {columns} FROM funnel('{definition}')");
    let answer = rows(&dataset.resident_session(), &question).await;
    assert_eq!(rows(&dataset.session(), &question).await, answer, "on files: {more}");
    answer
}

#[tokio::test]
async fn f_50_f_51_attempts_are_split_by_the_value_of_a_step() {
    let dataset = dataset(&[
        ("u1", "10:00", "Browse", r#"{"item": "shirt"}"#),
        ("u1", "10:10", "Browse", r#"{"item": "jeans"}"#),
        ("u1", "10:20", "Add", "{}"),
        ("u1", "10:30", "Browse", r#"{"item": "shoes"}"#),
    ])
    .await;
    let steps = r#""steps": ["Browse", "Add"], "breakdowns": ["item"]"#;
    assert_eq!(
        funnel(&dataset, "item; step; count", steps).await,
        ["$overall 1 1", "$overall 2 1", "shirt 1 1", "shirt 2 1", "shoes 1 1", "shoes 2 0"]
    );
    let last = format!(r#"{steps}, "attribution": {{"step": 2}}, "count": "totals""#);
    assert_eq!(
        funnel(&dataset, "item; step; count", &last).await,
        ["$overall 1 2", "$overall 2 1", "(not set) 1 2", "(not set) 2 1"]
    );
    let other = format!(r#"{steps}, "top": 1, "other": true"#);
    assert_eq!(
        funnel(&dataset, "item; step; count", &other).await,
        ["$overall 1 1", "$overall 2 1", "shirt 1 1", "shirt 2 1", "$other 1 1", "$other 2 0"]
    );
}

#[tokio::test]
async fn f_60_filters_look_at_whole_attempts() {
    let dataset = dataset(&[
        ("u1", "10:00", "View", r#"{"browser": "Chrome"}"#),
        ("u1", "12:00", "View", r#"{"browser": "Safari"}"#),
        ("u1", "12:10", "Add", r#"{"browser": "Safari"}"#),
        ("u1", "12:20", "Buy", "{}"),
    ])
    .await;
    let count = async |steps: &str| {
        let rest = format!(r#""window": "1 hour", {steps}"#);
        funnel(&dataset, "count", &rest).await.join(" ")
    };
    let safari = r#"{"property": "browser", "equals": "Safari"}"#;
    let step = |event: &str| format!(r#"{{"event": "{event}", "where": {safari}}}"#);
    assert_eq!(count(r#""steps": ["View", "Add", "Buy"]"#).await, "1 0 0");
    assert_eq!(count(&format!(r#""steps": [{}, "Add", "Buy"]"#, step("View"))).await, "1 1 1");
    let all = format!(r#""steps": [{}, {}, {}]"#, step("View"), step("Add"), step("Buy"));
    assert_eq!(count(&all).await, "1 1 0");
    let global =
        format!(r#""steps": ["View", "Add", "Buy"], "where": {safari}, "attribution": "first_step_defined""#);
    assert_eq!(count(&global).await, "0 0 0");
}

#[tokio::test]
async fn f_71_f_73_f_76_times_sums_and_buckets() {
    let dataset = dataset(&[
        ("u1", "2024-01-01T10:00", "A", r#"{"v": 10}"#),
        ("u1", "2024-01-02T10:00", "A", r#"{"v": 5}"#),
        ("u1", "2024-01-03T10:00", "B", r#"{"v": 8}"#),
        ("u2", "2024-01-02T10:00", "A", r#"{"v": 5}"#),
    ])
    .await;
    let steps = r#""steps": ["A", "B"], "measures": [{"aggregate": "sum", "of": "v"}],
                   "times": [{"aggregate": "max"}]"#;
    let columns = "step; count; coalesce(CAST(average_time_s AS TEXT), '-'); \"sum(v)\"; \
                   coalesce(CAST(\"max(seconds from step 1)\" AS TEXT), '-')";
    assert_eq!(funnel(&dataset, columns, steps).await, ["1 2 - 15.0 -", "2 1 172800.0 8.0 172800.0"]);
    let columns = "to_char(time, '%d'); step; count";
    let line = format!(r#"{steps}, "interval": "day""#);
    let line = funnel(&dataset, columns, &line).await;
    assert_eq!(line[..4], ["01 1 1", "01 2 1", "02 1 2", "02 2 1"]);
    let table = format!(r#"{steps}, "interval": "day", "interval_attempts": "shared""#);
    let table = funnel(&dataset, columns, &table).await;
    assert_eq!(table[..4], ["01 1 1", "01 2 1", "02 1 1", "02 2 0"]);
    let split = r#""steps": ["A", "B"], "time_buckets": {"buckets": {"at": [3600, 86400]}}"#;
    assert_eq!(
        funnel(&dataset, "time_to_convert; step; count", split).await,
        [
            "$overall 1 2",
            "$overall 2 1",
            "≥ 86400 1 1",
            "≥ 86400 2 1",
            "Did not convert 1 1",
            "Did not convert 2 0"
        ]
    );
}

#[tokio::test]
async fn u_30_m_4_companies_take_steps_and_users_are_told() {
    let dataset = dataset(&[
        ("u1", "10:00", "A", r#"{"company": "x"}"#),
        ("u2", "10:10", "B", r#"{"company": "x"}"#),
        ("u3", "10:10", "A", r#"{"company": ["x", "y"]}"#),
    ])
    .await;
    let steps = r#""steps": ["A", "B"]"#;
    assert_eq!(funnel(&dataset, "count", steps).await, ["2", "0"]);
    let companies = format!(r#"{steps}, "count_by": "company""#);
    assert_eq!(funnel(&dataset, "count", &companies).await, ["2", "1"]);
    let dropped = format!(r#"{steps}, "users_of": {{"step": 1, "dropped_off": true}}"#);
    assert_eq!(funnel(&dataset, "user_id", &dropped).await, ["u1", "u3"]);
    let companies = format!(r#"{companies}, "users_of": {{"step": 2}}"#);
    assert_eq!(funnel(&dataset, "user_id", &companies).await, ["x"]);
}

#[tokio::test]
async fn f_34_f_35_clickhouse_counts_and_explanations() {
    let dataset = dataset(&[
        ("u1", "10:00", "A", "{}"),
        ("u1", "10:05", "X", "{}"),
        ("u1", "10:10", "B", "{}"),
        ("u1", "11:10", "A", "{}"),
    ])
    .await;
    let steps = r#""steps": ["A", "B", "C"], "window": "30 minutes""#;
    let clickhouse = format!(r#"{steps}, "clickhouse": []"#);
    assert_eq!(funnel(&dataset, "count", &clickhouse).await, ["1", "1", "0"]);
    let strict = format!(r#"{steps}, "clickhouse": ["strict_order"]"#);
    assert_eq!(funnel(&dataset, "count", &strict).await, ["1", "0", "0"]);
    let columns = "attempt; counts; to_char(time, '%H:%M'); coalesce(event, '-'); what";
    let explain = format!(r#"{steps}, "explain": "u1""#);
    assert_eq!(
        funnel(&dataset, columns, &explain).await,
        [
            "1 true 10:00 A step 1",
            "1 true 10:10 B step 2",
            "1 true 10:30 - ran out of time",
            "2 false 11:10 A step 1",
            "2 false 11:40 - ran out of time; another attempt counts for the user"
        ]
    );
    let excluded = format!(r#"{explain}, "exclude": [{{"event": "X"}}]"#);
    assert_eq!(
        funnel(&dataset, columns, &excluded).await[..2],
        ["1 true 10:00 A step 1", "1 true 10:05 X ended by an excluded event"]
    );
}

#[tokio::test]
async fn f_1_a_funnel_of_more_steps_than_a_word_has_bits() {
    let names: Vec<String> = (0..100).map(|at| format!("S{at}")).collect();
    let times: Vec<String> = (0..100).map(|at| format!("2024-01-02T{:02}:{:02}", at / 60, at % 60)).collect();
    let events: Vec<_> =
        names.iter().zip(&times).map(|(name, time)| ("u1", time.as_str(), name.as_str(), "{}")).collect();
    let dataset = dataset(&events[..97]).await;
    let steps = format!("\"steps\": {}", serde_json::json!(names));
    for more in ["", r#", "clickhouse": []"#] {
        let answer = funnel(&dataset, "count", &format!("{steps}{more}")).await;
        assert_eq!(answer.iter().filter(|count| *count == "1").count(), 97, "{more}");
        assert_eq!(answer.len(), 100);
    }
}

#[tokio::test]
async fn explain_analyze_shows_what_a_report_had_run() {
    let dataset = dataset(&[
        ("u1", "10:00", "Play", "{}"),
        ("u1", "11:00", "Buy", "{}"),
        ("u2", "10:00", "Play", "{}"),
        ("u2", "2024-01-03T10:00", "Play", "{}"),
    ])
    .await;
    let session = dataset.resident_session();
    let shown = async |explain: &str, query: &str| {
        rows(&session, &format!("{explain} SELECT * FROM {query}")).await.join("\n")
    };
    let range = r#""range": "2024-01-01 to 2024-01-04", "as_of": "2024-01-05""#;
    let insights = format!(r#"insights('{{{range}, "metrics": [{{"event": "Play"}}]}}')"#);
    let retention =
        format!(r#"retention('{{{range}, "birth": {{"event": "Play", "first_time": "ever"}}}}')"#);
    let cohort = r#"cohort('{"all": [{"did": {"event": "Play", "times": {"at_least": 2}}}]}')"#.to_owned();
    for (query, steps) in [
        (&insights, &["SegmentAggregateExec: days=2", "rows_selected=3"][..]),
        (&retention, &["UserScan: conditions=[", "rows=4", "segments=2", "elapsed="]),
        (&cohort, &["UserCounts: condition=", "rows=4"]),
    ] {
        let text = shown("EXPLAIN ANALYZE", query).await;
        let report = text.find("ReportExec: ").unwrap();
        assert!(steps.iter().all(|step| text[report..].contains(step)), "{text}");
        let text = shown("EXPLAIN", query).await;
        assert!(text.contains("ReportExec") && !steps.iter().any(|step| text.contains(step)), "{text}");
    }
    // Two reports in one statement, each with its own.
    let text = shown("EXPLAIN ANALYZE", &format!("{insights} UNION ALL SELECT * FROM {insights}")).await;
    assert_eq!(text.matches("SegmentAggregateExec").count(), 2, "{text}");
}

/// What is said of a definition that cannot be asked.
async fn wrong(session: &SessionContext, definition: &str) -> String {
    let report = Report::parse(definition).unwrap();
    let frame = match super::report(session, report, Timestamp::from_millis(1_704_240_000_000)) {
        Ok(frame) => frame,
        Err(error) => return error.to_string(),
    };
    Error::found_in(frame.collect().await.unwrap_err()).unwrap().to_string()
}

#[tokio::test]
async fn what_the_dataset_tells_to_be_wrong_is_told_with_its_place() {
    let mut dataset = dataset(&[("u1", "10:00", "Play", r#"{"mins": 3, "genre": "rock"}"#)]).await;
    dataset.set(ProfileKey::User("u1".to_owned()), r#"{"plan": "pro"}"#);
    let active = r#"{"all": [{"did": {"event": {"event": "Play", "where": "mns > 3"}}}]}"#;
    dataset.save(DefinitionKind::Cohort, "Active", active);
    let firms = r#"{"group_key": "company", "all": [{"did": {"event": "Play"}}]}"#;
    dataset.save(DefinitionKind::Cohort, "Firms", firms);
    dataset.save(DefinitionKind::Event, "Long", r#"["Buy", {"event": "Play", "where": "mns > 3"}]"#);
    let session = dataset.resident_session();
    let mut errors = Vec::new();
    for metric in [
        r#"{"event": "Long"}"#,
        r#"{"event": {"event": "Play", "where": ["mins > 3", "mns > 3"]}}"#,
        r#"{"event": ["Buy", {"event": "Play", "where": "genre ="}]}"#,
        r#"{"event": "Play", "where": "user.plna = 'pro'"}"#,
        r#"{"event": "Play", "where": "lngth(genre) > 3"}"#,
        r#"{"event": "Play", "where": "mins + 1"}"#,
        r#"{"event": "Play", "where": "genre + 1 > 2"}"#,
        r#"{"event": "Play", "where": {"any": [{"property": "time", "was_on": "2024-02-31"}]}}"#,
        r#"{"event": "Play", "where": {"not": {"in_cohort": ["Active", "Activ"]}}}"#,
        r#"{"event": "Play", "where": "cohort('Activ')"}"#,
        r#"{"event": "Play", "where": {"in_cohort": "Active"}}"#,
        r#"{"event": "Play", "measure": {"aggregate": "sum", "of": {"sql": "mns * 2"}}}"#,
        r#"{"profiles": "mins > 3"}"#,
        r#"{"profiles": {"all": []}, "measure": {"aggregate": "sum", "of": {"sql": "mins"}}}"#,
        r#"{"saved": "Hours"}"#,
        r#"{"profiles": {"in_cohort": "Firms"}}"#,
    ] {
        let definition = format!(r#"{{"report": "insights", "metrics": [{metric}]}}"#);
        errors.push(wrong(&session, &definition).await);
    }
    errors.push(wrong(&session, r#"{"report": "cohort", "all": [{"where": "plan = 'pro'"}]}"#).await);
    let range =
        r#"{"report": "cohort", "any": [{"did": {"event": "Play", "in": "2024-01-02 to 2024-01-01"}}]}"#;
    errors.push(wrong(&session, range).await);
    errors.push(wrong(&session, r#"{"report": "sessions", "properties": [{"sql": "gener"}]}"#).await);
    insta::assert_snapshot!(errors.join("\n"));
}

#[tokio::test]
async fn c_21_the_members_of_a_cohort_of_groups_are_listed_as_such() {
    let mut dataset = dataset(&[
        ("u1", "10:00", "Play", r#"{"company": "A"}"#),
        ("u1", "11:00", "Play", r#"{"company": ["A", "B"]}"#),
    ])
    .await;
    let firms = r#"{"group_key": "company", "all": [{"did": {"event": "Play", "times": {"at_least": 2}}}]}"#;
    dataset.save(DefinitionKind::Cohort, "Firms", firms);
    let key = |id: &str| ProfileKey::Group { key: "company".to_owned(), id: id.to_owned() };
    dataset.set(key("A"), r#"{"size": 7}"#);
    dataset.set(key("C"), r#"{"size": 9}"#);
    let session = dataset.resident_session();
    assert_eq!(rows(&session, "SELECT group_id FROM cohort('Firms')").await, ["A"]);
    let large = r#"{"group_key": "company", "all": [{"where": "group.company.size > 5"}, {"not_in_cohort": "Firms"}]}"#;
    assert_eq!(rows(&session, &format!("SELECT group_id FROM cohort('{large}')")).await, ["C"]);
}

#[tokio::test]
async fn m_4_the_users_behind_a_number_of_sessions() {
    let dataset = dataset(&[
        ("u1", "10:50", "Open", r#"{"kind": "a"}"#),
        ("u1", "11:05", "Play", r#"{"kind": "a"}"#),
        ("u1", "13:00", "Play", r#"{"kind": "b"}"#),
        ("u2", "11:10", "Play", r#"{"kind": "b"}"#),
        ("u3", "11:10", "Open", r#"{"kind": "b"}"#),
        ("", "11:10", "Play", r#"{"kind": "b"}"#),
    ])
    .await;
    let session = dataset.resident_session();
    let users = |rest: &str| {
        format!(
            r#"SELECT user_id FROM insights('{{"range": "2024-01-02 to 2024-01-02", "as_of": "2024-01-03",
                "metrics": [{{"event": "Play", "measure": "sessions"}}], {rest}}}')"#
        )
    };
    let whole = users(r#""users_of": {"metric": "A"}"#);
    assert_eq!(rows(&session, &whole).await, ["u1", "u2"]);
    // X-14: the session of 11:05 began at 10:50.
    let at = |hour: &str| {
        users(&format!(
            r#""interval": "hour", "users_of": {{"metric": "A", "time": "2024-01-02T{hour}:00"}}"#
        ))
    };
    assert_eq!(rows(&session, &at("10")).await, ["u1"]);
    assert_eq!(rows(&session, &at("11")).await, ["u2"]);
    let of = |label: &str, more: &str| {
        users(&format!(
            r#""breakdowns": ["kind"]{more}, "users_of": {{"metric": "A", "segments": ["{label}"]}}"#
        ))
    };
    assert_eq!(rows(&session, &of("a", "")).await, ["u1"]);
    assert_eq!(rows(&session, &of("b", "")).await, ["u1", "u2"]);
    assert_eq!(rows(&session, &of("$other", r#", "top": 1, "other": true"#)).await, ["u1"]);
}

#[tokio::test]
async fn s_90_a_saved_metric_is_measured_where_it_is_named() {
    let mut dataset =
        dataset(&[("u1", "10:00", "Play", r#"{"mins": 3}"#), ("u1", "11:00", "Play", r#"{"mins": 4}"#)])
            .await;
    let minutes = r#"{"event": "Play", "measure": {"aggregate": "sum", "of": "mins"}}"#;
    dataset.save(DefinitionKind::Metric, "Minutes", minutes);
    let first = r#"{"event": "Play", "measure": {"aggregate": "first", "of": "mins", "as": "string"}}"#;
    dataset.save(DefinitionKind::Metric, "First", first);
    let session = dataset.resident_session();
    let question = r#"SELECT name || ' ' || coalesce(CAST(value AS TEXT), text) FROM insights('{
        "range": "2024-01-02 to 2024-01-02", "as_of": "2024-01-03",
        "metrics": [{"saved": "Minutes"}, {"saved": "First", "name": "first"}],
        "formulas": [{"formula": "A * 2"}]}')"#;
    assert_eq!(rows(&session, question).await, ["Minutes 7.0", "first 3", "A * 2 14.0"]);
}

#[tokio::test]
async fn s_90_a_formula_may_have_metrics_of_its_own_and_be_saved() {
    let mut dataset = dataset(&[
        ("u1", "10:00", "Play", r#"{"mins": 3, "kind": "a"}"#),
        ("u1", "11:00", "Play", r#"{"mins": 4, "kind": "b"}"#),
        ("u2", "11:00", "Buy", "{}"),
    ])
    .await;
    let minutes = r#"{"event": "Play", "measure": {"aggregate": "sum", "of": "mins"}}"#;
    dataset.save(DefinitionKind::Metric, "Minutes", minutes);
    let formula = r#"{"formula": "A / B", "metrics": [{"saved": "Minutes"}, {"event": "Play", "measure": "total_events"}]}"#;
    dataset.save(DefinitionKind::Formula, "Minutes a play", formula);
    let session = dataset.resident_session();
    let ask = |definition: &str| {
        format!(
            r#"SELECT metric || ' ' || name || ' ' || CAST(value AS TEXT) FROM insights('{{
                "range": "2024-01-02 to 2024-01-02", "as_of": "2024-01-03", {definition}}}')"#
        )
    };
    // The letters of the report are those of its own metrics, then of its formulas.
    let beside = r#""metrics": [{"event": "Buy", "name": "buyers"}],
        "formulas": [{"saved": "Minutes a play"}, {"formula": "A * 2"}, {"saved": "Minutes a play", "name": "again"}]"#;
    assert_eq!(
        rows(&session, &ask(beside)).await,
        ["A buyers 1.0", "B Minutes a play 3.5", "C A * 2 2.0", "D again 3.5"]
    );
    let alone = r#""formulas": [{"saved": "Minutes a play"}], "breakdowns": ["kind"]"#;
    assert_eq!(
        rows(&session, &ask(alone)).await,
        ["A Minutes a play 3.5", "A Minutes a play 4.0", "A Minutes a play 3.0"]
    );
    let mut problems = Vec::new();
    for formula in [
        r#"{"saved": "Minutes a day"}"#,
        r#"{"formula": "A / C", "metrics": [{"event": "Play"}, {"event": "Buy"}]}"#,
    ] {
        problems
            .push(wrong(&session, &format!(r#"{{"report": "insights", "formulas": [{formula}]}}"#)).await);
    }
    insta::assert_snapshot!(problems.join("\n"));
}

#[tokio::test]
async fn m_80_m_4_what_only_the_dataset_tells_to_be_wrong_in_impact() {
    let dataset = dataset(&[("u1", "10:00", "Play", r#"{"genre": "rock"}"#)]).await;
    let session = dataset.resident_session();
    let mut errors = Vec::new();
    for definition in [
        r#""launch": {"event": "New", "where": "gnre = 1"}, "metrics": [{"event": "Play"}]"#,
        r#""launch": "New", "metrics": [{"event": "Play"}, {"event": {"event": "Play", "where": {"in_cohort": "Pros"}}}]"#,
        r#""launch": "New", "metrics": [{"event": "Play"}], "users_of": {"who": "adopters", "metric": "B"}"#,
        r#""launch": "New", "metrics": [{"event": "Play"}, {"event": "Buy"}], "users_of": {"who": "adopters", "metric": "C"}"#,
    ] {
        errors.push(wrong(&session, &format!(r#"{{"report": "impact", {definition}}}"#)).await);
    }
    insta::assert_snapshot!(errors.join("\n"));
}

#[tokio::test]
async fn f_40_m_22_lists_without_items_are_the_same_whatever_they_could_have() {
    let mut dataset = dataset(&[
        ("u1", "09:00", "Seen", r#"{"codes": [1], "tags": ["a"]}"#),
        ("u1", "10:00", "Seen", r#"{"tags": []}"#),
        ("u1", "11:00", "Play", r#"{"codes": []}"#),
    ])
    .await;
    let merged = r#"{"event_properties": {"tags": {"merged_into": "codes"}}}"#;
    dataset.save(DefinitionKind::Lexicon, Lexicon::NAME, merged);
    let question = r#"SELECT event || ' ' || CAST(count AS TEXT) FROM funnel('{
        "range": "2024-01-02 to 2024-01-02", "as_of": "2024-01-03", "steps": ["Seen", "Play"], "count": "totals",
        "hold_constant": ["codes"]}')"#;
    assert_eq!(rows(&dataset.resident_session(), question).await, ["Seen 2", "Play 1"]);
}

#[tokio::test]
async fn m_4_s_26_s_27_the_users_behind_metrics_of_behaviour() {
    let dataset = dataset(&[
        ("u1", "10:00", "Seen", r#"{"kind": "a"}"#),
        ("u1", "10:05", "Play", "{}"),
        ("u2", "10:30", "Seen", r#"{"kind": "b"}"#),
        ("u2", "11:10", "Play", "{}"),
        ("u3", "11:00", "Seen", r#"{"kind": "a"}"#),
        ("u4", "12:00", "Seen", r#"{"kind": "c"}"#),
        ("u4", "12:10", "Play", "{}"),
    ])
    .await;
    let session = dataset.resident_session();
    let of = |metric: &str, more: &str, cell: &str| {
        let question = format!(
            r#"SELECT user_id FROM insights('{{"range": "2024-01-02 to 2024-01-02", "as_of": "2024-02-03",
                "metrics": [{{"event": "Seen"}}, {metric}]{more}, "users_of": {{"metric": "B"{cell}}}}}')"#
        );
        let session = &session;
        async move { rows(session, &question).await }
    };
    let funnel = r#"{"funnel": {"steps": ["Seen", "Play"]}}"#;
    assert_eq!(of(funnel, "", "").await, ["u1", "u2", "u4"]);
    let entered = r#"{"funnel": {"steps": ["Seen", "Play"]}, "step": 1, "value": "count"}"#;
    assert_eq!(of(entered, "", "").await, ["u1", "u2", "u3", "u4"]);
    let by_hour = r#", "interval": "hour""#;
    assert_eq!(of(funnel, by_hour, r#", "time": "2024-01-02T10:00:00Z""#).await, ["u1", "u2"]);
    let by_kind = r#", "breakdowns": ["kind"], "top": 1, "other": true"#;
    assert_eq!(of(funnel, by_kind, r#", "segments": ["a"]"#).await, ["u1"]);
    assert_eq!(of(funnel, by_kind, r#", "segments": ["$other"]"#).await, ["u2", "u4"]);
    let retention = r#"{"retention": {"birth": "Seen", "return": "Play", "unit": "hour"}, "bucket": 0}"#;
    assert_eq!(of(retention, "", "").await, ["u1", "u2", "u4"]);
    assert_eq!(of(retention, by_hour, r#", "time": "2024-01-02T12:00:00Z""#).await, ["u4"]);
    assert_eq!(of(retention, by_kind, r#", "segments": ["a"]"#).await, ["u1"]);
    assert_eq!(of(retention, by_kind, r#", "segments": ["$other"]"#).await, ["u2", "u4"]);
    // R-20: of rows that are not complete nobody is known.
    let soon = r#"{"retention": {"birth": "Seen", "return": "Play", "unit": "day", "criterion": "on_or_before"}, "bucket": 60}"#;
    assert_eq!(of(soon, "", "").await, [""; 0]);
}

#[tokio::test]
async fn s_26_s_27_what_happens_in_attempts_and_after_births_splits_metrics() {
    let dataset = dataset(&[
        ("u1", "08:00", "Visit", r#"{"from": "ad"}"#),
        ("u1", "10:00", "Seen", "{}"),
        ("u1", "10:01", "Search", "{}"),
        ("u1", "10:02", "Search", "{}"),
        ("u1", "10:05", "Play", "{}"),
        ("u2", "08:00", "Visit", r#"{"from": "mail"}"#),
        ("u2", "10:00", "Seen", "{}"),
        ("u2", "10:30", "Play", "{}"),
        ("u2", "13:00", "Search", "{}"),
    ])
    .await;
    let session = dataset.resident_session();
    let ask = |metric: &str, by: &str, more: &str| {
        let question = format!(
            r#"SELECT * FROM insights('{{"range": "2024-01-02T09:00:00Z to 2024-01-02T12:00:00Z", "as_of": "2024-01-03",
                "metrics": [{metric}], "breakdowns": [{{"property": {by}}}]{more}}}')"#
        );
        let session = &session;
        async move { rows(session, &question).await }
    };
    // F-75, of one funnel, with a filter on it.
    let funnel = r#"{"name": "f", "funnel": {"steps": ["Seen", "Play"]}, "value": "count"}"#;
    let searches = r#"{"per_user": "events", "event": "Search", "between_steps": [1, 2]}"#;
    assert_eq!(ask(funnel, searches, "").await, ["A|f|$overall|2.0", "A|f|0|1.0", "A|f|2|1.0"]);
    let filter = format!(r#", "where": {{"property": {searches}, "at_least": 1}}"#);
    assert_eq!(ask(funnel, searches, &filter).await, ["A|f|$overall|1.0", "A|f|2|1.0"]);
    let of_two = r#", "users_of": {"metric": "A", "segments": ["2"]}"#;
    assert_eq!(ask(funnel, searches, of_two).await, ["u1"]);
    // A-17.
    assert_eq!(
        ask(funnel, r#"{"attributed": "from"}"#, "").await,
        ["A|f|$overall|2.0", "A|f|ad|1.0", "A|f|mail|1.0"]
    );
    // R-33: also what happens after the range.
    let retention = r#"{"name": "r", "retention": {"birth": "Seen", "return": "Play", "unit": "hour", "measure": "unique_users"}, "bucket": 0}"#;
    let later = r#"{"per_user": "events", "event": "Search", "within": "1 day"}"#;
    assert_eq!(ask(retention, later, "").await, ["A|r|$overall|2.0", "A|r|1|1.0", "A|r|2|1.0"]);
}

#[tokio::test]
async fn m_72_s_90_formulas_of_experiments_may_be_saved() {
    let mut dataset = dataset(&[
        ("u1", "10:00", "Seen", r#"{"v": "on"}"#),
        ("u2", "10:00", "Seen", r#"{"v": "off"}"#),
        ("u1", "11:00", "Play", r#"{"mins": 3}"#),
        ("u1", "12:00", "Play", r#"{"mins": 4}"#),
        ("u2", "12:00", "Play", r#"{"mins": 5}"#),
    ])
    .await;
    let minutes = r#"{"event": "Play", "measure": {"aggregate": "sum", "of": "mins"}}"#;
    dataset.save(DefinitionKind::Metric, "Minutes", minutes);
    let formula = r#"{"formula": "A / B", "metrics": [{"saved": "Minutes"}, {"event": "Play", "measure": "total_events"}]}"#;
    dataset.save(DefinitionKind::Formula, "Minutes a play", formula);
    let daily = r#"{"formula": "A", "metrics": [{"event": "Play", "measure": "daily_active_users"}]}"#;
    dataset.save(DefinitionKind::Formula, "Daily", daily);
    let session = dataset.resident_session();
    let question = r#"SELECT metric || ' ' || name || ' ' || variant || ' ' || CAST(value AS TEXT) FROM experiment('{
        "range": "2024-01-02 to 2024-01-02", "as_of": "2024-01-03", "exposure": "Seen", "variant": "v", "control": "off",
        "metrics": [{"event": "Play", "name": "plays"}], "formulas": [{"saved": "Minutes a play"}, {"formula": "A * 2"}]}')"#;
    assert_eq!(
        rows(&session, question).await,
        [
            "A plays off 1.0",
            "A plays on 1.0",
            "B Minutes a play off 5.0",
            "B Minutes a play on 3.5",
            "C A * 2 off 2.0",
            "C A * 2 on 2.0"
        ]
    );
    let mut errors = Vec::new();
    for more in [
        r#""formulas": [{"saved": "Minutes a day"}]"#,
        r#""formulas": [{"saved": "Daily"}]"#,
        r#""formulas": [{"saved": "Minutes a play"}], "users_of": {"variant": "on", "metric": "A"}"#,
        r#""formulas": [{"formula": "A / C", "metrics": [{"event": "Play"}, {"event": "Seen"}]}]"#,
    ] {
        let definition = format!(
            r#"{{"report": "experiment", "exposure": "Seen", "variant": "v", "control": "off", {more}}}"#
        );
        errors.push(wrong(&session, &definition).await);
    }
    insta::assert_snapshot!(errors.join("\n"));
}

#[tokio::test]
async fn m_72_m_4_what_is_wrong_in_formulas_and_cells_of_experiments() {
    let dataset = dataset(&[("u1", "10:00", "Play", r#"{"genre": "rock"}"#)]).await;
    let session = dataset.resident_session();
    let mut errors = Vec::new();
    for more in [
        r#""formulas": [{"formula": "A / 2"}, {"formula": "A / B"}]"#,
        r#""formulas": [{"formula": "A /"}]"#,
        r#""formulas": [{"formula": "1 + 2"}]"#,
        r#""formulas": [{"formula": "A"}], "users_of": {"variant": "on", "metric": "B"}"#,
        r#""experiment": "x", "experiments": {"sql": "gnre"}"#,
    ] {
        let definition = format!(
            r#"{{"report": "experiment", "exposure": "Play", "control": "rock", "metrics": [{{"event": "Play"}}], {more}}}"#
        );
        errors.push(wrong(&session, &definition).await);
    }
    for cell in [r#""event": "Ply""#, r#""event": "Play", "property": "genre", "value": "rock""#] {
        let definition = format!(
            r#"{{"report": "correlation", "goal": "Buy", "candidates": ["Play"], "users_of": {{{cell}, "times": 1, "days": 1}}}}"#
        );
        errors.push(wrong(&session, &definition).await);
    }
    insta::assert_snapshot!(errors.join("\n"));
}
