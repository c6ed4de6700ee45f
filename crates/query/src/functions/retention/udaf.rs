//! `retention` for DataFusion.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, BooleanArray, UInt8Array, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::cast::as_uint64_array;
use datafusion::common::{Result, ScalarValue};

use super::matcher::retained;
use crate::functions::aggregate::Definition;
use crate::functions::arguments::check_conditions;
use crate::functions::grouped::Grouped;
use crate::functions::masks::{Masks, words_for};
use crate::functions::per_user::list_of;

const NAME: &str = "retention";

/// `retention(condition, …)`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::functions) struct Retention;

impl Definition for Retention {
    type Kept = EverMet;

    fn name(&self) -> &'static str {
        NAME
    }

    fn clickhouse_name(&self) -> Option<&'static str> {
        Some(NAME)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        check_conditions(NAME, types, 0)?;
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::UInt8, false))))
    }

    fn of_nothing(&self, return_type: &DataType) -> Result<ScalarValue> {
        // How many zeros the list would have is not known here.
        ScalarValue::try_from(return_type)
    }

    fn state_fields(&self, name: &str, types: &[DataType]) -> Vec<FieldRef> {
        let words = words_for(types.len());
        let word = |index| Arc::new(Field::new(format!("{name}[met {index}]"), DataType::UInt64, false));
        (0..words).map(word).collect()
    }

    fn start(&self, types: &[DataType], _literals: &[Option<ScalarValue>]) -> Result<Self::Kept> {
        Ok(EverMet { conditions: types.len(), met: Vec::new(), batch: Masks::default() })
    }

    fn conditions(&self, types: &[DataType], _literals: &[Option<ScalarValue>]) -> Option<Range<usize>> {
        Some(0..types.len())
    }
}

/// The conditions that any row of each group met.
#[derive(Debug)]
pub(in crate::functions) struct EverMet {
    conditions: usize,
    /// A mask a group.
    met: Vec<u64>,
    batch: Masks,
}

impl EverMet {
    fn words(&self) -> usize {
        words_for(self.conditions)
    }

    fn masks(&self, count: usize) -> impl Iterator<Item = &[u64]> {
        self.met.chunks_exact(self.words()).take(count)
    }
}

impl Grouped for EverMet {
    fn update(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        let words = self.words();
        self.met.resize(group_count * words, 0);
        self.batch.fill(values, groups.len())?;
        for (row, group) in groups.iter().enumerate() {
            if filter.is_some_and(|filter| filter.is_null(row) || !filter.value(row)) {
                continue;
            }
            for (met, word) in self.met[group * words..].iter_mut().zip(self.batch.row(row)) {
                *met |= word;
            }
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[usize], group_count: usize) -> Result<()> {
        let words = self.words();
        self.met.resize(group_count * words, 0);
        for (index, state) in states.iter().enumerate() {
            let state = as_uint64_array(state)?;
            for (row, group) in groups.iter().enumerate() {
                if state.is_valid(row) {
                    self.met[group * words + index] |= state.value(row);
                }
            }
        }
        Ok(())
    }

    fn results(&mut self, count: usize) -> Result<ArrayRef> {
        self.met.resize(self.met.len().max(count * self.words()), 0);
        let flags = self.masks(count).flat_map(|met| retained(met, self.conditions).map(u8::from));
        let flags = UInt8Array::from_iter_values(flags);
        list_of(Arc::new(flags), (0..=count).map(|group| group * self.conditions))
    }

    fn states(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        self.met.resize(self.met.len().max(count * self.words()), 0);
        let word = |index: usize| {
            let words = self.masks(count).map(|met| met[index]);
            Arc::new(UInt64Array::from_iter_values(words)) as ArrayRef
        };
        Ok((0..self.words()).map(word).collect())
    }

    fn forget(&mut self, count: usize) {
        self.met.drain(..(count * self.words()).min(self.met.len()));
        self.met.shrink_to(2 * self.met.len());
        self.batch = Masks::default();
    }

    fn group_count(&self) -> usize {
        self.met.len() / self.words()
    }

    fn empty(&self) -> Self {
        Self { conditions: self.conditions, met: Vec::new(), batch: Masks::default() }
    }

    fn size(&self) -> usize {
        self.met.capacity() * size_of::<u64>() + self.batch.size()
    }
}
