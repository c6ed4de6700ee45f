//! The people log: identity operations and profile updates in order of ingestion (U-11, U-20, I-9).
//!
//! Each commit that has any writes one Parquet file of them. Replaying all files in the manifest's
//! order gives the state of identity and profiles. A file has these columns:
//!
//! | column | type | |
//! |---|---|---|
//! | `sequence` | int64 | place in the order of ingestion, shared with events |
//! | `received_at` | timestamp ms UTC | when it reached us |
//! | `kind` | string | `link`, `identify`, `alias`, `merge`, `erased`, `user` or `group` |
//! | `id` | string | the user or group it is about, empty where it was erased |
//! | `change` | string | all of it, as JSON |

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampMillisecondType};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use tallymark_event::Timestamp;
use tallymark_event::columns::timestamp_type;
use tallymark_users::{Identities, IdentityOp, IdentityOutcome, ProfileKey, ProfileUpdate, Profiles};

use crate::error::{Damage, Error, Result};
use crate::manifest::LogFile;
use crate::{Location, objects};

const SEQUENCE: &str = "sequence";
const RECEIVED_AT: &str = "received_at";
const CHANGE: &str = "change";

/// One accepted change of who is who, or of a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct PeopleEntry {
    /// Its place in the order of ingestion.
    pub sequence: i64,
    /// When it reached us.
    pub received_at: Timestamp,
    /// What changes.
    pub change: PeopleChange,
}

/// What a [`PeopleEntry`] changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeopleChange {
    /// Which ids are one user.
    Identity(IdentityOp),
    /// A profile's properties.
    Profile(ProfileUpdate),
}

impl PeopleEntry {
    /// Applies it to the state that all entries before it have made. The outcome is that of an
    /// identity operation; profile updates have none.
    pub fn apply(&self, identities: &mut Identities, profiles: &mut Profiles) -> Option<IdentityOutcome> {
        match &self.change {
            PeopleChange::Identity(op) => {
                let outcome = identities.apply(op);
                if outcome == IdentityOutcome::Joined {
                    profiles.merge(identities);
                }
                Some(outcome)
            }
            PeopleChange::Profile(update) => {
                profiles.apply(update, self.received_at, identities);
                None
            }
        }
    }
}

impl PeopleChange {
    fn kind(&self) -> &'static str {
        match self {
            Self::Identity(IdentityOp::Link { .. }) => "link",
            Self::Identity(IdentityOp::Identify { .. }) => "identify",
            Self::Identity(IdentityOp::Alias { .. }) => "alias",
            Self::Identity(IdentityOp::Merge { .. }) => "merge",
            Self::Identity(IdentityOp::Erased) => "erased",
            Self::Profile(ProfileUpdate { key: ProfileKey::User(_), .. }) => "user",
            Self::Profile(ProfileUpdate { key: ProfileKey::Group { .. }, .. }) => "group",
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Identity(IdentityOp::Link { user_id, .. }) => user_id,
            Self::Identity(IdentityOp::Identify { identified_id, .. }) => identified_id,
            Self::Identity(IdentityOp::Alias { distinct_id, .. }) => distinct_id,
            Self::Identity(IdentityOp::Merge { first, .. }) => first,
            Self::Identity(IdentityOp::Erased) => "",
            Self::Profile(ProfileUpdate {
                key: ProfileKey::User(id) | ProfileKey::Group { id, .. }, ..
            }) => id,
        }
    }
}

/// Encodes entries, at least one, as one file.
pub(crate) fn encode(entries: &[PeopleEntry], path: String) -> Result<(Bytes, LogFile)> {
    let mut changes = Vec::with_capacity(entries.len());
    for entry in entries {
        let json = serde_json::to_string(&entry.change)
            .map_err(|source| Error::Serialise { path: path.clone(), source })?;
        changes.push(json);
    }
    let text = |values: Vec<&str>| Arc::new(StringArray::from(values)) as ArrayRef;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(entries.iter().map(|entry| entry.sequence).collect::<Int64Array>()),
        Arc::new(
            TimestampMillisecondArray::from_iter_values(
                entries.iter().map(|entry| entry.received_at.millis()),
            )
            .with_timezone("UTC"),
        ),
        text(entries.iter().map(|entry| entry.change.kind()).collect()),
        text(entries.iter().map(|entry| entry.change.id()).collect()),
        text(changes.iter().map(String::as_str).collect()),
    ];
    let write = || -> Result<Vec<u8>, ParquetError> {
        let batch = RecordBatch::try_new(schema(), columns)?;
        let properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema(), options)?;
        writer.write(&batch)?;
        writer.into_inner()
    };
    let bytes = write().map_err(|source| Error::Encode { path: path.clone(), source })?;
    let file = LogFile {
        path,
        rows: entries.len() as u64,
        bytes: bytes.len() as u64,
        min_sequence: entries.first().map_or(0, |entry| entry.sequence),
        max_sequence: entries.last().map_or(0, |entry| entry.sequence),
    };
    Ok((Bytes::from(bytes), file))
}

fn schema() -> SchemaRef {
    let field = |name, data_type| Field::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        field(SEQUENCE, DataType::Int64),
        field(RECEIVED_AT, timestamp_type()),
        field("kind", DataType::Utf8),
        field("id", DataType::Utf8),
        field(CHANGE, DataType::Utf8),
    ]))
}

/// Reads one file back.
pub(crate) async fn read(location: &Location, file: &LogFile) -> Result<Vec<PeopleEntry>> {
    let bytes = objects::read(location, &file.path).await?.ok_or_else(|| Error::Damaged {
        path: file.path.clone(),
        source: Damage::Length { expected: file.bytes, found: 0 },
    })?;
    let entries = decode(bytes, &file.path)?;
    if entries.len() as u64 != file.rows {
        let source = Damage::Rows { expected: file.rows, found: entries.len() as u64 };
        return Err(Error::Damaged { path: file.path.clone(), source });
    }
    Ok(entries)
}

fn decode(bytes: Bytes, path: &str) -> Result<Vec<PeopleEntry>> {
    let failed = |source| Error::Decode { path: path.to_owned(), source };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(failed)?;
    let mut entries = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| failed(ParquetError::from(error)))?;
        read_batch(&batch, path, &mut entries)?;
    }
    Ok(entries)
}

fn read_batch(batch: &RecordBatch, path: &str, entries: &mut Vec<PeopleEntry>) -> Result<()> {
    let damaged = |source| Error::Damaged { path: path.to_owned(), source };
    let column = |name: &'static str| {
        batch.column_by_name(name).ok_or_else(|| damaged(Damage::Column { column: name }))
    };
    let wrong = |column| move || Error::Damaged { path: path.to_owned(), source: Damage::Column { column } };
    let sequences = column(SEQUENCE)?.as_primitive_opt::<Int64Type>().ok_or_else(wrong(SEQUENCE))?;
    let received =
        column(RECEIVED_AT)?.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(wrong(RECEIVED_AT))?;
    let changes = column(CHANGE)?.as_string_opt::<i32>().ok_or_else(wrong(CHANGE))?;
    for row in 0..batch.num_rows() {
        let change =
            serde_json::from_str(changes.value(row)).map_err(|error| damaged(Damage::Json(error)))?;
        entries.push(PeopleEntry {
            sequence: sequences.value(row),
            received_at: Timestamp::from_millis(received.value(row)),
            change,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tallymark_event::Properties;
    use tallymark_users::ProfileOp;

    use super::*;

    #[test]
    fn u11_entries_come_back_in_order_and_whole() {
        let identity = [
            IdentityOp::Link { device_id: "d".to_owned(), user_id: "u".to_owned() },
            IdentityOp::Identify { identified_id: "u".to_owned(), anon_id: "a".to_owned() },
            IdentityOp::Alias { distinct_id: "u".to_owned(), alias: "b".to_owned() },
            IdentityOp::Merge { first: "u".to_owned(), second: "v".to_owned() },
            IdentityOp::Erased,
        ];
        let keys = [
            ProfileKey::User("u".to_owned()),
            ProfileKey::Group { key: "company".to_owned(), id: "ä \u{0}\"".to_owned() },
        ];
        let set = Properties(vec![("plan".to_owned(), "pro".into()), ("seats".to_owned(), 5.into())]);
        let profiles = keys.map(|key| ProfileUpdate {
            key,
            time: Some(Timestamp::from_millis(-1)),
            ignore_time: true,
            ignore_alias: false,
            ops: vec![ProfileOp::Set(set.clone()), ProfileOp::Unset(vec!["x".to_owned()]), ProfileOp::Delete],
        });
        let changes =
            identity.into_iter().map(PeopleChange::Identity).chain(profiles.map(PeopleChange::Profile));
        let entries: Vec<PeopleEntry> = (5..)
            .zip(changes)
            .map(|(sequence, change)| PeopleEntry {
                sequence,
                received_at: Timestamp::from_millis(9),
                change,
            })
            .collect();
        let (bytes, file) = encode(&entries, "people/x.parquet".to_owned()).unwrap();
        assert_eq!((file.rows, file.min_sequence, file.max_sequence), (7, 5, 11));
        assert_eq!(file.bytes, bytes.len() as u64);
        assert_eq!(decode(bytes, "people/x.parquet").unwrap(), entries);
    }
}
