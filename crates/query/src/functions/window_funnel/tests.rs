use proptest::prelude::*;

use super::{Funnel, Modes, Scratch};
use crate::functions::record::{Conditions, Record, sort};
use crate::functions::testing::records;

const PLAIN: Modes =
    Modes { order: false, deduplication: false, increase: false, once: false, reentry: false };

fn level(steps: usize, window: i64, modes: Modes, events: &str) -> usize {
    let mut records = records(events);
    sort(&mut records);
    Funnel { steps, window, modes }.level(&records, &mut Scratch::default())
}

#[test]
fn steps_come_in_order_within_the_window() {
    for (events, expected) in [
        ("", 0),
        ("1b 2c", 0),
        ("1a", 1),
        ("1a 2c", 1),
        ("1a 2b 3c", 3),
        ("3c 2b 1a", 3),
        ("1a 2c 3b", 2),
        ("1a 11b", 2),
        ("1a 12b", 1),
        ("1a 6b 11c", 3),
        ("1a 6b 12c", 2),
        // A later start replaces an earlier one.
        ("1a 6a 7b 16c", 3),
        // One event may be several steps, simultaneous ones come by step.
        ("1abc", 3),
        ("1c 1b 1a", 3),
        // Far ends of time.
        ("9223372036854775807a 9223372036854775807b", 2),
    ] {
        assert_eq!(level(3, 10, PLAIN, events), expected, "{events}");
    }
}

#[test]
fn strict_order_ends_at_other_events() {
    let order = Modes { order: true, ..PLAIN };
    let reentry = Modes { reentry: true, ..order };
    for (events, strict, with_reentry) in [
        ("1a 2b 3c", 3, 3),
        ("1- 2a 3b", 2, 2),
        ("1a 2- 3b", 1, 1),
        ("1a 1- 2b", 2, 2),
        ("1a 2c 3b", 1, 2),
        ("1c 2b 3a 4b", 2, 2),
        ("1a 2b 3b 4a 5c", 3, 3),
    ] {
        assert_eq!(level(3, 10, order, events), strict, "{events}");
        assert_eq!(level(3, 10, reentry, events), with_reentry, "{events} with reentry");
    }
}

#[test]
fn strict_deduplication_ends_at_a_step_reached_before() {
    let modes = Modes { deduplication: true, ..PLAIN };
    for (events, expected) in
        [("1a 2b 3c", 3), ("1a 2a 3b 4c", 3), ("1a 2b 3b 4c", 2), ("1a 2b 2b 3c", 2), ("1b 2a 3b 4c", 3)]
    {
        assert_eq!(level(3, 10, modes, events), expected, "{events}");
    }
}

#[test]
fn strict_increase_asks_for_later_times() {
    let modes = Modes { increase: true, ..PLAIN };
    for (events, expected) in
        [("1a 1b", 1), ("1a 2b 2c", 2), ("1a 2ab 3b", 2), ("1a 2ab", 1), ("1a 2b 3c", 3)]
    {
        assert_eq!(level(3, 10, modes, events), expected, "{events}");
    }
}

#[test]
fn strict_once_takes_an_event_for_one_step() {
    let modes = Modes { once: true, ..PLAIN };
    for (events, expected) in [
        ("1abc", 1),
        ("1abc 1abc", 2),
        ("1abc 1abc 1abc", 3),
        ("1a 2bc", 2),
        ("1a 2bc 2b", 3),
        ("1a 2b 2bc", 3),
        ("1a 2bc 3bc", 3),
        ("1a 1ab 1b 12c", 2),
        ("1a 1bc 1c 2-", 3),
    ] {
        assert_eq!(level(3, 10, modes, events), expected, "{events}");
    }
}

#[test]
fn many_simultaneous_events_take_no_time() {
    // Each event could be each step: the chains are as many as subsets of the events.
    let all: Vec<Record<u64>> = (0..400).map(|_| Record { time: 1, conditions: u64::MAX }).collect();
    let funnel = Funnel { steps: 64, window: 1, modes: Modes { once: true, ..PLAIN } };
    assert_eq!(funnel.level(&all, &mut Scratch::default()), 64);
    assert_eq!(funnel.level(&all[..40], &mut Scratch::default()), 40);
    let spread: Vec<Record<u64>> = (0..400).map(|time| Record { time, conditions: u64::MAX }).collect();
    assert_eq!(Funnel { window: 20, ..funnel }.level(&spread, &mut Scratch::default()), 21);
}

/// `strict_once` as it is told: every chain there is, with the events it took.
fn once_with_all_chains(funnel: &Funnel, records: &[Record<u64>]) -> usize {
    let Funnel { steps, window, modes } = *funnel;
    let mut events: Vec<(i64, Option<usize>, usize)> = Vec::new();
    for (id, record) in records.iter().enumerate() {
        let met = (0..steps).filter(|step| record.conditions.meets(*step));
        events.extend(met.map(|step| (record.time, Some(step), id)));
        if record.conditions.is_empty() && modes.order {
            events.push((record.time, None, id));
        }
    }
    events.sort();
    let mut chains: Vec<Vec<Vec<usize>>> = vec![Vec::new(); steps];
    let reached = |chains: &[Vec<Vec<usize>>]| chains.iter().filter(|chains| !chains.is_empty()).count();
    for (time, step, id) in events {
        let Some(step) = step else {
            if chains[0].is_empty() {
                continue;
            }
            break;
        };
        if step == 0 {
            chains[0].push(vec![id]);
        } else if modes.deduplication && !chains[step].is_empty() {
            break;
        } else if modes.order && !chains[0].is_empty() && chains[step - 1].is_empty() {
            if !modes.reentry {
                break;
            }
        } else {
            let goes_on = |chain: &&Vec<usize>| {
                let last = records[chain[chain.len() - 1]].time;
                time <= records[chain[0]].time + window
                    && !chain.contains(&id)
                    && (!modes.increase || last < time)
            };
            let longer: Vec<Vec<usize>> = chains[step - 1]
                .iter()
                .filter(goes_on)
                .map(|chain| chain.iter().copied().chain([id]).collect())
                .collect();
            chains[step].extend(longer);
            if step + 1 == steps && !chains[step].is_empty() {
                break;
            }
        }
    }
    reached(&chains)
}

fn any_modes() -> impl Strategy<Value = Modes> {
    any::<[bool; 5]>().prop_map(|[order, deduplication, increase, once, reentry]| Modes {
        order,
        deduplication,
        increase,
        once,
        reentry: reentry && order,
    })
}

fn any_records() -> impl Strategy<Value = Vec<Record<u64>>> {
    let record = (0..8_i64, 0..32_u64).prop_map(|(time, conditions)| Record { time, conditions });
    prop::collection::vec(record, 0..9).prop_map(|mut records| {
        sort(&mut records);
        records
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn strict_once_finds_what_all_chains_find(
        records in any_records(), modes in any_modes(), window in 0..8_i64, steps in 1..6_usize,
    ) {
        let mask = (1 << steps) - 1;
        let records: Vec<Record<u64>> =
            records.iter().map(|record| Record { conditions: record.conditions & mask, ..*record }).collect();
        let mut records = records;
        sort(&mut records);
        let funnel = Funnel { steps, window, modes: Modes { once: true, ..modes } };
        prop_assert_eq!(
            funnel.level(&records, &mut Scratch::default()),
            once_with_all_chains(&funnel, &records)
        );
    }

    #[test]
    fn width_of_masks_and_used_scratch_do_not_matter(
        records in any_records(), others in any_records(), modes in any_modes(), window in 0..8_i64,
    ) {
        let funnel = Funnel { steps: 5, window, modes };
        let wide: Vec<[u64; 2]> = records.iter().map(|record| [record.conditions, 0]).collect();
        let wide: Vec<Record<&[u64]>> = records
            .iter()
            .zip(&wide)
            .map(|(record, mask)| Record { time: record.time, conditions: mask.as_slice() })
            .collect();
        let mut scratch = Scratch::default();
        funnel.level(&others, &mut scratch);
        prop_assert_eq!(
            funnel.level(&records, &mut Scratch::default()),
            funnel.level(&wide, &mut scratch)
        );
    }

    #[test]
    fn a_wider_window_never_lowers_the_level(records in any_records(), window in 0..8_i64) {
        let level = |window| Funnel { steps: 5, window, modes: PLAIN }.level(&records, &mut Scratch::default());
        prop_assert!(level(window) <= level(window + 1));
    }

    #[test]
    fn the_order_of_simultaneous_events_does_not_matter(
        records in any_records(), modes in any_modes(), window in 0..8_i64,
    ) {
        prop_assume!(!(modes.once && modes.deduplication));
        let funnel = Funnel { steps: 5, window, modes };
        let mut other = records.clone();
        other.reverse();
        other.sort_by_key(|record| record.time);
        prop_assert_eq!(
            funnel.level(&records, &mut Scratch::default()),
            funnel.level(&other, &mut Scratch::default())
        );
    }
}
