//! What users do before and after something.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::attempt::{CountOf, Exclusion, Window, no_first_time};
use crate::insights::{check_breakdowns, check_cell};
use crate::text::{WordOr, Written, word_or};
use crate::{Breakdown, DefinitionError, EventChoice, EventSelector, FirstTime, Property, Result};

/// A report of the steps users take around some events (section 8 of the rules).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flows {
    /// The events that the rest is around, in order; at least one (W-1).
    pub anchors: Vec<Anchor>,
    /// What is counted (W-4).
    #[serde(default)]
    pub count: CountOf,
    /// How long it may take from the first anchor to the last (W-6); 30 days if not said.
    #[serde(default = "window")]
    pub window: Window,
    /// How many labels are shown in each column, the others are one (W-11); 3 if not said.
    #[serde(default = "rows")]
    pub rows: usize,
    /// Names of events that no path shows (W-2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hide: Vec<String>,
    /// Instead, only these events are steps of paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub show_only: Vec<String>,
    /// Events whose label tells the value of a property too (W-14).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<Expansion>,
    /// Events that are shown under the name of such a selector, the first that fits (W-16).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_events: Vec<EventSelector>,
    /// Whether equal labels one after the other are one step (W-17).
    #[serde(default)]
    pub collapse_repeated: bool,
    /// Properties that events of a path have the same value of as its anchor (W-18).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hold_constant: Vec<Property>,
    /// Events that end a flow if they happen between anchors (W-19).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Exclusion>,
    /// Flows of each segment; properties of events are those of the first anchor (W-15).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breakdowns: Vec<Breakdown>,
    /// Only so many segments, those with most flows (B-31).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// In which form.
    #[serde(default)]
    pub form: FlowForm,
    /// How many paths are told (W-20); 50 if not said.
    #[serde(default = "paths")]
    pub paths: usize,
    /// Instead of the numbers, the users behind one of them (M-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_of: Option<FlowNode>,
}

/// The label of what goes no further (W-12).
pub const DROPPED_OFF: &str = "$drop_off";

/// One node of a graph of flows (W-10), or the edge from it to another; or a whole path, or a node of a
/// tree (W-20).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowNode {
    /// The number of the anchor, from 1; the first if not said.
    #[serde(default = "first")]
    pub anchor: usize,
    /// How many steps after the anchor, negative before it; the anchor itself if not said.
    #[serde(default)]
    pub offset: i64,
    /// The label of the step: an event, `$other`, `$drop_off`; of an anchor it need not be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The node it goes to, of an edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<FlowEnd>,
    /// Instead, with the form `paths`: the labels of a path, anchors among them; with the form `tree`: those
    /// from a root to the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The labels of the segment, one a breakdown; without regard to segments if not said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
}

/// Where an edge of a graph of flows goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowEnd {
    /// The number of the anchor, from 1; that of the node it comes from if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<usize>,
    /// How many steps after the anchor, negative before it; the anchor itself if not said.
    #[serde(default)]
    pub offset: i64,
    /// The label of the step: an event or `$other`; of an anchor it need not be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

fn first() -> usize {
    1
}

impl FlowNode {
    /// The node that an edge goes to.
    pub fn end(&self) -> Option<Self> {
        let FlowEnd { anchor, offset, label } = self.to.clone()?;
        let anchor = anchor.unwrap_or(self.anchor);
        Some(Self { anchor, offset, label, to: None, path: Vec::new(), segments: self.segments.clone() })
    }

    fn check(&self, flows: &Flows) -> Result<()> {
        if !self.path.is_empty() {
            let path = Self { path: self.path.clone(), segments: self.segments.clone(), ..Self::default() };
            if *self != path {
                return Err(DefinitionError::new("path", "is told by itself, at most with segments"));
            }
            return check_cell(false, &self.segments, None, &flows.breakdowns);
        }
        self.check_node(flows)?;
        let Some(end) = self.end() else { return Ok(()) };
        end.check_node(flows).map_err(|error| error.within("to"))?;
        if [&self.label, &end.label].into_iter().flatten().any(|label| label == DROPPED_OFF) {
            return Err(DefinitionError::new("to", "no edge goes to or from where flows drop off"));
        }
        // W-10: one step on; from an anchor to the steps before the next, or to the next from those after.
        let is_next = (end.anchor, end.offset) == (self.anchor, self.offset + 1);
        let is_over = end.anchor == self.anchor + 1
            && ((self.offset == 0 && end.offset <= 0) || (self.offset > 0 && end.offset == 0));
        if !is_next && !is_over {
            let problem = format!("no edge goes there from offset {} of anchor {}", self.offset, self.anchor);
            return Err(DefinitionError::new("to", problem));
        }
        Ok(())
    }

    fn check_node(&self, flows: &Flows) -> Result<()> {
        let at = self.anchor.wrapping_sub(1);
        let Some(anchor) = flows.anchors.get(at) else {
            let problem = format!("there are anchors 1 to {}", flows.anchors.len());
            return Err(DefinitionError::new("anchor", problem));
        };
        let (before, after) = (i64::from(anchor.before), i64::from(flows.after(at)));
        if self.offset < -before || self.offset > after {
            let problem = format!("of anchor {} there are offsets {} to {after}", self.anchor, -before);
            return Err(DefinitionError::new("offset", problem));
        }
        let is_dropped = self.label.as_deref() == Some(DROPPED_OFF);
        if is_dropped && (self.offset < 0 || (self.offset == 0 && at == 0)) {
            let problem = "flows drop off after an anchor, or at one that others come before";
            return Err(DefinitionError::new("label", problem));
        }
        match &self.label {
            None if self.offset != 0 => {
                return Err(DefinitionError::new("label", "of which step? Say the label of the node"));
            }
            Some(label) if self.offset == 0 && !is_dropped && *label != anchor.event.label() => {
                let problem = format!("the anchor itself is \"{}\"", anchor.event.label());
                return Err(DefinitionError::new("label", problem));
            }
            _ => {}
        }
        check_cell(false, &self.segments, None, &flows.breakdowns)
    }
}

impl Default for FlowNode {
    fn default() -> Self {
        Self { anchor: 1, offset: 0, label: None, to: None, path: Vec::new(), segments: Vec::new() }
    }
}

fn window() -> Window {
    Window::days(30)
}

fn rows() -> usize {
    3
}

fn paths() -> usize {
    50
}

/// In which form flows are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlowForm {
    /// Nodes and the edges between them (W-10).
    #[default]
    Graph,
    /// The most frequent paths, whole (W-20).
    Paths,
    /// Paths that begin alike, put together (W-20).
    Tree,
}

/// An event that the rest is around: written as an event is, with perhaps how many steps are shown.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(with = "Written<Self>")]
pub struct Anchor {
    /// Which events.
    #[serde(flatten)]
    pub event: EventSelector,
    /// How many steps before it are shown; none if not said.
    pub before: u32,
    /// How many steps after it; 3 of the last anchor, none of others, if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
}

/// [`Anchor`] as an object.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnchorObject {
    /// One name, or `$all_events`.
    event: Option<String>,
    /// Several, any of which will do.
    any_of: Option<Vec<EventChoice>>,
    /// Only events of `event` that pass.
    #[serde(rename = "where")]
    filter: Option<crate::Filter>,
    /// What to call it in results.
    name: Option<String>,
    /// Only each user's first such event ever.
    first_time: Option<FirstTime>,
    /// How many steps before it are shown.
    #[serde(default)]
    before: u32,
    /// How many steps after it.
    after: Option<u32>,
}

impl From<EventSelector> for Anchor {
    fn from(event: EventSelector) -> Self {
        Self { event, before: 0, after: None }
    }
}

impl WordOr<'_> for Anchor {
    const EXPECTED: &'static str = "an anchor: the name of an event, a list of names, or an object";
    type Object = AnchorObject;
    type List = Vec<EventChoice>;

    fn of_word(word: &str) -> Result<Self, String> {
        EventSelector::of_word(word).map(Self::from)
    }

    fn of_object(object: AnchorObject) -> Result<Self, String> {
        let AnchorObject { event, any_of, filter, name, first_time, before, after } = object;
        Ok(Self { event: EventSelector::of_parts(event, any_of, filter, name, first_time)?, before, after })
    }

    fn of_list(list: Vec<EventChoice>) -> Result<Self, String> {
        EventSelector::of_list(list).map(Self::from)
    }
}

impl<'de> Deserialize<'de> for Anchor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or(deserializer)
    }
}

/// Tells the value of a property with the name of an event: `event · value` (W-14).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expansion {
    /// The name of the event.
    pub event: String,
    /// The property.
    pub property: Property,
}

impl Flows {
    /// How many steps are shown after an anchor.
    pub fn after(&self, anchor: usize) -> u32 {
        let default = if anchor + 1 == self.anchors.len() { 3 } else { 0 };
        self.anchors.get(anchor).map_or(0, |anchor| anchor.after.unwrap_or(default))
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.anchors.is_empty() {
            return Err(DefinitionError::new("anchors", "at least one"));
        }
        for (at, anchor) in self.anchors.iter().enumerate() {
            anchor.event.check(false).map_err(|error| error.within(&format!("anchors[{at}]")))?;
            if anchor.before > 1000 || anchor.after.is_some_and(|after| after > 1000) {
                return Err(DefinitionError::new(format!("anchors[{at}]"), "at most 1000 steps"));
            }
        }
        for (at, selector) in self.custom_events.iter().enumerate() {
            let event = no_first_time(selector).and_then(|()| selector.check(false));
            event.map_err(|error| error.within(&format!("custom_events[{at}]")))?;
        }
        if self.rows == 0 {
            return Err(DefinitionError::new("rows", "at least one"));
        }
        if self.paths == 0 {
            return Err(DefinitionError::new("paths", "at least one"));
        }
        if !self.hide.is_empty() && !self.show_only.is_empty() {
            return Err(DefinitionError::new("show_only", "say either hide or show_only"));
        }
        Exclusion::check(&self.exclude, self.anchors.len())?;
        if let Some(node) = &self.users_of {
            let problem = match (self.form, node.path.is_empty()) {
                (FlowForm::Graph, true) | (FlowForm::Paths | FlowForm::Tree, false) => None,
                (FlowForm::Graph, false) => Some("users are those of a path: it is paths, or tree"),
                (FlowForm::Paths | FlowForm::Tree, true) => {
                    Some("users are those of a node: leave out the form, or say users_of.path")
                }
            };
            if let Some(problem) = problem {
                return Err(DefinitionError::new("form", problem));
            }
            node.check(self).map_err(|error| error.within("users_of"))?;
        }
        check_breakdowns(&self.breakdowns, self.top, false)
    }
}
