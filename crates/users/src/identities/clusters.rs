//! Original identity: `$identify`, `$create_alias` and `$merge` build clusters (I-20 … I-26).

use std::sync::Arc;

use super::Verdict;
use crate::shared::SharedMap;

const EMPTY: Verdict = Verdict::Refused("an id is empty");
const TOO_MANY: Verdict = Verdict::Refused("the user would have more ids than the limit allows");

/// Ids that were joined, and their clusters.
///
/// The ids of a cluster form a ring, so that two clusters become one by swapping two links, and
/// joining renumbers the ids of the smaller one only.
#[derive(Debug, Clone, Default)]
pub(super) struct Clusters {
    members: SharedMap<Arc<str>, Member>,
    /// By number.
    groups: SharedMap<u64, Cluster>,
    /// Anonymous ids, and the identified id each was merged with (I-21).
    identified: SharedMap<Arc<str>, Arc<str>>,
    /// Aliases, and the id each points to (I-22).
    aliases: SharedMap<Arc<str>, Arc<str>>,
}

#[derive(Debug, Clone)]
struct Member {
    cluster: u64,
    /// The next id of the ring.
    next: Arc<str>,
    /// When the id was first seen: twice the version, and one more for the second id of a pair.
    seen: u64,
}

#[derive(Debug, Clone)]
struct Cluster {
    canonical: Arc<str>,
    rank: Rank,
    /// How many ids it has.
    len: usize,
}

/// How good a claim an id has to be the canonical one; the smallest wins (I-25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Since when the id is an `$identified_id`.
    Identified(u64),
    /// Since when it is the target of an alias.
    AliasTarget(u64),
    /// When it was first seen.
    Seen(u64),
}

/// One of the two ids of an operation, and its cluster before it.
struct Side {
    id: Arc<str>,
    number: u64,
    cluster: Cluster,
    /// When the canonical id was first seen.
    canonical_seen: u64,
}

impl Clusters {
    pub(super) fn identify(
        &mut self,
        identified_id: &str,
        anon_id: &str,
        version: u64,
        ids_max: Option<usize>,
    ) -> Verdict {
        if identified_id.is_empty() || anon_id.is_empty() {
            return EMPTY;
        }
        if identified_id == anon_id {
            return Verdict::Unchanged;
        }
        if !is_uuid_v4(anon_id.strip_prefix("$device:").unwrap_or(anon_id)) {
            return Verdict::Refused("`$anon_id` is not a UUID v4");
        }
        match self.identified.get(anon_id) {
            Some(known) if **known == *identified_id => return Verdict::Unchanged,
            Some(_) => return Verdict::Refused("`$anon_id` was merged with another `$identified_id` before"),
            None => {}
        }
        let verdict = self.join(identified_id, anon_id, version, Some(Rank::Identified(version)), ids_max);
        if let Verdict::Joined { .. } = verdict {
            self.identified.insert(self.shared(anon_id), self.shared(identified_id));
        }
        verdict
    }

    pub(super) fn alias(
        &mut self,
        distinct_id: &str,
        alias: &str,
        version: u64,
        ids_max: Option<usize>,
    ) -> Verdict {
        if distinct_id.is_empty() || alias.is_empty() {
            return EMPTY;
        }
        if distinct_id == alias {
            return Verdict::Unchanged;
        }
        match self.aliases.get(alias) {
            Some(known) if **known == *distinct_id => return Verdict::Unchanged,
            Some(_) => return Verdict::Refused("the alias points to another id already"),
            None => {}
        }
        let verdict = self.join(distinct_id, alias, version, Some(Rank::AliasTarget(version)), ids_max);
        if let Verdict::Joined { .. } = verdict {
            self.aliases.insert(self.shared(alias), self.shared(distinct_id));
        }
        verdict
    }

    pub(super) fn merge(
        &mut self,
        first: &str,
        second: &str,
        version: u64,
        ids_max: Option<usize>,
    ) -> Verdict {
        if first.is_empty() || second.is_empty() {
            return EMPTY;
        }
        match (self.members.get(first), self.members.get(second)) {
            _ if first == second => Verdict::Unchanged,
            (Some(a), Some(b)) if a.cluster == b.cluster => Verdict::Unchanged,
            _ => self.join(first, second, version, None, ids_max),
        }
    }

    pub(super) fn canonical<'a>(&'a self, id: &'a str) -> &'a str {
        self.cluster_of(id).map_or(id, |cluster| &cluster.canonical)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The ids of a cluster, in no meaningful order.
    pub(super) fn ids_of(&self, id: &str) -> Vec<String> {
        let mut ids = vec![id.to_owned()];
        let mut next = self.members.get(id).map(|member| &member.next);
        while let Some(other) = next.filter(|other| ***other != *id) {
            ids.push(other.to_string());
            next = self.members.get(&**other).map(|member| &member.next);
        }
        ids
    }

    /// All ids that were joined and their canonical ids, in no meaningful order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.members.iter().map(|(id, _)| (&**id, self.canonical(id)))
    }

    /// Forgets all ids of a cluster.
    pub(super) fn remove(&mut self, ids: &[String]) {
        for id in ids {
            if let Some(member) = self.members.remove(&**id) {
                self.groups.remove(&member.cluster);
            }
            self.identified.remove(&**id);
            self.aliases.remove(&**id);
        }
    }

    /// Makes the clusters of two ids one, if they are not, with `claim` that `one` now has to be
    /// canonical.
    fn join(
        &mut self,
        one: &str,
        other: &str,
        version: u64,
        claim: Option<Rank>,
        ids_max: Option<usize>,
    ) -> Verdict {
        let (one, other) = (self.side(one, 2 * version), self.side(other, 2 * version + 1));
        let is_one_already = one.number == other.number;
        let len = if is_one_already { one.cluster.len } else { one.cluster.len + other.cluster.len };
        if !is_one_already && ids_max.is_some_and(|ids_max| len > ids_max) {
            return TOO_MANY;
        }

        self.admit(&one);
        self.admit(&other);

        let claims =
            [(one.cluster.rank, &one.cluster.canonical), (other.cluster.rank, &other.cluster.canonical)];
        let (rank, canonical) = claims[0].min(claims[1]);
        let (rank, canonical) = match claim {
            Some(claim) if claim < rank => (claim, Arc::clone(&one.id)),
            _ => (rank, Arc::clone(canonical)),
        };

        let mut former = vec![
            (one.canonical_seen, Arc::clone(&one.cluster.canonical)),
            (other.canonical_seen, Arc::clone(&other.cluster.canonical)),
        ];
        former.sort_unstable();
        former.dedup();
        former.retain(|(_, id)| *id != canonical);
        let former = former.into_iter().map(|(_, id)| id).collect();

        let (large, small) = if one.cluster.len >= other.cluster.len { (one, other) } else { (other, one) };
        if !is_one_already {
            self.renumber(&small, large.number);
            self.splice_rings(&large.id, &small.id);
            self.groups.remove(&small.number);
        }
        self.groups.insert(large.number, Cluster { canonical: Arc::clone(&canonical), rank, len });
        Verdict::Joined { former, canonical }
    }

    /// An id that is in no cluster counts as one of its own, named for when it was seen.
    fn side(&self, id: &str, now: u64) -> Side {
        let known = self.members.get_key_value(id).and_then(|(id, member)| {
            let cluster = self.groups.get(&member.cluster)?.clone();
            let canonical_seen = self.members.get(&*cluster.canonical)?.seen;
            Some(Side { id: Arc::clone(id), number: member.cluster, cluster, canonical_seen })
        });
        known.unwrap_or_else(|| {
            let id: Arc<str> = id.into();
            let cluster = Cluster { canonical: Arc::clone(&id), rank: Rank::Seen(now), len: 1 };
            Side { id, number: now, cluster, canonical_seen: now }
        })
    }

    /// Takes the id of a side in, as a ring of its own, if it is new.
    fn admit(&mut self, side: &Side) {
        if self.members.get(&*side.id).is_none() {
            let next = Arc::clone(&side.id);
            let member = Member { cluster: side.number, next, seen: side.canonical_seen };
            self.members.insert(Arc::clone(&side.id), member);
        }
    }

    /// Puts all ids of the ring of `side` into the cluster of that number.
    fn renumber(&mut self, side: &Side, number: u64) {
        let mut id = Arc::clone(&side.id);
        while let Some(member) = self.members.get_mut(&*id).filter(|member| member.cluster != number) {
            member.cluster = number;
            id = Arc::clone(&member.next);
        }
    }

    /// Makes one ring of the rings of two ids.
    fn splice_rings(&mut self, one: &str, other: &str) {
        let after =
            |members: &SharedMap<Arc<str>, Member>, id: &str| members.get(id).map(|m| Arc::clone(&m.next));
        let (after_one, after_other) = (after(&self.members, one), after(&self.members, other));
        for (id, next) in [(one, after_other), (other, after_one)] {
            if let (Some(member), Some(next)) = (self.members.get_mut(id), next) {
                member.next = next;
            }
        }
    }

    fn cluster_of(&self, id: &str) -> Option<&Cluster> {
        self.groups.get(&self.members.get(id)?.cluster)
    }

    /// The id, sharing the text of the one that is stored.
    fn shared(&self, id: &str) -> Arc<str> {
        self.members.get_key_value(id).map_or_else(|| id.into(), |(id, _)| Arc::clone(id))
    }
}

/// 8-4-4-4-12 hexadecimal digits of either case, version 4, variant 8, 9, a or b (I-26).
fn is_uuid_v4(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i26_uuid_v4() {
        for (id, expected) in [
            ("3f0c1b9e-7a52-4c1e-9c3b-0d9a6f1e2b77", true),
            ("3F0C1B9E-7A52-4C1E-BC3B-0D9A6F1E2B77", true),
            ("3f0c1b9e-7a52-1c1e-9c3b-0d9a6f1e2b77", false),
            ("3f0c1b9e-7a52-4c1e-7c3b-0d9a6f1e2b77", false),
            ("3f0c1b9e-7a52-4c1e-cc3b-0d9a6f1e2b77", false),
            ("3f0c1b9e7a524c1e9c3b0d9a6f1e2b77", false),
            ("3f0c1b9e-7a52-4c1e-9c3b-0d9a6f1e2b7", false),
            ("3f0c1b9e-7a52-4c1e-9c3b-0d9a6f1e2b777", false),
            ("3f0c1b9g-7a52-4c1e-9c3b-0d9a6f1e2b77", false),
            ("3f0c1b9e-7a52-4c1e-9c3b_0d9a6f1e2b77", false),
            ("{f0c1b9e-7a52-4c1e-9c3b-0d9a6f1e2b7}", false),
            ("", false),
        ] {
            assert_eq!(is_uuid_v4(id), expected, "{id}");
        }
    }
}
