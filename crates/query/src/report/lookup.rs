//! Lookup properties: what a table says of values (U-40 to U-44).

use std::sync::Arc;

use arrow::array::{AsArray as _, ListBuilder, StringViewBuilder, UInt32Array};
use arrow::compute::{cast, take};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use tallymark_report::{DefinitionError, Property, Report};

use super::asked::{Asked, Cohorts, column};
use super::convert::{self, TEXT, list_of_text};
use super::values::{Item, Values};
use crate::Result;
use crate::functions::made::call;
use crate::lookups::{LookupRows, Lookups};

impl Asked {
    /// Reads the tables that a report, or a saved cohort it may need, names.
    pub(super) async fn load_lookups(&mut self, report: &Report, cohorts: &Cohorts) -> Result<()> {
        let definition = report.to_value();
        let mut properties = Property::lookups_in(&definition);
        if definition.to_string().contains("cohort") {
            for cohort in cohorts.values().filter_map(|cohort| serde_json::to_value(cohort).ok()) {
                properties.extend(
                    Property::lookups_in(&cohort).into_iter().map(|(_, property)| (String::new(), property)),
                );
            }
        }
        if properties.is_empty() {
            return Ok(());
        }
        let mut lookups = Lookups::saved_in(self.tables.snapshot())?;
        let pool = Arc::clone(&self.state.runtime_env().memory_pool);
        lookups.load(&properties, &self.tables, &pool).await?;
        for (path, property) in properties.iter().filter(|(path, _)| !path.is_empty()) {
            let Property::Lookup { table, of, column } = property else { continue };
            let within = |error: DefinitionError| error.within(path);
            lookups.rows_of(table.as_deref(), of, column).map_err(within)?;
        }
        self.lookups = Arc::new(lookups);
        Ok(())
    }

    /// What the table says of the property's value, or of each item of its list.
    pub(super) fn looked_up(&self, table: Option<&str>, of: &Property, name: &str) -> Result<Values> {
        let rows = self.lookups.rows_of(table, of, name)?;
        let keys = self.values(of)?;
        let mut values = match keys.scalar_text() {
            Some(key) => {
                let lane = |lane: &str| looked_up(&rows, &key, lane);
                Values::of_property(&rows.catalog, name, &lane)
            }
            None => Values::default(),
        };
        for (item, list) in keys.lists {
            values.lists.push((Item::Json, self.items_looked_up(&rows, item, list, name)?));
        }
        Ok(values)
    }

    /// Lists of what the table says of each item, as JSON texts; `null` for items it does not have
    /// (U-43). What are lists in the table is taken apart.
    fn items_looked_up(&self, rows: &Arc<LookupRows>, of: Item, list: Expr, name: &str) -> Result<Expr> {
        let text = Values::of_item(of, column("item")).scalar_text();
        let text = text.unwrap_or_else(|| lit(ScalarValue::Utf8View(None)));
        let keys = self.over_items(text, of.data_type())?;
        let (rows, name) = (Arc::clone(rows), name.to_owned());
        let called = format!("lookup_items({}, {name:?})", rows.path);
        Ok(call(called, list_of_text(), vec![list], move |args| {
            let mut lists = ListBuilder::new(StringViewBuilder::new());
            for keys in convert::map_items(&args[0], |items| keys(items))? {
                let is_list = keys.is_some();
                for key in keys.unwrap_or_default() {
                    let row = key.and_then(|key| rows.row(&key));
                    let found = row.map(|row| rows.items(&name, row)).transpose()?.unwrap_or_default();
                    if found.is_empty() {
                        lists.values().append_value("null");
                    }
                    for item in &found {
                        lists.values().append_value(item);
                    }
                }
                lists.append(is_list);
            }
            Ok(Arc::new(lists.finish()))
        }))
    }
}

/// A lane of the table, for each key.
fn looked_up(rows: &Arc<LookupRows>, key: &Expr, lane: &str) -> Expr {
    let Some(array) = rows.lane(lane) else { return lit(ScalarValue::Null) };
    let (array, rows) = (Arc::clone(array), Arc::clone(rows));
    let name = format!("lookup({}, {lane:?})", rows.path);
    call(name, array.data_type().clone(), vec![key.clone()], move |args| {
        let keys = cast(&args[0], &TEXT)?;
        let row = |key: Option<&str>| key.and_then(|key| rows.row(key));
        let found: UInt32Array = keys.as_string_view().iter().map(row).collect();
        Ok(take(&array, &found, None)?)
    })
}
