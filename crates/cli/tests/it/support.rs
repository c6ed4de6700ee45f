//! A directory to work in, and what running the binary there gave.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// An empty directory in which commands run; its default dataset is missing at first.
pub(crate) struct Place {
    dir: TempDir,
}

/// What a command gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    /// A place whose dataset holds the coffee shop.
    pub(crate) fn with_coffee_shop() -> Self {
        let place = Self::new();
        place.run(&["import", &bundled("coffee-shop/events.ndjson")]).ok();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        self.write_bytes(name, content.as_bytes());
    }

    pub(crate) fn write_bytes(&self, name: &str, content: &[u8]) {
        std::fs::File::create(self.path(name)).unwrap().write_all(content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallymark"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("TALLYMARK_DATASET")
            .env_remove("TALLYMARK_LOG");
        command.env("COLUMNS", "100").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::new(&self.command(args).output().unwrap())
    }

    /// Runs with `input` on standard input.
    pub(crate) fn feed(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran::new(&child.wait_with_output().unwrap())
    }

    /// The one value a question answers with.
    pub(crate) fn value(&self, sql: &str) -> String {
        let answer = self.run(&["sql", "--output", "csv", sql]).ok();
        let mut lines = answer.out.lines();
        let value = lines.nth(1).unwrap_or_default().to_owned();
        assert_eq!(lines.next(), None, "{}", answer.out);
        value
    }
}

impl Ran {
    fn new(output: &std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// It ended with this code.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// A file of the repository's sample data.
pub(crate) fn bundled(name: &str) -> String {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    data.join(name).canonicalize().unwrap().display().to_string()
}

/// Two events and a profile.
pub(crate) const THREE_RECORDS: &str = r#"{"event":"Order","time":1700000000,"distinct_id":"u1","insert_id":"a","properties":{"total":9.5,"size":"big"}}
{"event":"Order","time":1700000060,"distinct_id":"u2","insert_id":"b","properties":{"total":3}}
{"$distinct_id":"u1","$set":{"plan":"pro"}}
"#;
