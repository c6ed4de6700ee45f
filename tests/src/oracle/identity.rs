//! Who is who (section 3): nothing is kept but the operations that took effect, and every question
//! is worked out from them anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::record::Sent;

/// How ids become users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Devices link to users.
    Simplified,
    /// `$identify`, `$create_alias` and `$merge`.
    Original,
    /// Every id is a user.
    None,
}

/// What an event asks of identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A device is a user's (I-4).
    Link {
        /// The device, with `$device:`.
        device: String,
        /// The user.
        user: String,
    },
    /// `$identify` (I-21).
    Identify {
        /// `$identified_id`.
        identified: String,
        /// `$anon_id`.
        anonymous: String,
    },
    /// `$create_alias` (I-22).
    Alias {
        /// The id.
        of: String,
        /// Its alias.
        alias: String,
    },
    /// `$merge` (I-23).
    Merge(String, String),
}

impl Op {
    fn pair(&self) -> (&str, &str) {
        match self {
            Self::Link { device: one, user: other }
            | Self::Identify { identified: one, anonymous: other }
            | Self::Alias { of: one, alias: other }
            | Self::Merge(one, other) => (one, other),
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It took effect.
    Joined,
    /// It said nothing new.
    Unchanged,
    /// The rules refuse it.
    Refused,
}

/// All operations that took effect, in order.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The system in force.
    pub system: System,
    /// The operations.
    pub joined: Vec<Op>,
}

impl Identity {
    /// Nobody is anybody else.
    pub fn new(system: System) -> Self {
        Self { system, joined: Vec::new() }
    }

    /// The id an event is taken under (I-2, I-3; the other systems take it as sent).
    pub fn assigned(&self, sent: &Sent) -> String {
        match (self.system, &sent.user_id, &sent.device_id) {
            (System::Simplified, Some(user), _) => user.clone(),
            (System::Simplified, None, Some(device)) => format!("$device:{device}"),
            _ => sent.distinct_id.clone(),
        }
    }

    /// What an event asks, if anything.
    pub fn asked_by(&self, sent: &Sent) -> Option<Op> {
        let text = |name: &str| {
            sent.properties.get(name).and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned)
        };
        let own = Some(sent.distinct_id.clone()).filter(|id| !id.is_empty());
        match self.system {
            System::None => None,
            System::Simplified => {
                let (device, user) = (sent.device_id.clone()?, sent.user_id.clone()?);
                Some(Op::Link { device: format!("$device:{device}"), user })
            }
            System::Original => match sent.event.as_str() {
                "$identify" => Some(Op::Identify {
                    identified: text("$identified_id").or(own)?,
                    anonymous: text("$anon_id").or_else(|| text("$anon_distinct_id"))?,
                }),
                "$create_alias" => Some(Op::Alias { of: own?, alias: text("alias")? }),
                "$merge" => match sent.properties.get("$distinct_ids")?.as_array()?.as_slice() {
                    [Value::String(one), Value::String(other)] => Some(Op::Merge(one.clone(), other.clone())),
                    _ => None,
                },
                _ => None,
            },
        }
    }

    /// Judges an operation and takes it in if it has an effect.
    pub fn offer(&mut self, op: Op) -> Verdict {
        let verdict = self.judge(&op);
        if verdict == Verdict::Joined {
            self.joined.push(op);
        }
        verdict
    }

    fn judge(&self, op: &Op) -> Verdict {
        if op.pair().0 == op.pair().1 {
            return Verdict::Unchanged;
        }
        match op {
            Op::Link { user, .. } if user.starts_with("$device:") => Verdict::Refused,
            Op::Identify { anonymous, .. } if !is_uuid_v4(anonymous.trim_start_matches("$device:")) => {
                Verdict::Refused
            }
            Op::Merge(one, other) if self.cluster(one).contains(other) => Verdict::Unchanged,
            Op::Merge(..) => Verdict::Joined,
            // The first user of a device, of an anonymous id, of an alias is its only one.
            Op::Link { .. } | Op::Identify { .. } | Op::Alias { .. } => {
                let earlier = self.joined.iter().find_map(|known| match (known, op) {
                    (Op::Link { device: a, user }, Op::Link { device: b, .. }) => (a == b).then_some(user),
                    (Op::Identify { anonymous: a, identified }, Op::Identify { anonymous: b, .. }) => {
                        (a == b).then_some(identified)
                    }
                    (Op::Alias { alias: a, of }, Op::Alias { alias: b, .. }) => (a == b).then_some(of),
                    _ => None,
                });
                let wanted = match op {
                    Op::Link { user, .. } => user,
                    Op::Identify { identified, .. } => identified,
                    Op::Alias { of, .. } | Op::Merge(of, _) => of,
                };
                match earlier {
                    None => Verdict::Joined,
                    Some(earlier) if earlier == wanted => Verdict::Unchanged,
                    Some(_) => Verdict::Refused,
                }
            }
        }
    }

    /// All ids of the user that `id` belongs to.
    pub fn cluster(&self, id: &str) -> BTreeSet<String> {
        let mut cluster = BTreeSet::from([id.to_owned()]);
        loop {
            let before = cluster.len();
            for op in &self.joined {
                let (one, other) = op.pair();
                if cluster.contains(one) || cluster.contains(other) {
                    cluster.extend([one.to_owned(), other.to_owned()]);
                }
            }
            if cluster.len() == before {
                return cluster;
            }
        }
    }

    /// The canonical id of the user that `id` belongs to (I-6, I-25).
    pub fn canonical(&self, id: &str) -> String {
        let cluster = self.cluster(id);
        let first = |wanted: &dyn Fn(&Op) -> Option<String>| {
            self.joined.iter().filter_map(wanted).find(|id| cluster.contains(id))
        };
        first(&|op| match op {
            Op::Link { user, .. } => Some(user.clone()),
            Op::Identify { identified, .. } => Some(identified.clone()),
            Op::Alias { .. } | Op::Merge(..) => None,
        })
        .or_else(|| {
            first(&|op| match op {
                Op::Alias { of, .. } => Some(of.clone()),
                _ => None,
            })
        })
        .or_else(|| self.seen().into_iter().find(|id| cluster.contains(id)))
        .unwrap_or_else(|| id.to_owned())
    }

    /// All ids that were ever joined, in the order they were first seen.
    pub fn seen(&self) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        for op in &self.joined {
            for id in [op.pair().0, op.pair().1] {
                if !seen.iter().any(|known| known == id) {
                    seen.push(id.to_owned());
                }
            }
        }
        seen
    }

    /// Every id that was ever joined, and its user (I-30).
    pub fn mappings(&self) -> BTreeMap<String, String> {
        self.seen().into_iter().map(|id| (id.clone(), self.canonical(&id))).collect()
    }
}

/// I-26.
fn is_uuid_v4(id: &str) -> bool {
    let groups: Vec<&str> = id.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.chars().all(|c| c.is_ascii_hexdigit()))
        && groups[2].starts_with('4')
        && groups[3].starts_with(['8', '9', 'a', 'b', 'A', 'B'])
}
