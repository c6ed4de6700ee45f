//! A value for each user, looked up for the user of an event.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, TimestampMillisecondArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use tallymark_event::columns::USER_ID;
use tallymark_memory::UserDirectory;

use crate::functions::made::{about, call_about};

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
        let returns = self.values.data_type().clone();
        let user = vec![Expr::Column(Column::from_name(USER_ID))];
        call_about(name, returns, user, self, |values, args| values.of_ids(&args[0]))
    }

    /// Those an expression looks up by the numbers of `users`, if that is all it does.
    pub(super) fn of_expr(expr: &Arc<dyn PhysicalExpr>, users: &Arc<UserDirectory>) -> Option<Arc<Self>> {
        about::<Self>(expr).filter(|values| Arc::ptr_eq(&values.users, users))
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
