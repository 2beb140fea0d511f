//! Which fault is in force when: a pure plan that repeats every [`ROUND`].
//!
//! A round lasts 2 min 30 s. For 30 s all is well; then unit `b` of `guide/wow-video-feed` answers
//! 500 for 45 s; then it is healed and the rest of the round shows the recovery. Rounds 1, 3, 5, …
//! are acknowledged from the text message; in rounds 2, 4, 6, … nobody answers and the phone rings.

use std::time::Duration;

use crate::pod::Fault;

/// The length of one round.
pub const ROUND: Duration = Duration::from_secs(150);
/// When in a round the fault begins.
pub const FAULT_FROM: Duration = Duration::from_secs(30);
/// When in a round it is healed.
pub const FAULT_TO: Duration = Duration::from_secs(75);
/// The function that fails.
pub const FAILING_FUNCTION: &str = "guide/wow-video-feed";
/// The unit of it that fails.
pub const FAILING_UNIT: &str = "b";

/// Where the plan stands. Rounds count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// All is well.
    Healthy {
        /// The round.
        round: u64,
    },
    /// The fault is in force.
    Failing {
        /// The round.
        round: u64,
    },
}

/// What to do when the plan moves on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Give every pod of [`FAILING_UNIT`] of [`FAILING_FUNCTION`] this fault.
    Break {
        /// The round.
        round: u64,
        /// The fault.
        fault: Fault,
    },
    /// Take the fault away again.
    Heal {
        /// The round.
        round: u64,
    },
}

impl Plan {
    /// How the demo begins.
    pub const START: Plan = Plan::Healthy { round: 1 };

    /// Where the plan stands after this much time.
    pub fn at(elapsed: Duration) -> Plan {
        let round_micros = ROUND.as_micros();
        let round = u64::try_from(elapsed.as_micros() / round_micros).unwrap_or(u64::MAX - 1) + 1;
        let within = elapsed.as_micros() % round_micros;
        if (FAULT_FROM.as_micros()..FAULT_TO.as_micros()).contains(&within) {
            Plan::Failing { round }
        } else {
            Plan::Healthy { round }
        }
    }

    /// Moves on. A step that was slept through is not made up for: what counts is how things should
    /// be now.
    pub fn advance(self, elapsed: Duration) -> (Plan, Option<Change>) {
        let next = Plan::at(elapsed);
        let change = match (self, next) {
            (Plan::Healthy { .. }, Plan::Failing { round }) => Some(Change::Break {
                round,
                fault: Fault::Fail { share: 1.0 },
            }),
            (Plan::Failing { round }, Plan::Healthy { .. }) => Some(Change::Heal { round }),
            _ => None,
        };
        (next, change)
    }

    /// The round it stands in.
    pub fn round(self) -> u64 {
        match self {
            Plan::Healthy { round } | Plan::Failing { round } => round,
        }
    }

    /// Whether somebody answers the text message of a round.
    pub fn is_acknowledged(round: u64) -> bool {
        round % 2 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn edges() {
        let broken = |round| {
            Some(Change::Break {
                round,
                fault: Fault::Fail { share: 1.0 },
            })
        };
        let healed = |round| Some(Change::Heal { round });
        for (from, to, change) in [
            (0, 29, None),
            (29, 30, broken(1)),
            (30, 74, None),
            (74, 75, healed(1)),
            (75, 179, None),
            (179, 180, broken(2)),
            (224, 225, healed(2)),
            // Slept through: a fault that came and went does nothing, one that came stands.
            (10, 160, None),
            (10, 190, broken(2)),
            (40, 100, healed(1)),
            (40, 190, None),
        ] {
            let (plan, found) = Plan::at(seconds(from)).advance(seconds(to));
            assert_eq!(
                (plan, found),
                (Plan::at(seconds(to)), change),
                "{from} → {to}"
            );
        }
    }

    #[test]
    fn every_round_breaks_and_heals_once() {
        let mut plan = Plan::START;
        let mut changes = Vec::new();
        for tick in 0..(ROUND.as_secs() * 4 * 4) {
            let (next, change) = plan.advance(Duration::from_millis(tick * 250));
            plan = next;
            changes.extend(change);
        }
        let rounds: Vec<u64> = changes
            .iter()
            .map(|change| match change {
                Change::Break { round, .. } | Change::Heal { round } => *round,
            })
            .collect();
        assert_eq!(rounds, [1, 1, 2, 2, 3, 3, 4, 4]);
        assert!(Plan::is_acknowledged(1) && !Plan::is_acknowledged(2));
    }
}
