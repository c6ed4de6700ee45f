//! What a report asks: definitions as people write them, checked, with a JSON Schema.
//!
//! In comes JSON; out goes a [`Report`]: the part all reports share ([`Scope`]) and the question.
//! Nothing here runs anything: the same definition goes to the library, the command line, SQL and
//! whatever else asks.
//!
//! 1. [`Report::parse`] reads JSON and says where something is wrong and what would be right.
//! 2. [`DefinitionKind`] says what can be saved under a name, and what that needs to be there.
//! 3. [`Lexicon`] says what events and properties mean.
//! 4. [`TrackingPlan`] says what events should look like.
//! 5. [`Calendar`] says which instants a range of dates means, and cuts it into buckets.
//!
//! ```
//! use tallymark_report::{Measure, Question, Report};
//!
//! let report = Report::parse(
//!     r#"{
//!         "report": "insights",
//!         "range": "last 30 days",
//!         "interval": "day",
//!         "metrics": [{"event": "Play", "measure": "unique_users"}],
//!         "breakdowns": ["genre"]
//!     }"#,
//! )?;
//! let Question::Insights(insights) = report.question else { unreachable!() };
//! assert_eq!(insights.metrics[0].measure, Measure::UniqueUsers);
//! # Ok::<(), tallymark_report::DefinitionError>(())
//! ```
//!
//! Rule ids such as G-8 refer to `crates/query/SEMANTICS.md`.

mod attempt;
mod calendar;
mod cohort;
mod computed;
mod correlation;
mod date_unit;
mod error;
mod event;
mod experiment;
mod filter;
mod flows;
mod funnel;
mod impact;
mod insights;
mod lexicon;
mod lookup;
mod measure;
mod parts;
mod plan;
mod property;
mod range;
mod report;
mod retention;
mod saved;
mod sessions;
#[cfg(test)]
mod tests;
mod text;

pub use attempt::{CountOf, Exclusion, Window, WindowUnit};
pub use calendar::{Calendar, Instants, Unit, WeekStart};
pub use cohort::{Cohort, CohortCondition, Did, Times};
pub use computed::{AttributionModel, window_ms};
pub use correlation::{Candidate, Correlation, CorrelationCell, CorrelationPart, GoalPeriod};
pub use date_unit::{DateUnit, Recurring};
pub use error::{DefinitionError, Result, closest};
pub use event::{
    ALL_EVENTS, EventChoice, EventSelector, FirstTime, SESSION_END, SESSION_START, is_of_sessions,
};
pub use experiment::{
    Correction, Experiment, ExperimentMeasure, ExperimentMetric, ExperimentTest, VariantOf,
};
pub use filter::{
    CastType, CohortName, Condition, Filter, Include, Items, ListContains, Operator, Period, Scalar,
};
pub use flows::{Anchor, DROPPED_OFF, Expansion, FlowEnd, FlowForm, FlowNode, Flows};
pub use funnel::{
    Attribution, ClickhouseMode, Funnel, FunnelStep, IntervalAttempts, Reentry, Significance, StepComparison,
    StepMeasure, StepOf, StepOrder, TimeBuckets, TimeMeasure,
};
pub use impact::{Adoption, Impact, ImpactCell, ImpactMetric, ImpactPart, UsersWith};
pub use insights::{
    Breakdown, Buckets, CellOf, Comparison, CountOnce, EvenBuckets, Formula, Insights, Metric, ValueGroup,
};
pub use lexicon::{Lexicon, LexiconEntry, LexiconKind, PropertyType};
pub use lookup::Lookup;
pub use measure::{Aggregate, Measure, PerUser};
pub use parts::Part;
pub use plan::{
    EventSchema, ObjectType, PropertySchema, SchemaFormat, SchemaType, SchemaTypes, TrackingPlan,
};
pub use property::Property;
pub use range::{DateRange, Instant};
pub use report::{Question, REPORT_KINDS, Report, Scope};
pub use retention::{
    Alignment, Criterion, Frequency, FrequencyCell, Lifecycle, LifecycleCell, LifecycleStatus, Retention,
    RetentionCell, RetentionMeasure, Stickiness, StickinessCell, StickinessPeriod, StickinessUsers,
};
pub use saved::{CohortNeeds, DefinitionKind, check_acyclic, check_saved};
pub use sessions::{SessionList, SessionRule};
