//! `tallymark sql`

use std::io::{self, Read as _};

use anyhow::Context as _;

use super::{open_for_reading_with, report};
use crate::args::{Dataset, SqlArgs};
use crate::asker::Asker;
use crate::failure::{Outcome, failure};
use crate::output::{Format, TableStyle, Target, write_rows};
use crate::prompt;
use crate::statements::Script;
use crate::terminal::Terminal;

/// Answers a question or a script, or opens a prompt.
pub(super) async fn run(args: &SqlArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    let answer = &args.answer;
    let target = Target::new(answer.out.clone());
    target.check(answer.output, terminal)?;
    let script = script(args, terminal)?;
    if script.is_none() && answer.out.is_some() {
        return Err(failure("--out needs a question", "give it: tallymark sql TEXT --out FILE"));
    }
    let engine = open_for_reading_with(dataset, answer.limits()).await?;
    let style = TableStyle::new(terminal, answer.limit_rows, answer.out.is_none());
    let mut asker = Asker::new(engine, answer.as_of_snapshot).await.map_err(report::with_advice)?;
    match script {
        None => prompt::run(asker, dataset, answer.output, style, terminal).await?,
        Some(script) => {
            let answered = run_script(&mut asker, &script, answer.output, style, &target, terminal).await;
            answered.map_err(report::with_limit_named)?;
        }
    }
    Ok(Outcome::Done)
}

/// Of a script, a table shows every answer; other formats could not be told apart and have the last
/// one only.
async fn run_script(
    asker: &mut Asker,
    script: &str,
    format: Format,
    style: TableStyle,
    target: &Target,
    terminal: Terminal,
) -> anyhow::Result<()> {
    let mut statements = Script::split(script).statements();
    let Some(last) = statements.pop() else {
        return Err(failure("there is no statement to run", "`tallymark sql --help` has examples"));
    };
    for statement in statements {
        let answer = asker.sql(statement).await?;
        let schema = answer.schema();
        if format == Format::Table && matches!(target, Target::Stdout) && !schema.fields().is_empty() {
            write_rows(answer, schema, format, style, target, terminal).await?;
        } else {
            answer.collect().await?;
        }
    }
    let answer = asker.sql(last).await?;
    let schema = answer.schema();
    if format == Format::Table && schema.fields().is_empty() {
        answer.collect().await?;
        return Ok(());
    }
    write_rows(answer, schema, format, style, target, terminal).await
}

/// The text to run; `None` for a prompt.
fn script(args: &SqlArgs, terminal: Terminal) -> anyhow::Result<Option<String>> {
    if let Some(path) = &args.file {
        let text = std::fs::read_to_string(path);
        return Ok(Some(text.with_context(|| format!("cannot read the script {}", path.display()))?));
    }
    match args.text.as_deref() {
        None if terminal.stdin && terminal.stdout => Ok(None),
        None | Some("-") => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("cannot read SQL from standard input")?;
            Ok(Some(text))
        }
        Some(text) => Ok(Some(text.to_owned())),
    }
}
