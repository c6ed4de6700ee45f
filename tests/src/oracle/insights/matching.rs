//! What a filter leaves of the lists of an event (P-32).

use serde_json::Value;
use tallymark_report::{Condition, Filter, Include, ListContains, Property};

use super::filter::{meets, object_passes};
use super::property::inside;
use super::world::{Event, View};

/// A condition under which only items that meet it count.
#[derive(Debug, Clone, Copy)]
pub(super) enum Matching<'a> {
    OfItem(&'a Condition),
    OfObject(&'a ListContains),
}

/// Those in a filter whose conditions all hold.
pub(super) fn including<'a>(filter: &'a Filter, found: &mut Vec<Matching<'a>>) {
    match filter {
        Filter::List(all) | Filter::All { all } => all.iter().for_each(|filter| including(filter, found)),
        Filter::Condition(condition) if condition.include == Include::MatchingItems => {
            found.push(Matching::OfItem(condition));
        }
        Filter::ListContains(contains) if contains.include == Include::MatchingItems => {
            found.push(Matching::OfObject(contains));
        }
        _ => {}
    }
}

/// The event with what is left of its lists.
pub(super) fn left(view: View<'_>, event: &Event, matching: &[Matching<'_>]) -> Event {
    let mut event = event.clone();
    for one in matching {
        let list = match one {
            Matching::OfItem(condition) => &condition.property,
            Matching::OfObject(contains) => &contains.list,
        };
        let Property::Event { name } = list else { panic!("{list:?} is no list of events") };
        let keep = |item: &Value, path: &str| {
            let there = if path.is_empty() { Some(item.clone()) } else { inside(item, path) };
            let there = there.filter(|value| !value.is_null());
            match one {
                Matching::OfItem(condition) => meets(view, condition, there),
                Matching::OfObject(contains) => {
                    there.is_some_and(|there| object_passes(view, &contains.filter, &there))
                }
            }
        };
        let is_whole = event.properties.contains_key(name);
        let (outer, path) =
            if is_whole { (name.as_str(), "") } else { name.split_once('.').unwrap_or((name, "")) };
        if let Some(value) = event.properties.get_mut(outer) {
            reduce(value, path, &keep);
        }
    }
    event
}

/// Of the first list on the way the items that are kept.
fn reduce(value: &mut Value, path: &str, keep: &dyn Fn(&Value, &str) -> bool) {
    match value {
        Value::Array(items) => items.retain(|item| keep(item, path)),
        Value::Object(object) if object.contains_key(path) => reduce(&mut object[path], "", keep),
        Value::Object(object) => {
            if let Some((outer, rest)) = path.split_once('.')
                && let Some(inner) = object.get_mut(outer)
            {
                reduce(inner, rest, keep);
            }
        }
        _ => {}
    }
}
