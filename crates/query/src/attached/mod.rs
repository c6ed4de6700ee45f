//! Parquet kept elsewhere, read in place as events.
//!
//! 1. The place (file, directory, pattern of files, on any store) becomes a listing that is made
//!    anew for every query.
//! 2. A view on it gives the columns the names events have: `event`, `time`, `distinct_id`,
//!    `user_id`, `day`, then all other columns as they are.
//! 3. Where there is room in memory, the table is an [`EventsTable`] of segments like the dataset's
//!    own (`memory`), of columns made by the same expressions (`held`) from what is read of the
//!    files column by column (`rows`). What segments cannot answer is left to the view.

mod held;
mod memory;
mod rows;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::common::{
    Column, DataFusionError, Result as DfResult, ScalarValue, TableReference, plan_err,
};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::functions::expr_fn::{coalesce, nullif, round};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit};
use futures::TryStreamExt as _;
use glob::{MatchOptions, Pattern};
use object_store::path::Path;
use tallymark_event::columns::{DAY, DISTINCT_ID, EVENT, TIME, USER_ID, is_reserved, timestamp_type};
use tallymark_storage::{Attachment, Location, Snapshot};
use url::Url;

use self::held::HeldColumns;
pub(crate) use self::memory::{Attached, AttachedMemories};
use crate::error::{Error, Result};
use crate::events_table::{EventsTable, Resident};

/// An attached dataset as a table.
///
/// Shape: `event` (Utf8View; the attachment's name where it has no event column), `time`
/// (Timestamp(ms, UTC)), `distinct_id` (Utf8View, never null), `user_id` (Utf8View, null for
/// nobody: G-12), `day` (Date32, UTC), then the other columns of the files, and the `key=value`
/// directories below a directory, under their own names; `properties.NAME` for a name events
/// already have.
///
/// The files are listed and their schema is read now; they are listed again by every scan.
///
/// # Errors
/// [`Error::OpenAttached`], [`Error::ReadAttached`], [`Error::NoAttachedColumn`],
/// [`Error::AttachedTime`].
pub async fn table(
    name: &str,
    attachment: &Attachment,
    state: &SessionState,
) -> Result<Arc<dyn TableProvider>> {
    let listing = listing(name, attachment, state).await?;
    let (view, _) = view(name, attachment, &listing)?;
    Ok(Arc::new(view))
}

/// The same, answered from memory where there is room: `resident` are the segments of `dataset`, with
/// which those of attached datasets share the room.
///
/// # Errors
/// As [`table`].
pub(crate) async fn resident_table(
    name: &str,
    attachment: &Attachment,
    state: &SessionState,
    dataset: &Arc<Snapshot>,
    resident: &Resident,
    memories: &AttachedMemories,
) -> Result<Arc<dyn TableProvider>> {
    let listing = listing(name, attachment, state).await?;
    let (view, expressions) = view(name, attachment, &listing)?;
    let schema = listing.schema();
    let partitions = listing.options().table_partition_cols.len();
    let files = TableReference::bare(name);
    let columns = || HeldColumns::try_new(&expressions, &view.schema(), &schema, partitions, &files, state);
    let memory = memories
        .get(name, attachment, &schema, columns, &resident.events)
        .map_err(|source| read_error(name, attachment, source))?;
    let attached = Attached { listing, view, memory, dataset: Arc::clone(dataset) };
    Ok(Arc::new(EventsTable::of_attached(Arc::new(attached), resident.clone())))
}

/// The files as a table of events, and what makes its columns of theirs.
fn view(name: &str, attachment: &Attachment, listing: &ListingTable) -> Result<(ViewTable, Vec<Expr>)> {
    let schema = listing.schema();
    let files = TableReference::bare(name);
    let columns = AttachedColumns { name, schema: &schema, files: &files };
    let expressions = columns.expressions(attachment)?;
    let view = LogicalPlanBuilder::scan(files.clone(), provider_as_source(Arc::new(listing.clone())), None)
        .and_then(|scan| scan.project(expressions.clone()))
        .and_then(LogicalPlanBuilder::build)
        .map_err(|source| read_error(name, attachment, source))?;
    Ok((ViewTable::new(view, None), expressions))
}

fn read_error(name: &str, attachment: &Attachment, source: DataFusionError) -> Error {
    Error::ReadAttached { name: name.to_owned(), url: attachment.url.clone(), source }
}

async fn listing(name: &str, attachment: &Attachment, state: &SessionState) -> Result<ListingTable> {
    let failed = |source| read_error(name, attachment, source);
    let (place, pattern) = place(name, attachment, state)?;
    // Any file that a path or a pattern names is taken, whatever its ending.
    let ending = if place.is_collection() && pattern.is_none() { ".parquet" } else { "" };
    let format = ParquetFormat::default().with_options(state.default_table_options().parquet);
    let mut options = ListingOptions::new(Arc::new(format)).with_file_extension(ending);
    let config = if let Some(pattern) = pattern {
        let files = matching(&place, &pattern, state).await.map_err(failed)?;
        ListingTableConfig::new_with_multi_paths(files).with_listing_options(options)
    } else {
        let schema = options.infer_schema(state, &place).await.map_err(failed)?;
        let partitions = options.infer_partitions(state, &place).await.map_err(failed)?;
        let partitions = partitions.into_iter().filter(|partition| schema.index_of(partition).is_err());
        options = options.with_table_partition_cols(partitions.map(|name| (name, DataType::Utf8)).collect());
        ListingTableConfig::new(place).with_listing_options(options).with_schema(schema)
    };
    let config = config.infer_schema(state).await.map_err(failed)?;
    ListingTable::try_new(config).map_err(failed)
}

/// Where the files are, the store known to the session, and the pattern of their names below it.
fn place(
    name: &str,
    attachment: &Attachment,
    state: &SessionState,
) -> Result<(ListingTableUrl, Option<String>)> {
    let failed = |source| read_error(name, attachment, source);
    let given = attachment.url.as_str();
    let path =
        Url::parse(given).ok().filter(|url| url.scheme() == "file").and_then(|url| url.to_file_path().ok());
    let path = path.as_deref().and_then(std::path::Path::to_str).unwrap_or(given);
    let (base, pattern) = split_pattern(path);
    let place = ListingTableUrl::parse(base).map_err(failed)?;
    if place.scheme() != "file" {
        let location = Location::parse(base).map_err(Box::new).map_err(|source| Error::OpenAttached {
            name: name.to_owned(),
            url: given.to_owned(),
            source,
        })?;
        let store_url = place.object_store();
        state.runtime_env().register_object_store(store_url.as_ref(), Arc::clone(location.store()));
    }
    Ok((place, pattern.map(str::to_owned)))
}

/// The files below a place whose path matches: `*` and `?` stay in one directory, `**` does not.
async fn matching(
    place: &ListingTableUrl,
    pattern: &str,
    state: &SessionState,
) -> DfResult<Vec<ListingTableUrl>> {
    let pattern = Pattern::new(pattern).map_err(|error| DataFusionError::External(Box::new(error)))?;
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let store = state.runtime_env().object_store(place)?;
    let mut paths: Vec<Path> = store
        .list(Some(place.prefix()))
        .try_filter_map(|object| {
            let below = object.location.prefix_match(place.prefix()).map(Vec::from_iter);
            let below = below.map(|parts| parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("/"));
            let matches = below.is_some_and(|path| pattern.matches_with(&path, options));
            std::future::ready(Ok(matches.then_some(object.location)))
        })
        .try_collect()
        .await?;
    paths.sort_unstable();
    if paths.is_empty() {
        return plan_err!("no file matches {pattern} below {}", place.as_str());
    }
    let file = |path: &Path| {
        let mut url = place.get_url().clone();
        url.set_path(&path.as_ref().replace('%', "%25"));
        ListingTableUrl::try_new(url, None)
    };
    paths.iter().map(file).collect()
}

/// Splits a path or URL before the first part that is a pattern.
fn split_pattern(url: &str) -> (&str, Option<&str>) {
    let Some(first) = url.find(['*', '?', '[']) else { return (url, None) };
    match url[..first].rfind('/') {
        Some(slash) => (&url[..=slash], Some(&url[slash + 1..])),
        None => ("./", Some(url)),
    }
}

/// The files' columns, seen as those of events.
struct AttachedColumns<'a> {
    name: &'a str,
    schema: &'a Schema,
    files: &'a TableReference,
}

impl AttachedColumns<'_> {
    fn expressions(&self, attachment: &Attachment) -> Result<Vec<Expr>> {
        let time = self.time(attachment)?;
        let text = |column: &String, role, flag| {
            self.field(column, role, flag).map(|field| cast(self.column(field.name()), DataType::Utf8View))
        };
        let event = match &attachment.event_column {
            Some(column) => text(column, "event", "--event-column")?,
            None => lit(ScalarValue::Utf8View(Some(self.name.to_owned()))),
        };
        let user = match &attachment.user_column {
            Some(column) => text(column, "user", "--user-column")?,
            None => lit(ScalarValue::Utf8View(None)),
        };
        let nobody = lit(ScalarValue::Utf8View(Some(String::new())));
        let mut expressions = vec![
            event.alias(EVENT),
            time.clone().alias(TIME),
            coalesce(vec![user.clone(), nobody.clone()]).alias(DISTINCT_ID),
            nullif(user, nobody).alias(USER_ID),
            cast(time, DataType::Date32).alias(DAY),
        ];
        expressions.extend(self.properties(attachment));
        Ok(expressions)
    }

    /// The columns that are not event, time or user.
    fn properties(&self, attachment: &Attachment) -> Vec<Expr> {
        let used = [
            Some(&attachment.time_column),
            attachment.event_column.as_ref(),
            attachment.user_column.as_ref(),
        ];
        let mut taken: HashSet<String> =
            self.schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut properties = Vec::new();
        for field in self.schema.fields().iter().filter(|field| !used.contains(&Some(field.name()))) {
            let column = self.column(field.name());
            if !is_reserved(field.name()) {
                properties.push(column);
                continue;
            }
            let first = format!("properties.{}", field.name());
            let numbered = (2u32..).map(|n| format!("{first}_{n}"));
            let free = std::iter::once(first.clone()).chain(numbered).find(|name| taken.insert(name.clone()));
            properties.push(column.alias(free.unwrap_or(first)));
        }
        properties
    }

    fn column(&self, name: &str) -> Expr {
        Expr::Column(Column::new(Some(self.files.clone()), name))
    }

    fn field(&self, column: &str, role: &'static str, flag: &'static str) -> Result<&Field> {
        self.schema.field_with_name(column).map_err(|_| Error::NoAttachedColumn {
            name: self.name.to_owned(),
            column: column.to_owned(),
            role,
            flag,
            columns: self
                .schema
                .fields()
                .iter()
                // Where our own files are attached: they mark nulls, and hold no values.
                .filter(|field| !field.name().ends_with("@null"))
                .map(|field| format!("{} ({})", field.name(), field.data_type()))
                .collect(),
        })
    }

    /// The time as Timestamp(ms, UTC). Times without a zone are UTC; text is read as ISO 8601.
    fn time(&self, attachment: &Attachment) -> Result<Expr> {
        let field = self.field(&attachment.time_column, "time", "--time-column")?;
        let column = self.column(field.name());
        let wrong = |advice| Error::AttachedTime {
            name: self.name.to_owned(),
            column: field.name().clone(),
            data_type: field.data_type().to_string(),
            advice,
        };
        let data_type = match field.data_type() {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        match data_type {
            DataType::Timestamp(..)
            | DataType::Date32
            | DataType::Date64
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View => Ok(cast(column, timestamp_type())),
            number if number.is_numeric() => {
                let unit = attachment.time_unit.as_deref();
                let unit =
                    unit.ok_or_else(|| wrong("say what the number counts with --time-unit s, ms, us or ns"))?;
                let (unit, per_second) = match unit {
                    "s" => (TimeUnit::Second, 1.0),
                    "ms" => (TimeUnit::Millisecond, 1e3),
                    "us" => (TimeUnit::Microsecond, 1e6),
                    "ns" => (TimeUnit::Nanosecond, 1e9),
                    _ => return Err(wrong("--time-unit is one of s, ms, us and ns")),
                };
                if number.is_integer() {
                    let counted = cast(cast(column, DataType::Int64), DataType::Timestamp(unit, None));
                    return Ok(cast(counted, timestamp_type()));
                }
                let ms = round(vec![cast(column, DataType::Float64) * lit(1e3 / per_second)]);
                Ok(cast(cast(ms, DataType::Int64), timestamp_type()))
            }
            _ => {
                Err(wrong("name a column of timestamps, dates, numbers or ISO 8601 text with --time-column"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
