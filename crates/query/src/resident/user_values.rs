//! A value for each user, looked up for the user of an event.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, TimestampMillisecondArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use tallymark_event::columns::USER_ID;
use tallymark_memory::UserDirectory;

/// A value, or none, for each user of a directory.
#[derive(Debug)]
pub(crate) struct UserValues {
    users: Arc<UserDirectory>,
    /// One for each number of a user.
    values: ArrayRef,
}

impl UserValues {
    /// `values` has one for each user of the directory, in its order.
    pub(crate) fn new(users: Arc<UserDirectory>, values: ArrayRef) -> Self {
        Self { users, values }
    }

    /// The value of the user of an event; null for those that have none, and for nobody. `name` tells
    /// it from others in a plan.
    pub(crate) fn of_event(self: Arc<Self>, name: String) -> Expr {
        let signature = Signature::any(1, Volatility::Immutable);
        let function = UserValuesFunction { name, signature, values: self };
        ScalarUDF::new_from_impl(function).call(vec![Expr::Column(Column::from_name(USER_ID))])
    }

    /// Those an expression looks up by the numbers of `users`, if that is all it does.
    pub(super) fn of_expr(expr: &Arc<dyn PhysicalExpr>, users: &Arc<UserDirectory>) -> Option<Arc<Self>> {
        let function = expr.downcast_ref::<ScalarFunctionExpr>()?;
        let values = &function.fun().inner().downcast_ref::<UserValuesFunction>()?.values;
        Arc::ptr_eq(&values.users, users).then(|| Arc::clone(values))
    }

    /// The values, if they are times.
    pub(super) fn times(&self) -> Option<&TimestampMillisecondArray> {
        self.values.as_primitive_opt()
    }

    /// The values of these users, and null for numbers that no user has.
    pub(super) fn of_ordinals(&self, ordinals: &[u32]) -> Result<ArrayRef> {
        let known = |ordinal: &u32| Some(*ordinal).filter(|ordinal| (*ordinal as usize) < self.values.len());
        let places: UInt32Array = ordinals.iter().map(known).collect();
        Ok(take(&self.values, &places, None)?)
    }

    fn of_ids(&self, ids: &ArrayRef) -> Result<ArrayRef> {
        let ids = cast(ids, &DataType::Utf8View)?;
        let places: UInt32Array =
            ids.as_string_view().iter().map(|id| id.and_then(|id| self.users.ordinal(id))).collect();
        Ok(take(&self.values, &places, None)?)
    }
}

#[derive(Debug)]
struct UserValuesFunction {
    name: String,
    signature: Signature,
    values: Arc<UserValues>,
}

/// Two of one name are the same.
impl PartialEq for UserValuesFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for UserValuesFunction {}

impl Hash for UserValuesFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for UserValuesFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.values.values.data_type().clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ids = args.args[0].clone().into_array(args.number_rows)?;
        Ok(ColumnarValue::Array(self.values.of_ids(&ids)?))
    }
}
