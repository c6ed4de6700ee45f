//! What records say about users, applied in order of ingestion.

use tallymark_storage::{PeopleChange, PeopleEntry};
use tallymark_users::{Identities, IdentityOutcome, Profiles};

use crate::EventBatch;
use crate::batch::PeopleItemChange;

/// Applies a batch's identity operations and profile updates, notes refusals on the events that
/// asked (I-8), and returns what must be logged: all that changed a state.
pub(crate) fn apply_people(
    batch: &mut EventBatch,
    first_sequence: i64,
    identities: &mut Identities,
    profiles: &mut Profiles,
) -> Vec<PeopleEntry> {
    let mut log = Vec::new();
    for item in std::mem::take(&mut batch.people) {
        let entry = |change| PeopleEntry {
            sequence: first_sequence + i64::from(item.ordinal),
            received_at: batch.received_at,
            change,
        };
        match item.change {
            PeopleItemChange::Identity { rows, op } => match identities.apply(&op) {
                IdentityOutcome::Joined => {
                    profiles.merge(identities);
                    log.push(entry(PeopleChange::Identity(op)));
                }
                IdentityOutcome::Unchanged => {}
                IdentityOutcome::Refused(reason) => {
                    for row in rows {
                        batch.note_identity_failure(row, reason);
                    }
                }
            },
            PeopleItemChange::Profile(update) => {
                profiles.apply(&update, batch.received_at, identities);
                log.push(entry(PeopleChange::Profile(update)));
            }
        }
    }
    log
}
