//! `sequence_next_node` for DataFusion.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, BooleanArray, Int64Array, StringViewArray, StringViewBuilder, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::cast::{as_int64_array, as_list_array, as_string_view_array, as_uint64_array};
use datafusion::common::{Result, ScalarValue, plan_err};

use super::matcher::{Base, Direction, NextNode};
use super::texts::Texts;
use crate::functions::aggregate::Definition;
use crate::functions::arguments::{TimeKind, check_conditions, is_text, text_literal};
use crate::functions::grouped::Grouped;
use crate::functions::masks::{Masks, words_for};
use crate::functions::per_user::{list_of, state_fields};
use crate::functions::record::{Conditions as _, Record};

const NAME: &str = "sequence_next_node";
const TIME: usize = 2;
const EVENT: usize = 3;
const BASE_CONDITION: usize = 4;

/// `sequence_next_node(direction, base, time, event, base_condition, condition, …)`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SequenceNextNode;

impl Definition for SequenceNextNode {
    type Kept = Journeys;

    fn name(&self) -> &'static str {
        NAME
    }

    fn clickhouse_name(&self) -> Option<&'static str> {
        Some("sequenceNextNode")
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        TimeKind::try_new(NAME, types.get(TIME))?;
        match types.get(EVENT) {
            Some(event) if is_text(event) || *event == DataType::Null => {}
            Some(event) => return plan_err!("{NAME}: the event is {event}; expected text"),
            None => return plan_err!("{NAME}: expects an event, such as the column event"),
        }
        check_conditions(NAME, types, BASE_CONDITION)?;
        Ok(DataType::Utf8View)
    }

    fn of_nothing(&self, _return_type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Utf8View(None))
    }

    fn is_nullable(&self) -> bool {
        true
    }

    fn state_fields(&self, name: &str, _types: &[DataType]) -> Vec<FieldRef> {
        let mut fields = state_fields(name);
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, false)));
        fields.push(Arc::new(Field::new(format!("{name}[events]"), list, false)));
        fields
    }

    fn start(&self, types: &[DataType], literals: &[Option<ScalarValue>]) -> Result<Self::Kept> {
        let direction = match text_literal(NAME, "the direction", literals.first())? {
            "forward" => Direction::Forward,
            "backward" => Direction::Backward,
            other => {
                return plan_err!(
                    "{NAME}: there is no direction '{other}'; expected 'forward' or 'backward'"
                );
            }
        };
        let base = match text_literal(NAME, "the base", literals.get(1))? {
            "head" => Base::Head,
            "tail" => Base::Tail,
            "first_match" => Base::FirstMatch,
            "last_match" => Base::LastMatch,
            other => {
                return plan_err!(
                    "{NAME}: there is no base '{other}'; expected 'head', 'tail', 'first_match' or 'last_match'"
                );
            }
        };
        let conditions = types.len() - BASE_CONDITION - 1;
        match (direction, base) {
            (Direction::Backward, Base::Head) => {
                return plan_err!("{NAME}: nothing comes before the head; use 'forward'");
            }
            (Direction::Forward, Base::Tail) => {
                return plan_err!("{NAME}: nothing comes after the tail; use 'backward'");
            }
            (_, Base::FirstMatch | Base::LastMatch) if conditions == 0 => {
                return plan_err!("{NAME}: 'first_match' and 'last_match' need a condition to match");
            }
            _ => {}
        }
        let call = NextNode { direction, base, conditions };
        Ok(Journeys::new(call, TimeKind::try_new(NAME, types.get(TIME))?))
    }
}

/// One event, its mask kept beside it.
#[derive(Debug, Clone, Copy)]
struct Node {
    group: u32,
    /// The number of its text.
    event: u32,
    time: i64,
}

/// All events of each group.
#[derive(Debug)]
pub(super) struct Journeys {
    call: NextNode,
    time_kind: TimeKind,
    group_count: usize,
    nodes: Vec<Node>,
    /// A mask a node: the base condition, then the conditions.
    masks: Vec<u64>,
    texts: Texts,
    batch: Masks,
}

impl Journeys {
    fn new(call: NextNode, time_kind: TimeKind) -> Self {
        Self {
            call,
            time_kind,
            group_count: 0,
            nodes: Vec::new(),
            masks: Vec::new(),
            texts: Texts::default(),
            batch: Masks::default(),
        }
    }

    fn words(&self) -> usize {
        words_for(self.call.conditions + 1)
    }

    fn mask(&self, index: usize) -> &[u64] {
        &self.masks[index * self.words()..(index + 1) * self.words()]
    }

    /// The places of the nodes of the first `count` groups, by group and in order, and where each
    /// group starts and the last ends.
    fn order(&self, count: usize) -> (Vec<usize>, Vec<usize>) {
        let mut places: Vec<usize> =
            (0..self.nodes.len()).filter(|index| (self.nodes[*index].group as usize) < count).collect();
        let in_order = |left: usize, right: usize| {
            let (a, b) = (&self.nodes[left], &self.nodes[right]);
            a.group
                .cmp(&b.group)
                .then(a.time.cmp(&b.time))
                .then_with(|| self.texts.text(a.event).cmp(self.texts.text(b.event)))
                .then_with(|| self.mask(left).tie_order(self.mask(right)))
        };
        if !places.is_sorted_by(|left, right| in_order(*left, *right).is_le()) {
            places.sort_unstable_by(|left, right| in_order(*left, *right));
        }
        let mut offsets = Vec::with_capacity(count + 1);
        offsets.extend(
            (0..count)
                .map(|group| places.partition_point(|index| (self.nodes[*index].group as usize) < group)),
        );
        offsets.push(places.len());
        (places, offsets)
    }

    fn push(&mut self, group: usize, time: i64, event: &str) {
        let event = self.texts.number(event);
        self.nodes.push(Node { group: group as u32, event, time });
    }
}

impl Grouped for Journeys {
    fn update(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        self.group_count = group_count;
        let times = self.time_kind.ticks(&values[TIME])?;
        let events = cast(&values[EVENT], &DataType::Utf8View)?;
        let events = as_string_view_array(&events)?;
        self.batch.fill(&values[BASE_CONDITION..], groups.len())?;
        for (row, group) in groups.iter().enumerate() {
            if times.is_null(row)
                || events.is_null(row)
                || filter.is_some_and(|filter| filter.is_null(row) || !filter.value(row))
            {
                continue;
            }
            self.push(*group, times.value(row), events.value(row));
            self.masks.extend_from_slice(self.batch.row(row));
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[usize], group_count: usize) -> Result<()> {
        self.group_count = group_count;
        let (times, masks) = (as_list_array(&states[0])?, as_list_array(&states[1])?);
        let events = as_list_array(&states[2])?;
        for (row, group) in groups.iter().enumerate() {
            if times.is_null(row) {
                continue;
            }
            let (times, masks, events) = (times.value(row), masks.value(row), events.value(row));
            let events: &StringViewArray = as_string_view_array(&events)?;
            for (time, event) in as_int64_array(&times)?.values().iter().zip(events.iter().flatten()) {
                self.push(*group, *time, event);
            }
            self.masks.extend_from_slice(as_uint64_array(&masks)?.values());
        }
        Ok(())
    }

    fn results(&mut self, count: usize) -> Result<ArrayRef> {
        let (places, offsets) = self.order(count);
        let mut results = StringViewBuilder::with_capacity(count);
        let mut records: Vec<Record<&[u64]>> = Vec::new();
        for ends in offsets.windows(2) {
            let places = &places[ends[0]..ends[1]];
            records.clear();
            records.extend(
                places
                    .iter()
                    .map(|index| Record { time: self.nodes[*index].time, conditions: self.mask(*index) }),
            );
            let next = self.call.find(&records).map(|next| self.nodes[places[next]].event);
            results.append_option(next.map(|event| self.texts.text(event)));
        }
        Ok(Arc::new(results.finish()))
    }

    fn states(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        let words = self.words();
        let (places, offsets) = self.order(count);
        let times = Int64Array::from_iter_values(places.iter().map(|index| self.nodes[*index].time));
        let masks = UInt64Array::from_iter_values(places.iter().flat_map(|index| self.mask(*index)).copied());
        let texts = places.iter().map(|index| self.texts.text(self.nodes[*index].event));
        let events = StringViewArray::from_iter_values(texts);
        Ok(vec![
            list_of(Arc::new(times), offsets.iter().copied())?,
            list_of(Arc::new(masks), offsets.iter().map(|offset| offset * words))?,
            list_of(Arc::new(events), offsets.iter().copied())?,
        ])
    }

    fn forget(&mut self, count: usize) {
        let mut kept = Self::new(self.call, self.time_kind.clone());
        kept.group_count = self.group_count.saturating_sub(count);
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(group) = (node.group as usize).checked_sub(count) {
                kept.push(group, node.time, self.texts.text(node.event));
                kept.masks.extend_from_slice(self.mask(index));
            }
        }
        *self = kept;
    }

    fn group_count(&self) -> usize {
        self.group_count
    }

    fn empty(&self) -> Self {
        Self::new(self.call, self.time_kind.clone())
    }

    fn size(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.masks.capacity() * size_of::<u64>()
            + self.texts.size()
            + self.batch.size()
    }
}
