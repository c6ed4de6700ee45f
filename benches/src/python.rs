//! The Python environment of the peers and of the stopwatch.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::systems::run;

/// The script that runs any command and says what it took.
pub(crate) const MEASURE: &str = "measure.py";

const REQUIREMENTS: &str = include_str!("../peers/requirements.txt");
const SCRIPTS: [(&str, &str); 10] = [
    ("common.py", include_str!("../peers/common.py")),
    (MEASURE, include_str!("../peers/measure.py")),
    ("load_clickhouse.py", include_str!("../peers/load_clickhouse.py")),
    ("load_duckdb.py", include_str!("../peers/load_duckdb.py")),
    ("load_duckdb_parquet.py", include_str!("../peers/load_duckdb_parquet.py")),
    ("load_polars.py", include_str!("../peers/load_polars.py")),
    ("query_common.py", include_str!("../peers/query_common.py")),
    ("query_clickhouse.py", include_str!("../peers/query_clickhouse.py")),
    ("query_duckdb.py", include_str!("../peers/query_duckdb.py")),
    ("query_datafusion.py", include_str!("../peers/query_datafusion.py")),
];

/// A Python with the scripts and, if wanted, the peers.
#[derive(Debug)]
pub(crate) struct Environment {
    python: PathBuf,
    scripts: PathBuf,
}

impl Environment {
    /// Writes the scripts to the work folder and, for peers, makes a virtual environment there with
    /// the pinned versions, unless an earlier run has.
    pub(crate) fn prepare(python: &Path, work: &Path, with_peers: bool) -> Result<Self> {
        let scripts = work.join("peers");
        fs::create_dir_all(&scripts).with_context(|| format!("cannot make {}", scripts.display()))?;
        for (name, text) in SCRIPTS {
            write(&scripts.join(name), text)?;
        }
        if !with_peers {
            return Ok(Self { python: python.to_owned(), scripts });
        }
        let venv = work.join("venv");
        let inside = venv.join("bin").join("python");
        let installed = venv.join("requirements.txt");
        if fs::read_to_string(&installed).is_ok_and(|known| known == REQUIREMENTS) && inside.is_file() {
            return Ok(Self { python: inside, scripts });
        }
        eprintln!("installing the peers into {}", venv.display());
        run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv))
            .context("cannot make an environment")?;
        let wanted = scripts.join("requirements.txt");
        write(&wanted, REQUIREMENTS)?;
        run(Command::new(&inside).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&wanted))
            .context("cannot install the peers")?;
        // Written last: it says that all of them are there.
        write(&installed, REQUIREMENTS)?;
        Ok(Self { python: inside, scripts })
    }

    /// Runs one of the scripts and gives what it printed.
    pub(crate) fn run(&self, script: &str, arguments: &[&OsStr]) -> Result<String> {
        run(self.command(script).args(arguments))
    }

    /// One of the scripts, to be started.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.scripts.join(script));
        command
    }
}

#[expect(clippy::disallowed_methods, reason = "scratch files of the bench runner")]
fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::Cost;

    #[test]
    fn the_stopwatch_measures_a_child_and_passes_its_failure_on() {
        let work = std::env::temp_dir().join(format!("tallymark-benches-python-{}", std::process::id()));
        let python = Environment::prepare(Path::new("python3"), &work, false).unwrap();
        let code = "b = bytes(range(256)) * 400_000; print('not for us')";
        let said = python.run(MEASURE, &["python3", "-c", code].map(OsStr::new)).unwrap();
        let cost: Cost = serde_json::from_str(&said).unwrap();
        assert!(cost.peak_bytes > 100_000_000, "{cost}");
        assert!(cost.wall_s > 0.0 && cost.cpu_s() > 0.0, "{cost}");
        let failed =
            python.run(MEASURE, &["python3", "-c", "import sys; sys.exit('no disk')"].map(OsStr::new));
        assert!(format!("{:#}", failed.unwrap_err()).contains("no disk"));
        fs::remove_dir_all(&work).unwrap();
    }
}
