//! What a property of a definition is, of an event or a profile.

use serde_json::Value;
use tallymark_report::Property;

use super::lookup::looked_up;
use super::other_events::{after, attributed, borrowed, per_user, seconds_to_next};
use super::value::{spell_instant, text_of};
use super::world::{Subject, View};
use crate::oracle::Change;

/// The value of a property; none if it is absent or null (D-26).
pub(in crate::oracle) fn value(view: View<'_>, property: &Property, subject: Subject<'_>) -> Option<Value> {
    let value = match property {
        Property::Event { name } => event_value(subject, name)?,
        Property::User { name } => reach(name, |name| view.world.users.get(subject.user?)?.get(name))?,
        Property::Group { group_key, name } => group_value(view, subject, group_key, name)?,
        Property::ItemCount { item_count } => match event_value(subject, item_count)? {
            Value::Array(items) => Value::from(items.len()),
            _ => return None,
        },
        Property::Lookup { table, of, column } => looked_up(view, table.as_deref(), of, column, subject)?,
        Property::PerUser { between_steps: Some(_), .. } => panic!("an event is not between steps"),
        Property::PerUser { per_user: what, event, within: Some(within), .. } => {
            after(view, what, event, *within, subject)?
        }
        Property::PerUser { per_user: what, event, .. } => per_user(view, what, event, subject)?,
        Property::SecondsToNext { seconds_to_next: events } => seconds_to_next(view, events, subject)?,
        Property::Borrowed { borrow, from, within } => borrowed(view, borrow, from, *within, subject)?,
        Property::Attributed { .. } => attributed(view, property, subject)?,
        Property::UserHistory { user_history } => historical(view, user_history, subject)?,
        Property::Sql { sql } => panic!("the oracle knows no SQL: {sql}"),
    };
    Some(value).filter(|value| !value.is_null())
}

fn event_value(subject: Subject<'_>, name: &str) -> Option<Value> {
    if let Some(object) = subject.object {
        return reach(name, |name| object.get(name));
    }
    let event = subject.event?;
    if name == "time" {
        return Some(spell_instant(event.time));
    }
    if name == "event" && !event.properties.contains_key(name) {
        return Some(Value::from(event.name.clone()));
    }
    reach(name, |name| event.properties.get(name))
}

/// A property of that very name, or `a.b` into an object, or into each object of a list (D-25): a
/// list of what the objects have, nothing if none has it.
fn reach<'a>(name: &str, get: impl Fn(&str) -> Option<&'a Value>) -> Option<Value> {
    if let Some(value) = get(name) {
        return Some(value.clone());
    }
    let (outer, path) = name.split_once('.')?;
    inside(get(outer)?, path)
}

pub(super) fn inside(value: &Value, path: &str) -> Option<Value> {
    match value {
        Value::Object(object) => reach(path, |name| object.get(name)),
        Value::Array(items) => {
            let found: Vec<Value> = items.iter().filter_map(|item| inside(item, path)).collect();
            Some(Value::from(found)).filter(|found| *found != Value::Array(Vec::new()))
        }
        _ => None,
    }
}

/// The property of each group the event names (U-31, U-35); a list if the key is one, not set if no
/// group has it.
fn group_value(view: View<'_>, subject: Subject<'_>, group_key: &str, name: &str) -> Option<Value> {
    let of_group = |group: &Value| {
        let profile = view.world.groups.get(&(group_key.to_owned(), text_of(group)))?;
        reach(name, |name| profile.get(name))
    };
    if let Some((key, id)) = subject.group {
        return if key == group_key { of_group(&Value::from(id)) } else { None };
    }
    match event_value(subject, group_key)? {
        Value::Array(groups) => {
            let found: Vec<Value> = groups.iter().filter_map(of_group).collect();
            if found.is_empty() { None } else { Some(found.into_iter().flat_map(items).collect()) }
        }
        group => of_group(&group),
    }
}

/// What the property of the user's profile was at a time, such as that of an event: as the last record before it, or
/// at its very time, left it (U-20).
fn historical(view: View<'_>, name: &str, subject: Subject<'_>) -> Option<Value> {
    let (time, user) = (subject.at?, subject.user?);
    let mut valid: Option<&Change> = None;
    for change in &view.world.changes {
        let is_named = change.names.as_ref().is_none_or(|names| names.iter().any(|own| own == name));
        let is_later = valid.is_none_or(|valid| change.start >= valid.start);
        if change.id == user && is_named && change.start <= time && is_later {
            valid = Some(change);
        }
    }
    valid?.properties.get(name).cloned()
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        value => vec![value],
    }
}

/// The groups an event is of: each value of the key once, as text (U-31, U-36).
pub(in crate::oracle) fn groups(subject: Subject<'_>, group_key: &str) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for group in event_value(subject, group_key).map(items).unwrap_or_default() {
        let id = text_of(&group);
        if !group.is_null() && !groups.contains(&id) {
            groups.push(id);
        }
    }
    groups
}
