//! Groups in place of users: the events of several users, put together (U-30, F-23).

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryPool;
use hashbrown::HashMap;
use tallymark_memory::Layout;

use crate::resident::by_user::{Collected, Matcher, Record, UserEvents, UserScan};

/// Collects the events of each group.
#[derive(Debug)]
pub(super) struct Collect {
    /// The label that names groups.
    pub(super) group: usize,
    /// The number that says in which order events of one instant arrived.
    pub(super) sequence: usize,
    /// Conditions, each with the label that names the groups it is met for: first times are those of
    /// some of the groups of an event (S-52).
    pub(super) only_of: Vec<(usize, usize)>,
}

impl Collect {
    /// The groups there are, by name, each with its events.
    pub(super) async fn groups(
        self,
        users: UserScan,
        layout: Arc<Layout>,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<Vec<(String, Collected)>> {
        // Groups have the events of nobody too (G-12).
        let groups = users.and_nobody().run(layout, self, pool).await?;
        let mut groups: Vec<(String, Collected)> = groups.into_iter().collect();
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(groups)
    }

    /// The event as it is one of a group.
    fn of_group(&self, user: &UserEvents<'_>, record: &Record, group: &str) -> Record {
        let mut own = *record;
        for (condition, label) in self.only_of.iter().filter(|(condition, _)| record.meets(*condition)) {
            if !user.labels(*label, record).iter().any(|one| user.text(*label, *one) == group) {
                own.conditions &= !(1 << condition);
            }
        }
        own
    }
}

impl Matcher for Collect {
    type Partial = HashMap<String, Collected>;

    fn start(&self) -> Self::Partial {
        HashMap::new()
    }

    fn user(&self, user: &UserEvents<'_>, groups: &mut Self::Partial) {
        for record in user.records {
            for group in user.labels(self.group, record) {
                let group = user.text(self.group, *group);
                let own = self.of_group(user, record, group);
                let events = groups.entry_ref(group).or_default();
                events.push(user, &own, user.number(self.sequence, record));
            }
        }
    }

    fn merge(&self, total: &mut Self::Partial, later: Self::Partial) {
        for (group, events) in later {
            total.entry(group).or_default().append(events);
        }
    }

    fn bytes(&self, groups: &Self::Partial) -> usize {
        groups.values().map(Collected::bytes).sum()
    }
}
