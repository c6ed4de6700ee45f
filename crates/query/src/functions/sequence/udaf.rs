//! `sequence_match`, `sequence_count` and `sequence_match_events` for DataFusion.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};

use super::matcher::{Scratch, Sequence};
use super::pattern::Pattern;
use crate::functions::aggregate::Definition;
use crate::functions::arguments::{TimeKind, check_conditions, text_literal};
use crate::functions::per_user::{PerUser, RecordGroups, Users, list_of, state_fields};
use crate::functions::record::Conditions;

/// Which of the functions `f(pattern, time, condition, …)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::functions) enum SequenceFunction {
    Match,
    Count,
    Events,
}

impl Definition for SequenceFunction {
    type Kept = RecordGroups<Matches>;

    fn name(&self) -> &'static str {
        match self {
            Self::Match => "sequence_match",
            Self::Count => "sequence_count",
            Self::Events => "sequence_match_events",
        }
    }

    fn clickhouse_name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Match => "sequenceMatch",
            Self::Count => "sequenceCount",
            Self::Events => "sequenceMatchEvents",
        })
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let kind = TimeKind::try_new(self.name(), types.get(1))?;
        check_conditions(self.name(), types, 2)?;
        Ok(match self {
            Self::Match => DataType::Boolean,
            Self::Count => DataType::Int64,
            Self::Events => DataType::List(Arc::new(Field::new_list_field(kind.data_type().clone(), false))),
        })
    }

    fn of_nothing(&self, return_type: &DataType) -> Result<ScalarValue> {
        Ok(match self {
            Self::Match => ScalarValue::Boolean(Some(false)),
            Self::Count => ScalarValue::Int64(Some(0)),
            Self::Events => ScalarValue::new_default(return_type)?,
        })
    }

    fn state_fields(&self, name: &str, _types: &[DataType]) -> Vec<FieldRef> {
        state_fields(name)
    }

    fn start(&self, types: &[DataType], literals: &[Option<ScalarValue>]) -> Result<Self::Kept> {
        let time_kind = TimeKind::try_new(self.name(), types.get(1))?;
        let text = text_literal(self.name(), "the pattern", literals.first())?;
        let conditions = types.len() - 2;
        let pattern = match Pattern::parse(text, conditions, time_kind.ticks_per_number()) {
            Ok(pattern) => pattern,
            Err(error) => return plan_err!("{}: {error}", self.name()),
        };
        let function = Matches {
            function: *self,
            sequence: Sequence::new(pattern),
            time_kind: time_kind.clone(),
            scratch: Scratch::default(),
        };
        Ok(RecordGroups::new(function, 1, time_kind, conditions))
    }

    fn conditions(&self, types: &[DataType], _literals: &[Option<ScalarValue>]) -> Option<Range<usize>> {
        Some(2..types.len())
    }
}

/// What the pattern finds in the events of each user.
#[derive(Debug, Clone)]
pub(in crate::functions) struct Matches {
    function: SequenceFunction,
    sequence: Sequence,
    time_kind: TimeKind,
    scratch: Scratch,
}

impl PerUser for Matches {
    fn needs_unmatched(&self) -> bool {
        false
    }

    fn results<C: Conditions>(&mut self, users: &Users<C>) -> Result<ArrayRef> {
        let Self { sequence, scratch, .. } = self;
        Ok(match self.function {
            SequenceFunction::Match => {
                let matches = users.iter().map(|records| Some(sequence.matches(records, scratch)));
                Arc::new(matches.collect::<BooleanArray>())
            }
            SequenceFunction::Count => {
                let counts = users.iter().map(|records| sequence.count(records, scratch) as i64);
                Arc::new(Int64Array::from_iter_values(counts))
            }
            SequenceFunction::Events => {
                let mut times = Vec::new();
                let mut offsets = vec![0];
                for records in users.iter() {
                    times.extend_from_slice(sequence.events(records, scratch));
                    offsets.push(times.len());
                }
                list_of(self.time_kind.times(Int64Array::from(times))?, offsets.into_iter())?
            }
        })
    }

    fn size(&self) -> usize {
        self.scratch.size()
    }
}
