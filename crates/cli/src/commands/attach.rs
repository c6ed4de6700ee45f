//! `tallymark attach` and `tallymark detach`

use anyhow::Context as _;
use tallymark::{Attachment, EngineConfig};

use super::{open_existing_for_writing, open_for_writing, print};
use crate::args::{AttachArgs, Dataset, DetachArgs, quoted};
use crate::failure::Outcome;
use crate::terminal::Terminal;

/// Makes Parquet files elsewhere a table of the dataset.
pub(super) async fn attach(
    args: &AttachArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let attachment = Attachment {
        url: location(&args.path)?,
        event_column: args.event_column.clone(),
        time_column: args.time_column.clone(),
        user_column: args.user_column.clone(),
        time_unit: args.time_unit.map(|unit| unit.name().to_owned()),
    };
    let engine = open_for_writing(dataset, "attach", EngineConfig::default()).await?;
    let attached = engine.attach(&args.name, attachment).await;
    engine.close().await?;
    attached?;
    let name = sql_name(&args.name);
    let question = quoted(&format!("SELECT event, count(*) FROM {name} GROUP BY event"));
    let paint = terminal.out;
    print::text(&format!(
        "{} {} as table {}\nask it: {}\n",
        paint.good("Attached"),
        args.path,
        paint.strong(&name),
        paint.code(format!("tallymark sql{} {question}", dataset.flag())),
    ))?;
    Ok(Outcome::Done)
}

/// Undoes [`attach`].
pub(super) async fn detach(
    args: &DetachArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let engine = open_existing_for_writing(dataset, "detach").await?;
    let detached = engine.detach(&args.name).await;
    engine.close().await?;
    detached?;
    print::text(&format!("{} {}; its files are as they were\n", terminal.out.good("Detached"), args.name))?;
    Ok(Outcome::Done)
}

/// A place that means the same wherever the dataset is opened from: paths are made absolute, and
/// directories end in a slash.
fn location(path: &str) -> anyhow::Result<String> {
    if path.contains("://") {
        return Ok(path.to_owned());
    }
    let absolute = std::path::absolute(path).with_context(|| format!("cannot find {path}"))?;
    let slash = if absolute.is_dir() && !path.ends_with('/') { "/" } else { "" };
    Ok(format!("{}{slash}", absolute.display()))
}

/// `name` as SQL needs it.
fn sql_name(name: &str) -> String {
    crate::prompt::sql_name(name).into_owned()
}
