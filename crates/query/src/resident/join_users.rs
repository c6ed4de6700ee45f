//! Joins of events with the profiles of their users.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, TableScan};
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use tallymark_event::columns::USER_ID;

use super::source::{Source, events};
use crate::tables::ProfilesTable;

/// Replaces `events JOIN users ON events.user_id = users.user_id` by the events alone, with the
/// columns of the profiles as functions of the user: these are evaluated once for each user, and
/// nothing is hashed.
///
/// A profile is one row, so inner joins and semijoins only leave out events, and outer joins that
/// keep the events keep each once. All other joins stay as they are, and so do those that ask for
/// `first_event_time`. It stands after filters were pushed down, and before aggregations are given
/// to segments.
#[derive(Debug)]
pub(crate) struct JoinUsers;

impl OptimizerRule for JoinUsers {
    fn name(&self) -> &'static str {
        "join_users"
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let is_asked =
            |plan: &LogicalPlan| Ok(matches!(plan, LogicalPlan::TableScan(scan) if users(scan).is_some()));
        if !plan.exists(is_asked)? || !plan.exists(|plan| Ok(matches!(plan, LogicalPlan::Join(_))))? {
            return Ok(Transformed::no(plan));
        }
        // Which columns are asked for decides whether a join can go.
        let plan = OptimizeProjections::new().rewrite(plan, config)?;
        plan.transform_data(|plan| {
            plan.transform_up_with_subqueries(|plan| match &plan {
                LogicalPlan::Join(join) => Ok(match events_with_profiles(join)? {
                    Some(replaced) => Transformed::yes(replaced),
                    None => Transformed::no(plan),
                }),
                _ => Ok(Transformed::no(plan)),
            })
        })
    }
}

fn users(scan: &TableScan) -> Option<Arc<ProfilesTable>> {
    let provider = source_as_provider(&scan.source).ok()?;
    let table = Arc::downcast::<ProfilesTable>(provider as Arc<dyn std::any::Any + Send + Sync>).ok()?;
    table.is_of_users().then_some(table)
}

/// What a join comes to without the profiles; `None` if it cannot do without.
fn events_with_profiles(join: &Join) -> Result<Option<LogicalPlan>> {
    let [(left, right)] = &join.on[..] else { return Ok(None) };
    if join.null_equality != NullEquality::NullEqualsNothing {
        return Ok(None);
    }
    let sides = [(&join.left, left, &join.right, right), (&join.right, right, &join.left, left)];
    for (at, (of_events, user, of_profiles, profile)) in sides.into_iter().enumerate() {
        let keeps_all = match (join.join_type, at) {
            (JoinType::Inner, _) | (JoinType::LeftSemi, 0) | (JoinType::RightSemi, 1) => false,
            (JoinType::Left, 0) | (JoinType::Right, 1) => true,
            _ => continue,
        };
        let (Some(from), Some(profiles)) =
            (Source::of(of_events, &events)?, Source::of(of_profiles, &users)?)
        else {
            continue;
        };
        let is_user = |source: Option<Expr>| source == Some(Expr::Column(Column::from_name(USER_ID)));
        if !is_user(from.rewrite(user.clone(), of_events.schema())?)
            || !is_user(profiles.rewrite(profile.clone(), of_profiles.schema())?)
        {
            continue;
        }
        return replaced(join, of_events, user, &profiles, of_profiles, keeps_all);
    }
    Ok(None)
}

fn replaced(
    join: &Join,
    of_events: &Arc<LogicalPlan>,
    user: &Expr,
    profiles: &Source<Arc<ProfilesTable>>,
    of_profiles: &LogicalPlan,
    keeps_all: bool,
) -> Result<Option<LogicalPlan>> {
    // An outer join would have to forget profiles that do not pass.
    if keeps_all && !(profiles.filters.is_empty() && join.filter.is_none()) {
        return Ok(None);
    }
    let with_values = |expr: Expr| -> Result<Option<Expr>> {
        let mut is_known = true;
        let with_values = expr.transform_up(|expr| {
            let Expr::Column(Column { relation: None, name, .. }) = &expr else {
                return Ok(Transformed::no(expr));
            };
            let value = profiles.table.value_of(name, user.clone());
            is_known &= value.is_some();
            Ok(value.map_or_else(|| Transformed::no(expr), Transformed::yes))
        })?;
        Ok(is_known.then_some(with_values.data))
    };
    let has_profile = with_values(Expr::Column(Column::from_name(USER_ID)))?.map(Expr::is_not_null);
    let mut conditions: Vec<Option<Expr>> = Vec::new();
    if !keeps_all {
        conditions.push(has_profile);
        for filter in &profiles.filters {
            conditions.push(with_values(filter.clone())?);
        }
    }
    if let Some(filter) = &join.filter {
        let mut is_known = true;
        let rewritten = filter.clone().transform_up(|expr| {
            let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
            let (of_profiles, of_events) = (of_profiles.schema(), of_events.schema());
            let value = match (of_profiles.maybe_index_of_column(column), of_events.has_column(column)) {
                (None, _) => return Ok(Transformed::no(expr)),
                (Some(at), false) => with_values(profiles.columns[at].clone())?,
                (Some(_), true) => None,
            };
            is_known &= value.is_some();
            Ok(value.map_or_else(|| Transformed::no(expr), Transformed::yes))
        })?;
        conditions.push(is_known.then_some(rewritten.data));
    }
    let Some(conditions) = conditions.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let mut values = Vec::with_capacity(profiles.columns.len());
    for column in &profiles.columns {
        values.push(with_values(column.clone())?);
    }
    // Whatever is on the left comes first.
    let first =
        if std::ptr::eq(of_profiles, join.left.as_ref()) { 0 } else { of_events.schema().fields().len() };
    let mut output = Vec::with_capacity(join.schema.fields().len());
    for (at, (relation, field)) in join.schema.iter().enumerate() {
        let is_of_profile = !is_semi(join) && (first..first + values.len()).contains(&at);
        output.push(if is_of_profile {
            let Some(value) = values[at - first].clone() else { return Ok(None) };
            value.alias_qualified(relation.cloned(), field.name())
        } else {
            Expr::Column(Column::new(relation.cloned(), field.name()))
        });
    }
    let mut plan = LogicalPlanBuilder::new_from_arc(Arc::clone(of_events));
    if let Some(condition) = conjunction(conditions) {
        plan = plan.filter(condition)?;
    }
    Ok(Some(plan.project(output)?.build()?))
}

/// Whether only the columns of the events come out.
fn is_semi(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::RightSemi)
}
