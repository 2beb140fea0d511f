//! Which trouble is in force when: a pure plan of rounds. Every round lasts [`ROUND`]: for 30 s all is
//! well, then comes its trouble, then it is healed and the rest of the round shows the recovery. Four
//! troubles take turns, see [`Trouble`].

use std::time::Duration;

use serde::Serialize;

/// The length of one round.
pub const ROUND: Duration = Duration::from_mins(3);
/// When in a round the trouble begins.
pub const TROUBLE_FROM: Duration = Duration::from_secs(30);
/// The unit that fails when one does.
pub const FAILING_UNIT: &str = "b";

/// What goes wrong in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Every call of one unit fails; somebody answers the text message.
    UnitFails,
    /// 2 % of the calls fail, wherever they run; the chat is told.
    FewFail,
    /// Nobody calls the function any more; nobody answers the text message either, and the phone rings.
    FallsSilent,
    /// All is well, but the records come late. That must not look like silence.
    DataLate,
}

impl Trouble {
    /// In the order in which they come.
    pub const ALL: [Trouble; 4] = [
        Trouble::UnitFails,
        Trouble::FewFail,
        Trouble::FallsSilent,
        Trouble::DataLate,
    ];
    /// The share of calls that fail in [`Trouble::FewFail`].
    pub const FEW: f64 = 0.02;

    /// The trouble of a round; rounds count from 1.
    pub fn of(round: u64) -> Trouble {
        match round % 4 {
            1 => Trouble::UnitFails,
            2 => Trouble::FewFail,
            3 => Trouble::FallsSilent,
            _ => Trouble::DataLate,
        }
    }

    /// The function it meets; `None` when it meets all.
    pub fn function(self) -> Option<&'static str> {
        match self {
            Trouble::UnitFails => Some("guide/wow-video-feed"),
            Trouble::FewFail => Some("travel/rail-recommend"),
            Trouble::FallsSilent => Some("store/coupon"),
            Trouble::DataLate => None,
        }
    }

    /// How long it lasts.
    pub fn lasts(self) -> Duration {
        match self {
            // A small share needs calls to be told from chance.
            Trouble::FewFail => Duration::from_mins(1),
            // Rampart calls data late after a minute and a half.
            Trouble::DataLate => Duration::from_secs(105),
            _ => Duration::from_secs(45),
        }
    }

    /// Whether somebody answers the text message.
    pub fn is_answered(self) -> bool {
        self != Trouble::FallsSilent
    }
}

/// Where the plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// All is well.
    Healthy {
        /// The round, counted from 1.
        round: u64,
    },
    /// The round's trouble is in force.
    Troubled {
        /// The round, counted from 1.
        round: u64,
    },
}

/// What to do when the plan moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Cause the round's trouble.
    Begin {
        /// The round.
        round: u64,
    },
    /// Take it away again.
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
        let until = TROUBLE_FROM + Trouble::of(round).lasts();
        if (TROUBLE_FROM.as_micros()..until.as_micros()).contains(&within) {
            Plan::Troubled { round }
        } else {
            Plan::Healthy { round }
        }
    }

    /// Moves on. A step that was slept through is not made up for: what counts is how things should
    /// be now.
    pub fn advance(self, elapsed: Duration) -> (Plan, Vec<Change>) {
        let next = Plan::at(elapsed);
        let changes = match (self, next) {
            (Plan::Troubled { round: old }, Plan::Troubled { round }) if old != round => {
                vec![Change::Heal { round: old }, Change::Begin { round }]
            }
            (Plan::Healthy { .. }, Plan::Troubled { round }) => vec![Change::Begin { round }],
            (Plan::Troubled { round }, Plan::Healthy { .. }) => vec![Change::Heal { round }],
            _ => Vec::new(),
        };
        (next, changes)
    }

    /// The round it stands in.
    pub fn round(self) -> u64 {
        match self {
            Plan::Healthy { round } | Plan::Troubled { round } => round,
        }
    }

    /// When the next trouble begins, counted from the start of the demo, and which it is.
    pub fn next(elapsed: Duration) -> (Duration, Trouble) {
        let round = Plan::at(elapsed).round();
        let begins = |round: u64| {
            let before = u32::try_from(round - 1).unwrap_or(u32::MAX);
            ROUND.saturating_mul(before) + TROUBLE_FROM
        };
        let next = if elapsed < begins(round) {
            round
        } else {
            round + 1
        };
        (begins(next), Trouble::of(next))
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
        let begin = |round| Change::Begin { round };
        let heal = |round| Change::Heal { round };
        for (from, to, changes) in [
            (0, 29, vec![]),
            (29, 30, vec![begin(1)]),
            (30, 74, vec![]),
            (74, 75, vec![heal(1)]),
            (75, 209, vec![]),
            (209, 210, vec![begin(2)]),
            (269, 270, vec![heal(2)]),
            // Slept through: a trouble that came and went does nothing, one that came stands.
            (10, 160, vec![]),
            (10, 220, vec![begin(2)]),
            (40, 100, vec![heal(1)]),
            (40, 220, vec![heal(1), begin(2)]),
        ] {
            let (plan, found) = Plan::at(seconds(from)).advance(seconds(to));
            assert_eq!(
                (plan, found),
                (Plan::at(seconds(to)), changes),
                "{from} → {to}"
            );
        }
    }

    #[test]
    fn every_trouble_has_its_turn_begins_and_heals_once() {
        let mut plan = Plan::START;
        let mut story = Vec::new();
        for tick in 0..(ROUND.as_secs() * 4 * 4) {
            let (next, changes) = plan.advance(Duration::from_millis(tick * 250));
            plan = next;
            story.extend(changes);
        }
        let expected: Vec<Change> = (1..=4)
            .flat_map(|round| [Change::Begin { round }, Change::Heal { round }])
            .collect();
        assert_eq!(story, expected);
        assert_eq!([1, 2, 3, 4].map(Trouble::of), Trouble::ALL);
        assert_eq!(Trouble::of(5), Trouble::UnitFails);
    }

    #[test]
    fn the_next_trouble_is_known() {
        assert_eq!(Plan::next(seconds(0)), (seconds(30), Trouble::UnitFails));
        assert_eq!(Plan::next(seconds(30)), (seconds(210), Trouble::FewFail));
        assert_eq!(Plan::next(seconds(209)), (seconds(210), Trouble::FewFail));
        assert_eq!(Plan::next(seconds(500)), (seconds(570), Trouble::DataLate));
    }

    #[test]
    fn there_is_time_to_recover_before_the_next_round() {
        for trouble in Trouble::ALL {
            assert!(
                TROUBLE_FROM + trouble.lasts() + seconds(45) <= ROUND,
                "{trouble:?}"
            );
        }
    }
}
