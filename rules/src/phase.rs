//! What one rule says about one label set over time. Pure: no clock, no I/O.

use std::time::Duration;

use model::Timestamp;

use crate::condition::Verdict;

/// The delays of a rule that the phase obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// `for`: how much observed breach it takes to fire.
    pub hold: Duration,
    /// `keep_firing_for`: how long it must be quiet before it resolves.
    pub keep_firing_for: Duration,
    /// How often the rule is evaluated: the most time that one breach vouches for.
    pub every: Duration,
}

/// One rule for one label set. `Unknown` never moves it: blindness is not health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is wrong.
    #[default]
    Inactive,
    /// Something is wrong, though not yet for long enough.
    Pending {
        /// Breach that was really observed; downtime and blind time are not part of it.
        held: Duration,
        /// When a breach was last seen.
        last_seen: Timestamp,
    },
    /// A person has been told.
    Firing {
        /// When this episode began.
        since: Timestamp,
    },
    /// The breach is over, though not yet for long enough.
    Clearing {
        /// When this episode began.
        since: Timestamp,
        /// Since when it has been quiet.
        quiet_since: Timestamp,
    },
}

/// What a step of a phase asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell that it began.
    Fire {
        /// The beginning of the episode.
        since: Timestamp,
    },
    /// Tell that it is over.
    Resolve {
        /// The beginning of the episode.
        since: Timestamp,
        /// Its end.
        at: Timestamp,
    },
}

impl Phase {
    /// One step. Every arm is an edge and stands as a row in the table test below.
    #[allow(clippy::match_same_arms)] // one arm is one edge, also where two edges lead the same way
    pub fn advance(
        self,
        verdict: &Verdict,
        timing: &Timing,
        now: Timestamp,
    ) -> (Phase, Vec<Effect>) {
        match (self, verdict) {
            (phase, Verdict::Unknown { .. }) => (phase, vec![]),

            (Phase::Inactive, Verdict::Ok { .. }) => (Phase::Inactive, vec![]),
            (Phase::Inactive, Verdict::Breach { .. }) if timing.hold.is_zero() => Phase::fire(now),
            (Phase::Inactive, Verdict::Breach { .. }) => (
                Phase::Pending {
                    held: Duration::ZERO,
                    last_seen: now,
                },
                vec![],
            ),

            (Phase::Pending { .. }, Verdict::Ok { .. }) => (Phase::Inactive, vec![]),
            (Phase::Pending { held, last_seen }, Verdict::Breach { .. }) => {
                let held = held + now.since(last_seen).min(timing.every);
                if held >= timing.hold {
                    Phase::fire(now)
                } else {
                    (
                        Phase::Pending {
                            held,
                            last_seen: now,
                        },
                        vec![],
                    )
                }
            }

            (
                Phase::Firing { since },
                Verdict::Ok {
                    recovered: true, ..
                },
            ) if timing.keep_firing_for.is_zero() => Phase::resolve(since, now),
            (
                Phase::Firing { since },
                Verdict::Ok {
                    recovered: true, ..
                },
            ) => (
                Phase::Clearing {
                    since,
                    quiet_since: now,
                },
                vec![],
            ),
            (Phase::Firing { since }, _) => (Phase::Firing { since }, vec![]),

            (
                Phase::Clearing { since, quiet_since },
                Verdict::Ok {
                    recovered: true, ..
                },
            ) => {
                if now.since(quiet_since) >= timing.keep_firing_for {
                    Phase::resolve(since, now)
                } else {
                    (self, vec![])
                }
            }
            (Phase::Clearing { since, .. }, _) => (Phase::Firing { since }, vec![]),
        }
    }

    /// Takes the phase up again after time in which nobody watched: a restart, or a wall clock that
    /// jumped. Timers go on from `now`, so that time counts neither for firing nor for resolving.
    pub fn resume(self, now: Timestamp) -> Phase {
        match self {
            Phase::Pending { held, .. } => Phase::Pending {
                held,
                last_seen: now,
            },
            Phase::Clearing { since, .. } => Phase::Clearing {
                since,
                quiet_since: now,
            },
            phase => phase,
        }
    }

    /// Time about which nothing is known is not quiet time: what is left of `keep_firing_for` stays.
    pub fn hold_still(self, unseen: Duration, now: Timestamp) -> Phase {
        match self {
            Phase::Clearing { since, quiet_since } => Phase::Clearing {
                since,
                quiet_since: (quiet_since + unseen).min(now),
            },
            phase => phase,
        }
    }

    /// Whether it is anything but inactive.
    pub fn is_active(self) -> bool {
        self != Phase::Inactive
    }

    /// When the episode began, while there is one.
    pub fn episode_since(self) -> Option<Timestamp> {
        match self {
            Phase::Firing { since } | Phase::Clearing { since, .. } => Some(since),
            Phase::Inactive | Phase::Pending { .. } => None,
        }
    }

    /// The word in tables and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Inactive => "inactive",
            Phase::Pending { .. } => "pending",
            Phase::Firing { .. } => "firing",
            Phase::Clearing { .. } => "clearing",
        }
    }

    fn fire(now: Timestamp) -> (Phase, Vec<Effect>) {
        (
            Phase::Firing { since: now },
            vec![Effect::Fire { since: now }],
        )
    }

    fn resolve(since: Timestamp, now: Timestamp) -> (Phase, Vec<Effect>) {
        (Phase::Inactive, vec![Effect::Resolve { since, at: now }])
    }
}

#[cfg(test)]
mod tests;
