//! Tables that say more of values.

use crate::support::{Place, THREE_RECORDS};

#[test]
fn u40_a_table_is_saved_listed_joined_and_forgotten() {
    let place = Place::new();
    place.write("three.ndjson", THREE_RECORDS);
    place.run(&["import", "three.ndjson"]).ok();
    place.write("sizes.csv", "total,size\n9.5,small\n20,large\n");
    let save = ["lookup", "save", "sizes", "sizes.csv", "--property", "total"];
    insta::assert_snapshot!(place.run(&save).ok().out, @"Saved lookup sizes: 2 rows, key total, columns size");
    let list = place.run(&["lookup", "list", "--output", "json"]).ok().json();
    assert_eq!(list[0]["name"], "sizes");
    let shown = place.run(&["lookup", "show", "sizes", "--output", "csv"]).ok().out;
    insta::assert_snapshot!(shown, @r"
    total,size
    9.5,small
    20,large
    ");
    place.write(
        "report.json",
        r#"{"report": "insights", "range": "2000-01-01 to 2030-01-01", "breakdowns": ["lookup.total.size"],
            "metrics": [{"event": "Order", "measure": "total_events"}]}"#,
    );
    insta::assert_snapshot!(place.run(&["report", "report.json", "--output", "csv"]).ok().out);
    insta::assert_snapshot!(place.run(&["lookup", "delete", "sizes"]).ok().out, @"Deleted lookup sizes");
    let gone = place.run(&["report", "report.json"]).fails(1).err;
    assert!(gone.contains("no lookup table is kept for \"total\""), "{gone}");
    let unknown = place.run(&["lookup", "show", "size"]).fails(1).err;
    assert!(unknown.contains("there is no lookup \"size\""), "{unknown}");
}

#[test]
fn u40_a_file_that_is_no_table_is_refused() {
    let place = Place::new();
    place.write("twice.csv", "id,name\n1,a\n1,b\n");
    insta::assert_snapshot!(place.run(&["lookup", "save", "twice", "twice.csv"]).fails(1).err);
    let none = place.run(&["lookup", "save", "none", "none.csv"]).fails(1).err;
    assert!(none.contains("none.csv"), "{none}");
}
