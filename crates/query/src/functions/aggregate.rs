//! What all aggregate functions here share towards DataFusion.

use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Range;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, ExprSchemable as _, GroupsAccumulator, Signature,
    TypeSignature, Volatility,
};

use super::arguments::{logical_literals, physical_literals};
use super::grouped::{ForGroups, ForOne, Grouped};

/// One aggregate function: what it is called, takes, keeps and gives.
pub(super) trait Definition: Debug + Clone + PartialEq + Eq + Hash + Send + Sync + 'static {
    /// What it keeps of groups.
    type Kept: Grouped;

    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// Its name in ClickHouse, in ClickHouse's spelling.
    fn clickhouse_name(&self) -> Option<&'static str>;

    /// Checks the types of the arguments; the type of the result.
    fn return_type(&self, types: &[DataType]) -> Result<DataType>;

    /// The result of no rows at all.
    fn of_nothing(&self, return_type: &DataType) -> Result<ScalarValue>;

    /// Whether a result may be null.
    fn is_nullable(&self) -> bool {
        false
    }

    /// The columns of a state, for arguments of these types.
    fn state_fields(&self, name: &str, types: &[DataType]) -> Vec<FieldRef>;

    /// Reads the literals among the arguments; a function with no groups.
    fn start(&self, types: &[DataType], literals: &[Option<ScalarValue>]) -> Result<Self::Kept>;

    /// Which arguments are conditions, if rows that meet none of them change nothing.
    fn conditions(&self, _types: &[DataType], _literals: &[Option<ScalarValue>]) -> Option<Range<usize>> {
        None
    }
}

/// [`Definition::conditions`] of a call, if it calls that function.
pub(super) fn conditions_of<D: Definition>(
    call: &AggregateFunction,
    types: &[DataType],
) -> Option<Range<usize>> {
    let udaf = call.func.inner().downcast_ref::<Udaf<D>>()?;
    udaf.definition.conditions(types, &logical_literals(&call.params.args))
}

/// The function as DataFusion takes it.
pub(super) fn udaf<D: Definition>(definition: D) -> AggregateUDF {
    // Function names written without quotes arrive in lower case.
    let aliases = match definition.clickhouse_name() {
        Some(name) if name != definition.name() => vec![name.to_ascii_lowercase(), name.to_owned()],
        _ => Vec::new(),
    };
    // Any arguments, even none: what is wrong with them is said by `return_type`.
    let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
    let signature = Signature::one_of(any, Volatility::Immutable);
    AggregateUDF::new_from_impl(Udaf { definition, aliases, signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Udaf<D> {
    definition: D,
    aliases: Vec<String>,
    signature: Signature,
}

impl<D: Definition> Udaf<D> {
    fn start(&self, args: &AccumulatorArgs) -> Result<D::Kept> {
        refuse_distinct(&self.definition, args.is_distinct)?;
        let types: Vec<DataType> = args.expr_fields.iter().map(|field| field.data_type().clone()).collect();
        self.definition.start(&types, &physical_literals(args.exprs))
    }
}

fn refuse_distinct<D: Definition>(definition: &D, is_distinct: bool) -> Result<()> {
    if is_distinct {
        return plan_err!("{}: DISTINCT has no meaning here; leave it out", definition.name());
    }
    Ok(())
}

impl<D: Definition> AggregateUDFImpl for Udaf<D> {
    fn name(&self) -> &str {
        self.definition.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.definition.return_type(arg_types)
    }

    fn is_nullable(&self) -> bool {
        self.definition.is_nullable()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.definition.of_nothing(data_type)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let types: Vec<DataType> = args.input_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(self.definition.state_fields(args.name, &types))
    }

    fn accumulator(&self, acc_args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(ForOne::new(self.start(&acc_args)?)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(ForGroups(self.start(&args)?)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        // The functions order events themselves.
        AggregateOrderSensitivity::Insensitive
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        // Nothing becomes simpler, but here literals are seen before the query runs.
        let definition = self.definition.clone();
        Some(Box::new(move |call: AggregateFunction, info| {
            refuse_distinct(&definition, call.params.distinct)?;
            let args = &call.params.args;
            let types: Vec<DataType> =
                args.iter().map(|arg| arg.get_type(info.schema().as_ref())).collect::<Result<_>>()?;
            definition.start(&types, &logical_literals(args))?;
            Ok(Expr::AggregateFunction(call))
        }))
    }
}
