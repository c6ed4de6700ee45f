//! Columns in memory: whatever happens to the dataset, answers are those of its files.

use serde_json::{Value, json};
use tallymark::{CompactOptions, Engine, EngineConfig, WireForm};

use crate::common::{NOW, ask, config, import, memory_url, ndjson};

const DAY_MS: i64 = 86_400_000;

/// What is asked after every step, in every form that plans over segments have.
const QUESTIONS: &[&str] = &[
    "SELECT event, date_trunc('day', time AT TIME ZONE 'Europe/Berlin'), count(*), count(DISTINCT user_id) FROM events GROUP BY 1, 2",
    "SELECT count(*), count(DISTINCT user_id), count(DISTINCT plan), sum(amount), min(time), max(time) FROM events",
    "SELECT user_id, count(*), sum(amount), min(event) FROM events GROUP BY user_id",
    "SELECT plan, count(*) FILTER (WHERE event = 'Buy'), count(DISTINCT user_id) FROM events WHERE amount > 3 OR plan IS NULL GROUP BY plan",
    "SELECT level, count(*) FROM (SELECT user_id, window_funnel(INTERVAL '3 days', time, event = 'Open', event = 'View', event = 'Buy') AS level FROM events GROUP BY user_id) GROUP BY level",
    "SELECT user_id, event, time, plan, amount, distinct_id, sequence FROM events WHERE event <> 'View'",
    "SELECT day, count(DISTINCT user_id) FROM events WHERE day >= '2026-11-10' GROUP BY day",
];

/// Records whose numbers decide everything: who, what, when (of late days too), with which plan.
fn records(numbers: std::ops::Range<i64>) -> Vec<Value> {
    numbers
        .map(|n| {
            let mixed = (n * 7919 + n / 3) % 1009;
            let name = ["Open", "View", "View", "Buy", "Close"][(mixed % 5) as usize];
            let time = NOW.millis() - (mixed % 23) * DAY_MS - (mixed * 37 % 60_000) * 1000;
            let mut properties = json!({"time": time, "$insert_id": format!("id-{n}")});
            match mixed % 6 {
                0 => properties["$device_id"] = format!("device-{}", mixed % 11).into(),
                1 => {
                    properties["$device_id"] = format!("device-{}", mixed % 11).into();
                    properties["$user_id"] = format!("user-{}", mixed % 17).into();
                }
                2 if mixed % 4 == 0 => properties["distinct_id"] = "".into(),
                _ => properties["distinct_id"] = format!("user-{}", mixed % 29).into(),
            }
            match mixed % 4 {
                0 => properties["plan"] = ["free", "pro", ""][(mixed % 3) as usize].into(),
                1 => properties["plan"] = (mixed % 3).into(),
                _ => {}
            }
            if mixed % 3 != 0 {
                properties["amount"] = (f64::from(mixed as i32 % 50) / 4.0).into();
            }
            json!({"event": name, "properties": properties})
        })
        .collect()
}

async fn sorted(engine: &Engine, question: &str) -> Vec<String> {
    let mut rows: Vec<String> =
        ask(engine, question).await.iter().map(|row| json!(row).to_string()).collect();
    rows.sort_unstable();
    rows
}

/// A writer that answers from memory, one with room for little, and a reader of files.
struct Three {
    memory: Engine,
    little: Engine,
    files: Engine,
}

/// Bytes of the one with room for little: some columns fit, not all.
const LITTLE: usize = 60_000;

impl Three {
    async fn open() -> Self {
        let url = memory_url();
        let memory = Engine::open(&url, config()).await.unwrap();
        let reader = |memory_budget_bytes| EngineConfig { memory_budget_bytes, ..config() };
        let little = Engine::open_read_only(&url, reader(LITTLE)).await.unwrap();
        let files = Engine::open_read_only(&url, reader(0)).await.unwrap();
        Self { memory, little, files }
    }

    /// All of them see the same.
    async fn agree(&self, when: &str) {
        self.little.refresh().await.unwrap();
        self.files.refresh().await.unwrap();
        for question in QUESTIONS {
            let expected = sorted(&self.files, question).await;
            assert_eq!(sorted(&self.memory, question).await, expected, "{when}: {question}");
            assert_eq!(sorted(&self.little, question).await, expected, "{when}, little room: {question}");
        }
        let usage = self.little.memory_usage().unwrap();
        assert!(usage.used_bytes <= LITTLE as u64, "{when}: {} bytes are kept", usage.used_bytes);
        assert!(self.files.memory_usage().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_follows_every_change() {
    let three = Three::open().await;
    let engine = &three.memory;
    import(engine, &ndjson(&records(0..400))).await;
    three.agree("imported").await;
    import(engine, &ndjson(&records(350..700))).await;
    three.agree("imported more, of the same days, some again").await;
    let before = engine.view();

    for n in 0..6 {
        let text = ndjson(&records(700 + n * 9..712 + n * 9));
        engine.append_json(text.as_bytes(), WireForm::Lenient).await.unwrap();
        three.agree("appended").await;
    }
    // Devices that were somebody of their own become known users.
    let links: Vec<Value> = (0..11)
        .map(|n| {
            let properties = json!({
                "time": NOW.millis() - n * 1000, "$device_id": format!("device-{n}"),
                "$user_id": format!("user-{}", n + 40), "$insert_id": format!("link-{n}"),
            });
            json!({"event": "Log in", "properties": properties})
        })
        .collect();
    engine.append_json(ndjson(&links).as_bytes(), WireForm::Lenient).await.unwrap();
    three.agree("users joined").await;
    engine.flush().await.unwrap();
    three.agree("flushed").await;
    engine.compact(&CompactOptions::default()).await.unwrap();
    three.agree("compacted").await;
    let count = |rows: Vec<Vec<Value>>| rows[0][0].clone();
    let old = before.sql("SELECT count(*) FROM events WHERE event = 'Buy'").await.unwrap();
    let old = count(crate::common::rows_of(old).await);
    let bought = records(0..700).iter().filter(|record| record["event"] == "Buy").count();
    assert_eq!(old, bought, "a view does not change");
    engine.delete_user("user-3").await.unwrap();
    three.agree("a user was erased").await;
    import(engine, &ndjson(&records(900..960))).await;
    three.agree("imported after that").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_change_is_not_read_again() {
    let three = Three::open().await;
    let engine = &three.memory;
    import(engine, &ndjson(&records(0..400))).await;
    three.agree("imported").await;
    let loads = || engine.memory_usage().unwrap().loads;
    let before = loads();
    three.agree("asked again").await;
    assert_eq!(loads(), before, "everything was there");
    // One more record touches one day of twenty-three.
    engine.append_json(ndjson(&records(401..402)).as_bytes(), WireForm::Lenient).await.unwrap();
    three.agree("one more").await;
    let columns_of_a_day = 12;
    assert!(loads() - before <= columns_of_a_day, "{} loads for one day", loads() - before);
}
