//! Events and properties that are read under the name of another (M-22).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray as _, StringViewArray};
use arrow::compute::cast;
use datafusion::logical_expr::Expr;
use tallymark_event::columns::EVENT;
use tallymark_report::Lexicon;

use super::asked::{Asked, column};
use super::convert::TEXT;
use super::matching::root_of;
use super::values::Values;
use crate::Result;
use crate::functions::made::call;

/// Under which name what is read.
#[derive(Debug, Default)]
pub(super) struct Merged {
    events: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
}

impl Merged {
    pub(super) fn of(lexicon: &Lexicon) -> Self {
        Self { events: lexicon.merged_events(), properties: lexicon.merged_event_properties() }
    }

    /// The names that events are stored under which are read under this one.
    pub(super) fn stored_as<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let own = (!self.events.contains_key(name)).then_some(name);
        let others =
            self.events.iter().filter(|(_, target)| *target == name).map(|(stored, _)| stored.as_str());
        own.into_iter().chain(others).collect()
    }
}

impl Asked {
    /// The name that an event is read under.
    pub(super) fn event_name(&self) -> Expr {
        if self.merged.events.is_empty() {
            return column(EVENT);
        }
        let merged = Arc::clone(&self.merged);
        call("event_name", TEXT, vec![column(EVENT)], move |args| {
            let names = cast(&args[0], &TEXT)?;
            let read = |name| merged.events.get(name).map_or(name, String::as_str);
            let names = names.as_string_view().iter().map(|name| name.map(read));
            Ok(Arc::new(names.collect::<StringViewArray>()))
        })
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
