//! `import`: loading a file of events, ours against the peers.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::generate::EventOptions;
use crate::input::Input;
use crate::report::{self, Outcome};
use crate::systems::{Answers, Bench, System};

/// Time the import of an NDJSON file, ours against the peers
///
/// Every system loads the same file into its own form, sorted by (day, user, time) and cut by day,
/// each in a process of its own. A first round, not counted, checks that all of them have the same
/// events, events by name and distinct ids. Then rounds follow each other, every system once a
/// round, and a table compares medians. What each system does is said in benches/README.md.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tallymark-benches import                                   2 M made-up events, three rounds\n  \
    tallymark-benches import --events 20e6 --repeat 1 --systems tallymark,clickhouse\n  \
    tallymark-benches import --input events.ndjson --results import.jsonl\n\n\
    The peers are installed from PyPI into a virtual environment in the work folder, once. Nothing else\n\
    should run meanwhile: the figures are of the whole machine.")]
pub(crate) struct Options {
    #[command(flatten)]
    pub events: EventOptions,
    /// Load this file instead: NDJSON in Mixpanel's form, `time` in milliseconds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["events", "days", "first_day", "seed", "users"])]
    pub input: Option<PathBuf>,
    /// Who takes part
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = System::ALL, value_name = "NAMES")]
    pub systems: Vec<System>,
    /// Rounds that count
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub repeat: usize,
    /// The tallymark command (default: the one beside this program)
    #[arg(long, value_name = "PATH")]
    pub tallymark: Option<PathBuf>,
    /// Where the file, the environment of the peers and what they load go; needs some three times the
    /// size of the file (default: target/benches)
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    /// Append a JSON line for each system to this file
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// The Python that makes the environment
    #[arg(long, default_value = "python3", value_name = "PATH")]
    pub python: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.repeat > 0, "--repeat must be at least 1");
    ensure!(!options.systems.is_empty(), "--systems needs at least one name");
    let bench = Bench::prepare(options)?;
    let input = match &options.input {
        Some(path) => Input::given(path)?,
        None => Input::generated(&options.events, bench.work())?,
    };
    eprintln!("{}: {:.0} MB", input.path.display(), input.bytes as f64 / 1e6);

    let mut outcomes = Vec::new();
    for &system in &options.systems {
        let loaded = bench.load(system, &input.path)?;
        eprintln!("check   {system:<15} {}", loaded.cost);
        outcomes.push(Outcome {
            system,
            version: loaded.version,
            answers: loaded.answers,
            costs: Vec::new(),
        });
    }
    check(&outcomes, input.answers.as_ref())?;
    for round in 0..options.repeat {
        // Each round begins with another one, so that nobody always follows the same neighbour.
        let count = outcomes.len();
        for turn in 0..count {
            let outcome = &mut outcomes[(round + turn) % count];
            let loaded = bench.load(outcome.system, &input.path)?;
            ensure!(loaded.answers == outcome.answers, "{} answers differently than before", outcome.system);
            eprintln!("round {} {:<15} {}", round + 1, outcome.system, loaded.cost);
            outcome.costs.push(loaded.cost);
        }
    }
    println!("{}", report::table(&outcomes));
    if let Some(path) = &options.results {
        report::append(path, options, &input, &outcomes)?;
    }
    Ok(())
}

/// All answers must be equal, and equal to what was generated if it was.
fn check(outcomes: &[Outcome], truth: Option<&Answers>) -> Result<()> {
    let Some(first) = outcomes.first() else { return Ok(()) };
    let (who, right) =
        truth.map_or((first.system.to_string(), &first.answers), |truth| ("the generator".to_owned(), truth));
    let wrong: Vec<String> = outcomes
        .iter()
        .filter(|outcome| outcome.answers != *right)
        .map(|outcome| format!("{}: {}", outcome.system, outcome.answers.differences(right).join(", ")))
        .collect();
    if !wrong.is_empty() {
        bail!("the answers differ from those of {who}, so no times are given\n  {}", wrong.join("\n  "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn outcome(system: System, events: u64) -> Outcome {
        let answers = Answers { events, users: 2, by_event: BTreeMap::from([("Buy".to_owned(), events)]) };
        Outcome { system, version: String::new(), answers, costs: Vec::new() }
    }

    #[test]
    fn systems_that_disagree_are_named() {
        let agreed = [outcome(System::Tallymark, 3), outcome(System::Duckdb, 3)];
        assert!(check(&agreed, None).is_ok());
        let error = check(&agreed, Some(&outcome(System::Polars, 4).answers)).unwrap_err().to_string();
        assert!(error.contains("tallymark: events 3 instead of 4, Buy 3 instead of 4"), "{error}");
        let error = check(&[outcome(System::Tallymark, 3), outcome(System::Polars, 2)], None).unwrap_err();
        assert!(error.to_string().contains("polars: events 2 instead of 3"), "{error}");
    }
}
