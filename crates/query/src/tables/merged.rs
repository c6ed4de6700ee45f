//! The table `merged_events`: the events as reports read them (M-22).
//!
//! It is a view of `events`, so that questions about it take the same ways, through memory too. Where
//! nothing is merged it is `events` itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::{Column, DataFusionError, Result, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Case, Expr, LogicalPlanBuilder, cast, lit};
use tallymark_event::columns::{DAY, EVENT, system_fields};
use tallymark_event::{Lane, LaneKind, PropertyCatalog, ValueKinds};

use super::EVENTS;
use crate::definitions::lexicon;
use crate::events_table::EventsTable;
use crate::report::text_as_sent;

/// The events with merged names: the columns of `events`, without those of properties that are merged
/// into others. A value of such a one is in the column of the other that it would be in, had it been
/// sent under that name. Of several set on one event, the target's own wins, then the first of the
/// alphabet.
pub(super) fn table(events: Arc<EventsTable>) -> Result<Arc<dyn TableProvider>> {
    let lexicon = lexicon(events.snapshot()).map_err(|error| DataFusionError::External(Box::new(error)))?;
    let (names, properties) = (lexicon.merged_events(), lexicon.merged_event_properties());
    if names.is_empty() && properties.is_empty() {
        return Ok(events);
    }
    let mut columns = vec![event_name(&names)];
    let system = system_fields();
    let others = system.iter().map(|field| field.name().as_str()).filter(|name| *name != EVENT);
    columns.extend(others.chain([DAY]).map(column));
    columns.extend(property_columns(&events.snapshot().catalog, &properties));
    let scan = LogicalPlanBuilder::scan(EVENTS, provider_as_source(events), None)?;
    Ok(Arc::new(ViewTable::new(scan.project(columns)?.build()?, None)))
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

fn event_name(names: &BTreeMap<String, String>) -> Expr {
    if names.is_empty() {
        return column(EVENT);
    }
    let text = |name: &String| Box::new(lit(ScalarValue::Utf8View(Some(name.clone()))));
    let read_as = Case {
        expr: Some(Box::new(column(EVENT))),
        when_then_expr: names.iter().map(|(stored, target)| (text(stored), text(target))).collect(),
        else_expr: Some(Box::new(column(EVENT))),
    };
    Expr::Case(read_as).alias(EVENT)
}

/// A column for each lane there would be, in the order of the catalog.
fn property_columns(stored: &PropertyCatalog, merged_into: &BTreeMap<String, String>) -> Vec<Expr> {
    let mut catalog = stored.clone();
    // The properties that are read under a name: its own first.
    let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (source, target) in merged_into {
        sources.entry(target).or_insert_with(|| vec![target]).push(source);
        for lane in lanes_of(stored, source) {
            catalog.open_lanes(target, &ValueKinds::of_lane(lane));
        }
    }
    let mut columns = Vec::new();
    for lane in catalog.lanes().iter().filter(|lane| lane.kind != LaneKind::Null) {
        let name = catalog.properties()[lane.property.0 as usize].name.as_str();
        if merged_into.contains_key(name) {
            continue;
        }
        columns.push(match sources.get(name) {
            None => column(&lane.column),
            Some(sources) => {
                let sources = sources.iter().map(|source| lanes_of(stored, source)).collect::<Vec<_>>();
                merged_column(&catalog, lane, &sources).alias(&lane.column)
            }
        });
    }
    columns
}

/// The lanes of a property that SQL sees.
fn lanes_of<'a>(catalog: &'a PropertyCatalog, name: &str) -> Vec<&'a Lane> {
    let lanes = catalog.property(name).map_or(&[][..], |property| &property.lanes);
    lanes.iter().map(|id| catalog.lane(*id)).filter(|lane| lane.kind != LaneKind::Null).collect()
}

/// What the first property that is set has for a lane: another value of it keeps those behind it out.
fn merged_column(catalog: &PropertyCatalog, lane: &Lane, sources: &[Vec<&Lane>]) -> Expr {
    let none = || ScalarValue::try_from(lane.kind.data_type()).map_or_else(|_| lit(ScalarValue::Null), lit);
    let first_set = |exprs: Vec<(Expr, Expr)>, otherwise: Option<Expr>| {
        if exprs.is_empty() {
            return otherwise.unwrap_or_else(none);
        }
        let when_then_expr = exprs.into_iter().map(|(is_set, value)| (is_set.into(), value.into())).collect();
        Expr::Case(Case { expr: None, when_then_expr, else_expr: otherwise.map(Box::new) })
    };
    let mut branches: Vec<(Expr, Option<Expr>)> = Vec::new();
    for lanes in sources {
        let is_set = lanes.iter().map(|lane| column(&lane.column).is_not_null()).reduce(Expr::or);
        let Some(is_set) = is_set else { continue };
        let here = lanes.iter().filter(|from| {
            catalog.lane_for(lane.property, from).is_some_and(|id| catalog.lane(id).column == lane.column)
        });
        let mut values: Vec<(Expr, Expr)> =
            here.map(|from| (column(&from.column).is_not_null(), converted(from, lane))).collect();
        let last = values.pop().map(|(_, value)| value);
        branches.push((is_set, last.map(|last| first_set(values, Some(last)))));
    }
    // Those behind the last one that has values here change nothing.
    while branches.pop_if(|(_, value)| value.is_none()).is_some() {}
    let last = branches.pop().and_then(|(_, value)| value);
    let branches = branches.into_iter().map(|(is_set, value)| (is_set, value.unwrap_or_else(none)));
    first_set(branches.collect(), last)
}

/// The values of a lane as those of another, which holds all of them.
fn converted(from: &Lane, to: &Lane) -> Expr {
    let value = column(&from.column);
    match (from.kind, to.kind) {
        (LaneKind::Date(shape), LaneKind::String) => text_as_sent(&value, shape),
        _ if from.kind.data_type() == to.kind.data_type() => value,
        _ => cast(value, to.kind.data_type()),
    }
}
