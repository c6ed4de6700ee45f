//! Sessions (section 10).

use serde_json::Value;
use tallymark_report::{SESSION_END, SESSION_START, SessionRule};

use super::property::value;
use super::selector::is_meant;
use super::world::{Event, Subject, View};

/// A session of a user: the events in it, in order. Never empty.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::oracle) struct Session<'a> {
    pub(in crate::oracle) user: &'a str,
    pub(in crate::oracle) events: Vec<&'a Event>,
    /// Whether it has an end.
    pub(in crate::oracle) is_closed: bool,
}

impl Session<'_> {
    pub(in crate::oracle) fn start(&self) -> i64 {
        self.events[0].time
    }

    pub(in crate::oracle) fn contains(&self, event: &Event) -> bool {
        self.events.iter().any(|own| std::ptr::eq(*own, event))
    }
}

/// All sessions there are by now.
pub(in crate::oracle) fn sessions<'a>(view: View<'a>, rule: &SessionRule) -> Vec<Session<'a>> {
    let mut sessions = Vec::new();
    let mut users: Vec<&str> = view.events().filter_map(|event| event.user.as_deref()).collect();
    users.sort_unstable();
    users.dedup();
    for user in users {
        let events = view.events().filter(|event| event.user.as_deref() == Some(user));
        let events = events.filter(|event| !is_excluded(rule, event)).collect();
        sessions.extend(sessions_of(view, rule, user, events));
    }
    for session in &mut sessions {
        session.add_its_own(view);
    }
    sessions
}

impl<'a> Session<'a> {
    /// The events that say that it starts and ends are of it too, if there are any.
    fn add_its_own(&mut self, view: View<'a>) {
        let (first, last) = (self.events[0].place, self.events[self.events.len() - 1].place);
        let at = |place: Option<usize>, name: &str| {
            let event = view.world.events.get(place?)?;
            (event.name == name).then_some(event)
        };
        if let Some(start) = at(first.checked_sub(1), SESSION_START) {
            self.events.insert(0, start);
        }
        self.events.extend(at(Some(last + 1), SESSION_END));
    }
}

///
fn is_excluded(rule: &SessionRule, event: &Event) -> bool {
    SessionRule::EXCLUDED_EVENTS.contains(&event.name.as_str())
        || rule.excluded_events.contains(&event.name)
        || event.is_of_sessions()
}

fn sessions_of<'a>(
    view: View<'a>,
    rule: &SessionRule,
    user: &'a str,
    events: Vec<&'a Event>,
) -> Vec<Session<'a>> {
    let mut sessions: Vec<Session<'a>> = Vec::new();
    // The session an event could still go into: not so after midnight.
    let is_open = |session: &Session<'a>, event: &Event| {
        !rule.midnight_cut || view.civil.date(session.start()) == view.civil.date(event.time)
    };
    let id = |event: &'a Event| -> Option<Value> { value(view, rule.id.as_ref()?, Subject::of_event(event)) };
    // Of sessions from a start to an end: whether the last one has ended.
    let mut has_ended = true;
    for event in events {
        let last = sessions.last_mut().filter(|session| is_open(session, event));
        if rule.id.is_some() {
            //
            let Some(own) = id(event) else { continue };
            match last {
                Some(session) if id(session.events[0]) == Some(own) => session.events.push(event),
                _ => sessions.push(Session { user, events: vec![event], is_closed: true }),
            }
        } else if let Some(start) = &rule.start {
            //
            match last {
                Some(session) if !has_ended => session.events.push(event),
                _ if is_meant(view, start, event) => {
                    sessions.push(Session { user, events: vec![event], is_closed: false });
                }
                _ => continue,
            }
            has_ended = rule.end.as_ref().is_some_and(|end| is_meant(view, end, event));
            if let Some(session) = sessions.last_mut() {
                session.is_closed = has_ended;
            }
        } else {
            //
            let timeout = i64::from(rule.timeout_seconds.unwrap_or(SessionRule::TIMEOUT_SECONDS)) * 1000;
            match last {
                Some(session) if event.time - session.events.last().unwrap().time <= timeout => {
                    session.events.push(event);
                }
                _ => sessions.push(Session { user, events: vec![event], is_closed: true }),
            }
        }
    }
    sessions
}
