//! Events of users put together as those of somebody else.

use std::cmp::Ordering;

use super::labels::Labels;
use super::{MetUnits, Record, UserEvents};

/// Events of users that are looked at as those of somebody else, such as a group.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    events: Vec<CollectedEvent>,
}

#[derive(Debug)]
struct CollectedEvent {
    time: i64,
    /// In which order events of one instant arrived.
    sequence: f64,
    conditions: u64,
    labels: Vec<Vec<String>>,
    numbers: Vec<Option<f64>>,
}

impl Collected {
    /// Adds an event of a user.
    pub(crate) fn push(&mut self, user: &UserEvents<'_>, record: &Record, sequence: Option<f64>) {
        let labels = (0..user.labels.len()).map(|index| {
            user.labels(index, record).iter().map(|label| user.text(index, *label).to_owned()).collect()
        });
        self.events.push(CollectedEvent {
            time: record.time,
            sequence: sequence.unwrap_or(0.0),
            conditions: record.conditions,
            labels: labels.collect(),
            numbers: (0..user.numbers.len()).map(|index| user.number(index, record)).collect(),
        });
    }

    /// Adds the events of others.
    pub(crate) fn append(&mut self, mut later: Self) {
        self.events.append(&mut later.events);
    }

    pub(crate) fn bytes(&self) -> usize {
        let of = |event: &CollectedEvent| {
            let texts = event.labels.iter().flatten().map(|text| text.capacity() + 24).sum::<usize>();
            size_of::<CollectedEvent>() + texts + event.labels.len() * 24 + event.numbers.len() * 16
        };
        self.events.iter().map(of).sum()
    }

    /// Shows them in order (G-1), as those of `actor`.
    pub(crate) fn in_order(mut self, actor: u32, show: impl FnOnce(&UserEvents<'_>)) {
        let Some(first) = self.events.first() else { return };
        let mut labels: Vec<Labels> = first.labels.iter().map(|_| Labels::of_lists()).collect();
        let mut numbers = vec![Vec::new(); first.numbers.len()];
        self.events.sort_by(|a, b| {
            (a.time, a.sequence).partial_cmp(&(b.time, b.sequence)).unwrap_or(Ordering::Equal)
        });
        let mut records = Vec::with_capacity(self.events.len());
        for (at, event) in self.events.iter().enumerate() {
            records.push(Record { time: event.time, conditions: event.conditions, at: at as u32 });
            for (labels, texts) in labels.iter_mut().zip(&event.labels) {
                labels.push_texts(texts);
            }
            numbers.iter_mut().zip(&event.numbers).for_each(|(numbers, number)| numbers.push(*number));
        }
        show(&UserEvents {
            user: actor,
            records: &records,
            met: MetUnits::default(),
            labels: &labels,
            numbers: &numbers,
        });
    }
}
