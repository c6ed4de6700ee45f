//! What `--help` and wrong command lines say.

use crate::support::Place;

#[test]
fn help_lists_the_commands_in_groups() {
    insta::assert_snapshot!(Place::new().run(&["--help"]).ok().out);
}

#[test]
fn every_command_explains_itself_with_examples() {
    let place = Place::new();
    for command in [
        "attach",
        "check-plan",
        "cohort",
        "compact",
        "delete-user",
        "demo",
        "detach",
        "event",
        "export",
        "import",
        "inspect",
        "lexicon",
        "lookup",
        "metric",
        "formula",
        "report",
        "snapshots",
        "sql",
        "user",
        "users",
        "version",
    ] {
        let help = place.run(&[command, "--help"]).ok().out;
        assert!(help.contains("Example"), "{help}");
        insta::assert_snapshot!(command, help);
    }
}

#[test]
fn version_is_the_same_either_way() {
    let place = Place::new();
    let version = place.run(&["version"]).ok().out;
    assert_eq!(version, place.run(&["--version"]).ok().out);
    assert_eq!(version, format!("tallymark {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_flags_say_what_would_be_right() {
    let place = Place::new();
    for (line, hint) in [
        (["import", "--stict", "x"].as_slice(), "--strict"),
        (&["improt", "x"], "import"),
        (&["sql", "--output", "xml", "SELECT 1"], "ndjson"),
        (&["import"], "<PATH>"),
        (&["export", "--from", "yesterday"], "--from"),
        (&["import", "--event-name", "A", "--event-column", "b", "x.csv"], "--event-column"),
    ] {
        let ran = place.run(line).fails(2);
        assert!(ran.err.contains(hint), "{line:?}: {}", ran.err);
        assert_eq!(ran.out, "");
    }
}
