//! Which crate knows which: the arrows of `crates/README.md`, taken from the manifests.
//!
//! A new arrow is not forbidden; it shows here, and the change says why.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// The packages of the workspace and what each depends on to be built, not to be tested.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let built = dependencies.filter(|dependency| dependency["kind"].is_null());
            (text(&package["name"]), built.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

#[test]
fn the_arrows_between_crates() {
    let all = dependencies();
    let mut arrows = String::new();
    for (name, dependencies) in &all {
        let inner: Vec<&str> = dependencies
            .iter()
            .filter(|dependency| all.contains_key(*dependency))
            .map(String::as_str)
            .collect();
        arrows +=
            &format!("{name}: {}\n", if inner.is_empty() { "none".to_owned() } else { inner.join(" ") });
    }
    insta::assert_snapshot!(arrows, @r"
    tallymark: tallymark-event tallymark-ingest tallymark-query tallymark-report tallymark-storage tallymark-users
    tallymark-benches: tallymark tallymark-event tallymark-testkit
    tallymark-cli: tallymark
    tallymark-event: none
    tallymark-ingest: tallymark-event tallymark-storage tallymark-users
    tallymark-memory: tallymark-event tallymark-storage tallymark-users
    tallymark-query: tallymark-event tallymark-memory tallymark-report tallymark-storage tallymark-users
    tallymark-report: none
    tallymark-storage: tallymark-event tallymark-users
    tallymark-testkit: tallymark-event
    tallymark-tests: tallymark tallymark-event tallymark-report tallymark-testkit
    tallymark-users: tallymark-event
    ");
}

#[test]
fn only_these_know_datafusion() {
    let knows = |outside: &str| -> Vec<String> {
        let all = dependencies().into_iter();
        let knowing = all.filter(|(_, dependencies)| dependencies.contains(outside));
        knowing
            .map(|(name, _)| name)
            .filter(|name| !matches!(name.as_str(), "tallymark-benches" | "tallymark-tests"))
            .collect()
    };
    // The façade re-exports the session types, the command line prints plans.
    let allowed = ["tallymark", "tallymark-cli", "tallymark-query"];
    let strangers: Vec<String> =
        knows("datafusion").into_iter().filter(|name| !allowed.contains(&name.as_str())).collect();
    assert_eq!(strangers, Vec::<String>::new(), "only `query` names DataFusion, `engine` re-exports it");
    assert_eq!(knows("axum"), Vec::<String>::new(), "there is no server yet");
    let event: BTreeSet<String> = dependencies().remove("tallymark-event").unwrap();
    assert!(
        event.iter().all(|name| !name.starts_with("tallymark") && name != "tokio"),
        "`event` is below everything: {event:?}"
    );
}
