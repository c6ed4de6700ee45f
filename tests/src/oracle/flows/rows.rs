//! Flows as a graph, as paths, as a tree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tallymark_report::{Breakdown, CountOf, FlowForm, Flows, Question, Report};

use super::path::{Flow, all_flows, first_anchors};
use crate::oracle::Table;
use crate::oracle::attempts::streams;
use crate::oracle::insights::breakdown::{Segment, Splitter, segments};
use crate::oracle::insights::range::resolve;
use crate::oracle::insights::rows::view;
use crate::oracle::insights::world::{Subject, World};
use crate::oracle::insights::{OTHER, OVERALL};

const DROP_OFF: &str = "$drop_off";

/// A node of a flow (W-10): the number of the anchor, from 1, the offset, and the label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) anchor: usize,
    pub(super) offset: i64,
    pub(super) label: String,
}

/// The nodes and edges of flows and how many flows have them.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: BTreeMap<Node, usize>,
    pub(super) edges: BTreeMap<(Node, Node), usize>,
}

/// The users behind a node, an edge, or a path, or a node of a tree (M-4): of flows that count, those that
/// have it; of a tree, those whose path is told and begins so.
pub fn behind(world: &World, report: &Report, as_of: i64) -> BTreeSet<String> {
    let Question::Flows(flows) = &report.question else { panic!("no flows") };
    let wanted = flows.users_of.as_ref().unwrap();
    let view = view(world, &report.scope, as_of);
    let range = resolve(view.civil, &report.scope.range, view.now).span;
    let all = all_flows(view, &report.scope, flows, range);
    let mut own: Vec<&Flow<'_>> = all.iter().collect();
    if wanted.segments.iter().any(|label| label != OVERALL) {
        let anchors = first_anchors(view, &report.scope, flows, range);
        let splitters: Vec<Splitter<'_>> =
            flows.breakdowns.iter().map(|breakdown| Splitter::of(view, breakdown, &anchors)).collect();
        own.retain(|flow| {
            segments(view, &splitters, Subject::of_event(flow.first)).contains(&wanted.segments)
        });
    }
    count_once(flows, &mut own);
    let node = |anchor: usize, offset: i64, label: &Option<String>| {
        let label = label.clone().unwrap_or_else(|| flows.anchors[anchor - 1].event.label());
        Node { anchor, offset, label }
    };
    let from = node(wanted.anchor, wanted.offset, &wanted.label);
    let to = wanted.to.as_ref().map(|to| node(to.anchor.unwrap_or(wanted.anchor), to.offset, &to.label));
    let shown = shown_nodes(flows, &own);
    let told: Vec<Vec<String>> = paths(flows, &own).into_iter().map(|(path, _)| path).collect();
    let has_it = |(flow, events): &(&&Flow<'_>, Vec<Vec<Node>>)| {
        if !wanted.path.is_empty() {
            let path = path_of(flows, flow);
            return match flows.form {
                FlowForm::Tree => told.contains(&path) && path.starts_with(&wanted.path),
                _ => path == wanted.path,
            };
        }
        // A label that a column does not show is asked for by its name too.
        let named = nodes_of(flows, flow);
        let has = |event: usize, node: &Node| events[event].contains(node) || named[event].contains(node);
        match &to {
            None => {
                (0..events.len()).any(|event| has(event, &from)) || drop_offs(flows, flow).contains(&from)
            }
            Some(to) => {
                is_edge(&from, to) && (1..events.len()).any(|event| has(event - 1, &from) && has(event, to))
            }
        }
    };
    let streams = streams(view, &report.scope, None);
    let behind = own.iter().zip(shown).filter(has_it);
    behind.map(|(flow, _)| streams[flow.user].actor.clone()).collect()
}

/// The answer to a report of flows, as of an instant unless the definition names another.
pub fn answer(world: &World, report: &Report, as_of: i64) -> Table {
    let Question::Flows(flows) = &report.question else { panic!("no flows") };
    let view = view(world, &report.scope, as_of);
    let range = resolve(view.civil, &report.scope.range, view.now).span;
    let all = all_flows(view, &report.scope, flows, range);
    // W-15.
    let subjects: Vec<Subject<'_>> = all.iter().map(|flow| Subject::of_event(flow.first)).collect();
    // B-10.
    let first_anchors = first_anchors(view, &report.scope, flows, range);
    let splitters: Vec<Splitter<'_>> =
        flows.breakdowns.iter().map(|breakdown| Splitter::of(view, breakdown, &first_anchors)).collect();
    let mut by_segment: BTreeMap<Segment, Vec<&Flow<'_>>> = BTreeMap::new();
    if !flows.breakdowns.is_empty() {
        for (flow, subject) in all.iter().zip(subjects) {
            for segment in segments(view, &splitters, subject) {
                by_segment.entry(segment).or_default().push(flow);
            }
        }
    }
    let mut overall: Vec<&Flow<'_>> = all.iter().collect();
    for own in by_segment.values_mut().chain([&mut overall]) {
        count_once(flows, own);
    }
    let mut shown: Vec<(Segment, Vec<&Flow<'_>>)> = by_segment.into_iter().collect();
    // Equal ones stay in the order of their labels (B-31).
    shown.sort_by_key(|(_, own)| std::cmp::Reverse(own.len()));
    shown.truncate(flows.top.unwrap_or(usize::MAX));
    shown.insert(0, (vec![OVERALL.to_owned(); flows.breakdowns.len()], overall));

    let labels = flows.breakdowns.iter().map(Breakdown::label);
    let columns: &[&str] = match flows.form {
        FlowForm::Graph => {
            &["kind", "anchor", "offset", "label", "to_anchor", "to_offset", "to_label", "count", "share"]
        }
        FlowForm::Paths => &["rank", "path", "steps", "count", "share"],
        FlowForm::Tree => &["node", "parent", "depth", "label", "count", "conversion"],
    };
    let columns = labels.chain(columns.iter().map(|name| (*name).to_owned())).collect();
    let mut table = Table { columns, rows: Vec::new() };
    for (segment, own) in shown {
        let rows = match flows.form {
            FlowForm::Graph => graph_rows(flows, &own),
            FlowForm::Paths => path_rows(flows, &own),
            FlowForm::Tree => tree_rows(flows, &own),
        };
        let labels = || segment.iter().cloned().map(Value::from);
        table.rows.extend(rows.into_iter().map(|row| labels().chain(row).collect()));
    }
    table
}

/// Of unique users the first flow of each (W-4, W-15).
pub(super) fn count_once(flows: &Flows, own: &mut Vec<&Flow<'_>>) {
    if flows.count == CountOf::UniqueUsers {
        let mut counted = BTreeSet::new();
        own.retain(|flow| counted.insert(flow.user));
    }
}

/// The events of a flow in order, each with its nodes.
fn nodes_of(flows: &Flows, flow: &Flow<'_>) -> Vec<Vec<Node>> {
    let mut events: Vec<Vec<Node>> = Vec::new();
    for gap in 0..=flow.reached {
        let steps = &flow.gaps[gap];
        for (at, label) in steps.iter().enumerate() {
            let mut nodes = Vec::new();
            if gap > 0 && at < flows.after(gap - 1) as usize {
                nodes.push(Node { anchor: gap, offset: at as i64 + 1, label: label.clone() });
            }
            let from_next = steps.len() - at;
            if gap < flow.reached && from_next <= flows.anchors[gap].before as usize {
                nodes.push(Node { anchor: gap + 1, offset: -(from_next as i64), label: label.clone() });
            }
            events.push(nodes);
        }
        if gap < flow.reached {
            events.push(vec![Node { anchor: gap + 1, offset: 0, label: flows.anchors[gap].event.label() }]);
        }
    }
    events
}

/// Where a flow drops off (W-12).
fn drop_offs(flows: &Flows, flow: &Flow<'_>) -> Vec<Node> {
    let mut found = Vec::new();
    let shown = flow.gaps[flow.reached].len();
    if shown < flows.after(flow.reached - 1) as usize {
        found.push(Node { anchor: flow.reached, offset: shown as i64 + 1, label: DROP_OFF.to_owned() });
    }
    if flow.reached < flows.anchors.len() {
        found.push(Node { anchor: flow.reached + 1, offset: 0, label: DROP_OFF.to_owned() });
    }
    found
}

/// Whether there is an edge between nodes of two events that follow each other (W-10): on one side of an
/// anchor, or from one anchor's side to the next anchor, or from an anchor to what is before the next.
fn is_edge(from: &Node, to: &Node) -> bool {
    if from.anchor == to.anchor {
        return from.offset < to.offset;
    }
    from.anchor + 1 == to.anchor && from.offset >= 0 && (from.offset == 0 || to.offset == 0)
}

/// The events of each flow, each with its nodes, under the labels that columns show.
fn shown_nodes(flows: &Flows, own: &[&Flow<'_>]) -> Vec<Vec<Vec<Node>>> {
    let all: Vec<Vec<Vec<Node>>> = own.iter().map(|flow| nodes_of(flows, flow)).collect();
    // W-11: how often each label is in each column.
    let mut columns: BTreeMap<(usize, i64), BTreeMap<&str, usize>> = BTreeMap::new();
    for node in all.iter().flatten().flatten().filter(|node| node.offset != 0) {
        *columns.entry((node.anchor, node.offset)).or_default().entry(&node.label).or_default() += 1;
    }
    let mut shown: BTreeSet<Node> = BTreeSet::new();
    for ((anchor, offset), labels) in columns {
        let mut labels: Vec<(&str, usize)> = labels.into_iter().collect();
        labels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (label, _) in labels.into_iter().take(flows.rows) {
            shown.insert(Node { anchor, offset, label: label.to_owned() });
        }
    }
    let as_shown = |node: &Node| {
        let is_shown = node.offset == 0 || shown.contains(node);
        if is_shown { node.clone() } else { Node { label: OTHER.to_owned(), ..node.clone() } }
    };
    let of_events = |nodes: &Vec<Node>| nodes.iter().map(as_shown).collect();
    all.iter().map(|events| events.iter().map(of_events).collect()).collect()
}

pub(super) fn graph(flows: &Flows, own: &[&Flow<'_>]) -> Graph {
    let all = shown_nodes(flows, own);
    let mut graph = Graph::default();
    for (flow, events) in own.iter().zip(&all) {
        for node in events.iter().flatten() {
            *graph.nodes.entry(node.clone()).or_default() += 1;
        }
        for node in drop_offs(flows, flow) {
            *graph.nodes.entry(node).or_default() += 1;
        }
        for pair in events.windows(2) {
            for from in &pair[0] {
                for to in pair[1].iter().filter(|to| is_edge(from, to)) {
                    *graph.edges.entry((from.clone(), to.clone())).or_default() += 1;
                }
            }
        }
    }
    graph
}

fn graph_rows(flows: &Flows, own: &[&Flow<'_>]) -> Vec<Vec<Value>> {
    let graph = graph(flows, own);
    // How many reached an anchor.
    let reached = |anchor: usize| own.iter().filter(|flow| flow.reached >= anchor).count();
    let share = |count: usize, anchor: usize| {
        Value::from((reached(anchor) > 0).then(|| count as f64 / reached(anchor) as f64))
    };
    let place =
        |node: &Node| [Value::from(node.anchor), Value::from(node.offset), Value::from(node.label.as_str())];
    let mut rows = Vec::new();
    for (node, count) in &graph.nodes {
        let of = if node.offset == 0 && node.label == DROP_OFF { node.anchor - 1 } else { node.anchor };
        let mut row = vec![Value::from("node")];
        row.extend(place(node));
        row.extend([Value::Null, Value::Null, Value::Null]);
        row.extend([Value::from(*count), share(*count, of)]);
        rows.push(row);
    }
    for ((from, to), count) in &graph.edges {
        let mut row = vec![Value::from("edge")];
        row.extend(place(from));
        row.extend(place(to));
        row.extend([Value::from(*count), share(*count, from.anchor)]);
        rows.push(row);
    }
    rows
}

/// The labels of a flow, one an event (W-20).
fn path_of(flows: &Flows, flow: &Flow<'_>) -> Vec<String> {
    let events = nodes_of(flows, flow);
    events.iter().filter_map(|nodes| nodes.first()).map(|node| node.label.clone()).collect()
}

/// The most frequent paths, and how many flows took them (W-20).
fn paths(flows: &Flows, own: &[&Flow<'_>]) -> Vec<(Vec<String>, usize)> {
    let mut counts: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for flow in own {
        *counts.entry(path_of(flows, flow)).or_default() += 1;
    }
    let mut paths: Vec<(Vec<String>, usize)> = counts.into_iter().collect();
    paths.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    paths.truncate(flows.paths);
    paths
}

fn path_rows(flows: &Flows, own: &[&Flow<'_>]) -> Vec<Vec<Value>> {
    let row = |(at, (path, count)): (usize, (Vec<String>, usize))| {
        let share = count as f64 / own.len() as f64;
        vec![
            Value::from(at + 1),
            Value::from(path.clone()),
            Value::from(path.len()),
            Value::from(count),
            Value::from(share),
        ]
    };
    paths(flows, own).into_iter().enumerate().map(row).collect()
}

fn tree_rows(flows: &Flows, own: &[&Flow<'_>]) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    add_children(&mut rows, &paths(flows, own), &[], None);
    rows
}

/// The nodes below a beginning that paths share; the parent is its row.
fn add_children(
    rows: &mut Vec<Vec<Value>>,
    paths: &[(Vec<String>, usize)],
    beginning: &[String],
    parent: Option<(usize, usize)>,
) {
    let mut children: BTreeMap<&String, usize> = BTreeMap::new();
    for (path, count) in paths.iter().filter(|(path, _)| path.starts_with(beginning)) {
        if let Some(label) = path.get(beginning.len()) {
            *children.entry(label).or_default() += count;
        }
    }
    let mut children: Vec<(&String, usize)> = children.into_iter().collect();
    children.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (label, count) in children {
        let number = rows.len() + 1;
        rows.push(vec![
            Value::from(number),
            Value::from(parent.map(|(number, _)| number)),
            Value::from(beginning.len()),
            Value::from(label.as_str()),
            Value::from(count),
            Value::from(parent.map(|(_, whole)| count as f64 / whole as f64)),
        ]);
        let longer = [beginning, std::slice::from_ref(label)].concat();
        add_children(rows, paths, &longer, Some((number, count)));
    }
}
