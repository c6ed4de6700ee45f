//! Made-up traffic that looks like real traffic.
//!
//! 1. `sessions.rs`: a day → its sessions: whose, when, how long. A few users do most of it, new ones
//!    arrive every day and fade.
//! 2. `plan.rs`: sessions → events in order of time: a Markov chain of names per session, gaps between
//!    events, sessions merged through a heap that holds only those under way.
//! 3. `properties.rs`: one planned event → its properties, the single place that knows them.
//! 4. `write.rs`: planned events → NDJSON, several threads, in order.
//!
//! Only integers and the exactly rounded operations of floats decide anything, so a seed gives the
//! same events on every machine.

mod draw;
mod plan;
mod properties;
mod sessions;
mod write;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use tallymark_event::{Day, Event, Timestamp};

use plan::{DayPlan, EventPlan, Identity};
pub use properties::{PROPERTIES, PropertyShape};

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneratorConfig {
    /// Decides everything that the other fields leave open.
    pub seed: u64,
    /// How many events, exactly.
    pub events: u64,
    /// Over how many UTC days, at least one; weekends are quieter. A small number of events leaves
    /// days empty.
    pub days: u32,
    /// The first of these days.
    pub first_day: Day,
    /// How many users there are to draw from; the least active may not come up. `None` means one
    /// for each 50 events.
    pub users: Option<u64>,
}

impl Default for GeneratorConfig {
    /// 10,000 events over 30 days from 2024-01-01, seed 1.
    fn default() -> Self {
        Self { seed: 1, events: 10_000, days: 30, first_day: Day::from_days(19_723), users: None }
    }
}

/// Generates events of sessions, sorted by time.
///
/// Half of the users are there from the start, the others sign up along the way; about one in five
/// is first seen as a device (`$device_id`), in the same session or days earlier, and linked to the
/// user at `Sign Up` or at `Log In` on another device. Every event has an `$insert_id` of 32 hex
/// digits, unique in the run. Properties are described by [`PROPERTIES`]. As NDJSON an event takes
/// about 210 bytes.
///
/// Memory: the sessions of two days (24 bytes each, a session being some ten events) and the state of
/// the sessions under way.
///
/// ```
/// use tallymark_testkit::{EventGenerator, GeneratorConfig};
///
/// let generator = EventGenerator::new(GeneratorConfig { events: 500, days: 3, ..GeneratorConfig::default() });
/// let events: Vec<_> = generator.events().collect();
/// assert_eq!(events.len(), 500);
/// assert!(events.is_sorted_by_key(|event| event.time));
/// ```
#[derive(Debug, Clone)]
pub struct EventGenerator {
    config: GeneratorConfig,
    users: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Events, one a line.
    pub events: u64,
    /// Bytes, line ends included.
    pub bytes: u64,
}

impl EventGenerator {
    /// A generator; zero days or users count as one.
    pub fn new(config: GeneratorConfig) -> Self {
        let config = GeneratorConfig { days: config.days.max(1), ..config };
        let users = config.users.unwrap_or(config.events / 50).max(1);
        Self { config, users }
    }

    /// What it generates.
    pub fn config(&self) -> &GeneratorConfig {
        &self.config
    }

    /// All events, sorted by time.
    pub fn events(&self) -> impl Iterator<Item = Event<'static>> + '_ {
        self.plans().map(|plan| self.event(&plan))
    }

    /// The events of one day (0-based), sorted by time: what [`events`](Self::events) gives for it.
    /// Days can be generated in any order and in parallel.
    pub fn day(&self, day_index: u32) -> impl Iterator<Item = Event<'static>> + '_ {
        DayPlan::new(self, day_index).map(|plan| self.event(&plan))
    }

    /// Writes all events as NDJSON in Mixpanel's form, in order, on this many threads beside the
    /// caller's and one that plans.
    ///
    /// # Errors
    /// What `out` says; lines before it are written.
    pub fn write_ndjson(&self, out: &mut dyn Write, threads: NonZeroUsize) -> io::Result<Written> {
        write::write_ndjson(self, out, threads)
    }

    /// Writes the events of one day (0-based) as NDJSON.
    ///
    /// # Errors
    /// What `out` says; lines before it are written.
    pub fn write_day(&self, day_index: u32, out: &mut dyn Write) -> io::Result<Written> {
        write::write_plans(self, DayPlan::new(self, day_index), out)
    }

    fn plans(&self) -> impl Iterator<Item = EventPlan> + '_ {
        (0..self.config.days).flat_map(|day_index| DayPlan::new(self, day_index))
    }

    fn event(&self, plan: &EventPlan) -> Event<'static> {
        let user = || properties::user_id(plan.user);
        let device = |number| properties::device_id(self.config.seed, plan.user, number);
        let mut event = Event::new(plan::EVENT_NAMES[plan.event], Timestamp::from_millis(plan.time), "");
        match plan.identity {
            Identity::User => event.distinct_id = Cow::Owned(user()),
            Identity::Device(number) => {
                event.distinct_id = Cow::Owned(format!("$device:{}", device(number)));
                event.device_id = Some(Cow::Owned(device(number)));
            }
            Identity::Both(number) => {
                event.distinct_id = Cow::Owned(user());
                event.device_id = Some(Cow::Owned(device(number)));
                event.user_id = Some(Cow::Owned(user()));
            }
        }
        event.insert_id = Some(Cow::Owned(properties::insert_id(plan)));
        let mut sink = properties::Collect::default();
        properties::describe(plan, &mut sink);
        event.properties = sink.0;
        event
    }
}
