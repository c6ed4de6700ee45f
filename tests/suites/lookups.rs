//! Lookup tables as data of a dataset: saved, seen in SQL and in reports, replaced, forgotten.

use serde_json::{Value, json};
use tallymark::{CompactOptions, DefinitionKind, Engine, EngineConfig, Input};
use tallymark_report::Report;

use crate::common::{ask, ask_one, chain, config, engine, import, memory_url, ndjson};

const SONGS: &str =
    "song_id,artist,\"Length, s\",tags\n1,Ella,180,\"[\"\"jazz\"\",\"\"vocal\"\"]\"\n02,Nina,200.5,[]\n";

fn play(user: &str, song: &Value) -> Value {
    json!({"event": "Play", "properties": {"time": 1_704_103_200_000_i64, "distinct_id": user, "song_id": song}})
}

async fn with_plays(engine: &Engine) {
    let records = [
        play("u1", &json!(1)),
        play("u2", &json!("02")),
        play("u2", &json!(["1", "3"])),
        play("u3", &json!("x")),
    ];
    import(engine, &ndjson(&records)).await;
}

fn input(name: &str, text: &'static str) -> Input {
    Input::from_reader(name, text.as_bytes())
}

fn by_artist() -> Report {
    let definition = json!({
        "report": "insights", "range": "2024-01-01 to 2024-01-01",
        "metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["lookup.song_id.artist"],
    });
    Report::from_value(definition).unwrap()
}

/// The segments of a report and their numbers.
async fn answer(engine: &Engine, report: Report) -> String {
    let answered = async { engine.report(report).await?.collect().await };
    match answered.await {
        Ok(batches) => {
            let rows = batches.iter().flat_map(crate::common::json_rows);
            let rows = rows.map(|row| format!("{}={}", row[2].as_str().unwrap_or_default(), row[3]));
            rows.collect::<Vec<_>>().join(" ")
        }
        Err(error) => chain(&error),
    }
}

#[tokio::test]
async fn u_40_a_table_is_joined_replaced_and_forgotten() {
    let url = memory_url();
    let engine = Engine::open(&url, config()).await.unwrap();
    with_plays(&engine).await;
    let saved = engine.save_lookup("songs", input("songs.csv", SONGS), &["song_id"]).await.unwrap();
    assert_eq!((saved.rows, saved.lookup.key.as_str()), (2, "song_id"));
    assert_eq!(saved.lookup.columns, ["artist", "Length, s", "tags"]);
    let expected = "$overall=4.0 (not set)=2.0 Ella=2.0 Nina=1.0";
    assert_eq!(answer(&engine, by_artist()).await, expected);

    let reader = Engine::open_read_only(&url, config()).await.unwrap();
    assert_eq!(answer(&reader, by_artist()).await, expected);
    let joined = "SELECT artist || ' ' || \"Length, s\" FROM events JOIN lookup.songs \
                  ON coalesce(\"song_id@string\", CAST(events.song_id AS VARCHAR)) = songs.song_id ORDER BY 1";
    assert_eq!(ask(&reader, joined).await, [["Ella 180.0"], ["Nina 200.5"]]);
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'lookup'";
    assert_eq!(ask_one(&reader, tables).await, "songs");

    // Replacing it changes all history; who looks at an earlier state still sees what was.
    let before = engine.view();
    let other = input("songs.csv", "id,artist\n1,Fitzgerald\nx,Unknown\n");
    engine.save_lookup("songs", other, &["song_id"]).await.unwrap();
    assert_eq!(answer(&engine, by_artist()).await, "$overall=4.0 (not set)=2.0 Fitzgerald=2.0 Unknown=1.0");
    let batches = before.report(by_artist()).await.unwrap().collect().await.unwrap();
    let labels: Vec<_> =
        batches.iter().flat_map(crate::common::json_rows).map(|row| row[2].clone()).collect();
    assert_eq!(labels, [json!("$overall"), json!("(not set)"), json!("Ella"), json!("Nina")]);

    // It survives what happens to files of events, and a new opening.
    engine.compact(&CompactOptions { all: true }).await.unwrap();
    engine.close().await.unwrap();
    let engine = Engine::open(&url, config()).await.unwrap();
    assert_eq!(ask_one(&engine, "SELECT count(*) FROM lookup.songs").await, 2);

    let report = by_artist().to_value().to_string();
    engine.save_definition(DefinitionKind::Report, "Artists", &report).await.unwrap();
    let refused = engine.delete_definition(DefinitionKind::Lookup, "songs").await.unwrap_err();
    assert_eq!(chain(&refused), r#"lookup "songs" is needed by report "Artists""#);
    engine.delete_definition(DefinitionKind::Report, "Artists").await.unwrap();
    engine.delete_definition(DefinitionKind::Lookup, "songs").await.unwrap();
    assert!(engine.definitions().is_empty());
    let problem = "breakdowns[0].property: no lookup table is kept for \"song_id\"; name one with lookup, or save one for the property";
    assert!(answer(&engine, by_artist()).await.contains(problem));
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_said() {
    let engine = engine().await;
    let mut said = Vec::new();
    let refused = async |name: &str, text: &'static str, properties: &[&str]| {
        chain(&engine.save_lookup(name, input("t.csv", text), properties).await.unwrap_err())
    };
    said.push(refused("songs", "a,b\n1,2\n1,3\n", &[]).await);
    said.push(refused("songs", SONGS, &["distinct_id"]).await);
    said.push(refused("songs", SONGS, &["group.company.tier"]).await);
    said.push(refused(" songs", SONGS, &[]).await);
    engine.save_lookup("songs", input("t.csv", SONGS), &["song_id", "user.song"]).await.unwrap();
    said.push(refused("others", SONGS, &["user.song"]).await);
    let json = r#"{"key": "a", "columns": ["b"]}"#;
    said.push(chain(&engine.save_definition(DefinitionKind::Lookup, "x", json).await.unwrap_err()));
    let ask = async |property: Value| {
        let definition = json!({"report": "insights", "metrics": [{"event": "Play",
            "where": {"all": [{"property": property, "is_set": true}]}}]});
        match Report::from_value(definition) {
            Ok(report) => answer(&engine, report).await,
            Err(error) => error.to_string(),
        }
    };
    said.push(ask(json!({"lookup": "song", "of": "song_id", "column": "artist"})).await);
    said.push(ask(json!("lookup.song_id.artits")).await);
    said.push(ask(json!({"of": "user_id", "column": "artist"})).await);
    said.push(ask(json!({"of": "song_id"})).await);
    insta::assert_snapshot!(said.join("\n"));
}

/// What a replaced table had is deleted once no snapshot needs it.
#[tokio::test]
async fn replaced_tables_are_cleaned_up() {
    let directory = tempfile::tempdir().unwrap();
    let url = directory.path().to_str().unwrap();
    let engine =
        Engine::open(url, EngineConfig { snapshot_retention: std::time::Duration::ZERO, ..config() })
            .await
            .unwrap();
    let files = || std::fs::read_dir(directory.path().join("definitions")).map_or(0, Iterator::count);
    for _ in 0..3 {
        engine.save_lookup("songs", input("t.csv", SONGS), &[]).await.unwrap();
    }
    assert_eq!(files(), 3);
    // A table that is refused leaves nothing behind.
    engine.save_lookup("", input("t.csv", SONGS), &[]).await.unwrap_err();
    engine.compact(&CompactOptions::default()).await.unwrap();
    assert_eq!(files(), 1);
    engine.delete_definition(DefinitionKind::Lookup, "songs").await.unwrap();
    engine.compact(&CompactOptions::default()).await.unwrap();
    assert_eq!(files(), 0);
}
