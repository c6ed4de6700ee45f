//! The write-ahead log: records acknowledged before they are in a file.
//!
//! Every acknowledged write is one object, `_tallymark/wal/<number>.wal`, put only where none of
//! its number is. What the payload means is its writer's business. Layout, integers little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 8 | `TLYWAL`, format as u16 (1) |
//! | 8 | its number |
//! | 8 | the number of the acknowledged entry before it; all ones: none since the last flush |
//! | 8 | the epoch of its writer |
//! | 8 | length of the payload |
//! | 8 | XXH3 of all of the above and the payload |
//! | … | the payload |
//!
//! Not every object there was acknowledged. A put that reported an error may have taken effect;
//! its writer goes on with the next number, and the entry after it names the one before it, so
//! that it is skipped. A writer that lost its lease may put one more; it carries an old epoch,
//! which the manifest of its successor rules out ([`crate::manifest::WalFence`]). So the log is
//! read from its end along the chain of predecessors. Every entry of the chain must be there and
//! whole, but for the last: one that breaks off was never acknowledged.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tracing::warn;
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Damage, Error, Result};
use crate::manifest::Manifest;
use crate::paths::ObjectKind;
use crate::{Location, objects, paths};

const MAGIC: &[u8; 6] = b"TLYWAL";
const FORMAT: u16 = 1;
const HEADER_BYTES: usize = 48;
const NO_PREVIOUS: u64 = u64::MAX;
/// How many entries are read at a time.
const READS_AT_ONCE: usize = 8;

/// One acknowledged write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalEntry {
    /// Its number; later writes have greater ones.
    pub number: u64,
    /// What was written, unchanged.
    pub payload: Bytes,
}

/// The log as it is found.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Acknowledged entries that are not in files, in order.
    pub(crate) entries: Vec<WalEntry>,
    /// A number greater than that of any object there.
    pub(crate) next: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    pub(crate) previous: Option<u64>,
    pub(crate) epoch: u64,
}

/// The bytes of an entry.
pub(crate) fn encode(header: Header, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEADER_BYTES + payload.len());
    bytes.put_slice(MAGIC);
    bytes.put_u16_le(FORMAT);
    bytes.put_u64_le(header.number);
    bytes.put_u64_le(header.previous.unwrap_or(NO_PREVIOUS));
    bytes.put_u64_le(header.epoch);
    bytes.put_u64_le(payload.len() as u64);
    let checksum = checksum(&bytes, payload);
    bytes.put_u64_le(checksum);
    bytes.put_slice(payload);
    bytes.freeze()
}

/// Why an entry is not whole.
enum Unusable {
    /// It ends before the length it announces.
    BrokenOff(Damage),
    /// Anything else.
    Error(Error),
}

fn decode(bytes: &Bytes, path: &str) -> Result<(Header, Bytes), Unusable> {
    let damaged = |source| Unusable::Error(Error::Damaged { path: path.to_owned(), source });
    let short = |expected: usize| {
        Unusable::BrokenOff(Damage::Length { expected: expected as u64, found: bytes.len() as u64 })
    };
    let kind = bytes.len().min(MAGIC.len());
    if bytes[..kind] != MAGIC[..kind] {
        return Err(damaged(Damage::Kind { kind: "write-ahead log entry" }));
    }
    let Some((header, payload)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(short(HEADER_BYTES));
    };
    let field = |index: usize| {
        let mut field = [0; 8];
        field.copy_from_slice(&header[8 * index..8 * (index + 1)]);
        u64::from_le_bytes(field)
    };
    let format = (field(0) >> 48) as u16;
    if format != FORMAT {
        let (found, known) = (format.into(), FORMAT.into());
        return Err(Unusable::Error(Error::NewerFormat { path: path.to_owned(), found, known }));
    }
    let length = field(4);
    if (payload.len() as u64) < length {
        return Err(short(HEADER_BYTES.saturating_add(length as usize)));
    }
    let computed = checksum(&header[..HEADER_BYTES - 8], payload);
    if computed != field(5) {
        let hex = |value: u64| format!("{value:016x}");
        return Err(damaged(Damage::Checksum { expected: hex(field(5)), found: hex(computed) }));
    }
    let previous = Some(field(2)).filter(|previous| *previous != NO_PREVIOUS);
    Ok((Header { number: field(1), previous, epoch: field(3) }, bytes.slice(HEADER_BYTES..)))
}

fn checksum(header: &[u8], payload: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.digest()
}

/// Reads what was acknowledged after `manifest`, which must be the newest one.
///
/// # Errors
/// [`Error::Damaged`] where an acknowledged entry is missing or not whole. Also where an entry
/// vanishes between listing and reading, which a reader sees when a writer cleans up meanwhile.
pub(crate) async fn read(location: &Location, manifest: &Manifest) -> Result<Log> {
    let listed = objects::list(location, paths::WAL_DIR).await?;
    let numbers: Vec<u64> = listed
        .iter()
        .filter_map(|(path, _)| match paths::parse(path) {
            Some(ObjectKind::Wal(number)) => Some(number),
            _ => None,
        })
        .collect();
    let next = numbers.last().map_or(0, |last| last + 1).max(manifest.fence.next).max(manifest.wal_flushed);
    let unflushed = numbers.into_iter().filter(|number| *number >= manifest.wal_flushed);
    let objects: BTreeMap<u64, Bytes> = stream::iter(unflushed)
        .map(|number| async move {
            let path = paths::wal(number);
            let missing = || Error::Damaged { path: path.clone(), source: Damage::Gap { number } };
            Ok::<_, Error>((number, objects::read(location, &path).await?.ok_or_else(missing)?))
        })
        .buffered(READS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(Log { entries: acknowledged(manifest, &objects)?, next })
}

/// The chain of acknowledged entries among all objects from `wal_flushed` on, in order.
fn acknowledged(manifest: &Manifest, objects: &BTreeMap<u64, Bytes>) -> Result<Vec<WalEntry>> {
    let mut chain = Vec::new();
    let Some((mut number, mut entry)) = last(manifest, objects)? else { return Ok(chain) };
    loop {
        let (header, payload) = entry;
        chain.push(WalEntry { number, payload });
        let Some(previous) = header.previous.filter(|previous| *previous >= manifest.wal_flushed) else {
            break;
        };
        let gap = || Error::Damaged { path: paths::wal(number), source: Damage::Gap { number: previous } };
        if previous >= number {
            return Err(gap());
        }
        entry = whole(previous, objects.get(&previous).ok_or_else(gap)?)?;
        number = previous;
    }
    chain.reverse();
    Ok(chain)
}

/// The last acknowledged entry, if any is not flushed.
fn last(manifest: &Manifest, objects: &BTreeMap<u64, Bytes>) -> Result<Option<(u64, (Header, Bytes))>> {
    let fence = &manifest.fence;
    for (&number, bytes) in objects.range(fence.next..).rev() {
        match decode(bytes, &paths::wal(number)) {
            Ok((header, _)) if header.epoch < fence.epoch => {}
            Ok(entry) => return check_number(number, entry).map(|entry| Some((number, entry))),
            Err(Unusable::BrokenOff(damage)) => {
                warn!(entry = number, damage = %damage, "dropped a write-ahead log entry that was not acknowledged");
            }
            Err(Unusable::Error(error)) => return Err(error),
        }
    }
    let Some(number) = fence.acknowledged.filter(|number| *number >= manifest.wal_flushed) else {
        return Ok(None);
    };
    let gap = || Error::Damaged { path: paths::wal(number), source: Damage::Gap { number } };
    Ok(Some((number, whole(number, objects.get(&number).ok_or_else(gap)?)?)))
}

fn whole(number: u64, bytes: &Bytes) -> Result<(Header, Bytes)> {
    let path = paths::wal(number);
    match decode(bytes, &path) {
        Ok(entry) => check_number(number, entry),
        Err(Unusable::BrokenOff(source)) => Err(Error::Damaged { path, source }),
        Err(Unusable::Error(error)) => Err(error),
    }
}

fn check_number(number: u64, entry: (Header, Bytes)) -> Result<(Header, Bytes)> {
    if entry.0.number == number {
        return Ok(entry);
    }
    Err(Error::Damaged { path: paths::wal(number), source: Damage::Number { found: entry.0.number } })
}

#[cfg(test)]
mod tests {
    use tallymark_event::{PropertyCatalog, Timestamp};

    use super::*;
    use crate::manifest::{DatasetSettings, FORMAT_VERSION, WalFence};

    fn manifest(wal_flushed: u64, fence: WalFence) -> Manifest {
        Manifest {
            format_version: FORMAT_VERSION,
            version: 1,
            created_at: Timestamp::default(),
            settings: DatasetSettings::default(),
            next_sequence: 0,
            wal_flushed,
            fence,
            catalog: PropertyCatalog::default(),
            erased_before: 0,
            files: Vec::new(),
            people: Vec::new(),
            attachments: BTreeMap::new(),
            definitions: BTreeMap::new(),
        }
    }

    /// Entries as (number, previous, epoch) → the numbers that count.
    fn check(manifest: &Manifest, entries: &[(u64, Option<u64>, u64)], expected: &[u64]) {
        let objects = entries
            .iter()
            .map(|&(number, previous, epoch)| (number, encode(Header { number, previous, epoch }, b"x")))
            .collect();
        let numbers: Vec<u64> =
            acknowledged(manifest, &objects).unwrap().into_iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, expected);
    }

    #[test]
    fn an_entry_comes_back_as_it_was_written() {
        let header = Header { number: 7, previous: Some(5), epoch: 3 };
        for payload in [&b""[..], b"{}\n{}\n"] {
            let bytes = encode(header, payload);
            let Ok((read, found)) = decode(&bytes, "w") else { panic!("not whole") };
            assert_eq!((read, found.as_ref()), (header, payload));
        }
    }

    #[test]
    fn entries_follow_their_chain() {
        let plain = manifest(0, WalFence::default());
        check(&plain, &[], &[]);
        check(&plain, &[(0, None, 0), (1, Some(0), 0), (2, Some(1), 0)], &[0, 1, 2]);
        // 1 failed; its writer went on.
        check(&plain, &[(0, None, 0), (1, Some(0), 0), (2, Some(0), 0)], &[0, 2]);
        check(&plain, &[(0, None, 0), (1, None, 0)], &[1]);
    }

    #[test]
    fn what_is_flushed_does_not_count() {
        check(
            &manifest(2, WalFence { next: 2, ..WalFence::default() }),
            &[(2, None, 0), (3, Some(2), 0)],
            &[2, 3],
        );
        check(&manifest(2, WalFence::default()), &[(2, Some(1), 0)], &[2]);
    }

    #[test]
    fn what_failed_before_a_commit_does_not_count() {
        let fence = WalFence { epoch: 0, acknowledged: Some(0), next: 2 };
        check(&manifest(0, fence), &[(0, None, 0), (1, Some(0), 0)], &[0]);
        check(&manifest(0, fence), &[(0, None, 0), (1, Some(0), 0), (2, Some(0), 0)], &[0, 2]);
    }

    #[test]
    fn what_a_deposed_writer_put_does_not_count() {
        let fence = WalFence { epoch: 5, acknowledged: Some(0), next: 1 };
        check(&manifest(0, fence), &[(0, None, 4), (1, Some(0), 4)], &[0]);
        check(&manifest(0, fence), &[(0, None, 4), (1, Some(0), 4), (2, Some(0), 5)], &[0, 2]);
        check(&manifest(0, fence), &[(0, None, 4), (1, Some(0), 5), (2, Some(0), 4)], &[0, 1]);
    }

    #[test]
    fn a_missing_entry_is_an_error() {
        let objects = BTreeMap::from([(2, encode(Header { number: 2, previous: Some(1), epoch: 0 }, b"x"))]);
        let error = acknowledged(&manifest(0, WalFence::default()), &objects).unwrap_err();
        assert!(matches!(error, Error::Damaged { source: Damage::Gap { number: 1 }, .. }), "{error:?}");
        let fence = WalFence { epoch: 0, acknowledged: Some(0), next: 1 };
        let error = acknowledged(&manifest(0, fence), &BTreeMap::new()).unwrap_err();
        assert!(matches!(error, Error::Damaged { source: Damage::Gap { number: 0 }, .. }), "{error:?}");
    }

    #[test]
    fn only_the_last_entry_may_break_off() {
        let first = encode(Header { number: 0, previous: None, epoch: 0 }, b"first");
        let second = encode(Header { number: 1, previous: Some(0), epoch: 0 }, b"second");
        let plain = manifest(0, WalFence::default());
        for length in 0..second.len() {
            let objects = BTreeMap::from([(0, first.clone()), (1, second.slice(..length))]);
            assert_eq!(acknowledged(&plain, &objects).unwrap().len(), 1, "{length}");
        }
        for length in 0..first.len() {
            let objects = BTreeMap::from([(0, first.slice(..length)), (1, second.clone())]);
            let error = acknowledged(&plain, &objects).unwrap_err();
            assert!(matches!(error, Error::Damaged { source: Damage::Length { .. }, .. }), "{error:?}");
        }
        // The manifest knows that it was acknowledged.
        let fence = WalFence { epoch: 0, acknowledged: Some(1), next: 2 };
        let objects = BTreeMap::from([(0, first), (1, second.slice(..50))]);
        acknowledged(&manifest(0, fence), &objects).unwrap_err();
    }

    #[test]
    fn any_other_damage_is_an_error() {
        let whole = encode(Header { number: 0, previous: None, epoch: 0 }, b"payload");
        for at in 0..whole.len() {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 0x01;
            let objects = BTreeMap::from([(0, Bytes::from(bytes))]);
            match acknowledged(&manifest(0, WalFence::default()), &objects) {
                Err(error) => assert!(error.to_string().contains("00000000000000000000.wal"), "{error}"),
                // A greater length looks like an entry that breaks off.
                Ok(entries) => assert!(entries.is_empty() && (32..40).contains(&at), "{at}"),
            }
        }
    }
}
