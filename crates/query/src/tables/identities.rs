//! The table `identities`: the mapping of ids to users, for everyone to see (I-30).

use std::sync::Arc;

use arrow::array::{RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use tallymark_event::columns::USER_ID;
use tallymark_storage::Snapshot;

/// `id`, `user_id`: one row per id that was ever joined with another, canonical ids included;
/// sorted by `id`. An id that is not here is its own user.
pub(super) fn table(snapshot: &Snapshot) -> Result<Arc<dyn TableProvider>> {
    let mappings = snapshot.identities.mappings();
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8View, false),
        Field::new(USER_ID, DataType::Utf8View, false),
    ]));
    let ids: StringViewArray = mappings.iter().map(|mapping| Some(mapping.id.as_str())).collect();
    let users: StringViewArray = mappings.iter().map(|mapping| Some(mapping.user_id.as_str())).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(ids), Arc::new(users)])?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}
