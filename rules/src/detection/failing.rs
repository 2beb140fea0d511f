//! Whether groups fail: a detector for each, fed by what is committed.

use std::sync::Arc;

use early::{Change, Detector, Look};
use model::{FunctionId, Ratio, Timestamp};

use super::memories::{Memories, Memory};
use super::{Moment, millis};
use crate::condition::{Evidence, FailsEarly, Proof, Verdict, Why, percent};
use crate::engine::Steps;
use crate::sight::Completeness;
use crate::windows::{By, GroupKey, Recent, Tally};

/// The time over which the share shown is taken, and after which a group counts as silent.
const LATELY_SECONDS: f64 = 60.0;

pub(crate) struct Failings {
    condition: FailsEarly,
    memories: Memories<Failing>,
}

/// One group.
struct Failing {
    detector: Detector,
    proof: Option<Arc<Proof>>,
    lately: Lately,
    last_call: Timestamp,
    /// Not everything is seen while it fails: nothing moves.
    frozen: Option<Why>,
    groups: u32,
}

/// Calls of the last minute or so, older ones with less weight.
#[derive(Clone, Copy, Default)]
struct Lately {
    calls: f64,
    failed: f64,
    at: Timestamp,
}

impl Lately {
    fn add(&mut self, tally: Tally, now: Timestamp) {
        let keep = (-now.since(self.at).as_secs_f64() / LATELY_SECONDS).exp();
        self.calls = self.calls * keep + tally.counted as f64;
        self.failed = self.failed * keep + tally.failed as f64;
        self.at = now;
    }

    fn success_rate(&self) -> f64 {
        if self.calls > 0.0 {
            1.0 - self.failed / self.calls
        } else {
            1.0
        }
    }
}

impl Memory for Failing {
    fn share(&mut self, groups: u32) {
        self.groups = groups;
        let settings = early::Settings {
            series: groups,
            ..*self.detector.settings()
        };
        self.detector.declare(settings);
    }

    fn is_rising(&self) -> bool {
        self.detector.is_rising()
    }

    fn to_record(&self) -> Vec<u8> {
        self.detector.to_record()
    }

    fn last_call(&self) -> Timestamp {
        self.last_call
    }
}

impl Failing {
    fn new(detector: Detector, now: Timestamp) -> Failing {
        Failing {
            detector,
            proof: None,
            lately: Lately::default(),
            last_call: now,
            frozen: None,
            groups: 1,
        }
    }

    /// Whether the look changed what there is to tell.
    fn look(&mut self, tally: Tally, clean: bool, now: Timestamp) -> bool {
        let changed = self.detector.look(Look {
            at_ms: millis(now),
            calls: tally.counted,
            failed: tally.failed,
            clean,
        });
        let moved = changed.is_some();
        match changed {
            Some(Change::Failing(evidence) | Change::StillFailing(evidence)) => {
                self.proof = Some(Arc::new(Proof::Failing(evidence)));
            }
            Some(Change::Recovered) => self.proof = None,
            None => {}
        }
        moved
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        now.since(self.last_call).as_secs_f64() > LATELY_SECONDS
    }

    fn verdict(&self, now: Timestamp) -> Verdict {
        if self.is_silent(now) {
            return Verdict::Unknown { why: Why::NoCalls };
        }
        if let Some(why) = &self.frozen {
            return Verdict::Unknown { why: why.clone() };
        }
        let value = self.lately.success_rate();
        if !self.detector.is_failing() {
            return Verdict::Ok {
                value,
                recovered: true,
            };
        }
        let (calls, failed) = match self.proof.as_deref() {
            Some(Proof::Failing(evidence)) => (evidence.calls, evidence.failed),
            _ => (0, 0),
        };
        Verdict::Breach {
            value,
            evidence: Evidence {
                calls,
                failed,
                baseline: Some(1.0 - self.detector.healthy()),
                proof: self.proof.clone(),
                ..Evidence::default()
            },
        }
    }
}

impl Failings {
    pub(super) fn new(condition: FailsEarly) -> Failings {
        Failings {
            condition,
            memories: Memories::default(),
        }
    }

    pub(super) fn declare(&mut self, condition: &FailsEarly) {
        if self.condition != *condition {
            self.condition = condition.clone();
            for (_, memory) in self.memories.iter_mut() {
                memory.detector.declare(condition.settings(memory.groups));
            }
        }
    }

    pub(super) fn arrive(
        &mut self,
        key: &GroupKey,
        by: &[By],
        function: FunctionId,
        tally: Tally,
        moment: Moment<'_>,
    ) {
        if tally.counted == 0 {
            return;
        }
        let now = moment.now;
        let condition = &self.condition;
        let memory = self.memories.remember(key, by, now, || {
            Failing::new(Detector::new(condition.settings(1)), now)
        });
        let Some(memory) = memory else { return };
        memory.lately.add(tally, now);
        memory.last_call = now;
        if memory.frozen.is_some() {
            return;
        }
        if memory.look(tally, moment.is_clean(Some(&function)), now) {
            self.memories.mark(key);
        }
    }

    pub(super) fn replay(&mut self, key: &GroupKey, by: &[By], tally: Tally, moment: Moment<'_>) {
        let stored_before = self
            .memories
            .get(key)
            .is_some_and(|memory| memory.last_call < moment.now);
        if let (true, Some(function)) = (stored_before, key.function_id(by)) {
            self.arrive(key, by, function, tally, moment);
        }
    }

    /// Ends blocks that are over. While a group fails and not everything is seen it stands still.
    pub(super) fn advance(
        &mut self,
        by: &[By],
        needed: Ratio,
        steps: &Steps<'_, '_>,
        moment: Moment<'_>,
    ) {
        let now = moment.now;
        let mut changed = Vec::new();
        for (key, memory) in self.memories.iter_mut() {
            if !memory.detector.is_rising() && memory.is_silent(now) {
                continue;
            }
            let failing = memory.detector.is_failing();
            // Names cost an allocation each; most of the time nobody asks for them.
            let named = failing || !moment.in_episode.is_empty();
            let function = named.then(|| key.function_id(by)).flatten();
            memory.frozen = failing
                .then(|| blindness(function.as_ref(), needed, steps))
                .flatten();
            if failing && now.since(memory.last_call) >= Recent::MEMORY {
                memory.detector.let_go();
                memory.proof = None;
                changed.push(key.clone());
            }
            if memory.frozen.is_none() {
                let clean = moment.is_clean(function.as_ref());
                if memory.look(Tally::default(), clean, now) {
                    changed.push(key.clone());
                }
            }
        }
        for key in &changed {
            self.memories.mark(key);
        }
    }

    pub(super) fn verdicts(
        &self,
        only: Option<&FunctionId>,
        now: Timestamp,
    ) -> Vec<(GroupKey, Verdict)> {
        match only {
            Some(function) => self
                .memories
                .of_function(function)
                .iter()
                .filter_map(|key| Some((key.clone(), self.memories.get(key)?.verdict(now))))
                .collect(),
            None => self
                .memories
                .iter()
                .map(|(key, memory)| (key.clone(), memory.verdict(now)))
                .collect(),
        }
    }

    pub(super) fn numbers(&self, key: &GroupKey) -> Option<String> {
        let detector = &self.memories.get(key)?.detector;
        let days = detector.clean_days();
        let odds = detector
            .thresholds()
            .map(|(_, threshold)| threshold / std::f64::consts::LN_10)
            .fold(f64::INFINITY, f64::min);
        let learning = if detector.is_learning() {
            ", still learning: evidence counts a quarter"
        } else {
            ""
        };
        Some(format!(
            "up to {} failing is healthy, {days} clean days known, pages at odds 10^{odds:.0} : 1{learning}",
            percent(detector.healthy())
        ))
    }

    pub(super) fn interrupt(&mut self) {
        for (_, memory) in self.memories.iter_mut() {
            memory.detector.interrupt();
        }
    }

    pub(super) fn due(
        &mut self,
        now: Timestamp,
        whole: bool,
        memories_max: usize,
    ) -> Vec<(GroupKey, Vec<u8>)> {
        self.memories.due(now, whole, memories_max)
    }

    pub(super) fn recall(
        &mut self,
        key: GroupKey,
        by: &[By],
        at: Timestamp,
        record: &[u8],
    ) -> Result<(), early::RecordError> {
        let mut detector = Detector::from_record(self.condition.settings(1), record)?;
        detector.interrupt();
        self.memories.put(key, by, at, Failing::new(detector, at));
        Ok(())
    }

    pub(super) fn resume(&mut self, key: &GroupKey, by: &[By], now: Timestamp) {
        let settings = self.condition.settings(self.memories.sharing(key, by));
        let memory = self
            .memories
            .remember(key, by, now, || Failing::new(Detector::new(settings), now));
        if let Some(memory) = memory {
            memory.detector.resume_failing(millis(now));
        }
    }
}

/// Only what is known to be missing stops it: where no source promises anything, nobody ever knows.
fn blindness(function: Option<&FunctionId>, needed: Ratio, steps: &Steps<'_, '_>) -> Option<Why> {
    match steps.completeness_lately(function) {
        Completeness::Known(share) if share < needed => Some(Why::Incomplete {
            share: share.get(),
            needed: needed.get(),
        }),
        Completeness::Known(_) | Completeness::Unknown { .. } => None,
    }
}
