//! Which events are meant, and whose they are.

use tallymark_report::{EventChoice, EventSelector, FirstTime};

use super::filter::passes;
use super::property::groups;
use super::world::{Event, Subject, View};

/// An event that is meant, and the actors it counts for (G-12): its user or nobody, or with a group
/// key its groups (U-31).
#[derive(Debug, Clone, PartialEq)]
pub(in crate::oracle) struct Occurrence<'a> {
    pub(in crate::oracle) event: &'a Event,
    pub(in crate::oracle) actors: Vec<String>,
}

/// The events that are meant, in order. In group mode events without the key are nobody's concern
/// (U-32).
pub(in crate::oracle) fn occurrences<'a>(
    view: View<'a>,
    selector: &EventSelector,
    group_key: Option<&str>,
) -> Vec<Occurrence<'a>> {
    let actors = |event: &'a Event| match group_key {
        None => event.user.iter().cloned().collect(),
        Some(key) => groups(Subject::of_event(event), key),
    };
    let all: Vec<Occurrence<'a>> = view
        .events()
        .map(|event| Occurrence { event, actors: actors(event) })
        .filter(|occurrence| group_key.is_none() || !occurrence.actors.is_empty())
        .collect();
    let only = |all: Vec<Occurrence<'a>>, meant: &dyn Fn(&'a Event) -> bool| {
        all.into_iter().filter(|occurrence| meant(occurrence.event)).collect::<Vec<_>>()
    };
    let passing = |event: &'a Event| is_meant(view, selector, event);
    match selector.first_time {
        None => only(all, &passing),
        // S-51: the first of that name; then the filters.
        Some(FirstTime::Ever) => {
            only(first_of_each(&only(all, &|event| is_named(view, selector, event))), &passing)
        }
        Some(FirstTime::Filtered) => first_of_each(&only(all, &passing)),
    }
}

/// Whether an event is one of those chosen, whatever the filters of the choices say.
fn is_named(view: View<'_>, selector: &EventSelector, event: &Event) -> bool {
    selector.any_of.iter().any(|choice| is_called(view, choice, event))
}

/// Whether an event is stored under a name, or is one of a saved event (P-41), whose names are those
/// of stored ones.
fn is_called(view: View<'_>, choice: &EventChoice, event: &Event) -> bool {
    // P-40.
    let stored =
        |choice: &EventChoice| (choice.is_all() && !event.is_of_sessions()) || choice.event == event.name;
    match view.world.saved_events.get(&choice.event) {
        None => stored(choice),
        Some(saved) => saved.any_of.iter().any(|choice| {
            stored(choice)
                && choice.filter.iter().all(|filter| passes(view, filter, Subject::of_event(event)))
        }),
    }
}

/// Whether an event is one of those chosen and passes the filter of that choice (S-3).
pub(in crate::oracle) fn is_meant(view: View<'_>, selector: &EventSelector, event: &Event) -> bool {
    selector.any_of.iter().any(|choice| {
        is_called(view, choice, event)
            && choice.filter.iter().all(|filter| passes(view, filter, Subject::of_event(event)))
    })
}

/// What happened at the time of each actor's first (S-50); nobody has no first (S-52).
fn first_of_each<'a>(all: &[Occurrence<'a>]) -> Vec<Occurrence<'a>> {
    let first = |actor: &String| {
        let theirs = all.iter().filter(|occurrence| occurrence.actors.contains(actor));
        theirs.map(|occurrence| occurrence.event.time).min()
    };
    let mut kept = Vec::new();
    for occurrence in all {
        let time = Some(occurrence.event.time);
        let actors: Vec<String> =
            occurrence.actors.iter().filter(|actor| first(actor) == time).cloned().collect();
        if !actors.is_empty() {
            kept.push(Occurrence { event: occurrence.event, actors });
        }
    }
    kept
}
