//! The users behind a number of a correlation (M-4).

use std::collections::BTreeSet;

use tallymark_report::{Correlation, CorrelationCell, CorrelationPart, DefinitionError, Scope};

use super::{DAY_MS, Prepared, SOURCES, Source};
use crate::Result;
use crate::report::asked::Asked;
use crate::resident::by_user::{Record, UserEvents};

/// Those of the users who were born who did the candidate of a cell so often, or not, and reach the goal,
/// or not.
pub(in super::super) async fn users(
    asked: &Asked,
    scope: &Scope,
    correlation: &Correlation,
    cell: &CorrelationCell,
) -> Result<BTreeSet<String>> {
    let prepared = Prepared::try_new(asked, scope, correlation).await?;
    let source = source(&prepared, cell)?;
    let label = prepared.sources[source].label.as_ref().map(|_| {
        let before = prepared.sources[..source].iter().filter(|source| source.label.is_some()).count();
        (before, cell.value.clone().unwrap_or_else(|| cell.event.clone()))
    });
    let (people, scan) = (prepared.people.clone(), prepared.scan());
    let CorrelationCell { times, days, of, .. } = *cell;
    let within_ms = days as i64 * DAY_MS;
    let holds = move |user: &UserEvents<'_>, (): &mut ()| {
        let Some(person) = people.person(user) else { return false };
        let is_it = |record: &&Record| {
            record.meets(SOURCES + source)
                && record.time - person.born() <= within_ms
                && label.as_ref().is_none_or(|(label, wanted)| {
                    user.labels(*label, record).iter().any(|code| user.text(*label, *code) == wanted)
                })
        };
        let did = person.records.iter().filter(is_it).take(times).count() == times;
        match of {
            CorrelationPart::Users => true,
            CorrelationPart::TruePositives => did && person.has_reached,
            CorrelationPart::FalsePositives => did && !person.has_reached,
            CorrelationPart::FalseNegatives => !did && person.has_reached,
            CorrelationPart::TrueNegatives => !did && !person.has_reached,
        }
    };
    scan.users(asked, holds).await
}

/// Which source the candidate is from: the first that is called so.
fn source(prepared: &Prepared, cell: &CorrelationCell) -> Result<usize> {
    let is_it = |source: &Source| {
        let is_called = source.event.as_ref().is_none_or(|event| *event == cell.event);
        is_called && source.property == cell.property && source.property.is_some() == cell.value.is_some()
    };
    let left_out = |source: &Source| {
        let label = cell.value.as_ref().unwrap_or(&cell.event);
        source.label.is_some() && source.left_out.contains(label)
    };
    let found = prepared.sources.iter().position(|source| is_it(source) && !left_out(source));
    Ok(found.ok_or_else(|| {
        let error = DefinitionError::new("users_of.event", "no candidate has this event, property and value");
        error.hint("they are those of a row of the answer, value only with property")
    })?)
}
