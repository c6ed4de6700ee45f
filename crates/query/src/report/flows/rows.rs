//! The answer: a graph (W-10 … W-13), paths, or a tree (W-20).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder as _, ArrayRef, Float64Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use indexmap::IndexSet;
use tallymark_report::{DROPPED_OFF, FlowForm, Flows};

use super::super::asked::arrow_error;
use super::super::insights::{OTHER, OVERALL};
use super::super::result::free_name;
use super::tally::{ANCHOR, DROP_OFF, FlowSet, Node, Partial, anchor_of};
use crate::Result;

/// The columns: see [`super::super::schema`].
pub(in super::super) fn schema(flows: &Flows) -> SchemaRef {
    let text = |name: &str, nullable: bool| Field::new(name, DataType::Utf8, nullable);
    let integer = |name: &str, nullable: bool| Field::new(name, DataType::Int64, nullable);
    let share = |name: &str| Field::new(name, DataType::Float64, true);
    let fixed = match flows.form {
        FlowForm::Graph => vec![
            text("kind", false),
            integer("anchor", false),
            integer("offset", false),
            text("label", false),
            integer("to_anchor", true),
            integer("to_offset", true),
            text("to_label", true),
            integer("count", false),
            share("share"),
        ],
        FlowForm::Paths => vec![
            integer("rank", false),
            Field::new("path", DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))), false),
            integer("steps", false),
            integer("count", false),
            share("share"),
        ],
        FlowForm::Tree => vec![
            integer("node", false),
            integer("parent", true),
            integer("depth", false),
            text("label", false),
            integer("count", false),
            share("conversion"),
        ],
    };
    let mut fields: Vec<Field> = Vec::new();
    for breakdown in &flows.breakdowns {
        let taken: Vec<Field> = fields.iter().chain(&fixed).cloned().collect();
        fields.push(text(&free_name(&breakdown.label(), &taken), false));
    }
    fields.extend(fixed);
    Arc::new(Schema::new(fields))
}

pub(super) fn batch(flows: &Flows, partial: Partial) -> Result<RecordBatch> {
    let Partial { labels, overall, segments, of_segments, .. } = partial;
    let started = |set: &FlowSet| set.reached.first().copied().unwrap_or(0);
    let mut ranked: Vec<(Vec<String>, FlowSet)> = segments.labels().cloned().zip(of_segments).collect();
    ranked.sort_by(|(a, of_a), (b, of_b)| started(of_b).cmp(&started(of_a)).then_with(|| a.cmp(b)));
    ranked.truncate(flows.top.unwrap_or(usize::MAX));
    let everybody = vec![OVERALL.to_owned(); flows.breakdowns.len()];
    let texts = Texts { labels, anchors: anchors(flows) };
    let mut keys: Vec<StringBuilder> = flows.breakdowns.iter().map(|_| StringBuilder::new()).collect();
    let mut rows = match flows.form {
        FlowForm::Graph => Rows::Graph(Box::default()),
        FlowForm::Paths => Rows::Paths(Box::default()),
        FlowForm::Tree => Rows::Tree(Box::default()),
    };
    for (segment, set) in [(everybody, overall)].into_iter().chain(ranked) {
        let before = rows.len();
        match &mut rows {
            Rows::Graph(graph) => graph.add(&set, flows.rows, &texts),
            Rows::Paths(paths) => paths.add(&set, flows.paths, &texts),
            Rows::Tree(tree) => tree.add(&set, flows.paths, &texts),
        }
        for _ in before..rows.len() {
            keys.iter_mut().zip(&segment).for_each(|(key, label)| key.append_value(label));
        }
    }
    let mut columns: Vec<ArrayRef> = keys.iter_mut().map(|key| Arc::new(key.finish()) as ArrayRef).collect();
    columns.extend(rows.finish());
    RecordBatch::try_new(schema(flows), columns).map_err(arrow_error)
}

/// The labels that a column of a segment shows, or of everybody (W-11).
pub(super) fn shown_labels(
    partial: &Partial,
    segment: Option<&[String]>,
    (anchor, offset): (usize, i64),
    rows: usize,
) -> BTreeSet<String> {
    let set = set_of(partial, segment);
    let is_in = |node: &Node| (node.anchor as usize, i64::from(node.offset)) == (anchor, offset);
    let nodes = set.into_iter().flat_map(|set| &set.nodes).filter(|(node, _)| is_in(node));
    let labels = nodes.filter_map(|(node, count)| {
        Some((Reverse(*count), partial.labels.get_index(node.label as usize)?.clone()))
    });
    let labels: BTreeSet<_> = labels.collect();
    labels.into_iter().take(rows).map(|(_, label)| label).collect()
}

/// The paths that are told of a segment, or of everybody (W-20).
pub(super) fn told_paths(flows: &Flows, partial: &Partial, segment: Option<&[String]>) -> Vec<Vec<String>> {
    let texts = Texts { labels: partial.labels.clone(), anchors: anchors(flows) };
    let paths = set_of(partial, segment).map(|set| top_paths(set, flows.paths, &texts));
    paths.into_iter().flatten().map(|(path, _)| path).collect()
}

/// The flows of a segment, or of everybody.
fn set_of<'a>(partial: &'a Partial, segment: Option<&[String]>) -> Option<&'a FlowSet> {
    let Some(segment) = segment else { return Some(&partial.overall) };
    let at = partial.segments.labels().position(|labels| labels == segment)?;
    partial.of_segments.get(at)
}

/// What anchors are called.
pub(super) fn anchors(flows: &Flows) -> Vec<String> {
    flows.anchors.iter().map(|anchor| anchor.event.label()).collect()
}

/// What numbers of labels stand for.
struct Texts {
    labels: IndexSet<String>,
    anchors: Vec<String>,
}

impl Texts {
    fn of_path(&self, path: &[u32]) -> Vec<String> {
        let text = |label: &u32| match anchor_of(*label, self.anchors.len()) {
            Some(anchor) => self.anchors[anchor].clone(),
            None => self.label(*label),
        };
        path.iter().map(text).collect()
    }

    fn label(&self, label: u32) -> String {
        self.labels.get_index(label as usize).cloned().unwrap_or_default()
    }
}

/// A label as it is shown, in the order of a column: labels by count, then the rest, then what went no
/// further.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    Label(Reverse<u64>, String),
    Other,
    DropOff,
}

impl Shown {
    fn text(&self) -> &str {
        match self {
            Self::Label(_, text) => text,
            Self::Other => OTHER,
            Self::DropOff => DROPPED_OFF,
        }
    }
}

/// The place of a node, in the order of rows.
type Place = (u32, i32, Shown);

enum Rows {
    Graph(Box<Graph>),
    Paths(Box<Paths>),
    Tree(Box<Tree>),
}

impl Rows {
    fn len(&self) -> usize {
        match self {
            Self::Graph(graph) => graph.kinds.len(),
            Self::Paths(paths) => paths.ranks.len(),
            Self::Tree(tree) => tree.nodes.len(),
        }
    }

    fn finish(self) -> Vec<ArrayRef> {
        match self {
            Self::Graph(mut of) => vec![
                Arc::new(of.kinds.finish()),
                Arc::new(of.anchors.finish()),
                Arc::new(of.offsets.finish()),
                Arc::new(of.labels.finish()),
                Arc::new(of.to_anchors.finish()),
                Arc::new(of.to_offsets.finish()),
                Arc::new(of.to_labels.finish()),
                Arc::new(of.counts.finish()),
                Arc::new(of.shares.finish()),
            ],
            Self::Paths(mut of) => vec![
                Arc::new(of.ranks.finish()),
                Arc::new(of.labels.finish()),
                Arc::new(of.steps.finish()),
                Arc::new(of.counts.finish()),
                Arc::new(of.shares.finish()),
            ],
            Self::Tree(mut of) => vec![
                Arc::new(of.nodes.finish()),
                Arc::new(of.parents.finish()),
                Arc::new(of.depths.finish()),
                Arc::new(of.labels.finish()),
                Arc::new(of.counts.finish()),
                Arc::new(of.conversions.finish()),
            ],
        }
    }
}

/// G-13.
fn ratio(of: u64, by: u64) -> Option<f64> {
    (by > 0).then(|| of as f64 / by as f64)
}

#[derive(Default)]
struct Graph {
    kinds: StringBuilder,
    anchors: Int64Builder,
    offsets: Int64Builder,
    labels: StringBuilder,
    to_anchors: Int64Builder,
    to_offsets: Int64Builder,
    to_labels: StringBuilder,
    counts: Int64Builder,
    shares: Float64Builder,
}

impl Graph {
    fn add(&mut self, set: &FlowSet, rows: usize, texts: &Texts) {
        // W-11: which labels a column shows.
        let mut columns: BTreeMap<(u32, i32), Vec<Shown>> = BTreeMap::new();
        let named = |node: &Node, count: u64| match node.label {
            DROP_OFF => Shown::DropOff,
            ANCHOR => Shown::Label(Reverse(count), texts.anchors[node.anchor as usize].clone()),
            label => Shown::Label(Reverse(count), texts.label(label)),
        };
        for (node, count) in &set.nodes {
            let column = columns.entry((node.anchor, node.offset)).or_default();
            if ![DROP_OFF, ANCHOR].contains(&node.label) {
                column.push(named(node, *count));
            }
        }
        for column in columns.values_mut() {
            column.sort();
            column.truncate(rows);
        }
        let place = |node: &Node| -> Place {
            let named = named(node, set.nodes.get(node).copied().unwrap_or(0));
            let is_kept = [DROP_OFF, ANCHOR].contains(&node.label)
                || columns.get(&(node.anchor, node.offset)).is_some_and(|kept| kept.contains(&named));
            (node.anchor, node.offset, if is_kept { named } else { Shown::Other })
        };
        let mut nodes: BTreeMap<Place, u64> = BTreeMap::new();
        for (node, count) in &set.nodes {
            *nodes.entry(place(node)).or_default() += count;
        }
        let mut edges: BTreeMap<(Place, Place), u64> = BTreeMap::new();
        for ((from, to), count) in &set.edges {
            *edges.entry((place(from), place(to))).or_default() += count;
        }
        let nodes = nodes.iter().map(|(node, count)| (node, None, *count));
        let edges = edges.iter().map(|((from, to), count)| (from, Some(to), *count));
        for ((anchor, offset, label), to, count) in nodes.chain(edges) {
            self.kinds.append_value(if to.is_some() { "edge" } else { "node" });
            self.anchors.append_value(i64::from(*anchor) + 1);
            self.offsets.append_value(i64::from(*offset));
            self.labels.append_value(label.text());
            self.to_anchors.append_option(to.map(|to| i64::from(to.0) + 1));
            self.to_offsets.append_option(to.map(|to| i64::from(to.1)));
            self.to_labels.append_option(to.map(|to| to.2.text()));
            self.counts.append_value(count as i64);
            // Who does not get to an anchor was at the one before.
            let is_short = *offset == 0 && *label == Shown::DropOff;
            let at = if is_short { anchor.saturating_sub(1) } else { *anchor };
            let reached = set.reached.get(at as usize).copied().unwrap_or(0);
            self.shares.append_option(ratio(count, reached));
        }
    }
}

/// The most frequent paths, and how many flows there are.
fn top_paths(set: &FlowSet, count: usize, texts: &Texts) -> Vec<(Vec<String>, u64)> {
    // Paths that read the same are the same.
    let mut paths: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for (path, count) in &set.paths {
        *paths.entry(texts.of_path(path)).or_default() += count;
    }
    let mut ranked: Vec<(Vec<String>, u64)> = paths.into_iter().collect();
    ranked.sort_by_key(|(_, count)| Reverse(*count));
    ranked.truncate(count);
    ranked
}

#[derive(Default)]
struct Paths {
    ranks: Int64Builder,
    labels: ListBuilder<StringBuilder>,
    steps: Int64Builder,
    counts: Int64Builder,
    shares: Float64Builder,
}

impl Paths {
    fn add(&mut self, set: &FlowSet, count: usize, texts: &Texts) {
        let flows = set.reached.first().copied().unwrap_or(0);
        for (rank, (path, count)) in (1..).zip(top_paths(set, count, texts)) {
            self.ranks.append_value(rank);
            self.steps.append_value(path.len() as i64);
            for label in path {
                self.labels.values().append_value(label);
            }
            self.labels.append(true);
            self.counts.append_value(count as i64);
            self.shares.append_option(ratio(count, flows));
        }
    }
}

#[derive(Default)]
struct Tree {
    nodes: Int64Builder,
    parents: Int64Builder,
    depths: Int64Builder,
    labels: StringBuilder,
    counts: Int64Builder,
    conversions: Float64Builder,
}

/// A branch to be told: its label, the number and count of its parent, and its depth.
type Open<'a> = (&'a String, &'a Branch, Option<(i64, u64)>, i64);

/// A node with those below it.
#[derive(Default)]
struct Branch {
    count: u64,
    below: BTreeMap<String, Branch>,
}

impl Branch {
    /// In the order of rows.
    fn ordered(&self) -> Vec<(&String, &Self)> {
        let mut below: Vec<(&String, &Self)> = self.below.iter().collect();
        below.sort_by_key(|(_, branch)| Reverse(branch.count));
        below
    }
}

impl Tree {
    fn add(&mut self, set: &FlowSet, count: usize, texts: &Texts) {
        let mut root = Branch::default();
        for (path, count) in top_paths(set, count, texts) {
            let mut at = &mut root;
            for label in path {
                at = at.below.entry(label).or_default();
                at.count += count;
            }
        }
        // From the last to the first: the next to be told is on top. Paths may be long.
        let mut number = 0i64;
        let mut open: Vec<Open<'_>> =
            root.ordered().into_iter().rev().map(|(label, branch)| (label, branch, None, 0)).collect();
        while let Some((label, branch, parent, depth)) = open.pop() {
            number += 1;
            self.nodes.append_value(number);
            self.parents.append_option(parent.map(|(parent, _)| parent));
            self.depths.append_value(depth);
            self.labels.append_value(label);
            self.counts.append_value(branch.count as i64);
            self.conversions.append_option(parent.and_then(|(_, count)| ratio(branch.count, count)));
            let below = branch.ordered().into_iter().rev();
            open.extend(below.map(|(label, below)| (label, below, Some((number, branch.count)), depth + 1)));
        }
    }
}
