//! The worked examples and tables of `crates/query/SEMANTICS.md`, as data: what is stored, what is
//! asked, what the answer is. The oracle is checked against them here, the engine in the suites.
//!
//! 1. `fixtures.rs`: what is stored.
//! 2. `insights.rs`, `filters.rs`, `lists.rs`, `texts.rs`, `breakdowns.rs`, `compared.rs`, `time.rs`,
//!    `cohorts.rs`, `sessions.rs`, `saved.rs`, `lookups.rs`, `other_events.rs`: questions and answers,
//!    named by rule.
//! 3. `behaviour/`: those of funnels, retention and flows, each with the stream of events it is about.
//! 4. `text.rs`: a row as a line of text, floats to nine significant digits.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "cases are written by hand; a mistake in one is a failed test"
)]

mod behaviour;
mod breakdowns;
mod cohorts;
mod compared;
mod filters;
mod fixtures;
mod insights;
mod lists;
mod lookups;
mod other_events;
mod saved;
mod sessions;
mod text;
mod texts;
mod time;

use serde_json::Value;
use tallymark_report::{Question, Report};

pub use behaviour::{BehaviourCase, all as behaviour_cases, answer as behaviour_answer, records};
pub use fixtures::Fixture;
pub use text::line;

use crate::oracle::insights::{Row, answer, members};

/// Which rows of an answer a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// All.
    All,
    /// Those whose value is neither 0 nor null.
    NonZero,
}

/// A question to a fixture and the answer.
#[derive(Debug, Clone)]
pub struct Case {
    /// Begins with the id of the rule: `s_10_total_events`.
    pub name: &'static str,
    /// What is stored.
    pub fixture: fn() -> Fixture,
    /// The definition as JSON; what it does not say is as the fixture has it.
    pub definition: &'static str,
    /// Which rows are compared.
    pub compared: Compared,
    /// The rows as [`line()`] spells them, or the members of a cohort.
    pub expected: &'static [&'static str],
}

impl Case {
    /// The whole definition.
    pub fn report(&self) -> Report {
        (self.fixture)().report(&serde_json::from_str(self.definition).unwrap())
    }

    /// Rows as they are compared.
    pub fn lines(&self, rows: &[Row]) -> Vec<String> {
        let compared = |row: &&Row| match self.compared {
            Compared::All => true,
            Compared::NonZero => row.value.is_some_and(|value| value != 0.0),
        };
        rows.iter().filter(compared).map(line).collect()
    }

    /// What the oracle says.
    pub fn oracle(&self) -> Vec<String> {
        let fixture = (self.fixture)();
        let report = self.report();
        let world = fixture.world().seen_by(&report, fixture.as_of);
        match &report.question {
            Question::Insights(_) => self.lines(&answer(&world, &report, fixture.as_of)),
            Question::Cohort(cohort) => {
                members(&world, &report.scope, cohort, fixture.as_of).into_iter().collect()
            }
            _ => panic!("the oracle counts sessions, and does not list them"),
        }
    }
}

/// All cases.
pub fn all() -> Vec<Case> {
    [
        insights::cases(),
        filters::cases(),
        breakdowns::cases(),
        time::cases(),
        cohorts::cases(),
        sessions::cases(),
        lists::cases(),
        texts::cases(),
        compared::cases(),
        saved::cases(),
        lookups::cases(),
        other_events::cases(),
    ]
    .concat()
}

/// The question `report` is told from whether it has metrics.
fn kind(definition: &Value) -> &'static str {
    if definition.get("metrics").is_some() { "insights" } else { "cohort" }
}

/// Cases by fixture: `name: definition => All [lines];`. Each is a test of the oracle under its name.
macro_rules! cases {
    ($($fixture:ident { $($name:ident: $definition:literal => $compared:ident [$($line:literal),* $(,)?];)* })*) => {
        pub(super) fn cases() -> Vec<crate::cases::Case> {
            vec![$($(crate::cases::Case {
                name: stringify!($name),
                fixture: crate::cases::Fixture::$fixture,
                definition: $definition,
                compared: crate::cases::Compared::$compared,
                expected: &[$($line),*],
            }),*),*]
        }

        #[cfg(test)]
        mod tests {
            $($(
                #[test]
                fn $name() {
                    let case = super::cases().into_iter().find(|case| case.name == stringify!($name)).unwrap();
                    assert_eq!(case.oracle(), case.expected, "{}", case.definition);
                }
            )*)*
        }
    };
}
use cases;
