//! Attempts over plain events: the tables of section 6.

use std::iter;

use super::attempts::{Attempts, Events, Excluded, Limit, NOT_HELD, Step, Steps};

const MINUTE: i64 = 60_000;

/// Events as `A0 B10.5`: a letter and minutes, or with `s` seconds. Conditions are letters.
#[derive(Debug)]
struct Written {
    events: Vec<(char, i64)>,
    sessions: Vec<u32>,
    held: Vec<u32>,
}

fn written(text: &str) -> Written {
    let mut events: Vec<(char, i64)> = text
        .split_whitespace()
        .map(|event| {
            let letter = event.chars().next().unwrap_or('?');
            let (number, unit) = match event[1..].strip_suffix('s') {
                Some(seconds) => (seconds, 1000.0),
                None => (&event[1..], MINUTE as f64),
            };
            (letter, (number.parse::<f64>().unwrap_or(f64::NAN) * unit) as i64)
        })
        .collect();
    events.sort_by_key(|(_, time)| *time);
    let count = events.len();
    Written { events, sessions: vec![0; count], held: vec![0; count] }
}

impl Events for Written {
    fn len(&self) -> usize {
        self.events.len()
    }

    fn time(&self, at: usize) -> i64 {
        self.events[at].1
    }

    fn meets(&self, at: usize, condition: usize) -> bool {
        condition == ANY || self.events[at].0 as usize == condition
    }

    fn session(&self, at: usize) -> u32 {
        self.sessions[at]
    }

    fn held(&self, at: usize) -> u32 {
        self.held[at]
    }
}

/// The condition that every event meets.
const ANY: usize = usize::MAX;

/// Steps in specific order, within minutes.
fn steps(letters: &str, minutes: i64) -> Steps {
    let step = |letter: char| Step { condition: letter as usize, is_optional: false, within: None };
    let steps: Vec<Step> = letters.chars().map(step).collect();
    Steps {
        blocks: (0..steps.len()).map(|at| at..at + 1).collect(),
        steps,
        limit: Limit::Millis(minutes * MINUTE),
        grace: 2000,
        exclusions: Vec::new(),
        strict: None,
        holds: false,
        optimized: false,
    }
}

fn optimized(steps: &Steps) -> Steps {
    Steps { optimized: true, ..steps.clone() }
}

fn attempts(steps: &Steps, events: &Written) -> Attempts {
    let mut attempts = Attempts::default();
    steps.attempts(events, 0, 0..events.len(), &mut attempts);
    attempts
}

/// How far each attempt got, in order, and the one that counts for the actor.
fn lengths(steps: &Steps, events: &str) -> (Option<usize>, Vec<usize>) {
    lengths_of(steps, &written(events))
}

fn lengths_of(steps: &Steps, events: &Written) -> (Option<usize>, Vec<usize>) {
    let attempts = attempts(steps, events);
    let lengths: Vec<usize> = attempts.iter().map(|attempt| attempts.taken(attempt).len()).collect();
    (steps.counted(&attempts, 0..attempts.len()).map(|at| lengths[at]), lengths)
}

/// The milliseconds between the first two steps of the attempt that counts.
fn time_to_convert(steps: &Steps, events: &str) -> Option<i64> {
    let events = written(events);
    let attempts = attempts(steps, &events);
    let counted = attempts.get(steps.counted(&attempts, 0..attempts.len())?);
    let taken = attempts.taken(counted);
    let time = |at: usize| taken.get(at).map(|taken| events.time(taken.at as usize));
    Some(time(1)? - time(0)?)
}

#[test]
fn f_5_a_later_first_step_does_not_restart_the_window() {
    assert_eq!(lengths(&steps("ABC", 60), "A0 A30 B45 C75"), (Some(2), vec![2]));
}

#[test]
fn f_6_the_end_of_the_window_is_included() {
    assert_eq!(lengths(&steps("AB", 60), "A0 B60"), (Some(2), vec![2]));
    assert_eq!(lengths(&steps("AB", 60), "A0 B3600.001s"), (Some(1), vec![1]));
}

#[test]
fn f_10_f_11_other_events_do_not_matter() {
    let five = steps("ABCDE", 60);
    assert_eq!(lengths(&five, "A0 B1 C2 D3 E4").1, [5]);
    assert_eq!(lengths(&five, "A0 B1 F2 C3 D4 E5").1, [5]);
    assert_eq!(lengths(&five, "A0 B1 D2 C3 D4 E5").1, [5]);
    assert_eq!(lengths(&five, "A0 B1 C2 E3").1, [3]);
    assert_eq!(lengths(&steps("AB", 60), "B0 A10").1, [1]);
    assert_eq!(time_to_convert(&steps("ABC", 60), "A0 B5 B6 C7"), Some(5 * MINUTE));
}

#[test]
fn f_12_an_event_is_one_step() {
    assert_eq!(lengths(&steps("AA", 60), "A0"), (Some(1), vec![1]));
    assert_eq!(lengths(&steps("AA", 60), "A0 A10 A20 A30"), (Some(2), vec![2, 2]));
}

#[test]
fn f_13_f_14_two_seconds_of_grace() {
    let (two, three) = (steps("AB", 60), steps("ABC", 60));
    assert_eq!(lengths(&two, "B0s A2s").1, [2]);
    assert_eq!(lengths(&two, "B0s A3s").1, [1]);
    assert_eq!(lengths(&three, "C0s B1s A2s").1, [3]);
    assert_eq!(lengths(&three, "C1.5s B3s A4.5s").1, [2]);
    assert_eq!(lengths(&Steps { grace: 0, ..two }, "B0s A2s").1, [1]);
}

#[test]
fn f_15_f_16_any_order_with_an_anchor() {
    let any = Steps { blocks: vec![0..2, 2..3], ..steps("XYZ", 60) };
    assert_eq!(lengths(&any, "X0 Z1 Y2 Z3").1, [3]);
    assert_eq!(lengths(&any, "Y0 X1 Z2").1, [3]);
    assert_eq!(lengths(&any, "X0 Z1").1, [1]);
    assert_eq!(lengths(&any, "X0s Z3s Y4.5s").1, [3]);
    assert_eq!(lengths(&any, "X0s Z2s Y4.5s").1, [2]);
    let both = Steps { blocks: iter::once(0..2).collect(), ..steps("XY", 60) };
    assert_eq!(lengths(&both, "Y0 X10"), (Some(2), vec![2]));
}

#[test]
fn f_17_strict_order_allows_nothing_in_between() {
    let strict = Steps { strict: Some(ANY), grace: 0, ..steps("AB", 60) };
    assert_eq!(lengths(&strict, "A0 B1").1, [2]);
    assert_eq!(lengths(&strict, "A0 X1 B2").1, [1]);
    // What came in between starts the next attempt.
    assert_eq!(lengths(&strict, "A0 A1 B2").1, [1, 2]);
}

#[test]
fn f_18_an_optional_step_may_be_passed_over() {
    let mut optional = steps("ABC", 60);
    optional.steps[1].is_optional = true;
    assert_eq!(lengths(&optional, "A0 C1").1, [2]);
    assert_eq!(lengths(&optional, "A0 B1 C2").1, [3]);
    assert_eq!(lengths(&optional, "A0 C1 B2").1, [2]);
    assert_eq!(lengths(&optional, "A0 B1").1, [2]);
}

#[test]
fn f_9_a_step_may_have_a_window_of_its_own() {
    let mut within = steps("ABC", 60);
    within.steps[2].within = Some((10 * MINUTE, 2));
    assert_eq!(lengths(&within, "A0 B20 C30").1, [3]);
    assert_eq!(lengths(&within, "A0 B20 C31").1, [2]);
}

#[test]
fn f_20_to_f_23_re_entry_by_default() {
    let two = steps("AB", 60);
    assert_eq!(lengths(&two, "A0 A10 B20"), (Some(2), vec![2]));
    assert_eq!(lengths(&two, "A0 A90 B95"), (Some(1), vec![1, 2]));
    assert_eq!(lengths(&two, "A0 A30 B75"), (Some(1), vec![1]));
    assert_eq!(lengths(&two, "A0 B10 A20 B30"), (Some(2), vec![2, 2]));
    assert_eq!(lengths(&two, "A0 B10 B20"), (Some(2), vec![2]));
    assert_eq!(lengths(&steps("ABC", 60), "A0 B10 A20 C30"), (Some(3), vec![3]));
    assert_eq!(lengths(&steps("ABC", 60), "A0 B10 A50 A70 B75 C80"), (Some(2), vec![2, 3]));
}

#[test]
fn f_30_to_f_32_optimized_re_entry() {
    let two = optimized(&steps("AB", 60));
    assert_eq!(lengths(&two, "A0 A90 B95"), (Some(2), vec![1, 2]));
    assert_eq!(time_to_convert(&two, "A0 A90 B95"), Some(5 * MINUTE));
    assert_eq!(lengths(&two, "A0 A30 B75"), (Some(2), vec![1, 2]));
    assert_eq!(time_to_convert(&two, "A0 A30 B75"), Some(45 * MINUTE));
    assert_eq!(lengths(&two, "A0 A10 A20 B30"), (Some(2), vec![2]));
    assert_eq!(time_to_convert(&two, "A0 A10 A20 B30"), Some(10 * MINUTE));
    assert_eq!(lengths(&two, "A0 B5 A10 B15"), (Some(2), vec![2, 2]));
    assert_eq!(lengths(&two, "A0 A10"), (Some(1), vec![1]));
    assert_eq!(lengths(&two, "A0 A10 B15 A40"), (Some(2), vec![2, 1]));
    let without = Steps { exclusions: vec![Excluded { condition: 'X' as usize, from: 1, to: 1 }], ..two };
    assert_eq!(lengths(&without, "A0 X5 A10 B15"), (Some(2), vec![1, 2]));
    // F-31: where it leads elsewhere, F-32 decides.
    assert_eq!(time_to_convert(&optimized(&steps("ABC", 60)), "A0 B5 A10 B15 C20"), Some(5 * MINUTE));
}

#[test]
fn f_40_f_41_values_held_constant() {
    let held = Steps { holds: true, ..steps("AB", 60) };
    let of = |events: &str, values: &[u32]| {
        let events = Written { held: values.to_vec(), ..written(events) };
        lengths_of(&held, &events)
    };
    assert_eq!(of("A0 A1 B2 A3 B4", &[1, 2, 2, 1, 1]), (Some(2), vec![2, 2]));
    assert_eq!(of("A0 B1", &[1, NOT_HELD]), (Some(1), vec![1]));
    assert_eq!(of("A0 A1 B2", &[NOT_HELD, 1, 1]), (Some(2), vec![2]));
}

#[test]
fn f_45_to_f_47_exclusions_end_attempts() {
    let without = |condition: char, from: usize, to: usize| Steps {
        exclusions: vec![Excluded { condition: condition as usize, from, to }],
        ..steps("AB", 60)
    };
    assert_eq!(lengths(&without('A', 1, 1), "A1 A2 A3 B4"), (Some(1), vec![1, 2]));
    assert_eq!(lengths(&without('X', 1, 1), "A0 X5 B10 A20 B25"), (Some(1), vec![1, 2]));
    assert_eq!(lengths(&without('X', 1, 1), "A0 B5 X6 A20 X21").1, [2, 1]);
}

#[test]
fn f_7_f_24_windows_of_sessions() {
    let of = |limit: u32, text: &str, sessions: &[u32]| {
        let steps = Steps { limit: Limit::Sessions(limit), ..steps("AB", 60) };
        lengths_of(&steps, &Written { sessions: sessions.to_vec(), ..written(text) })
    };
    assert_eq!(of(2, "A0 X100 B200", &[0, 1, 2]).1, [1]);
    assert_eq!(of(3, "A0 X100 B200", &[0, 1, 2]).1, [2]);
    let steps = Steps { limit: Limit::Sessions(1), ..steps("AB", 60) };
    let events = Written { sessions: vec![0, 0, 1, 2, 2, 2], ..written("A0 B10 A60 A180 A185 B190") };
    let mut attempts = Attempts::default();
    steps.of_sessions(&events, 0, 0..events.len(), &mut attempts);
    let lengths: Vec<usize> = attempts.iter().map(|attempt| attempts.taken(attempt).len()).collect();
    assert_eq!(lengths, [2, 1, 2]);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Up to 30 events of four letters, some seconds or minutes apart.
    fn histories() -> impl Strategy<Value = Written> {
        let event = (0..4usize, prop_oneof![Just(0i64), 1..4i64, 30..4000i64]);
        prop::collection::vec(event, 0..30).prop_map(|events| {
            let mut now = 0;
            let events: Vec<(char, i64)> = events
                .into_iter()
                .map(|(letter, gap)| {
                    now += gap * 1000;
                    (['A', 'B', 'C', 'X'][letter], now)
                })
                .collect();
            let count = events.len();
            Written { events, sessions: vec![0; count], held: vec![0; count] }
        })
    }

    fn converts(steps: &Steps, events: &Written) -> bool {
        lengths_of(steps, events).0 == Some(steps.steps.len())
    }

    proptest! {
        #[test]
        fn t_7_a_wider_window_never_loses_a_conversion(events in histories(), minutes in 1..200i64, more in 0..200i64) {
            for optimize in [false, true] {
                let of = |minutes| Steps { optimized: optimize, ..steps("ABC", minutes) };
                prop_assert!(!converts(&of(minutes), &events) || converts(&of(minutes + more), &events));
            }
        }

        #[test]
        fn t_7_optimized_converts_at_least_as_many(events in histories(), minutes in 1..200i64) {
            let default = steps("ABC", minutes);
            prop_assert!(!converts(&default, &events) || converts(&optimized(&default), &events));
        }

        #[test]
        fn t_7_an_exclusion_never_adds_a_conversion(events in histories(), minutes in 1..200i64) {
            for optimize in [false, true] {
                let plain = Steps { optimized: optimize, ..steps("ABC", minutes) };
                let exclusions = vec![Excluded { condition: 'X' as usize, from: 1, to: 3 }];
                let without = Steps { exclusions, ..plain.clone() };
                prop_assert!(!converts(&without, &events) || converts(&plain, &events));
            }
        }

        #[test]
        fn t_7_any_order_converts_where_a_specific_one_does(events in histories()) {
            let specific = Steps { limit: Limit::Millis(i64::MAX), ..steps("ABC", 1) };
            let any = Steps { blocks: iter::once(0..3).collect(), ..specific.clone() };
            prop_assert!(!converts(&specific, &events) || converts(&any, &events));
        }

        #[test]
        fn f_12_no_event_is_taken_twice(events in histories(), minutes in 1..200i64) {
            let steps = steps("ABA", minutes);
            for steps in [steps.clone(), optimized(&steps)] {
                let attempts = attempts(&steps, &events);
                let mut taken: Vec<u32> =
                    attempts.iter().flat_map(|attempt| attempts.taken(attempt)).map(|taken| taken.at).collect();
                let count = taken.len();
                taken.sort_unstable();
                taken.dedup();
                prop_assert_eq!(taken.len(), count);
            }
        }
    }
}
