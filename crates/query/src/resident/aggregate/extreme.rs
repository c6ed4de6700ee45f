//! The least or greatest text of each group: texts are put in order once, and rows compare numbers.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray};
use datafusion::common::{Result, internal_err};
use hashbrown::HashMap;
use indexmap::IndexSet;

use super::super::expr::{BoundExpr, SegmentExpr};
use super::accumulate::{Block, RowGroups};

/// Stands for no text: null, or a group that has none yet.
const NONE: u32 = u32::MAX;
/// Stands for a text that was not looked at yet.
const UNKNOWN: u32 = u32::MAX - 1;

/// The least or greatest text of each group so far.
#[derive(Debug, Default)]
pub(super) struct Extremes {
    is_greatest: bool,
    /// The number of the text of each group.
    of_groups: Vec<u32>,
    /// The texts that were met, by number.
    texts: IndexSet<Box<str>>,
    text_bytes: usize,
    /// Where each text stands among all: the one that comes first is wanted.
    places: Vec<u32>,
    /// For each segment, by its address, the numbers of the values that stand for many rows each.
    of_segments: HashMap<usize, Vec<u32>>,
    scratch: Vec<u32>,
}

impl Extremes {
    pub(super) fn new(is_greatest: bool) -> Self {
        Self { is_greatest, ..Self::default() }
    }

    pub(super) fn size(&self) -> usize {
        let of_segments: usize = self.of_segments.values().map(Vec::capacity).sum();
        self.text_bytes
            + self.texts.capacity() * 4 * size_of::<usize>()
            + (self.of_groups.capacity() + self.places.capacity() + of_segments) * size_of::<u32>()
    }

    pub(super) fn make_room(&mut self, group_count: usize) {
        self.of_groups.resize(group_count.max(self.of_groups.len()), NONE);
    }

    /// Adds the values of an expression at rows of a segment it was prepared for.
    pub(super) fn update(
        &mut self,
        arg: &SegmentExpr,
        bound: &BoundExpr,
        block: &Block<'_>,
        mask: Option<&BooleanArray>,
    ) -> Result<()> {
        self.make_room(block.group_count);
        let rows = (0..block.rows.count()).filter(|row| mask.is_none_or(|mask| mask.value(*row)));
        let group = |row: usize| match block.groups {
            RowGroups::One(group) => group,
            RowGroups::Each(groups) => groups[row],
            RowGroups::Users { users, first } => first + users[row] as usize,
        };
        if let Some(values) = bound.values() {
            let mut numbers = std::mem::take(&mut self.scratch);
            self.numbers(values, bound, block, &mut numbers)?;
            rows.for_each(|row| self.see(group(row), numbers[row]));
            self.scratch = numbers;
        } else {
            let values = bound.evaluate(arg, block.segment, block.rows)?;
            let texts = as_texts(&values)?;
            for row in rows.filter(|row| texts.is_valid(*row)) {
                let (group, text) = (group(row), texts.value(row));
                let is_better = match self.texts.get_index(self.of_groups[group] as usize) {
                    Some(known) => (text < &**known) != self.is_greatest && text != &**known,
                    None => true,
                };
                if is_better {
                    self.of_groups[group] = self.number(Some(text));
                }
            }
            self.put_in_order();
        }
        Ok(())
    }

    /// The text of each group.
    pub(super) fn finish(&mut self, group_count: usize) -> ArrayRef {
        self.make_room(group_count);
        let text = |number: &u32| self.texts.get_index(*number as usize).map(|text| &**text);
        std::sync::Arc::new(self.of_groups.iter().map(text).collect::<StringViewArray>())
    }

    /// Goes on from texts that [`Extremes::finish`] gave.
    pub(super) fn merge(&mut self, states: &[ArrayRef], groups: &[usize], group_count: usize) -> Result<()> {
        let Some(texts) = states.first().and_then(|state| state.as_string_view_opt()) else {
            return internal_err!("the state of a least text is text");
        };
        self.make_room(group_count);
        let numbers: Vec<u32> = texts.iter().map(|text| self.number(text)).collect();
        self.put_in_order();
        groups.iter().zip(numbers).for_each(|(group, number)| self.see(*group, number));
        Ok(())
    }

    fn see(&mut self, group: usize, number: u32) {
        let known = self.of_groups[group];
        if number != NONE && (known == NONE || self.places[number as usize] < self.places[known as usize]) {
            self.of_groups[group] = number;
        }
    }

    /// Replaces what is in `out` by the number of the text of each row; `values` stand for many rows each.
    fn numbers(
        &mut self,
        values: &ArrayRef,
        bound: &BoundExpr,
        block: &Block<'_>,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let texts = as_texts(values)?;
        // Prepared segments stay where they are as long as a part is at work.
        let address = std::ptr::from_ref(block.segment).addr();
        let mut table = self.of_segments.remove(&address).unwrap_or_else(|| vec![UNKNOWN; values.len()]);
        let places: Vec<u32> = (0..values.len() as u32).collect();
        out.clear();
        bound.map(block.segment, &places, block.rows, |place| out.push(place))?;
        for row in out.iter_mut() {
            let place = *row as usize;
            if table[place] == UNKNOWN {
                table[place] = self.number(texts.is_valid(place).then(|| texts.value(place)));
            }
            *row = table[place];
        }
        self.of_segments.insert(address, table);
        self.put_in_order();
        Ok(())
    }

    /// The number of a text; it has no place yet if it is new.
    fn number(&mut self, text: Option<&str>) -> u32 {
        let Some(text) = text else { return NONE };
        if let Some(known) = self.texts.get_index_of(text) {
            return known as u32;
        }
        self.text_bytes += text.len();
        self.texts.insert_full(text.into()).0 as u32
    }

    /// Gives new texts their places.
    fn put_in_order(&mut self) {
        if self.places.len() == self.texts.len() {
            return;
        }
        let mut order: Vec<u32> = (0..self.texts.len() as u32).collect();
        order.sort_unstable_by(|a, b| self.texts[*a as usize].cmp(&self.texts[*b as usize]));
        if self.is_greatest {
            order.reverse();
        }
        self.places.resize(order.len(), 0);
        for (place, number) in (0..).zip(order) {
            self.places[number as usize] = place;
        }
    }
}

fn as_texts(values: &ArrayRef) -> Result<&StringViewArray> {
    let Some(texts) = values.as_string_view_opt() else {
        return internal_err!("least text of {}", values.data_type());
    };
    Ok(texts)
}
