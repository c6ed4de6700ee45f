//! What is said to the process of a system, and what it says: a line of JSON each.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Make ready; takes no part in any figure.
    Open,
    /// Answer a question.
    Ask(Asked),
    /// Make ready and answer a question, both on the clock.
    Cold(Asked),
}

/// A question as one system is asked: SQL, or the name of a hand loop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub question: String,
    pub sql: String,
}

/// A reply.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Reply {
    Failed {
        error: String,
    },
    Answered {
        version: String,
        #[serde(flatten)]
        cost: Cost,
        rows: Vec<Vec<Value>>,
    },
    Ready {
        version: String,
    },
}

/// What an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub wall_s: f64,
    /// Of all threads.
    pub cpu_s: f64,
    /// The largest resident set meanwhile, with all that the process keeps.
    pub peak_bytes: u64,
}
