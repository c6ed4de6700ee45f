//! From the columns a file has to those of the table.
//!
//! A column the file does not have is null; integers stored before their lane widened are cast to
//! floats (without loss, as the catalog sees to it). DataFusion's own adapter does the same and
//! searches both schemas from the start for every column, which is felt at thousands of columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, lit};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};

/// Makes an adapter for each file of a scan.
#[derive(Debug)]
pub(super) struct LaneAdapterFactory {
    table: Arc<HashMap<String, FieldRef>>,
}

impl LaneAdapterFactory {
    /// For files of which a scan reads the columns of `read_schema`.
    pub(super) fn new(read_schema: &SchemaRef) -> Self {
        let fields = read_schema.fields().iter().map(|field| (field.name().clone(), Arc::clone(field)));
        Self { table: Arc::new(fields.collect()) }
    }
}

impl PhysicalExprAdapterFactory for LaneAdapterFactory {
    fn create(&self, _table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let positions =
            file.fields().iter().enumerate().map(|(at, field)| (field.name().clone(), at)).collect();
        Ok(Arc::new(LaneAdapter { table: Arc::clone(&self.table), file, positions }))
    }
}

#[derive(Debug)]
struct LaneAdapter {
    table: Arc<HashMap<String, FieldRef>>,
    file: SchemaRef,
    positions: HashMap<String, usize>,
}

impl PhysicalExprAdapter for LaneAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let adapt = |expr: Arc<dyn PhysicalExpr>| match expr.downcast_ref::<Column>() {
            Some(column) => self.column(column).map(Transformed::yes),
            None => Ok(Transformed::no(expr)),
        };
        expr.transform(adapt).data()
    }
}

impl LaneAdapter {
    fn column(&self, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
        let name = column.name();
        let Some(field) = self.table.get(name) else {
            return internal_err!("the scan does not read column {name}");
        };
        let Some(&at) = self.positions.get(name) else {
            if !field.is_nullable() {
                return internal_err!("a data file has no column {name}");
            }
            return Ok(lit(ScalarValue::try_from(field.data_type())?));
        };
        let stored: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, at));
        if self.file.field(at).data_type() == field.data_type() {
            return Ok(stored);
        }
        Ok(Arc::new(CastExpr::new_with_target_field(stored, Arc::clone(field), None)))
    }
}
