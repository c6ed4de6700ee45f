//! The events of one user → sessions (X-2 … X-7).

use std::ops::Range;

use tallymark_report::{Calendar, SessionRule, Unit};

use super::{ENDS, STARTS, TAKES_PART};
use crate::resident::by_user::{Record, UserEvents};

/// What makes a session.
#[derive(Debug, Clone, Copy)]
enum Kind {
    ///
    Timeout { millis: i64 },
    ///
    Events,
    /// as long as that label is the same.
    Id { label: usize },
}

/// Tells sessions apart.
#[derive(Debug, Clone)]
pub(in super::super) struct SessionWalk {
    kind: Kind,
    midnight_cut: bool,
    calendar: Calendar,
}

/// One session.
#[derive(Debug)]
pub(in super::super) struct Session<'a> {
    /// Its events; there is one.
    pub(in super::super) records: &'a [&'a Record],
    /// Whether its end is known.
    pub(in super::super) is_closed: bool,
}

impl Session<'_> {
    pub(in super::super) fn start(&self) -> i64 {
        self.records.first().map_or(0, |record| record.time)
    }

    pub(in super::super) fn end(&self) -> i64 {
        self.records.last().map_or(0, |record| record.time)
    }
}

impl SessionWalk {
    pub(super) fn new(rule: &SessionRule, id_label: usize, calendar: Calendar) -> Self {
        let kind = if rule.start.is_some() {
            Kind::Events
        } else if rule.id.is_some() {
            Kind::Id { label: id_label }
        } else {
            let seconds = rule.timeout_seconds.unwrap_or(SessionRule::TIMEOUT_SECONDS);
            Kind::Timeout { millis: i64::from(seconds) * 1000 }
        };
        Self { kind, midnight_cut: rule.midnight_cut, calendar }
    }

    /// Whether a session has its properties from its first event alone.
    pub(super) fn inherits_from_first(&self) -> bool {
        !matches!(self.kind, Kind::Timeout { .. })
    }

    /// Gives the sessions of a user in order.
    pub(in super::super) fn sessions(&self, user: &UserEvents<'_>, mut each: impl FnMut(&Session<'_>)) {
        let mut open: Vec<&Record> = Vec::new();
        let mut day = 0..0;
        let mut last_id = None;
        let mut close = |open: &mut Vec<&Record>, is_closed: bool| {
            if !open.is_empty() {
                each(&Session { records: open, is_closed });
                open.clear();
            }
        };
        // a session from event to event ends with one of the latter, or has no end.
        let ends_by_itself = !matches!(self.kind, Kind::Events);
        for record in user.records.iter().filter(|record| record.meets(TAKES_PART)) {
            let id = match self.kind {
                Kind::Id { label } => match user.labels(label, record) {
                    [id] => Some(*id),
                    // takes no part, and breaks nothing.
                    _ => continue,
                },
                Kind::Timeout { .. } | Kind::Events => None,
            };
            let continues = day.contains(&record.time)
                && match self.kind {
                    Kind::Timeout { millis } => {
                        open.last().is_some_and(|last| record.time - last.time <= millis)
                    }
                    Kind::Events => !open.is_empty(),
                    Kind::Id { .. } => last_id == id,
                };
            if !continues {
                close(&mut open, ends_by_itself);
                if matches!(self.kind, Kind::Events) && !record.meets(STARTS) {
                    continue;
                }
                if !day.contains(&record.time) {
                    day = self.day(record.time);
                }
                last_id = id;
            }
            open.push(record);
            if matches!(self.kind, Kind::Events) && record.meets(ENDS) {
                close(&mut open, true);
            }
        }
        close(&mut open, ends_by_itself);
    }

    /// The number of the session of each event of a user, growing; `none` outside of all.
    pub(in super::super) fn numbers(&self, user: &UserEvents<'_>, none: u32, numbers: &mut Vec<u32>) {
        numbers.clear();
        numbers.resize(user.records.len(), none);
        let (mut at, mut number) = (0, 0);
        self.sessions(user, |session| {
            for record in session.records {
                // Sessions and their events come in order.
                while user.records.get(at).is_some_and(|known| !std::ptr::eq(known, *record)) {
                    at += 1;
                }
                if let Some(place) = numbers.get_mut(at) {
                    *place = number;
                }
            }
            number += 1;
        });
    }

    /// The civil day of an instant, which no session leaves.
    fn day(&self, time: i64) -> Range<i64> {
        if !self.midnight_cut {
            return i64::MIN..i64::MAX;
        }
        self.calendar.bucket(time, Unit::Day)..self.calendar.next_bucket(time, Unit::Day)
    }
}
