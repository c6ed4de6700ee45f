//! `percentile_cont(x, p)`: DataFusion's, exact to the last bit (G-11).
//!
//! DataFusion rounds the place between two neighbours to a millionth, which shows from the seventh
//! digit on. Here the values it keeps are taken before it does so, and the percentile is computed of
//! them: of n sorted values, the one at rank (n - 1) · p, between neighbours in proportion. All else
//! (arguments, `WITHIN GROUP`, `DISTINCT`, the other name `quantile_cont`) is DataFusion's.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::cast::as_list_array;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::percentile_cont::percentile_cont_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, Signature,
};
use datafusion::physical_expr::expressions::Literal;

/// The SQL function `percentile_cont`, also `quantile_cont`.
pub(crate) fn percentile_cont_exact_udaf() -> AggregateUDF {
    AggregateUDF::new_from_impl(PercentileCont { theirs: percentile_cont_udaf() })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PercentileCont {
    theirs: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for PercentileCont {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn aliases(&self) -> &[String] {
        self.theirs.aliases()
    }

    fn signature(&self) -> &Signature {
        self.theirs.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.theirs.return_type(arg_types)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.theirs.state_fields(args)
    }

    fn accumulator(&self, acc_args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let Some(percentile) = percentile_of(&acc_args) else { return self.theirs.accumulator(acc_args) };
        let keeps_state = acc_args.is_distinct;
        Ok(Box::new(OfOne { theirs: self.theirs.accumulator(acc_args)?, percentile, keeps_state }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.theirs.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let percentile = percentile_of(&args);
        let theirs = self.theirs.create_groups_accumulator(args)?;
        Ok(match percentile {
            Some(percentile) => Box::new(OfGroups { theirs, percentile }),
            None => theirs,
        })
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.theirs.simplify()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.theirs.supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.theirs.documentation()
    }
}

/// Which percentile of doubles a call asks for; `None` for other types and what DataFusion refuses.
fn percentile_of(args: &AccumulatorArgs) -> Option<f64> {
    if args.expr_fields.first()?.data_type() != &DataType::Float64 {
        return None;
    }
    let literal = args.exprs.get(1)?.downcast_ref::<Literal>()?.value();
    let ScalarValue::Float64(Some(percentile)) = literal.cast_to(&DataType::Float64).ok()? else {
        return None;
    };
    let descending = args.order_bys.first().is_some_and(|sort| sort.options.descending);
    (0.0..=1.0).contains(&percentile).then_some(if descending { 1.0 - percentile } else { percentile })
}

/// The percentile of values in any order, `None` of no values; NaN is greater than any number.
fn percentile(values: &mut [f64], percentile: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let rank = last as f64 * percentile;
    let below = (rank.floor() as usize).min(last);
    let (_, lower, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let part = rank - below as f64;
    let lower = *lower;
    if part == 0.0 {
        return Some(lower);
    }
    let upper = above.iter().copied().min_by(f64::total_cmp)?;
    Some(lower + (upper - lower) * part)
}

#[derive(Debug)]
struct OfOne {
    theirs: Box<dyn Accumulator>,
    percentile: f64,
    /// Whether asking for the state leaves it as it is.
    keeps_state: bool,
}

impl Accumulator for OfOne {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.theirs.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let state = self.theirs.state()?;
        let [ScalarValue::List(list)] = &state[..] else {
            return internal_err!("the state of percentile_cont is a list");
        };
        let values = list.value(0);
        if !self.keeps_state {
            // Over a window it goes on.
            self.theirs.update_batch(&[Arc::clone(&values)])?;
        }
        let mut values: Vec<f64> = values.as_primitive::<Float64Type>().iter().flatten().collect();
        Ok(ScalarValue::Float64(percentile(&mut values, self.percentile)))
    }

    fn size(&self) -> usize {
        self.theirs.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.theirs.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.theirs.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.theirs.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.theirs.supports_retract_batch()
    }
}

struct OfGroups {
    theirs: Box<dyn GroupsAccumulator>,
    percentile: f64,
}

impl GroupsAccumulator for OfGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.theirs.update_batch(values, group_indices, opt_filter, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let state = self.theirs.state(emit_to)?;
        let lists = as_list_array(&state[0])?;
        let mut values: Vec<f64> = lists.values().as_primitive::<Float64Type>().values().to_vec();
        let percentiles = lists
            .offsets()
            .windows(2)
            .map(|ends| percentile(&mut values[ends[0] as usize..ends[1] as usize], self.percentile));
        Ok(Arc::new(percentiles.collect::<Float64Array>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.theirs.state(emit_to)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.theirs.merge_batch(values, group_indices, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.theirs.convert_to_state(values, opt_filter)
    }

    fn size(&self) -> usize {
        self.theirs.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g11_percentiles_lie_between_neighbours_in_proportion() {
        for (values, of, expected) in [
            (vec![4.0, 1.0, 3.0, 2.0], 0.5, Some(2.5)),
            ((1..=10).map(f64::from).collect(), 0.9, Some(9.1)),
            (vec![30.0, 10.0, 20.0], 0.25, Some(15.0)),
            (vec![7.0], 0.3, Some(7.0)),
            (vec![1.0, 2.0], 1.0, Some(2.0)),
            (vec![], 0.5, None),
        ] {
            let mut values: Vec<f64> = values;
            assert_eq!(percentile(&mut values, of), expected);
        }
    }

    #[test]
    fn g11_no_digit_is_lost() {
        let mut values: Vec<f64> = (0..7).map(f64::from).collect();
        assert_eq!(percentile(&mut values, 0.123_456_789), Some(6.0 * 0.123_456_789));
    }
}
