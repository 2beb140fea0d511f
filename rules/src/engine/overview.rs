//! What the engine shows to people: every rule, and where each of its label sets stands.

use std::cell::Cell;
use std::collections::HashMap;

use model::{FunctionId, Labels, Timestamp, format_duration};
use serde::Serialize;
use serde_json::Value;

use super::evaluate::{self, Span};
use super::found::Sieve;
use super::guard::guarded;
use super::joins::Joins;
use super::series::{Series, Turn};
use super::sums::Sums;
use super::{Engine, RuleState};
use crate::condition::Verdict;
use crate::phase::{Phase, Timing};
use crate::rule::Settings;
use crate::text::who;
use crate::windows::{EvaluationError, GroupKey, Windows};

/// One rule and where it stands.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Rule)]
pub struct RuleView {
    /// The rule as declared.
    #[serde(flatten)]
    pub declared: Value,
    /// When it was last evaluated.
    pub last_evaluation: Option<Timestamp>,
    /// How many label sets that evaluation met.
    pub label_sets: usize,
    /// How many of them it could say nothing about.
    pub unknown: usize,
    /// One of the reasons.
    pub last_unknown: Option<String>,
    /// How many label sets breach beyond the rule's limit and are not followed.
    pub beyond_limit: usize,
    /// Why the last evaluation failed, if it did, or that the limit is exceeded.
    pub error: Option<String>,
    /// Label sets: those that are active, then others.
    pub states: Vec<LabelSetView>,
    /// Whether more label sets exist than are shown.
    pub truncated: bool,
}

/// One label set of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = LabelSet)]
pub struct LabelSetView {
    /// What tells it apart.
    pub labels: Labels,
    /// `inactive`, `pending`, `firing` or `clearing`.
    pub phase: &'static str,
    /// When the episode began.
    pub since: Option<Timestamp>,
    /// What was measured last.
    pub value: Option<f64>,
    /// The same for people, with its unit: `98.2 %`, `12.5/s`, `812ms`.
    pub value_text: Option<String>,
    /// The numbers of the newest breach, in a sentence.
    pub said: Option<String>,
    /// What was to be expected, where the condition compares with the past.
    pub baseline: Option<f64>,
    /// How much of `for` is done, while pending.
    pub held: Option<String>,
    /// What is left of `for` or `keep_firing_for`, while pending or clearing.
    pub remaining: Option<String>,
    /// Why the newest look could tell nothing, if so.
    pub unknown: Option<String>,
    /// What a sequential test knows of the label set.
    pub numbers: Option<String>,
}

impl Engine {
    /// Every rule with its label sets; inactive ones are looked at on the spot, at most
    /// `label_sets_max` per rule. Nothing changes by it.
    pub fn overview(
        &self,
        view: &dyn Windows,
        function: Option<&FunctionId>,
        label_sets_max: usize,
        now: Timestamp,
    ) -> Vec<RuleView> {
        let mut sums = Sums::new(view, Joins::default());
        let watched_since = self.watched_since.unwrap_or(now);
        let wanted = function.map(ToString::to_string);
        self.rules
            .iter()
            .filter(|state| wanted.as_ref().is_none_or(|id| state.rule.select.takes(id)))
            .map(|state| {
                let span = Span {
                    now,
                    watched_since,
                    judged_to: &Cell::new(state.judged_to),
                    releases: &self.releases,
                };
                self.view_of(state, &mut sums, span, function, label_sets_max)
            })
            .collect()
    }

    fn view_of(
        &self,
        state: &RuleState,
        sums: &mut Sums<'_>,
        span: Span<'_>,
        function: Option<&FunctionId>,
        label_sets_max: usize,
    ) -> RuleView {
        let by = &state.rule.select.by;
        let turn = Turn {
            mode: self.mode,
            releases: &self.releases,
            external_url: &self.external_url,
            now: span.now,
        };
        let settings_of = |key: &GroupKey| turn.settings(&state.rule, key);
        let wanted = |key: &GroupKey| {
            function.is_none_or(|function| key.function_id(by).is_none_or(|id| id == *function))
        };
        let mut states: Vec<LabelSetView> = state
            .active
            .iter()
            .filter(|(key, _)| wanted(key))
            .map(|(key, series)| {
                let settings = settings_of(key);
                let timing = state.rule.timing(settings);
                let mut shown = active_view(key.labels(by), series, &timing, span.now);
                shown.numbers = state.numbers(key);
                if let Some(verdict) = &series.verdict {
                    shown.measured(verdict, state, settings, key);
                }
                shown
            })
            .collect();
        states.sort_by(|left, right| left.labels.cmp(&right.labels));
        let (seen, error) = state.looked_at(sums, span, turn);
        let quiet: HashMap<&GroupKey, &Verdict> = seen
            .iter()
            .filter(|(key, _)| !state.active.contains_key(key) && wanted(key))
            .map(|(key, verdict)| (key, verdict))
            .collect();
        let mut keys: Vec<&GroupKey> = quiet.keys().copied().collect();
        keys.sort();
        states.extend(keys.iter().filter_map(|key| {
            let mut shown = blank(key.labels(by), Phase::Inactive);
            shown.numbers = state.numbers(key);
            shown.measured(quiet.get(*key)?, state, settings_of(key), key);
            Some(shown)
        }));
        let truncated = states.len() > label_sets_max;
        states.truncate(label_sets_max);
        RuleView {
            declared: state.rule.to_json(),
            last_evaluation: state.status.evaluated_at,
            label_sets: state.status.label_sets,
            unknown: state.status.unknown,
            last_unknown: state.last_unknown(),
            beyond_limit: state.status.beyond_limit,
            error: (state.status.error.clone().or(error)).or_else(|| state.limit_exceeded()),
            states,
            truncated,
        }
    }
}

impl RuleState {
    /// What an evaluation finds, and why it failed if it did. Nothing changes by it.
    fn looked_at(
        &self,
        sums: &mut Sums<'_>,
        span: Span<'_>,
        turn: Turn<'_>,
    ) -> (Vec<(GroupKey, Verdict)>, Option<String>) {
        let settings = self.rule.settings(turn.mode);
        let looked = guarded(|| {
            let detection = self.detection.as_ref();
            let open = Sieve::OPEN;
            let mut seen =
                evaluate::evaluate(&self.rule, settings, detection, sums, span, None, open)?;
            self.judge_released(&mut seen, None, sums, span, turn)?;
            Ok(seen.told)
        });
        match looked.and_then(|seen| seen) {
            Ok(seen) => (seen, None),
            Err(EvaluationError::HistoryUnread) => (vec![], None),
            Err(error) => (vec![], Some(error.to_string())),
        }
    }

    /// One of the reasons why the newest evaluation could not judge.
    fn last_unknown(&self) -> Option<String> {
        let (key, why) = self.status.last_unknown.as_ref()?;
        Some(match key {
            Some(key) => format!("{}: {why}", key.labels(&self.rule.select.by)),
            None => why.to_string(),
        })
    }

    fn numbers(&self, key: &GroupKey) -> Option<String> {
        self.detection.as_ref()?.numbers(key)
    }

    fn limit_exceeded(&self) -> Option<String> {
        let beyond = self.status.beyond_limit;
        (beyond > 0).then(|| {
            format!(
                "{beyond} more label sets breach than `limit: {}` allows; they are not followed",
                self.rule.limit
            )
        })
    }
}

fn blank(labels: Labels, phase: Phase) -> LabelSetView {
    LabelSetView {
        labels,
        phase: phase.as_str(),
        since: phase.episode_since(),
        value: None,
        value_text: None,
        said: None,
        baseline: None,
        held: None,
        remaining: None,
        unknown: None,
        numbers: None,
    }
}

fn active_view(labels: Labels, series: &Series, timing: &Timing, now: Timestamp) -> LabelSetView {
    let mut view = blank(labels, series.phase);
    match series.phase {
        Phase::Pending { held, .. } => {
            view.held = Some(format_duration(held));
            view.remaining = Some(format_duration(timing.hold.saturating_sub(held)));
        }
        Phase::Clearing { quiet_since, .. } => {
            let quiet = now.since(quiet_since);
            view.remaining = Some(format_duration(
                timing.keep_firing_for.saturating_sub(quiet),
            ));
        }
        Phase::Inactive | Phase::Firing { .. } => {}
    }
    view
}

impl LabelSetView {
    fn measured(
        &mut self,
        verdict: &Verdict,
        state: &RuleState,
        settings: &Settings,
        key: &GroupKey,
    ) {
        let condition = &settings.condition;
        let value = match verdict {
            Verdict::Ok { value, .. } => *value,
            Verdict::Breach { value, evidence } => {
                self.baseline = evidence.baseline;
                self.said = Some(condition.describe(&who(&state.rule, key), *value, evidence));
                *value
            }
            Verdict::Unknown { why } => {
                self.unknown = Some(why.to_string());
                return;
            }
        };
        self.value = Some(value);
        self.value_text = Some(condition.value_text(value));
    }
}
