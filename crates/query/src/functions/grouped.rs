//! One way to aggregate, two of DataFusion's interfaces: [`Grouped`] is written once per function,
//! [`ForGroups`] and [`ForOne`] adapt it.

use std::fmt::Debug;

use arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// What an aggregate keeps of any number of groups, numbered from 0.
pub(super) trait Grouped: Debug + Send + Sync + 'static {
    /// Takes in rows: `groups[i]` is the group of row `i`, rows where `filter` is not true are left
    /// out, and all groups are below `group_count`.
    fn update(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()>;

    /// Takes in states as [`Self::states`] gives them, one a row.
    fn merge(&mut self, states: &[ArrayRef], groups: &[usize], group_count: usize) -> Result<()>;

    /// The results of the first `count` groups, which stay as they are.
    fn results(&mut self, count: usize) -> Result<ArrayRef>;

    /// The states of the first `count` groups, which stay as they are.
    fn states(&mut self, count: usize) -> Result<Vec<ArrayRef>>;

    /// Drops the first `count` groups and the memory they held; the others move down by as many.
    fn forget(&mut self, count: usize);

    /// How many groups there are.
    fn group_count(&self) -> usize;

    /// The same function with no groups.
    fn empty(&self) -> Self
    where
        Self: Sized;

    /// Bytes held.
    fn size(&self) -> usize;
}

/// Many groups at once: `GROUP BY`.
#[derive(Debug)]
pub(super) struct ForGroups<G>(pub(super) G);

impl<G: Grouped> ForGroups<G> {
    fn count(&self, emit_to: EmitTo) -> usize {
        match emit_to {
            EmitTo::All => self.0.group_count(),
            EmitTo::First(count) => count,
        }
    }
}

impl<G: Grouped> GroupsAccumulator for ForGroups<G> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.0.update(values, group_indices, opt_filter, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let count = self.count(emit_to);
        let results = self.0.results(count)?;
        self.0.forget(count);
        Ok(results)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let count = self.count(emit_to);
        let states = self.0.states(count)?;
        self.0.forget(count);
        Ok(states)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.0.merge(values, group_indices, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let each_its_own: Vec<usize> = (0..rows).collect();
        let mut single = self.0.empty();
        single.update(values, &each_its_own, opt_filter, rows)?;
        single.states(rows)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.size()
    }
}

/// One group: no `GROUP BY`, or a window.
#[derive(Debug)]
pub(super) struct ForOne<G> {
    grouped: G,
    /// As many zeros as a batch has rows.
    groups: Vec<usize>,
}

impl<G: Grouped> ForOne<G> {
    pub(super) fn new(grouped: G) -> Self {
        Self { grouped, groups: Vec::new() }
    }
}

impl<G: Grouped> Accumulator for ForOne<G> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.groups.resize(values[0].len(), 0);
        self.grouped.update(values, &self.groups, None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.grouped.results(1)?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let states = self.grouped.states(1)?;
        states.iter().map(|state| ScalarValue::try_from_array(state, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.groups.resize(states[0].len(), 0);
        self.grouped.merge(states, &self.groups, 1)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.grouped.size() + self.groups.capacity() * size_of::<usize>()
    }
}
