//! The table `definitions`: cohorts, reports and whatever else was saved by name.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringViewBuilder, TimestampMillisecondBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use tallymark_event::columns::timestamp_type;
use tallymark_storage::Snapshot;

/// `kind`, `name`, `definition` (JSON), `saved_at`: one row per saved definition; sorted by kind,
/// then name.
pub(super) fn table(snapshot: &Snapshot) -> Result<Arc<dyn TableProvider>> {
    let (mut kinds, mut names) = (StringViewBuilder::new(), StringViewBuilder::new());
    let mut definitions = StringViewBuilder::new();
    let mut times = TimestampMillisecondBuilder::new().with_data_type(timestamp_type());
    for (kind, saved) in &snapshot.manifest.definitions {
        for (name, definition) in saved {
            kinds.append_value(kind);
            names.append_value(name);
            definitions.append_value(definition.json.to_string());
            times.append_value(definition.saved_at.millis());
        }
    }
    let schema = Arc::new(Schema::new(vec![
        Field::new("kind", DataType::Utf8View, false),
        Field::new("name", DataType::Utf8View, false),
        Field::new("definition", DataType::Utf8View, false),
        Field::new("saved_at", timestamp_type(), false),
    ]));
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(kinds.finish()),
            Arc::new(names.finish()),
            Arc::new(definitions.finish()),
            Arc::new(times.finish()),
        ],
    )?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}
