//! The worked examples of section 8.

use tallymark_event::Event;

use crate::testing::{TestDataset, event, rows};

/// Users as `u1: A x y z`, an event a minute; `name{…}` has properties, `+40` comes so many minutes
/// later.
async fn dataset(users: &[&str]) -> TestDataset {
    let mut events: Vec<Event<'static>> = Vec::new();
    for line in users {
        let (user, names) = line.split_once(": ").unwrap();
        let mut minute = 0;
        for name in names.split(' ') {
            if let Some(later) = name.strip_prefix('+') {
                minute += later.parse::<u32>().unwrap() - 1;
                continue;
            }
            let (name, properties) = match name.split_once('{') {
                Some((name, rest)) => (name, format!("{{{rest}")),
                None => (name, "{}".to_owned()),
            };
            let time = format!("2024-01-02T{:02}:{:02}:00Z", 8 + minute / 60, minute % 60);
            events.push(event(name, user, &time, &properties));
            minute += 1;
        }
    }
    let mut dataset = TestDataset::new();
    dataset.files(&events).await;
    dataset
}

async fn told(dataset: &TestDataset, what: &str, more: &str) -> Vec<String> {
    let definition = format!(r#"{{"range": "2024-01-01 to 2024-01-03", "as_of": "2024-01-05", {more}}}"#);
    let question = format!("SELECT {what} FROM flows('{definition}')");
    rows(&dataset.resident_session(), &question).await
}

/// `anchor offset label count`, of nodes but anchors themselves.
async fn nodes(dataset: &TestDataset, more: &str) -> Vec<String> {
    let what = "CASE WHEN kind = 'node' AND (\"offset\" <> 0 OR label = '$drop_off') THEN anchor || ' ' || \"offset\" || ' ' \
                || label || ' ' || count END";
    let mut told = told(dataset, what, more).await;
    told.retain(|node| !node.is_empty());
    told
}

async fn edges(dataset: &TestDataset, more: &str) -> Vec<String> {
    let what = "CASE WHEN kind = 'edge' THEN anchor || ' ' || \"offset\" || ' ' || label || ' > ' || to_anchor || ' ' || \
                to_offset || ' ' || to_label || ' ' || count END";
    let mut told = told(dataset, what, more).await;
    told.retain(|node| !node.is_empty());
    told
}

async fn first() -> TestDataset {
    dataset(&["u1: A x y z", "u2: A x B", "u3: A x y", "u4: A", "u5: x A y"]).await
}

#[tokio::test]
async fn w_10_w_11_w_12_the_worked_example() {
    let dataset = first().await;
    let two = r#""anchors": ["A"], "rows": 2"#;
    assert_eq!(
        nodes(&dataset, two).await,
        [
            "1 1 x 3",
            "1 1 y 1",
            "1 1 $drop_off 1",
            "1 2 y 2",
            "1 2 B 1",
            "1 2 $drop_off 1",
            "1 3 z 1",
            "1 3 $drop_off 2"
        ]
    );
    assert_eq!(
        edges(&dataset, two).await,
        ["1 0 A > 1 1 x 3", "1 0 A > 1 1 y 1", "1 1 x > 1 2 y 2", "1 1 x > 1 2 B 1", "1 2 y > 1 3 z 1"]
    );
    let one = nodes(&dataset, r#""anchors": ["A"], "rows": 1"#).await;
    assert_eq!(one[..3], ["1 1 x 3", "1 1 $other 1", "1 1 $drop_off 1"]);
    let hidden = nodes(&dataset, r#""anchors": ["A"], "hide": ["x"]"#).await;
    assert_eq!(hidden[..5], ["1 1 y 3", "1 1 B 1", "1 1 $drop_off 1", "1 2 z 1", "1 2 $drop_off 3"]);
    let before = nodes(&dataset, r#""anchors": [{"event": "A", "before": 2, "after": 0}]"#).await;
    assert_eq!(before, ["1 -1 x 1"]);
}

#[tokio::test]
async fn w_8_between_anchors() {
    let dataset = dataset(&["u1: A p q r B", "u2: A B", "u3: A p"]).await;
    let more = r#""anchors": [{"event": "A", "after": 2}, {"event": "B", "before": 1, "after": 0}]"#;
    assert_eq!(
        nodes(&dataset, more).await,
        ["1 1 p 2", "1 2 q 1", "1 2 $drop_off 1", "2 -1 r 1", "2 0 $drop_off 1"]
    );
    let edges = edges(&dataset, more).await;
    assert_eq!(edges, ["1 0 A > 1 1 p 2", "1 0 A > 2 0 B 1", "1 1 p > 1 2 q 1", "2 -1 r > 2 0 B 1"]);
    // W-6: too late.
    let late = r#""anchors": ["A", "B"], "window": "3 minutes""#;
    assert_eq!(nodes(&dataset, late).await, ["2 0 $drop_off 2", "2 1 $drop_off 1"]);
    // W-19.
    let excluded =
        r#""anchors": [{"event": "A", "after": 2}, {"event": "B", "after": 0}], "exclude": [{"event": "q"}]"#;
    assert_eq!(nodes(&dataset, excluded).await, ["1 1 p 2", "1 2 $drop_off 2", "2 0 $drop_off 2"]);
}

#[tokio::test]
async fn w_4_w_5_totals_and_sessions() {
    let dataset = dataset(&["u1: A x +40 A y z w"]).await;
    let count = |after: u32, count: &str| {
        format!(r#""anchors": [{{"event": "A", "after": {after}}}], "count": "{count}", "form": "paths""#)
    };
    let what = "array_to_string(path, ' ') || ' ' || count";
    assert_eq!(told(&dataset, what, &count(3, "totals")).await, ["A x A y 1"]);
    assert_eq!(told(&dataset, what, &count(1, "totals")).await, ["A x 1", "A y 1"]);
    assert_eq!(told(&dataset, what, &count(3, "sessions")).await, ["A x 1", "A y z w 1"]);
    assert_eq!(told(&dataset, what, &count(1, "unique_users")).await, ["A x 1"]);
}

#[tokio::test]
async fn w_14_w_16_w_17_labels() {
    let what = "array_to_string(path, ' ')";
    let repeated = dataset(&["u1: A x x x y"]).await;
    let paths = async |more: &str| {
        told(&repeated, what, &format!(r#""anchors": ["A"], "form": "paths"{more}"#)).await
    };
    assert_eq!(paths(r#", "collapse_repeated": true"#).await, ["A x y"]);
    assert_eq!(paths("").await, ["A x x x"]);
    assert_eq!(paths(r#", "custom_events": [{"any_of": ["x", "y"], "name": "xy"}]"#).await, ["A xy xy xy"]);
    assert_eq!(paths(r#", "show_only": ["y"]"#).await, ["A y"]);
    let anchors = dataset(&["u1: A A x"]).await;
    let more = r#""anchors": ["A"], "form": "paths", "collapse_repeated": true"#;
    assert_eq!(told(&anchors, what, more).await, ["A x"]);
    let expanded = dataset(&[r#"u1: A view{"page":"home"} view view{"page":["a","b"]}"#]).await;
    let more = r#""anchors": ["A"], "form": "paths", "expand": [{"event": "view", "property": "page"}]"#;
    assert_eq!(told(&expanded, what, more).await, ["A view · home view · (not set) view · a"]);
    // An event that is not expanded keeps its name, whatever properties it has.
    let others = dataset(&[r#"u1: A Play Buy{"page":"home"}"#, r#"u2: A Buy{"page":"home"} x"#]).await;
    assert_eq!(told(&others, what, more).await, ["A Buy x", "A Play Buy"]);
}

#[tokio::test]
async fn w_15_w_18_segments_and_held_values() {
    let dataset = dataset(&[
        r#"u1: A{"i":1} x{"i":2} x{"i":1} A{"i":2} y{"i":2}"#,
        r#"u2: A{"i":2} y z{"i":2}"#,
        "u3: A x",
    ])
    .await;
    let what = "i || ': ' || array_to_string(path, ' ') || ' ' || count";
    let held = r#""anchors": ["A"], "form": "paths", "hold_constant": ["i"], "breakdowns": ["i"]"#;
    assert_eq!(
        told(&dataset, what, held).await,
        ["$overall: A x 1", "$overall: A z 1", "2: A y 1", "2: A z 1", "1: A x 1"]
    );
}

#[tokio::test]
async fn w_20_a_tree_puts_paths_together() {
    let dataset = first().await;
    let what = "node || ' ' || coalesce(CAST(parent AS TEXT), '-') || ' ' || depth || ' ' || label || ' ' || count \
                || ' ' || coalesce(CAST(conversion AS TEXT), '-')";
    let tree = told(&dataset, what, r#""anchors": ["A"], "form": "tree""#).await;
    assert_eq!(tree[0], "1 - 0 A 5 -");
    assert_eq!(tree[1], "2 1 1 x 3 0.6");
    assert_eq!(tree[2], "3 2 2 y 2 0.6666666666666666");
    assert_eq!(tree[3], "4 3 3 z 1 0.5");
    assert_eq!(tree[4], "5 2 2 B 1 0.3333333333333333");
    assert_eq!(tree[5], "6 1 1 y 1 0.2");
}
