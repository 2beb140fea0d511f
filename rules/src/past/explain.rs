//! Why a rule did or did not fire at an instant: the engine is led up to it and asked.

use model::{FunctionId, Glob, Labels, Mode, Timestamp};
use serde::Serialize;

use super::replay::Replay;
use super::{Past, PastError, left_out, warm_up_of};
use crate::condition::{Condition, Sides};
use crate::engine::RuleView;
use crate::rule::{Rule, Settings};
use crate::set::RuleSet;
use crate::windows::By;

/// Label sets shown.
pub(crate) const LABEL_SETS_SHOWN_MAX: usize = 1_000;

/// Where a rule stood at an instant.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ExplainedRule)]
pub struct Explained {
    /// The instant, in whole seconds.
    pub at: Timestamp,
    /// The mode then.
    pub mode: Mode,
    /// From when on stored calls were lived through again to tell where it stood.
    pub replayed_from: Timestamp,
    /// Where it stood by that.
    pub rule: RuleView,
    /// Alerts of this rule and function that really fired at the instant, as they were told. They
    /// are kept for a week.
    pub told: Vec<Told>,
    /// What cannot be known any more.
    pub unknowable: Vec<String>,
}

/// An alert as it was told.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ToldAlert)]
pub struct Told {
    /// All its labels.
    pub labels: Labels,
    /// Since when it fired.
    pub since: Timestamp,
    /// When it resolved, if it has by now.
    pub until: Option<Timestamp>,
    /// What it said.
    pub summary: String,
}

/// Leads the one rule of a set up to an instant, over the calls of one function.
pub(crate) async fn explain(
    past: Past,
    set: &RuleSet,
    function: &FunctionId,
    at: Timestamp,
    told: Vec<Told>,
    now: Timestamp,
) -> Result<Option<Explained>, PastError> {
    let Some(rule) = set.rules().first() else {
        return Ok(None);
    };
    let second = at.as_seconds();
    let at = Timestamp::from_seconds(second);
    let replayed_from = at - warm_up_of(rule);
    let begin = replayed_from.as_seconds();
    let mode = past.mode_at(at);
    let kept_from = now - past.store.retention().invocations;
    let looked_at = if judged_alone(rule) {
        function.to_string()
    } else {
        "*".to_owned()
    };
    let looked_at = Glob::new(&looked_at).map_err(|error| PastError::Broken(error.to_string()))?;
    let stage = Replay::new(past, set, looked_at, begin, begin)
        .live(second + 1)
        .await?;
    let view = &stage.view;
    let shown = stage
        .engine
        .overview(view, Some(function), LABEL_SETS_SHOWN_MAX, at);
    let mut unknowable = vec![
        format!(
            "an episode or a wait that began before {replayed_from} is not known; the rule is taken as it is now"
        ),
        "how late data was then is not recorded; all of it counts as in time".to_owned(),
    ];
    unknowable.extend(left_out(rule, replayed_from));
    if kept_from > replayed_from {
        unknowable.push(format!(
            "calls before {kept_from} are not kept any more, so nothing can be told of that time"
        ));
    }
    Ok(shown.into_iter().next().map(|rule| Explained {
        at,
        mode,
        replayed_from,
        rule,
        told,
        unknowable,
    }))
}

/// Whether a function's calls are all that the rule needs to judge it.
fn judged_alone(rule: &Rule) -> bool {
    let compares_functions = |settings: &Settings| {
        matches!(
            &settings.condition,
            Condition::Compare(compare) if matches!(compare.sides, Sides::Functions(..))
        )
    };
    rule.select.by.contains(&By::Function) && !rule.all_settings().any(compares_functions)
}
