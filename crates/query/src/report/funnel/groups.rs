//! Attempts of groups (U-30, F-23).

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryPool;
use tallymark_memory::Layout;

use super::tally::{Partial, Tallies, Walk};
use crate::report::groups::Collect;
use crate::resident::by_user::{Matcher as _, UserScan};

/// What all groups come to.
pub(super) async fn tallies(
    walk: Walk,
    users: UserScan,
    layout: Arc<Layout>,
    pool: &Arc<dyn MemoryPool>,
) -> Result<Tallies> {
    let collect = Collect {
        group: walk.shape.group.unwrap_or_default(),
        sequence: walk.shape.measure_count,
        only_of: walk.shape.only_of.clone(),
    };
    let groups = collect.groups(users, layout, pool).await?;
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
