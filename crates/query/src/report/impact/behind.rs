//! The users behind a number of an impact report (M-4).

use std::collections::BTreeSet;

use tallymark_report::{DefinitionError, Impact, ImpactCell, Scope};

use super::Prepared;
use super::observe::Did;
use crate::Result;
use crate::report::asked::Asked;
use crate::report::insights::letter;
use crate::resident::by_user::UserEvents;

/// The adopters, or the others, of a metric; or those of them whose days are all over; groups if these
/// take the launch up.
pub(in super::super) async fn users(
    asked: &Asked,
    scope: &Scope,
    impact: &Impact,
    cell: &ImpactCell,
) -> Result<BTreeSet<String>> {
    let metric = match &cell.metric {
        Some(name) => metric(impact, name)?,
        None => 0,
    };
    let group = (cell.who, cell.of);
    let Prepared { scan, observe, collect } = Prepared::try_new(asked, scope, impact).await?;
    let is_it = move |events: &UserEvents<'_>, did: &mut Did| {
        observe.walk(events, did).is_some_and(|user| observe.is_in(user, did, metric, group))
    };
    scan.actors(asked, collect, is_it).await
}

fn metric(impact: &Impact, name: &str) -> Result<usize, DefinitionError> {
    let count = impact.metrics.len();
    let there_are =
        if count == 1 { "there is A".to_owned() } else { format!("there are A to {}", letter(count - 1)) };
    (0..count).find(|at| letter(*at) == name.to_uppercase()).ok_or_else(|| {
        DefinitionError::new("users_of.metric", format!("there is no metric {name}; {there_are}"))
    })
}
