//! A sorted map.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A chunk of this length is cut in half before it takes another entry.
const CHUNK_LEN_MAX: usize = 256;

/// Entries sorted by key, in chunks.
///
/// Keys are looked up by a comparison `|key| key.cmp(sought)`, so that a compound key need not be
/// built to be looked up.
pub(crate) struct SharedSortedMap<K, V> {
    /// In order; none is empty.
    chunks: Arc<Vec<Arc<Chunk<K, V>>>>,
}

/// A run of entries, sorted by key.
type Chunk<K, V> = Vec<(K, V)>;

impl<K, V> Clone for SharedSortedMap<K, V> {
    fn clone(&self) -> Self {
        Self { chunks: Arc::clone(&self.chunks) }
    }
}

impl<K, V> Default for SharedSortedMap<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::default() }
    }
}

impl<K, V> fmt::Debug for SharedSortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedSortedMap({} entries)", self.chunks.iter().map(|chunk| chunk.len()).sum::<usize>())
    }
}

impl<K: Clone, V: Clone> SharedSortedMap<K, V> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value))
    }

    pub(crate) fn get(&self, compare: impl Fn(&K) -> Ordering) -> Option<&V> {
        let (chunk, position) = self.find(compare);
        position.ok().map(|entry| &self.chunks[chunk][entry].1)
    }

    /// The value to change; made by `make` if missing.
    pub(crate) fn get_or_insert(
        &mut self,
        compare: impl Fn(&K) -> Ordering,
        make: impl FnOnce() -> (K, V),
    ) -> &mut V {
        let (mut chunk, position) = self.find(compare);
        let chunks = Arc::make_mut(&mut self.chunks);
        let entry = match position {
            Ok(entry) => entry,
            Err(_) if chunks.is_empty() => {
                chunks.push(Arc::new(vec![make()]));
                0
            }
            Err(mut entry) => {
                let full = Arc::make_mut(&mut chunks[chunk]);
                if full.len() >= CHUNK_LEN_MAX {
                    let upper = full.split_off(CHUNK_LEN_MAX / 2);
                    chunks.insert(chunk + 1, Arc::new(upper));
                    if entry > CHUNK_LEN_MAX / 2 {
                        chunk += 1;
                        entry -= CHUNK_LEN_MAX / 2;
                    }
                }
                Arc::make_mut(&mut chunks[chunk]).insert(entry, make());
                entry
            }
        };
        &mut Arc::make_mut(&mut chunks[chunk])[entry].1
    }

    pub(crate) fn remove(&mut self, compare: impl Fn(&K) -> Ordering) -> Option<(K, V)> {
        let (chunk, position) = self.find(compare);
        let entry = position.ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let entries = Arc::make_mut(&mut chunks[chunk]);
        let removed = entries.remove(entry);
        if entries.is_empty() {
            chunks.remove(chunk);
        }
        Some(removed)
    }

    /// The chunk a key belongs to, and where in it the key is or would go.
    fn find(&self, compare: impl Fn(&K) -> Ordering) -> (usize, Result<usize, usize>) {
        let after = self.chunks.partition_point(|chunk| compare(&chunk[0].0) != Ordering::Greater);
        let chunk = after.saturating_sub(1);
        match self.chunks.get(chunk) {
            Some(entries) => (chunk, entries.binary_search_by(|(key, _)| compare(key))),
            None => (0, Err(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_btree_map_and_clones_keep_their_contents(
            ops in prop::collection::vec((0u8..3, 0u16..1500, any::<u8>()), 0..3000),
            clone_at in 0usize..3000,
        ) {
            let (mut map, mut naive) = (SharedSortedMap::default(), BTreeMap::new());
            let mut kept = None;
            for (index, (op, key, value)) in ops.into_iter().enumerate() {
                if index == clone_at {
                    kept = Some((map.clone(), naive.clone()));
                }
                if op == 2 {
                    prop_assert_eq!(map.remove(|k: &u16| k.cmp(&key)), naive.remove_entry(&key));
                } else {
                    *map.get_or_insert(|k| k.cmp(&key), || (key, 0)) = value;
                    naive.insert(key, value);
                }
                prop_assert_eq!(map.get(|k| k.cmp(&key)), naive.get(&key));
            }
            for (map, naive) in kept.into_iter().chain([(map, naive)]) {
                prop_assert!(map.iter().eq(naive.iter()));
            }
        }
    }
}
