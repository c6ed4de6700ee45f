//! Sessions → events in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::EventGenerator;
use super::draw::{Draw, mix};
use super::sessions::{SESSION_MS_MAX, SessionKind, SessionPlan, sessions_of};

const MS_PER_DAY: i64 = 86_400_000;

/// What can happen.
pub(super) const EVENT_NAMES: [&str; 21] = [
    "App Open",
    "Page View",
    "Search",
    "View Item",
    "Add to Cart",
    "Remove from Cart",
    "Checkout",
    "Enter Shipping",
    "Enter Payment",
    "Purchase",
    "Sign Up",
    "Log In",
    "Share",
    "Like",
    "Comment",
    "Watch Video",
    "Change Setting",
    "Notification Opened",
    "Error",
    "Log Out",
    "Support Chat",
];

pub(super) const SIGN_UP: usize = 10;
pub(super) const LOG_IN: usize = 11;

/// What happens first, with weights.
const FIRST: &[(usize, u64)] = &[(0, 55), (1, 30), (17, 15)];

/// What happens after what, with weights. `Sign Up` and `Log In` come by the kind of session.
const NEXT: [&[(usize, u64)]; 21] = [
    &[(1, 60), (2, 20), (3, 15), (17, 5)],
    &[(1, 34), (2, 18), (3, 26), (15, 12), (16, 3), (18, 2), (20, 2), (6, 3)],
    &[(3, 62), (2, 22), (1, 14), (18, 2)],
    &[(3, 26), (4, 16), (1, 24), (2, 12), (13, 9), (12, 4), (14, 4), (15, 5)],
    &[(6, 34), (3, 34), (5, 12), (1, 20)],
    &[(3, 50), (1, 40), (6, 10)],
    &[(7, 70), (1, 16), (5, 8), (18, 3), (20, 3)],
    &[(8, 80), (6, 10), (1, 7), (18, 3)],
    &[(9, 76), (8, 8), (18, 8), (20, 3), (1, 5)],
    &[(1, 55), (3, 25), (12, 10), (14, 5), (19, 5)],
    &[(1, 50), (3, 30), (16, 20)],
    &[(1, 50), (3, 30), (2, 20)],
    &[(3, 40), (1, 60)],
    &[(3, 60), (1, 30), (14, 10)],
    &[(3, 40), (1, 50), (13, 10)],
    &[(15, 45), (1, 30), (13, 15), (14, 5), (12, 5)],
    &[(1, 70), (16, 20), (19, 10)],
    &[(3, 50), (1, 40), (15, 10)],
    &[(1, 50), (18, 20), (20, 20), (8, 10)],
    &[(0, 40), (1, 60)],
    &[(1, 70), (20, 10), (19, 20)],
];

/// Under which ids an event is sent; devices of a user are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// `distinct_id` alone: the user.
    User,
    /// Anonymous.
    Device(u64),
    /// The event that links both.
    Both(u64),
}

/// An event but for its properties, which follow from this.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventPlan {
    /// Milliseconds since the epoch.
    pub time: i64,
    pub user: u64,
    pub identity: Identity,
    /// Position in [`EVENT_NAMES`].
    pub event: usize,
    /// Whether it is the first of its session.
    pub opens_session: bool,
    /// Decides what is the same in the whole session.
    pub session_seed: u64,
    /// Decides the rest.
    pub seed: u64,
    /// Unique in the run.
    pub number: u64,
}

/// A session under way: knows its next event.
#[derive(Debug)]
struct Session {
    draw: Draw,
    seed: u64,
    kind: SessionKind,
    user: u64,
    /// The earliest and the latest time an event may have.
    start: i64,
    end: i64,
    time: i64,
    event: usize,
    step: u64,
    length: u64,
    /// The step at which the user becomes known.
    known_at: u64,
    number: u64,
}

impl Session {
    fn new(generator: &EventGenerator, day_index: u32, plan: SessionPlan) -> Self {
        let day_start = day_start(generator, day_index);
        let is_last_day = day_index + 1 == generator.config.days;
        let start = day_start + i64::from(plan.start_ms);
        let end = if is_last_day { day_start + MS_PER_DAY - 1 } else { i64::MAX };
        // 24 bits of day, 24 of session (16 M a day), 16 of step.
        let number = (u64::from(day_index) << 40) | (u64::from(plan.number) << 16);
        let seed = mix(generator.config.seed ^ mix(number));
        let mut draw = Draw::new(seed);
        let known_at = match plan.kind {
            SessionKind::Known => 0,
            SessionKind::First { .. } => 2 + draw.below(4),
            SessionKind::OtherDevice => 1 + draw.below(3),
            SessionKind::Visit => u64::MAX,
        };
        let event = weighted(FIRST, &mut draw);
        let (kind, user, length) = (plan.kind, plan.user, u64::from(plan.length));
        Self { draw, seed, kind, user, start, end, time: start, event, step: 0, length, known_at, number }
    }

    /// The event at the present step.
    fn plan(&mut self) -> EventPlan {
        let device = if self.kind == SessionKind::OtherDevice { 1 + self.number } else { 0 };
        let identity = match self.kind {
            SessionKind::Known | SessionKind::First { from_device: false } => Identity::User,
            SessionKind::First { from_device: true } | SessionKind::Visit | SessionKind::OtherDevice => {
                match self.step.cmp(&self.known_at) {
                    std::cmp::Ordering::Less => Identity::Device(device),
                    std::cmp::Ordering::Equal => Identity::Both(device),
                    std::cmp::Ordering::Greater => Identity::User,
                }
            }
        };
        EventPlan {
            time: self.time.min(self.end),
            user: self.user,
            identity,
            event: self.event,
            opens_session: self.step == 0,
            session_seed: self.seed,
            seed: self.draw.next(),
            number: self.number + self.step,
        }
    }

    /// Goes to the next step; `false` at the end.
    fn advance(&mut self) -> bool {
        self.step += 1;
        if self.step >= self.length {
            return false;
        }
        self.event = match self.kind {
            SessionKind::First { .. } if self.step == self.known_at => SIGN_UP,
            SessionKind::OtherDevice if self.step == self.known_at => LOG_IN,
            SessionKind::First { .. }
            | SessionKind::OtherDevice
            | SessionKind::Known
            | SessionKind::Visit => weighted(NEXT[self.event], &mut self.draw),
        };
        // Mostly seconds, now and then minutes; some events come at the same instant.
        let scale = if self.draw.percent(8) { 900_000.0 } else { 75_000.0 };
        let share = self.draw.unit();
        let gap = if self.draw.percent(2) { 0 } else { (scale * share * share) as i64 };
        self.time = (self.time + gap).min(self.start + SESSION_MS_MAX);
        true
    }
}

fn weighted(choices: &[(usize, u64)], draw: &mut Draw) -> usize {
    let mut at = draw.below(choices.iter().map(|(_, weight)| weight).sum());
    for &(choice, weight) in choices {
        if at < weight {
            return choice;
        }
        at -= weight;
    }
    choices[0].0
}

/// The planned events of one day, sorted by time.
///
/// Sessions that began late on the day before may reach into it: they are played again from their
/// start, so that a day needs nothing from the day before.
#[derive(Debug)]
pub(super) struct DayPlan<'g> {
    generator: &'g EventGenerator,
    day_index: u32,
    /// Sessions to come, with the day they start on; sorted by start.
    waiting: Peekable<IntoIter<(u32, SessionPlan)>>,
    /// Time of the next event, number of the session, where it is in `sessions`.
    running: BinaryHeap<Reverse<(i64, u64, usize)>>,
    sessions: Vec<Option<Session>>,
    free: Vec<usize>,
}

impl<'g> DayPlan<'g> {
    pub(super) fn new(generator: &'g EventGenerator, day_index: u32) -> Self {
        let late = (MS_PER_DAY - SESSION_MS_MAX) as u32;
        let mut waiting: Vec<(u32, SessionPlan)> = Vec::new();
        if let Some(before) = day_index.checked_sub(1) {
            let sessions = sessions_of(generator, before).into_iter();
            waiting
                .extend(sessions.filter(|session| session.start_ms >= late).map(|session| (before, session)));
        }
        waiting.extend(sessions_of(generator, day_index).into_iter().map(|session| (day_index, session)));
        Self {
            generator,
            day_index,
            waiting: waiting.into_iter().peekable(),
            running: BinaryHeap::new(),
            sessions: Vec::new(),
            free: Vec::new(),
        }
    }

    fn run(&mut self, session: Session) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            self.sessions.len() - 1
        });
        self.running.push(Reverse((session.time, session.number, slot)));
        self.sessions[slot] = Some(session);
    }
}

/// The first millisecond of a day.
fn day_start(generator: &EventGenerator, day_index: u32) -> i64 {
    (i64::from(generator.config.first_day.days()) + i64::from(day_index)) * MS_PER_DAY
}

impl Iterator for DayPlan<'_> {
    type Item = EventPlan;

    fn next(&mut self) -> Option<EventPlan> {
        let today = day_start(self.generator, self.day_index);
        loop {
            // Sessions start in order, so one that starts later than the next event can wait.
            while let Some((day, session)) = self.waiting.next_if(|(day, session)| {
                let start = day_start(self.generator, *day) + i64::from(session.start_ms);
                self.running.peek().is_none_or(|Reverse((time, ..))| start <= *time)
            }) {
                self.run(Session::new(self.generator, day, session));
            }
            let Reverse((time, _, slot)) = self.running.pop()?;
            let Some(session) = self.sessions[slot].as_mut() else { continue };
            let plan = session.plan();
            if session.advance() && session.time.min(session.end) < today + MS_PER_DAY {
                let next = (session.time, session.number, slot);
                self.running.push(Reverse(next));
            } else {
                self.sessions[slot] = None;
                self.free.push(slot);
            }
            if time >= today {
                return Some(plan);
            }
        }
    }
}
