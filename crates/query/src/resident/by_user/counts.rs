//! How many events of each user meet a condition: what needs no order of them.

use std::ops::Range;
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::logical_expr::Expr;
use futures::{StreamExt as _, stream};
use tallymark_memory::Layout;

use super::super::filter::{BoundFilter, RowFilter};
use super::super::inputs::{BoundSegment, Inputs, NOBODY};
use super::{bound_segments, ranges, tell};
use crate::events_table::EventsTable;
use crate::steps::Step;

/// Rows of the users of a range, roughly.
const RANGE_ROWS: usize = 256 << 10;

/// Which events are counted.
#[derive(Debug)]
pub(crate) struct UserCounts {
    inputs: Arc<Inputs>,
    condition: RowFilter,
    threads: usize,
    step: Option<Step>,
}

impl UserCounts {
    /// Of the events that meet a condition.
    pub(crate) fn try_new(state: &SessionState, table: &EventsTable, condition: Expr) -> Result<Self> {
        let user = Expr::Column(datafusion::common::Column::from_name(tallymark_event::columns::USER_ID));
        let inputs = Inputs::of_exprs(table, [&condition, &user]);
        let schema = inputs.df_schema()?;
        let step = Step::of(state, "UserCounts", || format!("condition={condition}"));
        let condition = RowFilter::try_new(state, [condition], &inputs, &schema)?;
        let threads = state.config().target_partitions().max(1);
        Ok(Self { inputs: Arc::new(inputs), condition, threads, step })
    }

    pub(crate) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// The numbers of the users with so many such events as pass a test, ascending. It is not asked of
    /// those who have none.
    pub(crate) async fn users_where(
        mut self,
        layout: Arc<Layout>,
        test: impl Fn(u32) -> bool + Send + Sync + 'static,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<Vec<u32>> {
        let step = self.step.take().map(Step::start);
        let (bound, _held) = bound_segments(&self.inputs, &layout, pool).await?;
        if let Some(step) = &step {
            tell(step, &layout, &bound);
        }
        let segments: Vec<(BoundSegment, BoundFilter)> = bound
            .into_iter()
            .map(|segment| {
                let filter = self.condition.bind(&segment)?;
                Ok((segment, filter))
            })
            .collect::<Result<_>>()?;
        let work = Arc::new((segments, test));
        let mut found = stream::iter(ranges(&layout, RANGE_ROWS, RANGE_ROWS / 32))
            .map(|users| {
                let work = Arc::clone(&work);
                SpawnedTask::spawn(async move {
                    let (segments, test) = &*work;
                    passing(segments, users, test).await
                })
            })
            .buffered(self.threads);
        let reservation = MemoryConsumer::new("UserCounts").register(pool);
        let mut all = Vec::new();
        while let Some(users) = found.next().await {
            let users = users.map_err(|stopped| DataFusionError::ExecutionJoin(Box::new(stopped)))??;
            all.extend(users);
            reservation.try_resize(all.capacity() * size_of::<u32>())?;
        }
        Ok(all)
    }
}

/// The users of a range that pass.
async fn passing(
    segments: &[(BoundSegment, BoundFilter)],
    users: Range<u32>,
    test: impl Fn(u32) -> bool,
) -> Result<Vec<u32>> {
    let mut counts = vec![0u32; users.len()];
    let mut bits = Vec::new();
    for (segment, condition) in segments {
        condition.count_by_user(segment, users.clone(), &mut bits, |user, count| {
            if user != NOBODY {
                counts[(user - users.start) as usize] += count;
            }
        })?;
        tokio::task::yield_now().await;
    }
    let passes = |(_, count): &(u32, u32)| *count > 0 && test(*count);
    Ok(users.zip(counts).filter(passes).map(|(user, _)| user).collect())
}
