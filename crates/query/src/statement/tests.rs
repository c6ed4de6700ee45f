use super::statements;
use crate::testing::{TestDataset, answer, error, event, rows};

async fn plays() -> TestDataset {
    let mut dataset = TestDataset::new();
    dataset
        .files(&[
            event(
                "Play",
                "ann",
                "2024-03-30T23:30:00Z",
                r#"{"Song Length": 3, "genre": "rock", "tags": [1, 2, 3], "ctx": {"a": {"b": "x"}}}"#,
            ),
            event("Play", "bob", "2024-03-31T22:30:00Z", r#"{"Song Length": 5, "genre": "jazz"}"#),
        ])
        .await;
    dataset
}

#[tokio::test]
async fn a_script_runs_in_order_and_answers_with_its_last_statement() {
    let session_ctx = plays().await.session();
    let script = "
        -- a comment; with a semicolon
        CREATE VIEW rock AS SELECT * FROM events WHERE genre = 'rock;';
        CREATE OR REPLACE VIEW rock AS SELECT * FROM events WHERE genre = 'rock';
        SET datafusion.execution.batch_size = 1024;
        SELECT count(*) FROM rock;";
    assert_eq!(rows(&session_ctx, script).await, ["1"]);
    assert_eq!(rows(&session_ctx, "SELECT count(*) FROM rock").await, ["1"]);
    assert_eq!(
        rows(&session_ctx, "SHOW datafusion.execution.batch_size").await,
        ["datafusion.execution.batch_size|1024"]
    );
    assert_eq!(
        rows(&session_ctx, "PREPARE q AS SELECT count(*) FROM events WHERE genre = $1; EXECUTE q('jazz')")
            .await,
        ["1"]
    );
    assert_eq!(rows(&session_ctx, "DROP VIEW rock; SELECT 1 AS one").await, ["1"]);
    assert_eq!(statements("SELECT 1; ;; SELECT ';'").unwrap().len(), 2);
    assert_eq!(error(&session_ctx, " -- nothing\n").await, "there is no statement in the SQL text");
}

#[tokio::test]
async fn functions_are_found_in_any_case_and_columns_in_theirs() {
    let session_ctx = plays().await.session();
    let query = r#"select COUNT(*), Sum("Song Length"), MAX(genre) from events where Lower(genre) IN ('rock', 'jazz')"#;
    assert_eq!(rows(&session_ctx, query).await, ["2|8|rock"]);
    assert_eq!(rows(&session_ctx, "FROM events SELECT count(*) AS Total GROUP BY ALL").await, ["2"]);
    assert!(answer(&session_ctx, "SELECT count(*) AS Total FROM events").await.contains("| Total |"));
}

#[tokio::test]
async fn lambdas_and_json_arrows_are_told_apart() {
    let session_ctx = plays().await.session();
    assert_eq!(
        rows(&session_ctx, "SELECT array_filter(tags, x -> x > 1) FROM events WHERE genre = 'rock'").await,
        ["[2, 3]"]
    );
    assert_eq!(
        rows(&session_ctx, "SELECT array_transform(tags, x -> x * 2) FROM events WHERE genre = 'rock'").await,
        ["[2, 4, 6]"]
    );
    assert_eq!(
        rows(
            &session_ctx,
            "SELECT ctx -> 'a' ->> 'b' FROM events WHERE ctx ->> 'a' IS NOT NULL AND genre = 'rock'"
        )
        .await,
        ["x"]
    );
    assert_eq!(
        rows(
            &session_ctx,
            r#"SELECT count(*) FROM events e WHERE 1 = 1 AND "ctx" -> 'a' ->> 'b' = 'x' OR false"#
        )
        .await,
        ["1"]
    );
    assert_eq!(
        rows(&session_ctx, "SELECT json_get_str(ctx, 'a', 'b') FROM events WHERE genre = 'rock'").await,
        ["x"]
    );
}

#[tokio::test]
async fn what_would_write_is_refused_with_advice() {
    let session_ctx = plays().await.session();
    let mut answers = String::new();
    for text in [
        "INSERT INTO events VALUES (1)",
        "DELETE FROM events",
        "UPDATE users SET user_id = 'x'",
        "DROP TABLE events",
        "CREATE TABLE t AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/tmp/x'",
        "COPY events TO '/tmp/x.parquet'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "EXPLAIN INSERT INTO events SELECT * FROM events",
        "TRUNCATE TABLE events",
        "ALTER TABLE events ADD COLUMN x INT",
        "CREATE SCHEMA s",
        "BEGIN",
        "SET datafusion.runtime.memory_limit = '100G'",
        "RESET datafusion.runtime.memory_limit",
        "CREATE VIEW users AS SELECT 1",
        "CREATE OR REPLACE VIEW events AS SELECT 1",
        "DROP VIEW events",
        "ATTACH 'x.db' AS y",
    ] {
        answers = format!("{answers}{text}\n  {}\n", error(&session_ctx, text).await);
    }
    insta::assert_snapshot!(answers, @r"
        INSERT INTO events VALUES (1)
          INSERT is not allowed in SQL: add events with `tallymark import` or `Engine::append`
        DELETE FROM events
          DELETE is not allowed in SQL: events do not change once stored; remove a user with `tallymark delete-user`
        UPDATE users SET user_id = 'x'
          UPDATE is not allowed in SQL: events do not change once stored; change profiles by importing profile updates such as `$set`
        DROP TABLE events
          DROP TABLE is not allowed in SQL: SQL reads the dataset; CREATE VIEW names a query for the session
        CREATE TABLE t AS SELECT 1
          CREATE TABLE is not allowed in SQL: SQL reads the dataset; CREATE VIEW names a query for the session
        CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/tmp/x'
          CREATE EXTERNAL TABLE is not allowed in SQL: attach Parquet kept elsewhere with `tallymark attach`
        COPY events TO '/tmp/x.parquet'
          COPY is not allowed in SQL: write a result with `tallymark sql --output`, events with `tallymark export`
        COPY (SELECT 1) TO '/tmp/x.csv'
          COPY is not allowed in SQL: write a result with `tallymark sql --output`, events with `tallymark export`
        EXPLAIN INSERT INTO events SELECT * FROM events
          INSERT is not allowed in SQL: add events with `tallymark import` or `Engine::append`
        TRUNCATE TABLE events
          TRUNCATE TABLE is not allowed in SQL: SQL reads the dataset; CREATE VIEW names a query for the session
        ALTER TABLE events ADD COLUMN x INT
          ALTER TABLE is not allowed in SQL: SQL reads the dataset; CREATE VIEW names a query for the session
        CREATE SCHEMA s
          CREATE SCHEMA is not allowed in SQL: SQL reads the dataset; CREATE VIEW names a query for the session
        BEGIN
          BEGIN is not allowed in SQL: SQL reads the dataset; CREATE VIEW names a query for the session
        SET datafusion.runtime.memory_limit = '100G'
          SET datafusion.runtime.memory_limit is not allowed in SQL: memory, spill space and caches are limits of the whole process, set when it starts
        RESET datafusion.runtime.memory_limit
          SET datafusion.runtime.memory_limit is not allowed in SQL: memory, spill space and caches are limits of the whole process, set when it starts
        CREATE VIEW users AS SELECT 1
          cannot plan the query
          because Execution error: Table 'users' already exists
        CREATE OR REPLACE VIEW events AS SELECT 1
          cannot plan the query
          because Execution error: events is a table of the dataset: it cannot be dropped or replaced
        DROP VIEW events
          cannot plan the query
          because Execution error: View 'events' doesn't exist.
        ATTACH 'x.db' AS y
          ATTACH 'x.db' is not allowed in SQL: SQL reads the dataset; CREATE VIEW names a query for the session
        ");
    assert_eq!(rows(&session_ctx, "SELECT count(*) FROM events").await, ["2"]);
}

#[tokio::test]
async fn an_unknown_name_is_answered_with_the_ones_meant() {
    let session_ctx = plays().await.session();
    let mut answers = String::new();
    for text in [
        "SELECT * FROM event",
        "SELECT * FROM Events",
        "SELECT * FROM nothing_like_it",
        "SELECT song_length FROM events",
        "SELECT Genre FROM events",
        "SELECT events.gnere FROM events",
        "SELECT qqqq FROM events",
        "WITH x AS (SELECT genre FROM events) SELECT * FROM x JOIN usrs USING (user_id)",
        "SELECT FROM WHERE",
        "SELECT coun(*) FROM events",
        "SELECT genre + 1 FROM events",
    ] {
        answers = format!("{answers}{text}\n  {}\n", error(&session_ctx, text).await);
    }
    insta::assert_snapshot!(answers, @r#"
        SELECT * FROM event
          there is no table "event"; did you mean "events", "event_catalog" or "merged_events"? (`SHOW TABLES` lists all)
        SELECT * FROM Events
          there is no table "Events"; did you mean "events" or "merged_events"? (`SHOW TABLES` lists all)
        SELECT * FROM nothing_like_it
          there is no table "nothing_like_it"; `SHOW TABLES` lists all
        SELECT song_length FROM events
          there is no column "song_length"; did you mean "Song Length"? (`DESCRIBE` a table to see its columns; `property_catalog` lists all properties)
        SELECT Genre FROM events
          there is no column "Genre"; did you mean "genre"? (`DESCRIBE` a table to see its columns; `property_catalog` lists all properties)
        SELECT events.gnere FROM events
          there is no column "gnere"; did you mean "genre"? (`DESCRIBE` a table to see its columns; `property_catalog` lists all properties)
        SELECT qqqq FROM events
          there is no column "qqqq"; `DESCRIBE` a table to see its columns; `property_catalog` lists all properties
        WITH x AS (SELECT genre FROM events) SELECT * FROM x JOIN usrs USING (user_id)
          there is no table "usrs"; did you mean "users"? (`SHOW TABLES` lists all)
        SELECT FROM WHERE
          cannot read the SQL text
          because SQL error: ParserError("Expected an expression, found: FROM at Line: 1, Column: 13")
          because sql parser error: Expected an expression, found: FROM at Line: 1, Column: 13
        SELECT coun(*) FROM events
          cannot plan the query
          because Error during planning: Invalid function 'coun'.
        Did you mean 'count'?
        SELECT genre + 1 FROM events
          cannot plan the query
          because Error during planning: Cannot coerce arithmetic expression Utf8View + Int64 to valid types
        "#);
}

#[tokio::test]
async fn a_sample_is_refused_instead_of_ignored() {
    let session_ctx = plays().await.session();
    for query in [
        "SELECT count(*) FROM events TABLESAMPLE (1 PERCENT)",
        "SELECT count(*) FROM events AS e TABLESAMPLE BERNOULLI (50)",
        "SELECT count(*) FROM (SELECT * FROM events) TABLESAMPLE (10 ROWS)",
        "SELECT (SELECT count(*) FROM users TABLESAMPLE SYSTEM (50)) FROM events",
    ] {
        let message = error(&session_ctx, query).await;
        assert!(message.contains("TABLESAMPLE is not supported"), "{query}: {message}");
    }
    // The caller who goes past `sql` gets no wrong answer either.
    let past = session_ctx.sql("SELECT count(*) FROM events TABLESAMPLE (1 PERCENT)").await;
    assert!(past.unwrap_err().to_string().contains("TABLESAMPLE is not supported"));
}

#[tokio::test]
async fn a_function_of_the_wrong_type_is_answered_with_what_would_be_right() {
    let session_ctx = plays().await.session();
    assert_eq!(
        error(&session_ctx, "SELECT sum(genre) FROM events").await,
        "sum does not take \"genre\" of type text; it takes (Decimal), (UInt64), (Int64), (Float64), (Duration), \
         (Interval). Numbers that came under the same name are in \"genre@number\", if property_catalog lists it; \
         TRY_CAST(\"genre\" AS DOUBLE) reads numbers from text"
    );
    let message = error(&session_ctx, "SELECT AVG(e.genre) FROM events e").await;
    assert!(message.starts_with("avg does not take \"genre\" of type text; it takes (Decimal"), "{message}");
    let message = error(&session_ctx, "SELECT avg(genre || 'x') FROM events").await;
    assert!(message.starts_with("avg does not take (text); it takes (Decimal), "), "{message}");
    assert!(message.ends_with(". TRY_CAST(… AS DOUBLE) reads numbers from text"), "{message}");
    let message = error(&session_ctx, "SELECT sum(tags) FROM events").await;
    assert!(
        message.starts_with("sum does not take \"tags\" of type List(Int64") && !message.contains("TRY_CAST"),
        "{message}"
    );
}

/// Berlin changed to summer time on 2024-03-31, a day of 23 hours there.
#[tokio::test]
async fn g6_days_of_a_zone_come_from_date_trunc_and_not_from_date_bin() {
    let session_ctx = plays().await.session();
    let days = |day: &str| format!("SELECT {day}, count(*) FROM events GROUP BY 1 ORDER BY 1");
    assert_eq!(
        rows(&session_ctx, &days("date_trunc('day', time AT TIME ZONE 'Europe/Berlin')")).await,
        ["2024-03-31T00:00:00+01:00|1", "2024-04-01T00:00:00+02:00|1"]
    );
    // date_bin counts 24 hours from an origin in UTC: it shows no midnight of Berlin.
    assert_eq!(
        rows(&session_ctx, &days("date_bin(INTERVAL '1 day', time AT TIME ZONE 'Europe/Berlin')")).await,
        ["2024-03-30T01:00:00+01:00|1", "2024-03-31T01:00:00+01:00|1"]
    );
}

#[tokio::test]
async fn the_tables_describe_themselves() {
    let session_ctx = plays().await.session();
    assert_eq!(
        rows(&session_ctx, "SELECT table_catalog, table_schema, table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name").await,
        [
            "definitions",
            "event_catalog",
            "events",
            "groups",
            "identities",
            "merged_events",
            "property_catalog",
            "users"
        ]
        .map(|table| format!("tallymark|public|{table}"))
    );
    insta::assert_snapshot!(answer(&session_ctx, "DESCRIBE events").await, @r#"
        +-------------+-------------------------------+-------------+
        | column_name | data_type                     | is_nullable |
        +-------------+-------------------------------+-------------+
        | event       | Utf8View                      | NO          |
        | time        | Timestamp(ms, "UTC")          | NO          |
        | distinct_id | Utf8View                      | NO          |
        | user_id     | Utf8View                      | YES         |
        | device_id   | Utf8View                      | YES         |
        | insert_id   | Utf8View                      | YES         |
        | received_at | Timestamp(ms, "UTC")          | NO          |
        | sequence    | Int64                         | NO          |
        | day         | Date32                        | NO          |
        | Song Length | Int64                         | YES         |
        | genre       | Utf8View                      | YES         |
        | tags        | List(Int64, field: 'element') | YES         |
        | ctx         | Utf8View                      | YES         |
        +-------------+-------------------------------+-------------+
        "#);
    assert_eq!(rows(&session_ctx, "SHOW COLUMNS FROM identities").await.len(), 2);
    assert_eq!(rows(&session_ctx, "SELECT arrow_typeof(now())").await, ["Timestamp(ns, \"UTC\")"]);
}

#[tokio::test]
async fn an_order_with_a_limit_filters_while_decoding() {
    let session_ctx = plays().await.session();
    let plan = async |query: &str| answer(&session_ctx, &format!("EXPLAIN FORMAT indent {query}")).await;
    let few = plan("SELECT time FROM events WHERE genre = 'rock' ORDER BY time LIMIT 3").await;
    let broad = plan("SELECT count(*) FROM events WHERE genre = 'rock'").await;
    assert!(!few.contains("FilterExec"), "{few}");
    assert!(broad.contains("FilterExec"), "{broad}");
}

#[tokio::test]
async fn a_query_past_the_memory_limit_fails_with_an_error() {
    let dataset = plays().await;
    let config = crate::QueryConfig { memory_bytes_max: 1 << 20, ..crate::QueryConfig::default() };
    let session_ctx = crate::session(&dataset.snapshot(), &config).unwrap();
    let message =
        error(&session_ctx, "SELECT array_agg(repeat('x', 1000)) FROM generate_series(1, 100000)").await;
    assert!(message.contains("Resources exhausted"), "{message}");
    assert_eq!(rows(&session_ctx, "SELECT count(*) FROM events").await, ["2"]);
}
