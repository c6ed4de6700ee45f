//! How many users met each name of an event, or each value of a property.

use indexmap::IndexMap;

use super::{People, SOURCES};
use crate::resident::by_user::{Matcher, UserEvents};

/// Counts the users of labels.
pub(super) struct Ranked {
    pub(super) of: People,
    /// For each source whether it has labels.
    pub(super) has_label: Vec<bool>,
}

/// Users by label.
#[derive(Debug, Clone, Default)]
pub(super) struct Users(IndexMap<String, u64>);

impl Users {
    /// The labels with most users, those with as many in the order of the alphabet.
    pub(super) fn most(self, top: usize, is_left_out: impl Fn(&str) -> bool) -> Vec<String> {
        let mut labels: Vec<(String, u64)> =
            self.0.into_iter().filter(|(label, _)| !is_left_out(label)).collect();
        labels.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        labels.truncate(top);
        labels.into_iter().map(|(label, _)| label).collect()
    }
}

#[derive(Debug)]
pub(super) struct Partial {
    /// By source.
    users: Vec<Users>,
    /// By source: where the label of a code is in `users`, and the last user who met it.
    codes: Vec<Vec<Option<(usize, u32)>>>,
}

impl Matcher for Ranked {
    type Partial = Partial;

    fn start(&self) -> Partial {
        let sources = self.has_label.len();
        Partial { users: vec![Users::default(); sources], codes: vec![Vec::new(); sources] }
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Partial) {
        let Some(person) = self.of.person(user) else { return };
        for record in person.records {
            let labelled = self.has_label.iter().enumerate().filter(|(_, has_label)| **has_label);
            for (at, (source, _)) in labelled.enumerate() {
                if !record.meets(SOURCES + source) {
                    continue;
                }
                for code in user.labels(at, record) {
                    let codes = &mut partial.codes[source];
                    if codes.len() <= *code as usize {
                        codes.resize(*code as usize + 1, None);
                    }
                    let users = &mut partial.users[source].0;
                    let place = match &mut codes[*code as usize] {
                        Some((_, last)) if *last == user.user => continue,
                        Some((place, last)) => {
                            *last = user.user;
                            *place
                        }
                        unknown => {
                            let entry = users.entry(user.text(at, *code).to_owned());
                            let place = entry.index();
                            entry.or_insert(0);
                            *unknown = Some((place, user.user));
                            place
                        }
                    };
                    if let Some((_, count)) = users.get_index_mut(place) {
                        *count += 1;
                    }
                }
            }
        }
    }

    fn merge(&self, total: &mut Partial, later: Partial) {
        for (total, later) in total.users.iter_mut().zip(later.users) {
            for (label, count) in later.0 {
                *total.0.entry(label).or_default() += count;
            }
        }
    }

    fn bytes(&self, partial: &Partial) -> usize {
        let users = partial.users.iter().map(|users| users.0.len() * 96).sum::<usize>();
        users + partial.codes.iter().map(|codes| codes.capacity() * 24).sum::<usize>()
    }
}

impl Partial {
    /// What was counted, by source.
    pub(super) fn into_users(self) -> Vec<Users> {
        self.users
    }
}
