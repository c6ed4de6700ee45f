//! `tallymark import`

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tallymark::{
    Engine, EngineConfig, ErrorKind, ImportOptions, ImportProgress, ImportReport, Input, PlanReport,
    PlanScope,
};

use super::{check_plan, open_for_writing, print};
use crate::args::{Dataset, IdentityChoice, ImportArgs, ReportFormat};
use crate::failure::{Outcome, advised, failure};
use crate::interrupt::Interrupt;
use crate::progress::ProgressDisplay;
use crate::rejects::Rejects;
use crate::terminal::{Paint, Terminal, note};
use crate::text::{bytes, count, counted, duration};

/// Refused records shown to people; the report for programs has more.
const REFUSED_SHOWN: usize = 5;

/// The report for programs.
#[derive(Debug, Serialize)]
struct Imported<'a> {
    #[serde(flatten)]
    imported: &'a ImportReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a PlanReport>,
}

/// Imports what was named and says what became of it.
pub(super) async fn run(args: &ImportArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    check_paths(&args.paths)?;
    let rejects = args.rejects.as_deref().map(Rejects::create).transpose()?;
    let config = EngineConfig {
        identity: args.identity.map_or_else(Default::default, IdentityChoice::system),
        limits: args.limits.limits(),
        ..EngineConfig::default()
    };
    let engine = open_for_writing(dataset, "import", config).await?;
    check_identity(args, &engine)?;
    let options =
        ImportOptions { strict: args.strict, mapping: args.mapping.mapping(), ..ImportOptions::default() };
    let inputs = args.paths.iter().map(|path| Input::from_argument(path)).collect();
    let plan = args.plan.as_deref().map(|plan| check_plan::read(plan, &engine)).transpose()?;
    let from_sequence = Some(engine.view().next_sequence());
    let imported = import(&engine, inputs, options, rejects.as_ref(), terminal).await;
    let checked = match &plan {
        Some(plan) => {
            engine.check_plan(plan, PlanScope { from_sequence, ..PlanScope::default() }).await.map(Some)
        }
        None => Ok(None),
    };
    let closed = engine.close().await;
    if let Some(rejects) = &rejects {
        rejects.finish()?;
    }
    let imported = imported?;
    closed?;
    let checked = checked?;
    match args.output {
        ReportFormat::Json => print::json(&Imported { imported: &imported, plan: checked.as_ref() })?,
        ReportFormat::Table => print::text(&summary(&imported, dataset, terminal.out))?,
    }
    warn(&imported, args, terminal.err);
    if let Some(checked) = checked.as_ref().filter(|_| args.output == ReportFormat::Table) {
        check_plan::print(checked, terminal)?;
    }
    Ok(match &checked {
        _ if imported.cancelled => Outcome::Interrupted,
        Some(checked) => check_plan::outcome(checked),
        None => Outcome::Done,
    })
}

/// Imports with a progress bar and Ctrl-C.
pub(super) async fn import(
    engine: &Engine,
    inputs: Vec<Input>,
    options: ImportOptions,
    rejects: Option<&Rejects>,
    terminal: Terminal,
) -> anyhow::Result<ImportReport> {
    let mut progress = ImportProgress::new();
    if let Some(rejects) = rejects.cloned() {
        progress = progress.on_reject(move |input, rejection| rejects.add(input, rejection));
    }
    let progress = Arc::new(progress);
    let is_strict = options.strict;
    let _interrupt = Interrupt::cancels(Arc::clone(&progress));
    let _display = ProgressDisplay::start(Arc::clone(&progress), terminal);
    engine.import(inputs, options, Arc::clone(&progress)).await.map_err(|error| match error.kind() {
        ErrorKind::InvalidInput if is_strict && progress.refused() > 0 => {
            let stored = counted(progress.stored(), "record");
            let advice = "mend it and import again, or leave out --strict";
            advised(error, format!("what came before it is stored ({stored}); {advice}"))
        }
        _ => error.into(),
    })
}

/// The summary for people.
pub(super) fn summary(report: &ImportReport, dataset: &Dataset, paint: Paint) -> String {
    let elapsed = Duration::from_millis(report.elapsed_ms);
    let rate = report.received as f64 / elapsed.as_secs_f64().max(0.001);
    let mut text = format!(
        "{} {} from {} ({}) in {}, {}/s\n",
        if report.cancelled { paint.warning("Stopped early:") } else { paint.good("Imported") },
        paint.strong(counted(report.stored, "record")),
        counted(report.inputs, "file"),
        bytes(report.bytes_read),
        duration(elapsed),
        count(rate as u64),
    );
    let kinds = [counted(report.events, "event"), counted(report.profile_updates, "profile update")];
    let lines = [
        ("received", report.received, String::new()),
        ("stored", report.stored, kinds.join(", ")),
        ("duplicates", report.duplicates, "their content replaced what was stored".to_owned()),
        ("refused", report.refused, String::new()),
        ("dropped", report.ignored, "marked $ignore by their sender, not counted as received".to_owned()),
        (
            "blocked",
            report.blocked_events,
            "events that the lexicon blocks, not counted as received".to_owned(),
        ),
        ("left out", report.blocked_properties, "values of properties that the lexicon blocks".to_owned()),
    ];
    let wide = lines.iter().map(|(_, number, _)| count(*number).len()).max().unwrap_or(1);
    for (name, number, remark) in lines {
        if ["dropped", "blocked", "left out"].contains(&name) && number == 0 {
            continue;
        }
        let remark =
            if number == 0 || remark.is_empty() { String::new() } else { paint.faint(format!("  {remark}")) };
        let _ = writeln!(text, "  {name:<10}  {:>wide$}{remark}", count(number));
    }
    let _ =
        writeln!(text, "{}", paint.faint(format!("dataset {}, snapshot {}", dataset.url, report.snapshot)));
    text
}

/// Says on standard error what one should look at.
fn warn(report: &ImportReport, args: &ImportArgs, paint: Paint) {
    for warning in &report.warnings {
        note(format!("{} {warning}", paint.warning("warning:")));
    }
    if report.refused == 0 {
        return;
    }
    let verb = if report.refused == 1 { "was" } else { "were" };
    note(format!("{} {} {verb} refused", paint.warning("warning:"), counted(report.refused, "record")));
    for refused in report.rejections.iter().take(REFUSED_SHOWN) {
        let place = match refused.line {
            Some(line) => format!(
                "{} line {line} (record {}, byte {})",
                refused.input, refused.index, refused.byte_offset
            ),
            None => format!("{} record {}", refused.input, refused.index),
        };
        let field = if refused.field.is_empty() {
            String::new()
        } else {
            format!("{}: ", paint.strong(&refused.field))
        };
        note(format!("  {}\n    {field}{}", paint.faint(place), refused.message));
    }
    let hidden = report.refused.saturating_sub(REFUSED_SHOWN as u64);
    match &args.rejects {
        Some(path) => note(format!("  all of them are in {}", path.display())),
        None if hidden > 0 => {
            note(format!("  and {} more; --rejects FILE keeps all, with reasons", count(hidden)));
        }
        None => note("  --rejects FILE keeps them, with reasons"),
    }
}

/// Finds a mistyped path before a dataset is made for it. What may be a pattern is left to the
/// engine.
fn check_paths(paths: &[String]) -> anyhow::Result<()> {
    let missing = paths
        .iter()
        .find(|path| *path != "-" && !path.contains(['*', '?', '[']) && !Path::new(path).exists());
    missing.map_or(Ok(()), |path| {
        Err(failure(
            format!("no such file or directory: {path}"),
            "name files, directories or quoted globs; - reads standard input",
        ))
    })
}

/// A dataset keeps the identity system it was made with.
fn check_identity(args: &ImportArgs, engine: &Engine) -> anyhow::Result<()> {
    let has = engine.identity();
    match args.identity {
        Some(wanted) if wanted.system() != has => Err(failure(
            format!("this dataset was made with --identity {}", super::identity_name(has)),
            "leave the flag out, or import into a new dataset",
        )),
        Some(_) | None => Ok(()),
    }
}
