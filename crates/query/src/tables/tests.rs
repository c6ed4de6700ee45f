use std::sync::Arc;

use tallymark_event::Timestamp;
use tallymark_report::DefinitionKind;
use tallymark_storage::Definition;
use tallymark_users::ProfileKey;

use crate::testing::{TestDataset, answer, event, rows};

fn user(id: &str) -> ProfileKey {
    ProfileKey::User(id.to_owned())
}

async fn people() -> TestDataset {
    let mut dataset = TestDataset::new();
    dataset
        .files(&[
            event("Visit", "$device:d1", "2024-01-01T10:00:00Z", r#"{"plan": "free", "n": 1}"#),
            event("Buy", "ann", "2024-01-02T10:00:00Z", r#"{"n": "x", "nothing": null}"#),
        ])
        .await;
    dataset.memory(&[event("Visit", "bob", "2024-01-05T10:00:00Z", r#"{"n": 2.5}"#)]);
    dataset
        .set(user("$device:d1"), r#"{"plan": "left behind"}"#)
        .link("d1", "ann")
        .set(
            user("ann"),
            r#"{"plan": "pro", "age": 33, "tags": ["a"], "last_seen": "a property", "since": "2024-01-01"}"#,
        )
        .set(user("zed"), r#"{"age": "old", "plan": "free"}"#)
        .set(
            ProfileKey::Group { key: "company".to_owned(), id: "acme".to_owned() },
            r#"{"plan": "enterprise", "seats": 9}"#,
        );
    dataset
}

#[tokio::test]
async fn u18_every_user_with_a_profile_is_one_row() {
    let dataset = people().await;
    insta::assert_snapshot!(dataset.ask("SELECT * FROM users ORDER BY user_id").await, @r"
        +---------+----------------------+----------------------+------+-----+------------+------+----------------------+------------+
        | user_id | last_seen            | first_event_time     | plan | age | age@string | tags | properties.last_seen | since      |
        +---------+----------------------+----------------------+------+-----+------------+------+----------------------+------------+
        | ann     | 2024-01-01T00:00:00Z | 2024-01-01T10:00:00Z | pro  | 33  |            | [a]  | a property           | 2024-01-01 |
        | zed     | 2024-01-01T00:00:00Z |                      | free |     | old        |      |                      |            |
        +---------+----------------------+----------------------+------+-----+------------+------+----------------------+------------+
        ");
    let session_ctx = dataset.session();
    assert_eq!(rows(&session_ctx, "SELECT count(*) FROM users").await, ["2"]);
    assert_eq!(
        rows(&session_ctx, r#"SELECT user_id, "age@string" FROM users WHERE age IS NULL"#).await,
        ["zed|old"]
    );
}

#[tokio::test]
async fn d44_the_first_event_of_a_user_is_found_under_all_their_ids() {
    let session_ctx = people().await.session();
    assert_eq!(
        rows(&session_ctx, "SELECT user_id, first_event_time, plan FROM users ORDER BY user_id").await,
        ["ann|2024-01-01T10:00:00Z|pro", "zed||free"]
    );
    assert_eq!(
        rows(&session_ctx, "SELECT first_event_time FROM users WHERE user_id = 'ann'").await,
        ["2024-01-01T10:00:00Z"]
    );
    let plan = answer(&session_ctx, "EXPLAIN FORMAT indent SELECT plan FROM users").await;
    assert!(!plan.contains("parquet"), "{plan}");
}

#[tokio::test]
async fn u15_profiles_join_events_on_the_present_user() {
    let session_ctx = people().await.session();
    let query =
        "SELECT e.event, e.plan, u.plan FROM events e LEFT JOIN users u USING (user_id) ORDER BY e.time";
    assert_eq!(rows(&session_ctx, query).await, ["Visit|free|pro", "Buy||pro", "Visit||"]);
}

#[tokio::test]
async fn u34_groups_have_profiles_of_their_own() {
    insta::assert_snapshot!(people().await.ask("SELECT * FROM groups").await, @r"
        +-----------+----------+----------------------+------------+-------+
        | group_key | group_id | last_seen            | plan       | seats |
        +-----------+----------+----------------------+------------+-------+
        | company   | acme     | 2024-01-01T00:00:00Z | enterprise | 9     |
        +-----------+----------+----------------------+------------+-------+
        ");
}

#[tokio::test]
async fn i30_the_mapping_of_ids_is_a_table() {
    let session_ctx = people().await.session();
    assert_eq!(
        rows(&session_ctx, "SELECT id, user_id FROM identities ORDER BY id").await,
        ["$device:d1|ann", "ann|ann"]
    );
}

#[tokio::test]
async fn m20_m21_the_catalogs_say_what_the_lexicon_says() {
    let mut snapshot = (*people().await.snapshot()).clone();
    let json = serde_json::json!({
        "events": {"Visit": {"display_name": "Page seen", "tags": ["web", "core"], "hidden": true}},
        "event_properties": {"plan": {"description": "Then"}},
        "user_properties": {"plan": {"description": "Now"}, "absent": {"hidden": true}},
    });
    let saved = Definition { saved_at: Timestamp::from_millis(0), json, file: None };
    let mut manifest = (*snapshot.manifest).clone();
    manifest.definitions = [("lexicon".to_owned(), [("lexicon".to_owned(), saved)].into())].into();
    snapshot.manifest = Arc::new(manifest);
    assert_eq!(Vec::from_iter(crate::definitions::hidden_events(&snapshot).unwrap()), ["Visit"]);
    let session_ctx = crate::session(&Arc::new(snapshot), &crate::QueryConfig::default()).unwrap();
    let query =
        "SELECT event, display_name, description, array_to_string(tags, '+'), hidden FROM event_catalog";
    assert_eq!(rows(&session_ctx, query).await, ["Buy||||false", "Visit|Page seen||core+web|true"]);
    let query = "SELECT source, description FROM property_catalog WHERE property = 'plan'";
    assert_eq!(rows(&session_ctx, query).await, ["events|Then", "users|Now", "groups|"]);
}

async fn merged() -> TestDataset {
    let mut dataset = TestDataset::new();
    dataset
        .files(&[
            event("Play", "ann", "2024-01-01T10:00:00Z", r#"{"genre": "rock", "n": 1}"#),
            event("play", "ann", "2024-01-01T11:00:00Z", r#"{"style": "jazz", "count": 2.5}"#),
        ])
        .await;
    dataset.memory(&[
        event("play", "bob", "2024-01-02T10:00:00Z", r#"{"style": "jazz", "genre": 7}"#),
        event(
            "Play",
            "bob",
            "2024-01-02T11:00:00Z",
            r#"{"kind": "2024-01-05", "genre": null, "style": null}"#,
        ),
    ]);
    dataset.save(
        DefinitionKind::Lexicon,
        "lexicon",
        r#"{"events": {"play": {"merged_into": "Play"}, "Stop": {"hidden": true, "blocked": true}},
            "event_properties": {"style": {"merged_into": "genre"}, "kind": {"merged_into": "genre"},
                                 "count": {"merged_into": "n"}}}"#,
    );
    dataset
}

#[tokio::test]
async fn m_22_events_are_read_under_the_names_they_are_merged_into() {
    let dataset = merged().await;
    // A number of the target keeps the text of the source out; a date goes to the texts as it was sent;
    // whole numbers join fractions.
    insta::assert_snapshot!(dataset.ask(r#"SELECT event, user_id, genre, "genre@number", n FROM merged_events ORDER BY time"#).await, @r"
        +-------+---------+------------+--------------+-----+
        | event | user_id | genre      | genre@number | n   |
        +-------+---------+------------+--------------+-----+
        | Play  | ann     | rock       |              | 1.0 |
        | Play  | ann     | jazz       |              | 2.5 |
        | Play  | bob     |            | 7            |     |
        | Play  | bob     | 2024-01-05 |              |     |
        +-------+---------+------------+--------------+-----+
        ");
    let columns = "SELECT column_name FROM information_schema.columns
                   WHERE table_name = 'merged_events' ORDER BY ordinal_position OFFSET 9";
    assert_eq!(rows(&dataset.session(), columns).await, ["genre", "n", "genre@number"]);
    let stored =
        r#"SELECT event, genre, style, kind, "count" FROM events WHERE event = 'play' ORDER BY time"#;
    assert_eq!(rows(&dataset.session(), stored).await, ["play||jazz||2.5", "play||jazz||"]);
    let said = "SELECT event, merged_into FROM event_catalog";
    assert_eq!(rows(&dataset.session(), said).await, ["Play|", "play|Play"]);
    let said = "SELECT property, merged_into FROM property_catalog WHERE merged_into IS NOT NULL AND column IS NOT NULL";
    assert_eq!(rows(&dataset.session(), said).await, ["style|genre", "count|n", "kind|genre"]);
}

#[tokio::test]
async fn m_22_merged_events_are_answered_from_memory() {
    let questions = [
        "SELECT event, count(*), count(DISTINCT user_id), sum(n) FROM merged_events GROUP BY event",
        "SELECT genre, count(*) FROM merged_events WHERE event = 'Play' GROUP BY genre ORDER BY genre",
        "SELECT count(*) FROM merged_events WHERE event = 'play'",
    ];
    for dataset in [merged().await, people().await] {
        let (files, memory) = (dataset.session(), dataset.resident_session());
        for question in questions {
            let question = match dataset.snapshot().catalog.property("genre") {
                Some(_) => question.to_owned(),
                None => question.replace("genre", "plan"),
            };
            assert_eq!(rows(&files, &question).await, rows(&memory, &question).await, "{question}");
            let plan = answer(&memory, &format!("EXPLAIN FORMAT indent {question}")).await;
            assert!(plan.contains("aggregated_events"), "{plan}");
        }
    }
    let plan = "EXPLAIN FORMAT indent SELECT count(*) FROM merged_events WHERE event = 'Visit'";
    let of_events = plan.replace("merged_events", "events");
    let session_ctx = people().await.resident_session();
    let merged = answer(&session_ctx, plan).await.replace("merged_events", "events");
    let words = |plan: &str| plan.split_whitespace().collect::<Vec<_>>().join(" ").replace('-', "");
    assert_eq!(words(&merged), words(&answer(&session_ctx, &of_events).await));
}

#[tokio::test]
async fn the_catalogs_say_what_there_is() {
    let dataset = people().await;
    let session_ctx = dataset.session();
    let query = "SELECT source, property, column, type, rows FROM property_catalog WHERE column = 'n@string'";
    assert_eq!(rows(&session_ctx, query).await, ["events|n|n@string|string|1"]);
    insta::assert_snapshot!(dataset.ask("SELECT event, rows, first_day, last_day, days FROM event_catalog").await, @r"
        +-------+------+------------+------------+------+
        | event | rows | first_day  | last_day   | days |
        +-------+------+------------+------------+------+
        | Buy   | 1    | 2024-01-02 | 2024-01-02 | 1    |
        | Visit | 2    | 2024-01-01 | 2024-01-05 | 2    |
        +-------+------+------------+------------+------+
        ");
    insta::assert_snapshot!(dataset.ask("SELECT source, property, column, type, arrow_type, rows, share FROM property_catalog").await, @r"
        +--------+-----------+----------------------+--------+----------------------------------+------+--------------------+
        | source | property  | column               | type   | arrow_type                       | rows | share              |
        +--------+-----------+----------------------+--------+----------------------------------+------+--------------------+
        | events | plan      | plan                 | string | Utf8View                         | 1    | 0.3333333333333333 |
        | events | n         | n                    | number | Float64                          | 2    | 0.6666666666666666 |
        | events | n         | n@string             | string | Utf8View                         | 1    | 0.3333333333333333 |
        | events | nothing   |                      | null   | Boolean                          | 1    | 0.3333333333333333 |
        | users  | plan      | plan                 | string | Utf8View                         | 2    | 1.0                |
        | users  | age       | age                  | number | Int64                            | 1    | 0.5                |
        | users  | age       | age@string           | string | Utf8View                         | 1    | 0.5                |
        | users  | tags      | tags                 | list   | List(Utf8View, field: 'element') | 1    | 0.5                |
        | users  | last_seen | properties.last_seen | string | Utf8View                         | 1    | 0.5                |
        | users  | since     | since                | date   | Date32                           | 1    | 0.5                |
        | groups | plan      | plan                 | string | Utf8View                         | 1    | 1.0                |
        | groups | seats     | seats                | number | Int64                            | 1    | 1.0                |
        +--------+-----------+----------------------+--------+----------------------------------+------+--------------------+
        ");
}
