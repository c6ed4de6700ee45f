//! Registers a function of one's own and asks a state that stays as it is.
//!
//! `cargo run --example own_function`

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray as _, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use tallymark::{Engine, EngineConfig, Event, Timestamp, datafusion};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> anyhow::Result<()> {
    let engine = Engine::open("memory:///own_function", EngineConfig::default()).await?;
    let time = Timestamp::from_millis(1_700_000_000_000);
    let view = |path: &'static str| Event::new("View", time, "u1").with("path", path);
    engine.append([view("/docs/start"), view("/docs/sql"), view("/pricing")]).await?;

    let before = engine.view();
    let session = before.session()?;
    session.register_udf(create_udf(
        "section",
        vec![DataType::Utf8View],
        DataType::Utf8,
        Volatility::Immutable,
        Arc::new(|arguments: &[ColumnarValue]| {
            let paths = arguments[0].to_array(1)?;
            let section = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
            let sections: StringArray = paths.as_string_view().iter().map(|path| path.map(section)).collect();
            Ok(ColumnarValue::Array(Arc::new(sections) as ArrayRef))
        }),
    ));

    // Later events are not in it.
    engine.append([view("/docs/later")]).await?;
    let question = "SELECT section(path) AS section, count(*) AS views FROM events GROUP BY 1 ORDER BY 1";
    println!("{}", pretty_format_batches(&engine.sql_in(&session, question).await?.collect().await?)?);
    Ok(())
}
