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
    walk: &'a SessionWalk,
    user: &'a UserEvents<'a>,
    /// From its first event to its last one; those between that take no part are not of it.
    span: &'a [Record],
    /// How many events it has; at least one.
    pub(in super::super) event_count: usize,
    /// Whether its end is known.
    pub(in super::super) is_closed: bool,
}

impl<'a> Session<'a> {
    pub(in super::super) fn first(&self) -> &'a Record {
        &self.span[0]
    }

    pub(in super::super) fn last(&self) -> &'a Record {
        &self.span[self.span.len() - 1]
    }

    pub(in super::super) fn start(&self) -> i64 {
        self.first().time
    }

    pub(in super::super) fn end(&self) -> i64 {
        self.last().time
    }

    /// Its events in order.
    pub(in super::super) fn events(&self) -> impl Iterator<Item = &'a Record> {
        let (walk, user) = (self.walk, self.user);
        self.span.iter().filter(move |record| walk.takes_part(user, record))
    }
}

/// A session while its events are met.
struct Open {
    /// Places of its first event and of its last one so far.
    first: usize,
    last: usize,
    event_count: usize,
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

    /// The label by which a rule by id tells sessions apart.
    fn id(&self, user: &UserEvents<'_>, record: &Record) -> Option<u32> {
        match self.kind {
            Kind::Id { label } => match user.labels(label, record) {
                [id] => Some(*id),
                _ => None,
            },
            Kind::Timeout { .. } | Kind::Events => None,
        }
    }

    fn takes_part(&self, user: &UserEvents<'_>, record: &Record) -> bool {
        // an event without id takes no part, and breaks nothing.
        record.meets(TAKES_PART) && (!matches!(self.kind, Kind::Id { .. }) || self.id(user, record).is_some())
    }

    /// Gives the sessions of a user in order.
    pub(in super::super) fn sessions(&self, user: &UserEvents<'_>, mut each: impl FnMut(&Session<'_>)) {
        let records = user.records;
        let mut open: Option<Open> = None;
        let mut day = 0..0;
        let mut last_id = None;
        let mut close = |open: Option<Open>, is_closed: bool| {
            if let Some(Open { first, last, event_count }) = open {
                each(&Session { walk: self, user, span: &records[first..=last], event_count, is_closed });
            }
        };
        // a session from event to event ends with one of the latter, or has no end.
        let ends_by_itself = !matches!(self.kind, Kind::Events);
        for (at, record) in records.iter().enumerate().filter(|(_, record)| self.takes_part(user, record)) {
            let id = self.id(user, record);
            let continued = open.as_mut().filter(|open| {
                day.contains(&record.time)
                    && match self.kind {
                        Kind::Timeout { millis } => record.time - records[open.last].time <= millis,
                        Kind::Events => true,
                        Kind::Id { .. } => last_id == id,
                    }
            });
            if let Some(open) = continued {
                open.last = at;
                open.event_count += 1;
            } else {
                close(open.take(), ends_by_itself);
                if matches!(self.kind, Kind::Events) && !record.meets(STARTS) {
                    continue;
                }
                if !day.contains(&record.time) {
                    day = self.day(record.time);
                }
                last_id = id;
                open = Some(Open { first: at, last: at, event_count: 1 });
            }
            if matches!(self.kind, Kind::Events) && record.meets(ENDS) {
                close(open.take(), true);
            }
        }
        close(open, ends_by_itself);
    }

    /// The number of the session of each event of a user, growing; `none` outside of all.
    pub(in super::super) fn numbers(&self, user: &UserEvents<'_>, none: u32, numbers: &mut Vec<u32>) {
        numbers.clear();
        numbers.resize(user.records.len(), none);
        let (mut at, mut number) = (0, 0);
        self.sessions(user, |session| {
            for record in session.events() {
                // Sessions and their events come in order.
                while user.records.get(at).is_some_and(|known| !std::ptr::eq(known, record)) {
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
