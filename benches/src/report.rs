//! What is shown and kept of a run.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::import::Options;
use crate::input::Input;
use crate::machine;
use crate::spread::Spread;
use crate::systems::{Answers, Cost, System};

/// What a system did in all rounds.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub system: System,
    pub version: String,
    pub answers: Answers,
    /// One for each round.
    pub costs: Vec<Cost>,
}

/// Medians with their spread, and how many times ours each takes. Without ours, the first one is the
/// measure.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let base = outcomes.iter().find(|outcome| outcome.system == System::Tallymark).or(outcomes.first());
    let Some(base) = base else { return text };
    let wall = |outcome: &Outcome| of(outcome, |cost| cost.wall_s);
    let cpu = |outcome: &Outcome| of(outcome, Cost::cpu_s);
    let stored = |outcome: &Outcome| of(outcome, |cost| cost.stored_bytes as f64);
    let peak = |outcome: &Outcome| of(outcome, |cost| cost.peak_bytes as f64);
    let heading = format!("× {}", base.system);
    let row = |text: &mut String, cells: [&str; 8]| {
        let [system, wall, wall_ratio, cpu, cpu_ratio, peak, stored, stored_ratio] = cells;
        let line = format!(
            "{system:<15} {wall:>22} {wall_ratio:>11} {cpu:>13} {cpu_ratio:>11} {peak:>9} {stored:>13} {stored_ratio:>11}"
        );
        text.push_str(line.trim_end());
        text.push('\n');
    };
    row(
        &mut text,
        [
            "system",
            "wall s (min–max)",
            &heading,
            "CPU µs/event",
            &heading,
            "peak MB",
            "bytes/event",
            &heading,
        ],
    );
    for outcome in outcomes {
        let events = outcome.answers.events.max(1) as f64;
        let times = |own: Spread, ours: Spread| format!("{:.2}", own.median / ours.median);
        let Spread { median, min, max } = wall(outcome);
        row(
            &mut text,
            [
                &outcome.system.to_string(),
                &format!("{median:.2} ({min:.2}–{max:.2})"),
                &times(wall(outcome), wall(base)),
                &format!("{:.2}", cpu(outcome).median / events * 1e6),
                &times(cpu(outcome), cpu(base)),
                &format!("{:.0}", peak(outcome).median / 1e6),
                &format!("{:.1}", stored(outcome).median / events),
                &times(stored(outcome), stored(base)),
            ],
        );
    }
    let _ = write!(text, "medians of {} rounds; above 1 takes more than {}", base.costs.len(), base.system);
    text
}

fn of(outcome: &Outcome, value: impl Fn(&Cost) -> f64) -> Spread {
    Spread::of(outcome.costs.iter().map(value))
}

/// Appends a JSON line for each system.
pub(crate) fn append(path: &Path, options: &Options, input: &Input, outcomes: &[Outcome]) -> Result<()> {
    let failed = || format!("cannot append to {}", path.display());
    let mut file = OpenOptions::new().create(true).append(true).open(path).with_context(failed)?;
    let dataset = match &options.input {
        Some(_) => {
            json!({ "file": input.path.file_name().map(|name| name.to_string_lossy()), "bytes": input.bytes })
        }
        None => json!({
            "events": options.events.events,
            "days": options.events.days,
            "first_day": options.events.first_day,
            "seed": options.events.seed,
            "users": options.events.users,
            "bytes": input.bytes,
        }),
    };
    for outcome in outcomes {
        let line = json!({
            "bench": "import",
            "commit": machine::commit(),
            "machine": { "cores": machine::cores(), "memory_bytes": machine::memory_bytes() },
            "dataset": &dataset,
            "settings": { "rounds": options.repeat, "page_cache": "warm" },
            "system": outcome.system,
            "version": &outcome.version,
            "iterations": &outcome.costs,
            "answers": { "events": outcome.answers.events, "users": outcome.answers.users },
            "checksum": outcome.answers.checksum()?,
        });
        writeln!(file, "{line}").with_context(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(system: System, walls: &[f64]) -> Outcome {
        let cost = |&wall_s: &f64| Cost {
            wall_s,
            user_s: wall_s,
            system_s: 0.5,
            peak_bytes: 3_000_000,
            stored_bytes: 400,
        };
        let answers = Answers { events: 100, ..Answers::default() };
        Outcome { system, version: "1".to_owned(), answers, costs: walls.iter().map(cost).collect() }
    }

    #[test]
    fn the_table_compares_with_ours() {
        let shown = table(&[outcome(System::Duckdb, &[3.0, 4.5]), outcome(System::Tallymark, &[1.5, 1.5])]);
        let expected = "\
system                wall s (min–max) × tallymark  CPU µs/event × tallymark   peak MB   bytes/event × tallymark
duckdb                3.75 (3.00–4.50)        2.50      42500.00        2.12         3           4.0        1.00
tallymark             1.50 (1.50–1.50)        1.00      20000.00        1.00         3           4.0        1.00
medians of 2 rounds; above 1 takes more than tallymark";
        assert_eq!(shown, expected, "\n{shown}");
    }
}
