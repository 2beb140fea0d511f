//! How phases are carried over: from the database after a restart, from the old rules after a
//! reload. What no rule knows any more is closed, never forgotten silently.

use std::collections::HashMap;

use model::{Alert, Labels, Timestamp};

use super::series::{Change, Series, resolved};
use super::{Engine, RuleState};
use crate::detection::Detection;
use crate::phase::Phase;
use crate::set::RuleSet;
use crate::windows::{By, GroupKey, Select};

/// Why an episode ended although nothing recovered.
const RULE_REMOVED: &str = "rule removed";

/// A phase as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPhase {
    /// The rule's name.
    pub rule: String,
    /// The label set.
    pub labels: Labels,
    /// Where it stood.
    pub phase: Phase,
    /// The alert of its episode, if there was one.
    pub episode: Option<Alert>,
}

impl Engine {
    /// Takes up what was stored before a restart. The time in between was not watched: it counts
    /// neither for firing nor for resolving, and nothing is told again.
    pub fn restore(&mut self, stored: Vec<StoredPhase>, now: Timestamp) -> Vec<Change> {
        let by_name = self.index();
        let mut changes = Vec::new();
        for row in stored {
            let place = by_name.get(&row.rule).and_then(|index| {
                let state = self.rules.get_mut(*index)?;
                let key = GroupKey::from_labels(&row.labels, &state.rule.select.by)?;
                still_watched(state, &key).then_some((state, key))
            });
            match place {
                Some((state, key)) => {
                    let held_stored = match row.phase {
                        Phase::Pending { held, .. } => held,
                        _ => std::time::Duration::ZERO,
                    };
                    state.active.insert(
                        key,
                        Series {
                            phase: row.phase.resume(now),
                            alert: row.episode,
                            verdict: None,
                            seen_at: now,
                            held_stored,
                            silent: std::time::Duration::ZERO,
                        },
                    );
                }
                None => changes.push(close(row.rule, row.labels, row.episode, now)),
            }
        }
        changes
    }

    /// Adds a text to the alert of an episode, which its end then says too.
    pub(crate) fn annotate(&mut self, rule: &str, labels: &Labels, name: &str, text: String) {
        let state = self.rules.iter_mut().find(|state| state.rule.name == rule);
        let Some(state) = state else { return };
        let key = GroupKey::from_labels(labels, &state.rule.select.by);
        let series = key.and_then(|key| state.active.get_mut(&key));
        if let Some(alert) = series.and_then(|series| series.alert.as_mut()) {
            alert.annotations.insert(name.to_owned(), text);
        }
    }

    /// Replaces the rules. State carries over by rule name and labels; episodes of rules and label
    /// sets that are gone end as "rule removed".
    pub fn reload(&mut self, set: &RuleSet, now: Timestamp) -> Vec<Change> {
        let fresh = set.rules().iter().cloned().map(RuleState::new).collect();
        let old = std::mem::replace(&mut self.rules, fresh);
        let by_name = self.index();
        let mut changes = Vec::new();
        for state in old {
            let successor = by_name.get(&state.rule.name).copied();
            for (key, series) in state.active {
                let labels = key.labels(&state.rule.select.by);
                let place = successor
                    .and_then(|index| self.rules.get_mut(index))
                    .and_then(|state| {
                        let key = GroupKey::from_labels(&labels, &state.rule.select.by)?;
                        still_watched(state, &key).then_some((state, key))
                    });
                match place {
                    Some((state, key)) => {
                        state.active.insert(key, series);
                    }
                    None => changes.push(close(state.rule.name.clone(), labels, series.alert, now)),
                }
            }
            if let Some(successor) = successor.and_then(|index| self.rules.get_mut(index)) {
                successor.status = state.status;
                successor.inherit(state.detection, &state.rule.select, now);
            }
        }
        changes.sort_by(|a, b| (&a.rule, &a.labels).cmp(&(&b.rule, &b.labels)));
        changes
    }

    pub(super) fn index(&self) -> HashMap<String, usize> {
        self.rules
            .iter()
            .enumerate()
            .map(|(index, state)| (state.rule.name.clone(), index))
            .collect()
    }
}

impl RuleState {
    /// Goes on with the memories of the rule's former self, if they are about the same.
    fn inherit(&mut self, detection: Option<Detection>, former: &Select, now: Timestamp) {
        let select = &self.rule.select;
        if let Some(mut detection) = detection
            && former.by == select.by
            && detection.declare(&self.rule.daily.condition)
        {
            if former != select {
                detection.reselect(select, now);
            }
            self.detection = Some(detection);
        }
    }
}

/// Whether the rule's patterns still take the group's function. Groups without one always count.
pub(super) fn still_watched(state: &RuleState, key: &GroupKey) -> bool {
    let select = &state.rule.select;
    !select.by.contains(&By::Function) || select.takes_function_of(key)
}

fn close(rule: String, labels: Labels, episode: Option<Alert>, now: Timestamp) -> Change {
    Change {
        rule,
        labels,
        phase: Phase::Inactive,
        episode: None,
        tell: episode.map(|alert| resolved(alert, now, Some(RULE_REMOVED))),
        ended: None,
    }
}
