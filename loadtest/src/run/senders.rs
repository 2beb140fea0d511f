//! Who sends: threads of this machine, or workers on others.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::with_warm_up;
use super::ready::{Gate, Ready};
use super::{Context, RunError, calibration, preflight, ready, threads};
use crate::engine::{RunClock, Stop};
use crate::plan::{Arrivals, Load, LoadModel, Plan, Stage, caps};
use crate::result::Subject;
use crate::tally::Tally;
use crate::workers::Team;

/// What a plan is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// Its load is sent.
    Run,
    /// Its target's capacity is searched.
    Capacity,
}

impl Purpose {
    /// The largest rate that will be sent.
    pub(crate) fn highest(self, plan: &Plan) -> f64 {
        match self {
            // Callers of the closed model send as fast as they are answered.
            Purpose::Run => plan.load.peak_rate().unwrap_or(caps::RATE_PER_SECOND_MAX),
            Purpose::Capacity => plan.capacity.max,
        }
    }
}

/// One load of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Sending {
    /// Its own load, the warm-up in front.
    Whole,
    /// A trial of a capacity search.
    Trial {
        /// Calls per second.
        rate: f64,
        /// How long.
        duration: Duration,
        /// Each trial has choices of its own, and the same ones when the search is repeated.
        seed: u64,
    },
}

impl Sending {
    /// The load in full.
    pub(crate) fn load(self, plan: &Plan) -> Load {
        let Sending::Trial {
            rate,
            duration,
            seed,
        } = self
        else {
            return with_warm_up(&plan.load);
        };
        let arrivals = match &plan.load.model {
            LoadModel::Open { arrivals, .. } => *arrivals,
            LoadModel::Closed { .. } => Arrivals::Poisson,
        };
        Load {
            model: LoadModel::Open {
                arrivals,
                stages: vec![Stage {
                    duration,
                    from: rate,
                    to: rate,
                }],
            },
            warm_up: Duration::ZERO,
            duration,
            seed,
            ..plan.load.clone()
        }
    }
}

/// Who sends the loads of a run.
#[derive(Debug)]
pub(super) enum Senders {
    /// Threads of this machine.
    Here(Box<Ready>),
    /// Workers; this machine sends nothing.
    Away(Box<Team>),
}

impl Senders {
    /// Proves that the target may be sent to from here, or finds the workers that will prove it.
    pub(super) fn make(
        plan: &Plan,
        id: &str,
        purpose: Purpose,
        context: &Context<'_>,
    ) -> Result<Self, RunError> {
        let (gate, highest) = (Gate::of(context), purpose.highest(plan));
        match &context.workers {
            None => {
                let ready = ready::make(plan, id, highest, &gate)?;
                Ok(Senders::Here(Box::new(ready)))
            }
            Some(workers) => {
                gate.check_permission(plan, highest)?;
                let team = Team::open(workers, &context.clock, &context.stop)?;
                Ok(Senders::Away(Box::new(team)))
            }
        }
    }

    /// Lets every machine send one request of each kind.
    pub(super) fn check(
        &mut self,
        plan: &Plan,
        id: &str,
        purpose: Purpose,
        context: &Context<'_>,
    ) -> Result<(), RunError> {
        match self {
            Senders::Here(ready) => {
                preflight::check(ready, &plan.load, &context.clock, &context.stop)
            }
            Senders::Away(team) => team.prepare(plan, id, purpose, &context.stop),
        }
    }

    /// Calls per second that the generator reaches, all machines together.
    pub(super) fn calibrate(
        &mut self,
        load: &Load,
        clock: &RunClock,
        stop: &Arc<Stop>,
    ) -> Result<f64, RunError> {
        match self {
            Senders::Here(ready) => calibration::measure(ready, load, clock, stop),
            Senders::Away(team) => team.calibrate(load, stop),
        }
    }

    /// What a calibrated rate is of, in words.
    pub(super) fn reach(&self) -> String {
        match self {
            Senders::Here(_) => "this generator reaches".to_owned(),
            Senders::Away(team) => {
                format!("{} workers, loaded evenly, reach", team.len())
            }
        }
    }

    /// Sends a load and tells each second to `each` when it is whole. It ends with the load, when `stop`
    /// is raised, or when `each` says so by raising it.
    pub(super) fn send(
        &mut self,
        sending: Sending,
        plan: &Plan,
        clock: &RunClock,
        stop: &Arc<Stop>,
        each: impl FnMut(u32, Tally),
    ) -> Result<(), RunError> {
        let load = sending.load(plan);
        match self {
            Senders::Here(ready) => threads::send(ready, &load, clock, stop, each),
            Senders::Away(team) => team.send(sending, &load, stop, each),
        }
    }

    /// What went wrong with the machines that send, in sentences; nothing is right once there is one.
    pub(super) fn faults(&self) -> Vec<String> {
        match self {
            Senders::Here(_) => Vec::new(),
            Senders::Away(team) => team.faults(),
        }
    }

    /// Writes down which machines sent.
    pub(super) fn sign(&self, subject: &mut Subject) {
        if let Senders::Away(team) = self {
            team.sign(subject);
        }
    }
}
