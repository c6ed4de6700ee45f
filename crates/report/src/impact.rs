//! How something new changes how often people do something.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attempt::no_first_time;
use crate::{DefinitionError, EventSelector, Result};

/// A report of how a launch changes how often people do something: those who took it up and those who did
/// not, before and after (M-80 … M-83).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Impact {
    /// What adopters did, for the first time ever in the range; non-adopters never did it (M-80).
    pub launch: EventSelector,
    /// What is counted of both, by user and day; lettered A, B, C … in order.
    pub metrics: Vec<ImpactMetric>,
    /// How many days before day 0 are looked at.
    #[serde(default = "fifteen")]
    pub days_before: u32,
    /// How many days after day 0 are looked at.
    #[serde(default = "fifteen")]
    pub days_after: u32,
    /// What takes the launch up in place of users: the values of this event property, such as `company_id`
    /// (U-30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_by: Option<String>,
    /// Who is included, of each metric (M-80).
    #[serde(default)]
    pub users_with: UsersWith,
    /// Instead of the numbers, the users behind one of them (M-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_of: Option<ImpactCell>,
}

/// One metric of an impact report: how often users do something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImpactMetric {
    /// What users do.
    pub event: EventSelector,
    /// What to call it in results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ImpactMetric {
    /// How it is called in results.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.event.label())
    }
}

/// Which event users have to have on one of the days that are looked at, to be included (M-80).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsersWith {
    /// One of the metric.
    #[default]
    MetricEvent,
    /// Any.
    AnyEvent,
}

/// A number of users of an impact report, told as the columns of its rows tell it:
/// `{"who": "adopters", "metric": "A", "of": "observed"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImpactCell {
    /// Which of the two groups.
    pub who: Adoption,
    /// The letter of the metric; may be left out if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Which of the numbers of users.
    #[serde(default)]
    pub of: ImpactPart,
}

/// Whether users took up what was launched (M-80).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adoption {
    /// They did.
    Adopters,
    /// They did not.
    NonAdopters,
}

impl Adoption {
    /// As results say it: `non_adopters`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adopters => "adopters",
            Self::NonAdopters => "non_adopters",
        }
    }
}

/// Which users of a group are meant (M-81).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImpactPart {
    /// All.
    #[default]
    Users,
    /// Those whose days are all over.
    Observed,
}

fn fifteen() -> u32 {
    15
}

impl Impact {
    /// Metrics that can be asked for.
    pub const METRICS_MAX: usize = 50;
    /// The most days before, and after.
    pub const DAYS_MAX: u32 = 366;

    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |path: &str, problem: String| Err(DefinitionError::new(path, problem));
        no_first_time(&self.launch)
            .map_err(|error| error.hint("adopters are those whose first time is in the range"))
            .and_then(|()| self.launch.check(false))
            .map_err(|error| error.within("launch"))?;
        if self.metrics.is_empty() || self.metrics.len() > Self::METRICS_MAX {
            return wrong("metrics", format!("1 to {} metrics", Self::METRICS_MAX));
        }
        for (at, metric) in self.metrics.iter().enumerate() {
            metric.event.check(false).map_err(|error| error.within(&format!("metrics[{at}].event")))?;
        }
        for (field, days) in [("days_before", self.days_before), ("days_after", self.days_after)] {
            if days == 0 || days > Self::DAYS_MAX {
                return wrong(field, format!("1 to {} days", Self::DAYS_MAX));
            }
        }
        if self.metrics.len() > 1 && self.users_of.as_ref().is_some_and(|cell| cell.metric.is_none()) {
            return wrong("users_of.metric", "is missing: which of the metrics?".to_owned());
        }
        Ok(())
    }
}
