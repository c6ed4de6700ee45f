//! Who loads, and how each is run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::import::Options;
use crate::python::{self, Environment};

/// A system that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum System {
    Tallymark,
    Clickhouse,
    Duckdb,
    DuckdbParquet,
    Polars,
}

impl System {
    pub(crate) const ALL: [Self; 5] =
        [Self::Tallymark, Self::Clickhouse, Self::Duckdb, Self::DuckdbParquet, Self::Polars];

    /// The script that loads into a peer.
    fn script(self) -> Option<&'static str> {
        match self {
            Self::Tallymark => None,
            Self::Clickhouse => Some("load_clickhouse.py"),
            Self::Duckdb => Some("load_duckdb.py"),
            Self::DuckdbParquet => Some("load_duckdb_parquet.py"),
            Self::Polars => Some("load_polars.py"),
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tallymark => "tallymark",
            Self::Clickhouse => "clickhouse",
            Self::Duckdb => "duckdb",
            Self::DuckdbParquet => "duckdb-parquet",
            Self::Polars => "polars",
        })
    }
}

/// What one load took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub wall_s: f64,
    pub user_s: f64,
    pub system_s: f64,
    /// Largest resident set.
    pub peak_bytes: u64,
    /// What it takes on disk.
    #[serde(default)]
    pub stored_bytes: u64,
}

impl Cost {
    /// Seconds of all cores.
    pub(crate) fn cpu_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let (wall, cpu) = (self.wall_s, self.cpu_s());
        write!(
            f,
            "{wall:7.2} s, {cpu:7.2} CPU s, {:6.0} MB peak, {:6.0} MB stored",
            mb(self.peak_bytes),
            mb(self.stored_bytes)
        )
    }
}

/// What was loaded, asked of the system itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Answers {
    pub events: u64,
    /// Distinct `distinct_id`s, as sent.
    pub users: u64,
    pub by_event: BTreeMap<String, u64>,
}

impl Answers {
    /// Where they are not the right ones, in words.
    pub(crate) fn differences(&self, right: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, own: u64, right: u64| {
            if own != right {
                found.push(format!("{what} {own} instead of {right}"));
            }
        };
        compare("events", self.events, right.events);
        compare("users", self.users, right.users);
        let names: std::collections::BTreeSet<&String> =
            self.by_event.keys().chain(right.by_event.keys()).collect();
        for name in names {
            let count = |answers: &Self| answers.by_event.get(name).copied().unwrap_or(0);
            compare(name, count(self), count(right));
        }
        found
    }

    /// One number for all of it (FNV-1a of its JSON).
    pub(crate) fn checksum(&self) -> Result<String> {
        let text = serde_json::to_vec(self)?;
        let sum = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Ok(format!("{sum:016x}"))
    }
}

/// A load that went well.
#[derive(Debug, Deserialize)]
pub(crate) struct Loaded {
    pub version: String,
    #[serde(flatten)]
    pub cost: Cost,
    pub answers: Answers,
}

/// The place where it all happens.
#[derive(Debug)]
pub(crate) struct Bench {
    work: PathBuf,
    python: Environment,
    tallymark: PathBuf,
}

impl Bench {
    /// Makes the work folder, installs the peers that take part, looks for our own command.
    pub(crate) fn prepare(options: &Options) -> Result<Self> {
        let beside = folder_of_programs()?;
        let work = match &options.work {
            Some(work) => work.clone(),
            None => default_work()?,
        };
        fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        let work = work.canonicalize().with_context(|| format!("cannot find {}", work.display()))?;
        let tallymark = options.tallymark.clone().unwrap_or_else(|| beside.join("tallymark"));
        if options.systems.contains(&System::Tallymark) {
            ensure!(
                tallymark.is_file(),
                "there is no {}: build it with `cargo build --release --bin tallymark`, give its path with \
                 --tallymark, or leave it out with --systems",
                tallymark.display()
            );
        }
        let with_peers = options.systems.iter().any(|system| system.script().is_some());
        let python = Environment::prepare(&options.python, &work, with_peers)?;
        Ok(Self { work, python, tallymark })
    }

    pub(crate) fn work(&self) -> &Path {
        &self.work
    }

    /// Loads the file into a fresh place, asks what is there, and clears up.
    pub(crate) fn load(&self, system: System, input: &Path) -> Result<Loaded> {
        let out = self.work.join(format!("loaded-{system}"));
        remove(&out)?;
        // What others wrote shall not be written out on this one's time.
        run(&mut Command::new("sync"))?;
        let loaded = match system.script() {
            Some(script) => {
                let output = self.python.run(script, &[input.as_os_str(), out.as_os_str()])?;
                serde_json::from_str(&output)
                    .with_context(|| format!("cannot read what {script} says: {output}"))
            }
            None => self.load_tallymark(input, &out),
        };
        let loaded = loaded.with_context(|| format!("{system} failed"))?;
        remove(&out)?;
        Ok(loaded)
    }

    fn load_tallymark(&self, input: &Path, out: &Path) -> Result<Loaded> {
        let command = [
            self.tallymark.as_os_str(),
            "import".as_ref(),
            input.as_os_str(),
            "--dataset".as_ref(),
            out.as_os_str(),
        ];
        let output = self.python.run(python::MEASURE, &command)?;
        let mut cost: Cost =
            serde_json::from_str(&output).with_context(|| format!("cannot read {output}"))?;
        cost.stored_bytes = bytes_of(out)?;

        let counts = self.sql(out, "SELECT count(*), count(DISTINCT distinct_id) FROM events")?;
        let [row] = &counts[..] else { anyhow::bail!("expected one row of counts, not {counts:?}") };
        let (events, users) = row.split_once(',').context("expected two counts")?;
        let mut by_event = BTreeMap::new();
        for row in self.sql(out, "SELECT event, count(*) FROM events GROUP BY event")? {
            let (name, count) = row.rsplit_once(',').context("expected a name and a count")?;
            by_event.insert(name.to_owned(), count.parse()?);
        }
        let answers = Answers { events: events.parse()?, users: users.parse()?, by_event };
        let version = run(Command::new(&self.tallymark).arg("--version"))?.trim().to_owned();
        Ok(Loaded { version, cost, answers })
    }

    /// The rows of an answer, as lines of CSV without their header.
    fn sql(&self, dataset: &Path, text: &str) -> Result<Vec<String>> {
        let mut command = Command::new(&self.tallymark);
        command.args(["sql", text, "--output", "csv", "--dataset"]).arg(dataset);
        Ok(run(&mut command)?.lines().skip(1).map(str::to_owned).collect())
    }
}

fn folder_of_programs() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot find this program's own path")?;
    Ok(program.parent().unwrap_or(Path::new(".")).to_owned())
}

/// `benches` in the folder that Cargo builds into.
pub(crate) fn default_work() -> Result<PathBuf> {
    let beside = folder_of_programs()?;
    Ok(beside.parent().unwrap_or(&beside).join("benches"))
}

/// Runs a command to its end and gives what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    ensure!(
        output.status.success(),
        "{name} ended with {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed what is not text"))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.with_context(|| format!("cannot remove {}", folder.display())),
    }
}

fn bytes_of(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        bytes += if is_folder { bytes_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_loader_prints_is_read() {
        let loaded: Loaded = serde_json::from_str(
            r#"{"version":"1.2","wall_s":2.5,"user_s":3,"system_s":0.5,"peak_bytes":1000,"stored_bytes":10,
                "answers":{"events":2,"users":1,"by_event":{"a":2}}}"#,
        )
        .unwrap();
        assert_eq!((loaded.cost.cpu_s(), loaded.cost.stored_bytes), (3.5, 10));
        assert_eq!(loaded.answers.by_event["a"], 2);
    }

    #[test]
    fn checksums_tell_answers_apart() {
        let one = Answers { events: 1, ..Answers::default() };
        let two = Answers { events: 2, ..Answers::default() };
        assert_eq!(one.checksum().unwrap(), one.clone().checksum().unwrap());
        assert_ne!(one.checksum().unwrap(), two.checksum().unwrap());
        assert_eq!(one.differences(&two), ["events 1 instead of 2"]);
    }

    #[test]
    fn names_are_the_same_everywhere() {
        for system in System::ALL {
            assert_eq!(system.to_possible_value().unwrap().get_name(), system.to_string());
            assert_eq!(serde_json::to_value(system).unwrap(), system.to_string());
        }
    }
}
