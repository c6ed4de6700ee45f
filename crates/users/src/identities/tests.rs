//! The worked examples of section 3, and the rules against a second, naive reading of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::assign;

const UUID_A: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const UUID_B: &str = "bbbbbbbb-bbbb-4bbb-9bbb-bbbbbbbbbbbb";
const UUID_C: &str = "cccccccc-cccc-4ccc-accc-cccccccccccc";

fn link(device_id: &str, user_id: &str) -> IdentityOp {
    IdentityOp::Link { device_id: device_id.to_owned(), user_id: user_id.to_owned() }
}

fn identify(identified_id: &str, anon_id: &str) -> IdentityOp {
    IdentityOp::Identify { identified_id: identified_id.to_owned(), anon_id: anon_id.to_owned() }
}

fn alias(distinct_id: &str, alias: &str) -> IdentityOp {
    IdentityOp::Alias { distinct_id: distinct_id.to_owned(), alias: alias.to_owned() }
}

fn merge(first: &str, second: &str) -> IdentityOp {
    IdentityOp::Merge { first: first.to_owned(), second: second.to_owned() }
}

fn original(ops: &[IdentityOp]) -> Identities {
    let mut identities = Identities::new(IdentitySystem::Original);
    for op in ops {
        assert_eq!(identities.apply(op), IdentityOutcome::Joined, "{op:?}");
    }
    identities
}

fn is_refused(outcome: IdentityOutcome) -> bool {
    matches!(outcome, IdentityOutcome::Refused(_))
}

/// Takes rows of (`$device_id`, `$user_id`) in and gives what each row resolves to after each.
fn resolve_rows<'a>(rows: &[(&'a str, &'a str)]) -> (Identities, Vec<Vec<String>>) {
    let mut identities = Identities::new(IdentitySystem::Simplified);
    let mut after_rows = Vec::new();
    for (index, (device, user)) in rows.iter().enumerate() {
        let assigned = assign(IdentitySystem::Simplified, "", Some(device), Some(user));
        if let (Some(device), Some(user)) = (&assigned.device_id, &assigned.user_id) {
            identities.apply(&link(device, user));
        }
        let resolve = |(device, user): &(&'a str, &'a str)| {
            let assigned = assign(IdentitySystem::Simplified, "", Some(device), Some(user));
            identities.canonical(&assigned.id).to_owned()
        };
        after_rows.push(rows[..=index].iter().map(resolve).collect());
    }
    (identities, after_rows)
}

fn user_count(resolved: &[String]) -> usize {
    resolved.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn i4_i5_links_are_retroactive() {
    let rows = [("D1", ""), ("D1", ""), ("D1", "U1"), ("D2", ""), ("D2", ""), ("D2", "U1")];
    let (identities, after) = resolve_rows(&rows);
    assert_eq!(after[1], ["$device:D1", "$device:D1"]);
    assert_eq!(after[2], ["U1", "U1", "U1"]);
    assert_eq!(after[3], ["U1", "U1", "U1", "$device:D2"]);
    assert_eq!(after[5], ["U1"; 6]);
    assert_eq!([1, 3, 5].map(|row| user_count(&after[row])), [1, 2, 1]);
    assert_eq!(identities.ids_of("$device:D2"), ["$device:D1", "$device:D2", "U1"]);
    assert_eq!(identities.ids_of("U1"), identities.ids_of("$device:D1"));
    assert_eq!(identities.version(), 2);
}

#[test]
fn i8_first_mapping_of_a_device_wins() {
    let rows = [("D1", ""), ("D1", "U1"), ("D1", ""), ("D1", "U2"), ("D1", "")];
    let (mut identities, after) = resolve_rows(&rows);
    assert_eq!(after[4], ["U1", "U1", "U1", "U2", "U1"]);
    assert!(is_refused(identities.apply(&link("D1", "U2"))));
    assert_eq!(identities.apply(&link("D1", "U1")), IdentityOutcome::Unchanged);

    // With a proper reset the logged-out visitor has another device.
    let (_, after) = resolve_rows(&[("D1", "U1"), ("D2", ""), ("D2", "U2"), ("D2", "")]);
    assert_eq!(after[3], ["U1", "U2", "U2", "U2"]);
}

#[test]
fn i7_operations_of_the_other_systems_have_no_effect() {
    let others = [identify("U1", UUID_A), alias("U1", "mail"), merge("U1", "U2")];
    for op in &others {
        let mut identities = Identities::new(IdentitySystem::Simplified);
        assert_eq!(identities.apply(op), IdentityOutcome::Unchanged);
        assert!(identities.is_trivial() && identities.version() == 0);
    }
    for (system, ops) in [
        (IdentitySystem::Original, &[link("D1", "U1")][..]),
        (IdentitySystem::None, &[&others[..], &[link("D1", "U1")]].concat()),
    ] {
        let mut identities = Identities::new(system);
        for op in ops {
            assert_eq!(identities.apply(op), IdentityOutcome::Unchanged, "{system:?} {op:?}");
        }
        assert!(identities.is_trivial() && identities.version() == 0);
        assert_eq!(identities.canonical("$device:D1"), "$device:D1");
        assert_eq!(identities.ids_of("U1"), ["U1"]);
        assert_eq!(identities.mappings(), []);
    }
}

#[test]
fn i10_devices_and_users_are_different_namespaces() {
    let mut identities = Identities::new(IdentitySystem::Simplified);
    assert_eq!(identities.apply(&link("+6512", "U1")), IdentityOutcome::Joined);
    assert_eq!(identities.canonical("$device:+6512"), "U1");
    assert_eq!(identities.canonical("+6512"), "+6512");
    assert_eq!(identities.linked_user("+6512"), Some("U1"));
    assert_eq!(identities.apply(&link("U1", "U1")), IdentityOutcome::Joined);
    assert_eq!(identities.canonical("U1"), "U1");
    // A user called like a device would be in both.
    assert!(is_refused(identities.apply(&link("D3", "$device:D1"))));
    assert_eq!(identities.canonical("$device:D3"), "$device:D3");
}

#[test]
fn i4_empty_ids_do_not_link() {
    let mut identities = Identities::new(IdentitySystem::Simplified);
    for op in [link("", "U1"), link("D1", ""), link("", "")] {
        assert!(is_refused(identities.apply(&op)));
    }
    assert!(identities.is_trivial());
}

/// The table of section 3.4.
#[test]
fn i2_i3_which_id_is_assigned() {
    let check = |sent: [&str; 3], id: &str, device: Option<&str>, user: Option<&str>| {
        let [distinct_id, device_id, user_id] = sent;
        let assigned = assign(IdentitySystem::Simplified, distinct_id, Some(device_id), Some(user_id));
        assert_eq!(
            (&*assigned.id, assigned.device_id.as_deref(), assigned.user_id.as_deref()),
            (id, device, user),
            "{sent:?}"
        );
    };
    check(["$device:abc", "", ""], "$device:abc", Some("abc"), None);
    check(["bob", "", ""], "bob", None, Some("bob"));
    check(["bob", "d1", ""], "$device:d1", Some("d1"), None);
    check(["x", "d1", "bob"], "bob", Some("d1"), Some("bob"));
    check(["", "d1", ""], "$device:d1", Some("d1"), None);
    check(["", "", "bob"], "bob", None, Some("bob"));
    check(["$device:d1", "d1", ""], "$device:d1", Some("d1"), None);
    check(["", "", ""], "", None, None);

    for system in [IdentitySystem::Original, IdentitySystem::None] {
        assert_eq!(assign(system, "x", Some("d1"), Some("bob")).id, "x");
    }
}

/// Stitching inside a funnel and the first-time filter of section 3.4: what the reports see.
#[test]
fn i5_events_before_the_link_belong_to_the_user_after_it() {
    let (_, after) = resolve_rows(&[("D1", ""), ("D9", ""), ("D1", "U1")]);
    assert_eq!(after[1], ["$device:D1", "$device:D9"]);
    assert_eq!(after[2], ["U1", "$device:D9", "U1"]);
}

#[test]
fn i21_to_i24_worked_example() {
    let mut identities = Identities::new(IdentitySystem::Original);
    let mut check = |op: IdentityOp, joined: bool, cluster: &[&str], canonical: &str| {
        let outcome = identities.apply(&op);
        assert_eq!(outcome == IdentityOutcome::Joined, joined, "{op:?}: {outcome:?}");
        assert_eq!(is_refused(outcome), !joined, "{op:?}: {outcome:?}");
        for id in cluster {
            assert_eq!(identities.ids_of(id), cluster, "{op:?}");
            assert_eq!(identities.canonical(id), canonical, "{op:?}");
        }
    };
    check(identify("u1", UUID_A), true, &[UUID_A, "u1"], "u1");
    check(identify("u1", UUID_B), true, &[UUID_A, UUID_B, "u1"], "u1");
    check(identify("u2", UUID_A), false, &["u2"], "u2");
    check(identify("u3", "dev-7"), false, &["u3"], "u3");
    check(alias("u1", "mail1"), true, &[UUID_A, UUID_B, "mail1", "u1"], "u1");
    check(alias("u2", "mail1"), false, &["u2"], "u2");
    check(merge("u1", "u2"), true, &[UUID_A, UUID_B, "mail1", "u1", "u2"], "u1");
    // Row 8, `$merge` on `/track`, never becomes an operation (N-40).
    assert_eq!(identities.ids_of("u3"), ["u3"]);
    assert_eq!(identities.mappings().len(), 5);
    assert!(identities.mappings().iter().all(|mapping| mapping.user_id == "u1"));
}

#[test]
fn i21_prefix_is_ignored_for_the_test_only() {
    let device = format!("$device:{UUID_A}");
    let mut identities = original(&[identify("u1", &device)]);
    assert_eq!(identities.canonical(&device), "u1");
    assert_eq!(identities.canonical(UUID_A), UUID_A);
    assert!(is_refused(identities.apply(&identify("u1", "$device:dev-7"))));
}

#[test]
fn i21_repeats_are_nothing_new() {
    let mut identities = original(&[identify("u1", UUID_A), alias("u1", "mail"), merge("x", "y")]);
    for op in [identify("u1", UUID_A), alias("u1", "mail"), merge("y", "x"), merge("x", "x"), alias("x", "x")]
    {
        assert_eq!(identities.apply(&op), IdentityOutcome::Unchanged, "{op:?}");
    }
    assert_eq!(identities.version(), 3);
    for op in [identify("", UUID_A), alias("u1", ""), merge("", "x")] {
        assert!(is_refused(identities.apply(&op)), "{op:?}");
    }
}

#[test]
fn i22_aliases_chain() {
    let identities = original(&[alias("a", "b"), alias("b", "c")]);
    assert_eq!(identities.ids_of("c"), ["a", "b", "c"]);
    assert_eq!(identities.canonical("c"), "a");
}

#[test]
fn i24_cap_applies_to_all_three_kinds() {
    let at_cap = [identify("u1", UUID_A), alias("u1", "mail")];
    for op in [identify("u1", UUID_B), alias("u1", "post"), merge("u1", "x"), merge("x", "u1")] {
        let mut identities = Identities::new(IdentitySystem::Original).with_cluster_ids_max(Some(3));
        for op in &at_cap {
            assert_eq!(identities.apply(op), IdentityOutcome::Joined);
        }
        assert!(is_refused(identities.apply(&op)), "{op:?}");
        assert_eq!(identities.ids_of("u1"), [UUID_A, "mail", "u1"]);
        assert_eq!((identities.version(), identities.ids_of("x")), (2, vec!["x".to_owned()]));
        // What makes no user larger is not capped.
        assert_eq!(identities.apply(&alias("mail", UUID_A)), IdentityOutcome::Joined);
        // Without a cap it goes through.
        let mut identities = identities.with_cluster_ids_max(None);
        assert_eq!(identities.apply(&op), IdentityOutcome::Joined, "{op:?}");
    }
}

#[test]
fn i25_canonical_id() {
    let canonical = |ops: &[IdentityOp], id| original(ops).canonical(id).to_owned();
    assert_eq!(canonical(&[merge("x", "y")], "y"), "x", "first seen");
    assert_eq!(canonical(&[merge("x", "y"), alias("y", "z")], "x"), "y", "alias target before first seen");
    assert_eq!(
        canonical(&[alias("p", "q"), alias("r", "s"), merge("r", "p")], "s"),
        "p",
        "first alias target"
    );
    assert_eq!(
        canonical(&[alias("p", "q"), identify("q", UUID_A)], "p"),
        "q",
        "identified before alias target"
    );
    let ops = [identify("u2", UUID_B), identify("u1", UUID_A), merge("u1", "u2")];
    assert_eq!(canonical(&ops, UUID_A), "u2", "earliest identified");
    let ops = [merge("a", "b"), merge("c", "d"), merge("d", "b")];
    assert_eq!(canonical(&ops, "c"), "a", "first seen of two clusters");
    assert_eq!(
        canonical(&[merge("u1", UUID_A), identify(UUID_A, UUID_B), identify("u1", UUID_A)], "u1"),
        UUID_A
    );
}

#[test]
fn removing_a_user_forgets_their_ids_and_claims() {
    let mut identities =
        original(&[merge("a", "b"), identify("u1", UUID_A), alias("u1", "mail"), merge("b", "c")]);
    let before = identities.clone();
    assert_eq!(identities.remove_user("mail"), [UUID_A, "mail", "u1"]);
    assert_eq!(identities.ids_of(UUID_A), [UUID_A]);
    assert_eq!(identities.canonical("c"), "a");
    assert_eq!(identities.version(), before.version() + 1);
    assert!(identities.changed_since(0).eq([("b", "a"), ("c", "a")]));
    assert_eq!(identities.successions_since(0).count(), 2, "nothing of them is kept");
    assert_eq!(before.canonical(UUID_A), "u1");
    // What was refused because of them is not any more.
    assert_eq!(identities.apply(&alias("a", "mail")), IdentityOutcome::Joined);
    assert_eq!(identities.apply(&identify("u2", UUID_A)), IdentityOutcome::Joined);
    assert_eq!(identities.canonical(UUID_A), "u2");
}

#[test]
fn operations_survive_the_log() {
    for op in
        [link("D1", "U1"), identify("u1", UUID_A), alias("u1", "mail"), merge("a", "b"), IdentityOp::Erased]
    {
        let text = serde_json::to_string(&op).unwrap();
        assert_eq!(serde_json::from_str::<IdentityOp>(&text).unwrap(), op, "{text}");
    }
    assert_eq!(
        serde_json::to_string(&link("D1", "U1")).unwrap(),
        r#"{"op":"link","device_id":"D1","user_id":"U1"}"#
    );
    assert_eq!(serde_json::to_string(&IdentityOp::Erased).unwrap(), r#"{"op":"erased"}"#);
}

/// A clone costs the same whatever the size, so an append of one link to a shared state copies
/// a small part of it only.
#[test]
fn an_append_to_a_shared_state_leaves_the_older_one_alone() {
    let mut identities = Identities::new(IdentitySystem::Simplified);
    let mut older = Vec::new();
    for number in 0..5000 {
        if number % 500 == 0 {
            older.push((number, identities.clone()));
        }
        identities.apply(&link(&number.to_string(), &format!("u{}", number / 3)));
    }
    for (len, state) in &older {
        assert_eq!(state.version(), *len);
        assert_eq!(state.changed_since(0).count() as u64, *len);
        for number in 0..5000 {
            assert_eq!(state.linked_user(&number.to_string()).is_some(), number < *len);
        }
    }
}

/// The rules of original identity read once more: all ids, all operations, from scratch each time.
#[derive(Default, Clone)]
struct Naive {
    clusters: Vec<BTreeSet<String>>,
    anon_ids: BTreeMap<String, String>,
    aliases: BTreeMap<String, String>,
    identified: Vec<String>,
    targets: Vec<String>,
    seen: Vec<String>,
}

impl Naive {
    fn cluster(&self, id: &str) -> BTreeSet<String> {
        let found = self.clusters.iter().find(|cluster| cluster.contains(id));
        found.cloned().unwrap_or_else(|| BTreeSet::from([id.to_owned()]))
    }

    fn canonical(&self, id: &str) -> String {
        let cluster = self.cluster(id);
        let first = |ids: &[String]| ids.iter().find(|id| cluster.contains(*id)).cloned();
        first(&self.identified)
            .or_else(|| first(&self.targets))
            .or_else(|| first(&self.seen))
            .unwrap_or_else(|| id.to_owned())
    }

    /// Joins two ids unless the cap forbids it.
    fn join(&mut self, one: &str, other: &str, ids_max: usize) -> bool {
        let (a, b) = (self.cluster(one), self.cluster(other));
        let both: BTreeSet<String> = a.union(&b).cloned().collect();
        if a != b && both.len() > ids_max {
            return false;
        }
        self.clusters.retain(|cluster| *cluster != a && *cluster != b);
        self.clusters.push(both);
        self.seen.extend([one.to_owned(), other.to_owned()]);
        true
    }

    fn apply(&mut self, op: &IdentityOp, ids_max: usize) {
        match op {
            IdentityOp::Identify { identified_id, anon_id } => {
                let is_uuid = anon_id.strip_prefix("$device:").unwrap_or(anon_id).len() == 36;
                if identified_id != anon_id
                    && is_uuid
                    && !self.anon_ids.contains_key(anon_id)
                    && self.join(identified_id, anon_id, ids_max)
                {
                    self.anon_ids.insert(anon_id.clone(), identified_id.clone());
                    self.identified.push(identified_id.clone());
                }
            }
            IdentityOp::Alias { distinct_id, alias } => {
                if distinct_id != alias
                    && !self.aliases.contains_key(alias)
                    && self.join(distinct_id, alias, ids_max)
                {
                    self.aliases.insert(alias.clone(), distinct_id.clone());
                    self.targets.push(distinct_id.clone());
                }
            }
            IdentityOp::Merge { first, second } => {
                if first != second {
                    self.join(first, second, ids_max);
                }
            }
            IdentityOp::Link { .. } | IdentityOp::Erased => {}
        }
    }
}

fn all_ids() -> Vec<String> {
    let uuids = [UUID_A, UUID_B, UUID_C].map(str::to_owned);
    let devices = [UUID_A, UUID_C].map(|id| format!("$device:{id}"));
    uuids.into_iter().chain(devices).chain(('a'..='j').map(String::from)).collect()
}

fn original_op() -> impl Strategy<Value = IdentityOp> {
    (0..3, prop::sample::select(all_ids()), prop::sample::select(all_ids())).prop_map(|(kind, one, other)| {
        match kind {
            0 => IdentityOp::Identify { identified_id: one, anon_id: other },
            1 => IdentityOp::Alias { distinct_id: one, alias: other },
            _ => IdentityOp::Merge { first: one, second: other },
        }
    })
}

fn simplified_op() -> impl Strategy<Value = IdentityOp> {
    (0..12, 0..5).prop_map(|(device, user)| link(&format!("d{device}"), &format!("u{user}")))
}

/// What must hold at every step of any history: old clones stay as they were, corrections equal
/// resolving anew, canonical ids are canonical, the effective operations alone give the same state.
fn check_history(system: IdentitySystem, ids_max: Option<usize>, ops: &[IdentityOp], ids: &[String]) {
    let resolve_all =
        |state: &Identities| ids.iter().map(|id| state.canonical(id).to_owned()).collect::<Vec<_>>();
    let mut identities = Identities::new(system).with_cluster_ids_max(ids_max);
    let mut history = vec![(identities.clone(), resolve_all(&identities))];
    let mut log = Vec::new();
    for op in ops {
        let version = identities.version();
        let outcome = identities.apply(op);
        let joined = outcome == IdentityOutcome::Joined;
        assert_eq!(identities.version(), version + u64::from(joined));
        if joined {
            log.push(op.clone());
        } else {
            assert_eq!(resolve_all(&identities), history[history.len() - 1].1, "{op:?}: {outcome:?}");
        }
        history.push((identities.clone(), resolve_all(&identities)));
    }
    let now = resolve_all(&identities);
    for (index, (state, resolved)) in history.iter().enumerate() {
        assert_eq!(resolve_all(state), *resolved, "a clone has changed");
        let gave_way: BTreeSet<&str> = history[index..]
            .iter()
            .flat_map(|(_, resolved)| resolved.iter())
            .map(String::as_str)
            .filter(|id| identities.canonical(id) != *id)
            .collect();
        assert!(identities.changed_since(state.version()).map(|(id, _)| id).eq(gave_way));
        let corrections: BTreeMap<&str, &str> = identities.changed_since(state.version()).collect();
        let listed: Vec<_> = identities.changed_since(state.version()).collect();
        assert!(listed.is_sorted() && listed.len() == corrections.len());
        let corrected: Vec<_> = resolved.iter().map(|id| *corrections.get(&**id).unwrap_or(&&**id)).collect();
        assert_eq!(corrected, now, "corrections since {}", state.version());
    }
    let mut mapped = BTreeMap::new();
    for mapping in identities.mappings() {
        assert_eq!(identities.canonical(&mapping.id), mapping.user_id);
        assert!(mapped.insert(mapping.id.clone(), mapping).is_none(), "listed twice");
    }
    for (id, canonical) in ids.iter().zip(&now) {
        assert_eq!(identities.canonical(canonical), canonical, "canonical is not idempotent");
        let cluster: Vec<_> =
            ids.iter().zip(&now).filter(|(_, other)| *other == canonical).map(|(id, _)| id).collect();
        let known = identities.ids_of(id);
        assert!(known.is_sorted() && cluster.iter().all(|id| known.contains(id)), "{known:?} {cluster:?}");
        assert_eq!(mapped.contains_key(id), known.len() > 1);
    }
    assert_eq!(identities.is_trivial(), mapped.is_empty());

    let mut replayed = Identities::new(system);
    for op in &log {
        assert_eq!(replayed.apply(op), IdentityOutcome::Joined);
    }
    assert_eq!((replayed.version(), replayed.mappings()), (identities.version(), identities.mappings()));
}

/// Removing a user from a state, and their operations from its log, comes to the same.
fn check_removal(
    system: IdentitySystem,
    ops: &[IdentityOp],
    removed: &str,
    later: &[IdentityOp],
    ids: &[String],
) {
    let mut identities = Identities::new(system);
    let mut log = Vec::new();
    for op in ops {
        if identities.apply(op) == IdentityOutcome::Joined {
            log.push(op.clone());
        }
    }
    let gone = identities.remove_user(removed);
    for op in &mut log {
        if op.ids().any(|id| gone.iter().any(|other| *other == *id)) {
            *op = IdentityOp::Erased;
        }
    }
    log.push(IdentityOp::Erased);
    let mut replayed = Identities::new(system);
    for op in &log {
        replayed.apply(op);
    }
    for id in &gone {
        assert_eq!(identities.canonical(id), id);
    }
    for op in [None].into_iter().chain(later.iter().map(Some)) {
        if let Some(op) = op {
            assert_eq!(identities.apply(op), replayed.apply(op));
        }
        assert_eq!((replayed.version(), replayed.mappings()), (identities.version(), identities.mappings()));
        for version in 0..=identities.version() {
            assert!(identities.changed_since(version).eq(replayed.changed_since(version)));
        }
        assert!(ids.iter().all(|id| identities.ids_of(id) == replayed.ids_of(id)));
    }
}

fn simplified_ids() -> Vec<String> {
    (0..12)
        .map(|number| format!("$device:d{number}"))
        .chain((0..5).map(|number| format!("u{number}")))
        .collect()
}

proptest! {
    #[test]
    fn original_identity_is_as_the_naive_reading(
        ops in prop::collection::vec(original_op(), 0..40),
        ids_max in prop::option::weighted(0.3, 2usize..8),
    ) {
        let mut identities = Identities::new(IdentitySystem::Original).with_cluster_ids_max(ids_max);
        let mut naive = Naive::default();
        for op in &ops {
            identities.apply(op);
            naive.apply(op, ids_max.unwrap_or(usize::MAX));
            for id in all_ids() {
                prop_assert_eq!(identities.canonical(&id), naive.canonical(&id));
                prop_assert_eq!(identities.ids_of(&id), naive.cluster(&id).into_iter().collect::<Vec<_>>());
            }
        }
        check_history(IdentitySystem::Original, ids_max, &ops, &all_ids());
    }

    #[test]
    fn simplified_identity_is_as_the_naive_reading(ops in prop::collection::vec(simplified_op(), 0..40)) {
        let mut identities = Identities::new(IdentitySystem::Simplified);
        let mut naive: BTreeMap<String, String> = BTreeMap::new();
        for op in &ops {
            identities.apply(op);
            if let IdentityOp::Link { device_id, user_id } = op {
                naive.entry(format!("$device:{device_id}")).or_insert_with(|| user_id.clone());
            }
            for id in simplified_ids() {
                prop_assert_eq!(identities.canonical(&id), naive.get(&id).unwrap_or(&id));
            }
        }
        check_history(IdentitySystem::Simplified, None, &ops, &simplified_ids());
    }

    #[test]
    fn removal_is_as_if_the_user_had_never_been(
        (original, original_later) in (prop::collection::vec(original_op(), 0..20), prop::collection::vec(original_op(), 0..6)),
        (simplified, simplified_later) in (prop::collection::vec(simplified_op(), 0..20), prop::collection::vec(simplified_op(), 0..6)),
        original_id in prop::sample::select(all_ids()),
        simplified_id in prop::sample::select(simplified_ids()),
    ) {
        check_removal(IdentitySystem::Original, &original, &original_id, &original_later, &all_ids());
        check_removal(IdentitySystem::Simplified, &simplified, &simplified_id, &simplified_later, &simplified_ids());
    }

    /// T-12.
    #[test]
    fn joining_never_raises_the_number_of_users(ops in prop::collection::vec(original_op(), 0..40)) {
        let mut identities = Identities::new(IdentitySystem::Original);
        let mut count = all_ids().len();
        for op in &ops {
            identities.apply(op);
            let ids = all_ids();
            let now = ids.iter().map(|id| identities.canonical(id)).collect::<BTreeSet<_>>().len();
            prop_assert!(now <= count);
            count = now;
        }
    }
}
