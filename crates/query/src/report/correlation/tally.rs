//! Who did each candidate how often within how many days, and how many of them reach the goal.

use hashbrown::HashMap;

use super::{Counted, DAY_MS, DAYS, People, Person, SOURCES, TIMES};
use crate::resident::by_user::{Matcher, UserEvents};

/// No candidate has this label.
const NONE: u32 = u32::MAX;
/// It is not looked up yet which candidate has it.
const UNKNOWN: u32 = u32::MAX - 1;

/// Counts users.
pub(super) struct Tallied {
    of: People,
    /// For each source its candidate, or those of its labels.
    sources: Vec<OfSource>,
    count: usize,
}

enum OfSource {
    One(usize),
    Labels { label: usize, candidates: HashMap<String, usize> },
}

/// Users who did a candidate at least so often within so many days: both from one on.
pub(super) type Cells = [[u64; TIMES]; DAYS];

/// What is counted.
#[derive(Debug)]
pub(super) struct Tally {
    /// Who was born, and how many of these reach the goal.
    pub(super) users: u64,
    pub(super) reached: u64,
    /// By candidate: those who do not reach the goal, and those who do. Up to [`Tally::at_least`],
    /// who did it exactly so often, or ten times and more.
    pub(super) candidates: Vec<[Cells; 2]>,
    /// By source: the candidates of codes of labels.
    codes: Vec<Vec<u32>>,
    /// Of one user: how often each candidate was done on each day, and which were at all.
    of_user: Vec<[u32; DAYS]>,
    met: Vec<usize>,
}

impl Tally {
    /// The same with those who did it more often among those who did it less often.
    fn at_least(mut self) -> Self {
        for counts in self.candidates.iter_mut().flatten().flatten() {
            for times in (1..TIMES).rev() {
                counts[times - 1] += counts[times];
            }
        }
        self
    }
}

impl Tallied {
    pub(super) fn new(of: People, has_label: Vec<bool>, candidates: &[Counted]) -> Self {
        let mut sources: Vec<OfSource> = Vec::with_capacity(has_label.len());
        let mut labels = 0;
        for has_label in has_label {
            if has_label {
                sources.push(OfSource::Labels { label: labels, candidates: HashMap::new() });
                labels += 1;
            } else {
                sources.push(OfSource::One(0));
            }
        }
        for (at, candidate) in candidates.iter().enumerate() {
            match (&mut sources[candidate.source], &candidate.label) {
                (OfSource::Labels { candidates, .. }, Some(label)) => {
                    candidates.insert(label.clone(), at);
                }
                (source, _) => *source = OfSource::One(at),
            }
        }
        Self { of, sources, count: candidates.len() }
    }

    /// Adds what a person did, day by day.
    fn days_of(&self, person: &Person<'_, '_>, tally: &mut Tally) {
        let Tally { codes, of_user, met, .. } = tally;
        let mut did = |candidate: usize, day: usize| {
            let days = &mut of_user[candidate];
            if days[day] == 0 && days.iter().all(|count| *count == 0) {
                met.push(candidate);
            }
            days[day] += 1;
        };
        for record in person.records {
            let mut of_sources = record.conditions >> SOURCES;
            if of_sources == 0 {
                continue;
            }
            // G-7: what happens y times 24 hours after the birth is within y days.
            let day = (record.time - person.born() - 1).div_euclid(DAY_MS).max(0) as usize;
            if day >= DAYS {
                break;
            }
            while of_sources != 0 {
                let at = of_sources.trailing_zeros() as usize;
                of_sources &= of_sources - 1;
                let (label, candidates) = match &self.sources[at] {
                    OfSource::One(candidate) => {
                        did(*candidate, day);
                        continue;
                    }
                    OfSource::Labels { label, candidates } => (*label, candidates),
                };
                let codes = &mut codes[at];
                for code in person.user.labels(label, record) {
                    let place = *code as usize;
                    if codes.len() <= place {
                        codes.resize(place + 1, UNKNOWN);
                    }
                    if codes[place] == UNKNOWN {
                        let known = candidates.get(person.user.text(label, *code));
                        codes[place] = known.map_or(NONE, |candidate| *candidate as u32);
                    }
                    if codes[place] != NONE {
                        did(codes[place] as usize, day);
                    }
                }
            }
        }
    }
}

impl Matcher for Tallied {
    type Partial = Tally;

    fn start(&self) -> Tally {
        Tally {
            users: 0,
            reached: 0,
            candidates: vec![[[[0; TIMES]; DAYS]; 2]; self.count],
            codes: vec![Vec::new(); self.sources.len()],
            of_user: vec![[0; DAYS]; self.count],
            met: Vec::new(),
        }
    }

    fn user(&self, user: &UserEvents<'_>, tally: &mut Tally) {
        let Some(person) = self.of.person(user) else { return };
        tally.users += 1;
        tally.reached += u64::from(person.has_reached);
        self.days_of(&person, tally);
        let side = usize::from(person.has_reached);
        while let Some(candidate) = tally.met.pop() {
            let mut times = 0;
            let days = std::mem::take(&mut tally.of_user[candidate]);
            for (cells, count) in tally.candidates[candidate][side].iter_mut().zip(days) {
                times = TIMES.min(times + count as usize);
                if times > 0 {
                    cells[times - 1] += 1;
                }
            }
        }
    }

    fn merge(&self, total: &mut Tally, later: Tally) {
        total.users += later.users;
        total.reached += later.reached;
        let cells = |tally: Vec<[Cells; 2]>| tally.into_iter().flatten().flatten().flatten();
        let totals = total.candidates.iter_mut().flatten().flatten().flatten();
        for (total, later) in totals.zip(cells(later.candidates)) {
            *total += later;
        }
    }

    fn bytes(&self, tally: &Tally) -> usize {
        tally.candidates.len() * (size_of::<[Cells; 2]>() + DAYS * 4)
            + tally.codes.iter().map(|codes| codes.capacity() * 4).sum::<usize>()
    }
}

/// How many users are where: the table of two by two of one candidate, number of times, and days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Confusion {
    /// Did it, and reach the goal.
    pub(super) true_positives: u64,
    /// Did it, and do not.
    pub(super) false_positives: u64,
    /// Did not, and do.
    pub(super) false_negatives: u64,
    /// Did not, and do not.
    pub(super) true_negatives: u64,
}

/// The tables of all candidates.
pub(super) struct Confusions(Tally);

impl Confusions {
    pub(super) fn of(tally: Tally) -> Self {
        Self(tally.at_least())
    }

    /// Both from one on.
    pub(super) fn at(&self, candidate: usize, times: usize, days: usize) -> Confusion {
        let [missed, reached] = &self.0.candidates[candidate];
        let of = |cells: &Cells| cells[days - 1][times - 1];
        let (true_positives, false_positives) = (of(reached), of(missed));
        Confusion {
            true_positives,
            false_positives,
            false_negatives: self.0.reached - true_positives,
            true_negatives: self.0.users - self.0.reached - false_positives,
        }
    }
}

impl Confusion {
    /// All who were born.
    pub(super) fn users(self) -> u64 {
        self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
    }

    /// M-90; null where everybody is, or nobody.
    pub(super) fn phi(self) -> Option<f64> {
        let [tp, fp, fn_, tn] =
            [self.true_positives, self.false_positives, self.false_negatives, self.true_negatives]
                .map(|count| count as f64);
        // Each root by itself: the product of four numbers of users is beyond what a float tells apart.
        let under = [tp + fp, tp + fn_, tn + fp, tn + fn_].map(f64::sqrt).into_iter().product::<f64>();
        (under > 0.0).then(|| (tp * tn - fp * fn_) / under)
    }

    pub(super) fn precision(self) -> Option<f64> {
        share(self.true_positives, self.false_positives)
    }

    pub(super) fn false_omission(self) -> Option<f64> {
        share(self.false_negatives, self.true_negatives)
    }

    pub(super) fn recall(self) -> Option<f64> {
        share(self.true_positives, self.false_negatives)
    }

    pub(super) fn fall_out(self) -> Option<f64> {
        share(self.false_positives, self.true_negatives)
    }
}

/// Of some and others, how large a part the first are; null of nobody.
fn share(part: u64, rest: u64) -> Option<f64> {
    (part + rest > 0).then(|| part as f64 / (part + rest) as f64)
}
