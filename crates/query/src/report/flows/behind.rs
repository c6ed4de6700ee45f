//! The users behind a node of the graph, an edge of it, a path, or a node of the tree (M-4).

use std::collections::BTreeSet;

use tallymark_report::{CountOf, DROPPED_OFF, FlowForm, FlowNode, Flows, Scope};

use super::super::asked::Asked;
use super::super::insights::{OTHER, OVERALL};
use super::super::split::{Segments, Split};
use super::tally::{ANCHOR, FlowSet, Node, Scratch, anchor_of};
use super::walk::{Flow, Then, Walk};
use super::{Prepared, counted, rows};
use crate::Result;
use crate::resident::by_user::UserEvents;

/// The users whose flows that count have this node, this edge, or this path, or one of those told that
/// begin so.
pub(in super::super) async fn users(
    asked: &Asked,
    scope: &Scope,
    flows: &Flows,
    node: &FlowNode,
) -> Result<BTreeSet<String>> {
    let is_split = node.segments.iter().any(|label| label != OVERALL);
    let segment = is_split.then(|| node.segments.clone());
    let what = if node.path.is_empty() {
        let from = Place::try_new(asked, scope, flows, node, segment.as_deref()).await?;
        match node.end() {
            None => What::Node(from),
            Some(to) => What::Edge(from, Place::try_new(asked, scope, flows, &to, segment.as_deref()).await?),
        }
    } else {
        let mut any_of = BTreeSet::from([node.path.clone()]);
        if flows.form == FlowForm::Tree {
            // Which paths are told depends on all flows of the segment.
            let told = rows::told_paths(flows, &counted(asked, scope, flows).await?, segment.as_deref());
            any_of = told.into_iter().filter(|path| path.starts_with(&node.path)).collect();
        }
        What::Path { anchors: rows::anchors(flows), any_of }
    };
    let Prepared { scan, walk } = Prepared::try_new(asked, scope, flows).await?;
    let behind = Behind { walk, split: Split::by(&flows.breakdowns), what, segment };
    scan.users(asked, move |user, found| behind.is_user(user, found)).await
}

/// What flows are to have.
enum What {
    Node(Place),
    Edge(Place, Place),
    /// One of these.
    Path {
        anchors: Vec<String>,
        any_of: BTreeSet<Vec<String>>,
    },
}

/// A node.
struct Place {
    /// From 0.
    anchor: usize,
    offset: i64,
    label: Wanted,
}

/// Which labels are wanted.
enum Wanted {
    Anchor,
    DropOff,
    Label(String),
    /// Any but those that are shown.
    NoneOf(BTreeSet<String>),
}

impl Place {
    async fn try_new(
        asked: &Asked,
        scope: &Scope,
        flows: &Flows,
        node: &FlowNode,
        segment: Option<&[String]>,
    ) -> Result<Self> {
        let (anchor, offset) = (node.anchor.saturating_sub(1), node.offset);
        let label = match node.label.as_deref() {
            Some(DROPPED_OFF) => Wanted::DropOff,
            _ if offset == 0 => Wanted::Anchor,
            Some(OTHER) => {
                // What a column shows depends on all flows of the segment.
                let partial = counted(asked, scope, flows).await?;
                Wanted::NoneOf(rows::shown_labels(&partial, segment, (anchor, offset), flows.rows))
            }
            label => Wanted::Label(label.unwrap_or_default().to_owned()),
        };
        Ok(Self { anchor, offset, label })
    }

    fn is_node<'a>(&self, node: &Node, text: &impl Fn(u32) -> &'a str) -> bool {
        let is_there = (node.anchor as usize, i64::from(node.offset)) == (self.anchor, self.offset);
        is_there
            && match node.label {
                ANCHOR => matches!(self.label, Wanted::Anchor),
                label => self.label.is_step(text(label)),
            }
    }
}

impl Wanted {
    /// Whether this is the label of a step.
    fn is_step(&self, text: &str) -> bool {
        match self {
            Self::Anchor | Self::DropOff => false,
            Self::Label(label) => text == label,
            Self::NoneOf(shown) => !shown.contains(text),
        }
    }
}

struct Behind {
    walk: Walk,
    split: Split,
    what: What,
    segment: Option<Vec<String>>,
}

impl Behind {
    fn is_user(&self, user: &UserEvents<'_>, (scratch, segments): &mut (Scratch, Segments)) -> bool {
        scratch.walk(&self.walk, user);
        let Scratch { flows, found, .. } = scratch;
        let mut own = flows.iter().filter(|flow| {
            let Some(wanted) = &self.segment else { return true };
            segments.of_event(&self.split, user, &user.records[flow.start], found);
            found.iter().any(|at| segments.get(*at) == Some(wanted))
        });
        if self.walk.count == CountOf::UniqueUsers {
            // W-4, W-15: a user's first, in the segment.
            return own.next().is_some_and(|flow| self.has_it(flow, user));
        }
        own.any(|flow| self.has_it(flow, user))
    }

    fn has_it(&self, flow: &Flow, user: &UserEvents<'_>) -> bool {
        let text = |code: u32| user.text(self.walk.event_label, code);
        let anchor_count = self.walk.shown.len();
        let of_flow = |form: FlowForm| {
            let mut set = FlowSet::default();
            set.add(flow, form, anchor_count, &|code| code);
            set
        };
        match &self.what {
            What::Node(place) => has_node(place, flow, &text),
            What::Edge(from, to) => of_flow(FlowForm::Graph)
                .edges
                .keys()
                .any(|(one, next)| from.is_node(one, &text) && to.is_node(next, &text)),
            What::Path { anchors, any_of } => of_flow(FlowForm::Paths).paths.keys().any(|own| {
                let label = |code: &u32| match anchor_of(*code, anchor_count) {
                    Some(anchor) => anchors[anchor].clone(),
                    None => text(*code).to_owned(),
                };
                any_of.contains(&own.iter().map(label).collect::<Vec<_>>())
            }),
        }
    }
}

fn has_node<'a>(place: &Place, flow: &Flow, text: &impl Fn(u32) -> &'a str) -> bool {
    let Some(leg) = flow.legs.get(place.anchor) else {
        // W-12: the anchor after the last one that was reached.
        return matches!(place.label, Wanted::DropOff)
            && (place.offset, flow.legs.len()) == (0, place.anchor);
    };
    let steps = if place.offset < 0 { &leg.before } else { &leg.after };
    let at = usize::try_from(place.offset.unsigned_abs()).unwrap_or(usize::MAX);
    let step = at.checked_sub(1).and_then(|at| steps.get(at));
    match &place.label {
        Wanted::Anchor => true,
        Wanted::DropOff => place.offset > 0 && leg.then == Then::DropOff && at == steps.len() + 1,
        label => step.is_some_and(|code| label.is_step(text(*code))),
    }
}
