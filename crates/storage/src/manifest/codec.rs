//! Manifest ↔ bytes.
//!
//! Zstandard over two lines of JSON: a header that says what follows, and the manifest.
//!
//! ```text
//! {"kind":"tallymark-manifest","format_version":1,"xxh3":"…of the second line…","writer":"<uuid>"}
//! {"format_version":1,"version":7,…}
//! ```

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::{FORMAT_VERSION, Manifest};
use crate::error::{Damage, Error, Result};

const KIND: &str = "tallymark-manifest";
const ZSTD_LEVEL: i32 = 3;

#[derive(Serialize, Deserialize)]
struct Header {
    kind: String,
    format_version: u32,
    /// Of the bytes after the header's newline, in hexadecimal.
    xxh3: String,
    /// Unique to one opening for writing, so that a writer recognises its own.
    writer: Uuid,
}

/// The bytes of a manifest put by `writer`.
pub(crate) fn encode(manifest: &Manifest, writer: Uuid, path: &str) -> Result<Bytes> {
    let serialise = |source| Error::Serialise { path: path.to_owned(), source };
    let body = serde_json::to_vec(manifest).map_err(serialise)?;
    let header = Header {
        kind: KIND.to_owned(),
        format_version: manifest.format_version,
        xxh3: checksum(&body),
        writer,
    };
    let mut text = serde_json::to_vec(&header).map_err(serialise)?;
    text.push(b'\n');
    text.extend_from_slice(&body);
    zstd::encode_all(text.as_slice(), ZSTD_LEVEL).map(Bytes::from).map_err(|source| Error::LocalFile {
        action: "compress",
        path: path.to_owned(),
        source,
    })
}

/// Reads the manifest of `version` back.
///
/// # Errors
/// [`Error::NewerFormat`], or [`Error::Damaged`] for anything that is not what was written.
pub(crate) fn decode(bytes: &[u8], version: u64, path: &str) -> Result<Manifest> {
    let damaged = |source| Error::Damaged { path: path.to_owned(), source };
    let text = match zstd::decode_all(bytes) {
        Ok(text) if !text.is_empty() => text,
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            return Err(damaged(Damage::Compression(error)));
        }
        _ => return Err(damaged(Damage::BrokenOff)),
    };
    let not_ours = || damaged(Damage::Kind { kind: KIND });
    let end = text.iter().position(|byte| *byte == b'\n').ok_or_else(not_ours)?;
    let (header, body) = (&text[..end], &text[end + 1..]);
    let header: Header = serde_json::from_slice(header).map_err(|_| not_ours())?;
    if header.kind != KIND {
        return Err(not_ours());
    }
    if header.format_version > FORMAT_VERSION {
        return Err(Error::NewerFormat {
            path: path.to_owned(),
            found: header.format_version,
            known: FORMAT_VERSION,
        });
    }
    let found = checksum(body);
    if found != header.xxh3 {
        return Err(damaged(Damage::Checksum { expected: header.xxh3, found }));
    }
    let manifest: Manifest = serde_json::from_slice(body).map_err(|error| damaged(Damage::Json(error)))?;
    if manifest.version != version {
        return Err(damaged(Damage::Number { found: manifest.version }));
    }
    Ok(manifest)
}

/// Who put a manifest; `None` if it cannot be read.
pub(crate) fn writer_of(bytes: &[u8]) -> Option<Uuid> {
    let text = zstd::decode_all(bytes).ok()?;
    let end = text.iter().position(|byte| *byte == b'\n')?;
    Some(serde_json::from_slice::<Header>(&text[..end]).ok()?.writer)
}

fn checksum(bytes: &[u8]) -> String {
    format!("{:016x}", xxh3_64(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tallymark_event::{LaneId, PropertyCatalog, PropertyValue, Timestamp, ValueKinds};
    use tallymark_users::IdentitySystem;

    use super::*;
    use crate::manifest::{
        Attachment, DataFile, DatasetSettings, Definition, Definitions, EventCount, LaneCount, LogFile,
        WalFence,
    };

    fn saved(name: &str, json: serde_json::Value) -> Definitions {
        let saved_at = Timestamp::from_millis(1_700_000_000_000);
        let definition = Definition { saved_at, json, file: None };
        BTreeMap::from([("cohort".to_owned(), BTreeMap::from([(name.to_owned(), definition)]))])
    }

    fn example() -> Manifest {
        let mut catalog = PropertyCatalog::default();
        for value in [PropertyValue::from(5), "x".into()] {
            let mut kinds = ValueKinds::default();
            kinds.observe(&value);
            catalog.open_lanes("price", &kinds);
        }
        Manifest {
            format_version: FORMAT_VERSION,
            version: 7,
            created_at: Timestamp::from_millis(1_700_000_000_000),
            settings: DatasetSettings { identity: IdentitySystem::Simplified },
            next_sequence: 12,
            wal_flushed: 3,
            fence: WalFence { epoch: 2, acknowledged: Some(4), next: 6 },
            catalog,
            erased_before: 0,
            files: vec![DataFile {
                path: "events/day=2023-11-14/018bcfe5-6800-7000-8000-000000000000.parquet".to_owned(),
                day: "2023-11-14".parse().unwrap(),
                rows: 3,
                bytes: 2048,
                min_time: Timestamp::from_millis(1_699_999_000_000),
                max_time: Timestamp::from_millis(1_699_999_000_001),
                min_user: Some("u1".to_owned()),
                max_user: Some("u2".to_owned()),
                nobody_rows: 1,
                distinct_users: 2,
                keyed_rows: 2,
                events: vec![EventCount { name: "Sign up".to_owned(), rows: 3 }],
                lanes: vec![LaneCount { lane: LaneId(0), rows: 2 }],
                min_sequence: 0,
                max_sequence: 9,
                identity_version: 1,
            }],
            people: vec![LogFile {
                path: "people/018bcfe5-6800-7000-8000-000000000001.parquet".to_owned(),
                rows: 2,
                bytes: 512,
                min_sequence: 10,
                max_sequence: 11,
            }],
            attachments: BTreeMap::from([(
                "clicks".to_owned(),
                Attachment {
                    url: "s3://bucket/clicks/".to_owned(),
                    event_column: None,
                    time_column: "ts".to_owned(),
                    user_column: Some("uid".to_owned()),
                    time_unit: Some("s".to_owned()),
                },
            )]),
            definitions: saved("active", serde_json::json!({"a": 1})),
        }
    }

    /// The stored form is a contract: older datasets hold exactly this.
    const STORED: &str = concat!(
        r#"{"kind":"tallymark-manifest","format_version":1,"xxh3":"CHECKSUM","writer":"00000000-0000-0000-0000-000000000000"}"#,
        "\n",
        r#"{"format_version":1,"version":7,"created_at":1700000000000,"settings":{"identity":"simplified"},"#,
        r#""next_sequence":12,"wal_flushed":3,"fence":{"epoch":2,"acknowledged":4,"next":6},"#,
        r#""catalog":{"properties":[{"name":"price","lanes":[0,1]}],"#,
        r#""lanes":[{"property":0,"column":"price","kind":"int64"},{"property":0,"column":"price@string","kind":"string"}]},"#,
        r#""files":[{"path":"events/day=2023-11-14/018bcfe5-6800-7000-8000-000000000000.parquet","day":"2023-11-14","#,
        r#""rows":3,"bytes":2048,"min_time":1699999000000,"max_time":1699999000001,"min_user":"u1","max_user":"u2","#,
        r#""nobody_rows":1,"distinct_users":2,"keyed_rows":2,"events":[{"name":"Sign up","rows":3}],"#,
        r#""lanes":[{"lane":0,"rows":2}],"min_sequence":0,"max_sequence":9,"identity_version":1}],"#,
        r#""people":[{"path":"people/018bcfe5-6800-7000-8000-000000000001.parquet","rows":2,"bytes":512,"min_sequence":10,"max_sequence":11}],"#,
        r#""attachments":{"clicks":{"url":"s3://bucket/clicks/","time_column":"ts","user_column":"uid","time_unit":"s"}},"#,
        r#""definitions":{"cohort":{"active":{"saved_at":1700000000000,"json":{"a":1}}}}}"#,
    );

    #[test]
    fn the_stored_form_stays_as_it_is() {
        let bytes = encode(&example(), Uuid::nil(), "m").unwrap();
        let text = String::from_utf8(zstd::decode_all(bytes.as_ref()).unwrap()).unwrap();
        let body = STORED.split_once('\n').unwrap().1;
        assert_eq!(text, STORED.replace("CHECKSUM", &checksum(body.as_bytes())));
        assert_eq!(decode(&bytes, 7, "m").unwrap(), example());
    }

    #[test]
    fn numbers_in_definitions_come_back_bit_for_bit() {
        let mut bits = 1u64;
        let floats = std::iter::repeat_with(|| {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from_bits(bits)
        });
        let floats: Vec<f64> = floats.filter(|float| float.is_finite()).take(2000).collect();
        let manifest = Manifest { definitions: saved("floats", serde_json::json!(floats)), ..example() };
        let bytes = encode(&manifest, Uuid::nil(), "m").unwrap();
        assert_eq!(decode(&bytes, 7, "m").unwrap(), manifest);
    }

    fn packed(header: &str, body: &str) -> Vec<u8> {
        zstd::encode_all(format!("{header}\n{body}").as_bytes(), 1).unwrap()
    }

    #[test]
    fn any_damage_is_an_error_that_names_the_object() {
        let bytes = encode(&example(), Uuid::nil(), "m").unwrap();
        for at in 0..bytes.len() {
            for damaged in [bytes[..at].to_vec(), {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 0x10;
                flipped
            }] {
                match decode(&damaged, 7, "m/7") {
                    Err(error) => assert!(error.to_string().starts_with("m/7"), "{error}"),
                    // Zstandard has a few bits without meaning.
                    Ok(manifest) => assert_eq!(manifest, example()),
                }
            }
        }
        assert!(matches!(
            decode(&bytes, 8, "m"),
            Err(Error::Damaged { source: Damage::Number { found: 7 }, .. })
        ));
    }

    #[test]
    fn one_that_breaks_off_is_told_from_other_damage() {
        let bytes = encode(&example(), Uuid::nil(), "m").unwrap();
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length], 7, "m").unwrap_err().is_broken_off(), "{length}");
        }
        let mut flipped = bytes.to_vec();
        flipped[bytes.len() / 2] ^= 0xff;
        assert!(!decode(&flipped, 7, "m").unwrap_err().is_broken_off());
    }

    #[test]
    fn a_newer_format_is_said_to_be_one() {
        let header = r#"{"kind":"tallymark-manifest","format_version":2,"xxh3":"?","writer":"00000000-0000-0000-0000-000000000000"}"#;
        let error = decode(&packed(header, "whatever"), 7, "m").unwrap_err();
        assert_eq!(
            error.to_string(),
            "m was written by a newer version (format 2, this version reads up to 1)"
        );
    }
}
