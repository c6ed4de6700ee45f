//! Of rows with equal keys one is kept (D-9).

use std::borrow::Cow;

use hashbrown::HashMap;
use tallymark_users::assign;

use super::Merge;
use super::order::Chunks;
use super::output::Output;
use super::rows::RowRef;

/// Holds back the rows of one user at one instant, since rows of equal keys are among them: an
/// assigned id has one user, and the key has the time.
pub(super) struct Repeats<'a> {
    merge: &'a Merge<'a>,
    rows: Vec<RowRef>,
    /// Whether any file has rows that can be repeats.
    keyed: bool,
}

/// (event, assigned id, `$insert_id`); the time is the same for all.
type Key<'a> = (&'a str, Cow<'a, str>, &'a str);

impl<'a> Repeats<'a> {
    pub(super) fn new(merge: &'a Merge<'a>) -> Self {
        let keyed = merge.files.iter().map(|file| file.keyed_rows).sum::<u64>() > 1;
        Self { merge, rows: Vec::new(), keyed }
    }

    /// The rows held back.
    pub(super) fn rows(&self) -> &[RowRef] {
        &self.rows
    }

    /// Takes the next row in, and gives those of an earlier user or time to the output.
    pub(super) fn push(&mut self, row: RowRef, chunks: &Chunks, output: &mut Output<'_>) {
        if !self.keyed {
            output.push(row, chunks);
            return;
        }
        if let Some(&first) = self.rows.first() {
            let (held, new) = (chunks.of(first), chunks.of(row));
            let (held_row, new_row) = (first.row as usize, row.row as usize);
            if held.time(held_row) != new.time(new_row) || held.user(held_row) != new.user(new_row) {
                self.end(chunks, output);
            }
        }
        self.rows.push(row);
    }

    /// Gives the rows held back to the output.
    pub(super) fn end(&mut self, chunks: &Chunks, output: &mut Output<'_>) {
        if self.rows.len() > 1 {
            self.replace(chunks);
        }
        for row in self.rows.drain(..) {
            output.push(row, chunks);
        }
    }

    /// Puts each repeat, which comes later in sequence, in the place of the first row of its key.
    fn replace(&mut self, chunks: &Chunks) {
        let mut place_of: HashMap<Key<'_>, usize> = HashMap::new();
        let mut kept: Vec<RowRef> = Vec::with_capacity(self.rows.len());
        for &row in &self.rows {
            match self.key(row, chunks).map(|key| place_of.entry(key)) {
                None => kept.push(row),
                Some(hashbrown::hash_map::Entry::Vacant(place)) => {
                    place.insert(kept.len());
                    kept.push(row);
                }
                Some(hashbrown::hash_map::Entry::Occupied(place)) => {
                    let first = &mut kept[*place.get()];
                    *first = RowRef { sequence: first.sequence, ..row };
                }
            }
        }
        drop(place_of);
        self.rows = kept;
    }

    fn key<'c>(&self, row: RowRef, chunks: &'c Chunks) -> Option<Key<'c>> {
        let (chunk, at) = (chunks.of(row), row.row as usize);
        let insert_id = chunk.insert_id(at)?;
        let system = self.merge.identities.system();
        let assigned = match chunk.sent_user_id(at) {
            Some(Cow::Owned(user_id)) => {
                let id = assign(system, chunk.distinct_id(at), chunk.device_id(at), Some(&user_id))
                    .id
                    .into_owned();
                Cow::Owned(id)
            }
            Some(Cow::Borrowed(user_id)) => {
                assign(system, chunk.distinct_id(at), chunk.device_id(at), Some(user_id)).id
            }
            None => assign(system, chunk.distinct_id(at), chunk.device_id(at), None).id,
        };
        Some((chunk.event(at), assigned, insert_id))
    }
}
