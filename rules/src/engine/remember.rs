//! The engine's side of sequential tests: what feeds their memories, and how memories outlive it.

use std::collections::HashSet;
use std::sync::Arc;

use model::{FunctionId, Mode, Severity, Timestamp};

use super::carry::still_watched;
use super::series::Series;
use super::{Engine, RuleState};
use crate::condition::About;
use crate::detection::{Arrivals, Moment, StoredMemory};
use crate::events;
use crate::sight::Completeness;
use crate::windows::{GroupKey, Windows};

/// Memories stored in one go at most; those with open evidence wait no longer than the next one.
const MEMORIES_STORED_MAX: usize = 5_000;
/// Memories stored when everything ends.
const MEMORIES_STORED_AT_END_MAX: usize = 200_000;
/// How far back counts are read again after a restart: more than evidence is stored apart.
const REPLAY_SECONDS: i64 = 30;

/// Who is in an episode, which teaches nobody what is healthy.
#[derive(Default)]
pub(super) struct Troubled {
    pub(super) functions: HashSet<FunctionId>,
    /// Something is wrong that concerns no function in particular.
    pub(super) everything: bool,
}

impl Engine {
    /// Gives sequential tests what has just been committed. What they make of it is told by the next
    /// look or tick.
    pub fn arrive(&mut self, arrivals: &Arrivals, now: Timestamp) {
        let troubled = self.troubled();
        let moment = Moment {
            now,
            everyday: self.mode == Mode::Daily && self.sees_all && !troubled.everything,
            in_episode: &troubled.functions,
        };
        for state in &mut self.rules {
            if let Some(detection) = &mut state.detection {
                detection.arrive(&state.rule.select, arrivals, moment);
            }
        }
    }

    /// Memories that are to be stored now, all of them when everything ends.
    pub fn memories_due(&mut self, now: Timestamp, whole: bool) -> Vec<StoredMemory> {
        let mut due = Vec::new();
        for state in &mut self.rules {
            let Some(detection) = &mut state.detection else {
                continue;
            };
            let by = &state.rule.select.by;
            let most = if whole {
                MEMORIES_STORED_AT_END_MAX
            } else {
                MEMORIES_STORED_MAX
            };
            let records = detection.due(by, now, whole, most);
            due.extend(records.into_iter().map(|(key, record)| StoredMemory {
                rule: state.rule.name.clone(),
                labels: key.labels(by),
                at: now,
                record,
            }));
        }
        due
    }

    /// Takes stored memories up, after [`Engine::restore`]. What cannot be read is learned anew.
    pub fn recall(&mut self, stored: Vec<StoredMemory>, now: Timestamp) {
        let by_name = self.index();
        for row in stored {
            let state = by_name
                .get(&row.rule)
                .and_then(|index| self.rules.get_mut(*index));
            let Some(state) = state else { continue };
            let rule = Arc::clone(&state.rule);
            let select = &rule.select;
            let key = GroupKey::from_labels(&row.labels, &select.by);
            // What a rule knew of functions that it does not watch any more would never be proven wrong.
            let key = key.filter(|key| still_watched(state, key));
            let (Some(detection), Some(key)) = (&mut state.detection, key) else {
                continue;
            };
            if let Err(error) = detection.recall(key, select, row.at, &row.record) {
                events::memory_unreadable(&row.rule, &error.to_string());
            }
        }
        for state in &mut self.rules {
            let Some(detection) = &mut state.detection else {
                continue;
            };
            for (key, series) in &state.active {
                if series.phase.episode_since().is_some() {
                    detection.resume(key, &state.rule.select, now);
                }
            }
        }
    }

    /// Gives memories the last seconds before a restart again, out of counts that were read back.
    /// What they find is told as if it were found now; what was told before is not told again.
    pub fn replay(&mut self, view: &dyn Windows, now: Timestamp) {
        let nobody = HashSet::new();
        for second in now.as_seconds() - REPLAY_SECONDS..now.as_seconds() {
            let moment = Moment {
                now: Timestamp::from_seconds(second),
                everyday: false,
                in_episode: &nobody,
            };
            for state in &mut self.rules {
                if let Some(detection) = &mut state.detection {
                    let tallies = view.sum(&state.rule.select, None, second, second + 1);
                    detection.replay(&state.rule.select, &tallies, moment);
                }
            }
        }
    }

    pub(super) fn troubled(&self) -> Troubled {
        let mut troubled = Troubled::default();
        for state in &self.rules {
            for (key, series) in &state.active {
                if !state.spoils(series, self.mode) {
                    continue;
                }
                match key.function_id(&state.rule.select.by) {
                    Some(function) => {
                        troubled.functions.insert(function);
                    }
                    None => troubled.everything = true,
                }
            }
        }
        troubled
    }

    /// Notes whether everything that should have arrived has.
    pub(super) fn note_sight(&mut self, view: &dyn Windows, now: Timestamp) {
        use crate::condition::TelemetryLate;
        let to = now - TelemetryLate::SETTLED;
        let lately = view.completeness(None, to - TelemetryLate::OVER, to);
        self.sees_all = !matches!(lately, Completeness::Known(share) if share.get() < 0.99);
    }
}

impl RuleState {
    /// Whether time in which this label set is in an episode is no everyday time.
    fn spoils(&self, series: &Series, mode: Mode) -> bool {
        series.phase.episode_since().is_some()
            && match self.rule.settings(mode).condition.kind().about() {
                About::Traffic | About::Sight => true,
                About::Outcomes => series
                    .alert
                    .as_ref()
                    .is_some_and(|alert| alert.severity() == Severity::Critical),
                About::Anything => false,
            }
    }
}
