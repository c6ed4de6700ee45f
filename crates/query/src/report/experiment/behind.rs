//! The users behind a number of an experiment (M-4).

use std::collections::BTreeSet;

use tallymark_report::{DefinitionError, Experiment, Scope, VariantOf};

use super::Prepared;
use super::observe::{Observe, Observed};
use crate::Result;
use crate::report::asked::Asked;
use crate::report::insights::letter;
use crate::resident::by_user::UserEvents;

/// Who was exposed to a variant, or who of these has something of a metric, or nothing; groups if these are
/// exposed.
pub(in super::super) async fn users(
    asked: &Asked,
    scope: &Scope,
    experiment: &Experiment,
    of: &VariantOf,
) -> Result<BTreeSet<String>> {
    super::formula::parsed(experiment)?;
    let wanted = match (&of.metric, &of.without) {
        (None, None) => Wanted::Exposed,
        (Some(name), _) => Wanted::With(metric(experiment, name, "metric")?),
        (None, Some(name)) => Wanted::Without(metric(experiment, name, "without")?),
    };
    let variant = of.variant.clone();
    let Prepared { scan, observe, collect } = Prepared::try_new(asked, scope, experiment).await?;
    let is_it =
        move |user: &UserEvents<'_>, seen: &mut Observed| is_behind(&observe, user, seen, &variant, wanted);
    scan.actors(asked, collect, is_it).await
}

/// Who is wanted of those exposed.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Exposed,
    /// Who has something of this metric.
    With(usize),
    /// Who has nothing of it.
    Without(usize),
}

fn is_behind(
    observe: &Observe,
    user: &UserEvents<'_>,
    seen: &mut Observed,
    variant: &str,
    wanted: Wanted,
) -> bool {
    if observe.walk(user, seen).is_none() {
        return false;
    }
    let has = |metric| observe.has(seen, variant, metric);
    match wanted {
        Wanted::Exposed => has(None),
        Wanted::With(metric) => has(Some(metric)),
        Wanted::Without(metric) => has(None) && !has(Some(metric)),
    }
}

fn metric(experiment: &Experiment, name: &str, field: &str) -> Result<usize, DefinitionError> {
    let count = experiment.metrics.len();
    (0..count).find(|at| letter(*at) == name.to_uppercase()).ok_or_else(|| {
        let problem = match count.checked_sub(1) {
            Some(last) => format!("there is no metric {name}; there are A to {}", letter(last)),
            None => format!("there is no metric {name}"),
        };
        let error = DefinitionError::new(format!("users_of.{field}"), problem);
        error.hint("a formula has no users of its own")
    })
}
