//! Flows → nodes, edges and paths for each segment (W-10, W-12, W-20), added up over users.

use hashbrown::HashMap;
use indexmap::IndexSet;
use tallymark_report::{CountOf, FlowForm};

use super::super::funnel::attempts::{Attempts, Events, NO_SESSION, NOT_HELD};
use super::super::funnel::tally::hold;
use super::super::split::{Segments, Split, at_place};
use super::walk::{Flow, Labelled, Then, Walk};
use crate::resident::by_user::{Matcher, UserEvents};

/// Stands for the label of an anchor.
pub(super) const ANCHOR: u32 = u32::MAX;
/// Stands for nothing where a step could have been (W-12).
pub(super) const DROP_OFF: u32 = u32::MAX - 1;
/// In paths, stands for the first anchor; those after it come before it.
const FIRST_ANCHOR: u32 = u32::MAX - 2;

/// The anchor that a number in a path stands for, of so many.
pub(super) fn anchor_of(label: u32, anchor_count: usize) -> Option<usize> {
    let at = FIRST_ANCHOR.checked_sub(label)? as usize;
    (at < anchor_count).then_some(at)
}

/// The place of a step: which anchor it is around, how far from it, and its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// From 0.
    pub(super) anchor: u32,
    pub(super) offset: i32,
    pub(super) label: u32,
}

/// The flows of a segment.
#[derive(Debug, Clone, Default)]
pub(super) struct FlowSet {
    /// Of each anchor, how many reached it.
    pub(super) reached: Vec<u64>,
    pub(super) nodes: HashMap<Node, u64>,
    pub(super) edges: HashMap<(Node, Node), u64>,
    pub(super) paths: HashMap<Vec<u32>, u64>,
}

impl FlowSet {
    /// Adds a flow; labels have been given their numbers of this partial result.
    pub(super) fn add(
        &mut self,
        flow: &Flow,
        form: FlowForm,
        anchor_count: usize,
        label: &impl Fn(u32) -> u32,
    ) {
        self.reached.resize(anchor_count, 0);
        for anchor in 0..flow.legs.len() {
            self.reached[anchor] += 1;
        }
        if form == FlowForm::Graph {
            self.add_nodes(flow, anchor_count, label);
            return;
        }
        let mut path: Vec<u32> = Vec::new();
        for (anchor, leg) in flow.legs.iter().enumerate() {
            if anchor == 0 {
                path.extend(leg.before.iter().rev().map(|step| label(*step)));
            }
            path.push(FIRST_ANCHOR - anchor as u32);
            path.extend(leg.path.iter().map(|step| label(*step)));
        }
        *self.paths.entry(path).or_default() += 1;
    }

    fn add_nodes(&mut self, flow: &Flow, anchor_count: usize, label: &impl Fn(u32) -> u32) {
        let anchor_node = |anchor: usize| Node { anchor: anchor as u32, offset: 0, label: ANCHOR };
        let mut node = |node: Node| *self.nodes.entry(node).or_default() += 1;
        let mut edge = |from: Node, to: Node| *self.edges.entry((from, to)).or_default() += 1;
        for (at, leg) in flow.legs.iter().enumerate() {
            let this = anchor_node(at);
            node(this);
            let mut next = this;
            for (back, step) in leg.before.iter().enumerate() {
                let before = Node { offset: -1 - back as i32, label: label(*step), ..this };
                node(before);
                edge(before, next);
                next = before;
            }
            if let Some(previous) = at.checked_sub(1).filter(|_| leg.from_previous && next != this) {
                edge(anchor_node(previous), next);
            }
            let mut last = this;
            for (ahead, step) in leg.after.iter().enumerate() {
                let after = Node { offset: 1 + ahead as i32, label: label(*step), ..this };
                node(after);
                edge(last, after);
                last = after;
            }
            match leg.then {
                Then::More => {}
                // W-8: a direct arrival.
                Then::Anchor => edge(last, anchor_node(at + 1)),
                Then::DropOff => node(Node { offset: last.offset + 1, label: DROP_OFF, ..this }),
            }
        }
        if flow.legs.len() < anchor_count {
            node(Node { label: DROP_OFF, ..anchor_node(flow.legs.len()) });
        }
    }

    /// Adds those of other users, whose labels are these here.
    fn merge(&mut self, later: Self, labels: &[u32]) {
        let label = |label: u32| labels.get(label as usize).copied().unwrap_or(label);
        let node = |node: Node| Node { label: label(node.label), ..node };
        self.reached.resize(self.reached.len().max(later.reached.len()), 0);
        self.reached.iter_mut().zip(later.reached).for_each(|(total, later)| *total += later);
        for (of, count) in later.nodes {
            *self.nodes.entry(node(of)).or_default() += count;
        }
        for ((from, to), count) in later.edges {
            *self.edges.entry((node(from), node(to))).or_default() += count;
        }
        for (path, count) in later.paths {
            *self.paths.entry(path.into_iter().map(label).collect()).or_default() += count;
        }
    }

    fn bytes(&self) -> usize {
        let paths: usize = self.paths.keys().map(|path| path.capacity() * 4 + 40).sum();
        self.nodes.capacity() * 24 + self.edges.capacity() * 40 + paths + self.reached.capacity() * 8
    }
}

/// Counts flows.
pub(super) struct Counted {
    pub(super) walk: Walk,
    pub(super) split: Split,
    pub(super) form: FlowForm,
}

#[derive(Debug, Default)]
pub(super) struct Partial {
    pub(super) labels: IndexSet<String>,
    pub(super) overall: FlowSet,
    pub(super) segments: Segments,
    pub(super) of_segments: Vec<FlowSet>,
    /// Within one partial result: the number in `labels` of each code.
    codes: Vec<Option<u32>>,
    scratch: Scratch,
}

/// What is known of one user, kept and used again for the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    sessions: Vec<u32>,
    held: Vec<u32>,
    together: HashMap<Vec<u32>, u32>,
    attempts: Attempts,
    pub(super) flows: Vec<Flow>,
    pub(super) found: Vec<usize>,
    counted: Vec<usize>,
}

impl Scratch {
    /// Finds the flows of a user.
    pub(super) fn walk(&mut self, walk: &Walk, user: &UserEvents<'_>) {
        let Self { sessions, held, together, attempts, flows, .. } = self;
        if let Some(walk) = &walk.sessions {
            walk.numbers(user, NO_SESSION, sessions);
        }
        hold(user, walk.held.clone(), held, together);
        let view = View { user, sessions, held, event_label: walk.event_label };
        walk.flows(&view, attempts, flows);
    }
}

/// The events of a user as a walk sees them.
struct View<'a> {
    user: &'a UserEvents<'a>,
    sessions: &'a [u32],
    held: &'a [u32],
    event_label: usize,
}

impl Events for View<'_> {
    fn len(&self) -> usize {
        self.user.records.len()
    }

    fn time(&self, at: usize) -> i64 {
        self.user.records[at].time
    }

    fn meets(&self, at: usize, condition: usize) -> bool {
        self.user.records[at].meets(condition)
    }

    fn session(&self, at: usize) -> u32 {
        self.sessions.get(at).copied().unwrap_or(NO_SESSION)
    }

    fn held(&self, at: usize) -> u32 {
        self.held.get(at).copied().unwrap_or(NOT_HELD)
    }
}

impl Labelled for View<'_> {
    fn label(&self, at: usize) -> u32 {
        let labels = self.user.labels(self.event_label, &self.user.records[at]);
        // An event has a name.
        labels.first().copied().unwrap_or(0)
    }
}

impl Matcher for Counted {
    type Partial = Partial;

    fn start(&self) -> Partial {
        Partial::default()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Partial) {
        let Partial { labels, overall, segments, of_segments, codes, scratch } = partial;
        scratch.walk(&self.walk, user);
        let Scratch { flows, found, counted, .. } = scratch;
        let event_label = self.walk.event_label;
        // The labels of all flows get their numbers.
        for leg in flows.iter().flat_map(|flow| &flow.legs) {
            for code in leg.before.iter().chain(&leg.after).chain(&leg.path) {
                let at = *code as usize;
                if codes.len() <= at {
                    codes.resize(at + 1, None);
                }
                if codes[at].is_none() {
                    let text = user.text(event_label, *code);
                    let known = labels.get_index_of(text);
                    let known = known.unwrap_or_else(|| labels.insert_full(text.to_owned()).0);
                    codes[at] = Some(known as u32);
                }
            }
        }
        let label = |code: u32| codes.get(code as usize).copied().flatten().unwrap_or(0);
        let anchor_count = self.walk.shown.len();
        let once = self.walk.count == CountOf::UniqueUsers;
        counted.clear();
        for (at, flow) in flows.iter().enumerate() {
            // W-4: a user's first.
            if !once || at == 0 {
                overall.add(flow, self.form, anchor_count, &label);
            }
            segments.of_event(&self.split, user, &user.records[flow.start], found);
            for segment in found.iter() {
                if once && counted.contains(segment) {
                    continue;
                }
                counted.push(*segment);
                at_place(of_segments, *segment).add(flow, self.form, anchor_count, &label);
            }
        }
    }

    fn merge(&self, total: &mut Partial, later: Partial) {
        let labels: Vec<u32> =
            later.labels.into_iter().map(|label| total.labels.insert_full(label).0 as u32).collect();
        total.overall.merge(later.overall, &labels);
        for (segment, flows) in total.segments.merge(later.segments).into_iter().zip(later.of_segments) {
            at_place(&mut total.of_segments, segment).merge(flows, &labels);
        }
    }

    fn bytes(&self, partial: &Partial) -> usize {
        let sets = partial.of_segments.iter().chain([&partial.overall]);
        sets.map(FlowSet::bytes).sum::<usize>() + partial.segments.bytes() + partial.labels.len() * 64
    }
}
