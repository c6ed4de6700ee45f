//! What users did under which variant, and before their exposure.

use indexmap::IndexMap;
use tallymark_report::Experiment;

use super::{DAY_MS, EXPOSED, METRICS};
use crate::report::segments::NOT_SET;
use crate::report::sessions::SessionWalk;
use crate::resident::by_user::{Matcher, Record, UserEvents};

/// M-70: how long an exposure counts, the end included.
const EXPOSURE_MS: i64 = Experiment::DAYS as i64 * DAY_MS;
/// The event is in no session.
const NO_SESSION: u32 = u32::MAX;
/// Nobody is exposed to this.
const NO_VARIANT: u32 = u32::MAX;

/// What is measured of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measured {
    /// Whether there is an event.
    Whether,
    /// How many.
    Events,
    /// In how many sessions.
    Sessions,
    /// Of which number the sum is, or the average.
    Property { number: usize, is_average: bool },
}

/// Looks at what users did.
pub(super) struct Observe {
    pub(super) measured: Vec<Measured>,
    /// If a metric counts sessions.
    pub(super) walk: Option<SessionWalk>,
    /// How long before the first exposure covariates are measured.
    pub(super) cuped_ms: Option<i64>,
    /// How long before it bias is looked for.
    pub(super) bias_ms: Option<i64>,
}

/// What the users exposed to a variant have.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) variant: String,
    /// Who was exposed.
    pub(super) exposed: u64,
    pub(super) metrics: Vec<Observations>,
}

/// Of one metric what each user has.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Observations {
    /// Those who have anything that could be measured.
    pub(super) values: Vec<f64>,
    /// The same before the exposure, as long as `values` with CUPED, else empty.
    pub(super) covariates: Vec<f64>,
    /// What there was in the time that bias is looked for in.
    pub(super) before: Vec<f64>,
}

impl Observations {
    fn append(&mut self, mut later: Self) {
        self.values.append(&mut later.values);
        self.covariates.append(&mut later.covariates);
        self.before.append(&mut later.before);
    }
}

/// What one user did of a metric in a time.
#[derive(Debug, Clone, Copy, Default)]
struct Did {
    events: u64,
    sessions: u64,
    /// The session counted last, from one on.
    last_session: u32,
    numbers: u64,
    sum: f64,
}

impl Did {
    fn add(&mut self, measured: Measured, user: &UserEvents<'_>, record: &Record, session: u32) {
        self.events += 1;
        if session != NO_SESSION && self.last_session != session + 1 {
            self.last_session = session + 1;
            self.sessions += 1;
        }
        if let Measured::Property { number, .. } = measured
            && let Some(number) = user.number(number, record)
        {
            self.numbers += 1;
            self.sum += number;
        }
    }

    /// Whether there is anything of the metric: an event, in a session, or with a number.
    fn is_any(&self, measured: Measured) -> bool {
        match measured {
            Measured::Whether | Measured::Events => self.events > 0,
            Measured::Sessions => self.sessions > 0,
            Measured::Property { .. } => self.numbers > 0,
        }
    }

    /// `None` for the average of nothing.
    fn value(&self, measured: Measured) -> Option<f64> {
        match measured {
            Measured::Whether => Some(f64::from(u8::from(self.events > 0))),
            Measured::Events => Some(self.events as f64),
            Measured::Sessions => Some(self.sessions as f64),
            Measured::Property { is_average: false, .. } => Some(self.sum),
            Measured::Property { is_average: true, .. } => {
                (self.numbers > 0).then(|| self.sum / self.numbers as f64)
            }
        }
    }
}

/// What was observed of many users.
#[derive(Debug, Default)]
pub(super) struct Observed {
    groups: IndexMap<String, Group>,
    /// The places of variants by the codes of their labels.
    codes: Vec<u32>,
    /// Of one user: the variants that were met, and what was done under each.
    of_user: Vec<(usize, Vec<Did>)>,
    sessions: Vec<u32>,
}

impl Observed {
    /// The control, then the variants that are compared with it.
    pub(super) fn into_groups(mut self, experiment: &Experiment) -> Vec<Group> {
        let named: Vec<String> = if !experiment.variants.is_empty() {
            experiment.variants.clone()
        } else if !experiment.split.is_empty() {
            experiment.split.keys().cloned().collect()
        } else {
            let mut met: Vec<String> = self.groups.keys().cloned().collect();
            met.sort_unstable();
            met
        };
        let others = named.into_iter().filter(|variant| *variant != experiment.control);
        let all = [experiment.control.clone()].into_iter().chain(others);
        all.map(|variant| {
            let nobody = || Group {
                variant: variant.clone(),
                exposed: 0,
                metrics: vec![Observations::default(); experiment.metrics.len()],
            };
            self.groups.swap_remove(&variant).unwrap_or_else(nobody)
        })
        .collect()
    }
}

impl Observe {
    /// The variant of an exposure.
    fn variant(&self, user: &UserEvents<'_>, record: &Record, observed: &mut Observed) -> Option<usize> {
        if !record.meets(EXPOSED) {
            return None;
        }
        let [code] = user.labels(0, record) else { return None };
        let at = *code as usize;
        if observed.codes.len() <= at {
            // Not looked up yet.
            observed.codes.resize(at + 1, NO_VARIANT - 1);
        }
        if observed.codes[at] == NO_VARIANT - 1 {
            let variant = user.text(0, *code);
            observed.codes[at] = if variant == NOT_SET {
                NO_VARIANT
            } else {
                let entry = observed.groups.entry(variant.to_owned());
                let place = entry.index() as u32;
                entry.or_insert_with(|| Group {
                    variant: variant.to_owned(),
                    exposed: 0,
                    metrics: vec![Observations::default(); self.measured.len()],
                });
                place
            };
        }
        (observed.codes[at] != NO_VARIANT).then(|| observed.codes[at] as usize)
    }

    /// What was done before the first exposure, no longer ago than that.
    fn before(
        &self,
        user: &UserEvents<'_>,
        exposed_at: usize,
        window_ms: i64,
        sessions: &[u32],
    ) -> Vec<Option<f64>> {
        let from = user.records[exposed_at].time - window_ms;
        let mut did = vec![Did::default(); self.measured.len()];
        for (at, record) in user.records[..exposed_at].iter().enumerate().rev() {
            if record.time < from {
                break;
            }
            self.add(user, record, session_of(sessions, at), &mut did);
        }
        did.iter().zip(&self.measured).map(|(did, measured)| did.value(*measured)).collect()
    }

    fn add(&self, user: &UserEvents<'_>, record: &Record, session: u32, did: &mut [Did]) {
        for (metric, (measured, did)) in self.measured.iter().zip(did).enumerate() {
            if record.meets(METRICS + metric) {
                did.add(*measured, user, record, session);
            }
        }
    }
}

fn session_of(sessions: &[u32], at: usize) -> u32 {
    sessions.get(at).copied().unwrap_or(NO_SESSION)
}

impl Observe {
    /// What a user did under each variant (M-70), kept in `of_user`, and the sessions of the events; where
    /// among the events the first exposure is, `None` without any.
    pub(super) fn walk(&self, user: &UserEvents<'_>, observed: &mut Observed) -> Option<usize> {
        let records = user.records;
        let first = (0..records.len()).find(|at| self.variant(user, &records[*at], observed).is_some())?;
        let mut sessions = std::mem::take(&mut observed.sessions);
        if let Some(walk) = &self.walk {
            walk.numbers(user, NO_SESSION, &mut sessions);
        }
        let mut of_user = std::mem::take(&mut observed.of_user);
        of_user.clear();
        // The last exposure, which variant it was to and when.
        let (mut under, mut since) = (0, i64::MIN);
        for (at, record) in records.iter().enumerate().skip(first) {
            if let Some(variant) = self.variant(user, record, observed) {
                since = record.time;
                let known = of_user.iter().position(|(known, _)| *known == variant);
                under = known.unwrap_or_else(|| {
                    of_user.push((variant, vec![Did::default(); self.measured.len()]));
                    of_user.len() - 1
                });
            }
            if record.time - since <= EXPOSURE_MS {
                self.add(user, record, session_of(&sessions, at), &mut of_user[under].1);
            }
        }
        observed.of_user = of_user;
        observed.sessions = sessions;
        Some(first)
    }

    /// Whether the user walked last was exposed to a variant, and has something of a metric under it.
    pub(super) fn has(&self, observed: &Observed, variant: &str, metric: Option<usize>) -> bool {
        let is_it = |at: usize| observed.groups.get_index(at).is_some_and(|(name, _)| name == variant);
        let did = observed.of_user.iter().find(|(variant, _)| is_it(*variant));
        did.is_some_and(|(_, did)| metric.is_none_or(|metric| did[metric].is_any(self.measured[metric])))
    }
}

impl Matcher for Observe {
    type Partial = Observed;

    fn start(&self) -> Observed {
        Observed::default()
    }

    fn user(&self, user: &UserEvents<'_>, observed: &mut Observed) {
        let Some(first) = self.walk(user, observed) else { return };
        let sessions = std::mem::take(&mut observed.sessions);
        let of_user = std::mem::take(&mut observed.of_user);
        let covariates = self.cuped_ms.map(|window| self.before(user, first, window, &sessions));
        let before = self.bias_ms.map(|window| self.before(user, first, window, &sessions));
        for (variant, did) in &of_user {
            let Some((_, group)) = observed.groups.get_index_mut(*variant) else { continue };
            group.exposed += 1;
            for (metric, observations) in group.metrics.iter_mut().enumerate() {
                let measured = self.measured[metric];
                if let Some(value) = did[metric].value(measured) {
                    observations.values.push(value);
                    // M-77: who did nothing before has 0.
                    observations.covariates.extend(covariates.iter().map(|of| of[metric].unwrap_or(0.0)));
                }
                observations.before.extend(before.iter().filter_map(|of| of[metric]));
            }
        }
        observed.of_user = of_user;
        observed.sessions = sessions;
    }

    fn merge(&self, total: &mut Observed, later: Observed) {
        for (variant, later) in later.groups {
            let group = total.groups.entry(variant).or_insert_with_key(|variant| Group {
                variant: variant.clone(),
                exposed: 0,
                metrics: vec![Observations::default(); self.measured.len()],
            });
            group.exposed += later.exposed;
            for (metric, later) in group.metrics.iter_mut().zip(later.metrics) {
                metric.append(later);
            }
        }
    }

    fn bytes(&self, observed: &Observed) -> usize {
        let of = |of: &Observations| {
            (of.values.capacity() + of.covariates.capacity() + of.before.capacity()) * size_of::<f64>()
        };
        observed.groups.values().flat_map(|group| &group.metrics).map(of).sum::<usize>()
            + observed.codes.capacity() * 4
    }
}
