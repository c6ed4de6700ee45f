//! `window_funnel` for DataFusion.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};

use super::Modes;
use super::matcher::{Funnel, Scratch};
use crate::functions::aggregate::Definition;
use crate::functions::arguments::{TimeKind, check_conditions, is_text, text_literal};
use crate::functions::per_user::{PerUser, RecordGroups, Users, state_fields};
use crate::functions::record::Conditions;

const NAME: &str = "window_funnel";

/// `window_funnel(window, [mode, …] time, condition, …)`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::functions) struct WindowFunnel;

/// The place of the time among the arguments: after the window and the modes.
fn time_index(types: &[DataType]) -> usize {
    1 + types.iter().skip(1).take_while(|data_type| is_text(data_type)).count()
}

impl Definition for WindowFunnel {
    type Kept = RecordGroups<Levels>;

    fn name(&self) -> &'static str {
        NAME
    }

    fn clickhouse_name(&self) -> Option<&'static str> {
        Some("windowFunnel")
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let time_index = time_index(types);
        TimeKind::try_new(NAME, types.get(time_index))?;
        check_conditions(NAME, types, time_index + 1)?;
        Ok(DataType::Int32)
    }

    fn of_nothing(&self, _return_type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int32(Some(0)))
    }

    fn state_fields(&self, name: &str, _types: &[DataType]) -> Vec<FieldRef> {
        state_fields(name)
    }

    fn start(&self, types: &[DataType], literals: &[Option<ScalarValue>]) -> Result<Self::Kept> {
        let time_index = time_index(types);
        let kind = TimeKind::try_new(NAME, types.get(time_index))?;
        let window = kind.length(NAME, "the window", literals.first())?;
        let modes = Modes::of(literals.get(1..time_index).unwrap_or_default())?;
        if modes.reentry && !modes.order {
            return plan_err!("{NAME}: allow_reentry loosens strict_order: name both modes");
        }
        let steps = types.len() - time_index - 1;
        let function = Levels { funnel: Funnel { steps, window, modes }, scratch: Scratch::default() };
        Ok(RecordGroups::new(function, time_index, kind, steps))
    }

    fn conditions(&self, types: &[DataType], literals: &[Option<ScalarValue>]) -> Option<Range<usize>> {
        let time_index = time_index(types);
        let modes = Modes::of(literals.get(1..time_index)?).ok()?;
        // Under strict_order an event that meets nothing ends the walk.
        (!modes.order).then(|| time_index + 1..types.len())
    }
}

impl Modes {
    fn of(literals: &[Option<ScalarValue>]) -> Result<Self> {
        let mut modes = Self::default();
        for literal in literals {
            for mode in text_literal(NAME, "a mode", Some(literal))?.split(',') {
                modes.add(mode.trim())?;
            }
        }
        Ok(modes)
    }

    fn add(&mut self, mode: &str) -> Result<()> {
        match mode {
            "strict_deduplication" | "strict" => self.deduplication = true,
            "strict_order" => self.order = true,
            "strict_increase" => self.increase = true,
            "strict_once" => self.once = true,
            "allow_reentry" => self.reentry = true,
            _ => {
                return plan_err!(
                    "{NAME}: there is no mode '{mode}'; expected strict_order, strict_deduplication, strict_increase, strict_once or allow_reentry"
                );
            }
        }
        Ok(())
    }
}

/// The level of each user.
#[derive(Debug, Clone)]
pub(in crate::functions) struct Levels {
    funnel: Funnel,
    scratch: Scratch,
}

impl PerUser for Levels {
    fn needs_unmatched(&self) -> bool {
        self.funnel.modes.order
    }

    fn results<C: Conditions>(&mut self, users: &Users<C>) -> Result<ArrayRef> {
        let levels = users.iter().map(|records| self.funnel.level(records, &mut self.scratch) as i32);
        Ok(Arc::new(Int32Array::from_iter_values(levels)))
    }

    fn size(&self) -> usize {
        self.scratch.size()
    }
}
