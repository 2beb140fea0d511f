//! Pre-planned runbook scenarios: the words they are declared in and the states a run goes through.
//!
//! Owns: what a scenario and a run are; later their execution, locks, approvals, limits and audit.
//! Never: acts without a guard or an audit line. This version holds the types alone and runs nothing;
//! a configuration that declares scenarios is refused with a sentence that says so.
//! Entry point: [`Scenario`] and [`RunState`].

use std::time::Duration;

use model::{Glob, Ratio, Timestamp};

/// Prepared before a sale, or for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Run ahead of a dated event.
    Advance,
    /// Run while something is failing.
    Emergency,
}

/// Who has to agree before the first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Nobody: guards decide.
    Automatic,
    /// A person of this schedule; after `timeout` without an answer the run goes on or is dropped.
    Ask {
        /// The schedule asked.
        schedule: String,
        /// How long the question stands.
        timeout: Duration,
        /// Whether silence means yes.
        run_unanswered: bool,
    },
}

/// What must be known and true before anything acts. Blindness is never a reason to act.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// Fewer calls than this prove nothing.
    pub calls_min: u64,
    /// Share of the expected telemetry that must have arrived.
    pub completeness_min: Ratio,
    /// The most functions one run may touch.
    pub functions_max: usize,
    /// The most units that may be switched away at once.
    pub units_max: usize,
}

/// One planned response.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its unique name.
    pub name: String,
    /// Prepared or emergency.
    pub kind: Kind,
    /// The team that answers for it.
    pub owner: String,
    /// Whether it may act; a scenario that is not armed only says what it would do.
    pub armed: bool,
    /// Functions it may be run for.
    pub functions: Vec<Glob>,
    /// Conditions for acting.
    pub guard: Guard,
    /// Who has to agree.
    pub approval: Approval,
    /// Rest between two runs.
    pub cooldown: Duration,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Triggered; the guard is being looked at.
    Guarding,
    /// Waiting for a person's yes until then.
    Asking {
        /// When the question lapses.
        until: Timestamp,
    },
    /// Step number `step` (from 0) is under way.
    Acting {
        /// The step.
        step: usize,
    },
    /// All steps done; the windows that alarmed are watched.
    Verifying {
        /// When it counts as failed.
        until: Timestamp,
    },
    /// Going back in reverse order.
    RollingBack {
        /// The step being undone.
        step: usize,
    },
    /// Finished, verified.
    Done,
    /// Stopped by a person or the kill switch.
    Stopped,
    /// A step's outcome is unknown and repeating it is not known to be safe: a person decides.
    NeedsPerson {
        /// The step.
        step: usize,
    },
}

impl RunState {
    /// Whether nothing more happens by itself.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            RunState::Done | RunState::Stopped | RunState::NeedsPerson { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_waits_for_a_person_does_nothing_by_itself() {
        assert!(RunState::NeedsPerson { step: 2 }.is_final());
        assert!(!RunState::RollingBack { step: 0 }.is_final());
    }
}
