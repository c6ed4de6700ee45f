//! One scan: the columns it reads, the files it needs, the plan that reads them.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, RecordBatch, StringViewArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{Guarantee, LiteralGuarantee};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use tallymark_event::Day;
use tallymark_event::columns::{DAY, EVENT, USER_ID};
use tallymark_storage::DataFile;

use super::derived::DerivedTime;
use super::pruning::{ManifestStatistics, literal_text};
use super::{EventColumn, EventsTable, day_field, memory};

/// What one query asks of the table.
pub(super) struct Scan<'a> {
    pub(super) table: &'a EventsTable,
    pub(super) state: &'a dyn Session,
    /// Positions in the table's schema of the columns that go out, in order.
    pub(super) output: Vec<usize>,
    /// Positions in the table's schema of the columns to read from files: what goes out and what
    /// filters look at, without `day`, which no file has.
    pub(super) read: Vec<usize>,
    /// Filters on `day` alone, which nobody applies after us.
    pub(super) day_filter: Option<Arc<dyn PhysicalExpr>>,
    /// Filters on `event` alone.
    event_filter: Option<Arc<dyn PhysicalExpr>>,
    /// All other filters, over [`Scan::pruning_schema`]; somebody else applies them to rows.
    row_filter: Option<Arc<dyn PhysicalExpr>>,
    /// What stands in `row_filter` for expressions of the time that grow with it.
    derived: Vec<DerivedTime>,
    /// How many rows will do, if any will.
    pub(super) limit: Option<usize>,
}

/// The files a scan reads.
pub(super) struct Selected<'a> {
    /// The stored `user_id` is the present user.
    pub(super) current: Vec<&'a DataFile>,
    /// Ids were joined since these were written.
    pub(super) stale: Vec<&'a DataFile>,
    /// The only ids as stored that the query wants of the stale ones, if it wants certain users.
    pub(super) stale_ids: Option<BTreeSet<String>>,
}

/// Whether a filter can be decided knowing only the value of that column.
pub(super) fn reads_only(filter: &Expr, column: &str) -> bool {
    let columns = filter.column_refs();
    let own = columns.len() == 1 && columns.iter().all(|known| known.name == column);
    own && is_of_row(filter)
}

/// Whether the same row always gives the same value, with nothing else looked at.
pub(crate) fn is_of_row(expr: &Expr) -> bool {
    !expr.is_volatile() && !expr.contains_outer() && !has_subquery(expr)
}

fn has_subquery(filter: &Expr) -> bool {
    filter
        .exists(|expr| {
            Ok(matches!(
                expr,
                Expr::ScalarSubquery(_)
                    | Expr::InSubquery(_)
                    | Expr::Exists(_)
                    | Expr::SetComparison(_)
                    | Expr::Placeholder(_)
            ))
        })
        .unwrap_or(true)
}

impl<'a> Scan<'a> {
    pub(super) fn try_new(
        table: &'a EventsTable,
        state: &'a dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Self> {
        let output = projection.cloned().unwrap_or_else(|| (0..table.columns.len()).collect());
        let mut day_filters = Vec::new();
        let mut event_filters = Vec::new();
        let mut row_filters = Vec::new();
        for filter in filters {
            if reads_only(filter, DAY) {
                day_filters.push(filter.clone());
            } else if reads_only(filter, EVENT) {
                event_filters.push(filter.clone());
            } else if !has_subquery(filter) {
                row_filters.push(filter.clone());
            }
        }
        let mut wanted: BTreeSet<usize> = output.iter().copied().collect();
        for filter in event_filters.iter().chain(&row_filters) {
            wanted.extend(filter.column_refs().iter().filter_map(|column| table.by_name.get(&column.name)));
        }
        let mut derived = Vec::new();
        let row_filters =
            row_filters.into_iter().map(|filter| DerivedTime::take(state, filter, &mut derived));
        let row_filters = row_filters.collect::<Result<Vec<_>>>()?;
        let read = wanted.into_iter().filter(|at| table.columns[*at] != EventColumn::Day).collect();
        let limit = limit.filter(|_| event_filters.is_empty() && row_filters.is_empty());
        let mut scan = Self {
            table,
            state,
            output,
            read,
            day_filter: None,
            event_filter: None,
            row_filter: None,
            derived,
            limit,
        };
        scan.day_filter = scan.physical(day_filters, &Schema::new(vec![day_field()]))?;
        scan.event_filter = scan.physical(event_filters, &event_schema())?;
        scan.row_filter = scan.physical(row_filters, &scan.pruning_schema())?;
        Ok(scan)
    }

    /// The scans of current files, stale files and memory, united.
    pub(super) fn plan(&self) -> Result<Arc<dyn ExecutionPlan>> {
        let selected = self.select_files()?;
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !selected.current.is_empty() {
            inputs.push(self.current_files(&selected)?);
        }
        if !selected.stale.is_empty() {
            inputs.push(self.stale_files(&selected)?);
        }
        inputs.extend(self.memory()?);
        match inputs.len() {
            0 => Ok(Arc::new(EmptyExec::new(self.output_schema()))),
            1 => Ok(inputs.swap_remove(0)),
            _ => UnionExec::try_new(inputs),
        }
    }

    /// The schema of what goes out.
    pub(super) fn output_schema(&self) -> SchemaRef {
        Arc::new(self.schema_of(&self.output))
    }

    /// The schema of what is read from files.
    pub(super) fn read_schema(&self) -> SchemaRef {
        Arc::new(self.schema_of(&self.read))
    }

    fn schema_of(&self, positions: &[usize]) -> Schema {
        Schema::new(
            positions.iter().map(|at| Arc::clone(&self.table.schema.fields()[*at])).collect::<Vec<_>>(),
        )
    }

    /// What is read from files, `day`, and what is derived from the time.
    fn pruning_schema(&self) -> Schema {
        let mut fields: Vec<_> = self.read_schema().fields().iter().cloned().collect();
        fields.push(day_field());
        fields.extend(self.derived.iter().map(|derived| Arc::clone(&derived.field)));
        Schema::new(fields)
    }

    fn physical(&self, filters: Vec<Expr>, schema: &Schema) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Some(filter) = conjunction(filters) else { return Ok(None) };
        let schema = DFSchema::try_from(schema.clone())?;
        self.state.create_physical_expr(filter, &schema).map(Some)
    }

    /// The days that may have rows the filters accept.
    pub(super) fn days(&self) -> Result<BTreeSet<Day>> {
        let selected = self.select_files()?;
        let mut days: BTreeSet<Day> =
            selected.current.iter().chain(&selected.stale).map(|file| file.day).collect();
        let mut in_memory = BTreeSet::new();
        for batch in self.table.snapshot.memtable.iter() {
            in_memory.extend(memory::days_of(&batch.batch)?);
        }
        days.extend(self.wanted_days(in_memory)?);
        Ok(days)
    }

    fn select_files(&self) -> Result<Selected<'a>> {
        let snapshot = &self.table.snapshot;
        let identities = &snapshot.identities;
        let present = identities.version();
        let trivial = identities.is_trivial();
        let files = self.files_of_events(self.files_of_days()?)?;
        let (current, stale): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| trivial || file.identity_version == present);

        let current = self.prune(current, true)?;
        let mut stale = self.prune(stale, false)?;
        let stale_ids = self
            .wanted_users()
            .map(|users| users.iter().flat_map(|user| identities.ids_of(user)).collect::<BTreeSet<_>>());
        if let Some(ids) = &stale_ids {
            stale.retain(|file| holds_any(file, ids));
        }
        let mut selected = Selected { current, stale, stale_ids };
        if let Some(limit) = self.limit {
            selected.keep_rows(limit);
        }
        Ok(selected)
    }

    fn files_of_days(&self) -> Result<Vec<&'a DataFile>> {
        let files = &self.table.snapshot.manifest.files;
        let wanted = self.wanted_days(files.iter().map(|file| file.day).collect())?;
        Ok(files.iter().filter(|file| wanted.contains(&file.day)).collect())
    }

    /// Those of some days that the filters on `day` accept.
    fn wanted_days(&self, days: BTreeSet<Day>) -> Result<BTreeSet<Day>> {
        let Some(filter) = &self.day_filter else { return Ok(days) };
        let array: Date32Array = days.iter().map(|day| Some(day.days())).collect();
        let wanted = accepts(filter, day_field().as_ref(), Arc::new(array))?;
        Ok(chosen(days, &wanted))
    }

    /// Any predicate on the name alone, patterns too, is decided on the names the files have.
    fn files_of_events(&self, files: Vec<&'a DataFile>) -> Result<Vec<&'a DataFile>> {
        // What names attached files have is not known.
        let known = self.event_filter.as_ref().filter(|_| self.table.attached.is_none());
        let Some(filter) = known else { return Ok(files) };
        let names: BTreeSet<&str> =
            files.iter().flat_map(|file| &file.events).map(|event| event.name.as_str()).collect();
        let array: StringViewArray = names.iter().map(Some).collect();
        let wanted = accepts(filter, event_schema().field(0), Arc::new(array))?;
        let wanted: BTreeSet<&str> = chosen(names, &wanted);
        Ok(files
            .into_iter()
            .filter(|file| file.events.iter().any(|event| wanted.contains(event.name.as_str())))
            .collect())
    }

    fn prune(&self, files: Vec<&'a DataFile>, users_current: bool) -> Result<Vec<&'a DataFile>> {
        let Some(filter) = &self.row_filter else { return Ok(files) };
        let schema = Arc::new(self.pruning_schema());
        let Some(predicate) =
            PruningPredicateBuilder::new().with_file_schema(schema).build(Arc::clone(filter))
        else {
            return Ok(files);
        };
        let statistics =
            ManifestStatistics { table: self.table, derived: &self.derived, files: &files, users_current };
        let keep = predicate.prune(&statistics)?;
        Ok(files.into_iter().zip(keep).filter_map(|(file, keep)| keep.then_some(file)).collect())
    }

    /// The users that the filters leave, if they name them.
    pub(super) fn wanted_users(&self) -> Option<BTreeSet<String>> {
        let filter = self.row_filter.as_ref()?;
        LiteralGuarantee::analyze(filter)
            .into_iter()
            .filter(|known| known.column.name == USER_ID && known.guarantee == Guarantee::In)
            .map(|known| known.literals.iter().filter_map(literal_text).map(str::to_owned).collect())
            .next()
    }
}

impl Selected<'_> {
    /// Any `limit` rows will do: files beyond them need not be read.
    fn keep_rows(&mut self, limit: usize) {
        let mut rows = 0;
        let mut needed = |file: &&DataFile| {
            let needed = rows < limit as u64;
            rows += file.rows;
            needed
        };
        self.current.retain(&mut needed);
        self.stale.retain(&mut needed);
    }
}

/// Whether a file may hold rows stored under one of these ids.
fn holds_any(file: &DataFile, ids: &BTreeSet<String>) -> bool {
    match (&file.min_user, &file.max_user) {
        (Some(min), Some(max)) => ids.range::<String, _>(min..=max).next().is_some(),
        _ => false,
    }
}

fn event_schema() -> Schema {
    let [event, ..] = tallymark_event::columns::system_fields();
    Schema::new(vec![event])
}

/// Which values of a column a filter on that column accepts; null counts as no.
pub(super) fn accepts(
    filter: &Arc<dyn PhysicalExpr>,
    field: &Field,
    values: ArrayRef,
) -> Result<BooleanArray> {
    let rows = values.len();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field.clone()])), vec![values])?;
    let accepted = filter.evaluate(&batch)?.into_array(rows)?;
    let Some(accepted) = accepted.as_boolean_opt() else {
        return internal_err!("a filter must be boolean, this one is {}", accepted.data_type());
    };
    Ok(accepted.iter().map(|accepted| Some(accepted.unwrap_or(false))).collect())
}

fn chosen<T: Ord>(values: BTreeSet<T>, wanted: &BooleanArray) -> BTreeSet<T> {
    values.into_iter().zip(wanted.values()).filter_map(|(value, wanted)| wanted.then_some(value)).collect()
}
