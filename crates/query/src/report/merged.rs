//! Events and properties that are read under the name of another (M-22).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray as _, StringViewArray};
use arrow::compute::cast;
use datafusion::logical_expr::Expr;
use tallymark_event::columns::EVENT;
use tallymark_report::{Lexicon, SESSION_END, SESSION_START};

use super::asked::{Asked, column};
use super::convert::TEXT;
use super::matching::root_of;
use super::values::Values;
use crate::Result;
use crate::functions::made::call;

/// Under which name what is read.
#[derive(Debug, Default, Clone)]
pub(super) struct Merged {
    events: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
    /// Whether starts and ends of sessions are among the events.
    pub(super) has_session_events: bool,
}

/// What starts of sessions are called where they are among stored events, which may have any name.
pub(super) const STORED_START: &str = "\u{1}tallymark\u{1}$session_start";
/// What ends of sessions are called there.
pub(super) const STORED_END: &str = "\u{1}tallymark\u{1}$session_end";

impl Merged {
    pub(super) fn of(lexicon: &Lexicon) -> Self {
        Self {
            events: lexicon.merged_events(),
            properties: lexicon.merged_event_properties(),
            has_session_events: false,
        }
    }

    /// The same with starts and ends of sessions among the events.
    pub(super) fn with_session_events(&self) -> Self {
        Self { has_session_events: true, ..self.clone() }
    }

    /// The name a property is read under.
    pub(super) fn property<'a>(&'a self, stored: &'a str) -> &'a str {
        self.properties.get(stored).map_or(stored, String::as_str)
    }

    /// The name an event is read under.
    fn event<'a>(&'a self, stored: &'a str) -> &'a str {
        match stored {
            STORED_START if self.has_session_events => SESSION_START,
            STORED_END if self.has_session_events => SESSION_END,
            stored => self.events.get(stored).map_or(stored, String::as_str),
        }
    }

    /// The names that events are stored under which are read under this one.
    pub(super) fn stored_as<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        match name {
            SESSION_START if self.has_session_events => return vec![STORED_START],
            SESSION_END if self.has_session_events => return vec![STORED_END],
            _ => {}
        }
        let own = (!self.events.contains_key(name)).then_some(name);
        let others =
            self.events.iter().filter(|(_, target)| *target == name).map(|(stored, _)| stored.as_str());
        own.into_iter().chain(others).collect()
    }
}

impl Asked {
    /// The name that an event is read under.
    pub(super) fn event_name(&self) -> Expr {
        if self.merged.events.is_empty() && !self.merged.has_session_events {
            return column(EVENT);
        }
        names("event_name", Arc::clone(&self.merged))
    }

    /// The name an event is stored under; session events have the one they are asked for by.
    pub(super) fn shown_event() -> Expr {
        let unmerged = Merged { has_session_events: true, ..Merged::default() };
        names("shown_event", Arc::new(unmerged))
    }

    /// The property a name begins with, as it is read, and the way on from there.
    pub(super) fn read_root<'a>(&self, name: &'a str) -> (&'a str, Vec<String>) {
        if let Some(found) = root_of(self.catalog(), name) {
            return found;
        }
        // A name that others are read under need not be stored itself.
        let mut targets: Vec<&String> = self.merged.properties.values().collect();
        targets.sort_by_key(|target| std::cmp::Reverse(target.len()));
        for target in targets {
            match name.strip_prefix(target.as_str()) {
                Some("") => return (name, Vec::new()),
                Some(rest) if rest.starts_with('.') => {
                    return (&name[..target.len()], rest[1..].split('.').map(str::to_owned).collect());
                }
                _ => {}
            }
        }
        (name, Vec::new())
    }

    /// The values of a property of events, with those of properties that are read under its name; its
    /// own win. `of` gives the values that are stored under a name.
    pub(super) fn read_values(&self, name: &str, of: impl Fn(&str) -> Result<Values>) -> Result<Values> {
        if self.merged.properties.is_empty() {
            return of(name);
        }
        let (root, _) = self.read_root(name);
        if self.merged.properties.contains_key(root) {
            return Ok(Values::default());
        }
        let mut values = of(name)?;
        for (stored, target) in &self.merged.properties {
            if target == root {
                values = values.or(of(&format!("{stored}{}", &name[root.len()..]))?);
            }
        }
        Ok(values)
    }
}

/// The names that events are read under.
fn names(called: &str, merged: Arc<Merged>) -> Expr {
    call(called, TEXT, vec![column(EVENT)], move |args| {
        let names = cast(&args[0], &TEXT)?;
        let names = names.as_string_view().iter().map(|name| name.map(|name| merged.event(name)));
        Ok(Arc::new(names.collect::<StringViewArray>()))
    })
}
