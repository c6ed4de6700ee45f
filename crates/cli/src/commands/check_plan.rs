//! `tallymark check-plan`

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use tallymark::{
    DefinitionKind, Engine, PlanExample, PlanReport, PlanScope, PlanViolation, Timestamp, TrackingPlan,
};

use super::{definitions, open_existing_for_writing, open_for_reading, print};
use crate::args::{CheckPlanArgs, Dataset, PlanFormat};
use crate::failure::{Outcome, advised};
use crate::output::{Align, Format, Table, TableStyle, Target, write_rows};
use crate::terminal::Terminal;
use crate::text::{count, counted};

/// Checks the dataset and says what is not as planned.
pub(super) async fn run(
    args: &CheckPlanArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    let engine = open_for_reading(dataset).await?;
    let text = plan_text(&args.plan, &engine)?;
    let plan = parse(&text, &args.plan)?;
    if let Some(name) = &args.save {
        let writer = open_existing_for_writing(dataset, "check-plan --save").await?;
        let saved = writer.save_definition(DefinitionKind::Plan, name, &text).await;
        writer.close().await?;
        saved?;
    }
    let since = args.since.map(|day| Timestamp::from_millis(i64::from(day.days()) * 86_400_000));
    let checked = engine.check_plan(&plan, PlanScope { since, ..PlanScope::default() }).await?;
    match args.output {
        PlanFormat::Table => print(&checked, terminal)?,
        PlanFormat::Json => print::json(&checked)?,
        PlanFormat::Csv => print_csv(&checked, terminal).await?,
    }
    Ok(outcome(&checked))
}

/// Fails where something is not as planned.
pub(super) fn outcome(checked: &PlanReport) -> Outcome {
    if checked.violations.is_empty() { Outcome::Done } else { Outcome::Refused }
}

/// The plan that a file or a name stands for, checked.
pub(super) fn read(plan: &str, engine: &Engine) -> anyhow::Result<TrackingPlan> {
    parse(&plan_text(plan, engine)?, plan)
}

fn plan_text(plan: &str, engine: &Engine) -> anyhow::Result<String> {
    if plan == "-" || Path::new(plan).exists() {
        return definitions::read_text(plan);
    }
    match engine.definition(DefinitionKind::Plan, plan) {
        Ok(saved) => Ok(saved.json),
        Err(error) => {
            Err(advised(error, "name a JSON file, or a plan saved with `tallymark check-plan --save`"))
        }
    }
}

fn parse(text: &str, plan: &str) -> anyhow::Result<TrackingPlan> {
    TrackingPlan::parse(text).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("{plan} is no tracking plan"));
        advised(error, "`tallymark check-plan --help` shows how one is written")
    })
}

/// Violations for people, each with its examples.
pub(super) fn print(checked: &PlanReport, terminal: Terminal) -> anyhow::Result<()> {
    let paint = terminal.out;
    let events = counted(checked.events, "event");
    if checked.violations.is_empty() {
        return print::text(&format!("{} {events} as planned\n", paint.good("All fine:")));
    }
    let mut table = Table::new(&[
        ("event", Align::Left),
        ("property", Align::Left),
        ("problem", Align::Left),
        ("expected", Align::Left),
        ("events", Align::Right),
        ("such as", Align::Left),
    ]);
    for violation in &checked.violations {
        let examples = violation.examples.iter().map(example);
        table.push([
            violation.event.clone(),
            violation.property.clone().unwrap_or_default(),
            violation.problem.name().to_owned(),
            violation.expected.clone(),
            count(violation.events),
            examples.collect::<Vec<_>>().join("; "),
        ]);
    }
    print::table(&table, terminal)?;
    let found = counted(checked.violations.len() as u64, "violation");
    print::text(&format!("{}\n", paint.faint(format!("{found} in {events}"))))
}

/// `"ten" by u1 at 2024-03-09T12:00:00Z (insert id a)`
fn example(example: &PlanExample) -> String {
    let PlanExample { insert_id, user, time, value } = example;
    let value = value.as_ref().map(|value| format!("{value:?} ")).unwrap_or_default();
    let user = user.as_ref().map(|user| format!("by {user} ")).unwrap_or_default();
    let insert_id = insert_id.as_ref().map(|id| format!(" (insert id {id})")).unwrap_or_default();
    format!("{value}{user}at {time}{insert_id}")
}

async fn print_csv(checked: &PlanReport, terminal: Terminal) -> anyhow::Result<()> {
    let rows: Vec<(&PlanViolation, &PlanExample)> = checked
        .violations
        .iter()
        .flat_map(|violation| violation.examples.iter().map(move |example| (violation, example)))
        .collect();
    let text = |of: &dyn Fn(&(&PlanViolation, &PlanExample)) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let columns: [(&str, ArrayRef); 9] = [
        ("event", text(&|(violation, _)| Some(violation.event.clone()))),
        ("property", text(&|(violation, _)| violation.property.clone())),
        ("problem", text(&|(violation, _)| Some(violation.problem.name().to_owned()))),
        ("expected", text(&|(violation, _)| Some(violation.expected.clone()))),
        ("events", Arc::new(rows.iter().map(|(violation, _)| violation.events).collect::<UInt64Array>())),
        ("insert_id", text(&|(_, example)| example.insert_id.clone())),
        ("user", text(&|(_, example)| example.user.clone())),
        ("time", text(&|(_, example)| Some(example.time.to_string()))),
        ("value", text(&|(_, example)| example.value.clone())),
    ];
    let columns = columns.map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).context("cannot list the violations")?;
    let (schema, style) = (batch.schema(), TableStyle::new(terminal, Some(0), true));
    let stream = futures::stream::iter([Ok::<_, tallymark::Error>(batch)]);
    write_rows(stream, schema, Format::Csv, style, &Target::Stdout, terminal).await
}
