//! The file that is loaded.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::generate::{EventOptions, default_threads};
use crate::systems::Answers;

/// An NDJSON file, and what is known to be in it.
#[derive(Debug)]
pub(crate) struct Input {
    pub path: PathBuf,
    pub bytes: u64,
    /// The right answers, if the events were made here.
    pub answers: Option<Answers>,
}

/// Kept beside a generated file: it is complete, and this is in it.
#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    bytes: u64,
    answers: Answers,
}

impl Input {
    /// Somebody's file.
    pub(crate) fn given(path: &Path) -> Result<Self> {
        let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
        let bytes = path.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
        Ok(Self { path, bytes, answers: None })
    }

    /// The file these options give: written to `folder`, or found there from an earlier run.
    pub(crate) fn generated(options: &EventOptions, folder: &Path) -> Result<Self> {
        let EventOptions { events, days, first_day, seed, users } = options;
        let users_part = users.map(|users| format!("-{users}users")).unwrap_or_default();
        let path = folder.join(format!("events-{events}-{days}d-{first_day}-seed{seed}{users_part}.ndjson"));
        let summary_path = path.with_extension("json");
        if let Some(summary) = known(&summary_path)
            && path.metadata().is_ok_and(|file| file.len() == summary.bytes)
        {
            return Ok(Self { path, bytes: summary.bytes, answers: Some(summary.answers) });
        }
        eprintln!("writing {}", path.display());
        let failed = || format!("cannot write {}", path.display());
        let generator = options.generator();
        let mut file = File::create(&path).with_context(failed)?;
        let written = generator.write_ndjson(&mut file, default_threads()).with_context(failed)?;
        let mut answers = Answers::default();
        let mut users = BTreeSet::new();
        for event in generator.events() {
            answers.events += 1;
            *answers.by_event.entry(event.name.into_owned()).or_default() += 1;
            users.insert(event.distinct_id);
        }
        answers.users = users.len() as u64;
        let summary = Summary { bytes: written.bytes, answers };
        #[expect(clippy::disallowed_methods, reason = "a scratch file of the bench runner")]
        fs::write(&summary_path, serde_json::to_vec(&summary)?).with_context(failed)?;
        Ok(Self { path, bytes: summary.bytes, answers: Some(summary.answers) })
    }
}

fn known(path: &Path) -> Option<Summary> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_file_is_found_again() {
        let folder = std::env::temp_dir().join(format!("tallymark-benches-input-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let options = EventOptions {
            events: 300,
            days: 2,
            first_day: "2024-01-01".parse().unwrap(),
            seed: 3,
            users: None,
        };
        let first = Input::generated(&options, &folder).unwrap();
        let text = fs::read_to_string(&first.path).unwrap();
        assert_eq!(text.len() as u64, first.bytes);
        assert_eq!(text.lines().count(), 300);
        let answers = first.answers.unwrap();
        assert_eq!((answers.events, answers.by_event.values().sum::<u64>()), (300, 300));

        // Damaged files are written anew, whole ones are not.
        File::create(&first.path).unwrap();
        let again = Input::generated(&options, &folder).unwrap();
        assert_eq!(fs::read_to_string(&again.path).unwrap(), text);
        let time = again.path.metadata().unwrap().modified().unwrap();
        assert_eq!(Input::generated(&options, &folder).unwrap().answers, Some(answers));
        assert_eq!(again.path.metadata().unwrap().modified().unwrap(), time);
        fs::remove_dir_all(&folder).unwrap();
    }
}
