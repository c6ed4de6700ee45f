//! What is kept of a run, a JSON line for each question and system, and the tables made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::Options;
use super::dataset::Facts;
use super::protocol::Cost;
use super::questions;
use super::system::System;
use crate::machine;
use crate::spread::Spread;

/// Print the tables of kept figures; of figures of the same thing the last ones count
#[derive(Debug, Args)]
pub(crate) struct TableOptions {
    /// What `query` appended to
    pub file: PathBuf,
}

pub(crate) fn print_tables(options: &TableOptions) -> Result<()> {
    let failed = || format!("cannot read {}", options.file.display());
    let text = fs::read_to_string(&options.file).with_context(failed)?;
    let lines: Result<Vec<Line>, _> = text.lines().map(serde_json::from_str).collect();
    println!("{}", tables(&lines.with_context(failed)?));
    Ok(())
}

/// Whether a process had answered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// It had: what it keeps in memory is there.
    Warm,
    /// It had not, and had nothing open; the operating system had the files in memory.
    Cold,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(crate) enum Status {
    Answered,
    Wrong { difference: String },
    TooLong { limit_s: u64 },
    Failed { reason: String },
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered => f.write_str("answered"),
            Self::Wrong { difference } => write!(f, "WRONG: {difference}"),
            Self::TooLong { limit_s } => write!(f, "more than {limit_s} s"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
        }
    }
}

/// What one system did with one question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub question: String,
    pub system: System,
    pub mode: Mode,
    pub status: Status,
    pub version: String,
    /// The table and the text (by position) that were fastest.
    pub table: String,
    pub text: usize,
    /// Of the answer.
    pub rows: usize,
    pub checksum: String,
    /// One for each round.
    pub iterations: Vec<Cost>,
}

impl Outcome {
    pub(crate) fn without_answer(question: &str, system: System, mode: Mode, status: Status) -> Self {
        Self {
            question: question.to_owned(),
            system,
            mode,
            status,
            version: String::new(),
            table: String::new(),
            text: 0,
            rows: 0,
            checksum: String::new(),
            iterations: Vec::new(),
        }
    }

    fn wall(&self) -> Spread {
        Spread::of(self.iterations.iter().map(|cost| cost.wall_s))
    }

    fn cpu(&self) -> Spread {
        Spread::of(self.iterations.iter().map(|cost| cost.cpu_s))
    }

    fn peak(&self) -> u64 {
        self.iterations.iter().map(|cost| cost.peak_bytes).max().unwrap_or(0)
    }

    /// For who waits.
    pub(crate) fn shown(&self) -> String {
        let Spread { median, min, max } = self.wall();
        format!(
            "{} ({}–{}), {} CPU, {:.0} MB peak, {} of {}",
            duration(median),
            duration(min),
            duration(max),
            duration(self.cpu().median),
            self.peak() as f64 / 1e6,
            self.text + 1,
            self.table
        )
    }
}

/// A line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    bench: String,
    commit: Option<String>,
    machine: Machine,
    dataset: Facts,
    settings: Settings,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Machine {
    cores: Option<usize>,
    memory_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Settings {
    threads: usize,
    query_memory_bytes: u64,
    /// Of ours, for what stays between queries.
    memory_budget_bytes: Option<u64>,
}

/// The file, and what this run adds to it.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    empty: Line,
    pub lines: Vec<Line>,
}

impl Log {
    pub(crate) fn open(path: &Path, options: &Options, facts: &Facts) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("cannot append to {}", path.display()))?;
        let empty = Line {
            bench: "query".to_owned(),
            commit: machine::commit(),
            machine: Machine { cores: machine::cores(), memory_bytes: machine::memory_bytes() },
            dataset: facts.clone(),
            settings: Settings {
                threads: options.threads,
                query_memory_bytes: options.query_memory,
                memory_budget_bytes: Some(options.memory),
            },
            outcome: Outcome::without_answer("", System::Hand, Mode::Warm, Status::Answered),
        };
        Ok(Self { file, empty, lines: Vec::new() })
    }

    pub(crate) fn add(&mut self, outcome: Outcome) -> Result<()> {
        let line = Line { outcome, ..self.empty.clone() };
        writeln!(self.file, "{}", serde_json::to_string(&line)?).context("cannot keep the figures")?;
        self.lines.push(line);
        Ok(())
    }
}

/// The last line of each question and system.
type Cells<'l> = BTreeMap<(&'l str, System), &'l Line>;

/// For each number of events and each mode a table of times, then what it took altogether.
pub(crate) fn tables(lines: &[Line]) -> String {
    let mut last: BTreeMap<(u64, Mode), Cells> = BTreeMap::new();
    for line in lines {
        let table = last.entry((line.dataset.events, line.outcome.mode)).or_default();
        table.insert((&line.outcome.question, line.outcome.system), line);
    }
    let mut text = String::new();
    for ((events, mode), cells) in &last {
        let heading = match mode {
            Mode::Warm => "in processes that had answered before",
            Mode::Cold => "in fresh processes, opening included",
        };
        let _ = writeln!(text, "{:.0} M events, {heading}\n", *events as f64 / 1e6);
        table(&mut text, cells);
        text.push('\n');
        totals(&mut text, cells);
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn table(text: &mut String, cells: &Cells<'_>) {
    let systems: BTreeSet<System> = cells.keys().map(|(_, system)| *system).collect();
    let names: Vec<String> = systems.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "| question | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|{}", "--:|".repeat(systems.len()));
    for question in questions::ALL {
        let of = |system: System| cells.get(&(question.name, system)).map(|line| &line.outcome);
        if systems.iter().all(|system| of(*system).is_none()) {
            continue;
        }
        let ours = of(System::Tallymark).filter(|outcome| outcome.status == Status::Answered);
        let shown: Vec<String> = systems.iter().map(|system| cell(of(*system), ours)).collect();
        let _ = writeln!(text, "| {} | {} |", question.name, shown.join(" | "));
    }
}

/// A time, and how many times ours it is.
fn cell(outcome: Option<&Outcome>, ours: Option<&Outcome>) -> String {
    let Some(outcome) = outcome else { return "–".to_owned() };
    match &outcome.status {
        Status::Answered => {
            let own = outcome.wall().median;
            match ours {
                Some(ours) if outcome.system != System::Tallymark => {
                    format!("{} ×{}", duration(own), ratio(own / ours.wall().median))
                }
                _ => duration(own),
            }
        }
        Status::Wrong { .. } => "WRONG".to_owned(),
        Status::TooLong { limit_s } => format!("> {limit_s} s"),
        Status::Failed { .. } => "failed".to_owned(),
    }
}

/// Geometric means of what both answered, and the largest peak.
fn totals(text: &mut String, cells: &Cells<'_>) {
    let systems: BTreeSet<System> = cells.keys().map(|(_, system)| *system).collect();
    text.push_str(
        "| system | version | answered | wall × | CPU × | largest peak |\n|---|---|--:|--:|--:|--:|\n",
    );
    for system in systems {
        let answered: Vec<&Outcome> = cells
            .iter()
            .filter(|((_, of), line)| *of == system && line.outcome.status == Status::Answered)
            .map(|(_, line)| &line.outcome)
            .collect();
        let pairs: Vec<(&Outcome, &Outcome)> = answered
            .iter()
            .filter_map(|own| {
                let ours = &cells.get(&(own.question.as_str(), System::Tallymark))?.outcome;
                (ours.status == Status::Answered).then_some((*own, ours))
            })
            .collect();
        let mean = |value: fn(&Outcome) -> f64| {
            geometric_mean(pairs.iter().map(|(own, ours)| value(own) / value(ours)))
        };
        let version = answered.first().map_or("", |outcome| &outcome.version);
        let peak = answered.iter().map(|outcome| outcome.peak()).max().unwrap_or(0);
        let (wall, cpu) = (mean(|outcome| outcome.wall().median), mean(|outcome| outcome.cpu().median));
        let _ = writeln!(
            text,
            "| {system} | {version} | {} | {} | {} | {:.0} MB |",
            answered.len(),
            ratio(wall),
            ratio(cpu),
            peak as f64 / 1e6
        );
    }
}

fn geometric_mean(values: impl Iterator<Item = f64>) -> f64 {
    let logs: Vec<f64> = values.map(f64::ln).filter(|log| log.is_finite()).collect();
    (logs.iter().sum::<f64>() / logs.len() as f64).exp()
}

/// Three digits or so.
fn ratio(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".to_owned(),
        value if value < 0.0995 => format!("{value:.4}"),
        value if value < 9.95 => format!("{value:.2}"),
        value if value < 99.5 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

fn duration(seconds: f64) -> String {
    let ms = seconds * 1e3;
    match ms {
        ms if ms.is_nan() => "–".to_owned(),
        ms if ms < 0.995 => format!("{:.0} µs", ms * 1e3),
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 9_995.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(system: System, status: Status, walls: &[f64]) -> Line {
        let cost = |&wall_s: &f64| Cost { wall_s, cpu_s: wall_s * 2.0, peak_bytes: 5_000_000 };
        let outcome = Outcome {
            version: "1".to_owned(),
            status,
            iterations: walls.iter().map(cost).collect(),
            ..Outcome::without_answer("feed", system, Mode::Warm, Status::Answered)
        };
        Line {
            bench: "query".to_owned(),
            commit: None,
            machine: Machine { cores: None, memory_bytes: None },
            dataset: Facts { events: 2_000_000, ..Facts::default() },
            settings: Settings { threads: 2, query_memory_bytes: 1, memory_budget_bytes: None },
            outcome,
        }
    }

    #[test]
    fn the_table_gives_times_and_ratios() {
        let lines = [
            line(System::Tallymark, Status::Answered, &[9.0]),
            line(System::Tallymark, Status::Answered, &[0.002, 0.001, 0.010]),
            line(System::Clickhouse, Status::Answered, &[0.03]),
            line(System::Duckdb, Status::TooLong { limit_s: 60 }, &[]),
            line(System::Datafusion, Status::Wrong { difference: "1 instead of 2".to_owned() }, &[]),
        ];
        let shown = tables(&lines);
        let expected = "\
2 M events, in processes that had answered before

| question | tallymark | clickhouse | duckdb | datafusion |
|---|--:|--:|--:|--:|
| feed | 2.0 ms | 30 ms ×15.0 | > 60 s | WRONG |

| system | version | answered | wall × | CPU × | largest peak |
|---|---|--:|--:|--:|--:|
| tallymark | 1 | 1 | 1.00 | 1.00 | 5 MB |
| clickhouse | 1 | 1 | 15.0 | 15.0 | 5 MB |
| duckdb |  | 0 | – | – | 0 MB |
| datafusion |  | 0 | – | – | 0 MB |";
        assert_eq!(shown, expected, "\n{shown}");
        let kept: Line = serde_json::from_str(&serde_json::to_string(&lines[3]).unwrap()).unwrap();
        assert_eq!(kept.outcome.status, Status::TooLong { limit_s: 60 });
    }

    #[test]
    fn times_are_written_with_three_digits() {
        assert_eq!([0.000_04, 0.002_34, 0.34, 23.4].map(duration), ["40 µs", "2.3 ms", "340 ms", "23.4 s"]);
        assert_eq!([0.001_56, 0.512, 12.34, 123.4].map(ratio), ["0.0016", "0.51", "12.3", "123"]);
    }
}
