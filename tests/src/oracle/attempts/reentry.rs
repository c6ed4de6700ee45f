//! Which attempts there are.

use std::collections::BTreeSet;

use serde_json::Value;
use tallymark_report::Reentry;

use super::matching::{Attempt, Course, End, Limit};

/// Where attempts can start: entries in range that have the held properties (F-2, F-15, F-40).
pub(in crate::oracle) fn starts(course: &Course<'_>) -> Vec<usize> {
    let leading = &course.blocks()[0];
    let has_session = |place: usize| match course.rules.limit {
        Limit::Millis(_) => true,
        Limit::Sessions(_) => course.stream.session[place].is_some(),
    };
    (0..course.stream.events.len())
        .filter(|place| course.rules.entries.contains(course.time(*place)))
        .filter(|place| leading.iter().any(|step| course.steps[*step][*place]))
        .filter(|place| course.held[*place].is_some() && has_session(*place))
        .collect()
}

/// All attempts of an actor that count as totals, or with sessions one a session, in the order they
/// start.
pub(in crate::oracle) fn all_attempts(
    course: &Course<'_>,
    reentry: Reentry,
    by_session: bool,
) -> Vec<Attempt> {
    let starts = starts(course);
    let mut attempts = Vec::new();
    if by_session {
        // F-24.
        let mut sessions: Vec<Option<usize>> =
            starts.iter().map(|place| course.stream.session[*place]).collect();
        sessions.dedup();
        for session in sessions {
            let own = starts.iter().copied().filter(|place| course.stream.session[*place] == session);
            let own: Vec<usize> = own.collect();
            match reentry {
                Reentry::Default => attempts.push(course.attempt(own[0], &BTreeSet::new())),
                Reentry::Optimized => {
                    let all = of_each_value(course, reentry, &own);
                    attempts.extend(picked(&all.iter().collect::<Vec<_>>(), reentry).cloned());
                }
            }
        }
    } else {
        attempts = of_each_value(course, reentry, &starts);
    }
    attempts
}

/// The attempts of each held value run in parallel (F-41).
fn of_each_value(course: &Course<'_>, reentry: Reentry, starts: &[usize]) -> Vec<Attempt> {
    let mut values: Vec<&Option<Vec<Value>>> = Vec::new();
    for start in starts {
        if !values.contains(&&course.held[*start]) {
            values.push(&course.held[*start]);
        }
    }
    let mut attempts = Vec::new();
    for value in values {
        let own: Vec<usize> = starts.iter().copied().filter(|start| course.held[*start] == *value).collect();
        attempts.extend(match reentry {
            Reentry::Default => default_attempts(course, &own, &mut BTreeSet::new()),
            Reentry::Optimized => optimized_attempts(course, &own),
        });
    }
    attempts.sort_by_key(|attempt| attempt.start);
    attempts
}

/// F-20, F-21: one attempt after the other.
fn default_attempts(course: &Course<'_>, starts: &[usize], used: &mut BTreeSet<usize>) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = Vec::new();
    for start in starts {
        let is_after = attempts.last().is_none_or(|before| match before.end {
            End::Converted => *start > before.latest(),
            End::TimedOut => course.is_over(before.start, *start),
            End::Excluded { place, may_start: true } => *start >= place,
            End::Excluded { place, may_start: false } => *start > place,
        });
        if is_after && !used.contains(start) {
            let attempt = course.attempt(*start, used);
            used.extend(&attempt.taken);
            attempts.push(attempt);
        }
    }
    attempts
}

/// F-32.
fn optimized_attempts(course: &Course<'_>, starts: &[usize]) -> Vec<Attempt> {
    let mut used = BTreeSet::new();
    let mut chosen: Vec<Attempt> = Vec::new();
    loop {
        let end = chosen.last().map(Attempt::latest);
        let open = starts.iter().filter(|start| end.is_none_or(|end| **start > end));
        let chains = open.filter(|start| !used.contains(*start)).map(|start| course.attempt(*start, &used));
        let full = chains.filter(|chain| chain.end == End::Converted);
        // The earliest end; of several the latest start.
        let Some(mut best) = full.min_by_key(|chain| (chain.latest(), std::cmp::Reverse(chain.start))) else {
            break;
        };
        used.extend(&best.taken);
        best.is_chosen = true;
        chosen.push(best);
    }
    let mut attempts = chosen.clone();
    for gap in 0..=chosen.len() {
        let before = gap.checked_sub(1).map(|before| chosen[before].latest());
        let next = chosen.get(gap);
        let is_in_gap = |start: &usize| {
            before.is_none_or(|before| *start > before) && next.is_none_or(|next| *start < next.start)
        };
        let own: Vec<usize> = starts.iter().copied().filter(is_in_gap).collect();
        let is_drop_off = |attempt: &Attempt| {
            next.is_none_or(|next| match attempt.end {
                End::Converted => false,
                End::TimedOut => course.is_over(attempt.start, next.latest()),
                End::Excluded { place, .. } => place < next.latest(),
            })
        };
        // Each gap starts afresh.
        let mut taken = used.clone();
        attempts.extend(default_attempts(course, &own, &mut taken).into_iter().filter(is_drop_off));
    }
    attempts
}

/// The attempt that counts of several of one actor, in the order they start (F-23, F-32).
pub(in crate::oracle) fn picked<'a>(attempts: &[&'a Attempt], reentry: Reentry) -> Option<&'a Attempt> {
    let first = attempts.first().copied();
    match reentry {
        Reentry::Default => first,
        Reentry::Optimized => {
            let conversion = attempts.iter().copied().find(|attempt| attempt.is_chosen);
            let furthest = attempts.iter().map(|attempt| attempt.furthest()).max();
            let dropped = || attempts.iter().copied().find(|attempt| Some(attempt.furthest()) == furthest);
            conversion.or_else(dropped)
        }
    }
}
