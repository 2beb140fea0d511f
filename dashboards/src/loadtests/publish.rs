//! Whether limits that a test proposes are taken, shown to a person, or neither.

use loadtest::plan::Publish;
use loadtest::result::LimitsPublish;

use super::book::{Limits, Stage};

/// What becomes of limits, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// How far they come; `None` when they stay in the result.
    pub(crate) stage: Option<Stage>,
    /// The reason, for people.
    pub(crate) why: String,
}

/// Rates that one pod is to be held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Proposed {
    /// Calls per second.
    pub(crate) qps: f64,
    /// Calls at once.
    pub(crate) concurrency: Option<u64>,
}

/// Decides. `trusted` is whether the sender could also approve: nobody takes by `auto` what he may not.
pub(crate) fn decide(
    wanted: Option<LimitsPublish>,
    proposed: Option<Proposed>,
    in_force: Option<&Limits>,
    trusted: bool,
) -> Decision {
    let decision = |stage, why: &str| Decision {
        stage,
        why: why.to_owned(),
    };
    let Some(wanted) = wanted.filter(|wanted| wanted.publish != Publish::Never) else {
        return decision(None, "the plan says `publish: never`");
    };
    let Some(proposed) = proposed else {
        return decision(
            None,
            "the result allows no planning, so no limits follow from it",
        );
    };
    let pending = |why: &str| decision(Some(Stage::Pending), why);
    if wanted.publish == Publish::Ask {
        return pending("the plan says `publish: ask`");
    }
    if !trusted {
        return pending("`publish: auto` needs a token that may approve limits");
    }
    let Some(in_force) = in_force else {
        return pending("no limits are in force yet, so the first are a person's to take");
    };
    let change = change(proposed, in_force);
    if change <= wanted.max_change {
        let why = format!("they differ by {} from those in force", percent(change));
        return decision(Some(Stage::Published), &why);
    }
    pending(&format!(
        "they differ by {} from those in force, {} is allowed without asking",
        percent(change),
        percent(wanted.max_change)
    ))
}

/// The larger relative change of the two limits.
fn change(proposed: Proposed, in_force: &Limits) -> f64 {
    let relative = |new: f64, old: f64| {
        if old > 0.0 {
            (new - old).abs() / old
        } else {
            f64::INFINITY
        }
    };
    let qps = relative(proposed.qps, in_force.qps);
    match (proposed.concurrency, in_force.concurrency) {
        (Some(new), Some(old)) => qps.max(relative(new as f64, old as f64)),
        (None, None) => qps,
        (Some(_), None) | (None, Some(_)) => f64::INFINITY,
    }
}

fn percent(share: f64) -> String {
    if share.is_finite() {
        format!("{:.0} %", share * 100.0)
    } else {
        "more than can be told".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::super::build::Build;
    use super::*;

    #[test]
    fn limits_are_taken_only_as_the_plan_allows() {
        let in_force = Limits {
            of: "lt-1".to_owned(),
            build: Build::default(),
            qps: 300.0,
            concurrency: Some(15),
            at: Timestamp::EPOCH,
            by: "ann".to_owned(),
        };
        let wanted = |publish| {
            Some(LimitsPublish {
                publish,
                max_change: 0.3,
            })
        };
        let limits = |qps, concurrency| {
            Some(Proposed {
                qps,
                concurrency: Some(concurrency),
            })
        };
        let (auto, ask, never) = (
            wanted(Publish::Auto),
            wanted(Publish::Ask),
            wanted(Publish::Never),
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
            (auto, near, None, true, pending),
            (auto, near, held, false, pending),
            (auto, None, held, true, None),
            (ask, None, held, true, None),
        ] {
            let decision = decide(wanted, proposed, in_force, trusted);
            assert_eq!(
                decision.stage, expected,
                "{wanted:?} {proposed:?}: {decision:?}"
            );
        }
        assert_eq!(
            decide(auto, far, held, true).why,
            "they differ by 33 % from those in force, 30 % is allowed without asking"
        );
    }
}
