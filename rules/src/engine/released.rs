//! Functions that were released a moment ago: what their rule declares for that time takes the place of
//! its usual settings.

use std::collections::{HashMap, HashSet};

use model::FunctionId;

use super::RuleState;
use super::evaluate::{self, Span};
use super::found::{Found, Sieve};
use super::series::Turn;
use super::sums::Sums;
use crate::condition::Verdict;
use crate::rule::{Rule, Settings};
use crate::windows::{EvaluationError, GroupKey};

impl Turn<'_> {
    /// The settings in force for a label set.
    pub(super) fn settings<'r>(&self, rule: &'r Rule, key: &GroupKey) -> &'r Settings {
        let after = rule.after_release.as_ref().filter(|after| {
            let function = key.function_id(&rule.select.by);
            function.is_some_and(|id| self.releases.is_fresh(&id, after.within, self.now))
        });
        after.map_or_else(
            || rule.settings(self.mode),
            |after| after.settings(self.mode),
        )
    }
}

impl RuleState {
    /// Judges label sets of such functions again, by the settings that hold for them.
    pub(super) fn judge_released(
        &self,
        seen: &mut Found,
        only: Option<&FunctionId>,
        sums: &mut Sums<'_>,
        span: Span<'_>,
        turn: Turn<'_>,
    ) -> Result<(), EvaluationError> {
        let Some(after) = &self.rule.after_release else {
            return Ok(());
        };
        let select = &self.rule.select;
        let fresh: HashSet<FunctionId> = turn
            .releases
            .fresh(after.within, turn.now)
            .filter(|function| only.is_none_or(|only| only == *function))
            .filter(|function| select.takes(&function.to_string()))
            .cloned()
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let is_fresh = |key: &GroupKey| {
            let function = key.function_id(&select.by);
            function.is_some_and(|function| fresh.contains(&function))
        };
        let settings = after.settings(turn.mode);
        let detection = self.detection.as_ref();
        let open = Sieve::OPEN;
        let judged = evaluate::evaluate(&self.rule, settings, detection, sums, span, only, open)?;
        let judged = judged.told.into_iter().filter(|(key, _)| is_fresh(key));
        let mut closer: HashMap<GroupKey, Verdict> = judged.collect();
        for (key, verdict) in &mut seen.told {
            if let Some(found) = closer.remove(key) {
                *verdict = found;
            }
        }
        // Those that were well by the usual settings, or not met: silence that the rule waits less for.
        seen.told.extend(closer);
        seen.told.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(())
    }
}
