//! Whether limits that a test proposes are taken, shown to a person, or neither.

use loadtest::plan::Publish;
use loadtest::result::{CapacityResult, LimitsPublish};
use loadtest::sizing::{self, Publication};

use super::book::{Limits, Stage};

/// What becomes of limits, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decision {
    /// How far which limits come; `None` when they stay in the result.
    pub(crate) taken: Option<(Stage, sizing::Limits)>,
    /// The reason, for people.
    pub(crate) why: String,
}

impl Decision {
    /// Nothing is taken.
    pub(crate) fn none(why: impl Into<String>) -> Decision {
        Decision {
            taken: None,
            why: why.into(),
        }
    }
}

/// What a plan wants that says nothing of limits.
const UNSAID: LimitsPublish = LimitsPublish {
    publish: Publish::Never,
    max_change: 0.0,
};

/// Decides. `trusted` is whether the sender could also approve: nobody takes by `auto` what he may not.
pub(crate) fn decide(found: &CapacityResult, in_force: Option<&Limits>, trusted: bool) -> Decision {
    let proposed = found
        .limits
        .filter(|limits| limits.qps.is_finite() && limits.qps > 0.0);
    let Some(proposed) = proposed else {
        return Decision::none("the result allows no planning, so no limits follow from it");
    };
    // Limits that hold no calls at once cannot be compared.
    let in_force = in_force.and_then(|limits| {
        Some(sizing::Limits {
            qps: limits.qps,
            concurrency: limits.concurrency?,
        })
    });
    let wanted = found.limits_publish.unwrap_or(UNSAID);
    let (stage, why) = match proposed.publication(wanted, &found.verdict, in_force.as_ref()) {
        Publication::No(why) => return Decision::none(why),
        Publication::Ask(why) => (Stage::Pending, why),
        Publication::Now(_) if !trusted => (
            Stage::Pending,
            "`publish: auto` needs a token that may approve limits".to_owned(),
        ),
        Publication::Now(why) => (Stage::Published, why),
    };
    Decision {
        taken: Some((stage, proposed)),
        why,
    }
}

#[cfg(test)]
mod tests {
    use loadtest::result::{Subject, Verdict};
    use model::Timestamp;

    use super::super::build::Build;
    use super::*;

    fn found(publish: Option<Publish>, limits: Option<sizing::Limits>) -> CapacityResult {
        CapacityResult {
            verdict: Verdict::Confirmed {
                low: 300.0,
                high: 315.0,
            },
            subject: Subject::default(),
            objective: String::new(),
            per_pod: Some(300.0),
            per_cpu: None,
            mean_latency_ms: None,
            limits,
            limits_publish: publish.map(|publish| LimitsPublish {
                publish,
                max_change: 0.3,
            }),
            pods: None,
            searches: Vec::new(),
            hints: Vec::new(),
        }
    }

    fn in_force() -> Limits {
        Limits {
            of: "lt-1".to_owned(),
            build: Build::default(),
            qps: 300.0,
            concurrency: Some(15),
            at: Timestamp::EPOCH,
            by: "ann".to_owned(),
        }
    }

    #[test]
    fn limits_are_taken_only_as_the_plan_allows() {
        let in_force = in_force();
        let of_qps_alone = Limits {
            concurrency: None,
            ..in_force.clone()
        };
        let limits = |qps, concurrency| Some(sizing::Limits { qps, concurrency });
        let (auto, ask, never) = (
            Some(Publish::Auto),
            Some(Publish::Ask),
            Some(Publish::Never),
        );
        let (near, far) = (limits(380.0, 15), limits(400.0, 15));
        let (pending, published) = (Some(Stage::Pending), Some(Stage::Published));
        let held = Some(&in_force);
        for (wanted, proposed, in_force, trusted, expected) in [
            (None, near, held, true, None),
            (never, near, held, true, None),
            (ask, near, held, true, pending),
            (auto, near, held, true, published),
            (auto, far, held, true, pending),
            // Calls at once count as well.
            (auto, limits(300.0, 20), held, true, pending),
            (auto, near, Some(&of_qps_alone), true, pending),
            (auto, near, None, true, pending),
            (auto, near, held, false, pending),
            (auto, None, held, true, None),
            (auto, limits(0.0, 15), held, true, None),
            (ask, None, held, true, None),
        ] {
            let decision = decide(&found(wanted, proposed), in_force, trusted);
            let stage = decision.taken.map(|(stage, _)| stage);
            assert_eq!(stage, expected, "{wanted:?} {proposed:?}: {decision:?}");
        }
        assert_eq!(
            decide(&found(auto, far), held, true).why,
            "they differ by 33 % from those in force, 30 % is allowed without asking"
        );
    }

    #[test]
    fn a_lower_bound_waits_for_a_person_even_under_auto() {
        let in_force = in_force();
        let limits = sizing::Limits {
            qps: 300.0,
            concurrency: 15,
        };
        let at_least = CapacityResult {
            verdict: Verdict::AtLeast {
                low: 300.0,
                why: "the plan ends there".to_owned(),
            },
            ..found(Some(Publish::Auto), Some(limits))
        };
        let decision = decide(&at_least, Some(&in_force), true);
        assert_eq!(decision.taken, Some((Stage::Pending, limits)));
        assert!(decision.why.contains("a lower bound"), "{}", decision.why);
    }
}
