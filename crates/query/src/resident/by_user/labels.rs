//! What else is to be known of events: texts, as numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use indexmap::IndexSet;

use super::super::expr::{BoundExpr, SegmentExpr};
use super::super::inputs::{BoundSegment, Rows};

/// Texts numbered while segments were prepared.
pub(super) type KnownTexts = IndexSet<String>;

/// No label.
const NONE: u32 = u32::MAX;

/// A label prepared for one segment.
#[derive(Debug)]
pub(super) struct BoundLabel {
    expr: BoundExpr,
    /// The number for each of the values that stand for many rows; `None` if there are none such,
    /// or too many.
    numbers: Option<Vec<u32>>,
}

impl BoundLabel {
    pub(super) fn try_new(of: &SegmentExpr, segment: &BoundSegment, known: &mut KnownTexts) -> Result<Self> {
        let expr = of.bind(segment)?;
        // Numbering a value costs more than looking at a row.
        let few = |values: &&ArrayRef| values.len() * 4 <= segment.segment().row_count().max(64);
        let numbers = match expr.values().filter(few) {
            Some(values) if !is_list(values.data_type()) => {
                let values = cast(values, &DataType::Utf8View)?;
                let number = |text: Option<&str>| text.map_or(NONE, |text| number_of(known, text));
                Some(values.as_string_view().iter().map(number).collect())
            }
            _ => None,
        };
        Ok(Self { expr, numbers })
    }
}

fn is_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_))
}

fn number_of(texts: &mut KnownTexts, text: &str) -> u32 {
    let number = texts.get_index_of(text).unwrap_or_else(|| texts.insert_full(text.to_owned()).0);
    number as u32
}

/// The labels of some rows: all those of one expression.
#[derive(Debug)]
pub(super) struct Labels {
    numbers: Numbers,
    known: Arc<KnownTexts>,
    /// Numbered after those that are known.
    more: KnownTexts,
}

#[derive(Debug)]
enum Numbers {
    /// One for each row, or [`NONE`].
    Single(Vec<u32>),
    /// Row i has `numbers[starts[i]..starts[i + 1]]`.
    Lists { starts: Vec<u32>, numbers: Vec<u32> },
}

impl Labels {
    pub(super) fn try_new(of: &SegmentExpr, known: Arc<KnownTexts>) -> Result<Self> {
        let numbers = if is_list(&of.data_type()?) {
            Numbers::Lists { starts: vec![0], numbers: Vec::new() }
        } else {
            Numbers::Single(Vec::new())
        };
        Ok(Self { numbers, known, more: KnownTexts::default() })
    }

    /// Of rows that [`Labels::push_texts`] gives.
    pub(super) fn of_lists() -> Self {
        let numbers = Numbers::Lists { starts: vec![0], numbers: Vec::new() };
        Self { numbers, known: Arc::default(), more: KnownTexts::default() }
    }

    /// Adds a row with these labels.
    pub(super) fn push_texts(&mut self, texts: &[String]) {
        let numbers: Vec<u32> = texts.iter().map(|text| self.number(text)).collect();
        self.push_list(&numbers);
    }

    /// Forgets all rows, but not which number stands for which text: matchers may remember.
    pub(super) fn clear(&mut self) {
        match &mut self.numbers {
            Numbers::Single(numbers) => numbers.clear(),
            Numbers::Lists { starts, numbers } => {
                starts.truncate(1);
                numbers.clear();
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let numbers = match &self.numbers {
            Numbers::Single(numbers) => numbers.capacity(),
            Numbers::Lists { starts, numbers } => starts.capacity() + numbers.capacity(),
        };
        numbers * size_of::<u32>() + self.more.len() * 64
    }

    /// The numbers of the labels of a row.
    pub(super) fn of_row(&self, row: u32) -> &[u32] {
        let row = row as usize;
        match &self.numbers {
            Numbers::Single(numbers) => match &numbers[row..=row] {
                [NONE] => &[],
                one => one,
            },
            Numbers::Lists { starts, numbers } => &numbers[starts[row] as usize..starts[row + 1] as usize],
        }
    }

    pub(super) fn text(&self, number: u32) -> &str {
        let number = number as usize;
        let text = match number.checked_sub(self.known.len()) {
            None => self.known.get_index(number),
            Some(number) => self.more.get_index(number),
        };
        text.map_or("", String::as_str)
    }

    /// Adds some rows of a segment.
    pub(super) fn add(
        &mut self,
        of: &SegmentExpr,
        bound: &BoundLabel,
        segment: &BoundSegment,
        rows: &Rows,
    ) -> Result<()> {
        if let (Some(table), Numbers::Single(numbers)) = (&bound.numbers, &mut self.numbers) {
            return bound.expr.map(segment, table, rows, |number| numbers.push(number));
        }
        let values = bound.expr.evaluate(of, segment, rows)?;
        if !is_list(values.data_type()) {
            let values = cast(&values, &DataType::Utf8View)?;
            let mut last: Option<(&str, u32)> = None;
            for text in values.as_string_view() {
                let number = match (text, last) {
                    (None, _) => NONE,
                    // Neighbours are often alike.
                    (Some(text), Some((before, number))) if text == before => number,
                    (Some(text), _) => {
                        let number = self.number(text);
                        last = Some((text, number));
                        number
                    }
                };
                self.push(number);
            }
            return Ok(());
        }
        let lists = values.as_list::<i32>();
        let items = cast(lists.values(), &DataType::Utf8View)?;
        let items = items.as_string_view();
        for row in 0..lists.len() {
            let offsets = lists.value_offsets();
            let of_row = offsets[row] as usize..offsets[row + 1] as usize;
            let of_row = if lists.is_valid(row) { of_row } else { 0..0 };
            let of_row: Vec<u32> = of_row
                .filter(|item| items.is_valid(*item))
                .map(|item| self.number(items.value(item)))
                .collect();
            self.push_list(&of_row);
        }
        Ok(())
    }

    fn number(&mut self, text: &str) -> u32 {
        match self.known.get_index_of(text) {
            Some(number) => number as u32,
            None => self.known.len() as u32 + number_of(&mut self.more, text),
        }
    }

    /// Adds a row with one label, or none.
    fn push(&mut self, number: u32) {
        match &mut self.numbers {
            Numbers::Single(numbers) => numbers.push(number),
            Numbers::Lists { .. } if number == NONE => self.push_list(&[]),
            Numbers::Lists { .. } => self.push_list(&[number]),
        }
    }

    /// Adds a row with these labels; with one at most if the expression is no list.
    fn push_list(&mut self, of_row: &[u32]) {
        match &mut self.numbers {
            Numbers::Single(numbers) => numbers.push(of_row.first().copied().unwrap_or(NONE)),
            Numbers::Lists { starts, numbers } => {
                numbers.extend_from_slice(of_row);
                starts.push(numbers.len() as u32);
            }
        }
    }
}
