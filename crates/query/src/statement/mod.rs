//! Statements: text → checked statements → what they answer.
//!
//! 1. [`statements`] splits a script.
//! 2. [`run`] refuses what would write, plans, and gives back a [`DataFrame`] that has not started.
//! 3. Errors of planning come back as [`Error::UnknownTable`], [`Error::UnknownColumn`] with the
//!    names that were probably meant.

use std::fmt;
use std::ops::ControlFlow;

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DataFusionError, SchemaError, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParserBuilder, ResetStatement, Statement as DfStatement};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectType, Set,
    Statement as SqlStatement, visit_expressions,
};
use tallymark_event::columns;

use crate::dialect::TallymarkDialect;
use crate::error::{Error, Result, TEXT};
use crate::steps::Steps;
use crate::suggest::closest;

/// One statement of a script.
#[derive(Debug, Clone)]
pub struct Statement(DfStatement);

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Splits a script at its semicolons, not at those in strings, names and comments.
///
/// # Errors
/// [`Error::Parse`] with line and column.
pub fn statements(text: &str) -> Result<Vec<Statement>> {
    let parse = |source| Error::Parse { source };
    let dialect = TallymarkDialect::default();
    let mut parser = DFParserBuilder::new(text).with_dialect(&dialect).build().map_err(parse)?;
    Ok(parser.parse_statements().map_err(parse)?.into_iter().map(Statement).collect())
}

/// Runs a script: all statements in order, to their end; gives back the answer of the last one, not
/// started yet.
///
/// # Errors
/// [`Error::NoStatement`] for an empty script, else those of [`statements`] and [`run`].
pub async fn sql(session_ctx: &SessionContext, text: &str) -> Result<DataFrame> {
    let mut statements = statements(text)?;
    let last = statements.pop().ok_or(Error::NoStatement)?;
    for statement in statements {
        let answer = run(session_ctx, statement).await?;
        answer.collect().await.map_err(|source| Error::Run { source })?;
    }
    run(session_ctx, last).await
}

/// Plans one statement. Queries start when the frame is executed; `SET`, `CREATE VIEW`, `PREPARE`
/// take effect at once.
///
/// Allowed are queries, `EXPLAIN`, `SHOW`, `DESCRIBE`, `SET`, views and prepared statements.
///
/// # Errors
/// [`Error::NotAllowed`], [`Error::UnknownTable`], [`Error::UnknownColumn`], [`Error::Plan`].
pub async fn run(session_ctx: &SessionContext, statement: Statement) -> Result<DataFrame> {
    check_allowed(&statement.0)?;
    let mut state = session_ctx.state();
    let plan = match state.statement_to_plan(statement.0.clone()).await {
        Ok(plan) => plan,
        Err(source) => return Err(explain_error(&state, &statement.0, source)),
    };
    match plan {
        LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) => {
            session_ctx.execute_logical_plan(plan).await.map_err(|source| Error::Plan { source })
        }
        query => {
            if reads_few_rows(&query) {
                state.config_mut().options_mut().execution.parquet.pushdown_filters = true;
            }
            if matches!(query, LogicalPlan::Analyze(_)) {
                Steps::begin(&mut state);
            }
            Ok(DataFrame::new(state, query))
        }
    }
}

/// Starts a planned query.
///
/// # Errors
/// [`Error::Plan`] if the query is wrong in a way that shows only now, such as a literal argument that
/// a function refuses; else [`Error::Run`].
pub async fn start(frame: DataFrame) -> Result<SendableRecordBatchStream> {
    frame.execute_stream().await.map_err(|source| match source.find_root() {
        // Which rule of the optimizer found it is of no use to anyone.
        DataFusionError::Plan(message) => Error::Plan { source: DataFusionError::Plan(message.clone()) },
        _ => Error::Run { source },
    })
}

/// Refuses statements that write or reach outside the dataset.
fn check_allowed(statement: &DfStatement) -> Result<()> {
    let refuse = |what: &str, advice| Err(Error::NotAllowed { statement: what.to_owned(), advice });
    let statement = match statement {
        DfStatement::Statement(statement) => statement.as_ref(),
        DfStatement::Explain(explain) => return check_allowed(&explain.statement),
        DfStatement::Reset(ResetStatement::Variable(name)) => return check_setting(&name.to_string()),
        DfStatement::CopyTo(_) => {
            return refuse(
                "COPY",
                "write a result with `tallymark sql --output`, events with `tallymark export`",
            );
        }
        DfStatement::CreateExternalTable(_) => {
            return refuse("CREATE EXTERNAL TABLE", "attach Parquet kept elsewhere with `tallymark attach`");
        }
    };
    match statement {
        SqlStatement::Query(_)
        | SqlStatement::Explain { .. }
        | SqlStatement::ExplainTable { .. }
        | SqlStatement::ShowTables { .. }
        | SqlStatement::ShowColumns { .. }
        | SqlStatement::ShowFunctions { .. }
        | SqlStatement::ShowVariable { .. }
        | SqlStatement::ShowVariables { .. }
        | SqlStatement::ShowCreate { .. }
        | SqlStatement::ShowDatabases { .. }
        | SqlStatement::ShowSchemas { .. }
        | SqlStatement::ShowCatalogs { .. }
        | SqlStatement::Prepare { .. }
        | SqlStatement::Execute { .. }
        | SqlStatement::Deallocate { .. }
        | SqlStatement::CreateView(_)
        | SqlStatement::Drop { object_type: ObjectType::View, .. } => Ok(()),
        SqlStatement::Set(Set::SingleAssignment { variable, .. }) => check_setting(&variable.to_string()),
        SqlStatement::Set(other) => check_setting(&other.to_string()),
        SqlStatement::Insert(_) => refuse("INSERT", "add events with `tallymark import` or `Engine::append`"),
        SqlStatement::Delete(_) => {
            refuse("DELETE", "events do not change once stored; remove a user with `tallymark delete-user`")
        }
        SqlStatement::Update(_) | SqlStatement::Merge(_) => refuse(
            "UPDATE",
            "events do not change once stored; change profiles by importing profile updates such as `$set`",
        ),
        other => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            refuse(&words.join(" "), "SQL reads the dataset; CREATE VIEW names a query for the session")
        }
    }
}

/// Memory and disk are limits of the process, not of a session.
fn check_setting(name: &str) -> Result<()> {
    if name.to_lowercase().starts_with("datafusion.runtime") {
        return Err(Error::NotAllowed {
            statement: format!("SET {name}"),
            advice: "memory, spill space and caches are limits of the whole process, set when it starts",
        });
    }
    Ok(())
}

/// Whether only few of the scanned rows are needed in full, so that filtering while Parquet is
/// decoded pays: the first rows of an order, or the rows of single users. For broad filters it
/// costs more than it saves.
fn reads_few_rows(plan: &LogicalPlan) -> bool {
    plan.exists(|node| {
        Ok(match node {
            LogicalPlan::Limit(limit) => {
                let mut input = limit.input.as_ref();
                while let LogicalPlan::Projection(projection) = input {
                    input = projection.input.as_ref();
                }
                matches!(input, LogicalPlan::Sort(_))
            }
            LogicalPlan::Filter(filter) => selects_ids(&filter.predicate),
            _ => false,
        })
    })
    .unwrap_or(false)
}

/// Whether a conjunct compares an id with single values.
fn selects_ids(predicate: &Expr) -> bool {
    let is_id = |expr: &Expr| match expr {
        Expr::Column(column) => {
            matches!(
                column.name.as_str(),
                columns::USER_ID | columns::DISTINCT_ID | columns::INSERT_ID | columns::DEVICE_ID
            )
        }
        _ => false,
    };
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            selects_ids(left) || selects_ids(right)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => is_id(left) || is_id(right),
        Expr::InList(list) => !list.negated && is_id(&list.expr),
        _ => false,
    }
}

/// Says what was probably meant where a name is unknown.
fn explain_error(state: &SessionState, statement: &DfStatement, source: DataFusionError) -> Error {
    if let Some((name, known)) = unknown_column(&source) {
        let suggestions = closest(&name, known.iter().map(String::as_str));
        return Error::UnknownColumn { name, suggestions };
    }
    if let Some(error) = wrong_arguments(statement, &source) {
        return error;
    }
    match unknown_table(state, statement) {
        Some(error) => error,
        None => own_error(source).unwrap_or_else(|source| Error::Plan { source }),
    }
}

/// Says what was probably meant where a name in an expression is unknown.
pub(crate) fn explained(source: DataFusionError) -> Error {
    match unknown_column(&source) {
        Some((name, known)) => {
            let suggestions = closest(&name, known.iter().map(String::as_str));
            Error::UnknownColumn { name, suggestions }
        }
        None => own_error(source).unwrap_or_else(|source| Error::Plan { source }),
    }
}

/// An error of ours that went through DataFusion, as it was.
fn own_error(error: DataFusionError) -> Result<Error, DataFusionError> {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => own_error(*inner),
        DataFusionError::External(inner) => {
            inner.downcast::<Error>().map(|error| *error).map_err(DataFusionError::External)
        }
        other => Err(other),
    }
}

fn unknown_column(error: &DataFusionError) -> Option<(String, Vec<String>)> {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => unknown_column(inner),
        DataFusionError::Shared(inner) => unknown_column(inner),
        DataFusionError::Collection(errors) => errors.iter().find_map(unknown_column),
        DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => {
                Some((field.name.clone(), valid_fields.iter().map(|field| field.name.clone()).collect()))
            }
            _ => None,
        },
        _ => None,
    }
}

/// A function that was given the wrong types: DataFusion calls it an internal error, and a bug.
fn wrong_arguments(statement: &DfStatement, error: &DataFusionError) -> Option<Error> {
    let text = error.to_string();
    let (_, rest) = text.split_once("No function matches the given name and argument types '")?;
    let (call, rest) = rest.split_once("'.")?;
    let (function, types) = call.strip_suffix(')')?.split_once('(')?;
    let candidate = |line: &str| Some(line.trim().strip_prefix(function)?.to_owned());
    Some(Error::WrongArguments {
        function: function.to_owned(),
        types: ["LargeUtf8", "Utf8View", "Utf8"]
            .iter()
            .fold(types.to_owned(), |types, kind| types.replace(kind, TEXT)),
        takes: rest.lines().filter_map(candidate).collect(),
        column: argument_of(statement, function),
    })
}

/// The column that is the only argument of a function in a statement.
fn argument_of(statement: &DfStatement, function: &str) -> Option<String> {
    let DfStatement::Statement(statement) = statement else { return None };
    let found = visit_expressions(statement.as_ref(), |expr| match expr {
        SqlExpr::Function(called) if called.name.to_string().eq_ignore_ascii_case(function) => {
            match &called.args {
                FunctionArguments::List(list) => match list.args.as_slice() {
                    [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => match column_name(argument) {
                        Some(name) => ControlFlow::Break(name),
                        None => ControlFlow::Continue(()),
                    },
                    _ => ControlFlow::Continue(()),
                },
                _ => ControlFlow::Continue(()),
            }
        }
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(name) => Some(name),
        ControlFlow::Continue(()) => None,
    }
}

fn column_name(expr: &SqlExpr) -> Option<String> {
    match expr {
        SqlExpr::Identifier(name) => Some(name.value.clone()),
        SqlExpr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()),
        _ => None,
    }
}

fn unknown_table(state: &SessionState, statement: &DfStatement) -> Option<Error> {
    let catalogs = state.catalog_list();
    for reference in state.resolve_table_references(statement).ok()? {
        let name = match &reference {
            TableReference::Bare { table } => table.to_string(),
            other => other.to_string(),
        };
        let resolved = state.config_options().catalog.clone();
        let resolved = reference.resolve(&resolved.default_catalog, &resolved.default_schema);
        let schema = catalogs.catalog(&resolved.catalog).and_then(|catalog| catalog.schema(&resolved.schema));
        if schema.as_ref().is_some_and(|schema| schema.table_exist(&resolved.table))
            || state.table_functions().contains_key(resolved.table.as_ref())
            || resolved.schema.as_ref() == "information_schema"
        {
            continue;
        }
        let known = schema.map(|schema| schema.table_names()).unwrap_or_default();
        let suggestions = closest(&resolved.table, known.iter().map(String::as_str));
        return Some(Error::UnknownTable { name, suggestions });
    }
    None
}

#[cfg(test)]
mod tests;
