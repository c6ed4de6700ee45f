//! The users behind a node of the graph (M-4).

use std::collections::BTreeSet;

use tallymark_report::{CountOf, DROPPED_OFF, FlowForm, FlowNode, Flows, Scope};

use super::super::asked::Asked;
use super::super::insights::{OTHER, OVERALL};
use super::super::split::{Segments, Split};
use super::tally::{Counted, Scratch};
use super::walk::{Flow, Then, Walk};
use super::{Prepared, rows};
use crate::Result;
use crate::resident::by_user::UserEvents;

/// The users whose flows that count have this node.
pub(in super::super) async fn users(
    asked: &Asked,
    scope: &Scope,
    flows: &Flows,
    node: &FlowNode,
) -> Result<BTreeSet<String>> {
    let is_split = node.segments.iter().any(|label| label != OVERALL);
    let segment = is_split.then(|| node.segments.clone());
    let anchor = node.anchor.saturating_sub(1);
    let label = match node.label.as_deref() {
        Some(DROPPED_OFF) => Wanted::DropOff,
        _ if node.offset == 0 => Wanted::Anchor,
        Some(OTHER) => {
            // What a column shows depends on all flows of the segment.
            let Prepared { scan, walk } = Prepared::try_new(asked, scope, flows).await?;
            let counted = Counted { walk, split: Split::by(&flows.breakdowns), form: FlowForm::Graph };
            let (partial, _) = scan.run(asked, counted).await?;
            let column = (anchor, node.offset);
            Wanted::NoneOf(rows::shown_labels(&partial, segment.as_deref(), column, flows.rows))
        }
        label => Wanted::Label(label.unwrap_or_default().to_owned()),
    };
    let Prepared { scan, walk } = Prepared::try_new(asked, scope, flows).await?;
    let split = Split::by(&flows.breakdowns);
    let behind = Behind { walk, split, anchor, offset: node.offset, label, segment };
    scan.users(asked, move |user, found| behind.is_user(user, found)).await
}

/// Which labels are wanted.
enum Wanted {
    Anchor,
    DropOff,
    Label(String),
    /// Any but those that are shown.
    NoneOf(BTreeSet<String>),
}

struct Behind {
    walk: Walk,
    split: Split,
    /// From 0.
    anchor: usize,
    offset: i64,
    label: Wanted,
    segment: Option<Vec<String>>,
}

impl Behind {
    fn is_user(&self, user: &UserEvents<'_>, (scratch, segments): &mut (Scratch, Segments)) -> bool {
        scratch.walk(&self.walk, user);
        let Scratch { flows, found, .. } = scratch;
        let mut own = flows.iter().filter(|flow| {
            let Some(wanted) = &self.segment else { return true };
            segments.of_event(&self.split, user, &user.records[flow.start], found);
            found.iter().any(|at| segments.labels().nth(*at) == Some(wanted))
        });
        if self.walk.count == CountOf::UniqueUsers {
            // W-4, W-15: a user's first, in the segment.
            return own.next().is_some_and(|flow| self.has_node(flow, user));
        }
        own.any(|flow| self.has_node(flow, user))
    }

    fn has_node(&self, flow: &Flow, user: &UserEvents<'_>) -> bool {
        let Some(leg) = flow.legs.get(self.anchor) else {
            // W-12: the anchor after the last one that was reached.
            return matches!(self.label, Wanted::DropOff)
                && (self.offset, flow.legs.len()) == (0, self.anchor);
        };
        let steps = if self.offset < 0 { &leg.before } else { &leg.after };
        let at = usize::try_from(self.offset.unsigned_abs()).unwrap_or(usize::MAX);
        let step = at.checked_sub(1).and_then(|at| steps.get(at));
        let text = step.map(|code| user.text(self.walk.event_label, *code));
        match &self.label {
            Wanted::Anchor => true,
            Wanted::DropOff => self.offset > 0 && leg.then == Then::DropOff && at == steps.len() + 1,
            Wanted::Label(label) => text == Some(label.as_str()),
            Wanted::NoneOf(shown) => text.is_some_and(|text| !shown.contains(text)),
        }
    }
}
