//! Attempts of groups (U-30, F-23).

use super::tally::{Partial, Tallies, Walk};
use crate::Result;
use crate::report::asked::Asked;
use crate::report::chosen::BehaviourScan;
use crate::report::groups::Collect;
use crate::resident::by_user::Matcher as _;

/// What all groups come to.
pub(super) async fn tallies(asked: &Asked, scan: BehaviourScan, walk: Walk) -> Result<Tallies> {
    let collect = Collect {
        group: walk.shape.group.unwrap_or_default(),
        sequence: walk.shape.measure_count,
        only_of: walk.shape.only_of.clone(),
    };
    let groups = scan.groups(asked, collect).await?;
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
