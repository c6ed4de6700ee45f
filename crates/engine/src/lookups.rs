//! Lookup tables: what is known of the values of a property, from a file.

use tallymark_ingest::{Input, LookupTable, expand};
use tallymark_report::{DefinitionError, DefinitionKind, Lookup, Property};
use tallymark_storage::{Definition, DefinitionFile, Definitions, paths};

use crate::definitions::{insert, read};
use crate::{Engine, Error, Result};

const KIND: DefinitionKind = DefinitionKind::Lookup;

/// A lookup table that was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedLookup {
    /// What is said of it.
    pub lookup: Lookup,
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes it takes.
    pub bytes: u64,
}

impl Engine {
    /// Saves a CSV or Parquet file as a lookup table under a name, in place of the one there was. Its
    /// first column is the key, different in each row; `properties` are those whose values are keys, such
    /// as `song_id` or `user.company`. Durable and visible to queries when this returns.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use tallymark::{Engine, EngineConfig, Input};
    ///
    /// let engine = Engine::open("memory:///lookups", EngineConfig::default()).await?;
    /// let songs = Input::from_reader("songs.csv", "song_id,artist\n1,Ella\n2,Nina\n".as_bytes());
    /// let saved = engine.save_lookup("songs", songs, &["song_id"]).await?;
    /// assert_eq!(saved.rows, 2);
    /// let answer = engine.sql("SELECT artist FROM lookup.songs WHERE song_id = '2'").await?;
    /// assert_eq!(answer.collect().await?[0].num_rows(), 1);
    /// # Ok::<(), tallymark::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::Ingest`] for a file that cannot be used; [`Error::Definition`] for a property that cannot
    /// be looked up, or that has another table already (U-42).
    pub async fn save_lookup(&self, name: &str, input: Input, properties: &[&str]) -> Result<SavedLookup> {
        let wrong = |source| Error::Definition { kind: KIND, name: name.to_owned(), source };
        let properties = properties.iter().map(|property| parsed(property)).collect::<Result<_, _>>();
        let properties: Vec<Property> = properties.map_err(wrong)?;
        let (table, bytes) = tallymark_ingest::outcome(
            tokio::task::spawn_blocking(move || -> tallymark_ingest::Result<_> {
                let found = expand([input])?;
                let [file] = &found.files[..] else {
                    let name = "the directory".to_owned();
                    let message = "one file is needed".to_owned();
                    return Err(tallymark_ingest::Error::Lookup { name, message });
                };
                let table = LookupTable::read(file)?;
                let bytes = table.encode()?;
                Ok((table, bytes))
            })
            .await,
        )??;
        let file = DefinitionFile {
            path: paths::new_definition_file(),
            rows: table.rows() as u64,
            bytes: bytes.len() as u64,
        };
        let saved = SavedLookup {
            lookup: Lookup { properties, key: table.key, columns: table.columns },
            rows: file.rows,
            bytes: file.bytes,
        };
        let json = serde_json::to_string(&saved.lookup)
            .map_err(|error| wrong(DefinitionError::new("", error.to_string())))?;
        let json = read(KIND, name, &json).map_err(wrong)?;
        let put = self.inner.store.uncommitted();
        put.put_definition_file(&file, bytes).await?;
        let saved_at = self.now();
        let changed = self
            .change_definitions(|_, definitions| {
                check_free(name, &saved.lookup, definitions).map_err(wrong)?;
                insert(definitions, KIND, name, Definition { saved_at, json, file: Some(file) });
                Ok(())
            })
            .await;
        // What a commit named stays.
        put.discard().await;
        changed.map(|()| saved)
    }
}

/// A property as it is written in reports.
fn parsed(text: &str) -> Result<Property, DefinitionError> {
    serde_json::from_value(text.into())
        .map_err(|error| DefinitionError::new("", format!("property {text:?}: {error}")))
}

/// U-42: a property has one table.
fn check_free(name: &str, lookup: &Lookup, definitions: &Definitions) -> Result<(), DefinitionError> {
    for (other, definition) in definitions.get(KIND.name()).into_iter().flatten() {
        if other == name {
            continue;
        }
        let taken = Lookup::from_value(definition.json.clone())?.properties;
        if let Some(property) = lookup.properties.iter().find(|property| taken.contains(property)) {
            let problem = format!("the table for {:?} is {other:?}", property.label());
            let error = DefinitionError::new("", problem);
            return Err(error.hint("delete that one first, or name tables in reports by lookup"));
        }
    }
    Ok(())
}
