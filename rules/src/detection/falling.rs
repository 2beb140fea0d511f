//! Whether calls stop coming: a detector for each group, moved in steps whose data has arrived.

use std::sync::Arc;

use early::{FallChange, Falls, Step};
use model::{FunctionId, Ratio, Timestamp};

use super::memories::{Glance, Memories, Memory};
use super::{Moment, millis};
use crate::condition::{Evidence, FallsEarly, Proof, Verdict, Why, per_second, percent};
use crate::engine::{Found, Sieve, Steps};
use crate::windows::{By, EvaluationError, GroupKey, LagRate, Select};

const STEP_SECONDS: i64 = early::STEP.as_secs() as i64;
/// Steps judged in one tick; after a halt of the pipeline the rest follows.
const STEPS_A_TICK_MAX: usize = 6;
/// A step whose data has not arrived after this long is left out.
const WAIT_SECONDS: i64 = 60;
/// A step with less than this share of the usual calls asks whether they may merely be late.
const LOW: f64 = 0.5;

pub(crate) struct Fallings {
    condition: FallsEarly,
    memories: Memories<Fall>,
    /// The end of the newest step that was judged or left out, in Unix seconds.
    judged_to: Option<i64>,
    /// Why the newest step was left out.
    blind: Option<Why>,
}

/// One group.
struct Fall {
    falls: Falls,
    proof: Option<Arc<Proof>>,
    /// Of the newest step, in calls per second.
    value: f64,
    usual: f64,
    unknown: Option<Why>,
    last_call: Timestamp,
    groups: u32,
}

impl Memory for Fall {
    fn share(&mut self, groups: u32) {
        self.groups = groups;
    }

    fn is_rising(&self) -> bool {
        self.falls.is_rising()
    }

    fn to_record(&self) -> Vec<u8> {
        self.falls.to_record()
    }

    fn glance(&self) -> Glance {
        Glance {
            last_call: self.last_call,
            looked_at: self.last_call,
            calm: self.unknown.is_none() && !self.falls.is_falling(),
        }
    }
}

impl Fall {
    fn new(falls: Falls, now: Timestamp) -> Fall {
        Fall {
            falls,
            proof: None,
            value: 0.0,
            usual: 0.0,
            unknown: None,
            last_call: now,
            groups: 1,
        }
    }

    /// Whether the step changed what there is to tell.
    fn step(&mut self, step: Step) -> bool {
        self.value = step.calls as f64 / STEP_SECONDS as f64;
        self.usual = step.usual / STEP_SECONDS as f64 * self.falls.level();
        let changed = self.falls.step(step);
        let moved = changed.is_some();
        match changed {
            Some(FallChange::Falling(evidence) | FallChange::StillFalling(evidence)) => {
                self.proof = Some(Arc::new(Proof::Falling(evidence)));
            }
            Some(FallChange::Recovered) => self.proof = None,
            None => {}
        }
        moved
    }

    fn verdict(&self) -> Verdict {
        if let Some(why) = &self.unknown {
            return Verdict::Unknown { why: why.clone() };
        }
        if !self.falls.is_falling() {
            return Verdict::Ok {
                value: self.value,
                recovered: true,
            };
        }
        let calls = match self.proof.as_deref() {
            Some(Proof::Falling(evidence)) => evidence.calls,
            _ => 0,
        };
        Verdict::Breach {
            value: self.value,
            evidence: Evidence {
                calls,
                baseline: Some(self.usual),
                proof: self.proof.clone(),
                ..Evidence::default()
            },
        }
    }
}

impl Fallings {
    pub(super) fn new(condition: FallsEarly) -> Fallings {
        Fallings {
            condition,
            memories: Memories::default(),
            judged_to: None,
            blind: None,
        }
    }

    pub(super) fn reselect(&mut self, select: &Select, now: Timestamp) {
        self.memories.reselect(select, now);
    }

    pub(super) fn declare(&mut self, condition: &FallsEarly) {
        if self.condition != *condition {
            self.condition = condition.clone();
        }
    }

    /// Judges every step whose data has arrived, oldest first.
    pub(super) fn advance(
        &mut self,
        select: &Select,
        needed: Ratio,
        steps: &mut Steps<'_, '_>,
        moment: Moment<'_>,
    ) -> Result<(), EvaluationError> {
        let now = moment.now.as_seconds();
        let newest = now.div_euclid(STEP_SECONDS) * STEP_SECONDS;
        let mut judged_to = self.judged_to.unwrap_or(newest - STEP_SECONDS);
        // A clock that was set back, or a long gap: nothing of that is judged.
        if judged_to > newest || newest - judged_to > crate::condition::WINDOW_MAX.as_secs() as i64
        {
            judged_to = newest - STEP_SECONDS;
        }
        for _ in 0..STEPS_A_TICK_MAX {
            let (from, to) = (judged_to, judged_to + STEP_SECONDS);
            if to > now {
                break;
            }
            match steps.blindness(None, needed, from, to) {
                None => {
                    self.judge(select, needed, steps, moment, to)?;
                    self.blind = None;
                }
                Some(_) if now - to < WAIT_SECONDS => break,
                Some(why) => self.blind = Some(why),
            }
            judged_to = to;
        }
        self.judged_to = Some(judged_to);
        Ok(())
    }

    fn judge(
        &mut self,
        select: &Select,
        needed: Ratio,
        steps: &mut Steps<'_, '_>,
        moment: Moment<'_>,
        to: i64,
    ) -> Result<(), EvaluationError> {
        let baselines = steps.baseline(select, &self.condition.against)?;
        let from = to - STEP_SECONDS;
        let tallies = steps.sum(select, from, to);
        let mut present = tallies.iter().peekable();
        for (key, lags) in baselines.iter() {
            while present.next_if(|(own, _)| *own < key).is_some() {}
            let calls = present
                .next_if(|(own, _)| *own == key)
                .map_or(0, |(_, tally)| tally.weighted);
            let function = key.function_id(&select.by);
            let verdict = self.of_group(lags, calls, function.as_ref(), needed, steps, from);
            let clean = moment.is_clean(function.as_ref());
            self.take(key, &select.by, verdict, calls, clean, moment.now, to);
        }
        Ok(())
    }

    /// The usual calls of a step, or why the group cannot be judged by it.
    fn of_group(
        &self,
        lags: &[LagRate],
        calls: u64,
        function: Option<&FunctionId>,
        needed: Ratio,
        steps: &mut Steps<'_, '_>,
        from: i64,
    ) -> Result<f64, Why> {
        let usual = self
            .condition
            .usual(lags)
            .map_err(|(present, asked)| Why::DaysMissing { present, asked })?;
        if usual < self.condition.min_baseline.get() {
            return Err(Why::LowBaseline {
                baseline: usual,
                needed: self.condition.min_baseline.get(),
            });
        }
        let of_step = usual * STEP_SECONDS as f64;
        let low = (calls as f64) < of_step * LOW;
        let held = low.then(|| steps.blindness(function, needed, from, from + STEP_SECONDS));
        held.flatten().map_or(Ok(of_step), Err)
    }

    #[allow(clippy::too_many_arguments)] // what a step of one group is made of
    fn take(
        &mut self,
        key: &GroupKey,
        by: &[By],
        verdict: Result<f64, Why>,
        calls: u64,
        clean: bool,
        now: Timestamp,
        to: i64,
    ) {
        let condition = &self.condition;
        let new = || Fall::new(Falls::new(condition.settings(1)), now);
        let Some(at) = self.memories.remember(key, by, now, new) else {
            return;
        };
        self.memories.change(at, |memory| {
            memory.last_call = now;
            let usual = match verdict {
                Ok(usual) => usual,
                Err(why) => {
                    memory.unknown = Some(why);
                    return false;
                }
            };
            memory.unknown = None;
            memory.falls.declare(condition.settings(memory.groups));
            memory.step(Step {
                at_ms: millis(Timestamp::from_seconds(to)),
                calls,
                usual,
                clean,
            })
        });
    }

    /// What the memories say, of all groups or of one function's.
    pub(super) fn verdicts(&self, only: Option<&FunctionId>, sieve: Sieve<'_>) -> Found {
        let calm = |glance: Glance| glance.calm && self.blind.is_none();
        self.memories
            .verdicts(only, sieve, calm, |memory| match &self.blind {
                Some(why) => Verdict::Unknown { why: why.clone() },
                None => memory.verdict(),
            })
    }

    pub(super) fn numbers(&self, key: &GroupKey) -> Option<String> {
        let memory = self.memories.get(key)?;
        let learning = if memory.falls.is_learning() {
            ", still learning: evidence counts a quarter"
        } else {
            ""
        };
        Some(format!(
            "{} are usual now ({} of earlier days), {} clean days known{learning}",
            per_second(memory.usual),
            percent(memory.falls.level()),
            memory.falls.clean_days()
        ))
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
        let falls = Falls::from_record(self.condition.settings(1), record)?;
        self.memories.put(key, by, at, Fall::new(falls, at));
        Ok(())
    }

    pub(super) fn resume(&mut self, key: &GroupKey, by: &[By], now: Timestamp) {
        let settings = self.condition.settings(self.memories.sharing(key, by));
        let new = || Fall::new(Falls::new(settings), now);
        if let Some(at) = self.memories.remember(key, by, now, new) {
            self.memories.change(at, |memory| {
                memory.falls.resume_falling(millis(now));
                false
            });
        }
    }
}
