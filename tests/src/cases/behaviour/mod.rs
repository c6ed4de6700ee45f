//! The worked examples and tables of sections 6, 7, 8 and 11: streams of events, definitions, and columns
//! of the answers.

mod correlation;
mod experiment;
mod flows;
mod funnels;
mod impact;
mod retention;
mod stream;

use serde_json::{Value, json};
use tallymark_report::{Question, Report};

pub use stream::records;

use crate::oracle::insights::World;
use crate::oracle::{self, Dataset, System, Table};

/// A question to a stream of events and columns of the answer.
#[derive(Debug, Clone)]
pub struct BehaviourCase {
    /// Begins with the id of the rule: `f_6_the_end_of_the_window_is_inside`.
    pub name: &'static str,
    /// What is stored, as [`records`] reads it.
    pub stored: &'static str,
    /// The definition as JSON; the range is January 2024 if it does not say another.
    pub definition: &'static str,
    /// The columns that are compared, with spaces between the names; `~` is a space in a name.
    pub columns: &'static str,
    /// The rows, as [`Table::lines`] spells them.
    pub expected: &'static [&'static str],
}

impl BehaviourCase {
    /// 2024-03-15T12:00:00Z: what is now unless a definition says otherwise.
    pub const AS_OF: i64 = 1_710_504_000_000;

    /// The whole definition.
    pub fn report(&self) -> Report {
        let definition: Value = serde_json::from_str(self.definition).unwrap();
        let mut whole = json!({"range": "2024-01-01 to 2024-01-31"});
        whole.as_object_mut().unwrap().extend(definition.as_object().unwrap().clone());
        match Report::from_value(whole) {
            Ok(report) => report,
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    /// The rows of an answer as they are compared.
    pub fn lines(&self, answer: &Table) -> Vec<String> {
        let names: Vec<String> = self.columns.split(' ').map(|name| name.replace('~', " ")).collect();
        answer.lines(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What the oracle says.
    pub fn oracle(&self) -> Vec<String> {
        let dataset = Dataset::of(System::Simplified, &records(self.stored), Self::AS_OF);
        assert_eq!((dataset.refused, dataset.duplicates), (0, 0));
        let report = self.report();
        let world = World::of(&dataset, [].into()).seen_by(&report, Self::AS_OF);
        self.lines(&answer(&world, &report, Self::AS_OF))
    }
}

/// What the oracle answers to a report of behaviour.
pub fn answer(world: &World, report: &Report, as_of: i64) -> Table {
    match &report.question {
        Question::Funnel(funnel) if funnel.users_of.is_some() => {
            users(oracle::funnel::behind(world, report, as_of))
        }
        Question::Funnel(_) => oracle::funnel::answer(world, report, as_of),
        Question::Retention(retention) if retention.users_of.is_some() => {
            users(oracle::retention::behind(world, report, as_of))
        }
        Question::Retention(_) => oracle::retention::answer(world, report, as_of),
        Question::Frequency(frequency) if frequency.users_of.is_some() => {
            users(oracle::retention::active_behind(world, report, as_of))
        }
        Question::Frequency(_) => oracle::retention::frequency(world, report, as_of),
        Question::Lifecycle(lifecycle) if lifecycle.users_of.is_some() => {
            users(oracle::retention::active_behind(world, report, as_of))
        }
        Question::Lifecycle(_) => oracle::retention::lifecycle(world, report, as_of),
        Question::Flows(flows) if flows.users_of.is_some() => {
            users(oracle::flows::behind(world, report, as_of))
        }
        Question::Flows(_) => oracle::flows::answer(world, report, as_of),
        Question::Experiment(experiment) if experiment.users_of.is_some() => {
            users(oracle::experiment::behind(world, report, as_of))
        }
        Question::Experiment(_) => oracle::experiment::answer(world, report, as_of),
        Question::Impact(impact) if impact.users_of.is_some() => {
            users(oracle::impact::behind(world, report, as_of))
        }
        Question::Impact(_) => oracle::impact::answer(world, report, as_of),
        Question::Correlation(correlation) if correlation.users_of.is_some() => {
            users(oracle::correlation::behind(world, report, as_of))
        }
        Question::Correlation(_) => oracle::correlation::answer(world, report, as_of),
        Question::Stickiness(stickiness) if stickiness.users_of.is_some() => {
            users(oracle::retention::active_behind(world, report, as_of))
        }
        Question::Stickiness(_) => oracle::retention::stickiness(world, report, as_of),
        other => panic!("a {} is none of these", other.kind()),
    }
}

fn users(ids: impl IntoIterator<Item = String>) -> Table {
    let rows = ids.into_iter().map(|id| vec![Value::from(id)]);
    Table { columns: vec!["user_id".to_owned()], rows: rows.collect() }
}

/// All cases.
pub fn all() -> Vec<BehaviourCase> {
    [
        funnels::cases(),
        retention::cases(),
        flows::cases(),
        correlation::cases(),
        experiment::cases(),
        impact::cases(),
    ]
    .concat()
}

/// Cases: `name: stored, definition => columns [lines];`. Each is a test of the oracle under its name.
macro_rules! behaviour_cases {
    ($($name:ident: $stored:expr, $definition:expr => $columns:literal [$($line:literal),* $(,)?];)*) => {
        pub(super) fn cases() -> Vec<crate::cases::BehaviourCase> {
            vec![$(crate::cases::BehaviourCase {
                name: stringify!($name),
                stored: $stored,
                definition: $definition,
                columns: $columns,
                expected: &[$($line),*],
            }),*]
        }

        #[cfg(test)]
        mod tests {
            $(
                #[test]
                fn $name() {
                    let case = super::cases().into_iter().find(|case| case.name == stringify!($name)).unwrap();
                    assert_eq!(case.oracle(), case.expected, "{}\n{}", case.stored, case.definition);
                }
            )*
        }
    };
}
use behaviour_cases;
