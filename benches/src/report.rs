//! What is shown and kept of a run.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::import::Options;
use crate::input::Input;
use crate::systems::{Answers, Cost, System, run};

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
    let wall = |outcome: &Outcome| Spread::of(outcome, |cost| cost.wall_s);
    let cpu = |outcome: &Outcome| Spread::of(outcome, Cost::cpu_s);
    let stored = |outcome: &Outcome| Spread::of(outcome, |cost| cost.stored_bytes as f64);
    let peak = |outcome: &Outcome| Spread::of(outcome, |cost| cost.peak_bytes as f64);
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

#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(outcome: &Outcome, value: impl Fn(&Cost) -> f64) -> Self {
        let mut values: Vec<f64> = outcome.costs.iter().map(value).collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let count = values.len();
        let median = f64::midpoint(at(count.saturating_sub(1) / 2), at(count / 2));
        Self { median, min: at(0), max: at(count.saturating_sub(1)) }
    }
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
            "commit": commit(),
            "machine": { "cores": cores(), "memory_bytes": memory_bytes() },
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

/// The commit of the sources around us, `+` for changes beside it; nothing outside a repository.
fn commit() -> Option<String> {
    let head = run(Command::new("git").args(["rev-parse", "HEAD"])).ok()?;
    let status = run(Command::new("git").args(["status", "--porcelain", "--untracked-files=no"])).ok()?;
    Some(head.trim().to_owned() + if status.is_empty() { "" } else { "+" })
}

fn cores() -> Option<usize> {
    std::thread::available_parallelism().ok().map(usize::from)
}

fn memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
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
    fn the_median_of_an_even_number_lies_between() {
        let spread = |walls: &[f64]| Spread::of(&outcome(System::Polars, walls), |cost| cost.wall_s);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(spread(&[4.0, 1.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
        assert!(spread(&[]).median.is_nan());
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

    #[test]
    fn the_machine_is_described_by_its_size_alone() {
        assert!(cores().unwrap() >= 1);
        #[cfg(target_os = "linux")]
        assert!(memory_bytes().unwrap() > 1 << 28);
    }
}
