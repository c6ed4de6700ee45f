//! Sorted lists of ids → one directory, and each id's number in it.
//!
//! The lists are cut at the same ids into parts that fit the cache. The parts are independent, so
//! that all threads work; within one, what its ids share at the start is skipped and the next 16
//! bytes are one number, which decides nearly every comparison.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{Array, AsArray, StringViewArray, UInt32Array};
use arrow::compute::{concat, take};
use arrow::error::ArrowError;
use rayon::prelude::*;

use super::{UserDirectory, partition_point};
use crate::text::copied;

/// About how many ids a part has.
const PART_IDS: usize = 1 << 14;
/// How many ids of each part to be are looked at to find where to cut.
const SAMPLES: usize = 8;
/// Bytes of a key.
const KEY_BYTES: usize = 16;
/// With more buffers than this a directory is copied into few.
const BUFFERS_MAX: usize = 256;

/// The ids of several lists, numbered.
#[derive(Debug)]
pub(crate) struct Numbering {
    /// The directory; `None` where it is the former one.
    pub(crate) directory: Option<UserDirectory>,
    /// For each user of the former directory their number now. Empty where it is the former one.
    pub(crate) moved: Vec<u32>,
    /// For each list and id its number.
    pub(crate) ordinals: Vec<Vec<u32>>,
}

/// Numbers the ids of `former` and of all lists. Each list is sorted by byte order, without nulls;
/// repeats within one are allowed.
pub(crate) fn number(former: &UserDirectory, lists: &[StringViewArray]) -> Result<Numbering, ArrowError> {
    let all: Vec<&StringViewArray> = std::iter::once(&former.ids).chain(lists).collect();
    let parts: Vec<Part> = cuts(&all).par_iter().map(|ranges| Part::new(&all, ranges)).collect();

    let mut ordinals: Vec<Vec<u32>> = all.iter().map(|list| Vec::with_capacity(list.len())).collect();
    let mut base = 0u32;
    for part in &parts {
        for (ordinals, local) in ordinals.iter_mut().zip(&part.ordinals) {
            ordinals.extend(local.iter().map(|ordinal| ordinal + base));
        }
        base += part.order.len() as u32;
    }
    let moved = ordinals.remove(0);
    if base as usize == former.len() {
        return Ok(Numbering { directory: None, moved: Vec::new(), ordinals });
    }
    // The former ids, then the new ones, in the order of both.
    let mut order: Vec<u32> = Vec::with_capacity(base as usize);
    let (mut next_former, mut next_new) = (0u32, former.len() as u32);
    for part in &parts {
        for is_former in &part.order {
            let next = if *is_former { &mut next_former } else { &mut next_new };
            order.push(*next);
            *next += 1;
        }
    }
    let new: Vec<&dyn Array> = parts.iter().map(|part| &part.new as &dyn Array).collect();
    let ids = if former.is_empty() {
        concat(&new)?
    } else {
        let both: Vec<&dyn Array> = std::iter::once(&former.ids as &dyn Array).chain(new).collect();
        take(&concat(&both)?, &UInt32Array::from(order), None)?
    };
    let ids = ids.as_string_view();
    let ids = if ids.data_buffers().len() > BUFFERS_MAX { ids.gc() } else { ids.clone() };
    Ok(Numbering { directory: Some(UserDirectory::new(ids)), moved, ordinals })
}

/// Where each part lies in each list.
fn cuts(lists: &[&StringViewArray]) -> Vec<Vec<Range<usize>>> {
    let total: usize = lists.iter().map(|list| Array::len(*list)).sum();
    let parts = total.div_ceil(PART_IDS);
    let step = (PART_IDS / SAMPLES).max(1);
    // Lists too short to be sampled do not matter to the size of parts.
    let mut samples: Vec<&str> = if parts > 1 {
        lists.iter().flat_map(|list| (step / 2..list.len()).step_by(step).map(|at| list.value(at))).collect()
    } else {
        Vec::new()
    };
    samples.sort_unstable();
    let mut at: Vec<usize> = vec![0; lists.len()];
    let mut cuts = Vec::with_capacity(parts);
    let mut cut = |until: Option<&str>| {
        let ranges: Vec<_> = lists
            .iter()
            .zip(&mut at)
            .map(|(list, at)| {
                let end = until.map_or(list.len(), |until| partition_point(list, *at, |id| id < until));
                let range = *at..end;
                *at = end;
                range
            })
            .collect();
        if ranges.iter().any(|range| !range.is_empty()) {
            cuts.push(ranges);
        }
    };
    for sample in samples.iter().skip(SAMPLES).step_by(SAMPLES) {
        cut(Some(sample));
    }
    cut(None);
    cuts
}

/// An id of a part.
#[derive(Clone, Copy)]
struct Entry {
    key: u128,
    list: u32,
    at: u32,
    /// Bytes of the id that follow what all share.
    length: u32,
}

/// The numbers within a part.
struct Part {
    /// For each list and id of the part its number.
    ordinals: Vec<Vec<u32>>,
    /// For each number whether the former directory has the id.
    order: Vec<bool>,
    /// The others, in order.
    new: StringViewArray,
}

impl Part {
    fn new(lists: &[&StringViewArray], ranges: &[Range<usize>]) -> Self {
        let shared = shared_bytes(lists, ranges);
        let mut entries = Vec::with_capacity(ranges.iter().map(ExactSizeIterator::len).sum());
        for (index, (list, range)) in lists.iter().zip(ranges).enumerate() {
            entries.extend(range.clone().map(|at| {
                let rest = &list.value(at).as_bytes()[shared..];
                Entry { key: key(rest), list: index as u32, at: at as u32, length: rest.len() as u32 }
            }));
        }
        let rest = |entry: &Entry| &lists[entry.list as usize].value(entry.at as usize).as_bytes()[shared..];
        let compare = |a: &Entry, b: &Entry| {
            a.key.cmp(&b.key).then_with(|| {
                if a.length.max(b.length) <= KEY_BYTES as u32 {
                    // Whole ids of equal keys can still differ in zero bytes at the end.
                    a.length.cmp(&b.length)
                } else {
                    rest(a).cmp(rest(b))
                }
            })
        };
        // Stable: of equal ids the former directory's comes first. Made for runs that are sorted.
        entries.sort_by(compare);

        let mut part = Self {
            ordinals: ranges.iter().map(|range| vec![0; range.len()]).collect(),
            order: Vec::new(),
            new: StringViewArray::new_null(0),
        };
        let mut new: Vec<&str> = Vec::new();
        let mut last: Option<&Entry> = None;
        for entry in &entries {
            let same = last.is_some_and(|last| compare(last, entry) == Ordering::Equal);
            if !same {
                part.order.push(entry.list == 0);
                if entry.list != 0 {
                    new.push(lists[entry.list as usize].value(entry.at as usize));
                }
            }
            let list = entry.list as usize;
            part.ordinals[list][entry.at as usize - ranges[list].start] = part.order.len() as u32 - 1;
            last = Some(entry);
        }
        part.new = copied(&new);
        part
    }
}

/// How many bytes at the start all ids of a part have in common.
fn shared_bytes(lists: &[&StringViewArray], ranges: &[Range<usize>]) -> usize {
    let ends = || {
        lists
            .iter()
            .zip(ranges)
            .filter(|(_, range)| !range.is_empty())
            .flat_map(|(list, range)| [list.value(range.start), list.value(range.end - 1)])
    };
    let (Some(min), Some(max)) = (ends().min(), ends().max()) else { return 0 };
    min.bytes().zip(max.bytes()).take_while(|(a, b)| a == b).count()
}

/// The first bytes as a number that orders as they do; zeros where there are fewer.
fn key(bytes: &[u8]) -> u128 {
    if let Some(first) = bytes.first_chunk::<KEY_BYTES>() {
        return u128::from_be_bytes(*first);
    }
    let mut padded = [0; KEY_BYTES];
    padded[..bytes.len()].copy_from_slice(bytes);
    u128::from_be_bytes(padded)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn check(former: &BTreeSet<String>, lists: &[BTreeSet<String>]) {
        let array = |ids: &BTreeSet<String>| ids.iter().map(Some).collect::<StringViewArray>();
        let directory = UserDirectory::new(array(former));
        let arrays: Vec<_> = lists.iter().map(array).collect();
        let numbering = number(&directory, &arrays).unwrap();

        let all: BTreeSet<&String> = former.iter().chain(lists.iter().flatten()).collect();
        let found = numbering.directory.as_ref().unwrap_or(&directory);
        assert_eq!(found.ids.iter().flatten().collect::<Vec<_>>(), all.iter().copied().collect::<Vec<_>>());
        assert_eq!(numbering.directory.is_none(), all.len() == former.len());
        let rank = |id: &String| all.iter().position(|known| *known == id).unwrap() as u32;
        if numbering.directory.is_some() {
            assert_eq!(numbering.moved, former.iter().map(rank).collect::<Vec<_>>());
        }
        for (ids, ordinals) in lists.iter().zip(&numbering.ordinals) {
            assert_eq!(*ordinals, ids.iter().map(rank).collect::<Vec<_>>());
        }
    }

    fn id() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ab]{0,2}",
            "\\$device:[ab]{0,3}",
            "a{14,19}b?",
            "a{15}\u{0}{0,3}",
            "a{17}\u{0}{0,3}",
            "\\PC{0,20}"
        ]
    }

    proptest! {
        #[test]
        fn ids_are_numbered_by_byte_order(
            former in prop::collection::btree_set(id(), 0..12),
            lists in prop::collection::vec(prop::collection::btree_set(id(), 0..20), 0..5),
        ) {
            check(&former, &lists);
        }
    }

    #[test]
    fn many_ids_are_numbered_in_parts() {
        let ids = |from: usize, step: usize, count: usize| -> StringViewArray {
            (0..count).map(|at| Some(format!("user-{:07}", from + at * step))).collect()
        };
        let former = UserDirectory::new(ids(0, 4, PART_IDS * 2));
        let lists = [ids(0, 3, PART_IDS * 3), ids(1, 3, PART_IDS), ids(7, 1, 3)];
        assert!(cuts(&lists.iter().collect::<Vec<_>>()).len() > 2);
        let numbering = number(&former, &lists).unwrap();
        let directory = numbering.directory.unwrap();
        assert!(directory.ids.iter().is_sorted_by(|a, b| a < b));
        let all =
            std::iter::once((&former.ids, &numbering.moved)).chain(lists.iter().zip(&numbering.ordinals));
        for (ids, ordinals) in all {
            assert_eq!(ids.len(), ordinals.len());
            for (id, ordinal) in ids.iter().zip(ordinals) {
                assert_eq!(id, Some(directory.id(*ordinal)));
            }
        }
    }
}
