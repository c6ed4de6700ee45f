//! Appends events and a profile, and sees both in SQL at once.
//!
//! `cargo run --example append -- [DATASET]`

use datafusion::arrow::util::pretty::pretty_format_batches;
use tallymark::{
    DistinctId, Engine, EngineConfig, Event, ProfileKey, ProfileOp, ProfileUpdate, Properties, Timestamp,
    datafusion,
};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> anyhow::Result<()> {
    let dataset = std::env::args().nth(1).unwrap_or_else(|| "memory:///append".to_owned());
    let engine = Engine::open(&dataset, EngineConfig::default()).await?;

    // A visitor without an account, who then signs up: their first event becomes Ada's, too.
    let visitor = DistinctId::generate();
    let device = visitor.as_str().trim_start_matches("$device:").to_owned();
    let at = |seconds: i64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
    let mut sign_up = Event::new("Sign up", at(60), "ada").with("plan", "pro");
    sign_up.device_id = Some(device.into());
    sign_up.user_id = Some("ada".into());
    let report =
        engine.append([Event::new("Visit", at(0), visitor).with("page", "/pricing"), sign_up]).await?;
    println!("{} stored", report.stored);

    let set = ProfileOp::Set(Properties(vec![("name".into(), "Ada".into())]));
    engine.update_profiles(vec![ProfileUpdate::new(ProfileKey::User("ada".into()), vec![set])]).await?;

    let question = "SELECT time, event, events.user_id, name, page, plan
                    FROM events JOIN users ON users.user_id = events.user_id ORDER BY time";
    println!("{}", pretty_format_batches(&engine.sql(question).await?.collect().await?)?);
    engine.close().await?;
    Ok(())
}
