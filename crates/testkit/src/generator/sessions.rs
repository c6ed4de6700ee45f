//! A day → its sessions.

use super::EventGenerator;
use super::draw::{Draw, mix};

/// No session lasts longer.
pub(super) const SESSION_MS_MAX: i64 = 3 * 3_600_000;

/// Traffic from Monday to Sunday.
const WEEKDAY_WEIGHTS: [u64; 7] = [10, 11, 11, 10, 10, 7, 6];
/// Traffic by hour of the day, UTC.
const HOUR_WEIGHTS: [u64; 24] = [3, 2, 2, 1, 1, 2, 4, 6, 8, 9, 9, 10, 10, 9, 9, 9, 8, 8, 9, 10, 10, 9, 7, 5];

/// What kind of session it is, as far as ids and sign-up go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionKind {
    /// A known user.
    Known,
    /// A newcomer who signs up in it; `from_device`: anonymous until then.
    First { from_device: bool },
    /// A newcomer's look around days before signing up: anonymous throughout.
    Visit,
    /// A known user on another device: anonymous until `Log In`.
    OtherDevice,
}

/// One session to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionPlan {
    /// Milliseconds from the start of its day.
    pub start_ms: u32,
    /// How many events.
    pub length: u16,
    pub kind: SessionKind,
    /// Position of the user in the order of sign-up.
    pub user: u64,
    /// Unique among the sessions of the day.
    pub number: u32,
}

/// The sessions that start on a day, sorted by (start, number).
pub(super) fn sessions_of(generator: &EventGenerator, day_index: u32) -> Vec<SessionPlan> {
    let population = Population::new(generator);
    let mut list = SessionList {
        draw: Draw::new(generator.config.seed ^ mix(u64::from(day_index) + 1)),
        events_left: events_of(generator, day_index),
        sessions: Vec::new(),
    };
    let budget = list.events_left;
    for user in population.born_on(day_index) {
        if list.events_left <= budget / 2 {
            break;
        }
        let length = 6 + list.draw.low(25) as u16;
        list.push(user, SessionKind::First { from_device: population.comes_from_device(user) }, length);
    }
    for days_ahead in 1..=7 {
        for user in population.born_on(day_index + days_ahead) {
            if list.events_left > budget / 4 && population.visits_ahead(user) == Some(days_ahead) {
                let length = 1 + list.draw.low(12) as u16;
                list.push(user, SessionKind::Visit, length);
            }
        }
    }
    while list.events_left > 0 {
        let user = population.pick(&mut list.draw, day_index);
        let other_device = population.comes_from_device(user) && list.draw.percent(3);
        let kind = if other_device { SessionKind::OtherDevice } else { SessionKind::Known };
        let length = 1 + list.draw.low(38) as u16;
        list.push(user, kind, length);
    }
    list.sessions.sort_unstable_by_key(|session| (session.start_ms, session.number));
    list.sessions
}

/// How many events the sessions of a day have: the total shared out by weekday.
fn events_of(generator: &EventGenerator, day_index: u32) -> u64 {
    let config = &generator.config;
    let weight_before = |days: u32| -> u64 {
        let weeks = u64::from(days / 7) * WEEKDAY_WEIGHTS.iter().sum::<u64>();
        let rest = (0..days % 7).map(|day| WEEKDAY_WEIGHTS[weekday(config.first_day.days(), day)]);
        weeks + rest.sum::<u64>()
    };
    let events_before = |days: u32| {
        u128::from(config.events) * u128::from(weight_before(days)) / u128::from(weight_before(config.days))
    };
    (events_before(day_index + 1) - events_before(day_index)) as u64
}

/// Monday is 0; 1970-01-01 was a Thursday.
fn weekday(first_day: i32, day_index: u32) -> usize {
    (i64::from(first_day) + i64::from(day_index) + 3).rem_euclid(7) as usize
}

struct SessionList {
    draw: Draw,
    events_left: u64,
    sessions: Vec<SessionPlan>,
}

impl SessionList {
    fn push(&mut self, user: u64, kind: SessionKind, length: u16) {
        let length = u64::from(length).min(self.events_left) as u16;
        let mut at = self.draw.below(HOUR_WEIGHTS.iter().sum());
        let mut hour = 0;
        while at >= HOUR_WEIGHTS[hour] {
            at -= HOUR_WEIGHTS[hour];
            hour += 1;
        }
        let start_ms = hour as u32 * 3_600_000 + self.draw.below(3_600_000) as u32;
        let number = self.sessions.len() as u32;
        self.events_left -= u64::from(length);
        self.sessions.push(SessionPlan { start_ms, length, kind, user, number });
    }
}

/// Who there is.
struct Population {
    seed: u64,
    users: u64,
    days: u64,
    /// Users below this position were there before the first day.
    old_users: u64,
    /// Turns ranks of activity into positions of sign-up: coprime to `users`.
    stride: u64,
    /// Fourth root of `users`.
    root: f64,
}

impl Population {
    fn new(generator: &EventGenerator) -> Self {
        let users = generator.users;
        let mut stride = (users / 8 * 5).max(1);
        while greatest_common_divisor(stride, users) != 1 {
            stride += 1;
        }
        Self {
            seed: generator.config.seed,
            users,
            days: u64::from(generator.config.days),
            old_users: users.div_ceil(2),
            stride,
            root: (users as f64).sqrt().sqrt(),
        }
    }

    /// Who signs up on a day.
    fn born_on(&self, day_index: u32) -> std::ops::Range<u64> {
        let day = u64::from(day_index);
        if day >= self.days {
            return 0..0;
        }
        let new_users = u128::from(self.users - self.old_users);
        let before = |day: u64| self.old_users + (new_users * u128::from(day) / u128::from(self.days)) as u64;
        before(day)..before(day + 1)
    }

    /// The day a user signed up, or `None` for before the first.
    fn birth(&self, user: u64) -> Option<u64> {
        let position = user.checked_sub(self.old_users)?;
        let new_users = self.users - self.old_users;
        // The inverse of `born_on`: the last day that starts at or before this position.
        Some(((u128::from(position) + 1) * u128::from(self.days)).div_ceil(u128::from(new_users)) as u64 - 1)
    }

    /// One user in five, all of them among those who sign up while we look or log in elsewhere.
    fn comes_from_device(&self, user: u64) -> bool {
        let per_mille = if user < self.old_users { 100 } else { 300 };
        mix(self.seed ^ mix(user)) % 1_000 < per_mille
    }

    /// How many days before signing up somebody looked in, if so.
    fn visits_ahead(&self, user: u64) -> Option<u32> {
        let roll = mix(self.seed ^ mix(user)) / 1_000;
        (self.comes_from_device(user) && roll.is_multiple_of(3)).then_some(1 + (roll / 3 % 7) as u32)
    }

    /// Somebody who is there on this day. The density falls with the rank to the power of ¾, and
    /// newcomers fade in the days after their first.
    fn pick(&self, draw: &mut Draw, day_index: u32) -> u64 {
        for _ in 0..16 {
            let root = draw.unit() * (self.root - 1.0) + 1.0;
            let rank = ((root * root * root * root - 1.0) as u64).min(self.users - 1);
            let user = (u128::from(rank) * u128::from(self.stride) % u128::from(self.users)) as u64;
            let stays = match self.birth(user) {
                None => true,
                Some(birth) => match u64::from(day_index).checked_sub(birth) {
                    None | Some(0) => false,
                    Some(age) => draw.percent((800 / (8 + age)).max(20)),
                },
            };
            if stays {
                return user;
            }
        }
        draw.below(self.old_users)
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GeneratorConfig;

    #[test]
    fn birth_is_the_inverse_of_born_on() {
        for (users, days) in [(1, 1), (7, 3), (1_000, 30), (10, 30), (999, 7)] {
            let config = GeneratorConfig { users: Some(users), days, ..GeneratorConfig::default() };
            let population = Population::new(&EventGenerator::new(config));
            let mut born = 0;
            for day in 0..days {
                for user in population.born_on(day) {
                    assert_eq!(
                        population.birth(user),
                        Some(u64::from(day)),
                        "user {user} of {users} in {days}"
                    );
                    born += 1;
                }
            }
            assert_eq!(born + population.old_users, users);
            assert!((0..population.old_users).all(|user| population.birth(user).is_none()));
        }
    }

    #[test]
    fn days_add_up_to_the_total() {
        for (events, days) in [(0, 3), (1, 5), (10_007, 13), (1_000_000_007, 365)] {
            let config = GeneratorConfig { events, days, ..GeneratorConfig::default() };
            let generator = EventGenerator::new(config);
            assert_eq!((0..days).map(|day| events_of(&generator, day)).sum::<u64>(), events);
        }
    }
}
