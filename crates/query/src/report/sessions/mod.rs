//! Sessions (section 10): worked out from events when they are asked for.
//!
//! 1. [`SessionScan`]: which events take part, and what a rule has to know of each.
//! 2. [`walk`]: the events of one user → their sessions, one after the other.
//! 3. [`list`]: the sessions as rows. How many there are is counted by
//!    [`insights`](super::insights).
//! 4. [`events`]: their starts and ends as events, for reports that name them.

mod events;
pub(super) mod list;
mod walk;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use tallymark_report::{EventSelector, Instants, SESSION_END, SESSION_START, Scope, SessionRule};

pub(super) use self::walk::{Session, SessionWalk};
use super::asked::{Asked, EVER, column};
use super::filter::utf8;
use crate::Result;

/// The event takes part in sessions.
const TAKES_PART: usize = 0;
/// The event is one of those asked for.
pub(super) const CHOSEN: usize = 1;
/// The event starts a session.
const STARTS: usize = 2;
/// The event ends a session.
const ENDS: usize = 3;

/// What a scan of users' events needs for sessions.
pub(super) struct SessionScan {
    /// Conditions, in the order of the constants of this module.
    pub(super) conditions: Vec<Expr>,
    /// The label a rule by id looks at; others may come before it.
    pub(super) id: Option<Expr>,
    /// The events that are looked at.
    pub(super) within: Expr,
}

impl Asked {
    /// The scan for the sessions that start in a range; `chosen` are the events asked for.
    pub(super) fn session_scan(&self, scope: &Scope, range: &Instants, chosen: Expr) -> Result<SessionScan> {
        // no session reaches beyond the civil days of its events, unless that is switched off.
        let is_cut = scope.sessions.as_ref().is_none_or(|rule| rule.midnight_cut);
        let looked_at = if is_cut {
            self.calendar.days(self.calendar.day(range.from), self.calendar.day(range.to - 1))
        } else {
            EVER
        };
        self.session_scan_within(scope, self.within(&looked_at), chosen)
    }

    /// The scan for sessions of the events that pass `within`.
    fn session_scan_within(&self, scope: &Scope, within: Expr, chosen: Expr) -> Result<SessionScan> {
        let default = SessionRule::default();
        let rule = scope.sessions.as_ref().unwrap_or(&default);
        let excluded = SessionRule::EXCLUDED_EVENTS.iter().copied();
        let excluded = excluded
            .chain(rule.excluded_events.iter().map(String::as_str))
            .chain(self.hidden_events.iter().map(String::as_str));
        let excluded: Vec<Expr> = excluded.flat_map(|name| self.merged.stored_as(name)).map(utf8).collect();
        let takes_part = column(tallymark_event::columns::EVENT).in_list(excluded, true);
        let mut conditions = vec![within.clone().and(takes_part), chosen];
        if let (Some(start), Some(end)) = (&rule.start, &rule.end) {
            // Where starts and ends are among the events, they begin and end the same sessions: with
            // them in it.
            let of_sessions = [EventSelector::named(SESSION_START), EventSelector::named(SESSION_END)];
            let bounds = if self.merged.has_session_events {
                [&of_sessions[0], &of_sessions[1]]
            } else {
                [start, end]
            };
            for bound in bounds {
                conditions.push(within.clone().and(self.selects(bound)?));
            }
        }
        let id = match &rule.id {
            Some(id) => {
                Some(self.values(id)?.scalar_text().unwrap_or_else(|| lit(ScalarValue::Utf8View(None))))
            }
            None => None,
        };
        Ok(SessionScan { conditions, id, within })
    }

    /// How sessions are told apart; `id_label` is the position of the label of [`SessionScan::id`].
    pub(super) fn session_walk(&self, scope: &Scope, id_label: usize) -> SessionWalk {
        let default = SessionRule::default();
        let rule = scope.sessions.as_ref().unwrap_or(&default);
        SessionWalk::new(rule, id_label, self.calendar)
    }
}
