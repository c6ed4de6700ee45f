//! Attempts of groups: the events of several users, put together (U-30, F-23).

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryPool;
use hashbrown::HashMap;
use tallymark_memory::Layout;

use super::tally::{Partial, Tallies, Walk};
use crate::resident::by_user::{Collected, Matcher, UserEvents, UserScan};

/// Collects the events of each group.
struct Collect {
    /// The label that names groups.
    group: usize,
    /// The number that says in which order events of one instant arrived.
    sequence: usize,
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
                let events = groups.entry_ref(group).or_default();
                events.push(user, record, user.number(self.sequence, record));
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

/// What all groups come to.
pub(super) async fn tallies(
    walk: Walk,
    users: UserScan,
    layout: Arc<Layout>,
    pool: &Arc<dyn MemoryPool>,
) -> Result<Tallies> {
    let collect = Collect { group: walk.shape.group.unwrap_or_default(), sequence: walk.shape.measure_count };
    let mut groups: Vec<(String, Collected)> =
        users.and_nobody().run(layout, collect, pool).await?.into_iter().collect();
    groups.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut total = Partial::default();
    let mut names = Vec::with_capacity(groups.len());
    for (at, (name, events)) in groups.into_iter().enumerate() {
        let mut partial = Partial::default();
        let members = walk.shape.actor_cohorts.iter();
        partial.scratch.known.is_in = members.map(|members| members.contains(&name)).collect();
        events.in_order(at as u32, |events| walk.actor(events, &mut partial));
        walk.merge(&mut total, partial);
        names.push(name);
    }
    Ok(total.finish(|actor| names[actor as usize].clone()))
}
