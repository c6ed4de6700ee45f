//! `query`: questions of product people, ours against the peers and against hand-written loops.
//!
//! 1. `dataset.rs` makes the events, once, and the peers' copies of them.
//! 2. `worker.rs` starts a process for each system; `answering.rs` is that of ours.
//! 3. A question from `questions/` is asked of all, in every way that may be the fastest; the answers are
//!    compared (`answer.rs`).
//! 4. Rounds follow each other, every system once a round. Then come fresh processes.
//! 5. `results.rs` keeps every figure, and prints the table.

mod answer;
pub(crate) mod answering;
pub(crate) mod dataset;
pub(crate) mod funnel_sql;
mod protocol;
mod questions;
pub(crate) mod results;
mod rows;
pub(crate) mod system;
mod worker;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use self::answer::Answer;
use self::dataset::Dataset;
use self::protocol::{Asked, Cost};
use self::questions::Question;
use self::results::{Log, Mode, Outcome, Status};
use self::system::System;
use self::worker::{Answered, Failure, Worker, Workers};
use crate::generate::EventOptions;
use crate::python::Environment;

/// Time questions, ours against the peers and against hand-written loops
///
/// Every system is a process of its own. All are asked the same question and have to give the same
/// answer; then they take turns, round by round, and a table compares medians. At last each answers
/// once more in a fresh process. What the systems keep and how they are asked is said in
/// benches/README.md.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tallymark-benches query                                        2 M events, all questions\n  \
    tallymark-benches query --events 20e6 --repeat 7 --work /data/benches\n  \
    tallymark-benches query --questions funnel-5,sessions --systems tallymark,clickhouse,hand\n\n\
    The peers are installed from PyPI into a virtual environment in the work folder, once, and so is the\n\
    data. Nothing else should run meanwhile: the figures are of the whole machine.")]
pub(crate) struct Options {
    #[command(flatten)]
    pub events: EventOptions,
    /// Only these questions (default: all)
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub questions: Vec<String>,
    /// Who takes part
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = System::ALL, value_name = "NAMES")]
    pub systems: Vec<System>,
    /// Rounds that count, in processes that have answered before
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub repeat: usize,
    /// Answers of fresh processes; 0 for none
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub cold: usize,
    /// Threads of each system
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub threads: usize,
    /// Memory for the columns that Tallymark keeps between queries, e.g. 1GiB
    #[arg(long, value_parser = parse_bytes, default_value = "8GiB", value_name = "BYTES")]
    pub memory: u64,
    /// Memory that the queries of each system may take, e.g. 8GiB
    #[arg(long, value_parser = parse_bytes, default_value = "8GiB", value_name = "BYTES")]
    pub query_memory: u64,
    /// Seconds an answer may take; who takes longer is left out of the question
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub limit: u64,
    /// Where the events, the environment of the peers and their copies go: some 150 bytes an event
    /// (default: target/benches)
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    /// Append the figures to this file (default: query.jsonl in the work folder)
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// The Python that makes the environment
    #[arg(long, default_value = "python3", value_name = "PATH")]
    pub python: PathBuf,
}

/// How a system is asked a question: what was found to be the fastest.
#[derive(Debug, Clone)]
struct Way {
    table: &'static str,
    /// Position among the texts of the question.
    text: usize,
    sql: String,
}

/// A system that takes part in a question.
struct Contender {
    system: System,
    way: Way,
    first: Answered,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.repeat > 0 && options.threads > 0, "--repeat and --threads must be at least 1");
    let questions = chosen(&options.questions)?;
    let work = match &options.work {
        Some(work) => work.clone(),
        None => crate::systems::default_work()?,
    };
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let work = work.canonicalize().with_context(|| format!("cannot find {}", work.display()))?;
    let with_peers = options.systems.iter().any(|system| system.script().is_some());
    let python = Environment::prepare(&options.python, &work, with_peers)?;
    let dataset = Dataset::prepare(&options.events, &work)?;
    for &system in &options.systems {
        dataset.copy_for(system, &python, options.threads, options.query_memory)?;
    }
    let path = options.results.clone().unwrap_or_else(|| work.join("query.jsonl"));
    let mut log = Log::open(&path, options, &dataset.facts)?;
    let bench = Bench {
        options,
        facts: &dataset.facts,
        workers: Workers { options, work, dataset: &dataset, python: &python },
    };

    let mut ways = BTreeMap::new();
    let mut all_right = true;
    let mut running = BTreeMap::new();
    for question in &questions {
        all_right &= bench.warm(question, &mut running, &mut ways, &mut log)?;
    }
    drop(running);
    if options.cold > 0 {
        for question in &questions {
            bench.cold(question, &ways, &mut log)?;
        }
    }
    println!("{}", results::tables(&log.lines));
    ensure!(all_right, "answers are missing or differ, see above");
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<Question>> {
    if names.is_empty() {
        return Ok(questions::ALL.to_vec());
    }
    let mut chosen = Vec::new();
    for name in names {
        let found = questions::ALL.iter().find(|question| question.name == name).with_context(|| {
            let known: Vec<&str> = questions::ALL.iter().map(|question| question.name).collect();
            format!("there is no question {name}; there are {}", known.join(", "))
        });
        chosen.push(*found?);
    }
    Ok(chosen)
}

struct Bench<'a> {
    options: &'a Options,
    facts: &'a dataset::Facts,
    workers: Workers<'a>,
}

impl Bench<'_> {
    fn limit(&self) -> Duration {
        Duration::from_secs(self.options.limit)
    }

    /// Asks all systems, compares, and times rounds. False if a system answers differently, or ours not
    /// at all.
    fn warm(
        &self,
        question: &Question,
        running: &mut BTreeMap<System, Worker>,
        ways: &mut BTreeMap<(&'static str, System), Way>,
        log: &mut Log,
    ) -> Result<bool> {
        let mut contenders = Vec::new();
        let mut all_right = true;
        eprintln!("{}: {}", question.name, question.asks);
        for &system in &self.options.systems {
            match self.best(question, system, running)? {
                Ok((way, first)) => contenders.push(Contender { system, way, first }),
                Err(failure) => {
                    all_right &= system != System::Tallymark;
                    let status = match failure {
                        Failure::TooLong => Status::TooLong { limit_s: self.options.limit },
                        Failure::Failed(reason) => Status::Failed { reason },
                    };
                    eprintln!("  {system:<18} {status}");
                    log.add(Outcome::without_answer(question.name, system, Mode::Warm, status))?;
                }
            }
        }
        if let Some(right) = reference(&contenders) {
            for contender in &contenders {
                let Some(difference) = contender.first.answer.difference(&right) else { continue };
                all_right = false;
                let status = Status::Wrong { difference };
                eprintln!("  {:<18} {status}", contender.system);
                log.add(Outcome::without_answer(question.name, contender.system, Mode::Warm, status))?;
            }
            contenders.retain(|contender| contender.first.answer.difference(&right).is_none());
        }

        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); contenders.len()];
        let mut given_up = vec![false; contenders.len()];
        for round in 0..self.options.repeat {
            // Each round begins with another one, so that nobody always follows the same neighbour.
            for turn in 0..contenders.len() {
                let at = (round + turn) % contenders.len();
                let contender = &contenders[at];
                let spent: f64 = costs[at].iter().map(|cost| cost.wall_s).sum();
                if given_up[at] || spent > self.limit().as_secs_f64() / 2.0 {
                    continue;
                }
                let worker = self.running(contender.system, running)?;
                let asked = Asked { question: question.name.to_owned(), sql: contender.way.sql.clone() };
                match worker.ask(asked, self.limit()) {
                    Ok(answered) => {
                        let difference = answered.answer.difference(&contender.first.answer);
                        ensure!(
                            difference.is_none(),
                            "{} answers {} differently than before",
                            contender.system,
                            question.name
                        );
                        costs[at].push(answered.cost);
                    }
                    Err(Failure::TooLong) => given_up[at] = true,
                    Err(failure) => bail!("{}: {}: {failure:?}", question.name, contender.system),
                }
            }
        }
        for (contender, mut costs) in contenders.into_iter().zip(costs) {
            // Who was in time once, and then no more, has its first time count.
            if costs.is_empty() {
                costs.push(contender.first.cost);
            }
            let Contender { system, way, first } = contender;
            ways.insert((question.name, system), way.clone());
            let outcome = Outcome {
                question: question.name.to_owned(),
                system,
                mode: Mode::Warm,
                status: Status::Answered,
                version: first.version,
                table: way.table.to_owned(),
                text: way.text,
                rows: first.answer.rows(),
                checksum: first.answer.checksum(),
                iterations: costs,
            };
            eprintln!("  {system:<18} {}", outcome.shown());
            log.add(outcome)?;
        }
        Ok(all_right)
    }

    /// Times answers of fresh processes of those who answered right.
    fn cold(
        &self,
        question: &Question,
        ways: &BTreeMap<(&'static str, System), Way>,
        log: &mut Log,
    ) -> Result<()> {
        eprintln!("{} in fresh processes", question.name);
        for &system in self.options.systems.iter().filter(|system| **system != System::Hand) {
            let Some(way) = ways.get(&(question.name, system)) else { continue };
            let (mut costs, mut last) = (Vec::new(), None);
            for _ in 0..self.options.cold {
                let spent: f64 = costs.iter().map(|cost: &Cost| cost.wall_s).sum();
                if spent > self.limit().as_secs_f64() / 2.0 {
                    break;
                }
                let mut worker = self.workers.start(system)?;
                let asked = Asked { question: question.name.to_owned(), sql: way.sql.clone() };
                match worker.cold(asked, self.limit()) {
                    Ok(answered) => {
                        costs.push(answered.cost);
                        last = Some(answered);
                    }
                    Err(Failure::TooLong) => break,
                    Err(failure) => bail!("{}: {system} in a fresh process: {failure:?}", question.name),
                }
            }
            let Some(last) = last else { continue };
            let outcome = Outcome {
                question: question.name.to_owned(),
                system,
                mode: Mode::Cold,
                status: Status::Answered,
                version: last.version,
                table: way.table.to_owned(),
                text: way.text,
                rows: last.answer.rows(),
                checksum: last.answer.checksum(),
                iterations: costs,
            };
            eprintln!("  {system:<18} {}", outcome.shown());
            log.add(outcome)?;
        }
        Ok(())
    }

    /// Asks a system in every way there is, twice if there are several and it is quick, and gives the
    /// fastest.
    fn best(
        &self,
        question: &Question,
        system: System,
        running: &mut BTreeMap<System, Worker>,
    ) -> Result<Result<(Way, Answered), Failure>> {
        let mut ways = Vec::new();
        for &table in system.tables() {
            let texts = match system.dialect() {
                Some(dialect) => (question.sql)(dialect, table, self.facts),
                None => vec![String::new()],
            };
            ways.extend(texts.into_iter().enumerate().map(|(text, sql)| Way { table, text, sql }));
        }
        let is_choice = ways.len() > 1;
        let mut best: Option<(Way, Answered)> = None;
        let mut failed = Failure::Failed("it has no way to be asked".to_owned());
        for way in ways {
            let mut again = is_choice;
            loop {
                let worker = self.running(system, running)?;
                let asked = Asked { question: question.name.to_owned(), sql: way.sql.clone() };
                match worker.ask(asked, self.limit()) {
                    Ok(answered) => {
                        let known = best.as_ref().map(|(_, known)| known);
                        if let Some(difference) =
                            known.and_then(|known| answered.answer.difference(&known.answer))
                        {
                            let reason = format!("its ways to answer differ: {difference}");
                            return Ok(Err(Failure::Failed(reason)));
                        }
                        let wall_s = answered.cost.wall_s;
                        if known.is_none_or(|known| wall_s < known.cost.wall_s) {
                            best = Some((way.clone(), answered));
                        }
                        // The first time may have had to fetch; that does not make a slow way the fastest.
                        if !std::mem::take(&mut again) || wall_s > self.limit().as_secs_f64() / 8.0 {
                            break;
                        }
                    }
                    Err(failure) => {
                        failed = failure;
                        break;
                    }
                }
            }
        }
        Ok(best.ok_or(failed))
    }

    /// The process of a system, started if it is not running.
    fn running<'w>(
        &self,
        system: System,
        running: &'w mut BTreeMap<System, Worker>,
    ) -> Result<&'w mut Worker> {
        if !running.get(&system).is_some_and(Worker::is_running) {
            running.remove(&system);
            running.insert(system, self.workers.open(system)?);
        }
        running.get_mut(&system).context("it was just started")
    }
}

/// The answer others are measured by: that of the hand loop, or else the one most systems agree on.
fn reference(contenders: &[Contender]) -> Option<Answer> {
    let by_hand = contenders.iter().find(|contender| contender.system == System::Hand);
    let agreeing = |contender: &&Contender| {
        let equal = |other: &&Contender| other.first.answer.difference(&contender.first.answer).is_none();
        contenders.iter().filter(equal).count()
    };
    let most = || contenders.iter().rev().max_by_key(agreeing);
    by_hand.or_else(most).map(|contender| contender.first.answer.clone())
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("expected bytes, MiB or GiB, such as 512MiB".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "expected a whole number, such as 512MiB".to_owned())?;
    count.checked_mul(unit).ok_or_else(|| "that is too much".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_bytes("8GiB"), Ok(8 << 30));
        assert_eq!(parse_bytes("512MiB"), Ok(512 << 20));
        assert_eq!(parse_bytes("77"), Ok(77));
        assert!(parse_bytes("8GB").is_err() && parse_bytes("GiB").is_err() && parse_bytes("-1").is_err());
    }

    #[test]
    fn the_hand_loop_is_right_and_else_the_majority() {
        let contender = |system, count: u64| Contender {
            system,
            way: Way { table: "events", text: 0, sql: String::new() },
            first: Answered {
                version: String::new(),
                cost: Cost { wall_s: 1.0, cpu_s: 1.0, peak_bytes: 1 },
                answer: Answer::new(vec![vec![count.into()]]),
            },
        };
        let two = Answer::new(vec![vec![2.into()]]);
        let agreed =
            [contender(System::Tallymark, 1), contender(System::Clickhouse, 2), contender(System::Duckdb, 2)];
        assert_eq!(reference(&agreed).unwrap().difference(&two), None);
        let by_hand =
            [contender(System::Tallymark, 1), contender(System::Duckdb, 1), contender(System::Hand, 2)];
        assert_eq!(reference(&by_hand).unwrap().difference(&two), None);
        assert!(reference(&[]).is_none());
    }

    #[test]
    fn unknown_questions_are_named() {
        assert_eq!(chosen(&[]).unwrap().len(), questions::ALL.len());
        assert_eq!(chosen(&["feed".to_owned()]).unwrap()[0].name, "feed");
        assert!(chosen(&["fed".to_owned()]).unwrap_err().to_string().contains("no question fed"));
    }
}
