use proptest::prelude::*;

use super::next_node::{Base, Direction, NextNode};
use super::{Action, Pattern, Scratch, Sequence, TimeOrder};
use crate::functions::record::{Conditions as _, Record, sort};
use crate::functions::testing::records;

/// Of a pattern over three conditions: whether it matches, how often, and the times.
fn all(pattern: &str, events: &str) -> (bool, usize, Vec<i64>) {
    let sequence = Sequence::new(Pattern::parse(pattern, 3, 1).unwrap());
    let records = records(events);
    let mut scratch = Scratch::default();
    let matches = sequence.matches(&records, &mut scratch);
    let count = sequence.count(&records, &mut scratch);
    (matches, count, sequence.events(&records, &mut scratch).to_vec())
}

#[test]
fn patterns_match() {
    let events = "1a 2c 3b 4a 5c 6b";
    for (pattern, matches, count, times) in [
        ("(?1)", true, 2, vec![1]),
        ("(?1)(?2)", false, 0, vec![1]),
        ("(?2)(?1)", true, 1, vec![3, 4]),
        ("(?1).(?2)", true, 2, vec![1, 3]),
        ("(?1).*(?2)", true, 2, vec![1, 3]),
        ("(?1).*(?2).*(?1)(?3)", true, 1, vec![1, 3, 4, 5]),
        ("(?1).*(?2)(?2)", false, 0, vec![1, 3]),
        ("(?3)(?2)(?2)", false, 0, vec![2, 3]),
        (".(?2)", true, 2, vec![3]),
        ("", true, 6, vec![]),
        (".*", true, 6, vec![]),
        (".", true, 6, vec![]),
        ("...", true, 2, vec![]),
        ("(?1)(?t>=2)(?3)", true, 1, vec![1, 5]),
        ("(?1)(?t>=2).*(?2)", true, 2, vec![1, 3]),
        ("(?1)(?t<=1)(?2)", false, 0, vec![1]),
        ("(?1)(?t<=2)(?2)", true, 2, vec![1, 3]),
        ("(?1)(?t<2)(?2)", false, 0, vec![1]),
        ("(?2)(?t>2)(?2)", true, 1, vec![3, 6]),
        ("(?2)(?t==1)(?1)", true, 1, vec![3, 4]),
        ("(?2)(?t==3)(?2)", true, 1, vec![3, 6]),
        ("(?t>2)(?1)", true, 1, vec![4]),
        // After `.*` time counts from where it ended.
        ("(?1).*(?t>=4)(?2)", true, 1, vec![1, 6]),
        // What matches no events matches at the end.
        ("(?2)(?t>=3)", true, 1, vec![3]),
        ("(?2)(?t<=3)", true, 2, vec![3]),
        ("(?2).*", true, 2, vec![3]),
    ] {
        assert_eq!(all(pattern, events), (matches, count, times), "{pattern}");
    }
}

#[test]
fn no_events_match_what_needs_none() {
    for (pattern, matches) in
        [("", true), (".*", true), ("(?t<=3)", true), ("(?t>3)", false), ("(?1)", false)]
    {
        assert_eq!(all(pattern, ""), (matches, 0, vec![]), "{pattern}");
    }
}

#[test]
fn a_bad_pattern_is_told_where_and_what_is_expected() {
    for (pattern, message) in [
        ("(?1", "at position 4 of the pattern: expected ')', but found its end"),
        ("(?1)x", "at position 5 of the pattern: expected '(?1)', '.', '.*' or '(?t>=1)', but found 'x'"),
        ("ä", "at position 1 of the pattern: expected '(?1)', '.', '.*' or '(?t>=1)', but found 'ä'"),
        ("(?0)", "at position 3 of the pattern: expected the number of a condition, 1 to 3, but found '0)'"),
        ("(?4)", "at position 3 of the pattern: expected the number of a condition, 1 to 3, but found '4)'"),
        (
            "(?x)",
            "at position 3 of the pattern: expected the number of a condition, or 't' and a comparison, but found 'x)'",
        ),
        (
            "(?1)(?t=3)",
            "at position 8 of the pattern: expected '<', '<=', '>', '>=' or '==', but found '=3)'",
        ),
        ("(?1)(?t>)", "at position 9 of the pattern: expected a whole number of time units, but found ')'"),
        (
            "(?1)(?t>99999999999999999999)",
            "at position 9 of the pattern: expected a whole number of time units, but found '99999999999999999999)'",
        ),
        (
            "(?1)(?t>1)(?t<3)(?2)",
            "at position 11 of the pattern: expected a condition, '.' or '.*' between two conditions on time, but found '(?t<3)(?2)'",
        ),
    ] {
        assert_eq!(Pattern::parse(pattern, 3, 1).unwrap_err().to_string(), message, "{pattern}");
    }
}

#[test]
fn hard_patterns_take_no_time() {
    // Backtracking without memory would try each of the ways to place twelve conditions.
    let pattern = format!("{}(?2)", "(?1).*".repeat(12));
    let sequence = Sequence::new(Pattern::parse(&pattern, 2, 1).unwrap());
    let records: Vec<Record<u64>> = (0..3000).map(|time| Record { time, conditions: 1 }).collect();
    let mut scratch = Scratch::default();
    assert!(!sequence.matches(&records, &mut scratch));
    let pattern = format!("{}(?2)(?1)", "(?1)(?t>=1)".repeat(12));
    let sequence = Sequence::new(Pattern::parse(&pattern, 2, 1).unwrap());
    assert_eq!(sequence.count(&records, &mut scratch), 0);
}

/// A match as it is told: every way to match is tried, fewest events passed first. Where the match
/// ends.
fn try_all_ways(actions: &[Action], records: &[Record<u64>], event: usize, base: usize) -> Option<usize> {
    let Some((action, rest)) = actions.split_first() else { return Some(event) };
    let stops_at = |allowed: &dyn Fn(i64) -> bool| {
        (event..records.len())
            .filter(|stop| allowed(records[*stop].time))
            .find_map(|stop| try_all_ways(rest, records, stop, stop))
    };
    match *action {
        _ if event == records.len() => {
            let empty = match *action {
                Action::Star | Action::Time(TimeOrder::Less | TimeOrder::LessOrEqual, _) => true,
                Action::Time(TimeOrder::GreaterOrEqual, ticks) => ticks == 0,
                _ => false,
            };
            if empty { try_all_ways(rest, records, event, base) } else { None }
        }
        Action::Condition(condition) if !records[event].conditions.meets(condition) => None,
        Action::Condition(_) | Action::Any => try_all_ways(rest, records, event + 1, event),
        Action::Star => stops_at(&|_| true),
        Action::Time(order, ticks) => {
            let bound = records[base].time + ticks;
            stops_at(&|time| match order {
                TimeOrder::Less => time < bound,
                TimeOrder::LessOrEqual => time <= bound,
                TimeOrder::Greater => time > bound,
                TimeOrder::GreaterOrEqual => time >= bound,
                TimeOrder::Equal => time == bound,
            })
        }
    }
}

fn any_pattern() -> impl Strategy<Value = String> {
    let element = prop_oneof![
        4 => (1..4_u8).prop_map(|condition| format!("(?{condition})")),
        1 => Just(".".to_owned()),
        2 => Just(".*".to_owned()),
        3 => (prop::sample::select(vec!["<", "<=", ">", ">=", "=="]), 0..5_u8, 1..4_u8)
            .prop_map(|(order, ticks, condition)| format!("(?t{order}{ticks})(?{condition})")),
    ];
    // A pattern of nothing but conditions on time that no time meets is a corner of its own.
    prop::collection::vec(element, 0..6).prop_map(|elements| format!("(?1){}", elements.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_search_finds_what_trying_all_ways_finds(
        text in any_pattern(),
        events in prop::collection::vec((0..8_i64, 1..8_u64), 0..9),
    ) {
        let mut records: Vec<Record<u64>> =
            events.into_iter().map(|(time, conditions)| Record { time, conditions }).collect();
        sort(&mut records);
        let pattern = Pattern::parse(&text, 3, 1).unwrap();
        let sequence = Sequence::new(pattern.clone());
        let mut scratch = Scratch::default();
        let found = try_all_ways(pattern.actions(), &records, 0, 0);
        prop_assert_eq!(sequence.matches(&records, &mut scratch), found.is_some());
        let (mut count, mut from) = (0, 0);
        while let Some(end) = (from < records.len()).then(|| try_all_ways(pattern.actions(), &records, from, from)).flatten() {
            count += 1;
            from = end.max(from + 1);
        }
        prop_assert_eq!(sequence.count(&records, &mut scratch), count);
        let times = sequence.events(&records, &mut scratch);
        prop_assert!(times.is_sorted() && times.len() <= pattern.condition_count());
        if found.is_some() {
            prop_assert_eq!(times.len(), pattern.condition_count());
        }
    }
}

#[test]
fn the_next_event_follows_the_chain() {
    use Base::{FirstMatch, Head, LastMatch, Tail};
    use Direction::{Backward, Forward};
    // Condition a is the base condition, b and c are conditions 1 and 2.
    for (direction, base, conditions, events, expected) in [
        (Forward, Head, 2, "1ab 2c 3-", Some(2)),
        (Forward, Head, 2, "1ab 2c", None),
        (Forward, Head, 2, "1b 2c 3-", None),
        (Forward, Head, 2, "1ab 2- 3c 4-", None),
        (Forward, Head, 0, "1a 2-", Some(0)),
        (Forward, FirstMatch, 1, "1- 2b 3ab 4c 5ab 6c", Some(3)),
        (Forward, LastMatch, 1, "1- 2b 3ab 4c 5ab 6c", Some(5)),
        (Forward, FirstMatch, 2, "1ab 2- 3ab 4c 5-", None),
        (Backward, Tail, 2, "1- 2c 3ab", Some(0)),
        (Backward, Tail, 2, "2c 3ab", None),
        (Backward, LastMatch, 1, "1c 2ab 3-", Some(0)),
        (Backward, FirstMatch, 1, "1ab 2ab", None),
        (Backward, Tail, 0, "1- 2a", Some(1)),
        (Forward, Head, 0, "", None),
    ] {
        let call = NextNode { direction, base, conditions };
        assert_eq!(call.find(&records(events)), expected, "{call:?} {events}");
    }
}
