//! A hash map.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Bits of the hash that choose a child of a branch.
const BITS: u32 = 4;
const FANOUT: usize = 1 << BITS;
/// A leaf with this many entries is split before it takes another one.
const LEAF_LEN_MAX: usize = 32;

/// A hash map: a trie over the bits of the hash, with small unsorted leaves.
///
/// The hash has fixed keys, so the shape of the trie, and the order of [`SharedMap::iter`], are the
/// same in every run. Keys chosen to collide make the trie deeper (16 levels at most), no worse.
pub(crate) struct SharedMap<K, V> {
    root: Arc<Node<K, V>>,
    len: usize,
}

#[derive(Clone)]
enum Node<K, V> {
    Leaf(Vec<Entry<K, V>>),
    Branch([Arc<Node<K, V>>; FANOUT]),
}

#[derive(Clone)]
struct Entry<K, V> {
    hash: u64,
    key: K,
    value: V,
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self { root: Arc::clone(&self.root), len: self.len }
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Vec::new())), len: 0 }
    }
}

impl<K, V> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedMap({} entries)", self.len)
    }
}

impl<K, V> SharedMap<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, in no meaningful order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> + '_ {
        let mut pending = vec![&*self.root];
        let leaves = std::iter::from_fn(move || {
            loop {
                match pending.pop()? {
                    Node::Branch(children) => pending.extend(children.iter().map(|child| &**child)),
                    Node::Leaf(entries) => return Some(entries),
                }
            }
        });
        leaves.flatten().map(|entry| (&entry.key, &entry.value))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> SharedMap<K, V> {
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The stored key as well, so that its allocation can be shared.
    pub(crate) fn get_key_value<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let hash = hash_of(key);
        let mut node = &*self.root;
        let mut depth = 0;
        loop {
            match node {
                Node::Branch(children) => {
                    node = &children[slot(hash, depth)];
                    depth += 1;
                }
                Node::Leaf(entries) => {
                    let found = entries.iter().find(|entry| entry.hash == hash && entry.key.borrow() == key);
                    return found.map(|entry| (&entry.key, &entry.value));
                }
            }
        }
    }

    /// The value to change; copies the path to it if that is shared.
    pub(crate) fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let hash = hash_of(key);
        let entries = leaf_mut(&mut self.root, hash, false);
        entries
            .iter_mut()
            .find(|entry| entry.hash == hash && entry.key.borrow() == key)
            .map(|entry| &mut entry.value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        let hash = hash_of(&key);
        let entries = leaf_mut(&mut self.root, hash, true);
        if let Some(entry) = entries.iter_mut().find(|entry| entry.hash == hash && entry.key == key) {
            entry.value = value;
        } else {
            entries.push(Entry { hash, key, value });
            self.len += 1;
        }
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let hash = hash_of(key);
        let entries = leaf_mut(&mut self.root, hash, false);
        let at = entries.iter().position(|entry| entry.hash == hash && entry.key.borrow() == key)?;
        self.len -= 1;
        Some(entries.swap_remove(at).value)
    }
}

/// The leaf where entries of that hash are; with `room`, one that may take another entry.
fn leaf_mut<K: Clone, V: Clone>(root: &mut Arc<Node<K, V>>, hash: u64, room: bool) -> &mut Vec<Entry<K, V>> {
    let mut node = Arc::make_mut(root);
    let mut depth = 0;
    loop {
        if let Node::Leaf(entries) = node
            && room
            && entries.len() >= LEAF_LEN_MAX
            && depth < u64::BITS / BITS
        {
            *node = split(std::mem::take(entries), depth);
        }
        match node {
            Node::Leaf(entries) => return entries,
            Node::Branch(children) => {
                node = Arc::make_mut(&mut children[slot(hash, depth)]);
                depth += 1;
            }
        }
    }
}

fn split<K, V>(entries: Vec<Entry<K, V>>, depth: u32) -> Node<K, V> {
    let mut leaves: [Vec<Entry<K, V>>; FANOUT] = std::array::from_fn(|_| Vec::new());
    for entry in entries {
        leaves[slot(entry.hash, depth)].push(entry);
    }
    Node::Branch(leaves.map(|leaf| Arc::new(Node::Leaf(leaf))))
}

fn slot(hash: u64, depth: u32) -> usize {
    (hash >> (depth * BITS)) as usize % FANOUT
}

fn hash_of<Q: Hash + ?Sized>(key: &Q) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A key of which all have one of four hashes.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Colliding(u32);

    impl Hash for Colliding {
        fn hash<H: Hasher>(&self, state: &mut H) {
            (self.0 % 4).hash(state);
        }
    }

    #[test]
    fn keys_of_equal_hash_are_told_apart() {
        let mut map = SharedMap::default();
        for key in 0..400 {
            map.insert(Colliding(key), key);
        }
        assert!((0..400).all(|key| map.get(&Colliding(key)) == Some(&key)));
        assert_eq!(map.get(&Colliding(400)), None);
        assert_eq!(map.remove(&Colliding(7)), Some(7));
        assert_eq!((map.get(&Colliding(7)), map.get(&Colliding(11))), (None, Some(&11)));
    }

    proptest! {
        #[test]
        fn behaves_as_a_btree_map_and_clones_keep_their_contents(
            ops in prop::collection::vec((0u8..4, 0u16..300, any::<u8>()), 0..2000),
            clone_at in 0usize..2000,
        ) {
            let (mut map, mut naive) = (SharedMap::default(), BTreeMap::new());
            let mut kept = None;
            for (index, (op, key, value)) in ops.into_iter().enumerate() {
                if index == clone_at {
                    kept = Some((map.clone(), naive.clone()));
                }
                match op {
                    0 | 1 => {
                        map.insert(key, value);
                        naive.insert(key, value);
                    }
                    2 => prop_assert_eq!(map.remove(&key), naive.remove(&key)),
                    _ => {
                        let (found, expected) = (map.get_mut(&key), naive.get_mut(&key));
                        prop_assert_eq!(&found, &expected);
                        if let (Some(found), Some(expected)) = (found, expected) {
                            (*found, *expected) = (value, value);
                        }
                    }
                }
                prop_assert_eq!(map.get(&key), naive.get(&key));
            }
            for (map, naive) in kept.into_iter().chain([(map, naive)]) {
                prop_assert_eq!(map.is_empty(), naive.is_empty());
                prop_assert_eq!(map.iter().map(|(k, v)| (*k, *v)).collect::<BTreeMap<_, _>>(), naive);
            }
        }
    }
}
