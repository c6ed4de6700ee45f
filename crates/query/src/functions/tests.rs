//! How the adapters keep groups: partial states, early results, memory.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, BooleanArray, Int64Array, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator as _};
use proptest::prelude::*;

use super::aggregate::Definition;
use super::grouped::{ForGroups, Grouped};

/// Rows of one batch: group, time, and whether each of two conditions is met.
type Row = (usize, i64, bool, bool);

/// One function, called with literals and then time, (event,) two conditions.
fn funnel() -> ForGroups<impl Grouped> {
    let types = [DataType::Int64, DataType::Int64, DataType::Boolean, DataType::Boolean];
    let window = Some(ScalarValue::Int64(Some(3)));
    ForGroups(super::window_funnel::definition().start(&types, &[window, None, None, None]).unwrap())
}

fn funnel_arguments(rows: &[Row]) -> Vec<ArrayRef> {
    vec![
        Arc::new(Int64Array::from(vec![3; rows.len()])),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(rows.iter().map(|row| Some(row.2)).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| Some(row.3)).collect::<BooleanArray>()),
    ]
}

fn next_node() -> ForGroups<impl Grouped> {
    let types = [
        DataType::Utf8,
        DataType::Utf8,
        DataType::Int64,
        DataType::Utf8View,
        DataType::Boolean,
        DataType::Boolean,
    ];
    let literal = |text| Some(ScalarValue::Utf8(Some(String::from(text))));
    let literals = [literal("forward"), literal("first_match"), None, None, None, None];
    ForGroups(super::sequence::next_node::definition().start(&types, &literals).unwrap())
}

fn next_node_arguments(rows: &[Row]) -> Vec<ArrayRef> {
    let texts = rows.iter().map(|row| if row.2 { "x" } else { "y" });
    let literal = StringViewArray::from_iter_values(rows.iter().map(|_| "literal"));
    let mut arguments = funnel_arguments(rows);
    arguments.insert(2, Arc::new(StringViewArray::from_iter_values(texts)));
    arguments[0] = Arc::new(literal.clone());
    arguments.insert(0, Arc::new(literal));
    arguments
}

fn retention() -> ForGroups<impl Grouped> {
    let types = [DataType::Boolean, DataType::Boolean];
    ForGroups(super::retention::definition().start(&types, &[None, None]).unwrap())
}

fn retention_arguments(rows: &[Row]) -> Vec<ArrayRef> {
    funnel_arguments(rows)[2..].to_vec()
}

fn groups(rows: &[Row]) -> Vec<usize> {
    rows.iter().map(|row| row.0).collect()
}

const GROUPS: usize = 4;

/// The same rows at once; in parts whose states are merged; as a state a row; group by group.
fn all_ways_agree<G: Grouped>(
    start: impl Fn() -> ForGroups<G>,
    arguments: impl Fn(&[Row]) -> Vec<ArrayRef>,
    rows: &[Row],
) {
    let mut whole = start();
    whole.update_batch(&arguments(rows), &groups(rows), None, GROUPS).unwrap();
    let expected = whole.evaluate(EmitTo::All).unwrap();
    assert_eq!(expected.len(), GROUPS);

    let mut merged = start();
    for part in rows.chunks(3) {
        let mut partial = start();
        partial.update_batch(&arguments(part), &groups(part), None, GROUPS).unwrap();
        let first = partial.state(EmitTo::First(1)).unwrap();
        merged.merge_batch(&first, &[0], GROUPS).unwrap();
        let others = partial.state(EmitTo::All).unwrap();
        merged.merge_batch(&others, &[1, 2, 3], GROUPS).unwrap();
    }
    let empty = start().convert_to_state(&arguments(&[]), None).unwrap();
    merged.merge_batch(&empty, &[], GROUPS).unwrap();
    assert_eq!(&merged.evaluate(EmitTo::All).unwrap(), &expected);

    let mut single = start();
    let odd: BooleanArray = (0..rows.len()).map(|row| Some(row % 2 == 1)).collect();
    let even: BooleanArray =
        (0..rows.len()).map(|row| if row % 2 == 0 { Some(true) } else { None }).collect();
    for filter in [odd, even] {
        let states = start().convert_to_state(&arguments(rows), Some(&filter)).unwrap();
        single.merge_batch(&states, &groups(rows), GROUPS).unwrap();
    }
    assert_eq!(&single.evaluate(EmitTo::All).unwrap(), &expected);

    let mut early = start();
    early.update_batch(&arguments(rows), &groups(rows), None, GROUPS).unwrap();
    for group in 0..GROUPS {
        assert_eq!(*early.evaluate(EmitTo::First(1)).unwrap(), *expected.slice(group, 1));
    }
}

proptest! {
    #[test]
    fn states_merge_in_any_way(
        rows in prop::collection::vec((0..GROUPS, 0..9_i64, any::<bool>(), any::<bool>()), 0..20),
    ) {
        all_ways_agree(funnel, funnel_arguments, &rows);
        all_ways_agree(next_node, next_node_arguments, &rows);
        all_ways_agree(retention, retention_arguments, &rows);
    }
}

/// A stream in user order keeps the user under way only.
fn memory_stays_small<G: Grouped>(mut kept: ForGroups<G>, arguments: impl Fn(&[Row]) -> Vec<ArrayRef>) {
    let at_first = kept.size();
    let mut largest = 0;
    for batch in 0..200_i64 {
        // The last user of a batch goes on in the next.
        let rows: Vec<Row> =
            (0..1000).map(|row| (row / 100, batch * 1000 + row as i64, true, true)).collect();
        kept.update_batch(&arguments(&rows), &groups(&rows), None, 10).unwrap();
        largest = largest.max(kept.size());
        assert_eq!(kept.evaluate(EmitTo::First(9)).unwrap().len(), 9);
    }
    assert!(largest < 1 << 18, "{largest}");
    assert_eq!(kept.evaluate(EmitTo::All).unwrap().len(), 1);
    // What matching one user takes stays.
    assert!(kept.size() < at_first + 1024, "{} after {at_first}", kept.size());
}

#[test]
fn what_was_emitted_is_forgotten() {
    memory_stays_small(retention(), retention_arguments);
    memory_stays_small(funnel(), funnel_arguments);
    memory_stays_small(next_node(), next_node_arguments);
}
