//! The segments an event of a user falls in.

use hashbrown::HashSet;

use super::measure::Question;
use crate::resident::by_user::{Record, UserEvents};

/// How the first labels of events make segments: each combination of labels is one (B-20, B-21).
pub(super) struct Combinations {
    /// How many labels; those after them are about something else.
    pub(super) count: usize,
    /// Only events with a combination that is none of these, all in one segment (B-30).
    except: Option<HashSet<Vec<String>>>,
}

impl Combinations {
    pub(super) fn of(question: &Question<'_>) -> Self {
        Self {
            count: question.breakdowns.len(),
            except: question.except.map(|except| except.iter().cloned().collect()),
        }
    }

    /// The segments of an event, perhaps none.
    pub(super) fn segments(&self, user: &UserEvents<'_>, record: &Record) -> Vec<Vec<String>> {
        let mut all = vec![Vec::new()];
        for at in 0..self.count {
            let labels = user.labels(at, record);
            all = all
                .iter()
                .flat_map(|before: &Vec<String>| {
                    labels.iter().map(|label| {
                        let mut segments = before.clone();
                        segments.push(user.text(at, *label).to_owned());
                        segments
                    })
                })
                .collect();
        }
        match &self.except {
            None => all,
            Some(except) if all.iter().any(|segments| !except.contains(segments)) => vec![Vec::new()],
            Some(_) => Vec::new(),
        }
    }
}
