//! Where an incident stands in its plan: a clock that can be paused, brought forward and started
//! over. No names, no people: only steps and times.

use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{Repeat, Step};

/// The steps an incident follows.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) repeat: Option<Repeat>,
    pub(super) acknowledged_for: Option<Duration>,
}

/// Where an incident stands in its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What the steps' `after` counts from: when the incident opened, moved by what was skipped,
    /// brought forward or spent resolved.
    pub base: Timestamp,
    /// The step that comes next, from 0.
    pub next: usize,
    /// How many times the steps have started over.
    pub round: u32,
    /// When the next step is due; `None` once the plan has ended.
    pub due: Option<Timestamp>,
    /// Whether anything of the latest step was accepted.
    pub step_accepted: bool,
    /// When an open incident is brought to mind again.
    pub remind_at: Option<Timestamp>,
    /// When those told hear about alerts that joined.
    pub update_at: Option<Timestamp>,
    /// Alerts that joined since the last message.
    pub joined: usize,
    /// When those told hear that it is over.
    pub farewell_at: Option<Timestamp>,
    /// When it last came back.
    pub reopened_at: Option<Timestamp>,
    /// When a person last asked for the next step.
    pub escalated_at: Option<Timestamp>,
    /// When a message was last decided.
    pub last_message_at: Option<Timestamp>,
    /// The earliest step that a resolution cut off before its message left.
    pub cut_off: Option<usize>,
}

impl Progress {
    /// The beginning of a plan.
    pub(super) fn start(plan: &Plan, base: Timestamp) -> Self {
        Progress {
            base,
            next: 0,
            round: 0,
            due: plan.steps.first().map(|step| base + step.after),
            step_accepted: false,
            remind_at: None,
            update_at: None,
            joined: 0,
            farewell_at: None,
            reopened_at: None,
            escalated_at: None,
            last_message_at: None,
            cut_off: None,
        }
    }

    /// Starts the plan over, keeping what was said.
    pub(super) fn restart(&mut self, plan: &Plan, base: Timestamp) {
        *self = Progress {
            reopened_at: self.reopened_at,
            escalated_at: self.escalated_at,
            last_message_at: self.last_message_at,
            ..Progress::start(plan, base)
        };
    }

    /// The step that is due now, if one is, with its number from 0. A step that is taken late moves
    /// those after it: they keep their distance and do not all come at once.
    pub(super) fn take_due<'a>(
        &mut self,
        plan: &'a Plan,
        now: Timestamp,
    ) -> Option<(usize, &'a Step)> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        // A shorter plan after a reload: its last step stands for those that are gone.
        let index = self.next.min(plan.steps.len().checked_sub(1)?);
        let step = plan.steps.get(index)?;
        self.step_accepted = false;
        self.next = index + 1;
        self.base = now - step.after;
        match (plan.steps.get(self.next), plan.repeat) {
            (Some(next), _) => self.due = Some(self.base + next.after),
            (None, Some(repeat)) if self.round < repeat.times => {
                self.round += 1;
                self.next = 0;
                self.base = self.base + step.after + repeat.every;
                self.due = plan.steps.first().map(|first| self.base + first.after);
            }
            (None, _) => self.due = None,
        }
        Some((index, step))
    }

    /// Makes the next step due at `now`; the steps after it keep their distance. Returns whether
    /// there is one.
    pub(super) fn bring_forward(&mut self, plan: &Plan, now: Timestamp) -> bool {
        if self.due.is_none() {
            return false;
        }
        let last = plan.steps.len().saturating_sub(1);
        let next = plan.steps.get(self.next.min(last));
        self.base = next.map_or(now, |step| now - step.after);
        self.due = Some(now);
        true
    }

    /// Runs a step again, now; the steps after it keep their distance.
    pub(super) fn return_to(&mut self, plan: &Plan, step: usize, now: Timestamp) {
        let step = step.min(plan.steps.len().saturating_sub(1));
        if let Some(again) = plan.steps.get(step) {
            self.next = step;
            self.base = now - again.after;
            self.due = Some(now);
        }
    }

    /// Gives back the time an incident spent resolved.
    pub(super) fn resume_after(&mut self, pause: Duration, now: Timestamp) {
        self.base = self.base + pause;
        self.due = self.due.map(|due| (due + pause).max(now));
        self.remind_at = self.remind_at.map(|at| (at + pause).max(now));
    }

    /// Whether no step is left before the plan ends or starts over.
    pub(super) fn round_has_ended(&self) -> bool {
        self.due.is_none() || self.next == 0
    }

    /// Whether a message of this step belongs to the latest step that ran, so that its failure
    /// concerns what comes next.
    pub(super) fn is_latest(&self, round: u32, step: usize) -> bool {
        if self.next == 0 {
            // The steps started over right after the last one ran.
            round + 1 == self.round
        } else {
            round == self.round && step + 1 == self.next
        }
    }

    /// Moves every time that lies ahead by what the wall clock was set.
    pub(super) fn shift(&mut self, by_micros: i64) {
        self.base = shifted(self.base, by_micros);
        for at in [
            &mut self.due,
            &mut self.remind_at,
            &mut self.update_at,
            &mut self.farewell_at,
            &mut self.reopened_at,
            &mut self.escalated_at,
            &mut self.last_message_at,
        ] {
            *at = at.map(|at| shifted(at, by_micros));
        }
    }
}

/// An instant moved by what the wall clock was set.
pub(super) fn shifted(at: Timestamp, by_micros: i64) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add(by_micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Target;

    fn plan(afters: &[u64], repeat: Option<(u64, u32)>) -> Plan {
        let step = |after: &u64| Step {
            after: Duration::from_secs(*after),
            notify: vec![Target::Receiver("x".into())],
        };
        Plan {
            steps: afters.iter().map(step).collect(),
            repeat: repeat.map(|(every, times)| Repeat {
                every: Duration::from_secs(every),
                times,
            }),
            acknowledged_for: None,
        }
    }

    /// Runs to the end and prints `second:step` of everything that came due.
    fn run(progress: &mut Progress, plan: &Plan) -> String {
        let mut lines = Vec::new();
        while let Some(due) = progress.due {
            let (index, _) = progress.take_due(plan, due).unwrap();
            lines.push(format!("{}:{}", due.as_seconds(), index + 1));
        }
        lines.join(" ")
    }

    #[test]
    fn steps_come_at_their_times_and_start_over() {
        for (plan, expected) in [
            (plan(&[0], None), "0:1"),
            (plan(&[0, 120, 300], None), "0:1 120:2 300:3"),
            (
                plan(&[0, 120], Some((600, 2))),
                "0:1 120:2 720:1 840:2 1440:1 1560:2",
            ),
            (plan(&[30, 30], None), "30:1 30:2"),
        ] {
            let mut progress = Progress::start(&plan, Timestamp::EPOCH);
            assert_eq!(run(&mut progress, &plan), expected);
        }
    }

    #[test]
    fn bringing_forward_keeps_the_distance_of_what_follows() {
        let plan = plan(&[0, 120, 300], None);
        let mut progress = Progress::start(&plan, Timestamp::EPOCH);
        progress.take_due(&plan, Timestamp::EPOCH).unwrap();
        assert!(progress.is_latest(0, 0));
        assert!(progress.bring_forward(&plan, Timestamp::from_seconds(5)));
        assert_eq!(run(&mut progress, &plan), "5:2 185:3");
        assert!(!progress.bring_forward(&plan, Timestamp::from_seconds(200)));
    }

    #[test]
    fn a_late_step_keeps_the_distance_of_what_follows() {
        let plan = plan(&[0, 120, 300], Some((600, 1)));
        for asked in [false, true] {
            let mut progress = Progress::start(&plan, Timestamp::EPOCH);
            progress.take_due(&plan, Timestamp::EPOCH).unwrap();
            let late = Timestamp::from_seconds(1_200);
            if asked {
                progress.bring_forward(&plan, late);
                assert_eq!(progress.due, Some(late));
            }
            assert_eq!(progress.take_due(&plan, late).unwrap().0, 1);
            assert!(progress.take_due(&plan, late).is_none());
            assert_eq!(
                run(&mut progress, &plan),
                "1380:3 1980:1 2100:2 2280:3",
                "asked for: {asked}"
            );
        }
    }

    #[test]
    fn a_pause_is_given_back() {
        let plan = plan(&[0, 120], None);
        let mut progress = Progress::start(&plan, Timestamp::EPOCH);
        progress.take_due(&plan, Timestamp::EPOCH).unwrap();
        progress.resume_after(Duration::from_mins(1), Timestamp::from_seconds(90));
        assert_eq!(run(&mut progress, &plan), "180:2");
    }

    #[test]
    fn a_plan_that_shrank_goes_on_at_its_last_step() {
        let long = plan(&[0, 10, 20, 30], None);
        let short = plan(&[0, 5], None);
        let mut progress = Progress::start(&long, Timestamp::EPOCH);
        for second in [0, 10, 20] {
            progress
                .take_due(&long, Timestamp::from_seconds(second))
                .unwrap();
        }
        assert_eq!(run(&mut progress, &short), "30:2");
    }
}
