//! Whether groups fail: a detector for each, fed by what is committed.

use std::sync::Arc;

use early::{Change, Detector, Look};
use model::{FunctionId, Ratio, Timestamp};

use super::arrivals::Arrivals;
use super::memories::{Glance, Memories, Memory};
use super::{Moment, millis};
use crate::condition::{Evidence, FailsEarly, Proof, Verdict, Why, percent};
use crate::engine::{Found, Sieve, Steps};
use crate::sight::Completeness;
use crate::windows::{By, GroupKey, Recent, Select, Tally};

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
    looked_at: Timestamp,
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

    fn glance(&self) -> Glance {
        Glance {
            last_call: self.last_call,
            looked_at: self.looked_at,
            calm: self.frozen.is_none() && !self.detector.is_rising(),
        }
    }
}

impl Failing {
    fn new(detector: Detector, now: Timestamp) -> Failing {
        Failing {
            detector,
            proof: None,
            lately: Lately::default(),
            last_call: now,
            looked_at: Timestamp::EPOCH,
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
        self.looked_at = now;
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

    fn verdict(&self, now: Timestamp) -> Verdict {
        if is_silent(self.last_call, now) {
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

    pub(super) fn reselect(&mut self, select: &Select, now: Timestamp) {
        self.memories.reselect(select, now);
    }

    pub(super) fn declare(&mut self, condition: &FailsEarly) {
        if self.condition != *condition {
            self.condition = condition.clone();
            self.memories.change_all(|memory| {
                memory.detector.declare(condition.settings(memory.groups));
            });
        }
    }

    pub(super) fn arrive(&mut self, select: &Select, arrivals: &Arrivals, moment: Moment<'_>) {
        let now = moment.now;
        let condition = &self.condition;
        let new = || Failing::new(Detector::new(condition.settings(1)), now);
        for (at, tally) in self.memories.sort(arrivals, select, now, new) {
            self.take_in(at, &select.by, tally, moment);
        }
    }

    fn take_in(&mut self, at: u32, by: &[By], tally: Tally, moment: Moment<'_>) {
        let now = moment.now;
        let clean = moment.is_clean_for(|| self.memories.key(at)?.function_id(by));
        self.memories.change(at, |memory| {
            memory.lately.add(tally, now);
            memory.last_call = now;
            memory.frozen.is_none() && memory.look(tally, clean, now)
        });
    }

    pub(super) fn replay(&mut self, key: &GroupKey, by: &[By], tally: Tally, moment: Moment<'_>) {
        let Some(at) = self.memories.find(key) else {
            return;
        };
        let stored_before = self.memories.at(at);
        let stored_before = stored_before.is_some_and(|memory| memory.last_call < moment.now);
        if stored_before && tally.counted > 0 {
            self.take_in(at, by, tally, moment);
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
        for at in 0..self.memories.len() {
            let (Some(glance), Some(memory)) = (self.memories.glance(at), self.memories.at(at))
            else {
                continue;
            };
            let silent = is_silent(glance.last_call, now);
            if glance.calm && (silent || glance.looked_at == now) {
                continue;
            }
            let failing = memory.detector.is_failing();
            // Names cost an allocation each; most of the time nobody asks for them.
            let function = || self.memories.key(at)?.function_id(by);
            let clean = moment.is_clean_for(function);
            let frozen = failing
                .then(|| blindness(function().as_ref(), needed, steps))
                .flatten();
            self.memories.change(at, |memory| {
                memory.frozen = frozen;
                let gone = failing && now.since(memory.last_call) >= Recent::MEMORY;
                if gone {
                    memory.detector.let_go();
                    memory.proof = None;
                }
                let looks = memory.frozen.is_none();
                let moved = looks && memory.look(Tally::default(), clean, now);
                gone || moved
            });
        }
    }

    /// What the memories say, of all groups or of one function's.
    pub(super) fn verdicts(
        &self,
        only: Option<&FunctionId>,
        now: Timestamp,
        sieve: Sieve<'_>,
    ) -> Found {
        let calm = |glance: Glance| glance.calm && !is_silent(glance.last_call, now);
        self.memories
            .verdicts(only, sieve, calm, |memory| memory.verdict(now))
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
        self.memories
            .change_all(|memory| memory.detector.interrupt());
    }

    pub(super) fn due(
        &mut self,
        by: &[By],
        now: Timestamp,
        whole: bool,
        memories_max: usize,
    ) -> Vec<(GroupKey, Vec<u8>)> {
        self.memories.due(by, now, whole, memories_max)
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
        let new = || Failing::new(Detector::new(settings), now);
        if let Some(at) = self.memories.remember(key, by, now, new) {
            self.memories.change(at, |memory| {
                memory.detector.resume_failing(millis(now));
                false
            });
        }
    }
}

fn is_silent(last_call: Timestamp, now: Timestamp) -> bool {
    now.since(last_call).as_secs_f64() > LATELY_SECONDS
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
