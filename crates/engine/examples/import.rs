//! Imports files of events into a dataset and asks a question.
//!
//! `cargo run --example import -- DATASET FILE…`

use std::sync::Arc;

use anyhow::Context as _;
use datafusion::arrow::util::pretty::pretty_format_batches;
use tallymark::{Engine, EngineConfig, ImportOptions, ImportProgress, Input, datafusion};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dataset = arguments.next().context("usage: import DATASET FILE…")?;
    let inputs: Vec<Input> = arguments.map(|path| Input::from_argument(&path)).collect();

    let engine = Engine::open(&dataset, EngineConfig::default()).await?;
    let report = engine.import(inputs, ImportOptions::default(), Arc::new(ImportProgress::new())).await?;
    println!(
        "{} received = {} stored + {} duplicates + {} refused, in {} ms",
        report.received, report.stored, report.duplicates, report.refused, report.elapsed_ms
    );
    for refused in &report.rejections {
        println!("{}: record {}: {}: {}", refused.input, refused.index, refused.field, refused.message);
    }

    let question = "SELECT event, count(*) AS events, count(DISTINCT user_id) AS users
                    FROM events GROUP BY event ORDER BY events DESC LIMIT 10";
    let answer = engine.sql(question).await?.collect().await?;
    println!("{}", pretty_format_batches(&answer)?);
    engine.close().await?;
    Ok(())
}
