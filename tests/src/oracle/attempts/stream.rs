//! What actors did.

use tallymark_report::{ALL_EVENTS, EventSelector, SESSION_END, SESSION_START, Scope};

use crate::oracle::insights::selector::occurrences;
use crate::oracle::insights::sessions::sessions;
use crate::oracle::insights::world::{Event, View};

/// Everything an actor did by now, in order (G-1).
#[derive(Debug, Clone)]
pub(in crate::oracle) struct Stream<'a> {
    pub(in crate::oracle) actor: String,
    /// The actor, if actors are users.
    pub(in crate::oracle) user: Option<String>,
    /// By which key actors are groups, if they are.
    pub(in crate::oracle) group_key: Option<String>,
    pub(in crate::oracle) events: Vec<&'a Event>,
    /// The number of the session each event is in, among those of the user.
    pub(in crate::oracle) session: Vec<Option<usize>>,
}

/// A stream for each actor; nobody is none (G-12).
pub(in crate::oracle) fn streams<'a>(
    view: View<'a>,
    scope: &Scope,
    group_key: Option<&str>,
) -> Vec<Stream<'a>> {
    let everything = [ALL_EVENTS, SESSION_START, SESSION_END].map(EventSelector::named);
    let any_of = everything.into_iter().flat_map(|selector| selector.any_of).collect();
    let everything = EventSelector { any_of, name: None, first_time: None };
    let all = occurrences(view, &everything, group_key);
    let mut actors: Vec<String> = all.iter().flat_map(|occurrence| occurrence.actors.clone()).collect();
    actors.sort_unstable();
    actors.dedup();
    let rule = scope.sessions.clone().unwrap_or_default();
    let sessions = if group_key.is_none() { sessions(view, &rule) } else { Vec::new() };
    let stream = |actor: String| {
        let own: Vec<_> = sessions.iter().filter(|session| session.user == actor).collect();
        let theirs = all.iter().filter(|occurrence| occurrence.actors.contains(&actor));
        let events: Vec<&Event> = theirs.map(|occurrence| occurrence.event).collect();
        let session = events.iter().map(|event| own.iter().position(|session| session.contains(event)));
        Stream {
            session: session.collect(),
            user: group_key.is_none().then(|| actor.clone()),
            group_key: group_key.map(str::to_owned),
            actor,
            events,
        }
    };
    actors.into_iter().map(stream).collect()
}

/// For each stream, which of its events are meant.
pub(in crate::oracle) fn marks(
    view: View<'_>,
    streams: &[Stream<'_>],
    selector: &EventSelector,
    group_key: Option<&str>,
) -> Vec<Vec<bool>> {
    let meant = occurrences(view, selector, group_key);
    let is_meant = |actor: &String, event: &Event| {
        meant.iter().any(|one| std::ptr::eq(one.event, event) && one.actors.contains(actor))
    };
    let of_stream =
        |stream: &Stream<'_>| stream.events.iter().map(|event| is_meant(&stream.actor, event)).collect();
    streams.iter().map(of_stream).collect()
}
